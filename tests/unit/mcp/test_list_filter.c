/* Lists as one caller sees them: what may be used stays, in its order, with its bytes. */
#include "filter_case.h"

#include <unistd.h>

#include "proxy/mcp/pin_file.h"
#include "proxy/mcp/pins.h"

#define RESULT(members) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{" members "}}"

struct list_case {
    const char *comes;
    const char *goes_on;
    uint64_t hidden;
};

static void assert_lists(const struct list_case *cases, size_t count) {
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < count; i++) {
        assert_goes_on(&filter_case, MCP_MEDIA_JSON, cases[i].comes, cases[i].goes_on);
        assert_int_equal(filter_case.counts.hidden, cases[i].hidden);
        assert_int_equal(filter_case.counts.held_back, 0);
    }
    filter_case_end(&filter_case);
}

#define ASSERT_LISTS(cases) assert_lists(cases, sizeof(cases) / sizeof *(cases))

static void shows_only_what_may_be_used(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"tools\":[{\"name\":\"ok1\"},{\"name\":\"no\"},{\"name\":\"ok2\"}]"),
         RESULT("\"tools\":[{\"name\":\"ok1\"},{\"name\":\"ok2\"}]"), 1},
        {RESULT("\"prompts\":[{\"name\":\"ok1\"},{\"name\":\"no\"}]"),
         RESULT("\"prompts\":[{\"name\":\"ok1\"}]"), 1},
        {RESULT("\"resources\":[{\"uri\":\"file:///no\"},{\"uri\":\"file:///ok/1\"}]"),
         RESULT("\"resources\":[{\"uri\":\"file:///ok/1\"}]"), 1},
        {RESULT("\"resourceTemplates\":[{\"uriTemplate\":\"file:///ok/{x}\"},"
                "{\"uriTemplate\":\"file:///{x}\"}]"),
         RESULT("\"resourceTemplates\":[{\"uriTemplate\":\"file:///ok/{x}\"}]"), 1},
    };
    ASSERT_LISTS(cases);
}

#define OK "{\"name\":\"ok\"}"
#define NO "{\"name\":\"no\"}"

static void takes_the_right_commas_along(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"tools\":[" NO "," OK "," OK "]"), RESULT("\"tools\":[" OK "," OK "]"), 1},
        {RESULT("\"tools\":[" NO "," NO "," OK "]"), RESULT("\"tools\":[" OK "]"), 2},
        {RESULT("\"tools\":[" OK "," NO "," NO "]"), RESULT("\"tools\":[" OK "]"), 2},
        {RESULT("\"tools\":[" OK "," NO "," OK "," NO "," OK "]"),
         RESULT("\"tools\":[" OK "," OK "," OK "]"), 2},
        {RESULT("\"tools\":[" NO "," OK "," NO "]"), RESULT("\"tools\":[" OK "]"), 2},
        {RESULT("\"tools\":[" NO "]"), RESULT("\"tools\":[]"), 1},
        {RESULT("\"tools\":[" NO "," NO "]"), RESULT("\"tools\":[]"), 2},
        {RESULT("\"tools\":[\r\n " NO " ,\n " OK " ,\t" NO "\n]"),
         RESULT("\"tools\":[\r\n " OK "\n]"), 2},
    };
    ASSERT_LISTS(cases);
}

static void leaves_everything_else_byte_for_byte(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"tools\":[]"), RESULT("\"tools\":[]"), 0},
        {RESULT("\"tools\" : [ {\"description\":\"\\u0041\\/ \xC3\xA4\",\"name\":\"\\u006fk\"} ] "
                ", \"nextCursor\":\"\", \"x\":1.0e2"),
         RESULT("\"tools\" : [ {\"description\":\"\\u0041\\/ \xC3\xA4\",\"name\":\"\\u006fk\"} ] "
                ", \"nextCursor\":\"\", \"x\":1.0e2"),
         0},
        {RESULT("\"nextCursor\":\"2\",\"tools\":[" NO "],\"_meta\":{\"a\":[1,2]}"),
         RESULT("\"nextCursor\":\"2\",\"tools\":[],\"_meta\":{\"a\":[1,2]}"), 1},
        {RESULT("\"content\":[{\"name\":\"no\"}],\"structuredContent\":{\"tools\":[" NO "]}"),
         RESULT("\"content\":[{\"name\":\"no\"}],\"structuredContent\":{\"tools\":[" NO "]}"), 0},
        {RESULT("\"capabilities\":{\"tools\":{},\"tasks\":{\"list\":{}}}"),
         RESULT("\"capabilities\":{\"tools\":{},\"tasks\":{\"list\":{}}}"), 0},
    };
    ASSERT_LISTS(cases);
}

