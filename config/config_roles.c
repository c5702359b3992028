/* `roles`: named sets of actions. Reader and Contributor are built in and come first. */
#include "config/config_parts.h"

#define BUILT_IN_COUNT 2

static void read_role_actions(struct loader *loader, const struct node *node, void *target) {
    struct config_role *role = target;
    struct config_action_list list = {0};
    config_read_actions(loader, node, &list);
    role->actions = list.items;
    role->action_count = list.count;
    if (node->kind == NODE_LIST && node->count == 0)
        loader_error(loader, node, "is an empty list: the role would allow nothing");
}

static void read_role_not_actions(struct loader *loader, const struct node *node, void *target) {
    struct config_role *role = target;
    struct config_action_list list = {0};
    config_read_actions(loader, node, &list);
    role->not_actions = list.items;
    role->not_action_count = list.count;
}

static const struct schema_row ROLE_ROWS[] = {
    {.key = "actions",
     .type = SCHEMA_OTHER,
     .read = read_role_actions,
     .shape = SHAPE_LIST,
     .is_required = true,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .pattern = PATTERN_ACTION,
     .child = &ACTION_SCHEMA,
     .summary = "what the role allows, as in [\"GET /api/**\"]"},
    {.key = "not_actions",
     .type = SCHEMA_OTHER,
     .read = read_role_not_actions,
     .shape = SHAPE_LIST,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .pattern = PATTERN_ACTION,
     .child = &ACTION_SCHEMA,
     .summary = "what is taken from the role's actions again, as in [\"DELETE /api/users/**\"]"},
    {0},
};

const struct schema ROLE_SCHEMA = {"a role", ROLE_ROWS};

static void add_built_in(struct loader *loader, const char *name, const char *const *methods,
                         size_t method_count, const char *text) {
    struct config *config = loader->config;
    struct config_role *role = &config->roles[config->role_count];
    struct config_action *action = loader_array(loader, 1, sizeof *action);
    const char **items = loader_array(loader, method_count, sizeof *items);
    if (!action || !items)
        return;
    for (size_t i = 0; i < method_count; i++)
        items[i] = methods[i];
    *action =
        (struct config_action){.methods = {items, method_count}, .pattern = "/**", .text = text};
    *role = (struct config_role){.name = name, .actions = action, .action_count = 1};
    loader_index(loader, &loader->roles, slice_of_str(name), config->role_count++);
}

static void read_role(struct loader *loader, const struct node *node) {
    struct config *config = loader->config;
    size_t known = name_index_find(&loader->roles, node->key);
    if (known != NAME_INDEX_ABSENT) {
        loader_key_error(loader, node,
                         "is built in and cannot be redefined; give the role another name");
        return;
    }
    if (node->key.len > 128 || slice_index(node->key, '`') != node->key.len)
        loader_key_error(loader, node, "a name is at most 128 bytes long, without backquotes");
    struct config_role *role = &config->roles[config->role_count];
    role->name = loader_copy(loader, node->key);
    loader_index(loader, &loader->roles, node->key, config->role_count++);
    schema_read(loader, &ROLE_SCHEMA, node, role);
}

void config_read_roles(struct loader *loader, const struct node *node, void *target) {
    static const char *const READING[] = {"GET", "HEAD", "OPTIONS"};
    struct config *config = target;
    size_t count = BUILT_IN_COUNT + node->count;
    config->roles = loader_array(loader, count, sizeof *config->roles);
    loader->role_is_used = loader_array(loader, count, sizeof *loader->role_is_used);
    if (!config->roles || !loader->role_is_used)
        return;
    add_built_in(loader, "Reader", READING, 3, "GET,HEAD,OPTIONS /**");
    add_built_in(loader, "Contributor", NULL, 0, "* /**");
    if (node->kind != NODE_MAPPING) {
        loader_error(loader, node,
                     "must map names to roles, as in Operator: {actions: [\"* /**\"]}; "
                     "got %s",
                     node_kind_name(node));
        return;
    }
    for (const struct node *item = node->first; item; item = item->next)
        read_role(loader, item);
}

void config_read_role_name(struct loader *loader, const struct node *node, void *target) {
    struct slice name;
    struct loader_hint hint;
    if (!loader_read_text(loader, node, "the name of a role", &name))
        return;
    size_t index = name_index_find(&loader->roles, name);
    if (index == NAME_INDEX_ABSENT) {
        loader_error(loader, node, "there is no role %s%s", QUOTE(node->source),
                     loader_hint(loader, &loader->roles, name, &hint));
        return;
    }
    loader->role_is_used[index] = true;
    *(size_t *)target = index;
}
