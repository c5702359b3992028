#!/usr/bin/python3
"""Answers that can be read in two ways, and those that pass (CASES.md H)."""

import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.upstream_case import OK, PROTOCOL, UpstreamCase, bytewise, closing_after, ending_after

# Answers that can be read in two ways, or not at all: 502, and the connection is not used again.
MALFORMED = [
    (166, "length and chunked", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\nok\r\n0\r\n\r\n"),
    (166, "two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
    (166, "length list", OK + b"Content-Length: 2, 3\r\n\r\nok!"),
    (166, "length abc", OK + b"Content-Length: abc\r\n\r\nok"),
    (166, "length +2", OK + b"Content-Length: +2\r\n\r\nok"),
    (166, "length -1", OK + b"Content-Length: -1\r\n\r\nok"),
    (166, "empty length", OK + b"Content-Length: \r\n\r\nok"),
    (166, "length 2^64", OK + b"Content-Length: 18446744073709551616\r\n\r\nok"),
    (166, "coding gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nok"),
    (166, "coding gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (166, "coding twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\n\r\n"),
    (166, "chunked, chunked", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (166, "coding xchunked", OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (169, "NUL in a value", OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    (169, "bare CR in a value", OK + b"X-A: a\rb\r\nContent-Length: 2\r\n\r\nok"),
    (169, "folded header", OK + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    (169, "bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    (169, "space before the colon", OK + b"Content-Length : 2\r\n\r\nok"),
    (169, "no colon", OK + b"nonsense\r\nContent-Length: 2\r\n\r\nok"),
    (169, "empty name", OK + b": x\r\nContent-Length: 2\r\n\r\nok"),
    (169, "1,000 headers", OK + b"X-A: b\r\n" * 1000 + b"Content-Length: 2\r\n\r\nok"),
    (169, "a value of 64 KiB", OK + b"X-A: " + b"b" * 65536 + b"\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a head without end", OK + b"X-A: " + b"b" * 300000),
    (169, "HTTP/0.9 body", b"<html>hello</html>"),
    (169, "status 99", b"HTTP/1.1 99 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status 600", b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status 2000", b"HTTP/1.1 2000 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status +20", b"HTTP/1.1 +20 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (169, "no version", b"200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    (169, "control in the phrase", b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok"),
]


class Answers(UpstreamCase):
    def test_malformed_answers_are_502_and_end_the_connection(self):
        for case, what, answer in MALFORMED:
            with self.subTest(case=case, what=what):
                mark = self.door.upstream.mark()
                self.script(closing_after(answer))
                self.check_refusal(self.ask(), 502, PROTOCOL)
                peer = self.peer_of(mark)
                self.wait_for(lambda peer=peer: peer.is_closed, "the connection is given up")
                self.assertEqual(1, len(self.door.upstream.since(mark)))
                self.good_request_is_fast()

    def test_same_length_twice_is_502_or_one_length(self):
        self.script(OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok")
        response = self.ask()
        self.assertIn(response.status, (200, 502))
        self.assertLessEqual(len(response.all("Content-Length")), 1)

    def test_a_missing_phrase_is_no_reason_to_fail(self):
        self.script(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual((200, b"ok"), (self.ask().status, self.ask().body))

    def test_bytes_after_the_body_never_reach_a_client(self):
        second = recorder.answer(body=b"poison")
        for what, answer in (
                ("more than the length", OK + b"Content-Length: 2\r\n\r\nokEXTRA"),
                ("bytes after the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n"
                 b"2\r\nok\r\n0\r\n\r\nEXTRA"),
                ("a second answer", recorder.answer() + second),
                ("a second answer after chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n"
                 b"2\r\nok\r\n0\r\n\r\n" + second),
                ("a body after 204", b"HTTP/1.1 204 No Content\r\n\r\n" + second)):
            with self.subTest(case=(167, 168), what=what):
                mark = self.door.upstream.mark()
                self.script(answer)
                with self.door.client() as client:
                    response = client.exchange(self.get())
                    self.assertIn(response.body, (b"ok", b""))
                    peer = self.peer_of(mark)
                    response = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (response.status, response.body))
                self.wait_for(lambda peer=peer: peer.is_closed, "the connection is not kept")
                self.assertNotEqual(peer.number, self.door.upstream.last().connection)

    def test_an_answer_that_comes_late_on_an_idle_connection_is_discarded(self):
        """Case 168: poison arrives while the connection waits in the pool."""
        self.script(recorder.answer())
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.exchange(self.get())
            peer = self.peer_of(mark)
            peer.send(recorder.answer(body=b"poison"))
            for _ in range(5):
                response = client.exchange(self.get("/public/next"))
                self.assertEqual((200, b"ok"), (response.status, response.body))
        self.wait_for(lambda: peer.is_closed, "the poisoned connection is closed")

    def test_passes_interim_answers_once(self):
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        self.script(b"HTTP/1.1 100 Continue\r\n\r\n" + early + early + recorder.answer())
        response = self.ask()
        self.assertEqual((200, b"ok"), (response.status, response.body))
        self.assertEqual([103, 103], [interim.status for interim in response.interim])
        self.assertEqual("</a.css>; rel=preload", response.interim[0].one("Link"))

    def test_interim_answers_hold_no_hop_by_hop_headers(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nConnection: X-A\r\nX-A: b\r\nKeep-Alive: 5\r\n"
                    b"Link: <x>\r\n\r\n" + recorder.answer())
        head = self.ask().interim[0].head
        for name in (b"X-A", b"Keep-Alive", b"Connection"):
            self.assertNotIn(name, head)

    def test_http_1_0_clients_get_no_interim_answers(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + recorder.answer())
        with self.door.client() as client:
            data = raw.request("GET", "/public/s", token=self.token, version="HTTP/1.0")
            response = client.exchange(data)
        self.assertEqual((200, []), (response.status, response.interim))

    def test_interim_answers_are_bounded(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" * 20000 + recorder.answer())
        with self.door.client() as client:
            response = client.exchange(self.get())
        self.assertIn(response.status, (200, 502))

    def test_passes_redirects_as_data(self):
        target = recorder.Recorder()
        try:
            for status in (301, 302, 303, 307, 308):
                with self.subTest(case=174, status=status):
                    location = ("Location", f"{target.url}/stolen")
                    self.script(recorder.answer(status, b"", [location]))
                    response = self.ask()
                    self.assertEqual((status, location[1]),
                                     (response.status, response.one("Location")))
            self.assertEqual(0, target.connections())
        finally:
            target.stop()

    def test_passes_status_and_phrase(self):
        for status, phrase in ((200, "OK"), (201, "Created"), (404, "Not Here"), (418, "I'm a teapot"),
                               (500, "Oops"), (503, "Later"), (599, "Odd")):
            self.script(recorder.answer(status, b"body", phrase=phrase))
            response = self.ask()
            self.assertEqual((status, b"body"), (response.status, response.body))

    def test_head_and_bodiless_statuses_have_right_framing(self):
        for what, method, answer, length in (
                ("HEAD with a length", "HEAD", OK + b"Content-Length: 1000\r\n\r\n", "1000"),
                ("HEAD, chunked", "HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", None),
                ("304 with a length", "GET",
                 b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"),
                ("304 without", "GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", None),
                ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
                ("204 with a length", "GET",
                 b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None)):
            with self.subTest(case=173, what=what):
                self.script(answer)
                with self.door.client() as client:
                    response = client.exchange(self.get(method=method), method)
                    self.assertEqual(b"", response.body)
                    if length:
                        self.assertIn(response.one("Content-Length"), (length, None))
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))

    def test_bodies_of_head_and_204_reach_nobody(self):
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            with self.subTest(case=173, method=method, status=status):
                self.script(recorder.answer(status, b"forbidden"))
                with self.door.client() as client:
                    response = client.exchange(self.get(method=method), method)
                    self.assertEqual((status, b""), (response.status, response.body))
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))

    def test_bodies_of_every_framing_arrive_whole(self):
        body = bytes(range(256)) * 300
        chunks = OK + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunked(body[:10], body[10:])
        for what, script in (
                ("length", recorder.answer(body=body)), ("chunked", chunks),
                ("chunked with trailers", chunks[:-2] + b"X-Trailer: y\r\n\r\n"),
                ("chunked with extensions", OK + b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n"
                 b"0;c\r\n\r\n" % (len(body), body)),
                ("until close", closing_after(OK + b"\r\n" + body)),
                ("HTTP/1.0 until close", closing_after(b"HTTP/1.0 200 OK\r\n\r\n" + body)),
                ("HTTP/1.0 with a length", closing_after(
                    b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)),
                ("close with a length", closing_after(
                    OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)),
                ("bytewise", bytewise(recorder.answer(body=body[:2000])))):
            expected = body[:2000] if what == "bytewise" else body
            for version in ("HTTP/1.1", "HTTP/1.0"):
                with self.subTest(what=what, version=version):
                    self.script(script)
                    data = raw.request("GET", "/public/s", token=self.token, version=version)
                    with self.door.client() as client:
                        response = client.exchange(data)
                    self.assertEqual(expected, response.body)
                    if version == "HTTP/1.0":
                        self.assertEqual([], response.all("Transfer-Encoding"))

    def test_an_answer_that_ends_early_is_no_answer(self):
        for what, part in (("nothing", b""), ("half a status line", b"HTTP/1.1 20"),
                           ("half a head", OK + b"Content-Le"), ("a head without its end", OK)):
            for ending in ("close", "reset"):
                with self.subTest(case=171, what=what, ending=ending):
                    self.script(ending_after(part, ending))
                    self.check_refusal(self.ask(method="POST", body=b"x"), 502,
                                       (PROTOCOL, "upstream_unreachable"))

    def test_truncation_is_visible_to_the_client(self):
        for what, part in (
                ("inside a length", OK + b"Content-Length: 100\r\n\r\npart"),
                ("before a length's body", OK + b"Content-Length: 100\r\n\r\n"),
                ("inside a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\npart"),
                ("before the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"),
                ("before the final CRLF",
                 OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n"),
                ("a malformed chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npartXX\r\n"
                 b"0\r\n\r\n"),
                ("a malformed size", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n")):
            for ending in ("close", "reset"):
                with self.subTest(case=171, what=what, ending=ending):
                    self.script(ending_after(part, ending))
                    self.check_truncation()

    def check_truncation(self):
        """Either the answer breaks off, or it never began."""
        with self.door.client() as client:
            try:
                response = client.exchange(self.get())
            except raw.Truncated as truncated:
                if truncated.response:
                    self.assertIn(truncated.response.body, (b"", b"part"))
                return
        self.assertEqual(502, response.status, "a part was passed off as the whole")

    def test_truncation_is_in_the_audit(self):
        self.script(ending_after(OK + b"Content-Length: 100\r\n\r\npart", "close"))
        with self.door.client() as client:
            with self.assertRaises(raw.Truncated) as caught:
                client.exchange(self.get())
        line = self.door.audit.wait_for(caught.exception.response.request_id)
        self.assertEqual((200, 200), (line["status"], line["upstream_status"]))
        self.assertEqual(PROTOCOL, line["reason"])


if __name__ == "__main__":
    unittest.main()
