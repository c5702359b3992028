#!/usr/bin/python3
"""Token structure and signature (CASES.md A): RS256 of a known key, or 401."""

import base64
import hashlib
import os
import unittest

import wire  # noqa: F401
from cryptography.hazmat.primitives import hashes
from lib import tokens
from lib.door import signing_key
from lib.token_case import (ALGORITHM, COMPARED, DIGEST_INFO, MALFORMED, SIGNATURE, UNKNOWN, CountedTokens,
                            TokenCase, encoded_message, hmac_sign, in_order)
from lib.tokens import DROP, as_json, assemble, b64url, mint

SHAPE = (ALGORITHM, MALFORMED)

# Every flipped bit is a request; all of them with BARKEEP_THOROUGH=1, else one in this many.
BIT_STRIDE = 1 if os.environ.get("BARKEEP_THOROUGH") else 11


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


class BothDoors(CountedTokens):
    MORE_THAN = 340


def load_tests(loader, suite, pattern):
    del suite, pattern
    return in_order(loader, globals())


if __name__ == "__main__":
    unittest.main()
