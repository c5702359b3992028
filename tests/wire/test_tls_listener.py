#!/usr/bin/python3
"""Requests over TLS: records, bodies, and how connections end."""

import socket
import ssl
import threading
import unittest

import wire  # noqa: F401
from lib import raw, recorder
from lib.net import patient
from lib.tls_client import SteppedTls, TlsClient, context
from lib.tls_listener_case import TlsListenerCase

BIG_BYTES = 5 << 20


class Requests(TlsListenerCase):
    def test_keeps_alive_and_takes_pipelined_requests_in_order(self):
        client = self.connect()
        self.check_serves(client, "/public/1")
        self.check_serves(client, "/public/2")
        mark = self.door.upstream.mark()
        client.send(b"".join(self.get(f"/public/p{i}") for i in range(20)))
        for _ in range(20):
            self.assertEqual(200, client.read_response().status)
        self.assertEqual([f"/public/p{i}" for i in range(20)],
                         [request.target for request in self.door.upstream.since(mark)])

    def test_request_in_many_records(self):
        client = self.connect()
        self.assertEqual(200, client.exchange(self.get(), split=1).status)

    def test_records_of_a_byte_without_end_are_cut(self):
        reached = 'barkeep_limits_reached_total{limit="tls_work"}'
        before = self.door.barkeep.metrics()[reached]
        mark = self.door.upstream.mark()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.connect(self.context(version=version))
            head = raw.request("POST", "/public/drip", [("Content-Length", "200000")], token=self.token)
            client.send(head)
            try:
                client.send(bytes(200000), split=1)
                client.socket.recv(1)
                self.fail("200,000 records of a byte are taken")
            except (OSError, ssl.SSLError):
                pass
        self.wait_for(lambda: self.door.barkeep.metrics()[reached] == before + 2, "both are counted")
        self.wait_for(lambda: sum(line.get("path") == "/public/drip" and line.get("aborted") == "client"
                                  for line in self.door.audit.requests()) == 2, "both have their line")
        self.check_serves(self.connect())
        self.assertLessEqual(len(self.door.upstream.since(mark)), 3)

    def test_big_bodies_both_ways(self):
        body = bytes(i * 7 & 255 for i in range(1 << 16)) * (BIG_BYTES >> 16)

        def answer(peer, request):
            peer.read_body(request)
            self.assertEqual(BIG_BYTES, request.body_bytes)
            peer.send(recorder.answer(body=body))

        self.door.upstream.on("/public/big", answer)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.connect(self.context(version=version))
            response = client.exchange(raw.request("POST", "/public/big", body=body, token=self.token))
            self.assertEqual(200, response.status)
            self.assertTrue(response.body == body, "the body comes back as it went")
            self.check_serves(client)

    def test_refusals_arrive_and_say_goodbye(self):
        cases = [(raw.request("GET", "/public/x"), 401, "token_missing"),
                 (b"GET /public/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
                 (b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n\r\n", (400, 414, 431), None)]
        for data, status, reason in cases:
            with self.subTest(status):
                client = self.connect()
                client.send(data)
                response = client.read_response()
                self.check_refusal(response, status, reason)
                if response.one("Connection") == "close":
                    self.assertEqual(b"", client.read_to_end())

    def test_an_answer_that_ends_with_its_connection_ends_with_goodbye(self):
        client = self.connect()
        client.send(self.get(version="HTTP/1.0"))
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(b"", client.read_to_end())

    def test_fin_after_the_request_still_gets_its_answer(self):
        client = self.connect()
        client.send(self.get())
        client.finish_sending()
        self.assertEqual(200, client.read_response().status)

    def test_goodbye_after_the_request_still_gets_its_answer(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with SteppedTls(self.tls_port, self.context(version=version)) as peer:
                peer.handshake()
                peer.send(self.get())
                peer.say_goodbye()
                self.assertIn(b"200 ", peer.read())
                while peer.read():
                    pass

    def test_a_body_that_is_cut_reaches_nobody_as_whole(self):
        """FIN without goodbye inside a body: whoever sits between may have cut it."""
        mark = self.door.upstream.mark()
        client = self.connect()
        client.send(raw.request("POST", "/public/cut", [("Content-Length", "100")], token=self.token) + b"abc")
        self.wait_for(lambda: self.door.upstream.since(mark), "the head is at the upstream")
        client.finish_sending()
        with self.assertRaises((raw.Truncated, ssl.SSLError)):
            client.read_response()
        self.wait_for(lambda: any(line.get("aborted") == "client" and line.get("path") == "/public/cut"
                                  for line in self.door.audit.requests()), "the audit has it")

    def test_takes_https_urls_as_targets_and_no_http_ones(self):
        mark = self.door.upstream.mark()
        for target in ("https://gw.example/public/abs?q", "HTTPS://GW.example:443/public/abs?q"):
            self.assertEqual(200, self.connect().exchange(self.get(target)).status)
        port = self.connect().exchange(self.get("https://gw.example/public/abs?q", host="gw.example:443"))
        self.assertEqual(200, port.status)
        self.assertEqual({"/public/abs?q"}, {request.target for request in self.door.upstream.since(mark)})
        mark = self.door.upstream.mark()
        for target in ("http://gw.example/public/x", "https://gw.example:80/public/x", "https://gw.example:444/public/x",
                       "https://other.example/public/x", "https://u@gw.example/public/x", "https:///public/x",
                       "https://gw.example?x", "wss://gw.example/public/x"):
            with self.subTest(target):
                self.check_refusal(self.connect().exchange(self.get(target)), 400, "bad_request")
        with self.door.client() as plain:
            self.check_refusal(plain.exchange(self.get("https://gw.example/public/x")), 400, "bad_request")
        self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_reset_between_requests_ends_quietly(self):
        client = self.connect()
        self.check_serves(client)
        client.reset()
        self.check_serves(self.connect())


class Overload(TlsListenerCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["workers"] = 1
        config["limits"]["connections"] = 2

    def test_tells_over_tls_that_there_are_too_many(self):
        may_go = threading.Event()

        def hold(peer, _):
            may_go.wait(patient(10))
            peer.send(recorder.answer())

        self.door.upstream.on("/public/hold", hold)
        busy = [self.connect() for _ in range(2)]
        mark = self.door.upstream.mark()
        for client in busy:
            client.send(self.get("/public/hold"))
        self.wait_for(lambda: len(self.door.upstream.since(mark)) == 2, "both are at work")
        third = self.connect()
        self.check_refusal(third.read_response(), 503, "overloaded")
        self.assertEqual(b"", third.read_to_end())
        may_go.set()
        for client in busy:
            self.assertEqual(200, client.read_response().status)


class Drain(unittest.TestCase):
    def test_says_goodbye_to_idle_callers_and_finishes_the_others(self):
        class Case(TlsListenerCase):
            pass
        Case.setUpClass()
        case = Case()
        try:
            tls = context(Case.ca_path)
            idle = TlsClient(Case.tls_port, tls)
            self.assertEqual(200, idle.exchange(raw.request("GET", "/public/i", token=Case.token)).status)
            silent = socket.create_connection(("127.0.0.1", Case.tls_port))
            silent.settimeout(patient(10))
        finally:
            Case.tearDownClass()
        del case
        self.assertEqual(b"", idle.read_to_end())  # with close_notify, or it raises
        idle.close()
        self.assertEqual(b"", silent.recv(1))
        silent.close()


if __name__ == "__main__":
    unittest.main()
