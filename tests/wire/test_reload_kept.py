#!/usr/bin/python3
"""What a changed configuration does not concern is kept, and who waits meanwhile is judged by the new rules alone
(CASES.md K 222-224)."""

import pathlib
import signal
import threading
import unittest
import uuid

import test_groups
import wire  # noqa: F401
from lib import raw, tokens
from lib.certificates import CertificateAuthority
from lib.door import signing_key
from lib.reload_case import ReloadCase, route, without_rules
from lib.tls_recorder import TlsRecorder
from lib.vault import Vault


class Kept(ReloadCase):
    """What both configurations agree on is not fetched again."""

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"first": "canary-first-a1", "second": "canary-second-b2",
                             "third": "canary-third-c3"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"first": {"bearer": "prod/first"}}
        config["routes"].append(cls.with_credential(door, "first"))

    @classmethod
    def with_credential(cls, door, credential, **options):
        access = [{"role": "Contributor", "to": {"everyone": True}, "credential": credential}]
        return route(door, options.pop("name", credential), access=access, **options)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def tearDown(self):
        self.vault.hold = self.door.authority.hold = None
        super().tearDown()

    def add(self, config, name):
        config["credentials"][name] = {"bearer": f"prod/{name}"}
        config["routes"].append(self.with_credential(self.door, name))

    def hold(self, server):
        """Its answers wait until the event is set."""
        event = server.hold = threading.Event()
        self.addCleanup(event.set)
        return event

    def fetches(self):
        return len(self.door.authority.fetches), len(self.vault.fetches)

    def vault_requests(self):
        return sum(value for name, value in self.door.barkeep.metrics().items()
                   if name.startswith("barkeep_vault_requests_total"))

    def authorization(self, target):
        mark = self.door.upstream.mark()
        self.assertEqual(200, self.status(target))
        return self.door.upstream.since(mark)[-1].all("Authorization")

    def test_nothing_is_fetched_by_a_reload_that_does_not_concern_it(self):
        before, counted = self.fetches(), self.vault_requests()
        self.assertGreater(counted, 0)
        for number in range(10):
            def edit(config, number=number):
                config["drain"] = f"{6 + number}s"
                config["routes"].insert(0, route(self.door, f"added{number}"))
            self.change(edit)
            self.soon(lambda: self.status(f"/added{number}/x") == 200, "the new route serves")
            self.assertEqual(["Bearer canary-first-a1"], self.authorization("/first/x"))
            self.assertEqual(counted, self.vault_requests())
        self.assertEqual(before, self.fetches())

    def test_a_secret_that_is_new_is_fetched_and_no_other(self):
        first = len(self.vault.fetches_of("first"))
        keys = len(self.door.authority.fetches)
        counted = self.vault_requests()
        self.change(lambda config: self.add(config, "second"))
        self.wait_for(lambda: self.status("/second/x") == 200, "the new secret is there")
        self.assertEqual(["Bearer canary-second-b2"], self.authorization("/second/x"))
        self.assertEqual(first, len(self.vault.fetches_of("first")))
        self.assertEqual(keys, len(self.door.authority.fetches))
        self.assertGreater(self.vault_requests(), counted)

    def test_who_waits_for_a_secret_is_judged_by_the_new_rules_alone(self):
        for name, edit, status in (
                ("refused now", lambda config: None, 403),
                ("another credential now", lambda config: config["routes"].append(
                    self.with_credential(self.door, "first", name="other", path="/third")), 200)):
            with self.subTest(name):
                held = self.hold(self.vault)
                fetched = len(self.vault.fetches_of("third"))
                self.change(lambda config: self.add(config, "third"))
                self.wait_for(lambda: len(self.vault.fetches_of("third")) > fetched, "it is fetched")
                mark = self.door.upstream.mark()
                with self.door.client() as client:
                    client.send(raw.request("GET", "/third/x", token=self.token))
                    self.wait_for(lambda: self.has_read(client), "the request waits")
                    self.change(edit)
                    response = client.read_response()
                held.set()
                self.assertEqual(status, response.status)
                line = self.door.audit.wait_for(response.request_id)
                if status == 200:
                    self.assertEqual("routes.other.access[0]", line["rule"])
                    self.assertEqual(["Bearer canary-first-a1"],
                                     self.door.upstream.since(mark)[-1].all("Authorization"))
                else:
                    self.assertEqual("no_role", line["reason"])
                    self.assertEqual([], self.door.upstream.since(mark))
                self.vault.hold = None
                self.reload(self.door.config)

    def test_who_waits_for_keys_is_judged_by_the_new_rules_alone(self):
        new_key = signing_key(11)
        held = self.hold(self.door.authority)
        self.door.authority.keys.append(new_key.jwk())
        token = tokens.mint(new_key)
        fetched = len(self.door.authority.fetches)
        with self.door.client() as client:
            client.send(raw.request("GET", "/public/x", token=token))
            self.wait_for(lambda: len(self.door.authority.fetches) > fetched, "keys are fetched")
            self.change(without_rules)
            held.set()
            response = client.read_response()
        self.check_refusal(response, 403, "no_role")
        self.reload(self.door.config)
        self.soon(lambda: self.status("/public/x", token) == 200, "the key is there")


