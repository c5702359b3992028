#!/usr/bin/python3
"""Connections in number: how many are answered, and what an idle one holds.

    tests/bench/connections.py idle [COUNT]      memory per idle keep-alive connection (10,000)
    tests/bench/connections.py attempts [COUNT]  that many attempted against a limit of 1,000 (100,000)

Both print one line of figures and end with 1 when something broke: a caller who was neither answered
nor closed, an admin page that did not answer, memory per connection over 8 KiB. Counts beyond the
limit of open files (`ulimit -n`) are cut to it."""

import collections
import pathlib
import resource
import selectors
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import raw  # noqa: E402
from lib.barkeep import get  # noqa: E402
from lib.door import Door  # noqa: E402

IDLE_BYTES_MAX = 8 * 1024
LIMIT = 1000
AT_ONCE = 2000
PATIENCE_SECONDS = 60
# One address has some 28,000 ports for connections to one other.
SOURCES = [f"127.0.0.{number}" for number in range(2, 12)]


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def resident_bytes(door):
    return door.barkeep.process.resident_bytes()


def measure_idle(count):
    door = Door(lambda config, _: config.update(limits={"connections": count + 100,
                                                        "idle_timeout": "1h"})).start()
    data = raw.request("GET", "/public/x", token=door.token())
    clients = []
    try:
        for _ in range(50):  # what every process needs once
            with raw.Client(door.barkeep.port) as client:
                client.exchange(data)
        base = resident_bytes(door)
        for number in range(count):
            client = raw.Client(door.barkeep.port, source=SOURCES[number % len(SOURCES)])
            clients.append(client)
            if client.exchange(data).status != 200:
                raise SystemExit(f"connection {number} was refused")
        time.sleep(0.5)
        each = (resident_bytes(door) - base) / count
        print(f"{count} idle connections: base {base / 2**20:.1f} MiB, {each:.0f} bytes each")
        return each <= IDLE_BYTES_MAX
    finally:
        for client in clients:
            client.close()
        door.stop()


def open_one(port, number):
    client = socket.socket()
    client.setblocking(False)
    client.bind((SOURCES[number % len(SOURCES)], 0))
    client.connect_ex(("127.0.0.1", port))
    return client


class Attempts:
    """As many as AT_ONCE at a time: each sends a request and reads until it is answered or closed."""

    def __init__(self, door, count):
        self.door = door
        self.count = count
        self.data = raw.request("GET", "/public/x", [("Connection", "close")], token=door.token())
        self.selector = selectors.DefaultSelector()
        self.outcomes = collections.Counter()
        self.started = 0
        self.moved = time.monotonic()

    def start_some(self):
        while self.started < self.count and len(self.selector.get_map()) < AT_ONCE:
            client = open_one(self.door.barkeep.port, self.started)
            self.selector.register(client, selectors.EVENT_WRITE, b"")
            self.started += 1

    def end(self, client, outcome):
        self.outcomes[outcome] += 1
        self.selector.unregister(client)
        client.close()

    def go_on(self, client, events, answer):
        try:
            if events & selectors.EVENT_WRITE:
                client.send(self.data)
                self.selector.modify(client, selectors.EVENT_READ, b"")
                return
            fresh = client.recv(65536)
        except OSError:
            self.end(client, "reset")
            return
        if fresh:
            self.selector.modify(client, selectors.EVENT_READ, answer + fresh)
        else:
            self.end(client, answer[9:12].decode() or "closed")

    def run(self):
        while self.started < self.count or self.selector.get_map():
            self.start_some()
            for key, events in self.selector.select(1):
                self.go_on(key.fileobj, events, key.data)
                self.moved = time.monotonic()
            if time.monotonic() - self.moved > PATIENCE_SECONDS:
                self.outcomes["hung"] += len(self.selector.get_map())
                return


def attempt(count):
    door = Door(lambda config, _: config.update(limits={"connections": LIMIT})).start()
    try:
        base = resident_bytes(door)
        attempts = Attempts(door, count)
        begun = time.monotonic()
        attempts.run()
        seconds = time.monotonic() - begun
        answers = [get(door.barkeep.admin_port, page)[0] for page in ("/healthz", "/readyz")]
        outcomes = ", ".join(f"{what} {number}" for what, number in attempts.outcomes.most_common())
        print(f"{count} connections attempted in {seconds:.1f} s: {outcomes}; "
              f"memory {base / 2**20:.1f} -> {resident_bytes(door) / 2**20:.1f} MiB")
        return answers == [200, 200] and not attempts.outcomes["hung"]
    finally:
        door.stop()


def main():
    modes = {"idle": (measure_idle, 10000), "attempts": (attempt, 100000)}
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in modes:
        raise SystemExit(__doc__)
    run, count = modes[sys.argv[1]]
    count = int(sys.argv[2]) if len(sys.argv) == 3 else count
    most = raise_file_limit() - 1000
    if run is measure_idle and count > most:
        print(f"only {most} of {count}: ulimit -n")
        count = most
    return 0 if run(count) else 1


if __name__ == "__main__":
    sys.exit(main())
