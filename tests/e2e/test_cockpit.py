"""Cockpit behind barkeep: a web console that does all its work over one WebSocket.

Its protocol: each message names a channel, a line end, and what goes into the channel; control messages are JSON in the
channel without a name. Channels do what the bridge can do as its user: read files, run programs.
"""

import json
import os
import re
import unittest
import urllib.parse

from backends.cockpit import Cockpit
from e2e.house import ADMIN_ROLE, READER_ROLE, EndToEnd
from lib import raw, websocket
from lib.net import patient

CONSOLE = "console.example"
PLAIN = "plain.example"
SOCKET = "/cockpit/socket"
MESSAGE_BYTES = 60000  # cockpit takes 128 KiB


class Console:
    """What cockpit.js is in a browser: opens the WebSocket, then channels."""

    def __init__(self, port, token, host=CONSOLE, origin=None):
        self.client = raw.Client(port, timeout=patient(20))
        headers = [*websocket.fields(), ("Sec-WebSocket-Protocol", "cockpit1"), ("Origin", origin or f"http://{host}")]
        self.answer = self.client.exchange(raw.request("GET", SOCKET, headers, token=token, host=host))
        self._channels = 0
        self._seed = None

    def close(self):
        self.client.close()

    def is_open(self):
        return self.answer.status == 101

    def _send(self, channel, payload, opcode=websocket.TEXT):
        message = channel.encode() + b"\n" + payload
        self.client.socket.sendall(websocket.frame(message, opcode, mask=True))

    def _control(self, command, **members):
        self._send("", json.dumps({"command": command, **members}).encode())

    def _receive(self):
        """(channel, payload) of the next message."""
        message = b""
        while True:
            opcode, is_final, payload = websocket.read_frame(self.client.take)
            if opcode == websocket.PING:
                self.client.socket.sendall(websocket.frame(payload, websocket.PONG, mask=True))
                continue
            if opcode == websocket.CLOSE:
                raise AssertionError(f"cockpit closed: {payload!r}")
            message += payload
            if is_final:
                channel, _, rest = message.partition(b"\n")
                return channel.decode(), rest

    def begin(self):
        """Cockpit speaks first. Returns what its init says."""
        channel, payload = self._receive()
        hello = json.loads(payload)
        if channel or hello["command"] != "init":
            raise AssertionError(f"not an init: {channel!r} {payload!r}")
        self._seed = hello["channel-seed"]
        self._control("init", version=1)
        return hello

    def run(self, payload, content=None, **options):
        """Opens a channel, sends `content` if any, and reads to the channel's close: (what came, the close's members)."""
        self._channels += 1
        channel = f"{self._seed}{self._channels}"
        self._control("open", channel=channel, payload=payload, binary="raw", **options)
        if content is not None:
            for start in range(0, len(content), MESSAGE_BYTES):
                self._send(channel, content[start:start + MESSAGE_BYTES], websocket.BINARY)
            self._control("done", channel=channel)
        came = b""
        while True:
            where, piece = self._receive()
            if where == channel:
                came += piece
                continue
            control = json.loads(piece)
            if control.get("channel") == channel and control["command"] == "close":
                return came, control


