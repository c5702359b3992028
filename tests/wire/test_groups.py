#!/usr/bin/python3
"""Callers whose tokens leave their groups out: Microsoft Graph is asked, and when it cannot be, nobody
is taken for a member of no group (the stand-in is Entra and Graph here)."""

import json
import threading
import unittest
import urllib.request

import wire  # noqa: F401
from lib import process, raw, tokens
from lib.barkeep import Standin
from lib.case import WireCase
from lib.door import Door

VIEWERS = "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
OPERATORS = "b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4"
BARRED = "c8d9e0f1-a2b3-4c4d-8e5f-60718293a4b5"
NESTED = "d9e0f1a2-b3c4-4d5e-9f60-718293a4b5c6"
# Each test has a principal of its own: what is remembered of one says nothing about another.
USERS = {name: f"{number:08x}-92a3-4b4c-8d5e-6f708192a3b4" for number, name in enumerate(
    ("viewer", "stranger", "barred", "nested", "operator", "once", "down", "back", "slow", "throttled",
     "rotten", "many", "spare"), 1)}
MANY = [f"{number:08x}-2c3d-4e5f-8091-a2b3c4d5e6f7" for number in range(300)]
GRAPH = "00000003-0000-0000-c000-000000000000"
ROBOT = ("aa0b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3", "bb1c2d3e-4f50-4b6c-9d7e-8f90a1b2c3d4")
READER, READER_SECRET = tokens.API, "canary-graph-reader-5d1f"
UNAVAILABLE = "groups_unavailable"
COUNTER = 'barkeep_groups_lookups_total{result="%s"}'


def user(name, *groups):
    return {"oid": USERS[name], "name": name, "upn": f"{name}@fabrikam.example",
            "groups": [*MANY, *groups]}


def seed(permissions=("User.Read.All", "Application.Read.All", "GroupMember.Read.All")):
    members = {"viewer": [VIEWERS], "barred": [VIEWERS, BARRED], "nested": [NESTED],
               "operator": [OPERATORS, VIEWERS]}
    return {
        "groups": {NESTED: [VIEWERS]},
        "users": [user(name, *members.get(name, [VIEWERS])) for name in USERS if name != "stranger"]
        + [user("stranger")],
        "apps": [
            {"name": "orders-gw", "client_id": READER, "oid": "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4",
             "uris": [tokens.API_URI], "token_version": 2, "secret": READER_SECRET,
             "roles": {GRAPH: list(permissions)}},
            {"name": "robot", "client_id": ROBOT[0], "oid": ROBOT[1], "groups": [VIEWERS]},
        ],
    }


class GroupCase(WireCase):
    seed = seed()

    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.standin = Standin(cls.door.folder, cls.seed).start()
        secret = cls.door.barkeep.folder / "client-secret"
        secret.write_text(READER_SECRET)
        secret.chmod(0o600)
        cls.door.config["entra"]["authority"] = cls.standin.url()
        cls.door.config["identity"] = {"client": {"id": READER, "secret_file": str(secret)}}
        cls.edit(cls.door.config)
        cls.door.start()
        cls.token = cls.mint("--user", USERS["spare"], "--scope", "access_as_user")

    @classmethod
    def edit(cls, config):
        """What a subclass configures differently."""

    @classmethod
    def tearDownClass(cls):
        cls.standin.stop()
        super().tearDownClass()

    @classmethod
    def change_config(cls, config, door):
        upstream = door.upstream.url
        config["routes"] += [
            {"name": "seen", "path": "/seen", "upstream": upstream, "access": [
                {"role": "Reader", "to": {"group": VIEWERS}}]},
            {"name": "tiered", "path": "/tiered", "upstream": upstream, "access": [
                {"role": "Contributor", "to": {"group": OPERATORS}},
                {"role": "Reader", "to": {"everyone": True}}]},
            {"name": "barring", "path": "/barring", "upstream": upstream, "access": [
                {"role": "Contributor", "to": {"everyone": True}}],
             "deny": [{"to": {"group": BARRED}, "actions": ["POST /**"]}]},
        ]

    @classmethod
    def mint(cls, *options):
        code, out, err = process.run([process.standin_binary(), "token", "--state",
                                      str(cls.standin.state), "--audience", tokens.API, *options])
        assert code == 0, err
        return out.strip()

    def overage(self, name):
        return self.mint("--overage", "--user", USERS[name], "--scope", "access_as_user")

    def ask(self, target, token, method="GET"):
        with self.door.client() as client:
            return client.exchange(raw.request(method, target, token=token), method)

    def judge(self, target, token, status, reason=None, method="GET"):
        response = self.ask(target, token, method)
        self.assertEqual(status, response.status, response.body)
        if reason:
            self.assertEqual(reason, json.loads(response.body)["reason"])
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(reason, line.get("reason"))
        return response

    def knob(self, path, document=None):
        request = urllib.request.Request(self.standin.url("/standin/" + path),
                                         json.dumps(document or {}).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, **more):
        self.knob("faults", {"endpoint": "graph", "count": -1, **more})
        self.addCleanup(self.knob, "faults/clear")

    def asked(self, name=None):
        """How many questions Graph was asked, about one principal or about all."""
        with urllib.request.urlopen(self.standin.url("/standin/counters"), timeout=10) as answer:
            requests = json.load(answer)["requests"]
        return sum(count for request, count in requests.items() if "/v1.0/" in request
                   and (name is None or USERS[name] in request))


