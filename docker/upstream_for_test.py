#!/usr/bin/python3
"""A backend for test_image.sh: answers 200 to viewer's password, 401 to everything else. Prints its port."""

import base64
import http.server

EXPECTED = "Basic " + base64.b64encode(b"viewer:canary-rabbit-viewer-19c4").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        is_known = self.headers.get("Authorization") == EXPECTED
        body = b'{"name":"viewer"}' if is_known else b"{}"
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
