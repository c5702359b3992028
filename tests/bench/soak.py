#!/usr/bin/python3
"""Steady load with mixed faults: tests/bench/soak.py [--minutes 30] [--seed 1] [--share 0.6]

Measures how many requests a second get through here (callers and upstream included), then sends that share
of it, over plain and TLS connections, kept and fresh. Every ten seconds some of these at once: the upstream
restarts; resets at random phases; slow clients; a vault, or an authority, that fails; reloads; garbage;
clients that go away; WebSockets; handshakes. Ends with 1 unless

- memory and descriptors stay flat after the warm-up,
- every request has exactly one audit line (one that its client took back, at most one),
- every request that failed did so while a fault could explain it."""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import signal
import ssl
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import raw, websocket  # noqa: E402
from lib.barkeep import get  # noqa: E402
from lib.certificates import CertificateAuthority  # noqa: E402
from lib.door import Door  # noqa: E402
from lib.net import free_port  # noqa: E402
from lib.vault import Vault  # noqa: E402
from soak_upstream import Upstream  # noqa: E402

CALLERS = 32
FAULT_SECONDS = 10
GRACE_SECONDS = 6  # an upstream that failed is tried again after a pause
MEMORY_SLACK = 6 << 20
DESCRIPTOR_SLACK = 64
ANSWER_SECONDS = 15


class Book:
    """What was sent and what came of it."""

    def __init__(self):
        self.number = 0
        self.sure = {}  # path -> status, or None for no answer
        self.perhaps = set()  # paths whose client may have gone before the head was read
        self.failures = []  # (time, path, what)
        self.windows = []  # (begin, end, what) in which requests may fail
        self.kinds = collections.Counter()

    def path(self, kind):
        self.number += 1
        self.kinds[kind] += 1
        return f"/work/{kind}-{self.number}"

    def note(self, path, begin, status, expected=(200,), what=""):
        self.sure[path] = status
        if status not in expected:
            self.failures.append((begin, time.monotonic(), path, f"{status} {what}"))

    def unexplained(self):
        return [(path, what) for begin, end, path, what in self.failures
                if not any(begin <= last and end >= first for first, last, _ in self.windows)]


