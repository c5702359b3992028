"""What a process costs: CPU and memory, as the kernel counts them."""

import os
import re


def processes_of(session):
    """Every process started under this child: it leads a session of its own."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # ended meanwhile
            if int(fields[3]) == session:
                found.append(int(entry))
    return found


def _run_ns(pid):
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def cpu_us(peer):
    """User and system time of all threads so far: to the nanosecond, where ticks would be too coarse."""
    total = 0
    for pid in processes_of(peer.child.process.pid):
        try:
            total += _run_ns(pid)
        except OSError:
            continue  # ended meanwhile
    return total / 1e3


def cpu_seconds(peer):
    return cpu_us(peer) / 1e6


def resident_kib(peer):
    """Pages of all its processes that are in memory, those it shares with others included."""
    total = 0
    for pid in processes_of(peer.child.process.pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            total += int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])
    return total
