#!/usr/bin/python3
"""What MCP calls leave behind, what bounds them, and what ends them: audit, metrics, rates, reloads,
expiry, explanations (CASES.md 247, 249)."""

import contextlib
import hashlib
import json
import pathlib
import signal
import socket
import threading
import time
import unittest

import wire  # noqa: F401
from lib import mcp, process, raw, tokens
from lib.mcp_case import DENIED, McpCase
from lib.net import patient

CANARY = "canary-value-7719"


class Memory(McpCase):
    """What is collected of messages is bounded for all of them together."""

    BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"a" * 3000000

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["limits"] = {"buffer_memory": "16MiB"}

    def refused_lines(self):
        return [line for line in self.door.audit.read() if line.get("reason") == "overloaded"]

    def test_messages_that_never_end(self):
        fields = [("Content-Type", "application/json"), ("Content-Length", "4000000"),
                  ("Accept", "application/json, text/event-stream")]
        head = raw.request("POST", "/mcp", fields, token=self.token)
        clients = [self.door.client() for _ in range(16)]
        try:
            for client in clients:
                with contextlib.suppress(OSError):  # refused before it has sent all
                    client.socket.sendall(head + self.BODY)
            self.wait_for(self.refused_lines, "messages that were refused")
            name = 'barkeep_limits_reached_total{limit="buffer_memory"}'
            self.assertGreater(self.door.barkeep.metrics()[name], 0)
        finally:
            for client in clients:
                client.close()
        self.wait_for(lambda: self.post(mcp.call("read")).status == 200, "room again")
        self.good_call()

    def test_answers_that_never_end(self):
        """Nothing was sent of those that are whole or not at all; the others are cut."""
        large = b"a" * 3000000
        heads = {"json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n" + mcp.chunk(b'{"x":"'),
                 "events": mcp.event_stream() + mcp.chunk(b": hello\n\ndata: ")}
        for name, expected in (("json", (503, None)), ("events", (200, "overloaded"))):
            with self.subTest(answer=name):
                def play(peer, *_, head=heads[name]):
                    peer.send(head + mcp.chunk(large))
                    peer.wait_closed()
                self.server.scripts["tools/call"] = play
                clients = [self.door.client() for _ in range(16)]
                try:
                    for client in clients:
                        client.send(mcp.post("/mcp", mcp.call("read"), self.token))
                    self.wait_for(lambda: expected in [
                        (line["status"], line.get("aborted")) for line in self.refused_lines()],
                        f"a line {expected}")
                finally:
                    for client in clients:
                        client.close()
                self.server.forget()
                self.wait_for(lambda: self.post(mcp.call("read")).status == 200, "room again")


