#!/usr/bin/python3
"""A million requests over twenty routes with twenty credentials to one upstream, interleaved on kept connections: how
many carried another route's secret, and how often the vault was read meanwhile."""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from backends.process import Stage, StartError, free_port  # noqa: E402
from lib.barkeep import get  # noqa: E402
from lib.door import standard_config  # noqa: E402
from lib.many_routes import COUNT, ManyRoutes  # noqa: E402
from lib.process import barkeep_binary  # noqa: E402
from lib.vault import Vault  # noqa: E402
from caller import Caller  # noqa: E402
import peers  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interleave.lua")
CONNECTIONS = 64
LONGEST_SEC = 1800
REFRESH_SEC = 10
JITTER = 0.9  # a refresh may come a tenth of its interval early


class Upstream(peers.Upstream):
    """nginx, which answers 204 to the credential of the route that it was asked by, and 500 to any other."""

    def command(self):
        return peers.nginx_command(self, f"""
    server {{
        listen 127.0.0.1:{self.port};
{ManyRoutes().nginx_locations()}
        location / {{ return 500; }}
    }}""")


class Doorkeeper(peers.Peer):
    name = "barkeep"
    judges = True

    def __init__(self, stage, work, vault):
        self.vault = vault
        super().__init__(stage, work)

    def command(self):
        many = ManyRoutes()
        self.admin_port = free_port()
        self.audit_path = "/dev/null"  # a million lines are not what this is about
        caller = self.work.caller
        config = standard_config(self, caller.standin, [])
        config["entra"] = {"tenant": peers.TENANT, "audience": caller.audience, "authority": caller.standin.url()}
        config["identity"] = {"managed": "system", "endpoint": self.vault.url}
        config["vaults"] = {"prod": self.vault.url}
        config["secrets"] = {f"prod/{name}": {"refresh": f"{REFRESH_SEC}s"} for name in many.secrets}
        config["credentials"] = many.credentials("prod")
        config["routes"] = many.routes(f"http://127.0.0.1:{self.work.upstream_port}")
        config["log"]["level"] = "warning"
        del config["roles"]
        return [barkeep_binary(), "serve", "-c", self.write("barkeep.yaml", json.dumps(config))]


def ask(port, target, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def check_upstream(port):
    """An upstream that takes everything would prove nothing."""
    many = ManyRoutes()
    for number in range(COUNT):
        for other in range(COUNT):
            shown = many.expected(other)
            headers = {"Authorization": shown["authorization"], "X-Api-Key": shown["key"],
                       "Cookie": shown["cookie"] and f"sid={shown['cookie']}"}
            target = f"/{many.name(number)}/x?api_key={shown['query']}"
            status = ask(port, target, {name: value for name, value in headers.items() if value})
            if status != (204 if other == number else 500):
                raise StartError(f"the upstream answered {status} on route {number} to the credential of {other}")


def wait_for_all(peer, caller):
    many = ManyRoutes()

    def serves():
        try:
            return all(ask(peer.port, many.target(number), {"Authorization": f"Bearer {caller.token}"}) == 204
                       for number in range(COUNT))
        except (OSError, http.client.HTTPException):
            return False
    peer.child.wait_until(serves, 30)


def served(peer):
    """Requests that barkeep has counted."""
    text = get(peer.admin_port, "/metrics")[2].decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
               if line.startswith("barkeep_requests_total{"))


def load(peer, caller, requests):
    """(answers, wrong ones, broken ones) of one run of wrk, which knows ends by time only."""
    many = ManyRoutes()
    paths = peer.write("paths", "".join(f"{many.target(number)}\n" for number in range(COUNT)))
    argv = peers.pinned(peers.LOAD_CORE, peers.find_program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{LONGEST_SEC}s",
                        "-s", SCRIPT, "-H", f"Authorization: Bearer {caller.token}", f"http://127.0.0.1:{peer.port}",
                        "--", paths)
    enough = served(peer) + requests + CONNECTIONS
    wrk = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while wrk.poll() is None and served(peer) < enough:
            time.sleep(0.5)
        wrk.send_signal(signal.SIGINT)
        text = wrk.communicate(timeout=60)[0]
    finally:
        wrk.kill()
    found = re.search(r"answers (\d+) wrong (\d+) broken (\d+)", text)
    if not found:
        raise StartError(f"wrk said nothing of answers:\n{text}")
    return tuple(int(number) for number in found.groups())


def run(options, stage):
    caller = Caller(stage)
    vault = stage.add(Vault())
    vault.secrets = dict(ManyRoutes().secrets)
    upstream = stage.add(Upstream(stage))
    upstream.child.wait_until(lambda: is_up(upstream.port), 20)
    check_upstream(upstream.port)
    peer = stage.add(Doorkeeper(stage, peers.Work(upstream.port, caller), vault))
    wait_for_all(peer, caller)
    before, started = len(vault.fetches_of("")), time.monotonic()
    answers, wrong, broken = load(peer, caller, options.requests)
    seconds = time.monotonic() - started
    return answers, wrong, broken, seconds, len(vault.fetches_of("")) - before


def is_up(port):
    try:
        return ask(port, "/", {}) > 0
    except (OSError, http.client.HTTPException):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000000)
    options = parser.parse_args()
    try:
        with Stage("barkeep-bench-") as stage:
            answers, wrong, broken, seconds, reads = run(options, stage)
    except StartError as error:
        sys.exit(f"interleave: {error}")
    due = COUNT * (int(seconds / (REFRESH_SEC * JITTER)) + 1)
    print(f"{answers} interleaved requests over {COUNT} routes with {COUNT} credentials on {CONNECTIONS} connections in "
          f"{seconds:.0f} s: {wrong} with another route's secret or without one, {broken} broken")
    print(f"{reads} reads of the vault meanwhile; {COUNT} secrets refreshed every {REFRESH_SEC} s may take {due}")
    if answers < options.requests or wrong or broken or reads > due:
        sys.exit("interleave: that is not what was promised")


if __name__ == "__main__":
    main()
