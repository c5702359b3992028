#!/usr/bin/python3
"""A changed configuration takes over: what is wrong changes nothing, what is right holds at once and
alone, and nothing that both agree on is fetched again (CASES.md K 222-224)."""

import copy
import hashlib
import json
import os
import pathlib
import shutil
import signal
import threading
import unittest
import uuid

import test_groups
import wire  # noqa: F401
from lib import process, raw, recorder, tokens
from lib.case import WireCase
from lib.certificates import CertificateAuthority
from lib.door import Door, signing_key
from lib.net import patient, wait_until
from lib.tls_recorder import TlsRecorder
from lib.vault import Vault

WITHIN_SECONDS = 1.0
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
CHUNK = b"4\r\nmore\r\n"
HASH = 'barkeep_config_hash_info{hash="%s"}'


def hash_of(config):
    return hashlib.sha256(text_of(config)).hexdigest()


def text_of(config):
    """As Barkeep.write_config writes it; bytes are a file's as they are."""
    return config if isinstance(config, bytes) else json.dumps(config, indent=1).encode()


class ReloadCase(WireCase):
    """The class's own configuration is in force at the beginning and the end of each test."""

    replays = False  # requests were judged by configurations that are gone

    def tearDown(self):
        if self.hash_in_force() != hash_of(self.door.config):
            self.reload(self.door.config)
            # each worker hears of it a moment after the event; connections fall to either
            self.soon(lambda: all(self.status("/public/x") == 200 for _ in range(12)),
                      "the class's own configuration everywhere")
        super().tearDown()

    @property
    def path(self):
        return self.door.barkeep.config_path

    def edited(self, edit):
        config = copy.deepcopy(self.door.config)
        edit(config)
        return config

    def put(self, config):
        """As editors and tools write files: beside it, then renamed to its place."""
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(text_of(config))
        fresh.chmod(0o600)
        fresh.rename(self.path)

    def hang_up(self):
        self.door.barkeep.process.send_signal(signal.SIGHUP)

    def events(self):
        return [event for event in self.door.audit.read() if event["event"] == "reload"]

    def wait_for_event(self, mark, what, timeout=10.0, **members):
        """The first reload event since `mark` that is so."""
        def look():
            return [event for event in self.events()[mark:] if event.get("what") == what
                    and all(event.get(name) == value for name, value in members.items())]
        return wait_until(look, f"a reload that is {what} {members}", timeout)[0]

    def reload(self, config, by_signal=True):
        """Puts `config` in force; returns the event."""
        mark = len(self.events())
        self.put(config)
        if by_signal:
            self.hang_up()
        return self.wait_for_event(mark, "applied", config_hash=hash_of(config))

    def change(self, edit, **options):
        return self.reload(self.edited(edit), **options)

    def hash_in_force(self):
        names = [name for name in self.door.barkeep.metrics() if "config_hash_info" in name]
        self.assertEqual(1, len(names), names)
        return names[0].split('"')[1]

    def ask(self, target, token=None, method="GET"):
        with self.door.client() as client:
            return client.exchange(raw.request(method, target, token=token or self.token), method)

    def status(self, target, token=None):
        return self.ask(target, token).status

    def soon(self, condition, what):
        self.wait_for(condition, what, WITHIN_SECONDS)

    def has_read(self, client):
        """Everything that the client has sent so far was taken from barkeep's socket."""
        ours = f":{client.socket.getsockname()[1]:04X}"
        theirs = f":{self.door.barkeep.port:04X}"
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
        queues = [row[4] for row in rows if row[1].endswith(theirs) and row[2].endswith(ours)]
        return len(queues) == 1 and queues[0].endswith(":00000000")

    def begin(self, script, target, token=None):
        """A request that the upstream has; the client waits."""
        self.door.upstream.on(target, script)
        mark = self.door.upstream.mark()
        client = self.door.client()
        self.addCleanup(client.close)
        client.send(raw.request("GET", target, token=token or self.token))
        self.door.upstream.wait_for_request(mark)
        return client


