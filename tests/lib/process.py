"""One program under test: started with its output in files, stopped by its id, its end judged."""

import os
import pathlib
import signal
import subprocess

from lib.net import patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                   "runtime error:", "SUMMARY: UndefinedBehaviorSanitizer")


def binary(variable, default):
    """Path of a program: from the environment, else from the release build."""
    return os.environ.get(variable, str(ROOT / default))


def barkeep_binary():
    return binary("BARKEEP", "build/barkeep")


def is_sanitized():
    """A sanitizer's shadow memory and quarantine come on top of what the program itself holds."""
    with open(barkeep_binary(), "rb") as program:
        text = program.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def standin_binary():
    return binary("STANDIN", "build/barkeep-standin")


def environment(extra=None):
    """The caller's environment without anything that steers Azure clients or proxies."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("AZURE_", "IDENTITY_", "IMDS_", "MSI_"))
            and not name.lower().endswith("_proxy")}
    kept.update(extra or {})
    return kept


def run(argv, timeout=10, env=None, stdin=b""):
    """Runs a short command to its end: (exit code, stdout text, stderr text)."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=patient(timeout),
                              env=environment(env), cwd="/")
    except subprocess.TimeoutExpired:
        raise AssertionError(f"did not end in {timeout} s: {' '.join(argv)}")
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Process:
    """A long-running program. Its stdout and stderr go to files in `folder`."""

    def __init__(self, argv, folder, name, env=None):
        self.argv = [str(word) for word in argv]
        self.name = name
        self.stdout_path = pathlib.Path(folder) / f"{name}.stdout"
        self.stderr_path = pathlib.Path(folder) / f"{name}.stderr"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=err, env=environment(env), cwd=folder)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def send_signal(self, number):
        self.child.send_signal(number)

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def wait(self, timeout=10):
        """Exit code; fails when the program is still there after `timeout`."""
        try:
            return self.child.wait(patient(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {timeout} s\n{self.stderr()}")

    def stop(self, number=signal.SIGTERM, expected=0):
        """Ends the program and judges how it went: exit code and sanitizer reports."""
        if self.is_running():
            self.send_signal(number)
        try:
            code = self.wait()
        except AssertionError:
            self.kill()
            raise
        self.check_reports()
        if code != expected:
            raise AssertionError(f"{self.name} ended with {code}, expected {expected}\n"
                                 + self.stderr()[-4000:])

    def kill(self):
        if self.is_running():
            self.child.kill()
            self.child.wait()

    def check_reports(self):
        text = self.stderr()
        for mark in SANITIZER_MARKS:
            if mark in text:
                raise AssertionError(f"{self.name}: {text[max(0, text.find(mark) - 200):][:6000]}")

    def resident_bytes(self):
        """VmRSS of the running program."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmRSS")
