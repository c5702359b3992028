#!/usr/bin/env python3
"""The vault's deleted secrets, keys, certificates, permissions and moods: python3 tests/standin/test_vault.py BINARY

Every block of refusals has a positive control through the same door."""
import base64
import datetime
import hashlib
import json
import os
import time
import unittest
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import CALLER, DEPLOYER, IDENTITY, V, Standin, WithStandin, unbase64url

ADMINISTRATOR = "10000000-0000-4000-8000-000000000005"
KNOB = "vaults/orders-kv/"
SHA256 = utils.Prehashed(hashes.SHA256())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class WithVault(WithStandin):
    """The default seed, and somebody who may do everything."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.standin.knob(KNOB + "assignments", {"principal": ADMINISTRATOR, "role": "Key Vault Administrator"})
        cls.administrator = cls.token_of(ADMINISTRATOR)
        cls.reader = cls.standin.identity_token().json["access_token"]

    @classmethod
    def token_of(cls, oid, *more):
        return cls.standin.vault_token("--app", CALLER, "--claim", 'oid="%s"' % oid, *more)

    def ask(self, method, path, body=None, token=None, status=200, **more):
        """An answer that must have this status."""
        query = "&" if "?" in path else "?"
        answer = self.standin.vault(method, path + query + V, token or self.administrator, body, **more)
        self.assertEqual(answer.status, status, answer.body)
        return answer

    def refused(self, status, code, inner, method, path, body=None, token=None, **more):
        answer = self.ask(method, path, body, token, status, **more)
        found = answer.error
        self.assertEqual((found["code"], found.get("innererror", {}).get("code")), (code, inner), answer.body)
        return found["message"]

    def until_found(self, path):
        for _ in range(1000):
            answer = self.standin.vault("GET", path + "?" + V, self.administrator)
            if answer.status == 200:
                return answer.json
            self.assertEqual(answer.status, 404)
            time.sleep(0.02)
        self.fail("never found: " + path)


class DeletedSecrets(WithVault):
    def setUp(self):
        super().setUp()
        self.standin.knob(KNOB + "settings", {"delete_delay_ms": 0, "recover_delay_ms": 0})

    def test_deletion_moves_a_secret_and_recovery_brings_all_versions_back(self):
        for value in ("canary-one", "canary-two"):
            self.ask("PUT", "/secrets/moving", {"value": value, "tags": {"a": "b"}})
        deleted = self.ask("DELETE", "/secrets/moving").json
        self.assertNotIn("value", deleted)
        self.assertTrue(deleted["recoveryId"].endswith("/deletedsecrets/moving"))
        self.assertEqual(deleted["scheduledPurgeDate"] - deleted["deletedDate"], 90 * 86400)
        self.refused(404, "SecretNotFound", None, "GET", "/secrets/moving")
        self.assertEqual(self.ask("GET", "/deletedsecrets/moving").json, deleted)
        listed = self.ask("GET", "/deletedsecrets").json["value"]
        self.assertEqual([item["recoveryId"] for item in listed], [deleted["recoveryId"]])
        self.assertNotIn("value", self.ask("POST", "/deletedsecrets/moving/recover").json)
        self.assertEqual(self.ask("GET", "/secrets/moving").json["value"], "canary-two")
        self.assertEqual(len(self.ask("GET", "/secrets/moving/versions").json["value"]), 2)
        self.refused(404, "SecretNotFound", None, "GET", "/deletedsecrets/moving")

    def test_a_deleted_name_is_taken_until_it_is_purged(self):
        self.ask("PUT", "/secrets/taken", {"value": "canary-taken"})
        self.ask("DELETE", "/secrets/taken")
        for method, body in (("PUT", {"value": "canary-new"}), ("DELETE", None)):
            self.refused(409, "Conflict", "ObjectIsDeletedButRecoverable", method, "/secrets/taken", body)
        answer = self.ask("DELETE", "/deletedsecrets/taken", status=204)
        self.assertEqual(answer.body, b"")
        self.refused(404, "SecretNotFound", None, "POST", "/deletedsecrets/taken/recover")
        self.ask("PUT", "/secrets/taken", {"value": "canary-new"})

    def test_deletion_and_recovery_take_their_time(self):
        self.ask("PUT", "/secrets/slow", {"value": "canary-slow"})
        self.standin.knob(KNOB + "settings", {"delete_delay_ms": 600000})
        self.ask("DELETE", "/secrets/slow")
        self.refused(404, "SecretNotFound", None, "GET", "/deletedsecrets/slow")
        self.refused(404, "SecretNotFound", None, "GET", "/secrets/slow")
        self.refused(404, "SecretNotFound", None, "DELETE", "/deletedsecrets/slow")
        self.refused(409, "Conflict", "ObjectIsBeingDeleted", "PUT", "/secrets/slow", {"value": "x"})
        self.standin.knob(KNOB + "settings", {"delete_delay_ms": 50, "recover_delay_ms": 600000})
        self.ask("PUT", "/secrets/slower", {"value": "canary-slower"})
        self.ask("DELETE", "/secrets/slower")
        self.until_found("/deletedsecrets/slower")
        self.ask("POST", "/deletedsecrets/slower/recover")
        self.refused(404, "SecretNotFound", None, "GET", "/secrets/slower")
        self.refused(409, "Conflict", "ObjectIsBeingRecovered", "PUT", "/secrets/slower", {"value": "x"})

    def test_recovery_ends(self):
        self.standin.knob(KNOB + "settings", {"recover_delay_ms": 50})
        self.ask("PUT", "/secrets/coming", {"value": "canary-coming"})
        self.ask("DELETE", "/secrets/coming")
        self.ask("POST", "/deletedsecrets/coming/recover")
        self.assertEqual(self.until_found("/secrets/coming")["value"], "canary-coming")

    def test_knobs_delete_and_recover_too(self):
        self.ask("PUT", "/secrets/by-knob", {"value": "canary-by-knob"})
        self.standin.knob(KNOB + "secrets/by-knob/soft-delete")
        self.refused(404, "SecretNotFound", None, "GET", "/secrets/by-knob", token=self.reader)
        self.standin.knob(KNOB + "secrets/by-knob/soft-delete", status=404)
        self.standin.knob(KNOB + "secrets/by-knob/recover")
        self.ask("GET", "/secrets/by-knob", token=self.reader)
        self.standin.knob(KNOB + "secrets/by-knob/recover", status=404)

    def test_each_step_needs_its_own_permission(self):
        self.ask("PUT", "/secrets/guarded", {"value": "canary-guarded"})
        self.refused(403, "Forbidden", "ForbiddenByRbac", "DELETE", "/secrets/guarded", token=self.reader)
        self.ask("DELETE", "/secrets/guarded")
        self.ask("GET", "/deletedsecrets/guarded", token=self.reader)
        for method, path in (("POST", "/deletedsecrets/guarded/recover"), ("DELETE", "/deletedsecrets/guarded")):
            self.refused(403, "Forbidden", "ForbiddenByRbac", method, path, token=self.reader)
        officer = self.standin.vault_token("--app", DEPLOYER)
        self.ask("POST", "/deletedsecrets/guarded/recover", token=officer)

    def test_a_backup_restores_what_was_purged(self):
        first = self.ask("PUT", "/secrets/kept", {"value": "canary-kept", "attributes": {"exp": 1893456000}}).json
        self.ask("PUT", "/secrets/kept", {"value": "canary-kept-2"})
        backup = self.ask("POST", "/secrets/kept/backup").json["value"]
        message = self.refused(409, "Conflict", None, "POST", "/secrets/restore", {"value": backup})
        self.assertIn("kept", message)
        self.ask("DELETE", "/secrets/kept")
        self.ask("DELETE", "/deletedsecrets/kept", status=204)
        self.assertNotIn("value", self.ask("POST", "/secrets/restore", {"value": backup}).json)
        path = urllib.parse.urlsplit(first["id"]).path
        self.assertEqual(self.ask("GET", path).json["value"], "canary-kept")
        self.assertEqual(self.ask("GET", path).json["attributes"]["exp"], 1893456000)
        for wrong in ("", "!", base64url(b"{}"), base64url(b'{"name":"x","versions":[{}]}'), 7):
            self.refused(400, "BadParameter", None, "POST", "/secrets/restore", {"value": wrong})


class Keys(WithVault):
    def operate(self, path, document, **more):
        return self.ask("POST", path, document, **more).json

    def public_key(self, name):
        jwk = self.ask("GET", "/keys/%s/" % name).json["key"]
        number = {member: int.from_bytes(unbase64url(jwk[member]), "big")
                  for member in ("n", "e", "x", "y") if member in jwk}
        if jwk["kty"] == "RSA":
            return jwk, rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
        return jwk, ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()

    def test_get_describes_the_public_part(self):
        jwk, _ = self.public_key("gw-signing")
        self.assertRegex(jwk["kid"], "^%s/keys/gw-signing/[0-9a-f]{32}$" % self.standin.http)
        self.assertEqual((jwk["kty"], jwk["e"], len(unbase64url(jwk["n"]))), ("RSA", "AQAB", 256))
        self.assertIn("unwrapKey", jwk["key_ops"])
        self.assertFalse({"d", "p", "q"} & set(jwk))
        jwk, _ = self.public_key("gw-ec")
        self.assertEqual((jwk["kty"], jwk["crv"], jwk["key_ops"]), ("EC", "P-256", ["sign", "verify"]))

    def test_signatures_verify_outside_of_the_vault(self):
        digest = hashlib.sha256(b"signed").digest()
        for name, alg in (("gw-signing", "RS256"), ("gw-signing", "PS256"), ("gw-ec", "ES256")):
            with self.subTest(alg):
                jwk, key = self.public_key(name)
                answer = self.operate(urllib.parse.urlsplit(jwk["kid"]).path + "/sign",
                                      {"alg": alg, "value": base64url(digest)})
                self.assertEqual(answer["kid"], jwk["kid"])
                signature = unbase64url(answer["value"])
                if alg == "ES256":
                    self.assertEqual(len(signature), 64)
                    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
                    check = lambda text: key.verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(SHA256))
                else:
                    scheme = padding.PKCS1v15() if alg == "RS256" else padding.PSS(padding.MGF1(hashes.SHA256()), 32)
                    check = lambda text: key.verify(signature, text, scheme, SHA256)
                check(digest)
                with self.assertRaises(InvalidSignature):
                    check(bytes(32))
                for text, is_good in ((digest, True), (bytes(32), False)):
                    answer = self.operate("/keys/%s/verify" % name, {
                        "alg": alg, "digest": base64url(text), "value": base64url(signature)})
                    self.assertEqual(answer, {"value": is_good})

    def test_longer_digests_sign_too(self):
        for name, alg, size in (("gw-signing", "PS384", 48), ("gw-signing", "RS512", 64)):
            self.operate("/keys/%s//sign" % name, {"alg": alg, "value": base64url(bytes(size))})

    def test_what_was_encrypted_outside_is_unwrapped(self):
        _, key = self.public_key("gw-signing")
        scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        for operation in ("unwrapkey", "decrypt", "unwrapKey"):
            answer = self.operate("/keys/gw-signing/" + operation, {
                "alg": "RSA-OAEP-256", "value": base64url(key.encrypt(b"canary-envelope", scheme))})
            self.assertEqual(unbase64url(answer["value"]), b"canary-envelope")
        for operation, back in (("wrapkey", "unwrapkey"), ("encrypt", "decrypt")):
            for alg in ("RSA-OAEP-256", "RSA-OAEP", "RSA1_5"):
                sealed = self.operate("/keys/gw-signing/" + operation, {"alg": alg, "value": base64url(b"k")})
                opened = self.operate("/keys/gw-signing/" + back, {"alg": alg, "value": sealed["value"]})
                self.assertEqual(unbase64url(opened["value"]), b"k")

    def test_refuses_what_does_not_fit(self):
        digest = base64url(bytes(32))
        for path, document in (("/keys/gw-signing/sign", {"alg": "RS256", "value": base64url(bytes(31))}),
                               ("/keys/gw-signing/sign", {"alg": "ES256", "value": digest}),
                               ("/keys/gw-ec/sign", {"alg": "RS256", "value": digest}),
                               ("/keys/gw-ec/unwrapkey", {"alg": "RSA-OAEP-256", "value": digest}),
                               ("/keys/gw-signing/unwrapkey", {"alg": "RSA-OAEP-256", "value": digest}),
                               ("/keys/gw-signing/sign", {"alg": "RS256", "value": "a+b/"}),
                               ("/keys/gw-signing/sign", {"alg": "RS256"}),
                               ("/keys/gw-signing/sign", []),
                               ("/keys/gw-signing/verify", {"alg": "RS256", "value": digest})):
            self.refused(400, "BadParameter", None, "POST", path, document)
        message = self.refused(404, "KeyNotFound", None, "POST", "/keys/nothing/sign",
                               {"alg": "RS256", "value": digest})
        self.assertTrue(message.startswith("A key with (name/id) nothing was not found in this key vault."))
        self.refused(405, "MethodNotAllowed", None, "POST", "/keys/gw-signing/bend", {"alg": "RS256"})
        self.operate("/keys/gw-signing/sign", {"alg": "RS256", "value": digest})

    def test_disabled_and_expired_keys_do_not_work(self):
        work = {"alg": "RS256", "value": base64url(bytes(32))}
        for attributes, inner in (({"enabled": False}, "KeyDisabled"), ({"exp": 1577836800}, "KeyExpired"),
                                  ({"nbf": 4102444800}, "KeyNotYetValid")):
            self.standin.knob(KNOB + "keys/worn", {})
            self.operate("/keys/worn/sign", work)
            self.standin.knob(KNOB + "keys/worn/versions/newest", {"attributes": attributes})
            self.refused(403, "Forbidden", inner, "POST", "/keys/worn/sign", work)
            self.ask("GET", "/keys/worn")

    def test_keys_are_made_over_the_wire_and_by_knob(self):
        made = self.ask("POST", "/keys/fresh/create", {
            "kty": "EC", "crv": "P-384", "tags": {"a": "b"}, "attributes": {"enabled": True}}).json
        self.assertEqual((made["key"]["crv"], made["tags"]), ("P-384", {"a": "b"}))
        self.standin.knob(KNOB + "keys/fresh", {"kty": "EC"})
        versions = self.ask("GET", "/keys/fresh/versions").json["value"]
        self.assertEqual(versions[0]["kid"], made["key"]["kid"])
        self.assertEqual(len(versions), 2)
        names = [item["kid"].rsplit("/", 1)[1] for item in self.ask("GET", "/keys").json["value"]]
        self.assertLessEqual({"fresh", "gw-ec", "gw-signing"}, set(names))
        for wrong in ({"kty": "DSA"}, {"key_size": 1024}, {"kty": "EC", "crv": "P-1"}, {"tags": {"a": 1}}):
            self.refused(400, "BadParameter", None, "POST", "/keys/bad/create", wrong)
            self.standin.knob(KNOB + "keys/bad", wrong, status=400)
        self.standin.knob(KNOB + "keys/fresh/delete")
        self.refused(404, "KeyNotFound", None, "GET", "/keys/fresh")

    def test_operations_need_their_own_permission(self):
        principal = "10000000-0000-4000-8000-000000000011"
        token = self.token_of(principal)
        self.standin.knob(KNOB + "assignments", {"principal": principal, "scope": "/keys/gw-signing",
                                                 "role": "Key Vault Crypto Service Encryption User"})
        digest = {"alg": "RS256", "value": base64url(bytes(32))}
        self.ask("POST", "/keys/gw-signing/wrapkey", {"alg": "RSA-OAEP-256", "value": "aw"}, token)
        message = self.refused(403, "Forbidden", "ForbiddenByRbac", "POST", "/keys/gw-signing/sign", digest, token)
        self.assertIn("Action: 'Microsoft.KeyVault/vaults/keys/sign/action'", message)
        self.assertIn("/vaults/orders-kv/keys/gw-signing'", message)
        self.ask("GET", "/keys/gw-signing", token=token)
        self.refused(403, "Forbidden", "ForbiddenByRbac", "GET", "/keys/gw-ec", token=token)
        self.refused(403, "Forbidden", "ForbiddenByRbac", "GET", "/keys", token=token)


class Certificates(WithVault):
    def secret_of(self, name, version=""):
        return self.ask("GET", "/secrets/%s/%s" % (name, version), token=self.reader).json

    def load(self, name):
        """Key, certificate and chain out of the secret behind a certificate."""
        secret = self.secret_of(name)
        if secret["contentType"] == "application/x-pkcs12":
            return pkcs12.load_key_and_certificates(base64.b64decode(secret["value"], validate=True), b"")
        chain = [x509.load_pem_x509_certificate(part.encode() + b"-----END CERTIFICATE-----\n")
                 for part in secret["value"].split("-----END CERTIFICATE-----")[:-1]]
        return serialization.load_pem_private_key(secret["value"].encode(), None), chain[0], chain[1:]

    def authority(self):
        with open(os.path.join(self.standin.state, "client-ca.pem"), "rb") as file:
            return x509.load_pem_x509_certificate(file.read())

    def test_certificate_key_and_secret_are_one(self):
        bundle = self.ask("GET", "/certificates/gw-client/").json
        der = base64.b64decode(bundle["cer"], validate=True)
        self.assertEqual(bundle["x5t"], base64url(hashlib.sha1(der).digest()))
        version = bundle["id"].rsplit("/", 1)[1]
        self.assertEqual(bundle["kid"], "%s/keys/gw-client/%s" % (self.standin.http, version))
        self.assertEqual(bundle["sid"], "%s/secrets/gw-client/%s" % (self.standin.http, version))
        self.assertEqual(bundle["policy"]["secret_props"], {"contentType": "application/x-pkcs12"})
        self.assertEqual(bundle["policy"]["key_props"],
                         {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False})
        self.assertEqual(self.ask("GET", "/certificates/gw-client/policy").json, bundle["policy"])
        secret = self.secret_of("gw-client")
        self.assertEqual((secret["id"], secret["kid"], secret["managed"]), (bundle["sid"], bundle["kid"], True))
        self.assertEqual(secret["attributes"]["exp"], bundle["attributes"]["exp"])
        key = self.ask("GET", "/keys/gw-client").json
        self.assertEqual((key["key"]["kid"], key["managed"]), (bundle["kid"], True))
        private, certificate, chain = self.load("gw-client")
        self.assertEqual(certificate.public_bytes(serialization.Encoding.DER), der)
        self.assertEqual(private.public_key().public_numbers().n, int.from_bytes(unbase64url(key["key"]["n"]), "big"))
        self.assertEqual(certificate.subject.rfc4514_string(), "O=Fabrikam,CN=orders-gw")
        self.assertEqual(chain, [self.authority()])
        self.assertEqual(certificate.issuer, self.authority().subject)
        self.authority().public_key().verify(certificate.signature, certificate.tbs_certificate_bytes,
                                             ec.ECDSA(certificate.signature_hash_algorithm))
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usage), [ExtendedKeyUsageOID.CLIENT_AUTH])

    def test_pem_holds_the_key_and_then_the_certificate(self):
        secret = self.secret_of("gw-client-pem")
        self.assertEqual(secret["contentType"], "application/x-pem-file")
        self.assertTrue(secret["value"].startswith("-----BEGIN PRIVATE KEY-----\n"))
        private, certificate, chain = self.load("gw-client-pem")
        self.assertEqual(private.public_key().public_numbers(), certificate.public_key().public_numbers())
        self.assertEqual((certificate.issuer, chain), (certificate.subject, []))

    def test_a_pfx_is_converted_to_pem(self):
        path = "/secrets/gw-client?outContentType=application/x-pem-file"
        converted = self.ask("GET", path, token=self.reader).json
        private = serialization.load_pem_private_key(converted["value"].encode(), None)
        self.assertEqual(private.private_numbers(), self.load("gw-client")[0].private_numbers())
        self.assertEqual(converted["contentType"], "application/x-pem-file")
        for path in ("/secrets/gw-client?outContentType=text/plain",
                     "/secrets/rabbit-admin?outContentType=application/x-pem-file"):
            self.refused(400, "BadParameter", None, "GET", path)

    def test_rotation_adds_a_version_with_another_key(self):
        self.standin.knob(KNOB + "certificates/turning", {"kty": "EC"})
        old = self.secret_of("turning")
        old_key = self.load("turning")[0]
        version = self.standin.knob(KNOB + "certificates/turning", {"kty": "EC", "dns": "gw.fabrikam.example"})["version"]
        self.assertEqual(self.secret_of("turning")["id"].rsplit("/", 1)[1], version)
        private, certificate, _ = self.load("turning")
        self.assertNotEqual(private.private_numbers(), old_key.private_numbers())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["gw.fabrikam.example"])
        self.assertEqual(self.secret_of("turning", old["id"].rsplit("/", 1)[1])["value"], old["value"])
        listed = self.ask("GET", "/certificates/turning/versions").json["value"]
        self.assertEqual(len(listed), 2)
        self.assertIn("x5t", listed[0])
        items = self.ask("GET", "/certificates").json["value"]
        self.assertLessEqual({"gw-client", "gw-client-pem", "turning"},
                             {item["id"].rsplit("/", 1)[1] for item in items})

    def test_times_and_switches_are_as_ordered(self):
        self.standin.knob(KNOB + "certificates/old", {"kty": "EC", "nbf": 1500000000, "exp": 1577836800})
        certificate = self.load("old")[1]
        self.assertEqual(certificate.not_valid_after, datetime.datetime(2020, 1, 1))
        attributes = self.secret_of("old")["attributes"]
        self.assertEqual((attributes["nbf"], attributes["exp"]), (1500000000, 1577836800))
        self.standin.knob(KNOB + "certificates/off", {"kty": "EC", "enabled": False})
        self.refused(403, "Forbidden", "SecretDisabled", "GET", "/secrets/off", token=self.reader)
        self.assertFalse(self.ask("GET", "/certificates/off").json["attributes"]["enabled"])

    def test_a_key_that_stays_leaves_the_public_part(self):
        for kind in ("application/x-pkcs12", "application/x-pem-file"):
            self.standin.knob(KNOB + "certificates/staying", {"kty": "EC", "exportable": False, "contentType": kind})
            value = self.secret_of("staying")["value"]
            if kind == "application/x-pem-file":
                self.assertNotIn("PRIVATE", value)
                self.assertIn("-----BEGIN CERTIFICATE-----", value)
            else:
                bag = pkcs12.load_pkcs12(base64.b64decode(value), b"")
                self.assertIsNone(bag.key)
                self.assertEqual(len(bag.additional_certs), 2)

    def test_a_legacy_pfx_is_sealed_as_windows_does(self):
        self.standin.knob(KNOB + "certificates/legacy", {"kty": "EC", "pfx": "legacy"})
        der = base64.b64decode(self.secret_of("legacy")["value"])
        self.assertIn(bytes.fromhex("2a864886f70d010c0106"), der)  # pbeWithSHA1And40BitRC2-CBC
        self.standin.knob(KNOB + "certificates/modern", {"kty": "EC"})
        der = base64.b64decode(self.secret_of("modern")["value"])
        self.assertNotIn(bytes.fromhex("2a864886f70d010c01"), der)

    def test_the_secret_follows_the_certificate(self):
        for method, body in (("PUT", {"value": "x"}), ("DELETE", None)):
            message = self.refused(403, "Forbidden", None, method, "/secrets/gw-client", body)
            self.assertIn("associated with a certificate", message)
        self.standin.knob(KNOB + "certificates/rabbit-admin", {"kty": "EC"}, status=400)
        self.standin.knob(KNOB + "certificates/passing", {"kty": "EC"})
        self.secret_of("passing")
        self.standin.knob(KNOB + "certificates/passing/delete")
        for path in ("/certificates/passing", "/keys/passing", "/secrets/passing"):
            self.ask("GET", path, status=404)

    def test_reading_needs_the_secrets_permission(self):
        self.secret_of("gw-client")
        self.refused(403, "Forbidden", "ForbiddenByRbac", "GET", "/certificates/gw-client", token=self.reader)
        message = self.refused(404, "CertificateNotFound", None, "GET", "/certificates/nothing")
        self.assertTrue(message.startswith("A certificate with (name/id) nothing was not found"))
        self.refused(405, "MethodNotAllowed", None, "POST", "/certificates/gw-client", {})

    def test_wrong_orders_are_refused(self):
        for wrong in ({"subject": "orders-gw"}, {"subject": "XX=orders-gw"}, {"contentType": "text/plain"},
                      {"issuer": "nobody"}, {"pfx": "old"}, {"exp": "soon"}, {"colour": "red"}):
            self.standin.knob(KNOB + "certificates/wrong", wrong, status=400)
        self.standin.knob(KNOB + "certificates/wrong", {"kty": "EC"})

    def test_the_authority_outlives_the_server(self):
        first = self.authority()
        standin = Standin(state=self.standin.state)
        self.assertEqual(standin.stop(), 0)
        self.assertEqual(self.authority(), first)


class Moods(WithVault):
    """What stops a good token."""

    def tearDown(self):
        self.standin.knob(KNOB + "settings", {"network": "open"})
        self.standin.knob(KNOB + "throttle", {})
        self.standin.knob(KNOB + "challenge", {"end": True})
        self.standin.knob(KNOB + "access-policies", {})
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader)

    def test_the_network_rules_say_which_they_are(self):
        for network, inner, text in (
                ("firewall", "ForbiddenByFirewall",
                 "Client address is not authorized and caller is not a trusted service."),
                ("private", "ForbiddenByConnection", "Public network access is disabled")):
            self.standin.knob(KNOB + "settings", {"network": network})
            message = self.refused(403, "Forbidden", inner, "GET", "/secrets/rabbit-admin", token=self.reader)
            self.assertTrue(message.startswith(text))
            self.assertIn("appid=%s;" % IDENTITY, message)
            self.refused(401, "Unauthorized", None, "GET", "/secrets/rabbit-admin", token="nonsense")
        self.standin.knob(KNOB + "settings", {"network": "dialup"}, status=400)

    def test_throttled_requests_say_when_to_come_back_or_not(self):
        self.standin.knob(KNOB + "throttle", {"count": 1})
        answer = self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=429)
        self.assertIsNone(answer.headers["Retry-After"])
        self.assertEqual(answer.json, {"error": {
            "code": "Throttled", "message": "Request was not processed because too many requests were received. "
                                            "Reason: VaultRequestTypeLimitReached"}})
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader)
        self.standin.knob(KNOB + "throttle", {"count": 2, "retry_after": 7})
        for _ in range(2):
            answer = self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=429)
            self.assertEqual(answer.headers["Retry-After"], "7")

    def test_a_limit_holds_in_its_window(self):
        self.standin.knob(KNOB + "throttle", {"limit": 3, "window_ms": 600000})
        statuses = [self.standin.vault("GET", "/secrets/rabbit-admin?" + V, self.reader).status for _ in range(5)]
        self.assertEqual(statuses, [200, 200, 200, 429, 429])
        self.standin.knob(KNOB + "throttle", {"limit": -1}, status=400)

    def test_faults_of_the_vault_look_like_the_service(self):
        self.standin.knob("faults", {"endpoint": "vault", "status": 429, "match": "127.0.0.1/secrets/rabbit"})
        answer = self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=429)
        self.assertIn("VaultRequestTypeLimitReached", answer.error["message"])
        self.assertIn("x-ms-keyvault-region", answer.headers)

    def test_a_fault_answers_with_a_value_of_any_size(self):
        self.standin.knob("faults", {"endpoint": "vault", "status": 200, "value_bytes": 1 << 20})
        self.assertEqual(self.ask("GET", "/secrets/rabbit-admin").json, {"value": "x" * (1 << 20)})
        for wrong in (0, (16 << 20) + 1):
            self.standin.knob("faults", {"endpoint": "vault", "status": 200, "value_bytes": wrong}, status=400)

    def test_a_claims_challenge_wants_another_token_from_a_capable_client(self):
        self.standin.knob(KNOB + "challenge", {})
        self.refused(401, "Unauthorized", None, "GET", "/secrets/rabbit-admin", token=self.reader)
        answer = self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=401)
        header = answer.headers["WWW-Authenticate"]
        self.assertTrue(header.startswith('Bearer authorization="'), header)
        self.assertIn('", error="insufficient_claims", claims="', header)
        claims = json.loads(base64.b64decode(header.rsplit('claims="', 1)[1][:-1]))
        self.assertTrue(claims["access_token"]["nbf"]["essential"])
        other = self.token_of(ADMINISTRATOR)
        self.ask("GET", "/secrets/rabbit-admin", token=other, status=401)
        capable = self.token_of(ADMINISTRATOR, "--claim", 'xms_cc=["cp1"]')
        self.ask("GET", "/secrets/rabbit-admin", token=capable)
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=401)

    def test_a_claims_challenge_may_take_any_other_token(self):
        self.standin.knob(KNOB + "challenge", {"any_client": True})
        for _ in range(2):
            self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=401)
        self.ask("GET", "/secrets/rabbit-admin")
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader, status=401)

    def test_a_claims_challenge_carries_the_claims_it_was_given(self):
        claims = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
        self.standin.knob(KNOB + "challenge", {"claims": claims})
        header = self.ask("GET", "/secrets/rabbit-admin", status=401).headers["WWW-Authenticate"]
        self.assertEqual(json.loads(base64.b64decode(header.rsplit('claims="', 1)[1][:-1])), claims)

    def test_access_policies_deny_in_their_own_words(self):
        policy = {"principal": ADMINISTRATOR, "secrets": ["get"], "keys": ["get", "sign"]}
        self.standin.knob(KNOB + "access-policies", {"policies": [policy]})
        self.assertNotIn("x-ms-keyvault-rbac-cache", self.ask("GET", "/secrets/rabbit-admin").headers)
        self.ask("POST", "/keys/gw-ec/sign", {"alg": "ES256", "value": base64url(bytes(32))})
        for method, path, body, words in (("GET", "/secrets", None, "secrets list"),
                                          ("PUT", "/secrets/x", {"value": "x"}, "secrets set"),
                                          ("POST", "/keys/gw-signing/wrapkey", {}, "keys wrapKey"),
                                          ("GET", "/keys", None, "keys list"),
                                          ("GET", "/certificates/gw-client", None, "certificates get")):
            message = self.refused(403, "Forbidden", "AccessDenied", method, path, body)
            self.assertIn("does not have %s permission on key vault 'orders-kv;" % words, message)
        message = self.refused(403, "Forbidden", "AccessDenied", "GET", "/secrets/rabbit-admin", token=self.reader)
        self.assertTrue(message.startswith("Caller was not found on any access policy."))
        self.standin.knob(KNOB + "access-policies", {"policies": [{"principal": "me"}]}, status=400)


class Permissions(WithVault):
    def test_a_denial_by_knob_wins_and_goes(self):
        get = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader)
        self.standin.knob(KNOB + "deny", {"principal": "*", "dataActions": [get], "scope": "/secrets/rabbit-admin"})
        message = self.refused(403, "Forbidden", "ForbiddenByRbac", "GET", "/secrets/rabbit-admin", token=self.reader)
        self.assertIn("DecisionReason: 'DeniedByDenyAssignment'", message)
        self.ask("GET", "/secrets/rabbit-viewer", token=self.reader)
        self.ask("GET", "/secrets/rabbit-admin/versions", token=self.reader)
        self.assertEqual(self.standin.knob(KNOB + "assignments/forget", {"principal": "*"}), {"removed": 1})
        self.ask("GET", "/secrets/rabbit-admin", token=self.reader)
        self.standin.knob(KNOB + "deny", {"principal": "*", "scope": "/secrets"}, status=400)

    def test_an_assignment_takes_its_time(self):
        principal = "10000000-0000-4000-8000-000000000021"
        token = self.token_of(principal)
        grant = {"principal": principal, "role": "Key Vault Secrets User", "scope": "/secrets/rabbit-admin"}
        self.standin.knob(KNOB + "assignments", {**grant, "delay_ms": 600000})
        self.refused(403, "Forbidden", "ForbiddenByRbac", "GET", "/secrets/rabbit-admin", token=token)
        self.standin.knob(KNOB + "assignments", {**grant, "delay_ms": 50})
        while self.standin.vault("GET", "/secrets/rabbit-admin?" + V, token).status == 403:
            time.sleep(0.02)
        self.ask("GET", "/secrets/rabbit-admin", token=token)

    def test_roles_reach_as_far_as_azures(self):
        calls = {"value": ("GET", "/secrets/rabbit-admin", None), "metadata": ("GET", "/secrets", None),
                 "key": ("GET", "/keys/gw-ec", None), "certificate": ("GET", "/certificates/gw-client-pem", None),
                 "sign": ("POST", "/keys/gw-ec/sign", {"alg": "ES256", "value": base64url(bytes(32))})}
        roles = {"Key Vault Secrets User": {"value", "metadata"}, "Key Vault Secrets Officer": {"value", "metadata"},
                 "Key Vault Reader": {"metadata", "key", "certificate"},
                 "Key Vault Certificate User": {"value", "metadata", "key", "certificate"},
                 "Key Vault Certificates Officer": {"certificate"}, "Key Vault Crypto User": {"key", "sign"},
                 "Key Vault Crypto Service Encryption User": {"key"}, "Key Vault Contributor": set(),
                 "Key Vault Administrator": set(calls)}
        for number, (role, wanted) in enumerate(roles.items()):
            principal = "30000000-0000-4000-8000-%012d" % number
            token = self.token_of(principal)
            self.standin.knob(KNOB + "assignments", {"principal": principal, "role": role})
            allowed = {name for name, (method, path, body) in calls.items()
                       if self.standin.vault(method, path + "?" + V, token, body).status == 200}
            with self.subTest(role):
                self.assertEqual(allowed, wanted)


class Canaries(WithVault):
    def test_every_seeded_value_says_canary_or_is_a_private_key(self):
        self.ask("GET", "/secrets"), self.ask("GET", "/keys")
        seen = self.standin.get("/standin/canaries").json["canaries"]
        places = {}
        for canary in seen:
            places.setdefault(canary["name"].rsplit("/", 1)[0], []).append(canary["text"])
        for name in ("rabbit-admin", "rabbit-viewer", "influx-token", "upstream-api-key", "retired-key", "expired-key"):
            self.assertIn("canary-" + name, places["orders-kv/secrets/" + name][0])
        managed = {"orders-kv/secrets/gw-client", "orders-kv/secrets/gw-client-pem"}
        for place, texts in places.items():
            if "/secrets/" in place and place not in managed:
                self.assertTrue(all("canary" in text for text in texts), place)
        for name in ("gw-client", "gw-client-pem", "gw-signing", "gw-ec"):
            self.assertTrue(places["orders-kv/keys/" + name], name)
        value = self.ask("GET", "/secrets/gw-client", token=self.reader).json["value"]
        self.assertEqual(places["orders-kv/secrets/gw-client"], [value])
        self.assertTrue(any(canary["text"] == "canary-caller-client-secret~1" for canary in seen))

    def test_deleted_and_older_values_stay_canaries(self):
        for value in ("canary-first-of-two", "canary-second-of-two"):
            self.ask("PUT", "/secrets/passing", {"value": value})
        self.ask("DELETE", "/secrets/passing")
        texts = {canary["text"] for canary in self.standin.get("/standin/canaries").json["canaries"]}
        self.assertLessEqual({"canary-first-of-two", "canary-second-of-two"}, texts)


class Hosts(WithStandin):
    seed = {"vaults": {"one-kv": {"resource": "https://vault.localhost", "secrets": {"x": "canary-x"},
                                  "keys": {"k": {"kty": "EC"}}, "certificates": {"c": {"kty": "EC"}},
                                  "access_policies": [{"principal": ADMINISTRATOR, "secrets": ["all"],
                                                       "keys": ["get"], "certificates": ["get"]}]}}}

    def test_every_collection_is_found_by_host_and_by_path(self):
        token = self.standin.vault_token("--app", CALLER, "--claim", 'oid="%s"' % ADMINISTRATOR)
        for path in ("/secrets/x", "/keys/k/", "//certificates/c", "/secrets/c"):
            for prefix, headers in (("", {"Host": "ONE-kv.vault.localhost"}), ("/vaults/one-kv", {})):
                answer = self.standin.vault("GET", prefix + path + "?api%2Dversion=7.4", token, headers=headers)
                self.assertEqual(answer.status, 200, answer.body)
        answer = self.standin.vault("GET", "/elsewhere?" + V, token, headers={"Host": "one-kv.vault.localhost"})
        self.assertEqual((answer.status, answer.error["code"]), (404, "NotFound"))


if __name__ == "__main__":
    unittest.main()
