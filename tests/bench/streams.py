#!/usr/bin/python3
"""Idle streams in number: tests/bench/streams.py [COUNT] (10,000)

Opens them, waits, sends one event to all and reads it everywhere. Prints memory per stream and how long
the event took; ends with 1 when a stream was refused, cut or missed the event, or holds over 16 KiB
(it is two connections and a request under way)."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from connections import SOURCES, raise_file_limit, resident_bytes  # noqa: E402
from lib import raw  # noqa: E402
from lib.door import Door  # noqa: E402
from lib.stream_source import StreamSource  # noqa: E402

BYTES_MAX = 16 * 1024
WARM = 50
EVENT = b"data: tick\n\n"


def open_all(door, data, count, clients):
    for number in range(count):
        client = raw.Client(door.barkeep.port, source=SOURCES[number % len(SOURCES)])
        clients.append(client)
        client.send(data)
        if client.read_head().status != 200:
            raise SystemExit(f"stream {number} was refused")


def measure(count):
    source = StreamSource()

    def change(config, _):
        config["limits"] = {"connections": count + WARM + 100}
        config["routes"][0].update(upstream=source.url, timeouts={"idle": "1h"})

    door = Door(change).start()
    data = raw.request("GET", "/public/events", token=door.token())
    clients = []
    try:
        open_all(door, data, WARM, clients)
        base = resident_bytes(door)
        open_all(door, data, count, clients)
        time.sleep(0.5)
        each = (resident_bytes(door) - base) / count
        begun = time.monotonic()
        source.tell_all(EVENT)
        for client in clients:
            client.take(len(b"c\r\n" + EVENT + b"\r\n"))
        seconds = time.monotonic() - begun
        after = (resident_bytes(door) - base) / count
        print(f"{count} idle streams: base {base / 2**20:.1f} MiB, {each:.0f} bytes each, {after:.0f} "
              f"after an event to all, which took {seconds:.2f} s")
        return each <= BYTES_MAX
    finally:
        for client in clients:
            client.close()
        door.stop()
        source.stop()


def main():
    count = int(sys.argv[1]) if sys.argv[1:] else 10000
    room = (raise_file_limit() - 1500) * 2 // 5  # both ends, here and there
    return 0 if measure(min(count, room)) else 1


if __name__ == "__main__":
    sys.exit(main())
