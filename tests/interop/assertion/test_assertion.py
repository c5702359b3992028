#!/usr/bin/python3
"""An upstream in Node verifies what barkeep says of its callers, with jose from npm."""

import base64
import json
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from lib import assertions, raw, tokens  # noqa: E402
from lib.door import Door  # noqa: E402
from lib.net import wait_until  # noqa: E402

ISSUER = "https://gw.example"


class Upstream:
    def __init__(self, jwks_url, audience):
        self.process = subprocess.Popen(
            ["node", str(HERE / "upstream.mjs"), jwks_url, ISSUER, audience],
            stdout=subprocess.PIPE, text=True)
        self.port = int(re.fullmatch(r"listening on (\d+)\n", self.process.stdout.readline())[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, assertion=None):
        """Past barkeep: (status, document)."""
        headers = {} if assertion is None else {"X-Barkeep-Assertion": assertion}
        request = urllib.request.Request(self.url + "/", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Assertion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.door.start()

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        cls.put(assertions.signing_key())
        jwks = f"http://127.0.0.1:{door.barkeep.port}/.well-known/barkeep/jwks.json"
        cls.upstream = Upstream(jwks, "orders")
        cls.addClassCleanup(cls.upstream.stop)  # also when barkeep does not start
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["assertion"] = {"key": "local/key", "issuer": ISSUER}
        config["secrets"] = {"local/key": {"refresh": "1s"}}
        for name, url in (("orders", cls.upstream.url), ("others", cls.upstream.url),
                          ("recorded", door.upstream.url)):
            config["routes"].append({
                "name": name, "path": f"/{name}", "upstream": url, "identity_headers": "assertion",
                "token_header": "X-Barkeep-Authorization",
                "access": [{"role": "Contributor", "to": {"everyone": True}},
                           {"role": "Reader", "to": {"group": tokens.GROUP}}]})

    @classmethod
    def put(cls, key):
        draft = cls.folder / "draft"
        draft.write_text(assertions.pem(key))
        draft.rename(cls.folder / "key")

    @classmethod
    def tearDownClass(cls):
        cls.door.stop()

    def call(self, route="orders", claims=None, headers=()):
        token = self.door.token(claims)
        fields = [("X-Barkeep-Authorization", f"Bearer {token}"), *headers]
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", f"/{route}/x", fields))
        return response.status, json.loads(response.body) if route != "recorded" else None

    def assertion(self, route="recorded"):
        mark = self.door.upstream.mark()
        self.assertEqual(200, self.call(route)[0])
        return self.door.upstream.since(mark)[0].all("X-Barkeep-Assertion")[0]

    def test_jose_verifies_it(self):
        status, document = self.call(claims=tokens.user(roles=["Orders.Read"],
                                                        groups=[tokens.GROUP]))
        self.assertEqual(200, status, document)
        claims = document["claims"]
        self.assertEqual((ISSUER, "orders", tokens.USER, tokens.TENANT, "user"),
                         tuple(claims[name] for name in ("iss", "aud", "oid", "tid", "idtyp")))
        self.assertEqual(["Orders.Read"], claims["roles"])
        self.assertEqual([tokens.GROUP], claims["groups"])
        self.assertLess(claims["exp"] - time.time(), 301)

    def test_applications_are_told_apart(self):
        claims = self.call(claims=tokens.app())[1]["claims"]
        self.assertEqual(("app", tokens.APP_OBJECT), (claims["idtyp"], claims["sub"]))

    def test_the_callers_authorization_arrives(self):
        own = "Basic b3duOnNlY3JldA=="
        self.assertEqual(own, self.call(headers=[("Authorization", own)])[1]["authorization"])

    def test_a_callers_own_assertion_does_not_arrive(self):
        status, document = self.call(headers=[("X-Barkeep-Assertion", "forged")])
        self.assertEqual(200, status, document)

    def test_the_upstream_refuses_everything_else(self):
        good = self.assertion()
        header, payload, signature = good.split(".")
        stranger = assertions.signing_key()
        forged = json.loads(tokens.unb64url(payload)) | {"aud": "orders"}
        none = tokens.b64url(b'{"alg":"none","typ":"JWT"}')
        body = tokens.b64url(json.dumps(forged).encode())
        for what, assertion in (("nothing", None), ("another route's", good),
                                ("a changed one", f"{header}.{body}.{signature}"),
                                ("an unsigned one", f"{none}.{body}."),
                                ("a stranger's", self.signed(stranger, header, body))):
            with self.subTest(what):
                self.assertEqual(403, self.upstream.ask(assertion)[0])
        self.assertEqual(403, self.call("others")[0], "the audience is the route")

    @staticmethod
    def signed(key, header, body):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        der = key.sign(f"{header}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        raw_signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{header}.{body}.{base64.urlsafe_b64encode(raw_signature).rstrip(b'=').decode()}"

    def test_rotation_goes_on(self):
        """After a new key has come, jose finds it by itself."""
        before = self.call()[1]["kid"]
        self.put(assertions.signing_key())

        def is_rotated():
            status, document = self.call()
            return status == 200 and document["kid"] != before
        wait_until(is_rotated, "assertions of the new key are believed", 20)


if __name__ == "__main__":
    unittest.main()
