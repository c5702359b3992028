#!/usr/bin/python3
"""Revocation: the list in a file, in force within a second, for requests that run too."""

import base64
import json
import os
import pathlib
import re
import threading
import time
import unittest
import uuid

import wire  # noqa: F401
from lib import process, raw, tokens
from lib.case import WireCase
from lib.door import Door
from lib.net import patient

WITHIN_SECONDS = 1.0
CP1 = {"xms_cc": ["cp1"]}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"


def caller(**claims):
    """Claims of a user whom no other test knows."""
    return tokens.user(**{"oid": str(uuid.uuid4()), **claims})


def endless(peer, request):
    """Begins an answer and holds it open."""
    peer.read_body(request)
    peer.send(STREAM_HEAD)
    peer.wait_closed()


def silent(peer, request):
    peer.read_body(request)
    peer.wait_closed()


class RevocationCase(WireCase):
    @classmethod
    def change_config(cls, config, door):
        cls.file = pathlib.Path(door.folder) / "revoked"
        cls.file.write_text("# nobody yet\n")
        cls.file.chmod(0o600)
        config["revoked"] = str(cls.file)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.replace, "")

    def replace(self, text):
        """As tools write files: beside it, then renamed to its place."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.rename(self.file)

    def revoke(self, *lines):
        self.replace("".join(f"{line}\n" for line in lines))

    def ask(self, token, target="/public/x"):
        with self.door.client() as client:
            return client.exchange(raw.request("GET", target, token=token))

    def status(self, token):
        return self.ask(token).status

    def soon(self, condition, what):
        """True within the second that is promised."""
        started = time.monotonic()
        self.wait_for(condition, what, WITHIN_SECONDS)
        return time.monotonic() - started

    def refused(self, token, status, reason):
        self.soon(lambda: self.status(token) != 200, "refused within a second")
        # by its name: what the last allowed request left may be counted late
        target = f"/public/refused-{uuid.uuid4()}"
        mark = self.door.upstream.mark()
        response = self.ask(token, target)
        self.check_refusal(response, status, reason)
        self.assertEqual([], [seen.target for seen in self.door.upstream.since(mark)
                              if seen.target == target])
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(("deny", "revoked"), (line["decision"], line["rule"]))
        return json.loads(response.body), response, line

    def events(self):
        return [event for event in self.door.audit.read() if event["event"] == "reload"]

    def wait_for_event(self, mark, key):
        """The first reload event since `mark` that has `key`."""
        found = []

        def look():
            found[:] = [event for event in self.events()[mark:] if key in event]
            return found
        self.wait_for(look, f"a reload event with {key}")
        return found[0]


class Entries(RevocationCase):
    def test_each_kind_of_entry_names_its_caller_only(self):
        other = self.door.token(caller())
        for name, line in (("oid", "oid {oid}"), ("upper case", "oid {OID}"),
                           ("tenant and oid", "tenant {tid} oid {oid}"),
                           ("session", "sid {sid}"), ("token", "uti {uti}")):
            with self.subTest(name):
                claims = caller(sid=str(uuid.uuid4()))
                token = self.door.token(claims)
                self.assertEqual(200, self.status(token))  # and it is in the token cache
                self.revoke("# left on Monday", "", "  " + line.format(
                    OID=claims["oid"].upper(), **claims) + "  # she")
                problem, _, audit = self.refused(token, 403, "denied")
                self.assertIn("revoked", problem["detail"])
                self.assertEqual(claims["oid"], audit["principal"]["oid"])
                self.assertEqual(200, self.status(other))
                self.replace("")
                self.soon(lambda: self.status(token) == 200, "allowed again")

    def test_another_tenants_entry_is_about_somebody_else(self):
        claims = caller()
        token, witness = self.door.token(claims), self.door.token(caller(uti="witness"))
        self.revoke(f"tenant {tokens.OTHER_TENANT} oid {claims['oid']}", "uti witness")
        self.refused(witness, 403, "denied")
        self.assertEqual(200, self.status(token))

    def test_a_token_of_the_session_that_was_never_seen_is_refused(self):
        claims = caller(sid="session-7")
        self.revoke("sid session-7")
        self.refused(self.door.token(claims), 403, "denied")

    def test_a_revoked_caller_with_cp1_and_no_time_is_denied(self):
        claims = caller(**CP1)
        self.revoke(f"oid {claims['oid']}")
        self.refused(self.door.token(claims), 403, "denied")


class NotBefore(RevocationCase):
    def test_only_older_tokens_are_refused(self):
        now = int(time.time())
        claims = caller(iat=now - 100, nbf=now - 100)
        old = self.door.token(claims)
        same = self.door.token({**claims, "iat": now - 50, "nbf": now - 50})
        new = self.door.token({**claims, "iat": now - 10, "nbf": now - 10})
        for time_text in (str(now - 50), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 50)),
                          time.strftime("%Y-%m-%dT%H:%M:%S+01:00", time.gmtime(now - 50 + 3600))):
            with self.subTest(time_text):
                self.revoke(f"oid {claims['oid']} not-before {time_text}")
                problem, response, _ = self.refused(old, 403, "denied")
                self.assertIn("sign in again", problem["detail"])
                self.assertEqual([], response.all("WWW-Authenticate"))
                self.assertEqual((200, 200), (self.status(same), self.status(new)))
                self.replace("")
                self.soon(lambda: self.status(old) == 200, "allowed again")

    def test_the_tokens_iat_counts_and_its_nbf_only_without_one(self):
        now = int(time.time())
        claims = caller(iat=now, nbf=now - 100)
        fresh = self.door.token(claims)
        without = self.door.token(tokens.applied(claims, {"iat": tokens.DROP}))
        self.revoke(f"oid {claims['oid']} not-before {now - 50}")
        self.refused(without, 403, "denied")
        self.assertEqual(200, self.status(fresh))

    def test_a_client_with_cp1_is_told_to_sign_in_again(self):
        now = int(time.time())
        claims = caller(iat=now - 100, nbf=now - 100, **CP1)
        self.revoke(f"tenant {tokens.TENANT} oid {claims['oid']} not-before {now - 50}")
        _, response, _ = self.refused(self.door.token(claims), 401, "claims_required")
        header = response.one("WWW-Authenticate")
        match = re.fullmatch(
            f'Bearer realm="", authorization_uri="{self.door.authority.url}/common/oauth2/authorize"'
            ', error="insufficient_claims", claims="([A-Za-z0-9+/]+)"', header)
        self.assertTrue(match, header)
        self.assertEqual(
            {"access_token": {"nbf": {"essential": True, "value": str(now - 50)}}},
            json.loads(base64.b64decode(match[1], validate=True)))
        again = self.door.token({**claims, "iat": now, "nbf": now})
        self.assertEqual(200, self.status(again))


class Running(RevocationCase):
    def open_stream(self, token, script, target="/public/stream"):
        self.door.upstream.on(target, script)
        mark = self.door.upstream.mark()
        client = self.door.client()
        self.addCleanup(client.close)
        client.send(raw.request("GET", target, token=token))
        self.door.upstream.wait_for_request(mark)
        return client

    def test_an_open_stream_is_cut_within_a_second(self):
        claims = caller()
        client = self.open_stream(self.door.token(claims), endless)
        head = client.read_head()
        self.assertEqual(b"4\r\npart\r\n", client.take(9))
        bystander = self.open_stream(self.door.token(caller()), endless, "/public/bystander")
        bystander.read_head()
        self.revoke(f"oid {claims['oid']}")
        started = time.monotonic()
        self.assertEqual(b"", client.read_to_end())
        self.assertLess(time.monotonic() - started, patient(WITHIN_SECONDS))
        line = self.door.audit.wait_for(head.request_id)
        self.assertEqual(("revoked", 200), (line["aborted"], line["status"]))
        self.assertEqual(b"4\r\npart\r\n", bystander.take(9))
        bystander.socket.settimeout(0.3)
        with self.assertRaises(AssertionError):  # still open: nothing comes, not even the end
            bystander.read_to_end()

    def test_the_upstream_of_a_cut_stream_is_let_go(self):
        claims = caller()
        closed = threading.Event()

        def watching(peer, request):
            peer.read_body(request)
            peer.send(STREAM_HEAD)
            peer.wait_closed()
            closed.set()
        self.open_stream(self.door.token(claims), watching, "/public/watched").read_head()
        self.revoke(f"oid {claims['oid']}")
        self.assertTrue(closed.wait(patient(WITHIN_SECONDS)))

    def test_a_request_without_an_answer_yet_is_refused(self):
        claims = caller()
        client = self.open_stream(self.door.token(claims), silent, "/public/silent")
        self.revoke(f"oid {claims['oid']}")
        started = time.monotonic()
        response = client.read_response()
        self.assertLess(time.monotonic() - started, patient(WITHIN_SECONDS))
        self.check_refusal(response, 403, "denied")
        self.assertEqual("revoked", self.door.audit.wait_for(response.request_id)["rule"])

    def test_an_upload_that_goes_on_is_cut(self):
        claims = caller()
        self.door.upstream.on("/public/upload", silent)
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(raw.request("PUT", "/public/upload", [("Content-Length", "1000000")],
                                    token=self.door.token(claims)) + b"x" * 1000)
            self.door.upstream.wait_for_request(mark)
            self.revoke(f"oid {claims['oid']}")
            response = client.read_response("PUT")
        self.check_refusal(response, 403, "denied")

    def test_a_stream_of_a_newer_token_goes_on(self):
        now = int(time.time())
        claims = caller(iat=now, nbf=now)
        client = self.open_stream(self.door.token(claims), endless, "/public/newer")
        client.read_head()
        old = self.door.token({**claims, "iat": now - 100, "nbf": now - 100})
        self.revoke(f"oid {claims['oid']} not-before {now - 50}")
        self.refused(old, 403, "denied")
        self.assertEqual(b"4\r\npart\r\n", client.take(9))
        client.socket.settimeout(0.3)
        with self.assertRaises(AssertionError):
            client.read_to_end()

    def test_many_streams_end_together(self):
        claims = caller()
        token = self.door.token(claims)
        count = 200
        self.door.upstream.on("/public/many", endless)
        clients = [self.door.client() for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
            client.send(raw.request("GET", "/public/many", token=token))
        for client in clients:
            client.read_head()
            client.take(9)
        self.revoke(f"oid {claims['oid']}")
        started = time.monotonic()
        for client in clients:
            self.assertEqual(b"", client.read_to_end())
        self.assertLess(time.monotonic() - started, patient(WITHIN_SECONDS))


class Files(RevocationCase):
    def setUp(self):
        super().setUp()
        self.claims = caller()
        self.revoked = self.door.token(self.claims)
        self.line = f"oid {self.claims['oid']}"
        self.revoke(self.line)
        self.refused(self.revoked, 403, "denied")

    def bad(self, change, words):
        """A change after which the old list stays and an event says what was wrong."""
        mark = len(self.events())
        change()
        event = self.wait_for_event(mark, "problem")
        self.assertIn(words, event["problem"])
        self.assertEqual(str(self.file), event["file"])
        self.assertEqual(403, self.status(self.revoked))

    def test_a_bad_line_keeps_the_old_list(self):
        other = caller()
        self.bad(lambda: self.revoke(f"oid {other['oid']}", "", "user mira"),
                 "line 3: must begin with oid, tenant, sid or uti, got user")
        self.assertEqual(200, self.status(self.door.token(other)))
        self.bad(lambda: self.revoke("oid mira"), "line 1: a GUID must follow")
        self.bad(lambda: self.replace("x" * (8 * 1024 * 1024 + 1)), "is larger than 8 MiB")
        mark = len(self.events())
        self.revoke(f"oid {other['oid']}")
        self.assertEqual(1, self.wait_for_event(mark, "revoked")["revoked"])
        self.soon(lambda: self.status(self.revoked) == 200, "the good file is taken")

    def test_a_file_that_is_gone_keeps_the_old_list(self):
        self.bad(self.file.unlink, "cannot be opened: No such file")

    def test_a_file_that_everyone_may_write_to_is_refused(self):
        def open_up():
            self.replace("")
            self.file.chmod(0o666)
        self.bad(open_up, "everyone may write to it")

    def test_too_many_entries_keep_the_old_list(self):
        lines = "".join(f"uti {number}\n" for number in range(100001))
        self.bad(lambda: self.replace(lines), "line 100001: more than 100000 entries")

    def test_a_file_written_in_place_is_taken(self):
        other = caller()
        self.file.write_text(f"{self.line}\noid {other['oid']}\n")
        self.refused(self.door.token(other), 403, "denied")

    def test_nothing_of_the_list_is_in_the_log_but_its_length(self):
        mark = len(self.events())
        self.revoke("uti secret-uti-value", self.line)
        self.assertEqual(2, self.wait_for_event(mark, "revoked")["revoked"])
        self.assertNotIn(b"secret-uti-value", self.door.audit.raw())


class SwappedLinks(RevocationCase):
    """A mounted ConfigMap: the named file is a link through `..data`, which is swapped."""

    @classmethod
    def change_config(cls, config, door):
        cls.mount = pathlib.Path(door.folder) / "mount"
        cls.mount.mkdir()
        cls.versions = 0
        cls.swap("")
        (cls.mount / "revoked").symlink_to("..data/revoked")
        config["revoked"] = str(cls.mount / "revoked")

    @classmethod
    def swap(cls, text):
        cls.versions += 1
        folder = cls.mount / f"..{cls.versions}"
        folder.mkdir()
        (folder / "revoked").write_text(text)
        (folder / "revoked").chmod(0o644)
        link = cls.mount / "..data_tmp"
        link.symlink_to(folder.name)
        os.replace(link, cls.mount / "..data")

    def replace(self, text):
        self.swap(text)

    def test_a_swap_is_followed_within_a_second(self):
        claims = caller()
        token = self.door.token(claims)
        self.assertEqual(200, self.status(token))
        self.revoke(f"oid {claims['oid']}")
        self.refused(token, 403, "denied")
        self.revoke("# nobody")
        self.soon(lambda: self.status(token) == 200, "allowed again")


class LongList(RevocationCase):
    """10,000 entries; that a look-up does not walk them is the unit tests' to show."""

    def test_a_long_list_spares_whom_it_does_not_name(self):
        token = self.door.token(caller(sid="s"))
        witness = caller()
        self.revoke(*(f"{kind} {uuid.uuid4()}" for kind in ("oid", "sid", "uti")
                      for _ in range(3333)), f"oid {witness['oid']}")
        self.refused(self.door.token(witness), 403, "denied")
        for _ in range(100):
            self.assertEqual(200, self.status(token))


