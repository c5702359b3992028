#!/usr/bin/python3
"""One canonical path: judged, logged and sent (CASES.md F).

The rules allow /public/** to everyone and /admin/** to role Admin, which this caller does not have."""

import os
import pathlib
import unittest

import wire  # noqa: F401
from lib import process, raw
from lib.case import WireCase

AMBIGUOUS = "path_ambiguous"
FULLWIDTH_SLASH = "%ef%bc%8f"

# (case, target, statuses)
REFUSED = [
    (141, "/public/../admin/x", 403),
    (141, "/public/a/../../admin/x", 403),
    (141, "/..", (400, 403)),
    (141, "/../admin/x", (400, 403)),
    (142, "/public/%2e%2e/admin/x", 400),
    (142, "/public/.%2e/admin/x", 400),
    (142, "/public/%2E./admin/x", 400),
    (142, "/public/%2e/admin/x", 400),
    (143, "/public/..%2fadmin/x", 400),
    (143, "/public%2f..%2fadmin", 400),
    (143, "/public%2Fx", 400),
    (143, "/admin%2fx", 400),
    (144, "/%2561dmin/x", 403),
    (145, "/public/..;/admin/x", 400),
    (145, "/public/..;a=b/admin/x", 400),
    (145, "/public/;/../admin", 400),
    (145, "/admin;x=1/x", 400),
    (145, "/admin;/x", 400),
    (145, "/public/x;jsessionid=1", 400),
    (145, "/public/.;/admin", 400),
    (146, "/public/..\\admin", 400),
    (146, "/public\\x", 400),
    (146, "/public/%5c..%5cadmin", 400),
    (146, "\\public/x", 400),
    (147, "//admin/x", 400),
    (147, "///admin/x", 400),
    (147, "/.//admin/x", 400),
    (147, "/public//../admin", 400),
    (147, "//public/x", 400),
    (147, "/public//x", 400),
    (147, "/public/x//", 400),
    (147, "//evil.example/public/x", 400),
    (148, "/./admin/x", 403),
    (148, "/admin/./x", 403),
    (148, "/admin/x/.", 403),
    (148, "/admin/y/../x", 403),
    (148, "/admin/..", 403),
    (149, "/public../admin", (400, 403)),
    (149, "/public%2e%2e/admin", (400, 403)),
    (149, "/publicx", 403),
    (150, "/ADMIN/x", 403),
    (150, "/Admin/x", 403),
    (150, "/PUBLIC/x", 403),
    (151, "/%61dmin/x", 403),
    (151, "/adm%69n/x", 403),
    (151, "/%61%64%6d%69%6e/x", 403),
    (152, "/admin%00x", 400),
    (152, "/public/%00/../admin", 400),
    (152, "/public/x%00", 400),
    (153, "/public/%0d%0aX-Injected:1", 400),
    (153, "/public/%0a", 400),
    (153, "/public/%09", 400),
    (153, "/public/%7f", 400),
    (153, "/public/%1b%5b2J", 400),
    (154, "/public/%", 400),
    (154, "/public/%z", 400),
    (154, "/public/%zz", 400),
    (154, "/public/%4", 400),
    (154, "/public/%u002e", 400),
    (154, "/public/%C0%AE%C0%AE/x", 400),
    (154, "/public/%c0%af/x", 400),
    (154, "/public/%e0%80%af/x", 400),
    (154, f"/public/..{FULLWIDTH_SLASH}admin", 400),
    (154, f"/public/x{FULLWIDTH_SLASH}y", 400),
    (154, "/public/%ef%bc%8e%ef%bc%8e/admin", 400),
    (154, "/public/%ff", 400),
    (154, "/public/%ed%a0%80", 400),
    (154, "/public/%f4%90%80%80", 400),
    (154, "/public/\xe9", 400),
    (154, "/public/\xc3\xa9", 400),
    (154, "/public/\x80", 400),
    (154, "/public/%c0%ae%c0%ae/%c0%ae/admin", 400),
    (154, "/public/%u2215admin", 400),
    (154, "/public/%%32%65%%32%65/admin", 400),
    (154, "/public/%e2%88%95admin", 400),
    (155, "/admin?x", 403),
    (155, "/admin/x?#/public", 400),
    (155, "/admin/x?/public/x", 403),
    (155, "/admin/x?../public", 403),
    (155, "/?/public/x", 403),
    (156, "/admin#x", 400),
    (156, "/public/x#/../admin", 400),
    (156, "/public/#/../admin", 400),
    (156, "/#/public/x", 400),
    (156, "/public/x?a#b", 400),
    (156, "/public%23/../admin", 403),
    (157, "/public/" + "../" * 2000, (400, 403)),
    (157, "/" + "%2e" * 2700, (400, 403)),
    (157, "/" + "a/" * 4000, (400, 403)),
    (157, "/public/" + "a/../" * 1600 + "../admin/x", 403),
    (157, "/public/" + "%2f" * 2700, 400),
    (157, "/public/" + "%c3%a9" * 1300 + "/%2e", 400),
    (158, "/", 403),
    (158, "/publi", 403),
    (158, "/admin", 403),
    (158, "/admin/", 403),
]

