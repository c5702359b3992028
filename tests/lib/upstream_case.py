"""Scripted answers of the upstream, and who asks for them."""

from lib import raw
from lib.case import WireCase
from lib.net import patient

OK = b"HTTP/1.1 200 OK\r\n"
PROTOCOL = "upstream_protocol"


class UpstreamCase(WireCase):
    def get(self, target="/public/s", *headers, method="GET", body=None):
        return raw.request(method, target, headers, body, self.token)

    def script(self, steps, path="/public/s"):
        self.door.upstream.on(path, steps)

    def ask(self, method="GET", **options):
        with self.door.client() as client:
            return client.exchange(self.get(method=method, **options), method)

    def peer_of(self, mark):
        return self.door.upstream.peers[self.door.upstream.since(mark)[-1].connection]

    def is_given_up(self, mark):
        """The connection that the first request since `mark` came on."""
        peer = self.door.upstream.peers[self.door.upstream.since(mark)[0].connection]
        self.wait_for(lambda: peer.is_closed, "the connection is given up")


def closing_after(answer):
    return ending_after(answer, "close")


def ending_after(part, ending):
    def script(peer, request):
        peer.read_body(request)
        if part:
            peer.send(part)
        if ending == "close":
            peer.close()
        else:
            peer.reset()
    return script


def bytewise(answer, closes=False):
    def script(peer, request):
        peer.read_body(request)
        for start in range(len(answer)):
            peer.send(answer[start:start + 1])
        if closes:
            peer.close()
    return script


def events_when(asked, end=lambda peer: peer.close()):
    """Five events, each when `asked` (a semaphore) lets it; then `end`."""
    def script(peer, request):
        peer.read_body(request)
        peer.send(OK + b"Content-Type: text/event-stream\r\n\r\n")
        for number in range(5):
            asked.acquire(timeout=patient(5))
            peer.send(b"data: %d\n\n" % number)
        end(peer)
    return script


def check_events(case, client, asked):
    """Each of the five arrives before the next is asked for."""
    for number in range(5):
        asked.release()
        case.assertEqual(b"9\r\ndata: %d\n\n\r\n" % number, client.take(14))
    case.assertEqual(b"0\r\n\r\n", client.take(5))
