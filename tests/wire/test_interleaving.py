#!/usr/bin/python3
"""Many routes, callers and requests at once: each request carries its own route's secret, and each
secret is read once (CASES.md I 182, J 204)."""

import pathlib
import threading
import time
import unittest

import wire  # noqa: F401
from lib import process, raw
from lib.many_routes import COUNT, ManyRoutes
from lib.vault import Vault
from test_secrets import SecretCase

REQUESTS = 4000 if process.is_sanitized() else 20000
CALLERS = 8
BURST = 25
COLD_CALLERS = 1000


class VaultCase(SecretCase):
    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        cls.more_config(config, door)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()


def shown(request):
    """A request's credential in each of the places of many_routes.PLACES."""
    query = dict(pair.split("=", 1) for pair in request.target.partition("?")[2].split("&") if pair)
    cookies = dict(pair.split("=", 1) for value in request.all("Cookie")
                   for pair in value.split("; "))
    return {"authorization": ",".join(request.all("Authorization")),
            "key": ",".join(request.all("X-Api-Key")), "query": query.get("api_key", ""),
            "cookie": cookies.get("sid", "")}


class Interleaved(VaultCase):
    """Case 182: twenty routes, twenty credentials of five kinds, one upstream, kept connections."""

    @classmethod
    def more_config(cls, config, door):
        cls.many = ManyRoutes()
        cls.vault.secrets = dict(cls.many.secrets)
        config["credentials"] = cls.many.credentials("prod")
        config["routes"] += cls.many.routes(door.upstream.url)

    def call(self, caller, statuses):
        """Bursts of requests, routes in an order of the caller's own."""
        total = REQUESTS // CALLERS
        step = (1, 3, 7, 9, 11, 13, 17, 19)[caller]  # prime to COUNT: every route comes
        with self.door.client(timeout=60) as client:
            for start in range(0, total, BURST):
                targets = [self.many.target((caller + step * number) % COUNT)
                           for number in range(start, start + BURST)]
                client.send(b"".join(raw.request("GET", target, token=self.token)
                                     for target in targets))
                statuses += [client.read_response().status for _ in targets]

    def test_each_request_carries_its_own_routes_secret(self):
        mark, before = self.door.upstream.mark(), self.door.upstream.connections()
        statuses = [[] for _ in range(CALLERS)]
        callers = [threading.Thread(target=self.call, args=(number, statuses[number]))
                   for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        self.assertEqual([200] * REQUESTS, sum(statuses, []))
        seen = self.door.upstream.since(mark)
        self.assertEqual(REQUESTS, len(seen))
        wrong = [request.target for request in seen
                 if shown(request) != self.many.expected(int(request.path.split("/")[1][1:]))]
        self.assertEqual([], wrong)
        routes = {request.path.split("/")[1] for request in seen}
        self.assertEqual(COUNT, len(routes))
        self.assertLess(self.door.upstream.connections() - before, REQUESTS / 20,
                        "connections are kept")
        self.door.upstream.requests.clear()
        self.door.seen.clear()

    def test_secrets_are_read_once_however_often_they_are_used(self):
        for number in range(COUNT):
            self.ask(self.many.target(number))
        read = [path.split("/")[2] for path in self.vault.fetches_of("")]
        self.assertEqual(sorted(self.many.secrets), sorted(read))


class AfterFailures(SecretCase):
    """Case 184: what failed, took too long or was given up leaves nothing to the next request."""

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text("canary-key-90cc")
        config["workers"] = 1
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {
            "headers": {"headers": {"X-Api-Key": "{local/key}"}}, "bearer": {"bearer": "local/key"},
            "query": {"query": {"api_key": "{local/key}"}},
            "cookie": {"cookie": {"sid": "{local/key}"}}}
        cls.kinds = list(config["credentials"])
        cls.add_routes(config, door, cls.kinds, timeouts={"head": "100ms"})
        # other credentials, or none, on pools that are told from each other by nothing else
        for kind in cls.kinds:
            config["routes"].append({
                "name": f"bare-{kind}", "path": f"/bare-{kind}", "upstream": door.upstream.url,
                "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    def fail(self, kind, how):
        """One request through route `kind` that ends badly."""
        if how == "reset":
            self.assertEqual(502, self.ask(f"/{kind}/reset").status)
        elif how == "late":
            self.assertEqual(504, self.ask(f"/{kind}/late").status)
        elif how == "garbage":
            self.assertEqual(502, self.ask(f"/{kind}/garbage").status)
        else:
            mark = self.door.upstream.mark()
            with self.door.client() as client:
                client.send(raw.request("GET", f"/{kind}/late", token=self.token))
                self.door.upstream.wait_for_request(mark)
                client.reset()

    def test_nothing_carries_over(self):
        upstream = self.door.upstream
        upstream.on("/reset", lambda peer, _: peer.reset())
        upstream.on("/late", lambda peer, _: peer.wait_closed())
        upstream.on("/garbage", b"SSH-2.0-garbage\r\n\r\n")
        for kind in self.kinds:
            for how in ("reset", "late", "garbage", "cancelled"):
                with self.subTest(case=184, kind=kind, how=how):
                    self.fail(kind, how)
                    mark = upstream.mark()
                    for target in (f"/bare-{kind}/x", "/public/x"):
                        self.assertEqual(200, self.ask(target).status)
                    for request in upstream.since(mark):
                        if request.path in ("/x", "/public/x"):
                            self.assertEqual(["", "", "", ""], list(shown(request).values()))


class Reads(VaultCase):
    """At most one read per secret and interval at any load; one for a thousand cold requests."""

    becomes_ready = False

    @classmethod
    def more_config(cls, config, door):
        cls.vault.secrets = {"cold": "canary-cold-5a5a", "busy": "canary-busy-5a5b"}
        cls.vault.hold = threading.Event()
        config["limits"] = {"connections": COLD_CALLERS + 100}
        config["secrets"] = {"prod/busy": {"refresh": "1s"}, "prod/cold": {"refresh": "1h"}}
        config["credentials"] = {name: {"bearer": f"prod/{name}"} for name in cls.vault.secrets}
        cls.add_routes(config, door, cls.vault.secrets)

    def test_a_thousand_cold_requests_cause_one_read(self):
        """Case 204."""
        data = raw.request("GET", "/cold/x", token=self.token)
        clients = [self.door.client(timeout=60).send(data) for _ in range(COLD_CALLERS)]
        name = "barkeep_connections"
        self.wait_for(lambda: self.door.barkeep.metrics()[name] >= COLD_CALLERS,
                      "all of them to be there", 30)
        self.vault.hold.set()
        statuses = [client.read_response().status for client in clients]
        for client in clients:
            client.close()
        self.assertEqual([200] * COLD_CALLERS, statuses)
        self.assertEqual(1, len(self.vault.fetches_of("cold")))

    def test_load_causes_no_read(self):
        """Refreshed every second or so, whatever is asked meanwhile."""
        self.vault.hold.set()
        self.wait_for(lambda: self.ask("/busy/x").status == 200, "the secret", 30)
        started, before = time.monotonic(), len(self.vault.fetches_of("busy"))
        data = raw.request("GET", "/busy/x", token=self.token) * BURST
        with self.door.client() as client:
            while time.monotonic() - started < 4:
                client.send(data)
                for _ in range(BURST):
                    self.assertEqual(200, client.read_response().status)
        reads = len(self.vault.fetches_of("busy")) - before
        # 10 % of jitter, and one that was due
        self.assertLessEqual(reads, (time.monotonic() - started) / 0.9 + 1)
        self.assertGreaterEqual(reads, 1)


if __name__ == "__main__":
    unittest.main()
