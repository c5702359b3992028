/* `access` and `deny`: who may do what, with which credential, and who may not. */
#include "config/config_parts.h"

#include "core/buf.h"

/* A route's name has at most 128 bytes. */
#define LABEL_MAX_BYTES 256

static void read_entry_actions(struct loader *loader, const struct node *node, void *target) {
    struct config_entry *entry = target;
    struct config_action_list list = {0};
    config_read_actions(loader, node, &list);
    entry->actions = list.items;
    entry->action_count = list.count;
    if (node->kind == NODE_LIST && node->count == 0)
        loader_error(loader, node, "is an empty list: the entry would be about nothing");
}

static const struct schema_row ACCESS_ROWS[] = {
    {.key = "role",
     .type = SCHEMA_OTHER,
     .read = config_read_role_name,
     OFFSET_IN(config_entry, role),
     .summary = "the name of a role; built in: Reader (GET, HEAD, OPTIONS), Contributor (all)"},
    {.key = "actions",
     .type = SCHEMA_OTHER,
     .read = read_entry_actions,
     .shape = SHAPE_LIST,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .pattern = PATTERN_ACTION,
     .child = &ACTION_SCHEMA,
     .summary = "what is allowed, in place of a role"},
    {.key = "to",
     .type = SCHEMA_OTHER,
     .read = config_read_principals,
     .shape = SHAPE_ONE_OR_LIST,
     .child = &PRINCIPAL_SCHEMA,
     .is_required = true,
     .summary = "who is allowed, as in {group: OBJECT_ID} or {everyone: true}, or a list"},
    {.key = "credential",
     .type = SCHEMA_OTHER,
     .read = config_read_credential_name,
     OFFSET_IN(config_entry, credential),
     .summary = "the credential that goes into the request; default: the route's, or none"},
    {.key = "when",
     .type = SCHEMA_OTHER,
     .read = config_read_condition,
     OFFSET_IN(config_entry, when),
     .child = &CONDITION_SCHEMA,
     .summary = "what else must hold, as in {client: 10.0.0.0/8}, {acrs: c1} or {mfa: true}"},
    {.key = "rate",
     .type = SCHEMA_OTHER,
     .read = config_read_rate,
     OFFSET_IN(config_entry, rate),
     .child = &RATE_SCHEMA,
     .summary =
         "how often whom the entry lets in may call: {requests: 100, window: 1s, burst: 200}"},
    {.key = "shadow",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_entry, is_shadow),
     .fallback = "false",
     .summary = "true: the entry is tried out: the audit says what it would have allowed, and it "
                "allows nothing"},
    {0},
};

const struct schema ACCESS_SCHEMA = {"an access entry", ACCESS_ROWS};

static const struct schema_row DENY_ROWS[] = {
    {.key = "to",
     .type = SCHEMA_OTHER,
     .read = config_read_principals,
     .shape = SHAPE_ONE_OR_LIST,
     .child = &PRINCIPAL_SCHEMA,
     .is_required = true,
     .summary = "who is refused, as in {user: OBJECT_ID} or {everyone: true}, or a list"},
    {.key = "actions",
     .type = SCHEMA_OTHER,
     .read = read_entry_actions,
     .shape = SHAPE_LIST,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .pattern = PATTERN_ACTION,
     .child = &ACTION_SCHEMA,
     .summary = "what is refused; default: everything"},
    {.key = "when",
     .type = SCHEMA_OTHER,
     .read = config_read_condition,
     OFFSET_IN(config_entry, when),
     .child = &CONDITION_SCHEMA,
     .summary = "refuses only calls of which this holds, as in {client: 10.0.0.0/8}"},
    {.key = "shadow",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_entry, is_shadow),
     .fallback = "false",
     .summary = "true: the entry is tried out: the audit says what it would have refused, and it "
                "refuses nothing"},
    {0},
};

const struct schema DENY_SCHEMA = {"a deny entry", DENY_ROWS};

static void check_entry(struct loader *loader, const struct node *node) {
    const struct node *role = node_find(node, SLICE("role"));
    const struct node *actions = node_find(node, SLICE("actions"));
    if (role && actions)
        loader_key_error(loader, actions, "`role` is given already; keep one of the two");
    if (!role && !actions)
        loader_error(loader, node, "needs `role` or `actions`: what is allowed?");
}

/* What the labels of a list's entries begin with, and room for the rest: "routes.r.access". */
struct label {
    struct buf text;
    size_t start_len;
};

static void label_init(struct label *label, const char *scope, const struct node *list) {
    buf_init(&label->text, LABEL_MAX_BYTES);
    buf_append_str(&label->text, scope);
    buf_append_slice(&label->text, list->key);
    label->start_len = label->text.len;
}

static const char *label_of(struct loader *loader, struct label *label, size_t index) {
    label->text.len = label->start_len;
    buf_append_char(&label->text, '[');
    buf_append_u64(&label->text, index);
    buf_append_char(&label->text, ']');
    if (!buf_ok(&label->text))
        loader->is_out_of_memory = true;
    return loader_copy(loader, buf_slice(&label->text));
}

void config_read_entries(struct loader *loader, const struct node *node,
                         const struct schema *schema, const char *scope,
                         struct config_entries *out_entries) {
    if (node->kind != NODE_LIST) {
        loader_error(loader, node, "must be a list of entries, got %s", node_kind_name(node));
        return;
    }
    struct config_entries entries = {0};
    struct label label;
    label_init(&label, scope, node);
    entries.items = loader_array(loader, node->count, sizeof *entries.items);
    for (const struct node *item = node->first; entries.items && item; item = item->next) {
        struct config_entry *entry = &entries.items[entries.count++];
        *entry = (struct config_entry){.label = label_of(loader, &label, item->index),
                                       .role = CONFIG_NONE,
                                       .credential = CONFIG_NONE,
                                       .position = item->position};
        bool is_mapping = schema_read(loader, schema, item, entry);
        if (is_mapping && schema == &ACCESS_SCHEMA)
            check_entry(loader, item);
    }
    buf_done(&label.text);
    *out_entries = entries;
}
