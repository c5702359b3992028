// What a server offers so that every scenario of the conformance suite finds what it looks for: tools, resources and
// prompts that do the same in both eras of the protocol.

import {setTimeout as sleep} from "node:timers/promises";

import {fromJsonSchema, ResourceTemplate} from "@modelcontextprotocol/server";
import * as z from "zod";

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

export const text = (value) => ({content: [{type: "text", text: value}]});
const image = {type: "image", data: PIXEL, mimeType: "image/png"};
const embedded = (uri, mimeType, value) => ({type: "resource", resource: {uri, mimeType, text: value}});
const fromUser = (content) => ({role: "user", content});

const CONTENTS = {
    test_simple_text: [{type: "text", text: "This is a simple text response for testing."}],
    test_image_content: [image],
    test_audio_content: [{type: "audio", data: SILENCE, mimeType: "audio/wav"}],
    test_embedded_resource: [embedded("test://embedded-resource", "text/plain", "An embedded resource.")],
    test_multiple_content_types: [
        {type: "text", text: "Several kinds of content:"}, image,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
};

const EVERY_KIND = {
    type: "object",
    properties: {
        name: {type: "string", default: "John Doe"},
        age: {type: "integer", default: 30},
        score: {type: "number", default: 95.5},
        status: {type: "string", enum: ["active", "inactive", "pending"], default: "active"},
        verified: {type: "boolean", default: true},
    },
};

const titled = (...titles) => titles.map((title, index) => ({const: `value${index + 1}`, title}));
const several = {type: "array", minItems: 1, maxItems: 3};
const EVERY_CHOICE = {
    type: "object",
    properties: {
        untitledSingle: {type: "string", enum: ["option1", "option2", "option3"]},
        titledSingle: {type: "string", oneOf: titled("First Option", "Second Option", "Third Option")},
        legacyEnum: {type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"]},
        untitledMulti: {...several, items: {type: "string", enum: ["option1", "option2", "option3"]}},
        titledMulti: {...several, items: {anyOf: titled("First Choice", "Second Choice", "Third Choice")}},
    },
};

const SCHEMA_2020_12 = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: {address: {$anchor: "addressDef", type: "object",
        properties: {street: {type: "string"}, city: {type: "string"}}}},
    properties: {
        name: {type: "string"}, address: {$ref: "#/$defs/address"}, phone: {type: "string"}, email: {type: "string"},
        contactMethod: {type: "string", enum: ["phone", "email"]},
    },
    allOf: [{anyOf: [{required: ["phone"]}, {required: ["email"]}]}],
    if: {properties: {contactMethod: {const: "phone"}}, required: ["contactMethod"]},
    then: {required: ["phone"]},
    else: {required: ["email"]},
    additionalProperties: false,
};

const MIRRORED = {
    type: "object",
    properties: {
        region: {type: "string", "x-mcp-header": "Region"},
        level: {type: "integer", "x-mcp-header": "Level"},
    },
    required: ["region"],
};

async function countUp(call) {
    const progressToken = call.mcpReq._meta?.progressToken ?? 0;
    for (const progress of [0, 50, 100]) {
        await call.mcpReq.notify({method: "notifications/progress",
            params: {progressToken, progress, total: 100, message: `${progress} of 100`}});
        await sleep(20);
    }
    return text(String(progressToken));
}

// Ends early when the client goes away and the server is told so.
async function takeLong({seconds}, call, told) {
    const progressToken = call.mcpReq._meta?.progressToken;
    try {
        for (let step = 1; step <= seconds * 10; step++) {
            await sleep(100, undefined, {signal: call.mcpReq.signal});
            if (progressToken !== undefined) {
                await call.mcpReq.notify({method: "notifications/progress",
                    params: {progressToken, progress: step, total: seconds * 10}});
            }
        }
        told.finished++;
        return text("come to its end");
    } catch (error) {
        told.aborted++;
        throw error;
    }
}

async function tellOnTheWay(call) {
    for (const data of ["started", "on the way", "done"]) {
        await call.mcpReq.notify({method: "notifications/message", params: {level: "info", data}});
        await sleep(20);
    }
    return text("told");
}

async function closeAndAnswerLater(call) {
    call.http?.closeSSE?.();
    await sleep(100);
    return text("answered after the stream was closed");
}

// On the call's own stream: the one for what a server says by itself may not be open yet.
async function askModel({prompt}, call) {
    const {content} = await call.mcpReq.send({method: "sampling/createMessage",
        params: {maxTokens: 100, messages: [fromUser({type: "text", text: prompt})]}});
    return text(`LLM response: ${content?.text ?? "none"}`);
}

async function askUser(call, message, requestedSchema) {
    const params = {message, requestedSchema};
    const {action, content} = await call.mcpReq.send({method: "elicitation/create", params});
    return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

function addTools(server, told, notify) {
    const nothing = z.object({});
    const tool = (name, inputSchema, run) => server.registerTool(name, {description: `Does ${name}`, inputSchema}, run);

    for (const [name, content] of Object.entries(CONTENTS)) {
        tool(name, nothing, () => ({content}));
    }
    tool("test_error_handling", nothing, () => {
        throw new Error("This tool intentionally returns an error for testing");
    });
    tool("test_tool_with_progress", nothing, (_, call) => countUp(call));
    tool("test_tool_with_logging", nothing, (_, call) => tellOnTheWay(call));
    tool("test_logging_tool", nothing, async (_, call) => {
        await call.mcpReq.log("info", "logged");
        return text("logged if asked to");
    });
    tool("test_reconnection", nothing, (_, call) => closeAndAnswerLater(call));
    tool("test_sampling", z.object({prompt: z.string()}), askModel);
    tool("test_elicitation", z.object({message: z.string()}), ({message}, call) => askUser(call, message,
        {type: "object", properties: {response: {type: "string"}}, required: ["response"]}));
    tool("test_elicitation_sep1034_defaults", nothing, (_, call) => askUser(call, "Review the form", EVERY_KIND));
    tool("test_elicitation_sep1330_enums", nothing, (_, call) => askUser(call, "Choose", EVERY_CHOICE));
    tool("json_schema_2020_12_tool", fromJsonSchema(SCHEMA_2020_12), (given) => text(JSON.stringify(given)));
    tool("test_x_mcp_header", fromJsonSchema(MIRRORED), ({region}) => text(`region=${region}`));
    tool("test_streaming_elicitation", nothing, (_, call) => countUp(call));
    tool("test_trigger_tool_change", nothing, () => (notify?.toolsChanged(), text("changed")));
    tool("test_trigger_prompt_change", nothing, () => (notify?.promptsChanged(), text("changed")));
    tool("take_long", z.object({seconds: z.number().max(60)}), (given, call) => takeLong(given, call, told));
    tool("echo", z.object({message: z.string()}), ({message}) => text(`Echo: ${message}`));
    tool("delete_everything", nothing, () => (told.deleted++, text("gone")));
}

function addResources(server) {
    const fixed = (name, mimeType, content) => server.registerResource(name, `test://${name}`, {mimeType},
        (uri) => ({contents: [{uri: uri.href, mimeType, ...content}]}));
    fixed("static-text", "text/plain", {text: "This is the content of the static text resource."});
    fixed("static-binary", "image/png", {blob: PIXEL});
    fixed("watched-resource", "text/plain", {text: "watched"});
    server.registerResource("template", new ResourceTemplate("test://template/{id}/data", {list: undefined}),
        {mimeType: "application/json"}, (uri, {id}) => ({contents: [{uri: uri.href, mimeType: "application/json",
            text: JSON.stringify({id, templateTest: true, data: `Data for ID: ${id}`})}]}));
}

function addPrompts(server) {
    const words = (value) => fromUser({type: "text", text: value});
    const prompt = (name, argsSchema, messages) => server.registerPrompt(name,
        {description: `Says ${name}`, argsSchema}, (given) => ({messages: messages(given)}));
    prompt("test_simple_prompt", undefined, () => [words("This is a simple prompt for testing.")]);
    prompt("test_prompt_with_arguments", z.object({arg1: z.string(), arg2: z.string()}),
        ({arg1, arg2}) => [words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)]);
    prompt("test_prompt_with_embedded_resource", z.object({resourceUri: z.string()}),
        ({resourceUri}) => [fromUser(embedded(resourceUri, "text/plain", "embedded")), words("Look at it.")]);
    prompt("test_prompt_with_image", undefined, () => [fromUser(image), words("Look at it.")]);
}

// Subscriptions and log levels are asked for only where there are sessions.
function addLegacyRequests(server) {
    for (const method of ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"]) {
        server.server.setRequestHandler(method, () => ({}));
    }
}

// `told` counts what the server was made to do; `notify` publishes changes where there are no sessions.
export function addFixtures(server, {isLegacy, told, notify}) {
    addTools(server, told, notify);
    addResources(server);
    addPrompts(server);
    server.server.setRequestHandler("completion/complete",
        () => ({completion: {values: ["one", "two"], total: 2, hasMore: false}}));
    if (isLegacy) {
        addLegacyRequests(server);
    }
}
