/* The compiled rules against a matcher that reads the configuration as the contract says it, over
 * random rules, callers and requests, with and without a trace. POLICY_SEED and POLICY_PAIRS set
 * what is tried; the seed is printed. */
#include "naive_policy.h"

#define DEFAULT_SEED UINT64_C(20260714)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_PAIRS 150000
#else
#define DEFAULT_PAIRS 1000000
#endif
#define PAIRS_OF_A_CONFIG 50

struct counting_trace {
    struct policy_trace trace;
    const struct config_entry *decisive;
    size_t steps, decisive_steps, wrong_steps, other_arguments;
};

static void count_step(struct policy_trace *trace, const struct policy_step *step) {
    struct counting_trace *counting = (struct counting_trace *)trace;
    counting->steps++;
    if (step->is_decisive) {
        counting->decisive = step->entry;
        counting->decisive_steps++;
        counting->wrong_steps += step->entry->is_shadow;
    }
    bool is_stranger = step->answer == POLICY_OTHER_PRINCIPAL;
    counting->wrong_steps += is_stranger != (step->unmet != DEMAND_NONE || !step->entry->to_count);
    bool is_about_arguments = step->answer == POLICY_OTHER_ARGUMENTS;
    counting->wrong_steps += is_about_arguments != (step->failed != NULL);
    counting->other_arguments += is_about_arguments;
    counting->wrong_steps += (step->closest != NULL) != (is_stranger && step->entry->to_count);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct decision *a, const struct decision *b) {
    bool same = a->is_allowed == b->is_allowed && a->reason == b->reason &&
                a->credential == b->credential && same_text(a->rule, b->rule) &&
                a->entry == b->entry && a->depends_on_groups == b->depends_on_groups &&
                slice_eq(a->needed_acrs, b->needed_acrs) && a->needs_mfa == b->needs_mfa &&
                a->shadow_count == b->shadow_count;
    for (size_t i = 0; same && i < a->shadow_count; i++)
        same = same_text(a->shadows[i], b->shadows[i]);
    return same;
}

static void print_decision(const char *whose, const struct decision *decision) {
    print_error("%s: %s %s, credential %zd, rule %s, depends %d, acrs %.*s, mfa %d, shadows", whose,
                decision->is_allowed ? "allowed" : "refused", reason_code(decision->reason),
                (ssize_t)decision->credential, decision->rule ? decision->rule : "-",
                decision->depends_on_groups, SLICE_ARGS(decision->needed_acrs),
                decision->needs_mfa);
    for (size_t i = 0; i < decision->shadow_count; i++)
        print_error(" %s", decision->shadows[i]);
    print_error("\n");
}

static size_t entries_of(const struct config *config, const struct config_route *route) {
    return config->access.count + config->deny.count + route->access.count + route->deny.count;
}

/* How often each outcome was met: a comparison of refusals alone proves little. */
struct tally {
    size_t reasons[REASON_COUNT];
    size_t with_shadows;
    size_t let_through;
    size_t by_gate[POLICY_MCP_LIST + 1][2]; /* refused, allowed */
    size_t by_arguments;                    /* some entry looked at what was not to its liking */
};

static void count_outcome(struct tally *tally, const struct decision *decision) {
    tally->reasons[decision->reason]++;
    tally->with_shadows += decision->shadow_count > 0;
    tally->let_through += decision->is_allowed && !decision->entry;
}

