#!/usr/bin/python3
"""Signing keys over time: Entra down, keys rolling, floods of unknown kids (CASES.md A 21, J)."""

import json
import threading
import time
import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.authority import Authority
from lib.case import WireCase
from lib.door import Door, signing_key
from lib.key_questions import UNAVAILABLE, UNKNOWN, ask, reason_of
from lib.net import free_port, wait_until


class EntraDown(unittest.TestCase):
    """Cases 195 and 7: no key was ever fetched."""

    def open_door(self, authority=None):
        """A door whose authority is not there yet."""
        door = Door()
        door.authority.stop()
        self.port = free_port()
        door.config["entra"]["authority"] = f"http://127.0.0.1:{self.port}"
        door.start(wait_ready=False)
        self.addCleanup(door.stop_quietly)
        return door

    def test_answers_503_until_entra_is_there_and_comes_up_by_itself(self):
        door = self.open_door()
        response = ask(door, door.token())
        self.assertEqual((503, UNAVAILABLE), (response.status, reason_of(response)))
        self.assertRegex(response.one("Retry-After") or "", "^[0-9]+$")
        status, readiness = door.barkeep.readiness()
        self.assertEqual(503, status)
        self.assertIn(tokens.TENANT, json.dumps(readiness))
        door.authority = Authority([door.key.jwk()], self.port)
        wait_until(door.barkeep.is_ready, "barkeep comes up by itself", 60)
        wait_until(lambda: ask(door, door.token()).status == 200, "a good answer", 60)
        door.barkeep.stop()

    def test_ready_means_that_every_key_set_is_there(self):
        """Or the first callers after "ready" would be turned away."""
        door = Door()
        missing = f"/{tokens.TENANT}/v2.0/.well-known/openid-configuration"
        door.authority.broken.add(missing)
        door.start(wait_ready=False)
        self.addCleanup(door.stop_quietly)
        wait_until(lambda: ask(door, door.token(tokens.user(1))).status == 200, "v1 keys", 20)
        self.assertEqual(503, ask(door, door.token(tokens.user(2))).status)
        status, readiness = door.barkeep.readiness()
        self.assertEqual(503, status, readiness)
        door.authority.broken.clear()
        wait_until(door.barkeep.is_ready, "readiness", 60)
        self.assertEqual(200, ask(door, door.token(tokens.user(2))).status)
        door.barkeep.stop()

    def test_an_authority_without_v1_is_ready_with_v2(self):
        """404 says that there is nothing to wait for."""
        door = Door()
        door.authority.absent.add(f"/{tokens.TENANT}/.well-known/openid-configuration")
        door.start()
        self.addCleanup(door.stop_quietly)
        self.assertEqual(200, ask(door, door.token(tokens.user(2))).status)
        self.assertEqual(503, ask(door, door.token(tokens.user(1))).status)
        door.barkeep.stop()

    def test_refuses_bent_tokens_even_then(self):
        door = self.open_door()
        for token in (tokens.mint(door.key, None, {"alg": "none"}), "x.y.z",
                      tokens.mint(door.key, None, {"kid": tokens.DROP})):
            self.assertIn(ask(door, token).status, (401, 503))
        with door.client() as client:
            self.assertEqual(401, client.exchange(raw.request("GET", "/public/x")).status)
        door.barkeep.stop()

    def test_two_tokens_at_once_are_400_even_then(self):
        """Case 76 with the keys missing."""
        door = self.open_door()
        value = f"Bearer {door.token()}"
        with door.client() as client:
            response = client.exchange(raw.request("GET", "/public/x", [
                ("Authorization", value), ("Authorization", value)]))
        self.assertEqual((400, "bad_request"), (response.status, reason_of(response)))
        door.barkeep.stop()


