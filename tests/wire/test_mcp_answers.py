#!/usr/bin/python3
"""What an MCP server answers, and what of it a caller gets: requests of the server, tasks, secrets, and
answers that are none (CASES.md 248)."""

import base64
import gzip
import json
import pathlib
import re
import threading
import time
import unittest

import wire  # noqa: F401
from lib import mcp, raw, recorder
from lib.mcp_case import INVALID, NOT_FORWARDED, PARAMS, McpCase
from lib.net import patient
from test_scrub import forms

SECRET = 'canary<"sec&ret">/+~5e1d'
SAMPLING = mcp.request("sampling/createMessage", {"messages": [], "maxTokens": 5}, id=900)
ASKED = (SAMPLING, mcp.request("elicitation/create", {"message": "?", "requestedSchema": {}}, id="e-1"),
         mcp.request("roots/list", id=-3))
CAPABILITIES = {"sampling": {"tools": {}}, "elicitation": {}, "roots": {"listChanged": True},
                "tasks": {"list": {}}, "experimental": {"x": {}}}


class ServerRequests(McpCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        for name, said in (("held", "refuse"), ("pass", "pass")):
            cls.add_mcp(config, door, name, ["mcp:*"], {"server_requests": said})

    def stream(self, target, *messages, answer=True, token=None, session=None):
        """The events of a call's answer that has these before it."""
        def told(asked, _):
            said = [*messages, mcp.result(asked, content=[])] if answer else messages
            return mcp.stream_answer(b"".join(mcp.event(each, id=number)
                                              for number, each in enumerate(said)))
        self.server.on["tools/call"] = told
        response, _ = self.allow(mcp.post(target, mcp.call("read"), token or self.token, session),
                                 "POST")
        return [each["data"] for each in mcp.read_events(response.body) if "data" in each], response

    def test_requests_of_the_server_are_held_back(self):
        progress = mcp.notification("notifications/progress", {"progressToken": 1, "progress": 1})
        events, response = self.stream("/held", progress, *ASKED)
        self.assertEqual([progress, {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}], events)
        self.assertEqual(3, self.audit_of(response)["mcp"]["held_back"])
        ids = re.findall(b"^id: (.+)$", response.body, re.M)
        self.assertEqual(5, len(set(ids)))  # a client that comes back names them

    def test_what_no_revision_knows_is_held_back(self):
        unknown = (mcp.request("made/up", id=7), mcp.notification("notifications/made_up"),
                   mcp.request("tools/call", {"name": "x"}, id=8))
        events, _ = self.stream("/pass", *unknown)
        self.assertEqual(1, len(events))

    def test_requests_that_pass_are_answered_by_whom_they_were_sent_to(self):
        session = self.open_session("/pass")
        events, _ = self.stream("/pass", *ASKED, session=session)
        for asked, got in zip(ASKED, events):
            self.assertEqual((asked["method"], asked.get("params")), (got["method"], got.get("params")))
            self.assertNotEqual(asked["id"], got["id"])
            answer = {"jsonrpc": "2.0", "id": got["id"], "result": {"roots": []}}
            mark = self.door.upstream.mark()
            self.assertEqual(202, self.post(answer, "/pass", session=session).status)
            seen = json.loads(self.door.upstream.since(mark)[0].body)
            self.assertEqual({**answer, "id": asked["id"]}, seen)
            error = {"jsonrpc": "2.0", "id": got["id"], "error": {"code": -1, "message": "no"}}
            self.assertEqual(202, self.post(error, "/pass", session=session).status)

    def test_what_is_asked_with_a_new_session_is_of_that_session(self):
        """Also when the server changes the session within one."""
        former = self.open_session("/pass")
        for message, session in ((mcp.initialize(id=1), None), (mcp.call("read"), former)):
            self.server.on[message["method"]] = lambda asked, _: mcp.stream_answer(
                mcp.event(SAMPLING) + mcp.event(mcp.result(asked)),
                headers=[("Mcp-Session-Id", "upstream-session-9")])
            response = self.post(message, "/pass", session=session)
            opened = response.one("Mcp-Session-Id")
            asked, _ = [each["data"] for each in mcp.read_events(response.body)]
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {}}
            for other in (former, None):
                self.refuse_post(answer, 400, INVALID, "bad_request", "/pass", session=other)
            mark = self.door.upstream.mark()
            self.assertEqual(202, self.post(answer, "/pass", session=opened).status)
            seen, = self.door.upstream.since(mark)
            self.assertEqual(["upstream-session-9"], seen.all("Mcp-Session-Id"))
            self.assertEqual(SAMPLING["id"], json.loads(seen.body)["id"])

    def test_answers_to_what_was_not_asked(self):
        session = self.open_session("/pass")
        others = self.open_session("/pass", self.other_token)
        events, _ = self.stream("/pass", SAMPLING, session=session)
        sealed = events[0]["id"]

        def answer(name):
            return {"jsonrpc": "2.0", "id": name, "result": {}}
        for name in (900, "900", sealed + "A", sealed[:-1], sealed.swapcase(), "", "x"):
            self.refuse_post(answer(name), 400, (INVALID, NOT_FORWARDED),
                             ("bad_request", "body_malformed", "method_refused"), "/pass",
                             id=name if name == 900 else None, session=session)
        self.refuse_post(answer(sealed), 400, INVALID, "bad_request", "/pass",
                         self.other_token, session=others)
        self.refuse_post(answer(sealed), 400, INVALID, "bad_request", "/pass")
        self.refuse_post(answer(sealed), 400, INVALID, "bad_request", "/held")
        self.assertEqual(202, self.post(answer(sealed), "/pass", session=session).status)

    def test_capabilities_for_what_does_not_pass_are_taken_out(self):
        for message in (mcp.initialize(CAPABILITIES),
                        mcp.modern(mcp.call("read"), CAPABILITIES)):
            for target, kept in (("/held", {"experimental": {"x": {}}}), ("/pass", CAPABILITIES)):
                _, seen = self.passes_post(message, target)
                params = json.loads(seen.body)["params"]
                got = params.get("capabilities") or params["_meta"][mcp.META + "clientCapabilities"]
                self.assertEqual(kept, got)
                self.assertEqual([str(len(seen.body))], seen.all("Content-Length"))
        for only in ({"sampling": {}}, {"roots": {}, "x": 1}, {"x": 1, "roots": {}}, {}):
            _, seen = self.passes_post(mcp.initialize(only), "/held")
            self.assertEqual({name: value for name, value in only.items() if name == "x"},
                             json.loads(seen.body)["params"]["capabilities"])

    def test_capabilities_that_look_like_others(self):
        for name in ("Sampling", "SAMPLING", "eLicitation", "Roots"):
            self.refuse_post(mcp.initialize({name: {}}), 400, PARAMS, target="/held", id=0)
            self.refuse_post(mcp.modern(mcp.call("read"), {name: {}}), 400, PARAMS, target="/held",
                             id=1)

    def test_input_that_may_not_be_asked_for(self):
        """2026-07-28"""
        told = {"resultType": "input_required", "requestState": "s",
                "inputRequests": {"a": {"method": "elicitation/create", "params": {}}}}
        self.server.on["tools/call"] = told
        message = mcp.modern(mcp.call("read"))
        document, _ = self.passes_post(message, "/pass")
        self.assertEqual({**told, "requestState": document["result"]["requestState"]},
                         document["result"])
        response, _ = self.allow(mcp.post("/held", message, self.token), "POST")
        self.assertEqual(NOT_FORWARDED, json.loads(response.body)["error"]["code"])
        self.assertNotIn(b"elicitation", response.body)
        self.assertEqual(1, self.audit_of(response)["mcp"]["held_back"])

    def retry(self, state, name="read"):
        message = mcp.modern(mcp.call(name, id="again"))
        message["params"].update(requestState=state, inputResponses={"a": {"action": "accept"}})
        return message

    def test_a_state_comes_back_from_whom_it_was_given_to(self):
        """2026-07-28"""
        for state in ("s", "", 'a"\\b\u2028\x7f', "x" * (16 * 1024 - 2)):
            with self.subTest(state=state[:9]):
                self.server.on["tools/call"] = {"resultType": "input_required", "requestState": state}
                given, others, elsewhere = (
                    json.loads(self.post(mcp.modern(mcp.call("read")), target, token).body)
                    ["result"]["requestState"]
                    for target, token in (("/pass", self.token), ("/pass", self.other_token),
                                          ("/held", self.token)))
                self.assertRegex(given, "^[A-Za-z0-9_-]{30,}$")
                self.server.on["tools/call"] = {"content": []}
                _, seen = self.passes_post(self.retry(given), "/pass")
                self.assertEqual(self.retry(state), json.loads(seen.body))
                for forged in (others, elsewhere, given + "A", given.swapcase(), given[:-1], state,
                               "x", "x" * 30000, 7, {}, [given], True):
                    self.refuse_post(self.retry(forged), 400, PARAMS, "bad_request", "/pass",
                                     id="again")
                self.refuse_post(self.retry(given), 400, PARAMS, "bad_request", "/pass",
                                 self.other_token, id="again")
                self.passes_post(self.retry(others), "/pass", self.other_token)
        self.passes_post(self.retry(None), "/pass")

    def test_states_that_cannot_be_told(self):
        for state in ("x" * (16 * 1024 - 1), 7, ["s"], {"s": 1}):
            self.server.on["tools/call"] = {"resultType": "input_required", "requestState": state}
            response, _ = self.allow(mcp.post("/pass", mcp.modern(mcp.call("read")), self.token), "POST")
            self.assertEqual(NOT_FORWARDED, json.loads(response.body)["error"]["code"])
            self.assertEqual(1, self.audit_of(response)["mcp"]["held_back"])

    def test_a_task_is_the_callers_who_made_it(self):
        session = self.open_session("/pass")
        others = self.open_session("/pass", self.other_token)
        self.server.on["tools/call"] = {"task": {"taskId": "t-1", "status": "working"}}
        document, _ = self.passes_post(mcp.call("read"), "/pass", session=session)
        sealed = document["result"]["task"]["taskId"]
        self.assertNotEqual("t-1", sealed)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            self.server.on[method] = {"taskId": "t-1", "status": "working"}
            message = mcp.request(method, {"taskId": sealed})
            document, seen = self.passes_post(message, "/pass", session=session)
            self.assertEqual("t-1", json.loads(seen.body)["params"]["taskId"])
            self.assertEqual(sealed, document["result"]["taskId"])
            self.refuse_post(message, 200, PARAMS, "no_route", "/pass", self.other_token, id=1,
                             session=others)
            for name in ("t-1", sealed + "A", "x"):
                self.refuse_post(mcp.request(method, {"taskId": name}), 200, PARAMS, "no_route",
                                 "/pass", id=1, session=session)
        self.server.on["tasks/list"] = {"tasks": [{"taskId": "t-1"}, {"taskId": "t-2"}]}
        document, _ = self.passes_post(mcp.request("tasks/list"), "/pass", session=session)
        self.assertEqual([], document["result"]["tasks"])

    def test_tasks_of_the_later_era(self):
        self.server.on["tools/call"] = {"resultType": "task", "taskId": "t-1", "status": "working"}
        document, _ = self.passes_post(mcp.modern(mcp.call("read")), "/pass")
        sealed = document["result"]["taskId"]
        message = mcp.modern(mcp.request("tasks/get", {"taskId": sealed}))
        _, seen = self.passes_post(message, "/pass")
        self.assertEqual((["t-1"], "t-1"), (seen.all("Mcp-Name"),
                                            json.loads(seen.body)["params"]["taskId"]))
        self.refuse_post(message, 200, PARAMS, "no_route", "/pass", self.other_token, id=1)


