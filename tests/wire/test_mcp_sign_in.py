#!/usr/bin/python3
"""How MCP clients find out where to sign in: metadata, challenges, origins; and the facade, which
brings their forms to the authority and its answers back."""

import json
import threading
import unittest
import urllib.parse

import wire  # noqa: F401
from lib import raw, tokens
from lib.authority import JSON_TYPE
from lib.case import WireCase
from lib.net import wait_until

WELL_KNOWN = "/.well-known/oauth-protected-resource"
RESOURCE = "https://gw.example/mcp"
CLIENT = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
APP = "https://app.example"
BACK = "http://127.0.0.1:33418/cb"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CANARY = "canary-refresh-7d1b"
QUERY = {"response_type": "code", "client_id": CLIENT, "redirect_uri": BACK,
         "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "a&b"}
CODE = {"grant_type": "authorization_code", "client_id": CLIENT, "code": "canary-code-41",
        "redirect_uri": BACK, "code_verifier": CHALLENGE}
FORM = ("Content-Type", "application/x-www-form-urlencoded")
CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                   "params": {"name": "drop", "arguments": {}}}).encode()
MESSAGE = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]


class SignInCase(WireCase):
    replays = False
    mcp = {}

    @classmethod
    def change_config(cls, config, door):
        config["routes"].append({
            "name": "tools", "path": "/mcp", "upstream": door.upstream.url,
            "limits": {"body": "2KiB"},
            "mcp": {"resource": RESOURCE, "allowed_origins": [APP], **cls.mcp},
            "access": [{"actions": ["mcp:tools/call:search_*"], "to": {"scope": "mcp.read"}},
                       {"actions": ["mcp:*"], "to": {"scope": "mcp.write"}}]})
        config["entra"]["audience"].append(RESOURCE)

    def ask(self, method, target, headers=(), body=None, token=None):
        with self.door.client() as client:
            return client.exchange(raw.request(method, target, headers, body, token), method)

    def get_json(self, target, status=200, method="GET"):
        response = self.ask(method, target)
        self.assertEqual(status, response.status, response.body)
        self.assertEqual("application/json", response.one("Content-Type"))
        self.check_any_origin_reads(response)
        return json.loads(response.body)

    def check_any_origin_reads(self, response):
        self.assertEqual("*", response.one("Access-Control-Allow-Origin"))
        exposed = response.one("Access-Control-Expose-Headers").split(", ")
        self.assertLessEqual({"www-authenticate", "x-request-id", "retry-after"}, set(exposed))

    def check_refused(self, response, status, reason, decision="deny"):
        """What was answered, in whatever words, is in the log as what it is."""
        self.assertEqual(status, response.status, response.body)
        self.check_any_origin_reads(response)
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual((status, decision, reason),
                         (line["status"], line["decision"], line["reason"]))
        return line

    def check_preflight(self, target, method):
        response = self.ask("OPTIONS", target, [
            ("Origin", "https://any.example"), ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type, mcp-protocol-version")])
        self.assertEqual(204, response.status)
        self.assertEqual(b"", response.body)
        self.check_any_origin_reads(response)
        self.assertIn(method, response.one("Access-Control-Allow-Methods").split(", "))
        allowed = response.one("Access-Control-Allow-Headers").split(", ")
        self.assertLessEqual({"content-type", "mcp-protocol-version"}, set(allowed))


class Metadata(SignInCase):
    mcp = {"denial": "challenge"}

    def test_metadata_is_for_everyone_at_both_places(self):
        for target in (WELL_KNOWN, WELL_KNOWN + "/mcp", WELL_KNOWN + "/mcp?x=1"):
            with self.subTest(target=target):
                self.assertEqual(
                    {"resource": RESOURCE, "bearer_methods_supported": ["header"],
                     "authorization_servers": [f"{self.door.authority.url}/{tokens.TENANT}/v2.0"],
                     "scopes_supported": [RESOURCE + "/mcp.read", RESOURCE + "/mcp.write"]},
                    self.get_json(target))
        self.assertEqual(b"", self.ask("HEAD", WELL_KNOWN).body)
        response = self.ask("PUT", WELL_KNOWN)
        self.assertEqual("GET, HEAD", response.one("Allow"))
        self.check_refused(response, 405, "method_refused")

    def test_browsers_may_ask_for_metadata_and_be_told_that_there_is_none(self):
        for target, method in ((WELL_KNOWN, "GET"), (WELL_KNOWN + "/mcp", "GET"),
                               (WELL_KNOWN + "/other", "GET"), ("/register", "POST"),
                               ("/token", "POST"),
                               ("/.well-known/oauth-authorization-server", "GET")):
            with self.subTest(target=target):
                self.check_preflight(target, method)
        self.check_refused(self.ask("POST", "/register", MESSAGE, b"{}"), 404, "no_route")

    def test_authorization_servers_looked_for_here_are_not_found_in_json(self):
        for target in ("/.well-known/oauth-authorization-server", "/register", "/authorize?x",
                       "/.well-known/openid-configuration", "/token", WELL_KNOWN + "/other",
                       "/.well-known/oauth-authorization-server/mcp"):
            for method in ("GET", "POST"):
                with self.subTest(target=target, method=method):
                    mark = self.door.upstream.mark()
                    self.assertEqual("not_found", self.get_json(target, 404, method)["error"])
                    self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_challenges_name_the_metadata(self):
        metadata = f'resource_metadata="https://gw.example{WELL_KNOWN}/mcp"'
        response = self.ask("POST", "/mcp", MESSAGE, CALL)
        self.assertEqual(401, response.status)
        scope = f'scope="{RESOURCE}/mcp.read {RESOURCE}/mcp.write"'
        self.assertEqual([f"Bearer {metadata}, {scope}"], response.all("WWW-Authenticate"))
        response = self.ask("POST", "/mcp", MESSAGE, CALL, self.token + "x")
        self.assertEqual(401, response.status)
        self.assertEqual([f'Bearer {metadata}, error="invalid_token", {scope}'],
                         response.all("WWW-Authenticate"))

    def test_who_has_no_token_hears_that_first(self):
        """Whatever else a first try lacks; with a token each has its own refusal."""
        rows = (("POST", [], b"", 415), ("POST", [("Content-Type", "text/plain")], b"hello", 415),
                ("POST", [*MESSAGE[:1], ("Accept", "text/html")], CALL, 406),
                ("POST", [*MESSAGE, ("Content-Encoding", "gzip")], CALL, 415),
                ("POST", MESSAGE, b"{", 400),
                ("GET", [("Accept", "text/html")], None, 406), ("GET", MESSAGE, CALL, 400))
        for number, (method, fields, body, status) in enumerate(rows):
            with self.subTest(row=number):
                mark = self.door.upstream.mark()
                response = self.ask(method, "/mcp", fields, body)
                self.assertEqual(401, response.status)
                self.assertIn("resource_metadata=", response.one("WWW-Authenticate"))
                self.assertEqual(status, self.ask(method, "/mcp", fields, body, self.token).status)
                self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_step_up_names_the_scopes_that_would_do(self):
        token = self.door.token(tokens.user(scp="mcp.read"))
        mark = self.door.upstream.mark()
        response = self.ask("POST", "/mcp", MESSAGE, CALL, token)
        self.assertEqual(403, response.status, response.body)
        self.assertEqual(
            [f'Bearer error="insufficient_scope", scope="{RESOURCE}/mcp.write", '
             f'resource_metadata="https://gw.example{WELL_KNOWN}/mcp", '
             'error_description="The token does not carry what this operation needs"'],
            response.all("WWW-Authenticate"))
        self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_pages_of_other_origins_are_refused(self):
        for origin in ("https://evil.example", "null", "http://gw.example", APP + "/", "",
                       APP + ".evil.example", APP + ":443", APP.upper(), f"{APP} {APP}",
                       f"{APP}, {APP}", "https://gw.example:8443", "https://user@gw.example"):
            with self.subTest(origin=origin):
                response = self.ask("POST", "/mcp", [("Origin", origin), *MESSAGE], CALL,
                                    self.token)
                self.assertEqual(403, response.status)
                self.assertEqual([], response.all("Access-Control-Allow-Origin"))
                self.assertEqual([], response.all("WWW-Authenticate"))
        twice = [("Origin", APP), ("Origin", APP), *MESSAGE]
        self.assertEqual(403, self.ask("POST", "/mcp", twice, CALL, self.token).status)
        for origin in (APP, "https://gw.example"):
            with self.subTest(origin=origin):
                response = self.ask("POST", "/mcp", [("Origin", origin), *MESSAGE], CALL)
                self.assertEqual(401, response.status)
                self.assertEqual(origin, response.one("Access-Control-Allow-Origin"))
                self.assertEqual("Origin", response.one("Vary"))
                self.assertIn("www-authenticate", response.one("Access-Control-Expose-Headers"))

    def test_pages_read_refusals_too(self):
        writer = self.door.token(tokens.user(scp="mcp.write"))
        other = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "no/such"}).encode()
        for method, headers, body, token, status in (
                ("POST", MESSAGE, CALL, None, 401), ("POST", MESSAGE, CALL, self.token, 403),
                ("POST", MESSAGE, other, writer, 404), ("PUT", MESSAGE, CALL, writer, 405),
                ("POST", [("Mcp-Session-Id", "x"), *MESSAGE], CALL, writer, 404),
                ("POST", MESSAGE, b" " * 3000, writer, 413), ("POST", [FORM], CALL, writer, 415),
                ("POST", MESSAGE, b"{", writer, 400)):
            with self.subTest(status=status, method=method):
                response = self.ask(method, "/mcp", [("Origin", APP), *headers], body, token)
                self.assertIn(response.status, (status, 200), response.body)
                self.assertEqual(APP, response.one("Access-Control-Allow-Origin"))
                self.assertEqual("Origin", response.one("Vary"))
                exposed = response.one("Access-Control-Expose-Headers").split(", ")
                self.assertLessEqual({"www-authenticate", "x-request-id", "retry-after"},
                                     set(exposed))

    def test_tokens_in_the_query_are_none(self):
        for name in ("access_token", "token", "Authorization"):
            with self.subTest(name=name):
                target = f"/mcp?{name}={self.token}"
                mark = self.door.upstream.mark()
                response = self.ask("POST", target, MESSAGE, CALL)
                self.assertEqual(401, response.status)
                self.assertNotIn("error=", response.one("WWW-Authenticate"))
                self.assertTrue(self.door.upstream.is_untouched(mark))
        writer = self.door.token(tokens.user(scp="mcp.write"))
        mark = self.door.upstream.mark()
        self.ask("POST", f"/mcp?access_token={writer}", MESSAGE, CALL, writer)
        self.assertEqual(["/"], [request.target for request in self.door.upstream.since(mark)])
        self.assertNotIn(writer.encode(), self.door.audit.raw())

    def test_preflight_allows_what_the_protocol_needs(self):
        asked = [("Origin", APP), ("Access-Control-Request-Method", "POST"),
                 ("Access-Control-Request-Headers", "authorization, mcp-param-region, x-other")]
        response = self.ask("OPTIONS", "/mcp", asked)
        self.assertEqual(204, response.status)
        allowed = response.one("Access-Control-Allow-Headers")
        for name in ("authorization", "mcp-session-id", "mcp-method", "mcp-param-region"):
            self.assertIn(name, allowed)
        self.assertNotIn("x-other", allowed)


