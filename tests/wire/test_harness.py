#!/usr/bin/python3
"""The harness itself: the client forgives nothing, the recorder records everything, refusals are
judged strictly. What passes here is what the other files build on."""

import unittest

import wire  # noqa: F401
from lib import raw, recorder, tokens
from lib.case import WireCase
from lib.net import wait_until

OK = b"HTTP/1.1 200 OK\r\n"


class StrictClient(unittest.TestCase):
    """The client asks the recorder directly."""

    def setUp(self):
        self.upstream = recorder.Recorder()
        self.addCleanup(self.upstream.stop)

    def ask(self, answer, method="GET"):
        self.upstream.default = answer
        with raw.Client(self.upstream.port) as client:
            return client.exchange(raw.request(method, "/x"), method)

    def after(self, answer):
        def script(peer, request):
            peer.read_body(request)
            peer.send(answer)
            peer.close()
        return script

    def test_reads_good_answers(self):
        self.assertEqual(b"ok", self.ask(recorder.answer()).body)
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunked(b"ab", b"c")
        self.assertEqual(b"abc", self.ask(chunked).body)
        self.assertEqual(b"rest", self.ask(self.after(OK + b"\r\nrest")).body)
        self.assertEqual(b"", self.ask(OK + b"Content-Length: 9\r\n\r\n", "HEAD").body)
        response = self.ask(b"HTTP/1.1 103 Early\r\n\r\n" + recorder.answer())
        self.assertEqual((200, [103]), (response.status, [i.status for i in response.interim]))

    def test_refuses_bad_answers(self):
        for answer in (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
                       OK + b"X A: b\r\n\r\n", OK + b"X-A : b\r\n\r\n", OK + b" folded\r\n\r\n",
                       OK + b"X-A: a\0b\r\n\r\n", OK + b"X-A: b\n\r\n\r\n",
                       OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
                       OK + b"Content-Length: +2\r\n\r\nok",
                       OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       OK + b"Transfer-Encoding: gzip\r\n\r\n",
                       OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
                       OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
                       OK + b"Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n"):
            with self.subTest(answer=answer), self.assertRaises(raw.BadResponse):
                self.ask(self.after(answer))

    def test_notices_truncation(self):
        for answer in (b"", b"HTTP/1.1 2", OK, OK + b"Content-Length: 3\r\n\r\nab",
                       OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\na",
                       OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                       OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"):
            with self.subTest(answer=answer), self.assertRaises(raw.Truncated):
                self.ask(self.after(answer))

    def test_sees_what_follows_an_answer(self):
        self.upstream.default = self.after(recorder.answer() + b"HTTP/1.1 400")
        with raw.Client(self.upstream.port) as client:
            client.exchange(raw.request("GET", "/x"))
            self.assertEqual(b"HTTP/1.1 400", client.read_to_end())

    def test_splits_writes(self):
        with raw.Client(self.upstream.port) as client:
            response = client.exchange(raw.request("POST", "/x", body=b"hello"), split=1)
        self.assertEqual(200, response.status)
        self.assertEqual(b"hello", self.upstream.last().body)


class FaithfulRecorder(unittest.TestCase):
    def setUp(self):
        self.upstream = recorder.Recorder()
        self.addCleanup(self.upstream.stop)

    def test_records_bytes_as_they_came(self):
        data = raw.request("PUT", "/a?b", [("X-a", "1"), ("x-A", "2")], b"body")
        mark = self.upstream.mark()
        with raw.Client(self.upstream.port) as client:
            client.exchange(data)
        request = self.upstream.since(mark)[0]
        self.assertEqual(data, request.head + request.body)
        self.assertEqual(("PUT", "/a?b", "/a"), (request.method, request.target, request.path))
        self.assertEqual(["1", "2"], request.all("X-A"))
        self.assertTrue(request.is_complete)

    def test_marks_notice_single_bytes_and_connections(self):
        mark = self.upstream.mark()
        self.assertTrue(self.upstream.is_untouched(mark))
        with raw.Client(self.upstream.port) as client:
            client.send(b"G")
            wait_until(lambda: not self.upstream.is_untouched(mark), "one byte")

    def test_marks_cut_requests_incomplete(self):
        for data in (raw.request("POST", "/x", [("Content-Length", "9")]) + b"part",
                     raw.request("POST", "/x", [("Transfer-Encoding", "chunked")]) + b"2\r\nab"):
            mark = self.upstream.mark()
            with raw.Client(self.upstream.port) as client:
                client.send(data)
                request = self.upstream.wait_for_request(mark)
            peer = self.upstream.peers[request.connection]
            wait_until(lambda peer=peer: peer.is_closed, "the end")
            self.assertFalse(request.is_complete)


class StrictRefusals(WireCase):
    """refuse() and allow() fail where they should, through a real barkeep."""

    def test_a_passing_request_is_no_refusal(self):
        with self.assertRaises(AssertionError):
            self.refuse(raw.request("GET", "/public/x", token=self.token), 403)

    def test_a_refusal_with_another_status_or_reason_is_none(self):
        bare = raw.request("GET", "/public/x")
        for status, reason in ((403, None), (401, "no_role"), ((400, 403), None)):
            with self.assertRaises(AssertionError):
                self.refuse(bare, status, reason)
        self.refuse(bare, 401, "token_missing")

    def test_a_refusal_is_not_allowed(self):
        with self.assertRaises(AssertionError):
            self.allow(raw.request("GET", "/public/x"))

    def test_headers_at_the_upstream_are_compared_exactly(self):
        data = raw.request("GET", "/public/x", [("X-A", "b")], token=self.token)
        response, request = self.allow(data)
        self.check_forwarded(request, response, "GET", "/public/x", [("X-A", "b")])
        for wrong in ([], [("X-A", "c")], [("x-a", "b")], [("X-A", "b"), ("X-A", "b")]):
            with self.subTest(wrong=wrong), self.assertRaises(AssertionError):
                self.check_forwarded(request, response, "GET", "/public/x", wrong)

    def test_a_missing_audit_line_is_noticed(self):
        self.expected_audit.append(("no-such-request", 401, "token_missing"))
        from lib import net
        patience, net.PATIENCE = net.PATIENCE, 0.02
        try:
            with self.assertRaises(AssertionError):
                self.settle_audit()
        finally:
            net.PATIENCE = patience
            self.expected_audit = []

    def test_tokens_are_entras_shapes(self):
        for claims in (tokens.user(1), tokens.user(2), tokens.app(1), tokens.app(2)):
            self.allow(raw.request("GET", "/public/x", token=self.door.token(claims)))


if __name__ == "__main__":
    unittest.main()
