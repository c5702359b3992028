#!/usr/bin/python3
"""Rules: roles, not_actions, deny, order, principals, and the credential the granting rule chooses."""

import base64
import pathlib
import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.case import WireCase
from lib.tokens import APP, APP_OBJECT, GROUP, OTHER_TENANT, TENANT, USER

OTHER_GROUP = "b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4"
ADMIN_PASSWORD = "canary-admin-password-91b7"
VIEWER_PASSWORD = "canary-viewer-password-02ac"


def basic(username, password):
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def everyone(role, **more):
    return {"role": role, "to": {"everyone": True}, **more}


class RbacCase(WireCase):
    def ask(self, method, target, claims=None, body=None, headers=()):
        """(response, the upstream's view or None)"""
        mark = self.door.upstream.mark()
        token = self.door.token(claims)
        with self.door.client() as client:
            response = client.exchange(raw.request(method, target, headers, body, token), method)
        seen = self.door.upstream.since(mark)
        return response, seen[0] if seen else None

    def judge(self, rows):
        """Rows of (method, target, claims, expected): 200 or the reason of a 403."""
        for method, target, claims, expected in rows:
            with self.subTest(method=method, target=target, expected=expected,
                              claims={k: claims[k] for k in ("oid", "roles", "groups", "scp")
                                      if k in claims}):
                response, seen = self.ask(method, target, claims)
                if expected == 200:
                    self.assertEqual(200, response.status, response.body)
                    self.assertIsNotNone(seen)
                else:
                    self.check_refusal(response, 403, expected)
                    self.assertIsNone(seen)


