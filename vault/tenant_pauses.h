/* Tenants whose token endpoint is left alone for a while, because it is away, throttles, or takes
 * barkeep's proof for wrong. */
#ifndef BARKEEP_VAULT_TENANT_PAUSES_H
#define BARKEEP_VAULT_TENANT_PAUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"
#include "vault/backoff.h"

struct tenant_pause {
    struct tenant_pause *next;
    struct backoff backoff;
    uint64_t until_ms; /* monotonic */
    struct error error;
    char tenant[];
};

/* Zero-initialise. Tenants beyond a bound are not told apart. */
struct tenant_pauses {
    struct tenant_pause *first;
    size_t count;
};

void tenant_pauses_done(struct tenant_pauses *pauses);
/* The pause of `tenant` that is not over, or NULL. */
const struct tenant_pause *tenant_pauses_find(struct tenant_pauses *pauses, const char *tenant,
                                              uint64_t now_ms);
/* Begins or prolongs one: doubling from `min_ms`, `retry_after_sec` (-1: none) at least. True when
 * it begins. */
bool tenant_pauses_begin(struct tenant_pauses *pauses, const char *tenant, uint64_t now_ms,
                         uint64_t min_ms, int64_t retry_after_sec, uint32_t second_ms,
                         const struct error *why);
/* The tenant answered. True when it had failed before. */
bool tenant_pauses_end(struct tenant_pauses *pauses, const char *tenant);

#endif
