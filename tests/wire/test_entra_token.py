#!/usr/bin/python3
"""Tokens of barkeep's own identity in requests (`entra_token`, contract section 4), with the stand-in
as whatever issues them: whose they are, when they are renewed, and when there is none left."""

import threading
import unittest

import wire  # noqa: F401
from lib import recorder, tokens
from lib.standin_case import CLIENT_SECRET, STOCK, StandinCase, claims_of
from test_identity_standin import IDENTITY, certificate_pem

LIFETIME_SEC = 20  # of all tokens here that are made to end soon: renewed at half of it


class Token(StandinCase):
    """/stock/** injects barkeep's token for api://stock."""

    @classmethod
    def change_config(cls, config, door):
        config["identity"] = cls.identity()
        config["credentials"] = {"stock": {"entra_token": {"scope": "api://stock/.default"}}}
        cls.add_route(config, door, "stock")

    @classmethod
    def identity(cls):
        """For `identity`; may set cls.environment and turn knobs."""
        return cls.client_identity()

    def asked(self, endpoint="token"):
        return self.standin.counters()[endpoint]


class Whose:
    """`client_id` is who barkeep is."""

    client_id = tokens.API

    def test_the_upstream_gets_barkeeps_token(self):
        authorization = self.sent("/stock/x", ("X-Other", "1"))
        claims = claims_of(authorization)
        self.assertIn(claims["aud"], (STOCK, "api://stock"))
        self.assertEqual(self.client_id, claims.get("azp") or claims["appid"])
        self.assertNotIn("scp", claims)
        self.assertNotEqual(f"Bearer {self.token}", authorization)


class Imds(Whose, Token):
    client_id = IDENTITY

    @classmethod
    def identity(cls):
        cls.environment = cls.standin.identity_env("imds")
        return {"managed": IDENTITY}


class AppService(Whose, Token):
    client_id = IDENTITY

    @classmethod
    def identity(cls):
        cls.environment = cls.standin.identity_env("app_service")
        return {"managed": "system"}


class ClientSecret(Whose, Token):
    def test_one_token_however_many_calls(self):
        first, before = self.sent("/stock/x"), self.asked()
        statuses = []
        callers = [threading.Thread(target=lambda: statuses.append(self.ask("/stock/x").status))
                   for _ in range(20)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        self.assertEqual([200] * 20, statuses)
        self.assertEqual(first, self.sent("/stock/x"))
        self.assertEqual(before, self.asked())

    def test_it_is_written_nowhere(self):
        token = self.sent("/stock/x").partition(" ")[2]
        self.door.upstream.on("/echo", lambda peer, request: (
            peer.read_body(request), peer.send(recorder.answer(200, request.head))))
        answer = self.ask("/stock/echo")
        self.door.audit.wait_for(answer.request_id)
        server = self.door.barkeep.process
        written = (answer.head + answer.body + self.door.audit.raw() + server.stderr().encode()
                   + server.stdout().encode())
        for text in (token, token.rpartition(".")[2], CLIENT_SECRET):
            self.assertNotIn(text.encode(), written)


class ClientCertificate(Whose, Token):
    @classmethod
    def identity(cls):
        both, public = certificate_pem()
        cls.standin.knob(f"apps/{tokens.API}", {"certificate": public})
        return {"client": {"id": tokens.API, "certificate_file": cls.file("both.pem", both)}}


class Workload(Whose, Token):
    @classmethod
    def identity(cls):
        cls.environment = {
            "AZURE_CLIENT_ID": tokens.API, "AZURE_TENANT_ID": tokens.TENANT,
            "AZURE_FEDERATED_TOKEN_FILE": cls.file("token", cls.standin.service_account() + "\n"),
            "AZURE_AUTHORITY_HOST": cls.standin.url("/")}
        return {"workload": {}}


class Renewal(Token):
    """Tokens that end soon."""

    @classmethod
    def identity(cls):
        cls.standin.knob("tokens", {"lifetime_sec": LIFETIME_SEC})
        return cls.client_identity()

    def test_it_is_renewed_before_it_ends(self):
        first, before = self.sent("/stock/x"), self.asked()
        ends = claims_of(first)["exp"]
        self.wait_for(lambda: self.sent("/stock/x") != first, "the next token", LIFETIME_SEC + 30)
        self.assertGreater(claims_of(self.sent("/stock/x"))["exp"], ends)
        self.assertLessEqual(self.asked() - before, 3)


class IdentityGone(Token):
    """Nobody can renew the token: it serves until it ends, then its route alone does not."""

    @classmethod
    def identity(cls):
        cls.environment = cls.standin.identity_env("imds")
        cls.standin.knob("tokens", {"lifetime_sec": LIFETIME_SEC})
        return {"managed": "system"}

    def test_it_serves_until_its_end(self):
        held = self.sent("/stock/x")
        self.standin.knob("faults", {"endpoint": "imds", "count": -1, "status": 500})
        before, served = self.asked("imds"), set()

        def has_ended():
            response = self.ask("/stock/x")
            if response.status == 200:
                served.add(self.door.upstream.last().all("Authorization")[0])
                return False
            self.check_refused(response, 503, "secret_unavailable")
            return True

        self.wait_for(lambda: self.asked("imds") > before, "a try to renew", LIFETIME_SEC + 30)
        self.assertEqual(held, self.sent("/stock/x"), "a failed try changes nothing")
        self.wait_for(has_ended, "the end of the token", LIFETIME_SEC + 30)
        self.assertLessEqual(served, {held})
        self.assertTrue(self.events("identity", what="failed"))
        for _ in range(20):
            self.check_refused(self.ask("/stock/x"), 503, "secret_unavailable")
        self.assertLessEqual(self.asked("imds") - before, 20, "no storm")
        self.standin.knob("faults/clear")
        self.wait_for(lambda: self.ask("/stock/x").status == 200, "the next token", 90)
        self.assertTrue(self.events("identity", what="recovered"))


class Refused(Token):
    def test_an_upstreams_401_brings_one_new_token_and_a_replay(self):
        """What was exchanged for a token that upstream takes no more; afterwards it is left alone."""
        first, before = self.sent("/stock/x"), self.asked()
        challenge = ("WWW-Authenticate", 'Bearer realm="stock"')

        def play(peer, request):
            peer.read_body(request)
            is_refused = request.all("Authorization") == [first] or request.path == "/never"
            peer.send(recorder.answer(401, b"no", [challenge]) if is_refused else recorder.answer())

        self.door.upstream.on("/late", play)
        self.door.upstream.on("/never", play)
        mark = self.door.upstream.mark()
        self.assertEqual(200, self.ask("/stock/late").status)
        seen = [request.all("Authorization")[0] for request in self.door.upstream.since(mark)]
        self.assertEqual(2, len(seen))
        self.assertEqual(first, seen[0])
        self.assertEqual(before + 1, self.asked())
        for _ in range(10):
            response = self.ask("/stock/never")
            self.check_refused(response, 502, "upstream_credential_refused")
            self.assertNotIn(b"stock", response.head + response.body)
        self.assertEqual(before + 1, self.asked(), "a new one once a minute at most")


if __name__ == "__main__":
    unittest.main()
