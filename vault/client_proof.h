/* How barkeep's application proves itself to Entra: by a secret, by an assertion of its certificate
 * or by a token that the platform federates. Shared by all grants. azure.md C.1, C.3, C.4. */
#ifndef BARKEEP_VAULT_CLIENT_PROOF_H
#define BARKEEP_VAULT_CLIENT_PROOF_H

#include "config/config.h"
#include "core/buf.h"
#include "core/secret.h"

struct client_proof {
    const char *client_id; /* the configuration's */
    bool is_assertion;     /* else a client secret */
    struct secret *value;
};

/* True for the kinds that have one: all but a managed identity. */
bool client_proof_exists(const struct config_identity *config);
/* STATUS_INVALID, and err says what is missing, when `config` cannot give any. */
enum status client_proof_check(const struct config_identity *config, struct error *err);

/* Reads the configured file anew, so that a rotated secret, certificate or token is picked up.
 * `token_url` is where the proof goes: an assertion is made out to it. err names the file and never
 * quotes it. client_proof_done() in case of success. */
enum status client_proof_make(const struct config_identity *config, const char *token_url,
                              struct client_proof *out_proof, struct error *err);
void client_proof_done(struct client_proof *proof);

/* What client_proof_append() adds at most. */
size_t client_proof_form_bytes(const struct client_proof *proof);
/* Appends client_id and the proof to a form body that has fields already. Room must be reserved
 * before: a growing buffer would leave copies behind. */
void client_proof_append(const struct client_proof *proof, struct buf *body);

#endif
