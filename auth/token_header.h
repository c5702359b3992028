/* The JOSE header of an Entra token: what is there, nothing judged. */
#ifndef BARKEEP_AUTH_TOKEN_HEADER_H
#define BARKEEP_AUTH_TOKEN_HEADER_H

#include "core/slice.h"
#include "core/status.h"

struct json_t;

struct token_header {
    struct json_t *document; /* the slices below point into it */
    struct slice alg;        /* ptr NULL: absent or not a string; so for the others */
    struct slice kid;
    struct slice typ;
    bool has_typ;
    bool has_cty;
    bool has_nonce;           /* Microsoft Graph's mark */
    const char *steered_with; /* a member that tells the verifier what to do (crit, jku, ...), or
                                 NULL */
};

/* STATUS_INVALID when the segment is not one strict JSON object. */
enum status token_header_parse(struct slice base64url, struct token_header *out_header);
void token_header_done(struct token_header *header);

#endif
