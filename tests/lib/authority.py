"""A login authority of our own: metadata and keys of any tenant, v1 and v2, with every knob in the
test's hand."""

import json
import threading
import time

from lib import tokens
from lib.server import Server

JSON_TYPE = [("Content-Type", "application/json; charset=utf-8")]


class Authority(Server):
    def __init__(self, keys=(), port=0):
        self.keys = list(keys)  # JWK entries of both key documents
        self.keys_by_version = {}  # 1 or 2 -> entries, where the two differ
        self.issuers = {1: tokens.issuer_v1, 2: tokens.issuer_v2}
        self.raw_keys = None  # bytes to serve in place of every key document
        self.raw_metadata = None  # the same for metadata
        self.status = 200
        self.extra = {}  # path -> bytes
        self.absent = set()  # paths that are 404
        self.broken = set()  # paths that are 500
        self.moved_to = None  # URL that every document is said to have moved to
        self.silence = threading.Event()  # set: no answer until it is cleared
        super().__init__(port)

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

    def answer(self, path, handler):
        while self.silence.is_set():
            time.sleep(0.05)
        if self.moved_to:
            return 302, b"", [("Location", self.moved_to + path)]
        body = self.document(path)
        if body is None or path in self.absent:
            return 404, b"{}", JSON_TYPE
        if path in self.broken:
            return 500, b"{}", JSON_TYPE
        return self.status, body, JSON_TYPE
