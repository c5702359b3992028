#!/usr/bin/python3
"""`barkeep pin`: what is approved, what is listed otherwise, and what an approval writes; the pins
file in `check` and on reload."""

import concurrent.futures
import copy
import fcntl
import json
import os
import pathlib
import shutil
import stat
import tempfile
import unittest

import wire  # noqa: F401
from lib import mcp, process, tokens
from lib.mcp_case import DENIED, McpCase
from lib.reload_case import ReloadCase

CONFIG = f"""\
listen: 127.0.0.1:8080
entra:
  tenant: {tokens.TENANT}
  audience: [{tokens.API_URI}, {tokens.API}]
routes:
  - name: tools
    path: /mcp
    upstream: http://127.0.0.1:3001
    mcp:
      pinning: block
      pins: pins.json
    access:
      - actions: ["mcp:*"]
        to: {{everyone: true}}
  - name: plain
    path: /
    upstream: http://127.0.0.1:3002
    access:
      - role: Reader
        to: {{everyone: true}}
"""
QUERY = {"name": "query", "title": "Query", "description": "Runs a query",
         "inputSchema": {"type": "object", "properties": {"sql": {"type": "string", "description": "what"}}},
         "annotations": {"readOnlyHint": True}}
ECHO = {"name": "echo", "inputSchema": {"type": "object"}}
# (what, change of QUERY, state, {field: difference})
EDITS = [
    ("its description", lambda tool: tool.update(description="Does"), "words", {"description": "words"}),
    ("no title", lambda tool: tool.pop("title"), "words", {"title": "gone"}),
    ("a parameter's description", lambda tool: tool["inputSchema"]["properties"]["sql"].pop("description"),
     "words", {"inputSchema": "words"}),
    ("a parameter called description",
     lambda tool: tool["inputSchema"]["properties"].update(description={}), "changed", {"inputSchema": "changed"}),
    ("a hint", lambda tool: tool["annotations"].update(readOnlyHint=False), "changed", {"annotations": "changed"}),
    ("an unknown member", lambda tool: tool.update(_meta={"x": 1}), "changed", {"_meta": "added"}),
    ("words and schema", lambda tool: tool.update(description="", inputSchema={}), "changed",
     {"description": "words", "inputSchema": "changed"}),
]
HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202eevil\u2069 in\u200bvisible \U000e0041\U000e0042 \x7f"


def answer(*tools, cursor=None):
    result = {"tools": list(tools)}
    if cursor is not None:
        result["nextCursor"] = cursor
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=False)


class PinCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-pin-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.config = self.folder / "barkeep.yaml"
        self.config.write_text(CONFIG)
        self.config.chmod(0o600)
        self.pins = self.folder / "pins.json"

    def run_barkeep(self, *words, stdin=None):
        code, out, err = process.run([process.barkeep_binary(), *map(str, words)],
                                     stdin=(stdin or "").encode())
        for text in (out, err):
            self.assertFalse(any(mark in text for mark in process.SANITIZER_MARKS), text)
        return code, out, err

    def pin(self, action, *words, tools=None, route="tools"):
        """`tools` is text for stdin."""
        listing = ["--tools", "-"] if tools is not None else []
        return self.run_barkeep("pin", action, "-c", self.config, "--route", route, *listing, *words,
                                stdin=tools)

    def approve(self, *tools, options=()):
        code, out, err = self.pin("approve", *options, tools=answer(*tools))
        self.assertEqual((0, ""), (code, err), out)
        return out

    def diff(self, *tools):
        """Exit code, and what differs: {name: (state, {field: difference})}."""
        code, out, err = self.pin("diff", "--json", tools=answer(*tools))
        self.assertEqual("", err)
        found = json.loads(out)
        return code, {tool["name"]: (tool["state"], {field["field"]: field["difference"]
                                                     for field in tool["fields"]})
                      for tool in found["tools"]}


