#!/usr/bin/python3
"""WebSockets: who may open one, what crosses, and what ends it (CASES.md G 163, 164)."""

import os
import pathlib
import signal
import socket
import ssl
import threading
import time
import unittest
import uuid

import wire  # noqa: F401
from lib import raw, recorder, tokens, websocket
from lib.case import WireCase
from lib.certificates import CertificateAuthority
from lib.door import Door
from lib.net import patient, wait_until
from lib.recorder import PeerGone
from lib.tls_recorder import TlsRecorder
from lib.websocket import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame, handshake, switch
from test_reload import ReloadCase
from test_secrets import SecretCase
from test_tls_listener import TlsListenerCase

BAD = "bad_request"
SECRET = "canary-websocket-51c0-51c0"
MIB = 1 << 20


def opened(script):
    """A script that has switched when `script` gets the connection."""
    def play(peer, request):
        peer.send(switch(request.all("Sec-WebSocket-Key")[0]))
        script(peer)
    return play


def silent(peer):
    peer.wait_closed()


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

    def is_open(self, client):
        return not any(line["id"] == client.head.request_id for line in self.door.audit.requests())


class Tunnel(SocketCase):
    def test_the_handshake_crosses_and_frames_come_back(self):
        mark = self.door.upstream.mark()
        client = self.open()
        self.assertEqual([("Upgrade",), ("websocket",), (websocket.accept_of(KEY),)],
                         [tuple(client.head.all(name)) for name in
                          ("Connection", "Upgrade", "Sec-WebSocket-Accept")])
        request = self.door.upstream.wait_for_request(mark)
        self.assertEqual(["Upgrade"], request.all("Connection"))
        self.assertEqual(["websocket"], request.all("Upgrade"))
        self.assertEqual([KEY], request.all("Sec-WebSocket-Key"))
        self.assertEqual([], request.all("Authorization"))
        self.say(client, b"hello", TEXT)
        self.assertEqual((TEXT, True, b"hello"), self.hear(client))
        self.say(client, b"?", PING)
        self.assertEqual((PONG, True, b"?"), self.hear(client))
        self.assertTrue(self.is_open(client))
        self.say(client, b"\x03\xe8", CLOSE)
        self.assertEqual((CLOSE, True, b"\x03\xe8"), self.hear(client))
        self.assertEqual(b"", client.read_to_end())
        client.close()
        line = self.check_end(client)
        self.assertEqual((11 + 7 + 8, 7 + 3 + 4), (line["bytes_in"], line["bytes_out"]))

    def test_frames_of_every_length_and_piece_pass(self):
        client = self.open()
        for length in (0, 1, 125, 126, 65535, 65536, MIB):
            payload = os.urandom(length)
            sender = threading.Thread(target=self.say, args=(client, payload))
            sender.start()
            self.assertEqual((BINARY, True, payload), self.hear(client), length)
            sender.join()
        for byte in frame(b"bytewise", mask=True):
            client.socket.sendall(bytes([byte]))
        self.assertEqual((BINARY, True, b"bytewise"), self.hear(client))
        for payload, opcode, is_final in ((b"one", TEXT, False), (b"", PING, True), (b"two", CONTINUATION, True)):
            self.say(client, payload, opcode, is_final)
            expected = PONG if opcode == PING else opcode
            self.assertEqual((expected, is_final, payload), self.hear(client))

    def test_bytes_before_and_behind_the_switch_arrive_after_it(self):
        early = frame(b"early", mask=True)

        def script(peer, request):
            self.assertEqual(b"", peer.pending)  # nothing of it is there before the 101
            peer.send(switch() + frame(b"at once"))
            take = websocket.taker(peer)
            peer.send(frame(websocket.read_frame(take)[2]))
        client = self.open(script, early=early)
        self.assertEqual(b"at once", self.hear(client)[2])
        self.assertEqual(b"early", self.hear(client)[2])

    def test_early_bytes_are_the_next_request_when_nothing_was_switched(self):
        client = self.begin(recorder.answer(), early=raw.request("GET", "/public/next", token=self.token))
        for _ in range(2):
            self.assertEqual(200, client.read_response().status)
        self.assertEqual("/public/next", self.door.upstream.last().target)

    def test_any_other_answer_is_an_ordinary_one(self):
        for status in (200, 204, 400, 403, 404, 426, 500):
            with self.subTest(status=status):
                client = self.begin(recorder.answer(status, b"" if status == 204 else b"no"))
                response = client.read_response()
                self.assertEqual(status, response.status)
                self.assertEqual([], response.all("Upgrade"))
                response = client.exchange(raw.request("GET", "/public/x", token=self.token))
                self.assertEqual((200, b"ok"), (response.status, response.body))
                self.check_refusal(client.exchange(raw.request("GET", "/public/x")), 401)

    def test_interim_answers_may_come_first(self):
        client = self.begin(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + switch() + frame(b"x"))
        self.assertEqual(101, client.read_response().status)
        self.assertEqual(b"x", self.hear(client)[2])

    def test_rules_judge_it_as_a_get(self):
        for target, token, status in (("/admin/x", self.token, 403), ("/public/x", None, 401),
                                      ("/public/x", "a.b.c", 401), ("/other", self.token, 403)):
            with self.subTest(target=target, status=status):
                self.refuse(handshake(target, token), status)

    def test_a_token_in_the_subprotocol_is_none(self):
        offer = ("Sec-WebSocket-Protocol", f"bearer, {self.token}")
        self.refuse(handshake("/public/x", None, offer), 401, "token_missing")

    def test_other_routes_drop_the_upgrade(self):
        self.door.upstream.on("/x", recorder.answer())
        _, request = self.allow(handshake("/plain/x", self.token))
        self.assertEqual(([], []), (request.all("Upgrade"), request.all("Connection")))
        self.door.upstream.on("/switch", switch() + b"tunnel bytes")
        with self.door.client() as client:
            self.check_refusal(client.exchange(handshake("/plain/switch", self.token)), 502, "upstream_protocol")

    def test_other_protocols_are_dropped(self):
        for what, more in (("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                    ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]),
                           ("TLS", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0")]),
                           ("nothing", [("Connection", "Upgrade"), ("Upgrade", "")])):
            with self.subTest(what):
                _, request = self.allow(raw.request("GET", "/public/x", more, token=self.token))
                self.assertEqual(([], []), (request.all("Upgrade"), request.all("Connection")))

    def test_what_is_no_handshake_is_refused(self):
        def ask(*more, **options):
            return handshake("/public/x", self.token, *more, **options)
        for what, data in (
                ("POST", ask(method="POST")), ("HEAD", ask(method="HEAD")), ("1.0", ask(version="HTTP/1.0")),
                ("no Connection", ask(connection=None)), ("another Connection", ask(connection="keep-alive")),
                ("close", ask(connection="close")), ("no Upgrade", ask(upgrade=None)),
                ("two protocols", ask(upgrade="websocket, h2c")), ("a version", ask(upgrade="websocket/13")),
                ("h2c first", ask(upgrade="h2c, websocket")), ("two Upgrades", ask(("Upgrade", "websocket"))),
                ("h2c beside it", ask(("Upgrade", "h2c"))), ("no version", ask(protocol_version=None)),
                ("version 8", ask(protocol_version="8")), ("versions", ask(protocol_version="13, 8")),
                ("version 013", ask(protocol_version="013")), ("two versions", ask(("Sec-WebSocket-Version", "13"))), ("no key", ask(key=None)),
                ("empty key", ask(key="")), ("short key", ask(key="c2hvcnQ=")), ("long key", ask(key=KEY[:-2] + "AAAA==")),
                ("no base64", ask(key="dGhlIHNhbXBsZSBub25j!Q==")), ("base64url", ask(key="-_hlIHNhbXBsZSBub25jZQ==")),
                ("stray bits", ask(key="dGhlIHNhbXBsZSBub25jZR==")), ("15 bytes", ask(key="dGhlIHNhbXBsZSBub25j")),
                ("17 bytes", ask(key="dGhlIHNhbXBsZSBub25jZWQ=")), ("two keys", ask(("Sec-WebSocket-Key", KEY))),
                ("a nominated key", ask(connection="Upgrade, Sec-WebSocket-Key")),
                ("a nominated version", ask(connection="Upgrade, sec-websocket-version")),
                ("a body", ask(body=b"x")), ("chunked", ask(("Transfer-Encoding", "chunked")) + raw.chunked(b"x"))):
            with self.subTest(what):
                response = self.refuse(data, 400, BAD, method=data.partition(b" ")[0].decode())
                self.assertEqual("13", response.one("Sec-WebSocket-Version"))

    def test_every_spelling_of_a_good_handshake_passes(self):
        for what, options in (("case", {"upgrade": "WebSocket", "connection": "upgrade"}),
                              ("list", {"connection": "keep-alive, UPGRADE"}),
                              ("empty members", {"connection": " , Upgrade ,"}), ("no bytes", {"body": b""})):
            with self.subTest(what):
                target = f"/public/{uuid.uuid4()}"
                self.door.upstream.on(target, websocket.echo)
                with self.door.client() as client:
                    client.head = client.exchange(handshake(target, self.token, **options))
                    self.assertEqual(101, client.head.status, client.head.body)
                request = self.door.upstream.last()
                self.assertEqual((["Upgrade"], ["websocket"]), (request.all("Connection"), request.all("Upgrade")))
                self.assertEqual([], request.all("Content-Length"))

    def test_a_wrong_switch_is_an_error(self):
        offers = [("Sec-WebSocket-Protocol", "chat, superchat"), ("Sec-WebSocket-Extensions", "x-a; y=1")]
        head = switch()
        for what, data in (
                ("no accept", switch(accept="")), ("another key's", switch("AAAAAAAAAAAAAAAAAAAAAA==")),
                ("case", switch(accept=websocket.accept_of(KEY).lower())),
                ("two accepts", switch(KEY, ("Sec-WebSocket-Accept", websocket.accept_of(KEY)))),
                ("no Upgrade", switch(upgrade="")), ("no Connection", switch(connection="")),
                ("close", switch(connection="close")), ("h2c", switch(upgrade="h2c")),
                ("both", switch(upgrade="websocket, h2c")), ("two Upgrades", switch(KEY, ("Upgrade", "websocket"))),
                ("an extension", switch(KEY, ("Sec-WebSocket-Extensions", "permessage-deflate"))),
                ("one too many", switch(KEY, ("Sec-WebSocket-Extensions", "x-a, x-b"))),
                ("a subprotocol", switch(KEY, ("Sec-WebSocket-Protocol", "other"))),
                ("another case", switch(KEY, ("Sec-WebSocket-Protocol", "Chat"))),
                ("two subprotocols", switch(KEY, ("Sec-WebSocket-Protocol", "chat, superchat"))),
                ("twice", switch(KEY, ("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "chat"))),
                ("a length", switch(KEY, ("Content-Length", "0"))),
                ("chunked", switch(KEY, ("Transfer-Encoding", "chunked"))),
                ("HTTP/1.0", head.replace(b"HTTP/1.1", b"HTTP/1.0"))):
            with self.subTest(case=164, what=what):
                self.door.upstream.on("/public/wrong", data + b"tunnel bytes")
                with self.door.client() as client:
                    response = client.exchange(handshake("/public/wrong", self.token, *offers))
                    self.check_refusal(response, 502, "upstream_protocol")
                    self.assertNotIn(b"tunnel", response.body)
                    self.assertEqual(200, client.exchange(raw.request("GET", "/public/x", token=self.token)).status)
        good = switch(KEY, ("Sec-WebSocket-Protocol", "superchat"), ("Sec-WebSocket-Extensions", "x-a; z"))
        self.door.upstream.on("/public/right", good)
        with self.door.client() as client:
            response = client.exchange(handshake("/public/right", self.token, *offers))
            self.assertEqual(["superchat"], response.all("Sec-WebSocket-Protocol"))
            self.assertEqual(["x-a; z"], response.all("Sec-WebSocket-Extensions"))


class Ends(SocketCase):
    def test_the_clients_end_is_passed_on_and_the_rest_still_comes(self):
        def script(peer):
            try:
                while True:
                    peer.pending += peer.receive()
            except PeerGone:
                peer.send(b"got " + peer.pending)
        client = self.open(opened(script))
        client.socket.sendall(b"all of it")
        client.finish_sending()
        self.assertEqual(b"got all of it", client.read_to_end())
        self.check_end(client)

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


class Credentials(SecretCase, SocketCase):
    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text(SECRET)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"key": {"headers": {"X-Key": "{local/key}"}}, "open": {"bearer": "local/key"}}
        cls.add_routes(config, door, ["key"], websocket=True)
        cls.add_routes(config, door, ["open"], websocket=True, scrub=False)
        config["routes"].append({
            "name": "mixed", "path": "/mixed", "upstream": door.upstream.url, "websocket": True,
            "access": [{"actions": ["GET /bare/**"], "to": {"everyone": True}},
                       {"role": "Contributor", "to": {"everyone": True}, "credential": "key"}]})

    def through(self, route, script, *more):
        """The client's end, and what the upstream saw, of a WebSocket through `route`."""
        path = f"/{uuid.uuid4()}"
        self.door.upstream.on(path, script)
        mark = self.door.upstream.mark()
        client = self.door.client()
        self.addCleanup(client.close)
        client.head = client.exchange(handshake(f"/{route}{path}", self.token, *more))
        self.assertEqual(101, client.head.status, client.head.body)
        return client, self.door.upstream.since(mark)[0]

    def test_the_credential_is_injected_and_the_callers_copy_removed(self):
        client, request = self.through("key", websocket.echo, ("x-key", "mine"), ("X-KEY", "mine"))
        self.assertEqual([SECRET], request.all("X-Key"))
        self.assertEqual([], request.all("Authorization"))
        client.close()
        line = self.line_of(client)
        self.assertEqual(("key", "key"), (line["credential"], line["secrets"][0]["name"]))
        _, request = self.through("open", websocket.echo)
        self.assertEqual([f"Bearer {SECRET}"], request.all("Authorization"))

    def test_compression_is_not_offered_where_frames_are_searched(self):
        offer = ("Sec-WebSocket-Extensions", "permessage-deflate")
        _, request = self.through("key", websocket.echo, offer)
        self.assertEqual([], request.all("Sec-WebSocket-Extensions"))
        _, request = self.through("open", websocket.echo, offer)
        self.assertEqual(["permessage-deflate"], request.all("Sec-WebSocket-Extensions"))
        self.door.upstream.on("/deflate", switch(KEY, offer))
        self.check_refusal(self.ask("/key/deflate", *websocket.fields(), offer), 502, "upstream_protocol")

    def test_frames_are_searched_and_stay_whole(self):
        text = SECRET.encode()
        stars = b"*" * len(text)
        cases = ((text, stars), (b"a" + text + b"z" * 70000, b"a" + stars + b"z" * 70000), (text * 3, stars * 3),
                 (text[:-1], text[:-1]), (b"x" * len(text), b"x" * len(text)), (b"", b""))
        script = b"".join(frame(sent) for sent, _ in cases)

        def at_once(peer):
            peer.send(script)
            peer.wait_closed()

        def bytewise(peer):
            for byte in script[:2000]:
                peer.send(bytes([byte]))
            peer.send(script[2000:])
            peer.wait_closed()
        for play in (at_once, bytewise):
            with self.subTest(play.__name__):
                client, _ = self.through("key", opened(play))
                for _, expected in cases:
                    self.assertEqual((BINARY, True, expected), self.hear(client))
                client.close()
                self.assertEqual(5, self.line_of(client)["scrubbed"])

    def test_who_gets_no_credential_is_not_told_the_routes_other_one(self):
        self.assertEqual(200, self.ask("/mixed/any").status)  # it is there to be looked for
        path = f"/bare/{uuid.uuid4()}"
        self.door.upstream.on(path, opened(lambda peer: (peer.send(frame(SECRET.encode())), peer.wait_closed())))
        client = self.door.client()
        self.addCleanup(client.close)
        client.head = client.exchange(handshake(f"/mixed{path}", self.token))
        self.assertEqual(101, client.head.status, client.head.body)
        self.assertEqual((BINARY, True, b"*" * len(SECRET)), self.hear(client))
        client.close()
        self.assertNotIn("credential", {key for key, value in self.line_of(client).items() if value})

    def test_no_frame_waits_for_the_next(self):
        """Although it ends in what may be the beginning of the secret."""
        client, _ = self.through("key", websocket.echo)
        for length in range(1, len(SECRET)):
            client.socket.sendall(frame(SECRET[:length].encode(), TEXT, mask=True))
            self.assertEqual(SECRET[:length].encode(), self.hear(client)[2])

    def test_a_length_is_no_text(self):
        """The payload of a frame whose header happens to end in the secret's first letter."""
        rest = SECRET[1:].encode()
        payload = rest + b"." * (ord(SECRET[0]) - len(rest))
        client, _ = self.through("key", opened(lambda peer: peer.send(frame(payload))))
        self.assertEqual(payload, self.hear(client)[2])

    def test_what_would_hide_text_ends_it(self):
        for what, data in (("masked", frame(b"x", mask=True)), ("compressed", frame(b"x", reserved=4))):
            with self.subTest(what):
                def play(peer, data=data):
                    peer.send(frame(b"good"))
                    peer.pending += peer.receive()
                    peer.send(data)
                    peer.wait_closed()
                client, _ = self.through("key", opened(play))
                self.assertEqual(b"good", self.hear(client)[2])
                self.say(client, b"go on")
                self.assertEqual(b"", client.read_to_end())
                line = self.line_of(client)
                self.assertEqual(("upstream", "upstream_protocol"), (line["aborted"], line["reason"]))

    def test_frames_of_an_open_route_pass_as_they_are(self):
        client, _ = self.through("open", websocket.echo)
        self.say(client, SECRET.encode())
        self.assertEqual(SECRET.encode(), self.hear(client)[2])


class TlsUpstream(SocketCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        authority = CertificateAuthority()
        folder = pathlib.Path(door.folder)
        path = authority.issue(["localhost"], ["127.0.0.1"]).write(folder / "upstream.pem")
        cls.secure = TlsRecorder(path)
        config["routes"].append({
            "name": "tls", "path": "/tls", "upstream": cls.secure.url, "websocket": True,
            "tls": {"ca": str(authority.write_public(folder / "ca.pem"))},
            "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.secure.stop()
        if cls.secure.failures:
            raise AssertionError(f"upstream scripts failed: {cls.secure.failures}")

    def over_tls(self, script):
        self.secure.on("/x", script)
        client = self.door.client()
        self.addCleanup(client.close)
        client.head = client.exchange(handshake("/tls/x", self.token))
        self.assertEqual(101, client.head.status, client.head.body)
        return client

    def test_frames_pass_over_tls(self):
        client = self.over_tls(websocket.echo)
        for length in (0, 5, 70000, MIB):
            payload = os.urandom(length)
            sender = threading.Thread(target=self.say, args=(client, payload))
            sender.start()
            self.assertEqual(payload, self.hear(client)[2])
            sender.join()

    def test_the_clients_end_is_passed_on_as_a_goodbye(self):
        def script(peer):
            try:
                while True:
                    peer.pending += peer.receive()
            except PeerGone:
                peer.send(b"got " + peer.pending)
                peer.socket.unwrap()
        client = self.over_tls(opened(script))
        client.socket.sendall(b"all of it")
        client.finish_sending()
        self.assertEqual(b"got all of it", client.read_to_end())
        self.check_end(client)


class TlsListener(TlsListenerCase, SocketCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["routes"][0]["websocket"] = True

    def over_tls(self, script, **options):
        target = f"/public/{uuid.uuid4()}"
        self.door.upstream.on(target, script)
        client = self.connect(self.context(**options))
        client.head = client.exchange(handshake(target, self.token))
        self.assertEqual(101, client.head.status, client.head.body)
        return client

    def test_frames_pass_over_tls(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name):
                client = self.over_tls(websocket.echo, version=version)
                for length in (0, 5, 70000):
                    payload = os.urandom(length)
                    self.say(client, payload)
                    self.assertEqual(payload, self.hear(client)[2])
                self.say(client, b"", CLOSE)
                self.assertEqual(CLOSE, self.hear(client)[0])
                client.socket.unwrap()
                self.check_end(client)

    def test_the_upstreams_end_comes_as_a_goodbye_and_the_rest_still_goes(self):
        got = []

        def script(peer):
            peer.send(b"last words")
            peer.socket.shutdown(socket.SHUT_WR)
            while True:
                got.append(peer.receive())
        client = self.over_tls(opened(script))
        self.assertEqual(b"last words", client.take(10))
        self.assertEqual(b"", client.socket.recv(1))  # close_notify: anything else raises
        client.socket.sendall(b"answer")
        client.socket.unwrap()
        self.check_end(client)
        self.wait_for(lambda: b"".join(got) == b"answer", "the rest at the upstream")

    def test_a_clients_end_without_goodbye_is_its_end(self):
        """As for requests: many clients never say it."""
        def script(peer):
            try:
                while True:
                    peer.pending += peer.receive()
            except PeerGone:
                peer.send(b"got " + peer.pending)
        client = self.over_tls(opened(script))
        client.socket.sendall(b"all of it")
        client.finish_sending()
        self.assertEqual(b"got all of it", client.read_to_end())
        self.check_end(client)


if __name__ == "__main__":
    unittest.main()