class EarlyAnswers(McpCase):
    """Servers that answer before they have read the message."""

    LARGE = 8 * 1024 * 1024  # more than sockets hold

    def setUp(self):
        super().setUp()
        self.addCleanup(self.let_go)
        self.goes_on = threading.Event()
        self.read = []

    def let_go(self):
        self.goes_on.set()

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["routes"][-1]["mcp"]["max_body"] = "16MiB"
        config["routes"][-1]["timeouts"] = {"idle": "3s"}

    def message(self):
        return mcp.call("read", {"q": "x" * self.LARGE})

    def serve(self, *pieces, reads=True, end=b""):
        """Sends the first piece before it reads, the others behind the message."""
        def play(peer, request):
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            peer.send(pieces[0])
            self.goes_on.wait(patient(20))
            if reads:
                peer.read_body(request)
                self.read.append((request.is_complete, request.body_bytes))
                for piece in pieces[1:]:
                    peer.send(piece)
            peer.send(end)
        self.door.upstream.on("/mcp", play)
        self.addCleanup(self.door.upstream.on, "/mcp", self.server.play)

    def check_passed(self):
        self.assertEqual([(True, len(mcp.encode(self.message())))], self.read)

    def test_a_stream_begins_before_the_message_is_read(self):
        told = mcp.event(mcp.result({"id": 1}, said="all of it"))
        self.serve(mcp.event_stream() + mcp.chunk(b": early\n\n"), mcp.chunk(told), mcp.END)
        client, head = self.open_stream(mcp.post("/mcp", self.message(), self.token))
        with client:
            self.assertEqual(200, head.status)
            self.read_chunk(client)
            self.goes_on.set()
            answer, = mcp.read_events(self.read_chunk(client))
            self.assertEqual("all of it", answer["data"]["result"]["said"])
            self.assertEqual(b"", self.read_chunk(client))
        self.check_passed()
        self.assertNotIn("aborted", self.audit_of(head))

    def test_json_begins_before_the_message_is_read(self):
        body = mcp.encode(mcp.result({"id": 1}, said="all of it"))
        head = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body))
        self.serve(head, body)
        self.goes_on.set()
        response = self.post(self.message())
        self.assertEqual("all of it", json.loads(response.body)["result"]["said"])
        self.check_passed()
        self.assertNotIn("aborted", self.audit_of(response))

    def test_a_server_that_never_reads_and_ends(self):
        body = mcp.encode(mcp.result({"id": 1}, said="none of it"))
        told = mcp.event(mcp.result({"id": 1}, said="none of it"))
        answers = {"json": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n" % len(body), body),
                   "events": (mcp.event_stream(), mcp.chunk(told) + mcp.END)}
        for name, (head, end) in answers.items():
            with self.subTest(answer=name):
                self.serve(head, reads=False, end=end)
                self.goes_on.set()
                response = self.post(self.message())
                self.assertIn(b"none of it", response.body)
                self.assertNotIn("aborted", self.audit_of(response))
        self.door.upstream.on("/mcp", self.server.play)
        self.good_call()

    def test_a_server_that_never_reads_nor_ends(self):
        self.serve(mcp.event_stream() + mcp.chunk(b": early\n\n"), reads=False)
        client, head = self.open_stream(mcp.post("/mcp", self.message(), self.token))
        with client:
            self.read_chunk(client)
            client.socket.settimeout(patient(20))
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(b"", client.socket.recv(1))
        line = self.audit_of(head)
        self.assertEqual(("timeout", "upstream_timeout"), (line["aborted"], line["reason"]))
        self.let_go()
        self.door.upstream.on("/mcp", self.server.play)
        self.good_call()


