// MCP clients made with @modelcontextprotocol/sdk ("sdk") and @modelcontextprotocol/client ("client"): connects, takes
// the steps of its order, and prints what came of each as JSON, with every request that the library made.
//
//   node client.mjs '{"library", "mode", "url", "token", "session", "sign_in", "steps": [{"take", ...}]}'

const order = JSON.parse(process.argv[2]);
const requests = [];
const redirects = [];

const LIBRARIES = {
    async sdk() {
        const {Client} = await import("@modelcontextprotocol/sdk/client/index.js");
        const {StreamableHTTPClientTransport} = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
        return {Client, StreamableHTTPClientTransport, options: {},
            callTool: (client, params, options) => client.callTool(params, undefined, options)};
    },
    async client() {
        const {Client, StreamableHTTPClientTransport} = await import("@modelcontextprotocol/client");
        return {Client, StreamableHTTPClientTransport, options: {versionNegotiation: {mode: order.mode}},
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
    });
    return answer;
}

// Has perhaps a client id and a token, and notes where a person would be sent to sign in.
function signIn({client_id}) {
    let verifier;
    let registered = client_id && {client_id};
    return {
        redirectUrl: "http://127.0.0.1:33418/back",
        clientMetadata: {client_name: "interop", redirect_uris: ["http://127.0.0.1:33418/back"]},
        clientInformation: () => registered,
        saveClientInformation: (given) => void (registered = given),
        tokens: () => order.token ? {access_token: order.token, token_type: "Bearer"} : undefined,
        saveTokens: () => undefined,
        redirectToAuthorization: (url) => void redirects.push(String(url)),
        saveCodeVerifier: (value) => void (verifier = value),
        codeVerifier: () => verifier,
    };
}

function newTransport() {
    const options = {fetch: note, sessionId: order.session, protocolVersion: order.session && order.revision,
        onInsufficientScope: order.on_insufficient_scope,
        skipIssuerMetadataValidation: order.takes_any_issuer};
    if (order.sign_in) {
        options.authProvider = signIn(order.sign_in);
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

const outcome = {steps: [], requests, redirects};
const client = new library.Client({name: "interop", version: "1.0.0"}, library.options);
const transport = newTransport();
try {
    await client.connect(transport);
    outcome.session = transport.sessionId ?? null;
    for (const step of order.steps ?? []) {
        outcome.steps.push(await STEPS[step.take](client, step).catch(problem));
    }
    if (order.ends_session) {
        await transport.terminateSession();
    }
} catch (error) {
    outcome.refused = problem(error).error;
}
console.log(JSON.stringify(outcome));
process.exit(0);
