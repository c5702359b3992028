#!/usr/bin/python3
"""Clients made with the official libraries sign a person in and call: through barkeep's facade, and straight at Entra
ID's stand-in, where the Application ID URI is the MCP server's URL."""

import base64
import contextlib
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
from lib.barkeep import Barkeep, Standin, get  # noqa: E402
from lib.net import wait_until  # noqa: E402
from programs import CLIENTS  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
API_URI = "api://interop-gw"
CLIENT = "a9b8c7d6-e5f4-4a3b-8c2d-1e0f9a8b7c6d"
USER = "e0d1c2b3-a495-4867-9588-776655443322"
OTHER_USER = "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
METADATA = "/.well-known/oauth-protected-resource"
BACK = "http://localhost:33418/back"

READER = ["mcp:tools/call:echo"]
ECHO = {"take": "call", "name": "echo", "given": {"message": "signed in"}}
DELETE = {"take": "call", "name": "delete_everything"}
THROUGH_FACADE = {"route": "facade", "sign_in": {"follows": True}}
STRAIGHT = {"route": "straight", "sign_in": {"follows": True, "client_id": CLIENT}}
EVERY_WAY = [("facade", client, THROUGH_FACADE) for client in CLIENTS]
EVERY_WAY += [("straight", client, STRAIGHT) for client in ("sdk 1.x", "client 2.x auto")]


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class SignInCase(unittest.TestCase):
    """What runs, runs for all classes."""

    @classmethod
    def open_all(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        unittest.addModuleCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.server = programs.Program(*programs.FIXTURES)
        unittest.addModuleCleanup(cls.server.stop)
        cls.barkeep = Barkeep(cls.folder)
        cls.standin = Standin(cls.folder, cls.seed(), ("--plain-issuer",))
        unittest.addModuleCleanup(cls.standin.stop)
        cls.standin.start()
        unittest.addModuleCleanup(cls.barkeep.stop)
        cls.barkeep.write_config(cls.config())
        cls.barkeep.start()

    @classmethod
    def seed(cls):
        return {"apps": [
            {"name": "gw", "client_id": API, "oid": "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4", "token_version": 2,
             "uris": [API_URI, cls.url("straight")], "scopes": ["mcp.read", "mcp.write"]},
            {"name": "desktop", "client_id": CLIENT, "oid": "0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9",
             "redirect_uris": {"native": ["http://localhost/back", "http://localhost/registered"]}}]}

    @classmethod
    def config(cls):
        facade = {"client_id": CLIENT, "redirect_uris": ["http://localhost/back", "http://localhost/unregistered"]}
        return {
            "listen": f"127.0.0.1:{cls.barkeep.port}",
            "admin": f"127.0.0.1:{cls.barkeep.admin_port}",
            "entra": {"tenant": TENANT, "authority": cls.standin.url(),
                      "audience": [API, API_URI, cls.url("straight"), cls.url("nowhere")]},
            "routes": [cls.route("facade", {"facade": facade}), cls.route("straight"), cls.route("nowhere")],
            "log": {"audit": str(cls.barkeep.audit_path)},
        }

    @classmethod
    def route(cls, name, mcp=None):
        return {"name": name, "path": f"/{name}", "upstream": f"{cls.server.url}/mcp",
                "mcp": {"resource": cls.url(name), "denial": "challenge", **(mcp or {})},
                "access": [{"actions": READER, "to": {"scope": "mcp.read"}},
                           {"actions": ["mcp:*"], "to": {"scope": "mcp.write"}}]}

    @classmethod
    def url(cls, path):
        return f"http://127.0.0.1:{cls.barkeep.port}/{path}"

    def setUp(self):
        self.standin.knob("sign_in", {})

    def run_client(self, client, *steps, route, sign_in):
        order = {"url": self.url(route), **CLIENTS[client], "steps": steps, "sign_in": {"back": BACK, **sign_in}}
        code, stdout, stderr = programs.run(HERE / "client.mjs", json.dumps(order))
        self.assertEqual(0, code, stderr)
        return json.loads(stdout)

    def asked(self):
        """What the stand-in was asked since the last time."""
        asked = json.loads(get(self.standin.http_port, "/standin/sign_in")[2])["asked"]
        self.standin.knob("sign_in", {})
        return asked

    @contextlib.contextmanager
    def trying(self, way, client):
        with self.subTest(way=way, client=client):
            yield
            self.assert_resource_is_as(way)

    def assert_resource_is_as(self, way):
        """Entra ID knows no such application as the facade's resource: it must not hear of it."""
        asked = self.asked()
        self.assertTrue(asked)
        for entry in asked:
            self.assertEqual(way == "straight", "resource" in entry["parameters"], entry)

    @staticmethod
    def scopes(way, *names):
        prefix = API_URI if way == "facade" else SignInCase.url(way)
        return {f"{prefix}/{name}" for name in names}

    @staticmethod
    def paths(outcome):
        return [(request["method"], urllib.parse.urlsplit(request["url"]).path, request["status"])
                for request in outcome["requests"]]

    def succeeded(self, outcome):
        self.assertNotIn("refused", outcome)
        return outcome["steps"]


def setUpModule():
    SignInCase.open_all()


class FirstTime(SignInCase):
    def test_from_nothing_to_a_call(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                outcome = self.run_client(client, {"take": "list"}, ECHO, **order)
                lists, echo = self.succeeded(outcome)
                self.assertIn("delete_everything", lists["tools"])  # mcp.write was advertised, and granted
                self.assertEqual("Echo: signed in", echo["text"])
                self.check_way(way, outcome)
                self.check_tokens(way, outcome)

    def check_way(self, way, outcome):
        paths = self.paths(outcome)
        self.assertEqual([("POST", f"/{way}", 401), ("GET", f"{METADATA}/{way}", 200)], paths[:2])
        own = [("GET", "/.well-known/oauth-authorization-server", 200), ("POST", "/register", 201),
               ("POST", "/token", 200)]
        theirs = [("POST", f"/{TENANT}/oauth2/v2.0/token", 200)]
        for path in own if way == "facade" else theirs:
            self.assertIn(path, paths)
        token_request, = (request for request in outcome["requests"] if request["form"])
        self.assertEqual(self.url(way), token_request["form"]["resource"])  # the libraries always send it
        self.assertEqual([302] * (2 if way == "facade" else 1), [hop["status"] for hop in outcome["hops"]])
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(outcome["hops"][-1]["location"]).query))
        self.assertEqual({"code", "state", "session_state"}, query.keys())

    def check_tokens(self, way, outcome):
        tokens, = outcome["tokens"]
        claims = claims_of(tokens["access_token"])
        self.assertEqual((API, "mcp.read mcp.write", USER, CLIENT),
                         (claims["aud"], claims["scp"], claims["oid"], claims["azp"]))
        self.assertEqual(self.scopes(way, "mcp.read", "mcp.write"), set(tokens["scope"].split()))

    def calls(self):
        return [line for line in self.barkeep.audit.requests() if line.get("mcp", {}).get("method") == "tools/call"]

    def test_whoever_signs_in_is_who_calls(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                self.standin.knob("sign_in", {"user": OTHER_USER})
                before = len(self.calls())
                self.succeeded(self.run_client(client, ECHO, **order))
                call, = wait_until(lambda: self.calls()[before:], "an audit line")
                self.assertEqual((OTHER_USER, CLIENT, "allow"),
                                 (call["principal"]["oid"], call["principal"]["app"], call["decision"]))

    def test_neither_codes_nor_tokens_are_written_down(self):
        outcome = self.run_client("sdk 1.x", ECHO, route="facade", sign_in={"follows": True, "is_offline": True})
        self.succeeded(outcome)
        query = urllib.parse.urlsplit(outcome["hops"][-1]["location"]).query
        tokens, = outcome["tokens"]
        secrets = [dict(urllib.parse.parse_qsl(query))["code"], tokens["refresh_token"], tokens["access_token"]]
        written = self.barkeep.audit_path.read_text() + self.barkeep.process.stderr() + self.barkeep.process.stdout()
        self.assertIn("/token", written)
        for secret in secrets:
            self.assertNotIn(secret, written)


class Later(SignInCase):
    def tokens(self, client, order, *scopes):
        """As from an earlier sign-in that asked for no more."""
        sign_in = {**order["sign_in"], "is_offline": True, "scope": " ".join(scopes)}
        outcome = self.run_client(client, ECHO, route=order["route"], sign_in=sign_in)
        self.succeeded(outcome)
        tokens, = outcome["tokens"]
        self.assertEqual(set(scopes), set(tokens["scope"].split()))
        return tokens

    def worn_out(self, tokens):
        return {**tokens, "access_token": self.standin.mint("--scope", "mcp.read", "--expires-in", "-3600")}

    def deleted(self):
        return json.loads(get(self.server.port, "/told")[2])["deleted"]

    def again(self, client, order, step, tokens):
        """With what was had before; the client id is known by then."""
        sign_in = {**order["sign_in"], "client_id": CLIENT, "is_offline": True, "tokens": tokens}
        return self.run_client(client, step, route=order["route"], sign_in=sign_in)

    def test_an_expired_token_is_renewed(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                tokens = self.tokens(client, order, *sorted(self.scopes(way, "mcp.read")))
                outcome = self.again(client, order, ECHO, self.worn_out(tokens))
                echo, = self.succeeded(outcome)
                self.assertEqual("Echo: signed in", echo["text"])
                renewed, = outcome["tokens"]
                self.assertEqual([], outcome["redirects"])  # nobody was asked
                self.assertNotEqual(tokens["refresh_token"], renewed["refresh_token"])
                self.assertEqual("mcp.read", claims_of(renewed["access_token"])["scp"])
                form, = (request["form"] for request in outcome["requests"] if request["form"])
                self.assertEqual(("refresh_token", self.url(way)), (form["grant_type"], form["resource"]))

    def test_who_may_not_renew_signs_in_again(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                tokens = self.tokens(client, order, *sorted(self.scopes(way, "mcp.read")))
                outcome = self.again(client, order, ECHO, {**self.worn_out(tokens), "refresh_token": "1.AUoBnonsense"})
                refused, = (request["status"] for request in outcome["requests"]
                            if request["form"] and request["form"]["grant_type"] == "refresh_token")
                self.assertEqual(400, refused)
                self.assertEqual(1, len(outcome["redirects"]), outcome)
                echo, = self.succeeded(outcome)
                self.assertEqual("Echo: signed in", echo["text"])

    def test_more_scopes_are_got_when_they_are_needed(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                tokens = self.tokens(client, order, *sorted(self.scopes(way, "mcp.read")))
                if client == "sdk 1.x":  # would renew in place of asking for more
                    del tokens["refresh_token"]
                deleted = self.deleted()
                outcome = self.again(client, order, DELETE, tokens)
                self.succeeded(outcome)
                self.assertEqual(deleted + 1, self.deleted(), outcome["steps"])
                refused, = (request for request in outcome["requests"] if request["status"] == 403)
                self.assertIn('error="insufficient_scope"', refused["challenge"])
                redirect, = outcome["redirects"]
                asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(redirect).query))["scope"].split()
                # 1.x asks for what the challenge names, 2.x adds what it had
                wanted = ("mcp.write",) if client == "sdk 1.x" else ("mcp.read", "mcp.write")
                self.assertEqual(self.scopes(way, *wanted), set(asked) - {"offline_access"})
                got = claims_of(outcome["tokens"][-1]["access_token"])["scp"]
                self.assertEqual(set(wanted), set(got.split()))


class Refused(SignInCase):
    def test_registration_names_allowed_addresses_alone(self):
        for client in CLIENTS:
            for back in ("http://localhost:33418/elsewhere", "https://evil.example/back"):
                with self.subTest(client=client, back=back):
                    outcome = self.run_client(client, ECHO, route="facade", sign_in={"follows": True, "back": back})
                    self.assertIn("redirect_uri", outcome["refused"]["message"], outcome)
                    self.assertIn(("POST", "/register", 400), self.paths(outcome))
                    self.assertEqual(([], []), (outcome["redirects"], self.asked()))

    def test_a_known_client_is_not_sent_elsewhere(self):
        """By the facade, and by the authority where the facade would."""
        for client in CLIENTS:
            for path, asked in (("elsewhere", 0), ("registered", 0), ("unregistered", 1)):
                with self.subTest(client=client, path=path):
                    sign_in = {"follows": True, "client_id": CLIENT, "back": f"http://localhost:33418/{path}"}
                    outcome = self.run_client(client, ECHO, route="facade", sign_in=sign_in)
                    self.assertIn("refused", outcome)
                    self.assertEqual((400, None), (outcome["hops"][-1]["status"], outcome["hops"][-1]["location"]))
                    self.assertIn("redirect", outcome["hops"][-1]["text"])
                    self.assertEqual(asked, len(self.asked()))

    def test_without_a_facade_the_resource_has_to_be_an_applications(self):
        for client in CLIENTS:
            with self.subTest(client):
                sign_in = {"follows": True, "client_id": CLIENT, "scope": f"{API_URI}/mcp.read"}
                outcome = self.run_client(client, ECHO, route="nowhere", sign_in=sign_in)
                self.assertIn("refused", outcome)
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(outcome["hops"][-1]["location"]).query))
                self.assertEqual("invalid_target", query["error"])
                self.assertTrue(query["error_description"].startswith("AADSTS9010010: "), query)

    def test_a_stale_code_is_of_no_use(self):
        for way, client, order in EVERY_WAY:
            with self.trying(way, client):
                self.standin.knob("sign_in", {"stale_codes": True})
                outcome = self.run_client(client, ECHO, **order)
                self.assertIn("AADSTS70008", json.dumps(outcome["refused"]))
                self.assertEqual([], outcome["tokens"])


if __name__ == "__main__":
    unittest.main()
