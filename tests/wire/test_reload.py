#!/usr/bin/python3
"""A changed configuration takes over: what is wrong changes nothing, what is right holds at once and alone
(CASES.md K 222-224)."""

import json
import os
import pathlib
import shutil
import threading
import unittest
import uuid

import wire  # noqa: F401
from lib import process, recorder, tokens
from lib.door import Door
from lib.net import patient
from lib.reload_case import CHUNK, STREAM_HEAD, ReloadCase, hash_of, route, text_of, without_rules


def link_to_itself(path):
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def a_folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def huge(path):
    """100 MiB of a comment, without a byte of it on the disk."""
    path.write_bytes(b"# ")
    os.truncate(path, 100 << 20)
    path.chmod(0o600)


class BadFiles(ReloadCase):
    """Case 222: what is in force stays in force, and the event says what is wrong and where."""

    def refused(self, spoil, expected, mark):
        spoil(self.path)
        self.hang_up()
        event = self.wait_for_event(mark, "refused", timeout=30)
        self.assertIn(expected, event["problem"])
        self.assertIn(str(self.path), event["problem"])
        self.assertEqual(hash_of(self.door.config), event["config_hash"])
        self.assertGreaterEqual(event["errors"], 1)
        self.assertEqual(hash_of(self.door.config), self.hash_in_force())
        self.assertEqual(200, self.status("/public/x"))
        self.assertEqual(403, self.status("/admin/x"))
        self.assertEqual(200, self.door.barkeep.readiness()[0])
        code, out, err = process.run([process.barkeep_binary(), "check", "-c", self.path], 30)
        self.assertEqual(2, code, out + err)
        self.assertIn(expected, out + err)

    def clear(self):
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()
        else:
            self.path.unlink(missing_ok=True)

    def spoiled(self, old, new):
        text = text_of(self.door.config)
        self.assertIn(old, text)
        line = text[:text.index(old)].count(b"\n") + 1

        def write(path):
            self.put(text.replace(old, new, 1))
        return write, f"{self.path}:{line}:"

    def test_each_spoiled_file_changes_nothing(self):
        rows = {
            "a missing bracket": self.spoiled(b'"entra": {', b'"entra": ]'),
            "an unknown key": self.spoiled(b'"drain"', b'"drian"'),
            "a wrong type": self.spoiled(b'"drain": "5s"', b'"drain": ["5s"]'),
            "an upstream that is none": self.spoiled(b'"upstream": "http://', b'"upstream": "ftp://'),
            "a role that is not there": self.spoiled(b'"role": "Visitor"', b'"role": "Visitors"'),
            "an empty file": (lambda path: self.put(b""), "error"),
            "a missing file": (lambda path: path.unlink(), "error"),
            "a link to itself": (link_to_itself, "error"),
            "a folder": (a_folder, "error"),
            "100 MiB": (huge, "error"),
            "NULs": (lambda path: self.put(b"\0" * 4096), "error"),
            "anyone may write": (lambda path: (self.put(self.door.config), path.chmod(0o666)),
                                 "everyone may write"),
        }
        for name, (spoil, expected) in rows.items():
            with self.subTest(name):
                mark = len(self.events())
                self.refused(spoil, expected, mark)
                self.clear()
                self.reload(self.edited(lambda config: config.update(drain="6s")))
                self.reload(self.door.config)

    def test_a_spoiled_file_is_noticed_without_a_signal(self):
        mark = len(self.events())
        self.put(b"listen: ]\n")
        event = self.wait_for_event(mark, "refused", why="change")
        self.assertIn(f"{self.path}:1:", event["problem"])
        self.assertEqual(200, self.status("/public/x"))

    def test_what_cannot_be_made_ready_changes_nothing(self):
        """Beyond the file itself: what it names is looked at before anything changes."""
        for name, edit, expected in (
                ("a state folder that is a file",
                 lambda config: config.update(state=str(self.path)), "state"),
                ("a list of the revoked that is not there",
                 lambda config: config.update(revoked=str(self.path) + ".none"), "none")):
            with self.subTest(name):
                mark = len(self.events())
                self.put(self.edited(edit))
                self.hang_up()
                event = self.wait_for_event(mark, "refused", why="signal")
                self.assertIn(expected, event["problem"])
                self.assertEqual(200, self.status("/public/x"))
                self.assertEqual(hash_of(self.door.config), self.hash_in_force())
                self.reload(self.door.config)


