#!/usr/bin/python3
"""Secrets: into the request, and nowhere else (CASES.md C 81, I, J 200-206)."""

import base64
import pathlib
import threading
import unittest
import urllib.parse

import wire  # noqa: F401
from lib import process, raw, recorder, tokens
from lib.barkeep import Standin, get
from lib.case import WireCase
from lib.door import Door
from lib.vault import IDENTITY_TOKEN, Vault

API_KEY = "canary/api+key=7f3a~x"
PASSWORD = "canary-pass:word-19c4"
BEARER = "canary-bearer-b2d8"
UNAVAILABLE = "secret_unavailable"


def renderings(secret):
    """How a secret looks when something leaks it."""
    plain = secret.encode()
    yield plain
    yield plain[::-1]
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield base64.b64encode(plain).rstrip(b"=")
    yield base64.urlsafe_b64encode(plain).rstrip(b"=")
    yield urllib.parse.quote(secret, safe="").encode()


class SecretCase(WireCase):
    """Adds a route per credential: /NAME/** injects credential NAME."""

    @classmethod
    def add_routes(cls, config, door, names, **options):
        for name in names:
            config["routes"].append({
                "name": name, "path": f"/{name}", "upstream": door.upstream.url, **options,
                "access": [{"role": "Contributor", "to": {"everyone": True}, "credential": name}]})

    def ask(self, target, *headers, method="GET", body=None):
        with self.door.client() as client:
            return client.exchange(raw.request(method, target, headers, body, self.token), method)

    def injected(self, name, header, *headers):
        """Values of `header` at the upstream after a request through route `name`."""
        mark = self.door.upstream.mark()
        response = self.ask(f"/{name}/x", *headers)
        self.assertEqual(200, response.status, response.body)
        return self.door.upstream.since(mark)[0].all(header)

    def everything_written(self):
        """What an operator or a caller could read, beside the answers."""
        admin = [get(self.door.barkeep.admin_port, target)[2]
                 for target in ("/metrics", "/readyz", "/healthz")]
        server = self.door.barkeep.process
        proc = [pathlib.Path(f"/proc/{server.pid}/cmdline").read_bytes()]
        texts = [self.door.audit.raw(), server.stderr().encode(), server.stdout().encode()]
        return b"\n".join(texts + admin + proc)

    def check_no_leak(self, secrets, *texts):
        written = self.everything_written() + b"\n".join(texts)
        for secret in secrets:
            for rendering in renderings(secret):
                self.assertNotIn(rendering, written)


