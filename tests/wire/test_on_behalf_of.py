#!/usr/bin/python3
"""Callers' tokens exchanged for a backend's (contract section 4, azure.md C.9), with the stand-in as
Entra ID: who gets one, how often it is asked for, and what a caller is told who gets none."""

import base64
import json
import re
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder, tokens
from lib.standin_case import CLIENT_SECRET, INES, STOCK, StandinCase, claims_of

CHALLENGE = {"access_token": {"acrs": {"essential": True, "value": "c7"}}}
CLAIMS = re.compile(r'claims="([A-Za-z0-9_+/-]+)"')


class OnBehalfOf(StandinCase):
    @classmethod
    def change_config(cls, config, door):
        config["identity"] = cls.client_identity()
        config["credentials"] = {
            "read": {"on_behalf_of": {"scope": "api://stock/Stock.Read"}},
            "write": {"on_behalf_of": {"scope": "api://stock/Stock.Write"}},
            "unknown": {"on_behalf_of": {"scope": "api://stock/Stock.Burn"}}}
        for name in config["credentials"]:
            cls.add_route(config, door, name)
        cls.add_route(config, door, "own", token_header="X-Caller")
        config["routes"][-1]["access"][0]["credential"] = "read"
        config["routes"].append({"name": "closed", "path": "/closed", "upstream": door.upstream.url,
                                 "access": [{"role": "Reader", "to": {"app_role": "Nobody"},
                                             "credential": "read"}]})

    def user(self, oid=tokens.USER, *options):
        """A token that nothing was exchanged for yet."""
        return self.standin.mint("--user", oid, *options)

    def exchanges(self):
        return self.standin.counters()["token"]

    def refuse_user(self, rule):
        self.knob_back(f"users/{INES}", rule, {"refuse": "none"})

    def test_the_upstream_gets_a_token_for_itself_in_the_callers_name(self):
        for oid in (tokens.USER, INES):
            for name, scope in (("read", "Stock.Read"), ("write", "Stock.Write")):
                with self.subTest(oid=oid, scope=scope):
                    claims = claims_of(self.sent(f"/{name}/x", token=self.user(oid)))
                    self.assertEqual((STOCK, scope, oid, tokens.API),
                                     (claims["aud"], claims["scp"], claims["oid"], claims["azp"]))

    def test_one_exchange_a_caller_and_scope_however_many_calls(self):
        first, second = self.user(), self.user(INES)
        before, seen = self.exchanges(), set()
        for _ in range(20):
            seen |= {self.sent(f"/{name}/x", token=token)
                     for token in (first, second) for name in ("read", "write")}
        self.assertEqual(4, len(seen))
        self.assertEqual(before + 4, self.exchanges())

    def test_one_exchange_for_many_calls_at_once(self):
        token, before, statuses = self.user(), self.exchanges(), []
        callers = [threading.Thread(
            target=lambda: statuses.append(self.ask("/read/x", token=token).status))
            for _ in range(40)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        self.assertEqual([200] * 40, statuses)
        self.assertEqual(before + 1, self.exchanges())

    def test_two_callers_never_share_a_token(self):
        """Interleaved on one connection, whose upstream connections are shared."""
        mine = {self.user(): tokens.USER, self.user(INES): INES}
        with self.door.client() as client:
            for token, oid in list(mine.items()) * 50:
                mark = self.door.upstream.mark()
                answer = client.exchange(raw.request("GET", "/read/x", token=token))
                self.assertEqual(200, answer.status)
                request, = self.door.upstream.since(mark)
                self.assertEqual(oid, claims_of(request.all("Authorization")[0])["oid"])

    def test_the_callers_own_token_never_passes(self):
        token, other = self.user(), self.user(INES)
        mark = self.door.upstream.mark()
        self.assertEqual(200, self.ask("/read/x", ("X-Other", "1"), token=token).status)
        with self.door.client() as client:
            for name in ("Authorization", "authorization", "AUTHORIZATION"):
                answer = client.exchange(raw.request(
                    "GET", "/own/x", [("X-Caller", f"Bearer {token}"), (name, f"Bearer {other}")]))
                self.assertEqual(200, answer.status, answer.body)
        requests = self.door.upstream.since(mark)
        self.assertEqual(4, len(requests))
        for request in requests:
            authorization, = request.all("Authorization")
            self.assertEqual(tokens.USER, claims_of(authorization)["oid"])
            self.assertEqual([], request.all("X-Caller"))
            self.assertNotIn(token.encode(), request.head)
            self.assertNotIn(other.encode(), request.head)

    def test_nothing_is_exchanged_for_a_refused_call(self):
        before = self.exchanges()
        self.refuse(raw.request("GET", "/closed/x", token=self.user()), 403, "no_role")
        self.refuse(raw.request("GET", "/read/x"), 401, "token_missing")
        self.refuse(raw.request("GET", "/read/x", token=self.user() + "x"), 401)
        self.assertEqual(before, self.exchanges())

    def test_programs_have_no_name_to_act_in(self):
        before = self.exchanges()
        app = self.standin.mint("--app", tokens.APP)
        self.check_refused(self.ask("/read/x", token=app), 403, "no_role")
        self.assertEqual(before, self.exchanges())

    def test_entras_challenge_goes_back_to_the_caller(self):
        """Base64 without padding: MSAL's parsers stop at a '='."""
        self.refuse_user({"refuse": "interaction_required", "claims": CHALLENGE})
        before = self.exchanges()
        token = self.user(INES)
        for _ in range(3):
            response = self.ask("/read/x", token=token)
            self.check_refused(response, 401, "claims_required")
            header = response.one("WWW-Authenticate")
            encoded, = CLAIMS.findall(header)
            self.assertIn('error="insufficient_claims"', header)
            padded = encoded + "=" * (-len(encoded) % 4)
            self.assertEqual(CHALLENGE, json.loads(base64.urlsafe_b64decode(padded)))
        self.assertEqual(before + 1, self.exchanges(), "refusals are remembered too")
        stepped_up = self.user(INES, "--acrs", "c7")
        self.assertEqual(INES, claims_of(self.sent("/read/x", token=stepped_up))["oid"])

    def test_what_a_caller_may_not_is_403(self):
        self.refuse_user({"refuse": "consent_required"})
        self.check_refused(self.ask("/read/x", token=self.user(INES)), 403, "no_role")
        self.assertEqual(tokens.USER, claims_of(self.sent("/read/x", token=self.user()))["oid"])

    def test_a_token_that_entra_takes_no_more_is_401(self):
        expired = self.user(tokens.USER, "--expires-in", "-5")  # within barkeep's clock_skew
        self.check_refused(self.ask("/read/x", token=expired), 401, "token_expired")
        self.refuse_user({"refuse": "revoked"})
        self.check_refused(self.ask("/read/x", token=self.user(INES)), 401, "token_expired")

    def test_what_barkeep_may_not_is_503_and_holds_nobody_else_up(self):
        self.check_refused(self.ask("/unknown/x", token=self.user()), 503, "secret_unavailable")
        self.refuse_user({"refuse": "no_on_behalf_of"})
        self.check_refused(self.ask("/read/x", token=self.user(INES)), 503, "secret_unavailable")
        self.sent("/read/x", token=self.user())

    def test_what_was_exchanged_serves_through_an_outage(self):
        token = self.user()
        kept = self.sent("/read/x", token=token)
        for fault in ({"status": 503}, {"status": 429, "retry_after": 1}, {"close": True}):
            with self.subTest(**fault):
                late = self.user(INES)
                self.standin.knob("faults", {"endpoint": "token", "count": -1, **fault})
                before = self.exchanges()
                for _ in range(20):
                    self.check_refused(self.ask("/write/x", token=late), 503, "secret_unavailable")
                self.assertEqual(kept, self.sent("/read/x", token=token))
                self.assertLessEqual(self.exchanges() - before, 6, "no storm")
                self.standin.knob("faults/clear")
                self.wait_for(lambda late=late: self.ask("/write/x", token=late).status == 200,
                              "recovery", 60)

    def test_an_answer_that_is_no_token_is_503_for_that_caller(self):
        self.standin.knob("faults", {"endpoint": "token", "count": 1, "status": 200, "body": "{"})
        self.check_refused(self.ask("/read/x", token=self.user(INES)), 503, "secret_unavailable")
        self.sent("/read/x", token=self.user())

    def test_an_upstreams_401_is_not_the_callers(self):
        challenge = ("WWW-Authenticate", 'Bearer realm="stock"')
        self.door.upstream.on("/no", recorder.answer(401, b"no", [challenge]))
        response = self.ask("/read/no", token=self.user())
        self.check_refused(response, 502, "upstream_credential_refused")
        self.assertNotIn(b"stock", response.head + response.body)

    def test_tokens_are_written_nowhere(self):
        token, answers = self.user(), []
        exchanged = self.sent("/read/x", token=token).partition(" ")[2]
        self.door.upstream.on("/echo", lambda peer, request: (
            peer.read_body(request), peer.send(recorder.answer(200, request.head))))
        answers.append(self.ask("/read/echo", token=token))
        self.refuse_user({"refuse": "interaction_required", "claims": CHALLENGE})
        refused = self.user(INES)
        answers.append(self.ask("/read/x", token=refused))
        self.expected_audit.append((answers[-1].request_id, 401, "claims_required"))
        self.settle_audit()
        written = b"".join(answer.head + answer.body for answer in answers)
        server = self.door.barkeep.process
        written += self.door.audit.raw() + server.stderr().encode() + server.stdout().encode()
        for text in (token, exchanged, refused, CLIENT_SECRET):
            self.assertNotIn(text.encode(), written)
            self.assertNotIn(text.rpartition(".")[2].encode(), written, "its signature")


class ProofRefused(StandinCase):
    """Entra ID refuses barkeep itself: nobody's token is exchanged, nor is it tried with each."""

    @classmethod
    def change_config(cls, config, door):
        config["identity"] = cls.client_identity()
        config["credentials"] = {"read": {"on_behalf_of": {"scope": "api://stock/Stock.Read"}}}
        cls.add_route(config, door, "read")

    def test_a_secret_that_is_no_longer_the_applications_is_503(self):
        self.sent("/read/x", token=self.standin.mint())
        self.knob_back(f"apps/{tokens.API}", {"secrets": ["another"]}, {"secrets": [CLIENT_SECRET]})
        before = self.standin.counters()["token"]
        for _ in range(10):
            response = self.ask("/read/x", token=self.standin.mint("--user", INES))
            self.check_refused(response, 503, "secret_unavailable")
        self.assertEqual(before + 1, self.standin.counters()["token"])
        failed = self.events("identity", what="exchange failed")
        self.assertIn("invalid_client", failed[-1]["error"])


if __name__ == "__main__":
    unittest.main()
