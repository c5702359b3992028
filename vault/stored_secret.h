/* One secret of the configuration over time: what is held of it, until when, and when it is read
 * next. contract section 4, security.md 8 J 200-206. */
#ifndef BARKEEP_VAULT_STORED_SECRET_H
#define BARKEEP_VAULT_STORED_SECRET_H

#include "core/loop.h"
#include "vault/backoff.h"
#include "vault/held_version.h"
#include "vault/secret_reading.h"

/* Members are for reading outside of stored_secret.c. */
struct stored_secret {
    const struct config_secret *config;
    struct vault_client *vault;
    struct loop *loop;
    const uint32_t *second_ms;
    bool takes_lines; /* line breaks are fine: it goes into no request as it is (PEM) */
    /* After every read, good or not, and after a drop; `is_changed` when what is held is not what
     * it was. */
    void (*on_settled)(struct stored_secret *secret, bool is_changed);
    void *owner;

    struct held_version current;
    struct held_version previous; /* only beside a current one, and never of a pinned secret */
    uint64_t change_count;        /* of both */
    uint64_t current_count;       /* of the current one alone */
    bool was_read;
    uint64_t good_ms; /* last good read */
    struct error last_error;

    struct secret_reading reading;
    struct backoff backoff;
    uint64_t previous_until_ms;  /* its own expiry may come first */
    uint64_t retry_ms;           /* no try before, after a failure */
    struct loop_timer next_read; /* refresh or retry */
    struct loop_timer limit;     /* the end of what is held: max_stale or its own expiry */

    bool is_reread;         /* the reading under way answers a refusal */
    bool is_reread_due;     /* the reading under way began before a refusal: another follows */
    uint64_t reread_gap_ms; /* between rereads that brought nothing; 0: the next may be at once */
    uint64_t reread_ms;     /* no reread before */
    char searched[KEY_VAULT_VERSION_SIZE]; /* the version before this one was looked for */

    bool is_stale;       /* the last read failed and the value is served on */
    struct error barred; /* what was last told about a version passed over */
};

/* All members above `current` are set by the caller. */
void stored_secret_init(struct stored_secret *secret);
/* Cancels what is running and forgets the values. */
void stored_secret_done(struct stored_secret *secret);
/* Holds what `former` does, the same secret in a former configuration, and reads when that one
 * would have. With `reads_anew` only the values are taken over. Where a read is due now, none is
 * waited for afterwards (stored_secret_is_waiting()). Before the first read; nothing settles. */
void stored_secret_adopt(struct stored_secret *secret, const struct stored_secret *former,
                         bool reads_anew);
/* The next read has its time. */
bool stored_secret_is_waiting(const struct stored_secret *secret);

/* Reads now unless that is under way already. May settle before it returns. */
void stored_secret_read(struct stored_secret *secret);
/* An upstream refused the current value. Reads anew, at once the first time, then at a gap that
 * doubles from one second to `refresh` while nothing new comes; a pinned version never. Where the
 * value is what it was and no previous one is held, the version before is looked for, once. */
void stored_secret_reread(struct stored_secret *secret);
/* Forgets the version before, if there is one, and logs why. */
void stored_secret_drop_previous(struct stored_secret *secret, const char *why);
bool stored_secret_is_reading(const struct stored_secret *secret);
/* A failure lies so shortly back that no try may be made now. */
bool stored_secret_is_backing_off(const struct stored_secret *secret);

#endif
