#!/usr/bin/python3
"""Request framing, line and header syntax: one reading of a message or none (CASES.md D)."""

import hashlib
import os
import random
import re
import threading
import time
import unittest

import wire  # noqa: F401  (finds tests/lib)
from lib import raw, recorder, tokens
from lib.case import WireCase
from lib.net import patient

GET = b"GET /public/x HTTP/1.1\r\n"
POST = b"POST /public/x HTTP/1.1\r\n"
HOST = b"Host: gw.example\r\n"
SMUGGLED = b"GET /public/smuggled HTTP/1.1\r\nHost: gw.example\r\n\r\n"
BAD = "bad_request"
TOO_LARGE = "head_too_large"


def post(*lines, body=b"", auth=True):
    """A POST with these raw header lines; the token comes first so that nothing hides it."""
    head = POST + HOST + (b"@TOKEN@" if auth else b"")
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(*lines):
    return GET + HOST + b"@TOKEN@" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def line(request_line):
    return request_line + b"\r\n" + HOST + b"@TOKEN@\r\n"


def host(*hosts):
    return GET + b"".join(b"Host: " + value + b"\r\n" for value in hosts) + b"@TOKEN@\r\n"


CHUNKED = b"Transfer-Encoding: chunked"
HELLO_CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

# (case, what, bytes, statuses)
LENGTHS = [
    (83, "length then chunked", post(b"Content-Length: 5", CHUNKED, body=HELLO_CHUNKED), 400),
    (83, "chunked then length", post(CHUNKED, b"Content-Length: 5", body=HELLO_CHUNKED), 400),
    (83, "chunked, length and a smuggled request",
     post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG" + SMUGGLED), 400),
    (84, "length twice, same", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    (84, "length twice, different",
     post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"), 400),
] + [
    (85, f"length {value!r}", post(b"Content-Length: " + value, body=b"hellohello"), 400)
    for value in (b"3,3", b"3, 3", b"+3", b"-1", b"-0", b"0x3", b"1e1", b"3_0", b"3.0", b"3 3", b"",
                  "３".encode(), b"003", b"010", b"three", b"3;", b"\"3\"", b"3\x0b")
] + [
    (86, f"length {value!r}", post(b"Content-Length: " + value, body=b"hello"), (400, 413))
    for value in (b"9223372036854775808", b"18446744073709551615", b"18446744073709551616",
                  b"1" + b"0" * 40)
]

CODINGS = [
    (87, "chunked in two headers", post(CHUNKED, CHUNKED, body=HELLO_CHUNKED), 400),
    (87, "chunked, chunked", post(b"Transfer-Encoding: chunked, chunked", body=HELLO_CHUNKED), 400),
] + [
    (88, f"coding {value!r}", post(b"Transfer-Encoding: " + value, body=HELLO_CHUNKED), 501)
    for value in (b"identity", b"gzip", b"gzip, chunked", b"x", b"chunked, identity", b"chunked, gzip",
                  b"deflate, gzip", b"identity, chunked", b"trailers", b"chunked-x")
] + [
    (88, "two headers, the last of them chunked",
     post(b"Transfer-Encoding: gzip", CHUNKED, body=HELLO_CHUNKED), (400, 501)),
    (88, "two headers, the first of them chunked",
     post(CHUNKED, b"Transfer-Encoding: identity", body=HELLO_CHUNKED), (400, 501)),
] + [
    (88, f"coding {value!r} beside a length",
     post(b"Transfer-Encoding: " + value, b"Content-Length: 5", body=b"hello"), (400, 501))
    for value in (b"identity", b"gzip", b"x")
] + [
    (89, f"coding {value!r}", post(b"Transfer-Encoding: " + value, body=HELLO_CHUNKED), (400, 501))
    for value in (b"xchunked", b",chunked", b"chunked,", b"chunked ;q=1", b'"chunked"', b"",
                  b"chunked\x0b", b"chunked\x0c", b"chunked\0", b"chunked\xa0", b"chunked\r",
                  b"\x0bchunked", b"chunke\xc4\x91", b"cow", b"chunked;", b"chunked\x00chunked",
                  b"chunked ", b"chunked\t")
] + [
    (90, "chunked in HTTP/1.0", b"POST /public/x HTTP/1.0\r\n" + HOST + b"@TOKEN@"
     + CHUNKED + b"\r\n\r\n" + HELLO_CHUNKED, 400),
    (90, "chunked in HTTP/1.0 that is kept alive", b"POST /public/x HTTP/1.0\r\n" + HOST
     + b"@TOKEN@Connection: keep-alive\r\n" + CHUNKED + b"\r\n\r\n" + HELLO_CHUNKED, 400),
    (90, "chunked and a length in HTTP/1.0", b"POST /public/x HTTP/1.0\r\n" + HOST + b"@TOKEN@"
     + CHUNKED + b"\r\nContent-Length: 5\r\n\r\nhello", 400),
    (90, "another coding in HTTP/1.0", b"GET /public/x HTTP/1.0\r\n" + HOST
     + b"@TOKEN@Transfer-Encoding: identity\r\n\r\n", 400),
    (91, "space before the coding's colon",
     post(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=HELLO_CHUNKED), 400),
    (91, "underscore in the coding's name", post(b"Transfer_Encoding: chunked", body=b"x"), 400),
    (91, "coding after a bare CR", post(b"X: y\rTransfer-Encoding: chunked", body=b"x"), 400),
    (91, "coding after a bare LF", post(b"X: y\nTransfer-Encoding: chunked", body=b"x"), 400),
    (91, "coding on a continued line", post(b"Transfer-Encoding:", b" chunked", body=b"x"), 400),
    (91, "NUL in the coding's name", post(b"Transfer\0-Encoding: chunked", body=b"x"), 400),
    (91, "high byte in the coding's name", post(b"Transfer-Encoding\xa0: chunked", body=b"x"), 400),
    (91, "form feed before the coding's name", post(b"\x0cTransfer-Encoding: chunked"), 400),
    (92, "fold inside the coding's name", post(b"Transfer-Enc: chunked", b" oding", body=b"x"), 400),
]

LINES = [
    (93, "fold inside another name", get(b"X-Iden: evil", b" tity"), 400),
    (94, "fold with SP", get(b"X-A: b", b" c"), 400),
    (94, "fold with HT", get(b"X-A: b", b"\tc"), 400),
    (94, "first header folded", GET + b"Host: gw\r\n .example\r\n@TOKEN@\r\n", 400),
    (94, "fold after Host", GET + HOST + b" x: y\r\n@TOKEN@\r\n", 400),
    (94, "fold of blanks only", get(b"X-A: b", b" "), 400),
    (95, "LF ends the request line", b"GET /public/x HTTP/1.1\n" + HOST + b"@TOKEN@\r\n", 400),
    (95, "LF ends one header", GET + b"Host: gw.example\n@TOKEN@\r\n", 400),
    (95, "LF ends every line", b"GET /public/x HTTP/1.1\nHost: gw.example\n\n", 400),
    (95, "LF as the empty line", GET + HOST + b"X-A: b\r\n\n", 400),
    (96, "CR inside a value", get(b"X-A: b\rc"), 400),
    (96, "CR inside a name", get(b"X\rA: b"), 400),
    (96, "CR before the colon", get(b"X-A\r: b"), 400),
    (96, "CR as line end", GET + b"Host: gw.example\rX-A: b\r\n@TOKEN@\r\n", 400),
    (96, "CR CR LF", GET + b"Host: gw.example\r\r\n@TOKEN@\r\n", 400),
    (96, "CR alone before the end", GET + HOST + b"@TOKEN@\r\r\n\r\n", 400),
    (97, "NUL in a value", get(b"X-A: good\0evil"), 400),
    (97, "NUL in a name", get(b"X-A\0B: c"), 400),
    (97, "NUL in the method", line(b"GET\0POST /public/x HTTP/1.1"), 400),
    (97, "NUL in the target", line(b"GET /public/x\0/../admin HTTP/1.1"), 400),
    (98, "a header line that begins with NUL", GET + HOST + b"@TOKEN@\0\r\n\r\n" + SMUGGLED, 400),
    (99, "a NUL line before the request line", b"\0\r\n" + get(), 400),
    (99, "a NUL before the request line", b"\0" + get(), 400),
    (99, "an empty line and a NUL before the request line", b"\r\n\0" + get(), 400),
    (100, "space before the colon", get(b"X-A : b"), 400),
    (100, "tab before the colon", get(b"X-A\t: b"), 400),
    (100, "space before the length's colon", post(b"Content-Length : 5", body=b"hello"), 400),
    (100, "space inside a name", get(b"X A: b"), 400),
    (100, "leading space on the first header", GET + b" Host: gw.example\r\n@TOKEN@\r\n", 400),
    (100, "leading tab on the first header", GET + b"\tX-A: b\r\n" + HOST + b"@TOKEN@\r\n", 400),
    (101, "empty name", get(b": v"), 400),
    (101, "no colon", get(b"X-A"), 400),
    (101, "only a colon", get(b":"), 400),
    (101, "colons", get(b"::"), 400),
    (102, "a name of 256 bytes", get(b"X" * 256 + b": b"), 400),
    (102, "a name of 300 bytes", get(b"X" * 300 + b": b"), 400),
    (102, "a name whose length overflows a byte, before a length",
     post(b"Content-Length0" + b"a" * 256 + b": ", b"Content-Length: 5", body=b"hello"), 400),
] + [
    (102, f"name with {bytes([byte])!r}", get(b"X" + bytes([byte]) + b"A: b"), 400)
    for byte in range(256) if not re.match(rb"[0-9A-Za-z:-]", bytes([byte]))
] + [
    (103, f"value with {bytes([byte])!r}", get(b"X-A: b" + bytes([byte]) + b"c"), 400)
    for byte in [*range(9), *range(10, 32), 127]
] + [
    (103, f"value that begins with {bytes([byte])!r}", get(b"X-A:" + bytes([byte]) + b"c"), 400)
    for byte in [*range(9), *range(10, 32), 127]
] + [
    (103, f"value that ends with {bytes([byte])!r}", get(b"X-A: b" + bytes([byte])), 400)
    for byte in [*range(9), *range(10, 32), 127]
]

REQUEST_LINES = [
    (117, f"version {version!r}", line(b"GET /public/x" + version), (400, 505))
    for version in (b"", b" ", b" HTTP/1.2", b" HTTP/1.9", b" HTTP/2.0", b" HTTP/01.1",
                    b" HTTP/1.10", b" http/1.1", b" HTTP/1.1 ", b" HTTP/1.1\t", b" HTTP/0.9",
                    b" HTTP/1", b" HTTP/1.", b" HTTP/.1", b" HTTP1.1", b" XTTP/1.1", b" HTTP/1,1",
                    b" HTTP/3.0", b" HTTP/+1.1", b" HTTPS/1.1", b" HTTP/1.1x", b" HTTP /1.1")
] + [
    (119, "two spaces after the method", line(b"GET  /public/x HTTP/1.1"), 400),
    (119, "two spaces before the version", line(b"GET /public/x  HTTP/1.1"), 400),
    (119, "tabs", line(b"GET\t/public/x\tHTTP/1.1"), 400),
    (119, "leading space", line(b" GET /public/x HTTP/1.1"), 400),
    (119, "space inside the target", line(b"GET /public/ x HTTP/1.1"), 400),
    (119, "lower-case method", line(b"get /public/x HTTP/1.1"), (400, 403, 501)),
    (119, "control in the method", line(b"G\x01T /public/x HTTP/1.1"), (400, 501)),
    (119, "quote in the method", line(b'G"T /public/x HTTP/1.1'), (400, 501)),
    (119, "a method of 1 KiB", line(b"G" * 1024 + b" /public/x HTTP/1.1"), (400, 501)),
    (119, "no method", line(b"/public/x HTTP/1.1"), 400),
    (119, "nothing but spaces", line(b"  "), 400),
    (119, "two empty lines first", b"\r\n\r\n" + get(), 400),
    (120, "a target over 8 KiB", line(b"GET /public/" + b"a" * 8193 + b" HTTP/1.1"), 414),
    (120, "a query over 8 KiB", line(b"GET /public/x?" + b"a" * 8193 + b" HTTP/1.1"), 414),
    (120, "a head over the limit", get(*[b"X-A: " + b"b" * 1000] * 40), 431),
    (120, "101 headers", get(*[b"X-%d: b" % number for number in range(99)]), 431),
    (120, "one header of 64 KiB", get(b"X-A: " + b"b" * 65536), 431),
    (120, "a name of 64 KiB", get(b"X" * 65536 + b": b"), 431),
]

HOSTS = [
    (121, "no Host", host(), 400),
    (121, "no Host, HTTP/1.1 with a body", POST + b"@TOKEN@Content-Length: 2\r\n\r\nok", 400),
    (121, "Host twice, same", host(b"gw.example", b"gw.example"), 400),
    (121, "Host twice, different", host(b"gw.example", b"evil.example"), 400),
] + [
    (121, f"Host {value!r}", host(value), 400)
    for value in (b"", b"a b", b"a/b", b"u@a", b"a:99999", b"a:1:2", b"a,b", b"[::1", b"a\x00", b"a:x", b":80", b"::1", b"a?b", b"a#b", b"[::1]x", b"[]", b"[zz]", b"http://a",
                  b"a\\b", b"a%zz", b"<a>", b"a:-1", b"a\xe9")
] + [
    (122, "absolute form of another authority",
     line(b"GET http://evil.example/public/x HTTP/1.1"), 400),
    (122, "absolute form with another port",
     line(b"GET http://gw.example:81/public/x HTTP/1.1"), 400),
    (122, "absolute form with userinfo", line(b"GET http://u@gw.example/public/x HTTP/1.1"), 400),
    (122, "absolute form with another scheme", line(b"GET ftp://gw.example/public/x HTTP/1.1"), 400),
    (122, "absolute form without authority", line(b"GET http:///public/x HTTP/1.1"), 400),
    (122, "GET *", line(b"GET * HTTP/1.1"), 400),
    (122, "GET host:port", line(b"GET gw.example:80 HTTP/1.1"), 400),
    (122, "a target without slash", line(b"GET public/x HTTP/1.1"), 400),
    (122, "a target of only a query", line(b"GET ?a HTTP/1.1"), 400),
]

EXPECTATIONS = [
    (116, "HTTP/1.0", b"POST /public/x HTTP/1.0\r\n" + HOST
     + b"@TOKEN@Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 417),
    (116, "two different Expect headers", post(b"Expect: 100-continue", b"Expect: x",
                                               b"Content-Length: 5", body=b"hello"), 417),
    (116, "a folded expectation", post(b"Expect: 100-continue", b" x", body=b""), 400),
    (116, "a folded expectation on OPTIONS", b"OPTIONS /public/x HTTP/1.1\r\n" + HOST
     + b"@TOKEN@Expect:\r\n 100-continue\r\nContent-Length: 30\r\n\r\n" + SMUGGLED, 400),
    (116, "another expectation", post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"), 417),
    (116, "two Expect headers", post(b"Expect: 100-continue", b"Expect: 100-continue",
                                     b"Content-Length: 5", body=b"hello"), (400, 417)),
    (116, "two expectations in one", post(b"Expect: 100-continue, x", b"Content-Length: 5",
                                          body=b"hello"), 417),
    (116, "a folded header on OPTIONS with Expect",
     b"OPTIONS /public/x HTTP/1.1\r\n" + HOST + b"@TOKEN@Expect: 100-continue\r\nX: y\r\n z\r\n"
     b"Content-Length: 30\r\n\r\n" + SMUGGLED, 400),
] + [
    (116, f"expectation {value!r}", post(b"Expect: " + value, b"Content-Length: 5", body=b"hello"), 417)
    for value in (b"", b"100", b"100-continued", b"x100-continue", b"100-continue;q=1", b"100 -continue",
                  b"100-continue,", b"100-continue, 100-continue", b"\xb1\xb0\xb0-continue", b"102-processing")
]

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


class FramingCase(WireCase):
    def bytes_of(self, data):
        return data.replace(b"@TOKEN@", b"Authorization: Bearer " + self.token.encode() + b"\r\n")

    def refuse_all(self, table, split=0):
        for case, what, data, statuses in table:
            with self.subTest(case=case, what=what, split=split):
                self.refuse(self.bytes_of(data), statuses, split=split)
                self.good_request_is_fast()


def in_one_piece_and_bytewise(table):
    """The two tests of a table: case 125 asks for the same verdicts over 1-byte writes."""
    def whole(self):
        self.refuse_all(table)

    def bytewise(self):
        self.refuse_all([row for row in table if len(row[2]) < 20000], split=1)

    return whole, bytewise


class Framing(FramingCase):
    test_refuses_ambiguous_lengths, test_refuses_ambiguous_lengths_bytewise = \
        in_one_piece_and_bytewise(LENGTHS)
    test_refuses_other_codings, test_refuses_other_codings_bytewise = \
        in_one_piece_and_bytewise(CODINGS)
    test_refuses_malformed_lines, test_refuses_malformed_lines_bytewise = \
        in_one_piece_and_bytewise(LINES)
    test_refuses_request_lines, test_refuses_request_lines_bytewise = \
        in_one_piece_and_bytewise(REQUEST_LINES)
    test_refuses_hosts_and_targets, test_refuses_hosts_and_targets_bytewise = \
        in_one_piece_and_bytewise(HOSTS)
    test_refuses_expectations, test_refuses_expectations_bytewise = \
        in_one_piece_and_bytewise(EXPECTATIONS)

    def test_names_the_reason_of_malformed_heads(self):
        for data, status, reason in ((get(b"X A: b"), 400, BAD),
                                     (get(b"X_A: b"), 400, BAD),
                                     (get(b"X-A: " + b"b" * 65536), 431, TOO_LARGE)):
            self.refuse(self.bytes_of(data), status, reason)

    def test_refuses_other_protocols(self):
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(64)) + b"\r\n\r\n"
        for what, data in (("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
                           ("TLS hello", hello),
                           ("PROXY preface", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get()),
                           ("PROXY v2 preface", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)),
                           ("HTTP/2 preface before a request", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + get()),
                           ("PROXY v1 of nobody", b"PROXY UNKNOWN\r\n" + get()),
                           ("PROXY v2 before a request",
                            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + get()),
                           ("SOCKS5", b"\x05\x01\0" + get()), ("SOCKS4", b"\x04\x01\0\x50\x7f\0\0\1\0" + get()),
                           ("old TLS hello", b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10" + get()),
                           ("UTF-16", get().decode("latin-1").encode("utf-16")),
                           ("a byte order mark", b"\xef\xbb\xbf" + get()),
                           ("RTSP", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
                           ("FastCGI", b"\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"  + get()),
                           ("Redis", b"*1\r\n$4\r\nPING\r\n\r\n"), ("an answer", b"HTTP/1.1 200 OK\r\n\r\n"),
                           ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
                           ("SMTP", b"EHLO x\r\n\r\n")):
            for split in (0, 1):
                with self.subTest(case=118, what=what, split=split):
                    mark = self.door.upstream.mark()
                    with self.door.client() as client:
                        answer = client.send(self.bytes_of(data), split).read_to_end()
                    if answer:
                        self.assertRegex(answer, rb"^HTTP/1\.1 (400|501|505) ")
                        self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 [0-9]", answer)))
                    self.assertTrue(self.door.upstream.is_untouched(mark))
                    self.good_request_is_fast()

    def test_serves_a_request_whose_every_byte_comes_alone(self):
        data = raw.request("POST", "/public/x", [("X-A", "b")], b"hello", self.token)
        _, request = self.allow(data, split=1)
        self.assertEqual(b"hello", request.body)

    def test_serves_a_request_that_comes_with_pauses(self):
        data = raw.request("GET", "/public/x", host="g", token=self.token)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            for start in range(0, 60):
                client.send(data[start:start + 1])
                time.sleep(0.05 if start < 20 else 0)  # the pause is the case: 50 ms a byte
            client.send(data[60:])
            self.assertEqual(200, client.read_response().status)
        self.assertEqual(1, len(self.door.upstream.since(mark)))

    def test_forwards_obs_text_unchanged_or_refuses_it(self):
        mark = self.door.upstream.mark()
        value = bytes(range(128, 256))
        with self.door.client() as client:
            response = client.exchange(self.bytes_of(get(b"X-A: " + value)))
        if response.status == 200:
            self.assertIn(b"\r\nX-A: " + value + b"\r\n", self.door.upstream.since(mark)[0].head)
        else:
            self.assertEqual(400, response.status)

    def test_accepts_what_is_merely_unusual(self):
        for what, data, target in (
                ("absolute form of our authority",
                 line(b"GET http://gw.example/public/x?q HTTP/1.1"), "/public/x?q"),
                ("absolute form in another case",
                 line(b"GET HTTP://GW.example/public/x HTTP/1.1"), "/public/x"),
                ("one empty line first", b"\r\n" + get(), "/public/x"),
                ("blanks around a value", get(b"X-A: \t b \t "), "/public/x"),
                ("no blank after the colon", get(b"X-A:b"), "/public/x"),
                ("an empty value", get(b"X-Empty:"), "/public/x"),
                ("Host with a port", host(b"gw.example:8080"), "/public/x"),
                ("Host as IPv6 address", host(b"[::1]:8080"), "/public/x"),
                ("Host as address", host(b"127.0.0.1"), "/public/x"),
                ("a target of 8 KiB", line(b"GET /public/" + b"a" * 8184 + b" HTTP/1.1"),
                 "/public/" + "a" * 8184),
                ("a name of 255 bytes", get(b"X" * 255 + b": b"), "/public/x"),
                ("a value of 16 KiB", get(b"X-A: " + b"b" * 16384), "/public/x"),
                ("an expectation in capitals", post(b"Expect: 100-CONTINUE", b"Content-Length: 0"),
                 "/public/x"),
                ("100 headers", get(*[b"X-%d: b" % number for number in range(97)]), "/public/x"),
                ("a name of 100 bytes", get(b"X" * 100 + b": b"), "/public/x"),
                ("a length of zero", post(b"Content-Length: 0"), "/public/x"),
                ("Chunked in capitals", post(b"transfer-encoding: CHUNKED", body=HELLO_CHUNKED),
                 "/public/x"),
                ("blanks before the coding", post(b"Transfer-Encoding: \t chunked",
                                                  body=HELLO_CHUNKED), "/public/x")):
            with self.subTest(what=what):
                _, request = self.allow(self.bytes_of(data))
                self.assertEqual(target, request.target)


class Gadgets(FramingCase):
    """Case 91: one byte put anywhere into `Transfer-Encoding: chunked`, beside a Content-Length."""

    PLACES = {"before the name": b"%cTransfer-Encoding: chunked",
              "inside the name": b"Transfer%cEncoding: chunked",
              "after the name": b"Transfer-Encoding%c: chunked",
              "before the value": b"Transfer-Encoding:%cchunked",
              "inside the value": b"Transfer-Encoding: chun%cked",
              "after the value": b"Transfer-Encoding: chunked%c"}
    # The length ends where the chunks go on, and the other way round.
    BODIES = {"length, then chunks": (b"%d" % (5 + len(SMUGGLED)), b"0\r\n\r\n" + SMUGGLED),
              "chunks, then length": (b"4", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED))}

    @staticmethod
    def is_another_header(gadget):
        """A letter or digit more makes another name, which means nothing."""
        name = gadget.partition(b":")[0]
        return (re.fullmatch(rb"[A-Za-z0-9-]+", name) is not None
                and name != b"Transfer-Encoding")

    def test_reads_no_gadget_two_ways(self):
        for where, template in self.PLACES.items():
            for what, (length, body) in self.BODIES.items():
                for byte in range(256):
                    with self.subTest(where=where, what=what, byte=byte):
                        self.try_gadget(template % byte, length, body)

    def try_gadget(self, gadget, length, body):
        mark = self.door.upstream.mark()
        data = self.bytes_of(post(b"Content-Length: " + length, gadget, body=body))
        with self.door.client() as client:
            response = client.send(data).read_response()
            if response.status != 200:
                self.assertEqual(b"", client.read_to_end())
        seen = self.door.upstream.since(mark)
        if self.is_another_header(gadget):
            self.assertEqual((200, 1), (response.status, len(seen)))
            self.assertEqual(int(length), seen[0].body_bytes)
        else:
            self.assertIn(response.status, (400, 501), gadget)
            self.assertEqual([], seen)


def places(*templates):
    """Each template with every byte that readers may take for a blank or skip."""
    for byte in (*range(1, 0x21), *range(0x7f, 0x100)):
        for template in templates:
            yield template.replace(b"@", bytes([byte]))


class Smuggling(FramingCase):
    """Case 91: the headers of the public lists of smuggling gadgets, the same byte in one place or two, or the
    coding hidden behind another header; each before a length, in both directions, with a whole and a half body."""

    SHAPES = sorted({
        *places(b"Transfer-Encoding:@chunked", b"Transfer-Encoding@: chunked", b"@Transfer-Encoding: chunked",
                b"Transfer-Encoding: chunked@", b"@Transfer-Encoding@: chunked", b"@Transfer-Encoding:@chunked",
                b"@Transfer-Encoding: chunked@", b"Transfer-Encoding@:@chunked", b"Transfer-Encoding@: chunked@",
                b"Transfer-Encoding:@chunked@", b"X: X@Transfer-Encoding: chunked", b"Transfer-Encoding: chunked@X: X",
                b"X: X\r@Transfer-Encoding: chunked", b"X: X@\nTransfer-Encoding: chunked",
                b"Transfer-Encoding: chunked\r@X: X", b"Transfer-Encoding: chunked@\nX: X"),
        b"Transfer-Encoding\t:\tchunked", b"Transfer Encoding: chunked", b"Transfer_Encoding: chunked",
        b"Transfer Encoding:chunked", b"Transfer-Encoding:  chunked", b"Transfer-Encoding: chunked, cow",
        b"Transfer-Encoding: cow, chunked", b"Content-Encoding: chunked", b"Transfer-Encoding:\n chunked",
        b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunk",
        b"TrAnSFer-EnCODinG: cHuNkeD", b"TRANSFER-ENCODING: CHUNKED",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", b"Transfer\r-Encoding: chunked",
        b"Transfer-Encoding: cow chunked bar", b"Transfer-Encoding: ch\x96nked", b"Transf\x82r-Encoding: chunked",
        b"X:X\rTransfer-Encoding: chunked", b"X:X\nTransfer-Encoding: chunked"})

    # (length, body): what the length says ends inside of the chunks, or they end inside of it; then one that lacks
    # its end by the other reading
    BODIES = [(5, b"0\r\n\r\n" + b"G"), (5 + len(SMUGGLED), b"0\r\n\r\n" + SMUGGLED),
              (4, b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), (6, b"3\r\nabc\r\nQ")]

    def test_no_shape_is_two_requests_or_a_hang(self):
        self.assertGreater(len(self.SHAPES), 1703)
        for number, (length, body) in enumerate(self.BODIES):
            for shape in self.SHAPES:
                with self.subTest(case=91, shape=shape, body=number):
                    self.try_shape(shape, length, body)
        self.good_request_is_fast()

    def try_shape(self, shape, length, body):
        """400 or 501, closed, nothing upstream; or one request with just the length's bytes as its body."""
        mark = self.door.upstream.mark()
        head = POST + shape + b"\r\n" + HOST + b"@TOKEN@Content-Length: %d\r\n\r\n" % length
        with self.door.client() as client:
            client.send(self.bytes_of(head + body))
            try:
                client.finish_sending()
            except OSError:
                pass  # refused and closed already
            statuses = [response.status for response in client.read_responses()]
        seen = self.door.upstream.since(mark)
        if self.hides_no_coding(shape):
            self.assertEqual(([200], 1), (statuses[:1], len([request for request in seen if request.is_complete])))
            self.assertEqual(body[:length], seen[0].body)
            self.assertEqual([], seen[0].all("Transfer-Encoding"))
        else:
            self.assertIn(statuses, ([400], [501]))
            self.assertEqual([], seen)

    @staticmethod
    def hides_no_coding(shape):
        """Its lines are well-formed headers of other names."""
        lines = re.fullmatch(rb"([0-9A-Za-z-]+:[ \t]*[\t\x20-\x7e\x80-\xff]*(\r\n)?)+", shape)
        return lines is not None and not re.search(rb"(?im)^transfer-encoding:", shape)


class Mutations(FramingCase):
    """Requests bent at random, the same ones each time: at most one request upstream for each 200,
    and never the one that hides in a body."""

    COUNT = int(os.environ.get("BARKEEP_MUTATIONS", "2000"))
    PIECES = [b"\0", b"\t", b"\n", b"\r", b"\r\n", b" ", b",", b":", b";", b"\x0b", b"\x7f", b"\xff",
              b"_", b"-", b"0", b"1", b"chunked", b"Content-Length: 5\r\n", CHUNKED + b"\r\n",
              b"\r\n ", b"\r\n\t", b"/", b"%", b'"', b"#", b"?", b"0\r\n\r\n", b"HTTP/1.1"]
    SEEDS = [post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
             post(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
             post(CHUNKED, body=HELLO_CHUNKED + SMUGGLED),
             post(b"Content-Length: 5", body=b"hello" + SMUGGLED), get() + SMUGGLED]

    def mutate(self, chance, tag):
        """One of the seeds, with `tag` in its target, then bent in one to three places."""
        data = chance.choice(self.SEEDS).replace(b"/public/x", b"/public/" + tag)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            data = chance.choice((
                data[:at] + chance.choice(self.PIECES) + data[at:], data[:at] + data[at + 1:],
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1:],
                data[:at + 8] + data[at:]))
        return data

    @staticmethod
    def tag_of(seed):
        """No mutation turns one into another."""
        return hashlib.sha256(b"%d" % seed).hexdigest()[:16].encode()

    def test_reads_no_mutation_two_ways(self):
        earlier = []
        for seed in range(self.COUNT):
            data = self.mutate(random.Random(seed), self.tag_of(seed))
            try:
                self.try_mutation(data, earlier[-20:])
                earlier.append(data)
            except AssertionError as failure:
                self.fail(f"seed {seed}: {failure}\n{data!r}")

    @staticmethod
    def is_late(request, data, earlier):
        """It belongs to one before this, which was cut off and was still on its way."""
        target = request.target.encode("latin-1")
        return target not in data and any(target in former for former in earlier)

    def try_mutation(self, data, earlier):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(self.bytes_of(data))
            try:
                client.finish_sending()
            except OSError:
                pass  # refused and closed already
            statuses = [response.status for response in client.read_responses()]
        seen = [request for request in self.door.upstream.since(mark)
                if not self.is_late(request, data, earlier)]
        self.assertLessEqual(len(seen), 1, [request.head for request in seen])
        for request in seen:
            self.assertNotIn("smuggled", request.target)
            self.assertEqual(request.is_complete, 200 in statuses)
        self.assertEqual(len([request for request in seen if request.is_complete]),
                         statuses.count(200))


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


class Paused(FramingCase):
    """Case 125: the same verdicts over 50 ms of silence after each of the first 200 bytes. All at once: the
    connections share the silence."""

    BYTES = 200
    TABLES = (LENGTHS, CODINGS, REQUEST_LINES, HOSTS, EXPECTATIONS)

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"head_timeout": "10m", "idle_timeout": "10m"}

    def rows(self):
        """Every table's rows, and of the many lines those that are not one byte's."""
        lines = [row for row in LINES if not re.match("(name|value) ", row[1]) or row[1].endswith(("0'", "f'"))]
        for case, what, data, statuses in [row for table in self.TABLES for row in table] + lines:
            # a short token, so that the silence falls on what is tested
            yield case, what, data.replace(b"@TOKEN@", b"Authorization: Bearer x\r\n"), statuses

    def test_verdicts_do_not_depend_on_pauses(self):
        mark = self.door.upstream.mark()
        sent = [(row, self.door.client(timeout=60)) for row in self.rows()]
        good = raw.request("GET", "/public/x", token=self.token)
        control = self.door.client(timeout=60)
        for at in range(self.BYTES):
            for (_, _, data, _), client in sent:
                client.send(data[at:at + 1])
            control.send(good[at:at + 1])
            time.sleep(0.05)  # the pause is the case
        control.send(good[self.BYTES:])
        self.assertEqual(200, control.read_response().status)
        control.close()
        self.assertEqual(1, len(self.door.upstream.since(mark)))
        for (case, what, data, statuses), client in sent:
            with self.subTest(case=case, what=what):
                client.send(data[self.BYTES:])
                self.check_refusal(client.read_response(), statuses)
                self.assertEqual(b"", client.read_to_end())
                client.close()
        self.assertEqual(1, len(self.door.upstream.since(mark)))


class Deadlines(FramingCase):
    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"head_timeout": "500ms", "idle_timeout": "500ms"}
        config["routes"][0]["timeouts"] = {"idle": "500ms"}

    def test_refuses_a_head_that_does_not_end(self):
        for what, data in (("half a request line", b"GET /public"),
                           ("half a head", GET + HOST),
                           ("all but the last byte", get()[:-1])):
            with self.subTest(what=what):
                self.refuse(self.bytes_of(data), 408, "head_timeout")

    def test_head_deadline_is_absolute(self):
        """A byte now and then does not move it."""
        started = time.monotonic()
        with self.door.client() as client:
            stop = threading.Event()
            feeder = threading.Thread(target=self.feed, args=(client, stop))
            feeder.start()
            response = client.read_response()
            stop.set()
            feeder.join()
        self.assertEqual(408, response.status)
        self.assertLess(time.monotonic() - started, patient(3))

    @staticmethod
    def feed(client, stop):
        client.send(GET + HOST + b"X-A: ")
        while not stop.wait(0.1):
            client.send(b"b")

    def test_aborts_a_body_that_stops(self):
        """The rest of the body never comes."""
        for what, framing, part in (("in a length", b"Content-Length: 10", b"hello"),
                                    ("before a length's body", b"Content-Length: 10", b""),
                                    ("in a chunk", CHUNKED, b"a\r\nhello"),
                                    ("in a size", CHUNKED, b"5\r\nhello\r\n1"),
                                    ("in an extension", CHUNKED, b"5;abc"),
                                    ("before the last chunk", CHUNKED, b"5\r\nhello\r\n"),
                                    ("in the trailers", CHUNKED, b"5\r\nhello\r\n0\r\nX-A: b"),
                                    ("before the last line end", CHUNKED, b"5\r\nhello\r\n0\r\n\r")):
            with self.subTest(case=114, what=what):
                self.check_stopped_body(post(framing, body=part))

    def check_stopped_body(self, data):
        mark = self.door.upstream.mark()
        data = self.bytes_of(data)
        with self.door.client() as client:
            answer = client.send(data).read_to_end()
        self.assertRegex(answer, rb"^HTTP/1\.1 408 ")
        for request in self.door.upstream.since(mark):
            peer = self.door.upstream.peers[request.connection]
            self.wait_for(lambda peer=peer: peer.is_closed, "the upstream request is aborted")
            self.assertFalse(request.is_complete)

    def test_closes_idle_connections_silently(self):
        with self.door.client() as client:
            client.exchange(raw.request("GET", "/public/x", token=self.token))
            self.assertEqual(b"", client.read_to_end())


if __name__ == "__main__":
    unittest.main()
