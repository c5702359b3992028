/* A pins file in a folder of its own, a tool and edits of it. */
#ifndef BARKEEP_TESTS_PINS_CASE_H
#define BARKEEP_TESTS_PINS_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <unistd.h>

#include "core/buf.h"
#include "proxy/mcp/pin_file.h"

#define TOOL                                                                                       \
    "{\"name\":\"query\",\"title\":\"Query\",\"description\":\"Runs a query\","                    \
    "\"inputSchema\":{\"type\":\"object\",\"title\":\"In\",\"properties\":{\"sql\":{\"type\":"     \
    "\"string\",\"description\":\"what\"},\"title\":{\"type\":\"string\"}},\"required\":"          \
    "[\"sql\"]},\"outputSchema\":{\"type\":\"object\",\"description\":\"rows\"},"                  \
    "\"annotations\":{\"destructiveHint\":false},\"icons\":[{\"src\":\"https://a.example/i\"}],"   \
    "\"_meta\":{\"a\":1}}"

struct store {
    char folder[64];
    char path[96];
};

static inline int make_store(void **state) {
    struct store *store = calloc(1, sizeof *store);
    assert_non_null(store);
    strcpy(store->folder, "/tmp/test-pins-XXXXXX");
    assert_non_null(mkdtemp(store->folder));
    snprintf(store->path, sizeof store->path, "%s/pins.json", store->folder);
    *state = store;
    return 0;
}

static inline int drop_store(void **state) {
    struct store *store = *state;
    unlink(store->path);
    rmdir(store->folder);
    free(store);
    return 0;
}

static inline void read_json(struct json_text *json, struct slice text) {
    const struct json_text_limits limits = {.depth = 200, .values = 100000};
    json_text_init(json);
    assert_int_equal(STATUS_OK, json_text_read(json, text, &limits));
}

/* TOOL with the first `what` replaced. The caller frees. */
static inline char *edited(const char *what, const char *by) {
    const char *at = strstr(TOOL, what);
    char *text = NULL;
    assert_non_null(at);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - TOOL), TOOL, by, at + strlen(what)) > 0);
    return text;
}

static inline enum mcp_pin_verdict judge_news(struct mcp_pins *pins, const char *text,
                                              bool *out_is_news) {
    struct json_text json;
    read_json(&json, slice_of_str(text));
    enum mcp_pin_verdict verdict =
        mcp_pins_judge(pins, mcp_pins_begin_listing(pins), &json, 0, out_is_news);
    json_text_done(&json);
    return verdict;
}

static inline enum mcp_pin_verdict judge_text(struct mcp_pins *pins, const char *text) {
    bool is_news;
    return judge_news(pins, text, &is_news);
}

static inline bool is_news(struct mcp_pins *pins, const char *text) {
    bool is_news = false;
    judge_news(pins, text, &is_news);
    return is_news;
}

/* Approves the tools in `text`, an array. */
static inline struct mcp_pins *approve(const struct store *store, const char *text) {
    struct json_text json;
    struct arena arena;
    struct error err;
    struct mcp_pin pins[8];
    struct mcp_pin_list list = {.pins = pins};
    arena_init(&arena, 1 << 20);
    read_json(&json, slice_of_str(text));
    for (uint32_t tool = json_text_first(&json, 0); tool != JSON_TEXT_NONE;
         tool = json_text_after(&json, 0, tool)) {
        assert_int_equal(STATUS_OK, mcp_pin_read(&json, tool, &arena, &pins[list.count++], &err));
    }
    assert_int_equal(STATUS_OK, mcp_pin_file_write(store->path, &list, &err));
    json_text_done(&json);
    arena_done(&arena);
    struct mcp_pins *loaded = mcp_pins_load(store->path, &err);
    assert_non_null(loaded);
    return loaded;
}

#define WITH_STORE(test_) cmocka_unit_test_setup_teardown(test_, make_store, drop_store)

#endif
