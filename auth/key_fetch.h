/* One look at the metadata of a slot's set and then at its keys: two requests, one answer. */
#ifndef BARKEEP_AUTH_KEY_FETCH_H
#define BARKEEP_AUTH_KEY_FETCH_H

#include "auth/key_set.h"
#include "auth/metadata.h"
#include "core/http_client.h"

struct key_fetch_result {
    enum status status;      /* STATUS_OK: keys and issuer are there */
    struct error error;      /* else: why not */
    int64_t retry_after_sec; /* -1 when the peer did not say */
    struct key_set *keys;    /* one reference for the receiver; never empty */
    const char *issuer;      /* valid during the callback */
    struct key_refusals refusals;
};

/* Embed; zero-initialise, then key_fetch_init(). */
struct key_fetch {
    struct http_client *client;
    const struct config_entra *entra;
    size_t slot;
    struct http_call *call; /* NULL: not running */
    struct metadata metadata;
    void (*on_done)(struct key_fetch *fetch, const struct key_fetch_result *result);
    void *owner;
};

void key_fetch_init(struct key_fetch *fetch, struct http_client *client,
                    const struct config_entra *entra, size_t slot);
/* Must not be running. `on_done` follows exactly once unless cancelled, perhaps before this
 * returns; it may start the fetch again. */
void key_fetch_start(struct key_fetch *fetch);
bool key_fetch_is_running(const struct key_fetch *fetch);
void key_fetch_cancel(struct key_fetch *fetch); /* no on_done follows; idempotent */

#endif
