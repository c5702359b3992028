/* The decision: what walks through the deny and the access entries come by, and what that means.
 * Each walk sees only the entries that can concern the caller; a trace goes through all of them
 * afterwards, with the same matching. */
#include "auth/policy_match.h"

/* What a walk through entries came by: the first of each kind, or NULL. */
struct findings {
    const struct entry *matching;
    const struct entry *unknown;    /* would match if the caller's groups were known so */
    const struct entry *unmet_acrs; /* would match if the sign-in had another context */
    const struct entry *unmet;      /* would match if the sign-in had mfa, and perhaps more */
};

/* One decision in the making. */
struct judgement {
    const struct policy *policy;
    const struct route_rules *rules;
    struct attempt attempt;
    struct argument_view view;
    struct caller_keys keys;
    const char *shadows[POLICY_SHADOWS_MAX];
    size_t shadow_count;
};

static void add_shadow(struct judgement *judgement, const char *label) {
    if (judgement->shadow_count < POLICY_SHADOWS_MAX)
        judgement->shadows[judgement->shadow_count++] = label;
}

static void put_shadow_first(struct judgement *judgement, const char *label) {
    if (judgement->shadow_count < POLICY_SHADOWS_MAX)
        judgement->shadow_count++;
    for (size_t i = judgement->shadow_count - 1; i > 0; i--)
        judgement->shadows[i] = judgement->shadows[i - 1];
    judgement->shadows[0] = label;
}

static void keep_first(const struct entry **place, const struct entry *entry) {
    if (!*place)
        *place = entry;
}

static void note(struct judgement *judgement, struct findings *findings,
                 const struct entry *entry) {
    enum policy_answer answer = entry_match(entry, &judgement->attempt, NULL);
    if (entry->config->is_shadow) {
        if (answer == POLICY_MATCHES)
            add_shadow(judgement, entry->config->label);
        return;
    }
    switch (answer) {
    case POLICY_MATCHES:
        findings->matching = entry;
        break;
    case POLICY_GROUPS_UNKNOWN:
        keep_first(&findings->unknown, entry);
        break;
    case POLICY_LACKS_CONTEXT:
        keep_first(&findings->unmet_acrs, entry);
        break;
    case POLICY_LACKS_MFA:
        keep_first(&findings->unmet, entry);
        break;
    case POLICY_OTHER_PRINCIPAL:
    case POLICY_OTHER_ACTION:
    case POLICY_OTHER_ARGUMENTS:
    case POLICY_EXCEPTED:
    case POLICY_OTHER_CLIENT:
        break;
    }
}

/* Goes on with `findings` and ends at the first entry that matches. */
static void look_through(struct judgement *judgement, const struct entry_list *list,
                         struct findings *findings) {
    if (list->count == 0 || findings->matching)
        return;
    struct candidates candidates;
    size_t entry = 0;
    candidates_init(&candidates, list, &judgement->keys, !findings->unknown);
    while (!findings->matching && candidates_next(&candidates, &entry)) {
        note(judgement, findings, &list->items[entry]);
        candidates.takes_unknown &= !findings->unknown;
    }
}

static struct decision refuse(enum reason reason, const struct entry *entry) {
    return (struct decision){
        .reason = reason,
        .credential = CONFIG_NONE,
        .rule = entry ? entry->config->label : NULL,
        .entry = entry ? entry->config : NULL,
    };
}

static struct decision allow(const struct entry *entry, size_t route_credential) {
    size_t own = entry->config->credential;
    return (struct decision){
        .is_allowed = true,
        .reason = REASON_NONE,
        .credential = own != CONFIG_NONE ? own : route_credential,
        .rule = entry->config->label,
        .entry = entry->config,
    };
}

static bool is_refusal(const struct findings *denied) {
    return denied->matching || denied->unknown;
}

static struct decision refuse_denied(const struct findings *denied) {
    if (denied->matching)
        return refuse(REASON_DENIED, denied->matching);
    struct decision decision = refuse(REASON_GROUPS_UNKNOWN, denied->unknown);
    decision.depends_on_groups = true;
    return decision;
}

/* Nothing denies and nothing grants. */
static struct decision refuse_ungranted(const struct findings *findings,
                                        const struct identity *identity) {
    if (findings->unknown)
        return refuse(REASON_GROUPS_UNKNOWN, findings->unknown);
    const struct entry *unmet = findings->unmet_acrs ? findings->unmet_acrs : findings->unmet;
    if (!unmet)
        return refuse(REASON_NO_ROLE, NULL);
    bool can_step_up = findings->unmet_acrs && identity->accepts_claims_challenge;
    struct decision decision = refuse(can_step_up ? REASON_CLAIMS_REQUIRED : REASON_NO_ROLE, unmet);
    if (entry_lacks_context(unmet, identity))
        decision.needed_acrs = unmet->contexts.items[0];
    decision.needs_mfa = entry_lacks_mfa(unmet, identity);
    return decision;
}

