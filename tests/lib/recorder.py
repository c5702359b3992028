"""A scripted upstream: records exactly the bytes of each request and answers as told.

A script is either the bytes of an answer (sent once the whole request is there) or a function
(peer, request) that does what it likes with the connection. Scripts are found by the request's path;
everything else gets the default answer."""

import socket
import threading

from lib.net import wait_until

KEPT_BODY_BYTES = 1 << 20
RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"


class PeerGone(Exception):
    """The proxy closed or reset the connection; `had` says how far the request had come."""


def answer(status=200, body=b"ok", headers=(), phrase="OK"):
    """Bytes of a complete answer with Content-Length."""
    lines = [f"HTTP/1.1 {status} {phrase}"] + [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Recorded:
    """One request as it arrived."""

    def __init__(self, connection, head):
        self.connection = connection
        self.head = head
        self.body = b""
        self.body_bytes = 0
        self.is_complete = False
        lines = head[:-4].split(b"\r\n")
        self.request_line = lines[0].decode("latin-1")
        self.method, self.target = self.request_line.split(" ")[:2]
        self.headers = [_field(line) for line in lines[1:]]

    @property
    def path(self):
        return self.target.partition("?")[0]

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def names(self):
        return [name.lower() for name, _ in self.headers]

    def add(self, data):
        self.body_bytes += len(data)
        if self.body_bytes <= KEPT_BODY_BYTES:
            self.body += data


def _field(line):
    name, _, value = line.partition(b":")
    return name.decode("latin-1"), value.strip(b" \t").decode("latin-1")


class Peer:
    """The upstream's end of one connection."""

    def __init__(self, recorder, number, connection):
        self.recorder = recorder
        self.number = number
        self.socket = connection
        self.pending = b""
        self.is_closed_by_proxy = False
        self.is_closed = False

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.is_closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def reset(self):
        self.is_closed = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()

    def receive(self):
        """Next bytes; PeerGone at the end."""
        try:
            fresh = self.socket.recv(262144)
        except OSError:
            fresh = b""
        if not fresh:
            self.is_closed_by_proxy = not self.is_closed
            raise PeerGone()
        self.recorder.count_bytes(len(fresh))
        return fresh

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            self.pending += self.receive()
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def read_body(self, request):
        """Reads the rest of the request by its framing."""
        if request.is_complete:
            return
        coding = request.all("Transfer-Encoding")
        length = request.all("Content-Length")
        if coding:
            self._read_chunked(request)
        elif length:
            self._read_length(request, int(length[0]))
        request.is_complete = True

    def _read_length(self, request, length):
        while length:
            if not self.pending:
                self.pending = self.receive()
            taken, self.pending = self.pending[:length], self.pending[length:]
            request.add(taken)
            length -= len(taken)

    def _read_chunked(self, request):
        while True:
            size = int(self._line(), 16)
            if not size:
                break
            self._read_length(request, size)
            self._line()
        while self._line():
            request.trailers = True

    def _line(self):
        while b"\r\n" not in self.pending:
            self.pending += self.receive()
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def wait_closed(self):
        """Reads on until the proxy has closed the connection."""
        try:
            while True:
                self.receive()
        except PeerGone:
            pass


class Recorder:
    """Listens on loopback until stopped."""

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.scripts = {}
        self.default = answer()
        self.requests = []
        self.peers = []
        self.bytes = 0
        self.failures = []
        self.port = port
        self.listener = self._listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self.port = listener.getsockname()[1]
        return listener

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def authority(self):
        return f"127.0.0.1:{self.port}"

    def on(self, path, script):
        self.scripts[path] = script

    def count_bytes(self, count):
        with self.lock:
            self.bytes += count

    def mark(self):
        """A point in time, for since() and is_untouched()."""
        with self.lock:
            return len(self.requests), self.bytes

    def since(self, mark):
        with self.lock:
            return self.requests[mark[0]:]

    def is_untouched(self, mark):
        with self.lock:
            return mark == (len(self.requests), self.bytes)

    def connections(self):
        return len(self.peers)

    def last(self):
        return self.requests[-1]

    def wait_for_request(self, mark, count=1):
        wait_until(lambda: len(self.since(mark)) >= count, "a request at the upstream")
        return self.since(mark)[-1]

    def stop(self):
        self.listener.close()
        for peer in self.peers:
            peer.close()

    def drop_idle(self):
        """Closes every open connection."""
        for peer in self.peers:
            if not peer.is_closed:
                peer.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                peer = Peer(self, len(self.peers), connection)
                self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            while not peer.is_closed:
                request = Recorded(peer.number, peer.read_head())
                with self.lock:
                    self.requests.append(request)
                self._play(peer, request)
        except PeerGone:
            pass
        except OSError:
            peer.is_closed_by_proxy = not peer.is_closed
        except Exception as failure:  # a broken script must fail its test, not vanish in a thread
            self.failures.append(repr(failure))
        finally:
            peer.is_closed = True
            peer.socket.close()

    def _play(self, peer, request):
        script = self.scripts.get(request.path, self.default)
        if callable(script):
            script(peer, request)
            return
        peer.read_body(request)
        peer.send(script)


class UnixRecorder(Recorder):
    """The same behind a unix socket."""

    def __init__(self, path):
        self.path = path
        super().__init__()

    def _listen(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(16)
        return listener
