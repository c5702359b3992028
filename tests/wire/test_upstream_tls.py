#!/usr/bin/python3
"""https upstreams: who they have to be, and what a handshake may cost (CASES.md I 183, 185)."""

import pathlib
import socket
import ssl
import threading
import unittest

import wire  # noqa: F401
from lib import recorder
from lib.certificates import CertificateAuthority, self_signed
from lib.net import patient
from lib.recorder import PeerGone
from lib.tls_recorder import finish
from lib.upstream_tls_case import TlsCase

UNTRUSTED = "authority that is not trusted"
OTHER_HOST = "for another host"


def rows(authority, folder):
    """(name, certificate, host in the URL, tls options, detail of the refusal or None)."""
    inner = CertificateAuthority("Tests' issuer", authority)
    issue = authority.issue
    ca = {"ca": authority.write_public(folder / "ca.pem")}
    inner_ca = {"ca": inner.write_public(folder / "inner.pem")}
    pinned = self_signed(["localhost"])
    pin = {"ca": pinned.write_public(folder / "pinned.pem")}
    wild = issue(["*.corp.example"])
    local = "localhost"
    address = "127.0.0.1"

    def named(name):
        return {**ca, "server_name": name}

    yield "good-name", issue([local]), local, ca, None
    yield "good-address", issue([], [address]), address, ca, None
    yield "good-chain", inner.issue([local]), local, ca, None
    yield "trusted-issuer", inner.issue([local]), local, inner_ca, None
    yield "trusted-server", pinned, local, pin, None
    yield "good-server-name", issue(["inside.example"]), address, named("inside.example"), None
    yield "good-server-address", issue([], ["192.0.2.7"]), local, named("192.0.2.7"), None
    yield "good-wildcard", wild, address, named("a.corp.example"), None
    yield "unverified-self-signed", self_signed(["other.example"]), local, {"verify": False}, None
    yield "unverified-expired", issue([local], days=(-9, -1)), local, {"verify": False}, None

    yield "other-name", issue(["other.example"]), local, ca, OTHER_HOST
    yield "other-address", issue([], ["127.0.0.2"]), address, ca, OTHER_HOST
    yield "address-as-name", issue([address]), address, ca, OTHER_HOST
    yield "address-as-subject", issue(["x.example"], common_name=address), address, ca, OTHER_HOST
    yield "only-address", issue([], [address]), local, ca, OTHER_HOST
    yield "only-name", issue([local]), address, ca, OTHER_HOST
    yield "only-subject", issue(common_name=local), local, ca, OTHER_HOST
    yield "nameless", issue(), local, ca, OTHER_HOST
    yield "subject-with-nul", issue(common_name="localhost\0.evil.example"), local, ca, OTHER_HOST
    yield "name-with-nul", issue(["localhost\0.evil.example"]), local, ca, OTHER_HOST
    yield "other-server-name", issue([local]), local, named("inside.example"), OTHER_HOST
    yield "server-name-of-a-subject", issue(["x.example"], common_name="inside.example"), local, \
        named("inside.example"), OTHER_HOST

    yield "wildcard-two-labels", wild, address, named("a.b.corp.example"), OTHER_HOST
    yield "wildcard-no-label", wild, address, named("corp.example"), OTHER_HOST
    yield "wildcard-of-all", issue(["*"]), local, ca, OTHER_HOST
    yield "wildcard-of-a-zone", issue(["*.example"]), address, named("corp.example"), OTHER_HOST
    yield "wildcard-in-a-label", issue(["w*.corp.example"]), address, named("www.corp.example"), \
        OTHER_HOST
    yield "wildcard-inside", issue(["a.*.example"]), address, named("a.corp.example"), OTHER_HOST
    yield "wildcard-address", issue(["*.0.0.1"]), address, ca, OTHER_HOST

    yield "expired", issue([local], days=(-9, -1)), local, ca, "has expired"
    yield "not-yet", issue([local], days=(1, 9)), local, ca, "not valid yet"
    yield "self-signed", self_signed([local]), local, ca, "self-signed"
    yield "other-authority", CertificateAuthority("Another").issue([local]), local, ca, UNTRUSTED
    yield "same-name-authority", CertificateAuthority("Tests' authority").issue([local]), local, \
        ca, "signature"
    yield "system-store", issue([local]), local, {}, UNTRUSTED
    yield "other-issuer", issue([local]), local, inner_ca, UNTRUSTED
    yield "of-a-client", issue([local], for_clients=True), local, ca, "not for servers"


