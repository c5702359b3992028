#!/usr/bin/python3
"""Clients made with the official libraries call MCP servers through barkeep: what they get, what they understand when
they are refused, and how they find out where to sign in."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import programs  # noqa: E402
from programs import CLIENTS, LEGACY, MODERN  # noqa: E402
from lib.barkeep import Barkeep, Standin, get  # noqa: E402
from lib.net import wait_until  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
CLIENT = "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
OTHER_USER = "11111111-2222-4333-8444-555555555555"
METADATA = "/.well-known/oauth-protected-resource"
SHAPES = ("explain", "hide", "tool_error", "challenge")
LONG = {"take": "leave", "name": "take_long", "given": {"seconds": 2}}


READER = ["mcp:tools/call:echo", "mcp:tools/call:test_tool_*", "mcp:tools/call:test_reconnection",
          {"action": "mcp:tools/call:take_long", "when": {"/seconds": {"max": 5}}},
          "mcp:prompts/get:test_prompt_with_*", "mcp:prompts/get:test_simple_prompt",
          "mcp:resources/read:test://static-text", "mcp:resources/read:test://template/*"]
READERS_LISTS = {
    "tools": ["test_tool_with_progress", "test_tool_with_logging", "test_reconnection", "take_long", "echo"],
    "prompts": ["test_simple_prompt", "test_prompt_with_arguments", "test_prompt_with_embedded_resource",
                "test_prompt_with_image"],
    "resources": ["test://static-text"],
    "templates": ["test://template/{id}/data"],
}
EVERYTHING_READER = ["mcp:tools/call:echo", "mcp:tools/call:get-sum", "mcp:tools/call:trigger-*",
                     "mcp:prompts/get:simple-prompt", "mcp:resources/read:demo://resource/static/*"]


class ClientCase(unittest.TestCase):
    """What runs, runs for all classes."""

    @classmethod
    def open_all(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        unittest.addModuleCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.server = programs.Program(*programs.FIXTURES)
        unittest.addModuleCleanup(cls.server.stop)
        cls.everything = programs.Program(*programs.EVERYTHING)
        unittest.addModuleCleanup(cls.everything.stop)
        cls.standin = Standin(cls.folder, options=("--plain-issuer",))
        unittest.addModuleCleanup(cls.standin.stop)
        cls.standin.start()
        cls.barkeep = Barkeep(cls.folder)
        unittest.addModuleCleanup(cls.barkeep.stop)
        cls.barkeep.write_config(cls.config())
        cls.barkeep.start()
        cls.token = cls.standin.mint("--scope", "mcp.read")

    @classmethod
    def config(cls):
        routes = [cls.route(shape, cls.server, READER, {"denial": shape}) for shape in SHAPES]
        routes.append(cls.route("facade", cls.server, READER, {"facade": {"client_id": CLIENT}}))
        routes.append(cls.route("everything", cls.everything, EVERYTHING_READER))
        return {
            "listen": f"127.0.0.1:{cls.barkeep.port}",
            "admin": f"127.0.0.1:{cls.barkeep.admin_port}",
            "entra": {"tenant": TENANT, "authority": cls.standin.url(),
                      "audience": [API, *(route["mcp"]["resource"] for route in routes)]},
            "routes": routes,
            "log": {"audit": str(cls.barkeep.audit_path)},
        }

    @classmethod
    def route(cls, name, server, actions, mcp=None):
        return {"name": name, "path": f"/{name}", "upstream": f"{server.url}/mcp",
                "mcp": {"resource": cls.url(name), **(mcp or {})},
                "access": [{"actions": actions, "to": {"scope": "mcp.read"}},
                           {"actions": ["mcp:*"], "to": {"scope": "mcp.write"}}]}

    @classmethod
    def url(cls, route):
        return f"http://127.0.0.1:{cls.barkeep.port}/{route}"

    def run_client(self, client, *steps, route="explain", **order):
        order = {"url": self.url(route), "token": self.token, **CLIENTS[client], "steps": steps,
                 **order}
        code, stdout, stderr = programs.run(HERE / "client.mjs", json.dumps(order))
        self.assertEqual(0, code, stderr)
        return json.loads(stdout)

    def take(self, client, *steps, **order):
        """What came of each step, of a client that got in."""
        outcome = self.run_client(client, *steps, **order)
        self.assertNotIn("refused", outcome)
        return outcome["steps"]

    def told(self):
        return json.loads(get(self.server.port, "/told")[2])

    def denied(self, route):
        """Audit lines."""
        return [line for line in self.barkeep.audit.requests() if (line["route"], line["decision"]) == (route, "deny")]


def setUpModule():
    ClientCase.open_all()


class Calls(ClientCase):
    def test_lists_show_what_may_be_used(self):
        for client in CLIENTS:
            with self.subTest(client):
                self.assertEqual([READERS_LISTS], self.take(client, {"take": "list"}))

    def test_an_operator_sees_everything(self):
        token = self.standin.mint("--scope", "mcp.write")
        for client in CLIENTS:
            with self.subTest(client):
                lists, = self.take(client, {"take": "list"}, token=token)
                self.assertIn("delete_everything", lists["tools"])
                self.assertLess(30, len(lists["tools"]))
                self.assertEqual(3, len(lists["resources"]))

    def test_what_is_allowed_is_done(self):
        for client in CLIENTS:
            with self.subTest(client):
                message = "grüße \u2028 \U0001f680"
                done = self.take(client, {"take": "call", "name": "echo", "given": {"message": message}},
                                 {"take": "read", "uri": "test://static-text"},
                                 {"take": "read", "uri": "test://template/7/data"},
                                 {"take": "prompt", "name": "test_simple_prompt"})
                self.assertEqual([f"Echo: {message}", "This is the content of the static text resource.",
                                  '{"id":"7","templateTest":true,"data":"Data for ID: 7"}',
                                  "This is a simple prompt for testing."], [step["text"] for step in done])

    def test_arguments_are_judged(self):
        for client in CLIENTS:
            with self.subTest(client):
                step, = self.take(client, {"take": "call", "name": "take_long", "given": {"seconds": 6}})
                self.assertEqual(-31001, step["error"]["code"])

    def test_progress_arrives_on_the_way(self):
        for client in CLIENTS:
            with self.subTest(client):
                step, = self.take(client, {"take": "progress", "name": "test_tool_with_progress"})
                self.assertEqual([0, 50, 100], step["steps"])


class Refusals(ClientCase):
    def refusal(self, client, shape, name="delete_everything"):
        """The library's view of a refused call; the server was not asked."""
        deleted, lines = self.told()["deleted"], len(self.denied(shape))
        step, = self.take(client, {"take": "call", "name": name}, route=shape)
        self.assertEqual(deleted, self.told()["deleted"])
        line, = wait_until(lambda: self.denied(shape)[lines:], "an audit line")
        self.assertEqual(("no_role", "tools/call", name),
                         (line["reason"], line["mcp"]["method"], line["mcp"]["name"]))
        return step

    def test_explained(self):
        for client in CLIENTS:
            with self.subTest(client):
                error = self.refusal(client, "explain")["error"]
                self.assertEqual((-31001, "no_role"), (error["code"], error["data"]["reason"]))
                self.assertRegex(error["data"]["request_id"], "^[0-9a-f]{32}$")

    def test_hidden(self):
        """As the libraries' own servers speak of a tool that they do not have: those of the same era."""
        for client in CLIENTS:
            with self.subTest(client):
                server = self.everything if client in LEGACY else self.server
                missing, = self.take(client, {"take": "call", "name": "no_such_tool"}, url=f"{server.url}/mcp")
                for name in ("delete_everything", "no_such_tool"):
                    step = self.refusal(client, "hide", name)
                    self.assertEqual(missing, json.loads(json.dumps(step).replace(name, "no_such_tool")))

    def test_hidden_prompts_and_resources(self):
        for client in CLIENTS:
            server = self.everything if client in LEGACY else self.server
            for step in ({"take": "prompt", "name": "no_such_prompt"}, {"take": "read", "uri": "none://such"}):
                with self.subTest(client, take=step["take"]):
                    missing, = self.take(client, step, url=f"{server.url}/mcp")
                    before = len(self.denied("hide"))
                    hidden, = self.take(client, step, route="hide")
                    wait_until(lambda: self.denied("hide")[before:], "an audit line")
                    self.assertEqual(missing, hidden)

    def test_as_the_tools_own_error(self):
        for client in CLIENTS:
            with self.subTest(client):
                step = self.refusal(client, "tool_error")
                self.assertTrue(step["isError"])
                self.assertIn("enied", step["text"])

    def test_with_a_challenge(self):
        for client in CLIENTS:
            with self.subTest(client):
                error = self.refusal(client, "challenge")["error"]
                if client in ("sdk 1.x",):
                    self.assertEqual(403, error["code"], error)
                else:
                    self.assertEqual(f"{self.url('challenge')}/mcp.write", error["requiredScope"], error)

    def test_what_is_allowed_goes_on_beside_it(self):
        for shape in SHAPES:
            for client in CLIENTS:
                with self.subTest(client):
                    echo = {"take": "call", "name": "echo", "given": {"message": shape}}
                    step, = self.take(client, echo, route=shape)
                    self.assertEqual(f"Echo: {shape}", step["text"])


