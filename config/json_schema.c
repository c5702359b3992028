/* A walk over the tables that writes what each key takes. Each table becomes one definition, which
 * is referred to from wherever its mapping may stand. */
#include "config/json_schema.h"

#include "config/schema.h"
#include "core/json_out.h"

#define LONGEST_TEXT ((size_t)1 << 20)

enum { TABLES_MAX = 64 };

struct table {
    const struct schema *schema;
    bool is_secret; /* below credentials: no variables */
};

struct writer {
    struct buf text;
    struct json_out json;
    struct table tables[TABLES_MAX]; /* in the order of meeting them; also the queue */
    size_t table_count;
    bool is_secret; /* of the table that is being written */
};

/* Without what a pointer would have to escape. */
static void definition_name(const struct schema *schema, char *out_name, size_t size) {
    snprintf(out_name, size, "%s", schema->name);
    for (char *c = out_name; *c; c++) {
        if (*c == ' ' || *c == '\'')
            *c = '_';
    }
}

static void meet(struct writer *writer, const struct schema *schema, bool is_secret) {
    for (size_t i = 0; i < writer->table_count; i++) {
        if (writer->tables[i].schema == schema)
            return;
    }
    if (writer->table_count == TABLES_MAX)
        writer->text.failed = true;
    else
        writer->tables[writer->table_count++] = (struct table){schema, is_secret};
}

static void write_reference(struct writer *writer, const struct schema_row *row) {
    char name[64], pointer[96];
    bool is_secret = writer->is_secret || strcmp(row->key, "credentials") == 0;
    meet(writer, row->child, is_secret);
    definition_name(row->child, name, sizeof name);
    snprintf(pointer, sizeof pointer, "#/$defs/%s", name);
    json_out_cstr(&writer->json, "$ref", pointer);
}

static void write_pattern(struct writer *writer, const char *pattern) {
    char text[256];
    snprintf(text, sizeof text, "%s%s", pattern, writer->is_secret ? "" : "|\\$\\{");
    json_out_cstr(&writer->json, "pattern", text);
}

static void write_text(struct writer *writer, const struct schema_row *row) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "string");
    if (row->pattern)
        write_pattern(writer, row->pattern);
    else
        json_out_u64(&writer->json, "minLength", 1);
    json_out_object_end(&writer->json);
}

static void write_quantity(struct writer *writer, const char *pattern) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "string");
    write_pattern(writer, pattern);
    json_out_object_end(&writer->json);
}

static void write_number(struct writer *writer, uint64_t min, uint64_t max) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "integer");
    json_out_u64(&writer->json, "minimum", min);
    if (max <= INT64_MAX)
        json_out_u64(&writer->json, "maximum", max);
    json_out_object_end(&writer->json);
}

static void write_decimal(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "number");
    json_out_object_end(&writer->json);
}

/* ${NAME} in the place of what is no text. */
static void write_variable(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "string");
    json_out_cstr(&writer->json, "pattern", "\\$\\{");
    json_out_object_end(&writer->json);
}

static void write_choices(struct writer *writer, const struct schema_row *row) {
    struct slice rest = slice_of_str(row->choices);
    json_out_object_begin(&writer->json, NULL);
    json_out_array_begin(&writer->json, "enum");
    while (rest.len > 0) {
        struct slice word = slice_of(rest.ptr, slice_index(rest, '|'));
        json_out_str(&writer->json, NULL, word);
        rest = slice_skip(rest, word.len + 1);
    }
    json_out_array_end(&writer->json);
    json_out_object_end(&writer->json);
}

static void write_truth(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_bool(&writer->json, "const", true);
    json_out_object_end(&writer->json);
}

static void write_mapping(struct writer *writer, const struct schema_row *row) {
    json_out_object_begin(&writer->json, NULL);
    write_reference(writer, row);
    if (row->accepts & ACCEPTS_ONE_KEY) {
        json_out_u64(&writer->json, "minProperties", 1);
        json_out_u64(&writer->json, "maxProperties", 1);
    }
    json_out_object_end(&writer->json);
}

