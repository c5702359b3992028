#!/usr/bin/python3
"""What an upstream repeats of an injected secret does not reach the caller (CASES.md 178)."""

import base64
import html
import json
import pathlib
import random
import string
import unittest
import urllib.parse

import wire  # noqa: F401
from lib import raw, recorder
from test_secrets import SecretCase

SECRET = 'canary<"sec&ret">/+~5e1d'
PLAIN = "canary-plain-93bd-93bd"
USER = "admin"


def masked(text):
    return b"*" * len(text)


def forms(secret):
    """How an upstream might repeat it; each must not be in what the caller gets."""
    plain = secret.encode()
    yield "raw", plain
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    yield "percent", urllib.parse.quote(secret, safe="").encode()
    yield "form", urllib.parse.quote_plus(secret, safe="").encode()
    yield "json", json.dumps(secret)[1:-1].encode()
    yield "html", html.escape(secret).encode()
    yield "base64", base64.b64encode(plain)
    yield "base64url", base64.urlsafe_b64encode(plain)


class Scrub(SecretCase):
    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "password").write_text(SECRET)
        (folder / "plain").write_text(PLAIN)
        (folder / "short").write_text("abc12")
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {
            "basic": {"basic": {"username": USER, "password": "local/password"}},
            "plain": {"bearer": "local/plain"},
            "open": {"bearer": "local/plain"},
            "short": {"bearer": "local/short"},
            "odd": {"headers": {"X-Key": "{local/password}"}}}
        cls.add_routes(config, door, ["basic", "plain", "short", "odd"])
        cls.add_routes(config, door, ["open"], scrub=False)

    def answered(self, route, data, path="/echo"):
        """What a caller gets when the upstream answers these bytes (then closes)."""
        def play(peer, request):
            peer.read_body(request)
            for piece in data if isinstance(data, list) else [data]:
                peer.send(piece)
            peer.close()
        self.door.upstream.on(path, play)
        return self.ask(f"/{route}{path}")

    def test_every_form_in_a_body_is_masked(self):
        for name, form in forms(SECRET):
            with self.subTest(form=name):
                body = b"before " + form + b" after"
                response = self.answered("odd", recorder.answer(200, body))
                self.assertEqual(len(body), len(response.body))
                self.assertTrue(response.body.startswith(b"before ") and
                                response.body.endswith(b" after"), response.body)
                # of base64 only what depends on the secret alone is known
                core = form.rstrip(b"=")[:-1]
                self.assertNotIn(core, response.body)
                self.assertGreaterEqual(response.body.count(b"*"), len(core) - 3)

    def test_the_rendered_credential_is_masked(self):
        joined = f"{USER}:{SECRET}".encode()
        for shift in range(3):
            text = base64.b64encode(b"x" * shift + joined + b"yz")
            response = self.answered("basic", recorder.answer(200, text))
            inner = base64.b64encode(b"x" * shift + joined)[4:-4]
            self.assertNotIn(inner, response.body)
        response = self.answered("basic", recorder.answer(200, b"Basic " + base64.b64encode(joined)))
        self.assertTrue(response.body.startswith(b"Basic ****"), response.body)

    def test_headers_of_every_answer_are_masked(self):
        for status in (200, 302, 404, 500):
            answer = recorder.answer(status, b"x", [("X-Echo", PLAIN), ("Location", f"/?a={PLAIN}"),
                                                    ("Set-Cookie", f"s={PLAIN}; Path=/")], PLAIN)
            response = self.answered("plain", answer)
            self.assertEqual(status, response.status)
            self.assertNotIn(PLAIN.encode(), response.head)
            self.assertEqual("*" * len(PLAIN), response.one("X-Echo"))
            self.assertEqual("/?a=" + "*" * len(PLAIN), response.one("Location"))
            self.assertEqual("s=" + "*" * len(PLAIN) + "; Path=/", response.one("Set-Cookie"))

    def test_early_hints_are_masked(self):
        response_bytes = (f"HTTP/1.1 103 Early Hints\r\nLink: </{PLAIN}>\r\n\r\n".encode() +
                          recorder.answer())
        self.door.upstream.on("/hints", response_bytes)
        with self.door.client() as client:
            client.send(raw.request("GET", "/plain/hints", token=self.token))
            first = client.read_head()
            self.assertEqual(103, first.status)
            self.assertNotIn(PLAIN.encode(), first.head)
            self.assertEqual(200, client.read_response().status)

    def test_streams_are_masked_across_every_border(self):
        """Split over reads, over chunks, byte by byte, with length and until the end."""
        text = b"data: " + PLAIN.encode() + b"\n\n" + PLAIN.encode() * 2 + b"end"
        expected = text.replace(PLAIN.encode(), masked(PLAIN))
        for size in (1, 3, 7, len(text)):
            pieces = [text[at:at + size] for at in range(0, len(text), size)]
            chunked = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
            chunked += [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
            chunked.append(b"0\r\nX-Trailer: " + PLAIN.encode() + b"\r\n\r\n")
            until_close = [b"HTTP/1.1 200 OK\r\n\r\n", *pieces]
            length = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text), *pieces]
            for data in (chunked, until_close, length):
                with self.subTest(size=size, framing=data[0]):
                    response = self.answered("plain", data)
                    self.assertEqual(expected, response.body)
                    self.assertNotIn(PLAIN.encode(), response.head)

    def test_large_bodies_keep_their_length(self):
        body = (b"x" * 4093 + PLAIN.encode()) * 200
        response = self.answered("plain", recorder.answer(200, body))
        self.assertEqual(body.replace(PLAIN.encode(), masked(PLAIN)), response.body)

    def test_an_event_is_not_kept_back(self):
        """A stream that waits after an event has sent all of it."""
        self.door.upstream.on("/events", lambda peer, request: (
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n"),
            peer.wait_closed()))
        with self.door.client() as client:
            client.send(raw.request("GET", "/plain/events", token=self.token))
            received = b""
            while b"hello\n" not in received:
                received += client._receive()

    def test_the_upstream_is_asked_for_plain_bodies(self):
        mark = self.door.upstream.mark()
        for given in ((), (("Accept-Encoding", "gzip, br"),), (("accept-encoding", "*"),)):
            self.assertEqual(200, self.ask("/plain/x", *given).status)
        for request in self.door.upstream.since(mark):
            self.assertEqual(["identity"], request.all("Accept-Encoding"))

    def test_parts_of_bodies_are_not_asked_for(self):
        """A part may begin within a secret: the upstream is asked for the whole."""
        asked = (("Range", "bytes=0-14"), ("if-range", '"v1"'), ("rANGE", "bytes=15-"))
        mark = self.door.upstream.mark()
        for field in asked:
            self.assertEqual(200, self.ask("/plain/x", field, ("X-Range", "kept")).status)
            self.assertEqual(200, self.ask("/open/x", field).status)
        requests = self.door.upstream.since(mark)
        for (name, value), searched, unsearched in zip(asked, requests[::2], requests[1::2]):
            self.assertEqual(([], []), (searched.all("Range"), searched.all("If-Range")))
            self.assertEqual(["kept"], searched.all("X-Range"))
            self.assertEqual([value], unsearched.all(name))

    def test_parts_of_answers_are_offered_on(self):
        answer = recorder.answer(200, b"x", [("Accept-Ranges", "bytes")])
        self.assertEqual("bytes", self.answered("plain", answer).one("Accept-Ranges"))

    def test_routes_that_do_not_scrub_leave_answers_alone(self):
        mark = self.door.upstream.mark()
        response = self.answered("open", recorder.answer(200, PLAIN.encode(), [("X-Echo", PLAIN)]))
        self.assertEqual((PLAIN.encode(), PLAIN), (response.body, response.one("X-Echo")))
        self.ask("/open/x", ("Accept-Encoding", "gzip"))
        self.assertEqual(["gzip"], self.door.upstream.since(mark)[-1].all("Accept-Encoding"))

    def test_without_a_credential_nothing_is_looked_for(self):
        self.door.upstream.on("/public/echo", recorder.answer(200, PLAIN.encode()))
        response = self.ask("/public/echo")
        self.assertEqual(PLAIN.encode(), response.body)

    def test_values_too_short_are_not_looked_for(self):
        response = self.answered("short", recorder.answer(200, b"abc12 is everywhere"))
        self.assertEqual(b"abc12 is everywhere", response.body)

    def test_what_was_masked_is_counted_and_audited(self):
        name = 'barkeep_scrubbed_total{route="plain"}'
        before = self.door.barkeep.metrics()[name]
        response = self.answered("plain", recorder.answer(200, (PLAIN + " " + PLAIN).encode(),
                                                          [("X-Echo", PLAIN)]))
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(3, line["scrubbed"])
        self.assertEqual(before + 3, self.door.barkeep.metrics()[name])
        clean = self.ask("/plain/x")
        self.assertNotIn("scrubbed", self.door.audit.wait_for(clean.request_id))