def without_rules(config):
    """Only somebody who is not there may do anything."""
    config["routes"][0]["access"] = [
        {"role": "Visitor", "to": {"user": str(uuid.UUID(int=1))}}]


def route(door, name, **options):
    return {"name": name, "path": f"/{name}", "upstream": door.upstream.url,
            "access": [{"role": "Contributor", "to": {"everyone": True}}], **options}


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


class Kept(ReloadCase):
    """What both configurations agree on is not fetched again."""

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"first": "canary-first-a1", "second": "canary-second-b2",
                             "third": "canary-third-c3"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"first": {"bearer": "prod/first"}}
        config["routes"].append(cls.with_credential(door, "first"))

    @classmethod
    def with_credential(cls, door, credential, **options):
        access = [{"role": "Contributor", "to": {"everyone": True}, "credential": credential}]
        return route(door, options.pop("name", credential), access=access, **options)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def tearDown(self):
        self.vault.hold = self.door.authority.hold = None
        super().tearDown()

    def add(self, config, name):
        config["credentials"][name] = {"bearer": f"prod/{name}"}
        config["routes"].append(self.with_credential(self.door, name))

    def hold(self, server):
        """Its answers wait until the event is set."""
        event = server.hold = threading.Event()
        self.addCleanup(event.set)
        return event

    def fetches(self):
        return len(self.door.authority.fetches), len(self.vault.fetches)

    def vault_requests(self):
        return sum(value for name, value in self.door.barkeep.metrics().items()
                   if name.startswith("barkeep_vault_requests_total"))

    def authorization(self, target):
        mark = self.door.upstream.mark()
        self.assertEqual(200, self.status(target))
        return self.door.upstream.since(mark)[-1].all("Authorization")

    def test_nothing_is_fetched_by_a_reload_that_does_not_concern_it(self):
        before, counted = self.fetches(), self.vault_requests()
        self.assertGreater(counted, 0)
        for number in range(10):
            def edit(config, number=number):
                config["drain"] = f"{6 + number}s"
                config["routes"].insert(0, route(self.door, f"added{number}"))
            self.change(edit)
            self.soon(lambda: self.status(f"/added{number}/x") == 200, "the new route serves")
            self.assertEqual(["Bearer canary-first-a1"], self.authorization("/first/x"))
            self.assertEqual(counted, self.vault_requests())
        self.assertEqual(before, self.fetches())

    def test_a_secret_that_is_new_is_fetched_and_no_other(self):
        first = len(self.vault.fetches_of("first"))
        keys = len(self.door.authority.fetches)
        counted = self.vault_requests()
        self.change(lambda config: self.add(config, "second"))
        self.wait_for(lambda: self.status("/second/x") == 200, "the new secret is there")
        self.assertEqual(["Bearer canary-second-b2"], self.authorization("/second/x"))
        self.assertEqual(first, len(self.vault.fetches_of("first")))
        self.assertEqual(keys, len(self.door.authority.fetches))
        self.assertGreater(self.vault_requests(), counted)

    def test_who_waits_for_a_secret_is_judged_by_the_new_rules_alone(self):
        for name, edit, status in (
                ("refused now", lambda config: None, 403),
                ("another credential now", lambda config: config["routes"].append(
                    self.with_credential(self.door, "first", name="other", path="/third")), 200)):
            with self.subTest(name):
                held = self.hold(self.vault)
                fetched = len(self.vault.fetches_of("third"))
                self.change(lambda config: self.add(config, "third"))
                self.wait_for(lambda: len(self.vault.fetches_of("third")) > fetched, "it is fetched")
                mark = self.door.upstream.mark()
                with self.door.client() as client:
                    client.send(raw.request("GET", "/third/x", token=self.token))
                    self.wait_for(lambda: self.has_read(client), "the request waits")
                    self.change(edit)
                    response = client.read_response()
                held.set()
                self.assertEqual(status, response.status)
                line = self.door.audit.wait_for(response.request_id)
                if status == 200:
                    self.assertEqual("routes.other.access[0]", line["rule"])
                    self.assertEqual(["Bearer canary-first-a1"],
                                     self.door.upstream.since(mark)[-1].all("Authorization"))
                else:
                    self.assertEqual("no_role", line["reason"])
                    self.assertEqual([], self.door.upstream.since(mark))
                self.vault.hold = None
                self.reload(self.door.config)

    def test_who_waits_for_keys_is_judged_by_the_new_rules_alone(self):
        new_key = signing_key(11)
        held = self.hold(self.door.authority)
        self.door.authority.keys.append(new_key.jwk())
        token = tokens.mint(new_key)
        fetched = len(self.door.authority.fetches)
        with self.door.client() as client:
            client.send(raw.request("GET", "/public/x", token=token))
            self.wait_for(lambda: len(self.door.authority.fetches) > fetched, "keys are fetched")
            self.change(without_rules)
            held.set()
            response = client.read_response()
        self.check_refusal(response, 403, "no_role")
        self.reload(self.door.config)
        self.soon(lambda: self.status("/public/x", token) == 200, "the key is there")


