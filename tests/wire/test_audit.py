#!/usr/bin/python3
"""The audit log: one JSON line per request, whatever the request (CASES.md K 217-219)."""

import json
import re
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder, tokens
from lib.case import WireCase
from lib.net import patient

TIME = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z")
ALWAYS = {"time", "event", "id", "client", "method", "path", "status", "decision", "duration_ms",
          "bytes_in", "bytes_out"}
MEMBERS = ALWAYS | {"route", "host", "reason", "rule", "principal", "token", "credential", "secrets",
                    "upstream", "upstream_status", "upstream_ms", "mcp", "shadow"}


class Audit(WireCase):
    def line_of(self, response):
        line = self.door.audit.wait_for(response.request_id)
        self.assertLessEqual(ALWAYS, set(line))
        self.assertLessEqual(set(line), MEMBERS)
        self.assertRegex(line["time"], f"^{TIME.pattern}$")
        self.assertEqual("127.0.0.1", line["client"].partition(":")[0])
        self.assertGreaterEqual(line["duration_ms"], 0)
        return line

    def ask(self, data, method="GET"):
        with self.door.client() as client:
            return client.exchange(data, method)

    def test_an_allowed_request_is_told_in_full(self):
        self.door.upstream.on("/public/told", recorder.answer(201, b"12345"))
        claims = tokens.user()
        data = raw.request("POST", "/public/told?secret=query", [("Cookie", "canary-cookie=1")],
                           b"canary-body", self.door.token(claims))
        response = self.ask(data)
        line = self.line_of(response)
        self.assertEqual(
            ("request", "main", "gw.example", "POST", "/public/told", 201, 201, "allow", ""),
            (line["event"], line["route"], line["host"], line["method"], line["path"],
             line["status"], line["upstream_status"], line["decision"], line.get("reason") or ""))
        self.assertEqual({"type": "user", "tenant": tokens.TENANT, "oid": tokens.USER,
                          "app": tokens.APP}, line["principal"])
        self.assertEqual({"uti": claims["uti"], "kid": self.door.key.kid}, line["token"])
        self.assertIn("main", line["rule"])
        self.assertIn(self.door.upstream.authority, line["upstream"])
        self.assertGreaterEqual(line["bytes_in"], len(b"canary-body"))
        self.assertGreaterEqual(line["bytes_out"], len(b"12345"))
        self.assertGreaterEqual(line["upstream_ms"], 0)
        for text in (b"canary-cookie", b"canary-body", b"secret=query", self.token.encode()):
            self.assertNotIn(text, self.door.audit.raw())

    def test_an_app_is_told_as_an_app(self):
        data = raw.request("GET", "/public/x", token=self.door.token(tokens.app()))
        principal = self.line_of(self.ask(data))["principal"]
        self.assertEqual(("app", tokens.APP_OBJECT, tokens.APP),
                         (principal["type"], principal["oid"], principal["app"]))

    def test_refusals_are_told_with_their_reason(self):
        expired = self.door.token(tokens.user(exp=1500000000, nbf=1400000000, iat=1400000000))
        for data, status, reason, decision in (
                (raw.request("GET", "/public/x"), 401, "token_missing", "deny"),
                (raw.request("GET", "/public/x", token=expired), 401, "token_expired", "deny"),
                (raw.request("GET", "/admin/x", token=self.token), 403, "no_role", "deny"),
                (raw.request("TRACE", "/public/x", token=self.token), 405, "method_refused", "deny"),
                (raw.request("GET", "/public/%00", token=self.token), 400, "path_ambiguous", "deny"),
                (raw.request("GET", "/x", [("X_A", "b")]), 400, "bad_request", "deny")):
            with self.subTest(reason=reason):
                line = self.line_of(self.refuse(data, status, None))
                self.assertEqual((status, decision), (line["status"], line["decision"]))
                if reason != "path_ambiguous":
                    self.assertEqual(reason, line["reason"])

    def test_a_refused_role_names_its_principal(self):
        line = self.line_of(self.refuse(raw.request("GET", "/admin/x", token=self.token), 403))
        self.assertEqual(tokens.USER, line["principal"]["oid"])
        self.assertEqual("main", line["route"])

    def test_upstream_failures_are_errors(self):
        self.door.upstream.on("/public/broken", lambda peer, request: peer.reset())
        response = self.ask(raw.request("POST", "/public/broken", (), b"x", self.token))
        line = self.line_of(response)
        self.assertEqual((502, "error"), (line["status"], line["decision"]))

    def test_every_malformed_request_has_its_line(self):
        """Case 29 of the advisories: logging what is not there must not fail."""
        before = self.audit_count()
        count = 0
        for data in (b"GET /x HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"\0\r\n\r\n", b"GET\r\n\r\n",
                     b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"GET /x HTTP/1.1\r\nHost:\r\n\r\n",
                     b"GET /x HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", b"G\x1b[2J / HTTP/1.1\r\n\r\n",
                     b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 65536 + b"\r\n\r\n",
                     b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
            self.refuse(data, (400, 414, 431, 505))
            count += 1
        self.assertEqual(count, self.audit_count() - before)

    def test_hostile_texts_stay_one_valid_line(self):
        """Case 219."""
        for target in ("/public/%22%7d", "/public/'", "/public/%e2%80%a8", "/public/&",
                       "/public/" + "a" * 7000, "/public/%f0%9f%8d%ba"):
            with self.subTest(target=target[:30]):
                line = self.line_of(self.ask(raw.request("GET", target, token=self.token)))
                self.assertTrue(line["path"].startswith("/public/"))
        for uti in ('"}', "a\nb", "\x1b[2J", "\u2028", "\U0001f37a", "u" * 5000, "\\"):
            with self.subTest(uti=uti[:10]):
                token = self.door.token(tokens.user(uti=uti))
                response = self.ask(raw.request("GET", "/public/x", token=token))
                self.line_of(response)
        for kid in ('"}', "a\nb", "\x1b[2J", "k" * 3000):
            with self.subTest(kid=kid[:10]):
                token = self.door.token(header={"kid": kid})
                self.line_of(self.ask(raw.request("GET", "/public/x", token=token)))
        for text in (b"\x1b", b"\r"):
            self.assertNotIn(text, self.door.audit.raw())

    def test_requests_without_an_answer_have_their_line(self):
        """Case 218: the client is gone before the upstream answers."""
        began, release = threading.Event(), threading.Event()

        def script(peer, request):
            peer.read_body(request)
            began.set()
            release.wait(patient(5))

        self.door.upstream.on("/public/gone", script)
        before = self.audit_count()
        client = self.door.client()
        client.send(raw.request("GET", "/public/gone", token=self.token))
        self.assertTrue(began.wait(patient(5)))
        client.reset()
        self.wait_for(lambda: len(self.door.audit.requests()) == before + 1, "its audit line")
        release.set()
        line = self.door.audit.requests()[-1]
        self.assertEqual("/public/gone", line["path"])
        self.assertEqual("allow", "allow" if line["decision"] in ("allow", "error") else "deny")

    def test_ids_are_unique_and_lines_match_requests(self):
        before = self.audit_count()
        with self.door.client() as client:
            for _ in range(200):
                client.exchange(raw.request("GET", "/public/x", token=self.token))
        self.assertEqual(before + 200, self.audit_count())
        ids = [line["id"] for line in self.door.audit.requests()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_start_is_an_event(self):
        events = [event["event"] for event in self.door.audit.read()]
        self.assertIn("start", events)
        self.assertLessEqual(set(events), {"start", "request", "keys", "secret", "reload", "stop"})


class HiddenReasons(WireCase):
    """expose_reasons: false keeps reasons out of answers, not out of the audit."""

    @classmethod
    def change_config(cls, config, door):
        config["expose_reasons"] = False

    def test_reasons_are_in_the_audit_only(self):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/admin/x", token=self.token))
        self.assertEqual(403, response.status)
        problem = json.loads(response.body)
        self.assertNotIn("reason", problem)
        self.assertNotIn("no_role", response.body.decode())
        self.assertEqual("no_role", self.door.audit.wait_for(response.request_id)["reason"])


class FullDiskCase(WireCase):
    """An audit log that cannot be written (case 217). No control: there is nothing to read back."""

    becomes_ready = False

    @classmethod
    def serves(cls):
        return True

    def control(self):
        pass


class FullDisk(FullDiskCase):
    @classmethod
    def change_config(cls, config, door):
        config["log"]["audit"] = "/dev/full"

    def test_nothing_passes_unwritten(self):
        def last_answer():
            with self.door.client() as client:
                response = client.exchange(raw.request("GET", "/public/x", token=self.token))
            return response if response.status == 503 else None

        response = self.wait_for(last_answer, "the log's failure shows", 20)
        self.assertEqual("audit_unavailable", json.loads(response.body)["reason"])
        for _ in range(20):
            mark = self.door.upstream.mark()
            self.assertIsNotNone(last_answer())
            self.assertTrue(self.door.upstream.is_untouched(mark))


class FullDiskDropping(FullDiskCase):
    """The operator chose to lose lines rather than requests."""

    @classmethod
    def change_config(cls, config, door):
        config["log"].update({"audit": "/dev/full", "on_full": "drop"})

    def test_requests_pass_and_losses_are_counted(self):
        with self.door.client() as client:
            for _ in range(50):
                response = client.exchange(raw.request("GET", "/public/x", token=self.token))
                self.assertEqual(200, response.status)
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_audit_lost_total"] >= 50,
                      "losses in the metrics")


if __name__ == "__main__":
    unittest.main()