class FileVault(SecretCase):
    becomes_ready = False  # some secrets are bad

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        good = {"api-key": API_KEY, "password": PASSWORD + "\n", "bearer": BEARER + "\r\n"}
        bad = {"two-lines": "a\nb", "carriage": "a\rb", "nul": "a\0b", "empty": "", "long": "x" * 26000,
               "umlaut": "p\u00e4ss", "space": " x", "two-ends": "x\n\n", "tab": "a\tb"}
        for name, value in {**good, **bad}.items():
            (cls.folder / name).write_bytes(value.encode())
        cls.bad = sorted(bad)
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["secrets"] = {"local/turning": {"refresh": "1s"}}
        (cls.folder / "turning").write_text("canary-first")
        config["credentials"] = {
            "basic": {"basic": {"username": "admin", "password": "local/password"}},
            "bearer": {"bearer": "local/bearer"},
            "key": {"headers": {"X-Api-Key": "{local/api-key}"}},
            "two": {"headers": {"api-key": "{local/api-key}", "x-functions-key": "k-{local/bearer}"}},
            "mixed": {"headers": {"X-Mixed": "{{{local/bearer}; {local/api-key}"}},
            "token": {"headers": {"Authorization": "ApiKey {local/api-key}"}},
            "user": {"basic": {"username": {"secret": "local/bearer"}, "password": "local/password"}},
            "turning": {"headers": {"X-Turning": "{local/turning}"}},
            "missing": {"bearer": "local/missing"},
            **{name: {"bearer": f"local/{name}"} for name in cls.bad},
        }
        cls.add_routes(config, door, config["credentials"])

    def test_secrets_are_placed_as_the_kind_says(self):
        basic = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        self.assertEqual([basic], self.injected("basic", "Authorization"))
        self.assertEqual([f"Bearer {BEARER}"], self.injected("bearer", "Authorization"))
        self.assertEqual([API_KEY], self.injected("key", "X-Api-Key"))
        self.assertEqual([], self.injected("key", "Authorization"))
        self.assertEqual([f"k-{BEARER}"], self.injected("two", "x-functions-key"))
        self.assertEqual([f"{{{BEARER}; {API_KEY}"], self.injected("mixed", "X-Mixed"))
        self.assertEqual([f"ApiKey {API_KEY}"], self.injected("token", "Authorization"))
        user = "Basic " + base64.b64encode(f"{BEARER}:{PASSWORD}".encode()).decode()
        self.assertEqual([user], self.injected("user", "Authorization"))

    def test_callers_copies_are_removed(self):
        """Case 81."""
        for spelled in ("X-Api-Key", "x-api-key", "X-API-KEY", "x-Api-kEY"):
            for values in (["evil"], ["evil", "evil2"], [""], ["evil, evil"]):
                with self.subTest(case=81, spelled=spelled, values=values):
                    headers = [(spelled, value) for value in values]
                    self.assertEqual([API_KEY], self.injected("key", "X-Api-Key", *headers))
        both = [("API-KEY", "evil"), ("X-Functions-Key", "evil")]
        self.assertEqual([API_KEY], self.injected("two", "api-key", *both))
        self.assertEqual([f"k-{BEARER}"], self.injected("two", "x-functions-key", *both))
        for name in ("X_Api_Key", "X-Api_Key", "X.Api.Key"):
            self.refuse(raw.request("GET", "/key/x", [(name, "evil")], token=self.token), 400,
                        "bad_request")

    def test_callers_copies_pass_where_nothing_is_injected(self):
        mark = self.door.upstream.mark()
        self.ask("/public/x", ("X-Api-Key", "own"))
        self.assertEqual(["own"], self.door.upstream.since(mark)[0].all("X-Api-Key"))

    def test_nominating_an_injected_header_does_not_remove_it(self):
        """Case 129."""
        for value in ("X-Api-Key", "close, x-api-key"):
            self.assertEqual([API_KEY], self.injected("key", "X-Api-Key", ("Connection", value)))
        for value in ("Authorization", "authorization"):
            self.assertEqual([f"Bearer {BEARER}"],
                             self.injected("bearer", "Authorization", ("Connection", value)))

    def test_bad_values_are_never_sent(self):
        """Case 190."""
        for name in [*self.bad, "missing"]:
            with self.subTest(case=190, name=name):
                mark = self.door.upstream.mark()
                response = self.ask(f"/{name}/x")
                self.check_refusal(response, 503, UNAVAILABLE)
                self.assertTrue(self.door.upstream.is_untouched(mark))
        self.assertEqual(200, self.ask("/key/x").status, "other routes go on")

    def test_readiness_names_what_is_missing(self):
        self.ask("/missing/x")
        status, body = self.door.barkeep.readiness()
        self.assertEqual(503, status)
        self.assertIn("missing", str(body))

    def test_a_changed_file_is_read_again(self):
        self.assertEqual(["canary-first"], self.injected("turning", "X-Turning"))
        (self.folder / "turning").write_text("canary-second")
        self.wait_for(lambda: self.injected("turning", "X-Turning") == ["canary-second"],
                      "the new value", 30)

    def test_an_upstreams_401_is_never_the_callers(self):
        challenge = ("WWW-Authenticate", 'Basic realm="rabbit"')
        for name in ("basic", "bearer", "key"):
            for method, body in (("GET", None), ("POST", b"x")):
                with self.subTest(name=name, method=method):
                    self.door.upstream.on("/refused", recorder.answer(401, b"no", [challenge]))
                    response = self.ask(f"/{name}/refused", method=method, body=body)
                    self.check_refusal(response, 502, "upstream_credential_refused")
                    self.assertNotIn(b"rabbit", response.head + response.body)

    def test_a_401_without_injection_is_passed_on(self):
        challenge = ("WWW-Authenticate", 'Basic realm="own"')
        self.door.upstream.on("/public/refused", recorder.answer(401, b"no", [challenge]))
        response = self.ask("/public/refused")
        self.assertEqual((401, b"no", challenge[1]),
                         (response.status, response.body, response.one("WWW-Authenticate")))

    def test_a_403_of_the_upstream_is_passed_on(self):
        self.door.upstream.on("/forbidden", recorder.answer(403, b"not yours"))
        response = self.ask("/basic/forbidden")
        self.assertEqual((403, b"not yours"), (response.status, response.body))

    def test_each_route_carries_its_own_secret(self):
        """Case 182, in small: two credentials, one upstream, shared connections."""
        basic = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        with self.door.client() as client:
            for number in range(300):
                name, expected = (("basic", basic), ("bearer", f"Bearer {BEARER}"),
                                  ("public", None))[number % 3]
                mark = self.door.upstream.mark()
                client.exchange(raw.request("GET", f"/{name}/x", token=self.token))
                seen = self.door.upstream.since(mark)[0]
                self.assertEqual([expected] if expected else [], seen.all("Authorization"))

    def test_nothing_carries_over_from_failed_requests(self):
        """Case 184."""
        self.door.upstream.on("/cut", lambda peer, request: peer.reset())
        for _ in range(10):
            self.assertEqual(502, self.ask("/key/cut").status)
            mark = self.door.upstream.mark()
            self.ask("/public/x")
            seen = self.door.upstream.since(mark)[-1]
            self.assertEqual([], seen.all("X-Api-Key") + seen.all("Authorization"))

    def test_no_secret_is_written_anywhere(self):
        """Case 177."""
        answers = []
        for name in ("basic", "bearer", "key", "two", "mixed", "token", "user"):
            answers.append(self.ask(f"/{name}/x"))
            answers.append(self.ask(f"/{name}/x", method="TRACE"))
            answers.append(self.ask(f"/{name}//x"))
        self.settle_audit()
        texts = [answer.head + answer.body for answer in answers]
        self.check_no_leak([API_KEY, PASSWORD, BEARER], *texts)
        self.assertNotIn(self.token.encode(), self.everything_written())


