/* One reading of a secret from its vault, as many requests as that takes: the latest version or,
 * when that may not be used, the newest that may; or the version before the one that is held. */
#ifndef BARKEEP_VAULT_SECRET_READING_H
#define BARKEEP_VAULT_SECRET_READING_H

#include "vault/vault_client.h"

enum reading_step {
    READING_IDLE,
    READING_FIRST,  /* the latest version, or the pinned one */
    READING_LIST,   /* which versions are there? */
    READING_CHOSEN, /* the one the list led to */
    READING_HELD,   /* no list could be had: is the version that is held still fine? */
};

/* Embed; zero-initialise; set the first members once. Read the others in on_done only. */
struct secret_reading {
    const struct config_secret *config;
    struct vault_client *vault;
    /* Once a reading. FETCH_BARRED: there is nothing to use, or (with a version) that one may not
     * be used. */
    void (*on_done)(struct secret_reading *reading, const struct fetch_outcome *outcome);
    void *owner;

    bool has_list;                      /* `versions` holds all of them */
    struct key_vault_versions versions; /* found on the way */
    int64_t next_valid_sec;             /* a version becomes valid then; 0: none is known */
    struct fetch_outcome barred; /* why the latest was passed over; verdict GOOD: it was not */

    /* Its own. */
    enum reading_step step;
    bool looks_before;
    struct vault_fetch fetch;
    char held[KEY_VAULT_VERSION_SIZE];
    char chosen[KEY_VAULT_VERSION_SIZE];
    char barred_version[KEY_VAULT_VERSION_SIZE];
    struct error barred_error;
    struct error list_error;
    enum fetch_verdict list_verdict;
    int64_t list_retry_after_sec;
    char *page;
    size_t page_count;
};

void secret_reading_init(struct secret_reading *reading);
/* Start an idle one. `held` is the version that is held now, "" for none; on_done may come before
 * these return. */
void secret_reading_start(struct secret_reading *reading, const char *held);
/* For the newest usable version that is not `held`: FETCH_MISSING when there is none. */
void secret_reading_start_before(struct secret_reading *reading, const char *held);
void secret_reading_cancel(struct secret_reading *reading);
bool secret_reading_is_running(const struct secret_reading *reading);

#endif
