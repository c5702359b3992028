/* `to`: whom an entry is about. Keys of one principal are "and", values of a key are "or". */
#include "config/config_parts.h"

#include "config/guid.h"
#include "config/scalar.h"

static void read_guids(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, loader_read_guid, target);
}

static void read_words(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, loader_read_word, target);
}

static const char *read_group_name(struct loader *loader, const struct node *item) {
    struct slice text;
    if (!loader_read_text(loader, item, "the name of a group", &text))
        return NULL;
    return loader_copy(loader, text);
}

/* The mistake everybody makes once: the name in place of the id. */
static const char *read_group_id(struct loader *loader, const struct node *item) {
    struct guid_advice advice;
    bool is_name =
        node_is_text(item) && !config_is_guid(item->text) && !guid_advice_of(item->text, &advice);
    if (is_name) {
        loader_error(
            loader, item,
            "%s is not a GUID; write the group's object id (Entra: Groups, Overview), not its "
            "name",
            QUOTE(item->source));
        return NULL;
    }
    return loader_read_guid(loader, item);
}

static void read_groups(struct loader *loader, const struct node *node, void *target) {
    bool is_by_name = loader->config->entra.groups_by_name;
    loader_read_strings(loader, node, is_by_name ? read_group_name : read_group_id, target);
}

static const char *read_tenant(struct loader *loader, const struct node *item) {
    const char *tenant = loader_read_guid(loader, item);
    const struct config_strings *tenants = &loader->config->entra.tenants;
    const struct config_entra *entra = &loader->config->entra;
    bool is_known = !tenant || tenants->count == 0;
    for (size_t i = 0; !is_known && i < entra->issuer_count; i++)
        is_known = entra->issuers[i].tenant && strcmp(entra->issuers[i].tenant, tenant) == 0;
    for (size_t i = 0; !is_known && i < tenants->count; i++)
        is_known = strcmp(tenants->items[i], tenant) == 0;
    if (!is_known)
        loader_warning(loader, item,
                       "can never match: entra.tenant does not have this tenant; add it there, or "
                       "write one that is");
    return tenant;
}

static void read_tenants(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, read_tenant, target);
}

static void read_everyone(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_BOOL && scalar_bool(node->text))
        *(bool *)target = true;
    else
        loader_error(loader, node, "must be true, or be left out");
}

#define PRINCIPAL_ROW(key_, read_, member, pattern_, summary_)                                     \
    {                                                                                              \
        .key = key_, .type = SCHEMA_OTHER, .read = read_, .shape = SHAPE_ONE_OR_LIST,              \
        OFFSET_IN(config_principal, member), .pattern = pattern_, .summary = summary_              \
    }

static const struct schema_row PRINCIPAL_ROWS[] = {
    PRINCIPAL_ROW("user", read_guids, users, PATTERN_GUID,
                  "the object id of a user or service principal"),
    PRINCIPAL_ROW("group", read_groups, groups, NULL, "the object id of a group"),
    PRINCIPAL_ROW("app", read_guids, apps, PATTERN_GUID,
                  "the client id of an application, app-only tokens"),
    PRINCIPAL_ROW("app_role", read_words, app_roles, "^[^ ]+$", "the value of an app role"),
    PRINCIPAL_ROW("scope", read_words, scopes, "^[^ ]+$", "the value of a delegated scope"),
    PRINCIPAL_ROW("tenant", read_tenants, tenants, PATTERN_GUID, "the GUID of a tenant"),
    {.key = "everyone",
     .type = SCHEMA_OTHER,
     .read = read_everyone,
     OFFSET_IN(config_principal, everyone),
     .choices = "true",
     .summary = "true: whoever has a valid token"},
    {0},
};

const struct schema PRINCIPAL_SCHEMA = {"a principal", PRINCIPAL_ROWS};

void config_read_principals(struct loader *loader, const struct node *node, void *target) {
    struct config_entry *entry = target;
    if (node->kind == NODE_LIST && node->count == 0) {
        loader_error(loader, node, "is an empty list: the entry would be about nobody");
        return;
    }
    entry->to = loader_array(loader, node_item_count(node), sizeof *entry->to);
    if (!entry->to)
        return;
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item)) {
        schema_read(loader, &PRINCIPAL_SCHEMA, item, &entry->to[entry->to_count++]);
        if (item->kind == NODE_MAPPING && item->count == 0)
            loader_error(loader, item,
                         "names nobody; write {everyone: true} if everyone with a "
                         "valid token is meant");
    }
}