class KeyVault(SecretCase):
    """Our own vault and metadata service."""

    becomes_ready = False

    NAMES = ("plain", "cold", "gone", "forbidden", "throttled", "disabled", "expired", "early",
             "other-name", "no-json", "duplicate", "huge", "no-value", "bent", "turning", "html",
             "redirected", "pinned")

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {name: f"canary-{name}-41d7" for name in cls.NAMES}
        bundle = cls.vault.bundle
        cls.vault.wrong = {
            "gone": (404, b'{"error":{"code":"SecretNotFound","message":"m"}}'),
            "forbidden": (403, b'{"error":{"code":"Forbidden","innererror":'
                               b'{"code":"ForbiddenByRbac"}}}'),
            "throttled": (429, b'{"error":{"code":"Throttled","message":"m"}}'),
            "disabled": (200, bundle("disabled", attributes={"enabled": False})),
            "expired": (200, bundle("expired", attributes={"enabled": True, "exp": 1577836800})),
            "early": (200, bundle("early", attributes={"enabled": True, "nbf": 4102444800})),
            "other-name": (200, bundle("plain")),
            "no-json": (200, b"{"), "html": (200, b"<html>canary-html-41d7</html>"),
            "duplicate": (200, bundle("duplicate")[:-1] + b',"value":"evil"}'),
            "huge": (200, bundle("huge", value="x" * (1 << 20))),
            "no-value": (200, bundle("no-value", value=None)),
            "bent": (200, bundle("bent", value="a\r\nX-Injected: 1")),
            "redirected": (302, b""),
        }
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in cls.NAMES}
        config["credentials"]["pinned"] = {"bearer": "prod/pinned/4f0c2a1b9d8e47c6a5b4c3d2e1f00918"}
        config["secrets"] = {"prod/turning": {"refresh": "1s", "max_stale": "1h"}}
        cls.add_routes(config, door, cls.NAMES)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def test_a_secret_of_the_vault_is_injected(self):
        self.assertEqual(["Bearer canary-plain-41d7"], self.injected("plain", "Authorization"))

    def test_a_version_can_be_named(self):
        self.assertEqual(["Bearer canary-pinned-41d7"], self.injected("pinned", "Authorization"))
        self.assertIn("/secrets/pinned/4f0c2a1b9d8e47c6a5b4c3d2e1f00918", self.vault.fetches)

    def test_audit_names_the_version_and_never_the_value(self):
        response = self.ask("/plain/x")
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual([{"vault": "prod", "name": "plain",
                           "version": "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"}], line["secrets"])
        self.assertNotIn("canary", str(line))

    def test_wrong_answers_are_503_for_their_route_only(self):
        """Cases 200, 201 and 206."""
        for name in self.vault.wrong:
            with self.subTest(case=206, name=name):
                mark = self.door.upstream.mark()
                response = self.ask(f"/{name}/x")
                self.check_refusal(response, 503, UNAVAILABLE)
                self.assertNotIn(b"canary", response.body)
                self.assertTrue(self.door.upstream.is_untouched(mark))
        self.assertEqual(200, self.ask("/plain/x").status)

    def test_one_fetch_however_many_ask(self):
        """Case 204: it may have been fetched ahead; then nobody fetches again."""
        answers = []

        def ask():
            answers.append(self.ask("/cold/x").status)

        askers = [threading.Thread(target=ask) for _ in range(40)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        self.assertEqual([200] * 40, answers)
        self.assertEqual(1, len(self.vault.fetches_of("cold")))

    def test_throttling_causes_no_storm(self):
        """Case 201: many requests, few fetches."""
        before = len(self.vault.fetches_of("throttled"))
        for _ in range(100):
            self.assertEqual(503, self.ask("/throttled/x").status)
        self.assertLessEqual(len(self.vault.fetches_of("throttled")) - before, 10)

    def test_a_new_version_replaces_the_old_one(self):
        """Case 203 and 202: refreshed in the background, served stale while the vault fails."""
        old, new = "Bearer canary-turning-41d7", "Bearer canary-second-a0a0"
        self.assertEqual([old], self.injected("turning", "Authorization"))
        self.vault.wrong["turning"] = (503, b"{}")
        before = len(self.vault.fetches_of("turning"))
        self.wait_for(lambda: len(self.vault.fetches_of("turning")) >= before + 2, "refreshes", 30)
        self.assertEqual([old], self.injected("turning", "Authorization"))
        self.vault.secrets["turning"] = "canary-second-a0a0"
        self.vault.versions["turning"] = "0" * 31 + "2"
        del self.vault.wrong["turning"]
        self.wait_for(lambda: self.injected("turning", "Authorization") == [new], "new value", 60)

    def test_identity_and_secrets_are_written_nowhere(self):
        answers = [self.ask(f"/{name}/x") for name in self.NAMES]
        texts = [answer.head + answer.body for answer in answers]
        self.check_no_leak([*(f"canary-{name}-41d7" for name in self.NAMES), IDENTITY_TOKEN],
                           *texts)

    def test_metrics_tell_of_vault_and_secrets(self):
        self.ask("/plain/x")
        samples = self.door.barkeep.metrics()
        self.assertIn('barkeep_secret_age_seconds{vault="prod",name="plain"}', samples)
        self.assertGreater(samples['barkeep_vault_requests_total{vault="prod",status="200"}'], 0)


class Revocation(SecretCase):
    """403 or 404 from the vault drops a value at once."""

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"denied": "canary-denied", "deleted": "canary-deleted"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in cls.vault.secrets}
        config["secrets"] = {f"prod/{name}": {"refresh": "1s"} for name in cls.vault.secrets}
        cls.add_routes(config, door, cls.vault.secrets)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def test_a_revoked_secret_is_dropped(self):
        for name, status in (("denied", 403), ("deleted", 404)):
            with self.subTest(name=name):
                self.assertEqual([f"Bearer canary-{name}"], self.injected(name, "Authorization"))
                self.vault.wrong[name] = (status, b"{}")
                self.wait_for(lambda name=name: self.ask(f"/{name}/x").status == 503,
                              "the value is dropped", 30)
                del self.vault.wrong[name]
                self.wait_for(lambda name=name: self.ask(f"/{name}/x").status == 200,
                              "the value is back", 60)


