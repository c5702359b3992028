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
        config["routes"].append({"name": "sockets", "path": "/sockets", "upstream": door.upstream.url,
                                 "websocket": True, "access": config["routes"][0]["access"]})

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
        for data in (self.request("TRACE", "/public/x", ("Max-Forwards", "0")),
                     self.request("TRACE", "*"), self.request("TRACE", "http://gw.example/public/x"),
                     self.request("TRACE", "/public/x", body=b"c4nary")):
            with self.subTest(case=160, data=data[:40]):
                response = self.refuse(data, 405, REFUSED)
                self.assertNotIn(b"c4nary", response.body)
        for method in ("trace", "TRACEX", "TRAC"):
            with self.subTest(case=160, method=method):
                self.refuse(self.request(method, "/read/x"), (400, 403))

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
        for data in (self.request("OPTIONS", "*"), raw.request("OPTIONS", "*"),
                     self.request("OPTIONS", "*", body=b"hello"), self.request("OPTIONS", "**"),
                     self.request("OPTIONS", "*", ("Max-Forwards", "0")), self.request("OPTIONS", "*?x")):
            with self.subTest(case=162, data=data[:24]):
                self.refuse(data, 400, "bad_request")

    def test_methods_are_judged_by_the_rules(self):
        for method, target, status in (
                ("PROPFIND", "/dav/x", 200), ("M-SEARCH", "/dav/x", 200), ("GET", "/dav/x", 403),
                ("PURGE", "/dav/x", 403), ("PROPFIND", "/read/x", 403), ("GET", "/read/x", 200),
                ("HEAD", "/read/x", 200), ("OPTIONS", "/read/x", 200), ("POST", "/read/x", 403),
                ("PUT", "/read/x", 403), ("DELETE", "/read/x", 403), ("PATCH", "/read/x", 403),
                ("GETX", "/read/x", 403), ("GE", "/read/x", 403), ("PROPFIND", "/public/x", 200),
                ("BREW", "/public/x", 200), ("M-SEARCH", "/public/x", 200), ("M-SEARCH", "/read/x", 403),
                ("MSEARCH", "/dav/x", 403), ("PROPFIND", "/sockets/dav/x", 200), ("PURGE", "/sockets/dav/x", 403)):
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

    def test_no_protocol_but_websocket_crosses_anywhere(self):
        settings = ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
        for what, headers in (
                ("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), settings]),
                ("h2c without settings", [("Connection", "Upgrade"), ("Upgrade", "h2c")]),
                ("h2c, settings not named", [("Connection", "Upgrade"), ("Upgrade", "h2c"), settings]),
                ("h2c, Upgrade not named", [("Connection", "HTTP2-Settings"), ("Upgrade", "h2c"), settings]),
                ("settings alone", [settings]), ("settings twice", [settings, settings]),
                ("settings, named", [("Connection", "HTTP2-Settings"), settings]),
                ("h2c in capitals", [("Connection", "UPGRADE"), ("Upgrade", "H2C")]),
                ("h2c in two lines", [("Connection", "Upgrade"), ("Connection", "HTTP2-Settings"), ("Upgrade", "h2c"),
                                      settings]),
                ("h2", [("Connection", "Upgrade"), ("Upgrade", "h2")]),
                ("HTTP/2.0", [("Connection", "Upgrade"), ("Upgrade", "HTTP/2.0")]),
                ("TLS/1.0", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0")]),
                ("TLS/1.2, HTTP/1.1", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.2, HTTP/1.1")]),
                ("several", [("Connection", "Upgrade"), ("Upgrade", "h2c, TLS/1.0, foo/2")]),
                ("several lines", [("Connection", "Upgrade"), ("Upgrade", "h2c"), ("Upgrade", "TLS/1.0")]),
                ("nothing", [("Connection", "Upgrade"), ("Upgrade", "")]),
                ("Upgrade missing", [("Connection", "Upgrade")]),
                ("connect-udp", [("Connection", "Upgrade"), ("Upgrade", "connect-udp"), ("Capsule-Protocol", "?1")])):
            for place in ("/public", "/sockets/public"):
                for method, body in (("GET", None), ("POST", b"hello")):
                    with self.subTest(case=163, what=what, place=place, method=method):
                        self.check_upgrade(headers, place, method, body)

    def test_what_follows_an_upgrade_is_the_next_request(self):
        """The bytes behind it are HTTP again, each judged, and never another protocol's."""
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        first = self.request("GET", "/public/x", ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                             ("HTTP2-Settings", "AAMAAABk"))
        for place, behind, status in (("preface", preface, (400, 405, 505)),
                                      ("no token", raw.request("GET", "/public/y"), (401,))):
            with self.subTest(case=163, place=place):
                mark = self.door.upstream.mark()
                with self.door.client() as client:
                    client.send(first + behind)
                    self.assertEqual(200, client.read_response().status)
                    self.check_refusal(client.read_response(), status)
                    self.assertEqual(b"", client.read_to_end())
                self.assertEqual(1, len(self.door.upstream.since(mark)))

    def check_upgrade(self, headers, place="/public", method="GET", body=None):
        """Refused, or a plain request without a trace of the upgrade; then plain HTTP goes on."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.exchange(self.request(method, f"{place}/x", *headers, body=body))
            if response.status != 200:
                self.assertGreaterEqual(response.status, 400)
                self.assertEqual([], self.door.upstream.since(mark))
                return
            seen = self.door.upstream.since(mark)[0]
            for name in ("upgrade", "connection", "http2-settings"):
                self.assertNotIn(name, seen.names())
            self.assertEqual(body or b"", seen.body)
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

    def test_every_switch_without_a_handshake_is_an_error(self):
        bare = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        to_h2c = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        early = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
        upgrade = (("Connection", "Upgrade"), ("Upgrade", "h2c"))
        for what, answer, method, headers, body in (
                ("a bare switch", bare, "GET", (), None), ("to HEAD", SWITCH, "HEAD", (), None),
                ("to a body", SWITCH, "POST", (), b"hello"), ("to h2c", to_h2c, "GET", upgrade, None),
                ("to h2c with a body", to_h2c, "POST", upgrade, b"hello"),
                ("with a length", SWITCH[:-2] + b"Content-Length: 2\r\n\r\nok", "GET", (), None),
                ("then an answer", SWITCH + recorder.answer(), "GET", (), None),
                ("after a continue", b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCH, "GET", (), None)):
            for place in ("/public", "/sockets/public"):
                with self.subTest(case=164, what=what, place=place):
                    self.door.upstream.on("/public/switched", answer)
                    mark = self.door.upstream.mark()
                    with self.door.client() as client:
                        data = self.request(method, f"{place}/switched", *headers, body=body)
                        self.check_refusal(client.exchange(data, method), 502, "upstream_protocol", method)
                    peer = self.door.upstream.peers[self.door.upstream.since(mark)[-1].connection]
                    self.wait_for(lambda peer=peer: peer.is_closed, "the connection is given up")
        self.door.upstream.on("/public/switched", early + SWITCH)
        with self.door.client() as client:
            response = client.exchange(self.request("GET", "/public/switched"))
            self.check_refusal(response, 502, "upstream_protocol")

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
