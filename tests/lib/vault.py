"""A Key Vault and a metadata service of our own: secrets as a dict, wrong answers on demand."""

import json
import time

from lib.authority import JSON_TYPE
from lib.server import Server

TOKEN_PATH = "/metadata/identity/oauth2/token"
VERSION = "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"
IDENTITY_TOKEN = "canary-identity-token-6b1e"


class Vault(Server):
    def __init__(self):
        self.secrets = {}  # name -> value
        self.versions = {}  # name -> version of its newest value
        self.wrong = {}  # name -> (status, body bytes) or (status, body bytes, headers)
        self.identity_status = 200
        self.taken_tokens = {IDENTITY_TOKEN}  # of whoever may read
        super().__init__()

    def bundle(self, name, **changes):
        """What Key Vault says of a secret."""
        version = self.versions.get(name, VERSION)
        document = {"value": self.secrets.get(name, ""), "tags": {},
                    "id": f"https://orders-kv.vault.azure.net/secrets/{name}/{version}",
                    "attributes": {"enabled": True, "created": 1795338000, "updated": 1795338000}}
        document.update(changes)
        return json.dumps(document).encode()

    def fetches_of(self, name):
        with self.lock:
            return [path for path in self.fetches if path.startswith(f"/secrets/{name}")]

    def answer(self, path, handler):
        if path == TOKEN_PATH:
            return self._identity(handler)
        scheme, _, token = (handler.headers["Authorization"] or "").partition(" ")
        if scheme != "Bearer" or token not in self.taken_tokens:
            return 401, b'{"error":{"code":"Unauthorized","message":"AKV10000"}}', JSON_TYPE
        name = path.split("/")[2] if path.startswith("/secrets/") else ""
        if name in self.wrong:
            status, body, *headers = self.wrong[name]
            return status, body, headers[0] if headers else JSON_TYPE
        if name not in self.secrets:
            return 404, b'{"error":{"code":"SecretNotFound","message":"x"}}', JSON_TYPE
        return 200, self.bundle(name), JSON_TYPE

    def _identity(self, handler):
        if handler.headers["Metadata"] != "true":
            return 400, b'{"error":"invalid_request"}', JSON_TYPE
        body = {"access_token": IDENTITY_TOKEN, "expires_in": "86399", "token_type": "Bearer",
                "expires_on": str(int(time.time()) + 86399), "resource": "https://vault.azure.net"}
        return self.identity_status, json.dumps(body).encode(), JSON_TYPE
