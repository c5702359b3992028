#!/usr/bin/python3
"""Rules under shadow: what they would have done is in the audit line, and decides nothing."""

import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.case import WireCase
from lib.door import ADMIN_ROLE


def rule(path, **more):
    return {"actions": [f"* {path}"], "to": {"everyone": True}, **more}


class ShadowEntries(WireCase):
    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["access"] += [
            rule("/granted"),
            rule("/tried", shadow=True),
            rule("/stopped"),
        ]
        config["routes"][0]["deny"] = [
            rule("/granted", shadow=True),
            rule("/stopped"),
        ]

    def ask(self, target):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", target, token=self.door.token(tokens.user())))
        return response, self.door.audit.wait_for(response.request_id)

    def rules(self, *names):
        route = self.door.config["routes"][0]["name"]
        return [f"routes.{route}.{name}" for name in names]

    def test_a_deny_under_shadow_is_named_and_lets_pass(self):
        response, line = self.ask("/granted")
        self.assertEqual(200, response.status)
        self.assertEqual(self.rules("deny[0]"), line["shadow"])

    def test_a_grant_under_shadow_is_named_and_grants_nothing(self):
        response, line = self.ask("/tried")
        self.check_refusal(response, 403, "no_role")
        self.assertEqual("/tried", line["path"])
        self.assertEqual(1, len(line["shadow"]))

    def test_a_deny_that_is_not_under_shadow_refuses(self):
        response, line = self.ask("/stopped")
        self.check_refusal(response, 403, "denied")
        self.assertFalse(line.get("shadow"))


class ShadowRoute(WireCase):
    """A route on trial: whoever has a valid token passes, and the log says who would not have."""

    @classmethod
    def change_config(cls, config, door):
        config["routes"].append({
            "name": "trial", "path": "/trial", "upstream": door.upstream.url, "shadow": True,
            "access": [{"role": "Contributor", "to": {"app_role": ADMIN_ROLE}}],
            "deny": [{"to": {"everyone": True}, "actions": ["* /never"]}]})
        config["deny"] = [{"to": {"everyone": True}, "actions": ["* /top"]}]

    def ask(self, target, token):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", target, token=token))
        return response, self.door.audit.wait_for(response.request_id)

    def test_what_would_have_been_refused_passes_and_is_named(self):
        response, line = self.ask("/trial/x", self.token)
        self.assertEqual((200, "allow", ["no_role"]), (response.status, line["decision"], line["shadow"]))
        response, line = self.ask("/trial/never", self.door.admin_token())
        self.assertEqual((200, ["routes.trial.deny[0]"]), (response.status, line["shadow"]))

    def test_what_would_have_passed_is_not_named(self):
        response, line = self.ask("/trial/x", self.door.admin_token())
        self.assertEqual((200, []), (response.status, line["shadow"]))

    def test_the_top_level_still_denies(self):
        response, line = self.ask("/trial/top", self.door.admin_token())
        self.check_refusal(response, 403, "denied")
        self.assertEqual([], line["shadow"])

    def test_a_token_is_needed_all_the_same(self):
        with self.door.client() as client:
            self.check_refusal(client.exchange(raw.request("GET", "/trial/x")), 401, "token_missing")


if __name__ == "__main__":
    unittest.main()
