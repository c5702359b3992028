#!/usr/bin/python3
"""CPU per request of barkeep beside other proxies doing the same work; README.md says how to read it."""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from backends.process import Stage, StartError  # noqa: E402
from caller import Caller  # noqa: E402
import peers  # noqa: E402

BASELINE = "haproxy"
CONNECTIONS = 64
TARGET = "/bench/item"
TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")


def processes_of(session):
    """Every process started under this child: it leads a session of its own."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # ended meanwhile
            if int(fields[3]) == session:
                found.append(fields)
    return found


def cpu_seconds(peer):
    return sum(int(fields[11]) + int(fields[12]) for fields in processes_of(peer.child.process.pid)) / TICKS_PER_SEC


def ask(port, path, token=None):
    """One request. Returns (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def with_other_signature(token):
    """The same token, one character of its signature changed in the middle, where every bit counts."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{signature[:middle]}{other}{signature[middle + 1:]}"


def check_same_work(peer, work):
    """A measurement of something that does not do the work would say nothing."""
    status, seen = ask(peer.port, "/bench/seen", work.caller.token)
    if status != 200:
        raise StartError(f"{peer.name} answered {status} to a good token: {seen[:200]}\n{peer.child.log_tail()}")
    if not peer.judges:
        return
    if seen != peers.EXPECTED:
        raise StartError(f"{peer.name} did not inject the credential: the upstream was sent {seen[:60]}")
    for what, token in (("a token with a wrong signature", with_other_signature(work.caller.token)), ("no token", None)):
        status, _ = ask(peer.port, "/bench/seen", token)
        if status not in (401, 403):
            raise StartError(f"{peer.name} answered {status} to {what}")


def wait_listening(peer):
    def answers():
        try:
            return ask(peer.port, "/")[0] > 0
        except (OSError, http.client.HTTPException):
            return False
    peer.child.wait_until(answers, 20)


def load(port, token, seconds, target=TARGET):
    """Runs wrk on its own core. Returns (requests, seconds)."""
    wrk = peers.pinned(peers.LOAD_CORE, peers.find_program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
                       "-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}{target}")
    text = subprocess.run(wrk, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise StartError(f"failed requests under load:\n{text}")
    requests, duration = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    return int(requests), float(duration)


def measure(peer, work, seconds):
    before = cpu_seconds(peer)
    requests, duration = load(peer.port, work.caller.token, seconds)
    return {"us_per_request": (cpu_seconds(peer) - before) / requests * 1e6, "requests_per_sec": requests / duration}


def summarise(rounds):
    """Medians over the rounds; the ratio is taken within each round, where both ran under the same conditions."""
    rows = []
    for name in rounds[0]:
        cpu = [one[name]["us_per_request"] for one in rounds]
        rows.append({
            "name": name,
            "us_per_request": statistics.median(cpu),
            "us_min": min(cpu),
            "us_max": max(cpu),
            "requests_per_sec": statistics.median(one[name]["requests_per_sec"] for one in rounds),
            "ratio": statistics.median(
                one[name]["us_per_request"] / one[BASELINE]["us_per_request"] for one in rounds),
        })
    return rows


def print_table(rows):
    print(f"\n{'':26}{'CPU/request':>12}{'min - max':>16}{'ratio':>9}{'requests/s':>12}")
    for row in rows:
        spread = f"{row['us_min']:.1f} - {row['us_max']:.1f}"
        print(f"{row['name']:26}{row['us_per_request']:9.1f} us{spread:>16}{row['ratio']:9.2f}"
              f"{row['requests_per_sec']:12.0f}")
    print(f"\nratio: CPU per request as a multiple of {BASELINE} (forwarding only); medians of the rounds\n")


def run(options, stage):
    caller = Caller(stage)
    upstream = stage.add(peers.Upstream(stage, caller.basic))
    work = peers.Work(upstream.port, caller)
    kinds = [kind for kind in peers.ALL if options.only is None or kind.name in options.only + [BASELINE]]
    measured = [stage.add(kind(stage, work)) for kind in kinds]
    for peer in [upstream, *measured]:
        wait_listening(peer)
    for peer in measured:
        check_same_work(peer, work)
        load(peer.port, caller.token, 1)
    print(f"one core each, {CONNECTIONS} connections, token of {len(caller.token)} bytes, "
          f"{options.rounds} rounds of {options.seconds} s")
    rounds = []
    for number in range(options.rounds):
        rounds.append({peer.name: measure(peer, work, options.seconds) for peer in measured})
        print(f"round {number + 1}: " + ", ".join(
            f"{name} {one['us_per_request']:.1f}" for name, one in rounds[-1].items()), flush=True)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--only", nargs="*", help="these peers only, by name (and the baseline)")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed: one for the proxy, one for the load")
    try:
        with Stage("barkeep-bench-") as stage:
            rounds = run(options, stage)
    except StartError as error:
        sys.exit(f"bench: {error}")
    rows = summarise(rounds)
    print_table(rows)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"connections": CONNECTIONS, "seconds": options.seconds, "rows": rows, "rounds": rounds}, file, indent=1)


if __name__ == "__main__":
    main()
