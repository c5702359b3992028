#!/usr/bin/python3
"""What is under way when a process ends, or leaves its sockets to the next (CASES.md K 220, 231)."""

import copy
import os
import signal
import stat
import threading
import time
import unittest

import wire  # noqa: F401
from lib import process, raw
from lib.barkeep import Barkeep, get
from lib.door import Door
from lib.net import patient, wait_until
from lib.steady import Steady
from lib.unix_door import ask_over_unix, listen_on_unix_too, unix_path

SOME = 300  # requests before something happens, and after it
LAST_REQUEST_SECONDS = 0.49  # of the half second for which a connection that waits may bring one


class Case(unittest.TestCase):
    def open_door(self, change=None):
        door = Door(change).start()
        self.addCleanup(door.stop_quietly)
        return door

    def prepare(self, door, name, edit=None):
        """The next process at the same addresses, not started."""
        barkeep = Barkeep(door.folder, name)
        barkeep.port, barkeep.admin_port = door.barkeep.port, door.barkeep.admin_port
        barkeep.options = ["--take-over"]
        config = copy.deepcopy(door.config)
        config["log"]["audit"] = str(barkeep.audit_path)
        if edit:
            edit(config)
        barkeep.write_config(config)
        return barkeep

    def take_over(self, door, name="next", edit=None):
        barkeep = self.prepare(door, name, edit)
        barkeep.start()
        self.addCleanup(barkeep.process.kill)
        self.wait_for_event(barkeep, "start")
        return barkeep

    def events(self, barkeep, kind):
        return [event for event in barkeep.audit.read() if event["event"] == kind]

    def wait_for_event(self, barkeep, kind, what=None):
        wait_until(lambda: [event for event in self.events(barkeep, kind)
                            if what is None or what in event["what"]],
                   f"{kind} {what}\n{barkeep.process.stderr()}", 20)

    def end(self, barkeep):
        barkeep.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, barkeep.process.wait(10))
        barkeep.process.check_reports()

    def load(self, door, **options):
        data = raw.request("GET", "/public/steady", token=door.token())
        return Steady(lambda: raw.Client(door.barkeep.port), data, **options)

    def let_pass(self, load, count=SOME):
        goal = load.sent + count
        wait_until(lambda: load.sent >= goal, f"{count} more requests; {load.outcomes}", 30)

    def lines(self, *barkeeps):
        return sum(line["path"] == "/public/steady" for barkeep in barkeeps
                   for line in barkeep.audit.requests())


class HandOver(Case):
    def check_hand_over(self, edit=None):
        door = self.open_door()
        with self.load(door) as load:
            self.let_pass(load)
            following = self.take_over(door, edit=edit)
            self.let_pass(load)
            self.end(door.barkeep)
            self.let_pass(load)
        self.assertEqual([], load.failures)
        self.assertEqual({200}, set(load.outcomes))
        self.end(following)
        self.assertEqual(load.sent, self.lines(door.barkeep, following))
        self.assertGreater(self.lines(following), SOME)

    def test_no_request_fails_while_a_new_process_takes_over(self):
        self.check_hand_over()

    def test_nor_with_fewer_workers(self):
        """None of the sockets is left without somebody who accepts from it."""
        self.check_hand_over(lambda config: config.update(workers=1))

    def test_nor_with_more_workers(self):
        self.check_hand_over(lambda config: config.update(workers=4))

    def test_again_and_again(self):
        door = self.open_door()
        row = [door.barkeep]
        with self.load(door) as load:
            for number in range(4):
                row.append(self.take_over(door, f"next{number}"))
                self.let_pass(load, 50)
                self.end(row[-2])
                self.let_pass(load, 50)
        self.assertEqual([], load.failures)
        self.end(row[-1])
        self.assertEqual(load.sent, self.lines(*row))

    def test_a_stream_goes_on_in_the_former_process(self):
        door = self.open_door(lambda config, door: config.update(drain="60s"))
        release = threading.Event()
        self.addCleanup(release.set)

        def held(peer, request):
            peer.read_body(request)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            release.wait(patient(20))
            peer.send(b"cd")

        door.upstream.on("/public/held", held)
        client = raw.Client(door.barkeep.port)
        self.addCleanup(client.close)
        client.send(raw.request("GET", "/public/held", token=door.token()))
        response = client.read_head()
        following = self.take_over(door)
        door.barkeep.process.send_signal(signal.SIGTERM)
        with self.load(door) as load:
            self.let_pass(load, 50)
        self.assertEqual([], load.failures)
        self.assertTrue(door.barkeep.process.is_running())
        release.set()
        client.read_body(response, "GET")
        self.assertEqual(b"abcd", response.body)
        self.assertEqual(0, door.barkeep.process.wait(5))
        self.end(following)

    def test_unix_sockets_and_the_admin_side_change_hands(self):
        door = self.open_door(listen_on_unix_too)
        path = unix_path(door)
        node = os.stat(path)
        following = self.take_over(door)
        self.end(door.barkeep)
        self.assertEqual(node.st_ino, os.stat(path).st_ino, "the socket file stays as it was")
        self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        answer = ask_over_unix(path, door.token())
        self.assertRegex(answer, rb"^HTTP/1\.1 200 ")
        self.assertEqual(200, following.readiness()[0])
        self.assertEqual(200, get(following.admin_port, "/metrics")[0])
        self.end(following)

    def test_the_former_process_goes_on_when_the_new_one_ends_first(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number.name):
                door = self.open_door()
                with self.load(door) as load:
                    self.let_pass(load, 50)
                    following = self.take_over(door)
                    following.process.send_signal(number)
                    following.process.child.wait(patient(10))
                    self.wait_for_event(door.barkeep, "hand_over", "this one goes on")
                    if number == signal.SIGTERM:
                        self.assertEqual([], load.failures)
                    self.let_pass(load)  # what died in the hands of the new one has been told
                    mark = len(load.failures)
                    self.let_pass(load)
                    self.assertEqual(mark, len(load.failures), load.failures)
                self.assertEqual(200, door.barkeep.readiness()[0])
                another = self.take_over(door, "another")
                self.end(door.barkeep)
                self.end(another)

    def test_one_that_cannot_start_leaves_the_other_as_it_was(self):
        door = self.open_door()
        broken = self.prepare(door, "broken", lambda config: config["log"].update(
            audit=f"{door.folder}/none/audit"))
        code, _, err = process.run([process.barkeep_binary(), "serve", "--take-over", "-c",
                                    str(broken.config_path)])
        self.assertIn(code, (2, 3), err)
        with self.load(door) as load:
            self.let_pass(load, 50)
        self.assertEqual([], load.failures)
        following = self.take_over(door)
        self.end(door.barkeep)
        self.end(following)

    def test_starts_as_usual_where_nobody_is(self):
        door = Door()
        self.addCleanup(door.stop_quietly)
        door.barkeep.options = ["--take-over"]
        door.start()
        with self.load(door) as load:
            self.let_pass(load, 20)
        self.assertEqual([], load.failures)
        door.barkeep.stop()


