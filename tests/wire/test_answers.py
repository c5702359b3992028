#!/usr/bin/python3
"""Answers bent in more ways than test_upstream_answers.py has (CASES.md H): every wrong byte, every cut, storms of interim
answers. Whatever an upstream says, a client reads one answer with one framing, and the next client nothing of it."""

import re
import unittest

import wire  # noqa: F401
import test_smuggling
from lib import raw, recorder
from lib.framing_case import CHUNKED
from lib.upstream_case import OK, PROTOCOL, UpstreamCase, bytewise, closing_after

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CONTROLS = [*range(9), *range(11, 13), *range(14, 32), 127]

MALFORMED = [
    (166, f"length {value!r}", OK + b"Content-Length: " + value + b"\r\n\r\nokok")
    for value in (b"02", b"2.0", b"0x2", b"2;", b"2 2", b'"2"', b"-0", b"2_0", b"1e0", b"9223372036854775808",
                  b"1" + b"0" * 40, b"2,", b"\xb2", b"2\x0b")
] + [
    (166, f"coding {value!r}", OK + b"Transfer-Encoding: " + value + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    for value in (b"", b"identity", b"chunked, gzip", b"chunked, identity", b",chunked", b"chunked,", b'"chunked"',
                  b"chunked;q=1", b"chunked ", b"chunked\t", b"x", b"cow chunked", b"chunke\xc4\x91")
] + [
    (166, "length and another coding", OK + b"Content-Length: 2\r\nTransfer-Encoding: identity\r\n\r\nok"),
    (166, "chunked, then length", OK + CHUNKED + b"\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    (166, "chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    (166, "length and chunked in an interim answer",
     b"HTTP/1.1 103 X\r\nContent-Length: 2\r\n" + CHUNKED + b"\r\n\r\n" + recorder.answer()),
    (166, "two lengths in a 304", b"HTTP/1.1 304 X\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"),
    (169, "a fold after the status line", OK + b" x: y\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a folded length", OK + b"Content-Length:\r\n 2\r\n\r\nok"),
    (169, "a tab before the colon", OK + b"Content-Length\t: 2\r\n\r\nok"),
    (169, "a line of blanks", OK + b" \r\nContent-Length: 2\r\n\r\nok"),
    (169, "CR CR LF", OK + b"X-A: b\r\r\nContent-Length: 2\r\n\r\nok"),
    (169, "CR alone ends a line", OK + b"X-A: b\rContent-Length: 2\r\n\r\nok"),
    (169, "LF ends one line", OK + b"X-A: b\nContent-Length: 2\r\n\r\nok"),
    (169, "LF as the empty line", OK + b"Content-Length: 2\r\n\nok"),
    (169, "an empty line first", b"\r\n" + recorder.answer()),
    (169, "a NUL first", b"\0" + recorder.answer()),
    (169, "a value of 64 KiB in an interim answer", b"HTTP/1.1 103 X\r\nX: " + b"b" * 65536 + b"\r\n\r\n"),
    (169, "1,000 headers in an interim answer", b"HTTP/1.1 103 X\r\n" + b"X: b\r\n" * 1000 + b"\r\n"),
    (169, "a phrase of 64 KiB", b"HTTP/1.1 200 " + b"b" * 65536 + b"\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a name of 64 KiB", OK + b"b" * 65536 + b": x\r\nContent-Length: 2\r\n\r\nok"),
    (169, "an event stream without head", b"data: hello\n\n"),
    (169, "a TLS alert", b"\x15\x03\x01\x00\x02\x02\x16"),
    (169, "HTTP/2 settings", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d"),
] + [
    (169, f"status line {line!r}", line + b"\r\nContent-Length: 2\r\n\r\nok")
    for line in (b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 -20 OK",
                 b"HTTP/1.1 0200 OK", b"HTTP/1.1 200OK", b"HTTP/1.1 200\tOK", b"HTTP/1.2 200 OK", b"HTTP/0.9 200 OK",
                 b"HTTP/11 200 OK", b"http/1.1 200 OK", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 000 OK", b" HTTP/1.1 200 OK",
                 b"ICY 200 OK", b"HTTP/1.1 999 OK", b"HTTP/1.10 200 OK", b"HTTP/1.1 200.1 OK")
] + [
    (169, f"{what} with {bytes([byte])!r}", OK + text.replace(b"@", bytes([byte])) + b"\r\nContent-Length: 2\r\n\r\nok")
    for byte in CONTROLS for what, text in (("value", b"X-A: a@b"), ("end of a value", b"X-A: a@"), ("name", b"X@A: b"))
] + [
    (169, f"name with {bytes([byte])!r}", OK + b"X" + bytes([byte]) + b"A: b\r\nContent-Length: 2\r\n\r\nok")
    for byte in (*b' \t()<>@,;\\"/[]?={}', 128, 160, 255)
]


class Malformed(UpstreamCase):
    def check(self, script):
        mark = self.door.upstream.mark()
        self.script(script)
        with self.door.client() as client:
            self.check_refusal(client.exchange(self.get()), 502, PROTOCOL)
            self.assertEqual(200, client.exchange(self.get("/public/next")).status)
        self.is_given_up(mark)
        self.assertEqual(2, len(self.door.upstream.since(mark)))

    def test_malformed_answers_are_502(self):
        for case, what, answer in MALFORMED:
            with self.subTest(case=case, what=what):
                self.check(closing_after(answer))

    def test_malformed_answers_are_502_bytewise(self):
        for case, what, answer in MALFORMED:
            if len(answer) < 2000:
                with self.subTest(case=case, what=what):
                    self.check(bytewise(answer, closes=True))

    def test_malformed_answers_are_502_although_the_connection_stays(self):
        """The upstream neither closes nor says more."""
        for case, what, answer in MALFORMED:
            if b"\r\n\r\n" in answer and b"64 KiB" not in what.encode():
                with self.subTest(case=case, what=what):
                    self.check(answer)

    def test_smuggling_shapes_are_502_or_one_answer(self):
        body = b"2\r\nok\r\n0\r\n\r\n" + recorder.answer(body=b"poison")
        for shape in test_smuggling.Smuggling.SHAPES:
            with self.subTest(case=166, shape=shape):
                mark = self.door.upstream.mark()
                self.script(closing_after(OK + shape + b"\r\nContent-Length: 3\r\n\r\n" + body))
                with self.door.client() as client:
                    response = client.exchange(self.get())
                    if response.status == 200:
                        self.assertEqual((b"2\r\n", "3"), (response.body, response.one("Content-Length")))
                        self.assertIsNone(response.one("Transfer-Encoding"))
                    else:
                        self.check_refusal(response, 502, PROTOCOL)
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))
                self.is_given_up(mark)

    def test_what_is_merely_unusual_passes(self):
        for what, answer in (
                ("no phrase", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
                ("no phrase, no space", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"),
                ("obs-text in the phrase", b"HTTP/1.1 200 \xe9\r\nContent-Length: 2\r\n\r\nok"),
                ("obs-text in a value", OK + b"X-A: " + bytes(range(128, 256)) + b"\r\nContent-Length: 2\r\n\r\nok"),
                ("any token as a name", OK + b"X!#$%&'*+.^_`|~A: b\r\nContent-Length: 2\r\n\r\nok"),
                ("blanks around a length", OK + b"Content-Length: \t 2 \t\r\n\r\nok"),
                ("capitals", OK + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
                ("90 headers", OK + b"X-A: b\r\n" * 90 + b"Content-Length: 2\r\n\r\nok"),
                ("a tab in a value", OK + b"X-A: a\tb\r\nContent-Length: 2\r\n\r\nok")):
            for script in (answer, closing_after(answer), bytewise(answer, closes=True)):
                with self.subTest(what=what):
                    self.script(script)
                    response = self.ask()
                    self.assertEqual((200, b"ok"), (response.status, response.body))


class Extra(UpstreamCase):
    def test_bytes_behind_answers_without_a_body_reach_nobody(self):
        poison = recorder.answer(body=b"poison")
        for what, method, answer in (
                ("HEAD", "HEAD", OK + b"Content-Length: 6\r\n\r\npoison"),
                ("HEAD, chunked", "HEAD", OK + CHUNKED + b"\r\n\r\n6\r\npoison\r\n0\r\n\r\n"),
                ("HEAD and an answer", "HEAD", OK + b"Content-Length: 6\r\n\r\n" + poison),
                ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\n" + poison),
                ("204 with a length", "GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"),
                ("204, chunked", "GET", b"HTTP/1.1 204 X\r\n" + CHUNKED + b"\r\n\r\n6\r\npoison\r\n0\r\n\r\n"),
                ("304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison"),
                ("304, chunked", "GET", b"HTTP/1.1 304 X\r\n" + CHUNKED + b"\r\n\r\n6\r\npoison\r\n0\r\n\r\n"),
                ("a length of 0", "GET", OK + b"Content-Length: 0\r\n\r\npoison"),
                ("the empty chunk", "GET", OK + CHUNKED + b"\r\n\r\n0\r\n\r\npoison"),
                ("trailers", "GET", OK + CHUNKED + b"\r\n\r\n0\r\nX-A: poison\r\n\r\n" + poison),
                ("an interim answer behind it", "GET", OK + b"Content-Length: 0\r\n\r\n" + EARLY + poison)):
            with self.subTest(case=(167, 173), what=what):
                mark = self.door.upstream.mark()
                self.script(answer)
                with self.door.client() as client:
                    response = client.exchange(self.get(method=method), method)
                    self.assertEqual(b"", response.body)
                    self.assertNotIn(b"poison", response.head)
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))
                self.is_given_up(mark)

    def test_trailers_and_extensions_of_answers_reach_nobody(self):
        self.script(OK + CHUNKED + b"\r\nTrailer: X-A\r\n\r\n2;poison=1\r\nok\r\n0;poison\r\nX-A: poison\r\n\r\n")
        with self.door.client() as client:
            client.send(self.get())
            client.send(raw.request("GET", "/public/next", [("Connection", "close")], token=self.token))
            self.assertNotIn(b"poison", client.read_to_end())

    def test_bytes_on_an_idle_connection_are_no_answer(self):
        for stray in (recorder.answer(body=b"poison"), b"\r\n", b"\0", b"HTTP/1.1 100 Continue\r\n\r\n",
                      b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):
            with self.subTest(case=168, stray=stray[:20]):
                mark = self.door.upstream.mark()
                self.script(recorder.answer())
                self.assertEqual(200, self.ask().status)
                peer = self.door.upstream.peers[self.door.upstream.since(mark)[0].connection]
                if not peer.is_closed:
                    peer.send(stray)
                self.wait_for(lambda peer=peer: peer.is_closed, "the connection is given up")
                response = self.ask()
                self.assertEqual((200, b"ok"), (response.status, response.body))


class Interim(UpstreamCase):
    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["timeouts"] = {"head": "1500ms"}

    def test_a_storm_ends_in_502(self):
        for what, piece in (("100", b"HTTP/1.1 100 Continue\r\n\r\n"), ("102", b"HTTP/1.1 102 Processing\r\n\r\n"),
                            ("103", EARLY), ("199", b"HTTP/1.1 199 X\r\n\r\n")):
            for version in ("HTTP/1.1", "HTTP/1.0"):
                with self.subTest(case=170, what=what, version=version):
                    mark = self.door.upstream.mark()
                    self.script(closing_after(piece * 5000 + recorder.answer()))
                    data = raw.request("GET", "/public/s", token=self.token, version=version)
                    with self.door.client() as client:
                        response = client.exchange(data)
                    self.check_refusal(response, 502, PROTOCOL)
                    self.assertLess(len(response.interim), 200)
                    self.is_given_up(mark)

    def test_a_steady_trickle_does_not_move_the_deadline(self):
        """An interim answer now and then is no answer."""
        def script(peer, request):
            peer.read_body(request)
            while not self.is_over:
                peer.send(EARLY)
                recorder.threading.Event().wait(0.25)

        self.is_over = False
        self.script(script)
        try:
            with self.subTest(case=170):
                self.check_refusal(self.ask(), 504, "upstream_timeout")
        finally:
            self.is_over = True

    def test_a_few_pass_once_and_the_final_answer_is_whole(self):
        for what, answer in (
                ("100, 103, 103, 200", b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY + EARLY),
                ("102", b"HTTP/1.1 102 Processing\r\n\r\n"), ("199", b"HTTP/1.1 199 Other\r\nX-A: b\r\n\r\n"),
                ("with a length", b"HTTP/1.1 103 X\r\nContent-Length: 5\r\nLink: <a>\r\n\r\n"),
                ("chunked", b"HTTP/1.1 103 X\r\n" + CHUNKED + b"\r\nLink: <a>\r\n\r\n")):
            for script in (answer + recorder.answer(), bytewise(answer + recorder.answer(), closes=True)):
                for method in ("GET", "HEAD", "POST"):
                    with self.subTest(case=170, what=what, method=method):
                        self.script(script)
                        with self.door.client() as client:
                            body = b"hello" if method == "POST" else None
                            response = client.exchange(self.get(method=method, body=body), method)
                            self.assertEqual((200, b"" if method == "HEAD" else b"ok"),
                                             (response.status, response.body))
                            self.assertEqual(answer.count(b"HTTP/1.1 1") - answer.count(b" 100 "), len(response.interim))
                            for interim in response.interim:
                                self.assertIsNone(re.search(rb"(?i)\r\n(content-length|transfer-encoding|connection):",
                                                            interim.head))

    def test_an_interim_answer_that_breaks_off_is_502(self):
        for part in (EARLY[:10], EARLY[:-2], EARLY, EARLY + b"HTTP/1.1 2", EARLY + b"HTTP/1.1 200 OK\r\nContent-Len"):
            with self.subTest(case=171, part=part):
                self.script(closing_after(part))
                self.check_refusal(self.ask("POST", body=b"x"), 502, (PROTOCOL, "upstream_unreachable"))


class Early(UpstreamCase):
    def test_an_early_refusal_is_the_answer_and_nothing_is_sent_twice(self):
        for status in (400, 401, 403, 413, 417, 503):
            for ending in ("close", "reset", "stays"):
                with self.subTest(case=172, status=status, ending=ending):
                    self.check_early(status, ending)

    def check_early(self, status, ending):
        def script(peer, _):
            peer.send(recorder.answer(status, b"too much"))
            if ending == "close":
                peer.close()
            elif ending == "reset":
                peer.wait_closed()
            else:
                peer.wait_closed()

        self.script(script)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(raw.request("POST", "/public/s", [("Content-Length", "3000000")], token=self.token))
            client.send(b"x" * 10000)
            response = client.read_response()
            self.assertEqual((status, b"too much"), (response.status, response.body))
        self.assertEqual(1, len(self.door.upstream.since(mark)))
        self.is_given_up(mark)


if __name__ == "__main__":
    unittest.main()
