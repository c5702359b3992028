#!/usr/bin/python3
"""Applications that get their tokens with @azure/identity and @azure/msal-node call through barkeep.

The tokens come from the stand-in over https, as those libraries insist; barkeep judges them with the
keys it fetched itself."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from lib import process, recorder, tokens  # noqa: E402
from lib.barkeep import Barkeep, Standin  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
API_SCOPE = "api://orders-gw/.default"
VAULT_SCOPE = "https://vault.azure.net/.default"
APP_ROLE = "Orders.Read.All"

# of the stand-in's own seed: the one has APP_ROLE, the other no role of the API
CALLER = {"client": "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "secret": "canary-caller-client-secret~1"}
ROLELESS = {"client": "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a", "secret": "canary-deployer-client-secret"}

# the first is what the metadata service gives when none is asked for; the vault's assignments name it
IDENTITY = {"client_id": "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
            "oid": "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172", "roles": {API: [APP_ROLE]}}
ROLELESS_IDENTITY = {"client_id": "7a8b9c0d-1e2f-4031-8243-5465768798a9",
                     "oid": "c0ffee00-1a2b-4c3d-8e4f-5a6b7c8d9e0f"}

BACKEND_KEY = "canary-backend-key-3d90"
SECRET_WAYS = ("identity", "msal")


class Entra(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.upstream = recorder.Recorder()
        cls.addClassCleanup(cls.upstream.stop)
        cls.standin = Standin(cls.folder, {"managed_identities": [IDENTITY, ROLELESS_IDENTITY]})
        cls.addClassCleanup(cls.standin.stop)
        cls.standin.start()
        cls.barkeep = Barkeep(cls.folder)
        cls.addClassCleanup(cls.barkeep.stop)
        cls.barkeep.write_config(cls.config())
        cls.barkeep.start()

    @classmethod
    def config(cls):
        secrets = cls.folder / "secrets"
        secrets.mkdir(0o700)
        (secrets / "backend-key").write_text(BACKEND_KEY)
        return {
            "listen": f"127.0.0.1:{cls.barkeep.port}",
            "admin": f"127.0.0.1:{cls.barkeep.admin_port}",
            "entra": {"tenant": TENANT, "audience": API, "authority": cls.standin.url()},
            "vaults": {"local": f"file:{secrets}"},
            "credentials": {"backend": {"headers": {"Authorization": "Key {local/backend-key}"}}},
            "routes": [{"name": "orders", "path": "/orders", "upstream": cls.upstream.url, "access": [
                {"role": "Reader", "to": {"app_role": APP_ROLE}, "credential": "backend"}]}],
            "log": {"audit": str(cls.barkeep.audit_path)},
        }

    def ask(self, way, scope=API_SCOPE, client=None, secret=None):
        """What one run of client.mjs came to: its token and the answer, or the library's error."""
        order = {"way": way, "authority": f"https://127.0.0.1:{self.standin.port}", "tenant": TENANT,
                 "client": client, "secret": secret, "scope": scope,
                 "url": f"http://127.0.0.1:{self.barkeep.port}/orders/x"}
        env = {"NODE_EXTRA_CA_CERTS": str(self.standin.state / "ca.pem"),
               "AZURE_POD_IDENTITY_AUTHORITY_HOST": self.standin.url()}
        code, stdout, stderr = process.run(
            ["node", str(HERE / "client.mjs"), json.dumps(order)], 60, env)
        self.assertEqual(0, code, stderr)
        return json.loads(stdout)

    def check_allowed(self, way, **options):
        mark = self.upstream.mark()
        outcome = self.ask(way, **options)
        self.assertEqual(200, outcome.get("status"), outcome)
        requests = self.upstream.since(mark)
        self.assertEqual(1, len(requests), "exactly one request at the upstream")
        self.assertEqual([f"Key {BACKEND_KEY}"], requests[0].all("Authorization"))
        self.assertNotIn(outcome["token"].encode(), requests[0].head)
        return json.loads(tokens.unb64url(outcome["token"].split(".")[1]))

    def check_refused(self, reason, way, **options):
        """The library got a token, and barkeep refuses it."""
        mark = self.upstream.mark()
        outcome = self.ask(way, **options)
        self.assertEqual(401, outcome.get("status"), outcome)
        self.assertEqual(reason, json.loads(outcome["body"])["reason"])
        self.assertTrue(self.upstream.is_untouched(mark), "the upstream saw something")

    def test_a_client_secret_opens_the_door(self):
        for way in SECRET_WAYS:
            with self.subTest(way):
                claims = self.check_allowed(way, **CALLER)
                self.assertEqual([APP_ROLE], claims["roles"])

    def test_a_managed_identity_opens_the_door(self):
        for what, client in (("the machine's own", None), ("one by name", IDENTITY["client_id"])):
            with self.subTest(what):
                claims = self.check_allowed("managed", client=client)
                self.assertEqual(IDENTITY["oid"], claims["oid"])

    def test_without_a_role_it_stays_closed(self):
        for way in SECRET_WAYS:
            with self.subTest(way):
                self.check_refused("token_kind", way, **ROLELESS)
        with self.subTest("managed"):
            self.check_refused("token_kind", "managed", client=ROLELESS_IDENTITY["client_id"])

    def test_a_token_for_the_vault_is_refused(self):
        for way in SECRET_WAYS:
            with self.subTest(way):
                self.check_refused("token_audience", way, scope=VAULT_SCOPE, **CALLER)
        with self.subTest("managed"):
            self.check_refused("token_audience", "managed", scope=VAULT_SCOPE)

    def test_a_wrong_secret_yields_no_token(self):
        for way in SECRET_WAYS:
            with self.subTest(way):
                outcome = self.ask(way, client=CALLER["client"], secret="not-the-secret")
                self.assertNotIn("token", outcome)
                self.assertIn("Error(s): 7000215", outcome["message"])

    def test_an_unknown_identity_yields_no_token(self):
        outcome = self.ask("managed", client="00000000-1111-4222-8333-444444444444")
        self.assertNotIn("token", outcome)
        self.assertIn("Identity not found", outcome["message"])


if __name__ == "__main__":
    unittest.main()
