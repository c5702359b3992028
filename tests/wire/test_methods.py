#!/usr/bin/python3
"""Methods, CONNECT, TRACE and upgrades (CASES.md G)."""

import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.case import WireCase

REFUSED = "method_refused"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Methods(WireCase):
    @classmethod
    def change_config(cls, config, door):
        config["roles"]["Dav"] = {"actions": ["PROPFIND,M-SEARCH /dav/**"]}
        config["roles"]["Reading"] = {"actions": ["GET,HEAD,OPTIONS /read/**"]}
        config["routes"][0]["access"] += [{"role": "Dav", "to": {"everyone": True}},
                                          {"role": "Reading", "to": {"everyone": True}}]

    def request(self, method, target, *headers, body=None):
        return raw.request(method, target, headers, body, self.token)

    def test_refuses_trace(self):
        for method in ("TRACE", "TRACK"):
            for target in ("/public/x", "/admin/x", "/"):
                with self.subTest(case=160, method=method, target=target):
                    response = self.refuse(self.request(method, target, ("X-Canary", "c4nary")),
                                           405, REFUSED)
                    self.assertNotIn(self.token.encode(), response.head + response.body)
                    self.assertNotIn(b"c4nary", response.head + response.body)

    def test_refuses_trace_without_a_token(self):
        self.refuse(raw.request("TRACE", "/public/x"), (401, 405))

    def test_refuses_connect(self):
        upstream = self.door.upstream
        connections = upstream.connections()
        for target in (f"127.0.0.1:{upstream.port}", "127.0.0.1:22", "evil.example:443", "/x",
                       "/public/x", "http://evil.example/", "[::1]:80"):
            with self.subTest(case=161, target=target):
                self.refuse(self.request("CONNECT", target), (405, 400), (REFUSED, "bad_request"))
        self.refuse(self.request("CONNECT", "evil.example:443"), 405, REFUSED)
        self.assertEqual(connections, upstream.connections())

    def test_refuses_options_of_the_server(self):
        self.refuse(self.request("OPTIONS", "*"), 400, "bad_request")

    def test_methods_are_judged_by_the_rules(self):
        for method, target, status in (
                ("PROPFIND", "/dav/x", 200), ("M-SEARCH", "/dav/x", 200), ("GET", "/dav/x", 403),
                ("PURGE", "/dav/x", 403), ("PROPFIND", "/read/x", 403), ("GET", "/read/x", 200),
                ("HEAD", "/read/x", 200), ("OPTIONS", "/read/x", 200), ("POST", "/read/x", 403),
                ("PUT", "/read/x", 403), ("DELETE", "/read/x", 403), ("PATCH", "/read/x", 403),
                ("GETX", "/read/x", 403), ("GE", "/read/x", 403), ("PROPFIND", "/public/x", 200),
                ("BREW", "/public/x", 200)):
            with self.subTest(case=165, method=method, target=target):
                data = self.request(method, target)
                if status == 200:
                    _, request = self.allow(data, method)
                    self.assertEqual(method, request.method)
                else:
                    self.refuse(data, (403, 405, 501), None)

    def test_methods_are_case_sensitive(self):
        for method in ("get", "Get", "propfind"):
            with self.subTest(method=method):
                self.refuse(self.request(method, "/read/x"), (400, 403, 501))

    def test_upgrades_are_not_passed(self):
        for what, headers in (
                ("websocket", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                               ("Sec-WebSocket-Version", "13")]),
                ("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                         ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]),
                ("TLS", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0")]),
                ("unnamed", [("Upgrade", "websocket")])):
            with self.subTest(case=163, what=what):
                self.check_upgrade(headers)

    def check_upgrade(self, headers):
        """Refused, or a plain request without a trace of the upgrade; then plain HTTP goes on."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.exchange(self.request("GET", "/public/x", *headers))
            if response.status != 200:
                self.assertGreaterEqual(response.status, 400)
                self.assertEqual([], self.door.upstream.since(mark))
                return
            seen = self.door.upstream.since(mark)[0]
            for name in ("upgrade", "connection", "http2-settings"):
                self.assertNotIn(name, seen.names())
            self.assertEqual(200, client.exchange(self.request("GET", "/public/y")).status)
            self.check_refusal(client.exchange(raw.request("GET", "/public/z")), 401)

    def test_a_switch_that_nobody_asked_for_is_an_error(self):
        self.door.upstream.on("/public/switch", SWITCH + b"tunnel bytes")
        for headers in ((), (("Connection", "Upgrade"), ("Upgrade", "websocket"))):
            with self.subTest(case=164, headers=headers):
                with self.door.client() as client:
                    response = client.exchange(self.request("GET", "/public/switch", *headers))
                self.check_refusal(response, 502, "upstream_protocol")
                self.assertNotIn(b"tunnel", response.body)

    def test_head_has_no_body_and_options_has_one(self):
        self.door.upstream.on("/public/body", recorder.answer(body=b"hello"))
        with self.door.client() as client:
            response = client.exchange(self.request("OPTIONS", "/public/body"))
            self.assertEqual(b"hello", response.body)
            self.door.upstream.on("/public/body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            response = client.exchange(self.request("HEAD", "/public/body"), "HEAD")
            self.assertEqual("5", response.one("Content-Length"))
            self.assertEqual(200, client.exchange(self.request("GET", "/public/x")).status)

    def test_refusals_of_head_have_no_body(self):
        with self.door.client() as client:
            client.send(raw.request("HEAD", "/public/x"))
            response = client.read_response("HEAD")
            self.assertEqual((401, b""), (response.status, client.read_to_end()))


if __name__ == "__main__":
    unittest.main()
