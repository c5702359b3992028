"""p99 where HAProxy has half its work: at half of the rate at which its core is full."""

import statistics

from figure import Figure, column, ratios
from ground import Ground, rounds_of
from precedence import take_precedence
import peers
import wrk

TITLE = "p99 latency at half of HAProxy's saturation rate"


def run(options, stage):
    take_precedence()
    ground = Ground(stage)
    barkeep, haproxy = ground.start([peers.Barkeep, peers.HaproxyForward])
    full = statistics.median(requests / duration for requests, duration in
                             (wrk.load(haproxy, ground.token, options.seconds) for _ in range(3)))

    def measure(peer):
        rate, p99_us = wrk.paced(peer, ground.token, options.seconds, full / 2)
        return {"rate": rate, "p99_us": p99_us}

    rounds = rounds_of(options.rounds, [barkeep, haproxy], measure)
    figures = [Figure("haproxy, saturated", [full], "/s")]
    for peer in (barkeep, haproxy):
        figures += [Figure(f"{peer.name}, p99", column(rounds, peer.name, "p99_us"), "us"),
                    Figure(f"{peer.name}, requests a second meanwhile", column(rounds, peer.name, "rate"), "/s")]
    figures.append(Figure("p99, barkeep over haproxy", ratios(rounds, "barkeep", "haproxy", "p99_us"), at_most=1.2))
    return figures, rounds
