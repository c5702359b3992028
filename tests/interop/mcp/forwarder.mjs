// Passes everything on to barkeep as it came, with the token that the conformance suite has no option for.
//
//   node forwarder.mjs PORT TOKEN

import http from "node:http";

const [port, token] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true});

const server = http.createServer((request, response) => {
    const headers = [...request.rawHeaders, "Authorization", `Bearer ${token}`];
    const onward = http.request({agent, host: "127.0.0.1", port, method: request.method, path: request.url, headers});
    onward.on("response", (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        response.flushHeaders();
        answer.pipe(response);
        answer.on("aborted", () => response.destroy());
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
