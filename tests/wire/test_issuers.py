#!/usr/bin/python3
"""Whose tokens are taken: several tenants, v1 and v2 each by its own rules, keys that belong to an issuer, issuers
beside the tenants, keys of one application (azure.md A.3, A.13, A.18)."""

import json
import unittest

import wire  # noqa: F401
from lib import raw, tokens
from lib.authority import JSON_TYPE
from lib.case import WireCase
from lib.door import Door, signing_key
from lib.net import wait_until

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
SHOP_TENANT = "99999999-2222-4333-8444-555555555555"
SHOP_API = "77777777-2222-4333-8444-555555555555"
SHOP_ISSUER = f"https://shop.b2clogin.com/{SHOP_TENANT}/v2.0/"
FLOW = "/shop.onmicrosoft.com/b2c_1_signin"


class IssuerCase(WireCase):
    def get(self, token):
        return raw.request("GET", "/public/x", token=token)

    def takes(self, token):
        response, _ = self.allow(self.get(token))
        return self.door.audit.wait_for(response.request_id)

    def refuses(self, token, reason, status=401):
        return self.refuse(self.get(token), status, reason)


class SeveralTenants(IssuerCase):
    @classmethod
    def change_config(cls, config, door):
        config["entra"]["tenant"] = [tokens.TENANT, tokens.OTHER_TENANT.upper()]

    def test_takes_both_versions_of_both_tenants(self):
        for tenant in (tokens.TENANT, tokens.OTHER_TENANT):
            for version in (1, 2):
                for kind in (tokens.user, tokens.app):
                    with self.subTest(tenant=tenant, version=version):
                        line = self.takes(self.door.token(kind(version, tenant)))
                        self.assertEqual(tenant, line["principal"]["tenant"])

    def test_mixes_nothing(self):
        own, other = tokens.TENANT, tokens.OTHER_TENANT
        for what, claims in (
                ("tid of one, iss of the other", tokens.user(2, own, iss=tokens.issuer_v2(other))),
                ("the same in v1", tokens.user(1, own, iss=tokens.issuer_v1(other))),
                ("v1's iss in a v2 token", tokens.user(2, own, iss=tokens.issuer_v1(own))),
                ("v2's iss in a v1 token", tokens.user(1, own, iss=tokens.issuer_v2(own),
                                                            aud=tokens.API))):
            with self.subTest(what):
                self.refuses(self.door.token(claims), "token_issuer")
        self.refuses(self.door.token(tokens.user(tenant=PERSONAL)), "token_tenant")

    def test_every_tenant_has_an_age_and_a_place_in_readyz(self):
        samples = self.door.barkeep.metrics()
        for tenant in (tokens.TENANT, tokens.OTHER_TENANT):
            self.assertIn(f'barkeep_keyset_age_seconds{{tenant="{tenant}"}}', samples)
        sets = self.door.barkeep.readiness()[1]["key_sets"]
        self.assertEqual(4, len({(one["tenant"], one["version"]) for one in sets}))


class KeysOfAllTenants(IssuerCase):
    """The documents of tenant-independent metadata: templates, and keys that belong to one fixed issuer."""

    @classmethod
    def change_config(cls, config, door):
        cls.personal, cls.foreign = signing_key(1), signing_key(2)
        door.authority.issuers = {1: lambda _: "https://sts.windows.net/{tenantid}/",
                                  2: lambda _: "https://login.microsoftonline.com/{tenantid}/v2.0"}
        door.authority.keys_by_version = {1: [door.key.jwk()], 2: [
            door.key.jwk(issuer="https://login.microsoftonline.com/{tenantid}/v2.0"),
            cls.personal.jwk(issuer=tokens.issuer_v2(PERSONAL)),
            cls.foreign.jwk(issuer="https://login.microsoftonline.us/{tenantid}/v2.0")]}

    def test_a_template_signs_for_the_tenant(self):
        self.takes(self.door.token(tokens.user(2)))
        self.takes(self.door.token(tokens.user(1)))

    def test_a_fixed_key_signs_for_its_own_issuer_alone(self):
        for key in (self.personal, self.foreign):
            self.refuses(tokens.mint(key, tokens.user(2)), "token_issuer")
        self.refuses(tokens.mint(self.personal, tokens.user(2, PERSONAL)), "token_tenant")
        self.refuses(tokens.mint(self.personal, tokens.user(1)), "token_key_unknown")


