"""A tools/call of 2 KiB through a route that gates it, and through one that only forwards it: CPU per request."""

import http.client
import json
import os
import statistics

from backends.process import StartError
from caller import Caller
from figure import Figure
import cost
import ground
import peers
import wrk

TITLE = "POST of 2 KiB: a gated tools/call over the same on an ungated route"
LIMIT_US = 15
HERE = os.path.dirname(os.path.abspath(__file__))
ANSWER = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}'
CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "run_query", "arguments": {
    "database": "sales", "sql": "SELECT " + ", ".join(f"column_{number}" for number in range(140)) + " FROM orders",
    "limit": 100}}})
ROUTES = {"ungated": "    access: [{role: Contributor, to: {scope: access_as_user}}]",
          "gated": """    mcp: {}
    access:
      - actions: [{action: "mcp:tools/call:run_query", when: {/database: {one_of: [sales]}, /sql: {matches: "^SELECT "}}}]
        to: {scope: access_as_user}"""}


class Upstream(peers.Upstream):
    def command(self):
        return peers.nginx_command(self, f"""
    server {{
        listen 127.0.0.1:{self.port};
        default_type application/json;
        location / {{ return 200 '{ANSWER}'; }}
    }}""")


class Barkeep(peers.Barkeep):
    def routes(self):
        return "".join(f"  - name: {name}\n    path: /{name}\n    upstream: http://127.0.0.1:{self.work.upstream_port}\n"
                       f"    credential: bench\n{lines}\n" for name, lines in ROUTES.items())


def post(barkeep, name, body):
    connection = http.client.HTTPConnection("127.0.0.1", barkeep.port, timeout=10)
    connection.request("POST", f"/{name}", body, {
        "Authorization": f"Bearer {barkeep.work.caller.token}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-11-25"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def check(barkeep):
    """The gate has to let this call pass and no other."""
    for name in ROUTES:
        if post(barkeep, name, CALL) != (200, ANSWER):
            raise StartError(f"{name}: {post(barkeep, name, CALL)}")
    for other in (CALL.replace("SELECT", "DELETE"), CALL.replace("run_query", "drop_all"), CALL.replace("sales", "people")):
        if "-31001" not in post(barkeep, "gated", other)[1]:
            raise StartError(f"the gate let pass {other[:80]}")


def measure(barkeep, name, script, seconds):
    before = cost.cpu_us(barkeep)
    requests, _ = wrk.load(barkeep, barkeep.work.caller.token, seconds, f"/{name}", script=script)
    return {"cpu_us": (cost.cpu_us(barkeep) - before) / requests}


def run(options, stage):
    caller = Caller(stage)
    upstream = stage.add(Upstream(stage))
    barkeep = stage.add(Barkeep(stage, peers.Work(upstream.port, caller)))
    for peer in (upstream, barkeep):
        ground.wait_listening(peer)
    check(barkeep)
    script = (os.path.join(HERE, "post.lua"), barkeep.write("call.json", CALL))
    rounds = []
    for number in range(options.rounds + 1):
        order = list(ROUTES)[::1 if number % 2 else -1]
        found = {name: measure(barkeep, name, script, options.seconds) for name in order}
        if number:  # the one before warms up
            rounds.append(found)
    more = [one["gated"]["cpu_us"] - one["ungated"]["cpu_us"] for one in rounds]
    figures = [Figure(f"{name}, CPU per request", [one[name]["cpu_us"] for one in rounds], "us") for name in ROUTES]
    figures.append(Figure("CPU per request, more than ungated", more, "us", at_most=LIMIT_US))
    return figures, [{"rounds": len(rounds), "median_more_us": statistics.median(more)}]
