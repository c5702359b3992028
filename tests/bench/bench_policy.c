/* What a decision and finding its route cost as configurations grow: against the same with ten
 * entries, and with ten routes. CPU time of this thread; medians over rounds of many callers. */
#include "measuring.h"

#include "auth/policy.h"
#include "core/arena.h"
#include "proxy/router.h"

#define ROUNDS 9
#define ASKS 40000
#define CALLS 4000
#define CALLERS 64
#define MOST_GROUPS 200 /* that Entra lists in a token */
#define FEW_GROUPS 8

#define MAX_DECISION_US 2.0
#define MAX_RATIO 2.0
#define MAX_RULE_NS 100.0 /* of a rule that looks at arguments */

static struct arena arena;

static void *make(size_t count, size_t size) {
    void *made = arena_array(&arena, count, size);
    must(made != NULL, "no memory");
    return made;
}

static uint64_t random_state = 1;

static size_t below(size_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* The n-th group of the directory. */
static const char *group(size_t n) {
    const char *text =
        arena_printf(&arena, "%08x-2c3d-4e5f-8091-%012zx", (unsigned)(n * 2654435761u), n);
    must(text != NULL, "no memory");
    return text;
}

static struct config_action read_actions[1];
static struct config_role reader = {"Reader", read_actions, 1, NULL, 0};

/* `entries` in all, each for a group of its own, or for everyone on a path of its own; spread over
 * the routes, or all of them top-level. */
enum spread { ON_ROUTES, AT_TOP_LEVEL, BY_PATH_ON_ROUTES };

struct shape {
    const char *name;
    size_t routes;
    size_t entries;
    enum spread spread;
};

static struct config_entry entry_of_path(size_t number) {
    struct config_principal *to = make(1, sizeof *to);
    struct config_action *action = make(1, sizeof *action);
    to->everyone = true;
    action->pattern = arena_printf(&arena, "/api/thing-%zu/**", number);
    return (struct config_entry){
        .label = action->pattern,
        .role = CONFIG_NONE,
        .actions = action,
        .action_count = 1,
        .to = to,
        .to_count = 1,
        .credential = CONFIG_NONE,
    };
}

static struct config_entry entry_of_group(size_t number) {
    struct config_principal *to = make(1, sizeof *to);
    to->groups.items = make(1, sizeof *to->groups.items);
    to->groups.items[0] = group(number);
    to->groups.count = 1;
    return (struct config_entry){
        .label = arena_printf(&arena, "access[%zu]", number),
        .to = to,
        .to_count = 1,
        .credential = CONFIG_NONE,
    };
}

static struct config_entries entries_of(const struct shape *shape, size_t first, size_t count) {
    struct config_entries entries = {make(count, sizeof *entries.items), count};
    for (size_t i = 0; i < count; i++)
        entries.items[i] = shape->spread == BY_PATH_ON_ROUTES ? entry_of_path(first + i)
                                                              : entry_of_group(first + i);
    return entries;
}

static void make_config(const struct shape *shape, struct config *config) {
    size_t on_each = shape->spread == AT_TOP_LEVEL ? 0 : shape->entries / shape->routes;
    *config = (struct config){.roles = &reader, .role_count = 1, .route_count = shape->routes};
    config->routes = make(shape->routes, sizeof *config->routes);
    for (size_t i = 0; i < shape->routes; i++) {
        struct config_route *route = &config->routes[i];
        route->path = arena_printf(&arena, "/services/service-%zu", i);
        route->host = i % 3 == 0   ? NULL
                      : i % 3 == 1 ? arena_printf(&arena, "host-%zu.corp.example", i / 8)
                                   : arena_printf(&arena, "*.zone-%zu.corp.example", i / 8);
        route->credential = CONFIG_NONE;
        route->access = entries_of(shape, i * on_each, on_each);
    }
    if (shape->spread == AT_TOP_LEVEL)
        config->access = entries_of(shape, 0, shape->entries);
}

/* Who calls: in groups that entries name (one each, the rest are others' groups). */
struct caller {
    struct identity *identity;
    size_t entry;      /* that is for one of the caller's groups */
    struct slice path; /* that the entry grants */
};

static struct caller caller_of(size_t entry, size_t groups) {
    struct slice *list = make(groups, sizeof *list);
    for (size_t i = 0; i < groups; i++)
        list[i] = slice_of_str(group(i == 0 ? entry : 1000000 + below(1000000)));
    struct slice scopes[] = {SLICE("user_impersonation")};
    struct identity model = {
        .type = PRINCIPAL_USER,
        .tenant = SLICE("3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"),
        .oid = slice_of_str(group(5000000 + entry)),
        .app = SLICE("c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"),
        .scopes = scopes,
        .scope_count = 1,
        .groups = list,
        .group_count = groups,
    };
    struct identity *identity = identity_new(&model, false);
    must(identity != NULL, "no memory for a caller");
    const char *path = arena_printf(&arena, "/api/thing-%zu/orders", entry);
    must(path != NULL, "no memory");
    return (struct caller){identity, entry, slice_of_str(path)};
}

static double time_decisions(const struct policy *policy, const struct shape *shape,
                             const struct caller *callers) {
    size_t on_each =
        shape->spread == AT_TOP_LEVEL ? shape->entries : shape->entries / shape->routes;
    double begin_us = cpu_us();
    for (size_t i = 0; i < ASKS; i++) {
        const struct caller *caller = &callers[below(CALLERS)];
        struct decision decision;
        const struct policy_question question = {
            .route = shape->spread == AT_TOP_LEVEL ? below(shape->routes) : caller->entry / on_each,
            .identity = caller->identity,
            .method = SLICE("GET"),
            .path_below = caller->path,
        };
        policy_decide(policy, &question, NULL, &decision);
        must(decision.is_allowed, "a caller is refused");
    }
    return (cpu_us() - begin_us) / ASKS;
}

static double decision_us(const struct shape *shape, size_t groups) {
    struct config config;
    struct caller callers[CALLERS];
    double costs[ROUNDS];
    arena_init(&arena, (size_t)256 * 1024 * 1024);
    make_config(shape, &config);
    struct policy *policy = policy_new(&config);
    must(policy != NULL, "no memory for the rules");
    for (size_t i = 0; i < CALLERS; i++)
        callers[i] = caller_of(below(shape->entries), groups);
    (void)time_decisions(policy, shape, callers);
    for (size_t i = 0; i < ROUNDS; i++)
        costs[i] = time_decisions(policy, shape, callers);
    for (size_t i = 0; i < CALLERS; i++)
        identity_unref(callers[i].identity);
    policy_free(policy);
    arena_done(&arena);
    return median_of(costs, ROUNDS);
}

static void print_decision(const char *what, double cost_us, double ten_us) {
    bool holds = cost_us <= MAX_DECISION_US && cost_us <= MAX_RATIO * ten_us;
    printf("%-52s %8.3f us %6.2f times   %s\n", what, cost_us, cost_us / ten_us,
           holds ? "holds" : "MISSED");
}

static void measure_decisions(size_t groups) {
    static const struct shape ten = {"10 entries on 1 route", 1, 10, ON_ROUTES};
    static const struct shape shapes[] = {
        {"1,000 entries on 1 route", 1, 1000, ON_ROUTES},
        {"10,000 entries on 1 route", 1, 10000, ON_ROUTES},
        {"1,000 entries at top level, 100 routes", 100, 1000, AT_TOP_LEVEL},
        {"10,000 entries at top level, 1,000 routes", 1000, 10000, AT_TOP_LEVEL},
        {"10,000 entries on 1,000 routes, 10 each", 1000, 10000, ON_ROUTES},
        {"100,000 entries on 10,000 routes, 10 each", 10000, 100000, ON_ROUTES},
        {"10,000 on 1 route for everyone, on a path each", 1, 10000, BY_PATH_ON_ROUTES},
    };
    double ten_us = decision_us(&ten, groups);
    printf("a decision, the caller in %zu groups\n  %-50s %8.3f us\n", groups, ten.name, ten_us);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "  %s", shapes[i].name);
        print_decision(name, decision_us(&shapes[i], groups), ten_us);
    }
}

