#!/usr/bin/python3
"""A vault that fails (CASES.md 200-206): each way has one reason, one event that says which, and
nobody on another route notices; a value that is held already serves on until its limit."""

import threading
import unittest

import wire  # noqa: F401
from lib import raw
from lib.net import free_port
from lib.standin_case import StandinCase
from lib.vault import Vault

UNAVAILABLE = "secret_unavailable"
# What the stand-in answers for one secret alone: name, fault, and what the event says.
FAULTS = (
    ("broken", {"status": 500}, "the vault answered 500"),
    ("throttled", {"status": 429}, "the vault answered 429"),
    ("waiting", {"status": 503, "retry_after": 1}, "the vault answered 503"),
    ("cut", {"close": True}, "."),
    ("no-json", {"status": 200, "body": "{"}, "JSON"),
    ("a-list", {"status": 200, "body": "[]"}, "."),
    ("twice", {"status": 200, "body": '{"value":"a-secret","value":"b-secret","id":"x"}'}, "."),
    ("nameless", {"status": 200, "body": '{"value":"a-secret"}'}, "the answer's id"),
    ("a-mebibyte", {"status": 200, "value_bytes": 1 << 20}, "."),
)
# What Key Vault itself says of a secret.
REFUSED = (
    ("retired-key", "SecretDisabled", "disabled"),
    ("expired-key", "", "expired"),
    ("not-there", "", "404"),
)


class BadVault(StandinCase):
    """No value was ever read."""

    becomes_ready = False

    @classmethod
    def change_config(cls, config, door):
        cls.names = [row[0] for row in FAULTS + REFUSED] + ["slow", "down", "nowhere", "good"]
        config["identity"] = {"managed": "system", "endpoint": cls.standin.url()}
        config["vaults"] = {"prod": cls.standin.url(),
                            "waiting": cls.standin.url(),  # Retry-After is for a whole vault
                            "down": f"http://127.0.0.1:{free_port()}",
                            "nowhere": "https://no-such-vault.vault.invalid"}
        config["credentials"] = {name: {"bearer": f"{cls.vault_of(name)}/{name}"}
                                 for name in cls.names}
        for name in cls.names:
            cls.add_route(config, door, name)
            if name not in [*(row[0] for row in REFUSED), "down", "nowhere"]:
                cls.standin.knob(f"vaults/orders-kv/secrets/{name}", {"value": f"canary-{name}"})
        for name, fault, _ in FAULTS:
            cls.standin.knob("faults", {"endpoint": "vault", "count": -1, **fault,
                                        "match": f"/secrets/{name}"})
        cls.standin.knob("faults", {"endpoint": "vault", "count": -1, "delay_ms": 60000,
                                    "match": "/secrets/slow"})

    @staticmethod
    def vault_of(name):
        return name if name in ("waiting", "down", "nowhere") else "prod"

    def check_fails(self, name, said):
        """Its route answers 503, /readyz names it, the log says why, and the vault's other secret
        is there."""
        vault = self.vault_of(name)
        mark = self.door.upstream.mark()
        response = self.ask(f"/{name}/x")
        self.check_refusal(response, 503, UNAVAILABLE)
        self.assertTrue(self.door.upstream.is_untouched(mark))
        self.assertEqual("Bearer canary-good", self.sent("/good/x"))
        event = self.wait_for(
            lambda: self.events("secret", vault=vault, name=name, what="failed"), "the event")[0]
        self.assertRegex(event["error"], said)
        self.assertNotIn("secret\"", event["error"])
        status, body = self.door.barkeep.readiness()
        self.assertEqual(503, status)
        self.assertIn(name, str(body))
        return event

    def test_wrong_answers(self):
        """Cases 200, 201 and 206."""
        for name, _, said in FAULTS:
            with self.subTest(case=206, name=name):
                self.check_fails(name, said)

    def test_what_may_not_be_used(self):
        for name, code, said in REFUSED:
            with self.subTest(case=206, name=name):
                self.assertEqual(code, self.check_fails(name, said).get("code", ""))

    def test_nobody_there(self):
        self.check_fails("down", "127.0.0.1")

    def test_no_such_host(self):
        """Case 207, its first half."""
        self.check_fails("nowhere", "(?i)resolve")

    def test_no_answer_in_time(self):
        """Callers wait for the vault no longer than barkeep does; others not at all."""
        with self.door.client(timeout=60) as waiting:
            waiting.send(raw.request("GET", "/slow/x", token=self.token))
            for _ in range(20):
                self.assertEqual("Bearer canary-good", self.sent("/good/x"))
            self.check_refusal(waiting.read_response(), 503, UNAVAILABLE)
        self.check_fails("slow", "(?i)time")


