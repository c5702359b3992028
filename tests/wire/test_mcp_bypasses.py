#!/usr/bin/python3
"""What got past other gates (mcp.md 2), in the order of its table: refused, and the server saw
nothing; or, where an answer is the way out, nothing of it left. Its rows that are elsewhere: member
names, duplicates, batches, posts shaped like responses, encodings (test_mcp_messages), sessions of
others (test_mcp_sessions)."""

import base64
import gzip
import json
import pathlib
import unittest

import wire  # noqa: F401
from lib import mcp, raw
from lib.mcp_case import DENIED, MISMATCH, NOT_SOUND, McpCase

DENIED_CALL = mcp.call("drop_all", {"really": True})
PAD = "x" * 3_000_000
SECRET = "canary-bypass-7e1f~secret"
USER = "canary-user"
TOOLS = [{"name": name, "inputSchema": {"type": "object"}}
         for name in ("search_docs", "drop_all", "read", "Search_docs")]
SHOWN = ["search_docs", "read"]


class Requests(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "everything", ["mcp:*"])
        cls.add_mcp(config, door, "small", mcp={"max_body": "64KiB"})

    def both_eras(self, message):
        """A message that may have to be refused in either."""
        return (("legacy", message), ("modern", mcp.modern(message)))

    def test_a_media_type_in_another_spelling_is_judged_too(self):
        """Gates that do not know it again let the body through unread."""
        for kind in ("Application/json", "APPLICATION/JSON", "application/json;charset=UTF-8",
                     'application/json ; charset="Utf-8"'):
            for era, message in self.both_eras(DENIED_CALL):
                with self.subTest(kind=kind, era=era):
                    self.refuse_post(message, 200, DENIED, "no_role", id=1, Content_Type=kind)
            self.passes_post(mcp.call("search_docs"), Content_Type=kind)

    def test_a_large_message_is_judged_whole(self):
        """The name comes after all that would be spilled to a disk or left for later."""
        def large(name):
            return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"q":"%s"},' \
                   b'"name":"%s"}}' % (PAD[:1_000_000].encode(), name)
        self.refuse_post(large(b"drop_all"), 200, DENIED, "no_role", id=1)
        self.refuse_message(self.in_chunks(large(b"drop_all")), 200, DENIED, "no_role", id=1)
        for data in (mcp.post("/mcp", large(b"search_docs"), self.token),
                     self.in_chunks(large(b"search_docs"))):
            _, seen = self.allow(data, "POST")
            self.assertEqual(large(b"search_docs"), seen.body)

    def in_chunks(self, body, target="/mcp"):
        head = mcp.post(target, b"", self.token)
        pieces = [body[at:at + 65_000] for at in range(0, len(body), 65_000)]
        return head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + raw.chunked(*pieces)

    def test_a_message_beyond_the_bound_is_not_judged_by_its_beginning(self):
        """What is refused may still be under way: its answer comes all the same."""
        begin = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs","a":"'
        for size, target in ((70_000, "/small"), (5_000_000, "/mcp"), (12_000_000, "/everything")):
            body = begin + b"x" * size + b'"}}'
            for data in (mcp.post(target, body, self.token), self.in_chunks(body, target)):
                with self.subTest(size=size, chunked=b"chunked" in data[:1000]):
                    mark = self.door.upstream.mark()
                    with self.door.client() as client:
                        response = client.send(data).read_response("POST")
                        self.assertFalse(client.is_refused_to_send, "cut while it was sending")
                    self.check_untouched(mark)
                    self.check_refusal(response, 413, "body_too_large")
            self.good_call(target=target)

    def test_another_charset_is_not_read_by_the_server_alone(self):
        text = json.dumps(DENIED_CALL)
        for charset, body in (("utf-16", text.encode("utf-16")), ("utf-16le", text.encode("utf-16-le")),
                              ("utf-7", text.replace("drop", "+AGQ-rop").encode()),
                              ("iso-8859-1", text.encode()), ("utf-8; charset=utf-7", text.encode())):
            with self.subTest(charset=charset):
                self.refuse_post(body, 415, None, "content_type",
                                 Content_Type=f"application/json; charset={charset}")
                self.refuse_post(body, (200, 400), None, (*NOT_SOUND, "no_role"),
                                 id=1 if body == text.encode() or charset == "utf-7" else None)
        self.good_call()

    def test_a_compressed_call_is_not_read_by_the_server_alone(self):
        body = gzip.compress(mcp.encode(DENIED_CALL))
        for more in ([("Content-Encoding", "gzip")], [("content-encoding", "GZIP")],
                     [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]):
            self.refuse_post(body, 415, None, "content_type", target="/everything", more=more)
        head = mcp.post("/everything", b"", self.token)
        data = head.replace(b"Content-Length: 0", b"Transfer-Encoding: gzip, chunked")
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(data + raw.chunked(body))
            self.assertIn(client.read_response("POST").status, (400, 501))
        self.check_untouched(mark)
        self.good_call(target="/everything")

    def test_nobody_is_downgraded(self):
        """The fields that make a message modern arrive with it or it does not arrive, also when the
        caller calls them fields of the connection."""
        message = mcp.modern(mcp.call("search_docs"))
        fields = {"Mcp-Protocol-Version": [mcp.MODERN], "Mcp-Method": ["tools/call"],
                  "Mcp-Name": ["search_docs"]}
        for more in ([], *[[("Connection", name)] for name in fields],
                     [("Connection", "keep-alive, " + ", ".join(fields))]):
            with self.subTest(more=more):
                mark = self.door.upstream.mark()
                response = self.post(message, more=more)
                seen = self.door.upstream.since(mark)
                self.assertEqual(1 if response.status == 200 else 0, len(seen))
                for request in seen:
                    self.assertEqual(fields, {name: request.all(name) for name in fields})
        self.good_call("modern")

    def test_a_server_that_misses_a_field_is_heard(self):
        told = {"jsonrpc": "2.0", "id": 1, "error": {"code": MISMATCH, "message": "Mcp-Param-Region"}}
        self.server.on["tools/call"] = mcp.json_answer(told, 400)
        response = self.post(mcp.modern(mcp.call("search_docs")))
        self.assertEqual((400, told), (response.status, json.loads(response.body)))

    def test_the_name_in_the_head_decides_nothing(self):
        """What is denied stays so under the name of what is allowed, and the other way round."""
        for name, mirrored in (("drop_all", "search_docs"), ("search_docs", "drop_all"),
                               ("drop_all", "=?base64?c2VhcmNoX2RvY3M=?=")):
            for era, message in self.both_eras(mcp.call(name)):
                for target in ("/mcp", "/everything"):
                    with self.subTest(name=name, mirrored=mirrored, era=era, target=target):
                        self.refuse_post(message, 400, MISMATCH, target=target, id=1,
                                         Mcp_Name=mirrored)
        self.refuse_post(mcp.modern(DENIED_CALL), 200, DENIED, "no_role", id=1)
        self.refuse_post(mcp.modern(DENIED_CALL), 400, MISMATCH, id=1, Mcp_Method="tools/list")
        self.good_call("modern")


