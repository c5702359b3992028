"""barkeep and its stand-in as tests use them: ephemeral ports, ready by condition."""

import http.client
import json
import pathlib
import socket

from lib import process
from lib.audit import Audit
from lib.net import free_port, wait_until


def get(port, target, method="GET", headers=None):
    """One request to a well-behaved http server on loopback: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Barkeep:
    """One running proxy. `config` is a dict (JSON is YAML) or the file's text; ports are chosen here
    and are free to be used in it."""

    def __init__(self, folder, name="barkeep"):
        self.folder = pathlib.Path(folder)
        self.name = name
        self.port = free_port()
        self.admin_port = free_port()
        self.config_path = self.folder / f"{name}.yaml"
        self.audit_path = self.folder / f"{name}.audit"
        self.audit = Audit(self.audit_path)
        self.process = None

    def write_config(self, config):
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.config_path.write_text(text)
        self.config_path.chmod(0o600)

    def start(self, wait_ready=True, env=None):
        argv = [process.barkeep_binary(), "serve", "-c", self.config_path]
        self.process = process.Process(argv, self.folder, self.name, env)
        wait_until(self._is_up, f"{self.name} listens", 20)
        if wait_ready:
            wait_until(self.is_ready, f"{self.name} is ready\n{self.process.stderr()}", 20)
        return self

    def _is_up(self):
        if not self.process.is_running():
            raise AssertionError(f"{self.name} ended with {self.process.child.returncode}:\n"
                                 + self.process.stderr())
        return is_listening(self.port)

    def is_ready(self):
        return self.readiness()[0] == 200

    def readiness(self):
        """Status and JSON of /readyz; (0, None) while nobody answers there."""
        try:
            status, _, body = get(self.admin_port, "/readyz")
        except OSError:
            return 0, None
        return status, json.loads(body)

    def metrics(self):
        """Sample name with labels -> value."""
        status, _, body = get(self.admin_port, "/metrics")
        if status != 200:
            raise AssertionError(f"/metrics answered {status}")
        samples = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def stop(self):
        if self.process:
            self.process.stop()


class Standin:
    """The local Azure: Entra, Key Vault, IMDS on loopback."""

    def __init__(self, folder, seed=None):
        self.folder = pathlib.Path(folder)
        self.state = self.folder / "standin-state"
        self.state.mkdir(exist_ok=True)
        self.port = free_port()
        self.http_port = free_port()
        self.seed = seed
        self.process = None

    def start(self):
        argv = [process.standin_binary(), "--port", self.port, "--http-port", self.http_port,
                "--state", self.state]
        if self.seed is not None:
            seed_path = self.folder / "seed.json"
            seed_path.write_text(json.dumps(self.seed))
            argv += ["--seed", seed_path]
        self.process = process.Process(argv, self.folder, "standin")
        wait_until(lambda: is_listening(self.http_port), "the stand-in listens", 20)
        return self

    def url(self, path=""):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def stop(self):
        if self.process:
            self.process.stop()
