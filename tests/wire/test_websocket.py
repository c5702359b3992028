#!/usr/bin/python3
"""WebSockets: who may open one, and what crosses (CASES.md G 163, 164)."""

import os
import pathlib
import threading
import unittest
import uuid

import wire  # noqa: F401
from lib import raw, recorder, websocket
from lib.socket_case import MIB, SocketCase, opened
from lib.websocket import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame, handshake, switch
from test_secrets import SecretCase

BAD = "bad_request"
SECRET = "canary-websocket-51c0-51c0"


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


if __name__ == "__main__":
    unittest.main()