class Approving(PinCase):
    def test_everything_is_new_without_a_file(self):
        self.assertEqual((1, {"query": ("new", {}), "echo": ("new", {})}), self.diff(QUERY, ECHO))
        self.assertFalse(self.pins.exists())

    def test_what_is_approved_is_the_same(self):
        self.assertIn("2 approved", self.approve(QUERY, ECHO))
        self.assertEqual((0, {}), self.diff(ECHO, QUERY))
        self.assertEqual(0o644, stat.S_IMODE(os.stat(self.pins).st_mode))

    def test_a_file_is_stable_sorted_and_without_texts(self):
        self.approve(QUERY, ECHO)
        first = self.pins.read_bytes()
        self.approve(ECHO, QUERY)
        self.assertEqual(first, self.pins.read_bytes())
        self.assertEqual(["echo", "query"], list(json.loads(first)["tools"]))
        self.assertNotIn(b"Runs", first)
        self.assertEqual([self.config, self.pins], sorted(self.folder.iterdir()))

    def test_an_approval_of_the_same_writes_nothing(self):
        self.approve(QUERY)
        before = os.stat(self.pins)
        self.assertEqual("1 approved\n", self.approve(QUERY))
        self.assertEqual((before.st_ino, before.st_mtime_ns),
                         (os.stat(self.pins).st_ino, os.stat(self.pins).st_mtime_ns))

    def test_each_edit_is_told_by_its_weight(self):
        self.approve(QUERY, ECHO)
        for what, edit, state, fields in EDITS:
            with self.subTest(what):
                tool = copy.deepcopy(QUERY)
                edit(tool)
                self.assertEqual((1, {"query": (state, fields)}), self.diff(tool, ECHO))
                self.assertEqual((0, {}), self.diff(QUERY, ECHO))

    def test_new_and_gone_tools_are_named(self):
        self.approve(QUERY)
        self.assertEqual((1, {"query": ("gone", {}), "echo": ("new", {})}), self.diff(ECHO))

    def test_single_tools_are_approved_and_dropped(self):
        self.approve(QUERY, ECHO)
        other = {**QUERY, "description": "Does"}
        out = self.approve(other, {**ECHO, "title": "E"}, options=["--tool", "query"])
        self.assertIn("query", out)
        self.assertNotIn("echo", out)
        self.assertEqual((1, {"echo": ("words", {"title": "added"})}),
                         self.diff(other, {**ECHO, "title": "E"}))
        self.approve(other, options=["--tool", "echo"])
        self.assertEqual((0, {}), self.diff(other))

    def test_a_tool_that_nobody_knows_is_refused(self):
        self.approve(QUERY)
        before = self.pins.read_bytes()
        code, _, err = self.pin("approve", "--tool", "quer", tools=answer(QUERY, ECHO))
        self.assertEqual(2, code)
        self.assertIn("`quer`", err)
        self.assertEqual(before, self.pins.read_bytes())

    def test_shows_what_is_approved(self):
        self.approve(QUERY, ECHO)
        code, out, _ = self.pin("show")
        self.assertEqual(0, code)
        whole = json.loads(self.pins.read_text())["tools"]["echo"]["whole"]
        self.assertEqual(f"{whole}  echo: inputSchema, name", out.splitlines()[0])
        code, out, _ = self.pin("show", "--json")
        shown = json.loads(out)
        self.assertEqual(["echo", "query"], [tool["name"] for tool in shown["tools"]])
        self.assertEqual((0, "tools"), (code, shown["route"]))

    def test_the_file_stays_whose_it_was(self):
        self.approve(QUERY)
        self.pins.chmod(0o640)
        owner = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        os.chown(self.pins, *owner)
        self.approve(ECHO)
        found = os.stat(self.pins)
        self.assertEqual((0o640, *owner), (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid))
        self.assertEqual(["echo"], list(json.loads(self.pins.read_text())["tools"]))

    def test_approvals_at_once_lose_nothing(self):
        tools = [{"name": f"tool{i}", "inputSchema": {}} for i in range(12)]
        listing = self.folder / "tools.json"
        listing.write_text(answer(*tools))
        with concurrent.futures.ThreadPoolExecutor(len(tools)) as pool:
            done = list(pool.map(lambda tool: self.pin("approve", "--tools", listing, "--tool", tool["name"]),
                                 tools))
        self.assertEqual([(0, "")] * len(tools), [(code, err) for code, _, err in done])
        self.assertEqual((0, {}), self.diff(*tools))

    def test_an_approval_waits_for_another(self):
        self.approve(QUERY)
        before = self.pins.read_bytes()
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        code, out, err = self.pin("approve", tools=answer(ECHO))
        self.assertEqual((2, ""), (code, out))
        self.assertIn("pins.json: its folder cannot be locked: another approval is at work", err)
        self.assertEqual(before, self.pins.read_bytes())
        self.assertEqual(1, self.diff(ECHO)[0])  # reading waits for nobody
        fcntl.flock(folder, fcntl.LOCK_UN)
        self.approve(ECHO)

    def test_an_approval_that_cannot_be_written_leaves_the_former(self):
        self.approve(QUERY)
        before = self.pins.read_bytes()
        code, out, err = process.run(
            ["sh", "-c", "trap '' XFSZ; exec prlimit --fsize=100 \"$@\"", "sh", process.barkeep_binary(),
             "pin", "approve", "-c", str(self.config), "--route", "tools", "--tools", "-"], stdin=answer(QUERY, ECHO).encode())
        self.assertEqual((2, ""), (code, out), err)
        self.assertIn("pins.json: cannot be written: File too large", err)
        self.assertEqual(before, self.pins.read_bytes())
        self.assertEqual([self.config, self.pins], sorted(self.folder.iterdir()))
        self.approve(QUERY, ECHO)

    def test_a_folder_that_cannot_be_written_leaves_the_former(self):
        self.approve(QUERY)
        before = self.pins.read_bytes()
        listing = self.folder / "tools.json"
        listing.write_text(answer(QUERY, ECHO))
        self.config.chmod(0o644)
        self.folder.chmod(0o555)
        self.addCleanup(self.folder.chmod, 0o755)
        words = ["pin", "approve", "-c", str(self.config), "--route", "tools", "--tools", str(listing)]
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
        code, out, err = process.run([*nobody, process.barkeep_binary(), *words])
        self.assertEqual((2, "", 1), (code, out, err.count("\n")), err)
        self.assertIn("pins.json: cannot be written: Permission denied", err)
        self.assertEqual(before, self.pins.read_bytes())
        self.folder.chmod(0o777)
        code, out, err = process.run([*nobody, process.barkeep_binary(), *words])
        self.assertEqual((0, ""), (code, err), out)
        self.assertEqual(0o644, stat.S_IMODE(os.stat(self.pins).st_mode))

    @unittest.skipUnless(os.geteuid() == 0, "a file of another group takes root")
    def test_a_group_that_cannot_stay_leaves_ours_no_more_than_everybody(self):
        listing = self.folder / "tools.json"
        listing.write_text(answer(ECHO))
        self.config.chmod(0o644)
        self.folder.chmod(0o777)
        for groups, found in (((), (0o644, 65533)), ((4711,), (0o664, 4711))):
            with self.subTest(groups=groups):
                self.pins.unlink(missing_ok=True)
                self.approve(QUERY)
                os.chown(self.pins, 0, 4711)
                self.pins.chmod(0o664)
                options = [f"--groups={group}" for group in groups] or ["--clear-groups"]
                code, _, err = process.run(["setpriv", "--reuid", "65533", "--regid", "65533", *options,
                                            process.barkeep_binary(), "pin", "approve", "-c", str(self.config),
                                            "--route", "tools", "--tools", str(listing)])
                self.assertEqual((0, ""), (code, err))
                self.assertEqual(found, (stat.S_IMODE(os.stat(self.pins).st_mode), os.stat(self.pins).st_gid))

    def test_a_symbolic_link_that_leads_nowhere_is_refused(self):
        self.pins.symlink_to("nowhere.json")
        code, out, err = self.pin("approve", tools=answer(QUERY))
        self.assertEqual((2, ""), (code, out))
        self.assertIn("pins.json: a symbolic link that leads nowhere", err)
        self.assertTrue(self.pins.is_symlink())
        self.assertFalse((self.folder / "nowhere.json").exists())
        (self.folder / "nowhere.json").write_text('{"format": 1, "tools": {}}')
        self.approve(QUERY)

    def test_a_symbolic_link_stays_one(self):
        real = self.folder / "real.json"
        self.approve(QUERY)
        self.pins.rename(real)
        self.pins.symlink_to("real.json")
        self.approve(ECHO)
        self.assertTrue(self.pins.is_symlink())
        self.assertEqual(["echo"], list(json.loads(real.read_text())["tools"]))


