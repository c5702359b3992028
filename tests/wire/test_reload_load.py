#!/usr/bin/python3
"""Reloads while clients never stop, and beside a drain (CASES.md K 223)."""

import pathlib
import signal
import threading
import unittest

import wire  # noqa: F401
from lib import process, raw, recorder
from lib.door import Door
from lib.net import wait_until
from lib.reload_case import ReloadCase, route
from lib.vault import Vault


class Ending(unittest.TestCase):
    def test_a_reload_beside_a_drain_disturbs_nothing(self):
        door = Door()
        token = door.token()
        go = threading.Event()

        def slow(peer, request):
            peer.read_body(request)
            go.wait(30)
            peer.send(recorder.answer(body=b"late"))
        door.upstream.on("/public/slow", slow)
        door.start()
        client = door.client()
        client.send(raw.request("GET", "/public/slow", token=token))
        door.upstream.wait_for_request((0, 0))
        door.config["drain"] = "20s"
        door.barkeep.write_config(door.config)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            door.barkeep.process.send_signal(number)
        wait_until(lambda: any(event.get("what") == "draining" for event in door.audit.read()),
                   "it drains")
        go.set()
        response = client.read_response()
        client.close()
        self.assertEqual((200, b"late"), (response.status, response.body))
        self.assertEqual(0, door.barkeep.process.wait(20))
        door.stop()


class UnderLoad(ReloadCase):
    """Case 223 in small: two configurations by turns, and clients that never stop."""

    CALLERS = 4
    RELOADS = 30

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"red": "canary-red-77", "blue": "canary-blue-88"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"red": {"bearer": "prod/red"}, "blue": {"bearer": "prod/blue"}}
        config["secrets"] = {"prod/red": {"refresh": "1h"}, "prod/blue": {"refresh": "1h"}}
        config["routes"].append(route(door, "work", access=[
            {"role": "Contributor", "to": {"everyone": True}, "credential": "red"}]))
        cls.red = config

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def blue(self, number):
        """Another rule, another credential, another place in the file."""
        def edit(config):
            config["drain"] = f"{6 + number % 50}s"
            work = config["routes"].pop()
            work["access"] = [
                {"role": "Contributor", "to": {"app_role": "Nobody.Has.It"}, "credential": "red"},
                {"role": "Contributor", "to": {"everyone": True}, "credential": "blue"}]
            config["routes"].insert(0, work)
        return edit

    EXPECTED = {"routes.work.access[0]": ("red", "Bearer canary-red-77"),
                "routes.work.access[1]": ("blue", "Bearer canary-blue-88")}

    def call_on(self, ended, answers, failures):
        client = self.door.client()
        client.on_response = None
        try:
            while not ended.is_set():
                response = client.exchange(raw.request("GET", "/work/x", token=self.token))
                answers.append((response.status, response.request_id))
        except Exception as failure:
            failures.append(repr(failure))
        finally:
            client.close()

    def alternate(self, count):
        for number in range(count):
            if number % 2:
                self.reload({**self.door.config, "drain": f"{6 + number % 50}s"})
            else:
                self.change(self.blue(number))

    def test_no_request_fails_or_is_judged_by_a_mix(self):
        ended, answers, failures = threading.Event(), [], []
        mark = self.door.upstream.mark()
        callers = [threading.Thread(target=self.call_on, args=(ended, answers, failures))
                   for _ in range(self.CALLERS)]
        for caller in callers:
            caller.start()
        try:
            self.alternate(self.RELOADS)
        finally:
            ended.set()
            for caller in callers:
                caller.join()
        self.assertEqual([], failures)
        self.assertEqual({200}, {status for status, _ in answers})
        sent = {request.all("X-Request-Id")[0]: request.all("Authorization")
                for request in self.door.upstream.since(mark)}
        seen = set()
        for _, request_id in answers:
            line = self.door.audit.wait_for(request_id)
            credential, header = self.EXPECTED[line["rule"]]
            self.assertEqual((credential, [header]), (line["credential"], sent[request_id]))
            self.assertEqual([credential], [secret["name"] for secret in line["secrets"]])
            seen.add(credential)
        self.assertEqual({"red", "blue"}, seen)
        self.assertEqual(1, len(self.vault.fetches_of("red")))
        self.assertEqual(1, len(self.vault.fetches_of("blue")))

    def test_neither_memory_nor_descriptors_grow(self):
        child = self.door.barkeep.process
        folder = pathlib.Path(f"/proc/{child.pid}/fd")

        def measure():
            self.assertEqual(200, self.status("/work/x"))
            return child.resident_bytes(), len(list(folder.iterdir()))
        self.alternate(20)
        memory, descriptors = measure()
        self.alternate(180)
        memory_after, descriptors_after = measure()
        self.assertLessEqual(descriptors_after, descriptors + 8)
        if not process.is_sanitized():
            self.assertLess(memory_after, memory + (8 << 20))


if __name__ == "__main__":
    unittest.main()