class Drain(Case):
    """Without a successor."""

    def test_what_was_accepted_is_answered(self):
        """Connections that the kernel had taken, too: whoever was let in gets an answer."""
        for number in range(5):
            with self.subTest(number):
                door = self.open_door()
                with self.load(door, kept=4, fresh=8, pause=0) as load:
                    self.let_pass(load)
                    self.end(door.barkeep)
                self.assertEqual(0, load.outcomes["lost"], load.failures[:5])
                self.assertEqual({200, "not connected"}, set(load.outcomes))
                self.assertEqual(load.outcomes[200], self.lines(door.barkeep))
                self.assertGreaterEqual(load.told_to_close, 4)

    def last_response(self, client, data, deadline):
        """Of a connection that asks until it is told to close: a worker hears of the signal a moment after it was sent.
        None when the last request left after `deadline`, so that nobody owes it an answer."""
        while True:
            try:
                client.send(data)
            except OSError:
                if time.monotonic() < deadline:
                    raise
            if time.monotonic() > deadline:
                return None
            response = client.read_response()
            if response.status != 200 or response.one("Connection"):
                return response

    def end_with_last_requests(self):
        """Of a connection that was used and of a fresh one."""
        door = self.open_door()
        data = raw.request("GET", "/public/x", token=door.token())
        clients = [raw.Client(door.barkeep.port) for _ in range(2)]
        for client in clients:
            self.addCleanup(client.close)
        self.assertEqual(200, clients[0].exchange(data).status)
        deadline = time.monotonic() + LAST_REQUEST_SECONDS
        door.barkeep.process.send_signal(signal.SIGTERM)
        for client in clients:
            response = self.last_response(client, data, deadline)
            if response is None:
                return False
            self.assertEqual((200, "close"), (response.status, response.one("Connection")))
            self.assertEqual(b"", client.read_to_end())
        self.assertEqual(0, door.barkeep.process.wait(5))
        return True

    def test_a_connection_that_waits_may_bring_a_last_request(self):
        wait_until(self.end_with_last_requests, "the requests leave in time", 60)

    def test_a_reload_is_ignored_and_said_to_be(self):
        door = self.open_door(lambda config, door: config.update(drain="60s"))
        begun = threading.Event()
        release = threading.Event()
        self.addCleanup(release.set)

        def held(peer, request):
            begun.set()
            release.wait(patient(20))
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        door.upstream.on("/public/held", held)
        client = raw.Client(door.barkeep.port)
        self.addCleanup(client.close)
        client.send(raw.request("GET", "/public/held", token=door.token()))
        self.assertTrue(begun.wait(patient(5)))
        door.barkeep.process.send_signal(signal.SIGTERM)
        self.wait_for_event(door.barkeep, "stop", "draining")
        door.barkeep.process.send_signal(signal.SIGHUP)
        self.wait_for_event(door.barkeep, "reload", "ignored")
        release.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(0, door.barkeep.process.wait(5))


if __name__ == "__main__":
    unittest.main()
