// MCP clients made with @modelcontextprotocol/sdk ("sdk") and @modelcontextprotocol/client ("client"): connects, takes
// the steps of its order, and prints what came of each as JSON, with every request that the library made.
//
//   node client.mjs '{"library", "mode", "url", "token", "session", "sign_in", "steps": [{"take", ...}]}'

import {Person} from "./person.mjs";

const order = JSON.parse(process.argv[2]);
const requests = [];
const held = order.token ? {access_token: order.token, token_type: "Bearer"} : undefined;
const person = order.sign_in && new Person({tokens: held, ...order.sign_in});

const LIBRARIES = {
    async sdk() {
        const {Client} = await import("@modelcontextprotocol/sdk/client/index.js");
        const {StreamableHTTPClientTransport} = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
        const {UnauthorizedError} = await import("@modelcontextprotocol/sdk/client/auth.js");
        return {Client, StreamableHTTPClientTransport, UnauthorizedError, options: {},
            finishAuth: (transport, callback) => transport.finishAuth(callback.get("code")),
            callTool: (client, params, options) => client.callTool(params, undefined, options)};
    },
    async client() {
        const {Client, StreamableHTTPClientTransport, UnauthorizedError} = await import("@modelcontextprotocol/client");
        return {Client, StreamableHTTPClientTransport, UnauthorizedError,
            finishAuth: (transport, callback) => transport.finishAuth(callback),
            options: {versionNegotiation: {mode: order.mode}},
            callTool: (client, params, options) => client.callTool(params, options)};
    },
};

const library = await LIBRARIES[order.library]();

async function note(url, init = {}) {
    const headers = new Headers(init.headers);
    const answer = await fetch(url, init);
    requests.push({
        method: init.method ?? "GET", url: String(url), status: answer.status,
        last_event_id: headers.get("last-event-id"), challenge: answer.headers.get("www-authenticate"),
        form: init.body instanceof URLSearchParams ? Object.fromEntries(init.body) : null,
    });
    return answer;
}

function newTransport() {
    const options = {fetch: note, sessionId: order.session, protocolVersion: order.session && order.revision,
        onInsufficientScope: order.on_insufficient_scope};
    if (person) {
        options.authProvider = person;
    } else {
        options.requestInit = {headers: order.token ? {Authorization: `Bearer ${order.token}`} : {}};
    }
    return new library.StreamableHTTPClientTransport(new URL(order.url), options);
}

const problem = ({name, message, code, data, status, requiredScope, resourceMetadataUrl}) =>
    ({error: {name, message, code, data, status, requiredScope, resourceMetadataUrl}});

const words = ({content, isError}) => ({text: content?.map((part) => part.text).join(" "), isError: isError ?? false});

async function everyPage(ask, member) {
    const found = [];
    let cursor;
    do {
        const page = await ask(cursor === undefined ? undefined : {cursor});
        found.push(...page[member].map((item) => item.uri ?? item.uriTemplate ?? item.name));
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
}

const STEPS = {
    list: async (client) => ({
        tools: await everyPage((page) => client.listTools(page), "tools"),
        prompts: await everyPage((page) => client.listPrompts(page), "prompts"),
        resources: await everyPage((page) => client.listResources(page), "resources"),
        templates: await everyPage((page) => client.listResourceTemplates(page), "resourceTemplates"),
    }),
    call: async (client, {name, given, resume}) =>
        words(await library.callTool(client, {name, arguments: given ?? {}}, {resumptionToken: resume, timeout: 5000})),
    read: async (client, {uri}) => ({text: (await client.readResource({uri})).contents[0].text}),
    prompt: async (client, {name}) => ({text: (await client.getPrompt({name})).messages[0].content.text}),
    async progress(client, {name, given}) {
        const steps = [];
        const result = await library.callTool(client, {name, arguments: given ?? {}},
            {onprogress: ({progress}) => void steps.push(progress)});
        return {steps, ...words(result)};
    },
    // Goes away while the call is on its way: by closing everything, or by giving up this one call.
    leave: (client, {name, given, by}) => new Promise((resolve) => {
        const stop = new AbortController();
        let resume;
        library.callTool(client, {name, arguments: given}, {
            signal: stop.signal,
            onresumptiontoken: (token) => void (resume = token),
            onprogress: async () => {
                const session = client.transport?.sessionId;
                by === "abort" ? stop.abort() : await client.close();
                resolve({session, resume});
            },
        }).catch(() => undefined);
    }),
};

// Once more when somebody signed in meanwhile: the library leaves it to the application to wait for that.
async function signedIn(transport, act) {
    try {
        return await act();
    } catch (error) {
        const callback = error instanceof library.UnauthorizedError && person?.takeCallback();
        if (!callback) {
            throw error;
        }
        await library.finishAuth(transport, callback);
        return act();
    }
}

const outcome = {steps: [], requests};
let client;
let transport;

async function connect() {
    client = new library.Client({name: "interop", version: "1.0.0"}, library.options);
    transport = newTransport();
    await client.connect(transport);
}

try {
    await signedIn({finishAuth: (...callback) => transport.finishAuth(...callback)}, connect);
    outcome.session = transport.sessionId ?? null;
    for (const step of order.steps ?? []) {
        outcome.steps.push(await signedIn(transport, () => STEPS[step.take](client, step)).catch(problem));
    }
    if (order.ends_session) {
        await transport.terminateSession();
    }
} catch (error) {
    outcome.refused = problem(error).error;
}
if (person) {
    Object.assign(outcome, {redirects: person.redirects, hops: person.hops, tokens: person.saved});
}
console.log(JSON.stringify(outcome));
process.exit(0);
