"""The same GET with TLS towards the caller, and full handshakes, both with one certificate (ECDSA P-256)."""

import re
import socket
import ssl
import subprocess

from backends.process import StartError
from figure import Figure, column, ratios
from ground import Ground, rounds_of
from row_get import figures_of, measure_load
import cost
import peers

TITLE = "the same over TLS"
BOUNDS = {"haproxy tls": 1.3}


def cipher_of(peer):
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", peer.port)) as plain, context.wrap_socket(plain) as wrapped:
        return wrapped.cipher()[:2]


def check_same_cipher(members):
    ciphers = {peer.name: cipher_of(peer) for peer in members}
    if len(set(ciphers.values())) != 1:
        raise StartError(f"not the same cipher: {ciphers}")


def measure_handshakes(peer, seconds):
    """Full handshakes, one after the other."""
    before = cost.cpu_us(peer)
    argv = peers.pinned(peers.LOAD_CORE, "openssl", "s_time", "-new", "-time", str(seconds), "-connect", f"127.0.0.1:{peer.port}")
    text = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    count, duration = re.search(r"(\d+) connections in (\d+) real seconds", text).groups()
    return {"handshake_us": (cost.cpu_us(peer) - before) / int(count), "handshakes": int(count) / int(duration)}


def run(options, stage):
    ground = Ground(stage)
    members = ground.start([peers.BarkeepTls, peers.HaproxyTls])
    check_same_cipher(members)
    rounds = rounds_of(options.rounds, members, lambda peer: {
        **measure_load(peer, ground.token, options.seconds), **measure_handshakes(peer, max(1, options.seconds // 2))})
    figures = list(figures_of(rounds, BOUNDS))
    figures += [Figure(f"{peer.name}, CPU per full handshake", column(rounds, peer.name, "handshake_us"), "us")
                for peer in members]
    figures += [Figure(f"{peer.name}, full handshakes a second, one caller", column(rounds, peer.name, "handshakes"), "/s")
                for peer in members]
    first, second = (peer.name for peer in members)
    figures.append(Figure("full handshake, barkeep over haproxy", ratios(rounds, first, second, "handshake_us")))
    return figures, rounds
