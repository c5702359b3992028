// An upstream that believes nobody but barkeep: it verifies X-Barkeep-Assertion with jose and says
// who calls. With the example configuration:
//
//   node upstream.mjs http://127.0.0.1:8080/.well-known/barkeep/jwks.json https://gw.example orders 3000

import http from "node:http";

import {createRemoteJWKSet, jwtVerify} from "jose";

const [jwksUrl, issuer, audience, port = "0"] = process.argv.slice(2);

// A kid that is not known yet makes jose ask again, at most this often: that is how a rotated key
// arrives.
const keys = createRemoteJWKSet(new URL(jwksUrl), {cooldownDuration: 1000});

async function answer(request, response) {
    try {
        const {payload, protectedHeader} = await jwtVerify(
            request.headers["x-barkeep-assertion"] ?? "", keys,
            {issuer, audience, algorithms: ["ES256"], typ: "JWT",
             requiredClaims: ["sub", "oid", "tid", "exp", "nbf", "iat", "jti"]});
        response.writeHead(200, {"Content-Type": "application/json"});
        response.end(JSON.stringify({
            claims: payload,
            kid: protectedHeader.kid,
            authorization: request.headers.authorization ?? null,
        }));
    } catch (error) {
        response.writeHead(403, {"Content-Type": "application/json"});
        response.end(JSON.stringify({error: error.code ?? String(error)}));
    }
}

const server = http.createServer(answer);
server.listen(Number(port), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
