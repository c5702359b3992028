#!/usr/bin/env python3
"""The stand-in judged from outside: python3 tests/standin/test_standin.py BINARY

Every block of refusals has a positive control through the same door.
"""
import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from harness import (API, API_URI, BINARY, CALLER, CALLER_OID, CALLER_SECRET, DEPLOYER, GROUP, IDENTITY, IDENTITY_OID,
                     OTHER_GROUP, TENANT, USER, VAULT_RESOURCE, Standin, V, WithStandin, fresh_state, mint,
                     signature_is_good, token_parts, unbase64url)


class Metadata(WithStandin):
    def document(self, path, **more):
        answer = self.standin.get(path, **more)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["Cache-Control"], "max-age=86400, private")
        self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
        return answer.json

    def test_issuer_is_the_same_on_both_ports(self):
        for tls in (False, True):
            v2 = self.document("/%s/v2.0/.well-known/openid-configuration" % TENANT, tls=tls)
            v1 = self.document("/%s/.well-known/openid-configuration" % TENANT, tls=tls)
            self.assertEqual(v2["issuer"], "%s/%s/v2.0" % (self.standin.https, TENANT))
            self.assertEqual(v1["issuer"], "%s/%s/" % (self.standin.https, TENANT))

    def test_other_urls_stay_on_the_origin_that_was_asked(self):
        for tls in (False, True):
            origin = self.standin.https if tls else self.standin.http
            v2 = self.document("/%s/v2.0/.well-known/openid-configuration" % TENANT, tls=tls)
            v1 = self.document("/%s/.well-known/openid-configuration" % TENANT, tls=tls)
            self.assertEqual(v2["jwks_uri"], "%s/%s/discovery/v2.0/keys" % (origin, TENANT))
            self.assertEqual(v2["token_endpoint"], "%s/%s/oauth2/v2.0/token" % (origin, TENANT))
            self.assertEqual(v1["jwks_uri"], "%s/%s/discovery/keys" % (origin, TENANT))
            self.assertEqual(v1["token_endpoint"], "%s/%s/oauth2/token" % (origin, TENANT))

    def test_has_the_members_of_a_real_document(self):
        document = self.document("/%s/v2.0/.well-known/openid-configuration" % TENANT)
        for member in ("token_endpoint_auth_methods_supported", "response_modes_supported", "subject_types_supported",
                       "response_types_supported", "scopes_supported", "request_uri_parameter_supported",
                       "userinfo_endpoint", "authorization_endpoint", "device_authorization_endpoint",
                       "http_logout_supported", "frontchannel_logout_supported", "end_session_endpoint",
                       "claims_supported", "kerberos_endpoint", "tenant_region_scope", "cloud_instance_name",
                       "cloud_graph_host_name", "msgraph_host", "rbac_url"):
            self.assertIn(member, document)
        self.assertEqual(document["id_token_signing_alg_values_supported"], ["RS256"])

    def test_common_and_organizations_state_the_template(self):
        for name in ("common", "organizations"):
            v2 = self.document("/%s/v2.0/.well-known/openid-configuration" % name)
            v1 = self.document("/%s/.well-known/openid-configuration" % name)
            self.assertEqual(v2["issuer"], self.standin.https + "/{tenantid}/v2.0")
            self.assertEqual(v1["issuer"], self.standin.https + "/{tenantid}/")
            self.assertEqual(v2["jwks_uri"], "%s/%s/discovery/v2.0/keys" % (self.standin.http, name))
            self.assertIsNone(v2["tenant_region_scope"])

    def test_domain_name_yields_the_tenant_id(self):
        document = self.document("/fabrikam.example/v2.0/.well-known/openid-configuration")
        self.assertEqual(document["issuer"], "%s/%s/v2.0" % (self.standin.https, TENANT))

    def test_appid_is_carried_over_to_the_key_url(self):
        document = self.document("/%s/v2.0/.well-known/openid-configuration?appid=%s" % (TENANT, API))
        self.assertTrue(document["jwks_uri"].endswith("/discovery/v2.0/keys?appid=" + API))

    def test_the_keys_of_an_application_hold_one_more(self):
        own = token_parts(self.standin.token("--key", "unpublished"))[0]["kid"]
        path = "/%s/discovery/v2.0/keys" % TENANT
        self.assertNotIn(own, [key["kid"] for key in self.document(path)["keys"]])
        self.assertIn(own, [key["kid"] for key in self.document(path + "?appid=" + API)["keys"]])

    def test_a_policy_has_an_issuer_and_a_key_of_its_own(self):
        document = self.document("/%s/b2c_1_signin/v2.0/.well-known/openid-configuration" % TENANT)
        self.assertEqual(document["issuer"], "%s/%s/v2.0/" % (self.standin.https, TENANT))
        keys = self.document("/" + document["jwks_uri"].split("/", 3)[3])["keys"]
        own = token_parts(self.standin.token("--key", "unpublished"))[0]["kid"]
        self.assertEqual([key["kid"] for key in keys], [own])
        self.assertNotIn("issuer", keys[0])

    def test_unknown_tenant_is_refused(self):
        answer = self.standin.get("/11111111-1111-4111-8111-111111111111/v2.0/.well-known/openid-configuration")
        self.assertEqual((answer.status, answer.error), (400, "invalid_tenant"))
        self.assertIn("AADSTS90002", answer.json["error_description"])

    def test_unknown_path_is_not_found(self):
        self.assertEqual(self.standin.get("/%s/v3.0/keys" % TENANT).status, 404)
        self.assertEqual(self.standin.get("/").status, 404)


class Keys(WithStandin):
    def test_key_documents_hold_two_rsa_keys(self):
        for version in ("v2.0/", ""):
            keys = self.standin.keys(version)
            self.assertGreaterEqual(len(keys), 2)
            for key in keys:
                self.assertEqual((key["kty"], key["use"], key["e"]), ("RSA", "sig", "AQAB"))
                self.assertEqual(len(unbase64url(key["n"])), 256)
                self.assertNotIn("alg", key)

    def test_key_id_is_the_certificates_thumbprint(self):
        for key in self.standin.keys():
            der = base64.b64decode(key["x5c"][0], validate=True)
            self.assertEqual(unbase64url(key["kid"]), hashlib.sha1(der).digest())
            self.assertEqual((key["kid"], len(key["kid"])), (key["x5t"], 27))

    def test_only_the_v2_document_names_issuers(self):
        template = self.standin.https + "/{tenantid}/v2.0"
        self.assertEqual({key.get("issuer") for key in self.standin.keys()}, {template})
        self.assertEqual({key.get("issuer") for key in self.standin.keys("")}, {None})

    def test_modulus_is_the_certificates(self):
        key = self.standin.keys()[0]
        der = base64.b64decode(key["x5c"][0])
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-modulus"], input=der,
                              capture_output=True, check=True).stdout.decode()
        self.assertEqual(text.strip().lower(), "modulus=" + unbase64url(key["n"]).hex())


