"""Child processes of tests and demonstration.

A Stage owns a temporary folder and the children started in it; leaving it ends them in reverse order, by process
group id, and removes the folder. Waiting is for conditions, never for time alone.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from lib.net import free_port


class StartError(Exception):
    """A child did not come up; the text says which, why, and the end of its log."""


def free_ports(count):
    """Several different ones."""
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


# Ends with us, however we end: a killed test must not leave a server behind.
_DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]


class Child:
    """One child process in its own process group, its output in a log file."""

    def __init__(self, name, argv, log_path, env=None, cwd=None):
        self.name = name
        self.log_path = log_path
        with open(log_path, "wb") as log:
            try:
                self.process = subprocess.Popen(
                    _DIE_WITH_PARENT + argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=cwd,
                    start_new_session=True)
            except OSError as error:
                raise StartError(f"{name}: cannot run {argv[0]}: {error.strerror}") from None

    def log_tail(self, lines=15):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def is_running(self):
        return self.process.poll() is None

    def wait_until(self, condition, timeout_sec):
        """Returns the first true value of condition(); raises StartError when the child ends first or time is up."""
        deadline = time.monotonic() + timeout_sec
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            if not self.is_running():
                raise StartError(f"{self.name} ended with status {self.process.returncode}:\n{self.log_tail()}")
            time.sleep(0.05)
        raise StartError(f"{self.name} was not ready within {timeout_sec} s:\n{self.log_tail()}")

    def stop(self, grace_sec=10):
        """SIGTERM, then SIGKILL for whatever of the group is left. Returns the exit status."""
        if self.is_running():
            self.process.terminate()
            try:
                self.process.wait(grace_sec)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        return self.process.returncode

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Stage:
    """A temporary folder and the things started in it. `add` takes anything with stop()."""

    def __init__(self, prefix="barkeep-"):
        self.path = tempfile.mkdtemp(prefix=prefix)
        self._members = []

    def folder(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(path, mode=0o700)
        return path

    def add(self, member):
        self._members.append(member)
        return member

    def close(self):
        while self._members:
            self._members.pop().stop()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
