/* Whose access is taken back before the tokens expire: a list of callers, sessions and tokens, made
 * from text once, looked up by hash ever after. Immutable; shared between threads. */
#ifndef BARKEEP_AUTH_REVOCATION_H
#define BARKEEP_AUTH_REVOCATION_H

#include "auth/identity.h"

#define REVOCATION_MAX_ENTRIES 100000
#define REVOCATION_MAX_BYTES ((size_t)8 << 20)

struct revocation_list;

struct revocation {
    bool
        has_not_before; /* only tokens issued before that time are meant; else whatever is issued */
    int64_t not_before_sec;
};

/* One entry a line, words between blanks, `#` before a word begins a comment:
 *   oid GUID [not-before TIME]               a user or service principal, in whatever tenant
 *   tenant GUID oid GUID [not-before TIME]   in that tenant
 *   sid VALUE                                a session
 *   uti VALUE                                one token
 * TIME is RFC 3339, or seconds since 1970. Of entries about the same the stricter one holds.
 * STATUS_INVALID or STATUS_LIMIT with "line N: ..."; STATUS_NO_MEMORY. The list has one reference,
 * for the caller. */
enum status revocation_list_parse(struct slice text, struct revocation_list **out_list,
                                  struct error *err);
struct revocation_list *revocation_list_ref(struct revocation_list *list);
void revocation_list_unref(struct revocation_list *list); /* NULL is fine */
size_t revocation_list_count(const struct revocation_list *list);

/* True when the identity's token is revoked; the strictest of the entries that say so. */
bool revocation_list_find(const struct revocation_list *list, const struct identity *identity,
                          struct revocation *out_revocation);

#endif
