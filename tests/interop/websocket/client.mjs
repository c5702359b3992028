// A client made with ws: opens a WebSocket, sends texts, bytes and a ping, and prints what it saw as JSON.
//
//   node client.mjs '{"url", "token", "protocols", "sizes": [BYTES...], "by": "client" | "server"}'

import crypto from "node:crypto";

import WebSocket from "ws";

const order = JSON.parse(process.argv[2]);
const seen = {hello: null, texts: 0, bytes: 0, pong: null, close: null, refused: null};

function finish() {
    console.log(JSON.stringify(seen));
    process.exit(0);
}

const socket = new WebSocket(order.url, order.protocols ?? [], {
    headers: order.token ? {Authorization: `Bearer ${order.token}`} : {},
});
const waiting = [];
const arrived = [];

function next() {
    return new Promise((resolve) => arrived.length ? resolve(arrived.shift()) : waiting.push(resolve));
}

socket.on("message", (message, isBinary) => {
    const item = isBinary ? message : String(message);
    waiting.length ? waiting.shift()(item) : arrived.push(item);
});
socket.on("unexpected-response", (_, response) => {
    seen.refused = response.statusCode;
    finish();
});
socket.on("close", (code, reason) => {
    seen.close = [code, String(reason)];
    finish();
});
socket.on("error", (error) => {
    seen.error = String(error);
});
socket.on("open", async () => {
    seen.extensions = socket.extensions;
    seen.hello = JSON.parse(await next());
    for (const size of order.sizes ?? []) {
        const bytes = crypto.randomBytes(size);
        socket.send(bytes);
        seen.bytes += bytes.equals(await next()) ? 1 : 0;
        const text = bytes.toString("hex");
        socket.send(text);
        seen.texts += text === await next() ? 1 : 0;
    }
    seen.pong = await new Promise((resolve) => {
        socket.on("pong", (payload) => resolve(String(payload)));
        socket.ping("are you there");
    });
    if (order.by === "server") {
        socket.send("bye");
    } else {
        socket.close(4000, "done");
    }
});
