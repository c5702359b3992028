"""A running stand-in as its own tests see it, and the names of its default seed. Standard library only."""
import base64
import hashlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

# the first word of the command line, where a test file is run by itself
BINARY = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "build/barkeep-standin"
TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
API_URI = "api://orders-gw"
CALLER = "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
CALLER_OID = "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3"
CALLER_SECRET = "canary-caller-client-secret~1"
DEPLOYER = "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a"
USER = "e0d1c2b3-a495-4867-9588-776655443322"
GROUP = "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
OTHER_GROUP = "b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4"
IDENTITY = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
IDENTITY_OID = "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172"
VAULT_RESOURCE = "https://vault.azure.net"
V = "api-version=2025-07-01"


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_parts(token):
    header, payload, _ = token.split(".")
    return json.loads(unbase64url(header)), json.loads(unbase64url(payload))


def signature_is_good(token, jwk):
    """RS256 with nothing but arithmetic (RFC 8017 8.2.2)."""
    signed, _, signature = token.rpartition(".")
    modulus = int.from_bytes(unbase64url(jwk["n"]), "big")
    exponent = int.from_bytes(unbase64url(jwk["e"]), "big")
    plain = pow(int.from_bytes(unbase64url(signature), "big"), exponent, modulus).to_bytes(256, "big")
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
    return plain == b"\0\1" + b"\xff" * (256 - 3 - len(digest)) + b"\0" + digest


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


TEMPLATE = tempfile.TemporaryDirectory(prefix="standin-keys-")


def fresh_state():
    """A state directory with keys in it: making RSA keys is what takes time, so it is done once."""
    if not os.listdir(TEMPLATE.name):
        mint(TEMPLATE.name)
    state = tempfile.TemporaryDirectory(prefix="standin-test-")
    for name in os.listdir(TEMPLATE.name):
        shutil.copy2(os.path.join(TEMPLATE.name, name), state.name)
    return state


class Standin:
    """One running stand-in with a state directory of its own."""

    def __init__(self, *arguments, state=None):
        self.own_state = None if state else fresh_state()
        self.state = state or self.own_state.name
        self.process = subprocess.Popen(
            [BINARY, "--port", "0", "--http-port", "0", "--state", self.state, *arguments],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in did not start: exit code %s" % self.process.wait())
        self.ready = json.loads(line)
        self.https = self.ready["https"]
        self.http = self.ready["http"]
        self.trust = ssl.create_default_context(cafile=self.ready["ca"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        if self.own_state:
            self.own_state.cleanup()
        return code

    def call(self, method, path, body=None, headers=None, tls=False):
        netloc = urllib.parse.urlsplit(self.https if tls else self.http).netloc
        connection = (http.client.HTTPSConnection(netloc, timeout=30, context=self.trust) if tls
                      else http.client.HTTPConnection(netloc, timeout=30))
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def form(self, path, fields, **more):
        headers = {"Content-Type": "application/x-www-form-urlencoded", **more.pop("headers", {})}
        return self.call("POST", path, urllib.parse.urlencode(fields), headers, **more)

    def knob(self, path, document=None, status=200):
        answer = self.call("POST", "/standin/" + path, json.dumps(document) if document is not None else None)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer.json

    def token(self, *arguments):
        return mint(self.state, *arguments)

    def vault_token(self, *arguments):
        return self.token("--audience", VAULT_RESOURCE, *arguments)

    def identity_token(self, resource=VAULT_RESOURCE, **more):
        query = urllib.parse.urlencode({"api-version": "2018-02-01", "resource": resource, **more})
        return self.get("/metadata/identity/oauth2/token?" + query, headers={"Metadata": "true"})

    def vault(self, method, path, token, body=None, **more):
        headers = {"Authorization": "Bearer " + token, **more.pop("headers", {})}
        return self.call(method, path, json.dumps(body) if body is not None else None, headers, **more)

    def keys(self, version="v2.0/"):
        return self.get("/%s/discovery/%skeys" % (TENANT, version)).json["keys"]

    def key_of(self, token):
        kid = token_parts(token)[0]["kid"]
        return next((key for key in self.keys() if key["kid"] == kid), None)


def mint(state, *arguments):
    done = subprocess.run([BINARY, "token", "--state", state, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1
    return done.stdout.strip()


class WithStandin(unittest.TestCase):
    seed = None

    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory(prefix="standin-seed-")
        arguments = []
        if cls.seed:
            path = os.path.join(cls.files.name, "seed.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(cls.seed, file)
            arguments = ["--seed", path]
        cls.standin = Standin(*arguments)

    @classmethod
    def tearDownClass(cls):
        code = cls.standin.stop()
        cls.files.cleanup()
        assert code == 0, "exit code %s" % code

    def setUp(self):
        self.standin.knob("faults/clear")
