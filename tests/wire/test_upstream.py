#!/usr/bin/python3
"""What reaches an upstream, when it is asked again, and when it is given up (CASES.md H)."""

import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.net import free_port, patient
from lib.upstream_case import OK, PROTOCOL, UpstreamCase, check_events, ending_after, events_when


class Requests(UpstreamCase):
    """How requests reach the upstream."""

    def test_chunked_uploads_arrive_chunked(self):
        data = self.get("/public/s", ("Transfer-Encoding", "chunked"), method="POST")
        self.script(recorder.answer())
        for pieces in ((b"hello", b"world"), (b"x" * 100000,), ()):
            response, request = self.allow(data + raw.chunked(*pieces), "POST")
            self.check_forwarded(request, response, "POST", "/public/s", [], b"".join(pieces),
                                 ["transfer-encoding"])
            self.assertEqual(["chunked"], request.all("Transfer-Encoding"))

    def test_uploads_with_a_length_keep_it(self):
        self.script(recorder.answer())
        for size in (0, 1, 65536, 300000):
            body = b"x" * size
            response, request = self.allow(self.get(method="POST", body=body), "POST")
            self.check_forwarded(request, response, "POST", "/public/s", [], body,
                                 ["content-length"])
            self.assertEqual([str(size)], request.all("Content-Length"))

    def test_connections_are_kept_and_used_again(self):
        before = self.door.upstream.connections()
        with self.door.client() as client:
            for number in range(30):
                response = client.exchange(self.get(f"/public/{number}"))
                self.assertEqual(200, response.status)
        self.assertLessEqual(self.door.upstream.connections() - before, 1)

    def test_an_early_answer_is_passed_on(self):
        """Case 172: 413 comes while the body is still on its way."""
        def script(peer, request):
            del request
            peer.send(recorder.answer(413, b"too much", [("Connection", "close")]))
            peer.close()

        self.script(script)
        head = raw.request("POST", "/public/s", [("Content-Length", "10000000")], token=self.token)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(head + b"x" * 100000)
            response = client.read_response()
        self.assertEqual((413, b"too much"), (response.status, response.body))
        self.assertEqual(1, len(self.door.upstream.since(mark)), "never sent again")

    def test_after_an_early_answer_the_connection_is_not_reused_wrongly(self):
        """The upstream answers without reading the body and keeps the connection open."""
        def script(peer, request):
            peer.send(recorder.answer(403, b"no"))
            peer.read_body(request)

        self.script(script)
        inner = raw.request("GET", "/public/smuggled", token=self.token)
        data = raw.request("POST", "/public/s", [("Content-Length", str(len(inner) + 5000))],
                           token=self.token)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(data)
            response = client.read_response()
            self.assertEqual((403, b"no"), (response.status, response.body))
            client.send(inner + b"x" * 5000)
            client.finish_sending()
            self.assertEqual(b"", client.read_to_end())
        self.assertEqual(["/public/s"], [r.target for r in self.door.upstream.since(mark)])

    def test_an_abort_of_the_client_cancels_the_upstream_request(self):
        """Case 228, while the upstream thinks and while it streams."""
        endless = OK + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1000
        for what, answer in (("before the answer", b""), ("inside the answer", endless)):
            for ending in ("close", "reset"):
                with self.subTest(case=228, what=what, ending=ending):
                    began, ended = threading.Event(), threading.Event()

                    def script(peer, request, answer=answer, began=began, ended=ended):
                        peer.read_body(request)
                        if answer:
                            peer.send(answer)
                        began.set()
                        peer.wait_closed()
                        ended.set()

                    self.script(script)
                    client = self.door.client()
                    client.send(self.get())
                    self.assertTrue(began.wait(patient(5)))
                    if answer:
                        client.read_head()
                    getattr(client, ending)()
                    self.assertTrue(ended.wait(patient(5)), "the upstream request goes on")

    def test_an_aborted_upload_never_completes_upstream(self):
        seen, ended = [], threading.Event()

        def script(peer, request):
            seen.append(request)
            try:
                peer.read_body(request)
            finally:
                ended.set()

        self.script(script)
        client = self.door.client()
        client.send(raw.request("POST", "/public/s", [("Content-Length", "1000000")],
                                token=self.token) + b"x" * 1000)
        self.wait_for(lambda: seen, "the request at the upstream")
        client.reset()
        self.assertTrue(ended.wait(patient(5)))
        self.assertFalse(seen[0].is_complete)


