#!/usr/bin/python3
"""Which headers pass, which are ours, and where credentials may travel (CASES.md C and E)."""

import unittest

import wire  # noqa: F401
from lib import raw, recorder, tokens
from lib.case import WireCase

# Never a caller's to set, whatever the route.
MANAGED = ["X-Request-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
           "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Method",
           "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
           "X-Forwarded-Client-Cert", "X-Forwarded-Anything", "Forwarded", "X-Real-IP",
           "True-Client-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method",
           "X-HTTP-Method-Override", "X-Method-Override", "X-Envoy-Original-Path",
           "X-Envoy-External-Address", "X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-ID",
           "X-MS-CLIENT-PRINCIPAL-NAME", "X-MS-CLIENT-PRINCIPAL-IDP", "X-MS-TOKEN-AAD-ID-TOKEN",
           "X-Barkeep-Assertion"]
HOP_BY_HOP = [("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "trailers"),
              ("Trailer", "X-A"), ("Upgrade", "foo"), ("Proxy-Authenticate", "Basic"),
              ("Proxy-Authorization", "Basic eDp5"), ("HTTP2-Settings", "AAMAAABk")]
# What barkeep itself writes; a Connection header naming one must not remove it.
WRITTEN = ["X-Request-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
           "traceparent", "Host"]
EVIL = "evil-7c1d"
MALFORMED, MISSING = "token_malformed", "token_missing"


class Headers(WireCase):
    def get(self, *headers, target="/public/x"):
        return raw.request("GET", target, headers, token=self.token)

    def test_passes_everything_else_unchanged_and_in_order(self):
        headers = [("Accept", "*/*"), ("X-A", "1"), ("accept-language", "en,de;q=0.5"),
                   ("X-A", "2"), ("Range", "bytes=0-1"), ("User-Agent", "curl/8 (x; y)"),
                   ("Cookie", "a=b; c=d"), ("X-Empty", ""), ("If-None-Match", '"x"'),
                   ("Content-Type", "text/plain"), ("Origin", "https://a.example")]
        response, request = self.allow(self.get(*headers))
        self.check_forwarded(request, response, "GET", "/public/x", headers)

    def test_replaces_managed_headers_in_every_case(self):
        for name in MANAGED:
            for spelled in (name, name.upper(), name.lower(), name.swapcase()):
                with self.subTest(case=126, name=spelled):
                    response, request = self.allow(self.get((spelled, EVIL)))
                    self.assertNotIn(EVIL.encode(), request.head)
                    self.check_forwarded(request, response, "GET", "/public/x")

    def test_replaces_managed_headers_in_every_form(self):
        for name in MANAGED:
            for what, lines in (("twice", [(name, EVIL), (name, EVIL)]),
                                ("joined", [(name, f"{EVIL}, {EVIL}")]),
                                ("with a tab", [(name, f"\t{EVIL}")]),
                                ("with obs-text", [(name, f"{EVIL}\xe9")]),
                                ("empty", [(name, "")])):
                with self.subTest(case=128, name=name, what=what):
                    mark = self.door.upstream.mark()
                    with self.door.client() as client:
                        response = client.exchange(self.get(*lines))
                    if response.status == 400 and what == "with obs-text":
                        continue
                    self.assertEqual(200, response.status)
                    request = self.door.upstream.since(mark)[0]
                    self.assertNotIn(EVIL.encode(), request.head)
                    self.check_forwarded(request, response, "GET", "/public/x")

    def test_refuses_names_that_others_fold_together(self):
        for name in ("X_Request_Id", "X_Forwarded_For", "X-Forwarded_For", "X.Forwarded.For",
                     "X_Identity_User", "X-Identity_User", "Remote_User", "X_MS_CLIENT_PRINCIPAL",
                     "X.Authenticated.User", "X~A", "X!A", "X+A", "X'A", "X*A", "$X", "X^A", "`",
                     "x|y", "#x", "%41", "&"):
            with self.subTest(case=127, name=name):
                self.refuse(self.get((name, EVIL)), 400, "bad_request")

    def test_other_names_are_other_headers(self):
        """A dash more is another header, and none that we manage."""
        headers = [("x-identity-user-", "a"), ("XIdentityUser", "b"), ("-", "c")]
        response, request = self.allow(self.get(*headers))
        self.check_forwarded(request, response, "GET", "/public/x", headers)

    def test_connection_cannot_remove_what_we_write(self):
        for name in WRITTEN:
            for value in (name, name.lower(), f"close, {name}", f"{name},keep-alive"):
                with self.subTest(case=129, value=value):
                    self.passes_or_400(self.get(("Connection", value)))

    def test_connection_has_no_effect_on_framing(self):
        many = ", ".join(["x-a"] * 1000)
        for value in ("Authorization", "Host", "Content-Length", "Transfer-Encoding", "Cookie",
                      "close, close", many, "", ",", ",,close", "X-Forwarded-For, Content-Length"):
            with self.subTest(case=130, value=value[:40]):
                data = raw.request("POST", "/public/x", [("Connection", value)], b"hello",
                                   self.token)
                self.passes_or_400(data, "POST", b"hello", ["content-length"])

    def test_refuses_a_blank_before_the_colon_of_connection(self):
        data = self.get().replace(b"Authorization", b"Connection : x-a\r\nAuthorization")
        self.refuse(data, 400, "bad_request")

    def passes_or_400(self, data, method="GET", body=b"", framing=()):
        """One clear request upstream, or none."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.exchange(data, method)
        if response.status == 400:
            self.assertTrue(self.door.upstream.is_untouched(mark))
            return
        self.assertEqual(200, response.status)
        request = self.door.upstream.since(mark)[0]
        self.check_forwarded(request, response, method, "/public/x", [], body, framing)

    def test_removes_nominated_headers(self):
        response, request = self.allow(self.get(("Connection", "X-Foo, x-bar"), ("X-Foo", "1"),
                                                ("X-Bar", "2"), ("X-Stays", "3"), ("x-foo", "4")))
        self.check_forwarded(request, response, "GET", "/public/x", [("X-Stays", "3")])

    def test_removes_hop_by_hop_headers(self):
        for header in HOP_BY_HOP:
            with self.subTest(case=132, header=header):
                response, request = self.allow(self.get(header))
                self.check_forwarded(request, response, "GET", "/public/x")
        response, request = self.allow(self.get(*HOP_BY_HOP))
        self.check_forwarded(request, response, "GET", "/public/x")

    def test_writes_forwarding_headers_from_the_socket(self):
        response, request = self.allow(self.get(*((name, EVIL) for name in MANAGED)))
        self.check_forwarded(request, response, "GET", "/public/x")
        self.assertEqual(["gw.example"], request.all("X-Forwarded-Host"))
        self.assertNotEqual([EVIL], request.all("X-Request-Id"))

    def test_forwarded_host_has_the_callers_port(self):
        data = raw.request("GET", "/public/x", token=self.token, host="GW.example:8443")
        _, request = self.allow(data)
        self.assertEqual("gw.example:8443", request.all("X-Forwarded-Host")[0].lower())

    def test_no_header_moves_the_path_or_the_method(self):
        for name in ("X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix",
                     "X-Envoy-Original-Path"):
            with self.subTest(case=134, name=name):
                self.refuse(self.get((name, "/public/x"), target="/admin/x"), 403, "no_role")
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            with self.subTest(case=137, name=name):
                _, request = self.allow(raw.request("POST", "/public/x", [(name, "DELETE")], b"",
                                                    self.token), "POST")
                self.assertEqual("POST", request.method)
                self.assertNotIn(b"DELETE", request.head)
        _, request = self.allow(raw.request("POST", "/public/x?_method=DELETE", (), b"",
                                            self.token), "POST")
        self.assertEqual("POST", request.method)

    def test_health_checkers_need_a_token_too(self):
        for agent in ("ELB-HealthChecker/2.0", "kube-probe/1.30", "GoogleHC/1.0",
                      "HealthCheck/1.0"):
            with self.subTest(case=136, agent=agent):
                self.refuse(raw.request("GET", "/public/x", [("User-Agent", agent)]), 401, MISSING)

    def test_own_names_need_a_token_too(self):
        """Case 138: health and metrics live on the admin listener only."""
        for target in ("/healthz", "/readyz", "/metrics", "/healthz/..", "/healthz;x", "/healthz?x",
                       "/api/status"):
            with self.subTest(target=target):
                self.refuse(raw.request("GET", target), (401, 400), (MISSING, "path_ambiguous"))
                self.refuse(raw.request("POST", target, (), b""), (401, 400), None)

    def test_passes_cookies_byte_for_byte(self):
        many = "; ".join(f"c{number}=v{number}" for number in range(200))
        for values in (["a=b", "c=d"], [many], ["x-ms-token=1; a=\"q\"; b=%20; =; ;;"], [many, "a=b", many],
                       ["a=b"] * 50, [""], [";"], ["a=b;c=d;"], ["a"], ["a=b, c=d"], ["a=\xe9\xff"],
                       ["$Version=1; a=b; $Path=/"], ["a=b; a=c; A=d"], ["X-Request-Id=x; Authorization=y"]):
            with self.subTest(case=139, values=str(values)[:40]):
                headers = [("Cookie", value) for value in values]
                response, request = self.allow(self.get(*headers))
                self.check_forwarded(request, response, "GET", "/public/x", headers)

    def test_passes_a_valid_traceparent_and_replaces_others(self):
        good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        _, request = self.allow(self.get(("traceparent", good)))
        self.assertEqual([good], request.all("traceparent"))
        for bad in ("x", good.upper(), good + "-x", good.replace("0af7651916cd43dd8448eb211c80319c",
                                                                 "0" * 32),
                    good.replace("b7ad6b7169203331", "0" * 16), "ff" + good[2:], good[:-1]):
            with self.subTest(bad=bad):
                response, request = self.allow(self.get(("traceparent", bad)))
                self.assertNotEqual([bad], request.all("traceparent"))
                self.check_forwarded(request, response, "GET", "/public/x")

    def test_every_request_has_an_id_of_its_own(self):
        ids = set()
        with self.door.client() as client:
            for _ in range(50):
                ids.add(client.exchange(self.get(("X-Request-Id", EVIL))).request_id)
        self.assertEqual(50, len(ids))
        self.assertNotIn(EVIL, ids)


class Responses(WireCase):
    """Case 140: what an upstream may not say in our name."""

    def answer_with(self, *headers):
        self.door.upstream.on("/public/said", recorder.answer(headers=headers))
        response, _ = self.allow(raw.request("GET", "/public/said", token=self.token))
        return response

    def test_removes_hop_by_hop_headers_of_answers(self):
        response = self.answer_with(("Connection", "X-Foo, keep-alive"), ("X-Foo", EVIL),
                                    ("Keep-Alive", f"timeout={EVIL}"), ("Proxy-Connection", EVIL),
                                    ("Proxy-Authenticate", EVIL), ("Upgrade", EVIL),
                                    ("Trailer", EVIL), ("TE", EVIL),
                                    ("Proxy-Authentication-Info", EVIL), ("X-Stays", "yes"))
        self.assertNotIn(EVIL.encode(), response.head)
        self.assertEqual("yes", response.one("X-Stays"))

    def test_answers_say_nothing_in_our_name(self):
        for name in (*MANAGED, "X-Identity-User", "X-Forwarded-User", "X-MS-TOKEN-AAD-ACCESS-TOKEN"):
            for spelled in (name, name.lower(), name.upper()):
                with self.subTest(case=140, name=spelled):
                    response = self.answer_with((spelled, EVIL), (spelled, EVIL))
                    if name != "X-Identity-User":  # nobody's name
                        self.assertNotIn(EVIL.encode(), response.head)
                    self.assertRegex(response.request_id, "^[0-9a-f]{32}$")

    def test_connection_of_answers_cannot_change_the_framing(self):
        for value in ("Content-Length", "Transfer-Encoding", "Date, Content-Length", "close, close",
                      ", ".join(["x-a"] * 90), "", ",,", "Connection"):
            with self.subTest(case=140, value=value[:30]):
                response = self.answer_with(("Connection", value))
                self.assertEqual(b"ok", response.body)

    def test_request_id_of_answers_is_ours(self):
        response = self.answer_with(("X-Request-Id", EVIL), ("x-request-id", EVIL))
        self.assertNotIn(EVIL.encode(), response.head)
        self.assertTrue(response.request_id)

    def test_passes_cookies_and_caching_unchanged(self):
        headers = [("Set-Cookie", "a=b; HttpOnly"), ("Set-Cookie", "c=d; Path=/"),
                   ("Cache-Control", "private, max-age=0"), ("Vary", "Accept"),
                   ("ETag", 'W/"x"'), ("X-Empty", ""), ("Location", "http://attacker.example/"),
                   ("WWW-Authenticate", 'Basic realm="upstream"')]
        response = self.answer_with(*headers)
        given = {name for name, _ in headers}
        self.assertEqual(headers, [item for item in response.headers if item[0] in given])

    def test_connection_of_answers_cannot_remove_ours(self):
        response = self.answer_with(("Connection", "X-Request-Id, Content-Length, close"))
        self.assertTrue(response.request_id)
        self.assertEqual(b"ok", response.body)


class Authorization(WireCase):
    """Where credentials may travel: cases 76 to 82."""

    def with_authorization(self, *values, headers=()):
        return raw.request("GET", "/public/x",
                           [("Authorization", value) for value in values] + list(headers))

    def test_refuses_two_authorization_headers(self):
        good, bad = f"Bearer {self.token}", "Bearer x.y.z"
        for values in ((good, good), (good, bad), (bad, good), (good, "Basic eDp5"),
                       ("Basic eDp5", good), (good, "")):
            with self.subTest(case=76, first=values[0][:12], second=values[1][:12]):
                self.refuse(self.with_authorization(*values), 400, "bad_request")

    def test_refuses_bent_bearer_values(self):
        token = self.token
        for what, value, reasons in (
                ("two spaces", f"Bearer  {token}", (MALFORMED,)),
                ("a tab", f"Bearer\t{token}", (MALFORMED, MISSING)),
                ("no space", f"Bearer{token}", (MALFORMED, MISSING)),
                ("trailing junk", f"Bearer {token} x", (MALFORMED,)),
                ("a comma", f"Bearer {token},{token}", (MALFORMED,)),
                ("two credentials", f"Bearer {token}, Bearer {token}", (MALFORMED,)),
                ("a trailing comma", f"Bearer {token},", (MALFORMED,)),
                ("quotes", f'Bearer "{token}"', (MALFORMED,)),
                ("a parameter", f"Bearer token={token}", (MALFORMED,)),
                ("nothing", "Bearer", (MALFORMED, MISSING)),
                ("empty", "", (MALFORMED, MISSING)),
                ("a colon", f"Bearer: {token}", (MALFORMED, MISSING)),
                ("the token alone", token, (MALFORMED, MISSING)),
                ("Bearer twice", f"Bearer Bearer {token}", (MALFORMED,)),
                ("padding", f"Bearer {token}==", (MALFORMED,))):
            with self.subTest(case=77, what=what):
                self.refuse(self.with_authorization(value), 401, reasons)

    def test_refuses_other_schemes(self):
        for value in ("Basic eDp5", "Negotiate YII=", "Digest x=y", f"PoP {self.token}",
                      f"DPoP {self.token}", f"Token {self.token}", f"MAC {self.token}"):
            with self.subTest(case=78, value=value[:12]):
                self.refuse(self.with_authorization(value), 401, MISSING)

    def test_accepts_the_scheme_in_any_case(self):
        for scheme in ("bearer", "BEARER", "BeArEr"):
            _, request = self.allow(self.with_authorization(f"{scheme} {self.token}"))
            self.assertEqual([], request.all("Authorization"))

    def test_reads_tokens_nowhere_else(self):
        form = f"access_token={self.token}".encode()
        for what, data in (
                ("query", raw.request("GET", f"/public/x?access_token={self.token}")),
                ("cookie", raw.request("GET", "/public/x", [("Cookie", f"token={self.token}")])),
                ("form", raw.request("POST", "/public/x", [
                    ("Content-Type", "application/x-www-form-urlencoded")], form)),
                ("websocket", raw.request("GET", "/public/x", [
                    ("Sec-WebSocket-Protocol", self.token)])),
                ("proxy", raw.request("GET", "/public/x", [
                    ("Proxy-Authorization", f"Bearer {self.token}")])),
                ("other header", raw.request("GET", "/public/x", [
                    ("X-Authorization", f"Bearer {self.token}")]))):
            with self.subTest(case=79, what=what):
                response = self.refuse(data, 401, MISSING)
                self.assertEqual("Bearer", response.one("WWW-Authenticate").split()[0])

    def test_query_never_reaches_the_log(self):
        self.allow(raw.request("GET", "/public/x?access_token=canary-query-5e", token=self.token))
        self.refuse(raw.request("GET", "/public/x?access_token=canary-query-5e"), 401)
        self.settle_audit()
        self.assertNotIn(b"canary-query-5e", self.door.audit.raw())
        self.assertNotIn("canary-query-5e", self.door.barkeep.process.stderr())

    def test_callers_credentials_never_reach_the_upstream(self):
        data = raw.request("GET", "/public/x", [("Proxy-Authorization", "Basic eDp5")],
                           token=self.token)
        _, request = self.allow(data)
        self.assertNotIn(self.token.encode(), request.head)
        self.assertEqual([], request.all("Authorization") + request.all("Proxy-Authorization"))

    def test_challenges_reflect_nothing_of_the_request(self):
        headers = [("X-Forwarded-Host", EVIL), ("Forwarded", f"host={EVIL}"), ("Origin", EVIL)]
        bare = raw.request("GET", f"/public/{EVIL}", headers, host=f"{EVIL}.example")
        response = self.refuse(bare, 401, MISSING)
        self.assertNotIn(EVIL.encode(), response.head)
        self.assertNotIn("invalid_token", response.one("WWW-Authenticate"))
        garbage = raw.request("GET", f"/public/{EVIL}", headers, host=f"{EVIL}.example",
                              token=f"{EVIL}.a.b")
        response = self.refuse(garbage, 401, MALFORMED)
        self.assertNotIn(EVIL.encode(), response.head + response.body)
        self.assertIn('error="invalid_token"', response.one("WWW-Authenticate"))


class PreservedHost(WireCase):
    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["preserve_host"] = True

    def check_forwarded(self, request, response, method, target, headers=(), body=b"",
                        framing=()):
        self.assertEqual(["gw.example"], request.all("Host"))

    def test_upstream_sees_the_callers_host(self):
        data = raw.request("GET", "/public/x", token=tokens.mint(self.door.key))
        _, request = self.allow(data)
        self.assertEqual(["gw.example"], request.all("Host"))
        self.assertEqual(["gw.example"], request.all("X-Forwarded-Host"))


if __name__ == "__main__":
    unittest.main()
