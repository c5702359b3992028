#!/usr/bin/python3
"""Several servers behind one route, each of which knows only what it gave out itself: what is named
goes to the server that named it, and to no other (CASES.md 245)."""

import json
import signal
import socket
import threading
import unittest

import wire  # noqa: F401
from lib import mcp, recorder
from lib.barkeep import get
from lib.mcp_case import NO_SESSION, PARAMS, McpCase

GONE = recorder.answer(404, b"", phrase="Not Found")


class Knowing:
    """A server that says 404 to sessions, tasks and events of others. What it gives out has its mark,
    but for `alike`: a session's name that others use too."""

    def __init__(self, mark, alike=False):
        self.mark = mark
        self.alike = alike
        self.upstream = recorder.Recorder()
        self.lock = threading.Lock()
        self.sessions = set()
        self.misses = 0
        self.last = None
        self.played = mcp.Server(self.upstream)
        self.played.answer = self.answer

    def count(self):
        return len(self.played.messages)

    def open_session(self, message):
        with self.lock:
            name = "1" if self.alike else f"{self.mark}-{len(self.sessions)}"
            self.sessions.add(name)
        return mcp.json_answer(
            mcp.result(message, protocolVersion=mcp.LEGACY, capabilities={"tools": {}},
                       serverInfo={"name": self.mark, "version": "1"}),
            headers=[("Mcp-Session-Id", name)])

    def knows(self, asked):
        return not asked or asked[0].startswith(self.mark)

    def answer(self, method, message, recorded):
        session = recorded.all("Mcp-Session-Id")
        params = message.get("params") or {}
        if method == "initialize":
            return self.open_session(message)
        if (session and session[0] not in self.sessions) or \
                not self.knows(recorded.all("Last-Event-ID")) or \
                not self.knows([params["taskId"]] if "taskId" in params else []) or \
                (method == "response" and not self.knows([message["id"]])):
            self.misses += 1
            return GONE
        self.last = message
        if method == "GET":
            return mcp.stream_answer(mcp.event(mcp.notification("notifications/tools/list_changed"),
                                               id=f"{self.mark}-e"))
        if method == "DELETE":
            return recorder.answer(200, b"")
        if "id" not in message or method == "response":
            return mcp.accepted()
        if params.get("name") == "events":
            asks = mcp.request("elicitation/create", {"message": "?"}, f"{self.mark}-q")
            return mcp.stream_answer(mcp.event(asks, id=f"{self.mark}-e") +
                                     mcp.event(mcp.result(message, content=[]), id=f"{self.mark}-f"))
        if params.get("name") == "task":
            return mcp.json_answer(mcp.result(message, resultType="task", task={
                "taskId": f"{self.mark}-t", "status": "working", "createdAt": "2026-01-01T00:00:00Z",
                "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": None, "ttlMs": None}))
        if params.get("name") == "asks" and "requestState" not in params:
            return mcp.json_answer(mcp.result(message, resultType="input_required",
                                              requestState=f"{self.mark}-s"))
        return mcp.json_answer(mcp.result(message, content=[{"type": "text", "text": self.mark}]))


class ServersCase(McpCase):
    """One worker, so that turns are known."""

    replays = False
    ALIKE = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["workers"] = 1
        cls.servers = [Knowing("a", cls.ALIKE), Knowing("b", cls.ALIKE)]
        cls.urls = [f"{server.upstream.url}/mcp" for server in cls.servers]
        cls.add_mcp(config, door, "pair", ["mcp:*"], {"server_requests": "pass"},
                    upstream=cls.urls, health={"failures": 3, "pause": "1h", "max_pause": "1h"})
        cls.add_mcp(config, door, "second", ["mcp:*"], upstream=cls.urls)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for server in cls.servers:
            server.upstream.stop()

    def setUp(self):
        super().setUp()
        for server in self.servers:
            server.misses = 0

    def where(self, session=None, token=None, **options):
        """The mark of the server that a call arrives at; a status when it arrives at none."""
        response = self.post(mcp.call("read"), "/pair", token, session=session, **options)
        if response.status != 200:
            return response.status
        return json.loads(response.body)["result"]["content"][0]["text"]

    def sessions(self, count=6):
        """[(session, mark of its server)]"""
        opened = []
        for _ in range(count):
            response = self.post(mcp.initialize(), "/pair")
            opened.append((response.one("Mcp-Session-Id"),
                           json.loads(response.body)["result"]["serverInfo"]["name"]))
        self.assertEqual({"a", "b"}, {mark for _, mark in opened})
        return opened

    def one_of(self, mark):
        return next(session for session, each in self.sessions() if each == mark)

    def server_of(self, mark):
        return self.servers["ab".index(mark)]

    def other_of(self, mark):
        return self.servers["ba".index(mark)]

    def reload(self, **route):
        """Changes the route /pair."""
        def digest():
            return json.loads(get(self.door.barkeep.admin_port, "/api/status")[2])["config_hash"]
        before = digest()
        config = json.loads(json.dumps(self.door.config))
        next(each for each in config["routes"] if each["name"] == "pair").update(route)
        self.door.barkeep.write_config(config)
        self.door.barkeep.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: digest() != before, "the reload", 10)


