#!/usr/bin/python3
"""The admin listener: health, readiness, metrics; GET only, nothing secret, not on the public side."""

import json
import re
import socket
import threading
import unittest

import wire  # noqa: F401
from lib import raw
from lib.barkeep import get
from lib.case import WireCase

SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? '
                    r'[0-9.eE+-]+(Inf)?')
# Contract 9, as far as there is something to count from the start.
FAMILIES = ("barkeep_requests_total", "barkeep_request_seconds", "barkeep_overhead_seconds",
            "barkeep_connections", "barkeep_token_verifications_total",
            "barkeep_token_cache_hits_total", "barkeep_keyset_age_seconds",
            "barkeep_upstream_connections", "barkeep_config_hash_info")


class Admin(WireCase):
    def get(self, target, method="GET", headers=None):
        return get(self.door.barkeep.admin_port, target, method, headers)

    def test_health_says_alive(self):
        status, _, _ = self.get("/healthz")
        self.assertEqual(200, status)

    def test_probes_answer_while_the_workers_are_busy(self):
        """Case 233: they are served by another thread than requests are."""
        stop = threading.Event()

        def call():
            with self.door.client() as client:
                while not stop.is_set():
                    client.exchange(raw.request("GET", "/public/x", token=self.token))

        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        try:
            for _ in range(20):
                for target in ("/healthz", "/readyz"):
                    with self.subTest(case=233, target=target):
                        self.assertEqual(200, self.get(target)[0])
        finally:
            stop.set()
            for caller in callers:
                caller.join()

    def test_readiness_is_json(self):
        status, headers, body = self.get("/readyz")
        self.assertEqual(200, status)
        self.assertIn("application/json", headers["Content-Type"])
        self.assertIsInstance(json.loads(body), dict)

    def test_metrics_have_every_family(self):
        status, headers, body = self.get("/metrics")
        self.assertEqual(200, status)
        self.assertIn("text/plain", headers["Content-Type"])
        text = body.decode()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assertIn(f"# TYPE {family} ", text)
                self.assertIn(f"# HELP {family} ", text)

    def test_metrics_are_prometheus_text(self):
        _, _, body = self.get("/metrics")
        self.assertTrue(body.endswith(b"\n"))
        seen = set()
        for line in body.decode().splitlines():
            if line.startswith("#"):
                self.assertRegex(line, r"^# (HELP|TYPE) barkeep_")
                continue
            self.assertRegex(line, rf"^{SAMPLE.pattern}$")
            name = line.rpartition(" ")[0]
            self.assertNotIn(name, seen)
            seen.add(name)

    def test_histograms_add_up(self):
        samples = self.door.barkeep.metrics()
        count = samples['barkeep_request_seconds_count{route="main"}']
        self.assertEqual(count, samples['barkeep_request_seconds_bucket{route="main",le="+Inf"}'])
        buckets = [value for name, value in samples.items()
                   if name.startswith('barkeep_request_seconds_bucket{route="main"')]
        self.assertEqual(sorted(buckets), buckets)

    def test_requests_are_counted_by_route_decision_and_reason(self):
        allowed = 'barkeep_requests_total{route="main",decision="allow",reason=""}'
        refused = 'barkeep_requests_total{route="main",decision="deny",reason="token_missing"}'
        hits = "barkeep_token_cache_hits_total"
        before = self.door.barkeep.metrics()
        for _ in range(3):
            self.allow(raw.request("GET", "/public/x", token=self.token))
            self.refuse(raw.request("GET", "/public/x"), 401)
        after = self.wait_for(lambda: self.counted(before, allowed, 3), "counters")
        self.assertEqual(3, after[refused] - before.get(refused, 0))
        self.assertGreater(after[hits], before.get(hits, 0))

    def counted(self, before, name, count):
        samples = self.door.barkeep.metrics()
        return samples if samples.get(name, 0) - before.get(name, 0) >= count else None

    def test_connections_are_counted(self):
        with self.door.client() as client:
            client.exchange(raw.request("GET", "/public/x", token=self.token))
            self.assertGreaterEqual(self.door.barkeep.metrics()["barkeep_connections"], 1)
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_connections"] == 0,
                      "no connection is left")

    def test_only_get_is_answered(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            for target in ("/healthz", "/readyz", "/metrics"):
                with self.subTest(method=method, target=target):
                    status, _, body = self.get(target, method, {"X-Canary": "c4nary"})
                    self.assertEqual(405, status)
                    self.assertNotIn(b"c4nary", body)

    def test_other_paths_are_404(self):
        for target in ("/public/x", "/nothing", "/healthz/", "/healthz/..", "/metrics/x",
                       "/HEALTHZ"):
            with self.subTest(target=target):
                self.assertEqual(404, self.get(target)[0])

    def test_proxied_paths_do_not_reach_the_admin_side(self):
        """Case 232: the same names on the public side are ordinary paths."""
        for target in ("/metrics", "/healthz", "/readyz", "/api/status", "/public/metrics"):
            for host in ("gw.example", f"127.0.0.1:{self.door.barkeep.admin_port}", "localhost"):
                with self.subTest(target=target, host=host):
                    data = raw.request("GET", target, token=self.token, host=host)
                    if target.startswith("/public"):
                        self.allow(data)
                    else:
                        self.refuse(data, 403, "no_role")

    def test_nothing_of_requests_shows(self):
        self.allow(raw.request("GET", "/public/x?canary-q=1", [("X-Canary", "c4nary-h")],
                               token=self.token))
        for target in ("/metrics", "/readyz", "/healthz"):
            body = self.get(target)[2]
            for text in (b"canary", b"c4nary", self.token.encode(), b"Bearer"):
                self.assertNotIn(text, body)

    def test_listens_on_loopback_only_as_configured(self):
        """The configured address and no other: 127.0.0.2 is loopback, but not ours."""
        with socket.socket() as probe:
            self.assertNotEqual(0, probe.connect_ex(("127.0.0.2", self.door.barkeep.admin_port)))


class AdminOff(WireCase):
    becomes_ready = False

    @classmethod
    def change_config(cls, config, door):
        config["admin"] = "off"

    def test_nothing_listens_there(self):
        with self.assertRaises(OSError):
            get(self.door.barkeep.admin_port, "/healthz")


if __name__ == "__main__":
    unittest.main()
