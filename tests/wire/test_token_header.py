#!/usr/bin/python3
"""Tokens in a header of the route's choice: read from there and only there, never sent on, and the
caller's own Authorization left free."""

import pathlib
import unittest

import wire  # noqa: F401
from lib import raw
from lib.case import WireCase

NAME = "X-Barkeep-Authorization"
MISSING, MALFORMED = "token_missing", "token_malformed"
OWN = "Basic b3duOnNlY3JldA=="
KEY = "canary-key-51f0"


class TokenHeader(WireCase):
    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text(KEY)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"bearer": {"bearer": "local/key"},
                                 "key": {"headers": {"X-Api-Key": "{local/key}"}}}
        cls.add(config, door, "own", token_header=NAME)
        cls.add(config, door, "odd", token_header="X-Api-Token")
        cls.add(config, door, "bearer", token_header=NAME, credential="bearer")
        cls.add(config, door, "key", token_header=NAME, credential="key")
        cls.add(config, door, "plain", token_header="authorization")

    @staticmethod
    def add(config, door, name, **options):
        config["routes"].append({
            "name": name, "path": f"/{name}", "upstream": door.upstream.url, **options,
            "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    def get(self, *headers, route="own"):
        return raw.request("GET", f"/{route}/x", headers)

    def bearer(self, name=NAME):
        return name, f"Bearer {self.token}"

    def test_reads_the_token_there_and_sends_it_nowhere(self):
        for name in (NAME, NAME.lower(), NAME.upper()):
            for scheme in ("Bearer", "bearer", "BEARER"):
                with self.subTest(name=name, scheme=scheme):
                    response, request = self.allow(self.get((name, f"{scheme} {self.token}")))
                    self.check_forwarded(request, response, "GET", "/x")
                    self.assertNotIn(self.token.encode(), request.head)

    def test_callers_authorization_passes_unchanged(self):
        for value in (OWN, "Bearer of.my.own", "Digest a=\"b\", c=d", f"Bearer {self.token}x", ""):
            for name in ("Authorization", "AUTHORIZATION"):
                with self.subTest(value=value, name=name):
                    headers = [(name, value)]
                    response, request = self.allow(self.get(self.bearer(), *headers))
                    self.check_forwarded(request, response, "GET", "/x", headers)

    def test_connection_cannot_remove_the_callers_authorization_nor_the_token(self):
        headers = [("Authorization", OWN)]
        response, request = self.allow(self.get(
            ("Connection", f"Authorization, {NAME}"), self.bearer(), *headers))
        self.check_forwarded(request, response, "GET", "/x", headers)

    def test_authorization_is_no_place_for_a_token_here(self):
        for headers in ([], [("Authorization", f"Bearer {self.token}")]):
            with self.subTest(headers=len(headers)):
                response = self.refuse(self.get(*headers), 401, MISSING)
                self.assertEqual("Bearer", response.one("WWW-Authenticate"))

    def test_challenges_are_the_same(self):
        for value, reason in ((f"Basic {self.token}", MISSING), (self.token, MALFORMED),
                              ("Bearer", MALFORMED), (f"Bearer  {self.token}", MALFORMED),
                              (f"Bearer {self.token} x", MALFORMED),
                              (f"Bearer {self.token},x", MALFORMED),
                              (f"Bearer {self.token[:-8]}AAAAAAAA", "token_signature")):
            with self.subTest(value=value[:12], reason=reason):
                own = self.refuse(self.get((NAME, value)), 401, (reason, MISSING, MALFORMED))
                plain = self.refuse(raw.request("GET", "/public/x", [("Authorization", value)]), 401)
                self.assertEqual(plain.one("WWW-Authenticate"), own.one("WWW-Authenticate"))

    def test_refuses_more_than_one(self):
        for headers in ([self.bearer(), self.bearer()],
                        [self.bearer(), (NAME.lower(), "x")],
                        [self.bearer(), ("Authorization", OWN), ("authorization", OWN)]):
            with self.subTest(headers=[name for name, _ in headers]):
                self.refuse(self.get(*headers), 400, "bad_request")

    def test_names_that_are_not_quite_it(self):
        for name in ("X-Barkeep-Authorization-", "XBarkeep-Authorization", "X-Barkeep-Auth"):
            with self.subTest(name=name):
                self.refuse(self.get(self.bearer(name)), 401, MISSING)
        self.refuse(self.get(self.bearer("X_Barkeep_Authorization")), 400, "bad_request")

    def test_any_name_will_do_and_never_passes(self):
        response, request = self.allow(self.get(self.bearer("x-api-token"), ("X-Stays", "1"),
                                                route="odd"))
        self.check_forwarded(request, response, "GET", "/x", [("X-Stays", "1")])

    def test_a_granted_authorization_takes_the_callers_place(self):
        response, request = self.allow(self.get(self.bearer(), ("Authorization", OWN),
                                                route="bearer"))
        self.assertEqual([f"Bearer {KEY}"], request.all("Authorization"))
        self.assertEqual(200, response.status)

    def test_another_credential_leaves_the_callers_alone(self):
        _, request = self.allow(self.get(self.bearer(), ("Authorization", OWN), route="key"))
        self.assertEqual([OWN], request.all("Authorization"))
        self.assertEqual([KEY], request.all("X-Api-Key"))

    def test_the_default_by_name_is_the_default(self):
        response, request = self.allow(self.get(self.bearer("Authorization"), route="plain"))
        self.check_forwarded(request, response, "GET", "/x")

    def test_elsewhere_the_header_means_nothing_and_does_not_pass(self):
        response, request = self.allow(raw.request("GET", "/public/x", [(NAME, "Bearer x")],
                                                   token=self.token))
        self.check_forwarded(request, response, "GET", "/public/x")


if __name__ == "__main__":
    unittest.main()