class Secrets(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text(SECRET)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"basic": {"basic": {"username": "admin", "password": "local/key"}},
                                 "key": {"headers": {"X-Key": "{local/key}"}}}
        door.server = mcp.Server(door.upstream)
        cls.add_mcp(config, door, "mcp", ["mcp:*"], credential="key")
        cls.add_mcp(config, door, "basic", ["mcp:*"], credential="basic")
        cls.add_mcp(config, door, "none", ["mcp:*"])

    def test_the_server_gets_the_routes_credential(self):
        basic = "Basic " + base64.b64encode(f"admin:{SECRET}".encode()).decode()
        more = [("Cookie", "session=1"), ("X-Key", "mine"), ("Proxy-Authorization", "Basic x"),
                ("Origin-Trial", "x")]
        for message in (mcp.call("read"), mcp.modern(mcp.call("read"))):
            for target, authorization, key in (("/mcp", [], [SECRET]), ("/basic", [basic], ["mine"]),
                                               ("/none", [], ["mine"])):
                _, seen = self.passes_post(message, target, more=more)
                self.assertEqual((authorization, key, [], []),
                                 (seen.all("Authorization"), seen.all("X-Key"), seen.all("Cookie"),
                                  seen.all("Proxy-Authorization")))
                self.assertNotIn(self.token.encode(), seen.head + seen.body)
                self.assertEqual(["identity"], seen.all("Accept-Encoding"))

    def test_streams_and_ends_get_it_too(self):
        for method in ("GET", "DELETE"):
            mark = self.door.upstream.mark()
            self.send(mcp.session_request(method, "/mcp", self.token, more=[("Cookie", "a=b")]))
            seen = self.door.upstream.since(mark)[0]
            self.assertEqual(([SECRET], [], []), (seen.all("X-Key"), seen.all("Authorization"),
                                                  seen.all("Cookie")))

    def test_a_result_that_repeats_the_secret(self, case=248):
        """As JSON and as events, in every form, cut anywhere."""
        scrubbed = 'barkeep_scrubbed_total{route="mcp"}'
        for name, form in forms(SECRET):
            text = form.decode()
            core = json.dumps(form.rstrip(b"=")[:-1].decode())[1:-1].encode()
            for media in ("json", "events", "bytewise"):
                with self.subTest(form=name, media=media):
                    before = self.door.barkeep.metrics()[scrubbed]
                    response = self.reflect(text, media)
                    self.assertEqual(200, response.status, response.body)
                    self.assertNotIn(core, response.body)
                    said = (json.loads(response.body) if media == "json"
                            else mcp.read_events(response.body)[0]["data"])
                    self.assertTrue(said["result"]["text"].startswith("it is ***"), said)
                    line = self.audit_of(response)
                    self.assertGreaterEqual(line["scrubbed"], 1)
                    self.assertGreater(self.door.barkeep.metrics()[scrubbed], before)

    def reflect(self, text, media):
        def told(asked, _):
            document = mcp.result(asked, text=f"it is {text}", end=1)
            if media == "json":
                return mcp.json_answer(document)
            return mcp.stream_answer(mcp.event(document), 1 if media == "bytewise" else 0)
        self.server.on["tools/call"] = told
        return self.post(mcp.call("read"))

    def test_an_escaped_secret_in_a_result(self, case=248):
        """As a JSON writer might spell it."""
        spelled = "".join(f"\\u{ord(letter):04x}" for letter in SECRET)
        self.server.on["tools/call"] = mcp.json_answer(
            b'{"jsonrpc":"2.0","id":1,"result":{"a":"%s"}}' % json.dumps(SECRET)[1:-1].encode())
        response = self.post(mcp.call("read"))
        self.assertNotIn(SECRET, json.dumps(json.loads(response.body)["result"], ensure_ascii=False))
        self.assertNotIn(spelled.encode(), response.body)

    def test_a_server_that_refuses_the_credential(self):
        for status in (401, 403):
            self.server.on["tools/call"] = recorder.answer(
                status, b"{}", [("Content-Type", "application/json"),
                                ("WWW-Authenticate", 'Bearer resource_metadata="http://evil/"')])
            for target in ("/mcp", "/none"):
                response = self.post(mcp.call("read"), target)
                self.assertEqual(502, response.status)
                self.assertEqual([], response.all("WWW-Authenticate"))
                self.assertNotIn(b"evil", response.head + response.body)
                self.assertIn(self.audit_of(response)["reason"],
                              ("upstream_credential_refused", "upstream_protocol"))
                self.assertEqual(status, self.audit_of(response)["upstream_status"])


