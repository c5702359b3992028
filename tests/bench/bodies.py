"""Both ends of large bodies, cheap enough that the proxy between them is what is measured: bytes are sent from the page
cache and dropped by the kernel on arrival.

    bodies.py PORT     the upstream: GET /.../N answers N bytes, POST takes what Content-Length says"""

import os
import socket
import sys
import threading

PIECE = 1 << 20
PIECES = 16


class Source:
    """Bytes without secrets that the kernel sends by itself."""

    def __init__(self):
        self.fd = os.memfd_create("bodies")
        for number in range(PIECES):
            os.write(self.fd, (b"%08d: nothing of note here.....\n" % number) * (PIECE // 40 + 1))
        os.truncate(self.fd, PIECE * PIECES)

    def send(self, sock, count):
        while count > 0:
            offset = count % PIECE
            count -= os.sendfile(sock.fileno(), self.fd, offset, min(count, PIECE * (PIECES - 1)))


def drop(sock, count):
    """Takes `count` bytes off the socket without looking at them. False when they ended earlier."""
    hole = bytearray(1)
    while count > 0:
        got = sock.recv_into(hole, 1, socket.MSG_TRUNC) if count == 1 else _truncate(sock, count)
        if got == 0:
            return False
        count -= got
    return True


_SINK = bytearray(PIECE)


def _truncate(sock, count):
    return sock.recv_into(_SINK, min(count, PIECE), socket.MSG_TRUNC)


def read_head(sock):
    """Returns (first line, content length, bytes behind the head)."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = sock.recv(16384)
        if not more:
            return None
        text += more
    head, _, rest = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
    return lines[0], length, len(rest)


def call(port, token, path, upload=0, source=None):
    """One request on a connection of its own, to its last byte. Returns the bytes of the answer's body."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        method = "POST" if upload else "GET"
        length = f"Content-Length: {upload}\r\n" if upload else ""
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{length}\r\n".encode())
        if upload:
            source.send(sock, upload)
        status, length, there = read_head(sock)
        if " 200 " not in status + " ":
            raise OSError(status)
        if not drop(sock, length - there):
            raise OSError("the body ended early")
        return length


def _serve(sock, source):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        while head := read_head(sock):
            line, length, there = head
            if not drop(sock, length - there):
                return
            path = line.split(" ")[1]
            size = int(path.rpartition("/")[2]) if line.startswith("GET") and path[-1].isdigit() else 0
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size)
            source.send(sock, size)


def main():
    source = Source()
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_serve, args=(sock, source), daemon=True).start()


if __name__ == "__main__":
    main()
