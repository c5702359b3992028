#!/usr/bin/python3
"""Handshakes with listeners: versions, resumption, and what is no handshake."""

import contextlib
import socket
import ssl
import unittest

import wire  # noqa: F401
from lib import raw
from lib.net import patient
from lib.process import run
from lib.tls_client import SteppedTls
from lib.tls_listener_case import HEAD_TIMEOUT_SECONDS, TlsListenerCase


class Handshakes(TlsListenerCase):
    def test_versions_1_2_and_1_3_and_nothing_older(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with self.subTest(name):
                client = self.connect(self.context(version=version))
                self.assertEqual(name, client.socket.version())
                self.assertIsNone(client.socket.compression())
                self.check_serves(client)
        failed = self.counted("failed")
        self.check_no_handshake(tls=self.context(version=ssl.TLSVersion.TLSv1_1, seclevel=0))
        self.wait_counted("failed", failed)

    def test_refuses_ciphers_without_forward_secrecy(self):
        tls = self.context(version=ssl.TLSVersion.TLSv1_2)
        tls.set_ciphers("kRSA:ECDHE+AES+SHA1")
        self.check_no_handshake(tls=tls)

    def test_tells_upstreams_that_it_was_https(self):
        mark = self.door.upstream.mark()
        self.check_serves(self.connect(), "/public/proto")
        request = self.door.upstream.since(mark)[0]
        self.assertEqual(["https"], request.all("X-Forwarded-Proto"))
        self.assertEqual(["127.0.0.1"], request.all("X-Forwarded-For"))

    def test_speaks_http_1_1_and_says_so(self):
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (None, None)):
            client = self.connect(self.context(alpn=offered))
            self.assertEqual(chosen, client.socket.selected_alpn_protocol())
            self.check_serves(client)

    def test_refuses_who_speaks_no_http_1_1(self):
        for offered in (["h2"], ["http/1.0"], ["imap"]):
            with self.subTest(offered):
                self.check_no_handshake("NO_APPLICATION_PROTOCOL", "no application protocol",
                                        tls=self.context(alpn=offered))

    def test_resumes_on_every_worker(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = self.context(version=version)
            first = self.connect(tls)
            self.assertFalse(first.socket.session_reused)
            self.check_serves(first)
            session = first.socket.session
            resumed = self.counted("resumed")
            for _ in range(8):  # workers take turns by the kernel's choice
                again = self.connect(tls, session=session)
                self.assertTrue(again.socket.session_reused)
                self.check_serves(again)
                session = again.socket.session or session
            self.assertGreaterEqual(self.counted("resumed"), resumed + 8)

    def test_refuses_renegotiation(self):
        with SteppedTls(self.tls_port, self.context(version=ssl.TLSVersion.TLSv1_2)) as peer:
            peer.handshake()
            peer.send(self.get())
            self.assertIn(b"200", peer.read())
        code, _, errors = run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-tls1_2",
                               "-legacy_server_connect"], patient(20), stdin=b"R\n")
        self.assertNotEqual(0, code)
        self.assertIn("no renegotiation", errors)


