#!/usr/bin/python3
"""Every kind of credential that barkeep can have, as Microsoft's libraries use it against the stand-in.

They judge the stand-in: what they accept and how they read its refusals is what barkeep's side is tested with."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from lib import process, tokens  # noqa: E402
from lib.barkeep import Standin, get  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
GATEWAY = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
GATEWAY_OBJECT = "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4"
SECRET = "canary-orders-gw-client-secret"
IDENTITY = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
IDENTITY_OBJECT = "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172"
MIRA = "e0d1c2b3-a495-4867-9588-776655443322"
STOCK = "e4f50617-2839-4a5b-8c6d-7e8f9a0b1c2d"
STOCK_SCOPE = "api://stock/Stock.Read"
VAULT_SCOPE = "https://vault.azure.net/.default"
ARC_FOLDER = pathlib.Path("/var/opt/azcmagent/tokens")  # the one that libraries accept
CHALLENGE = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}


def openssl(*words, stdin=None):
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True).stdout


def claims_of(outcome):
    return json.loads(tokens.unb64url(outcome["token"].split(".")[1]))


class Credentials(unittest.TestCase):
    """One stand-in; each test one or a few runs of client.mjs."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.standin = Standin(cls.folder, options=cls.options())
        cls.addClassCleanup(cls.standin.stop)
        cls.standin.start()

    @classmethod
    def options(cls):
        return ()

    def ask(self, way, env=None, **order):
        """What one run of client.mjs came to: its token, or the library's error."""
        order = {"way": way, "authority": self.standin.https(), "tenant": TENANT, "client": GATEWAY,
                 "scope": VAULT_SCOPE, **order}
        env = {"NODE_EXTRA_CA_CERTS": str(self.standin.ca()), **(env or {})}
        code, stdout, stderr = process.run(["node", str(HERE / "client.mjs"), json.dumps(order)], 60, env)
        self.assertEqual(0, code, stderr)
        return json.loads(stdout)

    def check_opens_the_vault(self, outcome, oid, strength):
        """The token is one of that principal, and good where it is for."""
        self.assertIn("token", outcome, outcome)
        claims = claims_of(outcome)
        self.assertEqual((oid, strength), (claims["oid"], claims["appidacr"]))
        status, _, body = get(self.standin.http_port, "/secrets/rabbit-admin?api-version=7.4",
                              headers={"Authorization": f"Bearer {outcome['token']}"})
        self.assertEqual(200, status, body)
        return claims

    def check_refused(self, outcome, aadsts):
        self.assertNotIn("token", outcome)
        self.assertIn(str(aadsts), outcome["message"])


class Certificates(Credentials):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key, cls.certificate, cls.both = (cls.folder / name for name in ("key.pem", "cert.pem", "both.pem"))
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=barkeep", "-days", "2",
                "-keyout", str(cls.key), "-out", str(cls.certificate))
        cls.both.write_text(cls.key.read_text() + cls.certificate.read_text())
        cls.standin.knob(f"apps/{GATEWAY}", {"certificate": cls.certificate.read_text()})

    def thumbprint(self, digest):
        text = openssl("x509", "-in", str(self.certificate), "-noout", "-fingerprint", f"-{digest}").decode()
        return bytes.fromhex(text.split("=")[1].strip().replace(":", ""))

    def assertion(self, *, algorithm, digest, sign=()):
        """An assertion with nothing of ours but openssl's signature."""
        now = int(time.time())
        name = "x5t" if digest == "sha1" else "x5t#S256"
        header = {"alg": algorithm, "typ": "JWT", name: tokens.b64url(self.thumbprint(digest))}
        claims = {"aud": self.standin.https(f"/{TENANT}/oauth2/v2.0/token"), "iss": GATEWAY, "sub": GATEWAY,
                  "jti": str(uuid.uuid4()), "nbf": now, "iat": now, "exp": now + 300}
        text = ".".join(tokens.b64url(tokens.as_json(part)) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", str(self.key), *sign, stdin=text.encode())
        return f"{text}.{tokens.b64url(signature)}"

    def test_a_certificate_gets_a_token(self):
        for chain in (False, True):
            with self.subTest(chain=chain):
                outcome = self.ask("certificate", file=str(self.both), chain=chain)
                self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "2")

    def test_an_assertion_by_openssl_gets_a_token(self):
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
        for how in ({"algorithm": "RS256", "digest": "sha1"},
                    {"algorithm": "PS256", "digest": "sha256", "sign": pss}):
            with self.subTest(how["algorithm"]):
                outcome = self.ask("assertion", assertion=self.assertion(**how))
                self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "2")

    def test_an_assertion_signed_otherwise_than_it_says_does_not(self):
        outcome = self.ask("assertion", assertion=self.assertion(algorithm="PS256", digest="sha256"))
        self.check_refused(outcome, 700027)

    def test_msals_application_signs_in_both_manners(self):
        key = self.key.read_text()
        for name, digest in (("thumbprint", "sha1"), ("thumbprintSha256", "sha256")):
            with self.subTest(name):
                certificate = {name: self.thumbprint(digest).hex(), "privateKey": key}
                self.check_opens_the_vault(self.ask("msal", certificate=certificate), GATEWAY_OBJECT, "2")

    def test_another_certificate_does_not(self):
        other = self.folder / "other.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "2",
                "-keyout", str(other), "-out", str(self.folder / "other-cert.pem"))
        other.write_text(other.read_text() + (self.folder / "other-cert.pem").read_text())
        self.check_refused(self.ask("certificate", file=str(other)), 700027)