class KeyKnobs(WithStandin):
    def test_roll_signs_with_a_new_key_and_keeps_the_last_one(self):
        before = self.standin.keys()
        old_token = self.standin.token()
        self.standin.knob("keys/roll")
        after = self.standin.keys()
        self.assertEqual(len(after), 2)
        self.assertEqual(after[1]["kid"], before[0]["kid"])
        self.assertNotIn(before[1]["kid"], [key["kid"] for key in after])
        self.assertTrue(signature_is_good(old_token, self.standin.key_of(old_token)))
        new_token = self.standin.token()
        self.assertEqual(token_parts(new_token)[0]["kid"], after[0]["kid"])
        self.assertTrue(signature_is_good(new_token, after[0]))

    def test_roll_without_keeping_replaces_all(self):
        before = {key["kid"] for key in self.standin.keys()}
        self.standin.knob("keys/roll", {"keep": 0})
        after = {key["kid"] for key in self.standin.keys()}
        self.assertEqual(len(after), 2)
        self.assertFalse(before & after)

    def test_unpublished_key_signs_before_it_is_known(self):
        token = self.standin.token("--key", "unpublished")
        kid = token_parts(token)[0]["kid"]
        self.assertIsNone(self.standin.key_of(token))
        published = self.standin.knob("keys/publish")
        self.assertEqual(published["published"][-1], kid)
        self.assertNotEqual(published["unpublished"], kid)
        self.assertTrue(signature_is_good(token, self.standin.key_of(token)))

    def test_renewed_unpublished_key_is_another(self):
        first = token_parts(self.standin.token("--key", "unpublished"))[0]["kid"]
        self.standin.knob("keys/unpublished")
        second = token_parts(self.standin.token("--key", "unpublished"))[0]["kid"]
        self.assertNotEqual(first, second)

    def test_rolled_keys_outlive_the_server(self):
        with fresh_state() as state:
            first = Standin(state=state)
            first.knob("keys/roll")
            kids = [key["kid"] for key in first.keys()]
            self.assertEqual(first.stop(), 0)
            second = Standin(state=state)
            self.assertEqual([key["kid"] for key in second.keys()], kids)
            self.assertEqual(second.stop(), 0)
            left = [name for name in os.listdir(state) if name.startswith("key-")]
            self.assertEqual(len(left), 3)

    def test_too_many_keys_are_refused(self):
        while len(self.standin.keys()) < 8:
            self.standin.knob("keys/publish")
        self.standin.knob("keys/publish", status=400)
        self.standin.knob("keys/roll", {"keep": 9}, status=400)
        self.standin.knob("keys/roll", {"kept": 1}, status=400)
        self.assertEqual(len(self.standin.knob("keys/roll")["published"]), 2)


