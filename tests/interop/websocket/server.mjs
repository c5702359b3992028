// A server made with ws: sends every message back as it came, and first says what it was told.

import http from "node:http";

import {WebSocketServer} from "ws";

const server = http.createServer((request, response) => response.end("plain"));
const sockets = new WebSocketServer({
    server,
    perMessageDeflate: {threshold: 0},
    handleProtocols: (offered) => offered.has("chat") ? "chat" : false,
});

sockets.on("connection", (socket, request) => {
    socket.on("error", () => socket.terminate());
    socket.send(JSON.stringify({
        url: request.url,
        authorization: request.headers.authorization ?? null,
        key: request.headers["x-key"] ?? null,
        extensions: socket.extensions,
        protocol: socket.protocol,
    }));
    socket.on("message", (message, isBinary) => {
        if (!isBinary && String(message) === "bye") {
            socket.close(4001, "as asked");
        } else {
            socket.send(message, {binary: isBinary});
        }
    });
});

server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
