"""Requests in raw bytes whose framing is the case, and how a table of them is refused."""

from lib.case import WireCase

GET = b"GET /public/x HTTP/1.1\r\n"
POST = b"POST /public/x HTTP/1.1\r\n"
HOST = b"Host: gw.example\r\n"
SMUGGLED = b"GET /public/smuggled HTTP/1.1\r\nHost: gw.example\r\n\r\n"


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


class FramingCase(WireCase):
    def bytes_of(self, data):
        return data.replace(b"@TOKEN@", b"Authorization: Bearer " + self.token.encode() + b"\r\n")

    def refuse_all(self, table, split=0):
        for case, what, data, statuses in table:
            with self.subTest(case=case, what=what, split=split):
                self.refuse(self.bytes_of(data), statuses, split=split)
                self.good_request_is_fast()
