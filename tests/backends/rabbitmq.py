"""RabbitMQ with the management plugin, from Debian's rabbitmq-server, without its system service.

Node data, configuration, Erlang cookie and port mapper are private to one instance, and everything listens on loopback.
The users come from a definitions file, so no rabbitmqctl is needed (each of its calls costs seconds).
"""

import base64
import hashlib
import json
import os
import secrets
import shutil
import urllib.error
import urllib.request

from .process import Child, StartError, free_ports

# Debian's /usr/sbin wrapper insists on the system's folders and switches users; this is the script behind it.
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def _password_hash(password):
    """RabbitMQ's salted SHA-256, as its definitions file wants it."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(name, password, tag):
    return {"name": name, "password_hash": _password_hash(password), "tags": [tag],
            "hashing_algorithm": "rabbit_password_hashing_sha256"}


def _permission(user, configure, write, read):
    return {"user": user, "vhost": "/", "configure": configure, "write": write, "read": read}


class RabbitMQ:
    """`passwords` holds those of `admin` and `viewer`; `url` is the management listener."""

    def __init__(self, stage):
        self.folder = stage.folder("rabbitmq")
        self.passwords = {"admin": secrets.token_urlsafe(18), "viewer": secrets.token_urlsafe(18)}
        self.port, self._epmd_port, self._distribution_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self._write_files()
        self._epmd = self._start_epmd()
        try:
            self._server = Child("rabbitmq-server", [SERVER], self._path("server.log"), self._environment(), self.folder)
        except StartError:
            self._epmd.kill()
            raise

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def _write_files(self):
        os.mkdir(self._path("home"), 0o700)
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write("rabbitmq.conf", "\n".join([
            "listeners.tcp = none",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self.port}",
            f"load_definitions = {self._path('definitions.json')}",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        ]) + "\n")
        self._write("definitions.json", json.dumps({
            "vhosts": [{"name": "/"}],
            "users": [_user("admin", self.passwords["admin"], "administrator"),
                      _user("viewer", self.passwords["viewer"], "monitoring")],
            "permissions": [_permission("admin", ".*", ".*", ".*"), _permission("viewer", "^$", "^$", ".*")],
        }))

    def _start_epmd(self):
        """Erlang's port mapper, in the foreground: left to the server it would stay behind as a daemon."""
        epmd = shutil.which("epmd") or "epmd"
        return Child("epmd", [epmd, "-address", "127.0.0.1", "-port", str(self._epmd_port)], self._path("epmd.log"))

    def _environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": self._path("home"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": self._path("rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": self._path("advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": self._path("generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self._path("enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": self._path("mnesia"),
            "RABBITMQ_LOG_BASE": self._path("log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": self._path("pid"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            # makes the start script replace itself with the server, as it does below systemd
            "RUNNING_UNDER_SYSTEMD": "true",
            # a numeric address as host: bare systems have no /etc/hosts
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": f"barkeep{self.port}@127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def request(self, method, path, user, password=None):
        """Asks the management API directly, past barkeep. Returns (status, body)."""
        pair = f"{user}:{password or self.passwords[user]}".encode()
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _is_ready(self):
        try:
            return self.request("GET", "/api/overview", "viewer")[0] == 200
        except OSError:
            return False

    def wait_ready(self, timeout_sec=120):
        self._server.wait_until(self._is_ready, timeout_sec)

    def stop(self):
        # nothing to keep: its orderly stop would take seconds
        self._server.kill()
        self._epmd.kill()
