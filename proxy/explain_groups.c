/* What the answer would be once Microsoft Graph had said which groups the caller is in: asked of
 * the same rules, once without any group and once for each rule that waits for the answer. */
#include "proxy/explanation.h"

#include <stdlib.h>

enum { OUTCOMES_MAX = 8, NAMED_MAX = 1024 };

static size_t collect_groups(const struct config_entry *entry, struct slice *out_groups) {
    size_t count = 0;
    for (size_t i = 0; i < entry->to_count; i++) {
        const struct config_strings *groups = &entry->to[i].groups;
        for (size_t j = 0; j < groups->count && count < NAMED_MAX; j++) {
            out_groups[count++] = slice_of_str(groups->items[j]);
        }
    }
    return count;
}

static void note_outcome(struct explanation *explanation, const char *name,
                         const struct decision *decision, enum reason reason) {
    struct arena *arena = &explanation->arena;
    const char *by = decision->rule ? arena_printf(arena, " by %s", decision->rule) : "";
    const char *text = reason == REASON_NONE
                           ? (by && *by ? by + 1 : by)
                           : arena_printf(arena, "%d %s%s", reason_http_status(reason),
                                          reason_code(reason), by ? by : "");
    explain_outcome(explanation, name, reason, text);
}

static void suppose(struct explanation *explanation, const char *name, const struct slice *groups,
                    size_t count) {
    const struct explain_question *asked = explanation->question;
    struct decision decision;
    struct identity *caller = identity_with_groups(explanation->identity, groups, count, 0);
    if (!caller) {
        return;
    }
    const struct policy_question question = {
        .route = explanation->route,
        .identity = caller,
        .method = slice_of_str(asked->method),
        .path_below = explanation->below,
        .mcp = explanation->mcp,
        .client = asked->client ? asked->client_address : NULL,
    };
    policy_decide(explanation->ground->policy, &question, NULL, &decision);
    enum reason reason = decision.is_allowed ? REASON_NONE : decision.reason;
    if (reason == REASON_NONE && judgement_has_nobody_to_stand_for(explanation->ground->config,
                                                                   decision.credential, caller)) {
        reason = REASON_NO_ROLE;
    }
    note_outcome(explanation, name, &decision, reason);
    identity_unref(caller);
}

void explain_groups(struct explanation *explanation) {
    struct slice *groups = calloc(NAMED_MAX, sizeof *groups);
    if (!groups) {
        return;
    }
    suppose(explanation, "no group", groups, 0);
    for (const struct explained_rule *rule = explanation->first_rule;
         rule && explanation->with_groups.count < OUTCOMES_MAX; rule = rule->next) {
        if (rule->step.answer == POLICY_GROUPS_UNKNOWN && !rule->step.entry->is_shadow) {
            suppose(explanation, rule->step.entry->label, groups,
                    collect_groups(rule->step.entry, groups));
        }
    }
    free(groups);
}
