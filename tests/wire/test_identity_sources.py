#!/usr/bin/python3
"""barkeep's own identity where the platform gives it (contract 5): whose service is asked, with what
proof, and what becomes of its outages (case 205)."""

import functools
import json
import os
import tempfile
import unittest
import uuid

import wire  # noqa: F401
from lib.authority import JSON_TYPE
from lib.vault import IDENTITY_TOKEN, Vault
from test_secrets import SecretCase

HEADER = "canary-identity-header-77c1"
KEY_FOLDER = "/var/opt/azcmagent/tokens"


class Platform(Vault):
    """A vault beside an App Service, and an Azure Arc agent that names `key_path`."""

    def __init__(self):
        self.key_path = ""
        self.key = ""
        super().__init__()

    def answer(self, path, handler):
        if path == "/msi/token":
            return self._app_service(handler)
        if path == "/arc/token":
            return self._arc(handler)
        return super().answer(path, handler)

    def _token(self, **members):
        body = {"access_token": IDENTITY_TOKEN, "token_type": "Bearer", **members}
        return self.identity_status, json.dumps(body).encode(), JSON_TYPE

    def _app_service(self, handler):
        if handler.headers["X-IDENTITY-HEADER"] != HEADER or "2019-08-01" not in handler.path:
            return 403, b"{}", JSON_TYPE
        return self._token(expires_on="4102444800")

    def _arc(self, handler):
        if handler.headers["Metadata"] != "true" or "2020-06-01" not in handler.path:
            return 400, b"{}", JSON_TYPE
        shown = handler.headers["Authorization"]
        if shown is None:
            challenge = ("WWW-Authenticate", f"Basic realm={self.key_path}")
            return 401, b"{}", [*JSON_TYPE, challenge]
        if shown != f"Basic {self.key}":
            return 401, b"{}", JSON_TYPE
        return self._token(expires_in="86399")


class PlatformCase(SecretCase):
    becomes_ready = False

    @classmethod
    def change_config(cls, config, door):
        cls.platform = Platform()
        cls.platform.secrets = {"own": "canary-own"}
        config["identity"] = {"managed": "system"}
        config["vaults"] = {"prod": cls.platform.url}
        config["credentials"] = {"own": {"bearer": "prod/own"}}
        cls.add_routes(config, door, ["own"])
        door.barkeep.start = functools.partial(door.barkeep.start, env=cls.environment())

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.platform.stop()

    def check_injected(self):
        self.wait_for(lambda: self.ask("/own/x").status == 200, "the secret", 60)
        self.assertEqual(["Bearer canary-own"], self.injected("own", "Authorization"))


class AppService(PlatformCase):
    @classmethod
    def environment(cls):
        return {"IDENTITY_ENDPOINT": f"{cls.platform.url}/msi/token", "IDENTITY_HEADER": HEADER}

    def test_it_is_asked_with_its_header(self):
        self.check_injected()
        self.assertIn("/msi/token", self.platform.fetches)
        self.assertNotIn("/metadata/identity/oauth2/token", self.platform.fetches)
        self.check_no_leak([HEADER, IDENTITY_TOKEN])


@unittest.skipUnless(os.access("/var/opt", os.W_OK), "only root may play the Azure Arc agent")
class Arc(PlatformCase):
    @classmethod
    def environment(cls):
        cls.made = [folder for folder in ("/var/opt/azcmagent", KEY_FOLDER)
                    if not os.path.isdir(folder)]
        os.makedirs(KEY_FOLDER, exist_ok=True)
        cls.platform.key = "canary-arc-key-90ab"
        cls.platform.key_path = f"{KEY_FOLDER}/{uuid.uuid4()}.key"
        with open(cls.platform.key_path, "w", encoding="ascii") as file:
            file.write(cls.platform.key)
        return {"IDENTITY_ENDPOINT": f"{cls.platform.url}/arc/token",
                "IMDS_ENDPOINT": cls.platform.url}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        os.unlink(cls.platform.key_path)
        for folder in reversed(cls.made):
            os.rmdir(folder)

    def test_it_is_shown_the_key_it_names(self):
        self.check_injected()
        self.assertEqual(2, self.platform.fetches.count("/arc/token"))
        self.check_no_leak([self.platform.key, IDENTITY_TOKEN])


class ArcThatLies(PlatformCase):
    """Whoever plays the agent gets no file of ours, wherever it stands."""

    @classmethod
    def environment(cls):
        cls.trap = tempfile.NamedTemporaryFile("w", suffix=".key")
        cls.trap.write("canary-not-for-you")
        cls.trap.flush()
        cls.platform.key = "canary-not-for-you"
        cls.platform.key_path = cls.trap.name
        return {"IDENTITY_ENDPOINT": f"{cls.platform.url}/arc/token",
                "IMDS_ENDPOINT": cls.platform.url}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.trap.close()

    def test_no_other_file_is_shown(self):
        self.check_refusal(self.ask("/own/x"), 503, "secret_unavailable")
        self.assertEqual(1, self.platform.fetches.count("/arc/token"))
        self.assertIn("outside of", self.door.barkeep.process.stderr()
                      + self.door.barkeep.process.stdout())
        self.check_no_leak([self.platform.key])


class IdentityGone(PlatformCase):
    """Case 205: with a token in hand nothing that becomes of its source is noticed."""

    @classmethod
    def environment(cls):
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": cls.platform.url}

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["secrets"] = {"prod/own": {"refresh": "1s"}}

    def test_the_token_is_used_on_without_a_storm(self):
        self.check_injected()
        for status in (404, 410, 429, 500):
            with self.subTest(case=205, status=status):
                self.platform.identity_status = status
                self.platform.secrets["own"] = f"canary-{status}"
                wanted = [f"Bearer canary-{status}"]
                self.wait_for(lambda wanted=wanted: self.injected("own", "Authorization") == wanted,
                              "the new value", 30)
        self.assertEqual(1, self.platform.fetches.count("/metadata/identity/oauth2/token"))


if __name__ == "__main__":
    unittest.main()
