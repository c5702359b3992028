"""A login authority of our own: metadata and keys of any tenant, v1 and v2, with every knob in the
test's hand. Plain http on loopback."""

import http.server
import json
import threading

from lib import tokens


class Authority:
    def __init__(self, keys=(), port=0):
        self.keys = list(keys)  # JWK entries of both key documents
        self.keys_by_version = {}  # 1 or 2 -> entries, where the two differ
        self.issuers = {1: tokens.issuer_v1, 2: tokens.issuer_v2}
        self.raw_keys = None  # bytes to serve in place of every key document
        self.raw_metadata = None  # the same for metadata
        self.status = 200
        self.hold = None  # an Event: answers wait for it
        self.fetches = []  # paths asked for
        self.extra = {}  # path -> bytes
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def key_fetches(self):
        with self.lock:
            return [path for path in self.fetches if path.endswith("/keys")]

    def metadata(self, tenant, version):
        part = "discovery/v2.0/keys" if version == 2 else "discovery/keys"
        return {"issuer": self.issuers[version](tenant),
                "jwks_uri": f"{self.url}/{tenant}/{part}",
                "token_endpoint": f"{self.url}/{tenant}/oauth2/v2.0/token",
                "id_token_signing_alg_values_supported": ["RS256"]}

    def document(self, path):
        """Bytes for a path, None when there is nothing."""
        if path in self.extra:
            return self.extra[path]
        tenant, _, rest = path.lstrip("/").partition("/")
        version = 2 if "v2.0" in rest else 1
        if rest.endswith(".well-known/openid-configuration"):
            return self.raw_metadata or json.dumps(self.metadata(tenant, version)).encode()
        if rest.startswith("discovery/") and rest.endswith("keys"):
            keys = self.keys_by_version.get(version, self.keys)
            return self.raw_keys or json.dumps({"keys": keys}).encode()
        return None

    def _handler(self):
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                authority.answer(self)

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, handler):
        path = handler.path.partition("?")[0]
        with self.lock:
            self.fetches.append(path)
        if self.hold:
            self.hold.wait(30)
        body = self.document(path)
        status = 404 if body is None else self.status
        body = body or b"{}"
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
