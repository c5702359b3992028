#!/usr/bin/python3
"""The verifier as a door of its own: key and token in, verdict out (security.md 8 A 14, 15, 23 ff.).

    tests/vectors/test_jws_driver.py DRIVER

The vectors are made here, RSA by hand where a library would refuse to sign such a thing. Every block has positive
controls through the same door; public vectors in lines of {"jwk", "jws"} can be fed to the driver as they are."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import tokens  # noqa: E402

DRIVER = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else "build/jws_driver"
KEY = tokens.SigningKey("k")
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
HEADER = {"typ": "JWT", "alg": "RS256", "kid": "k"}
PAYLOAD = b"\x00no JSON at all\xff"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_sign(number, key=KEY):
    """RSA without any padding: the number's d-th power."""
    private = key.private.private_numbers()
    return pow(number, private.d, key.numbers.n)


def size_of(key=KEY):
    return (key.numbers.n.bit_length() + 7) // 8


def signing_input(header=None, payload=PAYLOAD):
    return f"{b64(json.dumps(HEADER if header is None else header).encode())}.{b64(payload)}"


def token(signature, header=None, payload=PAYLOAD):
    return f"{signing_input(header, payload)}.{b64(signature)}"


def encoded(digest_info, key=KEY, lead=b"\x00\x01", filler=b"\xff", fill=None, stop=b"\x00", tail=b""):
    """The block that PKCS#1 v1.5 signs, with every part open to change."""
    fill = size_of(key) - len(lead) - len(stop) - len(digest_info) - len(tail) if fill is None else fill
    block = lead + filler * fill + stop + digest_info + tail
    return block.ljust(size_of(key), b"\x00")[:size_of(key)]


def signed(block, key=KEY):
    return raw_sign(int.from_bytes(block, "big") % key.numbers.n, key).to_bytes(size_of(key), "big")


def digest(text=None):
    return hashlib.sha256((text or signing_input()).encode()).digest()


GOOD = KEY.sign(signing_input().encode())


class Door(unittest.TestCase):
    def verdicts(self, rows):
        """[(jwk, jws)] -> the lines printed."""
        lines = "".join(json.dumps({"jwk": jwk, "jws": jws}) + "\n" for jwk, jws in rows)
        done = subprocess.run([DRIVER], input=lines.encode(), capture_output=True, timeout=120, check=True)
        found = done.stdout.decode().splitlines()
        self.assertEqual(len(rows), len(found), done.stderr.decode())
        return found

    def check(self, named, expect_valid):
        """{name: (jwk, jws)} between two controls."""
        control = (KEY.jwk(), token(GOOD))
        rows = [control, *named.values(), control]
        verdicts = self.verdicts(rows)
        self.assertEqual("valid", verdicts[0], "control before")
        self.assertEqual("valid", verdicts[-1], "control after")
        for name, verdict in zip(named, verdicts[1:-1]):
            with self.subTest(name):
                if expect_valid:
                    self.assertEqual("valid", verdict)
                else:
                    self.assertRegex(verdict, "^invalid: .")

    def refuse(self, named):
        self.check(named, False)

    def accept(self, named):
        self.check(named, True)

    def refuse_signatures(self, named):
        self.refuse({name: (KEY.jwk(), token(signature)) for name, signature in named.items()})


class Controls(Door):
    def test_accepts_what_is_right(self):
        large = tokens.SigningKey("k", bits=4096)
        odd = tokens.SigningKey("k", bits=2056)
        named = {"our own block": (KEY.jwk(), token(signed(encoded(SHA256_INFO + digest()))))}
        self.assertEqual(GOOD, signed(encoded(SHA256_INFO + digest())), "the hand-made block is the library's")
        for name, payload in (("JSON", b"{}"), ("text", b"x"), ("bytes", bytes(range(256))), ("long", b"y" * 100000)):
            text = signing_input(payload=payload)
            named[name] = (KEY.jwk(), f"{text}.{b64(KEY.sign(text.encode()))}")
        for name, key in (("4096 bits", large), ("2056 bits", odd)):
            named[name] = (key.jwk(), token(key.sign(signing_input().encode())))
        named["no kid"] = (KEY.jwk(kid=tokens.DROP), token(GOOD))
        named["alg and key_ops"] = (KEY.jwk(alg="RS256", key_ops=["verify"]), token(GOOD))
        self.accept(named)

    def test_answers_every_line(self):
        lines = b'\n[]\n{"jwk":1}\n{"jws":"a.b.c"}\n{"jws":"a.b.c","jwk":{},"jwk":{}}\nx\n{"jws":7,"jwk":{}}\n'
        done = subprocess.run([DRIVER], input=lines, capture_output=True, timeout=60, check=True)
        self.assertEqual(7, len(done.stdout.splitlines()), done.stdout)
        self.assertTrue(all(line.startswith(b"invalid: ") for line in done.stdout.splitlines()))


