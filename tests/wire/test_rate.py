#!/usr/bin/python3
"""`rate`: how often a caller may call, on routes and on access entries. Windows are an hour long, so
that nothing here depends on how fast the machine is."""

import threading
import unittest
import uuid

import wire  # noqa: F401
from lib import raw, tokens
from lib.case import WireCase
from lib.reload_case import reload_door

LIMITED = "rate_limited"
CLIENT, OTHER_CLIENT = "203.0.113.7", "203.0.113.8"


def rate(burst, per="identity", requests=1, window="1h"):
    return {"per": per, "requests": requests, "window": window, "burst": burst}


class RateCase(WireCase):
    """Routes are added by name: /NAME leads to the recorder, and everyone may call."""

    @classmethod
    def add_route(cls, config, door, name, access=None, **more):
        config["routes"].append({
            "name": name, "path": f"/{name}", "upstream": door.upstream.url,
            "access": access or [{"role": "Contributor", "to": {"everyone": True}}], **more})

    def setUp(self):
        super().setUp()
        self.caller = self.fresh_caller()

    def fresh_caller(self, **claims):
        """The token of somebody who has not called yet."""
        return self.door.token(tokens.user(oid=str(uuid.uuid4()), **claims))

    def request(self, target, token=None, headers=(), method="GET", body=None):
        return raw.request(method, target, headers, body, token or self.caller)

    def passes(self, target, count=1, token=None, headers=()):
        for _ in range(count):
            self.allow(self.request(target, token, headers))

    def limited(self, target, token=None, headers=(), method="GET", body=None):
        """The refusal and its audit line."""
        response = self.refuse(self.request(target, token, headers, method, body), 429, LIMITED,
                               method=method)
        self.assertTrue(1 <= int(response.one("Retry-After")) <= 3600, response.headers)
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(("deny", LIMITED, 429),
                         (line["decision"], line["reason"], line["status"]))
        self.assertIsNone(line["upstream"])
        self.assertEqual([], line["secrets"])
        return response, line


class Routes(RateCase):
    @classmethod
    def change_config(cls, config, door):
        everyone = {"role": "Contributor", "to": {"everyone": True}}
        config["trusted_proxies"] = ["127.0.0.1"]
        cls.add_route(config, door, "three", rate=rate(3))
        cls.add_route(config, door, "other", rate=rate(3))
        cls.add_route(config, door, "clients", rate=rate(3, "client"))
        cls.add_route(config, door, "free")
        cls.add_route(config, door, "guarded", rate=rate(2), access=[
            {"role": "Reader", "to": {"everyone": True}}])
        cls.add_route(config, door, "tiers", access=[
            {"role": "Contributor", "to": {"app_role": "Batch"}, "rate": rate(5)},
            {**everyone, "rate": rate(2)}])
        cls.add_route(config, door, "both", rate=rate(5), access=[
            {**everyone, "role": "Narrow", "rate": rate(2)}, everyone])
        config["roles"]["Narrow"] = {"actions": ["* /narrow/**"]}
        cls.add_route(config, door, "quick", rate=rate(1, requests=1, window="1s"))
        cls.add_route(config, door, "shared", rate=rate(40))

    def test_a_burst_passes_and_no_more(self):
        self.passes("/three/x", 3)
        for target in ("/three/x", "/three/y?z", "/three"):
            response, line = self.limited(target)
            self.assertTrue(3500 < int(response.one("Retry-After")) <= 3600)
            self.assertEqual(("three", "routes.three.access[0]"), (line["route"], line["rule"]))

    def test_callers_do_not_use_up_each_others(self):
        self.passes("/three/x", 3)
        self.limited("/three/x")
        self.passes("/three/x", 3, self.fresh_caller())
        self.limited("/three/x")

    def test_a_caller_is_who_calls_and_not_the_token(self):
        """Nor the connection: allow() opens one each time."""
        oid = str(uuid.uuid4())
        for number in range(3):
            self.passes("/three/x", 1, self.door.token(tokens.user(oid=oid, uti=f"t{number}")))
        self.limited("/three/x", self.door.token(tokens.user(oid=oid, uti="t4")))
        self.limited("/three/x", self.door.token(tokens.user(oid=oid.upper(), uti="t5")))

    def test_routes_do_not_use_up_each_others(self):
        self.passes("/three/x", 3)
        self.limited("/three/x")
        self.passes("/other/x", 3)
        self.limited("/other/x")
        self.passes("/free/x", 10)

    def test_addresses_count_when_it_is_per_client(self):
        here, there = (("X-Forwarded-For", client) for client in (CLIENT, OTHER_CLIENT))
        for _ in range(3):
            self.passes("/clients/x", 1, self.fresh_caller(), [here])
        self.limited("/clients/x", self.fresh_caller(), [here])
        self.limited("/clients/x", None, [("X-Forwarded-For", f"{OTHER_CLIENT}, {CLIENT}:80")])
        self.passes("/clients/x", 3, None, [there])
        self.limited("/clients/x", None, [there])
        self.limited("/clients/x", None, [here])

    def test_who_is_refused_uses_nothing_up(self):
        for _ in range(5):
            self.refuse(self.request("/guarded/x", method="POST", body=b""), 403, "no_role",
                        method="POST")
        self.refuse(raw.request("GET", "/guarded/x"), 401, "token_missing")
        self.passes("/guarded/x", 2)
        self.limited("/guarded/x")
        self.refuse(self.request("/guarded/x", method="POST", body=b""), 403, "no_role",
                    method="POST")

    def test_the_entry_that_grants_counts(self):
        batch = self.fresh_caller(roles=["Batch"])
        self.passes("/tiers/x", 2)
        _, line = self.limited("/tiers/x")
        self.assertEqual("routes.tiers.access[1]", line["rule"])
        self.passes("/tiers/x", 5, batch)
        _, line = self.limited("/tiers/x", batch)
        self.assertEqual("routes.tiers.access[0]", line["rule"])

    def test_what_one_rate_refuses_is_not_taken_from_the_other(self):
        self.passes("/both/narrow/x", 2)
        for _ in range(4):
            self.limited("/both/narrow/x")
        self.passes("/both/wide", 3)
        self.limited("/both/wide")
        self.limited("/both/narrow/x")

    def test_any_method_is_told(self):
        self.passes("/three/x", 3)
        for method, body in (("HEAD", None), ("POST", b"body"), ("PUT", b""), ("DELETE", None)):
            with self.subTest(method=method):
                self.limited("/three/x", method=method, body=body)

    def test_nobody_else_is_told_when_to_come_again(self):
        response = self.refuse(self.request("/guarded/x", method="POST", body=b""), 403,
                               method="POST")
        self.assertIsNone(response.one("Retry-After"))

    def test_time_refills(self):
        def asked():
            with self.door.client() as client:
                return client.exchange(self.request("/quick/x"))

        self.wait_for(lambda: asked().status == 429, "a refusal", 20)
        self.wait_for(lambda: asked().status == 200, "the bucket to fill again", 20)

    def test_all_workers_count_together(self):
        """Many connections at once, spread over the workers by the kernel."""
        statuses = []

        def call():
            for _ in range(10):
                with self.door.client() as client:
                    statuses.append(client.exchange(self.request("/shared/x")).status)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((40, 40), (statuses.count(200), statuses.count(429)))

    def test_one_connection_gets_all_of_it(self):
        with self.door.client() as client:
            statuses = [client.exchange(self.request("/shared/x")).status for _ in range(41)]
        self.assertEqual([200] * 40 + [429], statuses)

    def test_metrics_count_them(self):
        sample = f'barkeep_requests_total{{route="other",decision="deny",reason="{LIMITED}"}}'
        before = self.door.barkeep.metrics().get(sample, 0)
        self.passes("/other/x", 3)
        self.limited("/other/x")
        metrics = self.door.barkeep.metrics()
        self.assertEqual((before + 1, 0),
                         (metrics[sample], metrics["barkeep_rates_forgotten_total"]))


