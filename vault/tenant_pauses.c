#include "vault/tenant_pauses.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TENANTS 64
#define MAX_PAUSE_MS 60000
#define RETRY_AFTER_MAX_SEC 600

static struct tenant_pause *find(struct tenant_pauses *pauses, const char *tenant) {
    struct tenant_pause *pause = pauses->first;
    while (pause && strcmp(pause->tenant, tenant) != 0)
        pause = pause->next;
    if (!pause && pauses->count >= MAX_TENANTS && tenant[0])
        return find(pauses, "");
    return pause;
}

/* NULL without memory. */
static struct tenant_pause *find_or_add(struct tenant_pauses *pauses, const char *tenant) {
    struct tenant_pause *pause = find(pauses, tenant);
    if (pause)
        return pause;
    if (pauses->count >= MAX_TENANTS)
        tenant = "";
    size_t size = strlen(tenant) + 1;
    pause = calloc(1, sizeof *pause + size);
    if (!pause)
        return NULL;
    memcpy(pause->tenant, tenant, size);
    pause->next = pauses->first;
    pauses->first = pause;
    pauses->count++;
    return pause;
}

void tenant_pauses_done(struct tenant_pauses *pauses) {
    while (pauses->first) {
        struct tenant_pause *pause = pauses->first;
        pauses->first = pause->next;
        free(pause);
    }
    pauses->count = 0;
}

const struct tenant_pause *tenant_pauses_find(struct tenant_pauses *pauses, const char *tenant,
                                              uint64_t now_ms) {
    const struct tenant_pause *pause = find(pauses, tenant);
    return pause && now_ms < pause->until_ms ? pause : NULL;
}

/* Many exchanges may fail at one moment: only the first of them counts. */
bool tenant_pauses_begin(struct tenant_pauses *pauses, const char *tenant, uint64_t now_ms,
                         uint64_t min_ms, int64_t retry_after_sec, uint32_t second_ms,
                         const struct error *why) {
    struct tenant_pause *pause = find_or_add(pauses, tenant);
    if (!pause)
        return false;
    const bool begins = now_ms >= pause->until_ms;
    uint64_t delay_ms = begins ? backoff_next_ms(&pause->backoff, min_ms, MAX_PAUSE_MS) : 0;
    if (retry_after_sec > RETRY_AFTER_MAX_SEC)
        retry_after_sec = RETRY_AFTER_MAX_SEC;
    if (retry_after_sec > 0 && (uint64_t)retry_after_sec * 1000 > delay_ms)
        delay_ms = (uint64_t)retry_after_sec * 1000;
    const uint64_t until_ms = now_ms + backoff_scale_ms(second_ms, delay_ms);
    if (until_ms > pause->until_ms)
        pause->until_ms = until_ms;
    pause->error = *why;
    return begins;
}

bool tenant_pauses_end(struct tenant_pauses *pauses, const char *tenant) {
    struct tenant_pause *pause = find(pauses, tenant);
    if (!pause || pause->backoff.failures == 0)
        return false;
    pause->backoff = (struct backoff){0};
    pause->until_ms = 0;
    return true;
}
