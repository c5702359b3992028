/* Who the caller is, as a verified token says. Immutable once built. */
#ifndef BARKEEP_AUTH_IDENTITY_H
#define BARKEEP_AUTH_IDENTITY_H

#include "core/slice.h"
#include "core/status.h"

enum principal_type { PRINCIPAL_USER, PRINCIPAL_APP };

struct identity {
    uint32_t refs; /* one worker owns it: not atomic */
    enum principal_type type;
    struct slice tenant; /* tid, lower case */
    struct slice oid;    /* lower case; of static issuers perhaps a sub, as it was written */
    struct slice app;    /* azp or appid, lower case */
    struct slice sub;    /* empty when absent, as the two below */
    struct slice
        name; /* preferred_username, upn, unique_name or name: for display, never for rules */
    struct slice uti;
    struct slice kid;
    int version;         /* 1 or 2 */
    struct slice *roles; /* the lists are sorted by bytes */
    size_t role_count;
    struct slice *scopes;
    size_t scope_count;
    struct slice *groups; /* lower case unless groups are by name */
    size_t group_count;
    uint32_t *group_keys;     /* as long as groups: what the rules find them by (policy_keys.h);
                                 NULL: not made */
    bool groups_unknown;      /* overage: the token says that it does not hold them all */
    uint64_t groups_until_ms; /* monotonic: how long looked-up groups may be used; 0: they are the
                                 token's own */
    struct slice sid;         /* session; empty when absent */
    struct slice *acrs;       /* authentication contexts that the sign-in satisfied, sorted */
    size_t acrs_count;
    bool has_mfa;                  /* amr holds mfa */
    bool accepts_claims_challenge; /* xms_cc holds cp1: azure.md A.11 */
    int64_t issued_sec;            /* iat, or failing that nbf */
    int64_t expires_sec;           /* exp, without skew */
    size_t tenant_index;           /* in config entra.tenants; CONFIG_NONE for static issuers */
    size_t slot;                   /* of the key set that verified it (key_slot.h) */
    size_t memory_bytes;           /* what it occupies, for the cache's bound */
    struct identity_lines *lines;  /* what upstreams were told of it so far: a cache that
                                      identity_lines.c keeps, no part of who the caller is */
};

/* A copy of `model` and of all text it borrows, in one allocation; the lists need not be sorted
 * yet. tenant, oid, app and, unless groups are by name, groups become lower case. One reference for
 * the caller; NULL without memory. */
struct identity *identity_new(const struct identity *model, bool groups_by_name);
/* The same caller with groups known: the token's own and `groups`, which were looked up and may be
 * used until `until_ms`. One reference for the caller; NULL without memory. */
struct identity *identity_with_groups(const struct identity *identity, const struct slice *groups,
                                      size_t count, uint64_t until_ms);
struct identity *identity_ref(struct identity *identity);
void identity_unref(struct identity *identity); /* NULL is fine */

bool identity_has_role(const struct identity *identity, struct slice role);
bool identity_has_scope(const struct identity *identity, struct slice scope);
bool identity_has_group(const struct identity *identity, struct slice group);
bool identity_has_acrs(const struct identity *identity, struct slice acrs);

#endif
