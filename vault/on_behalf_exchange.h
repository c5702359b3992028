/* One caller's token exchanged for one credential: waiting, on its way, or remembered for a while.
 * And the table of them. Private to on_behalf_of.c. */
#ifndef BARKEEP_VAULT_ON_BEHALF_EXCHANGE_H
#define BARKEEP_VAULT_ON_BEHALF_EXCHANGE_H

#include "vault/on_behalf_of.h"

#define ON_BEHALF_KEY_BYTES 32
#define ON_BEHALF_BUCKETS 1024
#define ON_BEHALF_TENANT_SIZE 40

/* What all who want it are told. */
struct on_behalf_outcome {
    enum on_behalf_verdict verdict;
    struct rendering *rendering;
    uint64_t until_ms;
    char *claims;
    struct error error;
};

enum on_behalf_state {
    ON_BEHALF_QUEUED,
    ON_BEHALF_RUNNING,
    ON_BEHALF_KEPT_GOOD,
    ON_BEHALF_KEPT_BAD,
    ON_BEHALF_STATE_COUNT,
};

struct on_behalf_exchange {
    struct on_behalf_exchange *bucket_next;
    struct on_behalf_exchange *older, *newer; /* in the list of its state */
    struct on_behalf_source *source;
    unsigned char key[ON_BEHALF_KEY_BYTES];
    size_t credential;
    char tenant[ON_BEHALF_TENANT_SIZE];
    enum on_behalf_state state;

    struct secret *assertion; /* until it is sent */
    struct http_call *call;
    struct on_behalf_want *wants, *last_want; /* oldest first */

    struct on_behalf_outcome outcome; /* kept ones */
    uint64_t forget_ms;
};

struct on_behalf_list {
    struct on_behalf_exchange *oldest, *newest;
    size_t count;
};

/* Zero-initialise. */
struct on_behalf_table {
    struct on_behalf_exchange *buckets[ON_BEHALF_BUCKETS];
    struct on_behalf_list lists[ON_BEHALF_STATE_COUNT];
};

/* SHA-256 over tenant and token; false when it cannot be had. */
bool on_behalf_key(const char *tenant, const struct secret *assertion,
                   unsigned char out_key[ON_BEHALF_KEY_BYTES]);

struct on_behalf_exchange *on_behalf_table_find(const struct on_behalf_table *table,
                                                const unsigned char key[ON_BEHALF_KEY_BYTES],
                                                size_t credential);
/* Queued, with a reference to the assertion. NULL without memory. */
struct on_behalf_exchange *on_behalf_table_add(struct on_behalf_table *table,
                                               const unsigned char key[ON_BEHALF_KEY_BYTES],
                                               const struct on_behalf_want *want);
void on_behalf_table_move(struct on_behalf_table *table, struct on_behalf_exchange *exchange,
                          enum on_behalf_state state);
/* Frees it. Nobody waits for it any more, and no call runs. */
void on_behalf_table_drop(struct on_behalf_table *table, struct on_behalf_exchange *exchange);
/* Drops what is kept beyond its time. */
void on_behalf_table_sweep(struct on_behalf_table *table, uint64_t now_ms);

/* A copy with references and texts of its own. Claims that cannot be copied are left out. */
struct on_behalf_outcome on_behalf_outcome_copy(const struct on_behalf_outcome *outcome);
void on_behalf_outcome_done(struct on_behalf_outcome *outcome);

#endif