class Verification(TlsCase):
    """Case 185."""

    @classmethod
    def change_config(cls, config, door):
        config["workers"] = 1  # each says once what is wrong
        cls.rows = {}
        for name, certificate, host, tls, detail in rows(cls.authority, pathlib.Path(door.folder)):
            upstream = cls.upstream_with(door, certificate)
            cls.rows[name] = (upstream, detail)
            cls.add_route(config, name, upstream.url_of(host), tls)

    def test_the_right_upstream_is_spoken_to(self):
        for name, (upstream, detail) in self.rows.items():
            if detail:
                continue
            with self.subTest(name):
                response = self.ask(f"/{name}/x?y=1")
                self.assertEqual((200, b"ok"), (response.status, response.body))
                self.assertEqual("GET /x?y=1 HTTP/1.1", upstream.last().request_line)

    def test_the_wrong_upstream_sees_no_byte_of_a_request(self):
        for name, (upstream, detail) in self.rows.items():
            if not detail:
                continue
            with self.subTest(case=185, name=name):
                said = self.refused(f"/{name}/secret-path", detail)
                self.assertEqual((0, 0), upstream.mark())
                lines = [line for line in self.logged("upstream_tls") if f'"{name}"' in line]
                self.assertEqual(1, len(lines))
                self.assertIn(said, lines[0])
                self.assertNotIn("secret-path", lines[0])

    def test_the_name_is_asked_for_and_addresses_are_not(self):
        for name, expected in (("good-name", "localhost"), ("good-address", None),
                               ("good-server-name", "inside.example"),
                               ("good-server-address", None),
                               ("unverified-self-signed", "localhost")):
            with self.subTest(name):
                self.assertEqual(200, self.ask(f"/{name}/x").status)
                upstream = self.rows[name][0]
                handshake = upstream.handshake_of(upstream.last())
                self.assertEqual((expected, "http/1.1", "TLSv1.3"),
                                 (handshake.server_name, handshake.alpn, handshake.version))

    def test_forwarded_headers_are_the_callers_side(self):
        upstream = self.rows["good-name"][0]
        self.assertEqual(200, self.ask("/good-name/x").status)
        request = upstream.last()
        self.assertEqual(["http"], request.all("X-Forwarded-Proto"))
        self.assertEqual([f"localhost:{upstream.port}"], request.all("Host"))

    def test_a_wrong_upstream_fills_no_log(self):
        for _ in range(5):
            self.refused("/expired/x", "has expired")
        self.assertEqual(1, len([line for line in self.logged("upstream_tls")
                                 if '"expired"' in line]))


class Environment(TlsCase):
    """What the process was started with widens nobody's trust and writes no session keys."""

    @classmethod
    def change_config(cls, config, door):
        ca = cls.ca(door)
        upstream = cls.good_upstream(door)
        cls.keys = cls.file(door, "session-keys")
        cls.add_route(config, "system", upstream.url)
        cls.add_route(config, "own", upstream.url, {"ca": ca})
        environment = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": door.folder,
                       "SSLKEYLOGFILE": str(cls.keys)}
        start = door.barkeep.start
        door.barkeep.start = lambda wait_ready=True: start(wait_ready, environment)

    def test_the_environment_has_no_say(self):
        self.refused("/system/x", UNTRUSTED)
        self.assertEqual(200, self.ask("/own/x").status)
        self.assertFalse(self.keys.exists())