/* Each for one database, which is the last of a call's arguments; the last one grants. */
static struct config_entry entry_of_database(const char *tool, size_t number) {
    struct config_entry entry = entry_of_path(number);
    struct config_action *action = make(1, sizeof *action);
    struct config_mcp_action *mcp = make(1, sizeof *mcp);
    struct config_argument_test *test = make(1, sizeof *test);
    test->pointer = "/query/database";
    test->test = TEST_EQUALS;
    const char **value = make(1, sizeof *value);
    value[0] = arena_printf(&arena, "\"db-%zu\"", number);
    test->values = (struct config_strings){value, 1};
    *mcp = (struct config_mcp_action){"tools/call", tool, test, 1};
    action->mcp = mcp;
    entry.actions = action;
    return entry;
}

static const char *arguments_for(size_t database) {
    return arena_printf(&arena,
                        "{\"title\":\"a report\",\"limit\":100,\"tags\":[\"a\",\"b\",\"c\"],"
                        "\"note\":\"%0400d\",\"format\":\"csv\",\"isDraft\":false,"
                        "\"query\":{\"sql\":\"SELECT 1\",\"timeout\":30,\"database\":\"db-%zu\"}}",
                        0, database);
}

static double call_us(size_t rules, bool has_other_tools) {
    static struct config_mcp mcp;
    static const struct json_text_limits limits = {16, 100};
    struct config_route route = {.mcp = &mcp, .credential = CONFIG_NONE};
    const struct config config = {.routes = &route, .route_count = 1};
    struct json_text json;
    double costs[ROUNDS];
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    route.access = (struct config_entries){make(rules, sizeof *route.access.items), rules};
    for (size_t i = 0; i < rules; i++)
        route.access.items[i] =
            entry_of_database(has_other_tools && i + 1 < rules ? "run_report" : "run_query", i);
    struct policy *policy = policy_new(&config);
    must(policy != NULL, "no memory for the rules");
    json_text_init(&json);
    const char *arguments = arguments_for(rules - 1);
    must(json_text_read(&json, slice_of_str(arguments), &limits) == STATUS_OK, "arguments");
    const struct caller caller = caller_of(0, FEW_GROUPS);
    const struct policy_mcp asked = {.method = SLICE("tools/call"),
                                     .has_name = true,
                                     .name = SLICE("run_query"),
                                     .gate = POLICY_MCP_NAME,
                                     .json = &json};
    const struct policy_question question = {.identity = caller.identity,
                                             .method = SLICE("POST"),
                                             .path_below = SLICE("/"),
                                             .mcp = &asked};
    for (size_t i = 0; i < ROUNDS; i++) {
        double begin_us = cpu_us();
        for (size_t n = 0; n < CALLS; n++) {
            struct decision decision;
            policy_decide(policy, &question, NULL, &decision);
            must(decision.is_allowed, "a caller is refused");
        }
        costs[i] = (cpu_us() - begin_us) / CALLS;
    }
    identity_unref(caller.identity);
    json_text_done(&json);
    policy_free(policy);
    arena_done(&arena);
    return median_of(costs, ROUNDS);
}

