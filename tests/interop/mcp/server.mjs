// A server of both eras on one URL, made with @modelcontextprotocol/server: sessions and streams that can be resumed
// for those who shake hands, 2026-07-28 for the others. Listens on loopback and says where; /told counts what it did.
//
//   node server.mjs

import {randomUUID} from "node:crypto";
import http from "node:http";

import {
    localhostHostValidation, localhostOriginValidation, NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest,
} from "@modelcontextprotocol/node";
import {createMcpHandler, isLegacyRequest, McpServer} from "@modelcontextprotocol/server";

import {addFixtures} from "./fixtures.mjs";
import {addInputFixtures, states} from "./fixtures_input.mjs";

const told = {finished: 0, aborted: 0, deleted: 0, requests: 0};
const sessions = new Map();

const capabilities = {
    tools: {listChanged: true}, prompts: {listChanged: true}, resources: {subscribe: true, listChanged: true},
    completions: {}, logging: {},
};

function newServer(options) {
    const server = new McpServer({name: "barkeep-interop", version: "1.0.0"}, {
        capabilities,
        cacheHints: {"tools/list": {ttlMs: 60000, cacheScope: "public"}},
        requestState: {verify: states.verify},
    });
    addFixtures(server, options);
    addInputFixtures(server);
    return server;
}

// What was said in a session, for those who come back. Ids are numbers in order.
class Events {
    said = [];

    async storeEvent(streamId, message) {
        return String(this.said.push({streamId, message}) - 1);
    }

    async getStreamIdForEventId(id) {
        return this.said[Number(id)]?.streamId;
    }

    async replayEventsAfter(id, {send}) {
        const {streamId} = this.said[Number(id)];
        for (let next = Number(id) + 1; next < this.said.length; next++) {
            const {streamId: of, message} = this.said[next];
            if (of === streamId && Object.keys(message).length) {
                await send(String(next), message);
            }
        }
        return streamId;
    }
}

async function openSession() {
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: new Events(),
        retryInterval: 200,
        onsessioninitialized: (id) => void sessions.set(id, transport),
        onsessionclosed: (id) => void sessions.delete(id),
    });
    await newServer({isLegacy: true, told}).connect(transport);
    return transport;
}

const modern = createMcpHandler(() => newServer({told, notify: modern.notify}), {legacy: "reject"});
const serveModern = toNodeHandler(modern);

function refuse(response, status, code, message) {
    response.writeHead(status, {"Content-Type": "application/json"});
    response.end(JSON.stringify({jsonrpc: "2.0", id: null, error: {code, message}}));
}

async function serveLegacy(request, response, body) {
    const id = request.headers["mcp-session-id"];
    const transport = id === undefined ? await openSession() : sessions.get(id);
    if (!transport) {
        refuse(response, 404, -32001, "Session not found");
        return;
    }
    await transport.handleRequest(request, response, body);
}

async function readBody(request) {
    const pieces = [];
    for await (const piece of request) {
        pieces.push(piece);
    }
    return JSON.parse(Buffer.concat(pieces));
}

const isKnownHost = localhostHostValidation();
const isKnownOrigin = localhostOriginValidation();

const server = http.createServer(async (request, response) => {
    if (request.url === "/told") {
        response.end(JSON.stringify(told));
        return;
    }
    told.requests++;
    if (!isKnownHost(request, response) || !isKnownOrigin(request, response)) {
        return;
    }
    let body;
    try {
        body = request.method === "POST" ? await readBody(request) : undefined;
    } catch {
        refuse(response, 400, -32700, "Parse error");
        return;
    }
    if (await isLegacyRequest(await toWebRequest(request, body), body)) {
        await serveLegacy(request, response, body);
    } else {
        await serveModern(request, response, body);
    }
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