class Streams(ClientCase):
    def wait_for(self, counter, before):
        wait_until(lambda: self.told()[counter] > before[counter], f"{counter} grows beyond {before}", 10)
        other = {"finished": "aborted", "aborted": "finished"}[counter]
        self.assertEqual(before[other], self.told()[other])

    def test_who_leaves_a_session_has_cancelled_nothing(self):
        for client in LEGACY:
            with self.subTest(client):
                before = self.told()
                self.take(client, LONG)
                self.wait_for("finished", before)

    def test_who_leaves_without_one_has(self):
        for by in ("close", "abort"):
            for client in MODERN:
                with self.subTest(client):
                    before = self.told()
                    self.take(client, {**LONG, "by": by})
                    self.wait_for("aborted", before)

    def test_a_stream_that_the_server_closed_is_taken_up_again(self):
        for client in LEGACY:
            with self.subTest(client):
                outcome = self.run_client(client, {"take": "call", "name": "test_reconnection"})
                self.assertEqual("answered after the stream was closed", outcome["steps"][0]["text"])
                again = [request for request in outcome["requests"] if request["last_event_id"] is not None]
                self.assertEqual([("GET", 200)], [(request["method"], request["status"]) for request in again])

    def test_another_client_of_the_same_person_takes_the_call_up(self):
        for client in LEGACY:
            with self.subTest(client):
                left, = self.take(client, LONG)
                again = {"take": "call", "name": "take_long", "given": LONG["given"], "resume": left["resume"]}
                step, = self.take(client, again, session=left["session"], revision="2025-11-25")
                self.assertEqual("come to its end", step["text"])

    def test_a_session_is_nobody_elses(self):
        other = self.standin.mint("--scope", "mcp.read", "--claim", f'oid="{OTHER_USER}"')
        echo = {"take": "call", "name": "echo", "given": {"message": "mine"}}
        for client in LEGACY:
            with self.subTest(client):
                left, = self.take(client, LONG)
                again = {**echo, "resume": left["resume"]}
                for step in (echo, again):
                    session = {"session": left["session"], "revision": "2025-11-25"}
                    outcome = self.run_client(client, step, token=other, **session)
                    self.assertEqual(404, outcome["requests"][0]["status"], outcome)
                    self.assertIn("error", outcome["steps"][0])
                self.assertEqual("Echo: mine", self.take(client, echo, **session)[0]["text"])

    def test_an_ended_session_is_over(self):
        echo = {"take": "call", "name": "echo", "given": {"message": "x"}}
        for client in LEGACY:
            with self.subTest(client):
                outcome = self.run_client(client, echo, ends_session=True)
                self.assertNotIn("refused", outcome)
                after = self.run_client(client, echo, session=outcome["session"], revision="2025-11-25")
                self.assertEqual(404, after["requests"][0]["status"], after)


