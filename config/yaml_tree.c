/* libyaml's events to nodes. libyaml is known to this file only. The tree is our own and not
 * jansson's because each value needs its position and its spelling, and jansson's true, false and
 * null are shared singletons. */
#include "config/yaml_tree.h"

#include <yaml.h>

#include "config/name_index.h"
#include "config/problem.h"
#include "config/quote.h"
#include "config/scalar.h"

/* Smaller mappings, which is nearly all of them, are looked through: an index would cost more. */
enum { KEYS_INDEXED_FROM = 12 };

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct problem_list *problems;
    struct node *root;
    struct node *open;                      /* the innermost list or mapping not yet closed */
    struct name_index keys[YAML_MAX_DEPTH]; /* seen in each open mapping that is large */
    size_t depth;
    size_t node_count;
    size_t document_count;
    bool has_sharing; /* an anchor or an alias was reported: one says it for all */
    bool has_key;     /* `key` waits for its value */
    struct slice key;
    struct config_position key_position;
};

static struct config_position position_of(yaml_mark_t mark) {
    return (struct config_position){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static enum status report_no_memory(struct builder *builder) {
    problem_add(builder->problems, PROBLEM_ERROR, (struct config_position){0, 0}, "",
                "not enough memory to read the file");
    return STATUS_NO_MEMORY;
}

static enum status report_at(struct builder *builder, yaml_mark_t mark, const char *text) {
    char path[160] = "";
    if (builder->open)
        node_path(builder->open, path, sizeof path);
    problem_add(builder->problems, PROBLEM_ERROR, position_of(mark), path, "%s", text);
    return STATUS_INVALID;
}

/* libyaml tells a place in bytes only when the text is not even characters. */
static struct config_position position_of_offset(struct slice yaml, size_t offset) {
    struct config_position position = {1, 1};
    for (size_t i = 0; i < offset && i < yaml.len; i++) {
        position.column++;
        if (yaml.ptr[i] == '\n')
            position = (struct config_position){position.line + 1, 1};
    }
    return position;
}

/* True when the line, counted from 0, is indented with a tab. */
static bool is_indented_by_tab(struct slice yaml, size_t line) {
    for (; line > 0 && yaml.len > 0; line--)
        yaml = slice_skip(yaml, slice_index(yaml, '\n') + 1);
    for (size_t i = 0; i < yaml.len && (yaml.ptr[i] == ' ' || yaml.ptr[i] == '\t'); i++) {
        if (yaml.ptr[i] == '\t')
            return true;
    }
    return false;
}

/* What the commonest slips need; libyaml's own words say where, not how. */
static const char *syntax_advice(const yaml_parser_t *parser, struct slice yaml) {
    const char *context = parser->context ? parser->context : "";
    bool is_in_brackets = strstr(context, "flow"); /* where tabs are spaces */
    if (!is_in_brackets && is_indented_by_tab(yaml, parser->problem_mark.line))
        return "; indent with spaces, not with a tab";
    if (strstr(context, "alias"))
        return "; put text that begins with `*` in quotes";
    if (strstr(parser->problem ? parser->problem : "", "cannot start any token"))
        return "; indent with spaces, and put text that begins with a special character in quotes";
    if (strstr(context, "block"))
        return "; keys of one mapping, and items of one list, are indented alike";
    return "";
}

static enum status report_syntax(struct builder *builder, struct slice yaml) {
    const yaml_parser_t *parser = &builder->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return report_no_memory(builder);
    const char *text = parser->problem ? parser->problem : "the text cannot be read";
    if (parser->error == YAML_READER_ERROR) {
        problem_add(builder->problems, PROBLEM_ERROR,
                    position_of_offset(yaml, parser->problem_offset), "", "not valid YAML: %s",
                    text);
        return STATUS_INVALID;
    }
    const char *advice = syntax_advice(parser, yaml);
    if (parser->context)
        problem_add(builder->problems, PROBLEM_ERROR, position_of(parser->problem_mark), "",
                    "not valid YAML: %s, %s that began at %u:%u%s", text, parser->context,
                    (unsigned)parser->context_mark.line + 1,
                    (unsigned)parser->context_mark.column + 1, advice);
    else
        problem_add(builder->problems, PROBLEM_ERROR, position_of(parser->problem_mark), "",
                    "not valid YAML: %s%s", text, advice);
    return STATUS_INVALID;
}

static bool copy_text(struct builder *builder, const yaml_char_t *value, size_t len,
                      struct slice *out_text) {
    char *copy = arena_strdup_slice(builder->arena, slice_of((const char *)value, len));
    if (copy)
        *out_text = slice_of(copy, len);
    return copy != NULL;
}

static bool has_control_bytes(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

static bool has_key(const struct builder *builder, const struct node *mapping, struct slice key) {
    if (mapping->count < KEYS_INDEXED_FROM)
        return node_find(mapping, key) != NULL;
    return name_index_find(&builder->keys[builder->depth - 1], key) != NAME_INDEX_ABSENT;
}

/* After `node` became the last of its mapping. */
static enum status note_key(struct builder *builder, const struct node *node) {
    struct name_index *keys = &builder->keys[builder->depth - 1];
    const struct node *mapping = node->parent;
    if (mapping->count < KEYS_INDEXED_FROM)
        return STATUS_OK;
    if (mapping->count == KEYS_INDEXED_FROM)
        node = mapping->first;
    for (; node; node = node->next)
        if (name_index_add(keys, node->key, 0) != STATUS_OK)
            return report_no_memory(builder);
    return STATUS_OK;
}

/* Links a node where it belongs. A second value for a key is read but hangs nowhere. */
static enum status attach(struct builder *builder, struct node *node) {
    struct node *parent = builder->open;
    node->parent = parent;
    if (!parent) {
        builder->root = node;
        return STATUS_OK;
    }
    node->index = parent->count;
    if (parent->kind == NODE_MAPPING) {
        node->key = builder->key;
        node->key_position = builder->key_position;
        builder->has_key = false;
        if (has_key(builder, parent, node->key)) {
            char path[160];
            node_path(node, path, sizeof path);
            problem_add(builder->problems, PROBLEM_ERROR, node->key_position, path,
                        "the key is there twice; keep one of them");
            return STATUS_OK;
        }
    }
    node_append(node);
    return parent->kind == NODE_MAPPING ? note_key(builder, node) : STATUS_OK;
}

static enum status add_node(struct builder *builder, enum node_kind kind, const yaml_event_t *event,
                            struct node **out_node) {
    if (++builder->node_count > YAML_MAX_NODES)
        return report_at(builder, event->start_mark, "the file holds more than 100000 values");
    struct node *node = arena_alloc(builder->arena, sizeof *node);
    if (!node)
        return report_no_memory(builder);
    node->kind = kind;
    node->position = position_of(event->start_mark);
    enum status status = attach(builder, node);
    if (status == STATUS_OK)
        *out_node = node;
    return status;
}

static void report_node(struct builder *builder, struct node *node, const char *text) {
    char path[160];
    node_path(node, path, sizeof path);
    problem_add(builder->problems, PROBLEM_ERROR, node->position, path, "%s", text);
    node->kind = NODE_BROKEN;
}

/* Reported, but no reason to pass over the value itself. */
static void refuse_decoration(struct builder *builder, const struct node *node, bool has_anchor,
                              bool has_tag) {
    if (!has_anchor && !has_tag)
        return;
    struct node copy = *node;
    if (has_anchor && !builder->has_sharing)
        report_node(builder, &copy,
                    "anchors (&name) and aliases (*name) are not supported; leave the anchor out "
                    "and write the values out");
    builder->has_sharing = builder->has_sharing || has_anchor;
    if (has_tag)
        report_node(builder, &copy, "tags (!name) are not supported; leave the tag out");
}

static enum status take_key(struct builder *builder, const yaml_event_t *event) {
    if (event->type != YAML_SCALAR_EVENT)
        return report_at(builder, event->start_mark, "a key must be plain text");
    if (!copy_text(builder, event->data.scalar.value, event->data.scalar.length, &builder->key))
        return report_no_memory(builder);
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return report_at(builder, event->start_mark, "a key must not have an anchor or a tag");
    if (builder->key.len == 0 || has_control_bytes(builder->key))
        return report_at(builder, event->start_mark,
                         "a key must not be empty or hold line breaks and control characters");
    builder->key_position = position_of(event->start_mark);
    builder->has_key = true;
    return STATUS_OK;
}

static enum status add_scalar(struct builder *builder, const yaml_event_t *event) {
    struct node *node = NULL;
    enum status status = add_node(builder, NODE_STRING, event, &node);
    if (status != STATUS_OK)
        return status;
    if (!copy_text(builder, event->data.scalar.value, event->data.scalar.length, &node->text))
        return report_no_memory(builder);
    refuse_decoration(builder, node, event->data.scalar.anchor, event->data.scalar.tag);
    node->source = node->text;
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (node->is_plain)
        node->kind = scalar_kind(node->text);
    if (has_control_bytes(node->text))
        report_node(builder, node, "must not hold line breaks, tabs or other control characters");
    return STATUS_OK;
}

static enum status open_container(struct builder *builder, const yaml_event_t *event,
                                  enum node_kind kind) {
    if (builder->depth == YAML_MAX_DEPTH)
        return report_at(builder, event->start_mark, "nested more than 64 deep");
    struct node *node = NULL;
    enum status status = add_node(builder, kind, event, &node);
    if (status != STATUS_OK)
        return status;
    if (kind == NODE_MAPPING)
        refuse_decoration(builder, node, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    else
        refuse_decoration(builder, node, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    builder->depth++;
    builder->open = node;
    return STATUS_OK;
}

static void close_container(struct builder *builder) {
    builder->depth--;
    name_index_done(&builder->keys[builder->depth]);
    builder->open = builder->open->parent;
}

static enum status add_alias(struct builder *builder, const yaml_event_t *event) {
    struct node *node = NULL;
    enum status status = add_node(builder, NODE_BROKEN, event, &node);
    if (status == STATUS_OK && !builder->has_sharing)
        report_node(builder, node,
                    "aliases (*name) are not supported; write the value out, or put it in quotes "
                    "if the `*` is meant");
    builder->has_sharing = true;
    return status;
}

static enum status on_event(struct builder *builder, const yaml_event_t *event) {
    bool is_value = event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT ||
                    event->type == YAML_SEQUENCE_START_EVENT ||
                    event->type == YAML_MAPPING_START_EVENT;
    bool wants_key = builder->open && builder->open->kind == NODE_MAPPING && !builder->has_key;
    if (is_value && wants_key)
        return take_key(builder, event);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++builder->document_count > 1)
            return report_at(builder, event->start_mark,
                             "a second document begins here; one file holds one configuration");
        return STATUS_OK;
    case YAML_ALIAS_EVENT:
        return add_alias(builder, event);
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(builder, event, NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        return open_container(builder, event, NODE_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_container(builder);
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

static enum status read_events(struct builder *builder, struct slice yaml) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&builder->parser, &event))
            return report_syntax(builder, yaml);
        enum status status = on_event(builder, &event);
        bool is_last = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (status != STATUS_OK || is_last)
            return status;
    }
}

struct node *yaml_tree_parse(struct slice yaml, struct arena *arena,
                             struct problem_list *problems) {
    struct builder builder = {.arena = arena, .problems = problems};
    if (slice_starts_with(yaml, SLICE("\xff\xfe")) || slice_starts_with(yaml, SLICE("\xfe\xff"))) {
        problem_add(problems, PROBLEM_ERROR, (struct config_position){1, 1}, "",
                    "is encoded in UTF-16; save it as UTF-8");
        return NULL;
    }
    if (slice_starts_with(yaml, SLICE("\xef\xbb\xbf"))) /* what some editors put first */
        yaml = slice_skip(yaml, 3);
    if (!yaml_parser_initialize(&builder.parser)) {
        report_no_memory(&builder);
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    const char *start = yaml.ptr ? yaml.ptr : ""; /* libyaml asserts that there is one */
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)start, yaml.len);
    enum status status = read_events(&builder, yaml);
    yaml_parser_delete(&builder.parser);
    for (size_t i = 0; i < YAML_MAX_DEPTH; i++)
        name_index_done(&builder.keys[i]);
    return status == STATUS_OK ? builder.root : NULL;
}
