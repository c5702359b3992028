"""A door that listens on a unix socket, too."""

import socket

from lib import raw
from lib.net import patient


def unix_path(door):
    return f"{door.folder}/barkeep.sock"


def listen_on_unix_too(config, door):
    config["listen"] = [config["listen"], f"unix:{unix_path(door)}"]


def ask_over_unix(path, token):
    """All that comes for a request that ends its connection."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patient(5))
        connection.connect(path)
        connection.sendall(raw.request("GET", "/public/x", [("Connection", "close")], token=token))
        while fresh := connection.recv(65536):
            answer += fresh
    return answer
