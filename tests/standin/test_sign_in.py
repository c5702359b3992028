#!/usr/bin/env python3
"""How applications and managed identities sign in: python3 tests/standin/test_sign_in.py BINARY

Assertions, federated credentials, on-behalf-of, and the endpoints of machines. Every block of refusals has a
positive control through the same door."""
import base64
import datetime
import json
import os
import re
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from harness import (API, API_URI, BINARY, CALLER, CALLER_SECRET, DEPLOYER, IDENTITY, IDENTITY_OID, TENANT, USER,
                     VAULT_RESOURCE, Standin, WithStandin, mint, signature_is_good, token_parts)

V2 = "/%s/oauth2/v2.0/token" % TENANT
V1 = "/%s/oauth2/token" % TENANT
API_SECRET = "canary-orders-gw-client-secret"
STOCK_URI = "api://stock"
STOCK = "e4f50617-2839-4a5b-8c6d-7e8f9a0b1c2d"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Certificate:
    """A key pair with its self-signed certificate."""

    def __init__(self, key=None):
        self.key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "barkeep test")])
        now = datetime.datetime.now(datetime.timezone.utc)
        self.certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                            .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
                            .sign(self.key, hashes.SHA256()))

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def thumbprint(self, digest):
        return base64url(self.certificate.fingerprint(digest))

    def sign(self, algorithm, text):
        if algorithm == "PS256":
            how = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        elif algorithm == "long salt":
            how = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        else:
            how = padding.PKCS1v15()
        return self.key.sign(text, how, hashes.SHA256())

    def assertion(self, audience, client=CALLER, algorithm="PS256", header=None, **claims):
        now = int(time.time())
        thumbprint = ({"x5t": self.thumbprint(hashes.SHA1())} if algorithm == "RS256" else
                      {"x5t#S256": self.thumbprint(hashes.SHA256())})
        fields = {"alg": "PS256" if algorithm == "long salt" else algorithm, "typ": "JWT", **thumbprint}
        fields.update(header or {})
        payload = {"aud": audience, "iss": client, "sub": client, "jti": str(uuid.uuid4()), "nbf": now, "iat": now,
                   "exp": now + 600, **claims}
        text = ".".join(base64url(json.dumps({name: value for name, value in part.items() if value is not None})
                                  .encode()) for part in (fields, payload))
        return text + "." + base64url(self.sign(algorithm, text.encode()))


