#!/usr/bin/python3
"""`barkeep explain`, `review` and `diff`: the same answers as the live path, in words and as JSON, and
nothing of tokens and secrets in them."""

import base64
import hashlib
import json
import os
import pathlib
import pty
import re
import tempfile
import unittest

import wire  # noqa: F401
from lib import process, raw, replay, tokens
from lib.case import WireCase

GROUP = "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
SECRET = "canary-backend-password-7e1f"


def barkeep(*words, stdin=b"", env=None):
    """(exit code, stdout, stderr)"""
    argv = [process.barkeep_binary(), *(str(word) for word in words)]
    return process.run(argv, 30, env, stdin)


class ExplainCase(WireCase):
    answers_are_searched = True

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(mode=0o700)
        (folder / "backend").write_text(SECRET)
        config["vaults"] = {"local": f"file:{folder}"}
        config["state"] = str(pathlib.Path(door.folder) / "state")
        config["credentials"] = {
            "reader": {"headers": {"X-Api-Key": "key {local/backend}"}},
            "writer": {"basic": {"username": "admin", "password": "local/backend"}}}
        config["roles"]["Editor"] = {"actions": ["GET,PUT /docs/**"], "not_actions": ["PUT /docs/locked"]}
        config["deny"] = [{"to": {"user": tokens.APP_OBJECT}, "actions": ["* /admin/closed"]}]
        config["routes"] = [
            {"name": "main", "path": "/", "upstream": door.upstream.url, "access": [
                {"role": "Visitor", "to": {"everyone": True}},
                {"role": "Manager", "to": {"app_role": "Admin"}, "credential": "writer"},
                {"role": "Editor", "to": {"group": GROUP}, "credential": "reader"},
                {"role": "Reader", "to": {"app": tokens.APP}},
                {"actions": ["GET /stepped/**"], "to": {"scope": "access_as_user"}, "when": {"acrs": "c1"}},
                {"actions": ["GET /twice/**"], "to": {"scope": "access_as_user"}, "when": {"mfa": True}},
                {"actions": ["GET /near/**"], "to": {"everyone": True}, "when": {"client": "127.0.0.0/8"}},
                {"actions": ["GET /far/**"], "to": {"everyone": True}, "when": {"client": "192.0.2.0/24"}}]},
            {"name": "other", "path": "/other", "upstream": door.upstream.url, "access": [
                {"role": "Contributor", "to": {"app_role": "Elsewhere"}}]},
            {"name": "hosted", "host": "docs.example", "path": "/hosted", "upstream": door.upstream.url,
             "access": [{"role": "Reader", "to": {"everyone": True}}]}]

    def explain(self, method, target, claims=None, token=None, options=()):
        """(exit code, the JSON)"""
        path = pathlib.Path(self.door.folder) / "explained-token"
        path.write_text(self.door.token(claims) if token is None else token)
        code, out, err = barkeep("explain", "-c", self.door.barkeep.config_path, "--token-file", path,
                                 "--json", "--host", "gw.example", "--client", "127.0.0.1", *options,
                                 method, target)
        self.assertIn(code, (0, 1), err)
        self.assertEqual("", err)
        return code, json.loads(out)

    def text(self, method, target, claims=None, options=(), env=None):
        path = pathlib.Path(self.door.folder) / "explained-token"
        path.write_text(self.door.token(claims))
        _, out, err = barkeep("explain", "-c", self.door.barkeep.config_path, "--token-file", path,
                              *options, method, target, env=env)
        self.assertEqual("", err)
        return out

    def kinds(self, answer):
        return {miss["kind"] for miss in answer["near_misses"]}


def user(**changes):
    return tokens.user(**changes)


OVERAGE = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}