static void hides_items_that_no_message_could_name(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"tools\":[1,null,\"ok\",[" OK "],{},{\"name\":7},{\"name\":null},"
                "{\"Name\":\"ok\"},{\"name\":\"\"}," OK "]"),
         RESULT("\"tools\":[" OK "]"), 9},
        {RESULT("\"tools\":[{\"name\":\"ok \"},{\"name\":\"ok\\u0000\"},{\"name\":\"ok\\u200b\"},"
                "{\"name\":\"\\u043ek\"},{\"name\":\"OK\"}]"),
         RESULT("\"tools\":[]"), 5},
        {RESULT("\"resources\":[{\"uri\":\"file:///ok/../no\"},{\"uri\":\"file:///ok/a\"},"
                "{\"name\":\"ok\"}]"),
         RESULT("\"resources\":[{\"uri\":\"file:///ok/a\"}]"), 2},
        {RESULT("\"tools\":{\"name\":\"no\"}"), RESULT("\"tools\":[]"), 1},
        {RESULT("\"tools\":\"no\",\"prompts\":[" OK "]"),
         RESULT("\"tools\":[],\"prompts\":[" OK "]"), 1},
    };
    ASSERT_LISTS(cases);
}

/* A client that unescapes names sees a list, and so do we. */
static void finds_lists_under_escaped_names(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0072esult\":{\"\\u0074ools\":[{\"n\\u0061me\":\"no\"},"
         "{\"n\\u0061me\":\"\\u006f\\u006b\"}]}}",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0072esult\":{\"\\u0074ools\":[{\"n\\u0061me\":"
         "\"\\u006f\\u006b\"}]}}",
         1},
    };
    ASSERT_LISTS(cases);
}

static void filters_several_lists_in_one_result(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"prompts\":[" NO "," OK "],\"tools\":[" OK "," NO "],\"resources\":[" NO "]"),
         RESULT("\"prompts\":[" OK "],\"tools\":[" OK "],\"resources\":[]"), 3},
    };
    ASSERT_LISTS(cases);
}

static void makes_what_a_list_says_of_caches_private(void **state) {
    (void)state;
    static const struct list_case cases[] = {
        {RESULT("\"cacheScope\":\"public\",\"tools\":[" OK "],\"ttlMs\":5"),
         RESULT("\"cacheScope\":\"private\",\"tools\":[" OK "],\"ttlMs\":5"), 0},
        {RESULT("\"tools\":[" NO "],\"cacheScope\":7"),
         RESULT("\"tools\":[],\"cacheScope\":\"private\""), 1},
        {RESULT("\"tools\":[],\"_meta\":{\"cacheScope\":\"public\"}"),
         RESULT("\"tools\":[],\"_meta\":{\"cacheScope\":\"private\"}"), 0},
        {RESULT("\"tools\":[],\"cacheScope\":\"private\""),
         RESULT("\"tools\":[],\"cacheScope\":\"private\""), 0},
        {RESULT("\"tools\":[{\"inputSchema\":{\"cacheScope\":\"public\"},\"name\":\"ok\"}]"),
         RESULT("\"tools\":[{\"inputSchema\":{\"cacheScope\":\"public\"},\"name\":\"ok\"}]"), 0},
        {RESULT("\"cacheScope\":\"public\",\"content\":[]"),
         RESULT("\"cacheScope\":\"public\",\"content\":[]"), 0},
    };
    ASSERT_LISTS(cases);
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.view.era = MCP_MODERN;
    assert_goes_on(&filter_case, MCP_MEDIA_JSON,
                   RESULT("\"cacheScope\":\"public\",\"contents\":[]"),
                   RESULT("\"cacheScope\":\"private\",\"contents\":[]"));
    filter_case_end(&filter_case);
}

#define PINNED(name, description)                                                                  \
    "{\"name\":\"" name "\",\"description\":\"" description "\",\"inputSchema\":{}}"

/* Approves the tools as they stand in `tools`, an array. */
static struct mcp_pins *approve(struct filter_case *filter_case, const char *tools) {
    const struct json_text_limits limits = {.depth = 16, .values = 1000};
    char folder[] = "/tmp/test-list-filter-XXXXXX";
    struct mcp_pin pins[4];
    struct mcp_pin_list list = {.pins = pins};
    struct json_text json;
    json_text_init(&json);
    assert_non_null(mkdtemp(folder));
    const char *path = arena_printf(&filter_case->arena, "%s/pins.json", folder);
    assert_int_equal(json_text_read(&json, slice_of_str(tools), &limits), STATUS_OK);
    for (uint32_t tool = json_text_first(&json, 0); tool != JSON_TEXT_NONE;
         tool = json_text_after(&json, 0, tool)) {
        assert_int_equal(mcp_pin_read(&json, tool, &filter_case->arena, &pins[list.count++], NULL),
                         STATUS_OK);
    }
    assert_int_equal(mcp_pin_file_write(path, &list, NULL), STATUS_OK);
    struct mcp_pins *loaded = mcp_pins_load(path, NULL);
    assert_non_null(loaded);
    unlink(path);
    rmdir(folder);
    json_text_done(&json);
    return loaded;
}

