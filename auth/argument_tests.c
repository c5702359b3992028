/* Values are judged as JSON: no kind passes for another, and a missing one passes nothing but
 * `absent`. */
#include "auth/argument_tests.h"

#include "core/utf8.h"

/* Those of the configuration are scalars. */
static const struct json_text_limits VALUE_LIMITS = {.depth = 1, .values = 1};

static bool compile_values(struct arena *arena, const struct config_strings *from,
                           struct argument_test *out_test) {
    out_test->values = arena_array(arena, from->count, sizeof *out_test->values);
    if (!out_test->values)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        struct json_text *value = &out_test->values[i];
        json_text_init(value);
        out_test->value_count++;
        if (json_text_read(value, slice_of_str(from->items[i]), &VALUE_LIMITS) != STATUS_OK)
            return false;
    }
    return true;
}

static size_t place_of(struct argument_places *places, struct slice pointer) {
    size_t place = 0;
    while (place < places->count && !slice_eq(places->pointers[place], pointer))
        place++;
    if (place == places->count && place < ARGUMENT_PLACES_MAX)
        places->pointers[places->count++] = pointer;
    return place;
}

static bool compile_test(struct arena *arena, struct argument_places *places,
                         const struct config_argument_test *from, struct argument_test *out_test) {
    const char *problem;
    size_t at;
    out_test->config = from;
    out_test->pointer = slice_of_str(from->pointer);
    out_test->place = place_of(places, out_test->pointer);
    switch (from->test) {
    case TEST_EQUALS:
    case TEST_ONE_OF:
        return compile_values(arena, &from->values, out_test);
    case TEST_MATCHES:
        out_test->pattern = text_pattern_new(arena, slice_of_str(from->text), &problem, &at);
        return out_test->pattern != NULL;
    case TEST_MAX:
    case TEST_MIN:
        return decimal_parse(slice_of_str(from->text), &out_test->bound);
    case TEST_MAX_LENGTH:
    case TEST_ABSENT:
        return true;
    case TEST_COUNT:
        break;
    }
    return false;
}

bool argument_tests_compile(struct arena *arena, struct argument_places *places,
                            const struct config_argument_test *from, size_t count,
                            struct argument_tests *out_tests) {
    *out_tests = (struct argument_tests){0};
    if (count == 0)
        return true;
    out_tests->items = arena_array(arena, count, sizeof *out_tests->items);
    if (!out_tests->items)
        return false;
    for (size_t i = 0; i < count; i++) {
        out_tests->count++;
        if (!compile_test(arena, places, &from[i], &out_tests->items[i]))
            return false;
    }
    return true;
}

void argument_tests_done(struct argument_tests *tests) {
    for (size_t i = 0; i < tests->count; i++)
        for (size_t j = 0; j < tests->items[i].value_count; j++)
            json_text_done(&tests->items[i].values[j]);
}

static enum argument_verdict verdict_of(bool passes) {
    return passes ? ARGUMENT_PASSES : ARGUMENT_FAILS;
}

/* Of a value that a test is not about. For null it is as if nothing were there. */
static enum argument_verdict verdict_of_kind(enum json_text_kind kind) {
    return kind == JSON_TEXT_NULL ? ARGUMENT_FAILS : ARGUMENT_NOT_JUDGED;
}

static bool is_boolean(enum json_text_kind kind) {
    return kind == JSON_TEXT_FALSE || kind == JSON_TEXT_TRUE;
}

/* Two numbers that are not the same. */
static enum argument_verdict judge_difference(struct slice number, struct slice wanted) {
    struct decimal a, b;
    bool can_tell = decimal_parse(number, &a) && decimal_is_safe(&a) && decimal_parse(wanted, &b) &&
                    !decimal_reads_alike(&a, &b);
    return can_tell ? ARGUMENT_FAILS : ARGUMENT_NOT_JUDGED;
}

static enum argument_verdict judge_equal(const struct json_text *wanted,
                                         const struct json_text *json, uint32_t value) {
    enum json_text_kind kind = json_text_kind(json, value), wanted_kind = json_text_kind(wanted, 0);
    if (json_text_equal(json, value, wanted, 0))
        return ARGUMENT_PASSES;
    if (is_boolean(kind) && is_boolean(wanted_kind))
        return ARGUMENT_FAILS;
    if (kind != wanted_kind)
        return verdict_of_kind(kind);
    return kind == JSON_TEXT_NUMBER
               ? judge_difference(json_text_bytes(json, value), json_text_bytes(wanted, 0))
               : ARGUMENT_FAILS;
}

static enum argument_verdict judge_values(const struct argument_test *test,
                                          const struct json_text *json, uint32_t value) {
    enum argument_verdict best = ARGUMENT_FAILS;
    for (size_t i = 0; i < test->value_count && best != ARGUMENT_PASSES; i++) {
        enum argument_verdict verdict = judge_equal(&test->values[i], json, value);
        best = verdict > best ? verdict : best;
    }
    return best;
}

/* Apart, for its buffer. */
static __attribute__((noinline)) enum argument_verdict
match_unescaped(const struct argument_test *test, const struct json_text *json, uint32_t value) {
    char unescaped[ARGUMENT_MATCHED_BYTES_MAX + 2];
    struct slice text = json_text_unescape(json, value, unescaped);
    return verdict_of(text_pattern_matches(test->pattern, text));
}

