// A client as Microsoft's libraries make it: gets a token, calls a URL with it, and prints both as JSON.
// The order is a JSON object: {"way", "authority", "tenant", "client", "secret", "scope", "url"}; without "url" it
// prints the token alone.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node client.mjs ORDER

import {webcrypto} from "node:crypto";

globalThis.crypto ??= webcrypto; // Debian 12's Node has no such global yet, and the libraries need it

const {ways} = await import("./credentials.mjs");
const order = JSON.parse(process.argv[2]);

async function call(token) {
    const answer = await fetch(order.url, {headers: {Authorization: `Bearer ${token}`}});
    return {token, status: answer.status, body: await answer.text()};
}

// What a library says of a refusal; MSAL's errors say more than those of @azure/identity.
function refusal(error) {
    return {error: error.name, message: error.message, code: error.errorCode, suberror: error.subError,
        claims: error.claims};
}

async function outcome() {
    let token;
    try {
        token = await ways[order.way](order);
    } catch (error) {
        return refusal(error);
    }
    return order.url ? call(token) : {token};
}

console.log(JSON.stringify(await outcome()));
