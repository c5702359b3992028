#!/usr/bin/python3
"""https upstreams: who they have to be, who barkeep is to them, and how such connections end
(CASES.md I 183, 185)."""

import contextlib
import hashlib
import itertools
import json
import pathlib
import socket
import ssl
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.barkeep import get
from lib.case import WireCase
from lib.certificates import CertificateAuthority, self_signed
from lib.door import ADMIN_ROLE
from lib.net import patient
from lib.recorder import PeerGone
from lib.tls_recorder import TlsRecorder, finish
from lib.vault import Vault

OK = b"HTTP/1.1 200 OK\r\n"
TLS = "upstream_tls"
UNTRUSTED = "authority that is not trusted"
OTHER_HOST = "for another host"
BIG_BODY_BYTES = 24 << 20


class TlsCase(WireCase):
    """Adds routes to https upstreams: /NAME/**, for everyone."""

    @classmethod
    def setUpClass(cls):
        cls.authority = CertificateAuthority()
        cls.upstreams = []
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for upstream in cls.upstreams:
            upstream.stop()
        failures = [failure for upstream in cls.upstreams for failure in upstream.failures]
        if failures:
            raise AssertionError(f"upstream scripts failed: {failures}")

    @classmethod
    def file(cls, door, name):
        return pathlib.Path(door.folder) / name

    @classmethod
    def ca(cls, door):
        return cls.authority.write_public(cls.file(door, "ca.pem"))

    @classmethod
    def upstream_with(cls, door, certificate, **options):
        path = certificate.write(cls.file(door, f"upstream-{len(cls.upstreams)}.pem"))
        upstream = TlsRecorder(path, **options)
        cls.upstreams.append(upstream)
        return upstream

    @classmethod
    def good_upstream(cls, door, **options):
        certificate = cls.authority.issue(["localhost"], ["127.0.0.1"])
        return cls.upstream_with(door, certificate, **options)

    @classmethod
    def add_route(cls, config, name, upstream, tls=None, access=None, **options):
        everyone = [{"role": "Contributor", "to": {"everyone": True}}]
        route = {"name": name, "path": f"/{name}", "upstream": upstream,
                 "access": access or everyone, **options}
        if tls:
            route["tls"] = tls
        config["routes"].append(route)

    def get(self, target, *headers, method="GET", body=None, token=None):
        return raw.request(method, target, headers, body, token or self.token)

    def ask(self, target, *headers, **options):
        with self.door.client() as client:
            return client.exchange(self.get(target, *headers, **options),
                                   options.get("method", "GET"))

    def refused(self, target, detail, reason=TLS, status=502):
        response = self.ask(target)
        self.check_refusal(response, status, reason)
        said = json.loads(response.body)["detail"]
        self.assertIn(detail, said)
        return said

    def logged(self, event):
        """Of all lines, the audit log's too."""
        lines = self.door.barkeep.process.stderr() + self.door.audit.raw().decode()
        return [line for line in lines.splitlines() if f'"event":"{event}"' in line]


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


