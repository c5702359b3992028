/* One secret of the configuration over time: what is held of it, until when, and when it is read
 * next. contract section 4, security.md 8 J 200-206. */
#ifndef BARKEEP_VAULT_STORED_SECRET_H
#define BARKEEP_VAULT_STORED_SECRET_H

#include "core/loop.h"
#include "vault/backoff.h"
#include "vault/vault_client.h"

/* Members are for reading outside of stored_secret.c. */
struct stored_secret {
    const struct config_secret *config;
    struct vault_client *vault;
    struct loop *loop;
    const uint32_t *second_ms;
    /* After every read, good or not, and after a drop; `is_changed` when value or version is not
     * what it was. */
    void (*on_settled)(struct stored_secret *secret, bool is_changed);
    void *owner;

    struct secret *value; /* NULL when there is none to use */
    char version[KEY_VAULT_VERSION_SIZE];
    uint64_t change_count; /* of value and version */
    int64_t expires_sec;   /* wall clock; 0 for never */
    bool was_read;
    uint64_t good_ms; /* last good read */
    struct error last_error;

    struct vault_fetch fetch;
    struct backoff backoff;
    uint64_t retry_ms;           /* no try before, after a failure */
    struct loop_timer next_read; /* refresh or retry */
    struct loop_timer limit;     /* the value's end: max_stale or its own expiry */
};

/* All members above `value` are set by the caller. */
void stored_secret_init(struct stored_secret *secret);
/* Cancels what is running and forgets the value. */
void stored_secret_done(struct stored_secret *secret);

/* Reads now unless that is under way already. May settle before it returns. */
void stored_secret_read(struct stored_secret *secret);
bool stored_secret_is_reading(const struct stored_secret *secret);
/* A failure lies so shortly back that no try may be made now. */
bool stored_secret_is_backing_off(const struct stored_secret *secret);

#endif
