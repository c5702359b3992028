"""The judge of tokens without the proxy around it: build/token_driver, with the configuration and the
documents of a running door. The same tokens through both must get the same verdict."""

import collections
import json
import os
import pathlib
import subprocess
import time

from lib import process

# verdict: accept, refuse, or ask (refused unless fresh keys help); libjwt: what libjwt says of the
# signature with the key that barkeep picked, None when barkeep came to none
Verdict = collections.namedtuple("Verdict", "verdict reason libjwt")


def driver_binary():
    return pathlib.Path(process.barkeep_binary()).with_name("token_driver")


class FunctionDoor:
    def __init__(self, door):
        if not os.access(driver_binary(), os.X_OK):
            raise AssertionError(f"{driver_binary()} is not there: make vector-binaries")
        argv = [str(driver_binary()), str(door.barkeep.config_path)]
        self.driver = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=process.environment())
        self._send({"slots": self.documents(door)})

    @staticmethod
    def documents(door):
        """By slot: tenant * 2 + version - 1 (auth/key_slot.h)."""
        tenants = door.config["entra"]["tenant"]
        slots = {}
        for index, tenant in enumerate([tenants] if isinstance(tenants, str) else tenants):
            for version, part in ((1, ""), (2, "/v2.0")):
                metadata = f"/{tenant}{part}/.well-known/openid-configuration"
                keys = f"/{tenant}/discovery{part}/keys"
                slots[str(index * 2 + version - 1)] = {
                    "metadata": door.authority.document(metadata).decode(),
                    "keys": door.authority.document(keys).decode()}
        return slots

    def _send(self, line):
        self.driver.stdin.write(json.dumps(line).encode() + b"\n")
        self.driver.stdin.flush()

    def judge(self, token, now=None):
        """`token` is bytes, as they stand behind "Bearer "."""
        self._send({"now": int(time.time() if now is None else now),
                    "authorization": (b"Bearer " + token).hex()})
        line = self.driver.stdout.readline()
        if not line:
            self.driver.stdin.close()
            raise AssertionError("token_driver ended: " + self.driver.stderr.read().decode())
        return Verdict(**json.loads(line))

    def stop(self):
        """Ends it and judges its end: exit code 0, nothing on stderr (sanitizers speak there)."""
        self.driver.stdin.close()
        said = self.driver.stderr.read().decode()
        self.driver.stdout.close()
        self.driver.stderr.close()
        code = self.driver.wait(10)
        if code or said:
            raise AssertionError(f"token_driver ended with {code}: {said[:6000]}")
