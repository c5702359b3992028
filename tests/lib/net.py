"""Ports and waiting: tests wait for conditions, never for time."""

import fcntl
import os
import pathlib
import random
import socket
import tempfile
import time

# Sanitizers and loaded machines stretch every bound by this factor; see tests/wire/run.
PATIENCE = float(os.environ.get("BARKEEP_PATIENCE", "1"))

# Below the kernel's range for outgoing connections, so that no client of another test holds it.
_PORTS = range(20000, 32000)


# One lock file a port: processes that run tests side by side never choose the same one, although
# some time passes between choosing and listening.
_LOCKS = pathlib.Path(tempfile.gettempdir()) / "barkeep-test-ports"
_held = []  # open lock files; the kernel drops the locks when this process ends


def _reserve(port):
    if not _LOCKS.is_dir():
        _LOCKS.mkdir(exist_ok=True)
        _LOCKS.chmod(0o1777)  # for every user's tests, as the folder above it
    file = open(_LOCKS / str(port), "a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _held.append(file)
    return True


def free_port():
    """A loopback port that is free, and reserved for this process among all that run tests."""
    while True:
        port = random.choice(_PORTS)
        if not _reserve(port):
            continue
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
