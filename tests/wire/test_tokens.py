#!/usr/bin/python3
"""Token structure, signature and claims (CASES.md A and B): RS256 of a known key, or 401.

Every token goes through two doors, the running proxy and the bare function (lib/function_door.py),
and both must say the same, to the reason. What they accept, libjwt accepts too."""

import base64
import hashlib
import hmac
import os
import time
import unittest

import wire  # noqa: F401
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from lib import raw, tokens
from lib.case import WireCase
from lib.door import signing_key
from lib.function_door import FunctionDoor
from lib.tokens import API, API_URI, DROP, OTHER_TENANT, TENANT, as_json, assemble, b64url, mint

ALGORITHM, MALFORMED = "token_algorithm", "token_malformed"
SIGNATURE, UNKNOWN = "token_signature", "token_key_unknown"
SHAPE = (ALGORITHM, MALFORMED)
# Every flipped bit is a request; all of them with BARKEEP_THOROUGH=1, else one in this many.
BIT_STRIDE = 1 if os.environ.get("BARKEEP_THOROUGH") else 11
# SHA-256 DigestInfo of EMSA-PKCS1-v1_5
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def hmac_sign(secret, digest="sha256"):
    return lambda data: hmac.new(secret, data, digest).digest()


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


def encoded_message(data, size):
    """EMSA-PKCS1-v1_5: what a signature with e = 1 would be."""
    tail = DIGEST_INFO + hashlib.sha256(data).digest()
    return b"\0\1" + b"\xff" * (size - 3 - len(tail)) + b"\0" + tail


# Tokens that went through both doors, without those that differ in a bit only
COMPARED = set()
MANY = 600