static void compare(const struct config *config, const struct policy *policy,
                    const struct policy_question *question, const struct value *arguments,
                    uint64_t pair, struct tally *tally) {
    struct counting_trace counting = {.trace = {count_step}};
    struct decision decision, traced, naive = naive_decide(config, question, arguments);
    policy_decide(policy, question, NULL, &decision);
    policy_decide(policy, question, &counting.trace, &traced);
    bool is_told = counting.steps == entries_of(config, &config->routes[question->route]) &&
                   counting.decisive == decision.entry &&
                   counting.decisive_steps == (decision.entry != NULL) && !counting.wrong_steps;
    if (!is_same(&decision, &naive) || !is_same(&decision, &traced) || !is_told) {
        print_decision("compiled", &decision);
        print_decision("traced", &traced);
        print_decision("naive", &naive);
        if (question->mcp && question->mcp->json)
            print_error("arguments %.*s\n", SLICE_ARGS(question->mcp->json->text));
        fail_msg("pair %llu: %.*s %.*s, told %s", (unsigned long long)pair,
                 SLICE_ARGS(question->method), SLICE_ARGS(question->path_below),
                 is_told ? "rightly" : "wrongly");
    }
    count_outcome(tally, &decision);
    if (question->mcp && config->routes[question->route].mcp)
        tally->by_gate[question->mcp->gate][decision.is_allowed]++;
    tally->by_arguments += counting.other_arguments > 0;
}

/* One random configuration and the pairs tried with it. */
static void try_config(uint64_t first_pair, struct tally *tally) {
    struct config config;
    struct json_text json;
    json_text_init(&json);
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    make_config(&config);
    struct policy *policy = policy_new(&config);
    assert_non_null(policy);
    for (unsigned i = 0; i < PAIRS_OF_A_CONFIG; i++) {
        unsigned char client[16];
        const struct value *arguments = NULL;
        make_client(client);
        const struct policy_mcp asked = make_asked(&json, &arguments);
        struct identity *identity = make_identity();
        const struct policy_question question = {
            .route = below(config.route_count),
            .identity = identity,
            .method = slice_of_str(any_method()),
            .path_below = make_path(),
            .client = one_in(8) ? NULL : client,
            .mcp = one_in(20) ? NULL : &asked,
        };
        compare(&config, policy, &question, arguments, first_pair + i, tally);
        identity_unref(identity);
    }
    policy_free(policy);
    json_text_done(&json);
    arena_done(&arena);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void decides_as_a_naive_reading_of_the_rules(void **state) {
    (void)state;
    uint64_t seed = number_of("POLICY_SEED", DEFAULT_SEED);
    uint64_t pairs = number_of("POLICY_PAIRS", DEFAULT_PAIRS);
    struct tally tally = {0};
    print_message("POLICY_SEED=%llu POLICY_PAIRS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)pairs);
    make_values();
    random_state = seed;
    for (uint64_t pair = 0; pair < pairs; pair += PAIRS_OF_A_CONFIG)
        try_config(pair, &tally);
    print_message("allowed %zu, no_role %zu, denied %zu, groups_unknown %zu, claims_required %zu; "
                  "%zu with shadows, %zu let through\n",
                  tally.reasons[REASON_NONE], tally.reasons[REASON_NO_ROLE],
                  tally.reasons[REASON_DENIED], tally.reasons[REASON_GROUPS_UNKNOWN],
                  tally.reasons[REASON_CLAIMS_REQUIRED], tally.with_shadows, tally.let_through);
    assert_true(tally.reasons[REASON_NONE] > pairs / 20);
    assert_true(tally.reasons[REASON_NO_ROLE] > pairs / 20);
    assert_true(tally.reasons[REASON_DENIED] > pairs / 20);
    assert_true(tally.reasons[REASON_GROUPS_UNKNOWN] > pairs / 100);
    assert_true(tally.reasons[REASON_CLAIMS_REQUIRED] > pairs / 1000);
    static const char *const gates[] = {"some", "method", "name", "list"};
    for (size_t i = 0; i < COUNT(gates); i++) {
        print_message("gate %s: refused %zu, allowed %zu\n", gates[i], tally.by_gate[i][0],
                      tally.by_gate[i][1]);
        assert_true(tally.by_gate[i][0] > pairs / 500 && tally.by_gate[i][1] > pairs / 500);
    }
    print_message("with conditions that do not hold %zu\n", tally.by_arguments);
    assert_true(tally.by_arguments > pairs / 50);
    assert_true(tally.with_shadows > pairs / 50 && tally.let_through > pairs / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_as_a_naive_reading_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
