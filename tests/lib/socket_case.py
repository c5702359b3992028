"""A door whose route may become a WebSocket, its two ends, and the one line about it."""

import uuid

from lib import websocket
from lib.case import WireCase
from lib.recorder import PeerGone
from lib.websocket import BINARY, frame, handshake, switch

MIB = 1 << 20


def opened(script):
    """A script that has switched when `script` gets the connection."""
    def play(peer, request):
        peer.send(switch(request.all("Sec-WebSocket-Key")[0]))
        script(peer)
    return play


def silent(peer):
    peer.wait_closed()


def report(peer):
    """Reads to the client's end, then says what it was."""
    try:
        while True:
            peer.pending += peer.receive()
    except PeerGone:
        peer.send(b"got " + peer.pending)


class SocketCase(WireCase):
    """/public/** may become a WebSocket; /plain/** may not."""

    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["websocket"] = True
        config["routes"].append({"name": "plain", "path": "/plain", "upstream": door.upstream.url,
                                 "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    def begin(self, script=websocket.echo, target=None, token=None, early=b"", *more, **options):
        """Sends a handshake; the upstream plays `script`. `early` follows the head at once."""
        target = target or f"/public/{uuid.uuid4()}"
        self.door.upstream.on(target, script)
        client = self.door.client(**options)
        self.addCleanup(client.close)
        client.send(handshake(target, token or self.token, *more) + early)
        return client

    def open(self, script=websocket.echo, *arguments, **options):
        client = self.begin(script, *arguments, **options)
        client.head = client.read_response()
        self.assertEqual(101, client.head.status, client.head.body)
        return client

    def say(self, client, payload, opcode=BINARY, is_final=True):
        client.socket.sendall(frame(payload, opcode, is_final, mask=True))

    def hear(self, client):
        return websocket.read_frame(client.take)

    def line_of(self, client):
        return self.door.audit.wait_for(client.head.request_id)

    def check_end(self, client, aborted=None):
        """The one line, written at the end."""
        line = self.line_of(client)
        self.assertEqual((101, 101, "allow", aborted),
                         (line["status"], line["upstream_status"], line["decision"], line.get("aborted")))
        self.assertEqual(1, sum(other["id"] == line["id"] for other in self.door.audit.requests()))
        return line

    def check_last_words(self, client):
        """The client ends first, and still hears what the upstream (`report`) says then."""
        client.socket.sendall(b"all of it")
        client.finish_sending()
        self.assertEqual(b"got all of it", client.read_to_end())
        self.check_end(client)

    def is_open(self, client):
        return not any(line["id"] == client.head.request_id for line in self.door.audit.requests())