class ClientCertificates(TlsCase):
    """Case 183 and more: which certificate a connection presents, and to whom it belongs."""

    becomes_ready = False  # one certificate is missing

    @classmethod
    def change_config(cls, config, door):
        cls.clients = CertificateAuthority("Clients")
        clients = cls.clients.write_public(cls.file(door, "clients.pem"))
        tls = {"ca": cls.ca(door)}
        cls.secrets = cls.file(door, "secrets")
        cls.secrets.mkdir(0o700)
        names = ("admin", "viewer", "route", "turning")
        cls.certificates = {name: cls.clients.issue(common_name=name, for_clients=True)
                            for name in names}
        for name, certificate in cls.certificates.items():
            pem = certificate.key_pem + certificate.pem
            cls.put(name, certificate.pfx if name == "viewer" else pem)
        stranger = CertificateAuthority().issue(common_name="stranger", for_clients=True)
        cls.put("stranger", stranger.pem + stranger.key_pem)
        cls.put("password", b"canary-password-77e1")
        config["vaults"] = {"local": f"file:{cls.secrets}"}
        config["secrets"] = {"local/turning": {"refresh": "1s"}}
        config["credentials"] = {
            name: {"client_certificate": f"local/{name}"} for name in (*names, "stranger", "gone")}
        config["credentials"]["basic"] = {"basic": {"username": "u", "password": "local/password"}}

        def granting(credential):
            return [{"role": "Contributor", "to": {"everyone": True}, "credential": credential}]

        cls.mutual = cls.good_upstream(door, client_authority_path=clients)
        cls.mutual_12 = cls.good_upstream(door, client_authority_path=clients,
                                          version=ssl.TLSVersion.TLSv1_2)
        cls.plain = cls.good_upstream(door)
        for name in ("admin", "viewer", "turning", "stranger", "gone"):
            cls.add_route(config, name, cls.mutual.url, tls, granting(name))
        cls.add_route(config, "tiered", cls.mutual.url, tls, [
            {"role": "Contributor", "to": {"app_role": ADMIN_ROLE}, "credential": "admin"},
            *granting("viewer")])
        cls.add_route(config, "route", cls.mutual.url, {**tls, "certificate": "route"},
                      granting("basic"))
        cls.add_route(config, "rule-over-route", cls.mutual.url, {**tls, "certificate": "route"},
                      granting("admin"))
        cls.add_route(config, "route-gone", cls.mutual.url, {**tls, "certificate": "gone"})
        cls.add_route(config, "none", cls.mutual.url, tls)
        cls.add_route(config, "none-12", cls.mutual_12.url, tls)
        cls.add_route(config, "stranger-12", cls.mutual_12.url, tls, granting("stranger"))
        cls.add_route(config, "unasked", cls.plain.url, {**tls, "certificate": "route"})

    @classmethod
    def put(cls, name, value):
        path = cls.secrets / f".{name}.new"
        path.write_bytes(value)
        path.rename(cls.secrets / name)

    def presented(self, target, **options):
        """Serial of the certificate that a request came under."""
        mark = self.mutual.mark()
        self.assertEqual(200, self.ask(target, **options).status)
        return self.mutual.handshake_of(self.mutual.since(mark)[0]).client_serial

    def test_the_rules_certificate_is_presented_then_the_routes(self):
        for route, name in (("admin", "admin"), ("viewer", "viewer"), ("route", "route"),
                            ("rule-over-route", "admin")):
            with self.subTest(route):
                self.assertEqual(self.certificates[name].serial, self.presented(f"/{route}/x"))
        self.assertEqual(["Basic dTpjYW5hcnktcGFzc3dvcmQtNzdlMQ=="],
                         [value for request in self.mutual.requests
                          for value in request.all("Authorization")])

    def test_it_is_presented_only_when_asked_for(self):
        self.assertEqual(200, self.ask("/unasked/x").status)
        self.assertIsNone(self.plain.handshake_of(self.plain.last()).client_serial)

    def test_an_upstream_that_wants_another_certificate_is_502(self):
        for route in ("none", "none-12", "stranger", "stranger-12"):
            with self.subTest(route):
                marks = self.mutual.mark(), self.mutual_12.mark()
                self.refused(f"/{route}/x", "certificate")
                self.assertEqual(marks, (self.mutual.mark(), self.mutual_12.mark()))
                self.assertTrue(any(f'"{route}"' in line for line in self.logged(TLS)))

    def test_a_certificate_that_is_missing_is_503_and_nothing_is_connected(self):
        before = self.mutual.connections()
        for route in ("gone", "route-gone"):
            with self.subTest(route):
                response = self.ask(f"/{route}/x")
                self.check_refusal(response, 503, "secret_unavailable")
        self.assertEqual(before, self.mutual.connections())

    def test_identities_never_share_a_connection(self):
        """Case 183: one route, one upstream, two certificates, requests interleaved."""
        upstream = self.mutual
        mark, before = upstream.mark(), upstream.connections()
        tokens = {"admin": self.door.admin_token(), "viewer": self.token}
        order = itertools.cycle(["admin", "viewer", "viewer", "admin", "admin"])
        with self.door.client() as one, self.door.client() as other:
            for number, client in zip(range(1000), itertools.cycle([one, other])):
                who = next(order)
                data = self.get(f"/tiered/{who}/{number}", token=tokens[who])
                self.assertEqual(200, client.exchange(data).status)
        seen = upstream.since(mark)
        self.assertEqual(1000, len(seen))
        for request in seen:
            who = request.path.split("/")[1]
            self.assertEqual(self.certificates[who].serial,
                             upstream.handshake_of(request).client_serial, request.path)
        self.assertLess(upstream.connections() - before, 20, "connections are kept")

    def test_identities_share_no_session(self):
        upstream = self.mutual
        tokens = {"admin": self.door.admin_token(), "viewer": self.token}
        upstream.on("/end", lambda peer, _: (peer.send(recorder.answer()), finish(peer)))
        resumed = {"admin": 0, "viewer": 0}
        for who in ("admin", "viewer") * 8:
            serial = self.presented("/tiered/end", token=tokens[who])
            self.assertEqual(self.certificates[who].serial, serial)
            resumed[who] += upstream.handshake_of(upstream.last()).is_resumed
        self.assertTrue(all(resumed.values()), resumed)

    def test_a_renewed_certificate_takes_over(self):
        before = self.certificates["turning"]
        self.assertEqual(before.serial, self.presented("/turning/x"))
        after = self.clients.issue(common_name="turning", for_clients=True)
        self.put("turning", after.pem + after.key_pem)
        self.wait_for(lambda: self.presented("/turning/x") == after.serial, "the new certificate",
                      20)
        for _ in range(5):
            self.assertEqual(after.serial, self.presented("/turning/x"))
        self.certificates["turning"] = after

    def test_no_key_is_written_anywhere(self):
        texts = [self.door.audit.raw(), self.door.barkeep.process.stderr().encode()]
        texts += [get(self.door.barkeep.admin_port, target)[2] for target in ("/metrics", "/")]
        for certificate in self.certificates.values():
            for line in certificate.key_pem.splitlines()[1:-1]:
                for text in texts:
                    self.assertNotIn(line, text)


