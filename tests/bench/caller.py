"""The caller of the bench: a token of the stand-in, about as long as Entra's are, and the key to verify it with."""

import base64
import json
import os
import secrets
import subprocess
import textwrap
import urllib.request
import uuid

from backends import azure
from lib.barkeep import Standin

GROUPS = 2  # make the token about 1.6 KB


def _part(token, number):
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Caller:
    """`token` and what peers need to know to judge it."""

    def __init__(self, stage):
        self.standin = stage.add(Standin(stage.path).start())
        groups = [option for _ in range(GROUPS) for option in ("--group", str(uuid.uuid4()))]
        self.token = azure.mint(self.standin, *groups, "--expires-in", "7200")
        self.kid = _part(self.token, 0)["kid"]
        claims = _part(self.token, 1)
        self.issuer, self.audience = claims["iss"], claims["aud"]
        self.password = secrets.token_urlsafe(12)
        folder = stage.folder("caller")
        self.certificate_file = os.path.join(folder, "certificate.pem")
        self.public_key_file = os.path.join(folder, "key.pem")
        self._write_keys()

    @property
    def basic(self):
        """What a judging proxy puts in the token's place."""
        return "Basic " + base64.b64encode(f"bench:{self.password}".encode()).decode()

    def _write_keys(self):
        with urllib.request.urlopen(self.standin.url(f"/{azure.TENANT}/discovery/v2.0/keys")) as answer:
            keys = json.load(answer)["keys"]
        der = next(key["x5c"][0] for key in keys if key["kid"] == self.kid)
        with open(self.certificate_file, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\n" + "\n".join(textwrap.wrap(der, 64))
                       + "\n-----END CERTIFICATE-----\n")
        subprocess.run(["openssl", "x509", "-in", self.certificate_file, "-pubkey", "-noout", "-out",
                        self.public_key_file], check=True)
