/* Tokens for an application that proves itself with a secret. azure.md C.1. */
#ifndef BARKEEP_VAULT_CLIENT_SECRET_H
#define BARKEEP_VAULT_CLIENT_SECRET_H

#include "config/config.h"
#include "vault/token_request.h"

/* Fills `out_request`, which the caller has initialised. `tenant` NULL: identity's own. The
 * secret's file is read anew each time, so that a rotated one is picked up. */
enum status client_secret_request(const struct config_identity *config, const char *tenant,
                                  const char *resource, struct token_request *out_request,
                                  struct error *err);

#endif
