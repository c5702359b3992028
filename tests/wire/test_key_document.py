#!/usr/bin/python3
"""Which keys of the key document count (CASES.md A)."""

import unittest

import wire  # noqa: F401
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from lib import tokens
from lib.door import signing_key
from lib.token_case import ALGORITHM, UNKNOWN, TokenCase, encoded_message, hmac_sign
from lib.tokens import DROP, OTHER_TENANT, TENANT, b64url, mint


def ec_sign(key, length):
    """An ES256 signature in its fixed-length form."""
    def sign(data):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    return sign


def ec_jwk(key, kid, curve):
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "use": "sig", "kid": kid, "crv": curve,
            "x": tokens.uint_b64url(numbers.x), "y": tokens.uint_b64url(numbers.y)}


class KeyDocument(TokenCase):
    """Which keys of the key document count: cases 8, 9, 11, 22, 23, 24, 50, 61."""

    @classmethod
    def change_config(cls, config, door):
        cls.curve = ec.generate_private_key(ec.SECP256R1())
        cls.curve_384 = ec.generate_private_key(ec.SECP384R1())
        cls.weak = tokens.SigningKey("weak", bits=1024)
        cls.stranger = signing_key(1)
        numbers = cls.stranger.numbers
        private = cls.stranger.private.private_numbers()
        entry = cls.stranger.jwk
        even = tokens.uint_b64url(numbers.n - 1)
        door.authority.keys = [
            entry(kid="twice"), door.key.jwk(kid="twice"),
            ec_jwk(cls.curve, "ec256", "P-256"), ec_jwk(cls.curve_384, "ec384", "P-384"),
            {"kty": "oct", "kid": "oct", "k": b64url(b"0" * 32)},
            entry(kid="ps256", alg="PS256"), entry(kid="rs512", alg="RS512"),
            entry(kid="enc", use="enc"), entry(kid="ops", key_ops=["sign"], use=DROP),
            entry(kid="ops-encrypt", key_ops=["encrypt"], use=DROP),
            entry(kid="no-kty", kty=DROP), entry(kid="kty-case", kty="rsa"),
            entry(kid="no-n", n=DROP), entry(kid="no-e", e=DROP),
            entry(kid="e-1", e="AQ"), entry(kid="e-2", e="Ag"), entry(kid="e-even", e="AQAC"),
            entry(kid="e-0", e="AA"), entry(kid="n-even", n=even), entry(kid="n-junk", n="!!!"),
            entry(kid="n-number", n=7), cls.weak.jwk(),
            entry(kid="private-d", d=tokens.uint_b64url(private.d)),
            entry(kid="private-p", p=tokens.uint_b64url(private.p),
                  q=tokens.uint_b64url(private.q)),
            entry(kid="another-issuer", issuer=tokens.issuer_v2(OTHER_TENANT)),
            entry(kid="personal", issuer=tokens.issuer_v2("9188040d-6c67-4c5b-b112-36a304b66dad")),
            entry(kid="template", issuer=tokens.issuer_v2("{tenantid}")),
            entry(kid="fixed", issuer=tokens.issuer_v2(TENANT)),
            entry(kid="no-use", use=DROP), entry(kid="rs256", alg="RS256"),
            entry(kid="ops-verify", key_ops=["verify"], use=DROP),
            entry(kid=7), "nonsense", None, [], {},
            *[entry(kid=f"filler-{number}") for number in range(70)],
            door.key.jwk(),
        ]
        cls.private_text = tokens.uint_b64url(private.d)

    def test_refuses_tokens_of_unusable_keys(self):
        for case, kid in ((22, "twice"), (8, "ec256"), (8, "oct"), (9, "ps256"), (9, "rs512"),
                          (23, "enc"), (23, "ops"), (23, "ops-encrypt"), (23, "no-kty"),
                          (23, "kty-case"), (23, "no-n"), (23, "no-e"), (23, "e-1"), (23, "e-2"),
                          (23, "e-even"), (23, "e-0"), (23, "n-even"), (23, "n-junk"),
                          (23, "n-number"), (24, "private-d"), (24, "private-p"),
                          (61, "another-issuer"), (61, "personal")):
            with self.subTest(case=case, kid=kid):
                self.refuse_token(mint(self.stranger, None, {"kid": kid}))
        self.refuse_token(mint(self.door.key, None, {"kid": "twice"}), UNKNOWN)
        self.refuse_token(mint(self.weak), UNKNOWN)

    def test_a_key_with_exponent_one_opens_nothing(self):
        token = mint(self.stranger, None, {"kid": "e-1"},
                     lambda data: encoded_message(data, 256))
        self.refuse_token(token, UNKNOWN)

    def test_refuses_other_algorithms_of_known_keys(self):
        self.refuse_each((8, 11), [
            ("ES256 of its own key", mint(self.stranger, None, {"alg": "ES256", "kid": "ec256"},
                                          ec_sign(self.curve, 32)), ALGORITHM),
            ("ES256 over P-384", mint(self.stranger, None, {"alg": "ES256", "kid": "ec384"},
                                      ec_sign(self.curve_384, 48)), ALGORITHM),
            ("ES384 over P-256", mint(self.stranger, None, {"alg": "ES384", "kid": "ec256"},
                                      ec_sign(self.curve, 32)), ALGORITHM),
            ("ES256, RSA kid", mint(self.stranger, None, {"alg": "ES256"},
                                    ec_sign(self.curve, 32)), ALGORITHM),
            ("HS256, oct kid", mint(self.stranger, None, {"alg": "HS256", "kid": "oct"},
                                    hmac_sign(b"0" * 32)), ALGORITHM),
            ("PS256, its own kid", mint(self.stranger, None, {"alg": "PS256", "kid": "ps256"},
                                        self.stranger.sign_pss), ALGORITHM)])

    def test_accepts_good_keys_among_bad_ones(self):
        for kid in ("template", "fixed", "no-use", "rs256", "ops-verify", "filler-0", "filler-69"):
            with self.subTest(case=50, kid=kid):
                self.allow_token(mint(self.stranger, None, {"kid": kid}))
        self.allow_token(mint(self.door.key))

    def test_a_key_with_a_fixed_issuer_signs_no_v1_token(self):
        self.refuse_token(mint(self.stranger, tokens.user(1), {"kid": "fixed"}))

    def test_logs_nothing_private_of_keys(self):
        self.assertNotIn(self.private_text, self.door.barkeep.process.stderr())


if __name__ == "__main__":
    unittest.main()
