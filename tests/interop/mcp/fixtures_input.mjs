// Tools and a prompt that need something of the client first: they answer with what they need, and the client asks
// again with it (2026-07-28).

import {acceptedContent, createRequestStateCodec, inputRequired} from "@modelcontextprotocol/server";
import * as z from "zod";

import {text} from "./fixtures.mjs";

export const states = createRequestStateCodec({key: "a key of this test's own, 32 bytes"});

const nothing = z.object({});
const asksFor = (name, type = "string") => ({type: "object", properties: {[name]: {type}}, required: [name]});
const elicit = (message, name, type) => inputRequired.elicit({message, requestedSchema: asksFor(name, type)});
const sample = (question) => inputRequired.createMessage({maxTokens: 100,
    messages: [{role: "user", content: {type: "text", text: question}}]});

const answers = (call) => call.mcpReq.inputResponses ?? {};
const accepted = (call, key) => acceptedContent(answers(call), key);

function askName(_, call) {
    const name = accepted(call, "user_name")?.name;
    return typeof name === "string" ? text(`Hello, ${name}!`)
        : inputRequired({inputRequests: {user_name: elicit("What is your name?", "name")}});
}

function askCapital(_, call) {
    const answer = answers(call).capital_question;
    return answer ? text(`Sampled: ${answer.content?.text}`)
        : inputRequired({inputRequests: {capital_question: sample("What is the capital of France?")}});
}

function askRoots(_, call) {
    const answer = answers(call).client_roots;
    return answer ? text(`Roots: ${answer.roots?.map((root) => root.uri).join(", ")}`)
        : inputRequired({inputRequests: {client_roots: inputRequired.listRoots()}});
}

async function askConfirmation(_, call) {
    if (call.mcpReq.requestState() === "confirming" && accepted(call, "confirm")) {
        return text("state-ok: confirmed");
    }
    return inputRequired({inputRequests: {confirm: elicit("Really?", "ok", "boolean")},
        requestState: await states.mint("confirming")});
}

async function askSeveral(_, call) {
    const {user_name: name, greeting, client_roots: roots} = answers(call);
    if (name && greeting && roots) {
        return text(`${greeting.content?.text} ${name.content?.name}, ${roots.roots?.length} roots`);
    }
    return inputRequired({requestState: await states.mint("several"), inputRequests: {
        user_name: elicit("What is your name?", "name"), greeting: sample("Greet"),
        client_roots: inputRequired.listRoots(),
    }});
}

async function askTwice(_, call) {
    switch (call.mcpReq.requestState()) {
    case undefined:
        return inputRequired({inputRequests: {step1: elicit("Your name?", "name")},
            requestState: await states.mint(1)});
    case 1:
        return inputRequired({inputRequests: {step2: elicit("Your colour?", "color")},
            requestState: await states.mint(2)});
    default:
        return text(`likes ${accepted(call, "step2")?.color}`);
    }
}

function askWhatIsPossible(_, call) {
    const can = call.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
    const inputRequests = {
        ...(can.elicitation && {user_name: elicit("What is your name?", "name")}),
        ...(can.sampling && {greeting: sample("Greet")}),
        ...(can.roots && {client_roots: inputRequired.listRoots()}),
    };
    return Object.keys(answers(call)).length || !Object.keys(inputRequests).length ? text("nothing more is needed")
        : inputRequired({inputRequests});
}

export function addInputFixtures(server) {
    const tools = {
        elicitation: askName, sampling: askCapital, list_roots: askRoots, request_state: askConfirmation,
        multiple_inputs: askSeveral, multi_round: askTwice, tampered_state: askConfirmation,
        capabilities: askWhatIsPossible,
    };
    const tool = (name, run) => server.registerTool(name, {description: `Does ${name}`, inputSchema: nothing}, run);
    tool("test_missing_capability", askCapital);
    for (const [name, run] of Object.entries(tools)) {
        tool(`test_input_required_result_${name}`, run);
    }
    server.registerPrompt("test_input_required_result_prompt", {description: "Asks for a context"}, (call) => {
        const given = accepted(call, "user_context")?.context;
        return given === undefined
            ? inputRequired({inputRequests: {user_context: elicit("In which context?", "context")}})
            : {messages: [{role: "user", content: {type: "text", text: `Context: ${given}`}}]};
    });
}