class Together(SecretCase):
    """What one request brought an upstream may come back with another's answer."""

    VALUES = {"reader": "canary-reader-1111", "writer": "canary-writer-2222",
              "default": "canary-default-3333", "elsewhere": "canary-elsewhere-4444"}

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["credentials"] = {}
        config["secrets"] = {}
        for name, value in cls.VALUES.items():
            (cls.folder / name).write_text(value)
            config["credentials"][name] = {"bearer": f"local/{name}"}
            config["secrets"][f"local/{name}"] = {"refresh": "1h"}
        everyone = {"role": "Contributor", "to": {"everyone": True}}
        write = {"to": {"everyone": True}, "actions": ["POST /**"]}
        shared = {"upstream": door.upstream.url, "credential": "default"}
        config["routes"] += [
            {"name": "shared", "path": "/shared", **shared,
             "access": [{**everyone, "credential": "reader"}, {**write, "credential": "writer"}]},
            {"name": "mixed", "path": "/mixed", "upstream": door.upstream.url,
             "access": [{"role": "Reader", "to": {"everyone": True}},
                        {**write, "credential": "writer"}]},
            {"name": "open", "path": "/open", "scrub": False, **shared, "access": [everyone]}]
        cls.add_routes(config, door, ["elsewhere"])

    def told(self, path, **options):
        text = " ".join(self.VALUES.values()).encode()
        self.door.upstream.on("/all", recorder.answer(200, text))
        response = self.ask(path, **options)
        self.assertEqual(200, response.status, response.body)
        return [name for name, value in self.VALUES.items() if value.encode() in response.body]

    def test_every_credential_of_the_route_is_masked(self):
        for method in ("GET", "POST"):
            self.assertEqual(["elsewhere"], self.told("/shared/all", method=method))
        self.assertEqual(["reader", "writer", "default"], self.told("/elsewhere/all"))

    def test_whoever_is_given_none_is_not_told_one_either(self):
        self.assertEqual(["reader", "default", "elsewhere"], self.told("/mixed/all"))
        mark = self.door.upstream.mark()
        self.ask("/mixed/x", ("Accept-Encoding", "gzip"))
        request = self.door.upstream.since(mark)[0]
        self.assertEqual(([], ["identity"]),
                         (request.all("Authorization"), request.all("Accept-Encoding")))

    def test_scrub_false_ends_it(self):
        self.assertEqual(list(self.VALUES), self.told("/open/all"))