# What the rules let through: target -> what route, rule, log and upstream all see.
PASSING = [
    ("/public/x", "/public/x"),
    ("/public/x?next=/admin", "/public/x?next=/admin"),
    ("/public/x?/../admin", "/public/x?/../admin"),
    ("/public?/../admin", "/public?/../admin"),
    ("/public/x?a=%2F&b=%00%zz", "/public/x?a=%2F&b=%00%zz"),
    ("/public/x?", "/public/x?"),
    ("/public/x?a?b", "/public/x?a?b"),
    ("/public/./x", "/public/x"),
    ("/public/y/../x", "/public/x"),
    ("/admin/../public/x", "/public/x"),
    ("/public/x/", "/public/x/"),
    ("/public/x/.", "/public/x/"),
    ("/%70ublic/x", "/public/x"),
    ("/public/%41%7a%2d%2E%5f%7e", "/public/Az-._~"),
    ("/public/%c3%a9", "/public/%C3%A9"),
    ("/public/%e2%82%ac", "/public/%E2%82%AC"),
    ("/public/a%20b", "/public/a%20b"),
    ("/public/%252e%252e/admin/x", "/public/%252e%252e/admin/x"),
    ("/public/%25", "/public/%25"),
    ("/public/a:b@c!$&'()*+,=", "/public/a:b@c!$&'()*+,="),
    ("/public/%23x", "/public/%23x"),
    ("/public/%3fx", "/public/%3Fx"),
    ("/public/...", "/public/..."),
    ("/public/.x", "/public/.x"),
    ("/public/x..", "/public/x.."),
    ("/public/a%3bb", "/public/a%3Bb"),
    ("/public/" + "a/" * 4000 + "x", "/public/" + "a/" * 4000 + "x"),
]


