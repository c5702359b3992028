#!/usr/bin/python3
"""Sequences that once broke something: floods, odd moments, other spellings. Each is a scenario of its
own door, ended by the program's own exit code."""

import pathlib
import socket
import struct
import tempfile
import threading
import unittest

import wire  # noqa: F401
from lib import process, raw
from lib.door import Door
from lib.net import patient, wait_until

FLOOD = 40000


class Hostile(unittest.TestCase):
    def open_door(self, change=None, **options):
        door = Door(change)
        self.addCleanup(door.stop_quietly)
        return door.start(**options)

    def connect(self, door):
        client = socket.create_connection(("127.0.0.1", door.barkeep.port), patient(10))
        self.addCleanup(client.close)
        return client

    def check_control(self, door):
        with door.client() as client:
            data = raw.request("GET", "/public/control", token=door.token())
            self.assertEqual(200, client.exchange(data).status)

    def test_a_pipelining_flood_costs_no_stack_and_no_memory(self):
        """Requests that are answered at once, thousands behind each other on one connection."""
        def change(config, door):
            config["workers"] = 1
            config["routes"].append({"name": "gone", "path": "/gone", "access": [
                {"role": "Contributor", "to": {"everyone": True}}],
                "upstream": f"unix:{door.folder}/nobody"})
        door = self.open_door(change)
        self.check_control(door)
        request = raw.request("GET", "/gone/x", token=door.token())
        client = self.connect(door)
        sender = threading.Thread(target=client.sendall, args=(request * FLOOD,), daemon=True)
        sender.start()
        answers = 0
        while answers < FLOOD:
            data = client.recv(1 << 20)
            self.assertTrue(data, f"closed after {answers} answers")
            answers += data.count(b"HTTP/1.1 502 ")
        sender.join(patient(10))
        self.check_control(door)
        status = pathlib.Path(f"/proc/{door.barkeep.process.pid}/status").read_text()
        peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        if not process.is_sanitized():
            self.assertLess(peak_kib, 96 * 1024)
        door.stop()

    def test_an_upload_goes_on_while_its_answer_streams(self):
        """The upstream answers first and reads the rest afterwards: both must come to their end."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        total, chunk = 3000000, 8192
        seen = []

        def serve():
            peer, _ = listener.accept()
            data = peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
            while b"\r\n0\r\n\r\n" not in data[-32:]:
                more = peer.recv(65536)
                if not more:
                    break
                data += more
            seen.append(len(data))
            peer.sendall(b"lo")
            peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        door = self.open_door(lambda config, door: config["routes"][0].update(upstream=url))
        client = self.connect(door)
        client.sendall(raw.request("POST", "/public/x", [("Transfer-Encoding", "chunked")],
                                   token=door.token()))
        piece = b"%x\r\n" % chunk + bytes(chunk) + b"\r\n"
        client.sendall(piece * (total // chunk) + b"0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"hello"):
            data = client.recv(65536)
            self.assertTrue(data, answer)
            answer += data
        thread.join(patient(10))
        self.assertGreater(seen[0], total - chunk)
        door.stop()

    def test_a_busy_upload_is_not_idle(self):
        """Bytes that move all the time outlive timeouts.idle, however long the upload takes."""
        door = self.open_door(
            lambda config, door: config["routes"][0].update(timeouts={"idle": "1s"}))
        client = self.connect(door)
        pieces, size = 24, 4 << 20
        client.sendall(raw.request("POST", "/public/x", [("Content-Length", str(pieces * size))],
                                   token=door.token()))
        pause = threading.Event()
        for _ in range(pieces):
            client.sendall(bytes(size))
            pause.wait(0.1)
        self.assertIn(b"HTTP/1.1 200", client.recv(4096))
        door.stop()

    def test_who_was_not_judged_is_not_logged_as_allowed(self):
        door = self.open_door()
        self.check_control(door)
        claims = door.token(header={"kid": "nobody-knows-this-key"})
        door.authority.silence.set()
        fetched = len(door.authority.fetches)
        client = self.connect(door)
        client.sendall(raw.request("DELETE", "/admin/unjudged", token=claims))
        wait_until(lambda: len(door.authority.fetches) > fetched, "the keys are asked for")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait_until(lambda: [line for line in door.audit.requests()
                            if line["path"] == "/admin/unjudged"], "its audit line", 20)
        line = [line for line in door.audit.requests() if line["path"] == "/admin/unjudged"][0]
        self.assertNotEqual("allow", line["decision"])
        self.assertIsNone(line["rule"])
        door.authority.silence.clear()
        door.stop()

    def test_a_connection_too_many_is_answered_and_logged(self):
        def change(config, door):
            config["workers"] = 1
            config["limits"] = {"connections": 2}
        door = self.open_door(change)
        begun, go_on = threading.Event(), threading.Event()

        def hold(peer, request):
            del request
            begun.set()
            go_on.wait(patient(20))
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        door.upstream.on("/public/held", hold)
        mark = door.upstream.mark()
        held = [self.connect(door) for _ in range(2)]
        for client in held:
            client.sendall(raw.request("GET", "/public/held", token=door.token()))
        self.assertTrue(begun.wait(patient(10)))
        wait_until(lambda: len(door.upstream.since(mark)) == 2, "two requests are held")
        with door.client() as client:
            response = client.read_response()
        self.assertEqual(503, response.status)
        self.assertIn(b"overloaded", response.body)
        self.assertTrue(response.request_id)
        wait_until(lambda: [line for line in door.audit.requests()
                            if line["id"] == response.request_id], "its audit line")
        go_on.set()
        for client in held:
            self.assertIn(b"HTTP/1.1 200", client.recv(4096))
        door.stop()

    def test_listening_on_a_unix_socket_removes_nothing_else(self):
        door = Door()
        self.addCleanup(door.stop_quietly)
        folder = tempfile.TemporaryDirectory(prefix="barkeep-wire-")
        self.addCleanup(folder.cleanup)
        precious = pathlib.Path(folder.name) / "precious"
        precious.write_text("precious")
        door.config["listen"] = [door.config["listen"], f"unix:{precious}"]
        with self.assertRaises(AssertionError):
            door.start()
        self.assertEqual("precious", precious.read_text())

    def test_a_dead_upstream_costs_nobody_anything(self):
        """Nothing was sent yet, so another upstream of the route is asked, for a POST too."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            door = self.open_door(lambda config, door: config["routes"][0].update(
                upstream=[dead, door.upstream.url]))
            for method in ("GET", "POST") * 6:
                with self.subTest(method=method), door.client() as client:
                    data = raw.request(method, "/public/x", token=door.token())
                    self.assertEqual(200, client.exchange(data, method).status)
            door.stop()

    def test_a_deny_holds_in_every_spelling(self):
        def change(config, door):
            config["routes"][0].update(
                encoded_slashes="pass",
                access=[{"role": "Contributor", "to": {"everyone": True}}],
                deny=[{"to": {"everyone": True}, "actions": ["* /api/definitions", "* /q/a:b"]}])
        door = self.open_door(change)
        self.check_control(door)
        for target in ("/api/definitions", "/api/definitions/", "/api/x/../definitions/.",
                       "/api%2Fdefinitions", "/api/definitions%3Bx", "/q/a%3Ab", "/q/a:b/"):
            with self.subTest(target=target), door.client() as client:
                mark = door.upstream.mark()
                response = client.exchange(raw.request("GET", target, token=door.token()))
                self.assertEqual(403, response.status)
                self.assertIn(b'"denied"', response.body)
                self.assertEqual([], door.upstream.since(mark))
        self.check_control(door)
        door.stop()


if __name__ == "__main__":
    unittest.main()