# what, method, target, claims, reason
REQUESTS = [
    ("a visitor", "GET", "/public/x", user(), None),
    ("an admin", "PUT", "/admin/x", user(roles=["Admin"]), None),
    ("an editor", "PUT", "/docs/x", user(groups=[GROUP]), None),
    ("an application", "GET", "/any", tokens.app(), None),
    ("a query", "GET", "/public/x?a=b", user(), None),
    ("a condition that holds", "GET", "/near/x", user(), None),
    ("a stepped-up sign-in", "GET", "/stepped/x", user(acrs=["c1"]), None),
    ("no role", "GET", "/admin/x", user(), "no_role"),
    ("taken out", "PUT", "/docs/locked", user(groups=[GROUP]), "no_role"),
    ("another address", "GET", "/far/x", user(), "no_role"),
    ("a sign-in with one factor", "GET", "/twice/x", user(), "no_role"),
    ("denied", "GET", "/admin/closed", tokens.app(roles=["Admin"]), "denied"),
    ("overage", "PUT", "/docs/x", user(**OVERAGE), "groups_unknown"),
    ("a step-up asked for", "GET", "/stepped/x", user(xms_cc=["cp1"]), "claims_required"),
    ("a step-up not asked for", "GET", "/stepped/x", user(), "no_role"),
    ("an ambiguous path", "GET", "/public/..%2fadmin", user(), "path_ambiguous"),
    ("an encoded slash", "GET", "/public/a%2Fb", user(), "path_ambiguous"),
    ("expired", "GET", "/public/x", user(exp=1600000000, nbf=1500000000, iat=1500000000), "token_expired"),
    ("too early", "GET", "/public/x", user(nbf=4000000000, iat=4000000000, exp=4000003600),
     "token_not_yet_valid"),
    ("another tenant", "GET", "/public/x", user(tid=tokens.OTHER_TENANT), "token_tenant"),
    ("another issuer", "GET", "/public/x", user(iss="https://issuer.example/"), "token_issuer"),
    ("another audience", "GET", "/public/x", user(aud="api://elsewhere"), "token_audience"),
    ("an ID token", "GET", "/public/x", user(nonce="n"), "token_kind"),
]


class Agreement(ExplainCase):
    def live(self, method, target, token, host="gw.example"):
        data = raw.request(method, target, token=token, host=host)
        with self.door.client() as client:
            response = client.exchange(data, method)
        return self.door.audit.wait_for(response.request_id)

    def compare(self, method, target, token, reason):
        line = self.live(method, target, token)
        code, answer = self.explain(method, target, token=token)
        self.assertEqual(reason, line["reason"])
        self.assertEqual(reason, answer["reason"])
        self.assertEqual(replay.expected(line), replay.explained(answer))
        self.assertEqual(1 if reason else 0, code)
        self.assertEqual(line["decision"], answer["decision"])
        self.assertEqual(line["path"], answer["request"]["path"])
        if reason:
            self.assertEqual(line["status"], answer["status"])

    def test_says_what_the_live_path_says(self):
        for what, method, target, claims, reason in REQUESTS:
            with self.subTest(what=what):
                self.compare(method, target, self.door.token(claims), reason)

    def test_says_what_the_live_path_says_of_bent_tokens(self):
        good = self.door.token()
        head, payload, signature = good.split(".")
        stranger = tokens.SigningKey()
        for what, token, reason in (
                ("two segments", f"{head}.{payload}", "token_malformed"),
                ("no token68", "a b", "token_malformed"),
                ("another's signature", tokens.mint(self.door.key, sign=stranger.sign), "token_signature"),
                ("a changed signature", f"{head}.{payload}.{'A' * len(signature)}", "token_signature"),
                ("an unknown key", tokens.mint(stranger), "token_key_unknown"),
                ("another algorithm", self.door.token(header={"alg": "HS256"}), "token_algorithm"),
                ("too long", "A" * 17000, "token_malformed")):
            with self.subTest(what=what):
                self.compare("GET", "/public/x", token, reason)

    def test_no_token_and_no_route(self):
        code, answer = self.explain("GET", "/public/x", token="")
        self.assertEqual((1, "token_missing", 401), (code, answer["reason"], answer["status"]))
        code, out, _ = barkeep("explain", "-c", self.door.barkeep.config_path, "--token", self.token,
                               "--json", "OPTIONS", "*")
        self.assertEqual((1, "bad_request"), (code, json.loads(out)["reason"]))
        code, out, _ = barkeep("explain", "-c", self.door.barkeep.config_path, "--token", self.token,
                               "--json", "CONNECT", "/public/x")
        self.assertEqual((1, "method_refused"), (code, json.loads(out)["reason"]))

    def test_claims_are_judged_without_a_signature(self):
        path = pathlib.Path(self.door.folder) / "claims.json"
        claims = user(roles=["Admin"])
        for left_out in ((), ("exp", "nbf", "iat")):
            path.write_text(json.dumps({k: v for k, v in claims.items() if k not in left_out}))
            code, out, err = barkeep("explain", "-c", self.door.barkeep.config_path, "--claims", path,
                                     "--json", "PUT", "/admin/x")
            answer = json.loads(out)
            self.assertEqual((0, "", None), (code, err, answer["reason"]))
            outcomes = {row["check"]: row["outcome"] for row in answer["token"]["checks"]}
            self.assertEqual("skipped", outcomes["signature"])
            self.assertEqual("skipped", outcomes["key"])
            self.assertEqual("skipped" if left_out else "passed", outcomes["lifetime"])
            self.assertEqual("passed", outcomes["audience"])
        path.write_text(json.dumps(dict(claims, aud="api://elsewhere")))
        code, out, _ = barkeep("explain", "-c", self.door.barkeep.config_path, "--claims", path,
                               "--json", "PUT", "/admin/x")
        self.assertEqual((1, "token_audience"), (code, json.loads(out)["reason"]))
        path.write_text("[1]")
        code, out, _ = barkeep("explain", "-c", self.door.barkeep.config_path, "--claims", path,
                               "--json", "PUT", "/admin/x")
        self.assertEqual((1, "token_malformed"), (code, json.loads(out)["reason"]))

    def test_offline_takes_keys_from_the_state_folder(self):
        fetches = len(self.door.authority.fetches)
        code, answer = self.explain("GET", "/public/x", options=["--offline"])
        self.assertEqual((0, None), (code, answer["reason"]))
        self.assertEqual(fetches, len(self.door.authority.fetches))
        config = dict(self.door.config, state=str(pathlib.Path(self.door.folder) / "empty"))
        path = pathlib.Path(self.door.folder) / "offline.yaml"
        path.write_text(json.dumps(config))
        code, out, _ = barkeep("explain", "-c", path, "--offline", "--json", "--token", self.token,
                               "GET", "/public/x")
        answer = json.loads(out)
        self.assertEqual((1, "keys_unavailable", 503), (code, answer["reason"], answer["status"]))
        self.assertIn("keys", [note["about"] for note in answer["notes"]])

    def test_unreachable_keys_are_said(self):
        config = dict(self.door.config)
        config["entra"] = dict(config["entra"], authority="http://127.0.0.1:1")
        path = pathlib.Path(self.door.folder) / "unreachable.yaml"
        path.write_text(json.dumps(config))
        code, out, _ = barkeep("explain", "-c", path, "--json", "--token", self.token, "GET", "/public/x")
        self.assertEqual((1, "keys_unavailable"), (code, json.loads(out)["reason"]))


