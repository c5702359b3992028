/* The rules, compiled: who may do what on which route, and with which credential (contract section
 * 3). Immutable. */
#ifndef BARKEEP_AUTH_POLICY_H
#define BARKEEP_AUTH_POLICY_H

#include "auth/identity.h"
#include "config/config.h"
#include "core/json_text.h"
#include "core/reason.h"

struct policy;

/* `config` must outlive the policy. NULL without memory. */
struct policy *policy_new(const struct config *config);
void policy_free(struct policy *policy);

/* Every group that any rule names, once each, sorted by bytes; as long as the policy lives. */
const struct slice *policy_groups(const struct policy *policy, size_t *out_count);

/* What a rule has to grant to a message of an MCP client. */
enum policy_mcp_gate {
    POLICY_MCP_SOME,   /* that some mcp: action is granted */
    POLICY_MCP_METHOD, /* the method, with every name that there is */
    POLICY_MCP_NAME,   /* the method with this name and these arguments */
    POLICY_MCP_LIST,   /* the method, or `uses` with whatever name */
};

/* What a message asks of an MCP server. On a route with `mcp:` only mcp: actions grant; what takes
 * away may also be an action of plain HTTP. */
struct policy_mcp {
    struct slice method; /* "tools/call"; empty: no message, but a stream or the end of a session */
    bool has_name;
    struct slice name; /* unescaped bytes */
    enum policy_mcp_gate gate;
    struct slice uses;            /* POLICY_MCP_LIST: the method that what is listed is for */
    const struct json_text *json; /* NULL: no arguments are known, as when lists are filtered */
    uint32_t arguments;           /* JSON_TEXT_NONE: there are none */
    bool is_any_arguments; /* would some arguments do? Denies that look at them do not match */
};

/* One request, as the rules see it. */
struct policy_question {
    size_t route;
    const struct identity *identity;
    struct slice method;
    struct slice path_below;      /* canonical, below the route's prefix */
    const struct policy_mcp *mcp; /* a message to an MCP server; NULL: plain HTTP */
    const unsigned char
        *client; /* 16 bytes, IPv4 as ::ffff:a.b.c.d; NULL: not known (unix socket) */
};

/* How one entry answered. */
enum policy_answer {
    POLICY_MATCHES,
    POLICY_OTHER_PRINCIPAL,
    POLICY_OTHER_ACTION,
    POLICY_OTHER_ARGUMENTS, /* the action, but not what it asks of the arguments */
    POLICY_EXCEPTED,        /* by the role's not_actions */
    POLICY_GROUPS_UNKNOWN,  /* would match if the caller's groups were known so */
    POLICY_OTHER_CLIENT,    /* when: client */
    POLICY_LACKS_CONTEXT,   /* when: acrs */
    POLICY_LACKS_MFA,       /* when: mfa, and perhaps acrs too */
};

/* What a principal of an entry asks for, in the order of looking. */
enum policy_demand {
    DEMAND_NONE,
    DEMAND_TENANT,
    DEMAND_USER,
    DEMAND_APP,
    DEMAND_APP_ROLE,
    DEMAND_SCOPE,
    DEMAND_GROUP
};

struct policy_step {
    const struct config_entry *entry;
    bool is_deny;
    enum policy_answer answer;
    /* POLICY_OTHER_PRINCIPAL: what the principal that came closest wanted and the caller is not */
    const struct config_principal *closest;
    enum policy_demand unmet;
    /* POLICY_OTHER_ARGUMENTS: the test that the arguments did not pass */
    const struct config_argument_test *failed;
    bool is_decisive; /* this entry made the decision */
};

/* Asked for by explanations only: then every entry is looked at and reported, in the order in which
 * they decide. */
struct policy_trace {
    void (*on_step)(struct policy_trace *trace, const struct policy_step *step);
};

enum { POLICY_SHADOWS_MAX = 8 };

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
    const struct config_entry *entry; /* the one that `rule` names; NULL when none matched */
    /* Labels of the entries under `shadow` that would have decided, in the order of deciding; the
     * first few of them. A route under shadow lets through what it would have refused: then its own
     * reason is the first. They live as long as the configuration. */
    const char *shadows[POLICY_SHADOWS_MAX];
    size_t shadow_count;
};

/* Any matching deny refuses; else the first matching access entry, the route's before the top-level
 * ones. An entry that could match only if unknown groups were known gives groups_unknown when
 * nothing else grants; a deny on groups with unknown groups refuses as groups_unknown. An entry
 * whose `when` does not hold neither grants nor denies. When nothing grants, groups that are
 * unknown come first, for they may make a step-up needless; then the first access entry that lacks
 * only an authentication context: claims_required if the client takes a claims challenge, else
 * no_role; then the first that lacks more (mfa): no_role. `when: client` cannot be stepped up to:
 * an entry for other clients is as good as absent.
 *
 * What grants is held against the path as it is; what takes away (a deny's actions, a role's
 * not_actions) against every reading of it, see path_reading.h.
 *
 * An entry under shadow that matches where it would have decided, had it alone not been under
 * shadow, is named in `shadows` and passed over. Unknown groups match nothing there, and never make
 * the decision depend on them. On a route under shadow the route's own entries say what they would
 * have done, but what the top level says holds: its denies refuse, its access entries grant.
 * Whoever is not refused so is let through, without entry and `rule`, and without a credential
 * unless all the rules together grant one; `shadows` then begins with the label of the deny that
 * would have refused, or with the reason's code.
 *
 * What it costs hardly grows with the rules: entries are found by principal, and access entries by
 * the first two segments of their paths; only those of one principal that these do not tell apart,
 * and its denies, are gone through. Pure, no allocation; some 12 KiB of stack, and another 50 for
 * paths that read more than one way. With a trace the decision is the same, made first and then
 * told. */
void policy_decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct decision *out_decision);

#endif
