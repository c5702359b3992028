/* The claims of an Entra access token as the payload has them: types checked, nothing judged.
 * azure.md A.5. */
#ifndef BARKEEP_AUTH_TOKEN_CLAIMS_H
#define BARKEEP_AUTH_TOKEN_CLAIMS_H

#include "core/slice.h"
#include "core/status.h"

struct json_t;

/* More entries of one list than any token of Entra holds (200 groups): refused. */
#define TOKEN_CLAIMS_MAX_LIST 1000

struct claim_text {
    bool is_present;   /* whatever its type */
    struct slice text; /* ptr NULL when absent or not a string */
};

struct claim_time {
    bool is_present;
    bool is_usable; /* a number of seconds in [1, 2^53] */
    int64_t sec;    /* fractions are cut off */
};

struct claim_list {
    struct slice *items; /* non-empty strings without control bytes; the others are left out */
    size_t count;
};

struct token_claims {
    struct json_t *document; /* all text points into it */
    struct claim_text iss, tid, ver, aud, azp, appid, oid, sub, idtyp, scp, uti, sid;
    struct claim_text preferred_username, upn, unique_name, name;
    struct claim_time exp, nbf, iat;
    struct claim_list roles, groups, scopes, acrs;
    bool groups_unknown;           /* overage, or a groups claim that cannot be read whole */
    const char *id_token_mark;     /* nonce, at_hash or c_hash when there, else NULL */
    bool is_bound;                 /* cnf */
    bool has_mfa;                  /* amr */
    bool accepts_claims_challenge; /* xms_cc */
    bool has_list_beyond_the_limit;
};

/* STATUS_INVALID when the segment is not one strict JSON object. */
enum status token_claims_parse(struct slice base64url, struct token_claims *out_claims);
/* The same for the object itself. */
enum status token_claims_parse_json(struct slice json, struct token_claims *out_claims);
void token_claims_done(struct token_claims *claims);

#endif
