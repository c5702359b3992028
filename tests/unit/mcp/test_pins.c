/* Who may be called after which listing, and what is told of it. */
#define _GNU_SOURCE /* asprintf */
#include <pthread.h>

#include "tests/unit/mcp/pins_case.h"

/* Judges the tools in `text`, an array, as one answer. */
static void judge_list(struct mcp_pins *pins, const char *text) {
    struct json_text json;
    bool is_news;
    uint64_t listing = mcp_pins_begin_listing(pins);
    read_json(&json, slice_of_str(text));
    for (uint32_t tool = json_text_first(&json, 0); tool != JSON_TEXT_NONE;
         tool = json_text_after(&json, 0, tool)) {
        mcp_pins_judge(pins, listing, &json, tool, &is_news);
    }
    json_text_done(&json);
}

static void calls_nothing_that_was_not_listed_yet(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL ",{\"name\":\"other\"}]");
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    assert_true(mcp_pins_await_listing(pins, SLICE("query")));
    assert_false(mcp_pins_await_listing(pins, SLICE("stranger")));
    judge_text(pins, TOOL);
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    assert_false(mcp_pins_await_listing(pins, SLICE("query")));
    assert_false(mcp_pins_may_call(pins, SLICE("other")));
    judge_text(pins, "{\"name\":\"other\",\"x\":1}");
    assert_false(mcp_pins_may_call(pins, SLICE("other")));
    assert_false(mcp_pins_await_listing(pins, SLICE("other")));
    mcp_pins_unref(pins);
}

static void takes_the_worse_of_two_definitions_in_one_list(void **state) {
    static const char *const doubled[] = {
        "[{\"name\":\"t\"},{\"name\":\"t\",\"x\":1}]",
        "[{\"name\":\"t\",\"x\":1},{\"name\":\"t\"}]",
        "[{\"name\":\"t\",\"x\":1},{\"name\":\"\\u0074\"},{\"name\":\"t\"}]",
        "[{\"name\":\"t\"},{\"name\":\"t\",\"title\":\"x\"},{\"name\":\"t\"}]",
    };
    struct mcp_pins *pins = approve(*state, "[{\"name\":\"t\"},{\"name\":\"u\"}]");
    for (size_t i = 0; i < sizeof doubled / sizeof *doubled; i++) {
        judge_list(pins, "[{\"name\":\"t\"},{\"name\":\"u\"},{\"name\":\"t\"}]");
        assert_true(mcp_pins_may_call(pins, SLICE("t")));
        judge_list(pins, doubled[i]);
        assert_false(mcp_pins_may_call(pins, SLICE("t")));
        assert_true(mcp_pins_may_call(pins, SLICE("u")));
    }
    mcp_pins_unref(pins);
}

static void may_call_what_was_last_listed_as_approved(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL ",{\"name\":\"other\"}]");
    char *words = edited("Runs", "Does"), *schema = edited("\"required\":[\"sql\"]", "\"a\":1");
    judge_list(pins, "[" TOOL ",{\"name\":\"other\"}]");
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    assert_false(mcp_pins_may_call(pins, SLICE("quer")));
    assert_false(mcp_pins_may_call(pins, SLICE("query2")));
    assert_false(mcp_pins_may_call(pins, SLICE("Query")));
    assert_false(mcp_pins_may_call(pins, SLICE("")));
    judge_text(pins, words);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    assert_true(mcp_pins_may_call(pins, SLICE("other")));
    judge_text(pins, TOOL);
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    judge_text(pins, schema);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    judge_text(pins, "{\"name\":\"third\"}");
    assert_false(mcp_pins_may_call(pins, SLICE("third")));
    free(words);
    free(schema);
    mcp_pins_unref(pins);
}

static struct mcp_pins *load_after(const struct store *store, struct mcp_pins *former) {
    struct error err;
    struct mcp_pins *next = mcp_pins_load_after(store->path, former, &err);
    assert_non_null(next);
    mcp_pins_unref(former);
    return next;
}

/* A file with these tools, read by who has seen what `former` has. */
static struct mcp_pins *approve_after(const struct store *store, const char *text,
                                      struct mcp_pins *former) {
    mcp_pins_unref(approve(store, text));
    return load_after(store, former);
}

