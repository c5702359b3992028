#!/usr/bin/python3
"""barkeep beside other proxies doing the same work, row by row; README.md says how to read it.

    bench.py [--only ROW...] [--short] [--rounds N] [--seconds N] [--json FILE]"""

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from backends.process import Stage, StartError  # noqa: E402
import peers  # noqa: E402
import row_bodies  # noqa: E402
import row_get  # noqa: E402
import row_idle  # noqa: E402
import row_latency  # noqa: E402
import row_mcp  # noqa: E402
import row_memory  # noqa: E402
import row_start  # noqa: E402
import row_tls  # noqa: E402
import row_workers  # noqa: E402

ROWS = {"get": row_get, "tls": row_tls, "latency": row_latency, "bodies": row_bodies, "idle": row_idle,
        "workers": row_workers, "start": row_start, "memory": row_memory, "mcp": row_mcp}


def versions():
    def first_line(*argv):
        done = subprocess.run([peers.find_program(argv[0]), *argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        return done.stdout.partition("\n")[0]
    return {"haproxy": first_line("haproxy", "-v"), "nginx": first_line("nginx", "-v"), "apache": first_line("apache2", "-v"),
            "kernel": platform.release(), "cores": os.cpu_count()}


def run_row(name, options, answers):
    """In a process of its own, which may pin itself."""
    row = ROWS[name]
    try:
        with Stage("barkeep-bench-") as stage:
            figures, rounds = row.run(options, stage)
    except (StartError, OSError, subprocess.SubprocessError) as error:
        answers.send({"problem": f"{type(error).__name__}: {error}"})
        return
    for figure in figures:
        print(figure.line(), flush=True)
    answers.send({"title": row.TITLE, "figures": [figure.document() for figure in figures], "rounds": rounds})


def measure(name, options):
    print(f"\n{ROWS[name].TITLE} [{name}]", flush=True)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.Process(target=run_row, args=(name, options, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return {"problem": "the measurement ended without a result"}
    finally:
        child.join()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--short", action="store_true", help="a quick look: fewer peers, smaller bodies, 3 rounds of 1 s")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.seconds = 3, 1
    return options


def main():
    options = parse_options()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed: one for the proxy, one for the load")
    print(f"medians of {options.rounds} rounds of {options.seconds} s, spread beside them; CPU is user and system time")
    found = {name: measure(name, options) for name in options.only}
    problems = [f"{name}: {one['problem']}" for name, one in found.items() if "problem" in one]
    missed = [f"{name}: {figure['name']}" for name, one in found.items() for figure in one.get("figures", ())
              if figure["holds"] is False]
    print(f"\n{len(missed)} bounds missed" + "".join(f"\n  {line}" for line in missed))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), **versions(),
                       "rounds": options.rounds, "seconds": options.seconds, "rows": found}, file, indent=1)
    if problems:
        sys.exit("bench: " + "\nbench: ".join(problems))


if __name__ == "__main__":
    main()