class Sessions(ServersCase):
    def test_a_session_stays_at_its_server(self):
        opened = self.sessions()
        for _ in range(3):
            for session, mark in opened:
                self.assertEqual(mark, self.where(session))
        self.assertEqual([0, 0], [server.misses for server in self.servers])
        self.assertEqual({"a", "b"}, {self.where() for _ in range(4)})  # without one: in turn

    def test_calls_within_sessions_take_no_turns(self):
        """As many requests to a session as there are servers would else begin all of them at one."""
        begun = []
        for _ in range(6):
            (session, mark), = self.open_sessions(1)
            self.where(session)
            begun.append(mark)
        self.assertEqual([3, 3], [begun.count("a"), begun.count("b")])

    def open_sessions(self, count):
        answers = [self.post(mcp.initialize(), "/pair") for _ in range(count)]
        return [(each.one("Mcp-Session-Id"), json.loads(each.body)["result"]["serverInfo"]["name"])
                for each in answers]

    def test_every_method_of_a_session(self):
        for session, mark in self.sessions():
            mine, other = self.server_of(mark), self.other_of(mark)
            before = other.count()
            for data in (mcp.session_request("GET", "/pair", self.token, session),
                         mcp.post("/pair", mcp.notification("notifications/initialized"), self.token,
                                  session),
                         mcp.post("/pair", mcp.request("tools/list"), self.token, session),
                         mcp.session_request("DELETE", "/pair", self.token, session)):
                count = mine.count()
                self.assertIn(self.send(data).status, (200, 202))
                self.assertEqual((count + 1, before), (mine.count(), other.count()))

    def given(self, session=None, token=None):
        """(the server's mark, the ids of its request and of its first event) of a call."""
        response = self.post(mcp.call("events"), "/pair", token, session=session)
        asked, answered = mcp.read_events(response.body)
        self.assertEqual(answered["data"]["result"], {"content": []})
        mark = next(server.mark for server in self.servers if server.last is not None and
                    server.last.get("params", {}).get("name") == "events")
        for server in self.servers:
            server.last = None
        return mark, asked["data"]["id"], asked["id"]

    def test_events_and_the_servers_own_requests(self):
        """With a session and, of servers that have none, without."""
        for session in (*(session for session, _ in self.sessions(2)), None, None, None):
            with self.subTest(session=bool(session)):
                mark, question, event = self.given(session)
                for _ in range(3):
                    response = self.send(mcp.session_request("GET", "/pair", self.token, session,
                                                             Last_Event_ID=event))
                    self.assertEqual(200, response.status, response.body)
                    said = {"jsonrpc": "2.0", "id": question, "result": {"action": "decline"}}
                    self.assertEqual(202, self.post(said, "/pair", session=session).status)
                    self.assertEqual(f"{mark}-q", self.server_of(mark).last["id"])
        self.assertEqual([0, 0], [server.misses for server in self.servers])

    def test_an_event_of_another_server(self):
        opened = dict((mark, session) for session, mark in self.sessions())
        _, _, event = self.given(opened["a"])
        counts = [server.count() for server in self.servers]
        response = self.send(mcp.session_request("GET", "/pair", self.token, opened["b"],
                                                 Last_Event_ID=event))
        self.assertEqual(NO_SESSION, json.loads(response.body)["error"]["code"])
        self.assertEqual((404, counts), (response.status, [each.count() for each in self.servers]))
        response = self.send(mcp.session_request("GET", "/pair", self.token, opened["a"],
                                                 Last_Event_ID=event))
        self.assertEqual(200, response.status)

    def test_another_routes_sessions_of_the_same_servers(self):
        session = self.sessions()[0][0]
        self.assertEqual(404, self.post(mcp.call("read"), "/second", session=session).status)
        self.assertIn(self.where(session), ("a", "b"))


