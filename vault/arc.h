/* Managed identity tokens on servers that Azure Arc looks after: the agent wants to see a file read
 * that only its group can. azure.md C.7. */
#ifndef BARKEEP_VAULT_ARC_H
#define BARKEEP_VAULT_ARC_H

#include "config/config.h"
#include "vault/token_request.h"

/* True when the environment names the agent (IDENTITY_ENDPOINT and IMDS_ENDPOINT), or it is
 * installed. */
bool arc_is_here(void);

/* Both steps fill `out_request`, which the caller has initialised. The first is answered 401 with a
 * challenge that names a file. */
enum status arc_request(const struct config_identity *config, const char *resource,
                        struct token_request *out_request, struct error *err);
/* The second shows what the file holds. `challenge` is the value of WWW-Authenticate. The file must
 * stand directly in the agent's own folder, be named *.key, and be a regular one of at most 4 KiB;
 * nothing else is ever opened or sent. */
enum status arc_answer_request(const struct config_identity *config, const char *resource,
                               struct slice challenge, struct token_request *out_request,
                               struct error *err);

#endif
