#!/usr/bin/python3
"""Chunked bodies: one reading of a size, a line end and a trailer, or none (CASES.md D 104-109)."""

import unittest

import wire  # noqa: F401
from lib.framing_case import CHUNKED, SMUGGLED, FramingCase, post

# Chunked bodies that are malformed: the head is good, so the upstream may have seen a beginning.
BAD_CHUNKS = [
    (104, f"size {size!r}", size + b"\r\nabc\r\n0\r\n\r\n")
    for size in (b"3 ", b" 3", b"0x3", b"+3", b"-1", b"3_0", b"", b";", b"1" * 17, b"0" * 200 + b"3",
                 b"g", b"3\t", b"3,3", b"3\x00", b"\x003", b"ffffffffffffffff", b"fffffffffffffffff")
] + [
    (105, "CR in the extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    (105, "LF in the extension", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    (105, "NUL in the extension", b"3;a\0b\r\nabc\r\n0\r\n\r\n"),
    (105, "an extension of 1 MiB", b"3;" + b"a" * (1 << 20) + b"\r\nabc\r\n0\r\n\r\n"),
    (105, "many chunks with extensions of 1 KiB",
     (b"1;" + b"a" * 1024 + b"\r\nx\r\n") * 10000 + b"0\r\n\r\n"),
    (105, "a quote that a line end interrupts", b'3;a="b\r\n"\r\nabc\r\n0\r\n\r\n'),
    (105, "an extension on the last chunk with a CR", b"3\r\nabc\r\n0;a\rb\r\n\r\n"),
    (105, "many chunks with large extensions",
     (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 10000 + b"0\r\n\r\n"),
    (106, "LF ends the size line", b"3\nabc\r\n0\r\n\r\n"),
    (106, "CR X ends the size line", b"3\rXabc\r\n0\r\n\r\n"),
    (106, "CR CR LF ends the size line", b"3\r\r\nabc\r\n0\r\n\r\n"),
    (106, "XX after the data", b"3\r\nabcXX0\r\n\r\n"),
    (106, "LF after the data", b"3\r\nabc\n0\r\n\r\n"),
    (106, "data longer than its size", b"3\r\nabcd\r\n0\r\n\r\n"),
    (106, "LF ends the last chunk", b"3\r\nabc\r\n0\n\r\n"),
    (106, "LF ends the trailers", b"3\r\nabc\r\n0\r\n\n"),
    (109, "a trailer line that begins with NUL", b"3\r\nabc\r\n0\r\n\0\r\n\r\n" + SMUGGLED),
    (109, "a trailer line without colon", b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n"),
    (109, "a folded trailer", b"3\r\nabc\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    (109, "trailers without end", b"3\r\nabc\r\n0\r\n" + b"X-A: b\r\n" * 20000),
]


class Chunks(FramingCase):
    def test_refuses_malformed_chunks(self):
        for case, what, body in BAD_CHUNKS:
            with self.subTest(case=case, what=what):
                self.check_bad_chunk(body, 0)

    def test_refuses_malformed_chunks_bytewise(self):
        for case, what, body in BAD_CHUNKS:
            if len(body) < 20000:
                with self.subTest(case=case, what=what):
                    self.check_bad_chunk(body, 1)

    def check_bad_chunk(self, body, split):
        """400 and close; the upstream request, if one began, never completes."""
        mark = self.door.upstream.mark()
        response = self.refuse(self.bytes_of(post(CHUNKED, body=body)), (400, 413), split=split,
                               touches_upstream=True)
        self.assertIn(response.status, (400, 413))
        if response.status == 400:
            self.assertIn(b'"body_malformed"', response.body)
        self.upstream_never_completes(mark)
        self.good_request_is_fast()

    def upstream_never_completes(self, mark):
        """Whatever began at the upstream since `mark` is cut off."""
        for request in self.door.upstream.since(mark):
            peer = self.door.upstream.peers[request.connection]
            self.wait_for(lambda peer=peer: peer.is_closed, "the upstream request is aborted")
            self.assertFalse(request.is_complete, request.request_line)
            self.assertNotIn("smuggled", request.target)

    def test_aborts_upstream_when_the_body_ends_early(self):
        for what, head, part in (
                ("in a chunk", [CHUNKED], b"5\r\nhel"),
                ("in a size line", [CHUNKED], b"5\r\nhello\r\n0"),
                ("before the last chunk", [CHUNKED], b"5\r\nhello\r\n"),
                ("before the final CRLF", [CHUNKED], b"5\r\nhello\r\n0\r\n"),
                ("in a length", [b"Content-Length: 10"], b"hello")):
            for ending in ("finish_sending", "reset"):
                with self.subTest(case=107, what=what, ending=ending):
                    mark = self.door.upstream.mark()
                    client = self.door.client()
                    client.send(self.bytes_of(post(*head, body=part)))
                    self.door.upstream.wait_for_request(mark)
                    getattr(client, ending)()
                    if ending == "finish_sending":
                        client.read_to_end()
                        client.close()
                    self.upstream_never_completes(mark)

    def test_drops_trailers(self):
        trailers = (b"Authorization: Bearer x\r\nHost: evil\r\nContent-Length: 3\r\n"
                    b"Transfer-Encoding: chunked\r\nX-Forwarded-User: root\r\n"
                    b"X-MS-CLIENT-PRINCIPAL-ID: root\r\nX-Plain: y\r\n")
        body = b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n"
        response, request = self.allow(self.bytes_of(post(CHUNKED, body=body)))
        self.assertFalse(hasattr(request, "trailers"))
        self.check_forwarded(request, response, "POST", "/public/x", [], b"abc",
                             ["transfer-encoding"])

    def test_drops_or_refuses_managed_names_in_trailers(self):
        mark = self.door.upstream.mark()
        body = b"3\r\nabc\r\n0\r\nX_Auth_User: root\r\n\r\n"
        with self.door.client() as client:
            response = client.exchange(self.bytes_of(post(CHUNKED, body=body)))
        self.assertIn(response.status, (200, 400))
        for request in self.door.upstream.since(mark):
            self.assertNotIn(b"root", request.head + request.body)
            self.assertFalse(hasattr(request, "trailers"))

    def test_accepts_chunks_as_the_grammar_has_them(self):
        for what, body, expected in (
                ("upper and lower case digits", b"A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n",
                 b"01234567890123456789a"),
                ("an extension", b"3;name=value\r\nabc\r\n0\r\n\r\n", b"abc"),
                ("a quoted extension", b'3;n="v"\r\nabc\r\n0\r\n\r\n', b"abc"),
                ("an unclosed quote", b'3;n="v\r\nabc\r\n0;"\r\n\r\n', b"abc"),
                ("extensions of 200 bytes", b"1;" + b"a" * 200 + b"\r\nx\r\n0;" + b"b" * 200
                 + b"\r\n\r\n", b"x"),
                ("leading zeros", b"003\r\nabc\r\n0\r\n\r\n", b"abc"),
                ("an empty body", b"0\r\n\r\n", b""),
                ("many small chunks", b"1\r\nx\r\n" * 500 + b"0\r\n\r\n", b"x" * 500)):
            for split in (0, 1):
                with self.subTest(what=what, split=split):
                    _, request = self.allow(self.bytes_of(post(CHUNKED, body=body)), split=split)
                    self.assertEqual(expected, request.body)


if __name__ == "__main__":
    unittest.main()
