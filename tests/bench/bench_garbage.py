#!/usr/bin/python3
"""What callers notice of somebody who sends garbage: p99 of steady valid callers beside 1,000 tokens a second of
unknown keys, each token another, and how often the keys were fetched. It prints; README.md says how to read it."""

import argparse
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from backends.process import Stage, StartError, free_port  # noqa: E402
from lib import tokens  # noqa: E402
from lib.authority import Authority  # noqa: E402
from lib.barkeep import get  # noqa: E402
from lib.door import standard_config, standard_routes  # noqa: E402
from lib.process import barkeep_binary  # noqa: E402
from cost import cpu_seconds  # noqa: E402
import peers  # noqa: E402
from precedence import take_precedence  # noqa: E402
from wrk import UNIT_US  # noqa: E402

PACED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paced.lua")
TARGET = "/public/item"
VALID_CONNECTIONS, VALID_PAUSE_MS = 10, 10  # about 1,000 requests a second
GARBAGE_CONNECTIONS, GARBAGE_PAUSE_MS = 11, 10  # the same, with a connection each
GARBAGE_PER_SECOND = 1000
FETCH_INTERVAL_SEC = 300  # an unknown key id causes at most one look in it
MAX_RATIO = 1.10


class Doorkeeper(peers.Peer):
    """barkeep with one worker on a core of its own, before an authority of ours."""

    name = "barkeep"
    judges = True

    def command(self):
        self.admin_port = free_port()
        self.audit_path = self.path("audit.log")
        config = standard_config(self, self.work.caller, standard_routes(f"http://127.0.0.1:{self.work.upstream_port}"))
        config["workers"] = 1
        config["log"]["level"] = "warning"
        return [barkeep_binary(), "serve", "-c", self.write("barkeep.yaml", json.dumps(config))]

    def is_ready(self):
        try:
            return get(self.admin_port, "/readyz")[0] == 200
        except OSError:
            return False


def garbage_tokens(count):
    """Well-formed in all respects, each of another key that nobody has."""
    payload = tokens.b64url(tokens.as_json(tokens.user(groups=[tokens.GROUP] * 18)))
    signature = tokens.b64url(secrets.token_bytes(256))
    for _ in range(count):
        header = {"typ": "JWT", "alg": "RS256", "kid": secrets.token_urlsafe(20)}
        yield f"{tokens.b64url(tokens.as_json(header))}.{payload}.{signature}"


