#!/usr/bin/python3
"""What upstreams are told of the caller: App Service's headers, signed assertions, and the keys that
verify them."""

import base64
import json
import pathlib
import time
import unittest
import urllib.parse

import wire  # noqa: F401
from lib import assertions, raw, tokens
from lib.case import WireCase

JWKS = "/.well-known/barkeep/jwks.json"
NAMED, UNNAMED = tokens.GROUP, "77777777-2c3d-4e5f-8091-a2b3c4d5e6f7"
EASYAUTH = ["X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-ID", "X-MS-CLIENT-PRINCIPAL-IDP",
            "X-MS-CLIENT-PRINCIPAL-NAME"]
ASSERTION = "X-Barkeep-Assertion"
EVIL = "evil-c41d"
MICROSOFT = "http://schemas.microsoft.com/identity/claims/"
SUBJECT = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"


class IdentityCase(WireCase):
    @staticmethod
    def add(config, door, kind):
        config["routes"].append({
            "name": kind, "path": f"/{kind}", "upstream": door.upstream.url,
            "identity_headers": kind,
            "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    def ask(self, kind, claims=None, headers=(), token=None):
        """What the upstream saw."""
        token = token or self.door.token(claims)
        _, request = self.allow(raw.request("GET", f"/{kind}/x", headers, token=token))
        return request

    def fetch(self, target=JWKS, method="GET", **options):
        with self.door.client() as client:
            return client.exchange(raw.request(method, target, **options), method)

    def jwks(self):
        response = self.fetch()
        self.assertEqual(200, response.status, response.body)
        return json.loads(response.body)

    def verified(self, request):
        """Header and claims of the assertion at the upstream."""
        values = request.all(ASSERTION)
        self.assertEqual(1, len(values))
        return assertions.verify(values[0], self.jwks())

    def principal(self, request):
        """auth_typ and so on, and type -> values."""
        values = request.all("X-MS-CLIENT-PRINCIPAL")
        self.assertEqual(1, len(values))
        document = json.loads(base64.b64decode(values[0], validate=True))
        claims = {}
        for claim in document.pop("claims"):
            self.assertEqual({"typ", "val"}, set(claim))
            claims.setdefault(claim["typ"], []).append(claim["val"])
        return document, claims

    def names_at(self, request):
        return sorted(name for name in request.names()
                      if name.startswith(("x-ms-", "x-barkeep-")))


class IdentityHeaders(IdentityCase):
    @classmethod
    def change_config(cls, config, door):
        for kind in ("easyauth", "assertion", "both", "none"):
            cls.add(config, door, kind)
        config["routes"][0]["access"].append({"role": "Reader", "to": {"group": NAMED}})

    def test_each_route_tells_what_it_is_asked_to(self):
        easyauth, assertion = sorted(name.lower() for name in EASYAUTH), [ASSERTION.lower()]
        for kind, names in (("easyauth", easyauth), ("assertion", assertion),
                            ("both", sorted(easyauth + assertion)), ("none", [])):
            with self.subTest(kind=kind):
                self.assertEqual(names, self.names_at(self.ask(kind)))

    def test_easyauth_tells_who_the_user_is(self):
        request = self.ask("easyauth", tokens.user(
            preferred_username="mira@fabrikam.example", roles=["b", "a"], scp="x.y z",
            groups=[UNNAMED, NAMED]))
        self.assertEqual([tokens.USER], request.all("X-MS-CLIENT-PRINCIPAL-ID"))
        self.assertEqual(["mira@fabrikam.example"], request.all("X-MS-CLIENT-PRINCIPAL-NAME"))
        self.assertEqual(["aad"], request.all("X-MS-CLIENT-PRINCIPAL-IDP"))
        document, claims = self.principal(request)
        self.assertEqual({"auth_typ", "name_typ", "role_typ"}, set(document))
        self.assertEqual("aad", document["auth_typ"])
        self.assertEqual(["mira@fabrikam.example"], claims[document["name_typ"]])
        self.assertEqual(["a", "b"], claims[document["role_typ"]])
        self.assertEqual([tokens.USER], claims[MICROSOFT + "objectidentifier"])
        self.assertEqual([tokens.TENANT], claims[MICROSOFT + "tenantid"])
        self.assertEqual(["x.y z"], claims[MICROSOFT + "scope"])
        self.assertEqual([tokens.user()["sub"]], claims[SUBJECT])
        self.assertEqual([NAMED], claims["groups"], "only groups that the rules name")

    def test_easyauth_tells_who_the_application_is(self):
        for version, claim in ((1, "appid"), (2, "azp")):
            with self.subTest(version=version):
                request = self.ask("easyauth", tokens.app(version))
                self.assertEqual([tokens.APP_OBJECT], request.all("X-MS-CLIENT-PRINCIPAL-ID"))
                self.assertEqual([tokens.APP], request.all("X-MS-CLIENT-PRINCIPAL-NAME"))
                claims = self.principal(request)[1]
                self.assertEqual([tokens.APP], claims[claim])
                self.assertEqual(["app"], claims["idtyp"])

    def test_no_name_can_leave_its_header(self):
        for name in ("a b", "a\r\nX-Admin: yes", "a\0b", "Ingr\u00edd", "\u202e", "100%41", "\t",
                     " x ", "a, b", '"', "\x7f", "x" * 256):
            with self.subTest(name=name[:20]):
                request = self.ask("both", tokens.user(preferred_username=name))
                (value,) = request.all("X-MS-CLIENT-PRINCIPAL-NAME")
                self.assertEqual(name, urllib.parse.unquote(value, errors="strict"))
                self.assertTrue(all(0x21 <= ord(c) <= 0x7e for c in value))
                self.assertEqual([], request.all("X-Admin"))
                self.assertEqual(5, len(self.names_at(request)))

    def test_names_come_in_order_of_preference(self):
        for claims, name in (({"preferred_username": "p", "upn": "u"}, "p"),
                             ({"upn": "u", "unique_name": "q"}, "u"),
                             ({"unique_name": "q"}, "q"), ({}, "Mira%20Okafor"),
                             ({"name": tokens.DROP}, tokens.USER),
                             ({"preferred_username": ["p"]}, "Mira%20Okafor"),
                             ({"preferred_username": "x" * 257}, tokens.USER)):
            with self.subTest(claims=list(claims)):
                request = self.ask("easyauth", tokens.user(**claims))
                self.assertEqual([name], request.all("X-MS-CLIENT-PRINCIPAL-NAME"))

    def test_assertion_tells_who_the_user_is(self):
        now = int(time.time())
        header, claims = self.verified(self.ask("assertion", tokens.user(
            roles=["b", "a"], scp="x.y z", groups=[UNNAMED, NAMED])))
        self.assertEqual({"typ", "alg", "kid"}, set(header))
        self.assertEqual(("JWT", "ES256"), (header["typ"], header["alg"]))
        for name, value in (("iss", "barkeep"), ("aud", "assertion"), ("oid", tokens.USER),
                            ("tid", tokens.TENANT), ("azp", tokens.APP), ("idtyp", "user"),
                            ("roles", ["a", "b"]), ("scp", "x.y z"), ("groups", [NAMED]),
                            ("sub", tokens.user()["sub"])):
            self.assertEqual(value, claims[name], name)
        self.assertLess(abs(claims["iat"] - now), 30)
        self.assertEqual(claims["iat"], claims["nbf"])
        self.assertEqual(claims["iat"] + 300, claims["exp"])

    def test_assertion_tells_who_the_application_is(self):
        claims = self.verified(self.ask("assertion", tokens.app()))[1]
        self.assertEqual("app", claims["idtyp"])
        self.assertEqual(tokens.APP_OBJECT, claims["sub"])
        self.assertEqual([], claims["groups"])
        self.assertNotIn("scp", claims)

    def test_unknown_groups_are_not_no_groups(self):
        for mark in ({"hasgroups": True}, {"_claim_names": {"groups": "src1"}}):
            with self.subTest(mark=mark):
                request = self.ask("both", tokens.user(**mark))
                claims = self.verified(request)[1]
                self.assertNotIn("groups", claims)
                self.assertIs(True, claims["hasgroups"])
                self.assertEqual(["true"], self.principal(request)[1]["hasgroups"])

    def test_assertion_never_outlives_the_token(self):
        given = tokens.user(lifetime=100)
        claims = self.verified(self.ask("assertion", given))[1]
        self.assertEqual(given["exp"], claims["exp"])

    def test_an_assertion_is_made_once_per_token_and_route(self):
        token, other = self.door.token(), self.door.token()
        seen = {self.ask("assertion", token=token).all(ASSERTION)[0] for _ in range(40)}
        # each of the workers has its own
        self.assertLessEqual(len(seen), 2)
        self.assertNotIn(self.ask("assertion", token=other).all(ASSERTION)[0], seen)
        request = self.ask("both", token=token)
        self.assertNotIn(request.all(ASSERTION)[0], seen)
        self.assertEqual("both", self.verified(request)[1]["aud"])

    def test_callers_copies_never_pass(self):
        names = EASYAUTH + [ASSERTION, "X-MS-CLIENT-PRINCIPAL-X", "X-Barkeep-Anything",
                            "X-MS-TOKEN-AAD-ID-TOKEN"]
        for kind in ("easyauth", "assertion", "both", "none"):
            expected = self.names_at(self.ask(kind))
            for name in names:
                for spelled in (name, name.upper(), name.lower(), name.swapcase()):
                    with self.subTest(kind=kind, name=spelled):
                        request = self.ask(kind, headers=[
                            (spelled, EVIL), ("Connection", spelled), (spelled, EVIL)])
                        self.assertNotIn(EVIL.encode(), request.head)
                        self.assertEqual(expected, self.names_at(request))
        for name in ("X_MS_CLIENT_PRINCIPAL_ID", "X-MS_CLIENT-PRINCIPAL", "X_Barkeep_Assertion"):
            with self.subTest(name=name):
                self.refuse(raw.request("GET", "/both/x", [(name, EVIL)], token=self.token), 400,
                            "bad_request")

    def test_connection_cannot_remove_what_is_told(self):
        for name in EASYAUTH + [ASSERTION]:
            with self.subTest(name=name):
                request = self.ask("both", headers=[("Connection", name)])
                self.assertEqual(5, len(self.names_at(request)))

    def test_refuses_what_does_not_fit(self):
        """Nothing is left out to make it fit; without identity headers the token is fine."""
        claims = tokens.user(roles=[f"role-{n:04}" for n in range(600)])
        token = self.door.token(claims)
        self.assertLess(len(token), 16384)
        for kind in ("easyauth", "assertion", "both"):
            with self.subTest(kind=kind):
                self.refuse(raw.request("GET", f"/{kind}/x", token=token), 431, "head_too_large")
        self.ask("none", token=token)
        fitting = self.ask("both", tokens.user(roles=[f"role-{n:03}" for n in range(100)]))
        self.assertEqual(100, len(self.verified(fitting)[1]["roles"]))
        self.assertEqual(100, len(self.principal(fitting)[1]["roles"]))

    def test_nothing_of_it_is_written_anywhere(self):
        assertion = self.ask("both").all(ASSERTION)[0]
        written = self.door.audit.raw() + self.door.barkeep.process.stderr().encode()
        for part in assertion.split("."):
            self.assertNotIn(part.encode(), written)


class Keys(IdentityCase):
    """The page with the keys."""

    @classmethod
    def change_config(cls, config, door):
        cls.add(config, door, "assertion")
        config["routes"].append({
            "name": "well-known", "path": "/.well-known", "upstream": door.upstream.url,
            "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    def test_are_served_to_everyone(self):
        for options in ({}, {"host": "any.example:8443"}, {"token": "x"},
                        {"headers": [("Authorization", "a"), ("Authorization", "b")]},
                        {"version": "HTTP/1.0"}):
            with self.subTest(options=options):
                mark = self.door.upstream.mark()
                response = self.fetch(**options)
                self.assertEqual(200, response.status)
                self.assertEqual("public, max-age=300", response.one("Cache-Control"))
                self.assertEqual("application/jwk-set+json", response.one("Content-Type"))
                self.assertTrue(self.door.upstream.is_untouched(mark))
        (key,) = self.jwks()["keys"]
        self.assertEqual({"kty", "use", "alg", "kid", "crv", "x", "y"}, set(key))
        self.assertEqual(("EC", "sig", "ES256", "P-256"),
                         (key["kty"], key["use"], key["alg"], key["crv"]))

    def test_have_one_audit_line_without_route(self):
        response = self.fetch(JWKS + "?a=secret")
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual((None, "allow", 200, "GET", JWKS, None, None),
                         tuple(line[name] for name in ("route", "decision", "status", "method",
                                                       "path", "principal", "upstream")))
        self.assertNotIn(b"a=secret", self.door.audit.raw())

    def test_connection_goes_on(self):
        with self.door.client() as client:
            for method in ("GET", "HEAD", "GET"):
                response = client.exchange(raw.request(method, JWKS), method)
                self.assertEqual(200, response.status)
            self.assertGreater(int(response.one("Content-Length")), 100)
            response = client.exchange(raw.request("GET", "/assertion/x", token=self.token))
            self.assertEqual(200, response.status)

    def test_head_has_the_head_only(self):
        self.assertEqual(self.fetch().one("Content-Length"),
                         self.fetch(method="HEAD").one("Content-Length"))

    def test_can_only_be_read(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
            with self.subTest(method=method):
                response = self.refuse(raw.request(method, JWKS, token=self.token), 405,
                                       "method_refused", method=method)
                self.assertEqual("GET, HEAD", response.one("Allow"))

    def test_a_body_that_comes_along_ends_the_connection(self):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            smuggled = raw.request("GET", "/assertion/x", token=self.token)
            response = client.exchange(raw.request("GET", JWKS, body=smuggled))
            self.assertEqual(200, response.status)
            self.assertEqual("close", response.one("Connection"))
            self.assertEqual(b"", client.read_to_end())
        self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_are_never_an_upstreams(self):
        """However it is spelled, as long as it is that path."""
        for target in (JWKS, "/.well-known/%62arkeep/jwks.json", "/.well-known/barkeep/jwks%2Ejson",
                       "http://gw.example" + JWKS):
            with self.subTest(target=target):
                mark = self.door.upstream.mark()
                response = self.fetch(target, token=self.token)
                self.assertIn(response.status, (200, 400))
                self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_other_paths_are_the_routes(self):
        for rest in ("/barkeep/jwks.json/", "/barkeep/jwks.jso", "/barkeep/JWKS.json", "/barkeep",
                     "/barkeep/jwks.json/x", "/x"):
            with self.subTest(rest=rest):
                _, request = self.allow(raw.request("GET", "/.well-known" + rest,
                                                    token=self.token))
                self.assertEqual(rest, request.target)


class WithoutAssertions(IdentityCase):
    @classmethod
    def change_config(cls, config, door):
        cls.add(config, door, "easyauth")

    def test_the_page_is_nobodys(self):
        self.refuse(raw.request("GET", JWKS, token=self.token), 404, "no_route")


class KeyFromVault(IdentityCase):
    """A key that somebody else keeps, and changes."""

    becomes_ready = False  # the key comes later

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["assertion"] = {"key": "local/key.pem", "issuer": "https://gw.example"}
        config["secrets"] = {"local/key.pem": {"refresh": "1s"}}
        cls.add(config, door, "assertion")
        cls.add(config, door, "easyauth")

    def put(self, text):
        draft = self.folder / "draft"
        draft.write_text(text)
        draft.rename(self.folder / "key.pem")

    def points(self):
        return {(key["x"], key["y"]) for key in self.jwks()["keys"]}

    def use(self, key, sec1=False):
        self.put(assertions.pem(key, sec1))
        self.wait_for(lambda: [assertions.point(key)] == [  # asked once: workers learn it one by one
            (first["x"], first["y"]) for first in self.jwks()["keys"][:1]], "the key is in use", 20)

    def test_life_of_a_key(self):
        """One story: no key, a key, another one, none, junk."""
        refused = raw.request("GET", "/assertion/x", token=self.token)
        with self.subTest("without a key nothing is signed"):
            self.assertEqual([], self.jwks()["keys"])
            with self.door.client() as client:
                response = client.exchange(refused)
                self.check_refusal(response, 503, "secret_unavailable")
            self.ask("easyauth")
            status, document = self.door.barkeep.readiness()
            self.assertEqual(503, status)
            self.assertIn("key.pem", json.dumps(document))
        first, second = assertions.signing_key(), assertions.signing_key()
        token = self.door.token()
        with self.subTest("a key"):
            self.use(first)
            old = self.ask("assertion", token=token)
            claims = self.verified(old)[1]
            self.assertEqual("https://gw.example", claims["iss"])
        with self.subTest("another one signs at once, and the first still verifies"):
            self.use(second, sec1=True)
            self.assertEqual({assertions.point(first), assertions.point(second)}, self.points())
            header = self.verified(old)[0]
            new = self.ask("assertion", token=token)
            self.assertNotEqual(header["kid"], self.verified(new)[0]["kid"])
        with self.subTest("junk changes nothing"):
            self.put("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            self.wait_for(lambda: "assertion_key_unusable" in self.door.barkeep.process.stderr(),
                          "junk is noticed", 20)
            self.verified(self.ask("assertion"))
            self.assertEqual({assertions.point(first), assertions.point(second)}, self.points())
        with self.subTest("a key that is gone signs no more, and still verifies"):
            (self.folder / "key.pem").unlink()
            self.wait_for(self.signs_nothing, "the key is gone", 20)
            self.verified(new)
        with self.subTest("nothing of any key is written"):
            written = self.door.audit.raw() + self.door.barkeep.process.stderr().encode()
            for key in (first, second):
                for line in assertions.pem(key).splitlines()[1:-1]:
                    self.assertNotIn(line.encode(), written)

    def signs_nothing(self):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/assertion/x", token=self.token))
        return response.status == 503


if __name__ == "__main__":
    unittest.main()
