/* Addresses that the platform or the operator gives for local token services, judged before they
 * are asked. */
#ifndef BARKEEP_VAULT_ENDPOINT_URL_H
#define BARKEEP_VAULT_ENDPOINT_URL_H

#include "core/slice.h"

/* Where plain http may go; https may go anywhere. core/http_client.h checks the same again. */
enum endpoint_reach {
    ENDPOINT_METADATA,   /* the loopback and 169.254.169.254 */
    ENDPOINT_LINK_LOCAL, /* the loopback and 169.254.0.0/16 */
};

/* True for an absolute URL without user, query and fragment that may be asked. */
bool endpoint_url_may_be_asked(struct slice url, enum endpoint_reach reach);
/* True for plain http to 169.254.169.254. */
bool endpoint_url_is_metadata_service(struct slice url);

#endif
