#!/usr/bin/python3
"""Allocations and system calls that fail, each in its turn (CASES.md K 215, 216): a clean refusal or
a closed connection, never a pass that was not due, never an end of the process."""

import errno
import os
import unittest

import wire  # noqa: F401
from lib import process, raw, recorder, tokens
from lib.case import WireCase
from lib.faults import Faults
from lib.net import wait_until

# One step of the torture is one request; BARKEEP_THOROUGH=1 takes every one of them.
STRIDE = 1 if os.environ.get("BARKEEP_THOROUGH") == "1" else 3
STEPS_MAX = 4000
GOOD = {200, 401, 403, 408, 500, 502, 503, 504, None}


@unittest.skipIf(process.is_sanitized(), "sanitizers bring an allocator of their own")
class FaultCase(WireCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        cls.faults = Faults(door.folder)
        door.barkeep.environment = cls.faults.environment()
        config["workers"] = 1
        folder = f"{door.folder}/secrets"
        os.mkdir(folder, 0o700)
        with open(f"{folder}/password", "w", encoding="ascii", opener=lambda path, flags: os.open(
                path, flags, 0o600)) as file:
            file.write("a-secret-password")
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"basic": {"basic": {"username": "u", "password": "local/password"}}}
        route = config["routes"][0]
        # no assertions: libjwt 1.10.2, which signs them, does not survive every failed allocation
        config["routes"].append({**route, "name": "full", "path": "/full", "credential": "basic",
                                 "identity_headers": "easyauth"})
        config["routes"].append({**route, "name": "brief", "path": "/brief",
                                 "timeouts": {"connect": "1s", "head": "1s", "idle": "1s"}})

    def setUp(self):
        self.faults.disarm()
        super().setUp()
        self.statuses = {}

    def tearDown(self):
        self.faults.disarm()
        super().tearDown()

    def fresh_token(self, *roles):
        """One that nobody has seen: it is judged in full."""
        return self.door.token(tokens.user(roles=list(roles)))

    def ask(self, path, token, method="GET", body=None):
        """Status, or None when the connection ended without an answer."""
        try:
            with self.door.client(timeout=15) as client:
                client.on_response = client.on_answer = None
                response = client.exchange(raw.request(method, path, (), body, token))
        except (raw.Truncated, OSError):
            return None
        return response.status

    def close_after_each(self):
        """The upstream keeps no connection: every request makes a new one."""
        def script(peer, request):
            peer.read_body(request)
            peer.send(recorder.answer(headers=[("Connection", "close")]))
            peer.close()
        return script

    def torture(self, kind, error, ask, allowed, lasting=False):
        """Lets the first call fail, then the second, until a request has made fewer. 401 is a signature
        that could not be checked: OpenSSL does not say why."""
        fail_at = 1
        while fail_at < STEPS_MAX:
            self.faults.arm(kind, fail_at, error, lasting)
            status = ask()
            count = self.faults.disarm()
            self.assertTrue(self.door.barkeep.process.is_running(),
                            f"{kind} {fail_at}\n" + self.door.barkeep.process.stderr()[-2000:])
            self.assertIn(status, allowed, f"{kind}, call {fail_at} of {count}")
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if count < fail_at:
                return
            fail_at += STRIDE if kind == "memory" else 1
        self.fail(f"{kind}: more than {STEPS_MAX} calls for one request")

    def no_connection_is_left(self):
        wait_until(lambda: self.door.barkeep.metrics()["barkeep_connections"] == 0,
                   "no connection is left", 20)