class Groups(ReloadCase, test_groups.GroupCase):
    def stop_graph(self):
        """Each of its threads stands still after this."""
        child = self.standin.process
        child.send_signal(signal.SIGSTOP)
        threads = pathlib.Path(f"/proc/{child.pid}/task")
        self.wait_for(lambda: all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                                  for thread in threads.iterdir()), "Graph stands still")

    def test_who_waits_for_groups_is_judged_by_the_new_rules_alone(self):
        """Graph stands still; the new rules ask nothing of it."""
        for name, to, expected in (("slow", {"user": str(uuid.UUID(int=1))}, 403),
                                   ("spare", {"everyone": True}, 200)):
            def edit(config, to=to):
                seen = next(entry for entry in config["routes"] if entry["name"] == "seen")
                seen["access"] = [{"role": "Reader", "to": to}]
            with self.subTest(name), self.door.client() as client:
                token = self.overage(name)
                self.stop_graph()
                try:
                    client.send(raw.request("GET", "/seen/x", token=token))
                    self.wait_for(lambda: self.has_read(client), "the request waits")
                    self.change(edit)
                    response = client.read_response()
                finally:
                    self.standin.process.send_signal(signal.SIGCONT)
                line = self.door.audit.wait_for(response.request_id)
                self.assertEqual(expected, response.status, line)
                self.reload(self.door.config)
        self.wait_for(lambda: self.status("/seen/x", self.overage("viewer")) == 200, "Graph is back")


class Certificates(ReloadCase):
    @classmethod
    def change_config(cls, config, door):
        cls.right, cls.wrong = CertificateAuthority(), CertificateAuthority()
        folder = pathlib.Path(door.folder)
        cls.file = folder / "ca.pem"
        cls.wrong.write_public(cls.file)
        certificate = cls.right.issue(["localhost"], ["127.0.0.1"]).write(folder / "upstream.pem")
        cls.upstream = TlsRecorder(certificate)
        config["routes"].append(route(door, "tls", upstream=f"https://localhost:{cls.upstream.port}",
                                      tls={"ca": str(cls.file)}))

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.upstream.stop()

    def test_another_authority_in_the_file_is_trusted(self):
        self.assertEqual(502, self.status("/tls/x"))
        mark = len(self.events())
        fresh = self.file.with_suffix(".new")
        self.right.write_public(fresh)
        fresh.rename(self.file)
        self.wait_for_event(mark, "applied", why="change")
        self.soon(lambda: self.status("/tls/x") == 200, "the upstream is trusted")
        mark = len(self.events())
        fresh.write_text("no certificate\n")
        fresh.rename(self.file)
        self.wait_for_event(mark, "refused", why="change")
        self.assertEqual(200, self.status("/tls/x"))


if __name__ == "__main__":
    unittest.main()
