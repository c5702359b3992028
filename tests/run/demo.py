#!/usr/bin/python3
"""`make run`: a RabbitMQ behind barkeep, with real calls and their real answers.

Starts the stand-in for Azure, RabbitMQ and barkeep on loopback, makes the calls of the table CALLS, compares each answer
with what it should be, shows the audit lines, and looks for the passwords in everything a caller got to see. Then it
stays up until Ctrl-C, or with --once ends: 0 when everything was as it should be.
"""

import argparse
import http.client
import json
import os
import shlex
import signal
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from backends import azure, leaks  # noqa: E402
from backends.process import Stage, StartError  # noqa: E402
from backends.rabbitmq import RabbitMQ  # noqa: E402
from lib.barkeep import Barkeep, Standin  # noqa: E402
from lib.net import free_port  # noqa: E402
from lib.process import barkeep_binary  # noqa: E402

QUEUE = "/rabbit/api/queues/%2F/orders"
WHOAMI = "/rabbit/api/whoami"

# caller: options of `barkeep-standin token`
CALLERS = {
    "Ines, viewer": ["--user", azure.INES, "--app-role", "Monitoring.Read"],
    "Mira, operator": ["--user", azure.MIRA, "--group", azure.OPERATORS],
    "a stranger": ["--user", "0c9d8e7f-6a5b-4c3d-9e2f-1a0b9c8d7e6f"],
    "Mira, other API": ["--user", azure.MIRA, "--group", azure.OPERATORS, "--audience", "api://something-else"],
    "no token": None,
}

# (caller, method, path, status, what the answer must hold, what it shows)
CALLS = [
    ("Ines, viewer", "GET", WHOAMI, 200, '"name":"viewer"', "she reads, as RabbitMQ's user viewer"),
    ("Ines, viewer", "PUT", QUEUE, 403, "no_role", "she may not write"),
    ("Mira, operator", "PUT", QUEUE, 201, "", "the same URL: created, as RabbitMQ's user admin"),
    ("Mira, operator", "GET", WHOAMI, 200, '"name":"admin"', "the rule that let her in chose that account"),
    ("Ines, viewer", "GET", QUEUE, 200, '"name":"orders"', "she sees the new queue"),
    ("Mira, operator", "DELETE", QUEUE, 204, "", "removed again"),
    ("Mira, operator", "GET", "/rabbit/api/definitions", 403, "denied", "holds password hashes: denied to everyone"),
    ("a stranger", "GET", WHOAMI, 403, "no_role", "a valid token, but no rule for him"),
    ("Mira, other API", "GET", WHOAMI, 401, "token_audience", "a token meant for something else"),
    ("no token", "GET", WHOAMI, 401, "token_missing", "nobody"),
]


class Screen:
    """Aligned lines; colours on a terminal only."""

    COLOURS = {"green": "32", "red": "31", "grey": "90", "bold": "1"}

    def __init__(self):
        self.has_colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, colour, text):
        return f"\x1b[{self.COLOURS[colour]}m{text}\x1b[0m" if self.has_colours else text

    def line(self, text=""):
        # on a terminal whatever passing() left behind is cleared
        print(f"{text}\x1b[K" if sys.stdout.isatty() else text, flush=True)

    def title(self, text):
        self.line("\n" + self.paint("bold", text))

    def passing(self, text):
        """A line that the next one takes the place of; nothing where lines cannot be taken back."""
        if sys.stdout.isatty():
            print(f"{text}\r", end="", flush=True)

    def verdict(self, is_good):
        return self.paint("green", "ok") if is_good else self.paint("red", "WRONG")


class Answer:
    def __init__(self, status, headers, body, request_id):
        self.status = status
        self.visible = headers + body
        self.body = body.decode("utf-8", "replace")
        self.request_id = request_id

    def summary(self):
        """The reason of a refusal; else the account RabbitMQ saw or the queue it names."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return self.body[:24]
        return parsed.get("reason") or parsed.get("name") or ""


def port_or(preferred):
    """The port one expects, unless somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
            return preferred
        except OSError:
            return free_port()


def ask(port, method, path, token):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = "{}" if method == "PUT" else None
        connection.request(method, path, body, {**headers, "Content-Type": "application/json"} if body else headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.as_bytes(), answer.read(), answer.headers["X-Request-Id"])
    finally:
        connection.close()