class CloudOfKeys(IssuerCase):
    """A key that names another cloud than its metadata does is left out."""

    @classmethod
    def change_config(cls, config, door):
        cls.foreign = signing_key(1)
        door.authority.keys = [door.key.jwk(cloud_instance_name="microsoftonline.com"),
                               cls.foreign.jwk(cloud_instance_name="microsoftonline.us")]
        plain = door.authority.metadata
        door.authority.metadata = lambda tenant, version: {
            **plain(tenant, version), "cloud_instance_name": "microsoftonline.com"}

    def test_a_key_of_another_cloud_is_unknown(self):
        self.takes(self.door.token())
        self.refuses(tokens.mint(self.foreign), "token_key_unknown")


def shop_claims(**changes):
    """An access token as B2C makes them: no tid, no oid, ver 1.0, a policy."""
    claims = tokens.user(2, iss=SHOP_ISSUER, aud=SHOP_API, ver="1.0", tfp="B2C_1_signin", sub="Abc-1",
                         tid=tokens.DROP, oid=tokens.DROP, idtyp=tokens.DROP, uti=tokens.DROP)
    return tokens.applied(claims, changes)


class StaticIssuers(IssuerCase):
    """External ID and B2C: judged by their profile and by nothing else."""

    @classmethod
    def change_config(cls, config, door):
        cls.shop_key = signing_key(1)
        url = door.authority.url
        config["entra"]["issuers"] = [{
            "name": "shop", "issuer": SHOP_ISSUER, "audience": [SHOP_API, "shop-api"],
            "tenant": SHOP_TENANT, "metadata": f"{url}{FLOW}/v2.0/.well-known/openid-configuration"}]
        door.authority.extra = {
            f"{FLOW}/v2.0/.well-known/openid-configuration": json.dumps(
                {"issuer": SHOP_ISSUER, "jwks_uri": f"{url}{FLOW}/discovery/v2.0/keys"}).encode(),
            f"{FLOW}/discovery/v2.0/keys": json.dumps(
                {"keys": [{**cls.shop_key.jwk(), "nbf": 1493763266}]}).encode()}

    def shop(self, **changes):
        return tokens.mint(self.shop_key, shop_claims(**changes))

    def test_takes_its_tokens(self):
        line = self.takes(self.shop())
        self.assertEqual({"type": "user", "tenant": SHOP_TENANT, "oid": "Abc-1", "app": tokens.APP},
                         {name: line["principal"][name] for name in ("type", "tenant", "oid", "app")})
        line = self.takes(self.shop(oid=tokens.USER, tid=SHOP_TENANT))
        self.assertEqual(tokens.USER, line["principal"]["oid"])
        self.takes(self.shop(aud="shop-api"))
        self.takes(self.shop(azp=tokens.DROP, appid=tokens.APP))
        self.takes(self.shop(ver="2.0"))

    def test_refuses_what_the_profile_does_not_say(self):
        for what, reason, changes in (
                ("the tenants' audience", "token_audience", {"aud": tokens.API}),
                ("another tid", "token_tenant", {"tid": tokens.TENANT}),
                ("no client", "token_kind", {"azp": tokens.DROP}),
                ("no scp", "token_kind", {"scp": tokens.DROP}),
                ("an ID token", "token_kind", {"azp": tokens.DROP, "scp": tokens.DROP, "nonce": "n"}),
                ("nonce", "token_kind", {"nonce": "n"}), ("at_hash", "token_kind", {"at_hash": "n"}),
                ("expired", "token_expired", {"exp": 1700000000}),
                ("no slash", ("token_tenant", "token_issuer"), {"iss": SHOP_ISSUER[:-1]}),
                ("upper case", ("token_tenant", "token_issuer"), {"iss": SHOP_ISSUER.upper()})):
            with self.subTest(what):
                self.refuses(self.shop(**changes), reason)

    def test_keys_serve_their_own_issuer_only(self):
        self.refuses(tokens.mint(self.door.key, shop_claims()), "token_key_unknown")
        self.refuses(tokens.mint(self.shop_key, tokens.user()), "token_key_unknown")
        self.refuses(tokens.mint(self.shop_key, shop_claims(iss=tokens.issuer_v2())), "token_tenant")

    def test_it_shows_in_readyz_and_metrics(self):
        sets = self.door.barkeep.readiness()[1]["key_sets"]
        self.assertIn(("shop", SHOP_TENANT, True),
                      [(one.get("issuer"), one["tenant"], one["ready"]) for one in sets])
        self.assertIn(f'barkeep_keyset_age_seconds{{tenant="{SHOP_TENANT}"}}',
                      self.door.barkeep.metrics())