class SignIn(ClientCase):
    def scopes(self, route, *names):
        return " ".join(f"{self.url(route)}/{name}" for name in names)

    def check_redirect(self, outcome, server, route, scope):
        """Where the person is sent, with PKCE and for this resource alone."""
        redirect, = outcome["redirects"]
        self.assertTrue(redirect.startswith(f"{server}/"), redirect)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(redirect).query))
        self.assertEqual((CLIENT, scope, self.url(route), "S256"),
                         (query["client_id"], query["scope"], query["resource"], query["code_challenge_method"]))

    def find_out(self, client, route, sign_in):
        """Without a token: the paths asked for, and what came of it."""
        outcome = self.run_client(client, route=route, token=None, sign_in=sign_in)
        self.assertIn("nauthorized", outcome["refused"]["name"] + outcome["refused"]["message"], outcome)
        asked = [(request["method"], urllib.parse.urlsplit(request["url"]).path, request["status"])
                 for request in outcome["requests"]]
        self.assertEqual([("POST", f"/{route}", 401), ("GET", f"{METADATA}/{route}", 200)], asked[:2])
        return asked, outcome

    def test_without_a_token_clients_find_out_where_to_get_one(self):
        for client in CLIENTS:
            with self.subTest(client):
                _, outcome = self.find_out(client, "explain", {"client_id": CLIENT})
                self.check_redirect(outcome, f"{self.standin.url()}/{TENANT}/oauth2/v2.0", "explain",
                                    self.scopes("explain", "mcp.read", "mcp.write"))

    def test_through_a_facade_they_register_first(self):
        for client in CLIENTS:
            with self.subTest(client):
                asked, outcome = self.find_out(client, "facade", {})
                self.assertIn(("POST", "/register", 201), asked)
                self.check_redirect(outcome, f"http://127.0.0.1:{self.barkeep.port}", "facade",
                                    self.scopes("facade", "mcp.read", "mcp.write"))

    def test_more_scopes_are_asked_for_when_they_are_needed(self):
        step = {"take": "call", "name": "delete_everything"}
        for client in CLIENTS:
            with self.subTest(client):
                outcome = self.run_client(client, step, route="challenge", sign_in={"client_id": CLIENT})
                self.assertIn("error", outcome["steps"][0])
                refused, = (request for request in outcome["requests"] if request["status"] == 403)
                self.assertIn('error="insufficient_scope"', refused["challenge"])
                self.check_redirect(outcome, f"{self.standin.url()}/{TENANT}/oauth2/v2.0", "challenge",
                                    self.scopes("challenge", "mcp.write"))

    def test_or_the_application_is_told(self):
        step = {"take": "call", "name": "delete_everything"}
        for client in CLIENTS.keys() - {"sdk 1.x"}:
            with self.subTest(client):
                outcome = self.run_client(client, step, route="challenge", sign_in={"client_id": CLIENT},
                                          on_insufficient_scope="throw")
                error = outcome["steps"][0]["error"]
                self.assertEqual((self.scopes("challenge", "mcp.write"), []),
                                 (error["requiredScope"], outcome["redirects"]))
                self.assertEqual(f"http://127.0.0.1:{self.barkeep.port}{METADATA}/challenge",
                                 error["resourceMetadataUrl"])


