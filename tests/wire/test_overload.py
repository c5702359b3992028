#!/usr/bin/python3
"""More than there is room for: connections, slowness, memory, descriptors (CASES.md K 209-214)."""

import json
import os
import pathlib
import resource
import signal
import socket
import threading
import time
import unittest

import wire  # noqa: F401
from lib import process, raw, recorder
from lib.barkeep import get
from lib.case import WireCase
from lib.net import patient, wait_until

LIMITS = "barkeep_limits_reached_total"


class OverloadCase(WireCase):
    """What is answered here depends on who else is connected: nothing to be asked again."""

    replays = False

    def ask(self, client, path="/public/x"):
        return client.exchange(raw.request("GET", path, token=self.token))

    def is_served(self, **options):
        try:
            with self.door.client(**options) as client:
                return self.ask(client).status == 200
        except (OSError, raw.Truncated):
            return False

    def reached(self, limit):
        return self.door.barkeep.metrics()[f'{LIMITS}{{limit="{limit}"}}']

    def check_overloaded(self, response):
        self.check_refusal(response, 503, "overloaded")

    def hold(self, path):
        """Requests for `path` get no answer before the event that is returned is set."""
        release = threading.Event()
        self.addCleanup(release.set)

        def script(peer, request):
            peer.read_body(request)
            release.wait(patient(30))
            peer.send(recorder.answer(body=b"held"))

        self.door.upstream.on(path, script)
        return release

    def check_admin_answers(self):
        for page in ("/healthz", "/readyz"):
            self.assertEqual(200, get(self.door.barkeep.admin_port, page)[0], page)

    def settled(self):
        return self.door.barkeep.metrics()["barkeep_connections"] == 0

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.door.barkeep.process.pid}/stat").read_text()
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class OneAddress(OverloadCase):
    """Case 210: what one address may have, whatever the worker."""

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"connections_per_client": 5}
        config["trusted_proxies"] = ["127.0.0.3"]

    def fill(self, count, **options):
        clients = [self.door.client(**options) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(200, self.ask(client).status)
        return clients

    def test_more_connections_of_one_address_are_refused(self):
        before = self.reached("connections_per_client")
        clients = self.fill(5)
        for _ in range(6):
            with self.door.client() as client:
                response = client.read_response()
                self.check_overloaded(response)
                self.assertIn(b"from this address", response.body)
                self.assertEqual(b"", client.read_to_end())
        self.assertEqual(before + 6, self.reached("connections_per_client"))
        self.assertTrue(self.is_served(source="127.0.0.2"), "another address has its own")
        for client in clients:
            self.assertEqual(200, self.ask(client).status, "those that are there stay")
        clients[0].close()
        self.wait_for(self.is_served, "a connection that ends makes room")
        for client in clients[1:]:
            client.close()
        self.wait_for(self.settled, "all are gone")

    def test_what_ends_in_any_way_is_not_counted_any_more(self):
        for number in range(60):
            client = self.door.client()
            if number % 3:
                client.send(b"GET /pub" if number % 2 else b"nonsense\r\n\r\n")
            client.reset() if number % 2 else client.close()
        self.wait_for(self.takes_five, "the address has all of its connections")
        self.wait_for(self.settled, "all are gone")

    def takes_five(self):
        clients = [self.door.client() for _ in range(5)]
        taken = sum(self.ask(client).status == 200 for client in clients)
        for client in clients:
            client.close()
        return taken == 5

    def test_trusted_proxies_speak_for_many(self):
        for client in self.fill(20, source="127.0.0.3"):
            client.close()
        self.wait_for(self.settled, "all are gone")


class Idle(OverloadCase):
    """Case 212: who has been idle longest makes room."""

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"connections": 8}
        config["workers"] = 1

    def test_the_longest_idle_connection_is_closed_for_a_new_one(self):
        clients = [self.door.client() for _ in range(8)]
        for client in clients:
            self.addCleanup(client.close)
        for client in clients[4:] + clients[:4]:  # the fifth is idle longest
            self.assertEqual(200, self.ask(client).status)
        for number in (4, 5):
            fresh = self.door.client()
            self.addCleanup(fresh.close)
            self.assertEqual(200, self.ask(fresh).status)
            self.assertEqual(b"", clients[number].read_to_end(), "closed in good order")
        for number in (6, 7, 0, 1, 2, 3):
            self.assertEqual(200, self.ask(clients[number]).status, f"the {number}th is still there")
        for client in clients:
            client.close()

    def test_busy_connections_make_no_room(self):
        release = self.hold("/public/held")
        clients = [self.door.client() for _ in range(8)]
        mark = self.door.upstream.mark()
        for client in clients:
            client.send(raw.request("GET", "/public/held", token=self.token))
        self.wait_for(lambda: len(self.door.upstream.since(mark)) == 8, "all are under way")
        before = self.reached("connections")
        for _ in range(3):
            with self.door.client() as late:
                self.check_overloaded(late.read_response())
        self.assertEqual(before + 3, self.reached("connections"))
        release.set()
        for client in clients:
            self.assertEqual(b"held", client.read_response().body)
            client.close()


