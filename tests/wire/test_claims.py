#!/usr/bin/python3
"""Claims of tokens, their times, versions and tenants (CASES.md B)."""

import time
import unittest

import wire  # noqa: F401
from lib import tokens
from lib.token_case import CountedTokens, TokenCase, in_order
from lib.tokens import API, API_URI, DROP, OTHER_TENANT, TENANT, as_json, assemble, mint


class Claims(TokenCase):
    def test_expiry_is_a_number_within_bounds(self):
        now = int(time.time())
        for value in (str(now + 600), True, None, [now + 600], {"exp": now}, DROP, -1, 0, 2 ** 53 + 1,
                      2 ** 63 - 1, 1e308, now - 120, "9999999999", False):
            with self.subTest(case=53, exp=str(value)[:20]):
                self.refuse_token(self.claims(exp=value))
        claims = as_json(tokens.user(exp=DROP))
        for text in (b"1e400", b"9223372036854775808", b"99999999999999999999", b"-9223372036854775809",
                     b"0x7fffffff", b"+1999999999", b"01999999999", b"1999999999."):
            with self.subTest(case=54, exp=text):
                self.refuse_token(assemble(self.door.key, as_json(
                    {"typ": "JWT", "alg": "RS256", "kid": self.door.key.kid}),
                    claims[:-1] + b',"exp":' + text + b"}"))

    def test_a_fraction_is_never_zero_or_never(self):
        """Case 52 and 56: floats are read as numbers or refused, never as 0."""
        now = time.time()
        self.refuse_token(self.claims(exp=now - 3600.5))
        self.refuse_token(self.claims(nbf=now + 3600.5))
        with self.door.client() as client:
            response = client.exchange(self.with_token(self.claims(exp=now + 600.5)))
        self.assertIn(response.status, (200, 401))

    def test_names_expiry_and_not_yet(self):
        now = int(time.time())
        self.refuse_token(self.claims(iat=now - 7200, nbf=now - 7200, exp=now - 600),
                          "token_expired")
        self.refuse_token(self.claims(nbf=now + 600), "token_not_yet_valid")
        self.refuse_token(self.claims(nbf=now + 3000, exp=now + 2000))

    def test_not_before_is_required_and_numeric(self):
        for value in (DROP, None, "0", True, [], {}):
            with self.subTest(nbf=str(value)):
                self.refuse_token(self.claims(nbf=value))

    def test_refuses_a_lifetime_that_no_entra_token_has(self):
        now = int(time.time())
        self.refuse_token(self.claims(exp=now + 49 * 3600))
        self.refuse_token(self.claims(exp=now + 49 * 3600, iat=DROP))
        self.allow_token(self.claims(exp=now + 47 * 3600))
        self.allow_token(self.claims(iat=DROP))

    def test_refuses_a_token_issued_in_the_future(self):
        """Case 57."""
        self.refuse_token(self.claims(iat=int(time.time()) + 600))

    def test_issuer_is_exact(self):
        right = tokens.issuer_v2()
        for value in (right + "/", right.upper(), right.replace("login", "LOGIN"),
                      right.replace("https", "http"), right.replace(".com", ".com.evil.example"),
                      right.replace(TENANT, "common"), right.replace(TENANT, "{tenantid}"),
                      right.replace(TENANT, TENANT.upper()), tokens.issuer_v2(OTHER_TENANT),
                      [right], {"iss": right}, right[:-1], right[1:], "", None, DROP, 7, right + "\0",
                      " " + right, right + " ", self.door.authority.url, tokens.issuer_v1()):
            with self.subTest(case=59, iss=str(value)[-40:]):
                self.refuse_token(self.claims(iss=value))
        self.refuse_token(self.claims(iss=right + "/"), "token_issuer")

    def test_tenant_is_exact_and_agrees_with_the_issuer(self):
        for value in (OTHER_TENANT, DROP, None, "", [TENANT], TENANT[:-1], "common", TENANT + "\0",
                      "{" + TENANT + "}", "../" + TENANT, 7):
            with self.subTest(case=60, tid=str(value)):
                self.refuse_token(self.claims(tid=value))
        self.refuse_token(self.door.token(tokens.user(tenant=OTHER_TENANT)), "token_tenant")
        self.refuse_token(self.claims(tid=OTHER_TENANT, iss=tokens.issuer_v2()))

    def test_audience_is_exact(self):
        for value in ("", [], [API], [[API]], {"0": API}, [API, "x"], 7, None, DROP, API[:-1],
                      API + "x", API.upper(), API + "\0", " " + API, API + "/", f"spn:{API}",
                      API_URI, "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000",
                      "https://vault.azure.net", f"{API},{API_URI}", f"{API} {API_URI}"):
            with self.subTest(case=62, aud=str(value)):
                self.refuse_token(self.claims(aud=value))
        self.refuse_token(self.claims(aud="https://vault.azure.net"), "token_audience")
        self.refuse_token(self.claims(aud="https://graph.microsoft.com"), "token_kind")

    def test_audiences_by_version(self):
        """A GUID is good in v1 and v2 tokens, a URI in v1 tokens."""
        self.allow_token(self.door.token(tokens.user(1)))
        self.allow_token(self.door.token(tokens.user(1, aud=API)))
        self.allow_token(self.door.token(tokens.user(2)))
        for value in (API_URI + "/", API_URI.upper(), API_URI + "/x", "api://orders", API_URI[:-1]):
            with self.subTest(aud=value):
                self.refuse_token(self.door.token(tokens.user(1, aud=value)), "token_audience")

    def test_version_agrees_with_the_issuer(self):
        for version, value in ((2, "1.0"), (1, "2.0"), (2, "2"), (2, 2), (2, 2.0), (2, ""), (2, DROP),
                               (2, "3.0"), (1, DROP), (1, "1"), (2, ["2.0"]), (2, "2.0 ")):
            with self.subTest(version=version, ver=str(value)):
                self.refuse_token(self.door.token(tokens.user(version, ver=value)))

    def test_refuses_other_kinds_of_token(self):
        kind = "token_kind"
        graph = mint(self.door.key, tokens.user(aud="00000003-0000-0000-c000-000000000000"),
                     {"nonce": "abc"})
        self.refuse_token(graph)
        self.refuse_token(mint(self.door.key, None, {"nonce": "abc"}))
        user, app = self.claims, lambda **c: self.door.token(tokens.app(**c))  # noqa: E731
        for what, token in (
                ("an ID token", user(azp=DROP, azpacr=DROP, scp=DROP, idtyp=DROP, nonce="n")),
                ("an ID token with roles", user(azp=DROP, azpacr=DROP, scp=DROP, idtyp=DROP,
                                                roles=["Admin"])),
                ("nonce", user(nonce="n")), ("at_hash", user(at_hash="x")),
                ("c_hash", user(c_hash="x")), ("no client", user(azp=DROP)),
                ("neither scope nor role", user(scp=DROP)),
                ("roles of a user without scope", user(scp=DROP, roles=["Admin"], idtyp="user")),
                ("roles without any sign", user(scp=DROP, roles=["Admin"], idtyp=DROP)),
                ("a role-less app", app(roles=DROP)), ("an app with no roles", app(roles=[])),
                ("bound by cnf", user(cnf={"kid": "x"})),
                ("bound by cnf, app", app(cnf={"jwk": {}}))):
            with self.subTest(case=64, what=what):
                self.refuse_token(token, kind)

    def test_claims_of_wrong_types_by_kind_of_token(self):
        """What every token must state is refused in any other form; for the rest both doors agree."""
        stated = ("aud", "iss", "tid", "ver", "exp", "nbf")
        kinds = {"user, v2": (tokens.user, 2), "user, v1": (tokens.user, 1),
                 "app, v2": (tokens.app, 2), "app, v1": (tokens.app, 1)}
        for kind, (make, version) in kinds.items():
            for name in (*stated, *sorted(set(make(version)) - {*stated, "iat"})):
                for value in (DROP, None, True, 7, 1.5, "", "x", [], ["x", 7], {"x": 1}):
                    with self.subTest(case=(53, 59, 60, 62), kind=kind, claim=name, value=str(value)):
                        token = self.door.token(make(version, **{name: value}))
                        # a small number is a time long past, which suits nbf
                        if name in stated and (name != "nbf" or type(value) not in (int, float)):
                            self.refuse_token(token)
                        else:
                            self.agree_on(token)

    def test_accepts_app_tokens_by_either_sign(self):
        self.allow_token(self.door.token(tokens.app()))
        self.allow_token(self.door.token(tokens.app(idtyp=DROP)))
        self.allow_token(self.door.token(tokens.app(1)))

    def test_odd_roles_open_nothing(self):
        for value in ("Admin", ["Adm", "in"], ["Admin "], ["ADMIN"], ["\u0410dmin"], ["Admin\0x"],
                      ["Admin,User"], [["Admin"]], {"0": "Admin"}, [" Admin"], "Admin,User", [1],
                      None, ["admin"], {"Admin": True}):
            with self.subTest(case=68, roles=str(value)):
                # libjwt reads no NUL in any string
                has_nul = isinstance(value, list) and "Admin\0x" in value
                self.refuse_token(self.claims(roles=value), None, (401, 403), "/admin/x",
                                  libjwt=not has_nul)
        self.allow_token(self.claims(roles=["x", "Admin"]), "/admin/x")

    def test_claims_with_controls_reach_no_upstream(self):
        for value in ("a\r\nX-Injected: 1", "a\0b", "\x7f", "\n"):
            with self.subTest(case=71, value=value):
                with self.door.client() as client:
                    mark = self.door.upstream.mark()
                    client.exchange(self.with_token(self.claims(name=value, oid=value)))
                for request in self.door.upstream.since(mark):
                    self.assertNotIn(b"Injected", request.head)