def write_tokens(path, lines):
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def start_load(port, connections, pause_ms, token_file, seconds, *options):
    """wrk with one token a request. Returns the child."""
    argv = peers.pinned(peers.LOAD_CORE, peers.find_program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", PACED,
                        *options, f"http://127.0.0.1:{port}{TARGET}", "--", token_file, str(pause_ms))
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(child, seconds):
    """What wrk says at its end: requests, refused ones, p99 in microseconds."""
    text = child.communicate(timeout=seconds + 30)[0]
    requests = re.search(r"(\d+) requests in", text)
    if not requests or child.returncode != 0:
        raise StartError(f"wrk failed:\n{text}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
    return {"requests": int(requests[1]), "refused": int(refused[1]) if refused else 0,
            "p99_us": float(p99[1]) * UNIT_US[p99[2]] if p99 else None}


class Bench:
    def __init__(self, stage, seconds):
        self.seconds = seconds
        self.folder = stage.folder("tokens")
        key = tokens.SigningKey()
        self.authority = Authority([key.jwk(), tokens.SigningKey().jwk()])
        self.upstream = stage.add(peers.Upstream(stage))
        self.door = stage.add(Doorkeeper(stage, peers.Work(self.upstream.port, self.authority)))
        self.door.child.wait_until(self.door.is_ready, 20)
        valid = (tokens.mint(key, tokens.user(groups=[tokens.GROUP] * 18)) for _ in range(50))
        self.valid_file = write_tokens(os.path.join(self.folder, "valid"), valid)
        self.rounds = 0

    def stop(self):
        self.authority.stop()

    def measure(self, garbage_port):
        """p99 of the valid callers, beside garbage at `garbage_port` unless it is None, and the garbage a second."""
        self.rounds += 1
        garbage = None
        if garbage_port:
            lines = garbage_tokens(2 * GARBAGE_PER_SECOND * self.seconds)
            path = write_tokens(os.path.join(self.folder, f"garbage-{self.rounds}"), lines)
            garbage = start_load(garbage_port, GARBAGE_CONNECTIONS, GARBAGE_PAUSE_MS, path, self.seconds, "-H",
                                 "Connection: close")
        cpu_before = cpu_seconds(self.door)
        valid = finish(start_load(self.door.port, VALID_CONNECTIONS, VALID_PAUSE_MS, self.valid_file, self.seconds,
                                  "--latency"), self.seconds)
        if valid["refused"]:
            raise StartError(f"{valid['refused']} valid callers were refused")
        result = {"p99_us": valid["p99_us"], "garbage_per_sec": 0}
        if garbage:
            sent = finish(garbage, self.seconds)
            if garbage_port == self.door.port and sent["refused"] < sent["requests"]:
                raise StartError(f"garbage passed: {sent}")
            result["garbage_per_sec"] = sent["requests"] / self.seconds
            os.unlink(path)
        result["cores"] = (cpu_seconds(self.door) - cpu_before) / self.seconds
        return result

    def run(self, rounds):
        kinds = {"alone": None, "generator": self.upstream.port, "garbage": self.door.port}
        self.measure(None)  # connections and caches warm
        results, begin = [], time.monotonic()
        fetches = len(self.authority.key_fetches())
        for number in range(rounds):
            results.append({name: self.measure(port) for name, port in kinds.items()})
            print(f"round {number + 1}: p99 " + ", ".join(
                f"{name} {one['p99_us']:.0f} us" for name, one in results[-1].items()), flush=True)
        intervals = 1 + int((time.monotonic() - begin) / FETCH_INTERVAL_SEC)
        return results, len(self.authority.key_fetches()) - fetches, intervals


def median_of(results, name, what="p99_us"):
    return statistics.median(one[name][what] for one in results)


def ratio_to(results, name):
    return statistics.median(one["garbage"]["p99_us"] / one[name]["p99_us"] for one in results)


def quietest(results, name):
    """The round that the rest of the machine disturbed least."""
    return min(one[name]["p99_us"] for one in results)


def print_ratio(what, ratio):
    print(f"{what:44}{ratio:9.2f} times  at most {MAX_RATIO:.2f}   {'holds' if ratio <= MAX_RATIO else 'MISSED'}")


def print_table(results, fetches, intervals):
    rate = median_of(results, "garbage", "garbage_per_sec")
    print(f"\n{'p99 of valid callers, alone':44}{median_of(results, 'alone'):9.0f} us")
    print(f"{'  beside the generator, aimed elsewhere':44}{median_of(results, 'generator'):9.0f} us")
    print(f"{'  beside garbage':44}{median_of(results, 'garbage'):9.0f} us     {rate:.0f} a second")
    print_ratio("garbage over alone", ratio_to(results, "alone"))
    print_ratio("garbage over generator aimed elsewhere", ratio_to(results, "generator"))
    print_ratio("garbage over alone, quietest rounds", quietest(results, "garbage") / quietest(results, "alone"))
    cores = median_of(results, "garbage", "cores") - median_of(results, "alone", "cores")
    print(f"{'CPU of one garbage token':44}{cores / rate * 1e6:9.0f} us     {cores * 100:.0f} % of a core")
    verdict = "holds" if fetches <= intervals else "MISSED"
    print(f"{'key fetches that the garbage caused':44}{fetches:9}        at most {intervals:4}   {verdict}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed: one for the proxy, one for the load")
    take_precedence()
    try:
        with Stage("barkeep-bench-") as stage:
            bench = stage.add(Bench(stage, options.seconds))
            outcome = bench.run(options.rounds)
    except StartError as error:
        sys.exit(f"bench: {error}")
    print_table(*outcome)


if __name__ == "__main__":
    main()