class Groups(ReloadCase, test_groups.GroupCase):
    def stop_graph(self):
        """Each of its threads stands still after this."""
        child = self.standin.process
        child.send_signal(signal.SIGSTOP)
        threads = pathlib.Path(f"/proc/{child.pid}/task")
        self.wait_for(lambda: all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                                  for thread in threads.iterdir()), "Graph stands still")

    def test_who_waits_for_groups_is_judged_by_the_new_rules_alone(self):
        """Graph stands still; the new rules ask nothing of it."""
        for name, to, expected in (("slow", {"user": str(uuid.UUID(int=1))}, 403),
                                   ("spare", {"everyone": True}, 200)):
            def edit(config, to=to):
                seen = next(entry for entry in config["routes"] if entry["name"] == "seen")
                seen["access"] = [{"role": "Reader", "to": to}]
            with self.subTest(name), self.door.client() as client:
                token = self.overage(name)
                self.stop_graph()
                try:
                    client.send(raw.request("GET", "/seen/x", token=token))
                    self.wait_for(lambda: self.has_read(client), "the request waits")
                    self.change(edit)
                    response = client.read_response()
                finally:
                    self.standin.process.send_signal(signal.SIGCONT)
                line = self.door.audit.wait_for(response.request_id)
                self.assertEqual(expected, response.status, line)
                self.reload(self.door.config)
        self.wait_for(lambda: self.status("/seen/x", self.overage("viewer")) == 200, "Graph is back")


class Certificates(ReloadCase):
    @classmethod
    def change_config(cls, config, door):
        cls.right, cls.wrong = CertificateAuthority(), CertificateAuthority()
        folder = pathlib.Path(door.folder)
        cls.file = folder / "ca.pem"
        cls.wrong.write_public(cls.file)
        certificate = cls.right.issue(["localhost"], ["127.0.0.1"]).write(folder / "upstream.pem")
        cls.upstream = TlsRecorder(certificate)
        config["routes"].append(route(door, "tls", upstream=f"https://localhost:{cls.upstream.port}",
                                      tls={"ca": str(cls.file)}))

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.upstream.stop()

    def test_another_authority_in_the_file_is_trusted(self):
        self.assertEqual(502, self.status("/tls/x"))
        mark = len(self.events())
        fresh = self.file.with_suffix(".new")
        self.right.write_public(fresh)
        fresh.rename(self.file)
        self.wait_for_event(mark, "applied", why="change")
        self.soon(lambda: self.status("/tls/x") == 200, "the upstream is trusted")
        mark = len(self.events())
        fresh.write_text("no certificate\n")
        fresh.rename(self.file)
        self.wait_for_event(mark, "refused", why="change")
        self.assertEqual(200, self.status("/tls/x"))


class Ending(unittest.TestCase):
    def test_a_reload_beside_a_drain_disturbs_nothing(self):
        door = Door()
        token = door.token()
        go = threading.Event()

        def slow(peer, request):
            peer.read_body(request)
            go.wait(30)
            peer.send(recorder.answer(body=b"late"))
        door.upstream.on("/public/slow", slow)
        door.start()
        client = door.client()
        client.send(raw.request("GET", "/public/slow", token=token))
        door.upstream.wait_for_request((0, 0))
        door.config["drain"] = "20s"
        door.barkeep.write_config(door.config)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            door.barkeep.process.send_signal(number)
        wait_until(lambda: any(event.get("what") == "draining" for event in door.audit.read()),
                   "it drains")
        go.set()
        response = client.read_response()
        client.close()
        self.assertEqual((200, b"late"), (response.status, response.body))
        self.assertEqual(0, door.barkeep.process.wait(20))
        door.stop()


