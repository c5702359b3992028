#include "auth/principal_table.h"

#include <stdlib.h>

#define MAX_PRINCIPALS 10000
#define BUCKET_COUNT 16384 /* a power of two */

static struct principal **bucket_of(const struct principal_table *table, const char *tenant,
                                    const char *oid) {
    uint32_t hash = 2166136261u; /* FNV-1a; Entra chose the ids */
    for (const char *at = oid; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    for (const char *at = tenant; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &table->buckets[hash & (BUCKET_COUNT - 1)];
}

static void recency_push(struct principal_table *table, struct principal *principal) {
    principal->newer = NULL;
    principal->older = table->newest;
    if (table->newest)
        table->newest->newer = principal;
    else
        table->oldest = principal;
    table->newest = principal;
}

static void recency_remove(struct principal_table *table, struct principal *principal) {
    if (principal->newer)
        principal->newer->older = principal->older;
    else
        table->newest = principal->older;
    if (principal->older)
        principal->older->newer = principal->newer;
    else
        table->oldest = principal->newer;
}

void principal_table_drop(struct principal_table *table, struct principal *principal) {
    struct principal **link = bucket_of(table, principal->tenant->graph.id, principal->oid);
    while (*link != principal)
        link = &(*link)->chain;
    *link = principal->chain;
    recency_remove(table, principal);
    table->count--;
    group_list_unref(principal->groups);
    free(principal);
}

struct principal *principal_table_find(const struct principal_table *table,
                                       const struct group_want *want) {
    struct principal *principal = *bucket_of(table, want->tenant, want->oid);
    while (principal && (strcmp(principal->oid, want->oid) != 0 ||
                         strcmp(principal->tenant->graph.id, want->tenant) != 0 ||
                         principal->lookup.is_app != want->is_app))
        principal = principal->chain;
    return principal;
}

/* Makes room. False when every entry is being looked up, which MAX_WAITING prevents. */
static bool drop_oldest_idle(struct principal_table *table) {
    struct principal *principal = table->oldest;
    while (principal && principal->phase != PRINCIPAL_IDLE)
        principal = principal->newer;
    if (principal)
        principal_table_drop(table, principal);
    return principal != NULL;
}

enum status principal_table_init(struct principal_table *table) {
    *table = (struct principal_table){.buckets = calloc(BUCKET_COUNT, sizeof *table->buckets)};
    return table->buckets ? STATUS_OK : STATUS_NO_MEMORY;
}

void principal_table_done(struct principal_table *table) {
    while (table->oldest)
        principal_table_drop(table, table->oldest);
    free(table->buckets);
    table->buckets = NULL;
}

struct principal *principal_table_add(struct principal_table *table, struct source_tenant *tenant,
                                      const struct group_want *want) {
    if (table->count >= MAX_PRINCIPALS && !drop_oldest_idle(table))
        return NULL;
    struct principal *principal = calloc(1, sizeof *principal);
    if (!principal)
        return NULL;
    principal->tenant = tenant;
    memcpy(principal->oid, want->oid, sizeof principal->oid);
    principal->lookup.is_app = want->is_app;
    struct principal **bucket = bucket_of(table, want->tenant, want->oid);
    principal->chain = *bucket;
    *bucket = principal;
    recency_push(table, principal);
    table->count++;
    return principal;
}

void principal_table_touch(struct principal_table *table, struct principal *principal) {
    recency_remove(table, principal);
    recency_push(table, principal);
}