class Listings(PinCase):
    def test_every_form_of_an_answer_is_read(self):
        self.approve(QUERY, ECHO)
        message = answer(QUERY, ECHO)
        forms = {
            "an answer": message,
            "its result": json.dumps({"tools": [QUERY, ECHO]}),
            "a list": json.dumps([ECHO, QUERY], indent=3),
            "a stream": f"event: message\nid: 7\ndata: {message}\n\n",
            "a stream with other messages": ": hello\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":"
                                            f"\"notifications/message\"}}\r\n\r\ndata:{message}\r\n\r\n",
            "a stream of pages": f"data: {answer(QUERY, cursor='2')}\n\ndata: {answer(ECHO)}\n\n",
        }
        for what, text in forms.items():
            with self.subTest(what):
                code, out, err = self.pin("diff", tools=text)
                self.assertEqual((0, "2 as approved, 0 otherwise\n", ""), (code, out, err))

    def test_pages_come_in_files(self):
        self.approve(QUERY, ECHO)
        pages = [self.folder / "one.json", self.folder / "two.json"]
        pages[0].write_text(answer(QUERY, cursor="more"))
        pages[1].write_text(answer(ECHO))
        code, out, _ = self.pin("diff", "--tools", pages[0], "--tools", pages[1])
        self.assertEqual((0, "2 as approved, 0 otherwise\n"), (code, out))

    def test_what_is_no_whole_list_is_refused(self):
        self.approve(QUERY)
        before = self.pins.read_bytes()
        bad = {
            "nothing": "",
            "no JSON": "<html>",
            "half": answer(QUERY)[:-2],
            "more": answer(QUERY) + "{}",
            "an error": '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
            "another answer": '{"jsonrpc":"2.0","id":1,"result":{"prompts":[]}}',
            "tools that are no list": '{"tools":{}}',
            "a tool that is none": '[1]',
            "a tool without name": '[{"title":"x"}]',
            "a name twice": '[{"name":"x","name":"y"}]',
            "a NUL in a member's name": '[{"name":"x","a\\u0000":1}]',
            "a tool twice": answer(QUERY, QUERY),
            "a tool twice, spelled otherwise": '[{"name":"x"},{"n\\u0061me":"\\u0078","title":"y"}]',
            "a first page": answer(QUERY, cursor="more"),
            "a first page, its cursor empty": answer(QUERY, cursor=""),
            "a stream without list": "data: {}\n\n",
        }
        for what, text in bad.items():
            for action in ("diff", "approve"):
                with self.subTest(what, action=action):
                    code, out, err = self.pin(action, tools=text)
                    self.assertEqual((2, ""), (code, out), err)
                    self.assertTrue(err.startswith("barkeep: "), err)
        self.assertEqual(before, self.pins.read_bytes())
        self.assertEqual((0, {}), self.diff(QUERY))

    def test_what_cannot_be_pinned_holds_up_nothing_else(self):
        wide = {"name": "wide", **{f"m{i}": i for i in range(64)}}
        long = {"name": "l" * 257}
        far = {"name": "far", "x" * 257: 1}
        nul = {"name": "n\0l"}
        for tool, words in ((nul, "tool 1 of the list cannot be approved: `n\\u0000l`: "),
                            (wide, "tool 1 of the list cannot be approved: `wide`: "),
                            (long, "tool 1 of the list cannot be approved: `lll"),
                            (far, "tool 1 of the list cannot be approved: `far`: ")):
            with self.subTest(words):
                self.pins.unlink(missing_ok=True)
                code, out, err = self.pin("approve", tools=answer(tool, QUERY, ECHO))
                self.assertEqual(1, code, err)
                self.assertIn("2 approved", out)
                self.assertIn(words, err)
                self.assertEqual(1, err.count("\n"))
                self.assertEqual((0, {}), self.diff(QUERY, ECHO))
                code, _, err = self.pin("diff", tools=answer(tool, QUERY, ECHO))
                self.assertEqual(1, code)
                self.assertIn(words, err)
                code, out, _ = self.pin("approve", "--tool", "echo", tools=answer(tool, QUERY, ECHO))
                self.assertEqual(0, code)
                code, _, _ = self.pin("approve", "--tool", tool["name"].replace("\0", "\\0"), tools=answer(tool, QUERY, ECHO))
                self.assertEqual(2, code)

    def test_hostile_texts_do_nothing_to_a_terminal(self):
        tool = {"name": "t" + HOSTILE, "description": HOSTILE, "inputSchema": {"title": HOSTILE, HOSTILE: HOSTILE},
                HOSTILE: 1}
        outs = [self.pin(action, *words, tools=tools)[1:]
                for action, words, tools in (("diff", (), answer(tool)), ("diff", ("--json",), answer(tool)),
                                             ("approve", (), answer(tool)), ("show", (), None),
                                             ("diff", (), answer({**tool, HOSTILE: 2})))]
        for index, texts in enumerate(outs):
            for text in texts:
                with self.subTest(index):
                    self.assertFalse([c for c in text.replace("\n", "") if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0])
                    if index != 1:  # JSON is for machines
                        self.assertTrue(text.isascii(), text)
        self.assertIn("\\u200b", outs[0][0])
        self.assertIn("\\udb40\\udc41", outs[0][0])
        self.assertEqual((0, {}), self.diff(tool))

    def test_long_texts_are_shown_whole(self):
        tool = {"name": "long", "description": "x" * 100000 + "the end"}
        self.assertIn("xthe end\"", self.pin("diff", tools=answer(tool))[1])


