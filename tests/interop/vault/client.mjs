// Key Vault's clients as applications use them, told what to do one line at a time: reads {"do": NAME, "with": [...]}
// from stdin and prints what came of it, a JSON object a line, until stdin ends.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node client.mjs '{"vault", "authority", "tenant", "client", "secret", "verify"}'

import {Buffer} from "node:buffer";
import {createHash, webcrypto} from "node:crypto";
import dns from "node:dns";
import {createInterface} from "node:readline";

import {ClientSecretCredential} from "@azure/identity";
import {CertificateClient} from "@azure/keyvault-certificates";
import {CryptographyClient, KeyClient} from "@azure/keyvault-keys";
import {SecretClient} from "@azure/keyvault-secrets";

globalThis.crypto ??= webcrypto; // Debian 12's Node has no such global yet, and the libraries need it

// Names below localhost are this machine's (RFC 6761 6.3), but not every resolver says so.
const lookup = dns.lookup;
dns.lookup = (name, options, callback) => {
    if (typeof options === "function")
        [options, callback] = [{}, options];
    return lookup(name.endsWith(".localhost") ? "127.0.0.1" : name, options, callback);
};

const order = JSON.parse(process.argv[2]);
const credential = new ClientSecretCredential(
    order.tenant, order.client, order.secret, {authorityHost: order.authority, disableInstanceDiscovery: true});
const options = {
    disableChallengeResourceVerification: !order.verify,
    retryOptions: {retryDelayInMs: 10, maxRetryDelayInMs: 5000},
};
const secrets = new SecretClient(order.vault, credential, options);
const keys = new KeyClient(order.vault, credential, options);
const certificates = new CertificateClient(order.vault, credential, options);
const quickly = {intervalInMs: 20};

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const bytes = (text) => Buffer.from(text, "base64");

async function pages(list, size) {
    const found = [];
    for await (const page of list.byPage({maxPageSize: size}))
        found.push(page.map((item) => ({name: item.name, version: item.version, value: item.value})));
    return found;
}

const works = {
    get: (name, version) => secrets.getSecret(name, {version}),
    set: (name, value, more) => secrets.setSecret(name, value, {
        ...more, expiresOn: more?.expiresOn && new Date(more.expiresOn)}),
    update: (name, version, more) => secrets.updateSecretProperties(name, version, more),
    list: (size) => pages(secrets.listPropertiesOfSecrets(), size),
    versions: (name, size) => pages(secrets.listPropertiesOfSecretVersions(name), size),
    deleted: (size) => pages(secrets.listDeletedSecrets(), size),
    delete: async (name) => (await secrets.beginDeleteSecret(name, quickly)).pollUntilDone(),
    deleteOnly: async (name) => (await secrets.beginDeleteSecret(name, quickly)).getResult(),
    getDeleted: (name) => secrets.getDeletedSecret(name),
    recover: async (name) => (await secrets.beginRecoverDeletedSecret(name, quickly)).pollUntilDone(),
    purge: (name) => secrets.purgeDeletedSecret(name),
    backup: async (name) => base64(await secrets.backupSecret(name)),
    restore: (backup) => secrets.restoreSecretBackup(bytes(backup)),

    key: (name) => keys.getKey(name),
    createKey: (name, type) => keys.createKey(name, type),
    async sign(name, alg, text) {
        const client = new CryptographyClient((await keys.getKey(name)).id, credential, options);
        const digest = createHash("sha256").update(text).digest();
        const signed = await client.sign(alg, digest);
        const others = createHash("sha256").update(`not ${text}`).digest();
        return {
            keyId: signed.keyID,
            signature: base64(signed.result),
            isGood: (await client.verify(alg, digest, signed.result)).result,
            isGoodForOthers: (await client.verify(alg, others, signed.result)).result,
        };
    },
    // What was wrapped with the public key is unwrapped in the vault.
    async unwrap(name, alg, text) {
        const key = await keys.getKey(name);
        const client = new CryptographyClient(key.id, credential, options);
        const wrapped = await client.wrapKey(alg, Buffer.from(text));
        const unwrapped = await client.unwrapKey(alg, wrapped.result);
        return {keyId: unwrapped.keyID, text: Buffer.from(unwrapped.result).toString()};
    },
    async certificate(name) {
        const found = await certificates.getCertificate(name);
        return {...found, cer: base64(found.cer), thumbprint: base64(found.properties.x509Thumbprint)};
    },
    certificateVersion: (name, version) => certificates.getCertificateVersion(name, version),
    certificates: (size) => pages(certificates.listPropertiesOfCertificates(), size),
};

async function outcome({do: name, with: given = []}) {
    try {
        return {result: await works[name](...given) ?? null};
    } catch (error) {
        return {
            error: error.name,
            message: error.message,
            code: error.code,
            status: error.statusCode,
            inner: error.details?.error?.innerError?.code ?? error.details?.error?.innererror?.code,
        };
    }
}

const plain = (key, value) => value?.type === "Buffer" ? Buffer.from(value.data).toString("base64") : value;

for await (const line of createInterface({input: process.stdin}))
    console.log(JSON.stringify(await outcome(JSON.parse(line)), plain));