class TokenCommand(WithStandin):
    def refused(self, *arguments):
        done = subprocess.run([BINARY, "token", "--state", self.standin.state, *arguments], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        return done.stderr

    def test_default_is_a_v2_user_token(self):
        token = self.standin.token()
        header, claims = token_parts(token)
        self.assertEqual(header, {"alg": "RS256", "typ": "JWT", "kid": self.standin.keys()[0]["kid"]})
        self.assertEqual(claims["aud"], API)
        self.assertEqual(claims["iss"], "%s/%s/v2.0" % (self.standin.https, TENANT))
        self.assertEqual((claims["ver"], claims["tid"], claims["oid"]), ("2.0", TENANT, USER))
        self.assertEqual((claims["scp"], claims["azp"], claims["azpacr"]), ("access_as_user", CALLER, "0"))
        self.assertEqual(claims["preferred_username"], "mira.okafor@fabrikam.example")
        self.assertNotEqual(claims["sub"], claims["oid"])
        self.assertNotIn("groups", claims)
        self.assertNotIn("roles", claims)
        self.assertNotIn("idtyp", claims)
        self.assertTrue(signature_is_good(token, self.standin.key_of(token)))

    def test_user_token_with_two_groups_is_of_real_size(self):
        token = self.standin.token("--group", GROUP, "--group", OTHER_GROUP)
        self.assertEqual(token_parts(token)[1]["groups"], [GROUP, OTHER_GROUP])
        self.assertTrue(1500 <= len(token) <= 1700, len(token))

    def test_v1_user_token_has_v1_claims(self):
        header, claims = token_parts(self.standin.token("--version", "1"))
        self.assertEqual(header["x5t"], header["kid"])
        self.assertEqual((claims["aud"], claims["ver"], claims["appid"]), (API_URI, "1.0", CALLER))
        self.assertEqual(claims["iss"], "%s/%s/" % (self.standin.https, TENANT))
        self.assertEqual((claims["upn"], claims["unique_name"]), ("mira.okafor@fabrikam.example",) * 2)
        self.assertEqual((claims["amr"], claims["acr"], claims["appidacr"]), (["pwd"], "1", "0"))
        self.assertNotIn("azp", claims)

    def test_app_token_is_app_only_with_its_granted_roles(self):
        _, claims = token_parts(self.standin.token("--app", CALLER))
        self.assertEqual((claims["idtyp"], claims["oid"], claims["sub"]), ("app", CALLER_OID, CALLER_OID))
        self.assertEqual((claims["azp"], claims["azpacr"], claims["roles"]), (CALLER, "1", ["Orders.Read.All"]))
        self.assertNotIn("scp", claims)
        self.assertNotIn("name", claims)
        _, claims = token_parts(self.standin.token("--app", CALLER, "--version", "1", "--app-role", "Other"))
        self.assertEqual((claims["appid"], claims["roles"], claims["idp"]), (CALLER, ["Other"], claims["iss"]))

    def test_unknown_principals_get_stable_tokens(self):
        stranger = "99999999-9999-4999-8999-999999999999"
        self.assertEqual(token_parts(self.standin.token("--user", stranger))[1]["oid"], stranger)
        oids = {token_parts(self.standin.token("--app", stranger))[1]["oid"] for _ in range(2)}
        self.assertEqual(len(oids), 1)

    def test_scopes_and_app_roles_come_as_asked(self):
        _, claims = token_parts(self.standin.token("--scope", "Orders.Read", "--scope", "Orders.Write",
                                                   "--app-role", "Orders.Approver"))
        self.assertEqual((claims["scp"], claims["roles"]), ("Orders.Read Orders.Write", ["Orders.Approver"]))

    def test_overage_replaces_groups(self):
        _, claims = token_parts(self.standin.token("--overage"))
        self.assertEqual(claims["_claim_names"], {"groups": "src1"})
        self.assertIn("/users/%s/getMemberObjects" % USER, claims["_claim_sources"]["src1"]["endpoint"])
        self.assertNotIn("groups", claims)

    def test_step_up_and_capabilities_come_as_asked(self):
        _, claims = token_parts(self.standin.token("--acrs", "c1", "--acrs", "c7", "--cp1"))
        self.assertEqual((claims["acrs"], claims["xms_cc"]), (["c1", "c7"], ["cp1"]))
        _, claims = token_parts(self.standin.token())
        self.assertNotIn("acrs", claims)
        self.assertNotIn("xms_cc", claims)

    def test_times_move_as_asked(self):
        now = time.time()
        _, claims = token_parts(self.standin.token())
        self.assertAlmostEqual(claims["exp"], now + 3600, delta=10)
        self.assertAlmostEqual(claims["nbf"], now - 300, delta=10)
        _, claims = token_parts(self.standin.token("--expires-in", "-7200"))
        self.assertAlmostEqual(claims["exp"], now - 7200, delta=10)
        self.assertLess(claims["nbf"], claims["exp"])
        _, claims = token_parts(self.standin.token("--not-before", "600"))
        self.assertAlmostEqual(claims["nbf"], now + 600, delta=10)
        self.assertLessEqual(claims["iat"], now + 10)

    def test_claims_and_headers_are_bent_as_asked(self):
        header, claims = token_parts(self.standin.token("--claim", 'aud=["a","b"]', "--claim", "x=1", "--remove-claim",
                                                        "tid", "--header", 'crit=["x"]', "--header", 'kid="other"'))
        self.assertEqual((claims["aud"], claims["x"]), (["a", "b"], 1))
        self.assertNotIn("tid", claims)
        self.assertEqual((header["crit"], header["kid"]), (["x"], "other"))

    def test_tenant_and_audience_are_taken_literally(self):
        other = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
        _, claims = token_parts(self.standin.token("--tenant", other, "--audience", API_URI + "/", "--version", "1"))
        self.assertEqual((claims["tid"], claims["aud"]), (other, API_URI + "/"))
        self.assertEqual(claims["iss"], "%s/%s/" % (self.standin.https, other))

    def test_id_token_looks_like_one(self):
        _, claims = token_parts(self.standin.token("--id-token"))
        self.assertEqual((claims["aud"], claims["preferred_username"]), (API, "mira.okafor@fabrikam.example"))
        self.assertIn("nonce", claims)
        for absent in ("scp", "azp", "appid"):
            self.assertNotIn(absent, claims)

    def test_other_keys_and_algorithms_sign(self):
        token = self.standin.token("--key", "1")
        self.assertEqual(token_parts(token)[0]["kid"], self.standin.keys()[1]["kid"])
        self.assertTrue(signature_is_good(token, self.standin.keys()[1]))
        unsigned = self.standin.token("--alg", "none")
        self.assertEqual((token_parts(unsigned)[0]["alg"], unsigned.split(".")[2]), ("none", ""))
        self.assertEqual(token_parts(self.standin.token("--alg", "HS256"))[0]["alg"], "HS256")

    def test_wrong_command_lines_are_refused_with_one_line(self):
        self.assertIn("--nonsense", self.refused("--nonsense"))
        self.assertIn("needs a value", self.refused("--user"))
        self.assertIn("GUID", self.refused("--user", "mira"))
        self.assertIn("exclude", self.refused("--user", USER, "--app", CALLER))
        self.assertIn("--scope", self.refused("--app", CALLER, "--scope", "x"))
        self.assertIn("--version", self.refused("--version", "3"))
        self.assertIn("JSON", self.refused("--claim", "aud=unquoted"))
        self.assertIn("NAME=JSON", self.refused("--claim", "aud"))
        self.assertIn("--key", self.refused("--key", "7"))
        self.assertIn("unexpected", self.refused("word"))
        self.assertIn("takes no value", self.refused("--overage=yes"))
        self.assertIn("--alg", self.refused("--header", 'alg="none"'))
        self.assertIn("UTF-8", self.refused("--audience", b"\xff"))
        self.assertEqual(token_parts(self.standin.token("--user=" + USER))[1]["oid"], USER)

    def test_help_lists_the_options(self):
        done = subprocess.run([BINARY, "token", "--help"], capture_output=True, text=True, timeout=30, check=True)
        for option in ("--group", "--app-role", "--overage", "--remove-claim", "--not-before"):
            self.assertIn(option, done.stdout)

    def test_tokens_minted_before_the_first_start_fit(self):
        with tempfile.TemporaryDirectory() as state:
            token = mint(state)
            self.assertTrue(token_parts(token)[1]["iss"].startswith("https://127.0.0.1:18443/"))
            standin = Standin(state=state)
            self.assertTrue(signature_is_good(token, standin.key_of(token)))
            self.assertEqual(standin.stop(), 0)


class TokenEndpoint(WithStandin):
    V2 = "/%s/oauth2/v2.0/token" % TENANT
    V1 = "/%s/oauth2/token" % TENANT
    GOOD = {"grant_type": "client_credentials", "client_id": CALLER, "client_secret": CALLER_SECRET,
            "scope": API_URI + "/.default"}

    def refused(self, fields, status, error, code, path=V2, **more):
        answer = self.standin.form(path, fields, **more)
        self.assertEqual((answer.status, answer.error), (status, error), answer.body)
        document = answer.json
        self.assertEqual(document["error_codes"], [code])
        self.assertTrue(document["error_description"].startswith("AADSTS%d: " % code))
        for member in ("timestamp", "trace_id", "correlation_id", "error_uri"):
            self.assertIn(member, document)

    def test_secret_in_the_body_gets_a_token_of_the_apis_version(self):
        answer = self.standin.form(self.V2, self.GOOD)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["Cache-Control"], "no-store, no-cache")
        document = answer.json
        self.assertEqual((document["token_type"], document["expires_in"]), ("Bearer", 3599))
        _, claims = token_parts(document["access_token"])
        self.assertEqual((claims["aud"], claims["ver"], claims["roles"]), (API, "2.0", ["Orders.Read.All"]))
        token = document["access_token"]
        self.assertTrue(signature_is_good(token, self.standin.key_of(token)))

    def test_secret_by_basic_is_as_good(self):
        pair = "%s:%s" % (CALLER, urllib.parse.quote(CALLER_SECRET, safe=""))
        basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        fields = {"grant_type": "client_credentials", "scope": API + "/.default"}
        self.assertEqual(self.standin.form(self.V2, fields, headers=basic).status, 200)
        wrong = {"Authorization": "Basic " + base64.b64encode(b"%s:wrong" % CALLER.encode()).decode()}
        self.refused(fields, 401, "invalid_client", 7000215, headers=wrong)

    def test_unknown_fields_and_a_query_are_ignored(self):
        fields = {**self.GOOD, "x-client-SKU": "msal.js.node", "client_info": "1", "x-ms-lib-capability": "h429"}
        path = self.V2 + "?client-request-id=6a3d0e51-7f5b-4d6a-9d5e-0b7f1f0c1a2b"
        self.assertEqual(self.standin.form(path, fields, tls=True).status, 200)

    def test_vault_tokens_are_v1_even_from_the_v2_endpoint(self):
        answer = self.standin.form(self.V2, {**self.GOOD, "scope": VAULT_RESOURCE + "/.default"})
        header, claims = token_parts(answer.json["access_token"])
        self.assertEqual((claims["aud"], claims["ver"], claims["appid"]), (VAULT_RESOURCE, "1.0", CALLER))
        self.assertEqual(claims["iss"], "%s/%s/" % (self.standin.https, TENANT))
        self.assertIn("x5t", header)
        self.assertNotIn("roles", claims)

    def test_cae_clients_get_long_tokens(self):
        wish = json.dumps({"access_token": {"xms_cc": {"values": ["cp1"]}}})
        document = self.standin.form(self.V2, {**self.GOOD, "claims": wish}).json
        self.assertEqual(document["expires_in"], 86399)
        self.assertEqual(token_parts(document["access_token"])[1]["xms_cc"], ["cp1"])

    def test_v1_endpoint_answers_in_strings(self):
        fields = {"grant_type": "client_credentials", "client_id": CALLER, "client_secret": CALLER_SECRET,
                  "resource": VAULT_RESOURCE}
        document = self.standin.form(self.V1, fields).json
        self.assertEqual((document["expires_in"], document["resource"]), ("3599", VAULT_RESOURCE))
        self.assertGreater(int(document["expires_on"]), time.time())
        self.assertLess(int(document["not_before"]), time.time())

    def test_wrong_credentials_are_refused(self):
        self.refused({**self.GOOD, "client_secret": "wrong"}, 401, "invalid_client", 7000215)
        self.refused({**self.GOOD, "client_secret": ""}, 401, "invalid_client", 7000218)
        self.refused({**self.GOOD, "client_id": "99999999-9999-4999-8999-999999999999"}, 400, "unauthorized_client",
                     700016)

    def test_wrong_requests_are_refused(self):
        self.refused({**self.GOOD, "scope": API_URI}, 400, "invalid_scope", 70011)
        self.refused({**self.GOOD, "scope": "a/.default b/.default"}, 400, "invalid_request", 700022)
        self.refused({**self.GOOD, "scope": "api://nobody/.default"}, 400, "invalid_resource", 500011)
        self.refused({**self.GOOD, "resource": API_URI}, 400, "invalid_request", 901002)
        self.refused({**self.GOOD, "grant_type": "password"}, 400, "unsupported_grant_type", 70003)
        self.refused({**self.GOOD, "grant_type": ""}, 400, "invalid_request", 900144)
        self.refused({**self.GOOD, "scope": ""}, 400, "invalid_request", 900144)
        self.refused(self.GOOD, 400, "invalid_request", 90002,
                     path="/11111111-1111-4111-8111-111111111111/oauth2/v2.0/token")
        self.refused(self.GOOD, 400, "invalid_request", 50059, path="/common/oauth2/v2.0/token")
        answer = self.standin.get(self.V2)
        self.assertEqual((answer.status, answer.json["error_codes"]), (400, [900561]))


