/* Which secrets there are: one row for each that a credential names, and `secrets`, which says how
 * fresh each must be. */
#include "config/config_parts.h"

#include <stdlib.h>

#define KEY_VAULT_NAME_MAX 127
#define KEY_VAULT_VERSION_LEN 32
#define FILE_NAME_MAX 255

static const struct schema_row SECRET_ROWS[] = {
    {.key = "refresh",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_secret, refresh_sec),
     .fallback = "5m",
     .min = 1000,
     .max = 8760 * 3600000ull,
     .summary = "how often the secret is read anew"},
    {.key = "max_stale",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_secret, max_stale_sec),
     .fallback = "24h",
     .min = 1000,
     .max = 8760 * 3600000ull,
     .summary = "how long a value is used after the last good read"},
    {0},
};

const struct schema SECRET_SCHEMA = {"a secret", SECRET_ROWS};

struct secret_reference {
    size_t vault;
    struct slice name;
    struct slice version; /* empty: the latest */
    struct slice whole;
};

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* azure.md D.1 */
static bool is_key_vault_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (!is_alphanumeric(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    }
    return name.len > 0 && name.len <= KEY_VAULT_NAME_MAX;
}

static bool is_version(struct slice version) {
    for (size_t i = 0; i < version.len; i++) {
        char c = version.ptr[i];
        if (!is_alphanumeric(c) || (c | 0x20) > 'f')
            return false;
    }
    return version.len == KEY_VAULT_VERSION_LEN;
}

/* No slash and no leading dot: a name cannot leave its folder. */
static bool is_file_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (!is_alphanumeric(name.ptr[i]) && !strchr("._-", name.ptr[i]))
            return false;
    }
    return name.len > 0 && name.len <= FILE_NAME_MAX && name.ptr[0] != '.';
}

static const char *wrong_with_name(const struct config_vault *vault,
                                   const struct secret_reference *reference, bool has_version) {
    if (vault->kind == VAULT_FILE && has_version)
        return "a file: vault has no versions; write VAULT/NAME";
    if (vault->kind == VAULT_FILE && !is_file_name(reference->name))
        return "the name of a file: secret is made of letters, digits, `.`, `_` and `-`, and does "
               "not begin with a dot";
    if (vault->kind == VAULT_KEY_VAULT && !is_key_vault_name(reference->name))
        return "the name of a Key Vault secret is 1 to 127 letters, digits and `-`";
    if (has_version && !is_version(reference->version))
        return "the version of a Key Vault secret is 32 hexadecimal digits";
    return NULL;
}

/* False after a problem. */
static bool parse_reference(struct loader *loader, const struct node *node, struct slice text,
                            struct secret_reference *out_reference) {
    struct secret_reference reference = {.whole = text};
    size_t slash = slice_index(text, '/');
    struct slice vault = slice_of(text.ptr, slash);
    if (slash == text.len) {
        loader_error(loader, node,
                     "must name a secret as VAULT/NAME or VAULT/NAME/VERSION; the value itself "
                     "never stands in this file");
        return false;
    }
    reference.vault = name_index_find(&loader->vaults, vault);
    if (reference.vault == NAME_INDEX_ABSENT) {
        struct loader_hint hint;
        loader_error(loader, node, "names a vault that `vaults:` does not have%s",
                     loader_hint(loader, &loader->vaults, vault, &hint));
        return false;
    }
    struct slice rest = slice_skip(text, slash + 1);
    size_t second = slice_index(rest, '/');
    reference.name = slice_of(rest.ptr, second);
    reference.version = slice_skip(rest, second + 1);
    const char *wrong =
        wrong_with_name(&loader->config->vaults[reference.vault], &reference, second < rest.len);
    if (wrong) {
        loader_error(loader, node, "%s", wrong);
        return false;
    }
    *out_reference = reference;
    return true;
}

/* Key Vault ignores case in names and versions (azure.md D.1); files do not. */
static struct slice index_key(struct loader *loader, const struct secret_reference *reference) {
    if (loader->config->vaults[reference->vault].kind == VAULT_FILE)
        return reference->whole;
    struct slice key = reference->whole;
    struct slice lower = slice_of_str(loader_copy_lower(loader, key));
    size_t vault_len = slice_index(key, '/');
    if (lower.len == key.len) /* the vault's own name keeps its case */
        memcpy((char *)lower.ptr, key.ptr, vault_len);
    return lower;
}

static bool reserve_row(struct loader *loader) {
    if (loader->config->secret_count < loader->secret_cap)
        return true;
    size_t cap = loader->secret_cap ? loader->secret_cap * 2 : 16;
    struct config_secret *rows = reallocarray(loader->secret_rows, cap, sizeof *rows);
    if (!rows) {
        loader->is_out_of_memory = true;
        return false;
    }
    loader->secret_rows = rows;
    loader->secret_cap = cap;
    return true;
}

