#!/usr/bin/python3
"""WebSockets over TLS on either side, and how they end there."""

import os
import pathlib
import socket
import ssl
import threading
import unittest
import uuid

import wire  # noqa: F401
from lib import websocket
from lib.certificates import CertificateAuthority
from lib.socket_case import MIB, SocketCase, opened, report
from lib.tls_listener_case import TlsListenerCase
from lib.tls_recorder import TlsRecorder
from lib.websocket import CLOSE, handshake


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
            report(peer)
            peer.socket.unwrap()
        self.check_last_words(self.over_tls(opened(script)))


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
        self.check_last_words(self.over_tls(opened(report)))


if __name__ == "__main__":
    unittest.main()
