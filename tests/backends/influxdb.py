"""InfluxDB 1.6 with authentication on, from Debian's influxdb, without its system service."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request

from .process import Child, free_ports


def _base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class InfluxDB:
    """`passwords` holds those of `admin` and `reader`; `url` is the HTTP listener."""

    def __init__(self, stage, database):
        self.folder = stage.folder("influxdb")
        self.database = database
        self.passwords = {"admin": secrets.token_urlsafe(18), "reader": secrets.token_urlsafe(18)}
        self._shared_secret = secrets.token_urlsafe(32)
        self.port, rpc_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        config = os.path.join(self.folder, "influxdb.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self._config(rpc_port))
        self._server = Child("influxd", ["influxd", "run", "-config", config], os.path.join(self.folder, "server.log"))

    def _config(self, rpc_port):
        return f"""reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{self.folder}/meta"
[data]
  dir = "{self.folder}/data"
  wal-dir = "{self.folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{self.port}"
  auth-enabled = true
  shared-secret = "{self._shared_secret}"
  log-enabled = false
"""

    def signed_token(self, user, lifetime_sec=3600):
        """A bearer token InfluxDB itself accepts for `user` (HS256 with its shared secret)."""
        head = _base64url(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _base64url(json.dumps({"username": user, "exp": int(time.time()) + lifetime_sec}).encode())
        mac = hmac.new(self._shared_secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        return f"{head}.{body}.{_base64url(mac)}"

    def query(self, statement, user=None):
        """Runs one statement directly, past barkeep. Returns (status, parsed answer)."""
        request = urllib.request.Request(self.url + "/query", data=urllib.parse.urlencode({"q": statement}).encode())
        if user:
            pair = f"{user}:{self.passwords[user]}".encode()
            request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def _is_ready(self):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url + "/ping", timeout=5) as answer:
                return answer.status == 204
        except OSError:
            return False

    def wait_ready(self, timeout_sec=60):
        """Also creates the users: the first one may be made without a password, and only that."""
        self._server.wait_until(self._is_ready, timeout_sec)
        for user, statement in [
                (None, f"CREATE USER admin WITH PASSWORD '{self.passwords['admin']}' WITH ALL PRIVILEGES"),
                ("admin", f"CREATE USER reader WITH PASSWORD '{self.passwords['reader']}'"),
                ("admin", f"CREATE DATABASE {self.database}"),
                ("admin", f"GRANT READ ON {self.database} TO reader")]:
            status, answer = self.query(statement, user)
            if status != 200 or "error" in str(answer):
                raise AssertionError(f"influxdb set-up: {statement.split(' WITH ')[0]}: {status} {answer}")

    def stop(self):
        self._server.stop(grace_sec=2)
