#!/usr/bin/python3
"""Where a call comes from: `trusted_proxies`, X-Forwarded-*, and rules that go by the address."""

import socket
import time
import unittest

import wire  # noqa: F401
from lib import raw
from lib.case import WireCase
from lib.net import patient
from lib.reload_case import reload_door

PROXY, OTHER_PROXY = "127.0.0.1", "127.0.0.2"
OFFICE, HOME = "203.0.113.7", "198.51.100.1"
OFFICE_6 = "2001:db8:7::1"
# What a peer that is not trusted may try: all of it names an address inside the office.
SPOOFS = [("X-Forwarded-For", OFFICE), ("X-Forwarded-For", f"{OFFICE}, {OFFICE}"),
          ("X-Forwarded-For", f"{PROXY}, {OFFICE}"), ("X-Real-IP", OFFICE),
          ("x-forwarded-for", f"{OFFICE}:80"), ("True-Client-IP", OFFICE),
          ("Forwarded", f"for={OFFICE}"), ("X-Client-IP", OFFICE), ("CF-Connecting-IP", OFFICE),
          ("X-Forwarded-For", f"[::ffff:{OFFICE}]")]


def office_route(upstream_url):
    """/office for the office alone; nobody from home to /denied."""
    office = {"client": ["203.0.113.0/24", "2001:db8:7::/48"]}
    everyone = {"everyone": True}
    return [{"name": "office", "path": "/office", "upstream": upstream_url, "access": [
                {"role": "Contributor", "to": everyone, "when": office}]},
            {"name": "denied", "path": "/denied", "upstream": upstream_url,
             "access": [{"role": "Contributor", "to": everyone}],
             "deny": [{"to": everyone, "when": {"client": "198.51.100.0/24"}}]}]


class AddressCase(WireCase):
    @classmethod
    def change_config(cls, config, door):
        config["routes"] += office_route(door.upstream.url)
        config["trusted_proxies"] = [PROXY, "127.0.1.0/24", "10.0.0.0/8", "2001:db8:ffff::/48"]

    def request(self, *values, target="/public/x", headers=()):
        """`values` are lines of X-Forwarded-For."""
        lines = [("X-Forwarded-For", value) for value in values] + list(headers)
        return raw.request("GET", target, lines, token=self.token)

    def check_client(self, request, response, client, chain):
        self.assertEqual([chain], request.all("X-Forwarded-For"))
        self.assertEqual(client, self.door.audit.wait_for(response.request_id)["client"])

    def check_target(self, data, is_allowed, reason="no_role"):
        if is_allowed:
            self.allow(data)
        else:
            self.refuse(data, 403, reason)