class SignIn(WithStandin):
    """Doors that token requests go through."""

    def granted(self, fields, path=V2, **more):
        answer = self.standin.form(path, fields, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def refused(self, fields, status, error, code, path=V2, **more):
        answer = self.standin.form(path, fields, **more)
        document = answer.json
        self.assertEqual((answer.status, document["error"], document["error_codes"]), (status, error, [code]),
                         answer.body)
        self.assertTrue(document["error_description"].startswith("AADSTS%d: " % code))
        for member in ("timestamp", "trace_id", "correlation_id", "error_uri"):
            self.assertIn(member, document)
        return answer

    def service_account(self, *arguments):
        return service_account(self.standin.state, *arguments)


def service_account(state, *arguments):
    done = subprocess.run([BINARY, "service-account", "--state", state, *arguments], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def by_assertion(assertion, client=CALLER, **more):
    return {"grant_type": "client_credentials", "client_id": client, "scope": API_URI + "/.default",
            "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **more}


class Assertions(SignIn):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = Certificate()
        cls.stranger = Certificate()
        cls.standin.knob("apps/" + CALLER, {"certificate": cls.certificate.pem})
        cls.endpoint = cls.standin.https + V2

    def test_ps256_with_the_sha256_thumbprint_is_taken(self):
        document = self.granted(by_assertion(self.certificate.assertion(self.endpoint)), tls=True)
        _, claims = token_parts(document["access_token"])
        self.assertEqual((claims["azp"], claims["azpacr"], claims["roles"]), (CALLER, "2", ["Orders.Read.All"]))

    def test_rs256_with_the_sha1_thumbprint_is_taken(self):
        self.granted(by_assertion(self.certificate.assertion(self.endpoint, algorithm="RS256")))

    def test_either_token_endpoint_is_a_good_audience(self):
        for audience in (self.standin.https + V1, self.standin.http + V2,
                         self.standin.https + "/fabrikam.example/oauth2/v2.0/token"):
            self.granted(by_assertion(self.certificate.assertion(audience)),
                         path=V2.replace(TENANT, "fabrikam.example"))

    def test_a_certificate_of_the_seed_is_registered(self):
        seed = {"apps": [{"client_id": CALLER, "oid": IDENTITY_OID, "certificates": [self.certificate.pem]},
                         {"client_id": API, "oid": DEPLOYER, "uris": [API_URI]}]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(seed, file)
            file.flush()
            standin = Standin("--seed", file.name)
            answer = standin.form(V2, by_assertion(self.certificate.assertion(standin.https + V2)))
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(standin.stop(), 0)

    def test_wrong_keys_are_refused(self):
        good = self.certificate.assertion(self.endpoint)
        self.granted(by_assertion(good))
        ours = {"x5t#S256": self.certificate.thumbprint(hashes.SHA256())}
        both = {**ours, "x5t": self.stranger.thumbprint(hashes.SHA1())}
        head, body, signature = good.split(".")
        none = base64url(json.dumps({"alg": "none", **ours}).encode())
        for assertion in (self.stranger.assertion(self.endpoint), self.stranger.assertion(self.endpoint, header=ours),
                          self.certificate.assertion(self.endpoint, header=both),
                          self.certificate.assertion(self.endpoint, algorithm="long salt"),
                          self.certificate.assertion(self.endpoint, header={"alg": "RS256"}),
                          self.certificate.assertion(self.endpoint, header={"alg": "HS256"}),
                          "%s.%s." % (none, body), "%s.%s.%s" % (head, body, signature[:-8])):
            self.refused(by_assertion(assertion), 401, "invalid_client", 700027)

    def test_wrong_claims_are_refused(self):
        now = int(time.time())
        wrong = [(700023, {"aud": self.standin.https + "/" + TENANT}), (700023, {"aud": "https://elsewhere.example"}),
                 (700021, {"iss": DEPLOYER}), (700021, {"sub": DEPLOYER}), (700021, {"sub": None}),
                 (700024, {"exp": now - 600}), (700024, {"exp": now + 3600}), (700024, {"nbf": now + 600}),
                 (700024, {"exp": None}), (700024, {"exp": str(now + 300)})]
        self.granted(by_assertion(self.certificate.assertion(self.endpoint)))
        for code, claims in wrong:
            claims = {"audience": claims.pop("aud", self.endpoint), **claims}
            self.refused(by_assertion(self.certificate.assertion(**claims)), 401, "invalid_client", code)

    def test_wrong_forms_are_refused(self):
        good = self.certificate.assertion(self.endpoint)
        self.refused(by_assertion(good, client_assertion_type="x"), 400, "invalid_request", 900144)
        for malformed in ("x.y.z", "nonsense", "..", good.replace(".", "", 1), good.replace(".", "=.", 1)):
            self.refused(by_assertion(malformed), 400, "invalid_request", 50027)
        self.refused(by_assertion(good, client=DEPLOYER), 401, "invalid_client", 700027)

    def test_a_certificate_must_be_one(self):
        weak = Certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024))
        curve = Certificate(ec.generate_private_key(ec.SECP256R1()))
        for pem in (weak.pem, curve.pem, "nonsense"):
            self.standin.knob("apps/" + CALLER, {"certificate": pem}, status=400)
        self.standin.knob("apps/" + CALLER, {"certificate": self.certificate.pem})


class Federated(SignIn):
    ISSUER = "https://oidc.cluster.example/7d2e0c41"

    def wanted(self, assertion):
        return by_assertion(assertion, client=API, scope=VAULT_RESOURCE + "/.default")

    def test_the_clusters_token_gets_one(self):
        token = self.service_account()
        _, claims = token_parts(token)
        self.assertEqual((claims["iss"], claims["sub"], claims["aud"]),
                         (self.ISSUER, "system:serviceaccount:edge:barkeep", ["api://AzureADTokenExchange"]))
        document = self.granted(self.wanted(token))
        _, claims = token_parts(document["access_token"])
        self.assertEqual((claims["aud"], claims["appid"], claims["appidacr"]), (VAULT_RESOURCE, API, "2"))

    def test_every_part_must_match(self):
        self.granted(self.wanted(self.service_account()))
        for code, arguments in ((700211, ("--issuer", self.ISSUER + "/")), (700211, ("--issuer", self.ISSUER.upper())),
                                (700212, ("--audience", API)),
                                (700213, ("--subject", "system:serviceaccount:edge:other")),
                                (700213, ("--subject", "system:serviceaccount:Edge:barkeep"))):
            self.refused(self.wanted(self.service_account(*arguments)), 400, "invalid_request", code)
        self.refused(self.wanted(self.service_account("--key", "other")), 401, "invalid_client", 700027)
        self.refused(self.wanted(self.service_account("--expires-in", "-600")), 401, "invalid_client", 700024)
        self.refused(by_assertion(self.service_account()), 400, "invalid_request", 70021)

    def test_a_record_comes_by_knob(self):
        self.standin.knob("apps/" + DEPLOYER, {"federated": {"issuer": "https://forge.example", "subject": "repo:x"}})
        token = self.service_account("--issuer", "https://forge.example", "--subject", "repo:x")
        self.granted(by_assertion(token, client=DEPLOYER))
        self.standin.knob("apps/" + DEPLOYER, {"federated": {"issuer": "https://forge.example"}}, status=400)

    def test_wrong_command_lines_are_refused_with_one_line(self):
        for arguments in (["--nonsense"], ["--key", "mine"], ["--expires-in", "soon"], ["word"], ["--issuer"]):
            done = subprocess.run([BINARY, "service-account", "--state", self.standin.state, *arguments],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
        done = subprocess.run([BINARY, "service-account", "--help"], capture_output=True, text=True, timeout=30)
        self.assertIn("--subject", done.stdout)


class OnBehalfOf(SignIn):
    def wish(self, assertion=None, **more):
        fields = {"grant_type": ON_BEHALF_OF, "client_id": API, "client_secret": API_SECRET,
                  "requested_token_use": "on_behalf_of", "scope": STOCK_URI + "/.default",
                  "assertion": assertion or self.standin.token(), **more}
        return {name: value for name, value in fields.items() if value is not None}

    def test_a_users_token_becomes_one_for_the_next_api(self):
        document = self.granted(self.wish())
        self.assertEqual(document["scope"], "api://stock/Stock.Read api://stock/Stock.Write")
        self.assertGreater(document["expires_in"], 3600)
        for member in ("refresh_token", "id_token", "client_info"):
            self.assertNotIn(member, document)
        token = document["access_token"]
        _, claims = token_parts(token)
        self.assertEqual((claims["aud"], claims["azp"], claims["azpacr"], claims["oid"], claims["scp"]),
                         (STOCK, API, "1", USER, "Stock.Read Stock.Write"))
        self.assertEqual(claims["preferred_username"], "mira.okafor@fabrikam.example")
        self.assertTrue(signature_is_good(token, self.standin.key_of(token)))

    def test_scopes_are_those_asked_for(self):
        document = self.granted(self.wish(scope="api://stock/Stock.Read"))
        self.assertEqual(token_parts(document["access_token"])[1]["scp"], "Stock.Read")
        document = self.granted(self.wish(scope=VAULT_RESOURCE + "/user_impersonation"))
        _, claims = token_parts(document["access_token"])
        self.assertEqual((claims["aud"], claims["scp"], claims["ver"]), (VAULT_RESOURCE, "user_impersonation", "1.0"))
        document = self.granted(self.wish(scope="User.Read"))
        self.assertEqual(token_parts(document["access_token"])[1]["aud"], "https://graph.microsoft.com")
        self.refused(self.wish(scope="api://stock/Stock.Burn"), 400, "invalid_scope", 70011)
        self.refused(self.wish(scope="openid profile"), 400, "invalid_scope", 70011)
        self.refused(self.wish(scope="api://stock/.default User.Read"), 400, "invalid_request", 700022)
        self.refused(self.wish(scope="api://nobody/.default"), 400, "invalid_resource", 500011)
        self.refused(self.wish(scope=None), 400, "invalid_request", 900144)

    def test_libraries_get_what_they_ask_besides(self):
        document = self.granted(self.wish(scope="api://stock/.default openid profile offline_access", client_info="1"))
        self.assertIn("refresh_token", document)
        _, claims = token_parts(document["id_token"])
        self.assertEqual((claims["aud"], claims["oid"]), (API, USER))
        text = document["client_info"]
        self.assertEqual(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))),
                         {"uid": USER, "utid": TENANT})

    def test_v1_tokens_and_the_v1_endpoint_work_too(self):
        token = self.standin.token("--version", "1")
        self.granted(self.wish(token))
        document = self.granted(self.wish(token, scope=None, resource=STOCK_URI), path=V1)
        self.assertEqual((document["resource"], document["expires_in"]), (STOCK, "4799"))

    def test_capable_clients_get_long_tokens(self):
        wish = json.dumps({"access_token": {"xms_cc": {"values": ["cp1"]}}})
        document = self.granted(self.wish(claims=wish))
        self.assertEqual(token_parts(document["access_token"])[1]["xms_cc"], ["cp1"])

    def test_assertions_that_are_no_good_are_refused(self):
        self.granted(self.wish())
        token = self.standin.token
        self.refused(self.wish(token("--expires-in", "-60")), 400, "invalid_grant", 500133)
        self.refused(self.wish(token("--not-before", "600")), 400, "invalid_grant", 500133)
        self.refused(self.wish(token("--app", CALLER)), 400, "invalid_grant", 700229)
        self.refused(self.wish(token("--remove-claim", "scp")), 400, "invalid_grant", 700229)
        self.refused(self.wish(token("--id-token")), 400, "unauthorized_client", 240002)
        for bad in (token("--audience", STOCK_URI), token("--key", "unpublished"), token("--alg", "HS256"),
                    token("--alg", "none"), token("--tenant", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")):
            self.refused(self.wish(bad), 400, "invalid_grant", 50013)
        self.refused(self.wish("nonsense"), 400, "invalid_request", 50027)

    def test_requests_that_are_no_good_are_refused(self):
        self.refused(self.wish(requested_token_use=None), 400, "invalid_request", 900144)
        self.refused({**self.wish(), "assertion": ""}, 400, "invalid_request", 900144)
        self.refused(self.wish(client_secret="wrong"), 401, "invalid_client", 7000215)
        self.granted(self.wish())

    def test_a_challenge_stands_until_it_is_met(self):
        claims = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
        self.standin.knob("users/" + USER, {"refuse": "interaction_required", "claims": claims})
        document = self.refused(self.wish(), 400, "interaction_required", 50076).json
        self.assertEqual((json.loads(document["claims"]), document["suberror"]), (claims, "basic_action"))
        self.granted(self.wish(self.standin.token("--acrs", "c1")))
        self.granted(self.wish(self.standin.token("--user", "5b60718a-92a3-4b4c-8d5e-6f708192a3b4")))
        self.standin.knob("users/" + USER, {"refuse": "none"})
        self.granted(self.wish())


class Rules(SignIn):
    GOOD = {"grant_type": "client_credentials", "client_id": CALLER, "client_secret": CALLER_SECRET,
            "scope": API_URI + "/.default"}

    def rule(self, **document):
        self.standin.knob("apps/" + CALLER, document)

    def tearDown(self):
        self.rule(refuse="none", disabled=False, secrets_expired=False, secrets=[CALLER_SECRET])
        self.standin.knob("tokens", {"lifetime_sec": 0})
        self.granted(self.GOOD)

    def test_rules_answer_as_entra_does(self):
        for name, status, error, code, suberror in (
                ("interaction_required", 400, "interaction_required", 50076, "basic_action"),
                ("conditional_access", 400, "interaction_required", 53003, "message_only"),
                ("consent_required", 400, "invalid_grant", 65001, "consent_required"),
                ("revoked", 400, "invalid_grant", 50173, "bad_token"),
                ("no_on_behalf_of", 400, "invalid_request", 7000114, None),
                ("throttled", 429, "temporarily_unavailable", 90055, None),
                ("unavailable", 503, "temporarily_unavailable", 90033, None)):
            self.rule(refuse=name, retry_after=7)
            answer = self.refused(self.GOOD, status, error, code)
            self.assertEqual((answer.json.get("suberror"), answer.headers["Retry-After"]), (suberror, "7"))

    def test_a_disabled_application_gets_nothing(self):
        self.rule(disabled=True)
        self.refused(self.GOOD, 400, "unauthorized_client", 7000112)

    def test_an_expired_secret_is_told_from_a_wrong_one(self):
        self.rule(secrets_expired=True)
        self.refused(self.GOOD, 401, "invalid_client", 7000222)
        self.refused({**self.GOOD, "client_secret": "wrong"}, 401, "invalid_client", 7000215)

    def test_secrets_are_replaced(self):
        self.rule(secrets=["canary-caller-second"])
        self.refused(self.GOOD, 401, "invalid_client", 7000215)
        self.granted({**self.GOOD, "client_secret": "canary-caller-second"})

    def test_tokens_live_as_long_as_asked(self):
        self.standin.knob("tokens", {"lifetime_sec": 20})
        document = self.granted(self.GOOD)
        self.assertEqual(document["expires_in"], 20)
        _, claims = token_parts(document["access_token"])
        self.assertAlmostEqual(claims["exp"], time.time() + 20, delta=10)
        self.assertEqual(self.standin.identity_token().json["expires_in"], "20")

    def test_wrong_knobs_are_refused(self):
        for path, document, status in (
                ("apps/" + CALLER, {"refuse": "nicely"}, 400), ("apps/" + CALLER, {"disabled": "yes"}, 400),
                ("apps/" + CALLER, {"refuse": "throttled", "retry_after": -1}, 400),
                ("apps/" + CALLER, {"unknown": 1}, 400), ("apps/" + TENANT, {"disabled": True}, 404),
                ("users/" + TENANT, {"refuse": "none"}, 404), ("users/" + USER, {}, 400),
                ("identities/" + TENANT, {"gone": True}, 404), ("identities/" + IDENTITY, {}, 400),
                ("tokens", {"lifetime_sec": -1}, 400), ("tokens", {"lifetime_sec": 86401}, 400),
                ("machine", {"identity_header": ""}, 400), ("machine", {"arc_key_bytes": 1}, 400)):
            self.standin.knob(path, document, status=status)


class Machines(SignIn):
    """App Service's endpoint and Azure Arc's."""

    APP_SERVICE = "/msi/token"
    HEADER = {"X-IDENTITY-HEADER": "canary-identity-header-5d20"}
    ARC = "/arc/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fvault.azure.net"
    METADATA = {"Metadata": "true"}

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="standin-arc-")
        cls.files = tempfile.TemporaryDirectory(prefix="standin-seed-")
        cls.standin = Standin("--arc-folder", cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        assert os.listdir(cls.folder.name) == []
        cls.folder.cleanup()

    def app_service(self, headers=None, **query):
        query = {"api-version": "2019-08-01", "resource": VAULT_RESOURCE, **query}
        query = {name.replace("_version", "-version"): value for name, value in query.items() if value is not None}
        return self.standin.get(self.APP_SERVICE + "?" + urllib.parse.urlencode(query),
                                headers=self.HEADER if headers is None else headers)

    def test_app_service_answers_in_its_own_shape(self):
        answer = self.app_service()
        self.assertEqual(answer.status, 200, answer.body)
        document = answer.json
        self.assertEqual(sorted(document), ["access_token", "client_id", "expires_on", "resource", "token_type"])
        self.assertEqual((document["client_id"], document["resource"]), (IDENTITY, VAULT_RESOURCE))
        self.assertGreater(int(document["expires_on"]), time.time())
        self.assertEqual(token_parts(document["access_token"])[1]["oid"], IDENTITY_OID)

    def test_app_service_selects_by_its_own_names(self):
        for selector in ({"client_id": IDENTITY}, {"principal_id": IDENTITY_OID}, {"object_id": IDENTITY_OID}):
            self.assertEqual(self.app_service(**selector).status, 200, selector)
        for selector in ({"client_id": CALLER}, {"mi_res_id": "/subscriptions/x"},
                         {"client_id": IDENTITY, "principal_id": IDENTITY_OID}):
            answer = self.app_service(**selector)
            self.assertEqual((answer.status, answer.json["statusCode"]), (400, 400), selector)

    def test_app_service_refuses_without_its_header(self):
        for headers in ({}, {"X-IDENTITY-HEADER": "guessed"}, {"secret": self.HEADER["X-IDENTITY-HEADER"]}):
            self.assertEqual(self.app_service(headers=headers).status, 401)
        self.assertEqual(self.app_service(api_version="2017-09-01").status, 400)
        self.assertEqual(self.app_service(resource=None).status, 400)
        self.assertEqual(self.app_service(resource="https://nobody.example").status, 400)
        self.assertEqual(self.app_service().status, 200)

    def test_app_services_header_rotates(self):
        self.standin.knob("machine", {"identity_header": "canary-identity-header-second"})
        self.assertEqual(self.app_service().status, 401)
        self.assertEqual(self.app_service(headers={"X-IDENTITY-HEADER": "canary-identity-header-second"}).status, 200)
        self.standin.knob("machine", {"identity_header": self.HEADER["X-IDENTITY-HEADER"]})

    def challenge(self):
        answer = self.standin.get(self.ARC, headers=self.METADATA)
        self.assertEqual(answer.status, 401, answer.body)
        return re.fullmatch("Basic realm=(.*)", answer.headers["WWW-Authenticate"]).group(1)

    def with_key(self, key):
        return self.standin.get(self.ARC, headers={**self.METADATA, "Authorization": "Basic " + key})

    def test_arc_gives_a_token_for_what_is_in_the_file(self):
        path = self.challenge()
        self.assertRegex(path, "^%s/[0-9a-f-]{36}\\.key$" % re.escape(self.folder.name))
        self.assertLess(os.stat(path).st_mode & 0o777, 0o641)
        with open(path, encoding="utf-8") as file:
            key = file.read()
        answer = self.with_key(key)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["client_id"], IDENTITY)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.with_key(key).status, 401)

    def test_arc_says_which_identity_it_used(self):
        with open(self.challenge(), encoding="utf-8") as file:
            key = file.read()
        answer = self.standin.get(self.ARC + "&object_id=" + IDENTITY_OID,
                                  headers={**self.METADATA, "Authorization": "Basic " + key})
        self.assertEqual((answer.status, answer.json["object_id"]), (200, IDENTITY_OID))

    def test_arcs_keys_rotate(self):
        paths = [self.challenge() for _ in range(20)]
        self.assertEqual(len(set(paths)), 20)
        self.assertEqual(sum(os.path.exists(path) for path in paths), 16)

    def test_arc_refuses_without_the_key(self):
        self.assertEqual(self.with_key("guessed").status, 401)
        self.assertEqual(self.standin.get(self.ARC).status, 400)

    def test_arc_lies_when_asked_to(self):
        self.standin.knob("machine", {"arc_realm": "/etc/passwd"})
        self.assertEqual(self.challenge(), "/etc/passwd")
        self.standin.knob("machine", {"arc_realm": "", "arc_key_bytes": 5000})
        self.assertEqual(os.stat(self.challenge()).st_size, 5000)
        self.standin.knob("machine", {"arc_key_bytes": 64})
        self.assertEqual(os.stat(self.challenge()).st_size, 64)

    def test_an_identity_that_is_gone_gets_nothing_anywhere(self):
        self.standin.knob("identities/" + IDENTITY, {"gone": True})
        self.assertEqual(self.standin.identity_token().json["error_description"], "Identity not found")
        self.assertEqual(self.app_service().status, 400)
        self.standin.knob("identities/" + IDENTITY, {"gone": False})
        self.assertEqual(self.standin.identity_token().status, 200)

    def test_each_endpoint_fails_in_the_order_asked(self):
        for endpoint, ask in (("imds", self.standin.identity_token), ("app_service", self.app_service),
                              ("arc", lambda: self.standin.get(self.ARC, headers=self.METADATA))):
            usual = ask().status
            for status in (404, 410, 429, 500):
                self.standin.knob("faults", {"endpoint": endpoint, "status": status})
            self.assertEqual([ask().status for _ in range(5)], [404, 410, 429, 500, usual])

    def test_machines_endpoints_are_on_plain_http_only(self):
        self.assertEqual(self.standin.get(self.ARC, headers=self.METADATA, tls=True).status, 404)
        self.assertEqual(self.standin.get(self.APP_SERVICE, headers=self.HEADER, tls=True).status, 404)


