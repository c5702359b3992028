"""Two workers over one. It takes two cores for them and two more for the load; with fewer it says so, and shows what two
workers on one core cost a request, which is what sharing costs."""

import os

from figure import Figure, column, ratios
from ground import Ground, rounds_of
from row_get import measure_load
import peers

TITLE = "two workers over one"
CORES_NEEDED = 4


class Two(peers.Barkeep):
    name = "two workers"
    workers = 2
    core = "0,1"


class TwoOnOne(peers.Barkeep):
    name = "two workers on one core"
    workers = 2


def run(options, stage):
    can_scale = len(os.sched_getaffinity(0)) >= CORES_NEEDED
    if can_scale:
        peers.LOAD_CORE = "2,3"
    ground = Ground(stage)
    one, two = ground.start([peers.Barkeep, Two if can_scale else TwoOnOne])
    rounds = rounds_of(options.rounds, [one, two], lambda peer: measure_load(peer, ground.token, options.seconds))
    figures = [Figure("one worker, CPU per request", column(rounds, one.name, "cpu_us"), "us"),
               Figure(f"{two.name}, CPU per request", column(rounds, two.name, "cpu_us"), "us"),
               Figure("CPU per request, two over one", ratios(rounds, two.name, one.name, "cpu_us"))]
    if can_scale:
        figures.append(Figure("requests a second, two over one", ratios(rounds, two.name, one.name, "rate"), at_least=1.8))
    else:
        print(f"  not measured: {CORES_NEEDED} cores are needed, two for workers and two for the load")
    return figures, rounds