class Usage(PinCase):
    def test_wrong_words_are_usage(self):
        base = ("-c", self.config, "--route", "tools")
        for words in ((), ("list", *base), ("show",), ("show", "-c", self.config), ("diff", *base),
                      ("approve", *base), ("show", *base, "--tools", "-"), ("show", *base, "--tool", "x"),
                      ("diff", *base, "--tools", "-", "--tool", "x"),
                      ("approve", *base, "--tools", "-", "--json"), ("show", "diff", *base)):
            with self.subTest(words=words):
                code, out, err = self.run_barkeep("pin", *words, stdin="[]")
                self.assertEqual((2, ""), (code, out))
                self.assertIn("usage: barkeep pin", err)

    def test_routes_without_pins_are_told(self):
        for route, words in (("nope", "no such route"), ("plain", "MCP")):
            code, _, err = self.pin("diff", tools="[]", route=route)
            self.assertEqual(2, code)
            self.assertIn(words, err)
        self.config.write_text(CONFIG.replace("      pins: pins.json\n", "").replace("block", "off"))
        code, _, err = self.pin("diff", tools="[]")
        self.assertEqual(2, code)
        self.assertIn("pins: FILE", err)

    def test_show_needs_the_file(self):
        code, _, err = self.pin("show")
        self.assertEqual(2, code)
        self.assertIn("no such file", err)

    def test_help_is_there(self):
        code, out, _ = self.run_barkeep("help", "pin")
        self.assertEqual(0, code)
        self.assertIn("usage: barkeep pin show|diff|approve", out)