class TieredCredentials(RbacCase):
    """Readers reach the backend as its viewer, operators as its admin, on one URL."""

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "rabbit-admin").write_text(ADMIN_PASSWORD + "\n")
        (folder / "rabbit-viewer").write_text(VIEWER_PASSWORD)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {
            "rabbit-admin": {"basic": {"username": "admin", "password": "local/rabbit-admin"}},
            "rabbit-viewer": {"basic": {"username": "viewer", "password": "local/rabbit-viewer"}}}
        config["roles"]["Queue Operator"] = {"actions": ["* /**"],
                                             "not_actions": ["DELETE /api/users/**"]}
        config["routes"].append({
            "name": "rabbitmq", "path": "/rabbit", "upstream": door.upstream.url,
            "access": [
                {"role": "Queue Operator", "to": {"group": GROUP}, "credential": "rabbit-admin"},
                {"role": "Reader", "to": [{"app_role": "Monitoring.Read"}, {"app": APP}],
                 "credential": "rabbit-viewer"}],
            "deny": [{"to": {"user": OTHER_USER}, "actions": ["* /api/definitions"]}]})

    def credential_of(self, method, claims, target="/rabbit/api/queues"):
        response, seen = self.ask(method, target, claims)
        self.assertEqual(200, response.status, response.body)
        return seen.all("Authorization")

    def test_the_granting_rule_chooses_the_credential(self):
        operator = tokens.user(groups=[OTHER_GROUP, GROUP])
        viewer = tokens.user(roles=["Monitoring.Read"])
        admin, reader = basic("admin", ADMIN_PASSWORD), basic("viewer", VIEWER_PASSWORD)
        self.assertEqual([admin], self.credential_of("GET", operator))
        self.assertEqual([admin], self.credential_of("PUT", operator))
        self.assertEqual([reader], self.credential_of("GET", viewer))
        self.assertEqual([reader], self.credential_of("GET", tokens.app()))

    def test_the_first_entry_that_grants_decides(self):
        both = tokens.user(groups=[GROUP], roles=["Monitoring.Read"])
        self.assertEqual([basic("admin", ADMIN_PASSWORD)], self.credential_of("GET", both))

    def test_not_actions_subtract_within_their_role_only(self):
        operator = tokens.user(groups=[GROUP])
        both = tokens.user(groups=[GROUP], roles=["Monitoring.Read"])
        self.judge([("DELETE", "/rabbit/api/users/x", operator, "no_role"),
                    ("DELETE", "/rabbit/api/users/x", both, "no_role"),
                    ("DELETE", "/rabbit/api/queues/x", operator, 200),
                    ("GET", "/rabbit/api/users/x", operator, 200)])

    def test_viewers_may_not_write(self):
        viewer = tokens.user(roles=["Monitoring.Read"])
        self.judge([(method, "/rabbit/api/queues", viewer, "no_role")
                    for method in ("PUT", "POST", "DELETE", "PATCH", "PROPFIND")]
                   + [(method, "/rabbit/api/queues", viewer, 200)
                      for method in ("GET", "HEAD", "OPTIONS")])

    def test_strangers_may_nothing(self):
        self.judge([("GET", "/rabbit/api/queues", tokens.user(), "no_role"),
                    ("GET", "/rabbit", tokens.user(groups=[OTHER_GROUP]), "no_role"),
                    ("GET", "/rabbit/", tokens.user(roles=["monitoring.read"]), "no_role")])

    def test_deny_wins_over_every_grant(self):
        denied = tokens.user(oid=OTHER_USER, groups=[GROUP], roles=["Monitoring.Read"])
        self.judge([("GET", "/rabbit/api/definitions", denied, "denied"),
                    ("PUT", "/rabbit/api/definitions", denied, "denied"),
                    ("GET", "/rabbit/api/%64efinitions", denied, "denied"),
                    ("GET", "/rabbit/api/x/../definitions", denied, "denied"),
                    ("GET", "/rabbit/api/definitions?x=y", denied, "denied"),
                    ("GET", "/rabbit/api/queues", denied, 200),
                    ("GET", "/rabbit/api/definitions", tokens.user(groups=[GROUP]), 200)])

    def test_app_rules_match_app_tokens_only(self):
        self.judge([("GET", "/rabbit/x", tokens.app(), 200),
                    ("GET", "/rabbit/x", tokens.user(azp=APP), "no_role"),
                    ("GET", "/rabbit/x", tokens.app(azp=OTHER_USER), "no_role")])

    def test_no_password_ever_reaches_a_caller_or_a_log(self):
        self.settle_audit()
        for password in (ADMIN_PASSWORD, VIEWER_PASSWORD):
            for text in (password, base64.b64encode(password.encode()).decode()):
                self.assertNotIn(text.encode(), self.door.audit.raw())
                self.assertNotIn(text, self.door.barkeep.process.stderr())

    def test_audit_names_rule_credential_and_secret(self):
        response, _ = self.ask("PUT", "/rabbit/x", tokens.user(groups=[GROUP]))
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(("allow", "rabbitmq", "rabbit-admin"),
                         (line["decision"], line["route"], line["credential"]))
        self.assertIn("rabbitmq", line["rule"])
        self.assertEqual([("local", "rabbit-admin")],
                         [(item["vault"], item["name"]) for item in line["secrets"]])


OTHER_USER = "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"


