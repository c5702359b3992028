/* The rules' own trace of a decision, each step put into words: what the rule wants and what the
 * caller has. */
#include "core/buf.h"
#include "proxy/explanation.h"
#include "proxy/mcp/reference.h"
#include "proxy/rule_words.h"

enum { WORDS_BYTES_MAX = 64 << 10, LISTED_MAX = 8 };

static const char *const answer_names[] = {
    [POLICY_MATCHES] = "matches",           [POLICY_OTHER_PRINCIPAL] = "other_principal",
    [POLICY_OTHER_ACTION] = "other_action", [POLICY_OTHER_ARGUMENTS] = "other_arguments",
    [POLICY_EXCEPTED] = "excepted",         [POLICY_GROUPS_UNKNOWN] = "groups_unknown",
    [POLICY_OTHER_CLIENT] = "other_client", [POLICY_LACKS_CONTEXT] = "lacks_context",
    [POLICY_LACKS_MFA] = "lacks_mfa",
};

static void say_wanted(struct buf *words, const struct config_strings *list) {
    for (size_t i = 0; i < list->count && i < LISTED_MAX; i++) {
        buf_append_str(words, i ? " or " : "");
        buf_append_str(words, list->items[i]);
    }
    if (list->count > LISTED_MAX) {
        buf_printf(words, " or %zu more", list->count - LISTED_MAX);
    }
}

static void say_had(struct buf *words, const char *what, const struct slice *items, size_t count) {
    if (count == 0) {
        buf_printf(words, "; the token has no %s", what);
        return;
    }
    buf_printf(words, "; the token's %s: ", what);
    for (size_t i = 0; i < count && i < LISTED_MAX; i++) {
        buf_append_str(words, i ? ", " : "");
        buf_append_slice(words, items[i]);
    }
    if (count > LISTED_MAX) {
        buf_printf(words, " and %zu more", count - LISTED_MAX);
    }
}

static void say_app(struct buf *words, const struct config_principal *wanted,
                    const struct identity *identity) {
    buf_append_str(words, "wants app ");
    say_wanted(words, &wanted->apps);
    if (identity->type == PRINCIPAL_USER) {
        buf_append_str(words,
                       ", which app-only tokens alone meet; this is a user's token, through ");
    } else {
        buf_append_str(words, "; the caller is ");
    }
    buf_append_slice(words, identity->app);
}

static void say_unmet(struct buf *words, const struct policy_step *step,
                      const struct identity *identity) {
    const struct config_principal *wanted = step->closest;
    switch (wanted ? step->unmet : DEMAND_NONE) {
    case DEMAND_TENANT:
        buf_append_str(words, "wants tenant ");
        say_wanted(words, &wanted->tenants);
        buf_append_str(words, "; the caller's is ");
        buf_append_slice(words, identity->tenant);
        break;
    case DEMAND_USER:
        buf_append_str(words, "wants user ");
        say_wanted(words, &wanted->users);
        buf_append_str(words, "; the caller's object id is ");
        buf_append_slice(words, identity->oid);
        break;
    case DEMAND_APP:
        say_app(words, wanted, identity);
        break;
    case DEMAND_APP_ROLE:
        buf_append_str(words, "wants app_role ");
        say_wanted(words, &wanted->app_roles);
        say_had(words, "roles", identity->roles, identity->role_count);
        break;
    case DEMAND_SCOPE:
        buf_append_str(words, "wants scope ");
        say_wanted(words, &wanted->scopes);
        say_had(words, "scopes", identity->scopes, identity->scope_count);
        break;
    case DEMAND_GROUP:
        buf_append_str(words, "wants group ");
        say_wanted(words, &wanted->groups);
        say_had(words, "groups", identity->groups, identity->group_count);
        break;
    case DEMAND_NONE:
        buf_append_str(words, "is for other principals");
        break;
    }
}

/* The request's own words: its method and path, or the message's method and name. */
static void say_asked(struct buf *words, const struct explanation *explanation) {
    const struct policy_mcp *asked = explanation->mcp;
    if (!asked) {
        buf_printf(words, "%s %.*s", explanation->question->method, SLICE_ARGS(explanation->below));
    } else if (!asked->method.len) {
        buf_printf(words, "%s of a session", explanation->question->method);
    } else {
        buf_printf(words, "mcp:%.*s%s%.*s", SLICE_ARGS(asked->method), asked->has_name ? ":" : "",
                   SLICE_ARGS(asked->name));
    }
}

