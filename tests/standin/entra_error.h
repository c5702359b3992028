/* Entra's error bodies. azure.md C.2. */
#ifndef BARKEEP_STANDIN_ENTRA_ERROR_H
#define BARKEEP_STANDIN_ENTRA_ERROR_H

#include "reply.h"
#include "request.h"

enum entra_error {
    ENTRA_WRONG_SECRET,
    ENTRA_NO_SECRET,
    ENTRA_BAD_ASSERTION,
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
};

/* `about` completes the description (an app id, a parameter's name); may be NULL. */
void entra_error(struct reply *reply, const struct request *request, enum entra_error error,
                 const char *about);

#endif
