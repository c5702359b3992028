/* A definition is shown whole, in its canonical form, with everything escaped that a terminal obeys
 * or does not show: whoever approves a text has to see what models will read. */
#include "proxy/pin_report.h"

#include <stdlib.h>

#include "config/quote.h"
#include "core/json_canonical.h"
#include "core/json_out.h"
#include "core/utf8.h"

enum { JSON_BYTES_MAX = 256 << 20 };

static const char *const STATES[] = {[PIN_STATE_SAME] = "same",
                                     [PIN_STATE_NEW] = "new",
                                     [PIN_STATE_GONE] = "gone",
                                     [PIN_STATE_WORDS] = "words",
                                     [PIN_STATE_CHANGED] = "changed"};
static const char *const DIFFERENCES[] = {[PIN_FIELD_WORDS] = "words",
                                          [PIN_FIELD_CHANGED] = "changed",
                                          [PIN_FIELD_ADDED] = "added",
                                          [PIN_FIELD_GONE] = "gone"};

bool pin_rows_next(struct pin_rows *rows, struct pin_row *out_row) {
    bool has_approved = rows->next_approved < rows->approved->count;
    bool has_listed = rows->next_listed < rows->listed->count;
    if (!has_approved && !has_listed) {
        return false;
    }
    const struct mcp_pin *approved =
        has_approved ? &rows->approved->pins[rows->next_approved] : NULL;
    const struct pin_tool *listed = has_listed ? &rows->listed->tools[rows->next_listed] : NULL;
    int order = !has_approved ? 1
                : !has_listed ? -1
                              : mcp_pin_order(approved->name, listed->pin.name);
    out_row->approved = order <= 0 ? approved : NULL;
    out_row->listed = order >= 0 ? listed : NULL;
    rows->next_approved += order <= 0;
    rows->next_listed += order >= 0;
    if (order != 0) {
        out_row->state = order > 0 ? PIN_STATE_NEW : PIN_STATE_GONE;
        return true;
    }
    mcp_pin_compare(approved, &listed->pin, &out_row->changes);
    out_row->state = out_row->changes.verdict == MCP_PIN_SAME            ? PIN_STATE_SAME
                     : out_row->changes.verdict == MCP_PIN_WORDS_CHANGED ? PIN_STATE_WORDS
                                                                         : PIN_STATE_CHANGED;
    return true;
}

struct slice pin_row_name(const struct pin_row *row) {
    return row->approved ? row->approved->name : row->listed->pin.name;
}

/* What is in a text and not to be seen: joiners and spaces of no width, fillers, selectors of
 * variations, tags. Models read them. */
