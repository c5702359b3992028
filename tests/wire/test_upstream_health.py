#!/usr/bin/python3
"""Upstreams that fail: left alone, tried again, told apart from the well ones (CASES.md K 207, 225, 226)."""

import json
import signal
import socket
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.barkeep import get
from lib.case import WireCase
from lib.net import free_port, wait_until
from lib.recorder import Recorder, UnixRecorder


def dying(peer, request):
    peer.read_body(request)
    peer.close()


class HealthCase(WireCase):
    """One worker, so that what it has learnt is known."""

    replays = False

    @classmethod
    def setUpClass(cls):
        cls.others = []
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for other in cls.others:
            other.stop()

    @classmethod
    def another(cls):
        cls.others.append(Recorder())
        return cls.others[-1]

    @classmethod
    def add_route(cls, config, name, upstream, **keys):
        config["workers"] = 1
        config["routes"].append({**config["routes"][0], "name": name, "path": f"/{name}",
                                 "upstream": upstream, **keys})

    def get(self, route, method="GET", body=None):
        return raw.request(method, f"/{route}/public/x", (), body, self.token)

    def ask(self, route, **options):
        with self.door.client() as client:
            return client.exchange(self.get(route, **options), options.get("method", "GET"))

    def metric(self, name, **labels):
        wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return int(self.door.barkeep.metrics()[f"{name}{{{wanted}}}"])

    def status(self):
        return json.loads(get(self.door.barkeep.admin_port, "/api/status")[2])

    def ejected(self, route):
        return self.metric("barkeep_upstreams_ejected", route=route)


class Ejection(HealthCase):
    @classmethod
    def change_config(cls, config, door):
        cls.good, cls.bad, cls.sick = cls.another(), cls.another(), cls.another()
        cls.bad.default = dying
        cls.sick.default = dying
        cls.dead = f"http://127.0.0.1:{free_port()}"
        health = {"failures": 3, "pause": "1h", "max_pause": "1h"}
        brief = {"failures": 3, "pause": "50ms", "max_pause": "100ms"}
        cls.add_route(config, "mixed", [cls.bad.url, cls.good.url], health=health)
        cls.add_route(config, "back", [cls.sick.url, cls.good.url], health=brief)
        cls.add_route(config, "refusing", [cls.dead, cls.good.url], health=health)
        cls.add_route(config, "alone", cls.dead, health=health)
        cls.add_route(config, "never", [cls.bad.url, cls.good.url], health={"failures": "none"})

    def test_one_that_refuses_connections_costs_nobody_anything(self):
        """Case 225."""
        for method, body in (("GET", None), ("POST", b"x")):
            for _ in range(5):
                self.assertEqual(200, self.ask("refusing", method=method, body=body).status)
        self.assertEqual(1, self.ejected("refusing"))
        self.assertEqual(1, self.metric("barkeep_upstream_ejections_total", route="refusing"))

    def test_one_that_never_answers_soundly_is_left_alone(self):
        mark = self.bad.mark()
        statuses = [self.ask("mixed", method="POST", body=b"x").status for _ in range(12)]
        self.assertEqual([502] * 3, [status for status in statuses if status != 200])
        self.assertEqual(3, len(self.bad.since(mark)))
        self.assertEqual(1, self.ejected("mixed"))
        status = self.status()["routes"]
        shown = next(route for route in status if route["name"] == "mixed")["upstreams"]
        self.assertEqual([(self.bad.url, True), (self.good.url, False)],
                         [(upstream["url"], upstream["ejected"]) for upstream in shown])

    def test_without_a_limit_nobody_is_left_alone(self):
        statuses = [self.ask("never", method="POST", body=b"x").status for _ in range(20)]
        self.assertEqual(10, statuses.count(502))
        self.assertEqual(0, self.ejected("never"))

    def test_one_that_is_well_again_is_asked_again(self):
        for _ in range(6):
            self.ask("back", method="POST", body=b"x")
        wait_until(lambda: self.ejected("back") == 1, "it is ejected")
        self.sick.default = recorder.answer()
        try:
            wait_until(lambda: self.ask("back").status == 200 and self.ejected("back") == 0,
                       "a request finds it well")
            mark = self.sick.mark()
            for _ in range(4):
                self.assertEqual(200, self.ask("back").status)
            self.assertEqual(2, len(self.sick.since(mark)))
        finally:
            self.sick.default = dying

    def test_the_only_one_is_tried_all_the_same(self):
        for _ in range(8):
            self.check_refusal(self.ask("alone"), 502, "upstream_unreachable")
        self.assertEqual(1, self.ejected("alone"))
        late = Recorder(int(self.dead.rpartition(":")[2]))
        self.others.append(late)
        self.assertEqual(200, self.ask("alone").status)
        self.assertEqual(0, self.ejected("alone"))

    def test_reloads_forget_nothing_of_it(self):
        self.test_one_that_refuses_connections_costs_nobody_anything()
        hash_before = self.status()["config_hash"]
        self.door.config["drain"] = "6s"
        self.door.barkeep.write_config(self.door.config)
        self.door.barkeep.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status()["config_hash"] != hash_before, "the reload")
        wait_until(lambda: self.ejected("refusing") == 1, "the state goes on")
        self.assertEqual(200, self.ask("refusing").status)
        self.assertEqual(1, self.metric("barkeep_upstream_ejections_total", route="refusing"))