class VaultDown(SecretCase):
    """Case 200 and 205: no vault, no identity; other routes are unaffected, and it heals."""

    becomes_ready = False

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"late": "canary-late"}
        cls.vault.identity_status = 500
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"late": {"bearer": "prod/late"}}
        cls.add_routes(config, door, ["late"])

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def test_it_heals_without_a_restart(self):
        self.check_refusal(self.ask("/late/x"), 503, UNAVAILABLE)
        self.assertEqual(503, self.door.barkeep.readiness()[0])
        self.vault.identity_status = 200
        self.wait_for(lambda: self.ask("/late/x").status == 200, "the secret", 60)
        self.wait_for(self.door.barkeep.is_ready, "readiness", 60)


class WithStandin(SecretCase):
    """The whole chain against the stand-in: its Entra, its metadata service, its vault."""

    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.standin = Standin(cls.door.folder).start()
        cls.door.config["entra"]["authority"] = cls.standin.url()
        cls.door.config["identity"] = {"managed": "system", "endpoint": cls.standin.url()}
        cls.door.config["vaults"] = {"prod": cls.standin.url()}
        cls.door.start()
        cls.token = cls.mint("--scope", "access_as_user")

    @classmethod
    def mint(cls, *options):
        code, out, err = process.run([process.standin_binary(), "token", "--state",
                                      str(cls.standin.state), "--audience", tokens.API, *options])
        assert code == 0, err
        return out.strip()

    @classmethod
    def tearDownClass(cls):
        cls.standin.stop()
        super().tearDownClass()

    @classmethod
    def change_config(cls, config, door):
        config["credentials"] = {"rabbit": {"basic": {"username": "admin",
                                                      "password": "prod/rabbit-admin"}}}
        cls.add_routes(config, door, ["rabbit"])

    def test_the_secret_reaches_the_upstream_only(self):
        expected = base64.b64encode(b"admin:canary-rabbit-admin-7f3a").decode()
        self.assertEqual([f"Basic {expected}"], self.injected("rabbit", "Authorization"))
        self.check_no_leak(["canary-rabbit-admin-7f3a"])

    def test_forged_tokens_of_the_stand_in_are_refused(self):
        self.refuse(raw.request("GET", "/public/x", token=self.mint(
            "--audience", "api://something-else")), 401, "token_audience")


if __name__ == "__main__":
    unittest.main()