class Overage(GroupCase):
    """overage: graph, the default."""

    def test_a_user_of_300_groups_is_a_viewer_by_one_of_them(self):
        token = self.overage("viewer")
        self.judge("/seen/x", token, 200)
        self.judge("/seen/x", token, 403, "no_role", "POST")
        self.judge("/barring/x", token, 200, None, "POST")
        self.assertEqual(1, self.asked("viewer"))

    def test_a_user_of_none_of_the_named_groups_is_refused(self):
        self.judge("/seen/x", self.overage("stranger"), 403, "no_role")
        self.judge("/barring/x", self.overage("stranger"), 200, None, "POST")

    def test_a_deny_by_group_counts(self):
        token = self.overage("barred")
        self.judge("/seen/x", token, 200)
        self.judge("/barring/x", token, 403, "denied", "POST")
        self.judge("/barring/x", token, 200)

    def test_a_member_of_a_member_is_a_member(self):
        self.judge("/seen/x", self.overage("nested"), 200)

    def test_an_application_is_asked_about_as_a_service_principal(self):
        token = self.mint("--overage", "--app", ROBOT[0], "--app-role", "Orders.Read")
        self.judge("/seen/x", token, 200)

    def test_the_rule_that_unknown_groups_might_meet_first_is_settled_first(self):
        """Or an operator would get the reader's credential."""
        response = self.judge("/tiered/x", self.overage("operator"), 200)
        self.assertEqual("routes.tiered.access[0]",
                         self.door.audit.wait_for(response.request_id)["rule"])

    def test_nobody_is_asked_when_no_group_matters(self):
        before = self.asked()
        token = self.overage("spare")
        self.judge("/public/x", token, 200)
        self.judge("/barring/x", token, 200)
        self.judge("/admin/x", token, 403, "no_role")
        self.judge("/seen/x", token, 403, "no_role", "POST")
        self.assertEqual(before, self.asked())

    def test_one_question_for_many_requests_at_once(self):
        before = self.door.barkeep.metrics()[COUNTER % "ok"]
        self.fault(delay_ms=300)
        token = self.overage("many")
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(self.ask("/seen/x", token).status))
                   for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([200] * 30, statuses)
        self.assertEqual(1, self.asked("many"))
        self.assertEqual(before + 1, self.door.barkeep.metrics()[COUNTER % "ok"])

    def test_a_new_token_of_the_same_caller_asks_nobody(self):
        for _ in range(3):
            self.judge("/seen/x", self.overage("once"), 200)
        self.assertEqual(1, self.asked("once"))

    def test_the_groups_are_in_no_log(self):
        self.judge("/seen/x", self.overage("viewer"), 200)
        self.fault(status=500)
        self.judge("/seen/x", self.overage("spare"), 503, UNAVAILABLE)
        written = self.door.barkeep.process.stderr() + self.door.audit.raw().decode()
        for group in (VIEWERS, OPERATORS, BARRED, MANY[0], READER_SECRET):
            self.assertNotIn(group, written)