class Memory(FaultCase):
    """Case 215."""

    def test_a_request_that_may_pass(self):
        self.door.upstream.on("/public/x", self.close_after_each())
        for path in ("/public/x", "/full/public/x"):
            with self.subTest(case=215, path=path):
                self.statuses = {}
                self.torture("memory", errno.ENOMEM,
                             lambda path=path: self.ask(path, self.fresh_token()),
                             {200, 401, 503, None})
                self.assertGreater(self.statuses.get(200, 0), 0, "the last one is whole")
        self.no_connection_is_left()

    def test_one_that_may_not_never_does(self):
        mark = self.door.upstream.mark()
        self.torture("memory", errno.ENOMEM, lambda: self.ask("/admin/x", self.fresh_token()),
                     {401, 403, 503, None})
        other = tokens.SigningKey()
        self.torture("memory", errno.ENOMEM, lambda: self.ask(
            "/admin/x", tokens.mint(other, tokens.user(roles=["Admin"]))), {401, 503, None})
        self.assertTrue(self.door.upstream.is_untouched(mark), "nothing of them went on")
        self.no_connection_is_left()

    def test_a_body(self):
        self.torture("memory", errno.ENOMEM,
                     lambda: self.ask("/public/x", self.fresh_token(), "POST", b"x" * 300000),
                     {200, 401, 503, None})
        self.no_connection_is_left()

    def test_none_at_all(self):
        self.faults.arm("memory", 1, errno.ENOMEM, lasting=True)
        for _ in range(50):
            self.assertIn(self.ask("/public/x", self.token), {200, 401, 503, None})
            self.assertNotEqual(200, self.ask("/admin/x", self.token))
        self.faults.disarm()
        self.assertTrue(self.door.barkeep.process.is_running())
        self.no_connection_is_left()


class SystemCalls(FaultCase):
    """Case 216."""

    FAILURES = (("recv", errno.ECONNRESET), ("recv", errno.EIO), ("recv", errno.EINTR),
                ("send", errno.EPIPE), ("send", errno.ENOBUFS), ("send", errno.EINTR),
                ("accept", errno.ECONNABORTED), ("accept", errno.EMFILE), ("accept", errno.EINTR),
                ("accept", errno.EPROTO), ("connect", errno.ECONNREFUSED), ("connect", errno.EAGAIN),
                ("connect", errno.ENETUNREACH), ("socket", errno.EMFILE), ("socket", errno.ENOBUFS),
                ("epoll_ctl", errno.ENOMEM), ("epoll_ctl", errno.ENOSPC), ("epoll_wait", errno.EINTR),
                ("epoll_wait", errno.EINVAL), ("write", errno.EIO), ("write", errno.ENOSPC),
                ("read", errno.EIO), ("open", errno.EMFILE), ("random", errno.EAGAIN))

    def test_each_call_of_a_request(self):
        self.door.upstream.on("/public/x", self.close_after_each())
        for kind, error in self.FAILURES:
            for method, body in (("GET", None), ("POST", b"x" * 100)):
                with self.subTest(case=216, kind=kind, error=errno.errorcode[error], method=method):
                    self.torture(kind, error, lambda method=method, body=body: self.ask(
                        "/brief/public/x", self.token, method, body), GOOD)
                    mark = self.door.upstream.mark()
                    self.torture(kind, error, lambda method=method, body=body: self.ask(
                        "/admin/x", self.token, method, body), GOOD - {200})
                    self.assertTrue(self.door.upstream.is_untouched(mark))
                    wait_until(self.serves, "it serves as before")

    def test_what_goes_on_failing_for_a_while(self):
        for kind, error in self.FAILURES:
            if error == errno.EINTR or kind == "epoll_wait":
                continue  # those would have to be tried again for ever
            with self.subTest(case=216, kind=kind, error=errno.errorcode[error]):
                self.faults.arm(kind, 1, error, lasting=True)
                with self.door.client(timeout=2) as client:
                    client.on_response = client.on_answer = None
                    client.send(raw.request("GET", "/admin/x", token=self.token))
                    try:
                        status = client.read_response().status
                    except AssertionError:
                        status = None
                self.faults.disarm()
                self.assertNotEqual(200, status)
                self.assertTrue(self.door.barkeep.process.is_running())
                wait_until(self.serves_again, "it serves as before", 20)

    def serves_again(self):
        return self.ask("/public/control", self.token) == 200


if __name__ == "__main__":
    unittest.main()
