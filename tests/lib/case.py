"""What every wire test stands on: a door per class, a positive control around each test, and one way
to judge a refusal."""

import itertools
import json
import re
import time
import unittest

from lib import raw
from lib.door import Door
from lib.net import patient, wait_until

REQUEST_ID = re.compile(r"[0-9A-Za-z-]{16,64}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What barkeep adds to every forwarded request, beside Host.
ADDED_HEADERS = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id",
                 "traceparent"}
FRESH_ANSWER_SECONDS = 0.5
COUNTER = itertools.count()


def any_of(value):
    return value if isinstance(value, (tuple, set, list)) else (value,)


class WireCase(unittest.TestCase):
    """Subclasses change the configuration in change_config()."""

    maxDiff = None
    door = None
    replays = True  # False: keys, lists or files change while the tests run, so that nothing can be asked again
    answers_are_searched = False  # True: a rule for every route injects a credential
    becomes_ready = True  # False: /readyz stays 503 by intention, so wait for a good answer instead

    @classmethod
    def change_config(cls, config, door):
        pass

    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.door.replays = cls.replays
        cls.token = cls.door.token()
        cls.door.start(cls.becomes_ready)
        if not cls.becomes_ready:
            wait_until(cls.serves, "barkeep serves", 20)

    @classmethod
    def serves(cls):
        with cls.door.client() as client:
            data = raw.request("GET", "/public/control", token=cls.token)
            return client.exchange(data).status == 200

    @classmethod
    def tearDownClass(cls):
        cls.door.stop()

    def setUp(self):
        self.expected_audit = []
        self.control()

    def tearDown(self):
        self.control()
        self.settle_audit()

    def control(self):
        """Case 1: a good request passes through the same door, byte for byte as expected."""
        mark = self.door.upstream.mark()
        target = f"/public/control?{next(COUNTER)}"
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", target, token=self.control_token()))
        self.assertEqual(200, response.status, "control: " + response.body.decode())
        # by its query: what an earlier request left behind may arrive late
        query = target.partition("?")[2]
        requests = [request for request in self.door.upstream.since(mark)
                    if request.target.partition("?")[2] == query]
        self.assertEqual(1, len(requests), "the control reaches the upstream once")
        self.check_forwarded(requests[0], response, "GET", target)

    def control_token(self):
        return self.token

    def check_forwarded(self, request, response, method, target, headers=(), body=b"",
                        framing=()):
        """`request` holds exactly this: `headers` are the caller's that pass, in order."""
        self.assertEqual(f"{method} {target} HTTP/1.1", request.request_line)
        self.assertTrue(request.is_complete)
        self.assertEqual(body, request.body)
        self.assertEqual([self.door.upstream.authority], request.all("Host"))
        self.assertEqual(["127.0.0.1"], request.all("X-Forwarded-For"))
        self.assertEqual(["http"], request.all("X-Forwarded-Proto"))
        self.assertEqual([response.request_id], request.all("X-Request-Id"))
        self.assertRegex(request.all("traceparent")[0], TRACEPARENT)
        given = [name.lower() for name, _ in headers]
        added = [*ADDED_HEADERS, "host", *(["accept-encoding"] if self.answers_are_searched else [])]
        self.assertEqual(sorted([*added, *given, *framing]), sorted(request.names()),
                         "headers at the upstream")
        passed = [(name, value) for name, value in request.headers if name.lower() in given]
        self.assertEqual(list(headers), passed)

    def allow(self, data, method="GET", split=0, status=200):
        """Sends a request that must pass; returns (response, what the upstream saw)."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.exchange(data, method, split)
        self.assertEqual(status, response.status, response.body)
        requests = self.door.upstream.since(mark)
        self.assertEqual(1, len(requests), "exactly one request at the upstream")
        return response, requests[0]

    def refuse(self, data, status, reason=None, split=0, method="GET", touches_upstream=False):
        """Sends a request that must be refused in every way a refusal promises."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(data, split)
            response = client.read_response(method)
            self.check_refusal(response, status, reason, method)
            self.assertEqual(b"", client.read_to_end(), "bytes after the refusal")
        self.assertEqual("close", response.one("Connection"))
        if not touches_upstream:
            self.assertTrue(self.door.upstream.is_untouched(mark), "the upstream saw something")
        return response

    def check_refusal(self, response, status, reason=None, method="GET"):
        """One answer as contract section 6 has it; its audit line is checked at the test's end."""
        self.assertIn(response.status, any_of(status), response.body)
        self.assertEqual("application/problem+json", response.one("Content-Type"))
        self.assertRegex(response.request_id or "", REQUEST_ID)
        code = None
        if method != "HEAD":
            code = self.check_problem(response, reason)
        self.expected_audit.append((response.request_id, response.status, code))
        challenge = response.all("WWW-Authenticate")
        self.assertEqual(1 if response.status == 401 else 0, len(challenge), challenge)

    def check_problem(self, response, reason):
        problem = json.loads(response.body)
        self.assertLessEqual({"type", "title", "status", "reason", "detail", "request_id"},
                             set(problem))
        self.assertEqual(response.status, problem["status"])
        self.assertEqual(response.request_id, problem["request_id"])
        if reason is not None:
            self.assertIn(problem["reason"], any_of(reason), problem)
        return problem["reason"]

    def settle_audit(self):
        """Every refusal of this test has exactly one audit line, with its status and reason."""
        audit = self.door.audit
        for request_id, status, reason in self.expected_audit:
            line = audit.wait_for(request_id)
            self.assertEqual(status, line["status"])
            if reason is not None:
                self.assertEqual(reason, line["reason"])
            self.assertNotEqual("allow", line["decision"] if status in (400, 401, 403) else None)
        self.expected_audit = []

    def audit_count(self):
        """Lines about requests so far, once every answer that was read has its own."""
        for response in self.door.seen:
            self.door.audit.wait_for(response.request_id)
        self.door.seen.clear()
        return len(self.door.audit.requests())

    def good_request_is_fast(self):
        """Case 124: a fresh connection is served at once after whatever came before."""
        started = time.monotonic()
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/public/control",
                                                   token=self.control_token()))
        self.assertEqual(200, response.status)
        self.assertLess(time.monotonic() - started, patient(FRESH_ANSWER_SECONDS))

    def wait_for(self, condition, what, timeout=5.0):
        return wait_until(condition, what, timeout)
