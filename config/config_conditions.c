/* `when`: what else must be true of the call or of the caller's sign-in for an entry to count. Keys
 * are "and", values of a key are "or". */
#include "config/config_parts.h"

#include "config/scalar.h"

/* The ids that Conditional Access gives authentication contexts. */
static bool is_authentication_context(struct slice text) {
    uint64_t number;
    return slice_starts_with(text, SLICE("c")) &&
           slice_parse_u64(slice_skip(text, 1), 99, &number) && number > 0;
}

static const char *read_context(struct loader *loader, const struct node *item) {
    struct slice text;
    if (!loader_read_text(loader, item, "an authentication context, c1 to c99", &text))
        return NULL;
    if (is_authentication_context(text))
        return loader_copy(loader, text);
    loader_error(loader, item, "must be an authentication context, c1 to c99; got %s",
                 QUOTE(item->source));
    return NULL;
}

static void read_contexts(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, read_context, target);
}

static void read_mfa(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_BOOL && scalar_bool(node->text))
        *(bool *)target = true;
    else
        loader_error(loader, node, "must be true, or be left out");
}

static const struct schema_row CONDITION_ROWS[] = {
    {.key = "client",
     .type = SCHEMA_OTHER,
     .read = config_read_clients,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_condition, clients),
     .pattern = PATTERN_NETWORK,
     .summary = "where the call comes from: an address or a network such as 10.0.0.0/8, or a list"},
    {.key = "acrs",
     .type = SCHEMA_OTHER,
     .read = read_contexts,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_condition, acrs),
     .pattern = "^c[1-9][0-9]?$",
     .summary = "an authentication context of Conditional Access, c1 to c99, or a list"},
    {.key = "mfa",
     .type = SCHEMA_OTHER,
     .read = read_mfa,
     OFFSET_IN(config_condition, mfa),
     .choices = "true",
     .summary = "true: signed in with more than one factor"},
    {0},
};

const struct schema CONDITION_SCHEMA = {"a condition", CONDITION_ROWS};

void config_read_condition(struct loader *loader, const struct node *node, void *target) {
    const struct node *first = node->kind == NODE_MAPPING ? node->first : NULL;
    if (first && slice_starts_with(first->key, SLICE("/")))
        loader_key_error(
            loader, first,
            "is no condition of an entry; arguments are looked at by its actions, as "
            "in {action: \"mcp:tools/call:run_query\", when: {/database: {equals: sales}}}");
    else if (schema_read(loader, &CONDITION_SCHEMA, node, target) && node->count == 0)
        loader_error(loader, node,
                     "holds no condition; write {client: 10.0.0.0/8}, {acrs: c1} or {mfa: true}");
}
