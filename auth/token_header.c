/* A token's header is written by whoever wrote the token: it is read for `alg`, `typ` and `kid`
 * only, and what tries to steer the verifier is reported (azure.md A.7 step 2). */
#include "auth/token_header.h"

#include <jansson.h>

#include "auth/strict_json.h"

static const char *const steering_members[] = {"crit", "b64", "zip", "enc", "jku", "x5u", "jwk"};

static const char *find_steering(const json_t *document) {
    for (size_t i = 0; i < sizeof steering_members / sizeof *steering_members; i++)
        if (json_object_get(document, steering_members[i]))
            return steering_members[i];
    return NULL;
}

enum status token_header_parse(struct slice base64url, struct token_header *out_header) {
    json_t *document = NULL;
    enum status status = strict_json_parse_segment(base64url, STRICT_JSON_REFUSE_NUL, &document);
    if (status != STATUS_OK)
        return status;
    *out_header = (struct token_header){
        .document = document,
        .alg = strict_json_text(document, "alg"),
        .kid = strict_json_text(document, "kid"),
        .typ = strict_json_text(document, "typ"),
        .has_typ = json_object_get(document, "typ") != NULL,
        .has_cty = json_object_get(document, "cty") != NULL,
        .has_nonce = json_object_get(document, "nonce") != NULL,
        .steered_with = find_steering(document),
    };
    return STATUS_OK;
}

void token_header_done(struct token_header *header) {
    strict_json_free(header->document);
    header->document = NULL;
}
