/* What rules grant on the route of an MCP server, by gate, name and arguments; and random rules
 * against a matcher that knows nothing but the contract's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "auth/argument_tests.h"
#include "auth/policy.h"
#include "core/arena.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"

#define FILE_OF(rules)                                                                             \
    "listen: 127.0.0.1:8080\nentra: {tenant: " TENANT ", audience: a}\n"                           \
    "roles:\n"                                                                                     \
    "  Reading: {actions: [\"mcp:*\"], not_actions: [\"mcp:tools/call:rm_*\", \"mcp:tasks/*\"]}\n" \
    "  Nothing: {actions: [\"mcp:tools/call:a\"], not_actions: [\"mcp:tools/*\"]}\n"               \
    "  NoCalls: {actions: [\"mcp:tools/call:a*\"], not_actions: [\"mcp:tools/call\"]}\n"           \
    "  NoPosts: {actions: [\"mcp:*\"], not_actions: [\"POST /**\"]}\n"                             \
    "routes:\n- name: tools\n  path: /mcp\n  upstream: \"http://127.0.0.1:3000\"\n  mcp: "         \
    "{}\n" rules                                                                                   \
    "\n- {name: web, path: /web, upstream: \"http://127.0.0.1:3000\", access: [{actions: "         \
    "[\"mcp:*\", \"GET /a\"], to: {everyone: true}}]}\n"

struct house {
    struct config *config;
    struct policy *policy;
    struct json_text json;
};

static void open_house(struct house *house, const char *yaml) {
    struct problem_list problems = {0};
    house->config = config_parse("case.yaml", slice_of_str(yaml), &problems);
    for (size_t i = 0; i < problems.count && !house->config; i++)
        print_message("%u: %s: %s\n", problems.items[i].position.line, problems.items[i].path,
                      problems.items[i].text);
    problem_list_done(&problems);
    assert_non_null(house->config);
    house->policy = policy_new(house->config);
    assert_non_null(house->policy);
    json_text_init(&house->json);
}

static void close_house(struct house *house) {
    json_text_done(&house->json);
    policy_free(house->policy);
    config_unref(house->config);
}

static const struct identity CALLER = {
    .type = PRINCIPAL_USER, .tenant = {TENANT, 36}, .oid = {MIRA, 36}};

static struct decision decide(struct house *house, size_t route, const char *http_method,
                              const struct policy_mcp *asked, struct policy_trace *trace) {
    struct decision decision;
    const struct policy_question question = {.route = route,
                                             .identity = &CALLER,
                                             .method = slice_of_str(http_method),
                                             .path_below = SLICE("/"),
                                             .mcp = asked};
    policy_decide(house->policy, &question, trace, &decision);
    return decision;
}

/* `arguments` is a JSON text, or NULL for none. */
static struct policy_mcp call(struct house *house, const char *method, const char *name,
                              const char *arguments) {
    struct policy_mcp asked = {.method = slice_of_str(method),
                               .has_name = name != NULL,
                               .name = slice_of_str(name),
                               .gate = POLICY_MCP_NAME,
                               .json = &house->json,
                               .arguments = JSON_TEXT_NONE};
    if (arguments) {
        const struct json_text_limits limits = {16, 10000};
        assert_int_equal(json_text_read(&house->json, slice_of_str(arguments), &limits), STATUS_OK);
        asked.arguments = 0;
    }
    return asked;
}

static bool may_call(struct house *house, const char *name, const char *arguments) {
    const struct policy_mcp asked = call(house, "tools/call", name, arguments);
    return decide(house, 0, "POST", &asked, NULL).is_allowed;
}

static bool may(struct house *house, const char *method, enum policy_mcp_gate gate,
                const char *uses) {
    const struct policy_mcp asked = {.method = slice_of_str(method),
                                     .gate = gate,
                                     .uses = slice_of_str(uses),
                                     .arguments = JSON_TEXT_NONE};
    return decide(house, 0, "POST", &asked, NULL).is_allowed;
}