class Audit(McpCase):
    def check(self, response, **expected):
        line = self.audit_of(response)
        self.assertEqual(expected, {name: line["mcp"].get(name) for name in expected})
        return line

    def test_a_call_is_told_by_names_alone(self):
        arguments = {"b": CANARY, "a": [1.0, {"x": CANARY}], "\u00e9": None}
        canonical = '{"a":[1,{"x":"%s"}],"b":"%s","\u00e9":null}' % (CANARY, CANARY)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        for message in (mcp.call("read", arguments), mcp.modern(mcp.call("read", arguments)),
                        mcp.call("drop_all", arguments)):
            self.server.on["tools/call"] = {"said": CANARY}
            response = self.post(message)
            line = self.check(response, method="tools/call", name=message["params"]["name"],
                              arguments=["b", "a", "\u00e9"], arguments_sha256=digest)
            denied = message["params"]["name"] == "drop_all"
            self.assertEqual(("deny", "no_role") if denied else ("allow", None),
                             (line["decision"], line["reason"]))
            self.assertEqual(len(self.door.audit.of(response.request_id)), 1)
        self.assertNotIn(CANARY.encode(), self.door.audit.raw())
        self.assertNotIn(CANARY, self.door.barkeep.process.stderr())

    def test_events_leave_the_same_line(self):
        self.server.on["tools/call"] = lambda asked, _: mcp.stream_answer(
            mcp.event(mcp.result(asked, said=CANARY)))
        response = self.post(mcp.call("read", {"q": CANARY}))
        self.check(response, method="tools/call", name="read", arguments=["q"])
        self.assertNotIn(CANARY.encode(), self.door.audit.raw())

    def test_what_has_no_arguments(self):
        self.check(self.post(mcp.initialize()), method="initialize", name=None, arguments=None)
        self.check(self.post(mcp.request("tools/call", {"name": "read"})), method="tools/call",
                   name="read", arguments=None, arguments_sha256=None)
        self.check(self.post(mcp.request("prompts/get", {"name": "brief", "arguments": {"a": "b"}})),
                   method="prompts/get", name="brief", arguments=["a"])
        self.check(self.post(mcp.request("resources/read", {"uri": "file:///open/x"})),
                   method="resources/read", name="file:///open/x", arguments=None)

    def test_many_and_long_argument_names(self):
        for arguments in ({f"argument-{number}": 1 for number in range(500)},
                          {"x" * 5000: 1, "a": 1}, {"\u0001\"\\" * 5: 1, "\u0001" * 50: 1},
                          {f"\u0001{number}" + "\u0002" * 8: 1 for number in range(40)}):
            response = self.post(mcp.call("read", arguments))
            self.assertEqual(200, response.status, response.body)
            line = self.audit_of(response)
            self.assertLessEqual(set(line["mcp"]["arguments"]), set(arguments))
            self.assertTrue(line["mcp"]["arguments"])

    def test_a_long_head_has_room_for_its_line(self):
        data = mcp.post("/mcp?" + "q" * 3000, mcp.call("read"), self.token,
                        more=[("X-Long", "x" * 9000)])
        self.assertEqual(200, self.send(data).status)

    def test_streams_of_the_server(self):
        self.server.on["GET"] = mcp.stream_answer(
            mcp.event(mcp.notification("notifications/tools/list_changed")))
        response = self.send(mcp.session_request("GET", "/mcp", self.token))
        line = self.audit_of(response)
        self.assertEqual(("GET", "allow", 200), (line["method"], line["decision"], line["status"]))

    def test_the_metrics_count_the_reason(self):
        rows = ((mcp.call("drop_all"), {}, "deny", "no_role"), (b"{", {}, "deny", "body_malformed"),
                (mcp.call("read"), {"Content_Type": "text/plain"}, "deny", "content_type"),
                (mcp.request("made/up"), {}, "deny", "method_refused"),
                (mcp.call("read"), {"session": "x"}, "deny", "no_route"),
                (mcp.call("read"), {"Origin": "http://evil"}, "deny", "origin_refused"),
                (mcp.call("read"), {}, "allow", ""))
        for message, options, decision, reason in rows:
            name = (f'barkeep_requests_total{{route="mcp",decision="{decision}",'
                    f'reason="{reason}"}}')
            before = self.door.barkeep.metrics().get(name, 0)
            self.post(message, **options)
            self.wait_for(lambda: self.door.barkeep.metrics().get(name, 0) == before + 1,
                          f"{name} counts")


class Rates(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "rated",
                    rate={"per": "identity", "requests": 1, "window": "1h", "burst": 5})

    def test_an_agent_that_loops(self, case=249):
        """It is held back alone."""
        agent = self.door.token(tokens.app())
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            answers = []
            for _ in range(40):
                client.send(mcp.post("/rated", mcp.call("read"), agent))
                answers.append(client.read_response("POST"))
        self.assertEqual([200] * 5 + [429] * 35, [each.status for each in answers])
        self.assertEqual(5, len(self.door.upstream.since(mark)))
        self.assertTrue(1 <= int(answers[-1].one("Retry-After")) <= 3600)
        line = self.audit_of(answers[-1])
        self.assertEqual(("rate_limited", "deny", "read"),
                         (line["reason"], line["decision"], line["mcp"]["name"]))
        self.passes_post(mcp.call("read"), "/rated", self.other_token)


