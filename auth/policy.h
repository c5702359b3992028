/* The rules, compiled: who may do what on which route, and with which credential (contract section
 * 3). Immutable. */
#ifndef BARKEEP_AUTH_POLICY_H
#define BARKEEP_AUTH_POLICY_H

#include "auth/identity.h"
#include "config/config.h"
#include "core/reason.h"

struct policy;

/* `config` must outlive the policy. NULL without memory. */
struct policy *policy_new(const struct config *config);
void policy_free(struct policy *policy);

/* Every group that any rule names, once each, sorted by bytes; as long as the policy lives. */
const struct slice *policy_groups(const struct policy *policy, size_t *out_count);

struct decision {
    bool is_allowed;
    enum reason reason;     /* REASON_NONE when allowed; no_role, denied, groups_unknown,
                               claims_required */
    size_t credential;      /* index, CONFIG_NONE for none */
    const char *rule;       /* label of the entry that decided, NULL when none matched */
    bool depends_on_groups; /* were the caller's unknown groups known, it might be another: refused
                               as groups_unknown, or allowed although an earlier entry, perhaps with
                               another credential, might have come first */
    /* What `rule` wants of the sign-in and it has not: */
    struct slice needed_acrs; /* an authentication context; empty for none */
    bool needs_mfa;
};

/* `path_below` is the canonical path below the route's prefix. Any matching deny refuses; else the
 * first matching access entry, the route's before the top-level ones. An entry that could match
 * only if unknown groups were known gives groups_unknown when nothing else grants; a deny on groups
 * with unknown groups refuses as groups_unknown. An entry whose `when` does not hold neither grants
 * nor denies. When nothing grants, groups that are unknown come first, for they may make a step-up
 * needless; then the first access entry that lacks only an authentication context: claims_required
 * if the client takes a claims challenge, else no_role; then the first that lacks more (mfa):
 * no_role. Pure, no allocation.
 * What grants is held against the path as it is; what takes away (a deny's actions, a role's
 * not_actions) against every reading of it, see path_reading.h. */
void policy_decide(const struct policy *policy, size_t route, const struct identity *identity,
                   struct slice method, struct slice path_below, struct decision *out_decision);

/* True when `path` (canonical) matches `pattern`: '*' within a segment, '**' any number of whole
 * segments. */
bool path_pattern_matches(struct slice pattern, struct slice path);

#endif
