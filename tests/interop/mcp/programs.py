"""The programs from npm that are run here: node itself, MCP servers on loopback, and what passes messages on."""

import os
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parent / "node_modules"
PACKAGES = MODULES / "@modelcontextprotocol"
NODE = str(MODULES / ".bin/node")  # newer than what a distribution may have

EVERYTHING = ("--import", HERE / "loopback.mjs", PACKAGES / "server-everything/dist/index.js", "streamableHttp")
FIXTURES = (HERE / "server.mjs",)
FORWARDER = (HERE / "forwarder.mjs",)
INSPECTOR = PACKAGES / "inspector-cli/build/cli.js"
CONFORMANCE = PACKAGES / "conformance/dist/index.js"

# What client.mjs calls through.
LEGACY = {"sdk 1.x": {"library": "sdk"}, "client 2.x legacy": {"library": "client", "mode": "legacy"}}
MODERN = {"client 2.x auto": {"library": "client", "mode": "auto"},
          "client 2.x pinned": {"library": "client", "mode": {"pin": "2026-07-28"}}}
CLIENTS = LEGACY | MODERN

PORT = re.compile(r"listening on (\d+)$", re.MULTILINE)


class Program:
    """Runs until it is stopped; says on its first lines where it listens."""

    def __init__(self, *argv):
        self.process = subprocess.Popen([NODE, *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env={**os.environ, "PORT": "0", "CANARY": "canary-env-51c0"})
        self.port = self._read_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def _read_port(self):
        for line in self.process.stdout:
            found = PORT.search(line)
            if found:
                return int(found[1])
        raise AssertionError(f"{self.process.args} ended without listening")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def run(*argv, timeout=60, folder=None, env=None):
    """Of a program that ends: (exit code, stdout, stderr)."""
    environment = {**os.environ, "PATH": f"{MODULES / '.bin'}:{os.environ['PATH']}",  # for those that run node
                   **(env or {})}
    done = subprocess.run([NODE, *map(str, argv)], capture_output=True, text=True, timeout=timeout, check=False,
                          cwd=folder, env=environment)
    return done.returncode, done.stdout, done.stderr
