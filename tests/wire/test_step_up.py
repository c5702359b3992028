#!/usr/bin/python3
"""Step-up: entries that want an authentication context or mfa, and what the caller is told."""

import base64
import json
import re
import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.case import WireCase

# azure.md A.11, with the authority of the test's own login host
CHALLENGE = ('Bearer realm="", authorization_uri="{authority}/common/oauth2/authorize", '
             'error="insufficient_claims", claims="{claims}"')
ASKS_FOR_C1 = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19"
CP1 = {"xms_cc": ["cp1"]}


def needs(path, when, **more):
    return {"actions": [f"* {path}"], "to": {"everyone": True}, "when": when, **more}


class StepUp(WireCase):
    @classmethod
    def change_config(cls, config, door):
        route = config["routes"][0]
        route["access"] += [
            needs("/c1", {"acrs": "c1"}),
            needs("/c42", {"acrs": ["c42", "c43"]}),
            needs("/both", {"acrs": "c2", "mfa": True}),
            needs("/mfa", {"mfa": True}),
            needs("/order", {"acrs": "c7"}),
            needs("/order", {"acrs": "c8"}),
            {"actions": ["* /order"], "to": {"app_role": "Auditor"}},
        ]
        route["deny"] = [needs("/public/denied", {"acrs": "c9"})]

    def ask(self, target, **claims):
        with self.door.client() as client:
            return client.exchange(raw.request("GET", target, token=self.door.token(
                tokens.user(**claims))))

    def refused(self, target, status, reason, **claims):
        """(the problem, the answer, the audit line)"""
        mark = self.door.upstream.mark()
        response = self.ask(target, **claims)
        self.check_refusal(response, status, reason)
        self.assertTrue(self.door.upstream.is_untouched(mark))
        return json.loads(response.body), response, self.door.audit.wait_for(response.request_id)

    def challenged(self, target, **claims):
        """What the claims challenge asks for, decoded."""
        _, response, line = self.refused(target, 401, "claims_required", **claims)
        self.assertEqual("deny", line["decision"])
        header = response.one("WWW-Authenticate")
        value = re.search('claims="([^"]*)"$', header)[1]
        self.assertEqual(CHALLENGE.format(authority=self.door.authority.url, claims=value), header)
        self.assertNotIn("=", value)
        return json.loads(base64.b64decode(value, validate=True))

    def asked_for(self, acrs):
        return {"access_token": {"acrs": {"essential": True, "value": acrs}}}

    def test_a_sign_in_with_the_context_passes(self):
        for target, claims in (("/c1", {"acrs": ["c1"]}), ("/c1", {"acrs": ["p1", "c5", "c1"]}),
                               ("/c42", {"acrs": ["c42"]}), ("/c42", {"acrs": ["c43"]}),
                               ("/mfa", {"amr": ["pwd", "mfa"]}),
                               ("/both", {"acrs": ["c2"], "amr": ["mfa"]})):
            with self.subTest(target=target, claims=claims):
                self.assertEqual(200, self.ask(target, **claims).status)

    def test_the_challenge_is_entras_byte_for_byte(self):
        _, response, line = self.refused("/c1", 401, "claims_required", **CP1)
        self.assertEqual(CHALLENGE.format(authority=self.door.authority.url, claims=ASKS_FOR_C1),
                         response.one("WWW-Authenticate"))
        self.assertEqual("routes.main.access[2]", line["rule"])

    def test_the_challenge_asks_for_what_the_entry_wants(self):
        self.assertEqual(self.asked_for("c1"), self.challenged("/c1", **CP1))
        self.assertEqual(self.asked_for("c42"), self.challenged("/c42", **CP1))
        self.assertEqual(self.asked_for("c1"), self.challenged("/c1", xms_cc=["x", "CP1"]))
        self.assertEqual(self.asked_for("c1"), self.challenged("/c1", acrs=["c11", "c2"], **CP1))
        self.assertEqual(self.asked_for("c2"), self.challenged("/both", amr=["mfa"], **CP1))

    def test_the_first_entry_in_order_asks(self):
        self.assertEqual(self.asked_for("c7"), self.challenged("/order", **CP1))
        self.assertEqual(200, self.ask("/order", acrs=["c8"], **CP1).status)

    def test_nothing_is_asked_when_another_entry_grants(self):
        self.assertEqual(200, self.ask("/order", roles=["Auditor"], **CP1).status)

    def test_a_client_without_cp1_is_told_what_it_lacks(self):
        for claims in ({}, {"xms_cc": []}, {"xms_cc": ["cp2"]}, {"xms_cc": "cp1"},
                       {"xms_cc": [["cp1"]]}):
            with self.subTest(claims=claims):
                problem, _, line = self.refused("/c1", 403, "no_role", **claims)
                self.assertIn("authentication context c1 (acrs)", problem["detail"])
                self.assertEqual("routes.main.access[2]", line["rule"])

    def test_claims_of_another_shape_satisfy_nothing(self):
        for claims in ({"acrs": "c1"}, {"acrs": ["C1"]}, {"acrs": ["c1 "]}, {"acrs": ["c1,c2"]},
                       {"acrs": {"c1": True}}, {"acrs": [1, True, None]}, {"acrs": ["c1\x00"]}):
            with self.subTest(claims=claims):
                self.refused("/c1", 403, "no_role", **claims)
        for claims in ({"amr": "mfa"}, {"amr": ["MFA"]}, {"amr": ["ngcmfa"]}, {"amr": {"mfa": 1}}):
            with self.subTest(claims=claims):
                self.refused("/mfa", 403, "no_role", **claims)

    def test_missing_mfa_is_named_and_never_challenged(self):
        problem, _, line = self.refused("/mfa", 403, "no_role", **CP1)
        self.assertIn("more than one factor (amr: mfa)", problem["detail"])
        self.assertEqual("routes.main.access[5]", line["rule"])
        problem, _, _ = self.refused("/both", 403, "no_role", **CP1)
        self.assertIn("(amr: mfa), and that satisfies authentication context c2", problem["detail"])
        self.refused("/both", 403, "no_role", acrs=["c2"], **CP1)

    def test_a_deny_entry_counts_only_when_its_condition_holds(self):
        self.assertEqual(200, self.ask("/public/denied", **CP1).status)
        self.assertEqual(200, self.ask("/public/denied", acrs=["c1"]).status)
        _, _, line = self.refused("/public/denied", 403, "denied", acrs=["c9"], **CP1)
        self.assertEqual("routes.main.deny[0]", line["rule"])

    def test_a_stepped_up_token_passes_where_the_old_one_was_challenged(self):
        claims = {"oid": tokens.APP_OBJECT, **CP1}
        self.challenged("/c1", **claims)
        self.assertEqual(200, self.ask("/c1", acrs=["c1"], **claims).status)
        self.challenged("/c1", **claims)


class HiddenReasons(WireCase):
    """The challenge is for the client's library: it stays when reasons are hidden."""

    @classmethod
    def change_config(cls, config, door):
        config["expose_reasons"] = False
        config["routes"][0]["access"].append(needs("/c1", {"acrs": "c1"}))

    def test_the_challenge_stays(self):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/c1", token=self.door.token(
                tokens.user(**CP1))))
        self.assertEqual(401, response.status)
        self.assertNotIn("reason", json.loads(response.body))
        self.assertIn(f'claims="{ASKS_FOR_C1}"', response.one("WWW-Authenticate"))


if __name__ == "__main__":
    unittest.main()