class StaleConnections(UpstreamCase):
    """Case 227: the upstream closes a pooled connection just as it is used again."""

    def stale_connection(self, client, answers_before=1):
        """From the second request on, each connection dies with the request read and unanswered."""
        counts = {}

        def script(peer, request):
            peer.read_body(request)
            counts[peer.number] = counts.get(peer.number, 0) + 1
            if counts[peer.number] > answers_before:
                peer.close()
                return
            peer.send(recorder.answer())

        self.script(script)
        self.door.upstream.drop_idle()
        response = client.exchange(self.get())
        self.assertEqual(200, response.status)

    def test_a_get_is_tried_once_more(self):
        for method in ("GET", "HEAD", "OPTIONS"):
            with self.subTest(method=method), self.door.client() as client:
                self.stale_connection(client)
                mark = self.door.upstream.mark()
                response = client.exchange(self.get(method=method), method)
                self.assertEqual(200, response.status)
                seen = self.door.upstream.since(mark)
                self.assertEqual(2, len(seen))
                self.assertNotEqual(seen[0].connection, seen[1].connection)

    def test_a_post_is_never_sent_twice(self):
        for method, body in (("POST", b"x"), ("POST", b""), ("PATCH", b"x"), ("PUT", b"x")):
            with self.subTest(method=method, body=body), self.door.client() as client:
                self.stale_connection(client)
                mark = self.door.upstream.mark()
                response = client.exchange(self.get(method=method, body=body), method)
                self.assertEqual(502, response.status)
                self.check_problem(response, (PROTOCOL, "upstream_unreachable"))
                self.assertEqual(1, len(self.door.upstream.since(mark)))

    def test_a_fresh_connection_that_dies_is_not_tried_for_ever(self):
        self.script(ending_after(b"", "close"))
        self.door.upstream.drop_idle()
        mark = self.door.upstream.mark()
        response = self.ask()
        self.assertEqual(502, response.status)
        self.assertLessEqual(len(self.door.upstream.since(mark)), 2)

    def test_an_answer_that_began_is_never_asked_for_again(self):
        counts = {}

        def script(peer, request):
            peer.read_body(request)
            counts[peer.number] = counts.get(peer.number, 0) + 1
            peer.send(recorder.answer() if counts[peer.number] == 1 else b"HTTP/1.1 2")
            if counts[peer.number] > 1:
                peer.close()

        self.script(script)
        with self.door.client() as client:
            self.assertEqual(200, client.exchange(self.get()).status)
            mark = self.door.upstream.mark()
            self.assertEqual(502, client.exchange(self.get()).status)
        self.assertEqual(1, len(self.door.upstream.since(mark)))

    def test_connections_closed_while_idle_cost_nobody_anything(self):
        self.script(recorder.answer())
        with self.door.client() as client:
            for _ in range(10):
                self.assertEqual(200, client.exchange(self.get()).status)
                self.door.upstream.drop_idle()
            for _ in range(3):
                self.door.upstream.drop_idle()
                self.assertIn(client.exchange(self.get(method="POST", body=b"x")).status,
                              (200, 502))


class Unreachable(UpstreamCase):
    @classmethod
    def change_config(cls, config, door):
        dead = f"http://127.0.0.1:{free_port()}"
        route = config["routes"][0]
        config["routes"] += [
            {**route, "name": "dead", "path": "/dead", "upstream": dead},
            {**route, "name": "unix", "path": "/unix", "upstream": f"unix:{door.folder}/none"},
            {**route, "name": "slow", "path": "/slow", "timeouts": {"head": "300ms"}},
            {**route, "name": "idle", "path": "/idle", "timeouts": {"idle": "300ms"}},
            {**route, "name": "small", "path": "/small", "limits": {"body": "1KiB"}},
        ]

    def test_nobody_there_is_502(self):
        for prefix in ("/dead", "/unix"):
            with self.subTest(prefix=prefix), self.door.client() as client:
                response = client.exchange(self.get(f"{prefix}/public/x"))
                self.check_refusal(response, 502, "upstream_unreachable")
                self.assertNotIn(b"127.0.0.1", response.body)
        self.good_request_is_fast()

    def test_no_answer_in_time_is_504(self):
        stop = threading.Event()

        def script(peer, request):
            peer.read_body(request)
            stop.wait(patient(5))

        self.script(script)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            self.check_refusal(client.exchange(self.get("/slow/public/s")), 504,
                               "upstream_timeout")
        stop.set()
        peer = self.peer_of(mark)
        self.wait_for(lambda: peer.is_closed, "the connection is given up")

    def test_a_stream_that_stops_is_cut(self):
        stop = threading.Event()

        def script(peer, request):
            peer.read_body(request)
            peer.send(OK + b"Content-Length: 100\r\n\r\npart")
            stop.wait(patient(5))

        self.script(script)
        with self.door.client() as client:
            with self.assertRaises(raw.Truncated):
                client.exchange(self.get("/idle/public/s"))
        stop.set()

    def test_a_body_over_the_routes_limit_is_413(self):
        self.allow(self.get("/small/public/x", method="POST", body=b"x" * 1024), "POST")
        self.refuse(self.get("/small/public/x", method="POST", body=b"x" * 1025), 413,
                    "body_too_large")
        chunks = self.get("/small/public/x", ("Transfer-Encoding", "chunked"), method="POST")
        mark = self.door.upstream.mark()
        self.refuse(chunks + raw.chunked(b"x" * 1000, b"y" * 1000), 413, "body_too_large",
                    touches_upstream=True)
        for request in self.door.upstream.since(mark):
            peer = self.door.upstream.peers[request.connection]
            self.wait_for(lambda peer=peer: peer.is_closed, "the upstream request is aborted")
            self.assertFalse(request.is_complete)


