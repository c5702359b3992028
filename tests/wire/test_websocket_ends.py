#!/usr/bin/python3
"""What ends a WebSocket: either side, silence, its token, the list, a reload, a drain (CASES.md G 164)."""

import os
import pathlib
import signal
import socket
import threading
import time
import unittest
import uuid

import wire  # noqa: F401
from lib import raw, tokens, websocket
from lib.door import Door
from lib.net import patient, wait_until
from lib.recorder import PeerGone
from lib.reload_case import ReloadCase
from lib.socket_case import MIB, SocketCase, opened, report, silent
from lib.websocket import CLOSE, frame, handshake


class Ends(SocketCase):
    def test_the_clients_end_is_passed_on_and_the_rest_still_comes(self):
        self.check_last_words(self.open(opened(report)))

    def test_the_upstreams_end_is_passed_on_and_the_rest_still_goes(self):
        got, ended = [], threading.Event()

        def script(peer):
            peer.send(b"last words")
            peer.socket.shutdown(socket.SHUT_WR)
            try:
                while True:
                    got.append(peer.receive())
            finally:
                ended.set()
        client = self.open(opened(script))
        self.assertEqual(b"last words", client.read_to_end())
        client.socket.sendall(b"an")
        client.socket.sendall(b"swer")
        client.finish_sending()
        self.assertTrue(ended.wait(patient(5)))
        self.assertEqual(b"answer", b"".join(got))
        self.check_end(client)

    def test_an_upstream_that_breaks_cuts_the_client(self):
        go = threading.Event()

        def script(peer):
            go.wait(patient(5))
            peer.reset()
        client = self.open(opened(script))
        go.set()
        self.assertEqual(b"", client.read_to_end())
        self.check_end(client, "upstream")

    def test_a_client_that_breaks_cuts_the_upstream(self):
        closed = threading.Event()

        def script(peer):
            peer.wait_closed()
            closed.set()
        client = self.open(opened(script))
        client.reset()
        self.assertTrue(closed.wait(patient(5)))
        self.check_end(client, "client")

    def test_an_upstream_that_has_closed_is_an_orderly_end(self):
        client = self.open(opened(lambda peer: peer.close()))
        self.assertEqual(b"", client.read_to_end())
        for _ in range(2):  # the second one finds nobody
            try:
                self.say(client, b"\x03\xe8", CLOSE)
            except OSError:
                break
            time.sleep(0.05)
        self.check_end(client)

    def test_a_slow_reader_holds_the_writer_back(self):
        for slow in ("client", "upstream"):
            with self.subTest(slow):
                self.check_back_pressure(slow)

    def check_back_pressure(self, slow):
        """The fast side stops after what the buffers hold; all arrives, in order, once it is read."""
        total, sent, go = 48 * MIB, [0], threading.Event()
        block = bytes(range(256)) * 256

        def write(send):
            for number in range(total // len(block)):
                send(number.to_bytes(4, "big") + block[4:])
                sent[0] += len(block)

        def read(take):
            go.wait(patient(30))
            for number in range(total // len(block)):
                piece = take(len(block))
                if piece != number.to_bytes(4, "big") + block[4:]:
                    raise AssertionError(f"block {number}")

        def script(peer):
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            if slow == "client":
                write(peer.send)
            else:
                read(websocket.taker(peer))
                peer.send(b"done")
        client = self.open(opened(script), receive_buffer=65536, timeout=30)
        if slow == "upstream":
            writer = threading.Thread(target=write, args=(client.socket.sendall,), daemon=True)
            writer.start()
        self.stands_still(sent)
        self.assertLess(sent[0], total)
        go.set()
        if slow == "client":
            take = websocket.taker(_Reader(client))
            read(take)
        else:
            self.assertEqual(b"done", client.take(4))
            writer.join()
        client.close()
        line = self.line_of(client)
        self.assertEqual(total, line["bytes_out" if slow == "client" else "bytes_in"])

    def stands_still(self, sent):
        seen = [-1, 0.0]

        def look():
            if sent[0] != seen[0]:
                seen[:] = [sent[0], time.monotonic()]
            return sent[0] > 0 and time.monotonic() - seen[1] > 0.3
        wait_until(look, "the writer is held back", 20)

    def test_many_leave_no_descriptor_behind(self):
        def count():
            return len(os.listdir(f"/proc/{self.door.barkeep.process.pid}/fd"))
        self.door.upstream.on("/public/many", websocket.echo)
        with self.door.client() as client:  # pools and threads are warm
            client.exchange(raw.request("GET", "/public/x", token=self.token))
        before = count()
        for end in ("close", "reset", "frame"):
            clients = [self.open(target="/public/many") for _ in range(60)]
            self.assertGreater(count(), before + 100)  # two each, less what the pool had
            for client in clients:
                self.say(client, b"hello")
                self.assertEqual(b"hello", self.hear(client)[2])
            for client in clients:
                if end == "frame":
                    self.say(client, b"", CLOSE)
                    self.hear(client)
                client.reset() if end == "reset" else client.close()
            for client in clients:
                self.line_of(client)
            wait_until(lambda: count() <= before + 2, f"descriptors after {end}: {count()} of {before}", 10)


class _Reader:
    """A client that taker() can read from."""

    def __init__(self, client):
        self.client = client
        self.pending, client.pending = client.pending, b""

    def receive(self):
        fresh = self.client.socket.recv(262144)
        if not fresh:
            raise PeerGone()
        return fresh


class Idle(SocketCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["routes"][0]["timeouts"] = {"idle": "700ms"}

    def test_silence_ends_it_and_bytes_either_way_do_not(self):
        stop = threading.Event()

        def chatter(peer):
            while not stop.wait(0.1):
                peer.send(frame(b"."))
            peer.wait_closed()

        for what, script in (("up", silent), ("down", chatter)):
            with self.subTest(what):
                client = self.open(opened(script))
                until = time.monotonic() + 1.8
                while time.monotonic() < until:
                    if what == "up":
                        self.say(client, b".")
                        time.sleep(0.1)
                    else:
                        self.assertEqual(b".", self.hear(client)[2])
                self.assertTrue(self.is_open(client))
                if what == "down":
                    stop.set()
                client.read_to_end()
                self.check_end(client, "timeout")


class Expiry(SocketCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["entra"]["clock_skew"] = "1s"

    def test_it_ends_with_its_token_and_not_before(self):
        client = self.open(token=self.door.token(tokens.user(lifetime=2)))
        other = self.open()
        expires = int(time.time()) + 2
        self.say(client, b"x")
        self.assertEqual(b"x", self.hear(client)[2])
        client.read_to_end()
        self.assertGreaterEqual(time.time(), expires)  # exp, and the skew behind it
        self.check_end(client, "expired")
        self.say(other, b"still here")
        self.assertEqual(b"still here", self.hear(other)[2])


class Revoked(SocketCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.file = pathlib.Path(door.folder) / "revoked"
        cls.file.write_text("")
        cls.file.chmod(0o600)
        config["revoked"] = str(cls.file)

    def test_a_revocation_ends_it(self):
        claims = tokens.user(oid=str(uuid.uuid4()))
        client = self.open(token=self.door.token(claims))
        other = self.open()
        self.file.write_text(f"oid {claims['oid']}\n")
        self.addCleanup(self.file.write_text, "")
        self.assertEqual(b"", client.read_to_end())
        self.check_end(client, "revoked")
        self.say(other, b"still here")
        self.assertEqual(b"still here", self.hear(other)[2])


class Reload(SocketCase, ReloadCase):
    replays = False

    def test_a_reload_ends_what_it_does_not_allow(self):
        def without_rule(config):
            config["routes"][0]["access"].pop(0)

        def without_websocket(config):
            config["routes"][0]["websocket"] = False
        for edit in (without_rule, without_websocket):
            with self.subTest(edit.__name__):
                visitor = self.open()
                self.change(edit)
                self.assertEqual(b"", visitor.read_to_end())
                self.check_end(visitor, "reload")
                self.reload(self.door.config)

    def test_what_is_still_allowed_goes_on(self):
        client = self.open()
        self.change(lambda config: config["routes"][1].update(websocket=True))
        time.sleep(1)  # longer than the look at what runs takes to come
        self.say(client, b"still here")
        self.assertEqual(b"still here", self.hear(client)[2])
        self.assertTrue(self.is_open(client))


class Drain(unittest.TestCase):
    def test_the_drain_leaves_it_until_its_end(self):
        def change(config, door):
            config["routes"][0]["websocket"] = True
            config["drain"] = "1500ms"
        door = Door(change)
        self.addCleanup(door.stop_quietly)
        door.start()
        door.upstream.on("/public/x", websocket.echo)
        with door.client() as client:
            head = client.exchange(handshake("/public/x", door.token()))
            door.barkeep.process.send_signal(signal.SIGTERM)
            client.socket.sendall(frame(b"draining", mask=True))
            self.assertEqual(b"draining", websocket.read_frame(client.take)[2])
            self.assertEqual(b"", client.read_to_end())
        line = door.audit.wait_for(head.request_id)
        self.assertEqual((101, "drain"), (line["status"], line["aborted"]))


if __name__ == "__main__":
    unittest.main()
