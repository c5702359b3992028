#!/usr/bin/python3
"""What a credential adds to a request, in CPU: the same barkeep, the same caller and upstream, through routes that differ
in the credential alone. It prints; README.md says how to read it."""

import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from backends.process import Stage, StartError  # noqa: E402
from caller import Caller  # noqa: E402
import cost  # noqa: E402
import ground  # noqa: E402
import peers  # noqa: E402
import wrk  # noqa: E402

LIMIT_US = 1.0
# name and route's own lines; the first is what the others are compared with
ROUTES = (("without", ""),
          ("injected", "    credential: bench\n    scrub: false\n"),
          ("injected, searched for", "    credential: bench\n"))


class Barkeep(peers.Barkeep):
    """A route for each row: /0, /1 and /2."""

    def routes(self):
        return "".join(f"""  - name: route-{number}
    path: /{number}
    upstream: http://127.0.0.1:{self.work.upstream_port}
{lines}    access: [{{role: Reader, to: {{scope: access_as_user}}}}]
""" for number, (_, lines) in enumerate(ROUTES))


def measure(barkeep, number, seconds):
    before = cost.cpu_us(barkeep)
    requests, _ = wrk.load(barkeep, barkeep.work.caller.token, seconds, f"/{number}/item")
    return (cost.cpu_us(barkeep) - before) / requests


def check_routes(barkeep):
    for number, (name, _) in enumerate(ROUTES):
        status, seen = ground.ask(barkeep, f"/{number}/seen", barkeep.work.caller.token)
        wanted = peers.EXPECTED if number else "nothing"
        if (status, seen) != (200, wanted):
            raise StartError(f"{name}: {status}, the upstream was sent {seen[:60]}, not {wanted}")


def run(options, stage):
    caller = Caller(stage)
    upstream = stage.add(peers.Upstream(stage, caller.basic))
    barkeep = stage.add(Barkeep(stage, peers.Work(upstream.port, caller)))
    for peer in (upstream, barkeep):
        ground.wait_listening(peer)
    check_routes(barkeep)
    rounds = []
    for number in range(options.rounds + 1):
        order = list(range(len(ROUTES)))
        order = order[number % len(order):] + order[:number % len(order)]  # none is always the first
        cost = {route: measure(barkeep, route, options.seconds) for route in order}
        if number:  # the one before warms up
            rounds.append([cost[route] for route in range(len(ROUTES))])
    return rounds


def print_table(rounds):
    print(f"\n{'':26}{'CPU/request':>14}{'more than without':>20}")
    for number, (name, _) in enumerate(ROUTES):
        cost = statistics.median(one[number] for one in rounds)
        more = statistics.median(one[number] - one[0] for one in rounds)
        verdict = "" if not number else f"   at most {LIMIT_US:.1f}  {'holds' if more <= LIMIT_US else 'MISSED'}"
        print(f"{name:26}{cost:11.1f} us{more:17.2f} us{verdict}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed: one for the proxy, one for the load")
    try:
        with Stage("barkeep-bench-") as stage:
            rounds = run(options, stage)
    except StartError as error:
        sys.exit(f"bench: {error}")
    print_table(rounds)


if __name__ == "__main__":
    main()
