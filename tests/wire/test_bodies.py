#!/usr/bin/python3
"""Bodies larger than any buffer: memory stays bounded with a slow reader on either side (CASES.md H 176).

BARKEEP_BODY_MIB sets the size (1024)."""

import os
import threading
import unittest

import wire  # noqa: F401
from lib import raw
from lib.case import WireCase
from lib.net import patient

MIB = 1 << 20
BODY_BYTES = int(os.environ.get("BARKEEP_BODY_MIB", "1024")) * MIB
# A sanitizer's shadow memory and quarantine come on top of what the program itself holds.
RESIDENT_LIMIT = int(os.environ.get("BARKEEP_RSS_MIB", "64")) * MIB
BLOCK = bytes(range(256)) * 1024  # 256 KiB


class Bodies(WireCase):
    def setUp(self):
        super().setUp()
        self.highest = 0

    def watch_memory(self):
        self.highest = max(self.highest, self.door.barkeep.process.resident_bytes())
        self.assertLess(self.highest, RESIDENT_LIMIT)

    def wait_until_stalled(self, progress):
        """Until `progress` has stood still for a while: every buffer on the way is full."""
        last = [-1, 0]

        def stands_still():
            now = progress()
            last[1] = last[1] + 1 if now == last[0] and now > 0 else 0
            last[0] = now
            self.watch_memory()
            return last[1] >= 60  # polls of 5 ms

        self.wait_for(stands_still, "the sender is held back", 30)
        self.assertLess(progress(), BODY_BYTES, "the body fits into buffers: take a larger one")

    def receive(self, connection, count):
        """Reads `count` bytes and compares a few; watches the memory on the way."""
        buffer = bytearray(MIB)
        done = blocks = 0
        while done < count:
            got = connection.recv_into(buffer, min(len(buffer), count - done))
            self.assertTrue(got, f"cut off after {done} bytes")
            if buffer[0] != done % 256:
                self.fail(f"wrong byte at {done}")
            done += got
            blocks += 1
            if blocks % 64 == 0:
                self.watch_memory()

    def download(self, chunked):
        sent = [0]

        def script(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\n" + (
                b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % BODY_BYTES)
                + b"\r\n\r\n")
            framed = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if chunked else BLOCK
            while sent[0] < BODY_BYTES:
                peer.send(framed)
                sent[0] += len(BLOCK)
            if chunked:
                peer.send(b"0\r\n\r\n")

        self.door.upstream.on("/public/big", script)
        with self.door.client(receive_buffer=65536) as client:
            client.send(raw.request("GET", "/public/big", token=self.token))
            self.wait_until_stalled(lambda: sent[0])
            response = client.read_head()
            self.assertEqual(200, response.status)
            if chunked:
                self.read_chunks(client)
            else:
                self.read_plain(client)

    def read_plain(self, client):
        start = client.pending
        self.assertEqual(BLOCK[:len(start)], start)
        client.pending = b""
        rest = BODY_BYTES - len(start)
        skip = -len(start) % 256
        if skip:
            self.assertTrue(client.socket.recv(skip, 0x100))  # MSG_WAITALL: to a multiple of 256
        self.receive(client.socket, rest - skip)

    def read_chunks(self, client):
        """De-chunks on the way; counts, and compares each chunk's first byte."""
        stream = client.socket.makefile("rb", buffering=MIB)
        stream = Prefixed(client.pending, stream)
        done = chunks = 0
        while size := int(stream.readline(), 16):
            data = stream.read(size + 2)
            self.assertEqual((done % 256, b"\r\n"), (data[0], data[-2:]))
            done += size
            chunks += 1
            if chunks % 256 == 0:
                self.watch_memory()
        self.assertEqual(BODY_BYTES, done)

    def test_download_with_a_slow_reader(self):
        self.download(chunked=False)
        self.good_request_is_fast()

    def test_chunked_download_with_a_slow_reader(self):
        self.download(chunked=True)
        self.good_request_is_fast()

    def test_upload_with_a_slow_reader(self):
        self.upload(chunked=False)

    def test_chunked_upload_with_a_slow_reader(self):
        self.upload(chunked=True)

    def upload(self, chunked):
        reading, received, failures = threading.Event(), [0], []

        def script(peer, request):
            reading.wait(patient(60))
            if chunked:
                peer.read_body(request)
                received[0] = request.body_bytes
            else:
                received[0] = len(peer.pending)
                peer.pending = b""
                while received[0] < BODY_BYTES:
                    received[0] += len(peer.receive())
            request.is_complete = True
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        self.door.upstream.on("/public/big", script)
        sent = [0]

        framed = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if chunked else BLOCK
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length",
                                                                    str(BODY_BYTES))

        def send(client):
            try:
                while sent[0] < BODY_BYTES:
                    client.socket.sendall(framed)
                    sent[0] += len(BLOCK)
                client.socket.sendall(b"0\r\n\r\n" if chunked else b"")
            except OSError as failure:
                failures.append(failure)

        with self.door.client(timeout=300) as client:
            client.send(raw.request("POST", "/public/big", [framing], token=self.token))
            sender = threading.Thread(target=send, args=(client,))
            sender.start()
            self.wait_until_stalled(lambda: sent[0])
            reading.set()
            while sender.is_alive():
                self.watch_memory()
                sender.join(0.05)
            response = client.read_response()
        self.assertEqual([], failures)
        self.assertEqual((200, b"ok", BODY_BYTES), (response.status, response.body, received[0]))
        self.good_request_is_fast()

    def test_other_clients_are_served_while_one_is_held_back(self):
        sent = [0]

        def script(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
            while sent[0] < BODY_BYTES:
                peer.send(BLOCK)
                sent[0] += len(BLOCK)

        self.door.upstream.on("/public/big", script)
        with self.door.client(receive_buffer=65536) as client:
            client.send(raw.request("GET", "/public/big", token=self.token))
            self.wait_until_stalled(lambda: sent[0])
            for _ in range(20):
                self.good_request_is_fast()
            client.reset()


class Prefixed:
    """A stream with some bytes put back in front of it."""

    def __init__(self, start, stream):
        self.start = start
        self.stream = stream

    def readline(self):
        line, end, rest = self.start.partition(b"\n")
        if end:
            self.start = rest
            return line
        self.start = b""
        return line + self.stream.readline()

    def read(self, count):
        taken, self.start = self.start[:count], self.start[count:]
        return taken + (self.stream.read(count - len(taken)) if len(taken) < count else b"")


if __name__ == "__main__":
    unittest.main()