class Workloads(Credentials):
    def test_the_file_is_read_again_after_it_rotated(self):
        file = self.folder / "azure-identity-token"
        for row, arguments, aadsts in (("first", (), None), ("run out", ("--expires-in", "-600"), 700024),
                                       ("rotated", (), None),
                                       ("another account", ("--subject", "system:serviceaccount:edge:x"), 700213),
                                       ("another issuer", ("--issuer", "https://oidc.other.example"), 700211)):
            with self.subTest(row):
                file.write_text(self.standin.service_account(*arguments))
                outcome = self.ask("workload", file=str(file))
                if aadsts:
                    self.check_refused(outcome, aadsts)
                else:
                    self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "2")


class Chain(Credentials):
    """DefaultAzureCredential takes what the environment has."""

    def ask_chain(self, **env):
        return self.ask("chain", {"AZURE_AUTHORITY_HOST": self.standin.https(), "AZURE_TOKEN_CREDENTIALS": "prod",
                                  **env})

    def test_the_environments_secret(self):
        outcome = self.ask_chain(AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=GATEWAY, AZURE_CLIENT_SECRET=SECRET)
        self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "1")

    def test_the_workloads_file(self):
        file = self.folder / "token"
        file.write_text(self.standin.service_account())
        outcome = self.ask_chain(AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=GATEWAY, AZURE_FEDERATED_TOKEN_FILE=str(file))
        self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "2")

    def test_the_machine(self):
        outcome = self.ask_chain(**self.standin.identity_env("imds"))
        self.check_opens_the_vault(outcome, IDENTITY_OBJECT, "2")


class Machines(Credentials):
    @classmethod
    def options(cls):
        cls.has_arc_folder = make_arc_folder(cls)
        return ("--arc-folder", str(ARC_FOLDER)) if cls.has_arc_folder else ()

    def test_imds_and_app_service_give_tokens(self):
        for kind in ("imds", "app_service"):
            for client in (None, IDENTITY):
                with self.subTest(kind, client=client):
                    outcome = self.ask("managed", self.standin.identity_env(kind), client=client)
                    self.check_opens_the_vault(outcome, IDENTITY_OBJECT, "2")

    def test_azure_arc_gives_one_for_its_key_file(self):
        if not self.has_arc_folder:
            self.skipTest(f"{ARC_FOLDER} cannot be made here")
        for client in (None, IDENTITY):
            with self.subTest(client=client):
                outcome = self.ask("managed", self.standin.identity_env("arc"), client=client)
                self.check_opens_the_vault(outcome, IDENTITY_OBJECT, "2")
        self.assertEqual([], list(ARC_FOLDER.iterdir()), "keys are used up")

    def test_a_wrong_secret_header_gets_none(self):
        env = {**self.standin.identity_env("app_service"), "IDENTITY_HEADER": "guessed"}
        outcome = self.ask("managed", env, client=None)
        self.assertNotIn("token", outcome)

    def test_an_update_of_imds_is_waited_out(self):
        self.standin.knob("faults", {"endpoint": "imds", "status": 404, "count": 2})
        outcome = self.ask("managed", self.standin.identity_env("imds"), client=None)
        self.check_opens_the_vault(outcome, IDENTITY_OBJECT, "2")


