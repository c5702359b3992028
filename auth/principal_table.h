/* The principals that were ever asked about: a bounded table by tenant and object id, the least
 * recently wanted leave first. Private to group_source.c, which asks. */
#ifndef BARKEEP_AUTH_PRINCIPAL_TABLE_H
#define BARKEEP_AUTH_PRINCIPAL_TABLE_H

#include "auth/group_source.h"
#include "vault/backoff.h"

enum principal_phase { PRINCIPAL_IDLE, PRINCIPAL_QUEUED, PRINCIPAL_LOOKING };

struct source_tenant {
    struct graph_tenant graph;
    struct backoff backoff; /* failures in a row */
    uint64_t pause_until_ms;
    enum group_result logged; /* last, GROUPS_OK at first */
    uint64_t logged_ms;
};

struct principal {
    struct principal *chain;
    struct principal *newer;
    struct principal *older;
    struct principal *next_queued;
    struct group_source *source;
    struct source_tenant *tenant;
    char oid[37];
    enum principal_phase phase;
    struct group_lookup lookup;
    struct group_want *wants;
    int64_t expires_sec;
    /* what is known while idle */
    enum group_result result;
    struct group_list *groups;
    uint64_t until_ms;
    struct backoff backoff;
};

struct principal_table {
    struct principal **buckets;
    struct principal *newest;
    struct principal *oldest;
    size_t count;
};

/* STATUS_NO_MEMORY. The table is zero-initialised or done. */
enum status principal_table_init(struct principal_table *table);
/* Drops everyone. */
void principal_table_done(struct principal_table *table);

/* NULL when nobody asked for that principal lately. */
struct principal *principal_table_find(const struct principal_table *table,
                                       const struct group_want *want);
/* A new one, idle and wanted most recently, for whom the oldest idle one may have to go. The caller
 * sets the members that are not its name. NULL without memory or when nobody is idle. */
struct principal *principal_table_add(struct principal_table *table, struct source_tenant *tenant,
                                      const struct group_want *want);
/* Wanted again. */
void principal_table_touch(struct principal_table *table, struct principal *principal);
/* Frees it; nobody may wait for it. */
void principal_table_drop(struct principal_table *table, struct principal *principal);

#endif