class Places(SignInCase):
    """Where metadata is, and where it is not."""

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        for name, more, resource in (
                ("slash", {"path": "/slash"}, "https://gw.example:8443/slash/"),
                ("coded", {"path": "/coded"}, "https://gw.example/coded/x%27y"),
                ("whole", {"path": "/", "host": "whole.example"}, "https://whole.example"),
                ("deep", {"path": "/mcp/deep"}, "https://gw.example/mcp/deep")):
            config["routes"].append({
                "name": name, "upstream": door.upstream.url, **more, "mcp": {"resource": resource},
                "access": [{"actions": ["mcp:*"], "to": {"everyone": True}}]})
        config["routes"].append({
            "name": "app", "host": "app.example", "path": "/", "upstream": door.upstream.url,
            "access": [{"role": "Reader", "to": {"everyone": True}}]})

    def resource(self, target, host="gw.example", method="GET"):
        with self.door.client() as client:
            response = client.exchange(raw.request(method, target, host=host), method)
        self.assertEqual(200, response.status, response.body)
        return json.loads(response.body)["resource"]

    def test_each_resource_has_its_own(self):
        for path, resource in (
                ("", RESOURCE), ("/", RESOURCE), ("/mcp", RESOURCE), ("/mcp/", RESOURCE),
                ("/mcp?resource=x", RESOURCE), ("/%6dcp", RESOURCE), ("/mcp/deep/../", RESOURCE),
                ("/mcp/deep", RESOURCE + "/deep"), ("/slash", "https://gw.example:8443/slash/"),
                ("/slash/", "https://gw.example:8443/slash/"),
                ("/coded/x%27y", "https://gw.example/coded/x%27y")):
            with self.subTest(path=path):
                self.assertEqual(resource, self.resource(WELL_KNOWN + path))
        for target in ("/%2ewell-known/oauth%2Dprotected-resource/mcp",
                       "http://gw.example" + WELL_KNOWN):
            with self.subTest(target=target):
                self.assertEqual(RESOURCE, self.resource(target))

    def test_each_host_has_its_own(self):
        for host in ("whole.example", "WHOLE.example:443"):
            with self.subTest(host=host):
                self.assertEqual("https://whole.example", self.resource(WELL_KNOWN, host))
        for host in ("gw.example:8443", "GW.example", "other.example", "[::1]:80"):
            with self.subTest(host=host):
                self.assertEqual(RESOURCE, self.resource(WELL_KNOWN, host))
        for target, status in ((WELL_KNOWN, 401), ("/token", 401), ("/public/x", 401)):
            with self.subTest(target=target), self.door.client() as client:
                response = client.exchange(raw.request("GET", target, host="app.example"))
                self.assertEqual(status, response.status)
                self.assertEqual([], response.all("Access-Control-Allow-Origin"))

    def test_elsewhere_is_nothing(self):
        for path, status in (("/MCP", 404), ("/mcp/x", 404), ("/mcp2", 404), ("/whole", 404),
                             ("/coded/x'y", 404), ("/mcp//", 400), ("%2Fmcp", 400), (";x", 400),
                             ("x", 401), (".json", 401)):
            with self.subTest(path=path):
                response = self.ask("GET", WELL_KNOWN + path)
                self.assertEqual(status, response.status, response.body)
                json.loads(response.body)

    def test_head_says_what_get_would(self):
        head, get = self.ask("HEAD", WELL_KNOWN), self.ask("GET", WELL_KNOWN)
        self.assertEqual(b"", head.body)
        for name in ("Content-Type", "Content-Length", "Access-Control-Allow-Origin"):
            self.assertEqual(get.one(name), head.one(name))

    def test_challenges_name_the_place_of_each(self):
        for path, host, url in (
                ("/mcp", "gw.example", f"https://gw.example{WELL_KNOWN}/mcp"),
                ("/mcp/deep", "gw.example", f"https://gw.example{WELL_KNOWN}/mcp/deep"),
                ("/mcp", "evil.example", f"https://gw.example{WELL_KNOWN}/mcp"),
                ("/coded/x%27y", "gw.example", f"https://gw.example{WELL_KNOWN}/coded/x%27y"),
                ("/slash", "gw.example:1", f"https://gw.example:8443{WELL_KNOWN}/slash"),
                ("/", "whole.example", f"https://whole.example{WELL_KNOWN}")):
            with self.subTest(path=path, host=host), self.door.client() as client:
                response = client.exchange(raw.request("POST", path, MESSAGE, CALL, host=host))
                self.assertEqual(401, response.status)
                first, rest = response.one("WWW-Authenticate").split(" ", 1)
                self.assertEqual("Bearer", first)
                self.assertTrue(rest.startswith(f'resource_metadata="{url}"'), rest)