class BlackHole(HealthCase):
    """Case 225: connections that are never made. A listener whose queue is full drops SYNs."""

    @classmethod
    def change_config(cls, config, door):
        cls.hole = socket.socket()
        cls.hole.bind(("127.0.0.1", 0))
        cls.hole.listen(0)
        cls.stuffing = []
        for _ in range(4):
            stuffed = socket.socket()
            stuffed.setblocking(False)
            stuffed.connect_ex(cls.hole.getsockname())
            cls.stuffing.append(stuffed)
        hole = "http://127.0.0.1:%d" % cls.hole.getsockname()[1]
        timeouts = {"connect": "200ms"}
        cls.add_route(config, "hole", hole, timeouts=timeouts, health={"failures": 1000})
        cls.add_route(config, "both", [hole, door.upstream.url], timeouts=timeouts)
        cls.add_route(config, "trials", hole, timeouts={"connect": "3s"},
                      health={"failures": 1, "pause": "1h", "max_pause": "1h"})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for stuffed in [*cls.stuffing, cls.hole]:
            stuffed.close()

    def test_is_504_at_the_connect_deadline(self):
        self.check_refusal(self.ask("hole"), 504, "upstream_timeout")
        self.good_request_is_fast()

    def test_another_upstream_serves_instead(self):
        for _ in range(4):
            self.assertEqual(200, self.ask("both", method="POST", body=b"x").status)

    def test_few_wait_for_it_once_it_is_known(self):
        self.check_refusal(self.ask("trials"), 504, "upstream_timeout")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask("trials")))
                   for _ in range(24)]
        for thread in threads:
            thread.start()
        self.good_request_is_fast()
        for thread in threads:
            thread.join()
        for answer in answers:
            self.check_refusal(answer, (502, 504), ("upstream_unreachable", "upstream_timeout"))
        statuses = [answer.status for answer in answers]
        self.assertGreaterEqual(statuses.count(502), 1)
        self.assertGreaterEqual(statuses.count(504), 8)
        self.assertEqual(statuses.count(502), self.metric(
            "barkeep_upstream_refusals_total", route="trials", cause="ejected"))


class Breaker(HealthCase):
    @classmethod
    def change_config(cls, config, door):
        cls.gate = threading.Event()
        cls.slow, cls.other = cls.another(), cls.another()

        def held(peer, request):
            peer.read_body(request)
            cls.gate.wait(30)
            peer.send(recorder.answer())

        cls.slow.default = held
        cls.add_route(config, "capped", cls.slow.url, limits={"requests": 2})
        cls.add_route(config, "pair", [cls.slow.url, cls.other.url], limits={"requests": 1},
                      balance="least_connections")

    def setUp(self):
        super().setUp()
        self.gate.clear()

    def hold(self, route, count):
        """So many requests that have reached the slow upstream and wait there."""
        mark = self.slow.mark()
        clients = [self.door.client() for _ in range(count)]
        for number, client in enumerate(clients, 1):
            client.send(self.get(route))
            self.slow.wait_for_request(mark, number)
        return clients

    def release(self, clients):
        self.gate.set()
        for client in clients:
            self.assertEqual(200, client.read_response("GET").status)
            client.close()

    def test_what_is_beyond_the_cap_is_503_with_a_time(self):
        clients = self.hold("capped", 2)
        mark = self.slow.mark()
        response = self.ask("capped")
        self.check_refusal(response, 503, "overloaded")
        self.assertTrue(response.one("Retry-After"))
        self.assertEqual([], self.slow.since(mark))
        self.assertEqual(1, self.metric("barkeep_upstream_refusals_total", route="capped", cause="full"))
        self.good_request_is_fast()
        self.release(clients)
        self.assertEqual(200, self.ask("capped").status)

    def test_the_least_busy_has_the_next(self):
        self.gate.set()
        turn = self.other.mark()
        while not self.other.since(turn):  # equals take turns: the slow one has the next
            self.assertEqual(200, self.ask("pair").status)
        self.gate.clear()
        clients = self.hold("pair", 1)
        mark = self.other.mark()
        for _ in range(6):
            self.assertEqual(200, self.ask("pair").status)
        self.assertEqual(6, len(self.other.since(mark)))
        self.release(clients)