class Signatures(Door):
    def test_refuses_other_lengths_and_numbers(self):
        n, size = KEY.numbers.n, size_of()
        number = int.from_bytes(GOOD, "big")
        named = {"one byte less": GOOD[:-1], "first byte less": GOOD[1:], "zero in front": b"\0" + GOOD,
                 "zero behind": GOOD + b"\0", "half": GOOD[:size // 2], "twice": GOOD * 2, "one byte": b"\1",
                 "n": n.to_bytes(size, "big"), "n - 1": (n - 1).to_bytes(size, "big"),
                 "n - s": (n - number).to_bytes(size, "big"), "0": bytes(size), "1": (1).to_bytes(size, "big"),
                 "all ones": b"\xff" * size, "2s mod n": (2 * number % n).to_bytes(size, "big"),
                 "s + n, longer": (number + n).to_bytes(size + 1, "big")}
        for factor in range(1, 4):
            if number + factor * n < 1 << (8 * size):
                named[f"s + {factor}n"] = (number + factor * n).to_bytes(size, "big")
        self.refuse_signatures(named)

    def test_refuses_s_plus_n_of_the_same_length(self):
        """n of 2048 bits leaves room for s + n only when both are small: look until it fits."""
        for number in range(4096):
            text = signing_input(payload=b"%d" % number)
            value = int.from_bytes(KEY.sign(text.encode()), "big") + KEY.numbers.n
            if value < 1 << (8 * size_of()):
                self.refuse({"s + n": (KEY.jwk(), f"{text}.{b64(value.to_bytes(size_of(), 'big'))}")})
                return
        self.skipTest("this modulus is too large for it")

    def test_refuses_every_flipped_bit_of_the_signature(self):
        flipped = {}
        for bit in range(8 * size_of()):
            changed = bytearray(GOOD)
            changed[bit // 8] ^= 1 << (bit % 8)
            flipped[f"bit {bit}"] = bytes(changed)
        self.refuse_signatures(flipped)

    def test_refuses_modified_padding(self):
        info = SHA256_INFO + digest()
        sha1_info = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(signing_input().encode()).digest()
        sha512_info = (bytes.fromhex("3051300d060960864801650304020305000440")
                       + hashlib.sha512(signing_input().encode()).digest())
        no_null = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest()
        named = {
            "type 00": encoded(info, lead=b"\x00\x00"), "type 02": encoded(info, lead=b"\x00\x02"),
            "first byte 01": encoded(info, lead=b"\x01\x01"), "no lead": encoded(info, lead=b"\x00"),
            "filler 00": encoded(info, filler=b"\x00"), "filler fe": encoded(info, filler=b"\xfe"),
            "stop ff": encoded(info, stop=b"\xff"), "stop 01": encoded(info, stop=b"\x01"),
            "two stops": encoded(info, stop=b"\x00\x00"), "no stop": encoded(info, stop=b""),
            "digest alone": encoded(digest()), "digest without the NULL": encoded(no_null),
            "SHA-1's info": encoded(sha1_info), "SHA-512": encoded(sha512_info),
            "SHA-512's name on this digest": encoded(bytes.fromhex("3031300d060960864801650304020305000420") + digest()),
            "of another text": encoded(SHA256_INFO + digest("other")),
            "wrong length in the digest": encoded(SHA256_INFO[:-1] + b"\x1f" + digest()),
            "long form of a length": encoded(b"\x30\x81\x31" + SHA256_INFO[2:] + digest()),
            "indefinite length": encoded(b"\x30\x80" + SHA256_INFO[2:] + digest() + b"\0\0"),
            "digest cut": encoded(SHA256_INFO + digest()[:-1]),
            "bytes behind the digest": encoded(info, tail=b"\x00"),
            "more bytes behind": encoded(info, tail=b"\xff" * 16),
        }
        for fill in (0, 1, 7, 8, 9, 16, 64, 200):  # short filler, garbage behind: Bleichenbacher's forgery
            named[f"{fill} bytes of filler, garbage behind"] = encoded(info, fill=fill, tail=os.urandom(120))
        for at in range(2, size_of() - len(info) - 1, 16):
            block = bytearray(encoded(info))
            block[at] = 0
            named[f"zero in the filler at {at}"] = bytes(block)
        self.refuse_signatures({name: signed(block) for name, block in named.items()})

    def test_refuses_other_algorithms(self):
        text = {alg: signing_input({**HEADER, "alg": alg}) for alg in ("RS256", "PS256", "RS384", "HS256", "none")}
        from cryptography.hazmat.primitives import hashes
        import hmac
        pss = KEY.sign_pss
        named = {
            "PS256 labelled RS256": f"{text['RS256']}.{b64(pss(text['RS256'].encode()))}",
            "PS256": f"{text['PS256']}.{b64(pss(text['PS256'].encode()))}",
            "RS256 labelled PS256": f"{text['PS256']}.{b64(KEY.sign(text['PS256'].encode()))}",
            "SHA-384 labelled RS256": f"{text['RS256']}.{b64(KEY.sign(text['RS256'].encode(), hashes.SHA384()))}",
            "RS384": f"{text['RS384']}.{b64(KEY.sign(text['RS384'].encode(), hashes.SHA384()))}",
            "RS256 labelled RS384": f"{text['RS384']}.{b64(KEY.sign(text['RS384'].encode()))}",
            "HS256 with the PEM": f"{text['HS256']}.{b64(hmac.digest(KEY.pem(), text['HS256'].encode(), 'sha256'))}",
            "none": f"{text['none']}.", "none, signed": f"{text['none']}.{b64(KEY.sign(text['none'].encode()))}",
            "another key": f"{text['RS256']}.{b64(tokens.SigningKey('k').sign(text['RS256'].encode()))}"}
        self.refuse({name: (KEY.jwk(), jws) for name, jws in named.items()})


class Tokens(Door):
    def test_refuses_headers_that_steer(self):
        named = {}
        for name, more in (("crit", {"crit": ["exp"]}), ("b64", {"b64": False}), ("zip", {"zip": "DEF"}),
                           ("jku", {"jku": "https://x"}), ("x5u", {"x5u": "https://x"}),
                           ("jwk", {"jwk": KEY.jwk()}), ("enc", {"enc": "A128GCM"})):
            text = signing_input({**HEADER, **more})
            named[name] = (KEY.jwk(), f"{text}.{b64(KEY.sign(text.encode()))}")
        for name, header in (("an array", b"[]"), ("no JSON", b"x"), ("alg twice", b'{"alg":"RS256","alg":"RS256"}'),
                             ("bytes behind", b'{"alg":"RS256"}x'), ("NUL behind", b'{"alg":"RS256"}\0'),
                             ("alg as a list", b'{"alg":["RS256"]}'), ("rs256", b'{"alg":"rs256"}'),
                             ("no alg", b"{}"), ("empty", b"")):
            text = f"{b64(header)}.{b64(PAYLOAD)}"
            named[name] = (KEY.jwk(), f"{text}.{b64(KEY.sign(text.encode()))}")
        self.refuse(named)

    def test_refuses_other_spellings(self):
        good = token(GOOD)
        head, body, signature = good.split(".")
        named = {"padding": good + "==", "one =": good + "=", "dot": good + ".", "four": good + ".AAAA",
                 "two": f"{head}.{body}", "one": head, "none": "", "space": good + " ", "line end": good + "\n",
                 "empty body": f"{head}..{signature}", "spare bits": good[:-1] + chr(ord(good[-1]) + 1),
                 "plus": f"{head}.{body}.+{signature[1:]}", "slash": f"{head}.{body}./{signature[1:]}",
                 "NUL": good + "\0", "NUL within": f"{head}.{body[:-1]}\0.{signature}",
                 "padding in the head": f"{head}=.{body}.{signature}", "1 mod 4": f"{head}.{body}.{signature}AAA"}
        self.refuse({name: (KEY.jwk(), jws) for name, jws in named.items()})

    def test_refuses_every_flipped_bit_of_header_and_payload(self):
        good = token(GOOD)
        text = good.rpartition(".")[0]
        named = {}
        for at in range(len(text)):
            for bit in range(7):
                changed = chr(ord(text[at]) ^ 1 << bit)
                named[f"{at}/{bit}"] = (KEY.jwk(), text[:at] + changed + good[at + 1:])
        self.refuse(named)


class Keys(Door):
    def test_refuses_keys_that_no_set_would_hold(self):
        weak = tokens.SigningKey("k", bits=1024)
        n = KEY.numbers.n
        number = tokens.uint_b64url
        named = {name: (jwk, token(GOOD)) for name, jwk in {
            "use enc": KEY.jwk(use="enc"), "key_ops": KEY.jwk(key_ops=["sign"]), "alg": KEY.jwk(alg="RS512"),
            "PS256": KEY.jwk(alg="PS256"), "kty EC": KEY.jwk(kty="EC"), "no kty": KEY.jwk(kty=tokens.DROP),
            "no n": KEY.jwk(n=tokens.DROP), "e = 1": KEY.jwk(e=number(1)), "e = 3": KEY.jwk(e=number(3)),
            "e even": KEY.jwk(e=number(65538)), "n even": KEY.jwk(n=number(n - 1)), "private": KEY.jwk(d="AQAB"),
            "oct": {"kty": "oct", "k": "AAAA", "kid": "k"}, "padded n": KEY.jwk(n=number(n) + "="),
            "kid a number": KEY.jwk(kid=7), "another key": tokens.SigningKey("k").jwk(), "null": None, "text": "x",
            "an array": [KEY.jwk()]}.items()}
        named["1024 bits"] = (weak.jwk(), token(weak.sign(signing_input().encode())))
        self.refuse(named)


if __name__ == "__main__":
    unittest.main()
