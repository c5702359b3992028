"""What every row stands on: a caller with its token, an upstream, and the proxies in between, each shown to do its work."""

import http.client
import ssl

from backends.process import StartError
from caller import Caller
import peers
import wrk


def ask(peer, path, token=None):
    """One request. Returns (status, body)."""
    if peer.is_tls:
        connection = http.client.HTTPSConnection("127.0.0.1", peer.port, timeout=10,
                                                 context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def with_other_signature(token):
    """The same token, one character of its signature changed in the middle, where every bit counts."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{signature[:middle]}{other}{signature[middle + 1:]}"


def check_same_work(peer, work):
    """A measurement of something that does not do the work would say nothing."""
    status, seen = ask(peer, "/bench/seen", work.caller.token)
    if status != 200:
        raise StartError(f"{peer.name} answered {status} to a good token: {seen[:200]}\n{peer.child.log_tail()}")
    if not peer.judges:
        return
    if seen != peers.EXPECTED:
        raise StartError(f"{peer.name} did not inject the credential: the upstream was sent {seen[:60]}")
    for what, token in (("a token with a wrong signature", with_other_signature(work.caller.token)), ("no token", None)):
        status, _ = ask(peer, "/bench/seen", token)
        if status not in (401, 403):
            raise StartError(f"{peer.name} answered {status} to {what}")


def wait_listening(peer):
    def answers():
        try:
            return ask(peer, "/")[0] > 0
        except (OSError, http.client.HTTPException):
            return False
    peer.child.wait_until(answers, 20)


class Ground:
    """`token` is the caller's, `work` what a peer is started with."""

    def __init__(self, stage):
        self.stage = stage
        self.caller = Caller(stage)
        self.token = self.caller.token
        self.upstream = stage.add(peers.Upstream(stage, self.caller.basic))
        wait_listening(self.upstream)
        self.work = peers.Work(self.upstream.port, self.caller)

    def start(self, kinds):
        """One peer of each kind, checked and warm."""
        started = [self.stage.add(kind(self.stage, self.work)) for kind in kinds]
        for peer in started:
            wait_listening(peer)
        for peer in started:
            check_same_work(peer, self.work)
            wrk.load(peer, self.token, 1)
        return started


def rounds_of(count, members, measure):
    """Interleaved, none always the first. Returns a list of {name: what measure(member) gave}."""
    rounds = []
    for number in range(count):
        turn = number % len(members)
        found = {peer.name: measure(peer) for peer in members[turn:] + members[:turn]}
        rounds.append({peer.name: found[peer.name] for peer in members})
    return rounds
