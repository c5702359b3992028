"""Cockpit, Debian's web console, from cockpit-ws and cockpit-system, without its system service and without a login.

Whoever reaches it acts as the user who runs the tests: it listens on a unix socket in a folder of that user alone.
"""

import http.client
import os
import socket
import sys

from .process import Child

SERVER = "/usr/lib/cockpit/cockpit-ws"
BRIDGE = "/usr/bin/cockpit-bridge"

# Passes the socket on as systemd would: cockpit-ws makes none of its own but on TCP.
_ACTIVATE = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Cockpit:
    """`url` is its listener as an upstream; `hosts` are those whose pages may open its WebSocket."""

    def __init__(self, stage, hosts):
        self.folder = stage.folder("cockpit")
        self._socket = os.path.join(self.folder, "socket")
        self.url = f"unix:{self._socket}"
        os.mkdir(os.path.join(self.folder, "cockpit"))
        origins = " ".join(f"http://{host}" for host in hosts)
        with open(os.path.join(self.folder, "cockpit", "cockpit.conf"), "w", encoding="utf-8") as file:
            file.write(f"[WebService]\nOrigins = {origins}\nAllowUnencrypted = true\n")
        argv = [sys.executable, "-c", _ACTIVATE, self._socket, SERVER, "--no-tls", f"--local-session={BRIDGE}"]
        self._server = Child("cockpit-ws", argv, os.path.join(self.folder, "server.log"), self._environment(), self.folder)

    def _environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": self.folder,
            "XDG_CONFIG_DIRS": self.folder,
            "XDG_RUNTIME_DIR": self.folder,
            # named, so that the bridge starts neither of the two for itself
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "SSH_AUTH_SOCK": os.path.join(self.folder, "no-agent"),
        }

    def _is_ready(self):
        """Asks directly, past barkeep."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(5)
            connection.sock.connect(self._socket)
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def wait_ready(self, timeout_sec=60):
        self._server.wait_until(self._is_ready, timeout_sec)

    def stop(self):
        self._server.stop(grace_sec=2)
