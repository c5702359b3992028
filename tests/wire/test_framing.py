#!/usr/bin/python3
"""Request framing, line and header syntax: one reading of a message or none (CASES.md D)."""

import re
import threading
import time
import unittest

import wire  # noqa: F401
from lib import raw
from lib.framing_case import CHUNKED, GET, HELLO_CHUNKED, HOST, POST, SMUGGLED, FramingCase, get, host, line, post
from lib.net import patient

BAD = "bad_request"
TOO_LARGE = "head_too_large"

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
