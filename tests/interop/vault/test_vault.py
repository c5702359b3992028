#!/usr/bin/python3
"""Microsoft's clients of Key Vault judge the stand-in: secrets through their whole life, keys, certificates, and every
way in which the vault says no.

Each row runs twice: with the challenge's resource verified, for which the vault has a name below vault.localhost, and
without, at 127.0.0.1."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs12

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from lib.barkeep import Standin  # noqa: E402
from lib.process import environment  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
# of the stand-in's own seed: the first administers both vaults here, the other has no role at them
DEPLOYER = {"client": "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a", "secret": "canary-deployer-client-secret"}
DEPLOYER_OID = "a6d5c4b3-f2e1-4d0c-8b9a-7f6e5d4c3b2a"
CALLER = {"client": "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "secret": "canary-caller-client-secret~1"}


def vault(**more):
    return {
        "secrets": {**{f"listed-{n}": f"canary-listed-{n}" for n in range(3)},
                    "api-key": {"value": "canary-api-key-0d41", "contentType": "text/plain", "tags": {"owner": "orders"}},
                    "retired": {"value": "canary-retired-5b12", "enabled": False}},
        "keys": {"rsa": {"kty": "RSA"}, "ec": {"kty": "EC"}},
        "certificates": {"gw": {"subject": "CN=gw"}, "gw-pem": {"kty": "EC", "contentType": "application/x-pem-file"}},
        "assignments": [{"principal": DEPLOYER_OID, "role": "Key Vault Administrator"}],
        **more,
    }


class Client:
    """A running client.mjs."""

    def __init__(self, standin, url, verify, client=DEPLOYER):
        order = {"vault": url, "authority": standin.https(), "tenant": TENANT, "verify": verify, **client}
        self.child = subprocess.Popen(
            ["node", str(HERE / "client.mjs"), json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=environment({"NODE_EXTRA_CA_CERTS": str(standin.ca())}))

    def ask(self, name, *arguments):
        self.child.stdin.write(json.dumps({"do": name, "with": arguments}) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise AssertionError(f"client.mjs ended with {self.child.wait()}")
        return json.loads(line)

    def stop(self):
        self.child.stdin.close()
        self.child.wait(60)
        self.child.stdout.close()


class Case:
    """One way of addressing a vault; the rows are the tests."""

    vault = None
    verify = None

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.standin = Standin(folder)
        cls.standin.seed = {"default_vault": "plain-kv", "vaults": {
            "plain-kv": vault(),
            "named-kv": vault(resource=f"https://vault.localhost:{cls.standin.port}")}}
        cls.standin.start()
        cls.addClassCleanup(cls.standin.stop)
        cls.url = cls.address()
        cls.client = Client(cls.standin, cls.url, cls.verify)
        cls.addClassCleanup(cls.client.stop)

    def knob(self, path, document=None):
        return self.standin.knob(f"vaults/{self.vault}/{path}", document)

    def ask(self, *words):
        outcome = self.client.ask(*words)
        self.assertIn("result", outcome, (words, outcome))
        return outcome["result"]

    def check_refused(self, status, code, inner, *words, client=None):
        outcome = (client or self.client).ask(*words)
        self.assertEqual((status, code, inner),
                         (outcome.get("status"), outcome.get("code"), outcome.get("inner")), (words, outcome))
        return outcome["message"]

    def test_secrets_are_read_by_name_and_by_version(self):
        found = self.ask("get", "api-key")
        self.assertEqual("canary-api-key-0d41", found["value"])
        properties = found["properties"]
        self.assertEqual(("text/plain", {"owner": "orders"}, self.url),
                         (properties["contentType"], properties["tags"], properties["vaultUrl"]))
        self.assertEqual(("Recoverable+Purgeable", 90), (properties["recoveryLevel"], properties["recoverableDays"]))
        again = self.ask("get", "api-key", properties["version"])
        self.assertEqual((found["value"], properties["id"]), (again["value"], again["properties"]["id"]))

    def test_secrets_are_set_and_updated(self):
        first = self.ask("set", "written", "canary-written-1")["properties"]["version"]
        second = self.ask("set", "written", "canary-written-2", {
            "contentType": "text/plain", "tags": {"a": "b"}, "expiresOn": "2030-01-01T00:00:00Z"})
        self.assertEqual("2030-01-01T00:00:00.000Z", second["properties"]["expiresOn"])
        self.assertEqual("canary-written-1", self.ask("get", "written", first)["value"])
        self.assertEqual("canary-written-2", self.ask("get", "written")["value"])
        updated = self.ask("update", "written", first, {"enabled": False, "tags": {"c": "d"}})
        self.assertEqual((False, {"c": "d"}), (updated["enabled"], updated["tags"]))
        self.check_refused(403, "Forbidden", "SecretDisabled", "get", "written", first)
        self.assertEqual([[first], [second["properties"]["version"]]],
                         [[item["version"] for item in page] for page in self.ask("versions", "written", 1)])

    def test_lists_come_in_pages_without_values(self):
        found = self.ask("list", 3)
        self.assertGreaterEqual(len(found), 3)
        self.assertEqual([3] * (len(found) - 1), [len(page) for page in found[:-1]])
        items = [item for page in found for item in page]
        names = [item["name"] for item in items]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({"listed-0", "listed-1", "listed-2", "api-key", "retired", "gw"}, set(names))
        self.assertFalse([item for item in items if "value" in item])

    def test_a_deleted_secret_comes_back_or_goes_for_good(self):
        self.ask("set", "passing", "canary-passing")
        self.knob("settings", {"delete_delay_ms": 200, "recover_delay_ms": 200})
        deleted = self.ask("delete", "passing")
        self.assertEqual(f"{self.url}/deletedsecrets/passing", deleted["recoveryId"])
        self.assertIn("scheduledPurgeDate", deleted["properties"] | deleted)
        self.check_refused(404, "SecretNotFound", None, "get", "passing")
        self.check_refused(409, "Conflict", "ObjectIsDeletedButRecoverable", "set", "passing", "canary-other")
        self.assertIn("passing", [item["name"] for page in self.ask("deleted", 2) for item in page])
        self.assertEqual("passing", self.ask("getDeleted", "passing")["name"])
        self.ask("recover", "passing")
        self.assertEqual("canary-passing", self.ask("get", "passing")["value"])
        self.ask("delete", "passing")
        self.ask("purge", "passing")
        self.check_refused(404, "SecretNotFound", None, "getDeleted", "passing")
        self.ask("set", "passing", "canary-other")

    def test_a_name_is_taken_while_deletion_is_under_way(self):
        self.ask("set", "slow", "canary-slow")
        self.knob("settings", {"delete_delay_ms": 600000})
        self.ask("deleteOnly", "slow")
        self.check_refused(409, "Conflict", "ObjectIsBeingDeleted", "set", "slow", "canary-other")
        self.knob("settings", {"delete_delay_ms": 0})

    def test_a_backup_restores_a_purged_secret(self):
        self.knob("settings", {"delete_delay_ms": 0})
        self.ask("set", "kept", "canary-kept")
        backup = self.ask("backup", "kept")
        self.check_refused(409, "Conflict", None, "restore", backup)
        self.ask("delete", "kept")
        self.ask("purge", "kept")
        self.ask("restore", backup)
        self.assertEqual("canary-kept", self.ask("get", "kept")["value"])

    def test_every_refusal_arrives_as_what_it_is(self):
        self.check_refused(404, "SecretNotFound", None, "get", "nothing")
        self.check_refused(403, "Forbidden", "SecretDisabled", "get", "retired")
        self.check_refused(400, "BadParameter", None, "get", "no_name")
        for network, inner in (("firewall", "ForbiddenByFirewall"), ("private", "ForbiddenByConnection")):
            self.knob("settings", {"network": network})
            self.check_refused(403, "Forbidden", inner, "get", "api-key")
        self.knob("settings", {"network": "open"})
        self.knob("access-policies", {"policies": [{"principal": DEPLOYER_OID, "secrets": ["list"]}]})
        self.check_refused(403, "Forbidden", "AccessDenied", "get", "api-key")
        self.ask("list", 25)
        self.knob("access-policies")
        self.ask("get", "api-key")

    def test_a_caller_without_a_role_is_denied(self):
        stranger = Client(self.standin, self.url, self.verify, CALLER)
        try:
            message = self.check_refused(403, "Forbidden", "ForbiddenByRbac", "get", "api-key", client=stranger)
            self.assertIn(f"Caller: appid={CALLER['client']};", message)
            self.check_refused(403, "Forbidden", "ForbiddenByRbac", "get", "nothing", client=stranger)
        finally:
            stranger.stop()

    def test_throttled_requests_are_tried_again_when_told_when(self):
        self.knob("throttle", {"count": 2, "retry_after": 1})
        self.assertEqual("canary-api-key-0d41", self.ask("get", "api-key")["value"])
        self.knob("throttle", {"count": 1})
        message = self.check_refused(429, "Throttled", None, "get", "api-key")
        self.assertIn("VaultRequestTypeLimitReached", message)
        self.ask("get", "api-key")

    def test_a_server_in_trouble_is_tried_again(self):
        match = "/secrets/api-key"
        for fault in ({"status": 503}, {"status": 500}, {"close": True}):
            with self.subTest(fault):
                self.standin.knob("faults", {"endpoint": "vault", "match": match, **fault})
                self.assertEqual("canary-api-key-0d41", self.ask("get", "api-key")["value"])

    def test_a_claims_challenge_is_answered_with_a_new_token(self):
        self.ask("get", "api-key")
        before = self.standin.counters()["token"]
        self.knob("challenge")
        self.assertEqual("canary-api-key-0d41", self.ask("get", "api-key")["value"])
        self.assertEqual(before + 1, self.standin.counters()["token"])
        self.knob("challenge", {"end": True})

    def public_key(self, name):
        key = self.ask("key", name)["key"]
        number = {member: int.from_bytes(base64.b64decode(key[member]), "big") for member in "enxy" if member in key}
        if key["kty"] == "EC":
            return ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()
        return rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()

    def check_signature(self, name, alg, signature, text):
        """Without the vault's help."""
        if alg == "ES256":
            numbers = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            self.public_key(name).verify(encode_dss_signature(*numbers), text, ec.ECDSA(hashes.SHA256()))
            return
        scheme = padding.PKCS1v15() if alg == "RS256" else padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        self.public_key(name).verify(signature, text, scheme, hashes.SHA256())

    def test_keys_sign(self):
        for name, alg in (("rsa", "PS256"), ("rsa", "RS256"), ("ec", "ES256")):
            with self.subTest(alg):
                signed = self.ask("sign", name, alg, "text")
                self.assertTrue(signed["keyId"].startswith(f"{self.url}/keys/{name}/"))
                self.assertEqual((True, False), (signed["isGood"], signed["isGoodForOthers"]))
                signature = base64.b64decode(signed["signature"])
                self.check_signature(name, alg, signature, b"text")
                with self.assertRaises(InvalidSignature):
                    self.check_signature(name, alg, signature, b"other")

    def test_keys_unwrap(self):
        for alg in ("RSA-OAEP-256", "RSA-OAEP"):
            with self.subTest(alg):
                self.assertEqual("canary-envelope", self.ask("unwrap", "rsa", alg, "canary-envelope")["text"])

    def test_keys_are_created(self):
        self.assertEqual("EC", self.ask("createKey", "made", "EC")["keyType"])
        self.check_refused(404, "KeyNotFound", None, "key", "nothing")

    def test_certificates_come_with_their_secret(self):
        found = self.ask("certificate", "gw")
        der = base64.b64decode(found["cer"])
        self.assertEqual(hashlib.sha1(der).digest(), base64.b64decode(found["thumbprint"]))
        self.assertEqual(("CN=gw", "RSA"), (found["policy"]["subject"], found["policy"]["keyType"]))
        secret = self.ask("get", "gw")
        self.assertEqual(("application/x-pkcs12", found["keyId"], found["secretId"]), (
            secret["properties"]["contentType"], secret["properties"]["certificateKeyId"], secret["properties"]["id"]))
        _, certificate, chain = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), b"")
        self.assertEqual(x509.load_der_x509_certificate(der), certificate)
        self.assertEqual(1, len(chain))
        pem = self.ask("get", "gw-pem")
        self.assertTrue(pem["value"].startswith("-----BEGIN PRIVATE KEY-----"))
        version = self.knob("certificates/gw", {"subject": "CN=gw-2"})["version"]
        self.assertEqual(version, self.ask("certificate", "gw")["properties"]["version"])
        self.ask("certificateVersion", "gw", found["properties"]["version"])
        self.assertIn("gw", [item["name"] for page in self.ask("certificates", 1) for item in page])
        self.check_refused(404, "CertificateNotFound", None, "certificate", "nothing")


class Verified(Case, unittest.TestCase):
    vault = "named-kv"
    verify = True

    @classmethod
    def address(cls):
        return f"https://named-kv.vault.localhost:{cls.standin.port}"

    def test_a_vault_elsewhere_is_not_given_a_token(self):
        before = self.standin.counters()["token"]
        client = Client(self.standin, self.standin.https(), True)
        try:
            outcome = client.ask("get", "api-key")
        finally:
            client.stop()
        self.assertIn("does not match the requested domain", outcome["message"])
        self.assertEqual(before, self.standin.counters()["token"])


class Unverified(Case, unittest.TestCase):
    vault = "plain-kv"
    verify = False

    @classmethod
    def address(cls):
        return cls.standin.https()


if __name__ == "__main__":
    unittest.main()
