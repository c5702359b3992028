#!/usr/bin/python3
"""Connections to https upstreams: kept, full both ways, cut and given up."""

import contextlib
import hashlib
import ssl
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.recorder import PeerGone
from lib.tls_recorder import finish
from lib.upstream_case import check_events, events_when
from lib.upstream_tls_case import TlsCase

OK = b"HTTP/1.1 200 OK\r\n"
BIG_BODY_BYTES = 24 << 20


class Streams(TlsCase):
    @classmethod
    def change_config(cls, config, door):
        tls = {"ca": cls.ca(door)}
        cls.modern = cls.good_upstream(door)
        cls.older = cls.good_upstream(door, version=ssl.TLSVersion.TLSv1_2)
        cls.by_name = {"modern": cls.modern, "older": cls.older}
        for name, upstream in cls.by_name.items():
            cls.add_route(config, name, upstream.url, tls)

    def on_each(self, path, script):
        """Yields each route with its upstream, one subtest each."""
        for name, upstream in self.by_name.items():
            upstream.on(path, script)
            with self.subTest(name):
                yield name, upstream

    def test_connections_are_kept(self):
        for name, upstream in self.on_each("/x", recorder.answer(body=b"x" * 5000)):
            before = upstream.connections()
            with self.door.client() as client:
                for _ in range(200):
                    response = client.exchange(self.get(f"/{name}/x"))
                    self.assertEqual((200, 5000), (response.status, len(response.body)))
            self.assertLessEqual(upstream.connections() - before, 1)

    def test_big_bodies_pass_both_ways_against_slow_readers(self):
        body = bytes(range(256)) * (BIG_BODY_BYTES // 256)
        digest = hashlib.sha256(body).hexdigest()

        def script(peer, request):
            seen = hashlib.sha256()
            left = int(request.all("Content-Length")[0])
            while left:
                data = peer.pending or peer.socket.recv(3000 if left % 7 else 70000)
                peer.pending = b""
                if not data:
                    raise PeerGone()
                seen.update(data)
                left -= len(data)
            headers = [("X-Digest", seen.hexdigest())]
            peer.send(recorder.answer(body=body, headers=headers))

        for name, _ in self.on_each("/big", script):
            with self.door.client(receive_buffer=8192) as client:
                sender = threading.Thread(
                    target=client.send, args=(self.get(f"/{name}/big", method="POST", body=body),))
                sender.start()
                response = client.read_response()
                sender.join()
            self.assertEqual(200, response.status)
            self.assertEqual(digest, response.one("X-Digest"))
            self.assertEqual(digest, hashlib.sha256(response.body).hexdigest())

    def test_chunks_pass_as_they_come(self):
        asked = threading.Semaphore(0)

        for name, _ in self.on_each("/events", events_when(asked, finish)):
            with self.door.client() as client:
                client.send(self.get(f"/{name}/events"))
                self.assertEqual(200, client.read_head().status)
                check_events(self, client, asked)

    def test_an_end_without_goodbye_is_a_cut(self):
        """Who can end the TCP connection could otherwise shorten an answer unseen."""
        def ending(how, head):
            def script(peer, request):
                peer.read_body(request)
                peer.send(OK + head + b"\r\nall there is")
                how(peer)
            return script

        def cut(peer):
            peer.close()

        def reset(peer):
            peer.reset()

        for what, how, head, is_whole in (
                ("goodbye", finish, b"", True), ("cut", cut, b"", False),
                ("reset", reset, b"", False),
                ("cut inside a length", cut, b"Content-Length: 50\r\n", False),
                ("goodbye inside a length", finish, b"Content-Length: 50\r\n", False)):
            for name, _ in self.on_each("/end", ending(how, head)):
                with self.subTest(what=what), self.door.client() as client:
                    client.send(self.get(f"/{name}/end"))
                    if is_whole:
                        self.assertEqual(b"all there is", client.read_response().body)
                    else:
                        with self.assertRaises(raw.Truncated):
                            client.read_response()

    def test_a_stale_connection_costs_an_idempotent_request_nothing(self):
        for end in (finish, lambda peer: peer.close()):
            counts = {}

            def script(peer, request, counts=counts, end=end):
                peer.read_body(request)
                counts[peer] = counts.get(peer, 0) + 1
                if counts[peer] > 1:
                    end(peer)
                    return
                peer.send(recorder.answer())

            for name, upstream in self.on_each("/stale", script):
                for method, expected in (("GET", 200), ("POST", 502)):
                    with self.door.client() as client:
                        for peer in upstream.peers:
                            if not peer.is_closed:
                                peer.close()
                        self.assertEqual(200, client.exchange(self.get(f"/{name}/stale")).status)
                        mark = upstream.mark()
                        body = b"x" if method == "POST" else None
                        data = self.get(f"/{name}/stale", method=method, body=body)
                        self.assertEqual(expected, client.exchange(data, method).status)
                        self.assertEqual(2 if expected == 200 else 1, len(upstream.since(mark)))

    def test_a_late_answer_on_an_idle_connection_is_discarded(self):
        """Case 168 under TLS."""
        for name, upstream in self.on_each("/x", recorder.answer()):
            with self.door.client() as client:
                self.assertEqual(200, client.exchange(self.get(f"/{name}/x")).status)
                peer = upstream.peers[upstream.last().connection]
                with contextlib.suppress(OSError):  # it may be closed while the bytes leave
                    peer.send(recorder.answer(body=b"poison"))
                for _ in range(5):
                    response = client.exchange(self.get(f"/{name}/next"))
                    self.assertEqual((200, b"ok"), (response.status, response.body))
            self.wait_for(lambda: peer.is_closed, "the poisoned connection is closed")


if __name__ == "__main__":
    unittest.main()
