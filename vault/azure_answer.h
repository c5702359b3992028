/* One JSON object that Azure answered with, parsed strictly: no duplicate members, no trailing
 * bytes, bounded depth. The only file of this room that knows the JSON library. */
#ifndef BARKEEP_VAULT_AZURE_ANSWER_H
#define BARKEEP_VAULT_AZURE_ANSWER_H

#include "core/slice.h"
#include "core/status.h"

struct azure_answer;

/* Makes the JSON library wipe what it frees, process-wide: answers hold tokens and secret values.
 * Documents parsed before stay valid. Call it before other threads parse. Idempotent. */
void azure_answer_init(void);

/* NULL when `body` is not one acceptable JSON object (err says so without quoting it). The size is
 * bounded by whoever received it. */
struct azure_answer *azure_answer_parse(struct slice body, struct error *err);
void azure_answer_free(struct azure_answer *answer); /* wipes; NULL is fine */

enum answer_kind {
    ANSWER_ABSENT, /* or null */
    ANSWER_STRING,
    ANSWER_INTEGER,
    ANSWER_BOOLEAN,
    ANSWER_OBJECT,
    ANSWER_ARRAY,
    ANSWER_OTHER,
};

/* Borrowed from the answer. */
struct answer_member {
    enum answer_kind kind;
    struct slice text;
    int64_t number;
    bool flag;
};

/* `path` is a literal of ours such as "attributes.exp". What lies below something that is no object
 * is absent. `answer` may be NULL, in which everything is absent. */
struct answer_member azure_answer_member(const struct azure_answer *answer, const char *path);
/* How many members of the object at `path` have this name, whatever its case; the last of them. */
size_t azure_answer_named(const struct azure_answer *answer, const char *path, const char *name,
                          struct answer_member *out_member);
/* How many items the array at `path` has; 0 when there is none. */
size_t azure_answer_count(const struct azure_answer *answer, const char *path);
/* One of them when it is an object, else NULL. Borrowed from the answer. */
const struct azure_answer *azure_answer_item(const struct azure_answer *answer, const char *path,
                                             size_t index);
/* True when the array at `path` holds this integer. */
bool azure_answer_lists(const struct azure_answer *answer, const char *path, int64_t number);

/* `claims` is a claims request (OpenID Connect Core 5.5): the same as text, with the client
 * capability cp1 added to what the access token is to say. NULL when its access_token is no object,
 * or without memory. The caller frees. */
char *azure_answer_format_claims(struct azure_answer *claims);

#endif