class BothVersions(SecretCase):
    """An answer to a request that was sent twice may repeat what came with either."""

    OLD, NEW = "canary-old-1111", "canary-new-3333"

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(door.folder) / "secrets"
        cls.folder.mkdir(0o700)
        (cls.folder / "key").write_text(cls.OLD)
        config["vaults"] = {"local": f"file:{cls.folder}"}
        config["secrets"] = {"local/key": {"refresh": "1h"}}
        config["credentials"] = {"key": {"bearer": "local/key"},
                                 "basic": {"basic": {"username": USER, "password": "local/key"}}}
        cls.add_routes(config, door, ["key", "basic"])

    def test_a_replay_has_neither_version_come_back(self):
        seen = []

        def play(peer, request):
            peer.read_body(request)
            seen.append(request.all("Authorization")[0])
            refused = seen[-1] == f"Bearer {self.OLD}"
            peer.send(recorder.answer(401 if refused else 200, " ".join(seen).encode()))
        self.door.upstream.on("/rotated", play)
        (self.folder / "key").write_text(self.NEW)
        response = self.ask("/key/rotated")
        self.assertEqual([f"Bearer {self.OLD}", f"Bearer {self.NEW}"], seen)
        self.assertEqual((200, b"Bearer " + masked(self.OLD) + b" Bearer " + masked(self.NEW)),
                         (response.status, response.body))
        both = [base64.b64encode(f"{USER}:{value}".encode()) for value in (self.OLD, self.NEW)]
        self.door.upstream.on("/both", recorder.answer(200, b" ".join(both)))
        body = self.ask("/basic/both").body
        for text in both:
            self.assertNotIn(text[8:-4], body)


class TooLong(SecretCase):
    """A value whose forms fill secret memory is not injected unsearched: that says so, and others
    go on."""

    becomes_ready = False

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        dice = random.Random(5)
        text = "".join(dice.choice(string.ascii_letters + string.punctuation) for _ in range(25000))
        values = {"long": text, "fits": text[:8000], "plain": PLAIN}
        for name, value in values.items():
            (folder / name).write_text(value)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {name: {"bearer": f"local/{name}"} for name in values}
        cls.add_routes(config, door, values)

    def test_it_is_said_which(self):
        self.check_refusal(self.ask("/long/x"), 503, "secret_unavailable")
        self.assertEqual(200, self.ask("/plain/x").status)
        said = [line for line in self.door.barkeep.process.stderr().splitlines()
                if '"unsearchable"' in line]
        self.assertEqual(1, len(said))
        self.assertIn('"route":"long"', said[0])
        self.assertIn("no room", said[0])

    def test_8000_characters_of_any_kind_fit(self):
        self.assertEqual(200, self.ask("/fits/x").status)


if __name__ == "__main__":
    unittest.main()
