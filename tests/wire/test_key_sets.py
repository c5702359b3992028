#!/usr/bin/python3
"""Key sets that outlive barkeep and Entra's absences: the state folder, bad documents and keys, unknown key ids, and
an endpoint that is down, slow, lying or rolling under load (cases 21, 24, 195-199)."""

import concurrent.futures
import json
import os
import stat
import threading
import time
import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.authority import Authority
from lib.case import WireCase
from lib.door import Door, signing_key
from lib.key_questions import UNAVAILABLE, UNKNOWN, ask, reason_of
from lib.net import patient, wait_until
from lib.process import barkeep_binary, is_sanitized, run


def keys_events(door):
    return [event for event in door.audit.read() if event["event"] == "keys"]


class State(unittest.TestCase):
    """`state`: a start does not need Entra."""

    def open_door(self, **keys):
        def change(config, door):
            config["state"] = f"{door.folder}/state"
            config["entra"]["keys"] = {"refresh": "1s", **keys}
        door = Door(change)
        self.addCleanup(door.stop_quietly)
        return door

    def learned_door(self, **keys):
        """A door that has learned the keys, ended, and whose Entra is gone."""
        door = self.open_door(**keys).start()
        self.assertEqual(200, ask(door, door.token()).status)
        door.barkeep.stop()
        door.authority.stop()
        return door

    def files(self, door):
        folder = door.config["state"]
        return sorted(f"{folder}/{name}" for name in os.listdir(folder))

    def restart(self, door, wait_ready=True):
        door.barkeep.start(wait_ready)

    def test_serves_at_once_while_entra_is_unreachable(self):
        door = self.learned_door()
        self.restart(door)
        for version in (1, 2):
            self.assertEqual(200, ask(door, door.token(tokens.user(version))).status)
        status, readiness = door.barkeep.readiness()
        self.assertEqual(200, status)
        for one in readiness["key_sets"]:
            self.assertTrue(one["ready"])
            self.assertGreaterEqual(one["age_sec"], 0)
        wait_until(lambda: door.barkeep.readiness()[1]["key_sets"][0]["error"], "the failed look shows")
        self.assertIn(f'barkeep_keyset_age_seconds{{tenant="{tokens.TENANT}"}}', door.barkeep.metrics())
        outcomes = [event["outcome"] for event in keys_events(door)]
        self.assertIn("loaded", outcomes)
        door.barkeep.stop()

    def test_files_are_barkeeps_own_and_hold_public_keys_only(self):
        door = self.open_door()
        private = signing_key(1)
        secret = tokens.uint_b64url(private.private.private_numbers().d)
        door.authority.keys = [door.key.jwk(), private.jwk(d=secret)]
        door.start()
        self.assertEqual(0o700, stat.S_IMODE(os.stat(door.config["state"]).st_mode))
        paths = self.files(door)
        self.assertEqual(2, len([path for path in paths if path.endswith(".json")]), paths)
        for path in paths:
            if path.endswith(".json"):
                self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                self.assertNotIn(secret, text)
                self.assertNotIn(private.kid, text)
                self.assertIn(door.key.kid, text)
        self.assertNotIn(secret.encode(), door.audit.raw())
        self.assertNotIn(secret, door.barkeep.process.stderr())
        door.barkeep.stop()

    def test_ages_count_across_the_restart(self):
        door = self.learned_door(max_stale="1h")
        for path in self.files(door):
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            document["fetched"] -= 1800
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
        self.restart(door)
        self.assertGreaterEqual(door.barkeep.readiness()[1]["key_sets"][0]["age_sec"], 1800)
        self.assertEqual(200, ask(door, door.token()).status)
        door.barkeep.stop()

    def test_loaded_keys_end_at_max_stale(self):
        door = self.learned_door(max_stale="3s")
        self.restart(door, wait_ready=False)
        wait_until(lambda: ask(door, door.token()).status == 503, "the end of the keys", 20)
        self.assertEqual(503, door.barkeep.readiness()[0])
        door.barkeep.stop()

    def test_damaged_files_count_as_none(self):
        door = self.learned_door()
        good = {}
        for path in self.files(door):
            with open(path, encoding="utf-8") as file:
                good[path] = file.read()
        future = int(time.time()) + 100000
        for what, spoil in (
                ("torn", lambda text: text[:len(text) // 2]), ("empty", lambda _: ""),
                ("of another address", lambda text: text.replace(door.authority.url, "http://127.0.0.1:1")),
                ("of another issuer", lambda text: text.replace('"issuer":"https', '"issuer":" https')),
                ("from the future", lambda text: json.dumps({**json.loads(text), "fetched": future})),
                ("too old", lambda text: json.dumps({**json.loads(text), "fetched": 1700000000})),
                ("without keys", lambda text: json.dumps({**json.loads(text), "keys": []}))):
            with self.subTest(what):
                for path, text in good.items():
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(spoil(text))
                self.restart(door, wait_ready=False)
                response = ask(door, door.token())
                self.assertEqual((503, UNAVAILABLE), (response.status, reason_of(response)))
                door.barkeep.stop()

    def test_files_that_others_can_write_to_are_not_read(self):
        door = self.learned_door()
        for path in self.files(door):
            os.chmod(path, 0o666)
        self.restart(door, wait_ready=False)
        self.assertEqual(503, ask(door, door.token()).status)
        door.barkeep.stop()
        os.chmod(door.config["state"], 0o777)
        argv = [barkeep_binary(), "serve", "-c", door.barkeep.config_path]
        code, _, stderr = run(argv)
        self.assertEqual(3, code)
        self.assertIn("nobody else may write", stderr)

    def test_a_removed_key_does_not_come_back_from_disk(self):
        door = self.open_door().start()
        fresh = signing_key(1)
        self.assertEqual(200, ask(door, door.token()).status)
        door.authority.keys = [fresh.jwk()]
        wait_until(lambda: ask(door, door.token()).status == 401, "the old key's end", 30)
        wait_until(lambda: ask(door, tokens.mint(fresh, tokens.user(1))).status == 200, "the new key", 30)
        wait_until(lambda: ask(door, door.token(tokens.user(1))).status == 401, "its end in v1", 30)
        door.barkeep.stop()
        door.authority.stop()
        self.restart(door)
        response = ask(door, door.token())
        self.assertEqual((401, UNKNOWN), (response.status, reason_of(response)))
        self.assertEqual(200, ask(door, tokens.mint(fresh)).status)
        door.barkeep.stop()

    def test_what_was_loaded_is_checked_as_soon_as_entra_is_back(self):
        door = self.learned_door()
        self.restart(door)
        self.assertEqual(200, ask(door, door.token()).status)
        door.authority = Authority([signing_key(1).jwk()], door.authority.port)
        wait_until(lambda: ask(door, door.token()).status == 401, "the withdrawn key's end", 60)
        door.barkeep.stop()


class RefusedKeys(WireCase):
    """Bad keys are left out one by one, told by kid and why, and cost nobody else anything."""

    @classmethod
    def change_config(cls, config, door):
        cls.others = {name: signing_key(number) for number, name in enumerate(
            ("private", "encryption", "other-alg", "twin"), 1)}
        weak = tokens.SigningKey("weak", bits=1024)
        cls.secret = tokens.uint_b64url(cls.others["private"].private.private_numbers().d)
        cls.bad = [cls.others["private"].jwk(kid="private", d=cls.secret),
                   cls.others["encryption"].jwk(kid="encryption", use="enc"),
                   cls.others["other-alg"].jwk(kid="other-alg", alg="RS512"), weak.jwk(),
                   cls.others["twin"].jwk(kid="twin"), cls.others["other-alg"].jwk(kid="twin"),
                   {"kty": "oct", "kid": "shared", "k": "AAAA"}, "no object"]
        door.authority.keys = [*cls.bad, door.key.jwk()]

    def test_the_good_key_serves(self):
        self.assertEqual(200, ask(self.door, self.door.token()).status)
        for kid, key in self.others.items():
            with self.subTest(case=24, kid=kid):
                token = tokens.mint(key, None, {"kid": kid})
                self.refuse(raw.request("GET", "/public/x", token=token), 401, UNKNOWN)

    def test_the_log_names_each_and_why(self):
        events = [event for event in keys_events(self.door) if event["outcome"] == "key_refused"]
        whys = {event["kid"]: event["why"] for event in events}
        for kid, why in (("private", "private"), ("encryption", "not for signatures"), ("other-alg", "RS256"),
                         ("weak", "2048"), ("twin", "shares its kid"), ("shared", "RSA")):
            with self.subTest(kid=kid):
                self.assertIn(why, whys[kid])
        self.assertEqual(8, self.door.barkeep.readiness()[1]["key_sets"][0]["refused_keys"])
        self.assertNotIn(self.secret, self.door.barkeep.process.stderr())
        self.assertNotIn(self.secret.encode(), self.door.audit.raw())


class UnknownKids(WireCase):
    """Case 21: made-up key ids cost one fetch an interval and no memory."""

    def test_a_thousand_of_them_cause_one_fetch_a_set(self):
        stranger = signing_key(1)
        authority = self.door.authority
        before, size = len(authority.key_fetches()), self.door.barkeep.process.resident_bytes()
        authority.hold = threading.Event()
        made_up = [tokens.mint(stranger, tokens.user(1 + number % 2), {"kid": f"made-up-{number}"})
                   for number in range(1000)]
        try:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = [pool.submit(ask, self.door, token) for token in made_up[:40]]
                wait_until(lambda: len(authority.fetches) > before, "a look")
                for _ in range(20):
                    self.good_request_is_fast()
                authority.hold.set()
                answers += [pool.submit(ask, self.door, token) for token in made_up[40:]]
                for answer in answers:
                    self.assertEqual((401, UNKNOWN), (answer.result().status, reason_of(answer.result())))
        finally:
            authority.hold.set()
            authority.hold = None
        self.assertLessEqual(len(authority.key_fetches()) - before, 2, "one for v1, one for v2")
        if not is_sanitized():
            self.assertLess(self.door.barkeep.process.resident_bytes() - size, 16 << 20)


class Lying(WireCase):
    """Cases 196, 197 and 199 while the keys of before are in force."""

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["keys"] = {"refresh": "1s"}

    def errors(self):
        return [one["error"] for one in self.door.barkeep.readiness()[1]["key_sets"]]

    def survive(self, spoil, heal):
        """One failed look at each set, then a good one: failures in a row would wait ever longer."""
        spoil()
        try:
            wait_until(lambda: all(self.errors()), "looks that fail", 30)
            for version in (1, 2):
                self.assertEqual(200, ask(self.door, self.door.token(tokens.user(version))).status)
            self.good_request_is_fast()
        finally:
            heal()
        wait_until(lambda: not any(self.errors()), "looks that succeed", 60)

    def put(self, name, value, healed):
        authority = self.door.authority
        self.survive(lambda: setattr(authority, name, value), lambda: setattr(authority, name, healed))

    def test_bad_answers_leave_the_keys_in_force(self):
        for status in (500, 404, 302):
            with self.subTest(case=197, status=status):
                self.put("status", status, 200)
        for what, body in (("no key", b'{"keys":[]}'), ("HTML", b"<html>")):
            with self.subTest(case=197, what=what):
                self.put("raw_keys", body, None)

    def test_lies_about_issuer_and_address_leave_the_keys_in_force(self):
        plain = self.door.authority.metadata
        for what, changes in (("another host", {"jwks_uri": "https://keys.example/keys"}),
                              ("http elsewhere", {"jwks_uri": "http://192.0.2.1/keys"}),
                              ("no issuer", {"issuer": ""})):
            with self.subTest(what, case=199):
                lie = lambda tenant, version, changes=changes: {**plain(tenant, version), **changes}  # noqa: E731
                self.put("metadata", lie, plain)

    def test_each_failure_is_an_event(self):
        self.put("status", 500, 200)
        failed = [event for event in keys_events(self.door) if event["outcome"] == "failed"]
        self.assertTrue(failed)
        self.assertIn("500", failed[-1]["detail"])

    def test_a_hanging_endpoint_makes_nobody_wait(self):
        authority = self.door.authority
        authority.hold = threading.Event()
        try:
            before = len(authority.fetches)
            wait_until(lambda: len(authority.fetches) > before, "a look that hangs", 30)
            for _ in range(20):
                self.good_request_is_fast()
        finally:
            authority.hold.set()
            authority.hold = None


class RetryAfter(unittest.TestCase):
    """Case 197: who says when to come back is asked no sooner."""

    def test_429_is_honoured(self):
        door = Door(lambda config, _: config["entra"].update(keys={"refresh": "1s"}))
        self.addCleanup(door.stop_quietly)
        plain, limited = door.authority.answer, threading.Event()

        def answer(path, handler):
            status, body, headers = plain(path, handler)
            return (429, b"", [("Retry-After", "120")]) if limited.is_set() else (status, body, headers)

        door.authority.answer = answer
        door.start()
        limited.set()
        wait_until(lambda: all("429" in (one["error"] or "") for one in
                               door.barkeep.readiness()[1]["key_sets"]), "both are limited", 30)
        before = len(door.authority.fetches)
        time.sleep(3)  # three looks would have come
        ask(door, tokens.mint(signing_key(1)))
        self.assertEqual(before, len(door.authority.fetches))
        self.assertEqual(200, ask(door, door.token()).status)
        door.barkeep.stop()


class RollingUnderLoad(WireCase):
    """Case 198: the first token of a new key is served, and nobody else notices."""

    def test_no_valid_request_is_refused(self):
        fresh, authority = signing_key(1), self.door.authority
        answers, stop = [], threading.Event()
        rolled = threading.Event()

        def load(number):
            while not stop.is_set():
                key = fresh if rolled.is_set() and number % 2 else self.door.key
                answers.append(ask(self.door, tokens.mint(key, tokens.user())).status)

        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        before = len(authority.key_fetches())
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(answers) > 50, "load before", 20)
            authority.keys = [self.door.key.jwk(), fresh.jwk()]
            rolled.set()
            count = len(answers)
            wait_until(lambda: len(answers) > count + 200, "load after", patient(20))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual({200}, set(answers))
        self.assertEqual(1, len(authority.key_fetches()) - before, "one look for the new kid")


if __name__ == "__main__":
    unittest.main()