/* What a test wants, and why it was not passed: the value is the caller's own and is not told. */
static void say_failed(struct buf *words, const struct config_argument_test *test) {
    static const char *const WANTS[TEST_COUNT] = {
        [TEST_EQUALS] = "equals",
        [TEST_ONE_OF] = "one_of",
        [TEST_MATCHES] = "matches",
        [TEST_MAX] = "max",
        [TEST_MIN] = "min",
        [TEST_MAX_LENGTH] = "max_length",
        [TEST_ABSENT] = "absent: true",
    };
    buf_printf(words, "the argument %s does not pass %s", test->pointer, WANTS[test->test]);
    for (size_t i = 0; i < test->values.count && i < LISTED_MAX; i++) {
        buf_append_str(words, i ? ", " : " ");
        buf_append_str(words, test->values.items[i]);
    }
    if (test->text) {
        buf_printf(words, " %s", test->text);
    } else if (test->test == TEST_MAX_LENGTH) {
        buf_printf(words, " %u", test->length);
    }
}

static void say_match(struct buf *words, const struct policy_step *step) {
    buf_append_str(words, step->is_deny ? "caller and action match: denies"
                                        : "caller and action match: grants");
    if (step->entry->is_shadow) {
        buf_append_str(words, ", under shadow: does not decide");
    }
}

static void say_why(struct buf *words, const struct explanation *explanation,
                    const struct policy_step *step, struct arena *arena) {
    const struct config *config = explanation->ground->config;
    const char *actions = rule_words_actions(arena, config, step->entry);
    switch (step->answer) {
    case POLICY_MATCHES:
        say_match(words, step);
        return;
    case POLICY_OTHER_PRINCIPAL:
        say_unmet(words, step, explanation->identity);
        return;
    case POLICY_OTHER_ACTION:
        buf_append_str(words, "the caller matches; ");
        say_asked(words, explanation);
        buf_printf(words, " is not in %s", actions ? actions : "");
        return;
    case POLICY_OTHER_ARGUMENTS:
        buf_append_str(words, "the caller matches; ");
        if (step->failed) {
            say_failed(words, step->failed);
        }
        buf_printf(words, " in %s", actions ? actions : "");
        return;
    case POLICY_EXCEPTED:
        buf_append_str(words, "the caller matches; not_actions take ");
        say_asked(words, explanation);
        buf_printf(words, " out of %s", actions ? actions : "");
        return;
    case POLICY_GROUPS_UNKNOWN:
        buf_append_str(words, "depends on the caller's groups, which the token does not hold");
        return;
    case POLICY_OTHER_CLIENT:
        buf_printf(words, "wants %s; the client is %s", rule_words_conditions(arena, step->entry),
                   explanation->question->client ? explanation->question->client : "not given");
        return;
    case POLICY_LACKS_CONTEXT:
        buf_printf(words, "wants %s", rule_words_conditions(arena, step->entry));
        say_had(words, "acrs", explanation->identity->acrs, explanation->identity->acrs_count);
        return;
    case POLICY_LACKS_MFA:
        buf_append_str(words, "wants mfa; the token's amr does not hold it");
        return;
    }
}

struct rule_collector {
    struct policy_trace trace;
    struct explanation *explanation;
};

static void on_rule(struct policy_trace *trace, const struct policy_step *step) {
    struct explanation *explanation = ((struct rule_collector *)trace)->explanation;
    struct explained_rule *rule = arena_alloc(&explanation->arena, sizeof *rule);
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    say_why(&words, explanation, step, &explanation->arena);
    const char *why =
        buf_ok(&words) ? arena_strdup_slice(&explanation->arena, buf_slice(&words)) : NULL;
    buf_done(&words);
    if (!rule || !why) {
        explanation->reason = REASON_OVERLOADED;
        return;
    }
    *rule =
        (struct explained_rule){.step = *step, .answer = answer_names[step->answer], .why = why};
    if (explanation->last_rule) {
        explanation->last_rule->next = rule;
    } else {
        explanation->first_rule = rule;
    }
    explanation->last_rule = rule;
    explanation->rule_count++;
}

/* What a message refers to has to be granted too: what is not decides. */
static void ask_about_references(struct explanation *explanation, struct policy_question question) {
    struct decision decision;
    struct policy_mcp reference;
    question.mcp = &reference;
    for (size_t i = 0; explanation->decision.is_allowed && explanation->message &&
                       mcp_reference_at(explanation->message, i, &reference);
         i++) {
        policy_decide(explanation->ground->policy, &question, NULL, &decision);
        if (!decision.is_allowed) {
            explanation->decision = decision;
            explain_note(explanation, &explanation->notes, "reference",
                         arena_printf(&explanation->arena,
                                      "it refers to %.*s, for which %.*s is needed",
                                      SLICE_ARGS(reference.name), SLICE_ARGS(reference.method)));
        }
    }
}

void explain_rules(struct explanation *explanation) {
    const struct explain_question *asked = explanation->question;
    const struct policy_question question = {
        .route = explanation->route,
        .identity = explanation->identity,
        .method = slice_of_str(asked->method),
        .path_below = explanation->below,
        .mcp = explanation->mcp,
        .client = asked->client ? asked->client_address : NULL,
    };
    struct rule_collector collector = {{on_rule}, explanation};
    policy_decide(explanation->ground->policy, &question, &collector.trace, &explanation->decision);
    ask_about_references(explanation, question);
    explanation->has_decision = true;
}
