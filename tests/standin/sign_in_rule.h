/* What a test has Entra answer one application or user with, whatever they present. */
#ifndef BARKEEP_STANDIN_SIGN_IN_RULE_H
#define BARKEEP_STANDIN_SIGN_IN_RULE_H

#include <jansson.h>
#include <stdbool.h>

#include "core/status.h"

struct refusal_name;
struct reply;
struct request;

/* Embed; zero means no rule. */
struct sign_in_rule {
    const struct refusal_name *refusal;
    json_t *claims;      /* the claims challenge to send along; may be NULL */
    int64_t retry_after; /* seconds; 0: none */
};

void sign_in_rule_done(struct sign_in_rule *rule);
/* Takes `refuse`, `claims` and `retry_after` out of a knob's body; `refuse` "none" lifts the rule.
 * STATUS_INVALID on a name that is not known. */
enum status sign_in_rule_change(struct sign_in_rule *rule, const json_t *document,
                                struct error *err);
/* True when the rule answered. A challenge for an authentication context (azure.md A.11) is met by
 * `presented` claims (may be NULL) whose acrs hold it. */
bool sign_in_rule_refuses(const struct sign_in_rule *rule, const json_t *presented,
                          const struct request *request, struct reply *reply);

#endif
