#!/usr/bin/python3
"""Start, drain, stop: signals and exit codes (CASES.md K 220, 221, 231)."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import threading
import unittest

import wire  # noqa: F401
from lib import process, raw, recorder
from lib.barkeep import is_listening
from lib.case import WireCase
from lib.door import Door
from lib.net import patient, wait_until
from lib.unix_door import ask_over_unix, listen_on_unix_too, unix_path


class Lifecycle(unittest.TestCase):
    def open_door(self, change=None):
        door = Door(change).start()
        self.addCleanup(door.stop_quietly)
        return door

    def hold_requests(self, door):
        """A script that answers when released; (path, begun, release)."""
        begun, release = threading.Event(), threading.Event()

        def script(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            begun.set()
            release.wait(patient(20))
            peer.send(b"cd")

        door.upstream.on("/public/held", script)
        self.addCleanup(release.set)
        return "/public/held", begun, release

    def check_drain(self, number):
        """The drain ends with the last request, not with its limit."""
        door = self.open_door(lambda config, door: config.update(drain="60s"))
        path, begun, release = self.hold_requests(door)
        client = door.client()
        idle = door.client()
        idle.exchange(raw.request("GET", "/public/x", token=door.token()))
        client.send(raw.request("GET", path, token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(number)
        wait_until(lambda: not is_listening(door.barkeep.port), "no new connections are accepted")
        self.assertEqual(b"", idle.read_to_end(), "idle connections are closed")
        self.assertTrue(door.barkeep.process.is_running())
        release.set()
        response = client.read_response()
        self.assertEqual((200, b"abcd"), (response.status, response.body))
        self.assertEqual(0, door.barkeep.process.wait(5))
        door.barkeep.process.check_reports()
        events = [event["event"] for event in door.audit.read()]
        self.assertEqual("stop", events[-1])
        self.assertEqual(1, len([line for line in door.audit.requests() if line["path"] == path]))

    def test_sigterm_lets_requests_finish(self):
        self.check_drain(signal.SIGTERM)

    def test_sigint_lets_requests_finish(self):
        self.check_drain(signal.SIGINT)

    def test_a_second_signal_ends_at_once(self):
        door = self.open_door(lambda config, door: config.update(drain="60s"))
        path, begun, _ = self.hold_requests(door)
        client = door.client()
        client.send(raw.request("GET", path, token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(door.barkeep.port), "draining")
        door.barkeep.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, door.barkeep.process.wait(5))

    def test_the_drain_has_an_end(self):
        door = self.open_door(lambda config, door: config.update(drain="500ms"))
        path, begun, _ = self.hold_requests(door)
        client = door.client()
        client.send(raw.request("GET", path, token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, door.barkeep.process.wait(5))

    def test_what_was_not_answered_by_the_drains_end_is_told_so(self):
        door = self.open_door(lambda config, door: config.update(drain="300ms"))
        begun = threading.Event()
        door.upstream.on("/public/silent", lambda peer, request: (begun.set(), peer.wait_closed()))
        client = door.client()
        client.send(raw.request("GET", "/public/silent", token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(signal.SIGTERM)
        response = client.read_response()
        self.assertEqual((503, "draining"), (response.status, json.loads(response.body)["reason"]))
        self.assertEqual(0, door.barkeep.process.wait(5))
        self.assertEqual("draining", door.audit.requests()[-1]["reason"])

    def test_a_request_on_a_draining_connection_is_told_so(self):
        """It was sent while the signal came: an answer or a close, and never half of one."""
        door = self.open_door()
        path, begun, release = self.hold_requests(door)
        client = door.client()
        client.send(raw.request("GET", path, token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(door.barkeep.port), "draining")
        client.send(raw.request("GET", "/public/second", token=door.token()))
        release.set()
        self.assertEqual(b"abcd", client.read_response().body)
        rest = client.read_to_end()
        if rest:
            self.assertRegex(rest, rb"^HTTP/1\.1 (200|503) ")
            if rest.startswith(b"HTTP/1.1 503"):
                self.assertIn(b'"draining"', rest)
        self.assertEqual(0, door.barkeep.process.wait())

    def test_stops_at_once_without_traffic(self):
        door = self.open_door()
        door.stop()

    def test_survives_signals_of_no_concern(self):
        door = self.open_door()
        for number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD,
                       signal.SIGWINCH):
            for _ in range(20):
                door.barkeep.process.send_signal(number)
        with door.client() as client:
            data = raw.request("GET", "/public/x", token=door.token())
            self.assertEqual(200, client.exchange(data).status)
        self.assertTrue(door.barkeep.process.is_running())
        door.stop()

    def test_a_rotated_audit_file_is_reopened(self):
        door = self.open_door()
        moved = pathlib.Path(f"{door.barkeep.audit_path}.1")
        door.barkeep.audit_path.rename(moved)
        door.barkeep.process.send_signal(signal.SIGUSR1)
        wait_until(door.barkeep.audit_path.exists, "a new audit file")
        with door.client() as client:
            client.exchange(raw.request("GET", "/public/after", token=door.token()))
        wait_until(lambda: b"/public/after" in door.barkeep.audit_path.read_bytes(), "its line")
        self.assertNotIn(b"/public/after", moved.read_bytes())
        door.stop()

    def start_failing(self, door):
        """Runs `serve` that must end by itself: (exit code, stderr lines)."""
        door.barkeep.write_config(door.config)
        self.addCleanup(door.stop_quietly)
        code, out, err = process.run([process.barkeep_binary(), "serve", "-c",
                                      str(door.barkeep.config_path)])
        self.assertEqual("", out)
        return code, err.splitlines()

    def test_a_taken_port_is_exit_3_with_one_line(self):
        for key in ("listen", "admin"):
            with self.subTest(key=key), socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                door = Door()
                port = taken.getsockname()[1]
                door.config[key] = f"127.0.0.1:{port}"
                code, lines = self.start_failing(door)
                self.assertEqual(3, code, lines)
                self.assertEqual(1, len([line for line in lines if str(port) in line]), lines)
                self.assertLessEqual(len(lines), 2, lines)

    def test_a_second_instance_does_not_share_the_port(self):
        """Case 231: SO_REUSEPORT between workers must not let a stranger in."""
        first = self.open_door()
        second = Door()
        second.config["listen"] = first.config["listen"]
        code, lines = self.start_failing(second)
        self.assertEqual(3, code, lines)

    def test_an_audit_file_that_cannot_be_opened_is_exit_3(self):
        door = Door()
        door.config["log"]["audit"] = f"{door.folder}/none/audit"
        code, lines = self.start_failing(door)
        self.assertIn(code, (2, 3))
        self.assertIn("none/audit", "\n".join(lines))

    def test_listens_on_unix_sockets_and_several_addresses(self):
        door = self.open_door(listen_on_unix_too)
        path = unix_path(door)
        answer = ask_over_unix(path, door.token())
        self.assertRegex(answer, rb"^HTTP/1\.1 200 ")
        door.stop()
        self.assertFalse(os.path.exists(path), "the socket is removed")

    def test_process_cannot_be_dumped_or_traced(self):
        """Cases 186 and 187, as far as /proc tells."""
        door = self.open_door()
        status = pathlib.Path(f"/proc/{door.barkeep.process.pid}")
        limits = (status / "limits").read_text()
        core = [line for line in limits.splitlines() if line.startswith("Max core file size")][0]
        self.assertEqual("0", core.split()[4])
        self.assertIn("NoNewPrivs:\t1", (status / "status").read_text())
        door.stop()


class ConnectionLimit(WireCase):
    """Case 213: more than the limit is refused or waits, and everything recovers."""

    @classmethod
    def change_config(cls, config, door):
        config["limits"] = {"connections": 8}
        config["workers"] = 1

    def test_connections_over_the_limit(self):
        clients = [self.door.client(timeout=2) for _ in range(40)]
        data = raw.request("GET", "/public/x", token=self.token)
        statuses = []
        for client in clients:
            client.send(data)
        for client in clients:
            try:
                response = client.read_response()
                statuses.append(response.status)
                if response.status == 503:
                    self.check_problem(response, "overloaded")
            except AssertionError:
                statuses.append(None)
            client.close()
        self.assertGreaterEqual(statuses.count(200), 8)
        self.assertLessEqual(set(statuses), {200, 503, None})
        self.wait_for(self.recovered, "recovery")

    def recovered(self):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/public/x", token=self.token))
        return response.status == 200


PIPES_OF_A_WORKER = 8


class NothingIsLost(WireCase):
    """Case 228: whatever phase a client aborts in, descriptors and connections come back."""

    def links(self):
        """What the descriptors lead to."""
        folder = f"/proc/{self.door.barkeep.process.pid}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(f"{folder}/{name}")

    def held(self):
        """Descriptors that are neither idle upstream connections nor pipes for long bodies."""
        samples = self.door.barkeep.metrics()
        idle = sum(value for name, value in samples.items()
                   if name.startswith("barkeep_upstream_connections") and 'state="idle"' in name)
        return sum(not link.startswith("pipe:") for link in self.links()) - idle

    def pipes(self):
        return sum(link.startswith("pipe:") for link in self.links())

    def test_aborted_requests_leave_nothing_behind(self):
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nxyz"

        def stream(peer, request):
            peer.read_body(request)
            peer.send(endless)
            peer.wait_closed()

        self.door.upstream.on("/public/stream", stream)
        upload = raw.request("POST", "/public/x", [("Content-Length", "10")], token=self.token)
        phases = [b"", b"GET /pub", upload, upload + b"12345", upload + b"1234567890",
                  raw.request("GET", "/public/stream", token=self.token), b"nonsense\r\n\r\n",
                  raw.request("GET", "/public/x")]
        base, before = self.held(), self.pipes()
        for number in range(400):
            client = self.door.client()
            client.send(phases[number % len(phases)])
            if number % 3:
                client.reset()
            else:
                client.close()
        self.wait_for(lambda: self.door.barkeep.metrics()["barkeep_connections"] == 0,
                      "no connection is left", 20)
        self.wait_for(lambda: self.held() <= base + 2, "no descriptor is lost", 20)
        # kept for the next long body, two descriptors each
        self.assertLessEqual(self.pipes(), before + 2 * PIPES_OF_A_WORKER * os.cpu_count())


class Killed(WireCase):
    """Case 230: killed under load, started again."""

    def test_it_serves_again_and_every_whole_line_of_the_audit_is_one(self):
        barkeep = self.door.barkeep
        ends = threading.Event()

        def call():
            while not ends.is_set():
                with contextlib.suppress(OSError, AssertionError), self.door.client() as client:
                    while not ends.is_set():
                        client.exchange(raw.request("GET", "/public/x", token=self.token))
        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        self.wait_for(lambda: barkeep.metrics().get("barkeep_token_cache_hits_total", 0) > 200, "load")
        barkeep.process.kill()
        barkeep.start()
        ends.set()
        for caller in callers:
            caller.join()
        self.control()
        *whole, last = pathlib.Path(self.door.config["log"]["audit"]).read_text().split("\n")
        self.assertEqual("", last)
        broken = 0
        for line in whole:
            try:
                json.loads(line)
            except ValueError:
                broken += 1
        self.assertLessEqual(broken, 1)  # what the kill cut in two is a line of its own
        self.assertGreater(len(whole), 0)


class Concurrency(WireCase):
    def test_many_connections_at_once_get_their_own_answers(self):
        def echo(peer, request):
            peer.read_body(request)
            peer.send(recorder.answer(body=request.body))

        self.door.upstream.on("/public/echo", echo)
        wrong = []

        def ask(number):
            with self.door.client() as client:
                for turn in range(20):
                    body = f"{number}-{turn}".encode() * 50
                    response = client.exchange(raw.request("POST", "/public/echo", (), body,
                                                           self.token))
                    if (response.status, response.body) != (200, body):
                        wrong.append((number, turn, response.status))

        askers = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        self.assertEqual([], wrong)


if __name__ == "__main__":
    unittest.main()
