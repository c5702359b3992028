"""From exec to the first authorized answer: keys, an identity's token and the secret are all still to be fetched."""

import secrets
import socket
import time

from backends import azure
from backends.process import StartError
from figure import Figure
from ground import Ground
import peers

TITLE = "start to first authorized answer, cold"
GIVE_UP_SEC = 10


class Cold(peers.Barkeep):
    """Its secret is in the stand-in's Key Vault, reached with the identity of a machine."""

    name = "cold"
    secret = "bench/bench-password"

    def identity_lines(self):
        return f"identity: {{managed: system, endpoint: \"{self.work.caller.standin.url()}\"}}\n"

    def vault(self):
        return self.work.caller.standin.url()


def first_answer(port, token, begin):
    """Seconds until a request was answered 200."""
    request = f"GET /bench/seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    while time.monotonic() - begin < GIVE_UP_SEC:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_SEC) as sock:
                sock.sendall(request)
                answer = sock.recv(65536)
        except OSError:
            time.sleep(0.0005)
            continue
        if answer.startswith(b"HTTP/1.1 200"):
            return time.monotonic() - begin
    raise StartError("no authorized answer")


def run(options, stage):
    ground = Ground(stage)
    ground.work.caller.password = secrets.token_urlsafe(12)
    azure.put_secret(ground.caller.standin, "bench-password", ground.caller.password)
    took = []
    for number in range(options.rounds):
        begin = time.monotonic()
        barkeep = type("Cold", (Cold,), {"name": f"cold-{number}"})(stage, ground.work)
        try:
            took.append(first_answer(barkeep.port, ground.token, begin) * 1e3)
        finally:
            barkeep.stop()
    return [Figure("exec to 200, with metadata, keys, token and secret fetched", took, "ms", at_most=100)], took