class Trusted(AddressCase):
    """Clients come through a proxy on 127.0.0.1."""

    def test_the_right_most_hop_that_is_not_trusted_is_the_client(self):
        for values, client, hops in (
                ((OFFICE,), OFFICE, []),
                ((f"{OFFICE}:4711",), OFFICE, []),
                ((f"[{OFFICE_6}]:443",), OFFICE_6, []),
                ((OFFICE_6.upper(),), OFFICE_6, []),
                ((f"::ffff:{OFFICE}",), OFFICE, []),
                ((f"{HOME}, {OFFICE}",), OFFICE, []),
                ((HOME, OFFICE), OFFICE, []),
                ((f"{HOME}, {OFFICE}, 10.1.2.3",), OFFICE, ["10.1.2.3"]),
                ((f"{HOME}, {OFFICE}", "2001:db8:ffff::9 ,10.1.2.3"), OFFICE,
                 ["2001:db8:ffff::9", "10.1.2.3"]),
                ((f"garbage, {OFFICE}",), OFFICE, []),
                (("10.0.0.3,10.0.0.2",), "10.0.0.3", ["10.0.0.2"]),
                ((",".join([HOME] * 1000 + [OFFICE]),), OFFICE, []),
                ((",".join([OFFICE] + ["10.0.0.2"] * 1000),), OFFICE, ["10.0.0.2"] * 1000)):
            with self.subTest(case=135, values=str(values)[:60]):
                response, request = self.allow(self.request(*values))
                self.check_client(request, response, client, ", ".join([client, *hops, PROXY]))

    def test_what_cannot_be_read_is_not_passed_over(self):
        """The client is then the proxy that reported it, whatever stands to the left."""
        for values, hops in (
                (("",), []), ((f"{OFFICE},",), []), ((OFFICE, ""), []),
                ((f"{OFFICE}, unknown",), []), ((f"{OFFICE}, _hidden",), []),
                ((f"{OFFICE}, fe80::1%eth0",), []), ((f'"{OFFICE}"',), []),
                ((f"{OFFICE}, 203.0.113.7.1",), []), ((f"{OFFICE}, 203.0.113.07",), []),
                ((f"{OFFICE} 10.0.0.1",), []), ((f"{OFFICE};10.0.0.1",), []),
                ((f"{OFFICE}, [{OFFICE}]",), []), ((f"{OFFICE}, \xe9",), []),
                ((f"{OFFICE}, gw.example",), []), ((f"{OFFICE}:99999",), []),
                ((f"{OFFICE}, x, 10.0.0.2",), ["10.0.0.2"]),
                ((f"{OFFICE}, , 10.0.0.2",), ["10.0.0.2"])):
            with self.subTest(case=135, values=values):
                data = self.request(*values)
                response, request = self.allow(data)
                chain = [*hops, PROXY]
                self.check_client(request, response, chain[0], ", ".join(chain))
                self.check_target(self.request(*values, target="/office/x"), False)

    def test_rules_go_by_the_client(self):
        for values, is_office in (
                ((OFFICE,), True), ((f"{HOME}, {OFFICE}",), True), ((OFFICE_6,), True),
                ((f"{OFFICE}, 10.0.0.2",), True),
                ((HOME,), False), ((), False), ((f"{OFFICE}, {HOME}",), False),
                ((OFFICE, HOME), False), (("203.0.114.7",), False), (("2001:db8:8::1",), False)):
            with self.subTest(values=values):
                self.check_target(self.request(*values, target="/office/x"), is_office)

    def test_denies_go_by_the_client(self):
        for values, is_allowed in (((OFFICE,), True), ((), True), ((f"{HOME}, {OFFICE}",), True),
                                   ((HOME,), False), ((f"{OFFICE}, {HOME}",), False),
                                   ((f"::ffff:{HOME}",), False)):
            with self.subTest(values=values):
                self.check_target(self.request(*values, target="/denied/x"), is_allowed, "denied")

    def test_one_connection_carries_many_clients(self):
        with self.door.client() as client:
            for values, status in (((OFFICE,), 200), ((), 200), ((HOME,), 200)):
                response = client.exchange(self.request(*values))
                self.assertEqual(status, response.status)
                expected = values[0] if values else PROXY
                line = self.door.audit.wait_for(response.request_id)
                self.assertEqual(expected, line["client"])

    def test_clients_cannot_have_the_proxys_word_taken_out(self):
        headers = [("Connection", "X-Forwarded-For")]
        self.check_target(self.request(HOME, target="/denied/x", headers=headers), False, "denied")

    def test_other_headers_say_nothing(self):
        for header in SPOOFS:
            if header[0].lower() != "x-forwarded-for":
                with self.subTest(header=header):
                    self.check_target(self.request(target="/office/x", headers=[header]), False)

    def test_scheme_and_host_are_believed_when_well_formed(self):
        for headers, proto, host in (
                ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "www.example:8443")],
                 "https", "www.example:8443"),
                ([("X-Forwarded-Proto", "http")], "http", "gw.example"),
                ([], "http", "gw.example"),
                ([("X-Forwarded-Proto", "https, http")], "http", "gw.example"),
                ([("X-Forwarded-Proto", "wss")], "http", "gw.example"),
                ([("X-Forwarded-Proto", "https")] * 2, "http", "gw.example"),
                ([("X-Forwarded-Host", "a.example, b.example")], "http", "gw.example"),
                ([("X-Forwarded-Host", "a.example/x")], "http", "gw.example")):
            with self.subTest(headers=headers):
                _, request = self.allow(self.request(headers=headers))
                self.assertEqual([proto], request.all("X-Forwarded-Proto"))
                self.assertEqual([host], request.all("X-Forwarded-Host"))

    def test_no_header_of_a_proxy_moves_the_path_or_the_host(self):
        for name, value in (("X-Forwarded-Uri", "/public/x"), ("X-Forwarded-Prefix", "/public"),
                            ("X-Original-URL", "/public/x"), ("X-Forwarded-Host", "other.example"),
                            ("X-Forwarded-Method", "DELETE")):
            with self.subTest(case=134, name=name):
                self.refuse(self.request(target="/admin/x", headers=[(name, value)]), 403,
                            "no_role")

    def test_a_head_that_is_none_is_the_peers(self):
        data = self.request(OFFICE).replace(b"Host:", b"Host :")
        response = self.refuse(data, 400, "bad_request")
        self.assertEqual(PROXY, self.door.audit.wait_for(response.request_id)["client"])


