"""wrk on the load's core, and what it says at its end."""

import os
import re
import subprocess

from backends.process import StartError
import peers

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 64
TARGET = "/bench/item"
UNIT_US = {"us": 1, "ms": 1e3, "s": 1e6}


def _run(arguments, seconds):
    wrk = peers.pinned(peers.LOAD_CORE, peers.find_program("wrk"), *arguments)
    text = subprocess.run(wrk, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise StartError(f"failed requests under load:\n{text}")
    return text


def _count(text):
    requests, duration = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    return int(requests), float(duration)


def _arguments(url, token, connections, seconds):
    return ["-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", url]


def load(peer, token, seconds, target=TARGET, connections=CONNECTIONS, script=None):
    """As many requests as get through. Returns (requests, seconds). `script`: a Lua file and its argument."""
    arguments = _arguments(peer.url + target, token, connections, seconds)
    if script:
        arguments = ["-s", script[0], *arguments, "--", script[1]]
    return _count(_run(arguments, seconds))


def paced(peer, token, seconds, rate, target=TARGET, connections=CONNECTIONS):
    """About `rate` requests a second, at random moments. Returns (requests a second, p99 in us)."""
    pause_ms = max(1, round(connections / rate * 1e3))
    text = _run(["--latency", "-s", os.path.join(HERE, "steady.lua"),
                 *_arguments(peer.url + target, token, connections, seconds), "--", str(pause_ms)], seconds)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
    requests, duration = _count(text)
    return requests / duration, float(p99[1]) * UNIT_US[p99[2]]