class HeldValue(StandinCase):
    """Case 202: what is held serves on while its vault fails, up to `max_stale`."""

    @classmethod
    def change_config(cls, config, door):
        config["identity"] = {"managed": "system", "endpoint": cls.standin.url()}
        config["vaults"] = {"prod": cls.standin.url()}
        names = [row[0] for row in FAULTS] + ["ending"]
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in names}
        config["secrets"] = {f"prod/{name}": {"refresh": "1s", "max_stale": "1h"} for name in names}
        config["secrets"]["prod/ending"] = {"refresh": "1s", "max_stale": "4s"}
        for name in names:
            cls.add_route(config, door, name)
            cls.standin.knob(f"vaults/orders-kv/secrets/{name}", {"value": f"canary-{name}"})

    def fail(self, name, fault):
        self.standin.knob("faults", {"endpoint": "vault", "count": -1, **fault,
                                     "match": f"/secrets/{name}"})
        self.addCleanup(self.standin.knob, "faults/clear")

    def test_it_serves_on(self):
        for name, fault, said in FAULTS:
            self.fail(name, fault)
        for name, _, said in FAULTS:
            with self.subTest(case=202, name=name):
                stale = self.wait_for(lambda name=name: self.events("secret", name=name, what="stale"),
                                      "the event", 60)
                self.assertRegex(stale[0]["error"], said)
                self.assertEqual(f"Bearer canary-{name}", self.sent(f"/{name}/x"))
        self.standin.knob("faults/clear")
        for name, _, _ in FAULTS:
            self.wait_for(lambda name=name: self.events("secret", name=name, what="recovered"),
                          f"{name} recovers", 120)
            self.assertEqual(1, len(self.events("secret", name=name, what="stale")), "told once")

    def test_it_ends_with_max_stale(self):
        self.assertEqual("Bearer canary-ending", self.sent("/ending/x"))
        self.fail("ending", {"status": 503})
        self.wait_for(lambda: self.ask("/ending/x").status == 503, "the end", 60)
        self.check_refused(self.ask("/ending/x"), 503, UNAVAILABLE)
        dropped, = self.events("secret", name="ending", what="dropped")
        self.assertIn("max_stale", dropped["error"])
        age = self.door.barkeep.metrics()['barkeep_secret_age_seconds{vault="prod",name="ending"}']
        self.assertGreaterEqual(age, 3)
        self.assertEqual(503, self.door.barkeep.readiness()[0])
        self.standin.knob("faults/clear")
        self.wait_for(lambda: self.ask("/ending/x").status == 200, "recovery", 120)
        self.wait_for(self.door.barkeep.is_ready, "readiness", 30)


class Hanging(StandinCase):
    """A vault of our own that keeps its answers to itself until told: by the second test, in the
    order of their names."""

    becomes_ready = False
    CALLERS = 1000

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.addClassCleanup(cls.vault.stop)
        cls.vault.secrets = {"cold": "canary-cold"}
        cls.vault.wrong = {"missing": (404, b'{"error":{"code":"SecretNotFound"}}')}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in ("cold", "missing")}
        config["roles"]["Writer"] = {"actions": ["PUT /**"]}
        for name in config["credentials"]:
            cls.add_route(config, door, name)
            config["routes"][-1]["access"][0] = {"role": "Writer", "to": {"app_role": "Writer"},
                                                 "credential": name}
        cls.hold = cls.vault.hold = threading.Event()
        cls.addClassCleanup(cls.hold.set)

    def reads(self, name):
        return len(self.vault.fetches_of(name))

    def refused_calls(self, name):
        """Of every kind that ends before the credential."""
        stranger = self.token
        return ((raw.request("PUT", f"/{name}/x"), 401),
                (raw.request("PUT", f"/{name}/x", token=stranger + "x"), 401),
                (raw.request("PUT", f"/{name}/x", token=self.standin.mint("--audience", "x")), 401),
                (raw.request("PUT", f"/{name}/x", token=stranger), 403),
                (raw.request("GET", f"/{name}/x", token=self.writer()), 403),
                (raw.request("PUT", f"/{name}//x", token=self.writer()), 400),
                (raw.request("PUT", "/nothing/x", token=self.writer(), host="gw"), (403, 404)))

    def writer(self):
        return self.standin.mint("--app-role", "Writer")

    def test_a_refused_call_reads_no_vault(self):
        """Neither read nor waited for: the vault hangs, and the refusals come all the same."""
        self.wait_for(lambda: self.vault.fetches, "the first request to vault or identity")
        before = len(self.vault.fetches)
        for data, status in self.refused_calls("cold"):
            self.refuse(data, status)
        self.assertEqual(before, len(self.vault.fetches))

    def test_a_thousand_cold_calls_are_one_read(self):
        """Case 204."""
        data = raw.request("PUT", "/cold/x", body=b"", token=self.writer())
        callers = [self.door.client(timeout=60).send(data) for _ in range(self.CALLERS)]
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_connections"] >= self.CALLERS,
                      "all of them", 60)
        self.hold.set()
        self.assertEqual({200}, {caller.read_response().status for caller in callers})
        for caller in callers:
            caller.close()
        self.assertEqual(1, self.reads("cold"))

    def test_refused_calls_read_no_missing_secret(self):
        """With a positive control: what is allowed is refused for the secret's sake."""
        self.wait_for(lambda: self.reads("missing") >= 3, "some tries", 60)
        before = self.reads("missing")
        for _ in range(5):
            for data, status in self.refused_calls("missing"):
                self.refuse(data, status)
        allowed = raw.request("PUT", "/missing/x", body=b"", token=self.writer())
        self.refuse(allowed, 503, UNAVAILABLE)
        self.assertLessEqual(self.reads("missing") - before, 2)


if __name__ == "__main__":
    unittest.main()
