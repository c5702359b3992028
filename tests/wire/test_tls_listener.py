#!/usr/bin/python3
"""TLS on listeners: versions, names, client certificates, resumption, ends, and renewed
certificates."""

import contextlib
import copy
import json
import os
import pathlib
import socket
import ssl
import tempfile
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.case import WireCase
from lib.certificates import CertificateAuthority
from lib.net import free_port, patient
from lib.process import barkeep_binary, run
from lib.tls_client import SteppedTls, TlsClient, context, serial

BIG_BYTES = 5 << 20
HEAD_TIMEOUT_SECONDS = 2
HANDSHAKES = 'barkeep_tls_handshakes_total{result="%s"}'


class TlsListenerCase(WireCase):
    """Beside the plain listener of the controls: `tls_port`, under `tls_options`."""

    replays = False

    @classmethod
    def setUpClass(cls):
        cls.ca = CertificateAuthority()
        cls.client_ca = CertificateAuthority("Callers' authority")
        super().setUpClass()

    @classmethod
    def file(cls, name):
        return pathlib.Path(cls.folder) / name

    @classmethod
    def write_pair(cls, name, certificate):
        cls.file(f"{name}.pem").write_bytes(certificate.pem)
        key = cls.file(f"{name}.key")
        key.write_bytes(certificate.key_pem)
        key.chmod(0o600)
        return {"certificate": str(cls.file(f"{name}.pem")), "key": str(key)}

    @classmethod
    def tls_options(cls):
        cls.main = cls.ca.issue(["gw.example"])
        return cls.write_pair("main", cls.main)

    @classmethod
    def change_config(cls, config, door):
        cls.folder = door.folder
        cls.tls_port = free_port()
        cls.ca_path = cls.ca.write_public(cls.file("ca.pem"))
        config["listen"] = [config["listen"], {"address": f"127.0.0.1:{cls.tls_port}",
                                               "tls": cls.tls_options()}]
        config["limits"] = {"head_timeout": f"{HEAD_TIMEOUT_SECONDS}s"}

    def context(self, **options):
        return context(self.ca_path, **options)

    def connect(self, tls=None, **options):
        client = TlsClient(self.tls_port, tls or self.context(), **options)
        self.addCleanup(client.close)
        client.on_response = self.door.note
        return client

    def get(self, target="/public/x", **options):
        return raw.request("GET", target, token=self.token, **options)

    def check_serves(self, client, target="/public/x"):
        self.assertEqual(200, client.exchange(self.get(target)).status)

    def check_no_handshake(self, *fragments, tls=None, **options):
        """It fails, on either side, before or (TLS 1.3, client certificates) after the client's part."""
        with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
            client = self.connect(tls, **options)
            client.socket.sendall(self.get())
            client.socket.recv(1)
        if fragments:
            self.assertTrue(any(fragment in str(caught.exception) for fragment in fragments),
                            caught.exception)

    def counted(self, result):
        return self.door.barkeep.metrics()[HANDSHAKES % result]

    def wait_counted(self, result, since):
        self.wait_for(lambda: self.counted(result) > since, f"a handshake is counted as {result}")


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