class TopLevel(RateCase):
    """An entry for all routes counts on all of them together."""

    @classmethod
    def change_config(cls, config, door):
        nobody = [{"role": "Contributor", "to": {"app_role": "Nobody"}}]
        for name in ("one", "two"):
            cls.add_route(config, door, name, nobody)
        config["access"] = [{"role": "Contributor", "to": {"scope": "ping"}, "rate": rate(3)}]

    def test_one_bucket_for_all_routes(self):
        self.caller = self.fresh_caller(scp="ping")
        self.passes("/one/x", 2)
        self.passes("/two/x", 1)
        for name in ("one", "two"):
            _, line = self.limited(f"/{name}/x")
            self.assertEqual(("access[0]", name), (line["rule"], line["route"]))


class ShadowRoute(RateCase):
    """A route under shadow goes by its own rate, not by those of its entries."""

    @classmethod
    def change_config(cls, config, door):
        access = [{"role": "Contributor", "to": {"everyone": True}, "rate": rate(1)}]
        cls.add_route(config, door, "tried", access, shadow=True, rate=rate(4))

    def test_only_the_routes_rate_counts(self):
        self.passes("/tried/x", 4)
        self.limited("/tried/x")


class Credentials(RateCase):
    """The rate is asked before the vault."""

    @classmethod
    def change_config(cls, config, door):
        config["vaults"] = {"local": f"file:{door.folder}/none"}
        config["credentials"] = {"backend": {"bearer": "local/missing"}}
        cls.add_route(config, door, "sealed", rate=rate(2), credential="backend")

    becomes_ready = False  # the secret never comes

    def test_no_secret_is_wanted_for_who_is_too_many(self):
        for _ in range(2):
            self.refuse(self.request("/sealed/x"), 503, "secret_unavailable")
        self.limited("/sealed/x")

    def refuse(self, data, status, reason=None, split=0, method="GET", touches_upstream=False):
        if status == 429:
            return super().refuse(data, status, reason, split, method, touches_upstream)
        with self.door.client() as client:
            response = client.exchange(data, method)
        self.check_refusal(response, status, reason, method)
        return response


class Reload(RateCase):
    replays = False  # the configuration changes while the tests run

    @classmethod
    def change_config(cls, config, door):
        cls.add_route(config, door, "three", rate=rate(3))

    def reload_and_settle(self):
        """Each worker takes a new configuration up by itself: a new route tells when all have."""
        name = f"marker-{uuid.uuid4()}"
        self.add_route(self.door.config, self.door, name)
        reload_door(self.door)
        self.wait_for(lambda: all(self.status(f"/{name}/x") == 200 for _ in range(20)),
                      "all workers")

    def status(self, target):
        with self.door.client() as client:
            return client.exchange(self.request(target)).status

    def test_buckets_outlive_what_does_not_change_them(self):
        self.passes("/three/x", 3)
        self.limited("/three/x")
        self.reload_and_settle()
        self.limited("/three/x")
        self.door.config["routes"][1]["rate"] = rate(4)
        self.reload_and_settle()
        self.passes("/three/x", 4)
        self.limited("/three/x")
        del self.door.config["routes"][1]["rate"]
        self.reload_and_settle()
        self.passes("/three/x", 10)


if __name__ == "__main__":
    unittest.main()
