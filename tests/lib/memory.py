"""Reads the memory of a running process, as root or a debugger may, and says where something lies."""

import re
import unittest

HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")


class Region:
    """One mapping. `flags` are those of smaps: "lo" locked, "dd" kept out of dumps, "wf" wiped in
    children."""

    def __init__(self, start, end, permissions, path):
        self.start = start
        self.end = end
        self.permissions = permissions
        self.path = path
        self.flags = set()

    @property
    def is_readable(self):
        return self.permissions.startswith("r") and self.path not in ("[vvar]", "[vsyscall]")

    @property
    def is_secret_memory(self):
        return "dd" in self.flags and "lo" in self.flags

    def __repr__(self):
        return f"{self.path or 'anonymous'} {self.permissions} {self.end - self.start >> 10} KiB"


def regions(pid):
    found = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
        for line in smaps:
            header = HEADER.match(line)
            if header:
                start, end = (int(header[number], 16) for number in (1, 2))
                found.append(Region(start, end, header[3], header[4]))
            elif line.startswith("VmFlags:"):
                found[-1].flags = set(line.split()[1:])
    return found


def _read(memory, region):
    """What of a region is there: mappings may go while one looks."""
    try:
        memory.seek(region.start)
        return memory.read(region.end - region.start)
    except (OSError, ValueError, OverflowError):
        return b""


def snapshot(pid):
    """[(region, bytes)]. Skips the test where memory of others must not be read."""
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            taken = [(region, _read(memory, region)) for region in regions(pid)
                     if region.is_readable]
    except PermissionError as refusal:
        raise unittest.SkipTest(f"memory of another process cannot be read here: {refusal}")
    if not any(data for _, data in taken):
        raise unittest.SkipTest("memory of another process cannot be read here: nothing came")
    return taken


class Hit:
    def __init__(self, canary, form, region, data, at):
        self.canary = canary
        self.form = form
        self.region = region
        self.address = region.start + at
        self.around = data[max(0, at - 64):at + 96]

    def __repr__(self):
        return f"{self.canary} as {self.form} at {self.address:x} in {self.region}: {self.around!r}"


def search(pid, canaries):
    """Every place where one of `canaries` lies."""
    hits = []
    for region, data in snapshot(pid):
        for canary in canaries:
            for name, form in canary.forms:
                at = data.find(form)
                while at >= 0:
                    hits.append(Hit(canary, name, region, data, at))
                    at = data.find(form, at + 1)
    return hits
