#!/usr/bin/python3
"""What upstreams answer, and what reaches the client (CASES.md H)."""

import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.case import WireCase
from lib.net import free_port, patient

OK = b"HTTP/1.1 200 OK\r\n"
PROTOCOL = "upstream_protocol"

# Answers that can be read in two ways, or not at all: 502, and the connection is not used again.
MALFORMED = [
    (166, "length and chunked", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\nok\r\n0\r\n\r\n"),
    (166, "two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
    (166, "length list", OK + b"Content-Length: 2, 3\r\n\r\nok!"),
    (166, "length abc", OK + b"Content-Length: abc\r\n\r\nok"),
    (166, "length +2", OK + b"Content-Length: +2\r\n\r\nok"),
    (166, "length -1", OK + b"Content-Length: -1\r\n\r\nok"),
    (166, "empty length", OK + b"Content-Length: \r\n\r\nok"),
    (166, "length 2^64", OK + b"Content-Length: 18446744073709551616\r\n\r\nok"),
    (166, "coding gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nok"),
    (166, "coding gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (166, "coding twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\n\r\n"),
    (166, "chunked, chunked", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (166, "coding xchunked", OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (169, "NUL in a value", OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    (169, "bare CR in a value", OK + b"X-A: a\rb\r\nContent-Length: 2\r\n\r\nok"),
    (169, "folded header", OK + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    (169, "bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    (169, "space before the colon", OK + b"Content-Length : 2\r\n\r\nok"),
    (169, "no colon", OK + b"nonsense\r\nContent-Length: 2\r\n\r\nok"),
    (169, "empty name", OK + b": x\r\nContent-Length: 2\r\n\r\nok"),
    (169, "1,000 headers", OK + b"X-A: b\r\n" * 1000 + b"Content-Length: 2\r\n\r\nok"),
    (169, "a value of 64 KiB", OK + b"X-A: " + b"b" * 65536 + b"\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a head without end", OK + b"X-A: " + b"b" * 300000),
    (169, "HTTP/0.9 body", b"<html>hello</html>"),
    (169, "status 99", b"HTTP/1.1 99 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status 600", b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status 2000", b"HTTP/1.1 2000 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "status +20", b"HTTP/1.1 +20 X\r\nContent-Length: 2\r\n\r\nok"),
    (169, "HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (169, "no version", b"200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (169, "a request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    (169, "control in the phrase", b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok"),
]


class UpstreamCase(WireCase):
    def get(self, target="/public/s", *headers, method="GET", body=None):
        return raw.request(method, target, headers, body, self.token)

    def script(self, steps, path="/public/s"):
        self.door.upstream.on(path, steps)

    def ask(self, method="GET", **options):
        with self.door.client() as client:
            return client.exchange(self.get(method=method, **options), method)

    def peer_of(self, mark):
        return self.door.upstream.peers[self.door.upstream.since(mark)[-1].connection]


class Answers(UpstreamCase):
    def test_malformed_answers_are_502_and_end_the_connection(self):
        for case, what, answer in MALFORMED:
            with self.subTest(case=case, what=what):
                mark = self.door.upstream.mark()
                self.script(closing_after(answer))
                self.check_refusal(self.ask(), 502, PROTOCOL)
                peer = self.peer_of(mark)
                self.wait_for(lambda peer=peer: peer.is_closed, "the connection is given up")
                self.assertEqual(1, len(self.door.upstream.since(mark)))
                self.good_request_is_fast()

    def test_same_length_twice_is_502_or_one_length(self):
        self.script(OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok")
        response = self.ask()
        self.assertIn(response.status, (200, 502))
        self.assertLessEqual(len(response.all("Content-Length")), 1)

    def test_a_missing_phrase_is_no_reason_to_fail(self):
        self.script(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual((200, b"ok"), (self.ask().status, self.ask().body))

    def test_bytes_after_the_body_never_reach_a_client(self):
        second = recorder.answer(body=b"poison")
        for what, answer in (
                ("more than the length", OK + b"Content-Length: 2\r\n\r\nokEXTRA"),
                ("bytes after the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n"
                 b"2\r\nok\r\n0\r\n\r\nEXTRA"),
                ("a second answer", recorder.answer() + second),
                ("a second answer after chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n"
                 b"2\r\nok\r\n0\r\n\r\n" + second),
                ("a body after 204", b"HTTP/1.1 204 No Content\r\n\r\n" + second)):
            with self.subTest(case=(167, 168), what=what):
                mark = self.door.upstream.mark()
                self.script(answer)
                with self.door.client() as client:
                    response = client.exchange(self.get())
                    self.assertIn(response.body, (b"ok", b""))
                    peer = self.peer_of(mark)
                    response = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (response.status, response.body))
                self.wait_for(lambda peer=peer: peer.is_closed, "the connection is not kept")
                self.assertNotEqual(peer.number, self.door.upstream.last().connection)

    def test_an_answer_that_comes_late_on_an_idle_connection_is_discarded(self):
        """Case 168: poison arrives while the connection waits in the pool."""
        self.script(recorder.answer())
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.exchange(self.get())
            peer = self.peer_of(mark)
            peer.send(recorder.answer(body=b"poison"))
            for _ in range(5):
                response = client.exchange(self.get("/public/next"))
                self.assertEqual((200, b"ok"), (response.status, response.body))
        self.wait_for(lambda: peer.is_closed, "the poisoned connection is closed")

    def test_passes_interim_answers_once(self):
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        self.script(b"HTTP/1.1 100 Continue\r\n\r\n" + early + early + recorder.answer())
        response = self.ask()
        self.assertEqual((200, b"ok"), (response.status, response.body))
        self.assertEqual([103, 103], [interim.status for interim in response.interim])
        self.assertEqual("</a.css>; rel=preload", response.interim[0].one("Link"))

    def test_interim_answers_hold_no_hop_by_hop_headers(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nConnection: X-A\r\nX-A: b\r\nKeep-Alive: 5\r\n"
                    b"Link: <x>\r\n\r\n" + recorder.answer())
        head = self.ask().interim[0].head
        for name in (b"X-A", b"Keep-Alive", b"Connection"):
            self.assertNotIn(name, head)

    def test_http_1_0_clients_get_no_interim_answers(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + recorder.answer())
        with self.door.client() as client:
            data = raw.request("GET", "/public/s", token=self.token, version="HTTP/1.0")
            response = client.exchange(data)
        self.assertEqual((200, []), (response.status, response.interim))

    def test_interim_answers_are_bounded(self):
        self.script(b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" * 20000 + recorder.answer())
        with self.door.client() as client:
            response = client.exchange(self.get())
        self.assertIn(response.status, (200, 502))

    def test_passes_redirects_as_data(self):
        target = recorder.Recorder()
        try:
            for status in (301, 302, 303, 307, 308):
                with self.subTest(case=174, status=status):
                    location = ("Location", f"{target.url}/stolen")
                    self.script(recorder.answer(status, b"", [location]))
                    response = self.ask()
                    self.assertEqual((status, location[1]),
                                     (response.status, response.one("Location")))
            self.assertEqual(0, target.connections())
        finally:
            target.stop()

    def test_passes_status_and_phrase(self):
        for status, phrase in ((200, "OK"), (201, "Created"), (404, "Not Here"), (418, "I'm a teapot"),
                               (500, "Oops"), (503, "Later"), (599, "Odd")):
            self.script(recorder.answer(status, b"body", phrase=phrase))
            response = self.ask()
            self.assertEqual((status, b"body"), (response.status, response.body))

    def test_head_and_bodiless_statuses_have_right_framing(self):
        for what, method, answer, length in (
                ("HEAD with a length", "HEAD", OK + b"Content-Length: 1000\r\n\r\n", "1000"),
                ("HEAD, chunked", "HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", None),
                ("304 with a length", "GET",
                 b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"),
                ("304 without", "GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", None),
                ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
                ("204 with a length", "GET",
                 b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None)):
            with self.subTest(case=173, what=what):
                self.script(answer)
                with self.door.client() as client:
                    response = client.exchange(self.get(method=method), method)
                    self.assertEqual(b"", response.body)
                    if length:
                        self.assertIn(response.one("Content-Length"), (length, None))
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))

    def test_bodies_of_head_and_204_reach_nobody(self):
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            with self.subTest(case=173, method=method, status=status):
                self.script(recorder.answer(status, b"forbidden"))
                with self.door.client() as client:
                    response = client.exchange(self.get(method=method), method)
                    self.assertEqual((status, b""), (response.status, response.body))
                    again = client.exchange(self.get("/public/next"))
                    self.assertEqual((200, b"ok"), (again.status, again.body))

    def test_bodies_of_every_framing_arrive_whole(self):
        body = bytes(range(256)) * 300
        chunks = OK + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunked(body[:10], body[10:])
        for what, script in (
                ("length", recorder.answer(body=body)), ("chunked", chunks),
                ("chunked with trailers", chunks[:-2] + b"X-Trailer: y\r\n\r\n"),
                ("chunked with extensions", OK + b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n"
                 b"0;c\r\n\r\n" % (len(body), body)),
                ("until close", closing_after(OK + b"\r\n" + body)),
                ("HTTP/1.0 until close", closing_after(b"HTTP/1.0 200 OK\r\n\r\n" + body)),
                ("HTTP/1.0 with a length", closing_after(
                    b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)),
                ("close with a length", closing_after(
                    OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)),
                ("bytewise", bytewise(recorder.answer(body=body[:2000])))):
            expected = body[:2000] if what == "bytewise" else body
            for version in ("HTTP/1.1", "HTTP/1.0"):
                with self.subTest(what=what, version=version):
                    self.script(script)
                    data = raw.request("GET", "/public/s", token=self.token, version=version)
                    with self.door.client() as client:
                        response = client.exchange(data)
                    self.assertEqual(expected, response.body)
                    if version == "HTTP/1.0":
                        self.assertEqual([], response.all("Transfer-Encoding"))

    def test_an_answer_that_ends_early_is_no_answer(self):
        for what, part in (("nothing", b""), ("half a status line", b"HTTP/1.1 20"),
                           ("half a head", OK + b"Content-Le"), ("a head without its end", OK)):
            for ending in ("close", "reset"):
                with self.subTest(case=171, what=what, ending=ending):
                    self.script(ending_after(part, ending))
                    self.check_refusal(self.ask(method="POST", body=b"x"), 502,
                                       (PROTOCOL, "upstream_unreachable"))

    def test_truncation_is_visible_to_the_client(self):
        for what, part in (
                ("inside a length", OK + b"Content-Length: 100\r\n\r\npart"),
                ("before a length's body", OK + b"Content-Length: 100\r\n\r\n"),
                ("inside a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\npart"),
                ("before the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"),
                ("before the final CRLF",
                 OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n"),
                ("a malformed chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npartXX\r\n"
                 b"0\r\n\r\n"),
                ("a malformed size", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n")):
            for ending in ("close", "reset"):
                with self.subTest(case=171, what=what, ending=ending):
                    self.script(ending_after(part, ending))
                    self.check_truncation()

    def check_truncation(self):
        """Either the answer breaks off, or it never began."""
        with self.door.client() as client:
            try:
                response = client.exchange(self.get())
            except raw.Truncated as truncated:
                if truncated.response:
                    self.assertIn(truncated.response.body, (b"", b"part"))
                return
        self.assertEqual(502, response.status, "a part was passed off as the whole")

    def test_truncation_is_in_the_audit(self):
        self.script(ending_after(OK + b"Content-Length: 100\r\n\r\npart", "close"))
        with self.door.client() as client:
            with self.assertRaises(raw.Truncated) as caught:
                client.exchange(self.get())
        line = self.door.audit.wait_for(caught.exception.response.request_id)
        self.assertEqual((200, 200), (line["status"], line["upstream_status"]))
        self.assertEqual(PROTOCOL, line["reason"])


def closing_after(answer):
    return ending_after(answer, "close")


def ending_after(part, ending):
    def script(peer, request):
        peer.read_body(request)
        if part:
            peer.send(part)
        if ending == "close":
            peer.close()
        else:
            peer.reset()
    return script


def bytewise(answer):
    def script(peer, request):
        peer.read_body(request)
        for start in range(len(answer)):
            peer.send(answer[start:start + 1])
    return script


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
        config["routes"][0]["timeouts"] = {"idle": "500ms"}

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

        def script(peer, request):
            peer.read_body(request)
            peer.send(OK + b"Content-Type: text/event-stream\r\n\r\n")
            for number in range(5):
                asked.acquire(timeout=patient(5))
                peer.send(b"data: %d\n\n" % number)
            peer.close()

        self.script(script)
        with self.door.client() as client:
            client.send(self.get())
            self.assertEqual(["chunked"], client.read_head().all("Transfer-Encoding"))
            for number in range(5):
                asked.release()
                self.assertEqual(b"9\r\ndata: %d\n\n\r\n" % number, client.take(14))
            self.assertEqual(b"0\r\n\r\n", client.take(5))

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
            client.send(head)
            sender = threading.Thread(target=client.send, args=(b"x" * 50000000,))
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