class People(SignIn):
    """Codes and refresh tokens."""

    AUTHORIZE = "/%s/oauth2/v2.0/authorize" % TENANT
    DESKTOP = "a9b8c7d6-e5f4-4a3b-8c2d-1e0f9a8b7c6d"
    BACK = "http://localhost:33418/callback"
    WEB = "https://portal.fabrikam.example/back"
    VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    SCOPE = STOCK_URI + "/Stock.Read"

    def setUp(self):
        super().setUp()
        self.standin.knob("sign_in", {})

    def authorize(self, **more):
        query = {"response_type": "code", "client_id": self.DESKTOP, "redirect_uri": self.BACK, "scope": self.SCOPE,
                 "state": "a&b=c", "code_challenge": self.CHALLENGE, "code_challenge_method": "S256", **more}
        query = {name: value for name, value in query.items() if value is not None}
        return self.standin.get(self.AUTHORIZE + "?" + urllib.parse.urlencode(query))

    def sent_back(self, answer, uri=None):
        self.assertEqual(answer.status, 302, answer.body)
        target, _, query = answer.headers["Location"].partition("?")
        self.assertEqual(target, uri or self.BACK)
        return dict(urllib.parse.parse_qsl(query))

    def code(self, **more):
        return self.sent_back(self.authorize(**more), more.get("redirect_uri"))["code"]

    def fields(self, good_code, **more):
        fields = {"grant_type": "authorization_code", "client_id": self.DESKTOP, "code": good_code,
                  "redirect_uri": self.BACK, "code_verifier": self.VERIFIER, **more}
        return {name: value for name, value in fields.items() if value is not None}

    def refresh(self, token, **more):
        return {"grant_type": "refresh_token", "client_id": self.DESKTOP, "refresh_token": token, **more}

    def test_a_code_becomes_the_users_token(self):
        query = self.sent_back(self.authorize())
        self.assertEqual(set(query), {"code", "state", "session_state"})
        self.assertEqual(query["state"], "a&b=c")
        document = self.granted(self.fields(query["code"]))
        _, claims = token_parts(document["access_token"])
        self.assertEqual((claims["aud"], claims["scp"], claims["oid"], claims["azp"], claims["azpacr"], claims["ver"]),
                         (STOCK, "Stock.Read", USER, self.DESKTOP, "0", "2.0"))
        self.assertEqual(document["scope"], self.SCOPE)
        self.assertNotIn("refresh_token", document)
        self.assertTrue(signature_is_good(document["access_token"], self.standin.key_of(document["access_token"])))

    def test_the_knob_says_who_signs_in(self):
        other = "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
        self.standin.knob("sign_in", {"user": other})
        document = self.granted(self.fields(self.code(scope=self.SCOPE + " openid", nonce="n-1")))
        self.assertEqual(token_parts(document["access_token"])[1]["oid"], other)
        claims = token_parts(document["id_token"])[1]
        self.assertEqual((claims["aud"], claims["nonce"]), (self.DESKTOP, "n-1"))
        self.standin.knob("sign_in", {"user": CALLER}, status=404)

    def test_a_code_is_good_once(self):
        code = self.code()
        self.granted(self.fields(code))
        self.refused(self.fields(code), 400, "invalid_grant", 54005)

    def test_a_code_expires(self):
        self.standin.knob("sign_in", {"stale_codes": True})
        self.refused(self.fields(self.code()), 400, "invalid_grant", 70008)

    def test_a_code_is_for_who_asked_for_it(self):
        code = self.code()
        for more, status, error, number in (
                ({"code_verifier": self.VERIFIER[::-1]}, 400, "invalid_grant", 501481),
                ({"code_verifier": None}, 400, "invalid_grant", 501481),
                ({"redirect_uri": "http://localhost:33419/callback"}, 400, "invalid_grant", 500112),
                ({"redirect_uri": None}, 400, "invalid_request", 900144),
                ({"client_id": CALLER, "client_secret": CALLER_SECRET}, 400, "invalid_grant", 70000),
                ({"client_id": TENANT}, 400, "unauthorized_client", 700016),
                ({"code": "1.AUoAnonsense"}, 400, "invalid_grant", 70000),
                ({"code": None}, 400, "invalid_request", 900144),
                ({"client_secret": "x"}, 401, "invalid_client", 700025),
                ({"resource": "https://gw.example/mcp"}, 400, "invalid_target", 9010010)):
            with self.subTest(more=more):
                self.refused(self.fields(code, **more), status, error, number)
        self.granted(self.fields(code, resource=STOCK_URI))

    def test_without_a_challenge_there_is_no_verifier(self):
        self.refused(self.fields(self.code(code_challenge=None)), 400, "invalid_grant", 501481)
        self.granted(self.fields(self.code(code_challenge=None), code_verifier=None))
        self.granted(self.fields(self.code(code_challenge=self.VERIFIER, code_challenge_method=None)))

    def test_a_web_application_needs_its_secret(self):
        web = {"client_id": CALLER, "redirect_uri": self.WEB}
        fields = self.fields(self.code(**web), **web)
        self.refused(fields, 401, "invalid_client", 7000218)
        self.refused({**fields, "client_secret": "x"}, 401, "invalid_client", 7000215)
        document = self.granted({**fields, "client_secret": CALLER_SECRET})
        self.assertEqual(token_parts(document["access_token"])[1]["azpacr"], "1")

    def test_refresh_tokens_follow_one_another(self):
        document = self.granted(self.fields(self.code(scope=self.SCOPE + " offline_access")))
        first = document["refresh_token"]
        second = self.granted(self.refresh(first))["refresh_token"]
        self.assertNotEqual(first, second)
        for token in (second, first):
            document = self.granted(self.refresh(token))
            self.assertEqual(token_parts(document["access_token"])[1]["scp"], "Stock.Read")
        document = self.granted(self.refresh(second, scope=STOCK_URI + "/Stock.Write " + self.SCOPE))
        self.assertEqual(token_parts(document["access_token"])[1]["scp"], "Stock.Write Stock.Read")

    def test_a_refresh_token_is_for_who_got_it(self):
        token = self.granted(self.fields(self.code(scope=self.SCOPE + " offline_access")))["refresh_token"]
        for fields, error, number in (
                (self.refresh("1.AUoBnonsense"), "invalid_grant", 70000),
                (self.refresh(""), "invalid_request", 900144),
                (self.refresh(token, client_id=CALLER, client_secret=CALLER_SECRET), "invalid_grant", 70000),
                (self.refresh(token, resource="https://gw.example/mcp"), "invalid_target", 9010010),
                (self.refresh(token, scope=STOCK_URI + "/None"), "invalid_scope", 70011),
                (self.fields(token), "invalid_grant", 70000)):
            with self.subTest(number=number):
                self.refused(fields, 400, error, number)
        self.standin.knob("users/" + USER, {"refuse": "revoked"})
        self.refused(self.refresh(token), 400, "invalid_grant", 50173)
        self.standin.knob("users/" + USER, {"refuse": "none"})
        self.granted(self.refresh(token))

    def test_nothing_leads_to_where_it_is_not_registered(self):
        for more, number in (({"redirect_uri": "http://localhost:33418/other"}, 50011),
                             ({"redirect_uri": "http://localhost.evil.example/callback"}, 50011),
                             ({"redirect_uri": "http://localhost:33418@evil.example/callback"}, 50011),
                             ({"redirect_uri": "https://localhost/callback"}, 50011),
                             ({"redirect_uri": "http://127.0.0.1:1/callback"}, 50011),
                             ({"redirect_uri": "https://desktop.fabrikam.example:444/back"}, 50011),
                             ({"redirect_uri": self.WEB}, 50011),
                             ({"redirect_uri": None}, 900144),
                             ({"client_id": None}, 900144),
                             ({"client_id": TENANT}, 700016)):
            with self.subTest(more=more):
                answer = self.authorize(**more)
                self.assertEqual((answer.status, answer.headers["Location"]), (400, None))
                self.assertTrue(answer.body.startswith(b"AADSTS%d: " % number), answer.body)
        for uri in ("http://localhost/callback", "http://localhost:1/callback", "https://desktop.fabrikam.example/back"):
            self.sent_back(self.authorize(redirect_uri=uri), uri)
        self.sent_back(self.authorize(redirect_uri="http://127.0.0.1:33418"), "http://127.0.0.1:33418/")

    def test_what_else_is_wrong_is_told_to_the_client(self):
        for more, error, number in (({"response_type": "token"}, "unsupported_response_type", 700051),
                                    ({"response_type": None}, "invalid_request", 900144),
                                    ({"scope": None}, "invalid_request", 900144),
                                    ({"scope": STOCK_URI + "/None"}, "invalid_client", 650053),
                                    ({"scope": "api://nowhere/x"}, "invalid_resource", 500011),
                                    ({"code_challenge": "short"}, "invalid_request", 501491),
                                    ({"code_challenge_method": "S512"}, "invalid_request", 501491),
                                    ({"resource": "https://gw.example/mcp"}, "invalid_target", 9010010),
                                    ({"resource": API_URI}, "invalid_target", 9010010)):
            with self.subTest(more=more):
                query = self.sent_back(self.authorize(**more))
                self.assertEqual((query["error"], query["state"]), (error, "a&b=c"))
                self.assertTrue(query["error_description"].startswith("AADSTS%d: " % number), query)
        self.assertIn("code", self.sent_back(self.authorize(resource=STOCK_URI)))
        self.assertIn("code", self.sent_back(self.authorize(resource=STOCK)))

    def test_what_was_asked_can_be_looked_up(self):
        self.granted(self.fields(self.code(resource=STOCK_URI)))
        asked = self.standin.get("/standin/sign_in").json["asked"]
        self.assertEqual([(entry["endpoint"], entry["scope"], "resource" in entry["parameters"]) for entry in asked],
                         [("authorize", self.SCOPE, True), ("token", None, False)])
        self.standin.knob("sign_in", {})
        self.assertEqual(self.standin.get("/standin/sign_in").json["asked"], [])

    def test_authorize_counts_and_fails_on_demand(self):
        self.standin.knob("counters/reset")
        self.standin.knob("faults", {"endpoint": "authorize", "status": 503})
        self.assertEqual(self.authorize().status, 503)
        self.assertEqual(self.authorize().status, 302)
        self.assertEqual(self.standin.get("/standin/counters").json["authorize"], 2)


