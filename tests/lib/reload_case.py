"""A door whose configuration changes while it serves, and how that becomes known."""

import copy
import hashlib
import json
import pathlib
import signal
import uuid

from lib import raw
from lib.case import WireCase
from lib.net import wait_until

WITHIN_SECONDS = 1.0
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
CHUNK = b"4\r\nmore\r\n"


def hash_of(config):
    return hashlib.sha256(text_of(config)).hexdigest()


def text_of(config):
    """As Barkeep.write_config writes it; bytes are a file's as they are."""
    return config if isinstance(config, bytes) else json.dumps(config, indent=1).encode()


def reload_door(door):
    """Puts the door's configuration, changed in place, in force."""
    door.barkeep.write_config(door.config)
    digest = hash_of(door.config)
    door.barkeep.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(event.get("config_hash") == digest for event in door.audit.read()
                           if event["event"] == "reload"), "the reload")


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