class BadDocuments(unittest.TestCase):
    """Cases 25 and 199: what is no key document never becomes one."""

    def check_unusable(self, spoil):
        door = Door()
        spoil(door.authority)
        door.start(wait_ready=False)
        try:
            wait_until(lambda: len(door.authority.fetches) >= 2, "a fetch")
            response = ask(door, door.token())
            self.assertIn((response.status, reason_of(response)),
                          ((503, UNAVAILABLE), (401, UNKNOWN)))
            self.assertEqual([], door.upstream.requests)
            self.assertLess(door.barkeep.process.resident_bytes(), 200 << 20)
            door.barkeep.stop()
        finally:
            door.stop_quietly()

    def test_malformed_key_documents_give_no_keys(self):
        good = json.dumps({"keys": [signing_key().jwk()]}).encode()
        for what, document in (
                ("an array", b"[]"), ("keys is an object", b'{"keys":{}}'),
                ("no keys", b"{}"), ("nothing in keys", b'{"keys":[]}'),
                ("deep nesting", b"[" * 100000), ("10 MiB", b" " * (10 << 20) + good),
                ("truncated", good[:-3]), ("HTML", b"<html>sign in</html>"),
                ("duplicate members", good[:-1] + b',"keys":[]}'), ("empty", b" "),
                ("bytes after it", good + b"x"), ("not UTF-8", good[:-1] + b',"x":"\xff"}')):
            with self.subTest(case=25, what=what):
                self.check_unusable(lambda authority, document=document: setattr(
                    authority, "raw_keys", document))

    def test_error_answers_give_no_keys(self):
        for status in (404, 429, 500, 302):
            with self.subTest(status=status):
                self.check_unusable(lambda authority, status=status: setattr(
                    authority, "status", status))

    def test_foreign_metadata_gives_no_keys(self):
        """The keys' address and the issuer are judged before they are used."""
        def metadata(**changes):
            def spoil(authority):
                document = {**authority.metadata(tokens.TENANT, 2), **changes}
                authority.raw_metadata = json.dumps(tokens.applied(document, {})).encode()
            return spoil

        stranger = Authority([signing_key().jwk()])
        self.addCleanup(stranger.stop)
        for what, spoil in (
                ("plain http elsewhere", metadata(jwks_uri="http://192.0.2.1/keys")),
                ("a file", metadata(jwks_uri="file:///etc/passwd")),
                ("no address", metadata(jwks_uri=tokens.DROP)),
                ("a number", metadata(jwks_uri=7)),
                ("no issuer", metadata(issuer=tokens.DROP)),
                ("not JSON", lambda authority: setattr(authority, "raw_metadata", b"<html>"))):
            with self.subTest(case=199, what=what):
                self.check_unusable(spoil)


class Flood(WireCase):
    """Case 21: 300 unknown kids cause one fetch at most."""

    def test_unknown_kids_cause_one_fetch_at_most(self):
        before = len(self.door.authority.key_fetches())
        stranger = signing_key(1)
        for number in range(300):
            token = tokens.mint(stranger, None, {"kid": f"unknown-{number}"})
            response = ask(self.door, token)
            self.assertEqual((401, UNKNOWN), (response.status, reason_of(response)))
            if number % 50 == 0:
                self.assertEqual(200, ask(self.door, self.token).status)
        self.assertLessEqual(len(self.door.authority.key_fetches()) - before, 1)

    def test_valid_tokens_pass_while_the_keys_are_looked_up(self):
        """Case 197: nobody but the one who needs it waits for the fetch."""
        self.door.authority.hold = threading.Event()
        try:
            with self.door.client() as waiting:
                waiting.send(raw.request("GET", "/public/x", token=tokens.mint(
                    signing_key(1), tokens.user(1), {"kid": "another-unknown"})))
                for _ in range(20):
                    self.good_request_is_fast()
                self.door.authority.hold.set()
                self.assertEqual(401, waiting.read_response().status)
        finally:
            self.door.authority.hold.set()
            self.door.authority.hold = None


