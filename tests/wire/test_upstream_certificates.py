#!/usr/bin/python3
"""Who barkeep is to https upstreams, and which of them may have a secret (CASES.md I 183, 185)."""

import itertools
import json
import ssl
import unittest

import wire  # noqa: F401
from lib import recorder
from lib.barkeep import get
from lib.certificates import CertificateAuthority
from lib.door import ADMIN_ROLE
from lib.tls_recorder import finish
from lib.upstream_tls_case import TLS, TlsCase
from lib.vault import Vault


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
