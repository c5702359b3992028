"""Reads what barkeep signs, with a library that knows nothing of it."""

import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from lib import tokens


def signing_key():
    return ec.generate_private_key(ec.SECP256R1())


def pem(key, sec1=False):
    form = (serialization.PrivateFormat.TraditionalOpenSSL if sec1
            else serialization.PrivateFormat.PKCS8)
    return key.private_bytes(serialization.Encoding.PEM, form,
                             serialization.NoEncryption()).decode()


def point(key):
    """x and y as a JWK has them."""
    numbers = key.public_key().public_numbers()
    return tuple(tokens.b64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))


def public_key(jwk):
    x, y = (int.from_bytes(tokens.unb64url(jwk[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def verify(assertion, jwks):
    """Header and claims; raises when no key of the JWKS verifies it."""
    header, claims, signature = assertion.split(".")
    fields = json.loads(tokens.unb64url(header))
    jwk = next(key for key in jwks["keys"] if key["kid"] == fields["kid"])
    raw = tokens.unb64url(signature)
    assert len(raw) == 64, len(raw)
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                     int.from_bytes(raw[32:], "big"))
    public_key(jwk).verify(der, f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    return fields, json.loads(tokens.unb64url(claims))