class Words(ExplainCase):
    def test_every_rule_is_told_in_order_with_its_reason(self):
        _, answer = self.explain("PUT", "/docs/x", user(groups=[GROUP]))
        self.assertEqual(["deny[0]"] + [f"routes.main.access[{n}]" for n in range(8)],
                         [rule["rule"] for rule in answer["rules"]])
        answers = {rule["rule"]: rule for rule in answer["rules"]}
        self.assertEqual("other_principal", answers["deny[0]"]["answer"])
        self.assertEqual("other_action", answers["routes.main.access[0]"]["answer"])
        self.assertIn("Admin", answers["routes.main.access[1]"]["why"])
        self.assertTrue(answers["routes.main.access[2]"]["decisive"])
        self.assertEqual("reader", answer["credential"]["name"])
        self.assertIn("{local/backend}", answer["credential"]["placement"])

    def test_near_misses(self):
        for what, method, target, claims, kind in (
                ("a user through the application", "GET", "/any", user(), "app_rule_user_token"),
                ("another spelling", "GET", "/admin/x", user(roles=["admin"]), "spelling"),
                ("a scope of the role's name", "GET", "/admin/x", user(scp="Admin"), "scope_for_role"),
                ("a group's name", "PUT", "/docs/x", user(groups=["Editors"]), "group_names"),
                ("the path does not do", "GET", "/docz", user(groups=[GROUP]), "other_path"),
                ("the method does not do", "DELETE", "/docs/x", user(groups=[GROUP]), "other_method"),
                ("taken out again", "PUT", "/docs/locked", user(groups=[GROUP]), "excepted"),
                ("another route's role", "PUT", "/x", user(roles=["Elsewhere"]), "other_route"),
                ("overage", "PUT", "/docs/x", user(**OVERAGE), "overage"),
                ("a step-up", "GET", "/stepped/x", user(), "step_up"),
                ("another address", "GET", "/far/x", user(), "other_client")):
            with self.subTest(what=what):
                code, answer = self.explain(method, target, claims)
                self.assertEqual(1, code)
                self.assertIn(kind, self.kinds(answer), answer["near_misses"])

    def test_near_routes(self):
        _, answer = self.explain("GET", "/hosted/x", user())
        near = {row["route"]: row["why"] for row in answer["close_routes"]}
        self.assertIn("docs.example", near["hosted"])

    def test_what_is_granted_has_no_near_misses(self):
        self.assertEqual([], self.explain("GET", "/public/x", user())[1]["near_misses"])

    def test_neither_token_nor_secret_comes_out(self):
        for options in ((), ("--json",)):
            for method, target in (("GET", "/admin/x"), ("PUT", "/admin/x")):
                token = self.door.token(user(roles=["Admin"]))
                code, out, err = barkeep("explain", "-c", self.door.barkeep.config_path, "--token", token,
                                         *options, method, target)
                self.assertIn(code, (0, 1))
                for piece in token.split("."):
                    self.assertNotIn(piece, out + err)
                self.assertNotIn(SECRET, out + err)
        code, out, err = barkeep("explain", "--token", self.token, "--nonsense", "GET", "/")
        self.assertEqual(2, code)
        self.assertNotIn(self.token.split(".")[1], out + err)

    def test_text_is_plain_unless_a_terminal_reads_it(self):
        self.assertNotIn("\033", self.text("GET", "/public/x", user()))
        self.assertIn("\033", self.on_terminal({}))
        self.assertNotIn("\033", self.on_terminal({"NO_COLOR": "1"}))

    def on_terminal(self, extra):
        path = pathlib.Path(self.door.folder) / "explained-token"
        path.write_text(self.token)
        ours, theirs = pty.openpty()
        environment = dict(process.environment(extra))
        if not extra:
            environment.pop("NO_COLOR", None)
        argv = [process.barkeep_binary(), "explain", "-c", str(self.door.barkeep.config_path),
                "--token-file", str(path), "GET", "/public/x"]
        child = os.fork()
        if child == 0:
            os.dup2(theirs, 1)
            os.execve(argv[0], argv, environment)
        os.close(theirs)
        out = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            out += piece
        os.close(ours)
        os.waitpid(child, 0)
        return out.decode()

    def test_text_says_what_an_outcome_means(self):
        config = json.loads(json.dumps(self.door.config))
        config["routes"][1]["shadow"] = True
        folder = pathlib.Path(self.door.folder)
        (folder / "trial.yaml").write_text(json.dumps(config))
        claims = folder / "trial-claims.json"
        claims.write_text(json.dumps(user()))

        def said(target, *options):
            code, out, err = barkeep("explain", "-c", folder / "trial.yaml", "--claims", claims, *options, "GET", target)
            self.assertEqual("", err)
            return code, out
        code, out = said("/other/x")
        self.assertEqual(0, code)
        self.assertRegex(out, "^answer +allow: the route is under shadow, where a valid token is enough\n")
        self.assertIn("no_role: the route's rules would have refused\n", out)
        self.assertRegex(out, r"(?m)^  skipped +structure, header, kid, .*signature: claims have no signature")
        self.assertRegex(said("/a//b")[1], r"(?m)^route +not looked for")
        config["routes"] = [config["routes"][2]]
        (folder / "trial.yaml").write_text(json.dumps(config))
        self.assertRegex(said("/nowhere", "--host", "h.example")[1],
                         r"(?m)^route +none\nroutes\n  hosted takes host docs\.example, path /hosted$")

    def test_claims_cannot_write_to_the_terminal(self):
        out = self.text("GET", "/admin/x", user(name="\033[31mred\033[0m", roles=["\u009bx", "a\nb"]))
        self.assertNotIn("\033", out)
        self.assertNotIn("\u009b", out)

    def test_usage(self):
        config = self.door.barkeep.config_path
        for words in (["explain"], ["explain", "GET", "/"], ["explain", "-c", config, "GET", "/"],
                      ["explain", "-c", config, "--token", "x"],
                      ["explain", "-c", config, "--token", "x", "GET"],
                      ["explain", "-c", config, "--token", "x", "--claims", "y", "GET", "/"],
                      ["explain", "-c", config, "--token", "x", "--client", "nobody", "GET", "/"],
                      ["explain", "-c", config, "--token", "x", "GET", "/a\r\nX: y"],
                      ["explain", "-c", config, "--token-file", "/nonexistent", "GET", "/"],
                      ["explain", "-c", "/nonexistent", "--token", "x", "GET", "/"],
                      ["review"], ["review", "-c", config, "x"], ["diff"], ["diff", config],
                      ["diff", config, "/nonexistent"], ["review", "-c", config, "--audit", "/nonexistent"],
                      ["diff", config, config, "--audit", "/nonexistent"]):
            with self.subTest(words=words):
                code, out, err = barkeep(*words)
                self.assertEqual((2, ""), (code, out))
                self.assertTrue(err)

    def test_an_answer_that_depends_on_graph_says_so(self):
        config = json.loads(json.dumps(self.door.config))
        config["identity"] = {"managed": "system"}
        config["routes"][0]["deny"] = [{"to": {"group": tokens.APP}, "actions": ["GET /docs/**"]}]
        path = pathlib.Path(self.door.folder) / "asking.yaml"
        path.write_text(json.dumps(config))
        token = pathlib.Path(self.door.folder) / "overage-token"
        token.write_text(self.door.token(user(**OVERAGE)))
        words = ["explain", "-c", path, "--token-file", token, "GET", "/docs/x"]
        code, out, err = barkeep(*words, "--json")
        answer = json.loads(out)
        self.assertEqual((1, ""), (code, err))
        self.assertEqual(("depends", None, None, None, True),
                         tuple(answer[key] for key in ("decision", "reason", "status", "rule", "asks_graph")))
        outcomes = {row["groups_of"]: (row["outcome"], row["answer"]) for row in answer["with_groups"]}
        self.assertEqual({"no group": ("deny", "403 no_role"),
                          "routes.main.deny[0]": ("deny", "403 denied by routes.main.deny[0]"),
                          "routes.main.access[2]": ("allow", "by routes.main.access[2]")}, outcomes)
        code, out, _ = barkeep(*words)
        self.assertEqual(1, code)
        self.assertRegex(out.splitlines()[0], "^answer +depends on Microsoft Graph: ")
        self.assertRegex(out, r"(?m)^  routes\.main\.access\[2\] +allow +by routes\.main\.access\[2\]$")
        _, answer = self.explain("GET", "/docs/x", user(**OVERAGE))
        self.assertEqual(("deny", "groups_unknown", []),
                         (answer["decision"], answer["reason"], answer["with_groups"]), "nobody to ask")

    def test_what_is_odd_about_a_request_is_noted(self):
        def note(about, method, target, **more):
            _, answer = self.explain(method, target, user(), **more)
            return {row["about"]: row["text"] for row in answer["notes"]}.get(about)
        self.assertIn("upper case", note("method", "get", "/public/x"))
        self.assertIsNone(note("method", "GET", "/public/x"))
        for target, said in (("/a//b", "an empty segment at the end of `/a//`: two slashes"),
                             ("/a/..%2fb/c", "`..%2fb` at the end of `/a/..%2fb/`"),
                             ("/../x", "it leads above the root"), ("/a;b", "semicolon")):
            with self.subTest(target=target):
                self.assertIn(said, note("path", "GET", target))
        self.assertIsNone(note("path", "GET", "/public/x"))

    def test_a_url_brings_its_host(self):
        path = pathlib.Path(self.door.folder) / "url-token"
        path.write_text(self.door.token(user()))
        for words, host, route in ((["http://docs.example/hosted/x?y"], "docs.example", "hosted"),
                                   (["https://docs.example:8443/hosted"], "docs.example:8443", "hosted"),
                                   (["https://docs.example"], "docs.example", "main"),
                                   (["--host", "gw.example", "http://docs.example/hosted"], "gw.example", "main")):
            with self.subTest(words=words):
                _, out, err = barkeep("explain", "-c", self.door.barkeep.config_path, "--token-file", path,
                                      "--json", "GET", *words)
                answer = json.loads(out)
                self.assertEqual((host, route), (answer["request"]["host"], answer["route"]["name"]), err)

    def test_an_unknown_key_is_named(self):
        token = self.door.token(user())
        header, rest = token.split(".", 1)
        document = json.loads(base64.urlsafe_b64decode(header + "=="))
        document["kid"] = "key-of-another-place"
        header = base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
        _, answer = self.explain("GET", "/public/x", token=f"{header}.{rest}")
        notes = {row["about"]: row["text"] for row in answer["notes"]}
        self.assertIn("key-of-another-place", notes["keys"])

    def test_bodies_are_taken_and_not_looked_at(self):
        _, answer = self.explain("PUT", "/public/x", user(), options=["--body", "/dev/null"])
        self.assertIn("body", [note["about"] for note in answer["notes"]])


