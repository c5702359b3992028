#!/usr/bin/python3
"""What rules grant of an MCP server, how a refusal looks, and which part of a list a caller sees."""

import json
import unittest

import wire  # noqa: F401
from lib import mcp, tokens
from lib.mcp_case import DENIED, NO_METHOD, PARAMS, McpCase

EVERYONE = {"everyone": True}
OPERATOR = "Operator"


def when(action, **tests):
    """An action with conditions; a pointer's slashes are written as double underscores."""
    return {"action": action, "when": {"/" + name.replace("__", "/"): test
                                       for name, test in tests.items()}}


class Rules(McpCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "globs", ["mcp:tools/call:a*z", "mcp:tools/call:*mid*",
                                            "mcp:prompts/*", "mcp:tools/call:x.y-z_1"])
        cls.add_mcp(config, door, "conditions", [
            when("mcp:tools/call:one", db={"one_of": ["sales", 5, True]}),
            when("mcp:tools/call:equal", n={"equals": 5}, s={"equals": "5"}),
            when("mcp:tools/call:sql", sql={"matches": "^SELECT [a-z]+$", "max_length": 20}),
            when("mcp:tools/call:range", n={"min": -1.5, "max": 10}),
            when("mcp:tools/call:without", force={"absent": True}),
            when("mcp:tools/call:deep", a__b__0={"equals": "x"}),
            when("mcp:prompts/get:p", lang={"equals": "en"})])
        cls.add_mcp(config, door, "denied", ["mcp:*"], deny=[
            {"to": EVERYONE, "actions": ["mcp:tools/call:drop_*", "mcp:resources/read:file:///etc/*",
                                         when("mcp:tools/call:run", level={"equals": "root"})]},
            {"to": {"user": tokens.USER}, "actions": ["mcp:prompts/get:secret"]}])
        cls.add_mcp(config, door, "http", ["mcp:*"], deny=[
            {"to": {"app_role": "Blocked"}, "actions": ["POST /**"]}])
        config["roles"]["Agent"] = {"actions": ["mcp:tools/call"],
                                    "not_actions": ["mcp:tools/call:drop_*"]}
        config["routes"].append({
            "name": "roles", "path": "/roles", "upstream": f"{door.upstream.url}/mcp", "mcp": {},
            "access": [{"role": "Agent", "to": EVERYONE},
                       {"actions": ["mcp:tools/call:drop_table"], "to": {"app_role": OPERATOR}}]})
        config["routes"].append({
            "name": "plain", "path": "/plain", "upstream": f"{door.upstream.url}/mcp", "mcp": {},
            "access": [{"role": "Contributor", "to": EVERYONE}]})

    def granted(self, message, target, token=None):
        """In both eras."""
        self.passes_post(message, target, token)
        self.passes_post(mcp.modern(message), target, token)

    def refused(self, message, target, token=None, reason="no_role"):
        for each in (message, mcp.modern(message)):
            self.refuse_post(each, 200, DENIED, reason, target, token, id=1)

    def test_names_with_stars(self):
        for name in ("az", "abcz", "a-z", "mid", "xmidy", "amidzz", "x.y-z_1"):
            self.granted(mcp.call(name), "/globs")
        for name in ("a", "z", "azb", "Az", "bazz", "mi", "xxy-z_1", "x.y-z_10", "a z x"):
            self.refused(mcp.call(name), "/globs")
        self.granted(mcp.request("prompts/get", {"name": "any"}), "/globs")
        self.refused(mcp.request("resources/read", {"uri": "file:///a"}), "/globs")

    def check_arguments(self, name, good, bad):
        for arguments in good:
            with self.subTest(name=name, good=arguments):
                self.granted(mcp.call(name, arguments), "/conditions")
        for arguments in bad:
            with self.subTest(name=name, bad=arguments):
                self.refused(mcp.call(name, arguments), "/conditions")

    def test_one_of(self):
        self.check_arguments("one", [{"db": "sales"}, {"db": 5}, {"db": True}, {"db": 5.0},
                                     {"db": "sales", "other": 1}],
                             [{}, {"db": "Sales"}, {"db": "5"}, {"db": "sales "}, {"db": ["sales"]},
                              {"db": None}, {"db": False}, {"db": 1}, {"DB": "sales"},
                              {"a": {"db": "sales"}}])

    def test_equals(self):
        self.check_arguments("equal", [{"n": 5, "s": "5"}],
                             [{"n": 5}, {"s": "5"}, {"n": "5", "s": "5"}, {"n": 5, "s": 5},
                              {"n": 6, "s": "5"}, {}])

    def test_matches_and_max_length(self):
        self.check_arguments("sql", [{"sql": "SELECT a"}, {"sql": "SELECT abcdefghijklm"}],
                             [{"sql": "select a"}, {"sql": "SELECT a; DROP"}, {"sql": "DROP"},
                              {"sql": "SELECT a\nDROP"}, {"sql": "SELECT abcdefghijklmn"},
                              {"sql": "SELECT a\n"}, {"sql": "\nSELECT a"}, {"sql": "SELECT a\0"},
                              {"sql": ["SELECT a"]}, {"sql": 5}, {"sql": None}, {}])

    def test_min_and_max(self):
        self.check_arguments("range", [{"n": -1.5}, {"n": 0}, {"n": 10}, {"n": 10.0}, {"n": 1e1}],
                             [{"n": -1.500001}, {"n": 10.000001}, {"n": "5"}, {"n": True},
                              {"n": None}, {"n": 9007199254740993}, {}])
        body = mcp.encode(mcp.call("range", {"n": 0})).replace(b'"n": 0', b'"n": 1e400')
        self.refuse_post(body, 200, DENIED, "no_role", "/conditions", id=1)

    def test_absent(self):
        self.check_arguments("without", [{}, {"Force": 1}, {"a": {"force": 1}}],
                             [{"force": True}, {"force": None}, {"force": False}])
        self.granted(mcp.request("tools/call", {"name": "without"}), "/conditions")

    def test_pointers_into_arguments(self):
        self.check_arguments("deep", [{"a": {"b": ["x"]}}, {"a": {"b": ["x", "y"]}}],
                             [{"a": {"b": ["y", "x"]}}, {"a": {"b": "x"}}, {"a": {"b": []}},
                              {"a/b/0": "x"}, {"a": []}, {}])

    def test_arguments_of_prompts(self):
        good = mcp.request("prompts/get", {"name": "p", "arguments": {"lang": "en"}})
        bad = mcp.request("prompts/get", {"name": "p", "arguments": {"lang": "de"}})
        self.granted(good, "/conditions")
        self.refused(bad, "/conditions")

    def test_a_retry_with_input_is_judged_again(self):
        """2026-07-28: what the server asked for comes with a new request."""
        self.server.on["tools/call"] = {"resultType": "input_required", "requestState": "opaque"}
        asked = self.post(mcp.modern(mcp.call("one", {"db": "sales"})), "/conditions")
        state = json.loads(asked.body)["result"]["requestState"]
        self.server.on.clear()
        for db, status in (("sales", "result"), ("hr", "error")):
            message = mcp.call("one", {"db": db}, id="second")
            message["params"].update(requestState=state, inputResponses={"x": {"action": "accept"}})
            response = self.post(mcp.modern(message), "/conditions")
            self.assertIn(status, json.loads(response.body))

    def test_nothing_is_granted_that_no_rule_names(self):
        for message in (mcp.call("other"), mcp.request("prompts/get", {"name": "other"}),
                        mcp.request("resources/read", {"uri": "file:///closed/a"}),
                        mcp.request("completion/complete", {
                            "ref": {"type": "ref/prompt", "name": "brief"},
                            "argument": {"name": "a", "value": "b"}})):
            self.refused(message, "/mcp")
        self.good_call()

    def test_http_actions_grant_nothing_here(self):
        self.refused(mcp.call("read"), "/plain")
        self.refuse_post(mcp.initialize(), 200, DENIED, "no_role", "/plain", id=0)

    def test_http_denies_take_away(self):
        token = self.door.token(tokens.user(roles=["Blocked"]))
        self.granted(mcp.call("read"), "/http")
        self.refused(mcp.call("read"), "/http", token, "denied")

    def test_a_deny_beats_every_grant(self):
        self.granted(mcp.call("read"), "/denied")
        self.refused(mcp.call("drop_table"), "/denied", reason="denied")
        self.granted(mcp.call("run", {"level": "user"}), "/denied")
        self.granted(mcp.call("run", {"level": None}), "/denied")
        for level in ("root", ["root"], {"root": 1}, 0):
            self.refused(mcp.call("run", {"level": level}), "/denied", reason="denied")
        self.refused(mcp.request("resources/read", {"uri": "file:///etc/passwd"}), "/denied",
                     reason="denied")
        self.granted(mcp.request("resources/read", {"uri": "file:///home/a"}), "/denied")
        prompt = mcp.request("prompts/get", {"name": "secret"})
        self.refused(prompt, "/denied", reason="denied")
        self.granted(prompt, "/denied", self.other_token)

    def test_not_actions(self):
        operator = self.door.token(tokens.user(roles=[OPERATOR]))
        self.granted(mcp.call("read"), "/roles")
        self.refused(mcp.call("drop_table"), "/roles")
        self.granted(mcp.call("drop_table"), "/roles", operator)
        self.refused(mcp.call("drop_all"), "/roles", operator)

    def test_methods_without_effect_need_any_grant(self):
        self.passes_post(mcp.initialize())
        self.passes_post(mcp.request("ping"))
        self.passes_post(mcp.request("logging/setLevel", {"level": "info"}))
        self.passes_post(mcp.modern(mcp.request("server/discover")))
        self.passes_post(mcp.notification("notifications/initialized"), status=202)
        self.passes_post(mcp.notification("notifications/cancelled", {"requestId": 1}), status=202)
        self.refuse_post(mcp.request("ping"), 200, DENIED, "no_role", "/plain", id=1)

    def test_subscriptions_are_judged_by_each_resource(self):
        def listen(*uris, **more):
            return mcp.modern(mcp.request("subscriptions/listen", {"notifications": {
                "toolsListChanged": True, "resourceSubscriptions": list(uris), **more}}))
        self.passes_post(listen("file:///home/a", "file:///home/b"), "/denied")
        error = self.refuse_post(listen("file:///home/a", "file:///etc/b"), 200, DENIED, "denied",
                                 "/denied", id=1)
        self.assertEqual("routes.denied.deny[0]", self.audit_of(error["response"])["rule"])
        self.refuse_post(listen("file:///etc/../home"), 400, PARAMS, target="/denied", id=1)
        self.refuse_post(listen(ResourceSubscriptions=["file:///etc/b"]), 400, PARAMS,
                         target="/denied", id=1)
        self.refuse_post(listen(), 200, DENIED, "no_role", "/mcp", id=1)
        old = mcp.request("resources/subscribe", {"uri": "file:///home/a"})
        self.passes_post(old, "/denied")

    def test_completions_are_judged_by_what_they_complete(self):
        def complete(**ref):
            return mcp.request("completion/complete", {"ref": ref,
                                                       "argument": {"name": "a", "value": "b"}})
        self.granted(complete(type="ref/prompt", name="open"), "/denied")
        self.granted(complete(type="ref/resource", uri="file:///home/{name}"), "/denied")
        self.refused(complete(type="ref/resource", uri="file:///etc/{name}"), "/denied",
                     reason="denied")
        self.refused(complete(type="ref/prompt", name="secret"), "/denied", reason="denied")
        for ref in ({"type": "ref/tool", "name": "x"}, {"name": "x"}, {},
                    {"type": "ref/prompt", "name": "open", "Name": "secret"}):
            self.refuse_post(complete(**ref), 400, PARAMS, target="/denied", id=1)


