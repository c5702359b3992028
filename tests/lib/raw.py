"""A client that sends exactly the bytes it is given and reads answers strictly.

What a lenient client would forgive is an error here: a bad status line, a header without colon,
framing that can be read twice, bytes where none belong."""

import re
import socket

from lib.net import patient

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*"
                         rb"((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
                         rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*")


class BadResponse(AssertionError):
    """The answer breaks HTTP/1.1."""


class Truncated(AssertionError):
    """The connection ended inside an answer. `response` holds what came."""

    def __init__(self, what, response=None):
        super().__init__(what)
        self.response = response


class Response:
    def __init__(self, status, phrase, headers):
        self.status = status
        self.phrase = phrase
        self.headers = headers  # [(name, value)] as text, in order
        self.body = b""
        self.interim = []  # the 1xx answers before this one
        self.head = b""

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name):
        """The value of a header that must be there at most once; None without it."""
        values = self.all(name)
        if len(values) > 1:
            raise BadResponse(f"{name} comes {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def request_id(self):
        return self.one("X-Request-Id")


def parse_head(head):
    """`head` ends with its empty line."""
    lines = head[:-4].split(b"\r\n")
    match = STATUS_LINE.fullmatch(lines[0])
    if not match:
        raise BadResponse(f"status line {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        field = HEADER_LINE.fullmatch(line)
        if not field:
            raise BadResponse(f"header line {line!r}")
        headers.append((field[1].decode("latin-1"), field[2].decode("latin-1")))
    response = Response(int(match[1]), match[2].decode("latin-1"), headers)
    response.head = head
    return response


def request(method, target, headers=(), body=None, token=None, host="gw.example",
            version="HTTP/1.1"):
    """Bytes of a request. `body` sets Content-Length; host=None leaves Host out."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(*pieces):
    """A chunked body of these pieces."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n\r\n"


class Client:
    """One connection to barkeep."""

    def __init__(self, port, timeout=10, receive_buffer=None, source=None):
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patient(timeout))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.is_refused_to_send = False
        self.on_response = None
        self.sent = []  # since the last answer
        self.on_answer = None  # gets what was sent and the answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data, split=0):
        """Sends everything, in writes of `split` bytes if given. A peer that has answered and closed
        meanwhile is no error: its answer is still to be read."""
        self.sent.append(data)
        step = split or max(len(data), 1)
        try:
            for start in range(0, len(data), step):
                self.socket.sendall(data[start:start + step])
        except (BrokenPipeError, ConnectionResetError):
            self.is_refused_to_send = True
        return self

    def _receive(self):
        """Next bytes, b"" at the end."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""
        except socket.timeout:
            raise AssertionError(f"no answer in time; so far {self.pending[:300]!r}")

    def _fill(self, what, response=None):
        fresh = self._receive()
        if not fresh:
            raise Truncated(f"closed {what}; so far {self.pending[:300]!r}", response)
        self.pending += fresh

    def take(self, length, what="early", response=None):
        """The next `length` bytes."""
        while len(self.pending) < length:
            self._fill(what, response)
        taken, self.pending = self.pending[:length], self.pending[length:]
        return taken

    def _take_line(self, what, response=None):
        while b"\r\n" not in self.pending:
            self._fill(what, response)
        line, _, self.pending = self.pending.partition(b"\r\n")
        if b"\n" in line or b"\r" in line:
            raise BadResponse(f"line end inside {line!r}")
        return line

    def read_head(self):
        """The next head, interim or final."""
        while b"\r\n\r\n" not in self.pending:
            self._fill("before the end of the head")
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return parse_head(head + b"\r\n\r\n")

    def read_response(self, method="GET"):
        """The next final answer with its body."""
        interim = []
        response = self.read_head()
        while response.status < 200 and response.status != 101:
            interim.append(response)
            response = self.read_head()
        response.interim = interim
        self.read_body(response, method)
        if self.on_response:
            self.on_response(response)
        if self.on_answer:
            self.on_answer(self.sent, response)
        self.sent = []
        return response

    def read_responses(self):
        """Every answer until the peer closes; bytes that are none are an error."""
        responses = []
        while True:
            if not self.pending:
                self.pending = self._receive()
            if not self.pending:
                return responses
            responses.append(self.read_response())

    def read_body(self, response, method):
        """The rest of an answer whose head was read by read_head()."""
        coding = response.one("Transfer-Encoding")
        length = response.one("Content-Length")
        if coding is not None and length is not None:
            raise BadResponse("both Content-Length and Transfer-Encoding")
        if method == "HEAD" or response.status in (101, 204, 304):
            if response.status in (101, 204) and (coding or length):
                raise BadResponse(f"{response.status} with framing headers")
            return
        if coding is not None:
            self._read_chunked(response, coding)
        elif length is not None:
            if not re.fullmatch("0|[1-9][0-9]*", length):
                raise BadResponse(f"Content-Length {length!r}")
            self._read_length(response, int(length))
        else:
            response.body = self.read_to_end()

    def _read_length(self, response, length):
        while len(self.pending) < length:
            response.body = self.pending
            self._fill("inside the body", response)
        response.body = self.take(length, "inside the body")

    def _read_chunked(self, response, coding):
        if coding.lower() != "chunked":
            raise BadResponse(f"Transfer-Encoding {coding!r}")
        pieces = []
        while True:
            response.body = b"".join(pieces)
            line = self._take_line("in a chunk's size", response)
            if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", line):
                raise BadResponse(f"chunk size {line!r}")
            size = int(line, 16)
            if size:
                pieces.append(self.take(size, "in a chunk", response))
            if self.take(2, "after a chunk", response) != b"\r\n":
                raise BadResponse("no line end after a chunk")
            if not size:
                return

    def read_to_end(self):
        """Everything until the peer closes."""
        while True:
            fresh = self._receive()
            if not fresh:
                taken, self.pending = self.pending, b""
                return taken
            self.pending += fresh

    def exchange(self, data, method="GET", split=0):
        """Sends a request and reads its answer."""
        self.send(data, split)
        return self.read_response(method)