class ReviewAndDiff(ExplainCase):
    def ask(self, method, target, claims):
        data = raw.request(method, target, token=self.door.token(claims))
        with self.door.client() as client:
            response = client.exchange(data, method)
        self.door.audit.wait_for(response.request_id)

    def variant(self, name, change):
        config = json.loads(json.dumps(self.door.config))
        change(config)
        path = pathlib.Path(self.door.folder) / f"{name}.yaml"
        path.write_text(json.dumps(config))
        return path

    def diff(self, after, *options):
        code, out, err = barkeep("diff", self.door.barkeep.config_path, after, "--json", *options)
        self.assertEqual("", err)
        return code, json.loads(out)

    def test_review_tells_who_may_and_who_did(self):
        self.ask("PUT", "/admin/x", user(roles=["Admin"]))
        self.ask("GET", "/admin/x", user())
        audit = pathlib.Path(self.door.folder) / "copied.audit"
        audit.write_bytes(self.door.audit.raw() + b"no json\n" + b"x" * 200000 + b"\n" + b'{"event":"requ')
        code, out, err = barkeep("review", "-c", self.door.barkeep.config_path, "--json", "--audit", audit)
        self.assertEqual((0, ""), (code, err))
        review = json.loads(out)
        rules = {rule["rule"]: rule for route in review["routes"] for rule in route["rules"]}
        manager = rules["routes.main.access[1]"]
        self.assertEqual("app_role Admin", manager["principals"])
        self.assertEqual("writer", manager["credential"]["name"])
        self.assertGreaterEqual(manager["requests"], 1)
        self.assertIn(tokens.USER, manager["used_by"][0]["principal"])
        self.assertEqual(0, rules["routes.other.access[0]"]["requests"])
        self.assertIn("no_role", [row["reason"] for row in review["refused"]])
        self.assertEqual((2, 1), (review["audit"]["bad_lines"], review["audit"]["cut_lines"]))
        code, out, _ = barkeep("review", "-c", self.door.barkeep.config_path, "--audit", audit)
        self.assertEqual(0, code)
        self.assertIn("never", out)
        self.assertNotIn(SECRET, out)

    def test_only_lines_of_this_configuration_count(self):
        def trial(config):
            config["routes"][0]["access"][3]["shadow"] = True
        path = self.variant("trial", trial)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        label = "routes.main.access[3]"
        request = {"time": "2026-11-23T10:00:00.000Z", "event": "request", "id": "1", "route": "main",
                   "host": "gw.example", "method": "GET", "path": "/x", "status": 403, "decision": "deny",
                   "reason": "no_role", "rule": None, "shadow": [label],
                   "principal": {"type": "app", "tenant": "t", "oid": "o", "app": "a"}}
        other = {"event": "reload", "what": "applied", "config_hash": "0" * 64}
        audit = pathlib.Path(self.door.folder) / "mixed.audit"
        events = [request, {"event": "start", "config_hash": digest}, request, request, other, request]
        audit.write_text("".join(json.dumps(event) + "\n" for event in events))
        _, out, _ = barkeep("review", "-c", path, "--json", "--audit", audit)
        review = json.loads(out)
        rule = next(row for row in review["routes"][0]["rules"] if row["rule"] == label)
        self.assertEqual((0, 3), (rule["requests"], rule["would_decide"]))
        self.assertEqual((3, 1, 1), tuple(review["audit"][key] for key in ("requests", "other_config", "unplaced")))
        _, out, _ = barkeep("review", "-c", path, "--audit", audit)
        told = out[out.index(label):].split("\n  routes.")[0]
        self.assertIn("shadow would have decided 3 requests, last 2026-11-23T10:00:00.000Z", re.sub(" +", " ", told))
        self.assertNotIn("never", told)
        self.assertIn("left out: 1 recorded under another configuration", out)
        self.assertIn("note: no start or reload stands before 1 of these requests", out)
        _, out, _ = barkeep("diff", path, self.door.barkeep.config_path, "--json", "--audit", audit)
        answer = json.loads(out)
        self.assertEqual((1, 1), (answer["other_config"], answer["unplaced"]))
        _, out, _ = barkeep("diff", self.door.barkeep.config_path, path, "--json", "--audit", audit)
        self.assertEqual((4 - 1, 1), (json.loads(out)["other_config"], json.loads(out)["unplaced"]))

    def test_nothing_changed(self):
        code, answer = self.diff(self.door.barkeep.config_path)
        self.assertEqual((0, [], []), (code, answer["parts"], answer["rules"]))

    def test_changed_parts_and_rules_are_named(self):
        def change(config):
            config["routes"][0]["access"][1]["to"] = {"app_role": "Boss"}
            config["routes"][1]["access"].append({"role": "Reader", "to": {"everyone": True}})
            del config["routes"][0]["access"][7]
        code, answer = self.diff(self.variant("changed", change))
        self.assertEqual(1, code)
        self.assertEqual({"routes.main", "routes.other"}, {part["name"] for part in answer["parts"]})
        self.assertEqual({("changed", "routes.main.access[1]"), ("removed", "routes.main.access[7]"),
                          ("added", "routes.other.access[1]")},
                         {(rule["change"], rule["name"]) for rule in answer["rules"]})

    def test_recorded_requests_are_decided_again(self):
        self.ask("PUT", "/admin/x", user(roles=["Admin"]))
        self.ask("GET", "/docs/x", user(groups=[GROUP]))
        self.ask("GET", "/other/x", user())

        def take_away(config):
            config["roles"]["Manager"]["actions"] = ["GET /admin/**"]
        audit = ("--audit", self.door.audit.path)
        code, answer = self.diff(self.variant("less", take_away), *audit)
        self.assertEqual(1, code)
        self.assertEqual(1, len(answer["different"]), answer)
        self.assertIn("PUT /admin/x", answer["different"][0]["request"])

        def ask_for_another_role(config):
            config["routes"][0]["access"][1]["to"] = {"app_role": "Boss"}
        code, answer = self.diff(self.variant("boss", ask_for_another_role), *audit)
        self.assertEqual((1, []), (code, answer["different"]))
        self.assertTrue(any("PUT /admin/x" in row["request"] for row in answer["depends"]), answer)

        def another_credential(config):
            config["routes"][0]["access"][2]["credential"] = "writer"
        code, answer = self.diff(self.variant("poured", another_credential), *audit)
        self.assertEqual(1, code)
        self.assertTrue(any("GET /docs/x" in row["request"] for row in answer["different"]), answer)

        def everyone(config):
            config["routes"][1]["access"].append({"role": "Reader", "to": {"everyone": True}})
        code, answer = self.diff(self.variant("more", everyone), *audit)
        self.assertTrue(any("GET /other/x" in row["request"] for row in answer["different"]), answer)
        code, answer = self.diff(self.door.barkeep.config_path, *audit)
        self.assertEqual((0, [], []), (code, answer["different"], answer["depends"]))


class ReadmeExample(unittest.TestCase):
    """What README.md shows is what the program says."""

    def test_the_shown_explanation_is_the_real_one(self):
        text = (process.ROOT / "README.md").read_text()
        config = re.search(r"## Configuration by example\n\n```yaml\n(.*?)```", text, re.S)[1]
        claims = re.search(r"<!-- explain claims -->\n```json\n(.*?)```", text, re.S)[1]
        shown = re.search(r"<!-- explain answer -->\n```\n(.*?)```", text, re.S)[1]
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "barkeep.yaml").write_text(config)
            (pathlib.Path(folder) / "claims.json").write_text(claims)
            code, out, err = barkeep("explain", "-c", f"{folder}/barkeep.yaml", "--claims",
                                     f"{folder}/claims.json", "GET", "/rabbit/api/queues")
        self.assertEqual((1, ""), (code, err))
        kept = re.sub(r"^token\n(?:  .*\n)+", "", out, flags=re.M)
        self.assertEqual(shown, kept)


if __name__ == "__main__":
    unittest.main()