class Denials(McpCase):
    """Four shapes, in both eras."""

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        for shape in ("explain", "hide", "tool_error", "challenge"):
            cls.add_mcp(config, door, shape, cls.ACTIONS, {"denial": shape})
        cls.add_mcp(config, door, "hide_tools", ["mcp:tools/call:search_*"], {"denial": "hide"})
        config["entra"]["audience"].append("https://gw.example/signin")
        cls.add_mcp(config, door, "signin", mcp={
            "denial": "challenge", "resource": "https://gw.example/signin"})
        config["routes"][-1]["access"].append(
            {"actions": ["mcp:tools/call:drop_all"], "to": {"scope": "mcp.write"}})

    def denied(self, shape, message, status, reason="no_role", name="drop_all"):
        mark = self.door.upstream.mark()
        response = self.post(message, f"/{shape}")
        self.check_untouched(mark)
        line = self.audit_of(response)
        self.assertEqual((status, "deny", reason, None),
                         (response.status, line["decision"], line["reason"], line["upstream"]))
        self.assertEqual(name, line["mcp"]["name"])
        self.assertEqual("application/json", response.one("Content-Type"))
        return response, json.loads(response.body)

    def both(self):
        message = mcp.call("drop_all", {"x": 1}, id="abc")
        return (("legacy", message), ("modern", mcp.modern(message)))

    def test_explain(self):
        for era, message in self.both():
            with self.subTest(era=era):
                response, body = self.denied("explain", message, 200)
                self.assertEqual({"jsonrpc": "2.0", "id": "abc", "error": {
                    "code": DENIED, "message": "Denied by policy",
                    "data": {"reason": "no_role", "request_id": response.request_id}}}, body)

    def test_tool_error(self):
        for era, message in self.both():
            with self.subTest(era=era):
                response, body = self.denied("tool_error", message, 200)
                self.assertEqual("abc", body["id"])
                self.assertTrue(body["result"]["isError"])
                self.assertIn(response.request_id, body["result"]["content"][0]["text"])
                self.assertEqual("complete" if era == "modern" else None,
                                 body["result"].get("resultType"))
        response = self.post(mcp.request("prompts/get", {"name": "x"}), "/tool_error")
        self.assertEqual(DENIED, json.loads(response.body)["error"]["code"])

    def test_hide(self):
        """Nothing tells it from a name that the server does not have."""
        for era, message in self.both():
            with self.subTest(era=era):
                response, body = self.denied("hide", message, 200)
                for word in (b"polic", b"denied", b"no_role", response.request_id.encode()):
                    self.assertNotIn(word, response.body.lower())
                said = "Unknown tool: drop_all" if era == "legacy" else "Tool drop_all not found"
                self.assertEqual({"jsonrpc": "2.0", "id": "abc", "error": {
                    "code": PARAMS, "message": said}}, body)

    def test_hide_prompts_and_resources(self):
        """In the specification's words with handshake, as the library says it without."""
        prompt = mcp.request("prompts/get", {"name": "secret"}, "abc")
        resource = mcp.request("resources/read", {"uri": "file:///etc/a"}, "abc")
        told = {"uri": "file:///etc/a"}
        for name, message, error in (
                ("secret", prompt, {"code": PARAMS, "message": "Unknown prompt: secret"}),
                ("secret", mcp.modern(prompt), {"code": PARAMS, "message": "Prompt secret not found"}),
                (told["uri"], resource, {"code": -32002, "message": "Resource not found", "data": told}),
                (told["uri"], mcp.modern(resource),
                 {"code": PARAMS, "message": "Resource not found: file:///etc/a", "data": told})):
            with self.subTest(error=error):
                _, body = self.denied("hide", message, 200, name=name)
                self.assertEqual({"jsonrpc": "2.0", "id": "abc", "error": error}, body)
        self.passes_post(mcp.request("prompts/get", {"name": "brief"}), "/hide")
        self.passes_post(mcp.request("resources/read", {"uri": "file:///open/a"}), "/hide")

    def test_hide_methods(self):
        """Where the method is what nobody granted, as a server that does not have it."""
        listen = mcp.request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "abc")
        prompts = mcp.request("prompts/list", id="abc")
        for message, status in ((prompts, 200), (mcp.modern(prompts), 404), (mcp.modern(listen), 404)):
            with self.subTest(message=message):
                _, body = self.denied("hide_tools", message, status, name=None)
                self.assertEqual({"jsonrpc": "2.0", "id": "abc", "error": {
                    "code": NO_METHOD, "message": "Method not found"}}, body)
        self.good_call(target="/hide_tools")

    def test_hide_says_what_the_server_says(self):
        """Once a call that is allowed has shown it; in the era in which it was shown."""
        text = "MCP error -32602: Tool search_none not found"
        forms = [
            {"result": {"content": [{"type": "text", "text": text}], "isError": True}, "jsonrpc": "2.0", "id": "abc"},
            {"jsonrpc": "2.0", "id": "abc", "error": {"code": PARAMS, "message": "Tool search_none not found"}},
            {"jsonrpc": "2.0", "id": "abc", "error": {"code": PARAMS, "message": "Unknown tool: search_none"}},
        ]
        self.addCleanup(self.server.forget)
        for form in forms:
            for era in ("legacy", "modern"):
                for carry in (mcp.json_answer, lambda form: mcp.stream_answer(mcp.event(form))):
                    with self.subTest(form=form, era=era, carry=carry.__name__):
                        self.server.scripts["tools/call"] = lambda peer, *_: peer.send(carry(form))
                        message = mcp.call("search_none", id="abc")
                        response = self.post(mcp.modern(message) if era == "modern" else message, "/hide")
                        self.assertEqual(200, response.status)
                        _, body = self.denied("hide", dict(self.both())[era], 200)
                        self.assertEqual(json.dumps(form).replace("search_none", "drop_all"), json.dumps(body))
                        self.server.forget()
        self.good_call(target="/hide")

    def test_challenge(self):
        for era, message in self.both():
            with self.subTest(era=era):
                response, body = self.denied("challenge", message, 403)
                self.assertEqual((DENIED, "abc"), (body["error"]["code"], body["id"]))
                response, body = self.denied("signin", message, 403)
                self.assertEqual(
                    'Bearer error="insufficient_scope", scope="https://gw.example/signin/mcp.write", '
                    'resource_metadata='
                    '"https://gw.example/.well-known/oauth-protected-resource/signin", '
                    'error_description="The token does not carry what this operation needs"',
                    response.one("WWW-Authenticate"))

    def test_a_challenge_where_no_scope_would_help(self):
        """All of the route's scopes; without a resource nobody knows what to call them."""
        for target, fields in (("/signin", 'scope="https://gw.example/signin/mcp.write", resource_'),
                               ("/challenge", "error_description=")):
            with self.subTest(target=target):
                response, _ = self.denied(target[1:], mcp.call("drop_all_else"), 403, name="drop_all_else")
                self.assertTrue(response.one("WWW-Authenticate").startswith(
                    f'Bearer error="insufficient_scope", {fields}'), response.one("WWW-Authenticate"))
        for shape in ("explain", "hide", "tool_error"):
            response, _ = self.denied(shape, mcp.call("drop_all"), 200)
            self.assertEqual([], response.all("WWW-Authenticate"))

    def test_what_a_challenge_asks_for_helps(self):
        token = self.door.token(tokens.user(scp="mcp.write"))
        self.passes_post(mcp.call("drop_all"), "/signin", token)

    def test_unknown_methods_have_no_shape(self):
        for shape in ("explain", "hide", "tool_error", "challenge"):
            self.refuse_post(mcp.request("tools/drop"), 200, NO_METHOD, "method_refused", f"/{shape}",
                             id=1)

    def test_denied_and_missing_tools_look_the_same_in_time(self):
        self.denied("hide", mcp.call("drop_all"), 200)
        self.good_call(target="/hide")