class Demonstration:
    def __init__(self, stage, screen):
        self.stage = stage
        self.screen = screen
        self.failures = []
        self.visible = b""  # every byte a caller got to see
        self.request_ids = []

    def check(self, is_good, what):
        if not is_good:
            self.failures.append(what)
        return self.screen.verdict(is_good)

    def start(self):
        self.screen.title("  barkeep: one RabbitMQ, two of its accounts, and callers who never learn a password")
        self.screen.line()
        self.rabbit = self.stage.add(RabbitMQ(self.stage))
        self.standin = Standin(self.stage.path)
        self.standin.http_port = port_or(18080)
        self.standin.port = port_or(18443)
        self.stage.add(self.standin.start())
        self.started("Azure stand-in", self.standin.url(), "Entra ID, Key Vault and managed identity")
        for user, password in self.rabbit.passwords.items():
            azure.put_secret(self.standin, f"rabbit-{user}", password)
        self.screen.passing("  RabbitMQ        starting, takes about ten seconds")
        self.rabbit.wait_ready()
        self.started("RabbitMQ", self.rabbit.url, "users admin and viewer, passwords made just now, kept in Key Vault")
        self.start_barkeep()
        self.started("barkeep", self.base, "configured by tests/run/barkeep.yaml")

    def start_barkeep(self):
        self.barkeep = Barkeep(self.stage.path)
        self.barkeep.port = port_or(8080)
        self.barkeep.admin_port = port_or(9090)
        self.base = f"http://127.0.0.1:{self.barkeep.port}"
        self.environment = {
            "BARKEEP_PORT": str(self.barkeep.port), "ADMIN_PORT": str(self.barkeep.admin_port),
            "STANDIN_PORT": str(self.standin.http_port), "RABBITMQ_PORT": str(self.rabbit.port),
            "AUDIT_FILE": str(self.barkeep.audit_path)}
        with open(os.path.join(HERE, "barkeep.yaml"), encoding="utf-8") as file:
            self.barkeep.write_config(file.read())
        self.stage.add(self.barkeep)
        self.barkeep.start(env=self.environment)

    def started(self, name, url, what):
        self.screen.line(f"  {name:15} {url:24} {self.screen.paint('grey', what)}")

    def make_calls(self):
        self.screen.title(f"  {'who':19}{'asks for':34} answer")
        self.tokens = {name: azure.mint(self.standin, *options) if options is not None else None
                       for name, options in CALLERS.items()}
        for name, method, path, status, holds, shows in CALLS:
            answer = ask(self.barkeep.port, method, path, self.tokens[name])
            self.visible += answer.visible
            self.request_ids.append(answer.request_id)
            is_good = answer.status == status and holds in answer.body.replace(": ", ":")
            mark = self.check(is_good, f"{name}: {method} {path}: {answer.status} {answer.body[:300]}")
            gets = f"{answer.status} {answer.summary()}"
            self.screen.line(f"  {name:15}{method:>7} {path:30} {gets:22} {mark}  {self.screen.paint('grey', shows)}")

    def show_audit(self):
        self.screen.title(f"  {'audit: a line each':19}{'':30} decision  reason          credential     rule")
        lines = [self.barkeep.audit.wait_for(request_id) for request_id in self.request_ids]
        for line, (name, method, path, status, _, _) in zip(lines, CALLS):
            mark = self.check((line["method"], line["path"], line["status"]) == (method, path, status),
                              f"audit line of {name}: {method} {path}: {line}")
            self.screen.line(f"  {line['status']}  {method:>7} {line['path']:34} {line['decision']:9} "
                             f"{line['reason'] or '-':15} {line['credential'] or '-':14} {line['rule'] or '-':26} {mark}")
        self.screen.line("\n  in full, the third of them:")
        self.screen.line("  " + self.screen.paint("grey", json.dumps(lines[2], separators=(",", ":"))))

    def look_for_passwords(self):
        self.screen.title("  passwords, looked for as they are and in base64")
        control = b"Authorization: Basic " + leaks.base64.b64encode(
            f"admin:{self.rabbit.passwords['admin']}".encode())
        found = leaks.find(self.rabbit.passwords, control)
        mark = self.check(found == ["admin"], "the search does not find what is there")
        self.screen.line(f"  in what barkeep sends RabbitMQ (to see that the search works)     {len(found)} found  {mark}")
        for what, seen in [(f"in all {len(self.visible)} bytes of answers that callers saw", self.visible),
                           ("in the audit log", self.barkeep.audit.raw()),
                           ("in barkeep's own log", (self.barkeep.process.stdout() +
                                                     self.barkeep.process.stderr()).encode())]:
            found = leaks.find(self.rabbit.passwords, seen)
            mark = self.check(not found and seen, f"password {what}, of {len(seen)} bytes")
            self.screen.line(f"  {what:64} {len(found)} found  {mark}")

    def show_next_steps(self):
        def minted(name):
            return f"$({shlex.join(azure.token_command(self.standin, *CALLERS[name]))})"
        self.screen.title("  go on yourself")
        for variable, name in (("VIEWER", "Ines, viewer"), ("OPERATOR", "Mira, operator")):
            self.screen.line(f"  {variable}={minted(name)}")
        for variable, method, path in (("VIEWER", "GET", "/rabbit/api/overview"), ("VIEWER", "DELETE", QUEUE),
                                       ("OPERATOR", "PUT", QUEUE)):
            self.screen.line(f'  curl -i -X {method} -H "Authorization: Bearer ${variable}" {self.base}{path}')
        self.screen.line(f"  curl http://127.0.0.1:{self.barkeep.admin_port}/metrics")
        self.screen.line(f"  tail -f {self.barkeep.audit_path}")


def run(is_once):
    screen = Screen()
    with Stage() as stage:
        demonstration = Demonstration(stage, screen)
        demonstration.start()
        demonstration.make_calls()
        demonstration.show_audit()
        demonstration.look_for_passwords()
        for failure in demonstration.failures:
            screen.line(screen.paint("red", f"wrong: {failure}"))
        if demonstration.failures or is_once:
            screen.line(f"\n{'FAILED' if demonstration.failures else 'everything answered as it should'}")
            return 1 if demonstration.failures else 0
        demonstration.show_next_steps()
        screen.line("\nCtrl-C ends everything.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            screen.line()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="end after the calls")
    options = parser.parse_args()
    if not os.access(barkeep_binary(), os.X_OK):
        sys.exit(f"demo: {barkeep_binary()} is not built: run make")
    # the end of the terminal and SIGTERM unwind like Ctrl-C, so that what was started is ended
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        return run(options.once)
    except (StartError, AssertionError, OSError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