class Tasks(ServersCase):
    def task(self, wrap, session=None):
        response = self.post(wrap(mcp.call("task")), "/pair", session=session)
        return json.loads(response.body)["result"]["task"]["taskId"]

    def ask(self, wrap, task, session=None):
        message = wrap(mcp.request("tasks/get", {"taskId": task}))
        return json.loads(self.post(message, "/pair", session=session).body)

    def test_tasks_of_sessions_and_without(self):
        plain = lambda message: message
        for wrap, sessions in ((plain, [session for session, _ in self.sessions(2)]),
                               (mcp.modern, [None] * 4)):
            for session in sessions:
                task = self.task(wrap, session)
                for _ in range(3):
                    self.assertIn("result", self.ask(wrap, task, session))
        self.assertEqual([0, 0], [server.misses for server in self.servers])

    def test_a_task_whose_server_is_gone(self):
        tasks = [self.task(mcp.modern) for _ in range(4)]
        self.reload(upstream=self.urls[:1])
        try:
            told = [self.ask(mcp.modern, task) for task in tasks]
            self.assertEqual(2, len([each for each in told if "result" in each]))
            self.assertEqual([PARAMS] * 2, [each["error"]["code"] for each in told if "error" in each])
            self.assertEqual(0, self.servers[0].misses)
        finally:
            self.reload(upstream=self.urls)

    def state(self):
        response = self.post(mcp.modern(mcp.call("asks")), "/pair")
        result = json.loads(response.body)["result"]
        mark = next(server.mark for server in self.servers if server.last is not None)
        for server in self.servers:
            server.last = None
        return mark, result["requestState"]

    def retry(self, state):
        message = mcp.call("asks")
        message["params"].update(requestState=state, inputResponses={})
        return json.loads(self.post(mcp.modern(message), "/pair").body)

    def test_input_comes_to_who_asked_for_it_when_that_can_be(self):
        """The protocol wants any server to do: each may, but the one that asked is the best."""
        for server in self.servers:
            server.last = None
        states = [self.state() for _ in range(4)]
        self.assertEqual({"a", "b"}, {mark for mark, _ in states})
        for mark, state in states:
            self.assertEqual(mark, self.retry(state)["result"]["content"][0]["text"])
            self.assertEqual(f"{mark}-s", self.server_of(mark).last["params"]["requestState"])
        self.reload(upstream=self.urls[1:])
        try:
            self.assertEqual({"b"}, {self.retry(state)["result"]["content"][0]["text"]
                                     for _, state in states})
        finally:
            self.reload(upstream=self.urls)


class Alike(ServersCase):
    """Servers that count their sessions call them the same."""

    ALIKE = True

    def test_sessions_of_one_name(self):
        for session, mark in self.sessions():
            for _ in range(2):
                self.assertEqual(mark, self.where(session))
            self.assertEqual(["1"], self.server_of(mark).upstream.requests[-1].all("Mcp-Session-Id"))


class Reloads(ServersCase):
    def test_another_order(self):
        opened = self.sessions()
        self.reload(upstream=self.urls[::-1])
        try:
            self.assertEqual([mark for _, mark in opened], [self.where(each) for each, _ in opened])
            self.assertEqual([0, 0], [server.misses for server in self.servers])
        finally:
            self.reload(upstream=self.urls)

    def test_one_that_is_no_longer_there(self):
        opened = self.sessions()
        for gone, left in ((0, 1), (1, 0)):
            self.reload(upstream=[self.urls[left]])
            try:
                counts = [server.count() for server in self.servers]
                for session, mark in opened:
                    if mark == "ab"[left]:
                        self.assertEqual(mark, self.where(session))
                        counts[left] += 1
                        continue
                    response = self.post(mcp.call("read"), "/pair", session=session)
                    error = json.loads(response.body)["error"]
                    self.assertEqual((404, NO_SESSION, "Session not found"),
                                     (response.status, error["code"], error["message"]))
                    self.assertEqual("no_route", self.audit_of(response)["reason"])
                    for method in ("GET", "DELETE"):
                        data = mcp.session_request(method, "/pair", self.token, session)
                        self.assertEqual(404, self.send(data).status)
                self.assertEqual(counts, [server.count() for server in self.servers])
            finally:
                self.reload(upstream=self.urls)
        self.assertEqual([mark for _, mark in opened], [self.where(each) for each, _ in opened])


class Failures(ServersCase):
    def test_one_that_fails(self):
        session, other = self.one_of("a"), self.one_of("b")
        failing, well = self.servers
        self.assertEqual("a", self.where(session))  # leaves a connection to be used again
        before = well.count()
        for method in ("tools/call", "GET", "DELETE"):
            failing.played.scripts[method] = lambda peer, *_: peer.close()
        for _ in range(4):
            for data in (mcp.session_request("GET", "/pair", self.token, session),
                         mcp.post("/pair", mcp.call("read"), self.token, session),
                         mcp.session_request("DELETE", "/pair", self.token, session)):
                self.assertEqual(502, self.send(data).status)
        self.assertEqual(before, well.count())
        self.assertEqual(1, self.ejected())
        self.assertEqual("b", self.where(other))
        self.assertEqual({"b"}, {self.where() for _ in range(4)})
        failing.played.scripts.clear()
        self.assertEqual("a", self.where(session))  # tried all the same, as the only one would be
        self.assertEqual(0, self.ejected())

    def ejected(self):
        return int(self.door.barkeep.metrics()['barkeep_upstreams_ejected{route="pair"}'])


class Unreachable(ServersCase):
    def test_one_that_is_not_there(self):
        session, other = self.one_of("b"), self.one_of("a")
        missing = self.servers[1].upstream
        missing.listener.shutdown(socket.SHUT_RDWR)
        missing.stop()
        before = self.servers[0].count()
        for method in ("POST", "GET", "DELETE") * 2:
            data = mcp.post("/pair", mcp.call("read"), self.token, session) if method == "POST" else \
                mcp.session_request(method, "/pair", self.token, session)
            response = self.send(data, method)
            self.assertEqual((502, "upstream_unreachable"),
                             (response.status, self.audit_of(response)["reason"]))
        self.assertEqual(before, self.servers[0].count())
        self.assertEqual("a", self.where(other))
        self.assertEqual({"a"}, {self.where() for _ in range(4)})


if __name__ == "__main__":
    unittest.main()
