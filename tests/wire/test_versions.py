#!/usr/bin/python3
"""Which version of a secret is used, and where it may go, with the stand-in's Key Vault."""

import json
import time
import unittest
import urllib.parse
import urllib.request

import wire  # noqa: F401
from lib import process, tokens
from lib.barkeep import Standin
from lib.door import Door
from test_secrets import SecretCase

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
DEPLOYER = {"client_id": "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a", "client_secret": "canary-deployer-client-secret"}
NAMES = ("disabled", "future", "bound", "foreign", "replaced")


class Versions(SecretCase):
    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.standin = Standin(cls.door.folder).start()
        cls.door.config["entra"]["authority"] = cls.standin.url()
        cls.door.config["identity"] = {"managed": "system", "endpoint": cls.standin.url()}
        cls.door.config["vaults"] = {"prod": {"url": cls.standin.url(), "api_version": "2025-07-01"}}
        cls.deployer = cls.sign_in()
        for name in NAMES:
            cls.put(name, f"canary-{name}-first")
        cls.door.start()
        code, out, err = process.run([process.standin_binary(), "token", "--state", str(cls.standin.state),
                                      "--audience", tokens.API, "--scope", "access_as_user"])
        assert code == 0, err
        cls.token = out.strip()

    @classmethod
    def tearDownClass(cls):
        cls.standin.stop()
        super().tearDownClass()

    @classmethod
    def change_config(cls, config, door):
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in NAMES}
        config["secrets"] = {f"prod/{name}": {"refresh": "1s", "max_stale": "1h"} for name in NAMES}
        cls.add_routes(config, door, NAMES)

    @classmethod
    def call(cls, method, target, body, headers):
        request = urllib.request.Request(cls.standin.url(target), data=body, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    @classmethod
    def sign_in(cls):
        form = {"grant_type": "client_credentials", "scope": "https://vault.azure.net/.default", **DEPLOYER}
        answer = cls.call("POST", f"/{TENANT}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode(),
                          {"Content-Type": "application/x-www-form-urlencoded"})
        return answer["access_token"]

    @classmethod
    def put(cls, name, value, **more):
        return cls.call("PUT", f"/secrets/{name}?api-version=7.4", json.dumps({"value": value, **more}).encode(),
                        {"Content-Type": "application/json", "Authorization": f"Bearer {cls.deployer}"})

    def wait_until_injected(self, name, value):
        self.wait_for(lambda: self.injected(name, "Authorization") == [f"Bearer {value}"], value, 30)

    def events(self, what, name):
        found = [json.loads(line) for line in self.door.barkeep.process.stderr().splitlines()
                 if f'"{what}"' in line and f'"{name}"' in line]
        return [event for event in found if event.get("what") == what and event.get("name") == name]

    def test_a_disabled_latest_version_is_passed_over(self):
        self.wait_until_injected("disabled", "canary-disabled-first")
        self.put("disabled", "canary-disabled-second", attributes={"enabled": False})
        self.wait_for(lambda: self.events("skipped", "disabled"), "the event", 30)
        self.assertEqual("SecretDisabled", self.events("skipped", "disabled")[0]["code"])
        self.assertEqual(["Bearer canary-disabled-first"], self.injected("disabled", "Authorization"))
        self.put("disabled", "canary-disabled-third")
        self.wait_until_injected("disabled", "canary-disabled-third")

    def test_a_future_version_is_used_from_its_time_on(self):
        self.wait_until_injected("future", "canary-future-first")
        begin = int(time.time()) + 3
        self.put("future", "canary-future-second", attributes={"enabled": True, "nbf": begin})
        self.wait_for(lambda: self.events("skipped", "future"), "the event", 30)
        self.wait_until_injected("future", "canary-future-second")
        self.assertGreaterEqual(time.time(), begin)

    def test_a_tag_binds_a_secret_to_its_hosts(self):
        port = urllib.parse.urlsplit(self.door.upstream.url).port
        self.put("bound", "canary-bound-second", tags={"barkeep-hosts": f"127.0.0.1:{port}"})
        self.wait_until_injected("bound", "canary-bound-second")
        self.put("foreign", "canary-foreign-second", tags={"barkeep-hosts": "elsewhere.example"})
        self.wait_for(lambda: self.ask("/foreign/x").status != 200, "a refusal", 30)
        mark = self.door.upstream.mark()
        self.assertEqual(503, self.ask("/foreign/x").status)
        self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_a_new_version_takes_the_place_of_the_old(self):
        self.wait_until_injected("replaced", "canary-replaced-first")
        version = self.put("replaced", "canary-replaced-second")["id"].rsplit("/", 1)[1]
        self.wait_until_injected("replaced", "canary-replaced-second")
        line = self.door.audit.wait_for(self.ask("/replaced/x").request_id)
        self.assertEqual([{"vault": "prod", "name": "replaced", "version": version}], line["secrets"])
        self.check_no_leak(["canary-replaced-first", "canary-replaced-second"])

if __name__ == "__main__":
    unittest.main()
