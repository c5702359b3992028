/* The payload of Entra's tokens, v1 and v2. azure.md A.4 to A.6. */
#ifndef BARKEEP_STANDIN_CLAIMS_H
#define BARKEEP_STANDIN_CLAIMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a token is to say. Strings and lists are borrowed. */
struct claims_order {
    const char *origin; /* https://127.0.0.1:PORT, what issuers start with */
    const char *tenant;
    const char *audience;
    int version; /* 1 or 2 */
    int64_t issued;
    int64_t not_before;
    int64_t expires;

    const char *client_id;
    const char *client_auth; /* "0" public, "1" secret, "2" certificate or managed identity */
    const char *oid;
    const char *name;        /* users only; NULL makes an app-only token */
    const char *upn;         /* users only */
    const char *resource_id; /* managed identities towards Azure's own resources; may be NULL */

    const char *scopes;   /* NULL: no scp */
    const char *nonce;    /* of ID tokens; NULL: some */
    const json_t *roles;  /* NULL or empty: no roles */
    const json_t *groups; /* NULL or empty: no groups */
    bool has_overage;     /* a reference to Graph in place of groups */
    bool is_id_token;
    bool is_cae_capable; /* xms_cc: cp1 */
};

/* The caller owns the object. */
json_t *claims_make(const struct claims_order *order);

/* Issuers of the two token versions; `tenant` may be "{tenantid}". The caller frees. */
char *issuer_v1(const char *origin, const char *tenant);
char *issuer_v2(const char *origin, const char *tenant);

#endif
