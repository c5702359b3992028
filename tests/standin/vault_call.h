/* One request to a vault on its way to an answer, and what the collections share on that way. */
#ifndef BARKEEP_STANDIN_VAULT_CALL_H
#define BARKEEP_STANDIN_VAULT_CALL_H

#include "standin.h"
#include "vault_reply.h"

struct vault_call {
    const struct standin *standin;
    const struct request *request;
    struct reply *reply;
    struct vault *vault;
    char *base;            /* the vault's URL as the client spelled it */
    char *const *segments; /* of the path, from the collection on */
    size_t segment_count;
    json_t *claims; /* the caller's token */
    const char *api_version;
};

/* Each serves everything below its collection. */
void vault_serve_secrets(const struct vault_call *call);
void vault_serve_deleted_secrets(const struct vault_call *call);
void vault_serve_keys(const struct vault_call *call);
void vault_serve_certificates(const struct vault_call *call);

/* These answer themselves when they return false (NULL). */

/* Permission comes before existence, so that nothing is revealed. `name` NULL asks about the vault
 * as a whole. */
bool vault_authorize(const struct vault_call *call, const char *action, enum collection collection,
                     const char *name);
/* A good object name and, if not NULL, a good version. */
bool vault_check_names(const struct vault_call *call, const char *name, const char *version);
/* The body's JSON object; the caller owns it. */
json_t *vault_read_body(const struct vault_call *call);
/* The name is not in soft deletion. */
bool vault_check_conflict(const struct vault_call *call, enum collection collection,
                          const char *name);

/* Whether the request's method is `method` and it has so many segments. */
bool vault_call_is(const struct vault_call *call, const char *method, size_t segment_count);
/* A segment of the path without regard to case; false when there is none. */
bool vault_segment_is(const struct vault_call *call, size_t index, const char *text);

/* A string of the caller's token; empty when it is not there. */
const char *vault_claim(const struct vault_call *call, const char *name);

void vault_refuse_parameter(const struct vault_call *call, const char *text);
void vault_refuse_method(const struct vault_call *call);

/* Lists, page by page: the newest version of each (`is_deleted`: of those that can be recovered),
 * or all versions of one. The caller was authorized. */
void vault_list(const struct vault_call *call, enum collection collection, bool is_deleted);
void vault_list_versions(const struct vault_call *call, enum collection collection,
                         const char *name);

#endif
