/* Requests to Entra's token endpoint, whatever the grant. azure.md C.1, C.9. */
#ifndef BARKEEP_VAULT_ENTRA_REQUEST_H
#define BARKEEP_VAULT_ENTRA_REQUEST_H

#include "config/config.h"
#include "vault/token_request.h"

struct form_field {
    const char *name; /* a literal */
    struct slice value;
};

/* Fills `out_request`, which the caller has initialised: a POST of `fields` (one at least) with
 * what proves the configured application, to the token endpoint of `tenant` (NULL: identity's
 * own). */
enum status entra_request_build(const struct config_identity *config, const char *tenant,
                                const struct form_field *fields, size_t field_count,
                                struct token_request *out_request, struct error *err);

/* The client credentials grant: the application's own token for `resource`. `claims` is the JSON of
 * a claims request, or NULL. */
enum status entra_request_own_token(const struct config_identity *config, const char *tenant,
                                    const char *resource, const char *claims,
                                    struct token_request *out_request, struct error *err);

#endif
