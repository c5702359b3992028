"""Ten thousand idle keep-alive connections: what each holds, and what others notice of them."""

import resource
import selectors
import socket

from backends.process import StartError
from figure import Figure, column, ratios
from ground import Ground, rounds_of
from precedence import take_precedence
import cost
import peers
import wrk

TITLE = "10,000 idle keep-alive connections"
COUNT = 10000
SHORT_COUNT = 2000
AT_ONCE = 64
RATE = 1000
FILES_EACH = 2  # barkeep lets nobody in for whose upstream it might lack a descriptor
FILES_BESIDE = 1500


class Crowd:
    """Connections that have each had one request answered, and stay."""

    def __init__(self, port, token, count):
        self.request = f"GET {wrk.TARGET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        self.members = []
        while len(self.members) < count:
            self.members += self._join(port, min(AT_ONCE, count - len(self.members)))

    def _join(self, port, count):
        group = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
        for member in group:
            member.sendall(self.request)
        for member in group:
            answer = member.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise StartError(f"an idle connection was answered {answer[:200]!r}")
        return group

    def count_alive(self):
        """Those that the proxy has not closed."""
        with selectors.DefaultSelector() as selector:
            for member in self.members:
                selector.register(member, selectors.EVENT_READ)
            return len(self.members) - len(selector.select(0))

    def stop(self):
        for member in self.members:
            member.close()


class Crowded(peers.BarkeepMany):
    name = "crowded"


class CrowdedHaproxy(peers.HaproxyMany):
    name = "crowded haproxy"


def count_possible(wanted):
    """As many as the limit of open files lets a process have, which is raised first where that is allowed."""
    needed = wanted * FILES_EACH + FILES_BESIDE
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
            return wanted
        except (ValueError, PermissionError):
            pass
    possible = min(wanted, (hard - FILES_BESIDE) // FILES_EACH)
    if possible < wanted:
        print(f"  {possible} connections: the limit of open files is {hard}, and cannot be raised here")
    return possible


def gather(stage, ground, peer, count):
    """Returns KiB for each idle connection, above what the warm process has."""
    base = cost.resident_kib(peer)
    crowd = stage.add(Crowd(peer.port, ground.token, count))
    alive = crowd.count_alive()
    if alive != count:
        raise StartError(f"{peer.name}: of {count} idle connections {alive} are open")
    return (cost.resident_kib(peer) - base) / count


def run(options, stage):
    take_precedence()
    ground = Ground(stage)
    count = count_possible(SHORT_COUNT if options.short else COUNT)
    alone, crowded, other = ground.start([peers.BarkeepMany, Crowded, CrowdedHaproxy])
    each = [gather(stage, ground, crowded, count),
            gather(stage, ground, other, min(count, peers.HaproxyMany.connections - AT_ONCE))]

    def measure(peer):
        rate, p99_us = wrk.paced(peer, ground.token, options.seconds, RATE, connections=10)
        return {"rate": rate, "p99_us": p99_us}

    rounds = rounds_of(options.rounds, [alone, crowded], measure)
    return [
        Figure(f"resident memory of each of {count}", each[:1], "KiB", at_most=8),
        Figure("the same of haproxy", each[1:], "KiB"),
        Figure("p99 of active callers without them", column(rounds, alone.name, "p99_us"), "us"),
        Figure("p99 of active callers beside them", column(rounds, crowded.name, "p99_us"), "us"),
        Figure("beside over without", ratios(rounds, crowded.name, alone.name, "p99_us"), at_most=1.2),
    ], rounds