class GraphDown(GroupCase):
    """Failure is 503 groups_unavailable, never "no groups", and ends by itself."""

    def recover(self, token, target="/seen/x", method="GET"):
        self.knob("faults/clear")
        self.wait_for(lambda: self.ask(target, token, method).status == 200, "Graph again", 60)

    def test_a_deny_by_group_fails_closed_and_others_do_not_notice(self):
        self.fault(status=503)
        token = self.overage("down")
        mark = self.door.upstream.mark()
        response = self.judge("/barring/x", token, 503, UNAVAILABLE, "POST")
        self.assertTrue(self.door.upstream.is_untouched(mark))
        self.assertRegex(response.one("Retry-After") or "", "^[0-9]+$")
        self.judge("/seen/x", token, 503, UNAVAILABLE)
        self.judge("/tiered/x", token, 503, UNAVAILABLE)
        self.judge("/barring/x", token, 200)
        self.judge("/public/x", token, 200)
        known = self.mint("--group", VIEWERS, "--user", USERS["spare"], "--scope", "x")
        self.judge("/seen/x", known, 200)
        self.good_request_is_fast()
        self.assertIn('"result":"failed"', self.door.barkeep.process.stderr())
        self.recover(token)
        self.judge("/barring/x", token, 200, None, "POST")

    def test_what_is_known_serves_while_graph_is_away(self):
        token = self.overage("back")
        self.wait_for(lambda: self.ask("/seen/x", token).status == 200, "Graph again", 60)
        self.fault(close=True)
        self.judge("/seen/x", token, 200)
        self.judge("/seen/x", self.overage("back"), 200)

    def test_throttling_is_honoured(self):
        self.fault(status=429, retry_after=2)
        token = self.overage("throttled")
        self.wait_for(lambda: self.asked("throttled") or not self.ask("/seen/x", token), "a question", 60)
        before = self.asked()
        for name in ("throttled", "spare", "viewer"):
            self.judge("/seen/x", self.overage(name), 503, UNAVAILABLE)
        self.assertEqual(before, self.asked())
        self.assertGreater(self.door.barkeep.metrics()[COUNTER % "paused"], 0)
        self.recover(token)

    def test_a_slow_graph_holds_up_nobody_else(self):
        token = self.overage("slow")
        self.wait_for(lambda: self.ask("/seen/x", self.overage("operator")).status == 200, "Graph", 60)
        self.fault(delay_ms=1500)
        waiting = threading.Thread(target=self.ask, args=("/seen/x", token))
        waiting.start()
        self.wait_for(lambda: self.asked("slow"), "the question", 10)
        self.good_request_is_fast()
        waiting.join(30)
        self.judge("/seen/x", token, 200)

    def test_lies_are_no_answer(self):
        token = self.overage("rotten")
        self.fault(status=200, body=json.dumps({"value": [MANY[0]]}))
        self.judge("/barring/x", token, 503, UNAVAILABLE, "POST")
        self.recover(token, "/barring/x", "POST")


class NoPermission(GroupCase):
    seed = seed(permissions=["User.Read.All"])

    def test_the_log_names_the_permission(self):
        self.judge("/seen/x", self.overage("viewer"), 503, UNAVAILABLE)
        written = self.door.barkeep.process.stderr()
        self.assertIn("Authorization_RequestDenied", written)
        self.assertIn("GroupMember.Read.All", written)
        self.assertGreater(self.door.barkeep.metrics()[COUNTER % "forbidden"], 0)

    def test_an_unknown_caller_is_unavailable_too(self):
        token = self.mint("--overage", "--user", "11111111-92a3-4b4c-8d5e-6f708192a3b4", "--scope", "x")
        self.judge("/seen/x", token, 503, UNAVAILABLE)


class NoIdentity(GroupCase):
    """Nobody can ask, and waiting would not help: as with overage: refuse."""

    @classmethod
    def edit(cls, config):
        del config["identity"]

    def test_unknown_groups_are_refused(self):
        self.judge("/seen/x", self.overage("viewer"), 403, "groups_unknown")
        self.judge("/barring/x", self.overage("viewer"), 403, "groups_unknown", "POST")
        self.judge("/barring/x", self.overage("viewer"), 200)
        self.assertEqual(0, self.asked())


class Refused(GroupCase):
    """overage: refuse."""

    @classmethod
    def edit(cls, config):
        config["entra"]["groups"] = {"overage": "refuse"}

    def test_unknown_groups_are_refused_and_nobody_is_asked(self):
        token = self.overage("viewer")
        self.judge("/seen/x", token, 403, "groups_unknown")
        self.judge("/barring/x", token, 403, "groups_unknown", "POST")
        self.judge("/tiered/x", token, 200)
        self.assertEqual(0, self.asked())


if __name__ == "__main__":
    unittest.main()