class Slow(OverloadCase):
    """Cases 209 and 211: whoever is slow is bounded, and nobody else notices."""

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"head_timeout": "1s"}
        config["routes"][0]["timeouts"] = {"idle": "1s"}

    def drip(self, client, pause=0.1):
        """Sends a byte now and then until somebody has had enough."""
        stop = threading.Event()

        def feed():
            while not stop.wait(pause) and not client.is_refused_to_send:
                client.send(b"x")

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        self.addCleanup(feeder.join)
        self.addCleanup(stop.set)
        return stop

    def test_two_hundred_slow_heads(self):
        slow = [self.door.client(timeout=20) for _ in range(200)]
        for client in slow:
            client.send(b"GET /public/x HTTP/1.1\r\nHost: gw.example\r\nX-A: ")
        stop = threading.Event()

        def feed():
            while not stop.wait(0.2):
                for client in slow:
                    client.send(b"b")

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for _ in range(20):
                self.assertTrue(self.is_served())
            for client in slow:
                response = client.read_response()
                self.check_refusal(response, 408, "head_timeout")
        finally:
            stop.set()
            feeder.join()
        for client in slow:
            client.close()

    def test_a_body_that_trickles_is_408(self):
        """Case 211: each byte is there in time, and yet it would take for ever."""
        for what, framing, begin in (("length", ("Content-Length", "1000000"), b""),
                                     ("chunked", ("Transfer-Encoding", "chunked"), b"fffff\r\n")):
            with self.subTest(case=211, what=what), self.door.client() as client:
                data = raw.request("POST", "/public/x", [framing], token=self.token)
                client.send(data + begin)
                stop = self.drip(client)
                self.check_refusal(client.read_response(), 408, "head_timeout")
                stop.set()

    def test_a_stream_that_trickles_goes_on(self):
        def script(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for _ in range(12):
                time.sleep(0.2)
                peer.send(b"x")
            peer.close()

        self.door.upstream.on("/public/events", script)
        with self.door.client() as client:
            self.assertEqual(b"x" * 12, self.ask(client, "/public/events").body)

    def endless(self):
        """An answer larger than all buffers; (path, ended)."""
        ended = threading.Event()

        def script(peer, request):
            peer.read_body(request)
            try:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while True:
                    peer.send(b"x" * 65536)
            except OSError:
                ended.set()
                raise

        self.door.upstream.on("/public/endless", script)
        return "/public/endless", ended

    def test_slow_readers_are_cut(self):
        for what, pause in (("never reads", None), ("reads a little now and then", 0.1)):
            with self.subTest(case=211, what=what):
                path, ended = self.endless()
                client = self.door.client(receive_buffer=4096)
                client.send(raw.request("GET", path, token=self.token))
                request_id = client.read_head().request_id
                while pause and not ended.wait(pause):
                    client.take(100)
                self.assertTrue(ended.wait(patient(20)), "the upstream's connection is given up")
                line = self.door.audit.wait_for(request_id)
                self.assertEqual((200, "timeout"), (line["status"], line.get("aborted")))
                self.assertNotEqual("upstream_timeout", line["reason"], "it is the caller's fault")
                client.close()

    def test_an_upstream_that_never_reads_is_504(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        self.door.upstream.on("/public/deaf", lambda peer, request: stop.wait(patient(20)))
        with self.door.client(timeout=20) as client:
            data = raw.request("POST", "/public/deaf", [("Content-Length", "100000000")],
                               token=self.token)
            client.send(data)
            feeder = threading.Thread(target=self.feed, args=(client,), daemon=True)
            feeder.start()
            response = client.read_response()
            self.assertEqual((504, "upstream_timeout"),
                             (response.status, json.loads(response.body)["reason"]))
        feeder.join()

    @staticmethod
    def feed(client):
        try:
            for _ in range(1000):
                client.socket.sendall(b"x" * 100000)
        except OSError:
            pass  # the answer is there


class Buffers(OverloadCase):
    """Case 211: memory for what is on its way is bounded; what is under way is finished."""

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"buffer_memory": "4MiB"}
        config["workers"] = 1

    def test_new_requests_are_refused_before_old_ones_suffer(self):
        release = self.hold("/public/held")
        before = self.reached("buffer_memory")
        clients = [self.door.client(timeout=20) for _ in range(60)]
        mark = self.door.upstream.mark()
        for client in clients:
            client.send(raw.request("GET", "/public/held", token=self.token))
        self.wait_for(lambda: len(self.door.upstream.since(mark)) +
                      self.reached("buffer_memory") - before == 60, "all are judged")
        self.check_admin_answers()
        release.set()
        held = refused = 0
        for client in clients:
            response = client.read_response()
            if response.status == 503:
                self.check_overloaded(response)
                refused += 1
            else:
                self.assertEqual((200, b"held"), (response.status, response.body))
                held += 1
            client.close()
        self.assertGreater(held, 10)
        self.assertGreater(refused, 10)
        self.assertTrue(self.is_served())

    def test_large_bodies_share_what_there_is(self):
        body = bytes(range(256)) * 4096
        self.door.upstream.on("/public/echo", lambda peer, request: (
            peer.read_body(request), peer.send(recorder.answer(body=request.body))))
        wrong, refused = [], []

        def ask():
            with self.door.client(timeout=60) as client:
                response = client.exchange(raw.request("POST", "/public/echo", (), body, self.token))
                if response.status == 503:
                    refused.append(response)
                elif (response.status, response.body) != (200, body):
                    wrong.append(response.status)

        askers = [threading.Thread(target=ask) for _ in range(40)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        self.assertEqual([], wrong)
        self.assertLess(len(refused), 40)
        self.assertTrue(self.is_served())


class Descriptors(OverloadCase):
    """Case 214: open files run out."""

    FILES = 64

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pid = cls.door.barkeep.process.pid

    @classmethod
    def change_config(cls, config, door):
        door.barkeep.prefix = ["prlimit", f"--nofile={cls.FILES}:{cls.FILES}"]

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def try_to_connect(self, _):
        try:
            return self.door.client(timeout=20)
        except OSError:
            return None  # closed without a word: too many are being told already

    def test_it_says_at_start_how_many_are_served(self):
        self.assertIn("ulimit -n", self.door.barkeep.process.stderr())

    def test_more_than_there_are_files_for(self):
        release = self.hold("/public/held")
        clients = [client for client in map(self.try_to_connect, range(60)) if client]
        for client in clients:
            client.send(raw.request("GET", "/public/held", token=self.token))
        before = self.processor_seconds()
        for _ in range(5):
            self.check_admin_answers()
            time.sleep(0.2)
        self.assertLess(self.processor_seconds() - before, 0.3, "it does not spin")
        moved = pathlib.Path(f"{self.door.barkeep.audit_path}.1")
        self.door.barkeep.audit_path.rename(moved)
        self.door.barkeep.process.send_signal(signal.SIGUSR1)
        wait_until(self.door.barkeep.audit_path.exists, "there is a file left for the log")
        self.door.barkeep.audit_path.unlink()
        moved.rename(self.door.barkeep.audit_path)
        self.door.barkeep.process.send_signal(signal.SIGUSR1)
        self.assertLess(self.open_files(), self.FILES - 4, "some are held back")
        release.set()
        statuses = []
        for client in clients:
            try:
                statuses.append(client.read_response().status)
            except raw.Truncated:
                statuses.append(None)
            client.close()
        self.assertLessEqual(set(statuses), {200, 503, None})
        self.assertGreater(statuses.count(200), 1)
        self.wait_for(self.is_served, "recovery")
        self.wait_for(self.settled, "all are gone")

    def test_none_left_and_nobody_connected(self):
        """The limit is lowered to what is open: accepting has to wait, and must not spin."""
        self.wait_for(self.settled, "nobody is connected")
        try:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.open_files(), self.FILES))
        except PermissionError:
            self.skipTest("needs the right to change another process's limits")
        try:
            client = self.door.client(timeout=20)
            client.send(raw.request("GET", "/public/x", token=self.token))
            before = self.processor_seconds()
            time.sleep(1)
            self.assertLess(self.processor_seconds() - before, 0.3, "it does not spin")
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.FILES, self.FILES))
        self.assertEqual(200, client.read_response().status, "it was only late")
        client.close()

    def test_none_left_for_an_upstream(self):
        """503 and not the upstream's fault; an idle connection to one is given up first."""
        self.wait_for(self.settled, "nobody is connected")
        self.door.upstream.drop_idle()
        with self.door.client() as client:
            client.send(b"GET /public/x HTTP/1.1\r\n")
            self.wait_for(lambda: not self.settled(), "it is accepted")
            self.wait_for(lambda: 'state="idle"} 1' not in str(self.door.barkeep.metrics()), "no idle one")
            time.sleep(0.1)
            try:
                resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (3, self.FILES))
            except PermissionError:
                self.skipTest("needs the right to change another process's limits")
            try:
                rest = raw.request("GET", "/", token=self.token).partition(b"\r\n")[2]
                client.send(rest)
                self.check_overloaded(client.read_response())
            finally:
                resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.FILES, self.FILES))
        self.wait_for(self.is_served, "recovery")


