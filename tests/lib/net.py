"""Ports and waiting: tests wait for conditions, never for time."""

import os
import random
import socket
import time

# Sanitizers and loaded machines stretch every bound by this factor; see tests/wire/run.
PATIENCE = float(os.environ.get("BARKEEP_PATIENCE", "1"))

# Below the kernel's range for outgoing connections, so that no client of another test holds it.
_PORTS = range(20000, 32000)


def free_port():
    """A loopback port that was free a moment ago."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def patient(seconds):
    return seconds * PATIENCE


def wait_until(condition, what, timeout=5.0):
    """Returns the first true value of condition(); fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + patient(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.005)