class Principals(RbacCase):
    """`to:` in all its forms, one route each."""

    FORMS = {
        "user": {"user": USER}, "group": {"group": GROUP}, "app": {"app": APP},
        "role": {"app_role": "Operator"}, "scope": {"scope": "write"},
        "tenant": {"tenant": OTHER_TENANT},
        "and": {"group": GROUP, "app_role": "Operator"},
        "or": {"app_role": ["Operator", "Owner"]},
        "list": [{"user": USER, "scope": "write"}, {"group": GROUP}],
        "upper": {"user": USER.upper()},
    }

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["tenant"] = [TENANT, OTHER_TENANT]
        for name, principal in cls.FORMS.items():
            config["routes"].append({"name": name, "path": f"/{name}",
                                     "upstream": door.upstream.url,
                                     "access": [{"role": "Contributor", "to": principal}]})

    def test_principals_match_as_written(self):
        user, app = tokens.user, tokens.app
        other = {"oid": OTHER_USER}
        self.judge([
            ("GET", "/user", user(), 200), ("GET", "/user", user(**other), "no_role"),
            ("GET", "/user", user(oid=USER.upper()), 200),
            ("GET", "/upper", user(), 200),
            ("GET", "/group", user(groups=[GROUP]), 200),
            ("GET", "/group", user(groups=[GROUP.upper()]), 200),
            ("GET", "/group", user(groups=[]), "no_role"),
            ("GET", "/group", user(groups=[GROUP[:-1]]), "no_role"),
            ("GET", "/app", app(), 200), ("GET", "/app", user(), "no_role"),
            ("GET", "/role", user(roles=["Operator"]), 200),
            ("GET", "/role", app(roles=["Operator"]), 200),
            ("GET", "/role", user(roles=["operator"]), "no_role"),
            ("GET", "/scope", user(scp="read write"), 200),
            ("GET", "/scope", user(scp="write"), 200),
            ("GET", "/scope", app(), "no_role"),
            ("GET", "/tenant", user(tenant=OTHER_TENANT), 200),
            ("GET", "/tenant", user(), "no_role"),
            ("GET", "/and", user(groups=[GROUP], roles=["Operator"]), 200),
            ("GET", "/and", user(groups=[GROUP]), "no_role"),
            ("GET", "/and", user(roles=["Operator"]), "no_role"),
            ("GET", "/or", user(roles=["Owner"]), 200),
            ("GET", "/or", user(roles=["Reader"]), "no_role"),
            ("GET", "/list", user(scp="write"), 200),
            ("GET", "/list", user(**other, groups=[GROUP]), 200),
            ("GET", "/list", user(**other, scp="write"), "no_role"),
        ])

    def test_scopes_match_whole_words(self):
        """Case 69."""
        self.judge([("GET", "/scope", tokens.user(scp=scp), "no_role")
                    for scp in ("readwrite", "read,write", "write.all", "Write", "write/x", "rewrite",
                                "write\u00a0x", "WRITE")])

    def test_scope_of_a_wrong_type_opens_nothing(self):
        for scp in (["write"], {"write": 1}, 7, True, " ", ""):
            with self.subTest(scp=scp):
                response, seen = self.ask("GET", "/scope", tokens.user(scp=scp))
                self.assertIn(response.status, (401, 403))
                self.assertIsNone(seen)

    def test_groups_of_a_wrong_type_open_nothing(self):
        for groups in (GROUP, {"0": GROUP}, [[GROUP]], 7, None, [GROUP + "\0"], [GROUP + " "]):
            with self.subTest(groups=groups):
                response, seen = self.ask("GET", "/group", tokens.user(groups=groups))
                self.assertIn(response.status, (401, 403))
                self.assertIsNone(seen)


class Order(RbacCase):
    """Top-level rules apply to every route, after the route's own; any deny refuses."""

    @classmethod
    def change_config(cls, config, door):
        config["access"] = [{"role": "Reader", "to": {"app_role": "Auditor"}}]
        config["deny"] = [{"to": {"app": OTHER_USER}},
                          {"to": {"everyone": True}, "actions": ["* /public/secret/**",
                                                                 "DELETE /public/*/keep"]}]
        config["routes"].append({"name": "bare", "path": "/bare", "upstream": door.upstream.url,
                                 "access": [everyone("Nothing")]})
        config["roles"]["Nothing"] = {"actions": ["GET /never"]}
        config["roles"]["Patterns"] = {"actions": [
            "GET /a/*", "GET /b/**", "GET /c/*/d", "GET /e/**/f", "GET,POST /g", "GET /h*/x",
            "GET /i/**/j/**"]}
        config["routes"].append({"name": "patterns", "path": "/p", "upstream": door.upstream.url,
                                 "access": [everyone("Patterns")]})

    def test_top_level_rules_apply_everywhere(self):
        auditor = tokens.user(roles=["Auditor"])
        self.judge([("GET", "/bare/x", auditor, 200), ("GET", "/admin/x", auditor, 200),
                    ("POST", "/bare/x", auditor, "no_role"),
                    ("GET", "/bare/x", tokens.user(), "no_role"),
                    ("GET", "/public/secret/x", auditor, "denied"),
                    ("GET", "/public/secret/x", tokens.user(roles=["Admin"]), "denied"),
                    ("DELETE", "/public/x/keep", tokens.user(), "denied"),
                    ("GET", "/public/x/keep", tokens.user(), 200),
                    ("GET", "/public/x", tokens.app(azp=OTHER_USER), "denied"),
                    ("GET", "/public/x", tokens.app(), 200)])

    def test_patterns_match_whole_segments(self):
        user = tokens.user()
        self.judge([(method, "/p" + path, user, 200) for method, path in (
            ("GET", "/a/x"), ("GET", "/a/%2a"), ("GET", "/b/x"), ("GET", "/b/x/y/z"), ("GET", "/c/x/d"),
            ("GET", "/e/f"), ("GET", "/e/x/f"), ("GET", "/e/x/y/f"), ("GET", "/g"), ("POST", "/g"),
            ("GET", "/h/x"), ("GET", "/hello/x"), ("GET", "/i/j/x"), ("GET", "/i/a/b/j/c/d"))])
        self.judge([(method, "/p" + path, user, "no_role") for method, path in (
            ("GET", "/a/x/y"), ("GET", "/ax"), ("GET", "/bx"), ("GET", "/c/d"), ("GET", "/c/x/y/d"),
            ("GET", "/e/x/g"), ("GET", "/e/xf"), ("PUT", "/g"), ("GET", "/g/x"), ("GET", "/x/a/x"),
            ("GET", "/h/y/x"), ("GET", "/A/x"), ("POST", "/a/x"))])