class CockpitBehindBarkeep(EndToEnd):
    """Two hosts, one cockpit: only the console's route lets WebSockets through. A reader may have the pages alone."""

    @classmethod
    def start_backend(cls, stage):
        cockpit = stage.add(Cockpit(stage, [CONSOLE, PLAIN]))
        cockpit.wait_ready()
        return cockpit

    @classmethod
    def secrets(cls):
        return {}

    @classmethod
    def credentials(cls):
        return {}

    @classmethod
    def routes(cls):
        access = [{"role": "Contributor", "to": {"app_role": ADMIN_ROLE}},
                  {"actions": ["GET,HEAD /", "GET,HEAD /cockpit/@localhost/**"], "to": {"app_role": READER_ROLE}}]
        return [{"name": "console", "host": CONSOLE, "path": "/", "upstream": cls.backend.url, "websocket": True,
                 "access": access},
                {"name": "plain", "host": PLAIN, "path": "/", "upstream": cls.backend.url, "access": access}]

    def console(self, caller="admin", **options):
        console = Console(self.barkeep.port, self.tokens.get(caller), **options)
        self.addCleanup(console.close)
        return console

    def begin(self):
        console = self.console()
        self.assertTrue(console.is_open(), (console.answer.status, console.answer.body))
        return console, console.begin()

    def page(self, path, caller="admin"):
        return self.ask(caller, "GET", path, headers={"Host": CONSOLE, "Accept-Language": "en"})

    def sockets_seen(self):
        """How many requests for a socket have reached cockpit, refused ones and this one too: it numbers them."""
        console, hello = self.begin()
        console.close()
        return int(hello["channel-seed"].partition(":")[0])

    def assert_none_reaches_cockpit(self, attempt):
        before = self.sockets_seen()
        attempt()
        self.assertEqual(before + 1, self.sockets_seen())

    def test_page_and_the_scripts_it_names_load(self):
        page = self.page("/")
        self.assertEqual(200, page.status, page.body)
        self.assertIn(b"<title>Cockpit</title>", page.body)
        base = re.search(rb'<base href="([^"]+)"', page.body)[1].decode()
        scripts = [found.decode() for found in re.findall(rb'<script src="([^"]+)"', page.body)]
        self.assertTrue(any(script.endswith("base1/cockpit.js") for script in scripts), scripts)
        for script in scripts:
            if script.endswith("po.js"):
                continue  # translations: not every version has some for every language
            with self.subTest(script):
                answer = self.page(urllib.parse.urljoin(base, script))
                self.assertEqual((200, "application/javascript"),
                                 (answer.status, answer.headers.get_content_type().replace("text/", "application/")))

    def test_socket_opens_with_cockpits_protocol_and_says_hello(self):
        console, hello = self.begin()
        self.assertEqual(["cockpit1"], console.answer.all("Sec-WebSocket-Protocol"))
        self.assertEqual((1, "localhost"), (hello["version"], hello["host"]))

    def test_program_runs_through_the_socket(self):
        console, _ = self.begin()
        came, close = console.run("stream", spawn=["id", "-u"])
        self.assertEqual((f"{os.getuid()}\n".encode(), 0), (came, close["exit-status"]))

    def test_large_input_comes_back_unchanged(self):
        console, _ = self.begin()
        content = os.urandom(500000)
        came, close = console.run("stream", content, spawn=["cat"])
        self.assertTrue(content == came, (len(came), close))
        self.assertEqual(0, close["exit-status"])

    def test_file_is_read_through_the_socket(self):
        console, _ = self.begin()
        path = os.path.join(self.backend.folder, "cockpit", "cockpit.conf")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), console.run("fsread1", path=path)[0])

    def test_missing_program_is_cockpits_error_and_the_socket_lives_on(self):
        console, _ = self.begin()
        self.assertEqual("not-found", console.run("stream", spawn=["/nonexistent/program"])[1]["problem"])
        self.assertEqual(b"here\n", console.run("stream", spawn=["echo", "here"])[0])

    def test_audit_line_tells_who_had_the_socket(self):
        console, _ = self.begin()
        console.run("stream", spawn=["true"])
        console.close()
        line = self.barkeep.audit.wait_for(console.answer.request_id)
        self.assertEqual((101, 101, "allow", "console"),
                         tuple(line[key] for key in ("status", "upstream_status", "decision", "route")))
        self.assertGreater(line["bytes_in"], 100)
        self.assertGreater(line["bytes_out"], 100)

    def assert_socket_refused(self, answer, status, reason):
        self.assertEqual((status, reason), (answer.status, json.loads(answer.body)["reason"]))
        line = self.barkeep.audit.wait_for(answer.request_id)
        self.assertEqual(("deny", None), (line["decision"], line.get("upstream_status")))

    def test_nobody_and_stranger_reach_nothing(self):
        def attempt():
            for caller, status, reason in ((None, 401, "token_missing"), ("stranger", 403, "no_role")):
                with self.subTest(caller):
                    self.assert_refused(self.page("/", caller), status, reason)
                    self.assert_socket_refused(self.console(caller).answer, status, reason)
        self.assert_none_reaches_cockpit(attempt)

    def test_reader_has_the_page_and_not_the_socket(self):
        def attempt():
            self.assertEqual(200, self.page("/", "reader").status)
            self.assert_socket_refused(self.console("reader").answer, 403, "no_role")
        self.assert_none_reaches_cockpit(attempt)

    def test_route_without_websocket_opens_none(self):
        """Cockpit then sees an ordinary GET of the socket's path, and refuses that itself."""
        answer = self.console(host=PLAIN).answer
        self.assertIn(answer.status, range(400, 500))
        self.assertEqual([], answer.all("Upgrade"))
        line = self.barkeep.audit.wait_for(answer.request_id)
        self.assertEqual(("allow", "plain", answer.status), (line["decision"], line["route"], line["upstream_status"]))

    def test_origin_stays_cockpits_to_judge(self):
        """Another site's page cannot ride on a visitor's login: cockpit sees the Origin that the browser sent."""
        answer = self.console(origin="http://elsewhere.example").answer
        line = self.barkeep.audit.wait_for(answer.request_id)
        self.assertEqual((403, 403, "allow"), (answer.status, line["upstream_status"], line["decision"]))


if __name__ == "__main__":
    unittest.main()