class Answers(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        (folder / "key").write_text(SECRET)
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"basic": {"basic": {"username": USER, "password": "local/key"}}}
        cls.add_mcp(config, door, "basic", ["mcp:*"], credential="basic")

    def tell(self, text, media):
        def told(asked, _):
            document = mcp.result(asked, content=[{"type": "text", "text": text}])
            if media == "json":
                return mcp.json_answer(document)
            return mcp.stream_answer(mcp.event(document), 4093 if media == "pieces" else 0)
        self.server.on["tools/call"] = told
        response = self.post(mcp.call("read"), "/basic")
        self.assertEqual(200, response.status)
        return response.body

    def test_a_long_or_streamed_answer_is_searched_whole(self):
        """In every form that the credential has on its way, not only as it is kept."""
        rendered = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        for form in (SECRET, rendered, f"Basic {rendered}", rendered.rstrip("=")):
            for before, after in (("", ""), (PAD, ""), (PAD, PAD)):
                for media in ("json", "events", "pieces"):
                    with self.subTest(form=form, before=len(before), after=len(after), media=media):
                        body = self.tell(f"{before} {form} {after}", media)
                        self.assertNotIn(form.rstrip("=")[-16:].encode(), body)
                        self.assertIn(b"***", body)
        self.assertIn(b"as it came", self.tell("as it came", "json"))

    def test_an_answer_that_cannot_be_read_is_none(self):
        document = mcp.encode(mcp.result(mcp.call("read"), text=SECRET))
        for coding in ("gzip", "br", "deflate", "GZIP", "identity, gzip"):
            self.server.on["tools/call"] = mcp.json_answer(
                gzip.compress(document), headers=[("Content-Encoding", coding)])
            response = self.post(mcp.call("read"), "/basic", Accept_Encoding="gzip, br")
            self.assertEqual((502, "upstream_protocol"),
                             (response.status, self.audit_of(response)["reason"]))
        self.assertIn(b"as it came", self.tell("as it came", "json"))

    def test_no_coding_is_asked_for(self):
        for asked in ("gzip", "br, zstd;q=0.5", "*", "identity;q=0, gzip"):
            for message in (mcp.call("read"), mcp.modern(mcp.request("tools/list"))):
                _, seen = self.passes_post(message, "/basic", Accept_Encoding=asked)
                self.assertEqual(["identity"], seen.all("Accept-Encoding"))

    def test_a_list_is_filtered_on_every_way(self):
        """As an answer or an event, to what was asked or not, at once or taken up again."""
        session = self.open_session()

        def told(asked, _=None):
            return {"jsonrpc": "2.0", "id": asked.get("id", 5), "result": {"tools": TOOLS}}
        ask = mcp.post("/mcp", mcp.request("tools/list"), self.token, session)
        other = mcp.post("/mcp", mcp.call("read"), self.token, session)
        modern = mcp.post("/mcp", mcp.modern(mcp.request("tools/list", {"cursor": "2"})), self.token)
        stream = mcp.session_request("GET", "/mcp", self.token, session)
        self.server.on["GET"] = mcp.stream_answer(mcp.event(told({}), id="e-1"))
        begun, = mcp.read_events(self.send(stream).body)
        again = mcp.session_request("GET", "/mcp", self.token, session, Last_Event_ID=begun["id"])
        for method, data in (("tools/list", ask), ("tools/call", other), ("tools/list", modern),
                             ("GET", stream), ("GET", again)):
            for media in ("json", "events") if method != "GET" else ("events",):
                with self.subTest(method=method, media=media):
                    def play(asked, _, media=media):
                        return (mcp.json_answer(told(asked)) if media == "json"
                                else mcp.stream_answer(mcp.event(told(asked), lines=2), 5))
                    self.server.on[method] = play
                    body = self.send(data).body
                    said = json.loads(body) if media == "json" else mcp.read_events(body)[0]["data"]
                    self.assertEqual(SHOWN, [each["name"] for each in said["result"]["tools"]])
            self.server.forget()


if __name__ == "__main__":
    unittest.main()