class KeysOfOneApplication(IssuerCase):
    """metadata_appid: only the documents asked with ?appid= hold the application's own key."""

    @classmethod
    def change_config(cls, config, door):
        cls.app_key = signing_key(1)
        config["entra"]["metadata_appid"] = tokens.API
        authority = door.authority
        authority.asked = []
        plain_document = authority.document

        def answer(path, handler):
            _, _, query = handler.path.partition("?")
            authority.asked.append((path, query))
            body = plain_document(path)
            if query == f"appid={tokens.API}" and path.endswith("openid-configuration"):
                document = json.loads(body)
                body = json.dumps({**document, "jwks_uri": f"{document['jwks_uri']}?{query}"}).encode()
            elif query == f"appid={tokens.API}":
                body = json.dumps({"keys": [door.key.jwk(), cls.app_key.jwk()]}).encode()
            return 200, body, JSON_TYPE

        authority.answer = answer

    def test_takes_tokens_of_the_applications_key(self):
        self.takes(tokens.mint(self.app_key))
        self.takes(tokens.mint(self.app_key, tokens.user(1)))
        self.assertEqual({f"appid={tokens.API}"}, {query for _, query in self.door.authority.asked})


class ForeignKeys(unittest.TestCase):
    """A profile's metadata may not move trust elsewhere (case 199)."""

    @staticmethod
    def has_judged(door):
        status = door.barkeep.readiness()[1]  # None before the admin listener answers
        return status and status["key_sets"][2]["error"] not in (None, "not fetched yet")

    def test_metadata_of_another_issuer_or_host_gives_no_keys(self):
        for what, changes in (("another issuer", {"issuer": SHOP_ISSUER[:-1]}),
                              ("a template", {"issuer": "https://shop.b2clogin.com/{tenantid}/"}),
                              ("another host", {"jwks_uri": "https://keys.example/keys"}),
                              ("plain http", {"jwks_uri": "http://shop.b2clogin.com/keys"})):
            with self.subTest(what, case=199):
                def change(config, door, changes=changes):
                    url = door.authority.url
                    config["entra"]["issuers"] = [{
                        "name": "shop", "issuer": SHOP_ISSUER, "audience": SHOP_API, "tenant": SHOP_TENANT,
                        "metadata": f"{url}{FLOW}/.well-known/openid-configuration"}]
                    door.authority.extra = {f"{FLOW}/.well-known/openid-configuration": json.dumps(
                        {"issuer": SHOP_ISSUER, "jwks_uri": f"{url}/keys", **changes}).encode()}
                door = Door(change).start(wait_ready=False)
                try:
                    wait_until(lambda door=door: self.has_judged(door), "a judged document")
                    self.assertEqual(503, door.barkeep.readiness()[0])
                    with door.client() as client:
                        token = tokens.mint(signing_key(1), shop_claims())
                        response = client.exchange(raw.request("GET", "/public/x", token=token))
                    self.assertEqual(503, response.status)
                    door.barkeep.stop()
                finally:
                    door.stop_quietly()


if __name__ == "__main__":
    unittest.main()
