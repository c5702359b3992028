"""One body of 1 GiB down and one up through one core. The ends cost little, so that the proxy's core is the full one."""

import os
import sys
import time

from backends.process import Child
from caller import Caller
from figure import Figure, column, ratios
from ground import wait_listening, rounds_of
import bodies
import cost
import peers

TITLE = "1 GiB body down and up, one core"
HERE = os.path.dirname(os.path.abspath(__file__))
GIB = 1 << 30
WAYS = ("down", "down, searched", "up")


class Ends(peers.Peer):
    """The upstream of large bodies, on the load's core."""

    name = "ends"

    def __init__(self, stage):
        self.port = peers.free_port()
        argv = peers.pinned(peers.LOAD_CORE, sys.executable, os.path.join(HERE, "bodies.py"), str(self.port))
        self.child = Child(self.name, argv, os.path.join(stage.path, "ends.log"))


def measure(peer, way, token, size, source):
    target = f"/{'searched' if way == 'down, searched' else 'bench'}/{size}"
    before, begin = cost.cpu_us(peer), time.monotonic()
    bodies.call(peer.port, token, target, size if way == "up" else 0, source)
    duration = time.monotonic() - begin
    return {"gib_per_sec": size / GIB / duration, "cpu_ms": (cost.cpu_us(peer) - before) / 1e3 * GIB / size}


def run(options, stage):
    os.sched_setaffinity(0, {peers.LOAD_CORE})
    size = GIB // 4 if options.short else GIB
    caller = Caller(stage)
    ends = stage.add(Ends(stage))
    wait_listening(ends)
    work = peers.Work(ends.port, caller)
    members = [stage.add(kind(stage, work)) for kind in (peers.BarkeepBodies, peers.HaproxyForward, peers.HaproxySplice)]
    source = bodies.Source()
    for peer in members:
        wait_listening(peer)
        for way in WAYS:
            measure(peer, way, caller.token, GIB // 64, source)

    def measure_all(peer):
        found = {}
        for way in WAYS:
            if way != "down, searched" or peer.name == "barkeep":
                found.update({f"{way} {what}": value
                              for what, value in measure(peer, way, caller.token, size, source).items()})
        return found

    rounds = rounds_of(options.rounds, members, measure_all)
    figures = []
    for way in WAYS:
        for peer in members:
            if f"{way} gib_per_sec" in rounds[0][peer.name]:
                figures += [Figure(f"{peer.name}, {way}", column(rounds, peer.name, f"{way} gib_per_sec"), "GiB/s"),
                            Figure(f"{peer.name}, {way}, CPU per GiB", column(rounds, peer.name, f"{way} cpu_ms"), "ms")]
    for way in WAYS:
        base = way.partition(",")[0]
        for other in members[1:]:
            values = [one["barkeep"][f"{way} gib_per_sec"] / one[other.name][f"{base} gib_per_sec"] for one in rounds]
            must_read = way == "down, searched" and other.name == "haproxy splice"  # which reads nothing
            figures.append(Figure(f"{way}: barkeep's throughput over {other.name}", values,
                                  at_least=None if must_read else 0.8))
    return figures, rounds