class Inspector(ClientCase):
    def inspect(self, route, *words):
        return programs.run(programs.INSPECTOR, "--cli", self.url(route), "--transport", "http",
                            "--header", f"Authorization: Bearer {self.token}", *words,
                            folder=programs.INSPECTOR.parent)  # it reads ../package.json

    def test_lists_are_filtered(self):
        code, stdout, stderr = self.inspect("explain", "--method", "tools/list")
        self.assertEqual(0, code, stderr)
        self.assertEqual(READERS_LISTS["tools"], [tool["name"] for tool in json.loads(stdout)["tools"]])

    def test_calls_are_done_or_refused(self):
        code, stdout, stderr = self.inspect("explain", "--method", "tools/call", "--tool-name", "echo",
                                            "--tool-arg", "message=hi")
        self.assertEqual((0, "Echo: hi"), (code, json.loads(stdout)["content"][0]["text"]), stderr)
        for shape in ("explain", "challenge"):
            with self.subTest(shape):
                code, stdout, stderr = self.inspect(shape, "--method", "tools/call", "--tool-name", "delete_everything")
                self.assertNotEqual(0, code)
                self.assertIn("-31001", stdout + stderr)
        for shape in ("hide", "tool_error"):
            with self.subTest(shape):
                code, stdout, stderr = self.inspect(shape, "--method", "tools/call", "--tool-name", "delete_everything")
                self.assertEqual((0, True), (code, json.loads(stdout)["isError"]), stderr)


class Everything(ClientCase):
    """The server that ships with the protocol, which knows the older era alone."""

    CLIENTS = {**LEGACY, "client 2.x auto": None}

    def test_lists_show_what_may_be_used(self):
        for client in self.CLIENTS:
            with self.subTest(client):
                lists, = self.take(client, {"take": "list"}, route="everything")
                self.assertEqual({"echo", "get-sum", "trigger-long-running-operation"}, set(lists["tools"]))
                self.assertEqual(["simple-prompt"], lists["prompts"])
                self.assertTrue(lists["resources"])

    def test_calls_are_done_or_refused(self):
        for client in self.CLIENTS:
            with self.subTest(client):
                done = self.take(client, {"take": "call", "name": "get-sum", "given": {"a": 2, "b": 3}},
                                 {"take": "progress", "name": "trigger-long-running-operation",
                                  "given": {"duration": 0.4, "steps": 4}},
                                 {"take": "call", "name": "get-env"}, route="everything")
                self.assertEqual("The sum of 2 and 3 is 5.", done[0]["text"])
                self.assertEqual([1, 2, 3, 4], done[1]["steps"])
                self.assertEqual(-31001, done[2]["error"]["code"])
                self.assertNotIn("canary", json.dumps(done))

    def test_control_the_server_would_have_told_its_environment(self):
        outcome = self.run_client("sdk 1.x", {"take": "call", "name": "get-env"}, url=f"{self.everything.url}/mcp")
        self.assertIn("canary-env-51c0", outcome["steps"][0]["text"])


if __name__ == "__main__":
    unittest.main()
