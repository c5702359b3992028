#!/usr/bin/python3
"""How long a refusal takes tells no more than its status does (CASES.md I 192)."""

import bisect
import time
import unittest

import wire  # noqa: F401
from lib import process, raw, tokens
from lib.case import WireCase

ROUNDS = 200 if process.is_sanitized() else 1000
# Of two equal distributions one is slower in half of all pairs. Whatever else runs on the machine
# hits both, as they take turns, and moves this towards a half.
TOLERANCE = 0.15


def share_slower(one, other):
    """Of all pairs, in how many `one` is the slower."""
    ranked = sorted(other)
    return sum(bisect.bisect_left(ranked, taken) for taken in one) / (len(one) * len(other))


class RefusalTimes(WireCase):
    @classmethod
    def change_config(cls, config, door):
        def route(number):
            return {"name": f"other{number}", "host": "inside.example", "path": f"/o{number}",
                    "upstream": door.upstream.url, "access": [
                        {"role": "Manager", "to": {"app_role": f"Secret.Role{number}"}}]}

        config["routes"][0]["host"] = "gw.example"
        config["routes"] += [route(number) for number in range(20)]

    def take(self, data, status):
        """Seconds of one refusal, from the request on."""
        with self.door.client() as client:
            started = time.perf_counter()
            client.send(data)
            response = client.read_head()
            taken = time.perf_counter() - started
            self.assertEqual(status, response.status)
        return taken

    def check_alike(self, status, one, other):
        times = [], []
        for number in range(ROUNDS):
            for kind in (0, 1) if number % 2 else (1, 0):
                times[kind].append(self.take((one, other)[kind], status))
        self.assertAlmostEqual(0.5, share_slower(*times), delta=TOLERANCE)

    def ask(self, target, host="gw.example", token=None):
        return raw.request("GET", target, token=token or self.token, host=host)

    def test_what_is_there_is_refused_as_slowly_as_what_is_not(self):
        """Case 192."""
        forged = self.token[:-40] + self.token[-40:][::-1]
        rows = {
            "wrong role, a path of a rule and one of none":
                (403, self.ask("/admin/users"), self.ask("/nothing/here")),
            "wrong role, a route's first path and its last":
                (403, self.ask("/o0/x", "inside.example"), self.ask("/o19/x", "inside.example")),
            "no route, for the host or for the path":
                (404, self.ask("/public/x", "elsewhere.example"),
                 self.ask("/o20/x", "inside.example")),
            "a forged token, on a path for everyone and on one for few":
                (401, self.ask("/public/x", token=forged), self.ask("/admin/x", token=forged)),
            "a forged token, on routes whose callers it would be or not":
                (401, self.ask("/o0/x", "inside.example", forged),
                 self.ask("/public/x", token=forged)),
        }
        for name, (status, one, other) in rows.items():
            with self.subTest(case=192, name=name):
                self.check_alike(status, one, other)

    def test_the_measure_sees_a_difference(self):
        """The control: a signature to verify is seen, beside a text that is no token."""
        times = [], []
        claims = tokens.user(groups=[tokens.GROUP] * 150)
        for _ in range(ROUNDS):
            long = self.door.token(claims)
            times[0].append(self.take(self.ask("/admin/x", token=long), 403))
            times[1].append(self.take(self.ask("/admin/x", token="x"), 401))
        self.assertGreater(share_slower(*times), 0.5 + TOLERANCE)


if __name__ == "__main__":
    unittest.main()