static void write_texts(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "object");
    json_out_u64(&writer->json, "minProperties", 1);
    json_out_object_begin(&writer->json, "additionalProperties");
    json_out_cstr(&writer->json, "type", "string");
    json_out_u64(&writer->json, "minLength", 1);
    json_out_object_end(&writer->json);
    json_out_object_end(&writer->json);
}

static void write_scalar(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_array_begin(&writer->json, "type");
    json_out_cstr(&writer->json, NULL, "string");
    json_out_cstr(&writer->json, NULL, "number");
    json_out_cstr(&writer->json, NULL, "boolean");
    json_out_array_end(&writer->json);
    json_out_object_end(&writer->json);
}

static void write_boolean(struct writer *writer) {
    json_out_object_begin(&writer->json, NULL);
    json_out_cstr(&writer->json, "type", "boolean");
    json_out_object_end(&writer->json);
}

static unsigned accepts_of(const struct schema_row *row) {
    unsigned accepts = row->accepts & ~(unsigned)(ACCEPTS_NONE | ACCEPTS_ONE_KEY);
    if (accepts || row->choices)
        return accepts;
    return row->child ? ACCEPTS_MAPPING : ACCEPTS_TEXT;
}

static void write_other(struct writer *writer, const struct schema_row *row) {
    unsigned accepts = accepts_of(row);
    if (!accepts)
        write_truth(writer);
    if (accepts & ACCEPTS_TEXT)
        write_text(writer, row);
    if (accepts & ACCEPTS_DECIMAL)
        write_decimal(writer);
    if (accepts & ACCEPTS_NUMBER)
        write_number(writer, row->min, row->max);
    if (accepts & ACCEPTS_SCALAR)
        write_scalar(writer);
    if (accepts & ACCEPTS_BOOL)
        write_boolean(writer);
    if (accepts & ACCEPTS_MAPPING)
        write_mapping(writer, row);
    if (accepts & ACCEPTS_TEXTS)
        write_texts(writer);
    if (accepts == ACCEPTS_NUMBER || !accepts)
        write_variable(writer);
}

/* One occurrence of the value, as alternatives. */
static void write_alternatives(struct writer *writer, const struct schema_row *row) {
    switch (row->type) {
    case SCHEMA_TEXT:
        write_text(writer, row);
        return;
    case SCHEMA_BOOL:
        write_boolean(writer);
        write_variable(writer);
        return;
    case SCHEMA_COUNT:
        write_number(writer, row->min, row->max);
        write_variable(writer);
        return;
    case SCHEMA_COUNT_NONE:
        write_number(writer, row->min, row->max);
        write_quantity(writer, "^none$");
        return;
    case SCHEMA_SECONDS:
    case SCHEMA_MS:
        write_quantity(writer, row->min == 0 ? "^(0|[1-9][0-9]*)(ms|s|m|h)$|^0$"
                                             : "^(0|[1-9][0-9]*)(ms|s|m|h)$");
        if (row->min == 0)
            write_number(writer, 0, 0);
        return;
    case SCHEMA_BYTES:
    case SCHEMA_BYTES_NONE:
        write_quantity(writer, row->type == SCHEMA_BYTES
                                   ? "^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$"
                                   : "^none$|^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$");
        write_number(writer, row->min, row->max);
        return;
    case SCHEMA_CHOICE:
    case SCHEMA_SWITCH:
        write_choices(writer, row);
        write_variable(writer);
        return;
    case SCHEMA_MAPPING:
        write_mapping(writer, row);
        return;
    case SCHEMA_OTHER:
        write_other(writer, row);
        return;
    }
}

static void write_item(struct writer *writer, const char *key, const struct schema_row *row) {
    json_out_object_begin(&writer->json, key);
    json_out_array_begin(&writer->json, "anyOf");
    write_alternatives(writer, row);
    json_out_array_end(&writer->json);
    json_out_object_end(&writer->json);
}