static enum argument_verdict judge_match(const struct argument_test *test,
                                         const struct json_text *json, uint32_t value) {
    struct slice bytes = json_text_bytes(json, value);
    enum json_text_kind kind = json_text_kind(json, value);
    if (kind != JSON_TEXT_STRING)
        return verdict_of_kind(kind);
    if (bytes.len > ARGUMENT_MATCHED_BYTES_MAX + 2)
        return ARGUMENT_NOT_JUDGED;
    if (json->values[value].has_escapes)
        return match_unescaped(test, json, value);
    return verdict_of(text_pattern_matches(test->pattern, slice_of(bytes.ptr + 1, bytes.len - 2)));
}

static enum argument_verdict judge_bound(const struct argument_test *test,
                                         const struct json_text *json, uint32_t value) {
    struct decimal number;
    enum json_text_kind kind = json_text_kind(json, value);
    if (kind != JSON_TEXT_NUMBER)
        return verdict_of_kind(kind);
    if (!decimal_parse(json_text_bytes(json, value), &number) || !decimal_is_safe(&number))
        return ARGUMENT_NOT_JUDGED;
    int order = decimal_compare(&number, &test->bound);
    if (test->config->test == TEST_MAX ? order <= 0 : order >= 0)
        return ARGUMENT_PASSES;
    return decimal_reads_alike(&number, &test->bound) ? ARGUMENT_NOT_JUDGED : ARGUMENT_FAILS;
}

/* Characters of a string's text between its quotes: an escape is one, and a pair of surrogates. */
static size_t count_characters(struct slice text, size_t enough) {
    size_t count = 0;
    while (text.len > 0 && count <= enough) {
        size_t len = text.ptr[0] == '\\' ? 2 : utf8_sequence_len((unsigned char)text.ptr[0]);
        if (text.ptr[0] == '\\' && text.len > 3 && text.ptr[1] == 'u') {
            bool is_high = (text.ptr[2] | 0x20) == 'd' && strchr("89abAB", text.ptr[3]);
            len = is_high ? 12 : 6;
        }
        text = slice_skip(text, len ? len : 1);
        count++;
    }
    return count;
}

static enum argument_verdict judge_length(const struct argument_test *test,
                                          const struct json_text *json, uint32_t value) {
    struct slice bytes = json_text_bytes(json, value);
    enum json_text_kind kind = json_text_kind(json, value);
    if (kind != JSON_TEXT_STRING)
        return verdict_of_kind(kind);
    size_t most = test->config->length;
    return verdict_of(count_characters(slice_of(bytes.ptr + 1, bytes.len - 2), most) <= most);
}

static uint32_t find_value(const struct argument_test *test, struct argument_view *view) {
    if (test->place == ARGUMENT_PLACES_MAX)
        return json_text_pointer(view->json, view->arguments, test->pointer);
    uint64_t bit = UINT64_C(1) << test->place;
    if (!(view->filled & bit)) {
        view->values[test->place] = json_text_pointer(view->json, view->arguments, test->pointer);
        view->filled |= bit;
    }
    return view->values[test->place];
}

static enum argument_verdict judge_absent(const struct json_text *json, uint32_t value) {
    if (value == JSON_TEXT_NONE)
        return ARGUMENT_PASSES;
    return json_text_kind(json, value) == JSON_TEXT_NULL ? ARGUMENT_NOT_JUDGED : ARGUMENT_FAILS;
}

static enum argument_verdict judge(const struct argument_test *test, struct argument_view *view) {
    const struct json_text *json = view->json;
    uint32_t value =
        json && view->arguments != JSON_TEXT_NONE ? find_value(test, view) : JSON_TEXT_NONE;
    if (test->config->test == TEST_ABSENT)
        return judge_absent(json, value);
    if (value == JSON_TEXT_NONE)
        return ARGUMENT_FAILS;
    switch (test->config->test) {
    case TEST_EQUALS:
    case TEST_ONE_OF:
        return judge_values(test, json, value);
    case TEST_MATCHES:
        return judge_match(test, json, value);
    case TEST_MAX:
    case TEST_MIN:
        return judge_bound(test, json, value);
    case TEST_MAX_LENGTH:
        return judge_length(test, json, value);
    case TEST_ABSENT:
    case TEST_COUNT:
        break;
    }
    return ARGUMENT_FAILS;
}

void argument_view_init(struct argument_view *view, const struct json_text *json,
                        uint32_t arguments) {
    view->json = json;
    view->arguments = arguments;
    view->filled = 0;
}

enum argument_verdict argument_tests_judge(const struct argument_tests *tests,
                                           struct argument_view *view,
                                           const struct config_argument_test **out_first) {
    enum argument_verdict worst = ARGUMENT_PASSES;
    for (size_t i = 0; i < tests->count && worst != ARGUMENT_FAILS; i++) {
        enum argument_verdict verdict = judge(&tests->items[i], view);
        if (verdict >= worst)
            continue;
        worst = verdict;
        if (out_first)
            *out_first = tests->items[i].config;
    }
    return worst;
}