class Versions(TlsCase):
    @classmethod
    def change_config(cls, config, door):
        tls = {"ca": cls.ca(door)}
        cls.by_name = {
            "TLSv1.2": cls.good_upstream(door, version=ssl.TLSVersion.TLSv1_2),
            "TLSv1.3": cls.good_upstream(door, version=ssl.TLSVersion.TLSv1_3)}
        for name, upstream in cls.by_name.items():
            cls.add_route(config, name, upstream.url, tls)
        cls.add_route(config, "both", [upstream.url for upstream in cls.by_name.values()], tls)
        old = cls.good_upstream(door)
        old.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        old.context.minimum_version = old.context.maximum_version = ssl.TLSVersion.TLSv1_1
        cls.add_route(config, "old", old.url, tls)
        static = cls.good_upstream(door, version=ssl.TLSVersion.TLSv1_2)
        static.context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
        cls.add_route(config, "static", static.url, tls)

    def test_speaks_1_2_and_1_3(self):
        for name, upstream in self.by_name.items():
            self.assertEqual(200, self.ask(f"/{name}/x").status)
            self.assertEqual(name, upstream.handshake_of(upstream.last()).version)

    def test_speaks_nothing_older_or_weaker(self):
        self.refused("/old/x", "")
        self.refused("/static/x", "refused the handshake")

    def test_later_connections_are_shortened(self):
        for name, upstream in self.by_name.items():
            with self.subTest(name):
                upstream.on("/end", lambda peer, _: (peer.send(recorder.answer()), finish(peer)))
                resumed = []
                for _ in range(6):
                    self.assertEqual(200, self.ask(f"/{name}/end").status)
                    resumed.append(upstream.handshake_of(upstream.last()).is_resumed)
                self.assertIn(True, resumed[1:])


class Handshakes(TlsCase):
    """Handshakes that do not come to their end."""

    @classmethod
    def change_config(cls, config, door):
        tls = {"ca": cls.ca(door)}
        cls.good = cls.good_upstream(door)
        cls.silent = cls.good_upstream(door)
        cls.plain = cls.good_upstream(door)
        cls.closing = cls.good_upstream(door)
        cls.wrong = cls.upstream_with(door, self_signed(["localhost"], ["127.0.0.1"]))
        cls.add_route(config, "good", cls.good.url, tls)
        cls.add_route(config, "silent", cls.silent.url, tls, timeouts={"connect": "300ms"})
        cls.add_route(config, "plain", cls.plain.url, tls)
        cls.add_route(config, "closing", cls.closing.url, tls)
        cls.add_route(config, "several", [cls.wrong.url, cls.closing.url, cls.good.url], tls)

    def test_a_slow_handshake_is_504(self):
        release = threading.Event()
        self.silent.before_handshake = lambda _: release.wait(patient(10))
        self.refused("/silent/x", "", "upstream_timeout", 504)
        release.set()

    def test_an_answer_in_plain_http_is_no_answer(self):
        def answer(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nplain")
            raise PeerGone()

        self.plain.before_handshake = answer
        said = self.refused("/plain/x", "does not speak TLS")
        self.assertNotIn("plain", said)

    def test_an_end_within_the_handshake_is_502(self):
        def close(connection):
            connection.shutdown(socket.SHUT_RDWR)
            raise PeerGone()

        self.closing.before_handshake = close
        self.refused("/closing/x", "cut")

    def test_another_upstream_may_do(self):
        def close(connection):
            connection.recv(65536)
            raise PeerGone()

        self.closing.before_handshake = close
        mark = self.good.mark()
        for _ in range(9):
            self.assertEqual(200, self.ask("/several/x").status)
        self.assertEqual(9, len(self.good.since(mark)))
        self.assertEqual((0, 0), self.wrong.mark())

    def test_a_client_that_leaves_ends_the_handshake(self):
        gone = threading.Event()

        def wait(connection):
            while connection.recv(65536):
                pass
            gone.set()
            raise PeerGone()

        self.closing.before_handshake = wait
        client = self.door.client()
        client.send(self.get("/closing/x"))
        self.wait_for(lambda: self.closing.connections(), "a connection")
        client.reset()
        self.assertTrue(gone.wait(patient(5)))


if __name__ == "__main__":
    unittest.main()
