#!/usr/bin/python3
"""Rotation heals itself (CASES.md 203): an upstream's 401 to an injected credential leads to one new
look at the vault and one more try, or to the version before; callers notice nothing."""

import base64
import pathlib
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.case import WireCase
from lib.vault import Vault
from test_secrets import SecretCase

REFUSED = "upstream_credential_refused"
OLD, NEW = "canary-old-77aa", "canary-new-77bb"


def bearer(secret):
    return f"Bearer {secret}"


class Backend:
    """An upstream path that takes only some credentials."""

    def __init__(self, upstream, path):
        self.taken = set()
        self.seen = []  # (authorization, body, was taken)
        self.lock = threading.Lock()
        upstream.on(path, self.play)

    def play(self, peer, request):
        peer.read_body(request)
        given = request.all("Authorization")[0]
        with self.lock:
            is_taken = given in self.taken
            self.seen.append((given, request.body, is_taken))
        if is_taken:
            peer.send(recorder.answer(200, b"in " + request.body[:20]))
        else:
            peer.send(recorder.answer(401, b"out", [("WWW-Authenticate", 'Basic realm="backend"')]))

    def drain(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen


class FileRotation(SecretCase):
    """The content of a file: vault is the version; nothing is read in the background."""

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        cls.names = ("get", "small", "large", "chunked", "expect", "twice", "behind", "neither",
                     "once", "pipe")
        for name in (*cls.names, "off"):
            (cls.folder / name).write_text(OLD)
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["credentials"] = {name: {"bearer": f"local/{name}"} for name in (*cls.names, "off")}
        config["secrets"] = {f"local/{name}": {"refresh": "1h"} for name in (*cls.names, "off")}
        cls.add_routes(config, door, cls.names)
        cls.add_routes(config, door, ["off"], retry="off")

    def rotate(self, name, backend_takes=NEW):
        """A backend that took the old secret takes `backend_takes` from now on; the vault has NEW."""
        backend = Backend(self.door.upstream, f"/{name}")
        backend.taken = {bearer(OLD)}
        self.assertEqual(200, self.ask(f"/{name}/{name}").status)
        (self.folder / name).write_text(NEW)
        backend.taken = {bearer(backend_takes)}
        backend.drain()
        return backend

    def check_healed(self, backend, response, body=b""):
        self.assertEqual(200, response.status, response.body)
        self.assertEqual([(bearer(OLD), body, False), (bearer(NEW), body, True)], backend.drain())

    def test_a_request_without_a_body_is_sent_once_more(self):
        backend = self.rotate("get")
        mark = self.audit_count()
        response = self.ask("/get/get")
        self.check_healed(backend, response)
        self.assertNotIn(b"backend", response.head)
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual((200, 200, "allow"),
                         (line["status"], line["upstream_status"], line["decision"]))
        self.assertEqual(mark + 1, self.audit_count(), "one line for both tries")
        self.assertEqual(200, self.ask("/get/get").status)
        self.assertEqual(1, len(backend.drain()), "the next one knows")

    def test_a_small_body_is_sent_once_more(self):
        backend = self.rotate("small")
        body = bytes(range(256)) * 40
        self.check_healed(backend, self.ask("/small/small", method="POST", body=body), body)

    def test_an_expected_body_is_sent_once_more(self):
        backend = self.rotate("expect")
        with self.door.client() as client:
            client.send(raw.request("PUT", "/expect/expect",
                                    [("Expect", "100-continue"), ("Content-Length", "5")],
                                    token=self.token))
            self.assertEqual(100, client.read_head().status)
            client.send(b"hello")
            self.check_healed(backend, client.read_response("PUT"), b"hello")

    def test_what_follows_on_the_connection_is_not_lost(self):
        backend = self.rotate("pipe")
        with self.door.client() as client:
            client.send(raw.request("POST", "/pipe/pipe", body=b"first", token=self.token) +
                        raw.request("GET", "/public/next", token=self.token))
            self.assertEqual(b"in first", client.read_response("POST").body)
            self.assertEqual(b"ok", client.read_response().body)
        self.assertEqual(2, len(backend.drain()))

    def test_a_body_that_is_gone_is_not_sent_again_but_the_next_request_succeeds(self):
        for name, sends in (("large", {"body": b"x" * 400000}),):
            backend = self.rotate(name)
            self.check_refusal(self.ask(f"/{name}/{name}", method="POST", **sends), 502, REFUSED)
            self.assertEqual([False], [taken for _, _, taken in backend.drain()])
            self.wait_for(lambda: self.ask(f"/{name}/{name}").status == 200, "the new secret", 20)

    def test_a_chunked_body_is_not_sent_again(self):
        backend = self.rotate("chunked")
        with self.door.client() as client:
            client.send(raw.request("POST", "/chunked/chunked", [("Transfer-Encoding", "chunked")],
                                    token=self.token) + b"3\r\nabc\r\n0\r\n\r\n")
            self.check_refusal(client.read_response("POST"), 502, REFUSED)
        self.assertEqual([(bearer(OLD), b"abc", False)], backend.drain())

    def test_retry_off_sends_nothing_twice(self):
        backend = self.rotate("off")
        self.check_refusal(self.ask("/off/off"), 502, REFUSED)
        self.assertEqual(1, len(backend.drain()))
        self.wait_for(lambda: self.ask("/off/off").status == 200, "the new secret", 20)

    def test_the_version_before_is_tried_when_the_backend_is_behind(self):
        backend = self.rotate("behind", backend_takes=NEW)
        self.assertEqual(200, self.ask("/behind/behind").status)
        backend.drain()
        backend.taken = {bearer(OLD)}  # it goes back, or never was where the vault is
        self.assertEqual(200, self.ask("/behind/behind").status)
        self.assertEqual([(bearer(NEW), b"", False), (bearer(OLD), b"", True)], backend.drain())
        used = set()
        for _ in range(20):  # each worker learns it once
            self.assertEqual(200, self.ask("/behind/behind").status)
        used = backend.drain()
        self.assertLessEqual(len(used), 22, "what works is remembered")
        backend.taken = {bearer(NEW)}
        for _ in range(20):
            self.assertEqual(200, self.ask("/behind/behind").status)
        self.assertLessEqual(len(backend.drain()), 22, "and forgotten")

    def test_two_refusals_are_the_end(self):
        backend = self.rotate("neither", backend_takes="something else")
        for _ in range(5):
            self.check_refusal(self.ask("/neither/neither"), 502, REFUSED)
        self.assertLessEqual(len(backend.drain()), 10, "never more than two tries")

    def test_an_upstream_that_refuses_only_this_call_is_asked_twice_at_most(self):
        backend = self.rotate("once", backend_takes=NEW)
        self.assertEqual(200, self.ask("/once/once").status)
        backend.drain()
        backend.taken = set()
        response = self.ask("/once/once")
        self.check_refusal(response, 502, REFUSED)
        self.assertLessEqual(len(backend.drain()), 2)


class VaultRotation(SecretCase):
    """The same with Key Vault, under load and by count."""

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {name: OLD for name in ("busy", "stuck", "user")}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {
            "busy": {"bearer": "prod/busy"}, "stuck": {"bearer": "prod/stuck"},
            "user": {"basic": {"username": "admin", "password": "prod/user"}}}
        config["secrets"] = {f"prod/{name}": {"refresh": "1h"} for name in cls.vault.secrets}
        cls.add_routes(config, door, cls.vault.secrets)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def rotate_vault(self, name, number):
        self.vault.secrets[name] = f"canary-{number}-77cc"
        self.vault.versions[name] = f"{number:032x}"
        return f"canary-{number}-77cc"

    def test_rotations_under_load_are_noticed_by_nobody(self):
        backend = Backend(self.door.upstream, "/busy")
        backend.taken = {bearer(OLD)}
        failures, stop = [], threading.Event()

        def call():
            with self.door.client() as client:
                while not stop.is_set():
                    response = client.exchange(raw.request("GET", "/busy/busy", token=self.token))
                    if response.status != 200:
                        failures.append(response.body)

        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        try:
            for number in range(1, 4):
                secret = self.rotate_vault("busy", number)
                with backend.lock:
                    backend.taken = {bearer(secret)}
                    backend.seen.clear()
                self.wait_for(lambda: sum(taken for _, _, taken in list(backend.seen)) > 200,
                              "calls with the new secret", 60)
                stop.wait(1.2)  # a second rotation within the pause between reads is not healed
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        self.assertEqual([], failures)
        self.assertLessEqual(len(self.vault.fetches_of("busy")), 1 + 3 * 2)

    def test_a_backend_that_takes_nothing_causes_no_storm(self):
        backend = Backend(self.door.upstream, "/stuck")
        before = len(self.vault.fetches_of("stuck"))
        for _ in range(200):
            self.check_refusal(self.ask("/stuck/stuck"), 502, REFUSED)
        self.assertGreaterEqual(len(backend.drain()), 200)
        self.assertLessEqual(len(self.vault.fetches_of("stuck")) - before, 12)

    def test_a_rotated_password_is_rendered_anew(self):
        backend = Backend(self.door.upstream, "/user")
        secret = self.rotate_vault("user", 9)
        expected = "Basic " + base64.b64encode(f"admin:{secret}".encode()).decode()
        backend.taken = {expected}
        self.assertEqual(200, self.ask("/user/user").status)
        line = self.door.audit.wait_for(self.ask("/user/user").request_id)
        self.assertEqual(f"{9:032x}", line["secrets"][0]["version"])


class WithoutCredential(WireCase):
    """Without an injected credential a 401 is the upstream's own affair."""

    def test_a_401_is_passed_on_and_asked_once(self):
        self.door.upstream.on("/public/no", recorder.answer(401, b"no"))
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            self.assertEqual(401, client.exchange(raw.request("GET", "/public/no",
                                                              token=self.token)).status)
        self.assertEqual(1, len(self.door.upstream.since(mark)))


if __name__ == "__main__":
    unittest.main()