static bool is_hidden(uint32_t c) {
    static const struct {
        uint32_t from, to;
    } hidden[] = {
        {0xad, 0xad},       {0x34f, 0x34f},   {0x61c, 0x61c},      {0x115f, 0x1160},
        {0x17b4, 0x17b5},   {0x180b, 0x180f}, {0x200b, 0x200f},    {0x2028, 0x202e},
        {0x2060, 0x206f},   {0x3164, 0x3164}, {0xfe00, 0xfe0f},    {0xfeff, 0xfeff},
        {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},  {0x1d173, 0x1d17a},
        {0xe0000, 0xe0fff}, {0xe000, 0xf8ff}, {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (c >= hidden[i].from && c <= hidden[i].to) {
            return true;
        }
    }
    return false;
}

/* As JSON escapes them. */
static void show_hidden(struct buf *out, uint32_t c) {
    if (c > 0xffff) {
        buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                   0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

/* All of `text`, however long: what is approved has to be read. */
static void print_text(struct slice text) {
    struct buf visible;
    buf_init(&visible, text.len * 6 + 1);
    while (text.len > 0) {
        uint32_t c = 0;
        size_t len = utf8_decode(text, &c);
        if (len > 0 && is_hidden(c)) {
            show_hidden(&visible, c);
        } else {
            buf_append(&visible, text.ptr, len ? len : 1);
        }
        text = slice_skip(text, len ? len : 1);
    }
    size_t size = visible.len * 4 + 1;
    char *shown = buf_ok(&visible) ? malloc(size) : NULL;
    if (shown) {
        fwrite(shown, 1, quote_escape(buf_slice(&visible), shown, size), stdout);
    } else {
        fputs("(out of memory)", stdout);
    }
    free(shown);
    buf_done(&visible);
}

static void print_field(const struct pin_tool *tool, struct slice field, const char *difference) {
    struct buf canonical;
    uint32_t value = json_text_member(tool->json, tool->value, field);
    fputs("    ", stdout);
    print_text(field);
    printf("%s%s", *difference ? " " : "", difference);
    if (value != JSON_TEXT_NONE) {
        buf_init(&canonical, json_text_bytes(tool->json, value).len * 8 + 32);
        fputs(": ", stdout);
        if (json_canonical_write(tool->json, value, &canonical)) {
            print_text(buf_slice(&canonical));
        } else {
            fputs("(out of memory)", stdout);
        }
        buf_done(&canonical);
    }
    putchar('\n');
}

/* What it is now; a name is known already. */
static void print_fields(const struct pin_row *row) {
    if (row->state == PIN_STATE_NEW) {
        for (size_t i = 0; i < row->listed->pin.field_count; i++) {
            struct slice field = row->listed->pin.fields[i].name;
            if (!slice_eq(field, SLICE("name"))) {
                print_field(row->listed, field, "");
            }
        }
    } else if (row->state != PIN_STATE_GONE) {
        for (size_t i = 0; i < row->changes.count; i++) {
            const struct mcp_pin_change *change = &row->changes.items[i];
            print_field(row->listed, change->field, DIFFERENCES[change->difference]);
        }
    }
}

void pin_print_row(const struct pin_row *row) {
    bool has_changes = row->state == PIN_STATE_WORDS || row->state == PIN_STATE_CHANGED;
    printf("%-8s ", STATES[row->state]);
    print_text(pin_row_name(row));
    for (size_t i = 0; has_changes && i < row->changes.count; i++) {
        fputs(i ? ", " : ": ", stdout);
        print_text(row->changes.items[i].field);
        printf(" %s", DIFFERENCES[row->changes.items[i].difference]);
    }
    putchar('\n');
}

bool pin_print_diff(struct pin_rows rows) {
    struct pin_row row;
    size_t same = 0, different = 0;
    while (pin_rows_next(&rows, &row)) {
        if (row.state == PIN_STATE_SAME) {
            same++;
            continue;
        }
        different++;
        pin_print_row(&row);
        print_fields(&row);
    }
    printf("%zu as approved, %zu otherwise\n", same, different);
    return different > 0;
}

void pin_print_list(const struct mcp_pin_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const struct mcp_pin *pin = &list->pins[i];
        printf("%s  ", pin->digest);
        print_text(pin->name);
        for (size_t j = 0; j < pin->field_count; j++) {
            fputs(j ? ", " : ": ", stdout);
            print_text(pin->fields[j].name);
        }
        putchar('\n');
    }
}

static void write_field(struct json_out *out, struct slice name, const char *approved,
                        const char *listed, const char *difference) {
    json_out_object_begin(out, NULL);
    json_out_str(out, "field", name);
    json_out_cstr(out, "difference", difference);
    json_out_cstr(out, "approved", approved);
    json_out_cstr(out, "listed", listed);
    json_out_object_end(out);
}

/* NULL: there is no such field. */
static const char *digest_of(const struct mcp_pin *pin, struct slice field) {
    for (size_t i = 0; i < pin->field_count; i++) {
        if (slice_eq(pin->fields[i].name, field)) {
            return pin->fields[i].digest;
        }
    }
    return NULL;
}

static void write_row(struct json_out *out, const struct pin_row *row) {
    bool has_changes = row->state == PIN_STATE_WORDS || row->state == PIN_STATE_CHANGED;
    json_out_object_begin(out, NULL);
    json_out_str(out, "name", pin_row_name(row));
    json_out_cstr(out, "state", STATES[row->state]);
    json_out_cstr(out, "approved", row->approved ? row->approved->digest : NULL);
    json_out_cstr(out, "listed", row->listed ? row->listed->pin.digest : NULL);
    json_out_array_begin(out, "fields");
    for (size_t i = 0; has_changes && i < row->changes.count; i++) {
        const struct mcp_pin_change *change = &row->changes.items[i];
        write_field(out, change->field, digest_of(row->approved, change->field),
                    digest_of(&row->listed->pin, change->field), DIFFERENCES[change->difference]);
    }
    json_out_array_end(out);
    json_out_object_end(out);
}

static void begin_object(struct json_out *out, struct buf *text, struct pin_place place) {
    buf_init(text, JSON_BYTES_MAX);
    json_out_init(out, text);
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "route", place.route);
    json_out_cstr(out, "pins", place.file);
}

bool pin_put_diff(struct pin_rows rows, struct pin_place place, bool *out_differs) {
    struct buf text;
    struct json_out out;
    struct pin_row row;
    size_t same = 0, different = 0;
    begin_object(&out, &text, place);
    json_out_array_begin(&out, "tools");
    while (pin_rows_next(&rows, &row)) {
        if (row.state == PIN_STATE_SAME) {
            same++;
            continue;
        }
        different++;
        write_row(&out, &row);
    }
    json_out_array_end(&out);
    json_out_u64(&out, "same", same);
    json_out_object_end(&out);
    *out_differs = different > 0;
    return command_line_put(&text);
}

bool pin_put_list(const struct mcp_pin_list *list, struct pin_place place) {
    struct buf text;
    struct json_out out;
    begin_object(&out, &text, place);
    json_out_array_begin(&out, "tools");
    for (size_t i = 0; i < list->count; i++) {
        json_out_object_begin(&out, NULL);
        json_out_str(&out, "name", list->pins[i].name);
        json_out_cstr(&out, "approved", list->pins[i].digest);
        json_out_array_begin(&out, "fields");
        for (size_t j = 0; j < list->pins[i].field_count; j++) {
            json_out_object_begin(&out, NULL);
            json_out_str(&out, "field", list->pins[i].fields[j].name);
            json_out_cstr(&out, "approved", list->pins[i].fields[j].digest);
            json_out_object_end(&out);
        }
        json_out_array_end(&out);
        json_out_object_end(&out);
    }
    json_out_array_end(&out);
    json_out_object_end(&out);
    return command_line_put(&text);
}