class Ends(McpCase):
    """Streams that are open when what allowed them goes."""

    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["entra"]["clock_skew"] = "0s"
        cls.revoked = pathlib.Path(door.folder) / "revoked"
        cls.revoked.write_text("")
        cls.revoked.chmod(0o600)
        config["revoked"] = str(cls.revoked)
        cls.add_mcp(config, door, "all", ["mcp:*"])

    def endless(self, data, method):
        """A stream that goes on until it is ended."""
        def play(peer, *_):
            peer.send(mcp.event_stream() + mcp.chunk(b": hello\n\n"))
            while True:
                peer.send(mcp.chunk(b":\n\n"))
                time.sleep(0.05)
        self.server.scripts[method] = play
        client, head = self.open_stream(data)
        self.assertEqual(200, head.status)
        self.read_chunk(client)
        return client, head

    def is_cut(self, client, seconds):
        client.socket.settimeout(0.05)
        end = time.monotonic() + patient(seconds)
        while time.monotonic() < end:
            try:
                if not client.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                pass
        return False

    def change(self, edit):
        config = json.loads(json.dumps(self.door.config))
        edit(config)
        self.door.barkeep.write_config(config)

    def restore(self):
        self.server.forget()
        self.door.barkeep.write_config(self.door.config)
        self.wait_for(lambda: all(b'"result"' in self.post(mcp.call("search_docs"), "/all").body for _ in range(8)),
                      "the rules", 10)
        self.wait_for(lambda: "result" in json.loads(self.post(mcp.call("read")).body), "the rules", 10)
        get = self.streams()["GET"]  # connections fall to any worker
        self.wait_for(lambda: all(self.send(get, "GET").status == 405 for _ in range(8)),
                      "the rules everywhere", 10)

    def streams(self):
        listen = mcp.modern(mcp.request("subscriptions/listen", {"notifications": {
            "resourceSubscriptions": ["file:///watched/a"]}}))
        return {"GET": mcp.session_request("GET", "/all", self.token),
                "tools/call": mcp.post("/all", mcp.call("read"), self.token),
                "subscriptions/listen": mcp.post("/all", listen, self.token)}

    def test_rules_that_go(self, case=247):
        def edit(config):
            config["routes"][-1]["access"][0]["actions"] = ["mcp:tools/call:other"]
            config["routes"][-1]["access"][0]["to"] = {"app_role": "Nobody"}
        for method, data in self.streams().items():
            with self.subTest(method=method):
                client, head = self.endless(data, method)
                with client:
                    self.change(edit)
                    self.assertTrue(self.is_cut(client, 2), "the stream goes on")
                self.assertEqual("reload", self.audit_of(head)["aborted"])
                self.server.forget()
                self.restore()

    def test_a_resource_that_may_no_longer_be_read(self, case=247):
        """The subscription itself is still granted."""
        client, _ = self.endless(self.streams()["subscriptions/listen"], "subscriptions/listen")
        with client:
            self.change(lambda config: config["routes"][-1].update(
                deny=[{"to": {"everyone": True}, "actions": ["mcp:resources/read:file:///watched/*"]}]))
            self.assertTrue(self.is_cut(client, 2), "the stream goes on")
        self.restore()

    def check_change(self, edit, is_ended, method="GET"):
        """What becomes of a stream when `edit` comes into force."""
        client, head = self.endless(self.streams()[method], method)
        try:
            self.change(edit)
            if is_ended:
                self.assertTrue(self.is_cut(client, 4), "the stream goes on")
                self.assertEqual("reload", self.audit_of(head)["aborted"])
            else:
                self.assertFalse(self.is_cut(client, 2), "the stream has ended")
        finally:
            client.close()
            self.restore()

    def test_paths_that_are_denied(self, case=247):
        def deny(*actions):
            def edit(config):
                config["routes"][-1]["deny"] = [{"to": {"everyone": True}, "actions": list(actions)}]
            return edit
        for method, http in (("GET", "GET"), ("tools/call", "POST")):
            rows = ((deny(f"{http} /"), True), (deny("* /**"), True), (deny(f"{http} /all"), False),
                    (deny(f"{'GET' if http == 'POST' else 'POST'} /**"), False))
            for number, (edit, is_ended) in enumerate(rows):
                with self.subTest(method=method, row=number):
                    self.check_change(edit, is_ended, method)

    def test_routes_that_move(self, case=247):
        """Where a route leads to is no rule: what an earlier server began, it may finish."""
        def to(config, **route):
            config["routes"][-1].update(route)
        other = f"{self.door.upstream.url}/other"
        rows = {"another path": (lambda config: to(config, path="/elsewhere"), True),
                "another host": (lambda config: to(config, host="elsewhere.example"), True),
                "another server": (lambda config: to(config, upstream=other), False),
                "below what it was": (lambda config: to(config, path="/all/deeper"), True),
                "another name": (lambda config: to(config, name="renamed"), False)}
        for name, (edit, is_ended) in rows.items():
            with self.subTest(change=name):
                self.check_change(edit, is_ended)

    def test_a_list_on_a_stream_that_stays(self):
        """It shows what the rules in force grant, whenever the stream began."""
        goes_on = threading.Event()
        tools = {"tools": [{"name": "read"}, {"name": "search_docs"}]}

        def play(peer, *_):
            peer.send(mcp.event_stream() + mcp.chunk(b": hello\n\n"))
            goes_on.wait(patient(20))
            peer.send(mcp.chunk(mcp.event(mcp.result({"id": 7}, **tools))) + mcp.END)
        self.server.scripts["GET"] = play
        client, _ = self.open_stream(self.streams()["GET"])
        with client:
            self.read_chunk(client)
            self.change(lambda config: config["routes"][-1]["access"][0].update(
                actions=["mcp:tools/call:search_docs"]))
            self.wait_for(lambda: "error" in json.loads(self.post(mcp.call("read"), "/all").body),
                          "the rules", 10)
            goes_on.set()
            shown, = mcp.read_events(self.read_chunk(client))
            self.assertEqual([{"name": "search_docs"}], shown["data"]["result"]["tools"])
        self.restore()

    def test_a_message_is_judged_by_the_rules_when_it_is_whole(self, case=247):
        for actions, is_granted in ((["mcp:tools/call:other"], False), (["mcp:tools/call:read"], True)):
            with self.subTest(actions=actions), self.door.client() as client:
                data = mcp.post("/all", mcp.call("read"), self.token, Expect="100-continue")
                head, body = data.split(b"\r\n\r\n", 1)
                client.send(head + b"\r\n\r\n")
                self.assertEqual(100, client.read_head().status)  # so the head has been judged
                self.change(lambda config, actions=actions: config["routes"][-1].update(
                    access=[{"to": {"everyone": True}, "actions": actions}]))
                self.wait_for(lambda: all(b"error" in self.post(mcp.call("search_docs"), "/all").body
                                          for _ in range(8)), "the rules everywhere", 10)
                mark = self.door.upstream.mark()
                response = client.send(body).read_response("POST")
                if is_granted:
                    self.assertIn("result", json.loads(response.body))
                else:
                    self.check_untouched(mark)
                    self.check_error(response, 200, DENIED, "no_role", 1)
            self.restore()

    def test_rules_that_stay(self):
        client, _ = self.endless(self.streams()["GET"], "GET")
        with client:
            self.change(lambda config: config.update(drain="6s"))
            self.assertFalse(self.is_cut(client, 1.5))

    def test_tokens_that_expire(self, case=247):
        token = self.door.token(tokens.user(lifetime=3))
        client, head = self.endless(mcp.session_request("GET", "/all", token), "GET")
        with client:
            self.assertTrue(self.is_cut(client, 12), "the stream goes on")
        self.assertEqual("expired", self.audit_of(head)["aborted"])

    def read_to_its_end(self, client):
        """A client that keeps up meets the last chunk, and then an orderly end."""
        while self.read_chunk(client):
            pass
        self.assertEqual(b"", client.pending + client.socket.recv(1))

    def test_a_stream_whose_token_expires_has_an_end(self, case=247):
        token = self.door.token(tokens.user(lifetime=3))
        data = mcp.session_request("GET", "/all", token)
        client, head = self.endless(data, "GET")
        with client:
            self.read_to_its_end(client)
        self.assertEqual(("expired", 200), (self.audit_of(head)["aborted"], head.status))
        self.assertEqual(401, self.send(data).status)

    def test_a_stream_whose_rules_go_has_an_end(self, case=247):
        for method in ("GET", "tools/call"):
            data = self.streams()[method]
            client, head = self.endless(data, method)
            with client:
                self.change(lambda config: config["routes"][-1]["access"][0].update(
                    actions=["mcp:prompts/get:other"], to={"app_role": "Nobody"}))
                self.read_to_its_end(client)
            self.assertEqual("reload", self.audit_of(head)["aborted"])
            self.restore()

    def test_a_stream_of_one_who_is_revoked_has_an_end(self, case=247):
        caller = "44444444-5555-4666-8777-888888888888"
        data = mcp.session_request("GET", "/all", self.door.token(tokens.user(oid=caller)))
        client, head = self.endless(data, "GET")
        with client:
            fresh = self.revoked.with_suffix(".new")
            fresh.write_text(f"oid {caller}\n")
            fresh.chmod(0o600)
            fresh.rename(self.revoked)
            self.read_to_its_end(client)
        self.assertEqual("revoked", self.audit_of(head)["aborted"])

    def test_a_stream_to_one_who_does_not_read_is_cut(self, case=247):
        def flood(peer, *_):
            peer.send(mcp.event_stream() + mcp.chunk(b": hello\n\n"))
            while True:
                peer.send(mcp.chunk(mcp.event(mcp.notification("notifications/message",
                                                               {"data": "x" * 60000}))))
        self.server.scripts["GET"] = flood
        token = self.door.token(tokens.user(lifetime=3))
        client = self.door.client(receive_buffer=4096)
        with client:
            head = client.send(mcp.session_request("GET", "/all", token)).read_head()
            self.wait_for(lambda: self.door.audit.of(head.request_id), "the stream's end", 15)
            self.assertEqual("expired", self.audit_of(head)["aborted"])
            with self.assertRaises(ConnectionResetError):
                while client.socket.recv(65536):
                    pass


