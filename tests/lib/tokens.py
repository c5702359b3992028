"""Keys and tokens whose every byte is ours: Entra's shapes, and everything Entra would never issue."""

import base64
import hashlib
import json
import time
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
OTHER_TENANT = "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
API_URI = "api://orders-gw"
APP = "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
APP_OBJECT = "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3"
USER = "e0d1c2b3-a495-4867-9588-776655443322"
GROUP = "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"

DROP = object()  # as a claim's or header's value: leave the member out


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def uint_b64url(number):
    return b64url(number.to_bytes((number.bit_length() + 7) // 8 or 1, "big"))


def issuer_v2(tenant=TENANT):
    return f"https://login.microsoftonline.com/{tenant}/v2.0"


def issuer_v1(tenant=TENANT):
    return f"https://sts.windows.net/{tenant}/"


class SigningKey:
    """An RSA key with a kid as Entra makes them."""

    def __init__(self, kid=None, bits=2048, private=None):
        self.private = private or rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.public = self.private.public_key()
        self.numbers = self.public.public_numbers()
        self.kid = kid or b64url(hashlib.sha1(self.der()).digest())

    @classmethod
    def from_pem(cls, path, kid):
        with open(path, "rb") as file:
            return cls(kid, private=serialization.load_pem_private_key(file.read(), None))

    def der(self):
        return self.public.public_bytes(serialization.Encoding.DER,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)

    def pem(self):
        return self.public.public_bytes(serialization.Encoding.PEM,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **changes):
        """Its entry in a key document; DROP leaves a member out."""
        entry = {"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
                 "n": uint_b64url(self.numbers.n), "e": uint_b64url(self.numbers.e)}
        return applied(entry, changes)

    def sign(self, data, digest=None):
        return self.private.sign(data, padding.PKCS1v15(), digest or hashes.SHA256())

    def sign_pss(self, data):
        digest = hashes.SHA256()
        return self.private.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size),
                                 digest)


def applied(members, changes):
    """`members` with changes laid over; DROP removes."""
    merged = {**members, **changes}
    return {name: value for name, value in merged.items() if value is not DROP}


def _common(version, tenant, lifetime):
    now = int(time.time())
    return {"iat": now, "nbf": now, "exp": now + lifetime, "tid": tenant,
            "uti": b64url(uuid.uuid4().bytes), "ver": f"{version}.0",
            "aud": API if version == 2 else API_URI,
            "iss": issuer_v2(tenant) if version == 2 else issuer_v1(tenant),
            "azp" if version == 2 else "appid": APP,
            "azpacr" if version == 2 else "appidacr": "1"}


def user(version=2, tenant=TENANT, lifetime=3600, **changes):
    """Claims of a delegated user token."""
    claims = _common(version, tenant, lifetime)
    claims.update({"oid": USER, "sub": "hV7uJm2Qe0rT5yWc8aKpXn3sDf6gLz1bOi4tUe9RqAk",
                   "idtyp": "user", "scp": "access_as_user", "name": "Mira Okafor"})
    return applied(claims, changes)


def app(version=2, tenant=TENANT, lifetime=3600, **changes):
    """Claims of an app-only token."""
    claims = _common(version, tenant, lifetime)
    claims.update({"oid": APP_OBJECT, "sub": APP_OBJECT, "idtyp": "app", "roles": ["Orders.Read"]})
    return applied(claims, changes)


def as_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def assemble(key, header, payload, sign=None):
    """A compact JWS of header and payload given as bytes."""
    signed = f"{b64url(header)}.{b64url(payload)}"
    signature = (sign or key.sign)(signed.encode("latin-1"))
    return f"{signed}.{b64url(signature)}"


def mint(key, claims=None, header=None, sign=None):
    """A token: `header` holds changes to Entra's own header."""
    fields = applied({"typ": "JWT", "alg": "RS256", "kid": key.kid}, header or {})
    return assemble(key, as_json(fields), as_json(user() if claims is None else claims), sign)