class Noticed(ReloadCase):
    def test_the_event_says_what_changed(self):
        def edit(config):
            config["routes"].append(route(self.door, "added"))
            config["roles"]["Visitor"]["actions"].append("* /more/**")
        event = self.change(edit)
        self.assertEqual("signal", event["why"])
        self.assertEqual(str(self.path), event["config"])
        self.assertIn("routes.added", event["changed"].split(", "))
        self.assertNotIn("entra", event["changed"].split(", "))
        self.assertEqual("", event["needs_restart"])
        self.assertEqual(event["config_hash"], self.hash_in_force())

    def test_what_check_warns_of_is_logged(self):
        def edit(config):
            config["routes"].append(route(self.door, "nobodys", access=[]))
        self.assertNotIn("nobodys", self.door.barkeep.process.stderr())
        self.change(edit)
        self.soon(lambda: "route `nobodys`" in self.door.barkeep.process.stderr(), "the warning in the log")
        self.assertEqual([], [event for event in self.door.audit.read() if event["event"] == "config"])

    def test_a_change_is_noticed_without_a_signal(self):
        event = self.change(lambda config: config["routes"].append(route(self.door, "added")),
                            by_signal=False)
        self.assertEqual("change", event["why"])
        self.soon(lambda: self.status("/added/x") == 200, "the new route serves")

    def test_what_needs_a_restart_is_named_and_the_rest_holds(self):
        def edit(config):
            config["listen"] = "127.0.0.1:1"
            config["admin"] = "off"
            config["workers"] = 3
            config["limits"] = {"connections": 77}
            config["log"] = {**config["log"], "on_full": "drop"}
            config["routes"].append(route(self.door, "added"))
        event = self.change(edit)
        self.assertEqual({"listen", "admin", "workers", "limits", "log"},
                         set(event["needs_restart"].split(", ")))
        self.soon(lambda: self.status("/added/x") == 200, "the new route serves")
        self.assertEqual(hash_of(json.loads(self.path.read_text())), self.hash_in_force())

    def test_what_needs_a_restart_is_told_until_it_is_what_runs(self):
        event = self.change(lambda config: config.update(workers=3))
        self.assertEqual("workers", event["needs_restart"])
        event = self.change(lambda config: config.update(workers=3, drain="6s"))
        self.assertEqual("workers", event["needs_restart"], "still")
        event = self.reload(self.door.config)
        self.assertEqual("", event["needs_restart"], "back to what runs")

    def test_the_list_of_the_revoked_is_read_on(self):
        revoked = pathlib.Path(self.door.folder) / "revoked"
        revoked.write_text("# nobody yet\n")
        revoked.chmod(0o600)
        token = self.door.token(tokens.user(oid=str(uuid.UUID(int=7))))
        for drain in ("6s", "7s"):
            self.change(lambda config: config.update(revoked=str(revoked), drain=drain))
        self.assertEqual(200, self.status("/public/x", token))
        fresh = revoked.with_suffix(".new")
        fresh.write_text(f"oid {uuid.UUID(int=7)}\n")
        fresh.chmod(0o600)
        fresh.rename(revoked)
        self.wait_for(lambda: self.status("/public/x", token) == 403, "revoked")
        self.change(lambda config: config.update(revoked=str(revoked), drain="8s"))
        self.assertEqual(403, self.status("/public/x", token))
        self.assertEqual(200, self.status("/public/x"))


class Mounted(ReloadCase):
    """A ConfigMap as Kubernetes mounts it: the file is a link into a folder that a link leads to, and
    that link is exchanged."""

    @classmethod
    def setUpClass(cls):
        cls.door = Door(cls.change_config)
        cls.token = cls.door.token()
        cls.mount = pathlib.Path(cls.door.folder) / "mount"
        cls.number = 0
        cls.mount.mkdir()
        cls.door.barkeep.config_path = cls.mount / "barkeep.yaml"
        cls.swap(cls.door.config)
        (cls.mount / "barkeep.yaml").symlink_to("..data/barkeep.yaml")
        cls.door.start()

    @classmethod
    def swap(cls, config):
        former = cls.mount / f"..2026_{cls.number}"
        cls.number += 1
        folder = cls.mount / f"..2026_{cls.number}"
        folder.mkdir()
        file = folder / "barkeep.yaml"
        file.write_bytes(text_of(config))
        file.chmod(0o600)
        (cls.mount / "..data_tmp").symlink_to(folder.name)
        (cls.mount / "..data_tmp").rename(cls.mount / "..data")
        if former.exists():
            shutil.rmtree(former)

    def put(self, config):
        self.swap(config)

    def test_the_exchanged_link_is_noticed_again_and_again(self):
        for name in ("one", "two", "three"):
            event = self.change(lambda config: config["routes"].append(route(self.door, name)),
                                by_signal=False)
            self.assertEqual("change", event["why"])
            self.soon(lambda: self.status(f"/{name}/x") == 200, "the new route serves")
        self.assertEqual(403, self.status("/one/x"))  # what "/" says of it

    def test_a_spoiled_mount_changes_nothing(self):
        mark = len(self.events())
        self.swap(b"listen: [\n")
        self.wait_for_event(mark, "refused", why="change")
        self.assertEqual(200, self.status("/public/x"))