class Paths(WireCase):
    def get(self, target):
        return raw.request("GET", target, token=self.token)

    def test_refuses_every_way_around_the_rule(self):
        for case, target, statuses in REFUSED:
            with self.subTest(case=case, target=target[:60]):
                response = self.refuse(self.get(target), statuses)
                if response.status == 403:
                    self.check_problem(response, "no_role")
                self.good_request_is_fast()

    def test_refuses_every_way_around_the_rule_bytewise(self):
        for case, target, statuses in REFUSED:
            if len(target) < 100:
                with self.subTest(case=case, target=target):
                    self.refuse(self.get(target), statuses, split=1)

    def test_refuses_raw_high_bytes(self):
        for byte in range(0x80, 0x100):
            with self.subTest(case=154, byte=byte):
                self.refuse(self.get(f"/public/x{chr(byte)}"), 400)
                self.refuse(self.get(f"/public/x?{chr(byte)}"), 400)

    def test_long_paths_cost_little(self):
        """Case 157: the processor's time, not the clock's: at most a millisecond each, token and answer included."""
        count = 200
        for target in ("/public/" + "a/" * 4000, "/public/" + "../" * 2000, "/" + "%2e" * 2700,
                       "/public/" + "a/../" * 1600 + "x", "/public/" + "%2f" * 2700,
                       "/public/" + "%c3%a9" * 1300 + "/%2e", "/public/" + "%61" * 2700 + "/../x",
                       "/public/a/" + "b" * 8000 + "/.." * 2):
            with self.subTest(case=157, target=target[:30]):
                data = self.get(target)
                before = self.cpu_seconds()
                for _ in range(count):
                    with self.door.client() as client:
                        client.exchange(data)
                if not process.is_sanitized():
                    self.assertLess(self.cpu_seconds() - before, count * 0.001)

    def cpu_seconds(self):
        """What barkeep has used so far."""
        stat = pathlib.Path(f"/proc/{self.door.barkeep.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def test_names_ambiguous_paths(self):
        for target in ("/public/%2e%2e/admin/x", "/public/..%2fadmin/x", "/public/..;/admin/x",
                       "//admin/x", "/public/%5c", f"/public/{FULLWIDTH_SLASH}"):
            with self.subTest(target=target):
                self.refuse(self.get(target), 400, AMBIGUOUS)

    def test_refuses_raw_controls_and_nul(self):
        for byte in [*range(0, 33), 127]:
            with self.subTest(case=153, byte=byte):
                self.refuse(self.get(f"/public/x{chr(byte)}y"), 400)

    def test_refuses_raw_bytes_outside_the_grammar(self):
        for character in '"<>[]^`{|}':
            with self.subTest(character=character):
                self.refuse(self.get(f"/public/x{character}y"), 400)

    def test_sends_and_logs_the_path_it_judged(self):
        for target, expected in PASSING:
            with self.subTest(case=159, target=target[:60]):
                response, request = self.allow(self.get(target))
                self.check_forwarded(request, response, "GET", expected)
                line = self.door.audit.wait_for(response.request_id)
                self.check_logged(expected.partition("?")[0], line["path"])

    def check_logged(self, expected, logged):
        """The same, or its beginning with a mark when it is very long."""
        if len(expected) > 4000 and logged.endswith("\u2026"):
            self.assertTrue(expected.startswith(logged[:-1]) and len(logged) > 4000)
        else:
            self.assertEqual(expected, logged)

    def test_query_bytes_are_visible_ascii(self):
        for target in ("/public/x?\x01", "/public/x?\x7f", "/public/x?a\x00b", "/public/x?a b"):
            with self.subTest(target=target):
                self.refuse(self.get(target), 400)

    def test_role_opens_what_it_names(self):
        token = self.door.admin_token()
        for target, expected in (("/admin/x", "/admin/x"), ("/%61dmin/x", "/admin/x"),
                                 ("/public/../admin/x", "/admin/x")):
            _, request = self.allow(raw.request("GET", target, token=token))
            self.assertEqual(expected, request.target)
        self.refuse(raw.request("GET", "/public/%2e%2e/admin/x", token=token), 400, AMBIGUOUS)


class Routes(WireCase):
    """Prefixes, hosts, the longest match, base paths."""

    @classmethod
    def change_config(cls, config, door):
        everyone = [{"role": "Contributor", "to": {"everyone": True}}]
        upstream = door.upstream.url
        config["routes"] += [
            {"name": "api", "path": "/api", "upstream": upstream, "access": [
                {"role": "Visitor", "to": {"everyone": True}}]},
            {"name": "api-v2", "path": "/api/v2", "upstream": upstream + "/base/",
             "access": everyone},
            {"name": "slashes", "path": "/slashes", "upstream": upstream,
             "encoded_slashes": "pass", "access": [
                 {"role": "Queues", "to": {"everyone": True}}]},
            {"name": "host", "host": "other.example", "path": "/", "upstream": upstream + "/other",
             "access": everyone},
            {"name": "suffix", "host": "*.wild.example", "path": "/w", "upstream": upstream,
             "access": everyone},
        ]
        config["roles"]["Queues"] = {"actions": ["* /api/queues/*/*"]}

    def get(self, target, host="gw.example"):
        return raw.request("GET", target, token=self.token, host=host)

    def test_prefix_is_replaced_by_the_upstreams_path(self):
        for host, target, route, expected in (
                ("gw.example", "/api/public/x?q=1", "api", "/public/x?q=1"),
                ("gw.example", "/api/v2", "api-v2", "/base/"),
                ("gw.example", "/api/v2/", "api-v2", "/base/"),
                ("gw.example", "/api/v2/x", "api-v2", "/base/x"),
                ("gw.example", "/api/v2?x", "api-v2", "/base/?x"),
                ("gw.example", "/api/v2/../public/x", "api", "/public/x"),
                ("other.example", "/public/x", "host", "/other/public/x"),
                ("other.example", "/api/v2/x", "host", "/other/api/v2/x"),
                ("OTHER.example:99", "/x", "host", "/other/x"),
                ("a.wild.example", "/w/x", "suffix", "/x"),
                ("a.b.wild.example", "/w", "suffix", "/"),
                ("a.wild.example", "/public/x", "main", "/public/x"),
                ("wild.example", "/public/w", "main", "/public/w")):
            with self.subTest(host=host, target=target):
                response, request = self.allow(self.get(target, host))
                self.assertEqual(expected, request.target)
                self.assertEqual(route, self.door.audit.wait_for(response.request_id)["route"])

    def test_prefix_matches_whole_segments_only(self):
        for case, target in ((149, "/apix"), (149, "/api../admin"), (149, "/api%2e/admin"),
                             (149, "/api%2e%2e/admin"), (149, "/api/v2x")):
            with self.subTest(case=case, target=target):
                self.refuse(self.get(target), (400, 403))

    def test_escape_from_the_prefix_is_judged_where_it_lands(self):
        self.refuse(self.get("/api/v2/../admin"), 403, "no_role")
        self.refuse(self.get("/api/../admin/x"), 403, "no_role")

    def test_encoded_slashes_pass_where_the_route_says_so(self):
        for target, expected in (
                ("/slashes/api/queues/%2F/name", "/api/queues/%2F/name"),
                ("/slashes/api/queues/%2f/name", "/api/queues/%2f/name"),
                ("/slashes/api/queues/a%2Fb/name?x=%2F", "/api/queues/a%2Fb/name?x=%2F")):
            with self.subTest(target=target):
                _, request = self.allow(self.get(target))
                self.assertEqual(expected, request.target)

    def test_an_encoded_slash_is_no_separator_for_rules(self):
        for target, statuses in (("/slashes/api/queues/x%2Fname", 403),
                                 ("/slashes/api/queues/..%2Fx/name", 400),
                                 ("/slashes/api/queues/%2F..%2F/name", 400),
                                 ("/slashes/api/queues/%2e%2e%2F/name", 400),
                                 ("/slashes/api/queues/%2F/../x", 403),
                                 ("/slashes%2Fapi/queues/a/b", (400, 403)),
                                 ("/slashes/api/queues/%252F/a/b", 403)):
            with self.subTest(case=143, target=target):
                self.refuse(self.get(target), statuses)


class NoRoute(WireCase):
    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["path"] = "/public"
        config["roles"]["Visitor"] = {"actions": ["* /**"]}

    def check_forwarded(self, request, response, method, target, headers=(), body=b"",
                        framing=()):
        self.assertEqual("/control", request.path)

    def test_unknown_paths_are_404(self):
        for target in ("/", "/x", "/publicx", "/PUBLIC/x", "/public%2e/x", "/%2570ublic/x"):
            with self.subTest(target=target):
                self.refuse(raw.request("GET", target, token=self.token), 404, "no_route")

    def test_unknown_paths_are_refused_without_a_token_too(self):
        self.refuse(raw.request("GET", "/x"), (401, 404), ("no_route", "token_missing"))

    def test_a_route_of_another_host_does_not_answer(self):
        self.allow(raw.request("GET", "/public/x", token=self.token, host="any.example"))


if __name__ == "__main__":
    unittest.main()