def make_arc_folder(case):
    """Whether the folder is there, made for this run alone and taken away afterwards."""
    if ARC_FOLDER.exists():
        return os.access(ARC_FOLDER, os.W_OK) and not any(ARC_FOLDER.iterdir())
    made = []
    try:
        for folder in (ARC_FOLDER.parent, ARC_FOLDER):
            if not folder.exists():
                folder.mkdir(0o755)
                made.append(folder)
                case.addClassCleanup(folder.rmdir)
    except OSError:
        return False
    return True


class OnBehalf(Credentials):
    WAYS = ("behalf", "msalBehalf")

    def ask_behalf(self, way, user, **order):
        return self.ask(way, secret=SECRET, user=user, scope=STOCK_SCOPE, **order)

    def check_told(self, way, outcome, code, suberror):
        """MSAL hands on what Entra said; @azure/identity asks for the user, in a text."""
        if way == "msalBehalf":
            self.assertEqual(("InteractionRequiredAuthError", code, suberror),
                             (outcome["error"], outcome["code"], outcome["suberror"]))
        else:
            self.assertEqual("AuthenticationRequiredError", outcome["error"])

    def test_a_users_token_becomes_one_for_the_next_api(self):
        for way in self.WAYS:
            with self.subTest(way):
                outcome = self.ask_behalf(way, self.standin.mint())
                self.assertIn("token", outcome, outcome)
                claims = claims_of(outcome)
                self.assertEqual((STOCK, GATEWAY, MIRA, "Stock.Read"),
                                 tuple(claims[name] for name in ("aud", "azp", "oid", "scp")))

    def test_a_token_that_ran_out_is_refused(self):
        for way in self.WAYS:
            with self.subTest(way):
                outcome = self.ask_behalf(way, self.standin.mint("--expires-in", "-60"))
                self.check_refused(outcome, 500133)

    def test_an_applications_token_is_refused(self):
        for way in self.WAYS:
            with self.subTest(way):
                outcome = self.ask_behalf(way, self.standin.mint("--app", "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"))
                self.check_refused(outcome, 700229)

    def test_a_claims_challenge_arrives_and_can_be_met(self):
        self.standin.knob(f"users/{MIRA}", {"refuse": "interaction_required", "claims": CHALLENGE})
        self.addCleanup(self.standin.knob, f"users/{MIRA}", {"refuse": "none"})
        for way in self.WAYS:
            with self.subTest(way):
                outcome = self.ask_behalf(way, self.standin.mint())
                self.check_refused(outcome, 50076)
                self.check_told(way, outcome, "interaction_required", "basic_action")
                if way == "msalBehalf":
                    self.assertEqual(CHALLENGE, json.loads(outcome["claims"]))
                self.assertIn("token", self.ask_behalf(way, self.standin.mint("--acrs", "c1")))

    def test_missing_consent_is_told(self):
        self.standin.knob(f"apps/{GATEWAY}", {"refuse": "consent_required"})
        self.addCleanup(self.standin.knob, f"apps/{GATEWAY}", {"refuse": "none"})
        for way in self.WAYS:
            with self.subTest(way):
                outcome = self.ask_behalf(way, self.standin.mint())
                self.check_refused(outcome, 65001)
                self.check_told(way, outcome, "invalid_grant", "consent_required")


class Secrets(Credentials):
    def test_a_capable_application_gets_long_tokens(self):
        outcome = self.ask("msal", secret=SECRET, capabilities=["CP1"])
        claims = self.check_opens_the_vault(outcome, GATEWAY_OBJECT, "1")
        self.assertEqual(["cp1"], claims["xms_cc"])
        self.assertGreater(claims["exp"], time.time() + 80000)

    def test_refusals_are_told_apart(self):
        self.addCleanup(self.standin.knob, f"apps/{GATEWAY}", {"disabled": False, "secrets_expired": False})
        for knob, aadsts in (({"secrets_expired": True}, 7000222), ({"disabled": True}, 7000112)):
            self.standin.knob(f"apps/{GATEWAY}", knob)
            for way in ("identity", "msal"):
                with self.subTest(way, aadsts=aadsts):
                    self.check_refused(self.ask(way, secret=SECRET), aadsts)


if __name__ == "__main__":
    unittest.main()