static void keeps_what_was_listed_when_the_file_is_read_again(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL ",{\"name\":\"other\"}]");
    judge_list(pins, "[{\"name\":\"query\"},{\"name\":\"other\"}]");
    pins = load_after(*state, pins);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    assert_true(mcp_pins_may_call(pins, SLICE("other")));
    pins = approve_after(*state, "[" TOOL ",{\"name\":\"other\"},{\"name\":\"third\"}]", pins);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    assert_true(mcp_pins_may_call(pins, SLICE("other")));
    assert_true(mcp_pins_await_listing(pins, SLICE("third")));
    judge_text(pins, TOOL);
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    mcp_pins_unref(pins);
}

static void holds_what_was_listed_against_what_is_approved_now(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL ",{\"name\":\"other\"}]");
    judge_text(pins, "{\"name\":\"query\"}");
    judge_text(pins, "{\"name\":\"other\"}");
    pins = approve_after(*state, "[{\"name\":\"query\"},{\"name\":\"other\",\"x\":1}]", pins);
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    assert_false(mcp_pins_may_call(pins, SLICE("other")));
    pins = approve_after(*state, "[{\"name\":\"other\"}]", pins);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    assert_true(mcp_pins_may_call(pins, SLICE("other")));
    mcp_pins_unref(pins);
}

static void tells_a_definition_once(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL "]");
    assert_false(is_news(pins, TOOL));
    assert_true(is_news(pins, "{\"name\":\"query\"}"));
    assert_false(is_news(pins, "{\"name\":\"query\"}"));
    assert_false(is_news(pins, TOOL));
    assert_false(is_news(pins, "{\"name\":\"query\"}"));
    assert_true(is_news(pins, "{\"name\":\"stranger\"}"));
    assert_false(is_news(pins, "{\"name\":\"stranger\",\"x\":1}"));
    pins = approve_after(*state, "[" TOOL ",{\"name\":\"other\"}]", pins);
    assert_false(is_news(pins, "{\"name\":\"query\"}"));
    assert_false(is_news(pins, "{\"name\":\"stranger\"}"));
    assert_true(is_news(pins, "{\"name\":\"query\",\"x\":1}"));
    mcp_pins_unref(pins);
}

static void tells_no_more_than_a_log_should_hold(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL "]");
    size_t changes = 0, strangers = 0;
    for (int i = 0; i < 1000; i++) {
        char changed[64], stranger[64];
        snprintf(changed, sizeof changed, "{\"name\":\"query\",\"x\":%d}", i);
        snprintf(stranger, sizeof stranger, "{\"name\":\"n%d\"}", i);
        changes += is_news(pins, changed);
        strangers += is_news(pins, stranger);
    }
    assert_int_equal(8, changes);
    assert_int_equal(128, strangers);
    assert_false(mcp_pins_may_call(pins, SLICE("query")));
    mcp_pins_unref(pins);
}

static void *list_and_call(void *argument) {
    struct mcp_pins *pins = argument;
    for (int i = 0; i < 300; i++) {
        judge_text(pins, i % 2 ? TOOL : "{\"name\":\"query\"}");
        mcp_pins_may_call(pins, SLICE("query"));
    }
    judge_text(pins, TOOL);
    mcp_pins_unref(pins);
    return NULL;
}

static void may_be_asked_from_any_thread(void **state) {
    struct mcp_pins *pins = approve(*state, "[" TOOL "]");
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, list_and_call, mcp_pins_ref(pins)));
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    judge_text(pins, TOOL);
    assert_true(mcp_pins_may_call(pins, SLICE("query")));
    mcp_pins_unref(pins);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(calls_nothing_that_was_not_listed_yet),
        WITH_STORE(takes_the_worse_of_two_definitions_in_one_list),
        WITH_STORE(may_call_what_was_last_listed_as_approved),
        WITH_STORE(keeps_what_was_listed_when_the_file_is_read_again),
        WITH_STORE(holds_what_was_listed_against_what_is_approved_now),
        WITH_STORE(tells_a_definition_once),
        WITH_STORE(tells_no_more_than_a_log_should_hold),
        WITH_STORE(may_be_asked_from_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
