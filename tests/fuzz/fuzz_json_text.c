/* Any bytes as a JSON text, held against jansson; then every question that can be asked. */
#include <stdint.h>

#include "fuzz_target.h"
#include "tests/fuzz/json_twin.h"

/* Values lie within their containers, in their order, and lists end where their containers do. */
static void check_container(const struct json_text *json, uint32_t container) {
    const struct json_value *values = json->values;
    bool is_object = values[container].kind == JSON_TEXT_OBJECT;
    uint32_t position = values[container].begin + 1, count = 0;
    for (uint32_t at = json_text_first(json, container); at != JSON_TEXT_NONE;
         at = json_text_after(json, container, at)) {
        if (values[at].begin < position || values[at].end >= values[container].end)
            abort();
        if (is_object && count % 2 == 0 && values[at].kind != JSON_TEXT_STRING)
            abort();
        position = values[at].end;
        count++;
    }
    if (count != values[container].count * (is_object ? 2 : 1))
        abort();
}

static void check_values(const struct json_text *json) {
    for (uint32_t at = 0; at < json->count; at++) {
        const struct json_value *value = &json->values[at];
        if (value->begin >= value->end || value->end > json->text.len || value->next <= at ||
            value->next > json->count)
            abort();
        if (value->kind == JSON_TEXT_ARRAY || value->kind == JSON_TEXT_OBJECT)
            check_container(json, at);
    }
}

/* The input as a pointer into itself, too. */
static void ask(const struct json_text *json, struct slice text) {
    char hex[65];
    uint32_t found = json_text_pointer(json, 0, text);
    if (found != JSON_TEXT_NONE && found >= json->count)
        abort();
    if (!json_canonical_digest(json, 0, hex) || strlen(hex) != 64)
        abort();
    check_values(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct slice text = slice_of(len ? (const char *)bytes : "", len);
    bool is_accepted;
    const char *difference = twin_difference(text, &is_accepted);
    if (difference) {
        (void)fprintf(stderr, "%s\n", difference);
        abort();
    }
    struct json_text json;
    json_text_init(&json);
    if (json_text_read(&json, text, &twin_limits) == STATUS_OK)
        ask(&json, text);
    else if (json.count != 0 || !json.problem || json.problem_at > len)
        abort();
    json_text_done(&json);
    return 0;
}