class Rules(ReloadCase):
    def test_a_role_that_is_taken_away_is_gone_within_a_second(self):
        admin = self.door.admin_token()
        self.assertEqual(200, self.status("/admin/x", admin))

        def edit(config):
            config["routes"][0]["access"].pop(1)
        self.change(edit)
        self.soon(lambda: self.status("/admin/x", admin) == 403, "the role is gone")
        self.assertEqual(200, self.status("/public/x", admin))
        self.reload(self.door.config)
        self.soon(lambda: self.status("/admin/x", admin) == 200, "the role is back")

    def test_a_request_in_flight_ends_under_the_rules_it_began_with(self):
        go = threading.Event()

        def slow(peer, request):
            peer.read_body(request)
            go.wait(30)
            peer.send(recorder.answer(body=b"late"))
        target = f"/public/{uuid.uuid4()}"
        client = self.begin(slow, target)
        self.change(without_rules)
        self.soon(lambda: self.status("/public/x") == 403, "new requests are refused")
        go.set()
        response = client.read_response()
        self.assertEqual((200, b"late"), (response.status, response.body))
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual(("allow", "routes.main.access[0]"), (line["decision"], line["rule"]))

    def test_streams_end_that_are_no_longer_allowed_and_others_go_on(self):
        more = threading.Event()

        def endless(peer, request):
            peer.read_body(request)
            peer.send(STREAM_HEAD)
            more.wait(30)
            peer.send(CHUNK)
            peer.wait_closed()
        visitor = self.begin(endless, f"/public/{uuid.uuid4()}")
        admin = self.begin(endless, f"/admin/{uuid.uuid4()}", self.door.admin_token())
        for client in (visitor, admin):
            client.head = client.read_head()
            self.assertEqual(STREAM_HEAD[-9:], client.take(9))

        def edit(config):
            config["routes"][0]["access"].pop(0)
        self.change(edit)
        visitor.socket.settimeout(patient(5))
        self.assertEqual(b"", visitor.read_to_end())
        line = self.door.audit.wait_for(visitor.head.request_id)
        self.assertEqual(200, line["status"])
        self.assertTrue(line["aborted"])
        more.set()
        self.assertEqual(CHUNK, admin.take(len(CHUNK)))

    def test_routes_come_go_and_change_their_upstream(self):
        other = recorder.Recorder()
        self.addCleanup(other.stop)
        other.default = recorder.answer(body=b"other")
        table = (
            ("added", lambda config: config["routes"].append(route(self.door, "added")),
             "/added/x", b"ok"),
            ("renamed", lambda config: config["routes"].append(
                route(self.door, "renamed", path="/added")), "/added/x", b"ok"),
            ("elsewhere", lambda config: config["routes"].append(
                {**route(self.door, "renamed", path="/added"), "upstream": other.url}),
             "/added/x", b"other"),
            ("first", lambda config: config["routes"].insert(0, route(self.door, "added")),
             "/added/x", b"ok"))
        for name, edit, target, body in table:
            with self.subTest(name):
                self.change(edit)
                self.soon(lambda: self.ask(target).body == body, "the new route serves")
                self.assertEqual(200, self.status("/public/x"))
        self.reload(self.door.config)
        self.soon(lambda: self.status("/added/x") == 403, "the route is gone")

    def test_counters_go_on_under_a_routes_name(self):
        sample = 'barkeep_requests_total{route="%s",decision="allow",reason=""}'

        def count(name):
            return self.door.barkeep.metrics().get(sample % name, 0)
        self.status("/public/x")
        before = count("main")
        self.assertGreater(before, 0)

        def rename(config):
            config["routes"][0]["name"] = "renamed"
        self.change(rename)
        self.soon(lambda: self.status("/public/x") == 200 and count("renamed") > 0, "counted anew")
        main, renamed = count("main"), count("renamed")
        self.assertGreaterEqual(main, before)
        self.reload(self.door.config)
        self.soon(lambda: self.status("/public/x") == 200 and count("main") > main, "counted on")
        self.assertGreaterEqual(count("renamed"), renamed)

    def test_readiness_stays(self):
        ended, seen = threading.Event(), []

        def watch():
            while not ended.is_set():
                seen.append(self.door.barkeep.readiness()[0])
        watcher = threading.Thread(target=watch)
        watcher.start()
        for number in range(10):
            self.change(lambda config: config.update(drain=f"{6 + number}s"))
        ended.set()
        watcher.join()
        self.assertEqual({200}, set(seen))
        self.assertGreater(len(seen), 5)


if __name__ == "__main__":
    unittest.main()
