#!/usr/bin/python3
"""What pinned tools may be called when, whatever their server lists. The command that approves them:
test_pin_command.py."""

import copy
import json
import pathlib
import signal
import unittest

import wire  # noqa: F401
from lib import mcp, process
from lib.barkeep import Barkeep
from lib.mcp_case import DENIED, McpCase

TOOL = {"name": "search_docs", "description": "d", "inputSchema": {"type": "object"}}
OTHER = {"name": "read", "inputSchema": {"type": "object"}}


class PinsCase(McpCase):
    replays = False  # what a server lists meanwhile is not known to an explanation

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        folder = pathlib.Path(door.folder)
        listing, pins = folder / "listing.json", folder / "pins.json"
        for pinning in ("block", "warn"):
            cls.add_mcp(config, door, pinning, ["mcp:*"], {"pins": str(pins), "pinning": pinning})
        listing.write_text(json.dumps({"tools": [TOOL, OTHER]}))
        door.barkeep.write_config(config)
        code, _, err = process.run([process.barkeep_binary(), "pin", "approve", "-c", str(door.barkeep.config_path),
                                    "--route", "block", "--tools", str(listing)], 10)
        assert code == 0, err

    def listed(self, *tools, target="/block"):
        self.server.on["tools/list"] = {"tools": list(tools)}
        answer = self.post(mcp.request("tools/list"), target)
        self.assertEqual(200, answer.status, answer.body)
        return [tool["name"] for tool in json.loads(answer.body)["result"]["tools"]]

    def refuse_call(self, name="search_docs", rule="pins"):
        error = self.refuse_post(mcp.call(name), 200, DENIED, "denied", "/block", id=1)
        self.assertEqual(rule, self.audit_of(error["response"])["rule"])


class Beginning(PinsCase):
    def test_what_no_list_has_told_of_is_not_called(self):
        self.refuse_call(rule="pins_unlisted")
        self.refuse_call("stranger")
        self.good_call(target="/warn")
        self.assertEqual(["search_docs"], self.listed(TOOL))
        self.good_call(target="/block")
        self.refuse_call("read", rule="pins_unlisted")
        self.assertEqual(["read", "search_docs"], self.listed(OTHER, TOOL))
        self.passes_post(mcp.call("read"), "/block")


class HandingOver(PinsCase):
    def take_over(self):
        barkeep = Barkeep(self.door.folder, "next")
        barkeep.port, barkeep.admin_port = self.door.barkeep.port, self.door.barkeep.admin_port
        barkeep.options = ["--take-over"]
        config = copy.deepcopy(self.door.config)
        config["log"]["audit"] = str(barkeep.audit_path)
        barkeep.write_config(config)
        barkeep.start()
        self.addCleanup(self.end, barkeep)
        self.wait_for(lambda: [event for event in barkeep.audit.read() if event["event"] == "start"], "the start", 20)
        self.end(self.door.barkeep)

    @staticmethod
    def end(barkeep):
        barkeep.process.send_signal(signal.SIGTERM)
        barkeep.process.wait(20)

    def outcome(self, target):
        return json.loads(self.post(mcp.call("search_docs"), target).body)

    def test_the_next_process_knows_no_list_yet(self):
        self.listed(TOOL)
        self.assertIn("result", self.outcome("/block"))
        self.take_over()
        self.assertEqual(DENIED, self.outcome("/block")["error"]["code"])
        self.assertIn("result", self.outcome("/warn"))
        self.assertEqual(["search_docs"], self.listed(TOOL))
        self.assertIn("result", self.outcome("/block"))


class Hostile(PinsCase):
    def test_what_cannot_be_pinned_is_hidden_and_harms_nobody(self):
        for what, tool in (("members", {**OTHER, **{f"m{i}": i for i in range(64)}}),
                           ("a member's name", {**OTHER, "x" * 257: 1}),
                           ("a number beyond all", {**OTHER, "x": 1}), ("depth", {**OTHER, "x": json.loads("[" * 90 + "]" * 90)}),
                           ("another spelling", {"Name": "read", **OTHER, "description": "\x1b[2J\u202e"}),
                           ("a huge text", {**OTHER, "description": "x" * 3000000})):
            with self.subTest(what):
                self.assertEqual(["search_docs"], self.listed(tool, TOOL))
                self.refuse_call("read")
                self.good_call(target="/block")
                self.assertEqual(["read", "search_docs"], self.listed(OTHER, TOOL))
                self.passes_post(mcp.call("read"), "/block")

    def test_names_that_nobody_can_approve_are_hidden(self):
        for name in ("x" * 257, "read\0", "\0read", "read ", "Read", "re\u0430d", "re\u200bad", "", "\x1b[31mread"):
            with self.subTest(name):
                self.assertEqual(["search_docs"], self.listed({**OTHER, "name": name}, TOOL))
                self.good_call(target="/block")
        self.assertEqual([], self.listed({"title": "none"}, {**OTHER, "name": ["read"]}, {}))
        self.assertEqual(["read"], self.listed(OTHER))

    def test_a_name_twice_in_one_list_is_as_its_worse_definition(self):
        worse = {**OTHER, "description": "and delete everything"}
        for tools, shown in (((OTHER, worse), ["read"]), ((worse, OTHER), []), ((worse, OTHER, worse, OTHER), [])):
            with self.subTest(tools=tools):
                self.assertEqual(shown + ["search_docs"], self.listed(*tools, TOOL))
                self.refuse_call("read")
                self.good_call(target="/block")
                self.assertEqual(["read", "read"], self.listed(OTHER, OTHER))
                self.passes_post(mcp.call("read"), "/block")


if __name__ == "__main__":
    unittest.main()
