"""Both ends of a WebSocket as bytes: the handshake, and frames that may be as wrong as one likes."""

import base64
import hashlib
import os
import struct

from lib import raw

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def accept_of(key):
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()


def fields(connection="Upgrade", upgrade="websocket", protocol_version="13", key=KEY):
    """The headers of a handshake; None leaves one out."""
    values = [("Connection", connection), ("Upgrade", upgrade), ("Sec-WebSocket-Version", protocol_version),
              ("Sec-WebSocket-Key", key)]
    return [(name, value) for name, value in values if value is not None]


def handshake(target, token, *more, method="GET", version="HTTP/1.1", body=None, **values):
    return raw.request(method, target, [*fields(**values), *more], body, token, version=version)


def switch(key=KEY, *more, accept=None, connection="Upgrade", upgrade="websocket"):
    """An upstream's 101."""
    lines = ["HTTP/1.1 101 Switching Protocols"]
    for name, value in (("Connection", connection), ("Upgrade", upgrade),
                        ("Sec-WebSocket-Accept", accept_of(key) if accept is None else accept), *more):
        if value:
            lines.append(f"{name}: {value}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(payload=b"", opcode=BINARY, is_final=True, mask=False, reserved=0):
    first = (0x80 if is_final else 0) | reserved << 4 | opcode
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 65536:
        head = struct.pack(">BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, bit | 127, len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(payload, key)


def masked(payload, key):
    stream = (key * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")


def read_frame(take):
    """(opcode, is_final, payload) by take(length)."""
    first, second = take(2)
    length = second & 127
    if length == 126:
        length = struct.unpack(">H", take(2))[0]
    elif length == 127:
        length = struct.unpack(">Q", take(8))[0]
    key = take(4) if second & 128 else None
    payload = take(length)
    return first & 15, bool(first & 128), masked(payload, key) if key and payload else payload


def taker(peer):
    """take(length) for a recorder's end."""
    def take(length):
        pieces = [peer.pending]
        there = len(peer.pending)
        while there < length:
            pieces.append(peer.receive())
            there += len(pieces[-1])
        everything = b"".join(pieces)
        peer.pending = everything[length:]
        return everything[:length]
    return take


def echo(peer, request):
    """A script: switches, then sends every frame back unmasked, a ping as a pong, and ends with the close."""
    peer.send(switch(request.all("Sec-WebSocket-Key")[0]))
    take = taker(peer)
    while True:
        opcode, is_final, payload = read_frame(take)
        peer.send(frame(payload, PONG if opcode == PING else opcode, is_final))
        if opcode == CLOSE:
            peer.close()
            return
