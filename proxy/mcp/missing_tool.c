#include "proxy/mcp/missing_tool.h"

#include "core/json_out.h"

enum { TEXT_BYTES_MAX = JSON_OUT_MAX_STRING };

/* Where the text stands, and in which order the members are written. */
enum place { IN_ERROR, IN_RESULT, IN_RESULT_FIRST };

enum form { FORM_UNKNOWN, FORM_SPECIFIED, FORM_TYPESCRIPT_1, FORM_TYPESCRIPT_2 };

/* From FORM_SPECIFIED on. The unnamed: older TypeScript 1.x, Python's, Go's and C#'s libraries. */
static const struct {
    enum place place;
    const char *before, *after;
    enum mcp_library library;
} forms[] = {
    [FORM_SPECIFIED] = {IN_ERROR, "Unknown tool: ", "", MCP_LIBRARY_OTHER},
    [FORM_TYPESCRIPT_1] = {IN_RESULT_FIRST, "MCP error -32602: Tool ", " not found",
                           MCP_LIBRARY_TYPESCRIPT_1},
    [FORM_TYPESCRIPT_2] = {IN_ERROR, "Tool ", " not found", MCP_LIBRARY_TYPESCRIPT_2},
    {IN_ERROR, "MCP error -32602: Tool ", " not found", MCP_LIBRARY_TYPESCRIPT_1},
    {IN_RESULT, "Unknown tool: ", "", MCP_LIBRARY_OTHER},
    {IN_ERROR, "unknown tool \"", "\"", MCP_LIBRARY_OTHER},
    {IN_ERROR, "Unknown tool: '", "'", MCP_LIBRARY_OTHER},
};

enum { FORM_COUNT = sizeof forms / sizeof *forms };

static void write_text(struct buf *out, size_t form, struct slice name) {
    buf_append_str(out, forms[form].before);
    buf_append_slice(out, name);
    buf_append_str(out, forms[form].after);
}

/* The only text of a result that is an error; JSON_TEXT_NONE: it is none. */
static uint32_t text_of_result(const struct json_text *answer, uint32_t result) {
    uint32_t is_error = json_text_member(answer, result, SLICE("isError"));
    uint32_t content = json_text_member(answer, result, SLICE("content"));
    if (is_error == JSON_TEXT_NONE || json_text_kind(answer, is_error) != JSON_TEXT_TRUE ||
        content == JSON_TEXT_NONE || json_text_kind(answer, content) != JSON_TEXT_ARRAY ||
        answer->values[content].count != 1) {
        return JSON_TEXT_NONE;
    }
    return json_text_member(answer, json_text_first(answer, content), SLICE("text"));
}

static uint32_t text_of_error(const struct json_text *answer, uint32_t error) {
    int64_t number = 0;
    uint32_t code = json_text_member(answer, error, SLICE("code"));
    bool is_about_parameters = code != JSON_TEXT_NONE && json_text_integer(answer, code, &number) &&
                               number == MCP_CODE_INVALID_PARAMS;
    return is_about_parameters ? json_text_member(answer, error, SLICE("message")) : JSON_TEXT_NONE;
}

static bool is_said(const struct json_text *answer, uint32_t text, size_t form, struct slice name) {
    struct buf expected;
    buf_init(&expected, TEXT_BYTES_MAX);
    write_text(&expected, form, name);
    bool is_said = buf_ok(&expected) && json_text_is(answer, text, buf_slice(&expected));
    buf_done(&expected);
    return is_said;
}

/* FORM_UNKNOWN: it does not say so, or in other words. */
static size_t find_form(const struct json_text *answer, struct slice name) {
    uint32_t result = json_text_member(answer, 0, SLICE("result"));
    uint32_t error = json_text_member(answer, 0, SLICE("error"));
    bool is_result = result != JSON_TEXT_NONE;
    uint32_t text = is_result                 ? text_of_result(answer, result)
                    : error != JSON_TEXT_NONE ? text_of_error(answer, error)
                                              : JSON_TEXT_NONE;
    if (text == JSON_TEXT_NONE || json_text_kind(answer, text) != JSON_TEXT_STRING) {
        return FORM_UNKNOWN;
    }
    for (size_t i = FORM_SPECIFIED; i < FORM_COUNT; i++) {
        if ((forms[i].place != IN_ERROR) == is_result && is_said(answer, text, i, name)) {
            return i;
        }
    }
    return FORM_UNKNOWN;
}

/* TypeScript's library of the legacy era is the one that writes the result before all else. */
static bool is_of_typescript(const struct json_text *answer) {
    uint32_t first = json_text_first(answer, 0);
    return first != JSON_TEXT_NONE && json_text_is(answer, first, SLICE("result"));
}

void mcp_missing_tool_learn(struct mcp_missing_tool *known, const struct mcp_message *asked,
                            const struct json_text *answer) {
    atomic_uchar *form = &known->form[asked->era];
    size_t found = mcp_message_is_call(asked) ? find_form(answer, asked->name) : FORM_UNKNOWN;
    if (found != FORM_UNKNOWN) {
        atomic_store_explicit(form, (unsigned char)found, memory_order_relaxed);
        return;
    }
    unsigned char unknown = FORM_UNKNOWN;
    if (asked->era == MCP_LEGACY && is_of_typescript(answer)) {
        atomic_compare_exchange_strong_explicit(form, &unknown, FORM_TYPESCRIPT_1,
                                                memory_order_relaxed, memory_order_relaxed);
    }
}

static void write_head(struct buf *out, struct slice id) {
    buf_append_str(out, "\"jsonrpc\":\"2.0\",\"id\":");
    buf_append_slice(out, id.len ? id : SLICE("null"));
}

static void write_result(struct buf *out, struct slice text) {
    buf_append_str(out, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
    json_out_string(out, text);
    buf_append_str(out, "}],\"isError\":true}");
}

/* Servers without handshake are written with TypeScript's library; of the others there are many. */
static size_t form_of(const struct mcp_missing_tool *known, enum mcp_era era) {
    size_t form = atomic_load_explicit(&known->form[era], memory_order_relaxed);
    size_t usual = era == MCP_MODERN ? FORM_TYPESCRIPT_2 : FORM_SPECIFIED;
    return form != FORM_UNKNOWN && form < FORM_COUNT ? form : usual;
}

enum mcp_library mcp_missing_tool_library(const struct mcp_missing_tool *known, enum mcp_era era) {
    return forms[form_of(known, era)].library;
}

void mcp_missing_tool_write(struct buf *out, const struct mcp_missing_tool *known,
                            const struct mcp_message *asked) {
    size_t form = form_of(known, asked->era);
    struct slice id = asked->id;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    write_text(&text, form, asked->name);
    buf_append_char(out, '{');
    switch (forms[form].place) {
    case IN_RESULT_FIRST:
        write_result(out, buf_slice(&text));
        buf_append_char(out, ',');
        write_head(out, id);
        break;
    case IN_RESULT:
        write_head(out, id);
        buf_append_char(out, ',');
        write_result(out, buf_slice(&text));
        break;
    case IN_ERROR:
        write_head(out, id);
        buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", MCP_CODE_INVALID_PARAMS);
        json_out_string(out, buf_slice(&text));
        buf_append_char(out, '}');
        break;
    }
    buf_append_char(out, '}');
    out->failed |= !buf_ok(&text);
    buf_done(&text);
}
