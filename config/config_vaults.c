/* `vaults`: names for Key Vaults and for folders of secrets. */
#include "config/config_parts.h"

#include "config/host.h"
#include "config/url.h"

static bool is_vault_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && !strchr("._-", c))
            return false;
    }
    return name.len > 0 && name.len <= 64;
}

static void read_directory(struct loader *loader, const struct node *node, struct slice path,
                           struct config_vault *vault) {
    if (slice_starts_with(path, SLICE("///")))
        path = slice_skip(path, 2);
    if (path.len == 0 || slice_starts_with(path, SLICE("//"))) {
        loader_error(loader, node,
                     "must name a folder: file:/run/secrets, or file:secrets beside "
                     "this file");
        return;
    }
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    vault->kind = VAULT_FILE;
    vault->directory = loader_copy_path(loader, path);
}

static void warn_of_foreign_host(struct loader *loader, const struct node *node,
                                 const struct url *url) {
    const char *suffix = config_cloud_vault_suffix(loader->config->entra.cloud);
    struct slice host = slice_of_str(loader_copy_lower(loader, url->host));
    bool is_own = slice_ends_with(host, slice_of_str(suffix));
    if (!is_own && !host_is_loopback(url->host))
        loader_warning(loader, node,
                       "%s is not a Key Vault of this cloud (NAME%s); barkeep's own token would "
                       "be sent there",
                       QUOTE(url->host), suffix);
}

static void read_key_vault(struct loader *loader, const struct node *node,
                           struct config_vault *vault) {
    struct url url;
    const char *text = loader_read_service_url(loader, node);
    if (!text || url_parse(slice_of_str(text), &url))
        return;
    if (url.path.len > 0) {
        loader_error(loader, node, "must be the vault's base URL, without %s", QUOTE(url.path));
        return;
    }
    vault->kind = VAULT_KEY_VAULT;
    vault->url = text;
    vault->resource = config_cloud_vault_resource(loader->config->entra.cloud);
    warn_of_foreign_host(loader, node, &url);
    bool has_identity = node_find(loader->root, SLICE("identity")) != NULL;
    if (!has_identity)
        loader_error(loader, node,
                     "a Key Vault needs `identity:`, barkeep's own identity towards Azure; write "
                     "identity: {managed: system} at the top level");
}

/* The name that the portal shows, or a folder's. */
static bool is_bare_name(struct slice text) {
    return is_vault_name(text) && slice_index(text, '.') == text.len;
}

static void refuse_bare_name(struct loader *loader, const struct node *node) {
    struct slice name = node->source.len ? node->text : SLICE("NAME");
    loader_error(loader, node,
                 "must say where the vault is: https://%.*s%s if it is a Key Vault, "
                 "file:/FOLDER if it is a folder of secrets",
                 SLICE_ARGS(name), config_cloud_vault_suffix(loader->config->entra.cloud));
}

static void read_place(struct loader *loader, const struct node *node, void *target) {
    struct config_vault *vault = target;
    struct slice text;
    if (!loader_read_text(loader, node, "https://NAME.vault.azure.net or file:/FOLDER", &text))
        return;
    if (is_bare_name(text))
        refuse_bare_name(loader, node);
    else if (slice_starts_with(text, SLICE("file:")))
        read_directory(loader, node, slice_skip(text, 5), vault);
    else
        read_key_vault(loader, node, vault);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The run of digits that `*text` begins with is taken off it; false when its length is not one of
 * those allowed. */
static bool take_digits(struct slice *text, size_t least, size_t most) {
    size_t len = 0;
    while (len < text->len && is_digit(text->ptr[len]))
        len++;
    *text = slice_skip(*text, len);
    return len >= least && len <= most;
}

static bool take(struct slice *text, const char *word) {
    bool is_there = slice_starts_with(*text, slice_of_str(word));
    if (is_there)
        *text = slice_skip(*text, strlen(word));
    return is_there;
}

/* 7.4, 2025-07-01, and either with -preview or -preview.2 (azure.md D.1). */
static bool is_api_version(struct slice text) {
    struct slice date = text;
    bool is_date = take_digits(&date, 4, 4) && take(&date, "-") && take_digits(&date, 2, 2) &&
                   take(&date, "-") && take_digits(&date, 2, 2);
    struct slice number = text;
    bool is_number = take_digits(&number, 1, 3) && take(&number, ".") && take_digits(&number, 1, 3);
    struct slice rest = is_date ? date : number;
    if (!is_date && !is_number)
        return false;
    if (take(&rest, "-preview") && take(&rest, "."))
        return take_digits(&rest, 1, 3) && rest.len == 0;
    return rest.len == 0;
}

/* Without quotes 7.4 is a number, whose spelling is what counts. */
static void read_api_version(struct loader *loader, const struct node *node, void *target) {
    bool is_scalar = node_is_text(node) || node->kind == NODE_FLOAT || node->kind == NODE_INT;
    if (is_scalar && is_api_version(node->text))
        *(const char **)target = loader_copy(loader, node->text);
    else
        loader_error(loader, node,
                     "must be a version of Key Vault's data plane such as \"7.4\" or 2025-07-01, "
                     "got %s",
                     node->source.len ? QUOTE(node->source) : node_kind_name(node));
}

static const struct schema_row VAULT_ROWS[] = {
    {.key = "url",
     .type = SCHEMA_OTHER,
     .read = read_place,
     .is_required = true,
     .pattern = "^([Hh][Tt][Tt][Pp][Ss]?://|file:).",
     .summary = "https://NAME.vault.azure.net or file:/FOLDER"},
    {.key = "api_version",
     .type = SCHEMA_OTHER,
     .read = read_api_version,
     OFFSET_IN(config_vault, api_version),
     .fallback = "7.4",
     .accepts = ACCEPTS_TEXT | ACCEPTS_DECIMAL,
     .summary = "the version of Key Vault's data plane that is asked"},
    {0},
};

const struct schema VAULT_SCHEMA = {"a vault", VAULT_ROWS};

static void read_vault(struct loader *loader, const struct node *node, struct config_vault *vault) {
    if (!is_vault_name(node->key))
        loader_key_error(loader, node,
                         "a vault's name is made of letters, digits, `.`, `_` and `-`, at most 64");
    if (node->kind == NODE_MAPPING) {
        schema_read(loader, &VAULT_SCHEMA, node, vault);
        const struct node *version = node_find(node, SLICE("api_version"));
        if (version && vault->kind == VAULT_FILE)
            loader_key_warning(loader, version, "has no effect: a file: vault has no versions");
        return;
    }
    schema_read_defaults(loader, &VAULT_SCHEMA, node, vault);
    read_place(loader, node, vault);
}

void config_read_vaults(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    if (node->kind != NODE_MAPPING) {
        loader_error(loader, node,
                     "must map names to vaults, as in prod: "
                     "https://contoso-prod.vault.azure.net; got %s",
                     node_kind_name(node));
        return;
    }
    config->vaults = loader_array(loader, node->count, sizeof *config->vaults);
    loader->vault_is_used = loader_array(loader, node->count, sizeof *loader->vault_is_used);
    if (!config->vaults || !loader->vault_is_used)
        return;
    for (const struct node *item = node->first; item; item = item->next) {
        struct config_vault *vault = &config->vaults[config->vault_count];
        vault->name = loader_copy(loader, item->key);
        vault->position = item->position;
        loader_index(loader, &loader->vaults, item->key, config->vault_count++);
        read_vault(loader, item, vault);
    }
}