class Explained(McpCase):
    """`explain --body` says what the live path does."""

    def explain(self, message, target="/mcp", token=None):
        body = pathlib.Path(self.door.folder) / "body.json"
        body.write_bytes(mcp.encode(message))
        code, out, err = process.run(
            [process.barkeep_binary(), "explain", "-c", str(self.door.barkeep.config_path),
             "--token", token or self.token, "--host", "gw.example", "--body", str(body), "--json",
             "POST", target], 30)
        self.assertIn(code, (0, 1), err)
        return json.loads(out)

    def test_messages(self):
        rows = [mcp.call("read"), mcp.call("drop_all"), mcp.initialize(), mcp.request("tools/list"),
                mcp.request("prompts/get", {"name": "brief"}), mcp.request("resources/list"),
                mcp.request("resources/read", {"uri": "file:///secret"}),
                mcp.modern(mcp.call("read")), mcp.modern(mcp.call("drop_all")),
                mcp.request("made/up"), [mcp.call("read")], {"jsonrpc": "2.0"}, b"{", b"",
                mcp.notification("notifications/initialized"),
                mcp.call("read ").copy(), mcp.request("tools/call", {"Name": "read", "name": "read"})]
        for message in rows:
            with self.subTest(message=message):
                response = self.post(message)
                line = self.audit_of(response)
                said = self.explain(message)
                self.assertEqual((line["reason"], line["rule"]), (said["reason"], said["rule"]))