class Soak:
    def __init__(self, options):
        self.chance = random.Random(options.seed)
        self.options = options
        self.door = Door()
        self.vault = Vault()
        self.vault.secrets = {"red": "canary-red"}
        self.upstream = Upstream(self.chance, websocket.accept_of)
        self.book = Book()
        self.rate = None  # None: as fast as possible
        self.ends = False
        self.measures = []  # (seconds, resident bytes, descriptors)
        self.applied = 0

    async def start(self):
        await self.upstream.start()
        folder = pathlib.Path(self.door.folder)
        authority = CertificateAuthority()
        pair = authority.issue(["gw.example"])
        (folder / "tls.pem").write_bytes(pair.pem + pair.key_pem)
        (folder / "tls.pem").chmod(0o600)
        self.tls = ssl.create_default_context(cafile=authority.write_public(folder / "ca.pem"))
        self.tls_port = free_port()
        config = self.door.config
        config["listen"] = [config["listen"], {"address": f"127.0.0.1:{self.tls_port}",
                                               "tls": {"certificate": str(folder / "tls.pem")}}]
        config["identity"] = {"managed": "system", "endpoint": self.vault.url}
        config["vaults"] = {"prod": self.vault.url}
        config["secrets"] = {"prod/red": {"refresh": "10s"}}
        config["credentials"] = {"red": {"bearer": "prod/red"}}
        config["limits"] = {"head_timeout": "5s"}
        config["log"]["level"] = "warning"
        config["routes"].append({
            "name": "work", "path": "/work", "upstream": f"http://127.0.0.1:{self.upstream.port}",
            "websocket": True, "scrub": False,
            "access": [{"role": "Contributor", "to": {"everyone": True}, "credential": "red"}]})
        await asyncio.to_thread(self.door.start)
        self.token = self.door.token()

    async def connect(self, is_tls=False):
        options = {"ssl": self.tls, "server_hostname": "gw.example"} if is_tls else {}
        return await asyncio.open_connection(
            "127.0.0.1", self.tls_port if is_tls else self.door.barkeep.port, **options)

    async def read_answer(self, reader):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
        response = raw.parse_head(head)
        await reader.readexactly(int(response.one("Content-Length") or 0))
        return response

    async def call(self, number):
        """One caller: half of them over TLS, a quarter with a connection for each request."""
        is_tls, is_fresh = bool(number % 2), number % 4 == 3
        stream = None
        due = time.monotonic()
        while not self.ends:
            if self.rate:
                due = max(due + CALLERS / self.rate, time.monotonic() - 1)
                await asyncio.sleep(max(0, due - time.monotonic()))
            path, begin = self.book.path("steady"), time.monotonic()
            try:
                stream = stream or await self.connect(is_tls)
                reader, writer = stream
                body = b"b" * 300 if number % 5 == 0 else None
                writer.write(raw.request("POST" if body else "GET", path, body=body, token=self.token))
                response = await self.read_answer(reader)
                self.book.note(path, begin, response.status)
                closes = is_fresh or response.one("Connection") == "close"
            except Exception as problem:
                self.book.note(path, begin, None, what=repr(problem))
                closes = True
            if closes and stream:
                stream[1].close()
                stream = None
        if stream:
            stream[1].close()

    async def fault_upstream_restarts(self):
        await self.upstream.restart(self.chance.uniform(0.1, 1))
    fault_upstream_restarts.explains = True

    async def fault_upstream_resets(self):
        self.upstream.resets = 0.2
        await asyncio.sleep(2)
        self.upstream.resets = 0.0
    fault_upstream_resets.explains = True

    async def fault_vault(self):
        self.vault.wrong["red"] = (503, b"{}")
        self.vault.identity_status = 500
        await asyncio.sleep(4)
        self.vault.wrong.clear()
        self.vault.identity_status = 200

    async def fault_authority(self):
        self.door.authority.status = 500
        await asyncio.sleep(4)
        self.door.authority.status = 200

    async def fault_reload(self):
        barkeep = self.door.barkeep
        for drain in (6, 5):
            self.door.config["drain"] = f"{drain}s"
            fresh = barkeep.config_path.with_suffix(".new")
            fresh.write_text(json.dumps(self.door.config))
            fresh.chmod(0o600)
            fresh.rename(barkeep.config_path)
            barkeep.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.5)

    async def each(self, count, one):
        await asyncio.gather(*(one(number) for number in range(count)))

    async def fault_slow_clients(self):
        async def trickle(number):
            path, begin = self.book.path("slow"), time.monotonic()
            reader, writer = await self.connect(number % 2)
            data = raw.request("GET", path, token=self.token)
            try:
                if number % 4 == 0:  # never comes to an end
                    writer.write(data[:-2])
                    await self.read_answer(reader)
                    self.book.kinds["cut heads"] += 1
                    return
                for start in range(0, len(data), 200):
                    writer.write(data[start:start + 200])
                    await asyncio.sleep(0.2)
                self.book.note(path, begin, (await self.read_answer(reader)).status)
            except Exception as problem:
                self.book.note(path, begin, None, what=repr(problem))
            finally:
                writer.close()
        await self.each(20, trickle)

    async def fault_garbage(self):
        async def throw(number):
            try:
                reader, writer = await self.connect()
                writer.write(self.chance.randbytes(self.chance.randrange(1, 3000)) + b"\r\n\r\n")
                await asyncio.wait_for(reader.read(), ANSWER_SECONDS)
                writer.close()
            except OSError:
                pass
            self.book.kinds["garbage"] += 1
        await self.each(30, throw)

    async def fault_aborted_clients(self):
        async def abort(number):
            path = self.book.path("aborted")
            self.book.perhaps.add(path)
            data = raw.request("POST", path, body=b"b" * 500, token=self.token)
            try:
                _, writer = await self.connect(number % 2)
                writer.write(data[:self.chance.randrange(len(data) + 1)])
                await asyncio.sleep(self.chance.uniform(0, 0.02))
                writer.transport.abort()
            except OSError:
                pass
        await self.each(60, abort)

    async def fault_websockets(self):
        async def talk(number):
            path, begin = self.book.path("websocket"), time.monotonic()
            reader, writer = await self.connect(number % 2)
            try:
                writer.write(websocket.handshake(path, self.token))
                response = await self.read_answer(reader)
                for _ in range(20 if response.status == 101 else 0):
                    writer.write(websocket.frame(b"hello", mask=True))
                    if await asyncio.wait_for(reader.readexactly(7), ANSWER_SECONDS) != b"\x82\x05hello":
                        raise ValueError("another frame")
                    await asyncio.sleep(0.05)
                writer.write(websocket.frame(b"", websocket.CLOSE, mask=True))
                await asyncio.wait_for(reader.read(), ANSWER_SECONDS)
                self.book.note(path, begin, response.status, (101,))
            except Exception as problem:
                self.book.note(path, begin, None, what=repr(problem))
            finally:
                writer.close()
        await self.each(10, talk)

    async def fault_handshakes(self):
        async def shake(number):
            _, writer = await asyncio.open_connection("127.0.0.1", self.tls_port)
            writer.write(b"\x16\x03\x01" + self.chance.randbytes(self.chance.randrange(200)))
            await asyncio.sleep(self.chance.uniform(0, 1))
            writer.transport.abort()
        await self.each(20, shake)

    async def disturb(self):
        """Until the end, with a pause in which requests settle."""
        faults = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("fault_")]
        end = self.began + self.options.minutes * 60 - FAULT_SECONDS
        while time.monotonic() < end:
            next_ms = time.monotonic() + FAULT_SECONDS
            await asyncio.gather(*map(self.let_happen, self.chance.sample(faults, 4)))
            await asyncio.sleep(max(0, next_ms - time.monotonic()))

    async def let_happen(self, fault):
        begin = time.monotonic()
        await fault()
        self.applied += 1
        if getattr(fault, "explains", False):
            self.book.windows.append((begin, time.monotonic() + GRACE_SECONDS, fault.__name__))

    async def measure(self):
        child = self.door.barkeep.process
        while not self.ends:
            self.measures.append((time.monotonic() - self.began, child.resident_bytes(),
                                  len(os.listdir(f"/proc/{child.pid}/fd"))))
            await asyncio.sleep(1)

    async def run(self):
        await self.start()
        begin = time.monotonic()
        callers = [asyncio.create_task(self.call(number)) for number in range(CALLERS)]
        await asyncio.sleep(5)
        saturation = self.book.number / (time.monotonic() - begin)
        self.rate = self.options.share * saturation
        self.began = time.monotonic()
        measuring = asyncio.create_task(self.measure())
        await self.disturb()
        self.ends = True
        await asyncio.gather(*callers, measuring)
        await asyncio.sleep(1)
        pages = [await asyncio.to_thread(get, self.door.barkeep.admin_port, page)
                 for page in ("/healthz", "/readyz")]
        await asyncio.to_thread(self.door.barkeep.stop)
        return saturation, [page[0] for page in pages]

    def lines(self):
        counts = collections.Counter()
        with open(self.door.barkeep.audit_path, "rb") as file:
            for text in file:
                event = json.loads(text)
                if event["event"] == "request" and event["path"]:
                    counts[event["path"]] += 1
        return counts


