#!/usr/bin/python3
"""Where barkeep's own calls and its upstreams' answers may lead: nowhere but where the configuration
says (CASES.md I 179-181)."""

import netrc
import os
import sys
import unittest

import wire  # noqa: F401
from lib import canary, process, recorder
from lib.canary import Canary
from lib.recorder import Recorder
from lib.vault import Vault
from test_hygiene import CabinetCase

OPEN = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
NETRC = Canary("password of .netrc", "canary-netrc-password-2f90")
STATUSES = (301, 302, 303, 307, 308)


class Trap(CabinetCase):
    """Has a listener that nobody may ever speak to."""

    @classmethod
    def setUpClass(cls):
        cls.trap = Recorder()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.trap.stop()

    def check_trap(self):
        self.assertEqual(0, self.trap.connections())
        self.assertTrue(self.trap.is_untouched((0, 0)))


class Environment(Trap):
    """Case 181: proxies, .netrc, authorities and key logs of the environment have no effect."""

    @classmethod
    def more_config(cls, config, door):
        cabinet = cls.cabinet
        home = cabinet.folder / "home"
        home.mkdir()
        cls.keys = cabinet.folder / "session-keys"
        line = f"login canary-netrc password {NETRC.data.decode()}\n"
        (home / ".netrc").write_text(f"machine 127.0.0.1 {line}default {line}")
        (home / ".netrc").chmod(0o600)
        (home / ".curlrc").write_text(f"proxy = {cls.trap.url}\ninsecure\nlocation\n")
        authorities = cabinet.servers.write_public(cabinet.folder / "servers.pem")
        proxies = {name: cls.trap.url for name in (
            "http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
        cls.variables = {
            **proxies, "HOME": str(home), "CURL_HOME": str(home), "NETRC": str(home / ".netrc"),
            "XDG_CONFIG_HOME": str(home), "CURL_CA_BUNDLE": authorities,
            "SSL_CERT_FILE": authorities, "SSL_CERT_DIR": str(cabinet.folder),
            "REQUESTS_CA_BUNDLE": authorities, "SSLKEYLOGFILE": str(cls.keys)}
        door.barkeep.environment = cls.variables
        cls.dark = Vault()
        cls.dark.secrets = {"hidden": "canary-hidden-0b3c"}
        cls.dark.taken_tokens = cabinet.vault.taken_tokens
        cls.dark.start_tls(cabinet.folder / "server.pem")
        config["vaults"]["dark"] = cls.dark.url
        config["credentials"]["hidden"] = {"bearer": "dark/hidden"}
        cabinet.add_route(config, "hidden", door.upstream.url)
        # the environment trusts this upstream's authority, the route does not
        cabinet.add_route(config, "untrusted", cabinet.tls.url, "basic")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.dark.stop()

    def run_python(self, url, **changes):
        """A program that does as the environment says."""
        variables = {**process.environment(self.variables), **changes}
        return process.run([sys.executable, "-c", OPEN, url], 20,
                           {name: value for name, value in variables.items() if value})

    def test_the_environment_steers_others(self):
        """The control: each of these variables works on a program that heeds it."""
        trap = Recorder()
        self.addCleanup(trap.stop)
        others = {name: trap.url for name in self.variables if name.lower().endswith("_proxy")}
        self.run_python(f"http://127.0.0.1:{self.cabinet.vault.port}/", **others)
        self.assertEqual(1, trap.connections(), "by a proxy")
        direct = {name: "" for name in others}
        keys = str(self.cabinet.folder / "others-keys")
        _, _, said = self.run_python(self.dark.url, **direct, SSLKEYLOGFILE=keys)
        self.assertIn("401", said, "by trusted authorities")
        self.assertTrue(os.path.getsize(keys), "by a log of keys")
        found = netrc.netrc(self.variables["NETRC"]).authenticators("127.0.0.1")
        self.assertEqual(NETRC.data.decode(), found[2])

    def test_the_environment_does_not_steer_barkeep(self):
        self.use_all()
        before = len(self.dark.received)
        self.check_refusal(self.ask("/hidden/x"), 503, "secret_unavailable")
        self.assertEqual(before, len(self.dark.received), "an authority that is not the system's")
        self.check_refusal(self.ask("/untrusted/x"), 502, "upstream_tls")
        self.check_trap()
        self.assertFalse(self.keys.exists())
        self.assertEqual([], canary.search([NETRC], {"calls": self.cabinet.upstream_bytes()}))


class Redirects(Trap):
    """Cases 179 and 180: what answers with another address is not followed there."""

    @classmethod
    def more_config(cls, config, door):
        cabinet = cls.cabinet
        config["entra"]["keys"] = {"refresh": "1s"}
        for status in STATUSES:
            moved = [("Location", f"{cls.trap.url}/secrets/moved-{status}/?api-version=7.4")]
            cabinet.vault.wrong[f"moved-{status}"] = (status, b"", moved)
            config["credentials"][f"moved-{status}"] = {"bearer": f"prod/moved-{status}"}
            cabinet.authority.wrong_resources[f"token-{status}"] = (
                status, b"", [("Location", f"{cls.trap.url}/token")])
            config["credentials"][f"token-{status}"] = {
                "entra_token": {"scope": f"api://token-{status}/.default"}}
            for name in (f"moved-{status}", f"token-{status}"):
                cabinet.add_route(config, name, door.upstream.url)

    def test_vault_and_identity_provider_are_not_followed(self):
        """Case 180."""
        for status in STATUSES:
            for name in (f"moved-{status}", f"token-{status}"):
                with self.subTest(case=180, name=name):
                    self.check_refusal(self.ask(f"/{name}/x"), 503, "secret_unavailable")
            audit = [event for event in self.door.audit.read() if event["event"] == "secret"
                     and event.get("name") == f"moved-{status}"]
            self.assertTrue(any(str(status) in str(event) for event in audit), audit)
        self.check_trap()

    def test_keys_are_not_fetched_elsewhere(self):
        """Case 180."""
        authority = self.cabinet.authority
        authority.moved_to = self.trap.url
        before = len(authority.fetches)
        self.wait_for(lambda: len(authority.fetches) >= before + 2, "looks at the keys", 60)
        self.assertEqual(200, self.ask("/basic/x").status, "the keys known stay in force")
        authority.moved_to = None
        self.check_trap()

    def test_an_upstreams_redirect_is_the_callers_to_follow(self):
        """Case 179."""
        other = f"{self.trap.url}/next"
        for status in STATUSES:
            self.door.upstream.on("/moved", recorder.answer(status, b"", [("Location", other)]))
            for kind in self.cabinet.HEADER_KINDS:
                for method, body in (("GET", None), ("POST", b"x")):
                    with self.subTest(case=179, status=status, kind=kind, method=method):
                        response = self.ask(f"/{kind}/moved", method=method, body=body)
                        self.assertEqual((status, other),
                                         (response.status, response.one("Location")))
        self.check_trap()


if __name__ == "__main__":
    unittest.main()