class TokenCase(WireCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.function = FunctionDoor(cls.door)
        except BaseException:
            super().tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.function.stop()
        finally:
            super().tearDownClass()

    def control(self):
        super().control()
        self.assertEqual("accept", self.judge_by_function(self.control_token()).verdict)

    def judge_by_function(self, token, now=None, libjwt=True):
        """The verdict of the function; an accepted token is one that libjwt accepts, unless
        `libjwt` is False: forms that libjwt does not know."""
        verdict = self.function.judge(as_bytes(token), now)
        self.assertEqual(verdict.verdict == "accept", verdict.reason == "", verdict)
        if verdict.verdict == "accept":
            self.assertIs(libjwt, verdict.libjwt, "barkeep accepts it, what does libjwt?")
        return verdict

    def compare(self, token, status, reason, now, libjwt=True):
        """What the proxy said at `now` is what the function says. It refuses with 400 and 431 what
        never was a token for the function to see, which must refuse it nevertheless."""
        verdict = self.judge_by_function(token, now, libjwt)
        if status in (200, 403):
            self.assertEqual("accept", verdict.verdict, (verdict, status, reason))
        else:
            self.assertNotEqual("accept", verdict.verdict, (status, reason))
        if status == 401:
            self.assertEqual(reason, verdict.reason)
        COMPARED.add(as_bytes(token))

    def with_token(self, token, target="/public/x"):
        data = raw.request("GET", target).replace(
            b"\r\n\r\n", b"\r\nAuthorization: Bearer " + as_bytes(token) + b"\r\n\r\n")
        return data

    def refuse_token(self, token, reasons=None, statuses=401, target="/public/x",
                     libjwt=True):
        now = time.time()
        response = self.refuse(self.with_token(token, target), statuses, reasons)
        self.compare(token, response.status, self.expected_audit[-1][2], now, libjwt)
        return response

    def allow_token(self, token, target="/public/x", libjwt=True):
        now = time.time()
        answer = self.allow(self.with_token(token, target))
        self.compare(token, 200, "", now, libjwt)
        return answer

    def agree_on(self, token):
        """Whatever the verdict, it is that of both doors."""
        now = time.time()
        with self.door.client() as client:
            response = client.exchange(self.with_token(token))
        if response.status == 200:
            self.compare(token, 200, "", now)
        else:
            self.check_refusal(response, 401)
            self.compare(token, 401, self.expected_audit[-1][2], now)

    def refuse_each(self, case, rows):
        """Rows of (what, token, reasons)."""
        for what, token, reasons in rows:
            with self.subTest(case=case, what=what):
                self.refuse_token(token, reasons)

    def claims(self, **changes):
        return self.door.token(tokens.user(**changes))


def as_bytes(token):
    return token if isinstance(token, bytes) else token.encode("latin-1")


class Structure(TokenCase):
    def header(self, sign=None, **changes):
        return mint(self.door.key, None, changes, sign)

    def test_refuses_alg_none(self):
        signed, payload = self.token.split(".")[:2]
        del signed
        for spelled in ("none", "None", "NONE", "nOnE", "none ", "none\0", ""):
            header = b64url(as_json({"typ": "JWT", "alg": spelled, "kid": self.door.key.kid}))
            for signature in ("", "AAAA", self.token.split(".")[2]):
                with self.subTest(case=2, alg=spelled, signature=signature[:4]):
                    self.refuse_token(f"{header}.{payload}.{signature}", SHAPE)

    def test_refuses_every_other_alg(self):
        self.refuse_each(3, [(repr(value), self.header(alg=value), SHAPE) for value in (
            DROP, None, "", 0, True, ["RS256"], {"RS256": 1}, "RS256 ", " RS256", "RS256\0", "rs256",
            "Rs256", "RS384", "RS512", "PS256", "ES256", "HS256", "EdDSA", "RSA256", "RS256,none")])

    def test_refuses_the_public_key_as_hmac_secret(self):
        key = self.door.key
        pem = key.pem()
        secrets = {"PEM": pem, "PEM without newline": pem.rstrip(b"\n"), "DER": key.der(),
                   "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
                   "modulus": key.jwk()["n"].encode(), "x5t": key.kid.encode(),
                   "DER in base64": base64.b64encode(key.der()),
                   "JWK": as_json(key.jwk()), "key document": as_json({"keys": [key.jwk()]}),
                   "nothing": b"", "NUL": b"\0", "kid": key.kid.encode()}
        for case, alg, digest in ((5, "HS256", "sha256"), (6, "HS384", "sha384"),
                                  (6, "HS512", "sha512")):
            self.refuse_each(case, [(f"{alg} {what}", self.header(hmac_sign(secret, digest), alg=alg),
                                     ALGORITHM) for what, secret in secrets.items()])
        self.refuse_each(5, [(f"labelled RS256, {what}", self.header(hmac_sign(secret)), SIGNATURE)
                             for what, secret in secrets.items()])

    def test_refuses_signatures_of_other_schemes(self):
        key = self.door.key
        self.refuse_each(10, [
            ("PS256 labelled RS256", self.header(key.sign_pss), SIGNATURE),
            ("RS256 labelled PS256", self.header(alg="PS256"), ALGORITHM),
            ("PS256 labelled so", self.header(key.sign_pss, alg="PS256"), ALGORITHM),
            ("RS512 labelled RS256", self.header(lambda data: key.sign(data, hashes.SHA512())),
             SIGNATURE),
            ("SHA-1", self.header(lambda data: key.sign(data, hashes.SHA1())), SIGNATURE),
            ("RS384 labelled so", self.header(lambda data: key.sign(data, hashes.SHA384()),
                                              alg="RS384"), ALGORITHM)])

    def test_refuses_elliptic_curves(self):
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        pairs = [(0, 0), (0, 1), (1, 0), (order, 1), (1, order), (order - 1, order - 1)]
        rows = [(f"r={r:x} s={s:x}", self.header(
            lambda _, r=r, s=s: r.to_bytes(32, "big") + s.to_bytes(32, "big"), alg="ES256"),
            ALGORITHM) for r, s in pairs]
        self.refuse_each(12, rows)
        self.refuse_each(13, [(f"{length} bytes", self.header(
            lambda _, length=length: b"\1" * length, alg="ES256"), SHAPE)
            for length in (0, 1, 63, 64, 65, 66, 96)])

    def test_refuses_signatures_of_wrong_size_or_value(self):
        modulus = self.door.key.numbers.n
        head, payload, signature = self.token.split(".")
        number = int.from_bytes(tokens.unb64url(signature), "big")
        good = tokens.unb64url(signature)
        values = [("empty", b""), ("1 byte", b"\1"), ("255 bytes", good[:255]),
                  ("257 bytes", good + b"\0"), ("257 bytes, zero first", b"\0" + good),
                  ("all zero", bytes(256)), ("all ones", b"\xff" * 256),
                  ("n", modulus.to_bytes(256, "big")), ("n + 1", (modulus + 1).to_bytes(256, "big")),
                  ("signature + n", (number + modulus).to_bytes(257, "big")),
                  ("n - signature", (modulus - number).to_bytes(256, "big")),
                  ("reversed", good[::-1]), ("twice", good + good)]
        self.refuse_each(14, [(what, f"{head}.{payload}.{b64url(value)}", (SIGNATURE, MALFORMED))
                              for what, value in values])

    def test_refuses_broken_padding_of_signatures(self):
        """Bleichenbacher's family: a valid key, a block that is not PKCS#1 v1.5 to the byte."""
        private = self.door.key.private.private_numbers()

        def power(block):
            number = int.from_bytes(block, "big")
            return pow(number, private.d, self.door.key.numbers.n).to_bytes(256, "big")

        digest = lambda data: DIGEST_INFO + hashlib.sha256(data).digest()  # noqa: E731
        blocks = {
            "short padding, garbage after the digest":
                lambda data: b"\0\1" + b"\xff" * 8 + b"\0" + digest(data) + b"\0" * 194,
            "garbage in the padding":
                lambda data: encoded_message(data, 256).replace(b"\xff\xff\0", b"\xff\xfe\0", 1),
            "block type 2": lambda data: b"\0\2" + encoded_message(data, 256)[2:],
            "block type 0": lambda data: b"\0\0" + encoded_message(data, 256)[2:],
            "no algorithm identifier":
                lambda data: b"\0\1" + b"\xff" * 221 + b"\0" + hashlib.sha256(data).digest(),
            "no NULL parameters": lambda data: b"\0\1" + b"\xff" * 204 + b"\0" + bytes.fromhex(
                "302f300b06096086480165030402010420") + hashlib.sha256(data).digest(),
        }
        control = mint(self.door.key, sign=lambda data: power(encoded_message(data, 256)))
        self.allow_token(control)
        self.refuse_each(15, [(what, mint(self.door.key, sign=lambda data, make=make: power(
            make(data))), SIGNATURE) for what, make in blocks.items()])

    def test_refuses_keys_that_the_token_brings(self):
        stranger = signing_key(1)
        url = self.door.authority.url
        self.door.authority.extra["/evil/keys"] = as_json({"keys": [stranger.jwk()]})
        kid = self.door.key.kid
        rows = []
        for what, header in (
                ("jwk", {"jwk": stranger.jwk()}), ("jku", {"jku": f"{url}/evil/keys"}),
                ("x5u", {"x5u": f"{url}/evil/cert"}),
                ("x5c", {"x5c": [base64.b64encode(stranger.der()).decode()]}), ("nothing", {})):
            for named in (kid, stranger.kid):
                rows.append((f"{what}, kid {'known' if named == kid else 'unknown'}",
                             mint(stranger, None, {**header, "kid": named}), None))
        rows.append(("our x5c, another's signature", mint(stranger, None, {
            "kid": kid, "x5c": [base64.b64encode(self.door.key.der()).decode()]}), None))
        rows += [(f"{name} beside a good signature", mint(self.door.key, None, {name: value}), None)
                 for name, value in (("jwk", self.door.key.jwk()), ("jku", f"{url}/evil/keys"),
                                     ("x5u", f"{url}/evil/cert"))]
        self.refuse_each((16, 17, 18), rows)
        self.assertNotIn("/evil/keys", self.door.authority.fetches)
        self.assertNotIn("/evil/cert", self.door.authority.fetches)

    def test_refuses_tokens_without_a_usable_kid(self):
        bad = (UNKNOWN, MALFORMED)
        self.refuse_each(19, [(repr(value)[:30], self.header(kid=value), bad) for value in (
            DROP, None, 7, [], ["x"], {}, True, "", "\0", self.door.key.kid + "\0",
            self.door.key.kid + " ", self.door.key.kid[:-1], self.door.key.kid.swapcase())])

    def test_a_hostile_kid_is_only_unknown(self):
        for kid in ("../../../../dev/null", "|id", "' or 1=1", "%00", "\r\nX: y", "\x1b[2J", "\"}",
                    "\u2028", "$(id)", "k" * 4000):
            with self.subTest(case=20, kid=kid[:20]):
                self.refuse_token(self.header(kid=kid), (UNKNOWN, MALFORMED))
        self.settle_audit()
        for line in self.door.barkeep.process.stderr().splitlines():
            self.assertNotIn("\x1b", line)

    def test_refuses_critical_extensions(self):
        for value in (["exp"], ["b64"], ["x"], [], "x", ["exp", "exp"], ["kid"], None, {}, [1]):
            with self.subTest(case=26, crit=value):
                self.refuse_token(self.header(crit=value), SHAPE)
        self.refuse_token(self.header(crit=["x"], x=1), SHAPE)

    def test_refuses_unencoded_and_compressed_payloads(self):
        self.refuse_each(27, [("b64 false", self.header(b64=False), SHAPE),
                              ("b64 true", self.header(b64=True), SHAPE),
                              ("b64 critical", self.header(b64=False, crit=["b64"]), SHAPE)])
        self.refuse_each(28, [("zip", self.header(zip="DEF"), SHAPE),
                              ("zip null", self.header(zip=None), SHAPE),
                              ("enc", self.header(enc="A128GCM"), SHAPE)])

    def test_refuses_other_types(self):
        for typ in ("JOSE+JSON", "JOSE", "dpop+jwt", "logout+jwt", "secevent+jwt", "", 1, None,
                    ["JWT"], "JWT ", "JWS", "pop"):
            with self.subTest(case=29, typ=typ):
                self.refuse_token(self.header(typ=typ), (*SHAPE, "token_kind"))

    def test_accepts_the_types_entra_sends(self):
        for typ in ("JWT", "jwt", DROP, "at+jwt"):
            with self.subTest(case=29, typ=str(typ)):
                # RFC 9068 is younger than libjwt, which knows JWT only
                self.allow_token(self.header(typ=typ), libjwt=typ != "at+jwt")

    def test_refuses_nested_and_encrypted_tokens(self):
        key = self.door.key
        header = {"typ": "JWT", "alg": "RS256", "kid": key.kid, "cty": "JWT"}
        five = ".".join([b64url(as_json({"alg": "RSA-OAEP", "enc": "A128GCM", "kid": key.kid})),
                         *[b64url(b"x" * 16)] * 4])
        self.refuse_each((30, 31), [
            ("nested", assemble(key, as_json(header), self.token.encode()), SHAPE),
            ("nested without cty", assemble(key, as_json({**header, "cty": ""}),
                                            self.token.encode()), SHAPE),
            ("five parts", five, SHAPE), ("five parts of ours", self.token + ".AAAA.AAAA", SHAPE)])

    def test_refuses_json_serialisations(self):
        head, payload, signature = self.token.split(".")
        flat = {"protected": head, "payload": payload, "signature": signature}
        general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
        for value in (flat, general):
            with self.subTest(case=32):
                self.refuse_token(as_json(value), MALFORMED)
                self.refuse_token(b64url(as_json(value)), MALFORMED)

    def test_refuses_other_counts_of_segments(self):
        head, payload, signature = self.token.split(".")
        broken = [f"{head}.{payload}.{signature[:9]}.{signature[9:]}", self.token + ".",
                  "." + self.token, head, f"{head}.{payload}", f"{head}.{payload}.", "..", ".", "...",
                  f".{payload}.{signature}", f"{head}..{signature}", "." * 1000,
                  f"{head}.{payload}..{signature}"]
        self.refuse_each((33, 34), [(token[-12:], token, MALFORMED) for token in broken])

    def test_refuses_other_spellings_of_base64(self):
        head, payload, signature = self.token.split(".")
        rows = []
        for place in range(3):
            for what, change in (("=", lambda s: s + "="), ("==", lambda s: s + "=="),
                                 ("!", lambda s: s[:5] + "!" + s[5:]),
                                 ("?", lambda s: s[:5] + "?" + s[5:]),
                                 ("tab", lambda s: s[:5] + "\t" + s[5:]),
                                 ("space", lambda s: s[:5] + " " + s[5:]),
                                 ("+", lambda s: s[:5] + "+" + s[6:]),
                                 ("/", lambda s: s[:5] + "/" + s[6:]),
                                 ("obs-text", lambda s: s[:5] + "\xe9" + s[5:]),
                                 ("length 1 mod 4", lambda s: s[:len(s) // 4 * 4 - 3])):
                parts = [head, payload, signature]
                parts[place] = change(parts[place])
                rows.append((f"{what} in segment {place}", ".".join(parts), (MALFORMED, SIGNATURE)))
        self.refuse_each((35, 36, 37, 39), rows)
        standard = base64.b64encode(tokens.unb64url(signature)).decode().rstrip("=")
        if standard != signature:
            self.refuse_token(f"{head}.{payload}.{standard}", MALFORMED)

    def test_refuses_line_ends_in_tokens(self):
        for separator in (b"\r\n", b"\r\n ", b"\r", b"\n", b"\0"):
            token = self.token[:40].encode() + separator + self.token[40:].encode()
            with self.subTest(case=37, separator=separator):
                self.refuse_token(token, statuses=400)

    def test_refuses_unused_bits_at_the_end(self):
        """A 256-byte signature leaves four bits of its last letter unused."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(self.token[-1])
        self.assertEqual(0, last % 16)
        for extra in (1, 2, 4, 8, 15):
            with self.subTest(case=38, extra=extra):
                self.refuse_token(self.token[:-1] + alphabet[last + extra], (MALFORMED, SIGNATURE))

    def raw_token(self, header=None, payload=None):
        """Correctly signed over any bytes."""
        fields = {"typ": "JWT", "alg": "RS256", "kid": self.door.key.kid}
        return assemble(self.door.key, as_json(fields) if header is None else header,
                        as_json(tokens.user()) if payload is None else payload)

    def test_refuses_duplicate_members(self):
        kid = self.door.key.kid
        head = as_json({"typ": "JWT", "alg": "RS256", "kid": kid})
        claims = as_json(tokens.user(roles=["Reader"]))
        rows = [("alg", head[:-1] + b',"alg":"RS256"}', None),
                ("alg first", b'{"alg":"none",' + head[1:], None),
                ("kid", head[:-1] + b',"kid":"x"}', None),
                ("kid escaped", head[:-1] + b',"\\u006bid":"' + kid.encode() + b'"}', None)]
        rows += [(name, None, claims[:-1] + b',"' + name + b'":' + value + b"}")
                 for name, value in ((b"sub", b'"x"'), (b"aud", b'"x"'), (b"roles", b'["Admin"]'),
                                     (b"exp", b"99999999999"), (b"iss", b'"x"'), (b"tid", b'"x"'),
                                     (b"\\u0072oles", b'["Admin"]'), (b"\\u0065xp", b"1"),
                                     (b"oid", b'"x"'), (b"scp", b'"x"'))]
        rows += [("inside another member", None, claims[:-1] + b',"x":{"a":1,"a":2}}')]
        self.refuse_each(40, [(what, self.raw_token(header, payload), MALFORMED)
                              for what, header, payload in rows])

    def test_refuses_bytes_after_the_json(self):
        head = as_json({"typ": "JWT", "alg": "RS256", "kid": self.door.key.kid})
        claims = as_json(tokens.user())
        for tail in (b"\0", b"\0{}", b"{}", b"x", b",", b"\xff"):
            with self.subTest(case=41, tail=tail):
                self.refuse_token(self.raw_token(head + tail), MALFORMED)
                self.refuse_token(self.raw_token(None, claims + tail), MALFORMED)

    def test_refuses_payloads_that_are_no_objects(self):
        for payload in (b"[]", b'"x"', b"7", b"null", b"", b" ", b"true", b"[" + as_json(
                tokens.user()) + b"]", b"{", b"{}", b"\0"):
            with self.subTest(case=42, payload=payload[:20]):
                self.refuse_token(self.raw_token(None, payload))
        for header in (b"[]", b'"x"', b"", b"null", b"{}"):
            with self.subTest(case=42, header=header):
                self.refuse_token(self.raw_token(header), SHAPE)

    def test_refuses_invalid_text(self):
        head = as_json({"typ": "JWT", "alg": "RS256", "kid": self.door.key.kid})
        claims = as_json(tokens.user())
        for what, bent in (("overlong", b'"x":"\xc0\xae"'), ("invalid", b'"x":"\xff"'),
                           ("raw surrogate", b'"x":"\xed\xa0\x80"'),
                           ("lone surrogate", b'"x":"\\ud800"'), ("raw control", b'"x":"\1"'),
                           ("single quotes", b"'x':1"), ("comment", b'/**/"x":1'),
                           ("trailing comma", b'"x":1,'), ("NaN", b'"x":NaN'), ("hex", b'"x":0x1'),
                           ("escaped NUL in a name", b'"x\\u0000":1'), ("half escape", b'"x":"\\u00"')):
            with self.subTest(case=43, what=what):
                self.refuse_token(self.raw_token(head[:-1] + b"," + bent + b"}"), MALFORMED)
                self.refuse_token(self.raw_token(None, claims[:-1] + b"," + bent + b"}"), MALFORMED)
        for what, mark in (("BOM", b"\xef\xbb\xbf"), ("UTF-16", None)):
            with self.subTest(case=43, what=what):
                payload = mark + claims if mark else claims.decode().encode("utf-16")
                self.refuse_token(self.raw_token(None, payload), MALFORMED)

    def test_bounds_nesting(self):
        claims = as_json(tokens.user())
        for depth in (100, 2048, 2049, 5000):
            nested = claims[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"
            with self.subTest(case=44, depth=depth):
                self.refuse_token(self.raw_token(None, nested), MALFORMED, (401,))
        self.refuse_token(self.raw_token(None, b"[" * 9000), MALFORMED)
        self.refuse_token(self.raw_token(b'{"a":' * 2000), SHAPE)

    def test_accepts_large_tokens_and_refuses_larger_ones(self):
        for kilobytes in (4, 8, 12):
            with self.subTest(case=46, kilobytes=kilobytes):
                self.allow_token(self.claims(filler="x" * (kilobytes * 1024 * 3 // 4 - 900)))
        groups = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(200)]
        self.allow_token(self.claims(groups=groups))
        for kilobytes in (17, 20):
            with self.subTest(case=46, kilobytes=kilobytes):
                self.refuse_token(self.claims(filler="x" * (kilobytes * 1024 * 3 // 4)), None,
                                  (401, 431))
        self.refuse_token(self.claims(filler="x" * 60000), None, (401, 431))
        self.refuse_token("a" * (2 << 20), None, (401, 431))

    def test_bounds_many_claims(self):
        """10,000 small claims are above the size of any token we take; 500 are fine."""
        self.allow_token(self.claims(**{f"c{number}": 1 for number in range(500)}))
        self.refuse_token(self.claims(**{f"c{number}": 1 for number in range(10000)}), None,
                          (401, 431))

    def test_refuses_every_flipped_bit(self):
        """Each bit of each segment through the function, every 11th through the proxy as well."""
        parts = [tokens.unb64url(part) for part in self.token.split(".")]
        bits = [(place, bit) for place, part in enumerate(parts) for bit in range(len(part) * 8)]
        for number, (place, bit) in enumerate(bits):
            bent = list(parts)
            changed = bytearray(bent[place])
            changed[bit // 8] ^= 1 << bit % 8
            bent[place] = bytes(changed)
            token = ".".join(b64url(part) for part in bent)
            if number % BIT_STRIDE == 0:
                with self.subTest(case=47, segment=place, bit=bit):
                    self.refuse_token(token)
                COMPARED.discard(token.encode())  # counted are tokens made by hand
            elif self.judge_by_function(token).verdict == "accept":
                self.fail(f"accepted with bit {bit} of segment {place} flipped")

    def test_whatever_barkeep_accepts_libjwt_accepts(self):
        """judge_by_function() says so of every token of this file; here of those with one letter
        changed."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/"
        asked = 0
        for place in range(len(self.token)):
            letter = letters[place % len(letters)]
            bent = self.token[:place] + letter + self.token[place + 1:]
            verdict = self.judge_by_function(bent)
            self.assertEqual(bent == self.token, verdict.verdict == "accept", (place, letter))
            asked += verdict.libjwt is not None
        self.assertGreater(asked, 100)
        for version in (1, 2):
            for make in (tokens.user, tokens.app):
                token = self.door.token(make(version))
                self.assertEqual("accept", self.judge_by_function(token).verdict)

    def test_libjwt_is_no_yes_man(self):
        """The second opinion means something: it refuses other signatures under the same key."""
        self.assertIs(True, self.judge_by_function(self.token).libjwt)
        head, payload, signature = self.token.split(".")
        for what, bent in (("zeros", b64url(bytes(256))), ("reversed", signature[-2::-1] + "A"),
                           ("a stranger's", mint(signing_key(1)).split(".")[2])):
            with self.subTest(what=what):
                verdict = self.judge_by_function(f"{head}.{payload}.{bent}")
                self.assertEqual((SIGNATURE, False), (verdict.reason, verdict.libjwt))

    def test_remembers_whole_tokens_only(self):
        """Case 49: a signature that was good with other text is not good."""
        for _ in range(3):
            self.allow_token(self.token)
        head, payload, signature = self.token.split(".")
        other = b64url(as_json(tokens.user(roles=["Admin"])))
        kid_first = b64url(as_json({"kid": self.door.key.kid, "alg": "RS256", "typ": "JWT"}))
        self.refuse_each(49, [("other payload", f"{head}.{other}.{signature}", SIGNATURE),
                              ("other header", f"{kid_first}.{payload}.{signature}", SIGNATURE),
                              ("other signature", f"{head}.{payload}.{b64url(bytes(256))}",
                               SIGNATURE)])
        self.allow_token(self.token)


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


class Claims(TokenCase):
    def test_expiry_is_a_number_within_bounds(self):
        now = int(time.time())
        for value in (str(now + 600), True, None, [now + 600], {"exp": now}, DROP, -1, 0, 2 ** 53 + 1,
                      2 ** 63 - 1, 1e308, now - 120, "9999999999", False):
            with self.subTest(case=53, exp=str(value)[:20]):
                self.refuse_token(self.claims(exp=value))
        claims = as_json(tokens.user(exp=DROP))
        for text in (b"1e400", b"9223372036854775808", b"99999999999999999999", b"-9223372036854775809",
                     b"0x7fffffff", b"+1999999999", b"01999999999", b"1999999999."):
            with self.subTest(case=54, exp=text):
                self.refuse_token(assemble(self.door.key, as_json(
                    {"typ": "JWT", "alg": "RS256", "kid": self.door.key.kid}),
                    claims[:-1] + b',"exp":' + text + b"}"))

    def test_a_fraction_is_never_zero_or_never(self):
        """Case 52 and 56: floats are read as numbers or refused, never as 0."""
        now = time.time()
        self.refuse_token(self.claims(exp=now - 3600.5))
        self.refuse_token(self.claims(nbf=now + 3600.5))
        with self.door.client() as client:
            response = client.exchange(self.with_token(self.claims(exp=now + 600.5)))
        self.assertIn(response.status, (200, 401))

    def test_names_expiry_and_not_yet(self):
        now = int(time.time())
        self.refuse_token(self.claims(iat=now - 7200, nbf=now - 7200, exp=now - 600),
                          "token_expired")
        self.refuse_token(self.claims(nbf=now + 600), "token_not_yet_valid")
        self.refuse_token(self.claims(nbf=now + 3000, exp=now + 2000))

    def test_not_before_is_required_and_numeric(self):
        for value in (DROP, None, "0", True, [], {}):
            with self.subTest(nbf=str(value)):
                self.refuse_token(self.claims(nbf=value))

    def test_refuses_a_lifetime_that_no_entra_token_has(self):
        now = int(time.time())
        self.refuse_token(self.claims(exp=now + 49 * 3600))
        self.refuse_token(self.claims(exp=now + 49 * 3600, iat=DROP))
        self.allow_token(self.claims(exp=now + 47 * 3600))
        self.allow_token(self.claims(iat=DROP))

    def test_refuses_a_token_issued_in_the_future(self):
        """Case 57."""
        self.refuse_token(self.claims(iat=int(time.time()) + 600))

    def test_issuer_is_exact(self):
        right = tokens.issuer_v2()
        for value in (right + "/", right.upper(), right.replace("login", "LOGIN"),
                      right.replace("https", "http"), right.replace(".com", ".com.evil.example"),
                      right.replace(TENANT, "common"), right.replace(TENANT, "{tenantid}"),
                      right.replace(TENANT, TENANT.upper()), tokens.issuer_v2(OTHER_TENANT),
                      [right], {"iss": right}, right[:-1], right[1:], "", None, DROP, 7, right + "\0",
                      " " + right, right + " ", self.door.authority.url, tokens.issuer_v1()):
            with self.subTest(case=59, iss=str(value)[-40:]):
                self.refuse_token(self.claims(iss=value))
        self.refuse_token(self.claims(iss=right + "/"), "token_issuer")

    def test_tenant_is_exact_and_agrees_with_the_issuer(self):
        for value in (OTHER_TENANT, DROP, None, "", [TENANT], TENANT[:-1], "common", TENANT + "\0",
                      "{" + TENANT + "}", "../" + TENANT, 7):
            with self.subTest(case=60, tid=str(value)):
                self.refuse_token(self.claims(tid=value))
        self.refuse_token(self.door.token(tokens.user(tenant=OTHER_TENANT)), "token_tenant")
        self.refuse_token(self.claims(tid=OTHER_TENANT, iss=tokens.issuer_v2()))

    def test_audience_is_exact(self):
        for value in ("", [], [API], [[API]], {"0": API}, [API, "x"], 7, None, DROP, API[:-1],
                      API + "x", API.upper(), API + "\0", " " + API, API + "/", f"spn:{API}",
                      API_URI, "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000",
                      "https://vault.azure.net", f"{API},{API_URI}", f"{API} {API_URI}"):
            with self.subTest(case=62, aud=str(value)):
                self.refuse_token(self.claims(aud=value))
        self.refuse_token(self.claims(aud="https://vault.azure.net"), "token_audience")
        self.refuse_token(self.claims(aud="https://graph.microsoft.com"), "token_kind")

    def test_audiences_by_version(self):
        """A GUID is good in v1 and v2 tokens, a URI in v1 tokens."""
        self.allow_token(self.door.token(tokens.user(1)))
        self.allow_token(self.door.token(tokens.user(1, aud=API)))
        self.allow_token(self.door.token(tokens.user(2)))
        for value in (API_URI + "/", API_URI.upper(), API_URI + "/x", "api://orders", API_URI[:-1]):
            with self.subTest(aud=value):
                self.refuse_token(self.door.token(tokens.user(1, aud=value)), "token_audience")

    def test_version_agrees_with_the_issuer(self):
        for version, value in ((2, "1.0"), (1, "2.0"), (2, "2"), (2, 2), (2, 2.0), (2, ""), (2, DROP),
                               (2, "3.0"), (1, DROP), (1, "1"), (2, ["2.0"]), (2, "2.0 ")):
            with self.subTest(version=version, ver=str(value)):
                self.refuse_token(self.door.token(tokens.user(version, ver=value)))

    def test_refuses_other_kinds_of_token(self):
        kind = "token_kind"
        graph = mint(self.door.key, tokens.user(aud="00000003-0000-0000-c000-000000000000"),
                     {"nonce": "abc"})
        self.refuse_token(graph)
        self.refuse_token(mint(self.door.key, None, {"nonce": "abc"}))
        user, app = self.claims, lambda **c: self.door.token(tokens.app(**c))  # noqa: E731
        for what, token in (
                ("an ID token", user(azp=DROP, azpacr=DROP, scp=DROP, idtyp=DROP, nonce="n")),
                ("an ID token with roles", user(azp=DROP, azpacr=DROP, scp=DROP, idtyp=DROP,
                                                roles=["Admin"])),
                ("nonce", user(nonce="n")), ("at_hash", user(at_hash="x")),
                ("c_hash", user(c_hash="x")), ("no client", user(azp=DROP)),
                ("neither scope nor role", user(scp=DROP)),
                ("roles of a user without scope", user(scp=DROP, roles=["Admin"], idtyp="user")),
                ("roles without any sign", user(scp=DROP, roles=["Admin"], idtyp=DROP)),
                ("a role-less app", app(roles=DROP)), ("an app with no roles", app(roles=[])),
                ("bound by cnf", user(cnf={"kid": "x"})),
                ("bound by cnf, app", app(cnf={"jwk": {}}))):
            with self.subTest(case=64, what=what):
                self.refuse_token(token, kind)

    def test_claims_of_wrong_types_by_kind_of_token(self):
        """What every token must state is refused in any other form; for the rest both doors agree."""
        stated = ("aud", "iss", "tid", "ver", "exp", "nbf")
        kinds = {"user, v2": (tokens.user, 2), "user, v1": (tokens.user, 1),
                 "app, v2": (tokens.app, 2), "app, v1": (tokens.app, 1)}
        for kind, (make, version) in kinds.items():
            for name in (*stated, *sorted(set(make(version)) - {*stated, "iat"})):
                for value in (DROP, None, True, 7, 1.5, "", "x", [], ["x", 7], {"x": 1}):
                    with self.subTest(case=(53, 59, 60, 62), kind=kind, claim=name, value=str(value)):
                        token = self.door.token(make(version, **{name: value}))
                        # a small number is a time long past, which suits nbf
                        if name in stated and (name != "nbf" or type(value) not in (int, float)):
                            self.refuse_token(token)
                        else:
                            self.agree_on(token)

    def test_accepts_app_tokens_by_either_sign(self):
        self.allow_token(self.door.token(tokens.app()))
        self.allow_token(self.door.token(tokens.app(idtyp=DROP)))
        self.allow_token(self.door.token(tokens.app(1)))

    def test_odd_roles_open_nothing(self):
        for value in ("Admin", ["Adm", "in"], ["Admin "], ["ADMIN"], ["\u0410dmin"], ["Admin\0x"],
                      ["Admin,User"], [["Admin"]], {"0": "Admin"}, [" Admin"], "Admin,User", [1],
                      None, ["admin"], {"Admin": True}):
            with self.subTest(case=68, roles=str(value)):
                # libjwt reads no NUL in any string
                has_nul = isinstance(value, list) and "Admin\0x" in value
                self.refuse_token(self.claims(roles=value), None, (401, 403), "/admin/x",
                                  libjwt=not has_nul)
        self.allow_token(self.claims(roles=["x", "Admin"]), "/admin/x")

    def test_claims_with_controls_reach_no_upstream(self):
        for value in ("a\r\nX-Injected: 1", "a\0b", "\x7f", "\n"):
            with self.subTest(case=71, value=value):
                with self.door.client() as client:
                    mark = self.door.upstream.mark()
                    client.exchange(self.with_token(self.claims(name=value, oid=value)))
                for request in self.door.upstream.since(mark):
                    self.assertNotIn(b"Injected", request.head)


class Skew(TokenCase):
    seconds = 60

    @classmethod
    def change_config(cls, config, door):
        config["entra"]["clock_skew"] = f"{cls.seconds}s"

    def test_leeway_is_exact(self):
        now = int(time.time())
        early = {"iat": now - 7200, "nbf": now - 7200}
        self.refuse_token(self.claims(**early, exp=now - self.seconds - 1), "token_expired")
        self.allow_token(self.claims(**early, exp=now - self.seconds + 5))
        self.allow_token(self.claims(nbf=now + self.seconds - 2, iat=now))
        self.refuse_token(self.claims(nbf=now + self.seconds + 5, iat=now), "token_not_yet_valid")


class LongSkew(Skew):
    seconds = 300


class NoSkew(Skew):
    seconds = 0

    def test_leeway_is_exact(self):
        now = int(time.time())
        early = {"iat": now - 7200, "nbf": now - 7200}
        self.refuse_token(self.claims(**early, exp=now - 1), "token_expired")
        self.refuse_token(self.claims(**early, exp=now), "token_expired")
        self.allow_token(self.claims(**early, exp=now + 5))
        self.refuse_token(self.claims(nbf=now + 5), "token_not_yet_valid")

    def test_one_second_ahead_is_still_good(self):
        """Asked at the beginning of a second, so that the answer comes within it."""
        self.wait_for(lambda: time.time() % 1 < 0.2, "the beginning of a second", 2)
        now = int(time.time())
        self.allow_token(self.claims(iat=now - 60, nbf=now - 60, exp=now + 1))

    def test_a_cached_token_expires_too(self):
        token = self.claims(exp=int(time.time()) + 2)
        self.allow_token(token)
        expiry = int(time.time()) + 3
        self.wait_for(lambda: time.time() > expiry, "the token's expiry")
        self.refuse_token(token, "token_expired")

    def test_a_stream_outlives_its_token_but_the_connection_does_not(self):
        """Case 75."""
        token = self.claims(exp=int(time.time()) + 2)
        expiry = int(time.time()) + 3

        def stream(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            self.wait_for(lambda: time.time() > expiry, "the token's expiry")
            peer.send(b"cd")

        self.door.upstream.on("/public/stream", stream)
        with self.door.client() as client:
            response = client.exchange(self.with_token(token, "/public/stream"))
            self.assertEqual((200, b"abcd"), (response.status, response.body))
            response = client.exchange(self.with_token(token))
            self.check_refusal(response, 401, "token_expired")


class OneVersion(TokenCase):
    @classmethod
    def change_config(cls, config, door):
        config["entra"]["token_versions"] = [2]

    def test_refuses_the_version_that_is_not_configured(self):
        self.refuse_token(self.door.token(tokens.user(1)))
        self.refuse_token(self.door.token(tokens.user(1, aud=API)))
        self.allow_token(self.door.token(tokens.user(2)))


class TwoTenants(TokenCase):
    @classmethod
    def change_config(cls, config, door):
        config["entra"]["tenant"] = [TENANT, OTHER_TENANT]

    def test_each_tenant_has_its_own_issuer(self):
        self.allow_token(self.door.token(tokens.user(tenant=TENANT)))
        self.allow_token(self.door.token(tokens.user(tenant=OTHER_TENANT)))
        self.allow_token(self.door.token(tokens.user(1, tenant=OTHER_TENANT)))
        for iss_tenant, tid in ((TENANT, OTHER_TENANT), (OTHER_TENANT, TENANT)):
            self.refuse_token(self.claims(iss=tokens.issuer_v2(iss_tenant), tid=tid))
        third = "11111111-2222-4333-8444-555555555555"
        self.refuse_token(self.door.token(tokens.user(tenant=third)), "token_tenant")


class BothDoors(unittest.TestCase):
    """Runs last, when every class above has run."""

    def test_over_600_tokens_went_through_both(self):
        if not COMPARED:
            self.skipTest("runs together with the classes above")
        self.assertGreater(len(COMPARED), MANY)


def load_tests(loader, suite, pattern):
    """Classes in the order of this file."""
    del suite, pattern
    cases = [case for case in globals().values()
             if isinstance(case, type) and issubclass(case, unittest.TestCase)]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main()
