/* Texts nobody thought of: made at random, then bent by a few bytes, before our reader and before
 * jansson. JSON_SEED repeats a run, JSON_TEXTS says of how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <time.h>

#include "tests/fuzz/json_twin.h"

enum { TEXTS = 20000, DEPTH_MAX = 6 };

static uint64_t dice_state;

static unsigned dice(unsigned sides) {
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return (unsigned)(dice_state >> 33) % sides;
}

#define ONE_OF(list) ((list)[dice(sizeof(list) / sizeof *(list))])

static void add_space(struct buf *out) {
    while (dice(8) == 0)
        buf_append_char(out, " \t\r\n"[dice(4)]);
}

static void add_number(struct buf *out) {
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1e400",
                                          "5e-324",
                                          "1e-400",
                                          "1.5E+3",
                                          "1e21",
                                          "1e-7",
                                          "0.1",
                                          "-1.0",
                                          "1e22",
                                          "123456789",
                                          "9007199254740993",
                                          "2.2250738585072011e-308"};
    if (dice(3) == 0) {
        buf_append_str(out, ONE_OF(numbers));
        return;
    }
    buf_append_str(out, dice(2) ? "-" : "");
    buf_append_u64(out, dice(1u << dice(31)));
    if (dice(2)) {
        buf_append_char(out, '.');
        for (unsigned i = 0, count = 1 + dice(20); i < count; i++)
            buf_append_char(out, (char)('0' + dice(10)));
    }
    if (dice(3) == 0)
        buf_printf(out, "%c%s%u", dice(2) ? 'e' : 'E',
                   dice(2)   ? "-"
                   : dice(2) ? "+"
                             : "",
                   dice(330));
}

static void add_string(struct buf *out) {
    static const char *const pieces[] = {
        "a",
        "b",
        "name",
        "\\u0061",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u00e4",
        "\\ud83d\\ude00",
        "\xC3\xA4",
        "\xE2\x82\xAC",
        "\x7F",
        " ",
        "\\ud83d",
        "\\udc00",
        "\xF0\x9F\x98\x80",
        "some more text",
        "\\u0000",
        "\xEF\xAC\xB3",
        "\\uFFFF",
        "\xC3",
        "/",
        "~",
    };
    buf_append_char(out, '"');
    for (unsigned left = dice(5); left > 0; left--)
        buf_append_str(out, pieces[dice(dice(40) ? 13 : sizeof pieces / sizeof *pieces)]);
    buf_append_char(out, '"');
}

static void add_value(struct buf *out, unsigned depth) {
    static const char *const words[] = {"null", "true", "false"};
    unsigned kind = dice(depth < DEPTH_MAX ? 7 : 3);
    add_space(out);
    if (kind == 0) {
        buf_append_str(out, ONE_OF(words));
    } else if (kind == 1) {
        add_number(out);
    } else if (kind == 2) {
        add_string(out);
    } else {
        unsigned count = dice(20) ? dice(4) : dice(40);
        buf_append_char(out, kind < 5 ? '[' : '{');
        for (unsigned i = 0; i < count; i++) {
            buf_append_str(out, i ? "," : "");
            add_space(out);
            if (kind >= 5) {
                add_string(out);
                add_space(out);
                buf_append_char(out, ':');
            }
            add_value(out, depth + 1);
        }
        add_space(out);
        buf_append_char(out, kind < 5 ? ']' : '}');
    }
    add_space(out);
}

/* A byte is set, inserted, dropped or swapped with the next. */
static void bend(struct buf *out) {
    static const char bytes[] = "\"\\{}[]:,0123456789.eE+-au \n\t\0\x01\x80\xC3\xED\xF4\xFF/";
    if (out->len < 2)
        return;
    size_t at = dice((unsigned)out->len - 1);
    char byte = bytes[dice(sizeof bytes - 1)];
    switch (dice(4)) {
    case 0:
        out->ptr[at] = byte;
        break;
    case 1:
        buf_append_char(out, ' ');
        memmove(out->ptr + at + 1, out->ptr + at, out->len - at - 1);
        out->ptr[at] = byte;
        break;
    case 2:
        memmove(out->ptr + at, out->ptr + at + 1, out->len - at - 1);
        out->len--;
        break;
    default:
        byte = out->ptr[at];
        out->ptr[at] = out->ptr[at + 1];
        out->ptr[at + 1] = byte;
    }
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : otherwise;
}

/* Copied to its size, so that a sanitizer sees one byte too many. */
static bool agree_on(struct slice text) {
    char *exact = malloc(text.len ? text.len : 1);
    assert_non_null(exact);
    if (text.len > 0)
        memcpy(exact, text.ptr, text.len);
    bool is_accepted;
    const char *difference = twin_difference(slice_of(exact, text.len), &is_accepted);
    free(exact);
    if (difference)
        fail_msg("%s: %.*s", difference, SLICE_ARGS(text));
    return is_accepted;
}

static void agrees_with_a_reader_that_others_wrote(void **state) {
    (void)state;
    uint64_t seed = from_environment("JSON_SEED", (uint64_t)time(NULL) * 2654435761u | 1);
    uint64_t count = from_environment("JSON_TEXTS", TEXTS);
    unsigned accepted = 0, refused = 0;
    struct buf text;
    print_message("JSON_SEED=%llu\n", (unsigned long long)seed);
    dice_state = seed;
    buf_init(&text, 1 << 20);
    for (uint64_t i = 0; i < count; i++) {
        buf_clear(&text);
        add_value(&text, 0);
        for (unsigned bends = dice(2) ? 0 : 1 + dice(3); bends > 0; bends--)
            bend(&text);
        if (agree_on(buf_slice(&text)))
            accepted++;
        else
            refused++;
    }
    print_message("%u accepted, %u refused\n", accepted, refused);
    assert_true(accepted > count / 10 && refused > count / 10);
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_reader_that_others_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
