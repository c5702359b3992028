/* Walks without recursion: what is still to be written stands on a stack, the next on top. A
 * container pushes itself, to be closed, and above that what it holds in reverse, members by their
 * names. */
#include "core/json_canonical.h"

#include <openssl/evp.h>

#include "core/json_number.h"
#include "core/json_order.h"
#include "core/json_string.h"

struct writer {
    const struct json_text *json;
    struct buf *out;
    struct json_stack todo;
    struct json_stack names; /* of the object that is being opened */
};

/* Beside each index: what is to be done with it. */
enum task { WRITE_ITEM, WRITE_MEMBER, CLOSE };

static bool push(struct writer *writer, uint32_t value, enum task task) {
    return json_stack_push(&writer->todo, value) && json_stack_push(&writer->todo, task);
}

/* Runs that need no escape as they are. */
static void write_decoded(struct slice piece, struct buf *out) {
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    unsigned char c = (unsigned char)piece.ptr[0];
    if (c < sizeof letters && letters[c] != '\0') {
        char escape[2] = {'\\', letters[c]};
        buf_append(out, escape, sizeof escape);
    } else if (c < 0x20) {
        buf_printf(out, "\\u%04x", c);
    } else {
        buf_append_slice(out, piece);
    }
}

static void write_string(const struct json_text *json, uint32_t value, struct buf *out) {
    if (!json->values[value].has_escapes) {
        buf_append_slice(out, json_text_bytes(json, value));
        return;
    }
    struct slice rest = json_string_inside(json, value);
    char room[4];
    buf_append_char(out, '"');
    while (rest.len > 0) {
        struct slice piece = json_string_piece(&rest, room);
        if (piece.ptr == room)
            write_decoded(piece, out);
        else
            buf_append_slice(out, piece);
    }
    buf_append_char(out, '"');
}

static bool open_array(struct writer *writer, uint32_t array) {
    buf_append_char(writer->out, '[');
    if (!push(writer, array, CLOSE))
        return false;
    size_t count = writer->json->values[array].count, from = writer->todo.count;
    if (!json_stack_reserve(&writer->todo, 2 * count))
        return false;
    uint32_t item = array + 1;
    for (size_t left = count; left > 0; left--, item = writer->json->values[item].next) {
        writer->todo.items[from + 2 * left - 2] = item;
        writer->todo.items[from + 2 * left - 1] = WRITE_ITEM;
    }
    writer->todo.count += 2 * count;
    return true;
}

static bool open_object(struct writer *writer, uint32_t object) {
    struct json_stack *names = &writer->names;
    buf_append_char(writer->out, '{');
    bool is_pushed =
        push(writer, object, CLOSE) && json_stack_push_names(names, writer->json, object);
    while (is_pushed && names->count > 0)
        is_pushed = push(writer, names->items[--names->count], WRITE_MEMBER);
    return is_pushed;
}

static bool write_value(struct writer *writer, uint32_t value) {
    switch (json_text_kind(writer->json, value)) {
    case JSON_TEXT_ARRAY:
        return open_array(writer, value);
    case JSON_TEXT_OBJECT:
        return open_object(writer, value);
    case JSON_TEXT_STRING:
        write_string(writer->json, value, writer->out);
        return true;
    case JSON_TEXT_NUMBER:
        json_number_write(json_text_bytes(writer->json, value), writer->out);
        return true;
    case JSON_TEXT_NULL:
    case JSON_TEXT_FALSE:
    case JSON_TEXT_TRUE:
        buf_append_slice(writer->out, json_text_bytes(writer->json, value));
        return true;
    }
    return false;
}

/* A comma between what stands behind an opening bracket and what follows it. */
static void separate(struct buf *out) {
    char last = out->len ? out->ptr[out->len - 1] : '[';
    if (last != '[' && last != '{')
        buf_append_char(out, ',');
}

static bool do_next(struct writer *writer) {
    struct json_stack *todo = &writer->todo;
    enum task task = (enum task)todo->items[--todo->count];
    uint32_t value = todo->items[--todo->count];
    if (task == CLOSE) {
        bool is_object = json_text_kind(writer->json, value) == JSON_TEXT_OBJECT;
        buf_append_char(writer->out, is_object ? '}' : ']');
        return true;
    }
    separate(writer->out);
    if (task == WRITE_ITEM)
        return write_value(writer, value);
    write_string(writer->json, value, writer->out);
    buf_append_char(writer->out, ':');
    return write_value(writer, value + 1);
}

bool json_canonical_write(const struct json_text *json, uint32_t value, struct buf *out) {
    struct writer writer = {.json = json, .out = out};
    bool is_written = write_value(&writer, value);
    while (is_written && writer.todo.count > 0 && buf_ok(out))
        is_written = do_next(&writer);
    json_stack_done(&writer.todo);
    json_stack_done(&writer.names);
    return is_written && buf_ok(out);
}

/* No value grows by more: 1e20 becomes 21 digits. */
static size_t longest_form(const struct json_text *json, uint32_t value) {
    return json_text_bytes(json, value).len * 8 + 32;
}

static void write_hex(const unsigned char *digest, size_t len, char *out_hex) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out_hex[2 * i] = digits[digest[i] >> 4];
        out_hex[2 * i + 1] = digits[digest[i] & 0xF];
    }
    out_hex[2 * len] = '\0';
}

bool json_canonical_digest(const struct json_text *json, uint32_t value, char out_hex[65]) {
    struct buf canonical;
    buf_init(&canonical, longest_form(json, value));
    unsigned char digest[32];
    bool is_done = json_canonical_write(json, value, &canonical) &&
                   EVP_Digest(canonical.ptr, canonical.len, digest, NULL, EVP_sha256(), NULL) == 1;
    if (is_done)
        write_hex(digest, sizeof digest, out_hex);
    buf_done(&canonical);
    return is_done;
}