class Facade(SignInCase):
    mcp = {"facade": {"client_id": CLIENT, "redirect_uris": ["http://127.0.0.1/cb"]}}

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        authority = door.authority
        plain = authority.answer
        cls.forms, cls.answers = [], []

        def answer(path, handler):
            if not path.endswith("/oauth2/v2.0/token"):
                return plain(path, handler)
            cls.forms.append(handler.body.decode())
            if cls.answers:
                return cls.answers.pop()
            body = json.dumps({"token_type": "Bearer", "access_token": "a" * 3000,
                               "refresh_token": CANARY}).encode()
            return 200, body, JSON_TYPE
        authority.answer = answer

    def post(self, form):
        return self.ask("POST", "/token", [FORM], urllib.parse.urlencode(form).encode())

    def test_metadata_leads_through_here(self):
        server = self.get_json("/.well-known/oauth-authorization-server")
        self.assertEqual(server, self.get_json("/.well-known/openid-configuration"))
        self.assertEqual([server["issuer"]], self.get_json(WELL_KNOWN)["authorization_servers"])
        self.assertEqual("https://gw.example", server["issuer"])
        self.assertEqual(["S256"], server["code_challenge_methods_supported"])
        for page in ("authorization", "token", "registration"):
            self.assertTrue(server[page + "_endpoint"].startswith("https://gw.example/"))

    def test_browsers_go_on_without_the_resource(self):
        query = urllib.parse.urlencode({**QUERY, "resource": RESOURCE})
        response = self.ask("GET", "/authorize?" + query)
        self.assertEqual(302, response.status, response.body)
        base, _, passed = response.one("Location").partition("?")
        self.assertEqual(f"{self.door.authority.url}/{tokens.TENANT}/oauth2/v2.0/authorize", base)
        self.assertEqual(QUERY, dict(urllib.parse.parse_qsl(passed)))

    def test_nobody_is_redirected_elsewhere(self):
        for change in ({"redirect_uri": "https://evil.example/cb"}, {"client_id": tokens.TENANT},
                       {"redirect_uri": "http://127.0.0.1:1@evil.example/cb"},
                       {"code_challenge_method": "plain"}, {"response_type": "token"}):
            with self.subTest(change=change):
                response = self.ask("GET", "/authorize?" + urllib.parse.urlencode({**QUERY, **change}))
                self.check_refused(response, 400, "bad_request")
                self.assertEqual([], response.all("Location"))
                self.assertIn("error", json.loads(response.body))
        response = self.ask("POST", "/authorize", [FORM], b"")
        self.assertEqual("GET, HEAD", response.one("Allow"))
        self.check_refused(response, 405, "method_refused")

    def test_browsers_may_sign_in(self):
        for target, method in (("/.well-known/oauth-authorization-server", "GET"),
                               ("/.well-known/openid-configuration", "GET"),
                               ("/register", "POST"), ("/token", "POST"), ("/authorize", "GET")):
            with self.subTest(target=target):
                self.check_preflight(target, method)

    def test_nothing_of_a_caller_ends_a_line(self):
        plain = urllib.parse.urlencode(QUERY)
        for query in (plain + "%0d%0aSet-Cookie:%20a=b", plain + "%0aX:y", plain + "%00",
                      plain + "&redirect_uri=https://evil.example/", plain + "&client%5Fid=x",
                      plain + "&x=%", plain + "&a" * 40):
            with self.subTest(query=query[len(plain):][:30]):
                response = self.ask("GET", "/authorize?" + query)
                self.check_refused(response, 400, "bad_request")
                self.assertEqual([], response.all("Location") + response.all("Set-Cookie"))
        for query in (plain + "%25%30%64%250a%ff%22", plain + "&x=" + "!" * 6000,
                      plain + "&https://evil.example/"):
            with self.subTest(query=query[len(plain):][:30]):
                response = self.ask("GET", "/authorize?" + query)
                self.assertEqual(302, response.status, response.body)
                location = response.one("Location")
                self.assertTrue(location.startswith(self.door.authority.url + "/"))
                sent = urllib.parse.parse_qs(query, True, errors="surrogateescape")
                self.assertEqual(sent, urllib.parse.parse_qs(location.partition("?")[2], True,
                                                             errors="surrogateescape"))
        head = self.ask("HEAD", "/authorize?" + plain)
        self.assertEqual((302, b""), (head.status, head.body))

    def test_a_name_in_another_case_is_the_same_name(self):
        """The authority does not tell them apart: what it reads has to be what was judged."""
        for name, value in (("Redirect_Uri", "https://evil.example/cb"), ("CLIENT_ID", CLIENT),
                            ("Response_Mode", "form_post"), ("Request", "x")):
            with self.subTest(name=name):
                query = urllib.parse.urlencode({**QUERY, name: value})
                self.assertEqual(400, self.ask("GET", "/authorize?" + query).status)
        query = urllib.parse.urlencode({**QUERY, "Resource": RESOURCE})
        response = self.ask("GET", "/authorize?" + query)
        self.assertEqual(302, response.status, response.body)
        self.assertNotIn("esource", response.one("Location"))
        before = len(self.forms)
        for name in ("Client_Secret", "Redirect_Uri", "Client_Assertion"):
            with self.subTest(name=name):
                self.assertEqual(400, self.post({**CODE, name: "x"}).status)
        self.assertEqual(before, len(self.forms))

    def test_registration_gives_everybody_the_one_client(self):
        headers = [("Content-Type", "application/json")]
        response = self.ask("POST", "/register", headers,
                            json.dumps({"redirect_uris": [BACK]}).encode())
        self.assertEqual(201, response.status, response.body)
        self.assertEqual(CLIENT, json.loads(response.body)["client_id"])
        self.assertEqual("allow", self.door.audit.wait_for(response.request_id)["decision"])
        for body, status, reason in (
                (b'{"redirect_uris":["https://evil.example/"]}', 400, "bad_request"),
                (b"{", 400, "bad_request"), (b" " * 16385, 413, "body_too_large")):
            with self.subTest(body=body[:40]):
                self.check_refused(self.ask("POST", "/register", headers, body), status, reason)
        response = self.ask("POST", "/register", [FORM], b"redirect_uris=x")
        self.check_refused(response, 415, "content_type")
        self.check_refused(self.ask("GET", "/register"), 405, "method_refused")

    def test_codes_become_tokens(self):
        response = self.post({**CODE, "resource": RESOURCE})
        self.assertEqual(200, response.status, response.body)
        self.assertEqual(CANARY, json.loads(response.body)["refresh_token"])
        self.assertEqual("no-store", response.one("Cache-Control"))
        self.assertEqual(CODE, dict(urllib.parse.parse_qsl(self.forms[-1])))
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(("allow", 200, 200),
                         (line["decision"], line["status"], line["upstream_status"]))
        self.assertGreater(line["upstream_ms"], 0)

    def test_forms_in_pieces_and_several_on_one_connection(self):
        body = urllib.parse.urlencode(CODE).encode()
        with self.door.client() as client:
            for coded in (False, True):
                headers = [FORM, *([("Transfer-Encoding", "chunked")] if coded else [])]
                data = raw.request("POST", "/token", headers, None if coded else body)
                data += raw.chunked(body[:9], body[9:]) if coded else b""
                response = client.exchange(data, "POST", split=50)
                self.assertEqual(200, response.status, response.body)

    def test_other_grants_reach_nobody(self):
        before = len(self.forms)
        for change in ({"grant_type": "client_credentials"}, {"client_id": tokens.TENANT},
                       {"client_secret": "x"}, {"redirect_uri": "https://evil.example/cb"},
                       {"code_verifier": "short"}):
            with self.subTest(change=change):
                self.check_refused(self.post({**CODE, **change}), 400, "bad_request")
        self.assertEqual(before, len(self.forms))

    def test_errors_pass_and_troubles_do_not(self):
        wrong = json.dumps({"error": "invalid_grant"}).encode()
        for status in (400, 401):
            with self.subTest(status=status):
                self.answers.append((status, wrong, JSON_TYPE))
                response = self.post(CODE)
                self.assertEqual("invalid_grant", json.loads(response.body)["error"])
                line = self.check_refused(response, 400, None, "allow")
                self.assertEqual(status, line["upstream_status"])
        for given in ((500, wrong, JSON_TYPE), (200, b"<html>", [("Content-Type", "text/html")]),
                      (302, b"", [("Location", "http://127.0.0.1:1/")])):
            with self.subTest(given=given[0], type=given[2]):
                self.answers.append(given)
                response = self.post(CODE)
                self.assertEqual("temporarily_unavailable", json.loads(response.body)["error"])
                line = self.check_refused(response, 502, "upstream_protocol", "error")
                self.assertEqual(given[0], line["upstream_status"])

    def test_nothing_of_it_is_written_down(self):
        asked = [self.post(CODE), self.ask("GET", "/authorize?" + urllib.parse.urlencode(QUERY))]
        path = self.door.barkeep.audit_path
        wait_until(lambda: all(response.request_id.encode() in path.read_bytes()
                               for response in asked), "both are in the audit")
        written = path.read_bytes() + self.door.barkeep.process.stderr().encode()
        self.assertIn(b'"/token"', written)
        for secret in (CANARY, CODE["code"], CHALLENGE):
            self.assertNotIn(secret.encode(), written)

    def test_client_that_leaves_meanwhile_hurts_nobody(self):
        authority = self.door.authority
        before = len(authority.fetches)
        authority.hold = threading.Event()
        with self.door.client() as client:
            client.send(raw.request("POST", "/token", [FORM],
                                    urllib.parse.urlencode(CODE).encode()))
            wait_until(lambda: any(path.endswith("/oauth2/v2.0/token")
                                   for path in authority.fetches[before:]), "the form is there")
        hold, authority.hold = authority.hold, None
        hold.set()
        self.assertEqual(200, self.post(CODE).status)

    def test_half_a_form_is_refused(self):
        head = raw.request("POST", "/token", [FORM, ("Content-Length", "100")]) + b"grant_type="
        before = len(self.forms)
        for leaves in (True, False):
            with self.subTest(leaves=leaves):
                mark = len(self.door.audit.requests())
                with self.door.client(timeout=20) as client:
                    client.send(head)
                    if not leaves:
                        self.check_refused(client.read_response("POST"), 408, "head_timeout")
                wait_until(lambda: [line for line in self.door.audit.requests()[mark:]
                                    if line["path"] == "/token" and line["decision"] == "deny"],
                           "it is in the log as refused")
        self.assertEqual(before, len(self.forms))


class Hurry(SignInCase):
    """Alone: it uses up what its address has."""

    mcp = {"facade": {"client_id": CLIENT}}

    def test_one_address_signs_in_so_often_and_no_more(self):
        body = json.dumps({"redirect_uris": [BACK]}).encode()
        statuses = [self.ask("POST", "/register", [("Content-Type", "application/json")], body)
                    for _ in range(70)]
        self.assertEqual([201] * 60, [response.status for response in statuses[:60]])
        self.check_refused(statuses[-1], 429, "rate_limited")
        self.assertGreater(int(statuses[-1].one("Retry-After")), 0)


if __name__ == "__main__":
    unittest.main()