static void measure_calls(void) {
    static const struct {
        const char *name;
        bool has_other_tools;
    } rows[] = {{"300 rules for the tool, by its arguments", false},
                {"299 for another tool, 1 for this one", true}};
    double one_us = call_us(1, false);
    printf("a tool's call\n  %-50s %8.3f us\n", "1 rule", one_us);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double cost_us = call_us(300, rows[i].has_other_tools);
        double rule_ns = (cost_us - one_us) / 299 * 1000;
        printf("  %-50s %8.3f us %6.1f ns a rule   %s\n", rows[i].name, cost_us, rule_ns,
               rule_ns <= MAX_RULE_NS ? "holds" : "MISSED");
    }
}

static double time_lookups(const struct router *router, const struct config *config,
                           const size_t *routes, char (*hosts)[64], char (*paths)[64]) {
    double begin_us = cpu_us();
    for (size_t i = 0; i < ASKS; i++) {
        size_t at = below(CALLERS);
        struct slice below_prefix;
        size_t found =
            router_find(router, slice_of_str(hosts[at]), slice_of_str(paths[at]), &below_prefix);
        must(found == routes[at] && found < config->route_count, "a route is not found");
    }
    return (cpu_us() - begin_us) / ASKS;
}

static double lookup_us(size_t route_count) {
    const struct shape shape = {.routes = route_count};
    struct config config;
    char hosts[CALLERS][64], paths[CALLERS][64];
    size_t routes[CALLERS];
    double costs[ROUNDS];
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    make_config(&shape, &config);
    struct router *router = router_new(&config);
    must(router != NULL, "no memory for the routes");
    for (size_t i = 0; i < CALLERS; i++) {
        const struct config_route *route = &config.routes[routes[i] = below(route_count)];
        const char *host = route->host ? route->host : "elsewhere.example";
        bool is_suffix = host[0] == '*';
        (void)snprintf(hosts[i], sizeof hosts[i], "%s%s", is_suffix ? "www" : "", host + is_suffix);
        (void)snprintf(paths[i], sizeof paths[i], "%s/api/queues/orders", route->path);
    }
    (void)time_lookups(router, &config, routes, hosts, paths);
    for (size_t i = 0; i < ROUNDS; i++)
        costs[i] = time_lookups(router, &config, routes, hosts, paths);
    router_free(router);
    arena_done(&arena);
    return median_of(costs, ROUNDS);
}

static void measure_lookups(void) {
    static const size_t counts[] = {1000, 10000};
    double ten_us = lookup_us(10);
    printf("finding the route\n  %-50s %8.3f us\n", "of 10", ten_us);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double cost_us = lookup_us(counts[i]);
        printf("  of %-47zu %8.3f us %6.2f times   %s\n", counts[i], cost_us, cost_us / ten_us,
               cost_us <= MAX_RATIO * ten_us ? "holds" : "MISSED");
    }
}

int main(void) {
    static const char *methods[] = {"GET", "HEAD", "OPTIONS"};
    read_actions[0] = (struct config_action){.methods = {methods, 3}, .pattern = "/**"};
    printf("rules; CPU, medians of %d; at most %.1f us and %.1f times\n", ROUNDS, MAX_DECISION_US,
           MAX_RATIO);
    measure_decisions(FEW_GROUPS);
    measure_decisions(MOST_GROUPS);
    measure_calls();
    measure_lookups();
    return 0;
}