class Streaming(UpstreamCase):
    """Nothing waits in barkeep for more to come, and nobody holds it up for ever."""

    @classmethod
    def change_config(cls, config, door):
        # longer than a busy machine keeps a sender of many bytes waiting, which would be the client's fault
        config["routes"][0]["timeouts"] = {"idle": "1500ms"}

    def test_bytes_pass_as_they_come_both_ways(self):
        answer_seen, log = threading.Event(), []

        def script(peer, request):
            peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            log.append(answer_seen.wait(patient(5)))
            peer.read_body(request)
            peer.send(b"1\r\nb\r\n0\r\n\r\n")

        self.script(script)
        head = self.get("/public/s", ("Transfer-Encoding", "chunked"), method="POST")
        with self.door.client() as client:
            client.send(head + b"3\r\nxyz\r\n")
            response = client.read_head()
            self.assertEqual(b"1\r\na\r\n", client.take(6))
            answer_seen.set()
            client.send(b"0\r\n\r\n")
            client.read_body(response, "POST")
        self.assertEqual((b"b", [True]), (response.body, log))
        self.assertEqual(b"xyz", self.door.upstream.last().body)

    def test_each_event_of_a_stream_arrives_by_itself(self):
        asked = threading.Semaphore(0)
        self.script(events_when(asked))
        with self.door.client() as client:
            client.send(self.get())
            self.assertEqual(["chunked"], client.read_head().all("Transfer-Encoding"))
            check_events(self, client, asked)

    def test_a_client_that_never_reads_is_cut(self):
        """Case 211."""
        cut = threading.Event()

        def script(peer, request):
            peer.read_body(request)
            peer.send(OK + b"Content-Length: 10000000000\r\n\r\n")
            try:
                while True:
                    peer.send(b"x" * 65536)
            finally:
                cut.set()

        self.script(script)
        with self.door.client(receive_buffer=4096) as client:
            client.send(self.get())
            self.assertTrue(cut.wait(patient(10)))

    def test_an_upstream_that_never_reads_is_given_up(self):
        """Case 211."""
        release = threading.Event()

        def script(peer, request):
            del request
            release.wait(patient(20))
            peer.wait_closed()

        self.script(script)
        head = raw.request("POST", "/public/s", [("Content-Length", "1000000000")],
                           token=self.token)
        with self.door.client() as client:
            sender = threading.Thread(target=client.send, args=(head + b"x" * 50000000,))
            sender.start()
            response = client.read_response()
            self.check_refusal(response, 504, "upstream_timeout")
            client.read_to_end()
            sender.join()
        release.set()


class SeveralUpstreams(UpstreamCase):
    @classmethod
    def change_config(cls, config, door):
        cls.second = recorder.Recorder()
        config["routes"].append({**config["routes"][0], "name": "both", "path": "/both",
                                 "upstream": [door.upstream.url, cls.second.url]})

    @classmethod
    def tearDownClass(cls):
        cls.second.stop()
        super().tearDownClass()

    def test_requests_are_spread(self):
        marks = self.door.upstream.mark(), self.second.mark()
        for _ in range(40):
            response = self.ask_both()
            self.assertEqual(200, response.status)
        counts = len(self.door.upstream.since(marks[0])), len(self.second.since(marks[1]))
        self.assertEqual(40, sum(counts))
        self.assertTrue(all(count >= 5 for count in counts), counts)

    def ask_both(self):
        with self.door.client() as client:
            return client.exchange(self.get("/both/public/x"))


class UnixUpstream(UpstreamCase):
    """An upstream behind a unix socket, relayed to the recorder."""

    @classmethod
    def change_config(cls, config, door):
        cls.relay = recorder.UnixRecorder(f"{door.folder}/upstream.sock")
        config["routes"].append({**config["routes"][0], "name": "unix", "path": "/unix",
                                 "upstream": f"unix:{door.folder}/upstream.sock"})

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()
        super().tearDownClass()

    def test_requests_reach_a_unix_socket(self):
        with self.door.client() as client:
            for number in range(3):
                self.assertEqual(200, client.exchange(self.get("/unix/public/x")).status)
        self.assertEqual(["/public/x"] * 3, [r.target for r in self.relay.requests])
        self.assertEqual(1, self.relay.connections())


if __name__ == "__main__":
    unittest.main()
