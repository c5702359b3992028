"""The requests: those made here, and every one that other tests have, accepted or not.

Each is (name, bytes); `@TOKEN@` stands for the header line with the caller's token."""

import pathlib
import random

from lib import framing_case, raw
from lib.framing_case import CHUNKED
import test_chunks
import test_framing
import test_paths
import test_smuggling

FUZZ = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",
           "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE", "M-SEARCH", "BREW", "LINK", "X", "A-B-C", "G" * 32)
BODIES = (b"", b"x", b"hello", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
          b"5\r\nhello\r\n0\r\n\r\n", bytes(range(256)) * 4, b"\0" * 100, b"x" * 70000)
UNRESERVED_AND_DELIMITERS = "AZaz09-._~!$&'()*+,=:@"
VISIBLE = [chr(byte) for byte in range(0x21, 0x7f)]


def head(method, target, *lines, version="HTTP/1.1", host="gw.example"):
    text = f"{method} {target} {version}\r\nHost: {host}\r\n@TOKEN@".encode("latin-1")
    return text + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def get(target, *lines, **options):
    return head("GET", target, *lines, **options)


def methods():
    for method in METHODS:
        yield f"method {method}", head(method, "/public/x")
        yield f"method {method} with a body", head(method, "/public/x", b"Content-Length: 5") + b"hello"
        yield f"method {method} with chunks", head(method, "/public/x", CHUNKED) + raw.chunked(b"hello")
        yield f"method {method} with nothing", head(method, "/public/x", b"Content-Length: 0")


def paths():
    for character in VISIBLE:
        yield f"path with {character}", get(f"/public/a{character}b")
    for byte in range(256):
        yield f"path with %{byte:02x}", get(f"/public/a%{byte:02x}b")
        yield f"path of %{byte:02X}", get(f"/slashes/public/%{byte:02X}")
    for text in ("%c3%a9", "%E2%82%AC", "%f0%9f%98%80", "%252e%252e", "%2525", "%25", "...", ".x", "x.", "-", "~", ":", "@",
                 "a:b", "a=b", "a&b", "a+b", "a,b", "*", "'", "(a)", "!", "$", "%20", "a%3Bb", "%3Fa", "%23a", "a/b/", "a/./b",
                 "a/../b", "a/b/..", "a/b/.", "%2Fname", "a%2Fb", "a%2fb%2F", UNRESERVED_AND_DELIMITERS):
        yield f"path {text}", get(f"/public/{text}")
        yield f"path {text} with slashes", get(f"/slashes/public/{text}")
        yield f"path {text} with a query", get(f"/public/{text}?{text}")
    for size in (1, 100, 1000, 4000, 8000):
        yield f"path of {size} bytes", get("/public/" + "a" * size)
    yield "path of 1,000 segments", get("/public/" + "a/" * 1000)
    for target in ("http://gw.example/public/x", "HTTP://GW.EXAMPLE/public/x?a", "http://gw.example:80/public/x",
                   "http://gw.example", "http://gw.example/", "http://gw.example/public/./x"):
        yield f"absolute {target}", get(target)


def queries():
    for character in VISIBLE:
        yield f"query with {character}", get(f"/public/x?a{character}b")
    for byte in range(256):
        yield f"query with %{byte:02x}", get(f"/public/x?a=%{byte:02x}")
    for query in ("", "?", "a", "a=", "=a", "&", "a=b&a=c", "a&&b", "/../admin", "//evil", "%", "%z", "%%", "a=%2f%2F", "a+b",
                  "http://evil/", "a=b;c=d", "a[]=1", "*", "." * 1000, "%0d%0aX:y", "a" * 7000):
        yield f"query {query[:40]}", get(f"/public/x?{query}")
        yield f"query {query[:40]} beside ours", get(f"/query/public/x?{query}")


