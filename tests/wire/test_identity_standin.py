#!/usr/bin/python3
"""barkeep's own identity as the stand-in judges it, which Microsoft's clients judge: a vault's secret
arrives at the upstream, or the call is refused."""

import datetime
import http.client
import json
import pathlib
import shutil
import tempfile
import unittest

import wire  # noqa: F401
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lib import recorder, tokens
from lib.barkeep import Barkeep, Standin
from lib.net import wait_until

GATEWAY = tokens.API
SECRET = "canary-orders-gw-client-secret"
IDENTITY = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
VALUE = "canary-upstream-api-key-c5e1"  # of the stand-in's seed


def certificate_pem():
    """(private key and certificate, certificate alone), as PEM text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "barkeep")])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
                   .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return (private + public).decode(), public.decode()


class Judged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-wire-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.upstream = recorder.Recorder()
        cls.addClassCleanup(cls.upstream.stop)
        cls.standin = Standin(cls.folder)
        cls.addClassCleanup(cls.standin.stop)
        cls.standin.start()
        cls.caller = cls.standin.mint("--app-role", "Reader")

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def start(self, identity, env=None, wait_ready=True):
        """A barkeep with that identity, which alone can read its credential's secret."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        barkeep = Barkeep(folder)
        barkeep.write_config({
            "listen": f"127.0.0.1:{barkeep.port}",
            "admin": f"127.0.0.1:{barkeep.admin_port}",
            "entra": {"tenant": tokens.TENANT, "audience": tokens.API,
                      "authority": self.standin.url()},
            "identity": identity,
            "vaults": {"prod": self.standin.url()},
            "credentials": {
                "backend": {"headers": {"Authorization": "Key {prod/upstream-api-key}"}}},
            "routes": [{"name": "orders", "path": "/", "upstream": self.upstream.url, "access": [
                {"role": "Reader", "to": {"app_role": "Reader"}, "credential": "backend"}]}],
            "log": {"audit": str(barkeep.audit_path)},
        })
        self.addCleanup(barkeep.stop)
        return barkeep.start(wait_ready, env)

    def ask(self, barkeep):
        connection = http.client.HTTPConnection("127.0.0.1", barkeep.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self.caller}"}
            connection.request("GET", "/x", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def check_injects(self, identity, env=None):
        barkeep = self.start(identity, env)
        mark = self.upstream.mark()
        status, body = self.ask(barkeep)
        self.assertEqual(200, status, body)
        request, = self.upstream.since(mark)
        self.assertEqual([f"Key {VALUE}"], request.all("Authorization"))
        return barkeep

    def check_refuses(self, identity, env=None):
        barkeep = self.start(identity, env, wait_ready=False)
        mark = self.upstream.mark()
        status, body = self.ask(barkeep)
        self.assertEqual((503, "secret_unavailable"), (status, json.loads(body)["reason"]))
        self.assertTrue(self.upstream.is_untouched(mark), "the upstream saw something")
        return barkeep

    def asked(self, endpoint):
        return self.standin.counters()[endpoint]

    def test_a_machines_endpoints_are_picked_by_environment(self):
        for kind in ("imds", "app_service"):
            for who in ("system", IDENTITY):
                with self.subTest(kind, who=who):
                    before = self.asked(kind)
                    self.check_injects({"managed": who}, self.standin.identity_env(kind))
                    self.assertGreater(self.asked(kind), before)

    def test_a_wrong_secret_header_refuses(self):
        env = {**self.standin.identity_env("app_service"), "IDENTITY_HEADER": "guessed"}
        self.check_refuses({"managed": "system"}, env)

    def test_a_secret_and_a_certificate_sign_in(self):
        both, public = certificate_pem()
        self.standin.knob(f"apps/{GATEWAY}", {"certificate": public})
        for name, value in (("secret_file", self.file("secret", SECRET)),
                            ("secret_file", self.file("secret-line", SECRET + "\n")),
                            ("certificate_file", self.file("both.pem", both))):
            with self.subTest(pathlib.Path(value).name):
                self.check_injects({"client": {"id": GATEWAY, name: value}})

    def test_what_is_not_registered_does_not(self):
        for name, value in (("secret_file", self.file("wrong", "wrong")),
                            ("certificate_file", self.file("other.pem", certificate_pem()[0]))):
            with self.subTest(name):
                barkeep = self.check_refuses({"client": {"id": GATEWAY, name: value}})
                self.assertIn("invalid_client", barkeep.process.stderr())

    def test_a_workloads_file_is_read_again(self):
        """Tokens of a few seconds, so that the next exchange comes soon."""
        path = self.folder / "azure-identity-token"
        path.write_text(self.standin.service_account() + "\n")
        env = {"AZURE_CLIENT_ID": GATEWAY, "AZURE_TENANT_ID": tokens.TENANT,
               "AZURE_FEDERATED_TOKEN_FILE": str(path),
               "AZURE_AUTHORITY_HOST": self.standin.url("/")}
        self.standin.knob("tokens", {"lifetime_sec": 30})
        self.addCleanup(self.standin.knob, "tokens", {"lifetime_sec": 0})
        barkeep = self.check_injects({"workload": {}}, env)
        other = self.standin.service_account("--subject", "system:serviceaccount:edge:other")
        path.write_text(other)
        wait_until(lambda: "invalid_request" in barkeep.process.stderr(), "the new file is used",
                   60)
        self.assertEqual(200, self.ask(barkeep)[0], "what was read before still serves")


if __name__ == "__main__":
    unittest.main()
