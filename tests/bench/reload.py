#!/usr/bin/python3
"""Two configurations by turns, one a second, beside 1,000 requests a second: no request may fail, each must be
answered by one configuration's rule and credential together, and memory and descriptors must stay where they are.

    tests/bench/reload.py [--seconds 600] [--rate 1000] [--every 1.0]

Ten minutes unless told otherwise; exits 1 when one of that does not hold. BARKEEP names the program."""

import argparse
import asyncio
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import raw  # noqa: E402
from lib.door import Door  # noqa: E402
from lib.vault import Vault  # noqa: E402

CONNECTIONS = 20
WARM_UP_RELOADS = 20
MEMORY_SLACK = 4 << 20
DESCRIPTOR_SLACK = 2 * CONNECTIONS  # idle connections to the upstream come and go
# rule -> credential: those of one configuration go together
PAIRS = {"routes.work.access[0]": "red", "routes.work.access[1]": "blue"}


async def serve_upstream(reader, writer):
    """Answers with the name of the credential that came: itself would be scrubbed."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = lines.get("Authorization", "").rpartition("-")[2].encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class Load:
    """Paced callers on kept connections, and what they saw."""

    def __init__(self, port, token, rate):
        self.port = port
        self.request = raw.request("GET", "/work/x", token=token)
        self.pause = CONNECTIONS / rate
        self.answers = {}  # request id -> the credential that the upstream got
        self.failures = []
        self.times = []
        self.ends = False

    async def call(self, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        due = time.monotonic() + self.pause * number / CONNECTIONS
        while not self.ends:
            await asyncio.sleep(max(0, due - time.monotonic()))
            due += self.pause
            begin = time.monotonic()
            try:
                writer.write(self.request)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                response = raw.parse_head(head)
                body = await reader.readexactly(int(response.one("Content-Length")))
            except Exception as failure:
                self.failures.append(repr(failure))
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                continue
            self.times.append(time.monotonic() - begin)
            if response.status == 200:
                self.answers[response.request_id] = body.decode()
            else:
                self.failures.append(f"{response.status} {body[:200]!r}")
        writer.close()


def configure(door, vault, upstream_port):
    config = door.config
    config["identity"] = {"managed": "system", "endpoint": vault.url}
    config["vaults"] = {"prod": vault.url}
    config["credentials"] = {"red": {"bearer": "prod/red"}, "blue": {"bearer": "prod/blue"}}
    config["log"]["level"] = "warning"
    work = {"name": "work", "path": "/work", "upstream": f"http://127.0.0.1:{upstream_port}"}
    red = {"role": "Contributor", "to": {"everyone": True}, "credential": "red"}
    blue = {"role": "Contributor", "to": {"everyone": True}, "credential": "blue"}
    nobody = {"role": "Contributor", "to": {"app_role": "Nobody.Has.It"}, "credential": "red"}
    return ({**config, "routes": [*config["routes"], {**work, "access": [red]}]},
            {**config, "routes": [{**work, "access": [nobody, blue]}, *config["routes"]]})


async def reload_by_turns(door, configs, seconds, every, measures):
    child = door.barkeep.process
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        fresh = door.barkeep.config_path.with_suffix(".new")
        fresh.write_text(json.dumps(configs[number % 2]))
        fresh.chmod(0o600)
        fresh.rename(door.barkeep.config_path)
        child.send_signal(signal.SIGHUP)
        await asyncio.sleep(every)
        measures.append((child.resident_bytes(), len(os.listdir(f"/proc/{child.pid}/fd"))))
    return number


async def run(door, vault, options):
    upstream = await asyncio.start_server(serve_upstream, "127.0.0.1", 0)
    configs = configure(door, vault, upstream.sockets[0].getsockname()[1])
    door.config = configs[0]
    await asyncio.to_thread(door.start)
    load = Load(door.barkeep.port, door.token(), options.rate)
    fetches = len(door.authority.fetches), len(vault.fetches)
    callers = [asyncio.create_task(load.call(number)) for number in range(CONNECTIONS)]
    measures = []
    begin = time.monotonic()
    reloads = await reload_by_turns(door, configs, options.seconds, options.every, measures)
    load.ends = True
    await asyncio.gather(*callers)
    lasted = time.monotonic() - begin
    fetched = len(door.authority.fetches) - fetches[0], len(vault.fetches) - fetches[1]
    await asyncio.to_thread(door.barkeep.stop)
    upstream.close()
    return load, measures, reloads, lasted, fetched


def audit_of(path):
    """Audit lines of requests, and how many reloads were applied."""
    lines, applied = {}, 0
    with open(path, "rb") as file:
        for text in file:
            event = json.loads(text)
            if event["event"] == "request":
                lines[event["id"]] = event["rule"], event["credential"]
            applied += event["event"] == "reload" and event.get("what") == "applied"
    return lines, applied


def judge(load, measures, lines):
    """What does not hold."""
    problems = [f"failed: {failure}" for failure in load.failures[:5]]
    mixed = [(request_id, body, lines.get(request_id)) for request_id, body in load.answers.items()
             if lines.get(request_id) not in PAIRS.items() or lines[request_id][1] != body]
    problems += [f"mixed: {row}" for row in mixed[:5]]
    if {body for body in load.answers.values()} != set(PAIRS.values()):
        problems.append("not both configurations have answered")
    if len(measures) > WARM_UP_RELOADS:
        warm, last = measures[WARM_UP_RELOADS], measures[-1]
        if last[0] > warm[0] * 1.05 + MEMORY_SLACK:
            problems.append(f"memory grew from {warm[0]} to {last[0]} bytes")
        if last[1] > warm[1] + DESCRIPTOR_SLACK:
            problems.append(f"descriptors grew from {warm[1]} to {last[1]}")
    return problems, len(mixed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=1000, help="requests a second")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two reloads")
    options = parser.parse_args()
    vault = Vault()
    vault.secrets = {"red": "canary-red", "blue": "canary-blue"}
    door = Door()
    try:
        load, measures, reloads, lasted, fetched = asyncio.run(run(door, vault, options))
        lines, applied = audit_of(door.barkeep.audit_path)
    finally:
        vault.stop()
        door.stop_quietly()
    problems, mixed = judge(load, measures, lines)
    times = sorted(load.times)
    warm = measures[min(WARM_UP_RELOADS, len(measures) - 1)]
    print(f"reloads            {reloads} sent, {applied} applied in {lasted:.0f} s")
    print(f"requests           {len(times)} ({len(times) / lasted:.0f} a second)")
    print(f"failed             {len(load.failures)}")
    print(f"mixed              {mixed}")
    print(f"latency            p50 {times[len(times) // 2] * 1e3:.2f} ms, "
          f"p99 {times[len(times) * 99 // 100] * 1e3:.2f} ms, worst {times[-1] * 1e3:.1f} ms")
    print(f"memory             {warm[0] >> 10} KiB after {WARM_UP_RELOADS} reloads, {measures[-1][0] >> 10} KiB at the end")
    print(f"descriptors        {warm[1]}, {measures[-1][1]}")
    print(f"fetched meanwhile  {fetched[0]} from the authority, {fetched[1]} from vault and identity")
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