#define APPROVED "[" PINNED("no", "a") "," PINNED("ok1", "a") "," PINNED("ok2", "a") "]"
#define LISTED                                                                                     \
    RESULT("\"tools\":[" PINNED("ok1", "a") "," PINNED("ok2", "b") "," PINNED(                     \
        "ok3", "a") "," PINNED("no", "b") "]")

static void blocks_tools_that_are_not_as_approved(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.view.pins = approve(&filter_case, APPROVED);
    filter_case.mcp.pinning = MCP_PINNING_BLOCK;
    assert_false(mcp_pins_may_call(filter_case.view.pins, SLICE("ok1")));
    assert_goes_on(&filter_case, MCP_MEDIA_JSON, LISTED,
                   RESULT("\"tools\":[" PINNED("ok1", "a") "]"));
    assert_int_equal(filter_case.counts.hidden, 3);
    assert_true(mcp_pins_may_call(filter_case.view.pins, SLICE("ok1")));
    assert_false(mcp_pins_may_call(filter_case.view.pins, SLICE("ok2")));
    assert_false(mcp_pins_may_call(filter_case.view.pins, SLICE("no")));
    assert_goes_on(
        &filter_case, MCP_MEDIA_JSON,
        RESULT("\"tools\":[" PINNED("ok1", "b") "," PINNED("ok1", "a") "," PINNED("ok2", "a") "]"),
        RESULT("\"tools\":[" PINNED("ok2", "a") "]"));
    assert_false(mcp_pins_may_call(filter_case.view.pins, SLICE("ok1")));
    assert_true(mcp_pins_may_call(filter_case.view.pins, SLICE("ok2")));
    assert_goes_on(&filter_case, MCP_MEDIA_JSON, RESULT("\"prompts\":[" OK "]"),
                   RESULT("\"prompts\":[" OK "]"));
    mcp_pins_unref(filter_case.view.pins);
    filter_case_end(&filter_case);
}

static void shows_tools_that_are_not_as_approved_where_pins_only_warn(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.view.pins = approve(&filter_case, APPROVED);
    filter_case.mcp.pinning = MCP_PINNING_WARN;
    assert_goes_on(
        &filter_case, MCP_MEDIA_JSON, LISTED,
        RESULT("\"tools\":[" PINNED("ok1", "a") "," PINNED("ok2", "b") "," PINNED("ok3", "a") "]"));
    assert_false(mcp_pins_may_call(filter_case.view.pins, SLICE("ok2")));
    mcp_pins_unref(filter_case.view.pins);
    filter_case_end(&filter_case);
}

static void keeps_up_with_long_lists(void **state) {
    (void)state;
    struct filter_case filter_case;
    struct buf comes, goes_on;
    enum { ITEMS = 20000 };
    buf_init(&comes, 4 << 20);
    buf_init(&goes_on, 4 << 20);
    buf_append_str(&comes, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
    buf_append_slice(&goes_on, buf_slice(&comes));
    for (int i = 0; i < ITEMS; i++) {
        buf_printf(&comes, "%s{\"name\":\"%s%d\"}", i ? "," : "", i % 2 ? "ok" : "no", i);
        if (i % 2) {
            buf_printf(&goes_on, "%s{\"name\":\"ok%d\"}", i > 1 ? "," : "", i);
        }
    }
    buf_append_str(&comes, "]}}");
    buf_append_str(&goes_on, "]}}");
    filter_case_begin(&filter_case);
    filter_case_run(&filter_case, MCP_MEDIA_JSON, buf_slice(&comes));
    assert_int_equal(filter_case.result, MCP_FILTER_OK);
    assert_int_equal(filter_case.counts.hidden, ITEMS / 2);
    assert_true(slice_eq(buf_slice(&filter_case.out), buf_slice(&goes_on)));
    filter_case_end(&filter_case);
    buf_done(&comes);
    buf_done(&goes_on);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_only_what_may_be_used),
        cmocka_unit_test(takes_the_right_commas_along),
        cmocka_unit_test(leaves_everything_else_byte_for_byte),
        cmocka_unit_test(hides_items_that_no_message_could_name),
        cmocka_unit_test(finds_lists_under_escaped_names),
        cmocka_unit_test(filters_several_lists_in_one_result),
        cmocka_unit_test(makes_what_a_list_says_of_caches_private),
        cmocka_unit_test(blocks_tools_that_are_not_as_approved),
        cmocka_unit_test(shows_tools_that_are_not_as_approved_where_pins_only_warn),
        cmocka_unit_test(keeps_up_with_long_lists),
    };
    return cmocka_run_group_tests(tests, case_begin, NULL);
}
