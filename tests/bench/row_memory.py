"""Resident memory of an idle process with a thousand routes."""

import time
import uuid

from figure import Figure
from ground import Ground, wait_listening
import cost
import peers

TITLE = "resident memory, idle, 1,000 routes"
ROUTES = 1000
SETTLE_SEC = 2


class Wide(peers.Barkeep):
    name = "wide"
    workers = "auto"

    def routes(self):
        return "".join(f"""  - name: route-{number}
    path: /{number}
    upstream: http://127.0.0.1:{self.work.upstream_port}
    access: [{{role: Contributor, to: {{group: {uuid.UUID(int=number)}}}, credential: bench}}]
""" for number in range(ROUTES))


def run(options, stage):
    ground = Ground(stage)
    found = []
    for number in range(1 if options.short else 3):
        wide = stage.add(type("Wide", (Wide,), {"name": f"wide-{number}"})(stage, ground.work))
        wait_listening(wide)
        time.sleep(SETTLE_SEC)  # for keys and secret
        found.append(cost.resident_kib(wide) / 1024)
        wide.stop()
    return [Figure("resident, all pages", found, "MiB", at_most=16)], found