class Answers(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "small", mcp={"max_result": "2KiB"})
        cls.add_mcp(config, door, "slow", timeouts={"idle": "1s"})

    def bad(self, answer, target="/mcp", reason="upstream_protocol"):
        """502, and nothing of it reaches the caller."""
        self.server.on["tools/call"] = answer
        response = self.post(mcp.call("read"), target)
        self.assertEqual((502, reason), (response.status, self.audit_of(response)["reason"]))
        self.assertNotIn(b"leak", response.head + response.body)
        return response

    def test_answers_that_are_none(self):
        good = mcp.encode({"jsonrpc": "2.0", "id": 1, "result": {"leak": 1}})
        bodies = [b"{", b"leak", b"[]", b"[%s]" % good, b"null", good + good, b"\xef\xbb\xbf" + good,
                  good.decode().encode("utf-16"), good.replace(b"2.0", b"1.0"),
                  good.replace(b'"id": 1, ', b""), good.replace(b'"id": 1', b'"id": null'),
                  good[:-1] + b', "error": {"code": 1, "message": "leak"}}',
                  good.replace(b'"leak": 1', b'"leak": 1, "leak": 2'),
                  good.replace(b'"leak": 1', b'"tools": [], "tools": [{"name": "leak"}]'),
                  good.replace(b'"leak": 1', b'"tools": [], "t\\u006fols": [{"name": "leak"}]'),
                  good.replace(b"leak", b"leak\xff"), mcp.encode(SAMPLING),
                  b'{"jsonrpc":"2.0","id":1,"result":{"leak":' + b"[" * 200 + b"]" * 200 + b"}}"]
        for body in bodies:
            with self.subTest(body=body[:80]):
                self.bad(mcp.json_answer(body))
        self.server.forget()
        self.good_call()

    def test_members_that_look_like_a_list(self):
        """A client that folds case would take them for one."""
        body = b'{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"drop_all"}],"tools":[]}}'
        self.server.on["tools/list"] = mcp.json_answer(body)
        response = self.post(mcp.request("tools/list"))
        self.assertEqual(502, response.status)
        self.assertNotIn(b"drop_all", response.body)
        for body in (b'{"jsonrpc":"2.0","id":1,"result":{},"Method":"sampling/createMessage"}',
                     b'{"jsonrpc":"2.0","id":1,"result":{},"Result":{"tools":[{"name":"leak"}]}}'):
            self.bad(mcp.json_answer(body))

    def test_media_that_are_not_read(self):
        good = mcp.encode({"jsonrpc": "2.0", "id": 1, "result": {"leak": 1}})
        for kind in ("text/html", "text/plain", "application/octet-stream", "application/jsonx",
                     "multipart/mixed", "application/json, text/html", ""):
            with self.subTest(kind=kind):
                self.bad(recorder.answer(200, good, [("Content-Type", kind)]))
        self.bad(recorder.answer(200, good, [("Content-Type", "application/json"),
                                             ("Content-Type", "text/html")]))
        for coding in ("gzip", "br", "x"):
            fields = [("Content-Type", "application/json"), ("Content-Encoding", coding)]
            self.bad(recorder.answer(200, gzip.compress(good), fields))
            self.bad(recorder.answer(200, good, fields))  # what it says counts, not what it is
        self.server.on["tools/call"] = mcp.json_answer(good, headers=[("Content-Encoding", "identity")])
        self.passes_post(mcp.call("read"))

    def test_fields_for_the_connection_stay_behind(self):
        """Of those that pass, what Connection names is the next hop's alone."""
        for nominated in (None, "Retry-After", "x, retry-after"):
            fields = [("Retry-After", "9"), ("Allow", "POST"), ("X-Leak", "leak")]
            fields += [("Connection", nominated)] if nominated else []
            self.server.on["tools/call"] = mcp.json_answer({"jsonrpc": "2.0", "id": 1, "result": {}},
                                                           headers=fields)
            response = self.post(mcp.call("read"))
            self.assertEqual((200, None if nominated else "9", "POST", None),
                             (response.status, response.one("Retry-After"), response.one("Allow"),
                              response.one("X-Leak")))

    def test_media_are_said_without_a_charset(self):
        """What was read as UTF-8 is to be read as nothing else."""
        body = mcp.encode({"jsonrpc": "2.0", "id": 1, "result": {}})
        for kind, data in (("application/json", body), ("text/event-stream", mcp.event(body))):
            for more in ("", "; charset=utf-16", ";charset=utf-7"):
                self.server.on["tools/call"] = recorder.answer(200, data,
                                                               [("Content-Type", kind + more)])
                response = self.post(mcp.call("read"))
                self.assertEqual((200, kind), (response.status, response.one("Content-Type")))

    def test_pages_of_errors_are_not_shown(self):
        for status in (400, 404, 500, 503):
            self.server.on["tools/call"] = recorder.answer(
                status, b"<h1>leak</h1>", [("Content-Type", "text/html"), ("Set-Cookie", "leak=1")])
            response = self.post(mcp.call("read"))
            self.assertEqual(status, response.status)
            self.assertNotIn(b"leak", response.head + response.body)
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "x"}}
        self.server.on["tools/call"] = mcp.json_answer(error, 400)
        response = self.post(mcp.call("read"))
        self.assertEqual((400, error), (response.status, json.loads(response.body)))

    def test_redirects_lead_nowhere(self):
        for status in (301, 302, 307, 308):
            self.server.on["tools/call"] = recorder.answer(status, b"", [("Location", "http://leak/")])
            response = self.post(mcp.call("read"))
            self.assertNotIn(b"leak", response.head + response.body)

    def test_answers_beyond_the_bound(self):
        self.bad({"leak": "x" * 3000}, "/small")
        self.server.on["tools/call"] = {"a": "x" * 1000}
        self.passes_post(mcp.call("read"), "/small")

        def told(asked, _):
            return mcp.stream_answer(mcp.event(mcp.result(asked, a=1), id=1) +
                                     mcp.event(mcp.result(asked, leak="x" * 3000)))
        self.server.on["tools/call"] = told
        self.cut("/small")

    def test_an_answer_that_does_not_say_what_it_is(self):
        """Nothing, or read as JSON."""
        self.server.on["tools/list"] = recorder.answer(200, mcp.encode(
            {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "drop_all"}]}}))
        response = self.post(mcp.request("tools/list"))
        self.assertNotIn(b"drop_all", response.body)
        self.bad(recorder.answer(200, b"leak"))

    def cut(self, target="/mcp"):
        """A stream that ends before its end; what came of it."""
        with self.door.client() as client:
            client.send(mcp.post(target, mcp.call("read"), self.token))
            with self.assertRaises(raw.Truncated) as raised:
                client.read_response("POST")
        response = raised.exception.response
        self.assertNotIn(b"leak", response.body)
        line = self.audit_of(response)
        self.assertEqual("upstream", line["aborted"])
        self.assertEqual(("tools/call", "read"), (line["mcp"]["method"], line["mcp"]["name"]))
        return line

    def test_fields_of_an_informational_answer_stay_behind(self):
        def play(peer, _, message):
            peer.send(b"HTTP/1.1 103 Early Hints\r\nMcp-Session-Id: upstream-session-1\r\n"
                      b"Set-Cookie: a=b\r\n\r\n")
            peer.send(mcp.json_answer(mcp.result(message, content=[])))
        self.server.scripts["tools/call"] = play
        response = self.post(mcp.call("read"))
        self.assertEqual(200, response.status, response.body)
        self.assertEqual([], [interim.headers for interim in response.interim if interim.headers])

    def test_lines_that_some_readers_cut_in_two(self):
        """Python's splitlines() ends lines at bytes where the standard goes on: what stands behind
        them would be an event that nobody judged."""
        hidden = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "drop_all"}]}}
        text = json.dumps(hidden)
        shown = mcp.event({**hidden, "result": {"tools": []}})
        for end in ("\n", "\r", "\r\n"):
            for cut in ("\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"):
                for field in (":", "event: message", "id: 1", "other: "):
                    with self.subTest(end=end, cut=cut, field=field):
                        stream = f"{field}{cut}data: {text}{cut}{cut}{end}".encode() + shown
                        self.server.on["tools/list"] = mcp.stream_answer(stream, 3)
                        response = self.post(mcp.request("tools/list"))
                        self.assertEqual(200, response.status)
                        self.assertNotIn(b"drop_all", response.body)
                        self.assertIn(b"data:", response.body)

    def test_fields_that_some_readers_take_for_data(self):
        """The standard passes over them; who trims lines or folds case would read what nobody judged."""
        hidden = mcp.encode({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "drop_all"}]}})
        shown = mcp.event({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "read"}]}})
        for field in (b"Data: ", b"DATA:", b" data: ", b"\tdata: ", b"data : ", b"data\t: "):
            for end in (b"\n", b"\r", b"\r\n"):
                with self.subTest(field=field, end=end):
                    line = field + hidden + end
                    self.server.on["tools/list"] = mcp.stream_answer(line + end + line + shown, 5)
                    response = self.post(mcp.request("tools/list"))
                    self.assertEqual(200, response.status)
                    self.assertEqual(shown, response.body.lstrip(b"\r\n"))

    def test_code_points_at_which_some_readers_end_lines(self):
        """In JSON's strings they pass escaped; outside of them nothing passes."""
        hidden = mcp.event({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "drop_all"}]}})
        for cut in ("\x85", "\u2028", "\u2029"):
            with self.subTest(cut=cut):
                text = f"a{cut}{cut}b{cut}{hidden.decode().rstrip()}{cut}{cut}".replace('"', "'")
                said = mcp.result({"id": 1}, content=[{"type": "text", "text": text}])
                stream = mcp.event(said, id="1") + mcp.event(said, lines=2)
                self.server.on["tools/call"] = mcp.stream_answer(stream, 3)
                response = self.post(mcp.call("read"))
                self.assertEqual([said, said], [each["data"] for each in mcp.read_events(response.body)])
                shown = response.body.decode()
                self.assertEqual(shown.split("\n")[:-1], shown.splitlines())
                self.server.on["tools/call"] = mcp.stream_answer(f'data: {{{cut}"leak":1}}\n\n'.encode())
                self.cut()

    def test_streams_that_break(self):
        good = {"jsonrpc": "2.0", "id": 1, "result": {}}
        for text in (b"data: {leak\n\n", b"data: [1]\n\n", b"data: leak\n\n",
                     b'data: {"jsonrpc":"2.0","id":1,"result":{"leak":1,"leak":1}}\n\n'):
            with self.subTest(text=text):
                self.server.on["tools/call"] = mcp.stream_answer(mcp.event(good) + text)
                self.cut()
        self.server.scripts["tools/call"] = lambda peer, *_: (
            peer.send(mcp.event_stream() + mcp.chunk(mcp.event(good)) + mcp.chunk(b"data: {\"lea")),
            peer.close())
        self.cut()

    def test_answers_that_break_before_they_are_whole(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        self.server.scripts["tools/call"] = lambda peer, *_: (
            peer.send(head + b'{"leak":1'), peer.close())
        response = self.post(mcp.call("read"))
        self.assertEqual(502, response.status)
        self.assertNotIn(b"leak", response.body)

    def test_a_stream_passes_event_by_event(self):
        """Nothing is kept back until the end."""
        progress = [mcp.notification("notifications/progress", {"progressToken": 1, "progress": each})
                    for each in range(3)]
        gates = []

        def play(peer, _, message):
            peer.send(mcp.event_stream())
            for each in progress:
                peer.send(mcp.chunk(mcp.event(each)))
                while len(gates) < each["params"]["progress"] + 1:
                    time.sleep(0.005)
            peer.send(mcp.chunk(b": keep-alive\n\n") + mcp.chunk(mcp.event(mcp.result(message))) +
                      mcp.END)
        self.server.scripts["tools/call"] = play
        client, head = self.open_stream(mcp.post("/mcp", mcp.call("read"), self.token))
        with client:
            for each in progress:
                self.assertEqual(each, mcp.read_events(self.read_chunk(client))[0]["data"])
                gates.append(True)
            rest = b""
            while piece := self.read_chunk(client):
                rest += piece
        self.assertIn(b": keep-alive", rest)
        self.assertIn(b'"result"', rest)
        line = self.audit_of(head)
        self.assertEqual(("allow", "tools/call"), (line["decision"], line["mcp"]["method"]))

    def test_who_goes_away_cancels(self):
        """2026-07-28: closing the stream is the cancellation."""
        for message in (mcp.modern(mcp.call("read")), mcp.call("read")):
            self.server.scripts["tools/call"] = lambda peer, *_: (
                peer.send(mcp.event_stream() + mcp.chunk(b": hello\n\n")), peer.wait_closed())
            mark = self.door.upstream.mark()
            client, head = self.open_stream(mcp.post("/mcp", message, self.token))
            self.read_chunk(client)
            client.close()
            peer = self.door.upstream.peers[self.door.upstream.since(mark)[0].connection]
            self.wait_for(lambda: peer.is_closed_by_proxy, "the server's end closed", 2)
            self.assertEqual("client", self.audit_of(head)["aborted"])

    def test_who_goes_away_before_the_answer_cancels(self):
        self.server.scripts["tools/call"] = lambda peer, *_: peer.wait_closed()
        mark = self.door.upstream.mark()
        client = self.door.client()
        client.send(mcp.post("/mcp", mcp.modern(mcp.call("read")), self.token))
        seen = self.door.upstream.wait_for_request(mark)
        client.close()
        peer = self.door.upstream.peers[seen.connection]
        self.wait_for(lambda: peer.is_closed_by_proxy, "the server's end closed", 2)

    def test_who_goes_away_before_a_large_answer(self):
        """More than a socket takes at once: the rest finds nobody, and the next caller is served."""
        let_go = threading.Event()

        def play(peer, _, message):
            let_go.wait(patient(20))
            peer.send(mcp.json_answer(mcp.result(message, said="x" * 3000000)))
        self.server.scripts["tools/call"] = play
        for number, leave in enumerate((raw.Client.close, raw.Client.reset) * 2):
            with self.subTest(number=number):
                let_go.clear()
                mark = self.door.upstream.mark()
                client = self.door.client()
                client.send(mcp.post("/mcp", mcp.call("read"), self.token))
                seen = self.door.upstream.wait_for_request(mark)
                leave(client)
                let_go.set()
                line = self.door.audit.wait_for(seen.all("X-Request-Id")[0])
                self.assertEqual("client", line["aborted"])
        self.server.forget()
        self.good_call()

    def test_keep_alives_keep_a_stream(self):
        """Comments count as signs of life; silence ends it."""
        def play(peer, _, message):
            peer.send(mcp.event_stream())
            for _ in range(6):
                peer.send(mcp.chunk(b":\n\n"))
                time.sleep(0.3)
            peer.send(mcp.chunk(mcp.event(mcp.result(message))) + mcp.END)
        self.server.scripts["tools/call"] = play
        response = self.post(mcp.call("read"), "/slow")
        self.assertIn(b'"result"', response.body)
        self.server.scripts["tools/call"] = lambda peer, *_: (peer.send(mcp.event_stream()),
                                                              peer.wait_closed())
        started = time.monotonic()
        with self.door.client() as client, self.assertRaises(raw.Truncated):
            client.send(mcp.post("/slow", mcp.call("read"), self.token)).read_response("POST")
        self.assertLess(time.monotonic() - started, patient(4))

    def test_a_slow_reader_holds_the_server_back(self):
        big = mcp.notification("notifications/message", {"level": "info", "data": "x" * 60000})
        sent = []

        def play(peer, _, message):
            peer.send(mcp.event_stream())
            for number in range(400):
                peer.send(mcp.chunk(mcp.event(big)))
                sent.append(number)
            peer.send(mcp.chunk(mcp.event(mcp.result(message))) + mcp.END)
        self.server.scripts["tools/call"] = play
        with self.door.client(receive_buffer=4096, timeout=30) as client:
            client.send(mcp.post("/mcp", mcp.call("read"), self.token))
            client.read_head()
            time.sleep(0.5)
            self.assertLess(len(sent), 390)
            total = 0
            while piece := self.read_chunk(client):
                total += len(piece)
            self.assertGreater(total, 400 * 60000)

    def test_connections_to_the_server_are_kept(self):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            for _ in range(5):
                client.send(mcp.post("/mcp", mcp.call("read"), self.token))
                self.assertEqual(200, client.read_response("POST").status)
        self.assertEqual(1, len({seen.connection for seen in self.door.upstream.since(mark)}))

    def test_http_1_0(self):
        """An event stream without chunks ends with its connection."""
        self.server.on["tools/call"] = lambda asked, _: mcp.stream_answer(
            mcp.event(mcp.result(asked, a=1)), 3)
        data = mcp.post("/mcp", mcp.call("read"), self.token).replace(b"HTTP/1.1", b"HTTP/1.0")
        with self.door.client() as client:
            response = client.send(data).read_response("POST")
        if response.status == 200:
            self.assertIsNone(response.one("Transfer-Encoding"))
            self.assertEqual({"a": 1}, mcp.read_events(response.body)[0]["data"]["result"])


if __name__ == "__main__":
    unittest.main()
