/* Where a call comes from: the peer of the connection, or whom the trusted proxies in front of
 * barkeep say they speak for. */
#ifndef BARKEEP_PROXY_CLIENT_ADDRESS_H
#define BARKEEP_PROXY_CLIENT_ADDRESS_H

#include <sys/socket.h>

#include "config/config.h"
#include "core/arena.h"
#include "proxy/h1_head.h"

#define CLIENT_ADDRESS_SIZE 48

struct client_address {
    bool is_ip;                     /* false: a unix socket's peer, of whom nothing is known */
    unsigned char bytes[16];        /* IPv4 as ::ffff:a.b.c.d */
    char text[CLIENT_ADDRESS_SIZE]; /* "192.0.2.1", "2001:db8::1", "unix" */
};

void client_address_of_peer(const struct sockaddr_storage *peer,
                            struct client_address *out_address);

/* One entry of X-Forwarded-For: an IPv4 address, or an IPv6 address perhaps in brackets; a port may
 * follow the former and the brackets. False for everything else: empty, "unknown", "_hidden",
 * quotes, zones, names. */
bool client_address_parse(struct slice entry, struct client_address *out_address);

/* Who calls, as far as it can be known, and what the upstream is told of it. Texts are the
 * request's, the peer's or in the arena. */
struct forwarding {
    const struct client_address *client;
    struct slice chain; /* X-Forwarded-For: the client, then the trusted proxies up to the peer */
    struct slice host;  /* X-Forwarded-Host */
    bool is_https;      /* X-Forwarded-Proto */
};

/* What the connection alone says. */
void forwarding_of_peer(struct forwarding *forwarding, const struct client_address *peer,
                        struct slice host);

/* When `peer` is one of `trusted`, the entries of X-Forwarded-For, all of its lines joined in
 * order, are walked from the right: the first that is no trusted proxy is the client. An entry that
 * cannot be read ends the walk: the client is then the proxy that reported it. When all are trusted
 * it is the left-most. X-Forwarded-Proto and -Host are believed of a trusted peer too, if each
 * comes once and is well-formed. Nobody else's headers count, and Forwarded is not read.
 * `forwarding` is what forwarding_of_peer() made of it. False without memory. */
bool forwarding_read(struct forwarding *forwarding, const struct config_networks *trusted,
                     const struct h1_request *request, struct arena *arena);

#endif