class Checking(PinCase):
    def check(self):
        return self.run_barkeep("check", "-c", self.config)

    def test_a_pins_file_is_read(self):
        self.approve(QUERY)
        self.assertEqual(0, self.check()[0])
        good = self.pins.read_text()
        bad = {"nothing": ("", "pins.json:1:1"), "half": (good[:-4], "pins.json:1"),
               "another format": (good.replace('"format": 1', '"format": 2'), "pins.json:2:13"),
               "a digest that is none": (good.replace('"whole": "', '"whole": "x'), "SHA-256"),
               "a tool twice": (good.replace('"tools": {', '"tools": {"query": {}, '), "twice")}
        for what, (text, words) in bad.items():
            with self.subTest(what):
                self.pins.write_text(text)
                code, out, _ = self.check()
                self.assertEqual(2, code)
                self.assertIn("barkeep.yaml:11:13: error: routes[0].mcp.pins: ", out)
                self.assertIn(words, out)
        self.pins.write_text(good)
        self.assertEqual(0, self.check()[0])

    def test_a_file_that_nobody_has_written_yet_is_warned_about(self):
        for pinning, words in (("block", "none is listed, none can be called"), ("warn", "told of in the log")):
            self.config.write_text(CONFIG.replace("block", pinning))
            code, out, err = self.check()
            self.assertEqual((0, ""), (code, err))
            self.assertIn("barkeep.yaml:11:13: warning: routes[0].mcp.pins: ", out)
            self.assertIn("pins.json: no such file, so nobody has approved a tool: ", out)
            self.assertIn(f"{words}; write it with `barkeep pin approve`", out)
        self.approve(QUERY)
        self.assertNotIn("warning", self.check()[1])

    def test_a_file_in_whose_place_something_else_is_stays_an_error(self):
        self.pins.mkdir()
        self.assertEqual(2, self.check()[0])

    def test_a_file_that_is_not_in_force_is_not_looked_for(self):
        self.config.write_text(CONFIG.replace("pinning: block", "pinning: off"))
        self.assertEqual(0, self.check()[0])
        self.approve(QUERY)


