"""barkeep and its stand-in as tests use them: ephemeral ports, ready by condition."""

import http.client
import json
import pathlib
import socket

from lib import process
from lib.audit import Audit
from lib.net import free_port, wait_until

IDENTITY_HEADER = "canary-identity-header-5d20"  # App Service's secret, until a knob rotates it


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
        self.program = None  # the one under test, unless a copy has to do
        self.prefix = []  # words of a program that runs barkeep: other limits, another user
        self.environment = None  # added to what every test gives it
        self.options = []  # of `serve`

    def write_config(self, config):
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.config_path.write_text(text)
        self.config_path.chmod(0o600)

    def start(self, wait_ready=True, env=None):
        program = self.program or process.barkeep_binary()
        argv = [*self.prefix, program, "serve", "-c", self.config_path, *self.options]
        self.process = process.Process(argv, self.folder, self.name, env or self.environment)
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
    """The local Azure: Entra, Key Vault and managed identities on loopback. `options` go on the
    command line: ("--arc-folder", DIR)."""

    def __init__(self, folder, seed=None, options=()):
        self.folder = pathlib.Path(folder)
        self.options = options
        self.state = self.folder / "standin-state"
        self.state.mkdir(exist_ok=True)
        self.port = free_port()
        self.http_port = free_port()
        self.seed = seed
        self.process = None

    def start(self):
        argv = [process.standin_binary(), "--port", self.port, "--http-port", self.http_port,
                "--state", self.state, *self.options]
        if self.seed is not None:
            seed_path = self.folder / "seed.json"
            seed_path.write_text(json.dumps(self.seed))
            argv += ["--seed", seed_path]
        self.process = process.Process(argv, self.folder, "standin")
        wait_until(lambda: is_listening(self.http_port), "the stand-in listens", 20)
        return self

    def url(self, path=""):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def https(self, path=""):
        return f"https://127.0.0.1:{self.port}{path}"

    def ca(self):
        """File of the authority that its https certificate comes from."""
        return self.state / "ca.pem"

    def identity_env(self, kind):
        """What a machine's environment says of its identity endpoint: "imds", "app_service" (the
        secret is the stand-in's first one) or "arc"."""
        return {
            "imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.url()},
            "app_service": {"IDENTITY_ENDPOINT": self.url("/msi/token"),
                            "IDENTITY_HEADER": IDENTITY_HEADER},
            "arc": {"IDENTITY_ENDPOINT": self.url("/arc/metadata/identity/oauth2/token"),
                    "IMDS_ENDPOINT": self.url("/arc")},
        }[kind]

    def knob(self, path, document=None):
        """What KNOBS.md lists: changes the running stand-in, gives its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            connection.request("POST", f"/standin/{path}", json.dumps(document or {}))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise AssertionError(f"knob {path}: {answer.status} {body.decode()}")
        return json.loads(body)

    def counters(self):
        return json.loads(get(self.http_port, "/standin/counters")[2])

    def mint(self, *options):
        """A caller's token, by `barkeep-standin token`."""
        return self._print("token", options)

    def service_account(self, *options):
        """What a platform projects into a workload's file, by `barkeep-standin service-account`."""
        return self._print("service-account", options)

    def _print(self, command, options):
        argv = [process.standin_binary(), command, "--state", str(self.state), *options]
        code, stdout, stderr = process.run(argv, 30)
        if code != 0:
            raise AssertionError(f"barkeep-standin {command}: {stderr}")
        return stdout.strip()

    def stop(self):
        if self.process:
            self.process.stop()