static void only_mcp_actions_grant(void **state) {
    (void)state;
    struct house house;
    open_house(&house, FILE_OF("  access: [{role: Contributor, to: {everyone: true}}]"));
    assert_false(may_call(&house, "a", NULL));
    assert_false(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    close_house(&house);
    open_house(&house, FILE_OF("  access: [{actions: [\"mcp:*\"], to: {everyone: true}}]"));
    assert_true(may_call(&house, "a", NULL));
    assert_true(may(&house, "", POLICY_MCP_SOME, NULL));
    /* Who asks for nothing is granted nothing. */
    assert_false(decide(&house, 0, "POST", NULL, NULL).is_allowed);
    /* On a route for plain HTTP they are as good as absent, whatever is asked. */
    const struct policy_mcp asked = call(&house, "tools/call", "a", NULL);
    assert_false(decide(&house, 1, "POST", &asked, NULL).is_allowed);
    close_house(&house);
}

static void names_are_matched_as_bytes(void **state) {
    (void)state;
    struct house house;
    open_house(&house, FILE_OF("  access: [{actions: [\"mcp:tools/call:search_*\", "
                               "\"mcp:tools/call:ns:x\", \"mcp:*:both\"], to: {everyone: true}}]"));
    static const char *const GOOD[] = {"search_", "search_a", "search_a/b:c", "ns:x", "both"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        assert_true(may_call(&house, GOOD[i], NULL));
    static const char *const BAD[] = {"search", "Search_a", " search_a", "ns", "x", "", "bot"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(may_call(&house, BAD[i], NULL));
    const struct policy_mcp read = call(&house, "resources/read", "search_a", NULL);
    assert_false(decide(&house, 0, "POST", &read, NULL).is_allowed);
    const struct policy_mcp both = call(&house, "prompts/get", "both", NULL);
    assert_true(decide(&house, 0, "POST", &both, NULL).is_allowed);
    const struct policy_mcp nameless = call(&house, "tools/call", NULL, NULL);
    assert_false(decide(&house, 0, "POST", &nameless, NULL).is_allowed);
    char *longest = calloc(1, 9000);
    assert_non_null(longest);
    memset(longest, 'a', 8999);
    memcpy(longest, "search_", 7);
    assert_false(may_call(&house, longest, NULL));
    longest[8000] = '\0';
    assert_true(may_call(&house, longest, NULL));
    free(longest);
    close_house(&house);
}

static void gates_ask_for_what_they_say(void **state) {
    (void)state;
    struct house house;
    open_house(&house, FILE_OF("  access: [{actions: [\"mcp:tools/call:a*\", \"mcp:tasks/get:x\"], "
                               "to: {everyone: true}}]"));
    assert_true(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    assert_true(may(&house, "", POLICY_MCP_SOME, NULL));
    assert_true(may(&house, "tools/list", POLICY_MCP_LIST, "tools/call"));
    assert_false(may(&house, "prompts/list", POLICY_MCP_LIST, "prompts/get"));
    assert_false(may(&house, "tasks/get", POLICY_MCP_METHOD, NULL));
    assert_false(may(&house, "", POLICY_MCP_NAME, NULL));
    close_house(&house);
    open_house(&house, FILE_OF("  access: [{role: Reading, to: {everyone: true}}]"));
    assert_true(may(&house, "subscriptions/listen", POLICY_MCP_METHOD, NULL));
    assert_false(may(&house, "tasks/get", POLICY_MCP_METHOD, NULL));
    assert_true(may(&house, "prompts/list", POLICY_MCP_LIST, "prompts/get"));
    assert_true(may_call(&house, "ls", NULL));
    assert_false(may_call(&house, "rm_all", NULL));
    close_house(&house);
    open_house(&house,
               FILE_OF("  access: [{actions: [\"mcp:tools/list\"], to: {everyone: true}}]"));
    assert_true(may(&house, "tools/list", POLICY_MCP_LIST, "tools/call"));
    assert_false(may_call(&house, "a", NULL));
    close_house(&house);
}

static void what_is_wholly_taken_away_grants_nothing(void **state) {
    (void)state;
    struct house house;
    open_house(&house, FILE_OF("  access: [{role: Nothing, to: {everyone: true}}]"));
    assert_false(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    assert_false(may(&house, "tools/list", POLICY_MCP_LIST, "tools/call"));
    close_house(&house);
    open_house(&house, FILE_OF("  access: [{role: NoCalls, to: {everyone: true}}]"));
    assert_false(may(&house, "tools/list", POLICY_MCP_LIST, "tools/call"));
    close_house(&house);
    open_house(&house, FILE_OF("  access: [{role: NoPosts, to: {everyone: true}}]"));
    assert_false(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    const struct policy_mcp stream = {.gate = POLICY_MCP_SOME, .arguments = JSON_TEXT_NONE};
    assert_true(decide(&house, 0, "GET", &stream, NULL).is_allowed);
    close_house(&house);
}

static void denies_take_away(void **state) {
    (void)state;
    struct house house;
#define GRANTED "  access: [{actions: [\"mcp:*\"], to: {everyone: true}}]\n"
    open_house(&house, FILE_OF(GRANTED "  deny: [{to: {everyone: true}, actions: "
                                       "[\"mcp:tools/call:rm_*\", \"DELETE /\"]}]"));
    assert_true(may_call(&house, "ls", NULL));
    assert_false(may_call(&house, "rm_x", NULL));
    assert_true(may(&house, "tools/list", POLICY_MCP_LIST, "tools/call"));
    const struct policy_mcp end = {.gate = POLICY_MCP_SOME, .arguments = JSON_TEXT_NONE};
    assert_true(decide(&house, 0, "GET", &end, NULL).is_allowed);
    assert_int_equal(decide(&house, 0, "DELETE", &end, NULL).reason, REASON_DENIED);
    /* A name that nobody holds against patterns is taken away. */
    char *longest = calloc(1, 9000);
    assert_non_null(longest);
    memset(longest, 'a', 8999);
    assert_false(may_call(&house, longest, NULL));
    free(longest);
    close_house(&house);
    open_house(&house, FILE_OF(GRANTED "  deny: [{to: {everyone: true}}]"));
    assert_false(may_call(&house, "ls", NULL));
    assert_false(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    close_house(&house);
    open_house(&house, FILE_OF(GRANTED "  deny: [{to: {everyone: true}, actions: [\"mcp:*\"]}]"));
    assert_false(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    close_house(&house);
    open_house(&house,
               FILE_OF(GRANTED "  deny: [{to: {everyone: true}, actions: [\"mcp:logging/*\"]}]"));
    assert_true(may(&house, "initialize", POLICY_MCP_SOME, NULL));
    assert_false(may(&house, "logging/setLevel", POLICY_MCP_SOME, NULL));
    close_house(&house);
}

struct argument_case {
    const char *tests;
    const char *passing;
    const char *failing;
};

static const char *with_deny(char *yaml, size_t size, const char *tests) {
    snprintf(yaml, size,
             FILE_OF(GRANTED "  deny: [{to: {everyone: true}, actions: [{action: "
                             "\"mcp:tools/call:q\", when: {%s}}]}]"),
             tests);
    return yaml;
}

static const char *with_grant(char *yaml, size_t size, const char *tests) {
    snprintf(yaml, size,
             FILE_OF("  access: [{to: {everyone: true}, actions: [{action: \"mcp:tools/call:q\", "
                     "when: {%s}}]}]"),
             tests);
    return yaml;
}

/* What fails is of the kind that is asked for, or is not there. */
static const struct argument_case ARGUMENTS[] = {
    {"/d: {equals: sales}", "{\"d\":\"sales\"}", "{\"d\":\"Sales\"}"},
    {"/d: {equals: sales}", "{\"d\":\"s\\u0061les\"}", "{\"d\":\"sales\\u0000\"}"},
    {"/d: {equals: sales}", "{\"d\":\"sales\",\"D\":\"hr\"}", "{\"D\":\"sales\"}"},
    {"/d: {equals: sales}", "{\"\\u0064\":\"sales\"}", "{\"d\":null}"},
    {"/d: {equals: \"\xc3\xa4\"}", "{\"d\":\"\\u00e4\"}", "{\"d\":\"a\\u0308\"}"},
    {"/d: {equals: 5}", "{\"d\":5.0}", "{\"d\":50}"},
    {"/d: {equals: 5}", "{\"d\":0.5e+1}", "{\"d\":-5}"},
    {"/d: {equals: 100}", "{\"d\":1e2}", "{\"d\":1e3}"},
    {"/d: {equals: 0}", "{\"d\":-0}", "{\"d\":1e-300}"},
    {"/d: {equals: 9007199254740991}", "{\"d\":9007199254740991}", "{\"d\":9007199254740990}"},
    {"/d: {equals: \"5\"}", "{\"d\":\"5\"}", "{\"d\":\"5.0\"}"},
    {"/d: {equals: true}", "{\"d\":true}", "{\"d\":false}"},
    {"/d: {one_of: [a, b]}", "{\"d\":\"b\"}", "{\"d\":\"c\"}"},
    {"/d: {one_of: [a, b]}", "{\"d\":\"a\"}", "{}"},
    {"/d/e: {equals: a}", "{\"d\":{\"e\":\"a\"}}", "{\"d\":\"a\",\"e\":\"a\"}"},
    {"/d/1: {equals: a}", "{\"d\":[\"b\",\"a\"]}", "{\"d\":[\"a\",\"b\"]}"},
    {"/d/1: {equals: a}", "{\"d\":{\"1\":\"a\"}}", "{\"d\":{\"01\":\"a\"}}"},
    {"/s: {matches: \"^SELECT \"}", "{\"s\":\"SELECT 1\"}", "{\"s\":\"DROP; SELECT 1\"}"},
    {"/s: {matches: \"^SELECT \"}", "{\"s\":\"\\u0053ELECT 1\"}", "{\"s\":\"DROP\\nSELECT 1\"}"},
    {"/s: {matches: \"^[^;]*$\"}", "{\"s\":\"\"}", "{\"s\":\"a\\u003bb\"}"},
    {"/s: {matches: \"^[a-z]+$\"}", "{\"s\":\"abc\"}", "{\"s\":\"abc\\n\"}"},
    {"/s: {matches: \"^[a-z]+$\"}", "{\"s\":\"\\u0061\"}", "{\"s\":\"abc\\u0000\"}"},
    {"/s: {matches: \"^[a-z]+$\"}", "{\"s\":\"x\"}", "{\"s\":\"abc\\n;rm\"}"},
    {"/s: {matches: \"^a.b$\"}", "{\"s\":\"a\\nb\"}", "{\"s\":\"A\\nb\"}"},
    {"/s: {matches: \"^/pub(/[a-z0-9]+)+$\"}", "{\"s\":\"\\/pub\\/a\"}", "{\"s\":\"/pub/../etc\"}"},
    {"/s: {matches: \"^/pub(/[a-z0-9]+)+$\"}", "{\"s\":\"/pub/a\"}", "{\"s\":\"/pub/a\\\\..\"}"},
    {"/s: {matches: \"^/pub(/[a-z0-9]+)+$\"}", "{\"s\":\"/pub/a/b\"}", "{\"s\":\"/pub/%2e%2e/a\"}"},
    {"/n: {max: 10}", "{\"n\":10.000}", "{\"n\":10.000000000000002}"},
    {"/n: {max: 1}", "{\"n\":0.30000000000000004}", "{\"n\":1.0000000000000002}"},
    {"/n: {max: 10}", "{\"n\":9.99999999999999999999}", "{\"n\":11}"},
    {"/n: {min: 1, max: 10}", "{\"n\":1}", "{\"n\":0.9}"},
    {"/n: {min: 0}", "{\"n\":-0}", "{\"n\":-1e-300}"},
    {"/n: {max: 10}", "{\"n\":-1e1}", "{\"n\":1.1e1}"},
    {"/s: {max_length: 2}", "{\"s\":\"\\ud83d\\ude00\xc3\xa4\"}", "{\"s\":\"abc\"}"},
    {"/s: {max_length: 2}", "{\"s\":\"\\n\\n\"}", "{\"s\":\"a\\u0308\\u0308\"}"},
    {"/f: {absent: true}", "{\"g\":1}", "{\"f\":\"\"}"},
    {"/f: {absent: true}", NULL, "{\"f\":false}"},
    {"/a: {equals: 1}, /b: {equals: 2}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}"},
    {"/a: {equals: 1}", "{\"a\":1}", NULL},
};

static void arguments_are_judged_as_json(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ARGUMENTS / sizeof *ARGUMENTS; i++) {
        struct house house;
        char yaml[4096];
        open_house(&house, with_grant(yaml, sizeof yaml, ARGUMENTS[i].tests));
        if (!may_call(&house, "q", ARGUMENTS[i].passing) ||
            may_call(&house, "q", ARGUMENTS[i].failing))
            fail_msg("grant: %s, row %zu", ARGUMENTS[i].tests, i);
        assert_false(may_call(&house, "other", ARGUMENTS[i].passing));
        struct policy_mcp listed = call(&house, "tools/call", "q", NULL);
        listed.json = NULL;
        listed.is_any_arguments = true;
        assert_true(decide(&house, 0, "POST", &listed, NULL).is_allowed);
        close_house(&house);
        open_house(&house, with_deny(yaml, sizeof yaml, ARGUMENTS[i].tests));
        if (may_call(&house, "q", ARGUMENTS[i].passing) ||
            !may_call(&house, "q", ARGUMENTS[i].failing))
            fail_msg("deny: %s, row %zu", ARGUMENTS[i].tests, i);
        listed.is_any_arguments = true;
        assert_true(decide(&house, 0, "POST", &listed, NULL).is_allowed);
        close_house(&house);
    }
}

/* What cannot be judged grants nothing and takes everything away. */
static void doubt_is_on_the_safe_side(void **state) {
    (void)state;
    char *longest = calloc(1, 10000);
    assert_non_null(longest);
    memset(longest, 'a', 9998);
    memcpy(longest, "{\"s\":\"", 6);
    memcpy(longest + 9990, "\"}", 3);
    const struct {
        const char *tests, *arguments;
    } rows[] = {
        {"/s: {matches: \"a\"}", longest},
        {"/n: {min: 1}", "{\"n\":9007199254740993}"},
        {"/n: {min: 1}", "{\"n\":1e99999}"},
        {"/n: {max: 10}", "{\"n\":1e1000}"},
        {"/n: {equals: 1}", "{\"n\":9007199254740993}"},
        {"/n: {equals: 5}", "{\"n\":5.0000000000000000001}"},
        {"/n: {equals: 0}", "{\"n\":1e-400}"},
        {"/n: {max: 10}", "{\"n\":10.00000000000000000001}"},
        {"/n: {min: 101}", "{\"n\":100.99999999999999999}"},
        {"/n: {equals: 5}", "{\"n\":\"5\"}"},
        {"/n: {max: 5}", "{\"n\":\"1\"}"},
        {"/n: {min: 5}", "{\"n\":[6]}"},
        {"/d: {equals: \"5\"}", "{\"d\":5}"},
        {"/d: {equals: true}", "{\"d\":\"true\"}"},
        {"/d: {equals: true}", "{\"d\":1}"},
        {"/d: {equals: sales}", "{\"d\":[\"sales\"]}"},
        {"/d: {one_of: [sales, hr]}", "{\"d\":{\"sales\":1}}"},
        {"/s: {matches: DROP}", "{\"s\":[\"DROP\"]}"},
        {"/s: {matches: DROP}", "{\"s\":{\"toString\":\"DROP\"}}"},
        {"/s: {max_length: 2}", "{\"s\":[\"a\"]}"},
        {"/f: {absent: true}", "{\"f\":null}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct house house;
        char yaml[4096];
        open_house(&house, with_grant(yaml, sizeof yaml, rows[i].tests));
        if (may_call(&house, "q", rows[i].arguments))
            fail_msg("%s grants %s", rows[i].tests, rows[i].arguments);
        close_house(&house);
        open_house(&house, with_deny(yaml, sizeof yaml, rows[i].tests));
        if (may_call(&house, "q", rows[i].arguments))
            fail_msg("%s does not deny %s", rows[i].tests, rows[i].arguments);
        assert_true(may_call(&house, "other", rows[i].arguments));
        close_house(&house);
    }
    free(longest);
}

/* More pointers than have a place, in rules enough to ask for each again. */
static void every_pointer_is_followed(void **state) {
    (void)state;
    enum { POINTERS = ARGUMENT_PLACES_MAX + 6 };
    struct house house;
    char *yaml = calloc(1, 65536);
    assert_non_null(yaml);
    size_t len = (size_t)snprintf(yaml, 65536, "%s", FILE_OF("  access:"));
    const char *tail = strstr(yaml, "\n- {name: web");
    assert_non_null(tail);
    len = (size_t)(tail - yaml);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < POINTERS; i++)
            len += (size_t)snprintf(yaml + len, 65536 - len,
                                    "\n  - {to: {everyone: true}, actions: [{action: "
                                    "\"mcp:tools/call:q\", when: {/p%d: {equals: %d}}}]}",
                                    i, round);
    open_house(&house, yaml);
    for (int i = 0; i < POINTERS; i++) {
        char arguments[64];
        for (int value = 0; value < 3; value++) {
            (void)snprintf(arguments, sizeof arguments, "{\"p%d\":%d}", i, value);
            assert_int_equal(may_call(&house, "q", arguments), value < 2);
        }
    }
    assert_false(may_call(&house, "q", "{\"p\":0}"));
    free(yaml);
    close_house(&house);
}

struct kept_step {
    struct policy_trace trace;
    struct policy_step step;
};

static void keep_step(struct policy_trace *trace, const struct policy_step *step) {
    ((struct kept_step *)trace)->step = *step;
}

static void traces_say_which_argument_failed(void **state) {
    (void)state;
    struct house house;
    open_house(&house,
               FILE_OF("  access: [{to: {everyone: true}, actions: [\"mcp:tools/call:x\", {action: "
                       "\"mcp:tools/call:q\", when: {/a: {equals: 1}, /b: {max: 2}}}]}]"));
    struct kept_step kept = {.trace = {keep_step}};
    const struct policy_mcp asked = call(&house, "tools/call", "q", "{\"a\":1,\"b\":3}");
    struct decision decision = decide(&house, 0, "POST", &asked, &kept.trace);
    assert_int_equal(decision.reason, REASON_NO_ROLE);
    assert_int_equal(kept.step.answer, POLICY_OTHER_ARGUMENTS);
    assert_string_equal(kept.step.failed->pointer, "/b");
    assert_int_equal(kept.step.failed->test, TEST_MAX);
    const struct policy_mcp other = call(&house, "tools/call", "y", NULL);
    decide(&house, 0, "POST", &other, &kept.trace);
    assert_int_equal(kept.step.answer, POLICY_OTHER_ACTION);
    assert_null(kept.step.failed);
    close_house(&house);
}

static unsigned below(unsigned limit) {
    return (unsigned)rand() % limit;
}

static const char *const METHODS[] = {"tools/call", "prompts/get", "tools/*", "*", "*/get"};
static const char *const NAMES[] = {"", ":a", ":a*", ":*b", ":a*b", ":*", ":ab"};
static const char *const TESTS[] = {"", "", "/v: {equals: 1}", "/v: {absent: true}"};

struct random_action {
    const char *method, *name, *tests;
};
struct random_entry {
    struct random_action actions[2], not_action;
    bool has_not, is_for_caller;
};

/* By trying every split at every star. */
static bool naive_glob(const char *pattern, const char *text) {
    if (*pattern == '*')
        return naive_glob(pattern + 1, text) || (*text && naive_glob(pattern, text + 1));
    return *pattern == *text && (!*text || naive_glob(pattern + 1, text + 1));
}

static bool naive_match(const struct random_action *action, const char *method, const char *name,
                        int value) {
    bool passes = !*action->tests || (strstr(action->tests, "equals") ? value == 1 : value < 0);
    return naive_glob(action->method, method) &&
           (!*action->name || naive_glob(action->name + 1, name)) && passes;
}

static bool naive_entry(const struct random_entry *entry, const char *method, const char *name,
                        int value) {
    bool is_given = naive_match(&entry->actions[0], method, name, value) ||
                    naive_match(&entry->actions[1], method, name, value);
    return entry->is_for_caller && is_given &&
           !(entry->has_not && naive_match(&entry->not_action, method, name, value));
}

static struct random_action make_action(void) {
    return (struct random_action){METHODS[below(5)], NAMES[below(7)], TESTS[below(4)]};
}

static size_t write_action(char *out, size_t size, const struct random_action *action) {
    return (size_t)snprintf(out, size,
                            *action->tests ? "{action: \"mcp:%s%s\", when: {%s}}" : "\"mcp:%s%s\"",
                            action->method, action->name, action->tests);
}

enum { ENTRIES = 12, YAML_BYTES = 16384 };

/* Roles for those with not_actions, so that both ways are gone. */
static void write_rules(char *yaml, const struct random_entry *entries, const bool *is_deny) {
    size_t len = (size_t)snprintf(yaml, YAML_BYTES,
                                  "listen: 127.0.0.1:8080\nentra: {tenant: " TENANT
                                  ", audience: a}\nroles:\n  Unused: {actions: [\"mcp:ping\"]}\n");
    for (size_t i = 0; i < ENTRIES; i++) {
        if (!entries[i].has_not)
            continue;
        len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "  R%zu: {actions: [", i);
        len += write_action(yaml + len, YAML_BYTES - len, &entries[i].actions[0]);
        len += (size_t)snprintf(yaml + len, YAML_BYTES - len, ", ");
        len += write_action(yaml + len, YAML_BYTES - len, &entries[i].actions[1]);
        len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "], not_actions: [");
        len += write_action(yaml + len, YAML_BYTES - len, &entries[i].not_action);
        len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "]}\n");
    }
    len += (size_t)snprintf(yaml + len, YAML_BYTES - len,
                            "routes:\n- name: r\n  upstream: \"http://127.0.0.1:1\"\n  mcp: {}\n");
    for (int deny = 0; deny < 2; deny++) {
        len += (size_t)snprintf(yaml + len, YAML_BYTES - len, deny ? "  deny:\n" : "  access:\n");
        for (size_t i = 0; i < ENTRIES; i++) {
            if (is_deny[i] != (deny == 1))
                continue;
            len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "  - to: {user: %s}\n    ",
                                    entries[i].is_for_caller ? MIRA : TENANT);
            if (entries[i].has_not) {
                len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "role: R%zu\n", i);
                continue;
            }
            len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "actions: [");
            len += write_action(yaml + len, YAML_BYTES - len, &entries[i].actions[0]);
            len += (size_t)snprintf(yaml + len, YAML_BYTES - len, ", ");
            len += write_action(yaml + len, YAML_BYTES - len, &entries[i].actions[1]);
            len += (size_t)snprintf(yaml + len, YAML_BYTES - len, "]\n");
        }
    }
    assert_true(len < YAML_BYTES - 1);
}

static void agrees_with_a_naive_matcher(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    char *yaml = malloc(YAML_BYTES);
    assert_non_null(yaml);
    size_t allowed = 0, asked_count = 0;
    for (size_t round = 0; round < 300; round++) {
        struct random_entry entries[ENTRIES];
        bool is_deny[ENTRIES];
        struct house house;
        for (size_t i = 0; i < ENTRIES; i++) {
            is_deny[i] = i >= ENTRIES - 2;
            entries[i] = (struct random_entry){{make_action(), make_action()},
                                               make_action(),
                                               !is_deny[i] && below(2) == 0,
                                               below(3) == 0};
        }
        write_rules(yaml, entries, is_deny);
        open_house(&house, yaml);
        for (size_t i = 0; i < 60; i++) {
            static const char *const asked_names[] = {"a", "b", "ab", "aab", "c", ""};
            static const char *const arguments[] = {NULL, "{\"v\":1}", "{\"v\":2}"};
            const char *method = METHODS[below(2)], *name = asked_names[below(6)];
            unsigned which = below(3);
            int value = which == 0 ? -1 : which == 1 ? 1 : 2;
            bool is_denied = false, is_granted = false;
            for (size_t e = 0; e < ENTRIES; e++) {
                bool matches = naive_entry(&entries[e], method, name, value);
                is_denied |= is_deny[e] && matches;
                is_granted |= !is_deny[e] && matches;
            }
            const struct policy_mcp asked = call(&house, method, name, arguments[which]);
            bool is_allowed = decide(&house, 0, "POST", &asked, NULL).is_allowed;
            if (is_allowed != (is_granted && !is_denied))
                fail_msg("seed %u: %s %s with %s: expected %d of\n%s", seed, method, name,
                         arguments[which] ? arguments[which] : "none", is_granted && !is_denied,
                         yaml);
            allowed += is_allowed;
            asked_count++;
        }
        close_house(&house);
    }
    free(yaml);
    assert_true(allowed > asked_count / 20 && allowed < asked_count * 19 / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_mcp_actions_grant),
        cmocka_unit_test(names_are_matched_as_bytes),
        cmocka_unit_test(gates_ask_for_what_they_say),
        cmocka_unit_test(what_is_wholly_taken_away_grants_nothing),
        cmocka_unit_test(denies_take_away),
        cmocka_unit_test(arguments_are_judged_as_json),
        cmocka_unit_test(doubt_is_on_the_safe_side),
        cmocka_unit_test(every_pointer_is_followed),
        cmocka_unit_test(traces_say_which_argument_failed),
        cmocka_unit_test(agrees_with_a_naive_matcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