class Shadow(McpCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "tried", ["mcp:tools/call:read"], shadow=True)

    def test_a_route_that_is_tried_out(self):
        for message in (mcp.call("read"), mcp.call("drop_all"), mcp.modern(mcp.call("drop_all"))):
            response = self.post(message, "/tried")
            self.assertIn(b'"result"', response.body)
            line = self.audit_of(response)
            self.assertEqual("allow", line["decision"])
            said = [] if message["params"]["name"] == "read" else ["no_role"]
            self.assertEqual(said, line["shadow"])
        self.refuse_post(b"{", 400, target="/tried")
        self.server.on["tools/list"] = {"tools": [{"name": "read"}, {"name": "drop_all"}]}
        document, _ = self.passes_post(mcp.request("tools/list"), "/tried")
        self.assertEqual(2, len(document["result"]["tools"]))


class Pins(McpCase):
    replays = False  # what a server lists meanwhile is not known to an explanation

    TOOL = {"name": "search_docs", "description": "d", "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": True}}

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.listing = pathlib.Path(door.folder) / "listing.json"
        cls.pins = pathlib.Path(door.folder) / "pins.json"
        cls.add_mcp(config, door, "pinned", ["mcp:*"], {"pins": str(cls.pins), "pinning": "block"})
        cls.add_mcp(config, door, "warned", ["mcp:*"], {"pins": str(cls.pins), "pinning": "warn"})
        cls.listing.write_text(json.dumps({"jsonrpc": "2.0", "id": 1,
                                           "result": {"tools": [cls.TOOL]}}))
        door.barkeep.write_config(config)
        code, _, err = process.run([process.barkeep_binary(), "pin", "approve", "-c",
                                    str(door.barkeep.config_path), "--route", "pinned", "--tools",
                                    str(cls.listing)], 10)
        assert code == 0, err

    def shown(self, tool, target="/pinned"):
        self.server.on["tools/list"] = {"tools": [tool]}
        document, _ = self.passes_post(mcp.request("tools/list"), target)
        return [each["name"] for each in document["result"]["tools"]]

    def test_what_was_approved_may_be_called(self):
        self.assertEqual(["search_docs"], self.shown(self.TOOL))
        self.good_call(target="/pinned")
        self.assertEqual([], self.shown({**self.TOOL, "name": "new"}))
        error = self.refuse_post(mcp.call("new"), 200, DENIED, "denied", "/pinned", id=1)
        self.assertEqual("pins", self.audit_of(error["response"])["rule"])

    def test_what_has_changed_may_not(self):
        for change in ({"inputSchema": {"type": "object", "properties": {"x": {}}}},
                       {"annotations": {"readOnlyHint": False}}, {"outputSchema": {"type": "object"}}):
            with self.subTest(change=change):
                changed = {**self.TOOL, **change}
                self.assertEqual(["search_docs"], self.shown(changed, "/warned"))
                self.assertEqual([], self.shown(changed))
                self.refuse_post(mcp.call("search_docs"), 200, DENIED, "denied", "/pinned", id=1)
                self.good_call(target="/warned")
                self.assertEqual(["search_docs"], self.shown(self.TOOL))
                self.good_call(target="/pinned")

    def told(self, route):
        return [(event["what"], event["tool"]) for event in self.events("pins") if event["route"] == route]

    def events(self, kind):
        lines = self.door.barkeep.process.stderr().splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in logged + self.door.audit.read() if event["event"] == kind]

    def reload(self, edit):
        """Another configuration is in force afterwards; what it was, at the end."""
        path = self.door.barkeep.config_path
        before = path.read_bytes()
        config = json.loads(before)
        edit(config)
        self.addCleanup(self.take_over, before)
        self.take_over(json.dumps(config, indent=1).encode())

    def take_over(self, text):
        mark = len(self.events("reload"))
        fresh = self.door.barkeep.config_path.with_suffix(".new")
        fresh.write_bytes(text)
        fresh.chmod(0o600)
        fresh.rename(self.door.barkeep.config_path)
        self.door.barkeep.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: [event for event in self.events("reload")[mark:] if event["what"] == "applied"],
                      f"the configuration {self.events('reload')[-3:]}", 20)

    def test_what_was_listed_outlives_a_reload(self):
        changed = {**self.TOOL, "description": "other words"}
        self.assertEqual([], self.shown(changed))
        self.assertEqual(["search_docs"], self.shown(changed, "/warned"))
        self.reload(lambda config: config["routes"][0].update(timeouts={"idle": "77s"}))
        for _ in range(8):  # one worker after the other hears of it
            self.refuse_post(mcp.call("search_docs"), 200, DENIED, "denied", "/pinned", id=1)
        self.good_call(target="/warned")
        told = self.told("pinned"), self.told("warned")
        for target in ("/pinned", "/warned"):
            self.shown(changed, target)
        self.assertEqual(told, (self.told("pinned"), self.told("warned")))
        self.assertIn(("words", "search_docs"), told[0])
        self.assertIn(("words", "search_docs"), told[1])
        self.assertEqual(["search_docs"], self.shown(self.TOOL))
        self.good_call(target="/pinned")

    def test_calls_go_on_while_rules_change(self):
        self.shown(self.TOOL)
        self.good_call(target="/pinned")
        self.shown({**self.TOOL, "outputSchema": {}})
        for times in range(4):
            seconds = f"{80 + times}s"
            self.reload(lambda config: config["routes"][0].update(timeouts={"idle": seconds}))
            for _ in range(4):
                self.refuse_post(mcp.call("search_docs"), 200, DENIED, "denied", "/pinned", id=1)
        self.shown(self.TOOL)
        self.good_call(target="/pinned")


if __name__ == "__main__":
    unittest.main()
