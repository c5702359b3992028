#!/usr/bin/python3
"""Query parameters and cookies (contract section 4): one copy at the upstream, and it is ours."""

import pathlib
import unittest

import wire  # noqa: F401
from lib import raw
from test_secrets import SecretCase

KEY = "canary key/+&=%7f3a"
ENCODED = "canary%20key%2F%2B%26%3D%257f3a"
COOKIE = "canary-cookie-0d2e"


class QueryAndCookie(SecretCase):
    becomes_ready = False  # some values cannot be rendered

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        values = {"key": KEY, "cookie": COOKIE, "bent": "a\nb", "semicolon": "a;b-and-more"}
        for name, value in values.items():
            (folder / name).write_text(value)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {
            "query": {"query": {"api_key": "{local/key}", "v": "1"}},
            "cookie": {"cookie": {"sid": "{local/cookie}"}},
            "bent": {"query": {"k": "{local/bent}"}},
            "bad-cookie": {"cookie": {"k": "{local/semicolon}"}}}
        cls.add_routes(config, door, config["credentials"])

    def sent(self, target, *headers):
        mark = self.door.upstream.mark()
        response = self.ask(target, *headers)
        self.assertEqual(200, response.status, response.body)
        request, = self.door.upstream.since(mark)
        self.assertEqual([], request.all("Authorization"))
        return request

    def test_parameters_are_added_encoded(self):
        ours = f"api_key={ENCODED}&v=1"
        self.assertEqual(f"/x?{ours}", self.sent("/query/x").target)
        self.assertEqual(f"/x?{ours}", self.sent("/query/x?").target)
        self.assertEqual(f"/x?a=b&{ours}", self.sent("/query/x?a=b").target)

    def test_callers_parameters_of_that_name_are_removed(self):
        """Case 81 for queries: whatever a server might take for the same name."""
        ours = f"api_key={ENCODED}&v=1"
        for theirs in ("api_key=evil", "API_KEY=evil", "%61pi_key=evil", "api%5Fkey=evil",
                       "api_key=evil&api_key=evil2", "api_key", "api_key[]=evil", "api.key=evil",
                       "api+key=evil", "v=2&V=3&api_key=evil"):
            with self.subTest(case=81, theirs=theirs):
                self.assertEqual(f"/x?{ours}", self.sent(f"/query/x?{theirs}").target)
                self.assertEqual(f"/x?a=1&b=2&{ours}",
                                 self.sent(f"/query/x?a=1&{theirs}&b=2").target)

    def test_cookies_are_added_to_the_callers(self):
        self.assertEqual([f"sid={COOKIE}"], self.sent("/cookie/x").all("Cookie"))
        self.assertEqual([f"a=1; b=2; sid={COOKIE}"],
                         self.sent("/cookie/x", ("Cookie", "a=1; b=2")).all("Cookie"))
        self.assertEqual([f"a=1; b=2; sid={COOKIE}"],
                         self.sent("/cookie/x", ("Cookie", "a=1"), ("cookie", "b=2")).all("Cookie"))

    def test_callers_cookies_of_that_name_are_removed(self):
        for theirs in ("sid=evil", "SID=evil", "a=1; sid=evil", "sid=evil; a=1", "sid=e; sid=f",
                       'a="x; sid=evil"', "sid", "%73id=evil", "a=1,sid=evil"):
            with self.subTest(theirs=theirs):
                cookies = self.sent("/cookie/x", ("Cookie", theirs)).all("Cookie")
                self.assertEqual(1, len(cookies))
                self.assertTrue(cookies[0].endswith(f"sid={COOKIE}"))
                self.assertNotIn("evil", cookies[0])
                self.assertEqual(1, cookies[0].lower().count("sid"))

    def test_values_that_would_end_early_are_never_sent(self):
        for name in ("bent", "bad-cookie"):
            mark = self.door.upstream.mark()
            self.check_refusal(self.ask(f"/{name}/x"), 503, "secret_unavailable")
            self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_queries_are_written_nowhere(self):
        responses = [self.ask("/query/x?a=b"), self.ask("/cookie/x")]
        self.settle_audit()
        for response in responses:
            self.door.audit.wait_for(response.request_id)
        self.check_no_leak([KEY, COOKIE])


if __name__ == "__main__":
    unittest.main()
