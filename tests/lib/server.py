"""The frame of our small fake services: one thread per connection, http or https on loopback."""

import http.server
import ssl
import threading


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that went away is what many tests are about."""


class Server:
    """Subclasses answer(handler) with (status, body bytes, headers)."""

    scheme = "http"

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.hold = None  # an Event: answers wait for it
        self.fetches = []  # paths asked for, in order
        self.received = []  # whole requests, as text again: "GET /x\nName: value\n\nbody"
        self.server = QuietServer(("127.0.0.1", port), self._handler())
        self.port = self.server.server_address[1]
        self.is_running = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start_tls(self, certificate_path):
        """From here on it is an https service; the file holds certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_path)
        self.scheme = "https"
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)

    def stop(self):
        if self.is_running:
            self.is_running = False
            self.server.shutdown()
            self.server.server_close()

    def answer(self, path, handler):
        raise NotImplementedError

    def _handler(self):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                service.serve(self)

            def do_POST(self):
                service.serve(self)

            def log_message(self, *_):
                pass

        return Handler

    def serve(self, handler):
        path = handler.path.partition("?")[0]
        handler.body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        with self.lock:
            self.fetches.append(path)
            self.received.append(f"{handler.command} {handler.path}\n{handler.headers}".encode()
                                 + handler.body)
        hold = self.hold
        if hold:
            hold.wait(30)
        if not self.is_running:
            handler.close_connection = True
            return
        status, body, headers = self.answer(path, handler)
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
