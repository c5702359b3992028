/* Rules, credentials and rates of a configuration in words, for people: explanations and reviews.
 * All text comes from the configuration, none from a vault, and lives in `arena`; NULL without
 * memory. */
#ifndef BARKEEP_PROXY_RULE_WORDS_H
#define BARKEEP_PROXY_RULE_WORDS_H

#include "config/config.h"
#include "core/arena.h"

/* "group 6f0a...; app_role Monitoring.Read and tenant 3f2b..." */
const char *rule_words_principals(struct arena *arena, const struct config_entry *entry);
/* "Reader: GET,HEAD,OPTIONS /x except DELETE /y" */
const char *rule_words_actions(struct arena *arena, const struct config *config,
                               const struct config_entry *entry);
/* "client 10.0.0.0/8, acrs c1, mfa"; "" without conditions. */
const char *rule_words_conditions(struct arena *arena, const struct config_entry *entry);
/* "100 in 1s per identity, at most 200 at once" */
const char *rule_words_rate(struct arena *arena, const struct config_rate *rate);
/* Where the credential goes: "Authorization: Basic, username admin, password {prod/rabbit-admin}"
 */
const char *rule_words_placement(struct arena *arena, const struct config *config,
                                 const struct config_credential *credential);
const char *rule_words_credential_kind(enum config_credential_kind kind);
/* "http://127.0.0.1:15672, ..." */
const char *rule_words_upstreams(struct arena *arena, const struct config_route *route);

#endif
