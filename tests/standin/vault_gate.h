/* What may stop a good token before anybody looks at permissions: a claims challenge, throttling,
 * the network rules. azure.md D.3, D.5, D.6. */
#ifndef BARKEEP_STANDIN_VAULT_GATE_H
#define BARKEEP_STANDIN_VAULT_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"
#include "core/status.h"

enum network {
    NETWORK_OPEN,
    NETWORK_FIREWALL, /* 403 ForbiddenByFirewall */
    NETWORK_PRIVATE,  /* 403 ForbiddenByConnection */
};

struct vault_gate {
    enum network network;

    int64_t throttled; /* how many requests are still refused */
    int64_t limit;     /* requests in a window; 0: any number */
    int64_t window_ms;
    uint64_t window_end_ms; /* monotonic */
    int64_t in_window;
    bool has_retry_after;
    int64_t retry_after_sec;

    char *claims;          /* NULL: no challenge; the JSON that tokens are to be asked with */
    bool takes_any_client; /* others need not be capable of claims challenges */
    char *refused_token;   /* the one that was challenged first; never good again */
};

void vault_gate_done(struct vault_gate *gate);

/* "open", "firewall", "private". */
enum status vault_gate_set_network(struct vault_gate *gate, const char *name, struct error *err);

/* Counts the request; true when it is one too many. */
bool vault_gate_throttles(struct vault_gate *gate);

/* From now on: the next token seen is refused for good, and so is every other that does not come
 * from a client that can take claims challenges (xms_cc: cp1), unless any may. `claims` NULL ends
 * it. */
void vault_gate_ask_claims(struct vault_gate *gate, const char *claims, bool takes_any_client);
/* True when this token gets the challenge. */
bool vault_gate_refuses_token(struct vault_gate *gate, struct slice token, const json_t *payload);

#endif