def headers():
    for name in ("A", "a", "X-A", "x-a", "X--A", "-", "-X", "X-", "0", "1-2", "X" * 255, "Accept", "Range", "If-Match", "Via",
                 "Age", "Date", "Origin", "Referer", "Cookie2", "Content-Type", "Content-MD5", "Content-Encoding", "Link",
                 "Sec-Fetch-Mode", "Priority", "Pragma", "Warning", "From", "Max-Forwards", "X-Real-Ip2", "Proxy", "SOAPAction",
                 "Transfer-Encoding-X", "Content-Length2", "XContent-Length", "Hosts", "XHost"):
        for value in ("v", "", "a, b", "0"):
            yield f"header {name}: {value}", get("/public/x", f"{name}: {value}".encode())
        yield f"header {name} twice", get("/public/x", f"{name}: 1".encode(), f"{name.swapcase()}: 2".encode())
    for byte in [*range(0x20, 0x7f), *range(0x80, 0x100), 9]:
        yield f"value with byte {byte}", get("/public/x", b"X-A: a" + bytes([byte]) + b"b")
        yield f"value of byte {byte}", get("/public/x", b"X-A:" + bytes([byte]), b"X-B: c")
    for value in (b"chunked", b"Content-Length: 5", b"\t x \t ", b"a  b", b"a\tb", b'"q\\"', b"(c)", b";", b",", b",,", b":", b"::",
                  "\u00e9\u20ac".encode(), b"x" * 20000):
        yield f"value {value[:30]!r}", get("/public/x", b"X-A: " + value, b"X-B:" + value)
    yield "97 headers", get("/public/x", *[b"X-%d: v" % number for number in range(90)])
    yield "one name 90 times", get("/public/x", *[b"X-A: %d" % number for number in range(90)])
    for lines in ((b"Connection: close",), (b"Connection: keep-alive",), (b"Connection: X-A", b"X-A: b"),
                  (b"Connection: close, X-A", b"X-A: b", b"x-a: c"), (b"Connection: Content-Length",), (b"Connection: Host",),
                  (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: eA==", b"Sec-WebSocket-Version: 13"),
                  (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
                  (b"Upgrade: TLS/1.0", b"Connection: Upgrade"), (b"TE: trailers",), (b"TE: trailers, deflate", b"Connection: TE"),
                  (b"Trailer: X-A",), (b"Keep-Alive: timeout=5",), (b"Proxy-Connection: keep-alive",),
                  (b"Proxy-Authorization: Basic eDp5",), (b"X-Forwarded-For: 1.2.3.4",), (b"Forwarded: for=x",),
                  (b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"tracestate: a=b"),
                  (b"Accept-Encoding: gzip", b"Range: bytes=0-1")):
        yield f"lines {lines!r}", get("/public/x", *lines)
        yield f"lines {lines!r} with a body", head("POST", "/public/x", *lines, b"Content-Length: 5") + b"hello"
    for host in ("gw.example", "GW.Example:8080", "127.0.0.1", "[::1]:80", "[::1]", "a", "a.", "a_b", "a~b", "1", "a:1"):
        yield f"host {host}", get("/public/x", host=host)


def cookies():
    many = b"; ".join(b"c%d=v%d" % (number, number) for number in range(200))
    for lines in ((b"a=b",), (b"a=b; c=d",), (b"a=b", b"c=d"), (many,), (b"sid=evil",), (b"sid=evil; a=b", b"SID=x"), (b"",), (b";",),
                  (b'a="q,r"; b=%20; =; ;;',), (b"a=b;c=d",), (b"a",), (b"a=b, c=d",), (b"\xe9=\xff",)):
        fields = [b"Cookie: " + line for line in lines]
        yield f"cookies {lines!r:.60}", get("/public/x", *fields)
        yield f"cookies {lines!r:.60} beside ours", get("/cookie/public/x", *fields)


def bodies():
    for body in BODIES:
        what = f"{body[:20]!r} of {len(body)}"
        length = b"Content-Length: %d" % len(body)
        for route in ("", "/query", "/cookie", "/claims"):
            yield f"body {what} on {route}", head("POST", f"{route}/public/x", length) + body
            yield f"chunked {what} on {route}", (head("POST", f"{route}/public/x", CHUNKED)
                                                 + raw.chunked(*([body] if body else [])))
        yield f"expected {what}", head("POST", "/public/x", length, b"Expect: 100-continue") + body
        yield f"expected in chunks {what}", (head("POST", "/public/x", b"Expect: 100-Continue", CHUNKED)
                                             + raw.chunked(*([body] if body else [])))
        yield f"HTTP/1.0 {what}", head("POST", "/public/x", length, version="HTTP/1.0") + body
        if 1 < len(body) < 2000:
            yield f"chunks of one byte {what}", (head("POST", "/public/x", CHUNKED)
                                                 + raw.chunked(*[body[at:at + 1] for at in range(len(body))]))
    for what, text in (("extensions", b'3;a=b\r\nabc\r\n4;c="d"\r\nefgh\r\n0;e\r\n\r\n'), ("zeros", b"0003\r\nabc\r\n00\r\n\r\n"),
                       ("capitals", b"A\r\n0123456789\r\n0\r\n\r\n"),
                       ("trailers", b"3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: x\r\nX-A: b\r\nTransfer-Encoding: x\r\n\r\n")):
        yield f"chunks with {what}", head("POST", "/public/x", b"Transfer-Encoding: Chunked") + text


def sequences():
    good = get("/public/1")
    post = head("POST", "/public/2", b"Content-Length: 5") + b"hello"
    chunks = head("PUT", "/public/3", CHUNKED) + raw.chunked(b"hello", b"world")
    for what, data in (("two", good + post), ("three", good + post + chunks), ("three, bodies first", chunks + post + good),
                       ("ten", (chunks + good) * 5), ("with line ends between", b"\r\n" + post + b"\r\n" + good),
                       ("then garbage", post + b"garbage\r\n\r\n"), ("then half a request", chunks + good[:20])):
        yield f"pipelined {what}", data


def of_wire_tests():
    for table in ("LENGTHS", "CODINGS", "LINES", "REQUEST_LINES", "HOSTS", "EXPECTATIONS"):
        for number, what, data, *_ in getattr(test_framing, table):
            yield f"{table} {number} {what}", data
    for number, what, body in test_chunks.BAD_CHUNKS:
        yield f"BAD_CHUNKS {number} {what}", framing_case.post(CHUNKED, body=body)
    for number, target, _ in test_paths.REFUSED:
        yield f"path case {number} {target[:40]}", get(target)
    for target, _ in test_paths.PASSING:
        yield f"passing path {target[:40]}", get(target)
    for seed in range(test_smuggling.Mutations.COUNT):
        yield f"mutation {seed}", test_smuggling.Mutations().mutate(random.Random(seed), b"m")


def of_fuzz_corpora():
    for path in sorted((FUZZ / "h1_request").iterdir()):
        yield f"fuzz/{path.name}", path.read_bytes().replace(b"\r\n\r\n", b"\r\n@TOKEN@\r\n", 1)
    for path in sorted((FUZZ / "chunked").iterdir()):
        yield f"fuzz/chunked/{path.name}", framing_case.post(CHUNKED, body=path.read_bytes())
    for path in sorted((FUZZ / "request_path").iterdir()):
        yield f"fuzz/request_path/{path.name}", b"GET " + path.read_bytes() + b" HTTP/1.1\r\nHost: gw\r\n@TOKEN@\r\n"


def requests():
    for part in (methods, paths, queries, headers, cookies, bodies, sequences, of_wire_tests, of_fuzz_corpora):
        yield from part()
