// Loaded before a server that would listen on every interface: it listens on loopback alone, and says where.
//
//   PORT=0 node --import loopback.mjs SERVER

import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
    this.once("listening", () => console.log(`listening on ${this.address().port}`));
    return listen.call(this, Number(port), "127.0.0.1", ...rest);
};
