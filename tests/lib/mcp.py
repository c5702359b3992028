"""What MCP clients send, and a server that answers as a test wants. Two eras: with handshake and
sessions ("legacy", to 2025-11-25), and without (2026-07-28, "modern")."""

import base64
import json
import threading

from lib import raw, recorder

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
REVISIONS = ("2025-03-26", "2025-06-18", LEGACY, MODERN)
BOTH = "application/json, text/event-stream"
META = "io.modelcontextprotocol/"
MIRRORED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
            "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}
DROP = object()  # as a header's value: leave it out


def encode(message):
    return message if isinstance(message, bytes) else json.dumps(message, ensure_ascii=False).encode()


def request(method, params=None, id=1):
    message = {"jsonrpc": "2.0", "id": id, "method": method}
    return message if params is None else {**message, "params": params}


def notification(method, params=None):
    message = request(method, params)
    del message["id"]
    return message


def call(name, arguments=None, id=1):
    return request("tools/call", {"name": name, "arguments": arguments or {}}, id)


def initialize(capabilities=None, revision=LEGACY, id=0):
    return request("initialize", {"protocolVersion": revision, "capabilities": capabilities or {},
                                  "clientInfo": {"name": "test", "version": "1"}}, id)


def modern(message, capabilities=None, revision=MODERN):
    """The same message as of 2026-07-28."""
    params = dict(message.get("params") or {})
    params["_meta"] = {**params.get("_meta", {}), META + "protocolVersion": revision,
                       META + "clientCapabilities": capabilities or {},
                       META + "clientInfo": {"name": "test", "version": "1"}}
    return {**message, "params": params}


def mirror(text):
    """A header's value that repeats `text`."""
    plain = all("!" <= letter <= "~" for letter in text) and not text.startswith("=?base64?")
    return text if plain else f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def headers_for(message, session=None):
    """What a client sends beside a message; a dict, so that a test can change it."""
    fields = {"Content-Type": "application/json", "Accept": BOTH}
    message = message if isinstance(message, dict) else {}
    method, params = message.get("method"), message.get("params")
    params = params if isinstance(params, dict) else {}
    claim = (params.get("_meta") or {}).get(META + "protocolVersion")
    if claim is not None:
        fields["Mcp-Protocol-Version"] = claim
        fields["Mcp-Method"] = method
        if method in MIRRORED and MIRRORED[method] in params:
            fields["Mcp-Name"] = mirror(params[MIRRORED[method]])
    elif method != "initialize":
        fields["Mcp-Protocol-Version"] = LEGACY
    if session is not None:
        fields["Mcp-Session-Id"] = session
    return fields


def post(target, message, token, session=None, more=(), host="gw.example", **changes):
    """Bytes of a POST. `changes`: Content_Type="text/plain", Accept=DROP; `more`: further lines."""
    fields = headers_for(message, session)
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [(name, value) for name, value in fields.items() if value is not DROP]
    return raw.request("POST", target, [*lines, *more], encode(message), token, host)


def session_request(method, target, token, session=None, more=(), **changes):
    """Bytes of a GET for a stream, or of a DELETE."""
    fields = {"Accept": "text/event-stream", "Mcp-Protocol-Version": LEGACY}
    if session is not None:
        fields["Mcp-Session-Id"] = session
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [(name, value) for name, value in fields.items() if value is not DROP]
    return raw.request(method, target, [*lines, *more], None, token)


def result(message, **members):
    return {"jsonrpc": "2.0", "id": message["id"], "result": members}


def json_answer(document, status=200, headers=()):
    return recorder.answer(status, encode(document), [("Content-Type", "application/json"), *headers])


def accepted():
    return recorder.answer(202, b"", phrase="Accepted")


def event(document, id=None, name=None, retry=None, line_end="\n", lines=1):
    """One event; `lines`: its data in so many."""
    text = encode(document).decode()
    fields = [f"event: {name}"] if name else []
    fields += [f"id: {id}"] if id is not None else []
    fields += [f"retry: {retry}"] if retry is not None else []
    if lines > 1:  # JSON may be broken wherever it may hold white space
        text = json.dumps(json.loads(text), indent=1)
    fields += [f"data: {line}" for line in text.split("\n")]
    return (line_end.join(fields) + 2 * line_end).encode()


def event_stream(headers=()):
    """The head of a stream in chunks."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked",
             *[f"{name}: {value}" for name, value in headers]]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def stream_answer(data, size=0, headers=()):
    """A whole stream, its data in chunks of `size` bytes."""
    step = size or max(len(data), 1)
    pieces = [chunk(data[at:at + step]) for at in range(0, len(data), step)]
    return event_stream(headers) + b"".join(pieces) + END


def read_events(body):
    """[{"id":, "event":, "retry":, "data": parsed}] of a stream's bytes; comments under "comments"."""
    events, fields, data = [], {}, []
    for line in body.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if data:
                fields["data"] = json.loads("\n".join(data))
            if fields:
                events.append(fields)
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        else:
            fields[name or "comment"] = value
    return events


class Server:
    """Plays an MCP server on a recorder's path. `on[method]` is a document (the result's members),
    bytes, or a function (message, request) that gives either; a script (peer, request, message) goes
    to `scripts[method]`, where "GET" and "DELETE" count as methods too."""

    def __init__(self, upstream, path="/mcp", session="upstream-session-1"):
        self.session = session
        self.on = {}
        self.scripts = {}
        self.messages = []
        self.lock = threading.Lock()
        upstream.on(path, self.play)

    def forget(self):
        self.on.clear()
        self.scripts.clear()
        self.messages.clear()

    def play(self, peer, recorded):
        peer.read_body(recorded)
        message = json.loads(recorded.body) if recorded.body else {}
        method = message.get("method", "response") if recorded.method == "POST" else recorded.method
        with self.lock:
            self.messages.append(message)
        if method in self.scripts:
            self.scripts[method](peer, recorded, message)
            return
        peer.send(self.answer(method, message, recorded))

    def answer(self, method, message, recorded):
        told = self.on.get(method)
        told = told(message, recorded) if callable(told) else told
        if isinstance(told, bytes):
            return told
        if told is not None:
            return json_answer(result(message, **told))
        if method == "GET":
            return recorder.answer(405, b"", [("Allow", "POST")], "Method Not Allowed")
        if method == "DELETE":
            return recorder.answer(200, b"")
        if "id" not in message or method == "response":
            return accepted()
        if method == "initialize":
            return self.hello(message)
        return json_answer(result(message, content=[{"type": "text", "text": "done"}]))

    def hello(self, message):
        said = result(message, protocolVersion=message["params"]["protocolVersion"],
                      capabilities={"tools": {}}, serverInfo={"name": "server", "version": "1"})
        fields = [("Mcp-Session-Id", self.session)] if self.session else []
        return json_answer(said, headers=fields)
