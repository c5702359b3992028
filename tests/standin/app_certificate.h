/* A certificate registered for an application: what its client assertions are verified with.
 * azure.md C.3. */
#ifndef BARKEEP_STANDIN_APP_CERTIFICATE_H
#define BARKEEP_STANDIN_APP_CERTIFICATE_H

#include <stdbool.h>

#include "core/status.h"
#include "jws.h"

struct app_certificate;

/* The first certificate in `pem`, which must be RSA of 2048 bits at least. NULL with the reason. */
struct app_certificate *app_certificate_parse(const char *pem, struct error *err);
void app_certificate_free(struct app_certificate *certificate);

/* Whether the header's x5t#S256 and x5t (both, if both are there; one at least) are its. */
bool app_certificate_is_named(const struct app_certificate *certificate, const json_t *header);
/* RS256, or PS256 with the salt as long as the digest; any other `alg` is false. */
bool app_certificate_signed(const struct app_certificate *certificate, const struct jws *jws);

#endif
