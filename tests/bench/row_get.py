"""Keep-alive GET with a token of 1.6 KB: CPU per request beside the other proxies."""

from figure import Figure, column, ratios
from ground import Ground, rounds_of
import cost
import peers
import wrk

TITLE = "keep-alive GET, RS256 token of 1.6 KB, rule, Basic injected, audit on"
BOUNDS = {"haproxy": 1.25, "haproxy jwt_verify": 0.45, "apache mod_auth_openidc": 0.2}


def measure_load(peer, token, seconds):
    before = cost.cpu_us(peer)
    requests, duration = wrk.load(peer, token, seconds)
    return {"cpu_us": (cost.cpu_us(peer) - before) / requests, "rate": requests / duration}


def figures_of(rounds, bounds):
    yield from (Figure(f"{name}, CPU per request", column(rounds, name, "cpu_us"), "us") for name in rounds[0])
    yield from (Figure(f"{name}, requests a second on its core", column(rounds, name, "rate"), "/s") for name in rounds[0])
    first = next(iter(rounds[0]))
    yield from (Figure(f"CPU per request, {first} over {name}", ratios(rounds, first, name, "cpu_us"), at_most=bounds.get(name))
                for name in rounds[0] if name != first)


def run(options, stage):
    ground = Ground(stage)
    kinds = [peers.Barkeep, peers.HaproxyForward, peers.HaproxyJwt, peers.NginxForward, peers.ApacheOpenidc]
    members = ground.start(kinds[:2] if options.short else kinds)
    rounds = rounds_of(options.rounds, members, lambda peer: measure_load(peer, ground.token, options.seconds))
    return list(figures_of(rounds, BOUNDS)), rounds