class Hidden(McpCase):
    """expose_reasons: false"""

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["expose_reasons"] = False
        cls.add_mcp(config, door, "tool_error", mcp={"denial": "tool_error"})

    def test_reasons_are_not_said(self):
        for target in ("/mcp", "/tool_error"):
            for message in (mcp.call("drop_all"), mcp.modern(mcp.call("drop_all"))):
                response = self.post(message, target)
                self.assertNotIn(b"no_role", response.body)
                self.assertIn(response.request_id.encode(), response.body)
                self.assertEqual("no_role", self.audit_of(response)["reason"])
        response = self.post(b"{")
        self.assertNotIn(b"body_malformed", response.body)
        self.assertEqual("body_malformed", self.audit_of(response)["reason"])


def tool(name, **more):
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object"}, **more}


TOOLS = [tool("drop_all"), tool("search_docs", title="S\u00fcche"), tool("search_mail"),
         tool("other"), tool("read"), tool("drop_x")]
SHOWN = ["search_docs", "search_mail", "read"]


class Lists(McpCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "none", ["mcp:prompts/get:brief"])
        cls.add_mcp(config, door, "listed", ["mcp:tools/list", "mcp:prompts/get:brief"])
        cls.add_mcp(config, door, "conditions", [when("mcp:tools/call:read", a={"equals": 1})],
                    deny=[{"to": EVERYONE, "actions": [when("mcp:tools/call:search_docs",
                                                            a={"equals": 1})]}])
        cls.add_mcp(config, door, "denied", ["mcp:*"],
                    deny=[{"to": EVERYONE, "actions": ["mcp:tools/call:drop_*"]}])

    def listed(self, method="tools/list", target="/mcp", **members):
        """The result in both eras, as JSON and as events."""
        self.server.on[method] = members
        message = mcp.request(method)
        first, _ = self.passes_post(message, target)
        second, _ = self.passes_post(mcp.modern(message), target)
        self.server.on[method] = lambda asked, _: mcp.stream_answer(
            mcp.event(mcp.result(asked, **members)))
        response, _ = self.allow(mcp.post(target, message, self.token), "POST")
        third = mcp.read_events(response.body)[0]["data"]
        self.assertEqual(first, third)
        if not members.get("cacheScope"):
            self.assertEqual(first, second)
        return first["result"]

    def names(self, **options):
        return [item["name"] for item in self.listed(tools=TOOLS, **options)["tools"]]

    def test_tools(self):
        shown = self.listed(tools=TOOLS, nextCursor="page 2", _meta={"a": 1})
        self.assertEqual([each for each in TOOLS if each["name"] in SHOWN], shown["tools"])
        self.assertEqual(("page 2", {"a": 1}), (shown["nextCursor"], shown["_meta"]))
        self.assertEqual("", self.listed(tools=TOOLS[:1], nextCursor="")["nextCursor"])
        self.assertEqual([], self.listed(tools=TOOLS[:1])["tools"])
        self.assertEqual([], self.listed(tools=[])["tools"])

    def test_each_rule_shows_its_tools(self):
        self.assertEqual(["read"], self.names(target="/conditions"))
        self.assertEqual(["search_docs", "search_mail", "other", "read"], self.names(target="/denied"))
        self.assertEqual([], self.names(target="/listed"))
        for era in (lambda message: message, mcp.modern):
            self.refuse_post(era(mcp.request("tools/list")), 200, DENIED, "no_role", "/none", id=1)

    def test_what_is_shown_goes_byte_for_byte(self):
        body = (b'{"jsonrpc":"2.0", "result":{"tools":[ {"name":"drop_all"} , '
                b'{"name":"read","n":1.50,"t":"\\u00e9 \xc3\xa9"}, {"name":"x"} ],"z":[1e5]},"id":1}')
        self.server.on["tools/list"] = mcp.json_answer(body)
        response, _ = self.allow(mcp.post("/mcp", mcp.request("tools/list"), self.token), "POST")
        self.assertIn(b'{"name":"read","n":1.50,"t":"\\u00e9 \xc3\xa9"}', response.body)
        self.assertIn(b'"z":[1e5]', response.body)
        self.assertEqual(["read"], [each["name"] for each in
                                    json.loads(response.body)["result"]["tools"]])

    def test_names_are_compared_unescaped(self):
        body = (b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"\\u006eame":"r\\u0065ad"},'
                b'{"name":"dr\\u006fp_all"},{"name":"read\\u0000"},{"name":5},{},7,'
                b'{"Name":"read"}]}}')
        self.server.on["tools/list"] = mcp.json_answer(body)
        document, _ = self.passes_post(mcp.request("tools/list"))
        self.assertEqual([{"name": "read"}], document["result"]["tools"])

    def test_prompts_and_resources(self):
        prompts = [{"name": "brief"}, {"name": "other"}]
        self.assertEqual(prompts[:1], self.listed("prompts/list", prompts=prompts)["prompts"])
        resources = [{"uri": "file:///open/a", "name": "a"}, {"uri": "file:///closed/a", "name": "a"}]
        shown = self.listed("resources/list", resources=resources)["resources"]
        self.assertEqual(resources[:1], shown)
        templates = [{"uriTemplate": "file:///open/{x}", "name": "a"},
                     {"uriTemplate": "file:///closed/{x}", "name": "a"}]
        shown = self.listed("resources/templates/list", resourceTemplates=templates)
        self.assertEqual(templates[:1], shown["resourceTemplates"])

    def test_caches_of_others_may_not_keep_it(self):
        shown = self.listed(tools=TOOLS, cacheScope="public", ttlMs=60000)
        self.assertEqual("private", shown["cacheScope"])
        for scope in ("public", "PUBLIC", 5, None, "private"):
            self.server.on["tools/list"] = {"tools": [], "cacheScope": scope, "ttlMs": 1}
            document, _ = self.passes_post(mcp.modern(mcp.request("tools/list")))
            self.assertEqual("private", document["result"]["cacheScope"])

    def test_a_list_is_one_whatever_was_asked(self):
        """An answer may come on another stream than its question."""
        self.server.on["tools/call"] = {"tools": TOOLS, "content": []}
        document, _ = self.passes_post(mcp.call("read"))
        self.assertEqual(SHOWN, [each["name"] for each in document["result"]["tools"]])
        self.server.on["tools/list"] = {"tools": {"name": "drop_all"}}
        document, _ = self.passes_post(mcp.request("tools/list"))
        self.assertEqual([], document["result"]["tools"])

    def test_events_in_any_cutting(self):
        message = mcp.request("tools/list", id="q")
        told = mcp.result(message, tools=TOOLS, nextCursor="2")
        progress = mcp.notification("notifications/progress", {"progressToken": 1, "progress": 1})
        for line_end in ("\n", "\r\n", "\r"):
            for lines in (1, 2):
                text = b"".join([
                    f": hello{line_end}{line_end}".encode(),
                    mcp.event(progress, id="ev-1", name="message", line_end=line_end, lines=lines),
                    mcp.event(told, id="ev-2", name="message", retry=500, line_end=line_end,
                              lines=lines)])
                for size in (1, 7, 0):
                    with self.subTest(line_end=line_end, lines=lines, size=size):
                        self.check_events(message, text, progress, size)

    def check_events(self, message, text, progress, size):
        self.server.on["tools/list"] = mcp.stream_answer(text, size)
        response, _ = self.allow(mcp.post("/mcp", message, self.token), "POST")
        self.assertEqual("text/event-stream", response.one("Content-Type"))
        first, second = [each for each in mcp.read_events(response.body) if "data" in each]
        self.assertEqual({"event": "message", "data": progress},
                         {name: first[name] for name in ("event", "data")})
        self.assertEqual(("500", "q", "2"), (second["retry"], second["data"]["id"],
                                             second["data"]["result"]["nextCursor"]))
        for event in (first, second):
            self.assertRegex(event["id"], "^[A-Za-z0-9_-]{30,}$")
        self.assertEqual(SHOWN, [each["name"] for each in second["data"]["result"]["tools"]])
        self.assertIn(b": hello", response.body)

    def test_a_resumed_stream_is_filtered_too(self):
        """The answer to a list comes on the GET stream after the POST's was lost."""
        session = self.open_session()
        told = {"jsonrpc": "2.0", "id": 5, "result": {"tools": TOOLS}}
        self.server.on["tools/list"] = mcp.stream_answer(b"id: ev-8\n\n")
        primed = self.post(mcp.request("tools/list", id=5), session=session)
        self.server.on["GET"] = mcp.stream_answer(mcp.event(told, id="ev-9"))
        mark = self.door.upstream.mark()
        last = mcp.read_events(primed.body)[0]["id"]
        response = self.send(mcp.session_request("GET", "/mcp", self.token, session,
                                                 Last_Event_ID=last))
        self.assertEqual(200, response.status)
        event, = mcp.read_events(response.body)
        self.assertEqual(SHOWN, [each["name"] for each in event["data"]["result"]["tools"]])
        self.assertNotIn(event["id"], ("ev-9", last))
        seen = self.door.upstream.since(mark)[0]
        self.assertEqual((["ev-8"], [self.server.session]),
                         (seen.all("Last-Event-ID"), seen.all("Mcp-Session-Id")))

    def test_a_primed_stream_passes(self):
        """An event with an id and no data, a time to come back after, and the end."""
        text = b"id: ev-1\ndata: \n\nretry: 300\n\n"
        self.server.on["tools/list"] = mcp.stream_answer(text, 1)
        response, _ = self.allow(mcp.post("/mcp", mcp.request("tools/list"), self.token), "POST")
        self.assertRegex(response.body, b"id: [A-Za-z0-9_-]{30,}\ndata: \n")
        self.assertIn(b"retry: 300", response.body)

    def test_what_was_hidden_is_counted_in_the_audit(self):
        for told in ({"tools": TOOLS}, lambda asked, _: mcp.stream_answer(
                mcp.event(mcp.result(asked, tools=TOOLS)))):
            self.server.on["tools/list"] = told
            line = self.audit_of(self.post(mcp.request("tools/list")))
            self.assertEqual(("tools/list", None, 3), (line["mcp"]["method"], line["mcp"]["name"],
                                                       line["mcp"]["hidden"]))

    def test_a_long_list(self):
        tools = [tool(f"{'search' if number % 2 else 'drop'}_{number}", description="x" * 500)
                 for number in range(4000)]
        shown = self.listed(tools=tools)["tools"]
        self.assertEqual(tools[1::2], shown)


if __name__ == "__main__":
    unittest.main()