class NotTls(TlsListenerCase):
    def test_plain_http_is_told_so(self):
        with self.door_client() as client:
            client.send(self.get())
            response = client.read_response()
            self.check_refusal(response, 400, "bad_request")
            self.assertIn(b"https", response.body)
            self.assertEqual(b"", client.read_to_end())

    def door_client(self):
        client = raw.Client(self.tls_port)
        client.on_response = self.door.note
        return client

    def test_other_bytes_end_it(self):
        for data in (b"\0" * 64, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"a" * 600, b"\x80\x2e\x01\0\2" + b"a" * 41):
            with self.subTest(data[:8]), self.door_client() as client:
                failed = self.counted("failed")
                client.send(data)
                client.finish_sending()
                self.assertNotIn(b"HTTP/1.1 200", client.read_to_end())
                self.wait_counted("failed", failed)

    def test_a_handshake_that_stops_ends_at_the_heads_deadline(self):
        hello = SteppedTls(self.tls_port, self.context())
        data = hello.hello()
        hello.socket.close()
        self.assertGreater(len(data), 100)
        slow = self.counted("timeout")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.door_client()).send(part)
                       for part in (b"", data[:1], data[:60], data)]
            for client in clients:
                client.read_to_end()  # its limit is the client's own
        self.assertEqual(slow + len(clients), self.counted("timeout"))

    def test_a_handshake_byte_by_byte_is_one(self):
        with SteppedTls(self.tls_port, self.context()) as peer:
            for byte in peer.hello():
                peer.socket.sendall(bytes([byte]))
            peer.handshake()
            peer.send(self.get())
            self.assertIn(b"200 ", peer.read())

    def test_a_handshake_that_trickles_ends_at_the_same_deadline(self):
        """However often a byte comes: the deadline is the connection's."""
        with SteppedTls(self.tls_port, self.context()) as peer:
            data = peer.hello()
        slow = self.counted("timeout")
        client = self.door_client()
        client.socket.settimeout(HEAD_TIMEOUT_SECONDS / 10)
        with client:
            for byte in data:  # takes far longer than the deadline
                try:
                    client.socket.sendall(bytes([byte]))
                    if not client.socket.recv(1):
                        break
                except socket.timeout:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    break
            else:
                self.fail("all of the hello was waited for")
        self.wait_counted("timeout", slow)

    def test_a_flood_of_handshakes_keeps_nobody_out(self):
        with SteppedTls(self.tls_port, self.context()) as peer:
            data = peer.hello()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.door_client()) for _ in range(300)]
            for client in clients:
                client.send(data[:-1])
            fresh = self.connect()
            self.check_serves(fresh)
            for client in clients:
                client.send(data[-1:])
            self.check_serves(fresh)
            self.check_serves(self.connect())
            for client in clients:
                client.read_to_end()
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_connections"] <= 2, "they are gone")
        self.check_serves(self.connect())

    @staticmethod
    def hello_of(data, padding):
        """The hello with `padding` more bytes in it (RFC 7685), in as many records as it takes."""
        body = data[9:]  # behind the headers of record and message
        at = 34 + 1 + body[34]
        at += 2 + int.from_bytes(body[at:at + 2], "big")
        at += 1 + body[at]
        extensions = body[at + 2:] + b"\0\x15" + padding.to_bytes(2, "big") + bytes(padding)
        body = body[:at] + len(extensions).to_bytes(2, "big") + extensions
        message = b"\1" + len(body).to_bytes(3, "big") + body
        pieces = [message[start:start + 16384] for start in range(0, len(message), 16384)]
        return b"".join(b"\x16\3\1" + len(piece).to_bytes(2, "big") + piece for piece in pieces)

    def test_a_hello_of_64_kib_harms_nobody(self):
        with SteppedTls(self.tls_port, self.context(alpn=["http/1.1"])) as peer:
            data = peer.hello()
        for padding in (10, 1000, 60000, 64900):
            with self.subTest(padding), self.door_client() as client:
                client.send(self.hello_of(data, padding))
                self.assertIn(client.take(1)[0], (0x15, 0x16))  # an alert, or the handshake goes on
        whole = self.hello_of(data, 64900)
        with self.door_client() as client:  # longer than any
            client.send(whole[:5] + b"\1\xff\xff\xff" + whole[9:])
            client.finish_sending()
            client.read_to_end()
        self.check_serves(self.connect())

    def test_who_leaves_in_the_handshake_is_forgotten(self):
        with SteppedTls(self.tls_port, self.context()) as peer:
            data = peer.hello()
        for part in (data[:50], data):
            for resets in (False, True):
                failed = self.counted("failed")
                client = self.door_client()
                client.send(part)
                client.reset() if resets else client.close()
                self.wait_counted("failed", failed)
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_connections"] == 0, "all are gone")


if __name__ == "__main__":
    unittest.main()