class Requests(TlsListenerCase):
    def test_keeps_alive_and_takes_pipelined_requests_in_order(self):
        client = self.connect()
        self.check_serves(client, "/public/1")
        self.check_serves(client, "/public/2")
        mark = self.door.upstream.mark()
        client.send(b"".join(self.get(f"/public/p{i}") for i in range(20)))
        for _ in range(20):
            self.assertEqual(200, client.read_response().status)
        self.assertEqual([f"/public/p{i}" for i in range(20)],
                         [request.target for request in self.door.upstream.since(mark)])

    def test_request_in_many_records(self):
        client = self.connect()
        self.assertEqual(200, client.exchange(self.get(), split=1).status)

    def test_records_of_a_byte_without_end_are_cut(self):
        reached = 'barkeep_limits_reached_total{limit="tls_work"}'
        before = self.door.barkeep.metrics()[reached]
        mark = self.door.upstream.mark()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.connect(self.context(version=version))
            head = raw.request("POST", "/public/drip", [("Content-Length", "200000")], token=self.token)
            client.send(head)
            try:
                client.send(bytes(200000), split=1)
                client.socket.recv(1)
                self.fail("200,000 records of a byte are taken")
            except (OSError, ssl.SSLError):
                pass
        self.wait_for(lambda: self.door.barkeep.metrics()[reached] == before + 2, "both are counted")
        self.wait_for(lambda: sum(line.get("path") == "/public/drip" and line.get("aborted") == "client"
                                  for line in self.door.audit.requests()) == 2, "both have their line")
        self.check_serves(self.connect())
        self.assertLessEqual(len(self.door.upstream.since(mark)), 3)

    def test_big_bodies_both_ways(self):
        body = bytes(i * 7 & 255 for i in range(1 << 16)) * (BIG_BYTES >> 16)

        def answer(peer, request):
            peer.read_body(request)
            self.assertEqual(BIG_BYTES, request.body_bytes)
            peer.send(recorder.answer(body=body))

        self.door.upstream.on("/public/big", answer)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.connect(self.context(version=version))
            response = client.exchange(raw.request("POST", "/public/big", body=body, token=self.token))
            self.assertEqual(200, response.status)
            self.assertTrue(response.body == body, "the body comes back as it went")
            self.check_serves(client)

    def test_refusals_arrive_and_say_goodbye(self):
        cases = [(raw.request("GET", "/public/x"), 401, "token_missing"),
                 (b"GET /public/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
                 (b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n\r\n", (400, 414, 431), None)]
        for data, status, reason in cases:
            with self.subTest(status):
                client = self.connect()
                client.send(data)
                response = client.read_response()
                self.check_refusal(response, status, reason)
                if response.one("Connection") == "close":
                    self.assertEqual(b"", client.read_to_end())

    def test_an_answer_that_ends_with_its_connection_ends_with_goodbye(self):
        client = self.connect()
        client.send(self.get(version="HTTP/1.0"))
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(b"", client.read_to_end())

    def test_fin_after_the_request_still_gets_its_answer(self):
        client = self.connect()
        client.send(self.get())
        client.finish_sending()
        self.assertEqual(200, client.read_response().status)

    def test_goodbye_after_the_request_still_gets_its_answer(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with SteppedTls(self.tls_port, self.context(version=version)) as peer:
                peer.handshake()
                peer.send(self.get())
                peer.say_goodbye()
                self.assertIn(b"200 ", peer.read())
                while peer.read():
                    pass

    def test_a_body_that_is_cut_reaches_nobody_as_whole(self):
        """FIN without goodbye inside a body: whoever sits between may have cut it."""
        mark = self.door.upstream.mark()
        client = self.connect()
        client.send(raw.request("POST", "/public/cut", [("Content-Length", "100")], token=self.token) + b"abc")
        self.wait_for(lambda: self.door.upstream.since(mark), "the head is at the upstream")
        client.finish_sending()
        with self.assertRaises((raw.Truncated, ssl.SSLError)):
            client.read_response()
        self.wait_for(lambda: any(line.get("aborted") == "client" and line.get("path") == "/public/cut"
                                  for line in self.door.audit.requests()), "the audit has it")

    def test_takes_https_urls_as_targets_and_no_http_ones(self):
        mark = self.door.upstream.mark()
        for target in ("https://gw.example/public/abs?q", "HTTPS://GW.example:443/public/abs?q"):
            self.assertEqual(200, self.connect().exchange(self.get(target)).status)
        port = self.connect().exchange(self.get("https://gw.example/public/abs?q", host="gw.example:443"))
        self.assertEqual(200, port.status)
        self.assertEqual({"/public/abs?q"}, {request.target for request in self.door.upstream.since(mark)})
        mark = self.door.upstream.mark()
        for target in ("http://gw.example/public/x", "https://gw.example:80/public/x", "https://gw.example:444/public/x",
                       "https://other.example/public/x", "https://u@gw.example/public/x", "https:///public/x",
                       "https://gw.example?x", "wss://gw.example/public/x"):
            with self.subTest(target):
                self.check_refusal(self.connect().exchange(self.get(target)), 400, "bad_request")
        with self.door.client() as plain:
            self.check_refusal(plain.exchange(self.get("https://gw.example/public/x")), 400, "bad_request")
        self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_reset_between_requests_ends_quietly(self):
        client = self.connect()
        self.check_serves(client)
        client.reset()
        self.check_serves(self.connect())


class Names(TlsListenerCase):
    @classmethod
    def tls_options(cls):
        cls.shown = {"first.example": cls.ca.issue(["first.example"], ["127.0.0.1", "::1"]),
                     "*.wild.example": cls.ca.issue(["*.wild.example"]),
                     "own.wild.example": cls.ca.issue(["own.wild.example", "also.example"], is_rsa=True)}
        pairs = [cls.write_pair(f"pair{i}", certificate) for i, certificate in enumerate(cls.shown.values())]
        path = cls.file("both.pem")
        path.write_bytes(cls.shown["*.wild.example"].key_pem + cls.shown["*.wild.example"].pem)
        path.chmod(0o600)
        pairs[1] = {"certificate": str(path)}  # with its key
        return {"certificates": pairs}

    def shown_to(self, name, **options):
        tls = self.context(**options)
        tls.check_hostname = False
        client = self.connect(tls, name=name)
        self.assertEqual(200, client.exchange(self.get(host=name or "gw.example")).status)
        return serial(client.socket)

    def test_shows_the_certificate_that_names_the_host(self):
        cases = {"first.example": "first.example", "a.wild.example": "*.wild.example",
                 "own.wild.example": "own.wild.example", "OWN.wild.example": "own.wild.example",
                 "also.example": "own.wild.example",
                 # unknown, or nothing asked for: the first
                 "unknown.example": "first.example", "wild.example": "first.example",
                 "a.b.wild.example": "first.example", None: "first.example"}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, expected in cases.items():
                with self.subTest(name=name, version=version):
                    self.assertEqual(self.shown[expected].serial, self.shown_to(name, version=version))

    # SNI, Host: served by whoever the certificate for the SNI names
    served = [("own.wild.example", "own.wild.example:8443"), ("own.wild.example", "OWN.Wild.Example."),
              ("own.wild.example", "also.example"), ("a.wild.example", "b.wild.example"),
              ("first.example", "127.0.0.1"), ("first.example", "127.0.0.1:99"), ("first.example", "[::1]:1"),
              ("unknown.example", "unknown.example"), ("unknown.example", "first.example"),
              (None, "own.wild.example"), (None, "elsewhere.example")]
    misdirected = [("own.wild.example", "first.example"), ("own.wild.example", "a.wild.example"),
                   ("first.example", "own.wild.example"), ("first.example", "gw.example"),
                   ("a.wild.example", "a.b.wild.example"), ("a.wild.example", "wild.example"),
                   ("a.wild.example", "also.example"), ("first.example", "127.0.0.2"), ("first.example", "[::2]"),
                   ("first.example", "first.example.evil.example"), ("first.example", "irst.example"),
                   ("unknown.example", "other.example")]

    def ask(self, name, host, target="/public/host", version=None, **options):
        tls = self.context(version=version)
        tls.check_hostname = False
        client = self.connect(tls, name=name)
        return client.exchange(self.get(target, host=host, **options))

    def test_serves_the_hosts_that_the_certificate_names(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, host in self.served:
                with self.subTest(name=name, host=host, version=version):
                    self.assertEqual(200, self.ask(name, host, version=version).status)

    def test_a_host_of_another_certificate_is_the_wrong_one(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, host in self.misdirected:
                for target in ("/public/host", f"https://{host}/public/host", "/no/such/route"):
                    with self.subTest(name=name, host=host, target=target, version=version):
                        mark = self.door.upstream.mark()
                        self.check_refusal(self.ask(name, host, target, version), 421, "wrong_host")
                        self.assertTrue(self.door.upstream.is_untouched(mark))
        self.check_refusal(self.ask("own.wild.example", "first.example", body=b"abc"), 421, "wrong_host")

    def test_each_request_of_a_connection_is_looked_at(self):
        tls = self.context()
        client = self.connect(tls, name="own.wild.example")
        self.assertEqual(200, client.exchange(self.get(host="own.wild.example")).status)
        self.check_refusal(client.exchange(self.get(host="first.example")), 421, "wrong_host")
        self.assertEqual(b"", client.read_to_end())

    def test_a_resumed_connection_is_for_the_host_it_began_with(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                tls = self.context(version=version)
                first = self.connect(tls, name="own.wild.example")
                self.assertEqual(200, first.exchange(self.get(host="own.wild.example")).status)
                for host, status in (("also.example", 200), ("first.example", 421)):
                    again = self.connect(tls, name="own.wild.example", session=first.socket.session)
                    self.assertTrue(again.socket.session_reused)
                    self.assertEqual(status, again.exchange(self.get(host=host)).status)

    def test_the_plain_listener_has_no_wrong_host(self):
        with self.door.client() as plain:
            self.assertEqual(200, plain.exchange(self.get(host="elsewhere.example")).status)


class ClientCertificates(TlsListenerCase):
    auth = "required"

    @classmethod
    def tls_options(cls):
        cls.main = cls.ca.issue(["gw.example"])
        caller = cls.client_ca.issue(common_name="caller", for_clients=True)
        cls.caller_path = caller.write(cls.file("caller.pem"))
        wrong = {"another authority's": cls.ca.issue(common_name="x", for_clients=True),
                 "expired": cls.client_ca.issue(common_name="x", for_clients=True, days=(-1, -0.5)),
                 "a server's": cls.client_ca.issue(["x.example"])}
        cls.wrong = {name: certificate.write(cls.file(f"wrong{i}.pem"))
                     for i, (name, certificate) in enumerate(wrong.items())}
        ca = cls.client_ca.write_public(cls.file("callers.pem"))
        return {**cls.write_pair("main", cls.main), "client_ca": ca, "client_auth": cls.auth}

    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

    def test_takes_a_certificate_of_the_authority(self):
        for version in self.versions:
            self.check_serves(self.connect(self.context(version=version, certificate_path=self.caller_path)))

    def test_refuses_any_other_certificate(self):
        for version in self.versions:
            for name, path in self.wrong.items():
                with self.subTest(name=name, version=version):
                    mark = self.door.upstream.mark()
                    self.check_no_handshake("ALERT", "alert", tls=self.context(version=version, certificate_path=path))
                    self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_who_comes_without(self):
        for version in self.versions:
            self.check_no_handshake("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "certificate required",
                                    tls=self.context(version=version))

    def test_resumes_who_had_one(self):
        for version in self.versions:
            tls = self.context(version=version, certificate_path=self.caller_path)
            first = self.connect(tls)
            self.check_serves(first)
            again = self.connect(tls, session=first.socket.session)
            self.assertTrue(again.socket.session_reused)
            self.check_serves(again)


class OptionalClientCertificates(ClientCertificates):
    auth = "optional"

    def test_who_comes_without(self):
        for version in self.versions:
            self.check_serves(self.connect(self.context(version=version)))


class Renewal(TlsListenerCase):
    @classmethod
    def tls_options(cls):
        options = super().tls_options()
        caller = cls.client_ca.issue(common_name="caller", for_clients=True)
        cls.caller_path = caller.write(cls.file("caller.pem"))
        cls.callers = cls.file("callers.pem")
        cls.client_ca.write_public(cls.callers)
        return {**options, "client_ca": str(cls.callers), "client_auth": "optional"}

    def events(self, what):
        return [event for event in self.door.audit.read()
                if event["event"] == "reload" and event.get("what") == what]

    def reload(self, what, act):
        before = len(self.events(what))
        act()
        try:
            self.wait_for(lambda: len(self.events(what)) > before, f"a reload that is {what}", 10)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.door.barkeep.process.stderr()[-2000:]}") from None
        return self.events(what)[-1]

    def replace(self, name, data):
        fresh = self.file(name + ".new")
        fresh.write_bytes(data)
        fresh.chmod(0o600)
        fresh.rename(self.file(name))

    def put(self, certificate, what="applied"):
        def act():
            self.replace("main.key", certificate.key_pem)
            self.replace("main.pem", certificate.pem)
        return self.reload(what, act)

    def shown(self):
        client = self.connect()
        self.check_serves(client)
        return serial(client.socket)

    def test_a_renewed_certificate_is_shown_and_drops_nobody(self):
        live = self.connect()
        self.check_serves(live)
        former = serial(live.socket)
        renewed = self.ca.issue(["gw.example"])
        self.put(renewed)
        self.wait_for(lambda: self.shown() == renewed.serial, "the renewed certificate is shown")
        self.check_serves(live)
        self.assertEqual(former, serial(live.socket))

    def test_tickets_stay_good(self):
        tls = self.context()
        first = self.connect(tls)
        self.check_serves(first)
        renewed = self.ca.issue(["gw.example"])
        self.put(renewed)
        self.wait_for(lambda: self.shown() == renewed.serial, "the renewed certificate is shown")
        again = self.connect(tls, session=first.socket.session)
        self.assertTrue(again.socket.session_reused)
        self.check_serves(again)

    def test_a_bad_renewal_changes_nothing_and_is_said(self):
        shown = self.shown()
        key = self.file("main.key").read_bytes()
        pem = self.file("main.pem").read_bytes()
        live = self.connect()
        other = self.ca.issue(["gw.example"])
        for name, data, problem in (("main.pem", b"rubbish\n", "main.pem"), ("main.key", other.key_pem, "belongs to none"),
                                    ("main.key", b"", "main.key")):
            with self.subTest(problem):
                event = self.reload("refused", lambda n=name, d=data: self.replace(n, d))
                self.assertIn(problem, event["problem"])
                self.assertEqual(shown, self.shown())
                self.check_serves(live)
                self.reload("applied", lambda: (self.replace("main.key", key), self.replace("main.pem", pem)))

    def test_who_was_let_in_by_former_authorities_is_not_resumed(self):
        tls = self.context(certificate_path=self.caller_path)
        first = self.connect(tls)
        self.check_serves(first)
        others = CertificateAuthority("Others")
        self.reload("applied", lambda: self.replace("callers.pem", others.pem))
        def is_refused():
            try:
                client = self.connect(tls, session=first.socket.session)
                client.socket.sendall(self.get())
                client.socket.recv(1)
            except (ssl.SSLError, ConnectionError):
                return True
            return False
        try:
            self.wait_for(is_refused, "the former caller is refused")
        finally:
            self.reload("applied", lambda: self.replace("callers.pem", self.client_ca.pem))

    def test_a_listener_stays_under_tls_until_a_restart(self):
        config = copy.deepcopy(self.door.config)
        config["listen"][1] = config["listen"][1]["address"]
        def act(document):
            self.door.barkeep.write_config(document)
        try:
            event = self.reload("applied", lambda: act(config))
            self.assertEqual("listen", event["needs_restart"])
            self.shown()
        finally:
            self.reload("applied", lambda: act(self.door.config))


class Overload(TlsListenerCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["workers"] = 1
        config["limits"]["connections"] = 2

    def test_tells_over_tls_that_there_are_too_many(self):
        may_go = threading.Event()

        def hold(peer, _):
            may_go.wait(patient(10))
            peer.send(recorder.answer())

        self.door.upstream.on("/public/hold", hold)
        busy = [self.connect() for _ in range(2)]
        mark = self.door.upstream.mark()
        for client in busy:
            client.send(self.get("/public/hold"))
        self.wait_for(lambda: len(self.door.upstream.since(mark)) == 2, "both are at work")
        third = self.connect()
        self.check_refusal(third.read_response(), 503, "overloaded")
        self.assertEqual(b"", third.read_to_end())
        may_go.set()
        for client in busy:
            self.assertEqual(200, client.read_response().status)


class Drain(unittest.TestCase):
    def test_says_goodbye_to_idle_callers_and_finishes_the_others(self):
        class Case(TlsListenerCase):
            pass
        Case.setUpClass()
        case = Case()
        try:
            tls = context(Case.ca_path)
            idle = TlsClient(Case.tls_port, tls)
            self.assertEqual(200, idle.exchange(raw.request("GET", "/public/i", token=Case.token)).status)
            silent = socket.create_connection(("127.0.0.1", Case.tls_port))
            silent.settimeout(patient(10))
        finally:
            Case.tearDownClass()
        del case
        self.assertEqual(b"", idle.read_to_end())  # with close_notify, or it raises
        idle.close()
        self.assertEqual(b"", silent.recv(1))
        silent.close()


class Checked(unittest.TestCase):
    """What `barkeep check` says of a listener's files."""

    @classmethod
    def setUpClass(cls):
        class Case(TlsListenerCase):
            @classmethod
            def tls_options(case):
                case.client_ca.write_public(case.file("callers.pem"))
                return {**super().tls_options(), "client_ca": str(case.file("callers.pem"))}
        Case.setUpClass()
        Case.tearDownClass()
        cls.case = Case

    def setUp(self):
        """The files as they were, in a folder of the test's own."""
        self.kept = tempfile.TemporaryDirectory()
        self.addCleanup(self.kept.cleanup)
        self.folder = pathlib.Path(self.kept.name)
        self.pair(self.case.main)
        self.write("callers.pem", self.case.client_ca.pem)
        config = copy.deepcopy(self.case.door.config)
        config["listen"][1]["tls"] = {"certificate": str(self.folder / "main.pem"), "key": str(self.folder / "main.key"),
                                      "client_ca": str(self.folder / "callers.pem")}
        self.config = self.write("barkeep.yaml", json.dumps(config).encode())
        self.assertEqual("", self.check(), "nothing is wrong with them")

    def write(self, name, data, mode=0o600):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def pair(self, certificate):
        self.write("main.pem", certificate.pem)
        self.write("main.key", certificate.key_pem)

    def test_a_key_that_others_can_read(self):
        self.write("main.key", self.case.main.key_pem, 0o644)
        self.assertIn("everyone on this machine may read", self.check())

    def test_a_key_of_another_certificate(self):
        self.write("main.key", self.case.ca.issue(["gw.example"]).key_pem)
        self.assertIn("error: listen[1].tls: ", self.check(2))
        self.assertIn("the private key belongs to none of the certificates", self.check(2))

    def test_a_key_that_is_none(self):
        for data in (b"", b"no key", self.case.main.pem, self.case.main.key_pem[:60]):
            self.write("main.key", data)
            self.assertIn("error: listen[1].tls: ", self.check(2))
        (self.folder / "main.key").unlink()
        self.assertIn("main.key: no such file", self.check(2))

    def test_a_key_that_may_not_be_read(self):
        """By this user: whoever serves may be another."""
        self.folder.chmod(0o755)
        for name in ("main.pem", "callers.pem", "barkeep.yaml"):
            (self.folder / name).chmod(0o644)
        command = [barkeep_binary(), "check", "-c", str(self.config)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
            if run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", barkeep_binary()], 20)[0]:
                self.skipTest("nobody may run barkeep here")
        else:
            (self.folder / "main.key").chmod(0)
        code, output, errors = run(command, patient(20))
        self.assertEqual(0, code, output + errors)
        self.assertIn("warning: listen[1].tls: ", output)
        self.assertIn("main.key: the file may not be read", output)

    def test_a_certificate_out_of_its_time(self):
        for days, text in (((-2, -1), "has expired"), ((1, 2), "is not valid yet")):
            self.pair(self.case.ca.issue(["gw.example"], days=days))
            self.assertIn("warning: listen[1].tls: ", self.check())
            self.assertIn(text, self.check())

    def test_a_certificate_that_is_none(self):
        for data in (b"", b"no certificate", self.case.main.key_pem):
            self.write("main.pem", data)
            self.assertIn("error: listen[1].tls: ", self.check(2))

    def test_authorities_that_are_none(self):
        for data in (b"", b"no certificate", self.case.main.key_pem):
            self.write("callers.pem", data)
            self.assertIn("error: listen[1].tls.client_ca: ", self.check(2))
        (self.folder / "callers.pem").unlink()
        self.assertIn("callers.pem", self.check(2))

    def test_an_authority_that_has_expired(self):
        self.write("callers.pem", self.case.ca.issue(["x.example"], days=(-2, -1)).pem)
        self.assertIn("warning: listen[1].tls.client_ca: ", self.check())

    def test_nothing_of_a_key_is_shown(self):
        self.write("main.key", self.case.main.key_pem + b"secret-word")
        self.write("main.pem", self.case.ca.issue(["gw.example"]).pem)
        self.assertNotIn("secret-word", self.check(2))
        for line in self.case.main.key_pem.decode().splitlines()[1:-1]:
            self.assertNotIn(line, self.check(2))

    def check(self, expected=0):
        code, output, errors = run([barkeep_binary(), "check", "-c", str(self.config)], patient(20))
        self.assertEqual(expected, code, output + errors)
        return output + errors


if __name__ == "__main__":
    unittest.main()
