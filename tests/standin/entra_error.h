/* Entra's error bodies. azure.md C.2. */
#ifndef BARKEEP_STANDIN_ENTRA_ERROR_H
#define BARKEEP_STANDIN_ENTRA_ERROR_H

#include "reply.h"
#include "request.h"

enum entra_error {
    ENTRA_WRONG_SECRET,
    ENTRA_NO_SECRET,
    ENTRA_EXPIRED_SECRET,
    ENTRA_ASSERTION_MALFORMED,
    ENTRA_ASSERTION_TYPE,
    ENTRA_ASSERTION_CERTIFICATE,
    ENTRA_ASSERTION_SIGNATURE,
    ENTRA_ASSERTION_AUDIENCE,
    ENTRA_ASSERTION_APP,
    ENTRA_ASSERTION_TIME,
    ENTRA_NOT_FEDERATED,
    ENTRA_FEDERATED_ISSUER,
    ENTRA_FEDERATED_AUDIENCE,
    ENTRA_FEDERATED_SUBJECT,
    ENTRA_UNKNOWN_APP,
    ENTRA_DISABLED_APP,
    ENTRA_UNKNOWN_TENANT,
    ENTRA_UNKNOWN_TENANT_METADATA,
    ENTRA_NO_TENANT,
    ENTRA_PARAMETER_MISSING,
    ENTRA_GRANT_TYPE,
    ENTRA_POST_ONLY,
    ENTRA_BAD_SCOPE,
    ENTRA_SEVERAL_RESOURCES,
    ENTRA_RESOURCE_ON_V2,
    ENTRA_UNKNOWN_RESOURCE,
    ENTRA_UNKNOWN_SCOPE,
    ENTRA_USER_ASSERTION,
    ENTRA_USER_ASSERTION_TIME,
    ENTRA_USER_ASSERTION_IS_APP,
    ENTRA_USER_ASSERTION_IS_ID,
    ENTRA_NO_ON_BEHALF_OF,
    ENTRA_REDIRECT_URI,
    ENTRA_RESPONSE_TYPE,
    ENTRA_NOBODY_SIGNED_IN,
    ENTRA_RESOURCE_OF_ANOTHER,
    ENTRA_SCOPE_NOT_THERE,
    ENTRA_CHALLENGE_METHOD,
    ENTRA_GRANT_UNKNOWN,
    ENTRA_GRANT_EXPIRED,
    ENTRA_CODE_REDEEMED,
    ENTRA_CODE_REDIRECT_URI,
    ENTRA_CODE_VERIFIER,
    ENTRA_PUBLIC_CLIENT,
    ENTRA_CONSENT_REQUIRED,
    ENTRA_INTERACTION_REQUIRED,
    ENTRA_CONDITIONAL_ACCESS,
    ENTRA_GRANT_REVOKED,
    ENTRA_THROTTLED,
    ENTRA_UNAVAILABLE,
};

/* Why something is refused; `about` as below. */
struct entra_refusal {
    enum entra_error error;
    const char *about;
};

/* `about` completes the description (an app id, a parameter's name); may be NULL. */
void entra_error(struct reply *reply, const struct request *request, enum entra_error error,
                 const char *about);
/* With what tells an application to ask its user: `suberror` and a claims challenge, which travels
 * as a string. Either may be NULL. */
void entra_error_challenge(struct reply *reply, const struct request *request,
                           enum entra_error error, const char *suberror, const json_t *claims);

/* What a browser is shown when it cannot be sent back: nobody is known to be waiting there. */
void entra_error_page(struct reply *reply, const struct request *request,
                      const struct entra_refusal *refusal);
/* Back to the client, with `error` and `error_description` (RFC 6749 4.1.2.1). `state` may be NULL.
 */
void entra_error_redirect(struct reply *reply, const struct request *request,
                          const struct entra_refusal *refusal, const char *redirect_uri,
                          const char *state);

#endif