static struct decision decide_access(struct judgement *judgement) {
    struct findings granted = {0};
    look_through(judgement, &judgement->rules->access, &granted);
    look_through(judgement, &judgement->policy->everywhere.access, &granted);
    struct decision decision = granted.matching
                                   ? allow(granted.matching, judgement->rules->credential)
                                   : refuse_ungranted(&granted, judgement->attempt.identity);
    decision.depends_on_groups = granted.unknown != NULL;
    return decision;
}

static struct decision decide(struct judgement *judgement) {
    struct findings denied = {0};
    look_through(judgement, &judgement->rules->deny, &denied);
    look_through(judgement, &judgement->policy->everywhere.deny, &denied);
    return is_refusal(&denied) ? refuse_denied(&denied) : decide_access(judgement);
}

static struct decision let_through(struct judgement *judgement, const struct decision *refused) {
    bool is_denied = refused->reason == REASON_DENIED;
    put_shadow_first(judgement, is_denied ? refused->rule : reason_code(refused->reason));
    return (struct decision){
        .is_allowed = true,
        .reason = REASON_NONE,
        .credential = CONFIG_NONE,
        .depends_on_groups = refused->depends_on_groups,
    };
}

/* On a route under shadow: its own denies are asked for what they would say, those of the top level
 * for what holds. */
static struct decision decide_under_shadow(struct judgement *judgement) {
    struct findings own = {0}, denied = {0};
    look_through(judgement, &judgement->rules->deny, &own);
    look_through(judgement, &judgement->policy->everywhere.deny, &denied);
    if (is_refusal(&denied)) {
        if (own.matching)
            put_shadow_first(judgement, own.matching->config->label);
        return refuse_denied(&denied);
    }
    struct decision decision = is_refusal(&own) ? refuse_denied(&own) : decide_access(judgement);
    return decision.is_allowed ? decision : let_through(judgement, &decision);
}

static void tell_step(const struct entry *entry, const struct attempt *attempt,
                      const struct decision *decision, struct policy_trace *trace) {
    struct policy_step step = {
        .entry = entry->config,
        .is_deny = entry->is_deny,
        .is_decisive = entry->config == decision->entry,
    };
    step.answer = entry_match(entry, attempt, &step.failed);
    if (step.answer != POLICY_OTHER_ARGUMENTS)
        step.failed = NULL;
    if (step.answer == POLICY_OTHER_PRINCIPAL) {
        size_t closest = entry_closest_principal(entry, attempt->identity, &step.unmet);
        step.closest = closest == CONFIG_NONE ? NULL : &entry->config->to[closest];
    }
    trace->on_step(trace, &step);
}

static void tell(const struct judgement *judgement, const struct decision *decision,
                 struct policy_trace *trace) {
    const struct entry_list *lists[] = {
        &judgement->rules->deny,
        &judgement->policy->everywhere.deny,
        &judgement->rules->access,
        &judgement->policy->everywhere.access,
    };
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            tell_step(&lists[l]->items[i], &judgement->attempt, decision, trace);
}

/* On an MCP server's route whoever asks for nothing is granted nothing: the method of no message.
 */
static const struct policy_mcp *mcp_asked(const struct route_rules *rules,
                                          const struct policy_question *question) {
    static const struct policy_mcp NOTHING = {.gate = POLICY_MCP_NAME, .arguments = JSON_TEXT_NONE};
    if (!rules->is_mcp)
        return NULL;
    return question->mcp ? question->mcp : &NOTHING;
}

static void decide_reading(const struct policy *policy, const struct policy_question *question,
                           const struct path_readings *readings, struct policy_trace *trace,
                           struct decision *out_decision) {
    struct judgement judgement;
    judgement.policy = policy;
    judgement.rules = &policy->routes[question->route];
    judgement.attempt =
        (struct attempt){question->identity, question->method, method_bit(question->method),
                         readings,           question->client, mcp_asked(judgement.rules, question),
                         &judgement.view};
    if (judgement.attempt.mcp)
        argument_view_init(&judgement.view, judgement.attempt.mcp->json,
                           judgement.attempt.mcp->arguments);
    judgement.shadow_count = 0;
    caller_keys_init(&judgement.keys, question->identity, question->path_below);
    struct decision decision =
        judgement.rules->is_shadow ? decide_under_shadow(&judgement) : decide(&judgement);
    decision.shadow_count = judgement.shadow_count;
    for (size_t i = 0; i < judgement.shadow_count; i++)
        decision.shadows[i] = judgement.shadows[i];
    if (trace)
        tell(&judgement, &decision, trace);
    *out_decision = decision;
}

/* Apart, so that the ordinary path does not pay for the room. */
static __attribute__((noinline)) void decide_all_readings(const struct policy *policy,
                                                          const struct policy_question *question,
                                                          struct policy_trace *trace,
                                                          struct decision *out_decision) {
    char bytes[PATH_READING_BYTES];
    struct path_readings readings;
    path_readings_of(question->path_below, bytes, &readings);
    decide_reading(policy, question, &readings, trace, out_decision);
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct decision *out_decision) {
    if (!path_reads_one_way(question->path_below)) {
        decide_all_readings(policy, question, trace, out_decision);
        return;
    }
    const struct path_readings readings = {{question->path_below}, 1};
    decide_reading(policy, question, &readings, trace, out_decision);
}
