/* Read as strictly as what it is compared with: an unknown member, a digest that is none or a name
 * that comes twice is refused with its place, for a file that is half understood would approve what
 * nobody did. */
#include "proxy/mcp/pin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"

enum { VALUES_MAX = 500000, DEPTH_MAX = 8 };

struct reader {
    const char *path;
    struct json_text json;
    struct arena *arena;
    struct error *err;
};

static enum status fail_at(struct reader *reader, size_t at, const char *problem) {
    struct slice before = slice_of(reader->json.text.ptr, at);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < before.len; i++) {
        column = before.ptr[i] == '\n' ? 1 : column + 1;
        line += before.ptr[i] == '\n';
    }
    return error_set(reader->err, STATUS_INVALID, "%s:%zu:%zu: %s", reader->path, line, column,
                     problem);
}

static enum status fail(struct reader *reader, uint32_t value, const char *problem) {
    return fail_at(reader, reader->json.values[value].begin, problem);
}

static enum status out_of_memory(struct reader *reader) {
    return error_set(reader->err, STATUS_NO_MEMORY, "%s: out of memory", reader->path);
}

static enum status read_digest(struct reader *reader, uint32_t value,
                               char out_digest[PIN_DIGEST_SIZE]) {
    struct slice text = json_text_bytes(&reader->json, value);
    bool is_digest =
        json_text_kind(&reader->json, value) == JSON_TEXT_STRING && text.len == PIN_DIGEST_SIZE + 1;
    for (size_t i = 1; is_digest && i < PIN_DIGEST_SIZE; i++) {
        is_digest = strchr("0123456789abcdef", text.ptr[i]) != NULL;
    }
    if (!is_digest) {
        return fail(reader, value, "has to be a SHA-256 in 64 lower-case hexadecimal digits");
    }
    memcpy(out_digest, text.ptr + 1, PIN_DIGEST_SIZE - 1);
    return STATUS_OK;
}

static enum status read_name(struct reader *reader, uint32_t string, struct slice *out_name) {
    char *room = arena_alloc(reader->arena, json_text_bytes(&reader->json, string).len);
    if (!room) {
        return out_of_memory(reader);
    }
    *out_name = json_text_unescape(&reader->json, string, room);
    return out_name->len > 0 && out_name->len <= PIN_NAME_BYTES_MAX
               ? STATUS_OK
               : fail(reader, string, "a name has to be of 1 to 256 bytes");
}

static int compare_fields(const void *a, const void *b) {
    return mcp_pin_order(((const struct mcp_pin_field *)a)->name,
                         ((const struct mcp_pin_field *)b)->name);
}

static int compare_pins(const void *a, const void *b) {
    return mcp_pin_order(((const struct mcp_pin *)a)->name, ((const struct mcp_pin *)b)->name);
}

static enum status read_fields(struct reader *reader, uint32_t object, struct mcp_pin *pin) {
    const struct json_text *json = &reader->json;
    if (json_text_kind(json, object) != JSON_TEXT_OBJECT) {
        return fail(reader, object, "has to be an object of fields");
    }
    size_t count = json->values[object].count;
    if (count == 0 || count > PIN_FIELDS_MAX) {
        return fail(reader, object, "has to hold 1 to 64 fields");
    }
    pin->fields = arena_array(reader->arena, count, sizeof *pin->fields);
    enum status status = pin->fields ? STATUS_OK : out_of_memory(reader);
    for (uint32_t name = json_text_first(json, object);
         name != JSON_TEXT_NONE && status == STATUS_OK;
         name = json_text_after(json, object, name + 1)) {
        struct mcp_pin_field *field = &pin->fields[pin->field_count++];
        status = read_name(reader, name, &field->name);
        if (status == STATUS_OK) {
            status = read_digest(reader, name + 1, field->digest);
        }
    }
    if (status == STATUS_OK) {
        qsort(pin->fields, pin->field_count, sizeof *pin->fields, compare_fields);
    }
    return status;
}