class UnderLoad(ReloadCase):
    """Case 223 in small: two configurations by turns, and clients that never stop."""

    CALLERS = 4
    RELOADS = 30

    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"red": "canary-red-77", "blue": "canary-blue-88"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        config["credentials"] = {"red": {"bearer": "prod/red"}, "blue": {"bearer": "prod/blue"}}
        config["secrets"] = {"prod/red": {"refresh": "1h"}, "prod/blue": {"refresh": "1h"}}
        config["routes"].append(route(door, "work", access=[
            {"role": "Contributor", "to": {"everyone": True}, "credential": "red"}]))
        cls.red = config

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    def blue(self, number):
        """Another rule, another credential, another place in the file."""
        def edit(config):
            config["drain"] = f"{6 + number % 50}s"
            work = config["routes"].pop()
            work["access"] = [
                {"role": "Contributor", "to": {"app_role": "Nobody.Has.It"}, "credential": "red"},
                {"role": "Contributor", "to": {"everyone": True}, "credential": "blue"}]
            config["routes"].insert(0, work)
        return edit

    EXPECTED = {"routes.work.access[0]": ("red", "Bearer canary-red-77"),
                "routes.work.access[1]": ("blue", "Bearer canary-blue-88")}

    def call_on(self, ended, answers, failures):
        client = self.door.client()
        client.on_response = None
        try:
            while not ended.is_set():
                response = client.exchange(raw.request("GET", "/work/x", token=self.token))
                answers.append((response.status, response.request_id))
        except Exception as failure:
            failures.append(repr(failure))
        finally:
            client.close()

    def alternate(self, count):
        for number in range(count):
            if number % 2:
                self.reload({**self.door.config, "drain": f"{6 + number % 50}s"})
            else:
                self.change(self.blue(number))

    def test_no_request_fails_or_is_judged_by_a_mix(self):
        ended, answers, failures = threading.Event(), [], []
        mark = self.door.upstream.mark()
        callers = [threading.Thread(target=self.call_on, args=(ended, answers, failures))
                   for _ in range(self.CALLERS)]
        for caller in callers:
            caller.start()
        try:
            self.alternate(self.RELOADS)
        finally:
            ended.set()
            for caller in callers:
                caller.join()
        self.assertEqual([], failures)
        self.assertEqual({200}, {status for status, _ in answers})
        sent = {request.all("X-Request-Id")[0]: request.all("Authorization")
                for request in self.door.upstream.since(mark)}
        seen = set()
        for _, request_id in answers:
            line = self.door.audit.wait_for(request_id)
            credential, header = self.EXPECTED[line["rule"]]
            self.assertEqual((credential, [header]), (line["credential"], sent[request_id]))
            self.assertEqual([credential], [secret["name"] for secret in line["secrets"]])
            seen.add(credential)
        self.assertEqual({"red", "blue"}, seen)
        self.assertEqual(1, len(self.vault.fetches_of("red")))
        self.assertEqual(1, len(self.vault.fetches_of("blue")))

    def test_neither_memory_nor_descriptors_grow(self):
        child = self.door.barkeep.process
        folder = pathlib.Path(f"/proc/{child.pid}/fd")

        def measure():
            self.assertEqual(200, self.status("/work/x"))
            return child.resident_bytes(), len(list(folder.iterdir()))
        self.alternate(20)
        memory, descriptors = measure()
        self.alternate(180)
        memory_after, descriptors_after = measure()
        self.assertLessEqual(descriptors_after, descriptors + 8)
        if not process.is_sanitized():
            self.assertLess(memory_after, memory + (8 << 20))


if __name__ == "__main__":
    unittest.main()
