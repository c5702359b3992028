/* The platform's key. It lives in the state directory, where the command that mints service account
 * tokens and the server meet; made when first wanted, so that a start does not wait for it. */
#include "platform_key.h"

#include <stdlib.h>

#include "certificates.h"

#define KEY_FILE "platform-key.pem"

struct signing_key *platform_key_open(struct state *state, struct error *err) {
    struct signing_key *key = NULL;
    char *pem = NULL;
    if (state_lock(state, err) != STATUS_OK)
        return NULL;
    enum status status = state_read(state, KEY_FILE, &pem, err);
    if (status == STATUS_NOT_FOUND) {
        status = certificate_make_signing(&pem, err);
        if (status == STATUS_OK)
            status = state_write(state, KEY_FILE, pem, err);
    }
    if (status == STATUS_OK)
        key = signing_key_parse(pem, err);
    state_unlock(state);
    free(pem);
    return key;
}