size_t config_secret_refer(struct loader *loader, const struct node *node, struct slice text) {
    struct secret_reference reference;
    if (!parse_reference(loader, node, text, &reference))
        return CONFIG_NONE;
    loader->vault_is_used[reference.vault] = true;
    struct slice key = index_key(loader, &reference);
    size_t known = name_index_find(&loader->secrets, key);
    if (known != NAME_INDEX_ABSENT)
        return known;
    if (!reserve_row(loader))
        return CONFIG_NONE;
    static const struct node NOTHING = {.kind = NODE_MAPPING};
    size_t index = loader->config->secret_count++;
    struct config_secret *row = &loader->secret_rows[index];
    *row = (struct config_secret){
        .vault = reference.vault,
        .name = loader_copy(loader, reference.name),
        .version = reference.version.len > 0 ? loader_copy_lower(loader, reference.version) : NULL,
    };
    char key_path[128];
    node_path(node, key_path, sizeof key_path);
    row->position = node->position;
    row->key = loader_copy(loader, slice_of_str(key_path));
    schema_read(loader, &SECRET_SCHEMA, &NOTHING, row);
    loader_index(loader, &loader->secrets, key, index);
    return index;
}

/* How fresh one VAULT/NAME must be, all its versions alike. */
struct freshness {
    const struct node *node;
    struct config_secret row;
    bool is_used;
};

static void read_freshness(struct loader *loader, const struct node *node,
                           struct name_index *by_name, struct freshness *rows, size_t index) {
    struct secret_reference reference;
    struct node key = *node; /* problems with the name stand at the key */
    key.position = node->key_position;
    schema_read(loader, &SECRET_SCHEMA, node, &rows[index].row);
    bool is_read = rows[index].row.max_stale_sec > 0; /* else reported already */
    if (is_read && rows[index].row.refresh_sec > rows[index].row.max_stale_sec)
        loader_error(loader, node, "refresh must not be longer than max_stale");
    if (!parse_reference(loader, &key, node->key, &reference))
        return;
    if (reference.version.len > 0) {
        loader_error(loader, &key, "holds for all versions of a secret; write VAULT/NAME");
        return;
    }
    struct slice name = index_key(loader, &reference);
    if (name_index_find(by_name, name) != NAME_INDEX_ABSENT) {
        loader_error(loader, &key, "is there already in another spelling; Key Vault ignores case");
        return;
    }
    rows[index].node = node;
    loader_index(loader, by_name, name, index);
}

/* "VAULT/NAME" as index_key() spells it. */
static struct slice row_key(struct loader *loader, const struct config_secret *row) {
    const char *vault = loader->config->vaults[row->vault].name;
    const char *text = LOADER_FORMAT(loader, "%s/%s", vault, row->name);
    struct secret_reference reference = {.vault = row->vault, .whole = slice_of_str(text)};
    return index_key(loader, &reference);
}

static void apply_freshness(struct loader *loader, const struct name_index *by_name,
                            struct freshness *rows) {
    for (size_t i = 0; i < loader->config->secret_count; i++) {
        struct config_secret *row = &loader->secret_rows[i];
        size_t at = name_index_find(by_name, row_key(loader, row));
        if (at == NAME_INDEX_ABSENT)
            continue;
        rows[at].is_used = true;
        row->refresh_sec = rows[at].row.refresh_sec;
        row->max_stale_sec = rows[at].row.max_stale_sec;
    }
}

void config_read_secrets(struct loader *loader, const struct node *node, void *target) {
    (void)target;
    if (node->kind != NODE_MAPPING) {
        loader_error(loader, node,
                     "must map secrets to how fresh they must be, as in "
                     "prod/db-password: {refresh: 1m}; got %s",
                     node_kind_name(node));
        return;
    }
    struct name_index by_name = {0};
    struct freshness *rows = loader_array(loader, node->count, sizeof *rows);
    size_t count = 0;
    for (const struct node *item = node->first; rows && item; item = item->next)
        read_freshness(loader, item, &by_name, rows, count++);
    apply_freshness(loader, &by_name, rows);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].node && !rows[i].is_used)
            loader_key_warning(loader, rows[i].node, "no credential uses this secret");
    }
    name_index_done(&by_name);
}

void config_secrets_finish(struct loader *loader) {
    struct config *config = loader->config;
    config->secrets = loader_array(loader, config->secret_count, sizeof *config->secrets);
    if (config->secrets && config->secret_count > 0)
        memcpy(config->secrets, loader->secret_rows,
               config->secret_count * sizeof *config->secrets);
    free(loader->secret_rows);
    loader->secret_rows = NULL;
}