class Vault(WithStandin):
    def setUp(self):
        super().setUp()
        self.reader = self.standin.identity_token().json["access_token"]
        self.officer = self.standin.vault_token("--app", DEPLOYER)

    def get(self, path, token=None, **more):
        return self.standin.vault("GET", path, token or self.reader, **more)

    def put(self, name, document, token=None):
        return self.standin.vault("PUT", "/secrets/%s?%s" % (name, V), token or self.officer, document)

    def test_request_without_token_gets_the_challenge_before_its_body_is_read(self):
        for method, body in (("GET", None), ("PUT", ""), ("PUT", "not json")):
            for path in ("/secrets/rabbit-admin?" + V, "/secrets/rabbit-admin"):
                answer = self.standin.call(method, path, body)
                self.assertEqual(answer.status, 401)
                self.assertEqual(answer.headers["WWW-Authenticate"],
                                 'Bearer authorization="%s/%s", resource="https://vault.azure.net"'
                                 % (self.standin.https, TENANT))
                self.assertEqual(answer.json, {"error": {
                    "code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}})

    def test_bad_tokens_get_the_challenge_with_the_reason(self):
        good = self.standin.vault_token("--app", DEPLOYER)
        self.assertEqual(self.get("/secrets/rabbit-admin?" + V, good).status, 200)
        header, payload, signature = good.split(".")
        other_payload = self.standin.vault_token("--app", CALLER).split(".")[1]
        bad = {
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: %s" % API:
                self.standin.token("--app", DEPLOYER),
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://vault.azure.net/":
                self.standin.token("--app", DEPLOYER, "--audience", VAULT_RESOURCE + "/"),
            "AKV10032: Invalid issuer.": self.standin.vault_token("--app", DEPLOYER, "--tenant",
                                                                  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
            "[TokenExpired]": self.standin.vault_token("--app", DEPLOYER, "--expires-in", "-3600"),
            "[TokenNotYetValid]": self.standin.vault_token("--app", DEPLOYER, "--not-before", "3000"),
            "AKV10046: ": self.standin.vault_token("--app", DEPLOYER, "--key", "unpublished"),
            "AKV10046:": ".".join((header, other_payload, signature)),
            "AKV10046": self.standin.vault_token("--app", DEPLOYER, "--alg", "HS256"),
            "AKV1004": self.standin.vault_token("--app", DEPLOYER, "--alg", "none"),
            "[BearerReadAccessTokenFailed]": "nonsense",
            "[BearerReadAccessTokenFailed] ": good[:40] + "!" + good[40:],
        }
        for text, token in bad.items():
            answer = self.get("/secrets/rabbit-admin?" + V, token)
            self.assertEqual(answer.status, 401, text)
            self.assertIn("WWW-Authenticate", answer.headers)
            self.assertTrue(answer.error["message"].startswith(text.strip()), (text, answer.error))

    def test_get_answers_the_bundle_with_the_services_headers(self):
        answer = self.get("/secrets/upstream-api-key/?api%2Dversion=2025-07-01",
                          headers={"x-ms-client-request-id": "abc-1"}, tls=True)
        self.assertEqual(answer.status, 200, answer.body)
        bundle = answer.json
        self.assertRegex(bundle["id"], "^%s/secrets/upstream-api-key/[0-9a-f]{32}$" % self.standin.https)
        self.assertEqual(bundle["value"], "canary-upstream-api-key-c5e1")
        self.assertEqual((bundle["contentType"], bundle["tags"]), ("text/plain", {"owner": "orders"}))
        attributes = bundle["attributes"]
        self.assertEqual((attributes["enabled"], attributes["recoveryLevel"], attributes["recoverableDays"]),
                         (True, "Recoverable+Purgeable", 90))
        self.assertIsInstance(attributes["created"], int)
        self.assertNotIn("nbf", attributes)
        for name, value in {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1",
                            "Content-Type": "application/json; charset=utf-8", "x-ms-client-request-id": "abc-1",
                            "X-Content-Type-Options": "nosniff"}.items():
            self.assertEqual(answer.headers[name], value)
        for name in ("x-ms-keyvault-region", "x-ms-request-id", "x-ms-keyvault-service-version",
                     "x-ms-keyvault-network-info", "x-ms-keyvault-rbac-assignment-id", "x-ms-keyvault-rbac-cache",
                     "Strict-Transport-Security"):
            self.assertIn(name, answer.headers)

    def test_spellings_of_the_path_are_tolerated(self):
        for path in ("//secrets/rabbit-admin", "/secrets/rabbit-admin/", "/secrets//rabbit-admin",
                     "/secrets/RABBIT-admin", "/vaults/orders-kv/secrets/rabbit-admin"):
            answer = self.get(path + "?" + V)
            self.assertEqual((answer.status, answer.json.get("value")), (200, "canary-rabbit-admin-7f3a"), path)

    def test_vault_is_chosen_by_host_name(self):
        port = urllib.parse.urlsplit(self.standin.http).port
        host = "orders-kv.vault.localhost:%d" % port
        answer = self.get("/secrets/rabbit-admin?" + V, headers={"Host": host})
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.json["id"].startswith("http://%s/secrets/rabbit-admin/" % host))
        for path, host in (("/secrets/rabbit-admin?" + V, "nobody.vault.localhost"),
                           ("/vaults/nobody/secrets/rabbit-admin?" + V, "127.0.0.1")):
            answer = self.get(path, headers={"Host": host})
            self.assertEqual((answer.status, answer.error["code"]), (404, "VaultNotFound"))

    def test_api_version_is_mandatory_and_known(self):
        for query in ("", "?api-version=9.9", "?API=2025-07-01"):
            answer = self.get("/secrets/rabbit-admin" + query)
            self.assertEqual((answer.status, answer.error["code"]), (400, "BadParameter"), query)
        for version in ("7.4", "2016-10-01", "2026-04-01"):
            self.assertEqual(self.get("/secrets/rabbit-admin?api-version=" + version).status, 200)

    def test_set_makes_a_new_version_and_old_ones_stay(self):
        first = self.put("rotating", {"value": "canary-one"})
        self.assertEqual(first.status, 200, first.body)
        second = self.put("rotating", {"value": "canary-two", "contentType": "text/plain", "tags": {"a": "b"},
                                       "attributes": {"exp": 1893456000, "nbf": 1577836800}}).json
        self.assertEqual((second["value"], second["tags"], second["contentType"]),
                         ("canary-two", {"a": "b"}, "text/plain"))
        self.assertEqual((second["attributes"]["exp"], second["attributes"]["nbf"]), (1893456000, 1577836800))
        first_id = first.json["id"].rsplit("/", 1)[1]
        self.assertEqual(second["previousVersion"], first_id)
        self.assertEqual(self.get("/secrets/rotating?" + V).json["value"], "canary-two")
        self.assertEqual(self.get("/secrets/rotating/%s?%s" % (first_id, V)).json["value"], "canary-one")
        self.assertEqual(self.get("/secrets/rotating/%s?%s" % (first_id.upper(), V)).json["value"], "canary-one")

    def test_set_refuses_what_breaks_the_limits(self):
        for document in ({}, {"value": 1}, {"value": "x" * 25601}, {"value": "x", "contentType": "y" * 256},
                         {"value": "x", "tags": {str(i): "t" for i in range(16)}}, {"value": "x", "tags": {"a": 1}},
                         {"value": "x", "attributes": {"exp": "soon"}}, {"value": "x", "attributes": {"enabled": 1}},
                         [], "x"):
            answer = self.put("limits", document)
            self.assertEqual((answer.status, answer.error["code"]), (400, "BadParameter"), str(document)[:60])
        answer = self.standin.call("PUT", "/secrets/limits?" + V, '{"value":"a","value":"b"}',
                                   {"Authorization": "Bearer " + self.officer})
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.get("/secrets/limits?" + V).status, 404)
        self.assertEqual(self.put("limits", {"value": "x" * 25600}).status, 200)

    def test_update_changes_all_but_the_value(self):
        self.put("patched", {"value": "canary-patched"})
        answer = self.standin.vault("PATCH", "/secrets/patched?" + V, self.officer,
                                    {"attributes": {"enabled": False}, "tags": {"x": "y"}})
        self.assertEqual(answer.status, 200)
        self.assertNotIn("value", answer.json)
        self.assertEqual((answer.json["attributes"]["enabled"], answer.json["tags"]), (False, {"x": "y"}))
        self.assertEqual(self.get("/secrets/patched?" + V).status, 403)

    def test_bad_names_and_versions_are_refused(self):
        for path in ("/secrets/a_b", "/secrets/a%2Fb", "/secrets/" + "a" * 128, "/secrets/rabbit-admin/xyz"):
            answer = self.get(path + "?" + V)
            self.assertEqual((answer.status, answer.error["code"]), (400, "BadParameter"), path)
        self.assertEqual(self.standin.vault("POST", "/secrets/rabbit-admin?" + V, self.officer, {}).status, 405)

    def test_missing_secret_and_version_are_not_found(self):
        for path, name in (("/secrets/nothing", "nothing"), ("/secrets/rabbit-admin/" + "0" * 32,
                                                              "rabbit-admin/" + "0" * 32)):
            answer = self.get(path + "?" + V)
            self.assertEqual((answer.status, answer.error["code"]), (404, "SecretNotFound"))
            self.assertTrue(answer.error["message"].startswith("A secret with (name/id) %s was not found" % name))

    def test_disabled_secret_is_forbidden_and_expired_one_is_not(self):
        answer = self.get("/secrets/retired-key?" + V)
        self.assertEqual((answer.status, answer.error["code"], answer.error["innererror"]["code"]),
                         (403, "Forbidden", "SecretDisabled"))
        self.assertEqual(answer.error["message"], "Operation get is not allowed on a disabled secret.")
        answer = self.get("/secrets/expired-key?" + V)
        self.assertEqual((answer.status, answer.json["attributes"]["exp"]), (200, 1577836800))

    def test_reader_may_not_set(self):
        answer = self.put("rabbit-admin", {"value": "stolen"}, self.reader)
        self.assertEqual((answer.status, answer.error["code"], answer.error["innererror"]["code"]),
                         (403, "Forbidden", "ForbiddenByRbac"))
        message = answer.error["message"]
        self.assertTrue(message.startswith("Caller is not authorized to perform action on resource.\r\n"))
        for part in ("Caller: appid=%s;oid=%s;iss=%s/%s/" % (IDENTITY, IDENTITY_OID, self.standin.https, TENANT),
                     "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'",
                     "/vaults/orders-kv/secrets/rabbit-admin'", "Assignment: (not found)", "DenyAssignmentId: null",
                     "DecisionReason: 'DeniedWithNoValidRBAC'", "Vault: orders-kv;location="):
            self.assertIn(part, message)
        self.assertEqual(self.get("/secrets/rabbit-admin?" + V).json["value"], "canary-rabbit-admin-7f3a")

    def test_missing_permission_hides_whether_a_secret_exists(self):
        stranger = self.standin.vault_token("--app", CALLER)
        answers = [self.get("/secrets/%s?%s" % (name, V), stranger) for name in ("rabbit-admin", "nothing")]
        self.assertEqual([answer.status for answer in answers], [403, 403])

    def test_list_pages_through_all_secrets_without_values(self):
        names, path, pages = [], "/secrets?maxresults=2&" + V, 0
        while path:
            answer = self.get(path)
            self.assertEqual(answer.status, 200)
            self.assertNotIn(b"canary", answer.body)
            items = answer.json["value"]
            self.assertLessEqual(len(items), 2)
            names += [item["id"].rsplit("/secrets/", 1)[1] for item in items]
            link = answer.json["nextLink"]
            if link:
                self.assertTrue(link.startswith(self.standin.http + "/secrets?"), link)
                self.assertIn("$skiptoken=", link)
            path = link and link[len(self.standin.http):]
            pages += 1
        self.assertEqual(names, sorted(names))
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({"rabbit-admin", "rabbit-viewer", "retired-key", "upstream-api-key"}, set(names))
        self.assertEqual(pages, (len(names) + 1) // 2)

    def test_list_refuses_odd_pages(self):
        for query in ("maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=!"):
            self.assertEqual(self.get("/secrets?%s&%s" % (V, query)).status, 400, query)

    def test_versions_are_listed_with_their_ids(self):
        ids = [self.put("many-versions", {"value": "canary-%d" % i}).json["id"] for i in range(3)]
        first = self.get("/secrets/many-versions/versions?maxresults=2&" + V).json
        rest = self.get(first["nextLink"][len(self.standin.http):]).json
        self.assertEqual([item["id"] for item in first["value"] + rest["value"]], ids)
        self.assertIsNone(rest["nextLink"])
        self.assertNotIn("value", first["value"][0])

    def test_body_over_a_mebibyte_is_refused(self):
        answer = self.standin.call("PUT", "/secrets/big?" + V, b"x" * (1 << 20) + b"x",
                                   {"Authorization": "Bearer " + self.officer})
        self.assertEqual(answer.status, 413)


class Rbac(WithStandin):
    READER_OF_ONE = "10000000-0000-4000-8000-000000000001"
    METADATA_ONLY = "10000000-0000-4000-8000-000000000002"
    CUSTOM = "10000000-0000-4000-8000-000000000003"
    DENIED = "10000000-0000-4000-8000-000000000004"
    ADMINISTRATOR = "10000000-0000-4000-8000-000000000005"
    CONTRIBUTOR = "10000000-0000-4000-8000-000000000006"
    LATER = "10000000-0000-4000-8000-000000000007"
    GET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    seed = {
        "vault_roles": {
            "All But Values": {"dataActions": ["Microsoft.KeyVault/vaults/*"],
                               "notDataActions": ["Microsoft.KeyVault/vaults/secrets/get*"]},
        },
        "vaults": {
            "first-kv": {
                "secrets": {"one": "canary-first-one", "two": "canary-first-two"},
                "assignments": [
                    {"principal": READER_OF_ONE, "role": "Key Vault Secrets User", "scope": "/secrets/one"},
                    {"principal": METADATA_ONLY, "role": "Key Vault Reader"},
                    {"principal": CUSTOM, "role": "All But Values"},
                    {"principal": DENIED, "role": "4633458b-17de-408a-b874-0445c86b69e6", "scope": "/"},
                    {"principal": ADMINISTRATOR, "role": "Key Vault Administrator"},
                    {"principal": CONTRIBUTOR, "role": "Key Vault Contributor"},
                    {"principal": GROUP, "role": "Key Vault Secrets User"},
                ],
                "deny": [{"principal": DENIED, "dataActions": [GET], "scope": "/secrets/two"}],
            },
            "other-kv": {"resource": "https://vault.localhost:18443", "secrets": {"one": "canary-other-one"},
                         "assignments": [{"principal": ADMINISTRATOR, "role": "Key Vault Secrets User"}]},
        },
        "default_vault": "other-kv",
    }

    def status(self, principal, path, method="GET", body=None, vault="first-kv", claims=()):
        token = self.standin.vault_token("--app", CALLER, "--claim", 'oid="%s"' % principal, *claims)
        answer = self.standin.vault(method, "/vaults/%s%s?%s" % (vault, path, V), token, body)
        self.last = answer
        return answer.status

    def test_secret_scope_reaches_that_secret_only(self):
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets/one"), 200)
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets/ONE"), 200)
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets/two"), 403)
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets"), 403)
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets/one/versions"), 200)

    def test_vault_reader_sees_metadata_and_no_values(self):
        self.assertEqual(self.status(self.METADATA_ONLY, "/secrets"), 200)
        self.assertEqual(self.status(self.METADATA_ONLY, "/secrets/one"), 403)

    def test_custom_role_subtracts_its_not_actions(self):
        self.assertEqual(self.status(self.CUSTOM, "/secrets"), 200)
        self.assertEqual(self.status(self.CUSTOM, "/secrets/three", "PUT", {"value": "x"}), 200)
        self.assertEqual(self.status(self.CUSTOM, "/secrets/one"), 403)

    def test_subtraction_does_not_deny_what_another_role_grants(self):
        self.assertEqual(self.status(self.CUSTOM, "/secrets/one"), 403)
        self.assertEqual(self.status(self.CUSTOM, "/secrets/one", claims=("--group", GROUP)), 200)

    def test_deny_wins_in_its_scope(self):
        self.assertEqual(self.status(self.DENIED, "/secrets/one"), 200)
        self.assertEqual(self.status(self.DENIED, "/secrets/two"), 403)
        self.assertNotIn("DenyAssignmentId: null", self.last.error["message"])
        self.assertEqual(self.status(self.DENIED, "/secrets/two/versions"), 200)

    def test_wildcard_spans_slashes_and_control_roles_grant_nothing(self):
        self.assertEqual(self.status(self.ADMINISTRATOR, "/secrets/one"), 200)
        self.assertEqual(self.status(self.ADMINISTRATOR, "/secrets/four", "PUT", {"value": "x"}), 200)
        self.assertEqual(self.status(self.CONTRIBUTOR, "/secrets/one"), 403)

    def test_groups_count_from_token_and_directory(self):
        self.assertEqual(self.status("20000000-0000-4000-8000-000000000000", "/secrets/one"), 403)
        self.assertEqual(self.status("20000000-0000-4000-8000-000000000000", "/secrets/one",
                                     claims=("--group", GROUP)), 200)
        self.assertEqual(self.status(USER, "/secrets/one"), 200)

    def test_vaults_are_separate(self):
        self.assertEqual(self.status(self.ADMINISTRATOR, "/secrets/one", vault="other-kv"), 200)
        self.assertEqual(self.last.json["value"], "canary-other-one")
        self.assertEqual(self.status(self.READER_OF_ONE, "/secrets/one", vault="other-kv"), 403)
        self.assertEqual(self.status(self.ADMINISTRATOR, "/secrets/two", vault="other-kv"), 404)
        token = self.standin.vault_token("--app", CALLER, "--claim", 'oid="%s"' % self.ADMINISTRATOR)
        self.assertEqual(self.standin.vault("GET", "/secrets/one?" + V, token).json["value"], "canary-other-one")

    def test_challenge_names_the_vaults_own_resource(self):
        answer = self.standin.get("/secrets/one?" + V)
        self.assertIn(', resource="https://vault.localhost:18443"', answer.headers["WWW-Authenticate"])
        fields = {"grant_type": "client_credentials", "client_id": CALLER, "client_secret": CALLER_SECRET,
                  "scope": "https://vault.localhost:18443/.default"}
        token = self.standin.form("/%s/oauth2/v2.0/token" % TENANT, fields).json["access_token"]
        self.assertEqual(self.standin.vault("GET", "/secrets/one?" + V, token).status, 403)
        self.assertEqual(self.standin.vault("GET", "/vaults/first-kv/secrets/one?" + V, token).status, 401)
        self.assertEqual(self.standin.identity_token("https://vault.localhost:18443").status, 200)

    def test_assignments_come_and_go_by_knob(self):
        self.assertEqual(self.status(self.LATER, "/secrets/one"), 403)
        grant = {"principal": self.LATER, "role": "Key Vault Secrets User", "scope": "/secrets/one"}
        self.standin.knob("vaults/first-kv/assignments", grant)
        self.assertEqual(self.status(self.LATER, "/secrets/one"), 200)
        self.assertEqual(self.standin.knob("vaults/first-kv/assignments/forget", {"principal": self.LATER}),
                         {"removed": 1})
        self.assertEqual(self.status(self.LATER, "/secrets/one"), 403)
        for wrong in ({"principal": "x", "role": "Key Vault Reader"}, {"principal": self.LATER, "role": "Nobody"},
                      {"principal": self.LATER, "role": "Key Vault Reader", "scope": "/shelves/x"}):
            self.standin.knob("vaults/first-kv/assignments", wrong, status=400)

    def test_token_command_knows_the_servers_seed(self):
        self.assertEqual(self.status(self.ADMINISTRATOR, "/secrets/one"), 200)
        self.assertTrue(os.path.exists(os.path.join(self.standin.state, "seed.json")))


class Imds(WithStandin):
    PATH = "/metadata/identity/oauth2/token"
    QUERY = "?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"

    def test_token_comes_with_and_without_trailing_slash(self):
        for path in (self.PATH, self.PATH + "/"):
            answer = self.standin.get(path + self.QUERY, headers={"metadata": "true"})
            self.assertEqual(answer.status, 200, answer.body)
            document = answer.json
            self.assertEqual((document["client_id"], document["resource"], document["token_type"]),
                             (IDENTITY, VAULT_RESOURCE, "Bearer"))
            for member in ("expires_in", "expires_on", "ext_expires_in", "not_before"):
                self.assertRegex(document[member], "^[0-9]+$")
            _, claims = token_parts(document["access_token"])
            self.assertEqual((claims["aud"], claims["oid"], claims["appid"], claims["appidacr"], claims["ver"]),
                             (VAULT_RESOURCE, IDENTITY_OID, IDENTITY, "2", "1.0"))
            self.assertIn("gw-proxy", claims["xms_mirid"])

    def test_audience_is_what_was_asked(self):
        token = self.standin.identity_token(VAULT_RESOURCE + "/").json["access_token"]
        self.assertEqual(token_parts(token)[1]["aud"], VAULT_RESOURCE + "/")
        token = self.standin.identity_token(API_URI).json["access_token"]
        self.assertEqual(token_parts(token)[1]["aud"], API)
        self.assertNotIn("xms_mirid", token_parts(token)[1])

    def test_identity_is_selected(self):
        for selector in ({"client_id": IDENTITY}, {"object_id": IDENTITY_OID}):
            self.assertEqual(self.standin.identity_token(**selector).json["client_id"], IDENTITY)
        for selector in ({"client_id": CALLER}, {"client_id": IDENTITY, "object_id": IDENTITY_OID}):
            answer = self.standin.identity_token(**selector)
            self.assertEqual((answer.status, answer.error, answer.json["error_description"]),
                             (400, "invalid_request", "Identity not found"))

    def test_wrong_requests_are_refused(self):
        for headers in ({}, {"Metadata": "True"}, {"Metadata": "false"}):
            answer = self.standin.get(self.PATH + self.QUERY, headers=headers)
            self.assertEqual((answer.status, answer.error), (400, "bad_request_102"))
            self.assertEqual(answer.json["error_description"], "Required metadata header not specified")
        true = {"Metadata": "true"}
        self.assertEqual(self.standin.get(self.PATH + self.QUERY,
                                          headers={**true, "X-Forwarded-For": "1.2.3.4"}).status, 400)
        self.assertEqual(self.standin.get(self.PATH + "?api-version=2018-02-01", headers=true).status, 400)
        self.assertEqual(self.standin.identity_token("https://nobody.example").error, "invalid_resource")
        self.assertEqual(self.standin.get(self.PATH + self.QUERY, headers=true).status, 200)

    def test_imds_is_on_plain_http_only(self):
        answer = self.standin.get(self.PATH + self.QUERY, headers={"Metadata": "true"}, tls=True)
        self.assertEqual(answer.status, 404)


class Graph(WithStandin):
    RESOURCE = "https://graph.microsoft.com"
    CLIENT = "00000003-0000-0000-c000-000000000000"
    OUTER, ALONE = "c8d9e0f1-a2b3-4c4d-8e5f-60718293a4b5", "d9e0f1a2-b3c4-4d5e-9f60-718293a4b5c6"
    ROBOT, ROBOT_OID = "aa0b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3", "bb1c2d3e-4f50-4b6c-9d7e-8f90a1b2c3d4"
    seed = {
        "groups": {GROUP: [OUTER], OUTER: [GROUP]},  # a ring: it must end
        "apps": [
            {"client_id": API, "oid": "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4", "uris": [API_URI], "secret": "reader",
             "roles": {CLIENT: ["User.Read.All", "GroupMember.Read.All"]}},
            {"client_id": ROBOT, "oid": ROBOT_OID, "groups": [ALONE], "secret": "robot",
             "roles": {CLIENT: ["Directory.Read.All"]}},
            {"client_id": CALLER, "oid": CALLER_OID, "secret": "nothing"},
        ],
    }

    def graph_token(self, client=API, secret="reader"):
        answer = self.standin.form(TokenEndpoint.V2, {
            "grant_type": "client_credentials", "client_id": client, "client_secret": secret,
            "scope": self.RESOURCE + "/.default"})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["access_token"]

    def ask(self, path, body, token=None, **more):
        headers = {"Content-Type": "application/json"}
        if token != "":
            headers["Authorization"] = "Bearer " + (token or self.graph_token())
        return self.standin.call(more.pop("method", "POST"), "/v1.0/" + path, json.dumps(body), headers, **more)

    def check(self, path, groups, **more):
        answer = self.ask(path + "/checkMemberGroups", {"groupIds": groups}, **more)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("@odata.context", answer.json)
        return answer.json["value"]

    def refused(self, status, code, path, body, token=None, **more):
        answer = self.ask(path, body, token, **more)
        self.assertEqual((answer.status, answer.error["code"]), (status, code), answer.body)
        self.assertIn("request-id", answer.error["innerError"])

    def test_membership_is_transitive_and_only_what_was_asked(self):
        for tls in (False, True):
            asked = [self.ALONE, GROUP, self.OUTER, OTHER_GROUP]
            self.assertEqual(self.check("users/" + USER, asked, tls=tls), [GROUP, self.OUTER])
        self.assertEqual(self.check("users/" + USER, [self.ALONE]), [])

    def test_all_objects_in_one_answer(self):
        answer = self.ask("users/%s/getMemberObjects" % USER, {"securityEnabledOnly": False})
        self.assertEqual((answer.status, answer.json["value"]), (200, [GROUP, self.OUTER]))

    def test_service_principals_have_groups_too(self):
        token = self.graph_token(self.ROBOT, "robot")
        self.assertEqual(self.check("servicePrincipals/" + self.ROBOT_OID, [GROUP, self.ALONE], token=token),
                         [self.ALONE])

    def test_refuses_what_graph_refuses(self):
        check = "users/%s/checkMemberGroups" % USER
        groups = {"groupIds": [GROUP]}
        self.check("users/" + USER, [GROUP])
        self.refused(401, "InvalidAuthenticationToken", check, groups, "")
        self.refused(401, "InvalidAuthenticationToken", check, groups, self.standin.vault_token())
        self.refused(403, "Authorization_RequestDenied", check, groups, self.graph_token(CALLER, "nothing"))
        self.refused(403, "Authorization_RequestDenied",
                     "servicePrincipals/%s/checkMemberGroups" % self.ROBOT_OID, groups)
        self.refused(404, "Request_ResourceNotFound", "users/%s/checkMemberGroups" % self.ROBOT_OID, groups)
        self.refused(400, "Request_BadRequest", check, {"groupIds": [GROUP] * 21})
        self.refused(400, "Request_BadRequest", check, {"groupIds": ["operators"]})
        self.refused(400, "Request_BadRequest", check, {})
        self.refused(400, "Request_BadRequest", "users/%s/getMemberObjects" % USER, {})
        self.refused(400, "BadRequest", check, [GROUP])
        self.refused(405, "Request_BadRequest", check, groups, method="PUT")
        self.refused(404, "BadRequest", "users/%s/revokeSignInSessions" % USER, {})

    def test_metadata_names_the_origin_that_was_asked_as_graphs(self):
        document = "/%s/v2.0/.well-known/openid-configuration" % TENANT
        for tls, origin in ((False, self.standin.http), (True, self.standin.https)):
            self.assertEqual("://" + self.standin.get(document, tls=tls).json["msgraph_host"],
                             origin[origin.index("://"):])


class Knobs(WithStandin):
    KEYS = "/%s/discovery/v2.0/keys" % TENANT

    def test_counters_count_by_endpoint_and_path(self):
        self.standin.knob("counters/reset")
        self.standin.get(self.KEYS)
        self.standin.get(self.KEYS)
        self.standin.get("/secrets/x")
        self.standin.get("/nowhere")
        counters = self.standin.get("/standin/counters").json
        self.assertEqual((counters["keys"], counters["vault"], counters["other"], counters["imds"]), (2, 1, 1, 0))
        self.assertEqual(counters["requests"]["GET " + self.KEYS], 2)

    def test_fault_answers_so_many_times_and_no_more(self):
        self.standin.knob("counters/reset")
        self.standin.knob("faults", {"endpoint": "keys", "count": 2, "status": 429, "retry_after": 7})
        for _ in range(2):
            answer = self.standin.get(self.KEYS)
            self.assertEqual((answer.status, answer.headers["Retry-After"]), (429, "7"))
        self.assertEqual(self.standin.get(self.KEYS).status, 200)
        self.assertEqual(self.standin.get("/standin/counters").json["faulted"]["keys"], 2)

    def test_fault_hits_only_its_endpoint_and_path(self):
        self.standin.knob("faults", {"endpoint": "vault", "count": -1, "status": 503, "match": "/secrets/a"})
        answers = [self.standin.get("/secrets/" + name).status for name in ("a", "b", "a", "a")]
        self.assertEqual(answers, [503, 401, 503, 503])
        self.assertEqual(self.standin.get("/secrets/a").error["code"], "ServiceUnavailable")
        self.assertEqual(self.standin.get(self.KEYS).status, 200)
        self.standin.knob("faults/clear")
        self.assertEqual(self.standin.get("/secrets/a").status, 401)

    def test_every_endpoint_can_fail(self):
        imds = (Imds.PATH + Imds.QUERY, {"Metadata": "true"})
        paths = {"metadata": ("/%s/v2.0/.well-known/openid-configuration" % TENANT, {}), "keys": (self.KEYS, {}),
                 "vault": ("/secrets/x", {}), "imds": imds, "token": (TokenEndpoint.V2, {}),
                 "graph": ("/v1.0/users/%s/checkMemberGroups" % USER, {})}
        for endpoint, (path, headers) in paths.items():
            before = self.standin.get(path, headers=headers).status
            self.standin.knob("faults", {"endpoint": endpoint, "status": 500})
            self.assertEqual(self.standin.get(path, headers=headers).status, 500, endpoint)
            self.assertEqual(self.standin.get(path, headers=headers).status, before, endpoint)

    def test_fault_delays_and_then_answers(self):
        self.standin.knob("faults", {"endpoint": "keys", "delay_ms": 300})
        begin = time.monotonic()
        self.assertEqual(self.standin.get(self.KEYS).status, 200)
        self.assertGreaterEqual(time.monotonic() - begin, 0.29)

    def test_delay_holds_up_nobody_else(self):
        self.standin.knob("faults", {"endpoint": "keys", "delay_ms": 600000})
        netloc = urllib.parse.urlsplit(self.standin.http).netloc
        connection = http.client.HTTPConnection(netloc, timeout=30)
        connection.request("GET", self.KEYS)
        while self.standin.get("/standin/counters").json["faulted"]["keys"] == 0:
            pass
        self.assertEqual(self.standin.get(self.KEYS).status, 200)
        connection.close()

    def test_fault_closes_the_connection(self):
        self.standin.knob("faults", {"endpoint": "keys", "close": True})
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.standin.get(self.KEYS)
        self.assertEqual(self.standin.get(self.KEYS).status, 200)

    def test_fault_sends_the_body_it_was_given(self):
        self.standin.knob("faults", {"endpoint": "keys", "status": 200, "body": '{"keys": [}'})
        answer = self.standin.get(self.KEYS)
        self.assertEqual((answer.status, answer.body), (200, b'{"keys": [}'))

    def test_secrets_change_without_rbac(self):
        token = self.standin.identity_token().json["access_token"]
        path = "/secrets/by-knob?" + V
        self.standin.knob("vaults/orders-kv/secrets/by-knob", {"value": "canary-knob"})
        self.assertEqual(self.standin.vault("GET", path, token).json["value"], "canary-knob")
        self.standin.knob("vaults/orders-kv/secrets/by-knob", {"attributes": {"enabled": False}})
        self.assertEqual(self.standin.vault("GET", path, token).error["innererror"]["code"], "SecretDisabled")
        self.standin.knob("vaults/orders-kv/secrets/by-knob/delete")
        self.assertEqual(self.standin.vault("GET", path, token).status, 404)

    def test_wrong_knobs_are_refused(self):
        for path, document, status in (
                ("faults", {"endpoint": "nobody", "status": 500}, 400),
                ("faults", {"endpoint": "keys"}, 400),
                ("faults", {"endpoint": "keys", "status": 99}, 400),
                ("faults", {"endpoint": "keys", "status": 500, "count": 0}, 400),
                ("faults", {"endpoint": "keys", "status": 500, "close": True}, 400),
                ("faults", {"endpoint": "keys", "status": "500"}, 400),
                ("faults", {"endpoint": "keys", "status": 500, "sometimes": True}, 400),
                ("faults", [], 400),
                ("counters", {}, 405),
                ("nothing", {}, 404),
                ("vaults/nobody/secrets/x", {"value": "x"}, 404),
                ("vaults/orders-kv/secrets/nothing", {"attributes": {"enabled": True}}, 400),
                ("vaults/orders-kv/secrets/a_b", {"value": "x"}, 400),
                ("vaults/orders-kv/secrets/nothing/delete", {}, 404)):
            self.standin.knob(path, document, status=status)
        self.standin.knob("faults", {"endpoint": "keys", "status": 500})


class Wire(WithStandin):
    def raw(self, data):
        netloc = urllib.parse.urlsplit(self.standin.http)
        with socket.create_connection((netloc.hostname, netloc.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                try:
                    piece = connection.recv(65536)
                except ConnectionResetError:
                    return answer
                if not piece:
                    return answer
                answer += piece

    def test_garbage_is_survived(self):
        for data in (b"", b"\0\0\0\0", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"A" * 600,
                     b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET /" + b"a/" * 4000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET /?" + b"a&" * 500 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET /%ff%fe/v2.0/.well-known/openid-configuration HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET /secrets/%ff HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\n\r\n",
                     b"GET /secrets/x HTTP/1.1\r\nHost: <script>\r\n\r\n",
                     b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"POST /standin/faults HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\xff\xfe{",
                     b"POST /%s/oauth2/v2.0/token HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n\r\n"
                     b"grant_type=%%ff&client_id" % TENANT.encode(),
                     b"POST /%s/oauth2/v2.0/token HTTP/1.1\r\nHost: a\r\nAuthorization: Basic /////w==\r\n"
                     b"Content-Length: 29\r\n\r\ngrant_type=client_credentials" % TENANT.encode()):
            self.raw(data)
            self.assertEqual(self.standin.get("/standin/keys").status, 200, data[:60])

    def test_request_without_host_is_answered(self):
        self.assertIn(b" 200 ", self.raw(b"GET /%s/discovery/keys HTTP/1.0\r\n\r\n" % TENANT.encode()))

    def test_malformed_targets_are_refused(self):
        for target in ("/%zz", "/a%00b", "/" + "a/" * 20):
            self.assertEqual(self.standin.get(target).status, 400, target)

    def test_tls_certificate_fits_the_vaults_host_names(self):
        port = urllib.parse.urlsplit(self.standin.https).port
        for name in ("127.0.0.1", "localhost", "orders-kv.vault.localhost"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                with self.standin.trust.wrap_socket(plain, server_hostname=name) as connection:
                    self.assertIn(connection.version(), ("TLSv1.2", "TLSv1.3"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.standin.trust.wrap_socket(plain, server_hostname="login.microsoftonline.com")

    def test_certificate_passes_a_strict_verifier(self):
        chain = os.path.join(self.standin.state, "server.pem")
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                               self.standin.ready["ca"], chain], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_token_or_secret_in_the_state_directory_is_readable_by_others(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.standin.state).st_mode) & 0o077, 0)
        for name in os.listdir(self.standin.state):
            mode = os.stat(os.path.join(self.standin.state, name)).st_mode
            self.assertEqual(stat.S_IMODE(mode) & 0o077, 0, name)


class Starting(unittest.TestCase):
    def start(self, *arguments, environment=None):
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30,
                              env={**os.environ, **(environment or {})})

    def refused(self, code, part, *arguments, **more):
        done = self.start(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def test_taken_port_is_named(self):
        with socket.socket() as taken, fresh_state() as state:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.refused(3, "127.0.0.1:%s is taken" % port, "--port", port, "--http-port", "0", "--state", state)
            self.refused(3, "127.0.0.1:%s is taken" % port, "--port", "0", "--http-port", port, "--state", state)

    def test_wrong_options_are_refused(self):
        self.refused(2, "--nonsense", "--nonsense")
        self.refused(2, "--port", "--port", "65536")
        self.refused(2, "--port", "--port", "-1")
        self.refused(2, "unexpected", "serve")
        self.assertEqual(self.start("--help").returncode, 0)

    def test_state_directory_of_others_is_refused(self):
        with tempfile.TemporaryDirectory() as base:
            loose = os.path.join(base, "loose")
            os.mkdir(loose)
            os.chmod(loose, 0o777)
            link = os.path.join(base, "link")
            os.symlink(base, link)
            file = os.path.join(base, "file")
            with open(file, "w", encoding="utf-8"):
                pass
            for state, part in ((loose, "writable by others"), (link, "not a directory"), (file, "not a directory"),
                                (os.path.join(base, "no", "where"), "No such file")):
                self.refused(3, part, "--port", "0", "--http-port", "0", "--state", state)
            if os.geteuid() == 0:
                foreign = os.path.join(base, "foreign")
                os.mkdir(foreign, 0o700)
                os.chown(foreign, 65534, 65534)
                self.refused(3, "another user", "--port", "0", "--http-port", "0", "--state", foreign)

    def test_default_state_directory_is_below_the_runtime_directory(self):
        with tempfile.TemporaryDirectory() as base:
            done = self.start("token", environment={"XDG_RUNTIME_DIR": base})
            self.assertEqual(done.returncode, 0, done.stderr)
            made = os.path.join(base, "barkeep-standin-%d" % os.getuid())
            self.assertEqual(stat.S_IMODE(os.stat(made).st_mode), 0o700)

    def test_damaged_state_is_named(self):
        with fresh_state() as state:
            with open(os.path.join(state, "keys.json"), "w", encoding="utf-8") as file:
                file.write("{}")
            self.refused(3, "keys.json is damaged", "token", "--state", state)

    def test_wrong_seeds_are_refused_with_their_path(self):
        guid = "10000000-0000-4000-8000-000000000001"
        wrong = {
            "[": "line 1",
            "[]": "must be an object",
            '{"tenants": [], "tenants": []}': "duplicate",
            '{"people": []}': 'unknown member "people"',
            '{"tenants": []}': "at least one",
            '{"tenants": [{"id": "x"}]}': "tenants[0].id must be a GUID",
            '{"apps": [{"client_id": "%s"}]}' % guid: '"oid" is missing',
            '{"apps": [{"client_id": "%s", "oid": "%s", "token_version": 3}]}' % (guid, guid): "token_version",
            '{"apps": [{"client_id": "%s", "oid": "%s", "tenant": "%s"}]}' % (guid, guid, guid): "apps[0].tenant: no tenant",
            '{"vaults": {"good-kv": {"tenant": "%s"}}}' % guid: "vaults.good-kv.tenant: no tenant",
            '{"users": [7]}': "users[0] must be an object",
            '{"vaults": {"x": {}}}': "3-24",
            '{"vaults": {"good-kv": {"secrets": {"a_b": "x"}}}}': "vaults.good-kv.secrets.a_b",
            '{"vaults": {"good-kv": {"secrets": {"a": {"value": 1}}}}}': "value must be a string",
            '{"vaults": {"good-kv": {"assignments": [{"principal": "%s", "role": "King"}]}}}' % guid:
                'unknown role "King"',
            '{"vaults": {"good-kv": {"deny": [{"principal": "me", "dataActions": []}]}}}': "GUID or",
            '{"vaults": {"good-kv": {"keys": {"k": {"kty": "AES"}}}}}': "vaults.good-kv.keys.k: kty must be",
            '{"vaults": {"good-kv": {"keys": {"k_": {}}}}}': "vaults.good-kv.keys.k_: a name is",
            '{"vaults": {"good-kv": {"certificates": {"c": {"issuer": "x"}}}}}': "vaults.good-kv.certificates.c.issuer",
            '{"vaults": {"good-kv": {"access_policies": [{}]}}}': "vaults.good-kv.access_policies[0]",
            '{"vault_roles": {"R": {"actions": []}}}': 'unknown member "actions"',
            '{"default_vault": "nobody"}': "default_vault",
        }
        with tempfile.TemporaryDirectory() as base, fresh_state() as state:
            seed = os.path.join(base, "seed.json")
            arguments = ("--port", "0", "--http-port", "0", "--state", state, "--seed", seed)
            self.refused(2, "no such file", *arguments)
            for text, part in wrong.items():
                with open(seed, "w", encoding="utf-8") as file:
                    file.write(text)
                self.refused(2, part, *arguments)
            with open(seed, "w", encoding="utf-8") as file:
                file.write("{}")
            standin = Standin("--seed", seed)
            self.assertEqual(standin.ready["tenant"], TENANT)
            self.assertEqual(standin.stop(), 0)

    def test_seed_of_the_documentation_is_valid(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "SEED.md"), encoding="utf-8") as file:
            text = file.read().split("```json\n")[1].split("```")[0]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as seed:
            seed.write(text)
            seed.flush()
            standin = Standin("--seed", seed.name)
            self.assertEqual(standin.stop(), 0)

    def test_stops_at_once_while_a_request_waits(self):
        standin = Standin()
        standin.knob("faults", {"endpoint": "keys", "delay_ms": 600000})
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(standin.http).netloc, timeout=30)
        connection.request("GET", Knobs.KEYS)
        while standin.get("/standin/counters").json["faulted"]["keys"] == 0:
            pass
        self.assertEqual(standin.stop(), 0)
        connection.close()


if __name__ == "__main__":
    unittest.main()
