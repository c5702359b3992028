#!/usr/bin/python3
"""Answers that last: events and long polls pass byte by byte, for as long as something comes, and cost
little while nothing does. 10,000 at once: tests/bench/streams.py."""

import resource
import threading
import time
import unittest

import wire  # noqa: F401
from lib import process, raw
from lib.case import WireCase
from lib.net import patient
from lib.stream_source import StreamSource

COUNT = 600
BYTES_EACH_MAX = 16 * 1024
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


class Events(WireCase):
    """The upstream goes on only when its last byte has arrived at the caller: what anybody held back
    would stop it."""

    def listen(self, head, encode, data=b"data: tick\n\n"):
        arrived = threading.Semaphore(0)
        sent_all = threading.Event()

        def script(peer, request):
            peer.read_body(request)
            peer.send(head)
            for byte in data:
                peer.send(encode(bytes([byte])))
                if not arrived.acquire(timeout=patient(5)):
                    return
            sent_all.set()
            peer.close()

        target = f"/public/events-{self.id().rpartition('.')[2]}"
        self.door.upstream.on(target, script)
        client = self.door.client()
        self.addCleanup(client.close)
        client.send(raw.request("GET", target, token=self.token))
        response = client.read_head()
        self.assertEqual(200, response.status)
        got = b""
        for number in range(len(data)):
            while len(got) <= number:
                if response.one("Transfer-Encoding"):
                    line = client._take_line("inside the stream")
                    got += client.take(int(line, 16))
                    client.take(2)
                else:
                    got += client.take(1)
            arrived.release()
        self.assertEqual(data, got)
        self.assertTrue(sent_all.wait(patient(5)))
        return response

    def test_each_byte_of_a_chunked_stream_passes_at_once(self):
        response = self.listen(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n",
                               lambda byte: b"1\r\n" + byte + b"\r\n")
        self.assertEqual("text/event-stream", response.one("Content-Type"))

    def test_of_one_that_lasts_until_it_closes(self):
        self.listen(EVENTS + b"Connection: close\r\n\r\n", lambda byte: byte)

    def test_of_one_whose_length_is_known(self):
        self.listen(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", lambda byte: byte)


class LongPolls(WireCase):
    """No limit on the whole, only on silence."""

    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["timeouts"] = {"head": "2s", "idle": "500ms"}

    def test_an_answer_may_take_as_long_as_something_comes(self):
        def script(peer, request):
            peer.read_body(request)
            peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(30):  # 3 s, six times the silence that is allowed
                peer.send(b"1\r\n.\r\n")
                time.sleep(0.1)
            peer.send(b"0\r\n\r\n")

        self.door.upstream.on("/public/long", script)
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/public/long", token=self.token))
        self.assertEqual((200, b"." * 30), (response.status, response.body))

    def test_one_that_falls_silent_is_cut(self):
        def script(peer, request):
            peer.read_body(request)
            peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n1\r\n.\r\n")
            peer.wait_closed()

        self.door.upstream.on("/public/silent", script)
        with self.door.client() as client:
            client.send(raw.request("GET", "/public/silent", token=self.token))
            response = client.read_head()
            client.read_to_end()
        self.assertEqual("timeout", self.door.audit.wait_for(response.request_id)["aborted"])


class Many(WireCase):
    """Streams that are silent hold no buffers."""

    @classmethod
    def change_config(cls, config, door):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        cls.source = StreamSource()
        config["limits"] = {"connections": 3 * COUNT}  # workers share it evenly, the kernel does not
        config["routes"].insert(0, {"name": "events", "path": "/events",
                                    "upstream": cls.source.url, "timeouts": {"idle": "1h"},
                                    "access": [{"role": "Contributor", "to": {"everyone": True}}]})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.source.stop()

    @unittest.skipIf(process.is_sanitized(), "memory is a sanitizer's")
    def test_many_idle_streams_at_once(self):
        data = raw.request("GET", "/events/all", token=self.token)
        clients = []
        self.addCleanup(lambda: [client.close() for client in clients])
        base = None
        for number in range(COUNT + 50):
            client = self.door.client()
            clients.append(client)
            client.send(data)
            self.assertEqual(200, client.read_head().status)
            if number == 49:  # what every process needs once
                base = self.door.barkeep.process.resident_bytes()
        each = (self.door.barkeep.process.resident_bytes() - base) / COUNT
        self.source.tell_all(b"data: tick\n\n")
        for client in clients:
            client.take(len(b"c\r\ndata: tick\n\n\r\n"))
        self.assertLess(each, BYTES_EACH_MAX)


if __name__ == "__main__":
    unittest.main()
