#!/usr/bin/python3
"""A client and a server made with ws from npm speak through barkeep."""

import json
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from lib.door import Door  # noqa: E402
from lib.net import wait_until  # noqa: E402

SECRET = "canary-interop-7a1e"
SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]


class Server:
    def __init__(self):
        self.process = subprocess.Popen(["node", str(HERE / "server.mjs")], stdout=subprocess.PIPE, text=True)
        port = re.fullmatch(r"listening on (\d+)\n", self.process.stdout.readline())[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class WebSocket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.door = Door(cls.change_config)
        cls.door.start()

    @classmethod
    def tearDownClass(cls):
        cls.door.stop()

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text(SECRET)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"key": {"headers": {"X-Key": "{local/key}"}}}
        for name, options in (("open", {"websocket": True}), ("closed", {}),
                              ("key", {"websocket": True, "credential": "key"})):
            config["routes"].append({"name": name, "path": f"/{name}", "upstream": cls.server.url,
                                     "access": [{"role": "Reader", "to": {"everyone": True}}], **options})

    def run_client(self, route, **order):
        order = {"url": f"ws://127.0.0.1:{self.door.barkeep.port}/{route}/x?q=1", "token": self.door.token(), **order}
        done = subprocess.run(["node", str(HERE / "client.mjs"), json.dumps(order)], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def line(self, route, status):
        def look():
            return [line for line in self.door.audit.requests() if (line["route"], line["status"]) == (route, status)]
        return wait_until(look, "an audit line")[-1]

    def test_messages_of_every_size_come_back(self):
        for by, close in (("client", [4000, "done"]), ("server", [4001, "as asked"])):
            with self.subTest(by):
                seen = self.run_client("open", sizes=SIZES, by=by, protocols=["other", "chat"])
                self.assertEqual((len(SIZES), len(SIZES), "are you there", close),
                                 (seen["bytes"], seen["texts"], seen["pong"], seen["close"]), seen)
                self.assertEqual("permessage-deflate", seen["extensions"])
                self.assertEqual(("/x?q=1", None, "chat"),
                                 tuple(seen["hello"][name] for name in ("url", "authorization", "protocol")))
                line = self.line("open", 101)
                self.assertNotIn("aborted", line)
                self.assertGreater(line["bytes_in"], 1 << 20)

    def test_an_injected_secret_goes_there_and_does_not_come_back(self):
        seen = self.run_client("key", sizes=SIZES)
        self.assertEqual((len(SIZES), len(SIZES), [4000, "done"]), (seen["bytes"], seen["texts"], seen["close"]), seen)
        self.assertEqual("*" * len(SECRET), seen["hello"]["key"])
        self.assertEqual("", seen["extensions"])
        line = self.line("key", 101)
        self.assertEqual(("key", 1), (line["credential"], line["scrubbed"]))

    def test_others_are_refused(self):
        self.assertEqual(401, self.run_client("open", token=None)["refused"])
        self.assertEqual(200, self.run_client("closed")["refused"])  # the server's own answer to a plain GET


if __name__ == "__main__":
    unittest.main()