class Untrusted(AddressCase):
    """127.0.0.2 is nobody's proxy."""

    def refuse_from(self, data, reason="no_role"):
        mark = self.door.upstream.mark()
        with self.door.client(source=OTHER_PROXY) as client:
            response = client.exchange(data)
        self.check_refusal(response, 403, reason)
        self.assertTrue(self.door.upstream.is_untouched(mark))
        return response

    def test_nothing_they_say_counts(self):
        self.allow(self.request(OFFICE, target="/office/x"))
        for header in SPOOFS:
            with self.subTest(case=133, header=header):
                response = self.refuse_from(self.request(target="/office/x", headers=[header]))
                line = self.door.audit.wait_for(response.request_id)
                self.assertEqual(OTHER_PROXY, line["client"])

    def test_nothing_they_say_is_passed_on(self):
        mark = self.door.upstream.mark()
        headers = [*SPOOFS[:3], ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "www.example")]
        with self.door.client(source=OTHER_PROXY) as client:
            self.assertEqual(200, client.exchange(self.request(headers=headers)).status)
        request = self.door.upstream.since(mark)[0]
        self.assertEqual([[OTHER_PROXY], ["http"], ["gw.example"]],
                         [request.all(f"X-Forwarded-{name}") for name in ("For", "Proto", "Host")])


class NobodyIsTrusted(AddressCase):
    """The default: proxies' words are callers' words."""

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        del config["trusted_proxies"]
        config["routes"].append({
            "name": "local", "path": "/local", "upstream": door.upstream.url, "access": [
                {"role": "Contributor", "to": {"everyone": True},
                 "when": {"client": "127.0.0.1"}}]})

    def test_the_peer_is_the_client(self):
        for header in SPOOFS:
            with self.subTest(case=133, header=header):
                self.check_target(self.request(target="/office/x", headers=[header]), False)
                response, request = self.allow(self.request(target="/local/x", headers=[header]))
                self.check_client(request, response, PROXY, PROXY)
        mark = self.door.upstream.mark()
        with self.door.client(source=OTHER_PROXY) as client:
            response = client.exchange(self.request(PROXY, target="/local/x"))
        self.check_refusal(response, 403, "no_role")
        self.assertTrue(self.door.upstream.is_untouched(mark))


class UnixSocket(AddressCase):
    """Who comes through a socket of the file system has no address, and none to lend."""

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["trusted_proxies"] += ["0.0.0.0/0", "::/0"]
        cls.path = f"{door.folder}/barkeep.sock"
        config["listen"] = [config["listen"], f"unix:{cls.path}"]

    def ask(self, target, *values):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patient(5))
            connection.connect(self.path)
            connection.sendall(self.request(*values, target=target,
                                            headers=[("Connection", "close")]))
            answer = b""
            while fresh := connection.recv(65536):
                answer += fresh
        return raw.parse_head(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def test_has_no_address(self):
        mark = self.door.upstream.mark()
        for target, values, status in (("/public/x", (), 200), ("/public/x", (OFFICE,), 200),
                                       ("/office/x", (), 403), ("/office/x", (OFFICE,), 403)):
            with self.subTest(target=target, values=values):
                answer = self.ask(target, *values)
                self.assertEqual(status, answer.status)
                self.assertEqual("unix", self.door.audit.wait_for(answer.request_id)["client"])
        for request in self.door.upstream.since(mark):
            self.assertEqual(["unix"], request.all("X-Forwarded-For"))


def trickle(peer, _):
    """An answer that goes on until somebody cuts it."""
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"4\r\npart\r\n")
        time.sleep(0.05)


class TrustIsTakenBack(AddressCase):
    """Whether a stream may go on cannot be told when its address was found by another list."""

    replays = False  # the configuration changes while the test runs

    def open_stream(self, source, *values):
        client = self.door.client(source=source)
        self.addCleanup(client.close)
        client.send(self.request(*values, target="/public/stream"))
        self.assertEqual(200, client.read_head().status)
        return client

    def test_streams_of_its_clients_end(self):
        self.door.upstream.on("/public/stream", trickle)
        through = self.open_stream(PROXY, OFFICE)
        direct = self.open_stream(OTHER_PROXY)
        self.door.config["trusted_proxies"] = ["10.0.0.0/8"]
        reload_door(self.door)
        with self.assertRaises(raw.Truncated):
            through.take(1 << 20)
        direct.take(len(direct.pending) + 36)
        cut = self.wait_for(lambda: [line["client"] for line in self.door.audit.requests()
                                     if line.get("aborted") == "reload"], "the cut in the audit")
        self.assertEqual([OFFICE], cut)


if __name__ == "__main__":
    unittest.main()
