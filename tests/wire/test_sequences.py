#!/usr/bin/python3
"""Many messages on one connection, and the bodies that clients hold back (CASES.md D)."""

import unittest

import wire  # noqa: F401
from lib import raw, recorder, tokens
from lib.framing_case import CHUNKED, HELLO_CHUNKED, FramingCase, post


class Sequences(FramingCase):
    """More than one message on a connection."""

    def test_judges_pipelined_requests_one_by_one(self):
        good = raw.request("GET", "/public/1", token=self.token)
        bare = raw.request("GET", "/public/2")
        last = raw.request("GET", "/public/3", token=self.token)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(good + bare + last)
            self.assertEqual(200, client.read_response().status)
            self.check_refusal(client.read_response(), 401, "token_missing")
            self.assertEqual(b"", client.read_to_end())
        self.assertEqual(["/public/1"], [r.target for r in self.door.upstream.since(mark)])

    def test_serves_pipelined_requests_in_order(self):
        data = b"".join(raw.request("POST", f"/public/{number}", body=b"x" * number,
                                    token=self.token) for number in range(20))
        mark = self.door.upstream.mark()
        for split in (0, 1, 7):
            mark = self.door.upstream.mark()
            with self.door.client() as client:
                client.send(data, split)
                for _ in range(20):
                    self.assertEqual(200, client.read_response().status)
            seen = self.door.upstream.since(mark)
            self.assertEqual([f"/public/{number}" for number in range(20)],
                             [request.target for request in seen])
            self.assertEqual(list(range(20)), [request.body_bytes for request in seen])

    def test_answers_a_good_request_before_garbage(self):
        for garbage in (b"\0\0\0\0\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01" * 9):
            with self.subTest(case=111, garbage=garbage):
                mark = self.door.upstream.mark()
                with self.door.client() as client:
                    client.send(raw.request("GET", "/public/1", token=self.token) + garbage)
                    self.assertEqual(200, client.read_response().status)
                    self.check_refusal(client.read_response(), (400, 505))
                    self.assertEqual(b"", client.read_to_end())
                self.assertEqual(1, len(self.door.upstream.since(mark)))

    def test_never_parses_the_body_of_a_refused_request(self):
        body = raw.request("GET", "/public/smuggled", token=self.token)
        for what, data, status in (
                ("no token", raw.request("POST", "/public/x", body=body), 401),
                ("no role", raw.request("POST", "/secret", body=body, token=self.token), 403),
                ("chunked", self.bytes_of(post(CHUNKED, auth=False,
                                               body=raw.chunked(body))), 401)):
            for split in (0, 1):
                with self.subTest(case=112, what=what, split=split):
                    self.refuse(data, status, split=split)

    def test_answers_reach_clients_that_go_on_sending(self):
        """A refusal is not lost in the reset of a connection with unread bytes."""
        body = b"x" * 5000000
        for data, status in ((raw.request("POST", "/public/x", body=body), 401),
                             (raw.request("POST", "/secret", body=body, token=self.token), 403)):
            for _ in range(5):
                self.refuse(data, status)

    def test_forwards_bodies_of_any_method_with_their_length(self):
        for method in ("GET", "OPTIONS", "DELETE", "PUT", "PATCH", "HEAD"):
            with self.subTest(case=113, method=method):
                data = raw.request(method, "/public/x", body=b"hello", token=self.token)
                response, request = self.allow(data, method)
                self.check_forwarded(request, response, method, "/public/x", [], b"hello",
                                     ["content-length"])

    def test_declares_no_length_without_its_bytes(self):
        """Whatever the method: a body that breaks off is no request at the upstream."""
        for method in ("GET", "HEAD", "OPTIONS", "DELETE", "POST"):
            for framing, part in (("Content-Length: 5", b"hel"), ("Content-Length: 5", b""),
                                  ("Transfer-Encoding: chunked", b"5\r\nhello\r\n")):
                with self.subTest(case=113, method=method, framing=framing, part=part):
                    mark = self.door.upstream.mark()
                    data = raw.request(method, "/public/x", [framing.split(": ")], token=self.token)
                    with self.door.client() as client:
                        client.send(data + part)
                        client.finish_sending()
                        client.read_to_end()
                    for request in self.door.upstream.since(mark):
                        peer = self.door.upstream.peers[request.connection]
                        self.wait_for(lambda peer=peer: peer.is_closed, "the upstream request is aborted")
                        self.assertFalse(request.is_complete)

    def test_ends_a_connection_whose_body_looks_like_a_request(self):
        inner = raw.request("GET", "/public/smuggled", token=self.token)
        data = raw.request("POST", "/public/x", body=inner, token=self.token)
        _, request = self.allow(data)
        self.assertEqual(inner, request.body)

    def test_sends_one_continue_at_most(self):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(self.bytes_of(post(b"Expect: 100-continue", b"Content-Length: 5")))
            interim = client.read_head()
            self.assertEqual(100, interim.status)
            client.send(b"hello")
            response = client.read_response()
        self.assertEqual((200, []), (response.status, response.interim))
        request = self.door.upstream.since(mark)[0]
        self.check_forwarded(request, response, "POST", "/public/x", [], b"hello",
                             ["content-length"])

    def test_refuses_without_continue(self):
        bare = post(b"Expect: 100-continue", b"Content-Length: 5", auth=False)
        expired = self.door.token(tokens.user(exp=1000000000, iat=999990000, nbf=999990000))
        for what, data, status in (
                ("no token", bare, 401),
                ("no token, chunked", post(b"Expect: 100-continue", CHUNKED, auth=False), 401),
                ("a broken token", bare.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer x.y.z\r\n\r\n"), 401),
                ("an expired token", raw.request("POST", "/public/x", [("Expect", "100-continue"),
                                                                       ("Content-Length", "5")], token=expired), 401),
                ("no role", raw.request("POST", "/secret", [("Expect", "100-continue"),
                                                            ("Content-Length", "5")], token=self.token), 403)):
            for split in (0, 1):
                with self.subTest(case=115, what=what, split=split):
                    response = self.refuse(data, status, split=split)
                    self.assertEqual([], response.interim)

    def test_continues_chunks_too(self):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(self.bytes_of(post(b"Expect: 100-Continue", CHUNKED)))
            self.assertEqual(100, client.read_head().status)
            client.send(HELLO_CHUNKED)
            response = client.read_response()
        self.assertEqual((200, []), (response.status, response.interim))
        self.assertEqual(b"hello", self.door.upstream.since(mark)[0].body)

    def test_continues_once_although_the_upstream_says_so_too(self):
        def script(peer, request):
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
            peer.read_body(request)
            peer.send(recorder.answer())

        self.door.upstream.on("/public/eager", script)
        with self.door.client() as client:
            client.send(raw.request("POST", "/public/eager", [("Expect", "100-continue"), ("Content-Length", "5")],
                                    token=self.token))
            self.assertEqual(100, client.read_head().status)
            client.send(b"hello")
            response = client.read_response()
            self.assertEqual((200, []), (response.status, response.interim))

    def test_needs_no_continue_when_the_body_is_there(self):
        data = self.bytes_of(post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"))
        response, request = self.allow(data)
        self.assertLessEqual(len(response.interim), 1)
        self.assertEqual([], request.all("Expect"))

    def test_closes_after_http_1_0_and_connection_close(self):
        for data in (raw.request("GET", "/public/x", token=self.token, version="HTTP/1.0"),
                     raw.request("GET", "/public/x", [("Connection", "close")], token=self.token),
                     raw.request("GET", "/public/x", [("Connection", "Foo, CLOSE")],
                                 token=self.token)):
            with self.door.client() as client:
                client.send(data)
                self.assertEqual(200, client.read_response().status)
                self.assertEqual(b"", client.read_to_end())


if __name__ == "__main__":
    unittest.main()