class Explaining(PinCase):
    """What is known of a tool without asking the server."""

    CLAIMS = {"iss": f"https://login.microsoftonline.com/{tokens.TENANT}/v2.0", "ver": "2.0", "tid": tokens.TENANT,
              "aud": tokens.API, "azp": tokens.API, "oid": tokens.USER, "scp": "mcp"}

    def explain(self, name, *options):
        claims = self.folder / "claims.json"
        claims.write_text(json.dumps(self.CLAIMS))
        body = self.folder / "body.json"
        body.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}))
        code, out, err = self.run_barkeep("explain", "-c", self.config, "--offline", "--claims", claims, "--body",
                                          body, *options, "POST", "/mcp")
        self.assertEqual("", err)
        return code, out

    def pin_of(self, name):
        code, out = self.explain(name, "--json")
        found = json.loads(out)
        return code, found["reason"], found["rule"], found["mcp"]["pin"]

    def test_a_tool_that_is_approved(self):
        self.approve(QUERY)
        digest = json.loads(self.pins.read_text())["tools"]["query"]["whole"]
        code, reason, rule, pin = self.pin_of("query")
        self.assertEqual((0, "", "routes.tools.access[0]"), (code, reason or "", rule))
        self.assertEqual(("approved", "block", digest, None),
                         (pin["answer"], pin["pinning"], pin["approved"], pin["listed"]))
        code, out = self.explain("query")
        self.assertEqual(0, code)
        self.assertRegex(out, f"\npins +approved in .*pins.json as {digest}; the server is not asked")

    def test_a_tool_that_nobody_approved(self):
        self.approve(QUERY)
        code, reason, rule, pin = self.pin_of("echo")
        self.assertEqual((1, "denied", "pins"), (code, reason, rule))
        self.assertEqual(("not_approved", None), (pin["answer"], pin["approved"]))
        self.assertIn("deny 403 denied by pins: the tool's definition", self.explain("echo")[1])
        self.config.write_text(CONFIG.replace("block", "warn"))
        code, reason, rule, pin = self.pin_of("echo")
        self.assertEqual((0, "routes.tools.access[0]", "not_approved"), (code, rule, pin["answer"]))

    def test_a_file_that_cannot_be_read(self):
        self.pins.write_text("{")
        code, out, err = self.run_barkeep("explain", "-c", self.config, "--offline", "--claims", "-", "POST",
                                          "/mcp", stdin=json.dumps(self.CLAIMS))
        self.assertEqual((2, ""), (code, out))
        self.assertIn("pins.json:1:", err)

    def test_a_file_that_nobody_has_written_yet(self):
        self.assertEqual((1, "denied", "pins"), self.pin_of("query")[:3])
        self.assertIn("pins.json, which is not there: refused until", self.explain("query")[1])

    def test_a_route_without_pins(self):
        self.config.write_text(CONFIG.replace("block", "off"))
        self.assertEqual((0, None), (self.pin_of("echo")[0], self.pin_of("echo")[3]))


