/* Tokens of managed identities, whichever endpoint gives them. */
#ifndef BARKEEP_STANDIN_MANAGED_TOKEN_H
#define BARKEEP_STANDIN_MANAGED_TOKEN_H

#include "form.h"
#include "issue.h"

/* What an endpoint calls the parameters that select an identity (azure.md C.5, C.6). */
struct selector_names {
    const char *client_id;
    const char *oids[2]; /* the second may be NULL */
    const char *resource_id;
};

struct managed_token {
    const struct managed_identity *identity;
    struct issued_token issued;
};

enum managed_token_result {
    MANAGED_TOKEN_GOOD,
    MANAGED_TOKEN_NO_IDENTITY, /* none such, or more than one selector */
    MANAGED_TOKEN_NO_RESOURCE,
};

/* For the `resource` of `query`, which must be there. The caller frees issued.text of a good one.
 */
enum managed_token_result managed_token_issue(const struct world *world,
                                              const struct selector_names *names,
                                              const struct form *query,
                                              struct managed_token *out_token);

#endif