class Skew(TokenCase):
    seconds = 60

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["clock_skew"] = f"{cls.seconds}s"

    def test_leeway_is_exact(self):
        now = int(time.time())
        early = {"iat": now - 7200, "nbf": now - 7200}
        self.refuse_token(self.claims(**early, exp=now - self.seconds - 1), "token_expired")
        self.allow_token(self.claims(**early, exp=now - self.seconds + 5))
        self.allow_token(self.claims(nbf=now + self.seconds - 2, iat=now))
        self.refuse_token(self.claims(nbf=now + self.seconds + 5, iat=now), "token_not_yet_valid")


class LongSkew(Skew):
    seconds = 300


class NoSkew(Skew):
    seconds = 0

    def test_leeway_is_exact(self):
        now = int(time.time())
        early = {"iat": now - 7200, "nbf": now - 7200}
        self.refuse_token(self.claims(**early, exp=now - 1), "token_expired")
        self.refuse_token(self.claims(**early, exp=now), "token_expired")
        self.allow_token(self.claims(**early, exp=now + 5))
        self.refuse_token(self.claims(nbf=now + 5), "token_not_yet_valid")

    def test_one_second_ahead_is_still_good(self):
        """Asked at the beginning of a second, so that the answer comes within it."""
        self.wait_for(lambda: time.time() % 1 < 0.2, "the beginning of a second", 2)
        now = int(time.time())
        self.allow_token(self.claims(iat=now - 60, nbf=now - 60, exp=now + 1))

    def test_a_cached_token_expires_too(self):
        token = self.claims(exp=int(time.time()) + 2)
        self.allow_token(token)
        expiry = int(time.time()) + 3
        self.wait_for(lambda: time.time() > expiry, "the token's expiry")
        self.refuse_token(token, "token_expired")

    def test_a_stream_outlives_its_token_but_the_connection_does_not(self):
        """Case 75."""
        token = self.claims(exp=int(time.time()) + 2)
        expiry = int(time.time()) + 3

        def stream(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            self.wait_for(lambda: time.time() > expiry, "the token's expiry")
            peer.send(b"cd")

        self.door.upstream.on("/public/stream", stream)
        with self.door.client() as client:
            response = client.exchange(self.with_token(token, "/public/stream"))
            self.assertEqual((200, b"abcd"), (response.status, response.body))
            response = client.exchange(self.with_token(token))
            self.check_refusal(response, 401, "token_expired")


class OneVersion(TokenCase):
    @classmethod
    def change_config(cls, config, door):
        config["entra"]["token_versions"] = [2]

    def test_refuses_the_version_that_is_not_configured(self):
        self.refuse_token(self.door.token(tokens.user(1)))
        self.refuse_token(self.door.token(tokens.user(1, aud=API)))
        self.allow_token(self.door.token(tokens.user(2)))


class TwoTenants(TokenCase):
    @classmethod
    def change_config(cls, config, door):
        config["entra"]["tenant"] = [TENANT, OTHER_TENANT]

    def test_each_tenant_has_its_own_issuer(self):
        self.allow_token(self.door.token(tokens.user(tenant=TENANT)))
        self.allow_token(self.door.token(tokens.user(tenant=OTHER_TENANT)))
        self.allow_token(self.door.token(tokens.user(1, tenant=OTHER_TENANT)))
        for iss_tenant, tid in ((TENANT, OTHER_TENANT), (OTHER_TENANT, TENANT)):
            self.refuse_token(self.claims(iss=tokens.issuer_v2(iss_tenant), tid=tid))
        third = "11111111-2222-4333-8444-555555555555"
        self.refuse_token(self.door.token(tokens.user(tenant=third)), "token_tenant")


class BothDoors(CountedTokens):
    MORE_THAN = 700


def load_tests(loader, suite, pattern):
    del suite, pattern
    return in_order(loader, globals())


if __name__ == "__main__":
    unittest.main()