class Overage(RbacCase):
    """Case 67: unknown is never "no groups"."""

    @classmethod
    def change_config(cls, config, door):
        route = {"upstream": door.upstream.url}
        config["entra"]["groups"] = {"overage": "refuse"}
        config["roles"]["Writing"] = {"actions": ["POST /**"]}
        config["routes"] += [
            {**route, "name": "grouped", "path": "/grouped", "access": [
                {"role": "Contributor", "to": {"group": GROUP}}]},
            {**route, "name": "mixed", "path": "/mixed", "access": [
                {"role": "Contributor", "to": {"group": GROUP}},
                {"role": "Reader", "to": {"app_role": "Auditor"}}]},
            {**route, "name": "barred", "path": "/barred", "access": [everyone("Contributor")],
             "deny": [{"to": {"group": GROUP}, "actions": ["POST /**"]}]},
            {**route, "name": "conjoined", "path": "/conjoined", "access": [
                {"role": "Contributor", "to": {"group": GROUP, "app_role": "Auditor"}}]},
        ]

    MARKERS = (
        {"_claim_names": {"groups": "src1"},
         "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}}},
        {"hasgroups": True}, {"hasgroups": "true"}, {"groups:src1": 1}, {"groups:src1": "x"})

    def test_overage_with_a_group_rule_is_unknown(self):
        for marker in self.MARKERS:
            user = tokens.user(**marker)
            auditor = tokens.user(roles=["Auditor"], **marker)
            self.judge([("GET", "/grouped/x", user, "groups_unknown"),
                        ("GET", "/mixed/x", user, "groups_unknown"),
                        ("GET", "/mixed/x", auditor, 200),
                        ("POST", "/mixed/x", auditor, "groups_unknown"),
                        ("POST", "/barred/x", user, "groups_unknown"),
                        ("GET", "/barred/x", user, 200),
                        ("GET", "/conjoined/x", user, "no_role"),
                        ("GET", "/conjoined/x", auditor, "groups_unknown")])

    def test_overage_beside_groups_is_still_overage(self):
        self.judge([("POST", "/barred/x", tokens.user(groups=[OTHER_GROUP], **self.MARKERS[0]),
                     "groups_unknown")])

    def test_known_groups_decide(self):
        self.judge([("GET", "/grouped/x", tokens.user(groups=[GROUP]), 200),
                    ("GET", "/grouped/x", tokens.user(groups=[OTHER_GROUP]), "no_role"),
                    ("POST", "/barred/x", tokens.user(groups=[GROUP]), "denied"),
                    ("POST", "/barred/x", tokens.user(), 200)])


class Nobody(RbacCase):
    """A route without access opens for nobody; the control goes through another one."""

    @classmethod
    def change_config(cls, config, door):
        config["routes"].append({"name": "closed", "path": "/closed",
                                 "upstream": door.upstream.url, "access": []})

    def test_no_rule_means_no(self):
        self.judge([("GET", "/closed", tokens.user(roles=["Admin"]), "no_role"),
                    ("GET", "/closed/public/x", tokens.app(), "no_role")])
        self.assertNotEqual(APP_OBJECT, USER)


if __name__ == "__main__":
    unittest.main()
