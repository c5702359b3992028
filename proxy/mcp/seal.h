/* Names of things at the upstream that are handed to one caller only (sessions, tasks, requests
 * that wait for an answer, events that a stream is resumed after, the state of a request that wants
 * input): sealed so that they open for the same principal on the same route alone, and tell which
 * of the route's servers they are of. Stateless: nothing is remembered, every worker can open them.
 * AES-256-GCM. What is sealed twice for one holder has the same name both times, but for sessions.
 */
#ifndef BARKEEP_PROXY_MCP_SEAL_H
#define BARKEEP_PROXY_MCP_SEAL_H

#include "auth/identity.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"

struct mcp_seal;

/* Bytes of what is sealed: names, and MCP_SEALED_STATE. */
enum { MCP_SEAL_TEXT_MAX = 1024, MCP_SEAL_STATE_MAX = 16 * 1024 };

enum mcp_sealed {
    MCP_SEALED_SESSION = 1,
    MCP_SEALED_TASK,
    MCP_SEALED_REQUEST,
    MCP_SEALED_EVENT,
    MCP_SEALED_STATE
};

/* Whom it is sealed for. `session` is the upstream's own session id, empty for none. */
struct mcp_holder {
    const struct identity *identity;
    struct slice route; /* its name */
    struct slice session;
    const uint64_t *servers; /* marks of the route's upstreams, never 0; they outlive the holder */
    size_t server_count;
    size_t server; /* which of them it is about; `server_count` or more: not known, or any */
    bool any_server_will_do; /* `server` is only the best: MCP_SEALED_STATE */
};

static inline bool mcp_holder_knows_server(const struct mcp_holder *holder) {
    return holder->server < holder->server_count;
}
/* The mark of the server it is about; 0: none is known. */
static inline uint64_t mcp_holder_mark(const struct mcp_holder *holder) {
    return mcp_holder_knows_server(holder) ? holder->servers[holder->server] : 0;
}

/* With a key of its own making; NULL when the system gives no random bytes or secret_memory_init()
 * was not called. From a key of 32 bytes when several processes are to open each other's. */
struct mcp_seal *mcp_seal_new(const unsigned char *key_or_null);
void mcp_seal_free(struct mcp_seal *seal); /* NULL is fine */

/* [A-Za-z0-9_-]; empty without memory or when `text` is empty or too long. From any thread. */
struct slice mcp_seal_close(const struct mcp_seal *seal, enum mcp_sealed what,
                            const struct mcp_holder *holder, struct slice text,
                            struct arena *arena);
/* False for whatever this seal did not close for this holder: foreign, altered, made up, empty; and
 * for what is of a server that the holder does not have, or of another than it has to do with. A
 * holder that knew of no server has this one from then on. A state belongs to no server
 * (2026-07-28): it opens all the same, and says which one is the best. */
bool mcp_seal_open(const struct mcp_seal *seal, enum mcp_sealed what, struct mcp_holder *holder,
                   struct slice sealed, struct arena *arena, struct slice *out_text);

struct mcp_sealer;

/* Closes one after the other for one holder, at a fraction of what mcp_seal_close() costs. It holds
 * keys: not for long. NULL without memory. */
struct mcp_sealer *mcp_sealer_new(const struct mcp_seal *seal, enum mcp_sealed what,
                                  const struct mcp_holder *holder);
void mcp_sealer_free(struct mcp_sealer *sealer); /* NULL is fine */
/* As mcp_seal_close(); lasts until the next call. */
struct slice mcp_sealer_close(struct mcp_sealer *sealer, struct slice text);

#endif
