#!/usr/bin/python3
"""What is posted to an MCP server is read strictly, and what is refused never reaches it (CASES.md
237-243)."""

import gzip
import json
import time
import unittest

import wire  # noqa: F401
from lib import mcp, raw
from lib.mcp_case import (INVALID, MISMATCH, NOT_FORWARDED, NOT_SOUND, NO_METHOD, PARAMS, PARSE,
                          UNSUPPORTED, McpCase)
from lib.net import patient

CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs","arguments":{}}}'
MODERN_META = (b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
               b'"io.modelcontextprotocol/clientCapabilities":{}}')
DEEP = "https://gw.example"
JSON_RPC = (PARSE, INVALID, PARAMS, NOT_FORWARDED)


class Messages(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "everything", ["mcp:*"])
        cls.add_mcp(config, door, "small", mcp={"max_body": "2KiB"})
        cls.add_mcp(config, door, "old", mcp={"revisions": [mcp.LEGACY]})
        cls.add_mcp(config, door, "new", mcp={"revisions": [mcp.MODERN]})
        cls.add_mcp(config, door, "slow", timeouts={"idle": "1s"})
        cls.add_mcp(config, door, "deep", mcp={"resource": f"{DEEP}/deep/server"})
        cls.add_mcp(config, door, "root", upstream=door.upstream.url)
        cls.add_mcp(config, door, "whole", path="/", host="whole.example")

    def refuse_bytes(self, body, status=400, code=JSON_RPC, era="legacy", target="/mcp", **options):
        """Whatever id it has: what was not understood is answered to null."""
        fields = {}
        if era == "modern":
            fields = {"Mcp_Protocol_Version": mcp.MODERN, "Mcp_Method": "tools/call",
                      "Mcp_Name": "search_docs"}
        mark = self.door.upstream.mark()
        data = mcp.post(target, body, self.token, **{**fields, **options})
        with self.door.client() as client:
            response = client.send(data).read_response("POST")
        self.check_untouched(mark)
        answered = json.loads(response.body)["id"]
        self.assertIn(answered, (None, 1, "1"))
        return self.check_error(response, status, code, (*NOT_SOUND, "method_refused"), answered)

    def each(self, bodies, **options):
        """Rows that are refused, in both eras, between two that pass."""
        for era in ("legacy", "modern"):
            self.good_call(era)
            for body in bodies:
                text = body if era == "legacy" else body.replace(
                    b'"params":{', b'"params":{' + MODERN_META + b",", 1)
                with self.subTest(era=era, body=text[:160]):
                    self.refuse_bytes(text, era=era, **options)
            self.good_call(era)

    def test_the_message_goes_on_byte_for_byte(self):
        odd = (b' {"id" :1.0e0 , "jsonrpc":"2.0",\t"params":{"arguments":{"q":"\\u00e9 \xc3\xa9 \\/",'
               b'"n":[1.50,-0.0,1e400,12345678901234567890]},"name":"search_docs"},'
               b'"method":"tools/call"}\r\n')
        odd = odd.replace(b"1.0e0", b"7")
        for split in (0, 1):
            _, seen = self.allow(mcp.post("/mcp", odd, self.token), "POST", split)
            self.assertEqual(odd, seen.body)
            self.assertEqual([str(len(odd))], seen.all("Content-Length"))

    def test_names_that_differ_in_case_are_two_messages(self, case=237):
        """Go's encoding/json takes either; the last one wins."""
        self.each([
            CALL.replace(b'"name":"search_docs"', b'"name":"search_docs","Name":"drop_all"'),
            CALL.replace(b'"name":"search_docs"', b'"Name":"drop_all","name":"search_docs"'),
            CALL.replace(b'"name":"search_docs"', b'"NAME":"search_docs"'),
            CALL.replace(b'"arguments":{}', b'"arguments":{},"Arguments":{"x":1}'),
            CALL.replace(b'"arguments":{}', b'"arguments":{},"ArgumentS":{"x":1}'),
            CALL.replace(b'"arguments":{}', '"arguments":{},"argument\u017f":{"x":1}'.encode()),
            CALL.replace(b'"method"', b'"Method":"tools/list","method"'),
            CALL.replace(b'"params"', b'"Params":{"name":"drop_all"},"params"'),
            CALL.replace(b'"id":1', b'"id":1,"ID":2'),
            CALL.replace(b'"id":1', b'"id":1,"iD":2'),
            CALL.replace(b'"jsonrpc"', b'"JsonRpc":"1.0","jsonrpc"'),
            CALL.replace(b'"params":{', b'"params":{"_Meta":{},'),
        ])

    def test_names_that_come_twice_are_two_messages(self, case=238):
        self.each([
            CALL.replace(b'"name":"search_docs"', b'"name":"search_docs","name":"drop_all"'),
            CALL.replace(b'"name":"search_docs"', b'"name":"drop_all","name":"search_docs"'),
            CALL.replace(b'"name":"search_docs"', b'"name":"search_docs","\\u006eame":"drop_all"'),
            CALL.replace(b'"name":"search_docs"', b'"\\u006Eame":"drop_all","name":"search_docs"'),
            CALL.replace(b'"method"', b'"method":"tools/list","method"'),
            CALL.replace(b'"method"', b'"m\\u0065thod":"tools/list","method"'),
            CALL.replace(b'"id":1', b'"id":1,"id":1'),
            CALL.replace(b'"arguments":{}', b'"arguments":{},"arguments":{}'),
            CALL.replace(b'"arguments":{}', b'"arguments":{"a":{"b":1,"b":2}}'),
            CALL.replace(b'"arguments":{}', b'"arguments":{"a":[{"b":1,"\\u0062":2}]}'),
            CALL[:-1] + b',"params":{"name":"drop_all"}}',
            CALL.replace(b'"params"', b'"p\\u0061rams":{"name":"drop_all"},"params"'),
        ])

    def test_a_spelling_of_the_same_name_is_the_same_name(self):
        """What is escaped is judged unescaped, and goes on as it came."""
        body = CALL.replace(b"search_docs", b"se\\u0061rch_docs")
        _, seen = self.allow(mcp.post("/mcp", body, self.token), "POST")
        self.assertEqual(body, seen.body)
        denied = CALL.replace(b"search_docs", b"\\u0064rop_all")
        self.refuse_post(denied, 200, -31001, "no_role", id=1)

    def test_batches_are_refused_whole(self, case=239):
        call = json.loads(CALL)
        denied = mcp.call("drop_all", id=2)
        batches = ([], [call], [denied], [call, denied], [denied, call], [[call]],
                   [mcp.modern(call)], [mcp.notification("notifications/initialized")],
                   [{"jsonrpc": "2.0", "id": 1, "result": {}}])
        for batch in batches:
            for revision in mcp.REVISIONS:
                with self.subTest(batch=batch, revision=revision):
                    body = json.dumps(batch).encode()
                    error = self.refuse_bytes(body, 400, INVALID, Mcp_Protocol_Version=revision)
                    self.assertIn("Batch", error["message"])
            self.good_call()

    def test_methods_are_exact(self, case=240):
        spellings = [b'"Tools/Call"', b'"tools/call "', b'" tools/call"', b'"tools//call"',
                     b'"tools/call\\u0000"', b'"tools/call\\n"', b'"tools%2Fcall"', b'"TOOLS/CALL"',
                     b'"tools.call"', b'"tools"', b'""', b'"tools/calls"', b'"tools\\\\/call"',
                     '"tools/c\u0430ll"'.encode(), b'"rpc.discover"', b'"sampling/createMessage"',
                     b'"elicitation/create"', b'"roots/list"', b'"' + b"a" * 300 + b'"']
        for era in ("legacy", "modern"):
            for spelling in spellings:
                text = CALL.replace(b'"tools/call"', spelling)
                options = {}
                if era == "modern":
                    text = text.replace(b'"params":{', b'"params":{' + MODERN_META + b",")
                    options = {"Mcp_Method": spelling.decode("latin-1")[1:-1]}
                with self.subTest(era=era, spelling=spelling):
                    self.refuse_bytes(text, (200, 400, 404), (NO_METHOD, INVALID, MISMATCH), era,
                                      **options)
                    self.refuse_bytes(text, (200, 400, 404), (NO_METHOD, INVALID, MISMATCH), era,
                                      "/everything", **options)
        self.good_call("legacy")
        self.good_call("modern")

    def test_a_method_is_a_text(self, case=240):
        self.each([CALL.replace(b'"tools/call"', other) for other in
                   (b"5", b"null", b"true", b'["tools/call"]', b'{"tools":"call"}')] +
                  [CALL.replace(b'"method":"tools/call",', b"")])

    def test_unknown_methods_of_both_eras(self):
        for target in ("/mcp", "/everything"):
            message = mcp.request("tools/delete", {})
            self.refuse_post(message, 200, NO_METHOD, "method_refused", target, id=1)
            self.refuse_post(mcp.modern(message), 404, NO_METHOD, "method_refused", target, id=1)
        for method in ("initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list",
                       "tasks/result"):
            message = mcp.modern(mcp.request(method, {}))
            self.refuse_post(message, 404, NO_METHOD, "method_refused", "/everything", id=1)
        for method in ("server/discover", "subscriptions/listen", "tasks/update"):
            message = mcp.request(method, {"taskId": "x", "notifications": {}})
            self.refuse_post(message, 200, NO_METHOD, "method_refused", "/everything", id=1)
        unknown = mcp.notification("notifications/made_up", {})
        self.refuse_post(unknown, 400, NO_METHOD, "method_refused", "/everything")
        self.passes_post(mcp.notification("notifications/initialized"), "/everything", status=202)

    def test_tools_are_called_by_their_exact_name(self, case=241):
        names = ["search_docs ", " search_docs", "search_docs\0", "search_docs\n", "se\u0430rch_docs",
                 "search\u200b_docs", "search_docs\u202e", "search%5Fdocs", "search_\uff44ocs",
                 "SEARCH_docs", "Read", "read ", "read\t", "re\\u0061d", "read\0drop", "",
                 "search_" + "d" * (1 << 20), "\ufeffread"]
        for era in ("legacy", "modern"):
            for name in names:
                message = mcp.call(name)
                if era == "modern":
                    message = mcp.modern(message)
                data = mcp.post("/mcp", message, self.token, **(
                    {"Mcp_Name": "x"} if len(name) > 1000 and era == "modern" else {}))
                with self.subTest(era=era, name=name[:40]):
                    self.refuse_message(data, (200, 400), (-31001, PARAMS, MISMATCH),
                                        ("no_role", *NOT_SOUND), 1)
            self.good_call(era)
        for other in (5, None, True, ["read"], {"read": 1}):
            with self.subTest(name=other):
                self.refuse_post({**mcp.call("read"), "params": {"name": other}}, 400, PARAMS, id=1)

    def test_content_types(self, case=242):
        kinds = ["text/plain", "application/json-rpc", "application/jsonx", "application/x-json",
                 "application", "application/json/x", "text/json", "multipart/form-data; boundary=x",
                 "application/x-www-form-urlencoded", "application/json, text/plain", "*/*",
                 "application/json; charset=utf-16", "application/json; charset=utf-7",
                 "application/json; charset=utf-8; charset=utf-7",
                 "application/json; charset=utf-7; charset=utf-8",
                 "application/json; charset=utf-8; charset=utf-8",
                 "application/json; charset=", "application/json; charset=\"utf-16\"",
                 "application/json; boundary=x", "application/json;;charset=utf-16", "", mcp.DROP]
        for kind in kinds:
            with self.subTest(kind=kind):
                self.refuse_post(json.loads(CALL), 415, None, "content_type", Content_Type=kind)
        self.refuse_post(json.loads(CALL), 415, None, "content_type",
                         more=[("content-type", "application/json")])
        for kind in ("application/json", "Application/JSON", "application/json; charset=utf-8",
                     "application/json;charset=UTF-8", 'application/json; charset="utf-8"'):
            with self.subTest(kind=kind):
                _, seen = self.passes_post(json.loads(CALL), Content_Type=kind)
                self.assertEqual(["application/json"], seen.all("Content-Type"))

    def test_bodies_that_are_not_plain_utf_8(self, case=242):
        text = CALL.decode()
        rows = [b"\xef\xbb\xbf" + CALL, text.encode("utf-16"), text.encode("utf-16-le"),
                text.encode("utf-16-be"), text.encode("utf-32"), b"+AHs-" + CALL,
                CALL.replace(b"search_docs", b"search_\xff"), CALL.replace(b"search_docs", b"s\xc1\xa5"),
                CALL.replace(b"search_docs", b"search_\xed\xa0\x80"),
                CALL.replace(b"search_docs", b"search_\\ud800"),
                CALL.replace(b"search_docs", b"search_\\udc00\\ud800"), b"", b" ", b"\0" + CALL,
                CALL + b"\0", gzip.compress(CALL)]
        for body in rows:
            with self.subTest(body=body[:60]):
                self.refuse_bytes(body)
        self.good_call()

    def test_bodies_that_are_compressed(self, case=242):
        for coding in ("gzip", "br", "deflate", "identity, gzip", "x-gzip", "chunked", "utf-8"):
            with self.subTest(coding=coding):
                self.refuse_post(gzip.compress(CALL), 415, None, "content_type",
                                 Content_Encoding=coding)
                self.refuse_post(CALL, 415, None, "content_type", Content_Encoding=coding)
        self.refuse_post(CALL, 415, None, "content_type", more=[("Content-Encoding", "identity"),
                                                                ("content-encoding", "gzip")])
        _, seen = self.passes_post(CALL, Content_Encoding="identity")
        self.assertEqual([], seen.all("Content-Encoding"))

    def test_a_part_of_a_form_is_no_message(self, case=242):
        body = b'--x\r\nContent-Type: application/json\r\n\r\n' + CALL + b"\r\n--x--\r\n"
        self.refuse_post(body, 415, None, "content_type",
                         Content_Type="multipart/related; boundary=x; type=\"application/json\"")
        self.refuse_bytes(body)

    def test_bodies_beyond_the_bound(self, case=243):
        fits = mcp.call("search_docs", {"q": "x" * 1000})
        long = mcp.call("search_docs", {"q": "x" * 5000})
        self.passes_post(fits, "/small")
        self.refuse_head(mcp.post("/small", long, self.token), 413, "body_too_large")
        chunks = raw.chunked(*[mcp.encode(long)[at:at + 100] for at in range(0, 5000, 100)])
        self.refuse_head(self.in_chunks(chunks, "/small"), 413, "body_too_large")
        self.passes(self.in_chunks(raw.chunked(mcp.encode(fits)), "/small"))
        self.passes_post(long)
        # a huge length alone is refused before any of it is read
        head = mcp.post("/mcp", b"", self.token).replace(b"Content-Length: 0",
                                                         b"Content-Length: 104857600")
        self.refuse_head(head, 413, "body_too_large")

    def in_chunks(self, body, target="/mcp"):
        head = mcp.post(target, b"", self.token)
        return head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + body

    def test_a_body_in_one_byte_chunks_is_one_message(self, case=243):
        pieces = [CALL[at:at + 1] for at in range(len(CALL))]
        _, seen = self.passes(self.in_chunks(raw.chunked(*pieces)))
        self.assertEqual(CALL, seen.body)
        self.assertEqual(([str(len(CALL))], []),
                         (seen.all("Content-Length"), seen.all("Transfer-Encoding")))
        denied = CALL.replace(b"search_docs", b"drop_all")
        pieces = [denied[at:at + 1] for at in range(len(denied))]
        self.refuse_message(self.in_chunks(raw.chunked(*pieces)), 200, -31001, "no_role", 1)
        self.refuse_message(self.in_chunks(raw.chunked(*pieces)), 200, -31001, "no_role", 1, split=1)

    def test_chunks_that_are_none(self):
        self.refuse_head(self.in_chunks(b"zz\r\n" + CALL), 400, "body_malformed")
        self.good_call()

    def test_deep_documents_cost_little(self, case=243):
        started = time.monotonic()
        deep = 100000
        rows = [b"[" * deep, b"[" * deep + b"]" * deep, b'{"a":' * deep + b"1" + b"}" * deep,
                CALL.replace(b'"arguments":{}', b'"arguments":{"a":' + b"[" * deep + b"]" * deep + b"}"),
                CALL.replace(b'"arguments":{}', b'"arguments":{"a":' + b"[" * 65 + b"]" * 65 + b"}")]
        for body in rows:
            with self.subTest(body=body[:60]):
                self.refuse_bytes(body)
        self.assertLess(time.monotonic() - started, patient(5))
        self.good_request_is_fast()

    def test_large_documents_cost_little(self, case=243):
        started = time.monotonic()
        room = (4 << 20) - 300
        rows = [b"1," * (room // 2), b'"a":1,' * (room // 6), b'{"":0},' * (room // 7)]
        for row in rows:
            body = CALL.replace(b'"arguments":{}', b'"arguments":{"a":[' + row + b"0]}")
            self.assertLess(len(body), 4 << 20)
            with self.subTest(row=row[:8]), self.door.client(timeout=20) as client:
                response = client.send(mcp.post("/mcp", body, self.token)).read_response("POST")
                self.assertIn(response.status, (200, 400))
        names = b",".join(b'"%x":0' % number for number in range(300000))
        body = CALL.replace(b'"arguments":{}', b'"arguments":{' + names + b"}")
        with self.door.client(timeout=20) as client:
            response = client.send(mcp.post("/mcp", body, self.token)).read_response("POST")
        self.assertIn(response.status, (200, 400))
        self.assertLess(time.monotonic() - started, patient(10))

    def test_what_is_no_json(self):
        self.each([CALL + b"x", CALL + CALL, CALL[:-1], CALL.replace(b'"id":1', b'"id":01'),
                   CALL.replace(b'"id":1', b'"id":+1'), CALL.replace(b'"id":1', b'"id":NaN'),
                   CALL.replace(b'"id":1', b'"id":Infinity'), CALL.replace(b'"id":1', b'"id":.5'),
                   CALL.replace(b'{}', b'{"a":1,}'), CALL.replace(b'{}', b'{/*x*/}'),
                   CALL.replace(b'{}', b"{'a':1}"), CALL.replace(b'{}', b'{a:1}'),
                   CALL.replace(b'{}', b'{"a\\u0000":1}'), CALL.replace(b'{}', b'{"a":"\\x41"}'),
                   CALL.replace(b'{}', b'{"a":"\n"}'), b"// x\n" + CALL])

    def test_ids(self):
        for bad in (b"null", b"1.5", b"true", b"[]", b"{}", b"9007199254740993", b"1e400",
                    b'"' + b"i" * 5000 + b'"'):
            with self.subTest(id=bad):
                self.refuse_bytes(CALL.replace(b'"id":1', b'"id":' + bad))
        for good in (b"0", b"-5", b"9007199254740991", b'"x"', b'""', b'"\\u00e9"'):
            body = CALL.replace(b'"id":1', b'"id":' + good)
            with self.subTest(id=good):
                document, _ = self.passes(mcp.post("/mcp", body, self.token))
                self.assertEqual(json.loads(good), document["id"])

    def test_envelopes(self):
        self.each([CALL.replace(b'"2.0"', b'"1.0"'), CALL.replace(b'"2.0"', b"2.0"),
                   CALL.replace(b'"jsonrpc":"2.0",', b""), CALL[:-1] + b',"result":{}}',
                   CALL[:-1] + b',"error":{"code":1,"message":"x"}}'])
        for body in (b"1", b'"x"', b"null", b"true", b"{}"):
            self.refuse_bytes(body)

    def test_params(self):
        rows = [[], 5, "x", None, {"name": "search_docs", "arguments": []},
                {"name": "search_docs", "arguments": "x"}, {"name": "search_docs", "_meta": []}, {}]
        for params in rows:
            with self.subTest(params=params):
                self.refuse_post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
                                 400, PARAMS, id=1)
        self.refuse_post(mcp.request("tools/call"), 400, PARAMS, id=1)
        self.refuse_post(mcp.notification("tools/call", {"name": "search_docs"}), 400, INVALID)

    def test_the_reason_says_what_is_wrong(self):
        """The body by itself, what the head says of it, or what is asked for."""
        good = json.loads(CALL)
        for body, code in ((b"{", PARSE), (b"[" + CALL + b"]", INVALID), (b"5", INVALID),
                           (CALL.replace(b'"2.0"', b'"1.0"'), INVALID),
                           (CALL.replace(b'"name"', b'"Name"'), PARAMS),
                           (CALL.replace(b'"params"', b'"id":2,"params"'), PARSE)):
            with self.subTest(body=body):
                mark = self.door.upstream.mark()
                response = self.post(body)
                self.check_untouched(mark)
                document = json.loads(response.body)
                self.assertEqual((400, code, "body_malformed"),
                                 (response.status, document["error"]["code"],
                                  self.audit_of(response)["reason"]))
        self.refuse_post(good, 400, MISMATCH, "bad_request", id=1, Mcp_Name="drop_all")
        self.refuse_post(good, 400, UNSUPPORTED, "bad_request", id=1,
                         Mcp_Protocol_Version="2024-11-05")
        self.refuse_post(mcp.request("tools/drop"), 200, NO_METHOD, "method_refused", id=1)
        self.good_call()

    def test_posts_in_the_shape_of_responses(self):
        """Nothing was asked of this client."""
        for body in ({"jsonrpc": "2.0", "id": 1, "result": {}},
                     {"jsonrpc": "2.0", "id": "1", "result": {"content": []}},
                     {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}},
                     {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
                     {"jsonrpc": "2.0", "result": {}},
                     {"jsonrpc": "2.0", "id": 1, "result": {"method": "tools/call"}, "params": {}}):
            for options in ({}, {"Mcp_Protocol_Version": mcp.MODERN}):
                with self.subTest(body=body, options=options):
                    self.refuse_bytes(mcp.encode(body), 400, JSON_RPC, target="/everything", **options)
        self.good_call()

    def test_a_uri_is_read_in_one_way(self):
        good = "file:///open/a"
        self.passes_post(mcp.request("resources/read", {"uri": good}))
        for uri in ("file:///open/../secret", "file:///open/%2e%2e/secret", "file:///open/..%2fsecret",
                    "file:///open/.", "file:///open\\..\\secret", "FILE:///open/a", "open/a", "",
                    "file:///open/a b", "file:///open/\u00e9", "file:///open/a\n", "x" * 3000):
            for era in ("legacy", "modern"):
                message = mcp.request("resources/read", {"uri": uri})
                with self.subTest(uri=uri[:40], era=era):
                    self.refuse_post(mcp.modern(message) if era == "modern" else message, 400,
                                     (PARAMS, MISMATCH), id=1)
        self.refuse_post(mcp.request("resources/read", {"uri": "file:///secret"}), 200, -31001,
                         "no_role", id=1)

    def test_accept(self):
        for value in (mcp.DROP, "*/*", "application/*", "application/json", "text/event-stream",
                      mcp.BOTH, "text/html, application/json;q=0.5"):
            _, seen = self.passes_post(json.loads(CALL), Accept=value)
            self.assertEqual([mcp.BOTH], seen.all("Accept"))
        for value in ("text/html", "application/json;q=0", "application/jsonx", ""):
            error = self.refuse_post(json.loads(CALL), 406, None, "content_type", Accept=value)
            self.assertEqual("Not Acceptable", error["response"].phrase)

    def test_a_message_that_drips_is_not_waited_for(self):
        """A byte now and then keeps no caller's room: a good stretch has to come in `idle`."""
        head = mcp.post("/slow", b"", self.token, more=[("Content-Length", "100000")])
        head = head.replace(b"Content-Length: 0\r\n", b"")
        started = time.monotonic()
        with self.door.client() as client:
            client.send(head)
            while not client.is_refused_to_send and time.monotonic() - started < patient(4):
                client.send(b" ")
                time.sleep(0.2)
            self.assertTrue(client.is_refused_to_send, "it is waited for")

    def test_nothing_beside_the_resource_is_reached(self):
        """`resource` names one server: none of the upstream's other paths is behind the route."""
        for target in ("/deep/other", "/deep/serverx", "/deep/Server"):
            for data in (mcp.post(target, CALL, self.token),
                         mcp.session_request("GET", target, self.token),
                         mcp.session_request("DELETE", target, self.token)):
                with self.subTest(target=target, method=data.split(b" ")[0]):
                    self.refuse_head(data, 404, "no_route")
        rows = {"/deep": "/mcp", "/deep/server": "/mcp/server", "/deep/server/": "/mcp/server/",
                "/deep/server/admin": "/mcp/server/admin"}
        self.check_paths(rows)

    def test_paths_below_the_route_are_the_servers(self):
        """As on any other route; the route's own path is the upstream's, slash or none."""
        self.check_paths({"/mcp": "/mcp", "/mcp/": "/mcp/", "/mcp/a/b": "/mcp/a/b",
                          "/root/mcp": "/mcp", "/root/": "/", "/root": "/"})
        self.check_paths({"/": "/mcp", "/x": "/mcp/x"}, host="whole.example")

    def check_paths(self, rows, **options):
        for target, expected in rows.items():
            with self.subTest(target=target):
                self.door.upstream.on(expected, self.server.play)
                _, seen = self.passes_post(mcp.call("search_docs", {"q": "x"}), target, **options)
                self.assertEqual(expected, seen.target)

    def test_keep_alive_after_a_refused_message(self):
        """What was read whole does not end the connection."""
        with self.door.client() as client:
            for _ in range(3):
                client.send(mcp.post("/mcp", mcp.call("drop_all"), self.token))
                self.assertEqual(-31001, json.loads(client.read_response().body)["error"]["code"])
                client.send(mcp.post("/mcp", b"{", self.token))
                self.assertEqual(400, client.read_response().status)
                client.send(mcp.post("/mcp", mcp.call("read"), self.token))
                self.assertEqual(200, client.read_response().status)

    def test_messages_in_a_row(self):
        """Sent at once, each is judged by itself."""
        data = b"".join(mcp.post("/mcp", mcp.call(name, id=number), self.token)
                        for number, name in enumerate(["read", "drop_all", "search_x", "drop_all"]))
        with self.door.client() as client:
            client.send(data)
            kinds = [sorted(json.loads(client.read_response().body))[0] for _ in range(4)]
        self.assertEqual(["id", "error", "id", "error"], kinds)

    def test_expect(self):
        data = mcp.post("/mcp", json.loads(CALL), self.token, more=[("Expect", "100-continue")])
        head, _, body = data.partition(b"\r\n\r\n")
        with self.door.client() as client:
            client.send(head + b"\r\n\r\n")
            self.assertEqual(100, client.read_head().status)
            self.assertEqual(200, client.exchange(body, "POST").status)


class Mirrors(McpCase):
    """What a message's head says again (2026-07-28)."""

    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "old", mcp={"revisions": ["2025-06-18", mcp.LEGACY]})
        cls.add_mcp(config, door, "new", mcp={"revisions": [mcp.MODERN]})

    def test_mirrors_are_written_anew_from_the_body(self):
        message = mcp.modern(mcp.call("search_docs"))
        _, seen = self.passes_post(message, Mcp_Name="=?base64?c2VhcmNoX2RvY3M=?=",
                                   more=[("Mcp-Param-Region", "eu"), ("Mcp-Other", "x")])
        self.assertEqual([["search_docs"], ["tools/call"], [mcp.MODERN], ["eu"], []],
                         [seen.all(name) for name in ("Mcp-Name", "Mcp-Method", "Mcp-Protocol-Version",
                                                      "Mcp-Param-Region", "Mcp-Other")])
        self.assertEqual(mcp.encode(message), seen.body)
        _, seen = self.passes_post(mcp.call("search_docs"), Mcp_Name="search_docs")
        self.assertEqual(([], []), (seen.all("Mcp-Name"), seen.all("Mcp-Method")))

    def test_mirrors_that_disagree(self):
        message = mcp.modern(mcp.call("search_docs"))
        rows = [{"Mcp_Name": "drop_all"}, {"Mcp_Name": "Search_docs"}, {"Mcp_Name": ""},
                {"Mcp_Name": "=?base64?ZHJvcF9hbGw=?="}, {"Mcp_Name": "=?BASE64?c2VhcmNoX2RvY3M=?="},
                {"Mcp_Name": "=?base64?c2VhcmNoX2RvY3M?="}, {"Mcp_Name": mcp.DROP},
                {"Mcp_Method": "tools/list"}, {"Mcp_Method": "Tools/call"}, {"Mcp_Method": mcp.DROP},
                {"Mcp_Protocol_Version": mcp.DROP}, {"Mcp_Protocol_Version": mcp.LEGACY},
                {"Mcp_Protocol_Version": "2099-01-01"},
                {"more": [("mcp-name", "drop_all")]}, {"more": [("MCP-NAME", "search_docs")]},
                {"more": [("Mcp-Method", "tools/call")]},
                {"more": [("Mcp-Protocol-Version", mcp.MODERN)]},
                {"more": [("Mcp-Param-A", "1"), ("mcp-param-a", "2")]}]
        for options in rows:
            with self.subTest(options=options):
                self.refuse_post(message, 400, MISMATCH, id=1, **options)
        self.good_call("modern")

    def test_mirrors_that_disagree_in_the_former_era(self):
        """A mismatch is never meant well."""
        for options in ({"Mcp_Name": "drop_all"}, {"Mcp_Method": "tools/list"},
                        {"Mcp_Name": "search_docs", "more": [("mcp-name", "drop_all")]}):
            with self.subTest(options=options):
                self.refuse_post(mcp.call("search_docs"), 400, MISMATCH, id=1, **options)
        # and what the head allows does not help what the body says
        self.refuse_post(mcp.call("drop_all"), 400, MISMATCH, id=1, Mcp_Name="search_docs")
        self.good_call()

    def test_eras_that_are_mixed_up(self):
        self.refuse_post(mcp.call("search_docs"), 400, PARAMS, id=1, Mcp_Protocol_Version=mcp.MODERN)
        self.refuse_post(mcp.modern(mcp.call("search_docs"), revision=mcp.LEGACY), 400, UNSUPPORTED,
                         id=1)
        self.refuse_post(mcp.modern(mcp.call("search_docs"), revision="2099-01-01"), 400, UNSUPPORTED,
                         id=1)
        self.refuse_post(mcp.modern(mcp.call("search_docs"), revision=5), 400, None, id=1)
        without = mcp.modern(mcp.call("search_docs"))
        del without["params"]["_meta"][mcp.META + "clientCapabilities"]
        self.refuse_post(without, 400, PARAMS, id=1)
        self.refuse_post(mcp.call("search_docs"), 400, UNSUPPORTED, id=1,
                         Mcp_Protocol_Version="2024-11-05")
        self.refuse_post(mcp.call("search_docs"), 400, MISMATCH, id=1,
                         more=[("mcp-protocol-version", mcp.LEGACY)])
        self.refuse_post(mcp.modern(mcp.notification("notifications/initialized")), (400, 404),
                         NO_METHOD, "method_refused")
        self.good_call("legacy")
        self.good_call("modern")

    def test_routes_of_one_era(self):
        modern = mcp.modern(mcp.call("search_docs"))
        error = self.refuse_post(modern, 400, UNSUPPORTED, target="/old", id=1)
        self.assertEqual((["2025-06-18", mcp.LEGACY], mcp.MODERN),
                         (sorted(error["data"]["supported"]), error["data"]["requested"]))
        error = self.refuse_post(mcp.initialize(), 400, UNSUPPORTED, target="/new", id=0)
        self.assertIn(mcp.MODERN, error["message"])
        self.assertEqual([mcp.MODERN], error["data"]["supported"])
        self.refuse_post(mcp.call("search_docs"), 400, UNSUPPORTED, target="/new", id=1)
        self.refuse_post(mcp.call("search_docs"), 400, UNSUPPORTED, target="/old", id=1,
                         Mcp_Protocol_Version=mcp.DROP)
        self.good_call("legacy", "/old")
        self.good_call("modern", "/new")

    def test_sessions_are_none_of_the_later_era(self):
        mark = self.door.upstream.mark()
        response = self.post(mcp.modern(mcp.call("search_docs")), session="made-up")
        self.assertEqual((200, None), (response.status, response.one("Mcp-Session-Id")))
        self.assertEqual([], self.door.upstream.since(mark)[0].all("Mcp-Session-Id"))
        self.server.on["tools/call"] = lambda message, _: mcp.json_answer(
            mcp.result(message), headers=[("Mcp-Session-Id", "x")])
        self.assertIsNone(self.post(mcp.modern(mcp.call("read"))).one("Mcp-Session-Id"))


if __name__ == "__main__":
    unittest.main()