/* Of schemas alone: for another field there is nothing to compare them with. */
static enum status read_shapes(struct reader *reader, uint32_t object, struct mcp_pin *pin) {
    const struct json_text *json = &reader->json;
    if (json_text_kind(json, object) != JSON_TEXT_OBJECT) {
        return fail(reader, object, "has to be an object of schemas");
    }
    for (uint32_t name = json_text_first(json, object); name != JSON_TEXT_NONE;
         name = json_text_after(json, object, name + 1)) {
        struct mcp_pin_field *field = NULL;
        bool is_schema = json_text_is(json, name, SLICE("inputSchema")) ||
                         json_text_is(json, name, SLICE("outputSchema"));
        for (size_t i = 0; is_schema && i < pin->field_count; i++) {
            field = json_text_is(json, name, pin->fields[i].name) ? &pin->fields[i] : field;
        }
        if (!field) {
            return fail(reader, name, "only schemas among the fields have a shape");
        }
        enum status status = read_digest(reader, name + 1, field->shape);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* What is not in the table is refused. */
static enum status check_members(struct reader *reader, uint32_t object, const char *const *names,
                                 const char *problem) {
    const struct json_text *json = &reader->json;
    if (json_text_kind(json, object) != JSON_TEXT_OBJECT) {
        return fail(reader, object, "has to be an object");
    }
    for (uint32_t name = json_text_first(json, object); name != JSON_TEXT_NONE;
         name = json_text_after(json, object, name + 1)) {
        bool is_known = false;
        for (size_t i = 0; names[i] && !is_known; i++) {
            is_known = json_text_is(json, name, slice_of_str(names[i]));
        }
        if (!is_known) {
            return fail(reader, name, problem);
        }
    }
    return STATUS_OK;
}

static enum status read_pin(struct reader *reader, uint32_t name, struct mcp_pin *pin) {
    static const char *const members[] = {"fields", "shapes", "whole", NULL};
    const struct json_text *json = &reader->json;
    uint32_t object = name + 1;
    enum status status =
        check_members(reader, object, members, "no such member: fields, shapes and whole are");
    if (status == STATUS_OK) {
        status = read_name(reader, name, &pin->name);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t fields = json_text_member(json, object, SLICE("fields"));
    uint32_t shapes = json_text_member(json, object, SLICE("shapes"));
    uint32_t whole = json_text_member(json, object, SLICE("whole"));
    if (fields == JSON_TEXT_NONE || whole == JSON_TEXT_NONE) {
        return fail(reader, object, "has to have the members fields and whole");
    }
    status = read_digest(reader, whole, pin->digest);
    if (status == STATUS_OK) {
        status = read_fields(reader, fields, pin);
    }
    return status == STATUS_OK && shapes != JSON_TEXT_NONE ? read_shapes(reader, shapes, pin)
                                                           : status;
}

static enum status read_pins(struct reader *reader, uint32_t tools, struct mcp_pin_list *list) {
    const struct json_text *json = &reader->json;
    if (json_text_kind(json, tools) != JSON_TEXT_OBJECT) {
        return fail(reader, tools, "has to be an object of tools");
    }
    list->pins = arena_array(reader->arena, json->values[tools].count, sizeof *list->pins);
    enum status status = list->pins ? STATUS_OK : out_of_memory(reader);
    for (uint32_t name = json_text_first(json, tools);
         name != JSON_TEXT_NONE && status == STATUS_OK;
         name = json_text_after(json, tools, name + 1)) {
        status = read_pin(reader, name, &list->pins[list->count++]);
    }
    if (status == STATUS_OK && list->count > 0) {
        qsort(list->pins, list->count, sizeof *list->pins, compare_pins);
    }
    return status;
}

static enum status read_document(struct reader *reader, struct mcp_pin_list *list) {
    static const char *const members[] = {"format", "tools", NULL};
    const struct json_text *json = &reader->json;
    enum status status = check_members(reader, 0, members, "no such member: format and tools are");
    if (status != STATUS_OK) {
        return status;
    }
    int64_t number = 0;
    uint32_t format = json_text_member(json, 0, SLICE("format"));
    uint32_t tools = json_text_member(json, 0, SLICE("tools"));
    if (format == JSON_TEXT_NONE || !json_text_integer(json, format, &number) ||
        number != PIN_FILE_FORMAT) {
        return fail(reader, format == JSON_TEXT_NONE ? 0 : format,
                    "is no pins file that this version knows: its format has to be 1");
    }
    if (tools == JSON_TEXT_NONE) {
        return fail(reader, 0, "has to have the member tools");
    }
    return read_pins(reader, tools, list);
}

static enum status read_text(struct reader *reader, struct slice text, struct mcp_pin_list *list) {
    const struct json_text_limits limits = {.depth = DEPTH_MAX, .values = VALUES_MAX};
    json_text_init(&reader->json);
    enum status status = json_text_read(&reader->json, text, &limits);
    if (status == STATUS_OK) {
        status = read_document(reader, list);
    } else if (status == STATUS_NO_MEMORY) {
        out_of_memory(reader);
    } else {
        reader->json.text = text;
        status = fail_at(reader, reader->json.problem_at, reader->json.problem);
    }
    json_text_done(&reader->json);
    return status;
}

static enum status read_file(const char *path, struct buf *out, struct error *err) {
    struct stat found;
    /* O_NONBLOCK: a FIFO in the file's place must not hold anybody up */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         errno == ENOENT ? "no such file; `barkeep pin approve` writes it"
                                         : strerror(errno));
    }
    enum status status = STATUS_OK;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        status = error_set(err, STATUS_INVALID, "%s: not a regular file", path);
    } else if (found.st_size > PIN_FILE_BYTES_MAX) {
        status = error_set(err, STATUS_LIMIT, "%s: larger than 4 MiB", path);
    } else if (!buf_append_file(out, fd)) {
        status = error_set(err, STATUS_IO, "%s: cannot be read: %s", path, strerror(errno));
    } else if (!buf_ok(out)) {
        status = error_set(err, STATUS_IO, "%s: cannot be read", path);
    }
    close(fd);
    return status;
}

enum status mcp_pin_file_read(const char *path, struct arena *arena, struct mcp_pin_list *out_list,
                              struct error *err) {
    struct reader reader = {.path = path, .arena = arena, .err = err};
    struct mcp_pin_list list = {0};
    struct buf text;
    buf_init(&text, PIN_FILE_BYTES_MAX);
    enum status status = read_file(path, &text, err);
    if (status == STATUS_OK) {
        status = read_text(&reader, buf_slice(&text), &list);
    }
    buf_done(&text);
    if (status == STATUS_OK) {
        *out_list = list;
    }
    return status;
}