class RetryBudget(HealthCase):
    """Case 226: an upstream that drops every second request."""

    @classmethod
    def change_config(cls, config, door):
        cls.failing = cls.another()
        counts = {}

        def script(peer, request):
            peer.read_body(request)
            counts[peer.number] = counts.get(peer.number, 0) + 1
            if counts[peer.number] > 1:
                peer.close()
            else:
                peer.send(recorder.answer())

        cls.failing.default = script
        cls.add_route(config, "half", cls.failing.url, health={"failures": "none"})

    def test_retries_stay_a_fraction_of_requests(self):
        mark = self.failing.mark()
        sent_before = self.metric("barkeep_upstream_retries_total", route="half", result="sent")
        statuses = [self.ask("half").status for _ in range(200)]
        sent = self.metric("barkeep_upstream_retries_total", route="half", result="sent") - sent_before
        withheld = self.metric("barkeep_upstream_retries_total", route="half", result="withheld")
        self.assertEqual(200 + sent, len(self.failing.since(mark)))
        self.assertEqual(statuses.count(502), withheld)
        self.assertGreater(withheld, 0)
        self.assertLessEqual(sent, 32 + 200 // 5)
        self.assertGreaterEqual(sent, 32)

    def test_a_post_is_never_sent_again(self):
        mark = self.failing.mark()
        for _ in range(20):
            self.ask("half", method="POST", body=b"x")
        self.assertEqual(20, len(self.failing.since(mark)))


class UnixSocket(HealthCase):
    """unix:/path beside TCP: what it is sent, and what becomes of it."""

    @classmethod
    def change_config(cls, config, door):
        cls.path = f"{door.folder}/app.sock"
        cls.app = UnixRecorder(cls.path)
        cls.others.append(cls.app)
        cls.add_route(config, "unix", f"unix:{cls.path}")
        cls.add_route(config, "kept", f"unix:{cls.path}", preserve_host=True)
        cls.add_route(config, "spread", [f"unix:{door.folder}/none.sock", f"unix:{cls.path}"])

    def test_is_sent_what_tcp_upstreams_are(self):
        mark = self.app.mark()
        self.assertEqual(200, self.ask("unix", method="POST", body=b"hello").status)
        request = self.app.since(mark)[0]
        self.assertEqual(("POST /public/x HTTP/1.1", b"hello"), (request.request_line, request.body))
        self.assertEqual(["localhost"], request.all("Host"))
        self.assertEqual(["127.0.0.1"], request.all("X-Forwarded-For"))
        self.assertEqual(["http"], request.all("X-Forwarded-Proto"))
        self.assertEqual(1, len(request.all("X-Forwarded-Host")))
        self.assertEqual([], request.all("Authorization"))

    def test_may_see_the_callers_host(self):
        mark = self.app.mark()
        self.assertEqual(200, self.ask("kept").status)
        request = self.app.since(mark)[0]
        self.assertEqual(request.all("X-Forwarded-Host"), request.all("Host"))

    def test_keeps_its_connections(self):
        mark = self.app.mark()
        for _ in range(5):
            self.assertEqual(200, self.ask("unix").status)
        self.assertEqual(1, len({request.connection for request in self.app.since(mark)}))

    def test_shares_requests_with_others(self):
        for _ in range(8):
            self.assertEqual(200, self.ask("spread").status)


def name_of_this_machine():
    """A name, other than localhost, that leads to 127.0.0.1 alone; None where there is none."""
    for name in (socket.gethostname(), "ip6-localhost", "localhost.localdomain"):
        try:
            found = {item[4][0] for item in socket.getaddrinfo(name, 80)}
        except OSError:
            continue
        if found == {"127.0.0.1"} and name != "localhost":
            return name
    return None


@unittest.skipUnless(name_of_this_machine(), "no name that leads to this machine, but localhost")
class Names(HealthCase):
    """Case 207: a name leads where its route allows, whoever answers for it. That names which change
    are followed is tests/unit/proxy/test_resolver.c's."""

    @classmethod
    def change_config(cls, config, door):
        cls.here = cls.another()
        name = f"http://{name_of_this_machine()}:{cls.here.port}"
        cls.add_route(config, "name", name)
        cls.add_route(config, "elsewhere", name, upstream_networks=["10.0.0.0/8", "::1"])
        cls.add_route(config, "allowed", name, upstream_networks="127.0.0.0/8")
        cls.add_route(config, "local", f"http://localhost:{door.upstream.port}")
        cls.add_route(config, "nowhere", "http://nowhere.invalid", timeouts={"connect": "20s"})

    def test_leads_to_this_machine_only_where_that_is_allowed(self):
        for route in ("name", "elsewhere"):
            for _ in range(2):
                response = self.ask(route)
                self.check_refusal(response, 502, "upstream_unreachable")
                self.assertIn("does not allow", json.loads(response.body)["detail"])
        self.assertEqual(0, self.here.connections())
        self.assertEqual(200, self.ask("allowed").status)
        self.assertEqual(1, self.here.connections())

    def test_localhost_leads_here(self):
        self.assertEqual(200, self.ask("local").status)

    def test_a_name_that_does_not_resolve_is_502(self):
        self.check_refusal(self.ask("nowhere"), (502, 504), ("upstream_unreachable", "upstream_timeout"))
        self.good_request_is_fast()

    def test_a_name_that_a_reload_brings_is_looked_up(self):
        self.add_route(self.door.config, "late", f"http://localhost:{self.door.upstream.port}/")
        before = self.status()["config_hash"]
        self.door.barkeep.write_config(self.door.config)
        self.door.barkeep.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status()["config_hash"] != before, "the reload")
        wait_until(lambda: self.ask("late").status == 200, "the route serves")


if __name__ == "__main__":
    unittest.main()
