// The ways Microsoft's libraries get a token, by name. Each takes an order ({"authority", "tenant", "client", "scope",
// …}) and returns the token's text.

import {
    ClientAssertionCredential, ClientCertificateCredential, ClientSecretCredential, DefaultAzureCredential,
    ManagedIdentityCredential, OnBehalfOfCredential, WorkloadIdentityCredential,
} from "@azure/identity";
import {ConfidentialClientApplication} from "@azure/msal-node";

const options = order => ({authorityHost: order.authority, disableInstanceDiscovery: true});
const tokenOf = async (order, credential) => (await credential.getToken(order.scope)).token;

function application(order) {
    return new ConfidentialClientApplication({auth: {
        clientId: order.client,
        clientSecret: order.secret,
        clientCertificate: order.certificate,
        clientAssertion: order.assertion,
        clientCapabilities: order.capabilities,
        authority: `${order.authority}/${order.tenant}`,
        knownAuthorities: [new URL(order.authority).host],
    }});
}

export const ways = {
    identity: order => tokenOf(order, new ClientSecretCredential(
        order.tenant, order.client, order.secret, options(order))),

    certificate: order => tokenOf(order, new ClientCertificateCredential(
        order.tenant, order.client, {certificatePath: order.file},
        {...options(order), sendCertificateChain: order.chain})),

    assertion: order => tokenOf(order, new ClientAssertionCredential(
        order.tenant, order.client, async () => order.assertion, options(order))),

    workload: order => tokenOf(order, new WorkloadIdentityCredential(
        {...options(order), tenantId: order.tenant, clientId: order.client, tokenFilePath: order.file})),

    // AZURE_POD_IDENTITY_AUTHORITY_HOST, or IDENTITY_ENDPOINT and what goes with it, say where the endpoint is.
    managed: order => tokenOf(order, order.client
        ? new ManagedIdentityCredential({clientId: order.client})
        : new ManagedIdentityCredential()),

    // AZURE_* say everything, the authority too.
    chain: order => tokenOf(order, new DefaultAzureCredential({disableInstanceDiscovery: true})),

    behalf: order => tokenOf(order, new OnBehalfOfCredential({
        ...options(order), tenantId: order.tenant, clientId: order.client, userAssertionToken: order.user,
        ...(order.file ? {certificatePath: order.file} : {clientSecret: order.secret}),
    })),

    async msal(order) {
        return (await application(order).acquireTokenByClientCredential({scopes: [order.scope]})).accessToken;
    },

    async msalBehalf(order) {
        const wish = {scopes: [order.scope], oboAssertion: order.user};
        return (await application(order).acquireTokenOnBehalfOf(wish)).accessToken;
    },
};
