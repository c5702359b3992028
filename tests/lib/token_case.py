"""Each token through two doors, the running proxy and the bare function (function_door.py): both must say the same, to
the reason. What they accept, libjwt accepts too."""

import hashlib
import hmac
import time
import unittest

from lib import raw, tokens
from lib.case import WireCase
from lib.function_door import FunctionDoor

ALGORITHM, MALFORMED = "token_algorithm", "token_malformed"
SIGNATURE, UNKNOWN = "token_signature", "token_key_unknown"

# SHA-256 DigestInfo of EMSA-PKCS1-v1_5
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def hmac_sign(secret, digest="sha256"):
    return lambda data: hmac.new(secret, data, digest).digest()


def encoded_message(data, size):
    """EMSA-PKCS1-v1_5: what a signature with e = 1 would be."""
    tail = DIGEST_INFO + hashlib.sha256(data).digest()
    return b"\0\1" + b"\xff" * (size - 3 - len(tail)) + b"\0" + tail


# Tokens that went through both doors, without those that differ in a bit only
COMPARED = set()


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


class CountedTokens(unittest.TestCase):
    """Runs last, when every class of its file has run: so many tokens went through both doors."""

    MORE_THAN = 0

    def test_as_many_tokens_as_ever_went_through_both(self):
        if not COMPARED:
            self.skipTest("runs together with the classes above it")
        self.assertGreater(len(COMPARED), self.MORE_THAN)


def in_order(loader, names):
    """A file's classes in its own order."""
    cases = [case for case in names.values() if isinstance(case, type) and issubclass(case, unittest.TestCase)
             and case is not CountedTokens]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
