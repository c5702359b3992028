// A client as Microsoft's libraries make it: gets a token, calls a URL with it, and prints both as JSON.
// The order is a JSON object: {"way", "authority", "tenant", "client", "secret", "scope", "url"}.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node client.mjs ORDER

import {webcrypto} from "node:crypto";

import {ClientSecretCredential, ManagedIdentityCredential} from "@azure/identity";
import {ConfidentialClientApplication} from "@azure/msal-node";

globalThis.crypto ??= webcrypto; // Debian 12's Node has no such global yet, and the libraries need it

const order = JSON.parse(process.argv[2]);

// Each returns the access token's text.
const ways = {
    async identity() {
        const credential = new ClientSecretCredential(
            order.tenant, order.client, order.secret,
            {authorityHost: order.authority, disableInstanceDiscovery: true});
        return (await credential.getToken(order.scope)).token;
    },

    async msal() {
        const application = new ConfidentialClientApplication({auth: {
            clientId: order.client,
            clientSecret: order.secret,
            authority: `${order.authority}/${order.tenant}`,
            knownAuthorities: [new URL(order.authority).host],
        }});
        return (await application.acquireTokenByClientCredential({scopes: [order.scope]})).accessToken;
    },

    // AZURE_POD_IDENTITY_AUTHORITY_HOST says where the metadata service is.
    async managed() {
        const credential = order.client
            ? new ManagedIdentityCredential({clientId: order.client})
            : new ManagedIdentityCredential();
        return (await credential.getToken(order.scope)).token;
    },
};

async function call(token) {
    const answer = await fetch(order.url, {headers: {Authorization: `Bearer ${token}`}});
    return {token, status: answer.status, body: await answer.text()};
}

async function outcome() {
    let token;
    try {
        token = await ways[order.way]();
    } catch (error) {
        return {error: error.name, message: error.message};
    }
    return call(token);
}

console.log(JSON.stringify(await outcome()));