class PlainIssuer(unittest.TestCase):
    def test_issuers_may_be_on_the_plain_port(self):
        standin = Standin("--plain-issuer")
        issuer = "%s/%s/v2.0" % (standin.http, TENANT)
        self.assertEqual(standin.get("/%s/v2.0/.well-known/openid-configuration" % TENANT).json["issuer"], issuer)
        self.assertEqual(token_parts(standin.token())[1]["iss"], issuer)
        self.assertTrue(standin.https.startswith("https://"))
        self.assertEqual(standin.stop(), 0)


class Folders(unittest.TestCase):
    def test_arc_without_its_folder_says_so(self):
        standin = Standin("--arc-folder", "/nonexistent/tokens")
        answer = standin.get(Machines.ARC, headers=Machines.METADATA)
        self.assertEqual(answer.status, 500)
        self.assertIn("/nonexistent/tokens", answer.json["error_description"])
        self.assertEqual(standin.stop(), 0)

    def test_wrong_seeds_are_refused_with_their_path(self):
        app = {"client_id": CALLER, "oid": IDENTITY_OID}
        for part, more in (("apps[0].certificates[0]: not a PEM certificate", {"certificates": ["nonsense"]}),
                           ('apps[0].federated[0]: "subject" is missing', {"federated": [{"issuer": "x"}]}),
                           ("apps[0].federated[0] must be an object", {"federated": ["x"]}),
                           ("apps[0].scopes must be", {"scopes": "x"}),
                           ('apps[0].redirect_uris: unknown member "spa"', {"redirect_uris": {"spa": []}})):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as seed, tempfile.TemporaryDirectory() as state:
                json.dump({"apps": [{**app, **more}]}, seed)
                seed.flush()
                done = subprocess.run([BINARY, "--port", "0", "--http-port", "0", "--state", state, "--seed",
                                       seed.name], capture_output=True, text=True, timeout=30)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(part, done.stderr)

    def test_a_service_accounts_token_may_be_minted_before_the_first_start(self):
        with tempfile.TemporaryDirectory() as state:
            mint(state)
            token = service_account(state)
            standin = Standin(state=state)
            self.assertEqual(standin.form(V2, by_assertion(token, client=API)).status, 200)
            self.assertEqual(standin.stop(), 0)


if __name__ == "__main__":
    unittest.main()
