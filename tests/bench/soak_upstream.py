"""The soak's upstream: answers, echoes frames, and fails when it is told to."""

import asyncio
import random
import re
import struct

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
KEY = re.compile(rb"\r\nsec-websocket-key: *(\S+)", re.I)
BODY = b"x" * 700
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Upstream:
    def __init__(self, chance, accept_of):
        self.chance = chance  # a random.Random
        self.accept_of = accept_of
        self.resets = 0.0  # of that part of all requests
        self.writers = set()
        self.server = None
        self.port = 0

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=4096,
                                                 reuse_address=True)
        self.port = self.server.sockets[0].getsockname()[1]

    async def restart(self, seconds):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await asyncio.sleep(seconds)
        await self.start()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if self.chance.random() < self.resets:
            cut = self.chance.choice((0, 12, 40, len(ANSWER) - 100))
            writer.write(ANSWER[:cut])
            await asyncio.sleep(0.01)
            writer.transport.abort()
            return False
        key = KEY.search(head)
        if key:
            await self.echo(reader, writer, key[1].decode())
            return False
        length = LENGTH.search(head)
        if length:
            await reader.readexactly(int(length[1]))
        writer.write(ANSWER)
        return True

    async def echo(self, reader, writer, key):
        """Frames of less than 126 bytes, masked, go back as they are, unmasked."""
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Accept: %s\r\n\r\n" % self.accept_of(key).encode())
        while True:
            first, second = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            payload = await reader.readexactly(second & 0x7f)
            plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
            writer.write(struct.pack(">BB", first, len(plain)) + plain)
            if first & 15 == 8:
                return