class Streams(TlsCase):
    @classmethod
    def change_config(cls, config, door):
        tls = {"ca": cls.ca(door)}
        cls.modern = cls.good_upstream(door)
        cls.older = cls.good_upstream(door, version=ssl.TLSVersion.TLSv1_2)
        cls.by_name = {"modern": cls.modern, "older": cls.older}
        for name, upstream in cls.by_name.items():
            cls.add_route(config, name, upstream.url, tls)

    def on_each(self, path, script):
        """Yields each route with its upstream, one subtest each."""
        for name, upstream in self.by_name.items():
            upstream.on(path, script)
            with self.subTest(name):
                yield name, upstream

    def test_connections_are_kept(self):
        for name, upstream in self.on_each("/x", recorder.answer(body=b"x" * 5000)):
            before = upstream.connections()
            with self.door.client() as client:
                for _ in range(200):
                    response = client.exchange(self.get(f"/{name}/x"))
                    self.assertEqual((200, 5000), (response.status, len(response.body)))
            self.assertLessEqual(upstream.connections() - before, 1)

    def test_big_bodies_pass_both_ways_against_slow_readers(self):
        body = bytes(range(256)) * (BIG_BODY_BYTES // 256)
        digest = hashlib.sha256(body).hexdigest()

        def script(peer, request):
            seen = hashlib.sha256()
            left = int(request.all("Content-Length")[0])
            while left:
                data = peer.pending or peer.socket.recv(3000 if left % 7 else 70000)
                peer.pending = b""
                if not data:
                    raise PeerGone()
                seen.update(data)
                left -= len(data)
            headers = [("X-Digest", seen.hexdigest())]
            peer.send(recorder.answer(body=body, headers=headers))

        for name, _ in self.on_each("/big", script):
            with self.door.client(receive_buffer=8192) as client:
                sender = threading.Thread(
                    target=client.send, args=(self.get(f"/{name}/big", method="POST", body=body),))
                sender.start()
                response = client.read_response()
                sender.join()
            self.assertEqual(200, response.status)
            self.assertEqual(digest, response.one("X-Digest"))
            self.assertEqual(digest, hashlib.sha256(response.body).hexdigest())

    def test_chunks_pass_as_they_come(self):
        asked = threading.Semaphore(0)

        def script(peer, request):
            peer.read_body(request)
            peer.send(OK + b"Content-Type: text/event-stream\r\n\r\n")
            for number in range(5):
                asked.acquire(timeout=patient(5))
                peer.send(b"data: %d\n\n" % number)
            finish(peer)

        for name, _ in self.on_each("/events", script):
            with self.door.client() as client:
                client.send(self.get(f"/{name}/events"))
                self.assertEqual(200, client.read_head().status)
                for number in range(5):
                    asked.release()
                    self.assertEqual(b"9\r\ndata: %d\n\n\r\n" % number, client.take(14))
                self.assertEqual(b"0\r\n\r\n", client.take(5))

    def test_an_end_without_goodbye_is_a_cut(self):
        """Who can end the TCP connection could otherwise shorten an answer unseen."""
        def ending(how, head):
            def script(peer, request):
                peer.read_body(request)
                peer.send(OK + head + b"\r\nall there is")
                how(peer)
            return script

        def cut(peer):
            peer.close()

        def reset(peer):
            peer.reset()

        for what, how, head, is_whole in (
                ("goodbye", finish, b"", True), ("cut", cut, b"", False),
                ("reset", reset, b"", False),
                ("cut inside a length", cut, b"Content-Length: 50\r\n", False),
                ("goodbye inside a length", finish, b"Content-Length: 50\r\n", False)):
            for name, _ in self.on_each("/end", ending(how, head)):
                with self.subTest(what=what), self.door.client() as client:
                    client.send(self.get(f"/{name}/end"))
                    if is_whole:
                        self.assertEqual(b"all there is", client.read_response().body)
                    else:
                        with self.assertRaises(raw.Truncated):
                            client.read_response()

    def test_a_stale_connection_costs_an_idempotent_request_nothing(self):
        for end in (finish, lambda peer: peer.close()):
            counts = {}

            def script(peer, request, counts=counts, end=end):
                peer.read_body(request)
                counts[peer] = counts.get(peer, 0) + 1
                if counts[peer] > 1:
                    end(peer)
                    return
                peer.send(recorder.answer())

            for name, upstream in self.on_each("/stale", script):
                for method, expected in (("GET", 200), ("POST", 502)):
                    with self.door.client() as client:
                        for peer in upstream.peers:
                            if not peer.is_closed:
                                peer.close()
                        self.assertEqual(200, client.exchange(self.get(f"/{name}/stale")).status)
                        mark = upstream.mark()
                        body = b"x" if method == "POST" else None
                        data = self.get(f"/{name}/stale", method=method, body=body)
                        self.assertEqual(expected, client.exchange(data, method).status)
                        self.assertEqual(2 if expected == 200 else 1, len(upstream.since(mark)))

    def test_a_late_answer_on_an_idle_connection_is_discarded(self):
        """Case 168 under TLS."""
        for name, upstream in self.on_each("/x", recorder.answer()):
            with self.door.client() as client:
                self.assertEqual(200, client.exchange(self.get(f"/{name}/x")).status)
                peer = upstream.peers[upstream.last().connection]
                with contextlib.suppress(OSError):  # it may be closed while the bytes leave
                    peer.send(recorder.answer(body=b"poison"))
                for _ in range(5):
                    response = client.exchange(self.get(f"/{name}/next"))
                    self.assertEqual((200, b"ok"), (response.status, response.body))
            self.wait_for(lambda: peer.is_closed, "the poisoned connection is closed")


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


class Bound(TlsCase):
    """The vault has the last word on where a secret goes."""

    @classmethod
    def change_config(cls, config, door):
        clients = CertificateAuthority("Clients")
        ca = {"ca": cls.ca(door)}
        certificate = clients.issue(common_name="bound", for_clients=True)
        cls.serial = certificate.serial
        cls.first = cls.good_upstream(
            door, client_authority_path=clients.write_public(cls.file(door, "clients.pem")))
        cls.second = cls.good_upstream(door)
        cls.vault = TaggedVault()
        cls.vault.tag("near", "canary-near-2d90", f"127.0.0.1:{cls.first.port}")
        cls.vault.tag("far", "canary-far-2d90", "db.example 127.0.0.1:1")
        cls.vault.tag("pfx", certificate.pfx.decode(), f"127.0.0.1:{cls.first.port}")
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"near": {"bearer": "prod/near"}, "far": {"bearer": "prod/far"},
                                 "pfx": {"client_certificate": "prod/pfx"}}
        both = [cls.second.url, cls.first.url]
        for name, upstream in (("near", both), ("far", both), ("pfx", both),
                               ("pfx-astray", cls.second.url)):
            credential = name.partition("-")[0]
            tls = ca if credential == "pfx" else {**ca, "certificate": "pfx"}
            cls.add_route(config, name, upstream, tls,
                          [{"role": "Contributor", "to": {"everyone": True},
                            "credential": credential}])
        cls.add_route(config, "free", both, ca)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def test_secrets_go_where_the_vault_says(self):
        mark = self.second.mark()
        for name in ("near", "pfx"):
            for _ in range(4):
                self.assertEqual(200, self.ask(f"/{name}/x").status)
                self.assertEqual(self.serial,
                                 self.first.handshake_of(self.first.last()).client_serial)
        self.assertTrue(self.second.is_untouched(mark))
        self.assertFalse(any('"near"' in line and "binds" in line
                             for line in self.logged("secret")))

    def test_nowhere_to_go_is_503(self):
        connections = self.first.connections(), self.second.connections()
        for name, credential in (("far", "far"), ("pfx-astray", "pfx")):
            with self.subTest(name):
                self.refused(f"/{name}/x", "the vault binds this secret to other hosts",
                             "secret_unavailable", 503)
                lines = [json.loads(line) for line in self.logged("secret")]
                self.assertTrue(any(line.get("credential") == credential and
                                    "binds" in line.get("problem", "") and
                                    line["upstream"].startswith("https://") for line in lines))
        self.assertEqual(connections, (self.first.connections(), self.second.connections()))


class TaggedVault(Vault):
    """Key Vault certificates and secrets with the tag barkeep-hosts."""

    def __init__(self):
        self.tags = {}
        super().__init__()

    def tag(self, name, value, hosts):
        self.secrets[name] = value
        self.tags[name] = {"barkeep-hosts": hosts}

    def bundle(self, name, **changes):
        changes.setdefault("tags", self.tags[name])
        if name == "pfx":
            changes.setdefault("contentType", "application/x-pkcs12")
        return super().bundle(name, **changes)


if __name__ == "__main__":
    unittest.main()