static void write_list(struct writer *writer, const struct schema_row *row) {
    bool may_be_empty = row->shape == SHAPE_LIST ? !row->is_required : row->accepts & ACCEPTS_NONE;
    json_out_cstr(&writer->json, "type", "array");
    if (!may_be_empty)
        json_out_u64(&writer->json, "minItems", 1);
    write_item(writer, "items", row);
}

static void write_default(struct writer *writer, const struct schema_row *row) {
    uint64_t number;
    if (!row->fallback)
        return;
    if (row->type == SCHEMA_BOOL)
        json_out_bool(&writer->json, "default", strcmp(row->fallback, "true") == 0);
    else if (row->type == SCHEMA_COUNT &&
             slice_parse_u64(slice_of_str(row->fallback), UINT64_MAX, &number))
        json_out_u64(&writer->json, "default", number);
    else
        json_out_cstr(&writer->json, "default", row->fallback);
}

static void write_value(struct writer *writer, const char *key, const struct schema_row *row) {
    json_out_object_begin(&writer->json, key);
    json_out_cstr(&writer->json, "description", row->summary);
    write_default(writer, row);
    switch (row->shape) {
    case SHAPE_LIST:
        write_list(writer, row);
        break;
    case SHAPE_NAMED:
        json_out_cstr(&writer->json, "type", "object");
        write_item(writer, "additionalProperties", row);
        break;
    case SHAPE_ONE:
    case SHAPE_ONE_OR_LIST:
        json_out_array_begin(&writer->json, "anyOf");
        write_alternatives(writer, row);
        if (row->shape == SHAPE_ONE_OR_LIST) {
            json_out_object_begin(&writer->json, NULL);
            write_list(writer, row);
            json_out_object_end(&writer->json);
        }
        json_out_array_end(&writer->json);
        break;
    }
    json_out_object_end(&writer->json);
}

/* The members of an object schema. */
static void write_table(struct writer *writer, const struct schema *schema) {
    json_out_cstr(&writer->json, "type", "object");
    json_out_bool(&writer->json, "additionalProperties", false);
    json_out_object_begin(&writer->json, "properties");
    for (const struct schema_row *row = schema->rows; row->key; row++)
        write_value(writer, row->key, row);
    json_out_object_end(&writer->json);
    json_out_array_begin(&writer->json, "required");
    for (const struct schema_row *row = schema->rows; row->key; row++) {
        if (row->is_required)
            json_out_cstr(&writer->json, NULL, row->key);
    }
    json_out_array_end(&writer->json);
}

static void write_definitions(struct writer *writer) {
    json_out_object_begin(&writer->json, "$defs");
    for (size_t i = 0; i < writer->table_count; i++) {
        char name[64];
        const struct schema *schema = writer->tables[i].schema;
        writer->is_secret = writer->tables[i].is_secret;
        definition_name(schema, name, sizeof name);
        json_out_object_begin(&writer->json, name);
        json_out_cstr(&writer->json, "title", schema->name);
        write_table(writer, schema);
        json_out_object_end(&writer->json);
    }
    json_out_object_end(&writer->json);
}

bool config_json_schema_print(FILE *out) {
    struct writer writer = {0};
    buf_init(&writer.text, LONGEST_TEXT);
    json_out_init(&writer.json, &writer.text);
    json_out_object_begin(&writer.json, NULL);
    json_out_cstr(&writer.json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_out_cstr(&writer.json, "title", "barkeep.yaml");
    write_table(&writer, &CONFIG_SCHEMA);
    write_definitions(&writer);
    json_out_object_end(&writer.json);
    bool is_whole = buf_ok(&writer.text);
    if (is_whole)
        fprintf(out, "%.*s\n", (int)writer.text.len, writer.text.ptr);
    buf_done(&writer.text);
    return is_whole;
}