class Rollover(WireCase):
    """Case 198: a new kid is found at its first token, a removed one stops with the next fetch."""

    replays = False

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["keys"] = {"refresh": "1s"}

    def test_keys_roll_without_a_person(self):
        fresh = signing_key(1)
        self.assertEqual(401, ask(self.door, tokens.mint(fresh)).status)
        self.door.authority.keys = [self.door.key.jwk(), fresh.jwk()]
        wait_until(lambda: ask(self.door, tokens.mint(fresh)).status == 200, "the new key", 30)
        self.assertEqual(200, ask(self.door, self.token).status)
        old = self.token
        self.door.authority.keys = [fresh.jwk()]
        wait_until(lambda: ask(self.door, old).status == 401, "the old key's end", 30)
        self.assertEqual(UNKNOWN, reason_of(ask(self.door, old)))
        self.door.authority.keys = [self.door.key.jwk()]
        wait_until(lambda: ask(self.door, old).status == 200, "the old key again", 30)

    def test_failing_refreshes_leave_the_keys_in_force(self):
        """Case 196 and 25."""
        authority = self.door.authority
        for spoil, heal in ((("status", 500), ("status", 200)),
                            (("raw_keys", b"<html>"), ("raw_keys", None)),
                            (("raw_metadata", b"[" * 50000), ("raw_metadata", None))):
            with self.subTest(spoil=spoil[0]):
                setattr(authority, *spoil)
                before = len(authority.fetches)
                wait_until(lambda: len(authority.fetches) >= before + 2, "failing fetches", 30)
                self.assertEqual(200, ask(self.door, self.token).status)
                setattr(authority, *heal)
        before = len(authority.key_fetches())
        wait_until(lambda: len(authority.key_fetches()) >= before + 2, "good fetches", 30)

    def test_a_key_that_changes_under_its_kid_is_another_key(self):
        stranger = signing_key(1)
        self.door.authority.keys = [stranger.jwk(kid=self.door.key.kid)]
        try:
            wait_until(lambda: ask(self.door, self.token).status == 401, "the replaced key", 30)
            forged = tokens.mint(stranger, None, {"kid": self.door.key.kid})
            self.assertEqual(200, ask(self.door, forged).status)
        finally:
            self.door.authority.keys = [self.door.key.jwk()]
            wait_until(lambda: ask(self.door, self.token).status == 200, "the old key", 30)


class Staleness(WireCase):
    """Case 196: beyond max_stale the keys are gone, and readiness says so."""

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["keys"] = {"refresh": "1s", "max_stale": "3s"}

    def test_stale_keys_end(self):
        self.door.authority.status = 500
        try:
            wait_until(lambda: ask(self.door, self.token).status == 503, "the end of staleness", 30)
            self.assertEqual(UNAVAILABLE, reason_of(ask(self.door, self.token)))
            self.assertEqual(503, self.door.barkeep.readiness()[0])
        finally:
            self.door.authority.status = 200
            wait_until(self.door.barkeep.is_ready, "barkeep is ready again", 60)
            wait_until(lambda: ask(self.door, self.token).status == 200, "good answers", 30)

    def test_metrics_tell_the_age(self):
        names = [name for name in self.door.barkeep.metrics()
                 if name.startswith("barkeep_keyset_age_seconds{")]
        self.assertTrue(any(tokens.TENANT in name for name in names), names)
        self.assertLess(time.time(), 2 ** 40)


class PerVersionKeys(WireCase):
    """Each version's key document speaks for its own tokens only."""

    @classmethod
    def change_config(cls, config, door):
        cls.other = signing_key(1)
        door.authority.keys_by_version = {1: [cls.other.jwk()], 2: [door.key.jwk()]}

    def test_keys_belong_to_their_version(self):
        first, second = tokens.user(1), tokens.user(2)
        self.assertEqual(200, ask(self.door, tokens.mint(self.other, first)).status)
        self.assertEqual(200, ask(self.door, tokens.mint(self.door.key, second)).status)
        self.assertEqual(401, ask(self.door, tokens.mint(self.door.key, first)).status)
        self.assertEqual(401, ask(self.door, tokens.mint(self.other, second)).status)


if __name__ == "__main__":
    unittest.main()