def flatness(measures, column):
    """Medians of the first and the last quarter after the warm-up, which is a quarter of its own."""
    quarter = max(1, len(measures) // 4)
    values = [row[column] for row in measures]
    return statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])


def judge(soak, pages, lines):
    book = soak.book
    problems = [f"failed without a reason: {row}" for row in book.unexplained()[:10]]
    wrong = [(path, lines[path]) for path, status in book.sure.items()
             if lines[path] != 1 and not (status is None and lines[path] == 0)]
    wrong += [(path, lines[path]) for path in book.perhaps if lines[path] > 1]
    problems += [f"audit lines: {row}" for row in wrong[:10]]
    if pages != [200, 200]:
        problems.append(f"/healthz and /readyz answered {pages} at the end")
    for name, column, slack in (("memory", 1, MEMORY_SLACK), ("descriptors", 2, DESCRIPTOR_SLACK)):
        first, last = flatness(soak.measures, column)
        if last > first + slack:
            problems.append(f"{name} grew from {first:.0f} to {last:.0f}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.6, help="of what gets through")
    parser.add_argument("--seed", type=int, default=1)
    soak = Soak(parser.parse_args())
    try:
        saturation, pages = asyncio.run(soak.run())
        lines = soak.lines()
    finally:
        soak.vault.stop()
        soak.door.stop_quietly()
    book = soak.book
    problems = judge(soak, pages, lines)
    memory, descriptors = flatness(soak.measures, 1), flatness(soak.measures, 2)
    statuses = collections.Counter(book.sure.values())
    print(f"load          {saturation:.0f} requests/s get through, {soak.rate:.0f} sent; faults {soak.applied}")
    print("requests      " + ", ".join(f"{kind} {count}" for kind, count in book.kinds.most_common()))
    print("answers       " + ", ".join(f"{status or 'none'} {count}" for status, count in statuses.most_common()))
    print(f"failed        {len(book.failures)}, {len(book.unexplained())} of them without a reason")
    print(f"audit lines   {sum(lines.values())} with a path")
    print(f"memory        {memory[0] / 2**20:.1f} MiB after the warm-up, {memory[1] / 2**20:.1f} MiB at the end")
    print(f"descriptors   {descriptors[0]:.0f}, {descriptors[1]:.0f}")
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