class CommandLine(unittest.TestCase):
    """`check` and `serve` refuse a list that cannot be used."""

    def setUp(self):
        self.door = Door()
        self.addCleanup(self.door.stop_quietly)
        self.file = pathlib.Path(self.door.folder) / "revoked"
        self.door.config["revoked"] = "revoked"  # from the configuration's own folder

    def run_command(self, command):
        self.door.barkeep.write_config(self.door.config)
        path = self.door.barkeep.config_path
        code, out, err = process.run([process.barkeep_binary(), command, "-c", str(path)])
        text = path.read_text().splitlines()
        line = next(i for i, words in enumerate(text, 1) if '"revoked"' in words)
        return code, out if command == "check" else err, f"{path}:{line}:13: error: revoked: "

    def test_a_good_list_is_no_problem(self):
        self.file.write_text(f"oid {tokens.USER}\n")
        self.file.chmod(0o600)
        self.assertEqual((0, ""), self.run_command("check")[:2])

    def test_a_bad_list_is_a_problem_with_its_line(self):
        self.file.write_text(f"# c\noid {tokens.USER} not-after 1\n")
        self.file.chmod(0o600)
        for command in ("check", "serve"):
            with self.subTest(command):
                code, text, place = self.run_command(command)
                self.assertEqual(2, code)
                self.assertEqual(f"{place}{self.file}: line 2: nothing more is expected, "
                                 "got not-after\n", text)

    def test_a_missing_list_is_a_problem(self):
        for command in ("check", "serve"):
            with self.subTest(command):
                code, text, place = self.run_command(command)
                self.assertEqual(2, code)
                self.assertTrue(text.startswith(f"{place}{self.file}: cannot be opened"), text)

    def test_a_list_that_everyone_may_write_to_is_a_problem(self):
        self.file.write_text("")
        self.file.chmod(0o666)
        code, text, _ = self.run_command("check")
        self.assertEqual(2, code)
        self.assertIn("everyone may write to it", text)


if __name__ == "__main__":
    unittest.main()