class Thousands(OverloadCase):
    """Case 213: far more connections than there is room for (100,000: tests/bench/connections.py)."""

    ATTEMPTS = 3000
    AT_ONCE = 300

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"connections": 50}

    def test_each_is_answered_or_closed_and_counted(self):
        data = raw.request("GET", "/public/crowd", token=self.token)
        statuses = {}
        lock = threading.Lock()

        def ask(count):
            for _ in range(count):
                try:
                    with self.door.client(timeout=30) as client:
                        client.on_response = client.on_answer = None
                        status = client.exchange(data).status
                except (raw.Truncated, OSError):
                    status = None
                with lock:
                    statuses[status] = statuses.get(status, 0) + 1

        askers = [threading.Thread(target=ask, args=(self.ATTEMPTS // self.AT_ONCE,))
                  for _ in range(self.AT_ONCE)]
        for asker in askers:
            asker.start()
        for _ in range(5):
            self.check_admin_answers()
        for asker in askers:
            asker.join()
        self.assertLessEqual(set(statuses), {200, 503, None})
        self.assertEqual(self.ATTEMPTS, sum(statuses.values()))
        self.assertGreater(statuses[200], 50)
        self.wait_for(self.settled, "all are gone", 20)
        self.assertTrue(self.is_served())
        self.wait_for(self.audit_agrees, "one audit line for each request that was counted")

    def audit_agrees(self):
        counted = sum(value for name, value in self.door.barkeep.metrics().items()
                      if name.startswith("barkeep_requests_total"))
        return counted == len(self.door.audit.requests())


class Misbehaving(OverloadCase):
    """Whatever an upstream does: bounded, answered or cut, one audit line."""

    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["timeouts"] = {"head": "1s", "idle": "1s"}

    def script_all(self):
        ok = b"HTTP/1.1 200 OK\r\n"
        whole = recorder.answer()
        stop = threading.Event()
        self.addCleanup(stop.set)

        def after(data, ending="close"):
            def script(peer, request):
                peer.read_body(request)
                try:
                    peer.send(data)
                    getattr(peer, ending)()
                except OSError:
                    pass
            return script

        def half_closed(peer, request):
            peer.read_body(request)
            peer.send(ok + b"Content-Length: 100\r\n\r\npart")
            peer.socket.shutdown(socket.SHUT_WR)
            stop.wait(patient(5))

        def silent(data=b""):
            def script(peer, request):
                peer.read_body(request)
                peer.send(data)
                stop.wait(patient(5))
            return script

        def early(peer, request):
            peer.send(recorder.answer(413, b"early", [("Connection", "close")]))
            peer.close()

        def storm(peer, request):
            peer.read_body(request)
            try:
                while not stop.is_set():
                    peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 100)
            except OSError:
                pass

        return {
            "early": (early, {413, 502}), "twice": (after(whole + whole), {200}),
            "truncated": (after(ok + b"Content-Length: 100\r\n\r\npart"), {200}),
            "truncated-reset": (after(ok + b"Content-Length: 100\r\n\r\npart", "reset"), {200, 502}),
            "framing": (after(ok + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"), {502}),
            "chunk": (after(ok + b"Transfer-Encoding: chunked\r\n\r\n2\r\nokXX"), {200}),
            "storm": (storm, {502}), "header": (after(ok + b"X-A: " + b"a" * 65536 + b"\r\n\r\n"), {502}),
            "headers": (after(ok + b"X-A: b\r\n" * 8192 + b"\r\n"), {502}),
            "half-closed": (half_closed, {200}), "silent": (silent(), {504}),
            "silent-head": (silent(b"HTTP/1.1 200 O"), {504}),
            "silent-body": (silent(ok + b"Content-Length: 9\r\n\r\nx"), {200}),
            "gone": (after(b"", "reset"), {502}),
        }

    def test_each_is_bounded_and_audited_once(self):
        for method, body in (("GET", None), ("POST", b"x" * 100)):
            for what, (script, statuses) in self.script_all().items():
                with self.subTest(case=(225, 228), method=method, what=what):
                    path = f"/public/{method}-{what}"
                    self.door.upstream.on(path, script)
                    with self.door.client() as client:
                        client.send(raw.request(method, path, (), body, self.token))
                        try:
                            client.read_response()
                        except raw.Truncated:
                            pass
                    lines = self.wait_for(lambda path=path: self.lines_of(path), "an audit line")
                    self.assertIn(lines[0]["status"], statuses, lines)
                    self.assertTrue(self.is_served())
                    self.assertEqual(1, len(self.lines_of(path)))

    def lines_of(self, path):
        return [line for line in self.door.audit.requests() if line.get("path") == path]


if __name__ == "__main__":
    unittest.main()
