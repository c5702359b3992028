"""A door with routes that gate an MCP server, and how a message's fate is judged."""

import json

from lib import mcp, tokens
from lib.case import WireCase, any_of

DENIED = -31001
NOT_FORWARDED = -31002
PARSE, INVALID, NO_METHOD, PARAMS = -32700, -32600, -32601, -32602
MISMATCH, UNSUPPORTED, NO_SESSION = -32020, -32022, -32001
NOT_SOUND = ("bad_request", "body_malformed")  # by the head, by the body
OTHER_USER = "11111111-2222-4333-8444-555555555555"


class McpCase(WireCase):
    """Subclasses add routes with add_mcp() in change_config(); /mcp is there already, and everyone
    may do there what ACTIONS say."""

    ACTIONS = ["mcp:tools/call:search_*", "mcp:tools/call:read", "mcp:prompts/get:brief",
               "mcp:resources/read:file:///open/*"]

    @classmethod
    def change_config(cls, config, door):
        door.server = mcp.Server(door.upstream)
        cls.add_mcp(config, door, "mcp")

    @classmethod
    def add_mcp(cls, config, door, name, actions=None, mcp=None, **route):
        """A route /NAME; `mcp` are its keys."""
        config["routes"].append({
            "name": name, "path": f"/{name}", "upstream": f"{door.upstream.url}/mcp",
            "mcp": mcp or {},
            "access": [{"actions": actions or cls.ACTIONS, "to": {"everyone": True}}], **route})

    def setUp(self):
        self.door.server.forget()
        self.other_token = self.door.token(tokens.user(oid=OTHER_USER))
        super().setUp()

    @property
    def server(self):
        return self.door.server

    def send(self, data, method="POST"):
        with self.door.client() as client:
            return client.exchange(data, method)

    def post(self, message, target="/mcp", token=None, **options):
        return self.send(mcp.post(target, message, token or self.token, **options))

    def passes(self, data, status=200):
        """(the answer's document, what the server saw)"""
        response, seen = self.allow(data, "POST", status=status)
        return (json.loads(response.body) if response.body else None), seen

    def passes_post(self, message, target="/mcp", token=None, status=200, **options):
        return self.passes(mcp.post(target, message, token or self.token, **options), status)

    def good_call(self, era="legacy", target="/mcp", id=77):
        """A positive control through the door that a refusal came from."""
        message = mcp.call("search_docs", {"q": "x"}, id)
        message = mcp.modern(message) if era == "modern" else message
        document, seen = self.passes_post(message, target)
        self.assertEqual(id, document["id"])
        self.assertIn("result", document)
        return seen

    def refuse_message(self, data, status, code=None, reason=NOT_SOUND, id=None, split=0):
        """A refusal in the client's protocol; the server saw nothing. Gives the error."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.send(data, split).read_response("POST")
        self.check_untouched(mark)
        return self.check_error(response, status, code, reason, id)

    def check_untouched(self, mark):
        self.assertTrue(self.door.upstream.is_untouched(mark), "the server saw something")

    def check_error(self, response, status, code=None, reason=NOT_SOUND, id=None):
        self.assertIn(response.status, any_of(status), response.body)
        self.assertEqual("application/json", response.one("Content-Type"))
        self.assertEqual("no-store", response.one("Cache-Control"))
        document = json.loads(response.body)
        self.assertEqual(["error", "id", "jsonrpc"], sorted(document))
        self.assertEqual("2.0", document["jsonrpc"])
        self.assertEqual(id, document["id"])
        if code is not None:
            self.assertIn(document["error"]["code"], any_of(code), document)
        line = self.door.audit.wait_for(response.request_id)
        self.assertEqual((response.status, "deny"), (line["status"], line["decision"]), line)
        self.assertIn(line["reason"], any_of(reason), line)
        self.assertIsNone(line["upstream"])
        told = document["error"].get("data") or {}
        self.assertEqual((line["reason"], response.request_id), (told["reason"], told["request_id"]))
        document["error"]["response"] = response
        return document["error"]

    def refuse_post(self, message, status, code=None, reason=NOT_SOUND, target="/mcp", token=None,
                    id=None, split=0, **options):
        return self.refuse_message(mcp.post(target, message, token or self.token, **options), status,
                                   code, reason, id, split)

    def refuse_head(self, data, status, reason):
        """Refused before the protocol was understood: a problem, and the connection ends."""
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            response = client.send(data).read_response("POST")
        self.check_untouched(mark)
        self.check_refusal(response, status, reason)
        return response

    def open_session(self, target="/mcp", token=None, **options):
        """The session's name as the client gets it."""
        response = self.post(mcp.initialize(**options), target, token)
        self.assertEqual(200, response.status, response.body)
        return response.one("Mcp-Session-Id")

    def audit_of(self, response):
        return self.door.audit.wait_for(response.request_id)

    def open_stream(self, data):
        """(client, head) of a stream that goes on; close the client."""
        client = self.door.client()
        client.send(data)
        return client, client.read_head()

    def read_chunk(self, client):
        """The next chunk of a stream, b"" at its end."""
        size = int(client._take_line("in a chunk's size"), 16)
        data = client.take(size)
        client.take(2)
        return data