class Beginning(McpCase):
    """barkeep serves before anybody has approved anything, and takes the file over when it appears."""

    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.pins = pathlib.Path(door.folder) / "pins.json"
        for pinning in ("block", "warn"):
            cls.add_mcp(config, door, pinning, ["mcp:*"], {"pins": str(cls.pins), "pinning": pinning})

    def listed(self, target):
        self.server.on["tools/list"] = {"tools": [QUERY]}
        document, _ = self.passes_post(mcp.request("tools/list"), target)
        return [tool["name"] for tool in document["result"]["tools"]]

    def test_nothing_is_approved_until_somebody_does(self):
        self.assertEqual(([], ["query"]), (self.listed("/block"), self.listed("/warn")))
        self.refuse_post(mcp.call("query"), 200, DENIED, "denied", "/block", id=1)
        self.passes_post(mcp.call("query"), "/warn")
        logged = self.door.barkeep.process.stderr()
        for words in ("no such file, so nobody has approved a tool", '"what":"new","route":"warn","tool":"query"'):
            self.assertIn(words, logged)
        code, _, err = process.run(
            [process.barkeep_binary(), "pin", "approve", "-c", self.door.barkeep.config_path, "--route", "block",
             "--tools", "-"], stdin=answer(QUERY).encode())
        self.assertEqual(0, code, err)
        self.wait_for(lambda: self.listed("/block") == ["query"], "the file to be taken over")
        self.wait_for(lambda: all(b'"result"' in self.post(mcp.call("query"), "/block").body for _ in range(12)),
                      "all workers")


class Watching(ReloadCase):
    """A running barkeep takes an approval over; a file that says nonsense leaves the former in force."""

    @classmethod
    def change_config(cls, config, door):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-pin-"))
        cls.pins = cls.folder / "pins.json"
        cls.pins.write_text('{"format": 1, "tools": {}}')
        config["routes"].append({
            "name": "pinned", "path": "/pinned", "upstream": config["routes"][0]["upstream"],
            "mcp": {"pins": str(cls.pins), "pinning": "block"},
            "access": [{"actions": ["mcp:*"], "to": {"everyone": True}}]})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def test_an_approval_is_taken_over(self):
        mark = len(self.events())
        code, _, err = process.run(
            [process.barkeep_binary(), "pin", "approve", "-c", self.path, "--route", "pinned", "--tools", "-"],
            stdin=answer(QUERY).encode())
        self.assertEqual((0, ""), (code, err))
        self.wait_for_event(mark, "applied", why="change")

    def test_a_file_that_is_gone_leaves_the_former_in_force(self):
        mark = len(self.events())
        good = self.pins.read_bytes()
        self.pins.unlink()
        self.assertIn("the file is gone", self.wait_for_event(mark, "refused")["problem"])
        self.pins.write_bytes(good)
        self.wait_for_event(mark, "applied")

    def test_nonsense_is_refused_with_its_place(self):
        mark = len(self.events())
        good = self.pins.read_bytes()
        self.pins.write_text('{"format": 1}')
        event = self.wait_for_event(mark, "refused")
        self.assertIn("pins.json:1:1: ", event["problem"])
        self.pins.write_bytes(good)
        self.wait_for_event(mark, "applied")


if __name__ == "__main__":
    unittest.main()
