/* A recorded request asked of a configuration's rules again. An audit line holds who asked, but not
 * the roles, groups, scopes and sign-in that the token carried: an entry is therefore one that
 * certainly matches, certainly does not, or depends on those. */
#ifndef BARKEEP_PROXY_RULE_REPLAY_H
#define BARKEEP_PROXY_RULE_REPLAY_H

#include "config/config.h"
#include "proxy/audit_reader.h"

struct rule_replay;

/* `config` must outlive it. NULL without memory. */
struct rule_replay *rule_replay_new(const struct config *config);
void rule_replay_free(struct rule_replay *replay); /* NULL is fine */

enum replay_match { REPLAY_NO, REPLAY_DEPENDS, REPLAY_YES };

struct replay_step {
    const struct config_entry *entry;
    const char *principals; /* whom it is for and under which conditions, as one text */
    bool is_deny;
    enum replay_match match;
};

/* What can be said of one request; valid until the next question. */
struct replay_reading {
    size_t route; /* CONFIG_NONE */
    struct replay_step *steps;
    size_t count;
};

/* False when the line does not hold what is needed (no path, no principal, the arguments of a
 * message to an MCP server). */
bool rule_replay_ask(struct rule_replay *replay, const struct audit_request *request,
                     struct replay_reading *out_reading);

enum replay_verdict { REPLAY_ALLOWED, REPLAY_REFUSED, REPLAY_UNDECIDED };

struct replay_outcome {
    enum replay_verdict verdict;
    const char *rule;       /* NULL: none, or undecided */
    const char *credential; /* its name; NULL: none */
};

/* Takes what the record says about `before`, the reading of the rules in force then, and carries it
 * over to entries of `reading` for the same principals: the rule that decided matched, those before
 * it did not. Does nothing when the record does not fit `before`. */
void rule_replay_learn(const struct replay_reading *before, const struct audit_request *request,
                       struct replay_reading *reading);
struct replay_outcome rule_replay_decide(const struct rule_replay *replay,
                                         const struct replay_reading *reading);

#endif
