/* `credentials`: what is put into a request, made of secrets that the vaults keep. Problems in here
 * never repeat what was written as a value. */
#include "config/config_parts.h"

#include "config/problem.h"

static void read_secret_index(struct loader *loader, const struct node *node, void *target) {
    size_t *index = target;
    *index = CONFIG_NONE;
    if (node->kind == NODE_BROKEN)
        return;
    if (!node_is_text(node) || node->text.len == 0)
        loader_error(loader, node, "must name a secret as VAULT/NAME or VAULT/NAME/VERSION");
    else
        *index = config_secret_refer(loader, node, node->text);
}

static void read_username_secret(struct loader *loader, const struct node *node, void *target) {
    struct config_template *username = target;
    size_t secret = CONFIG_NONE;
    read_secret_index(loader, node, &secret);
    if (!config_template_literal(loader, SLICE(""), username))
        return;
    username->parts[0] = (struct config_template_part){.secret = secret};
}

static const struct schema_row USERNAME_ROWS[] = {
    {.key = "secret",
     .type = SCHEMA_OTHER,
     .read = read_username_secret,
     .is_required = true,
     .pattern = PATTERN_SECRET,
     .summary = "the secret that holds the user name, as VAULT/NAME"},
    {0},
};

static const struct schema USERNAME_SCHEMA = {"username", USERNAME_ROWS};

static void read_username(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (node->kind == NODE_MAPPING) {
        schema_read(loader, &USERNAME_SCHEMA, node, target);
        return;
    }
    if (!loader_read_text(loader, node, "a user name or {secret: VAULT/NAME}", &text))
        return;
    if (slice_index(text, ':') != text.len)
        loader_error(loader, node, "must not hold `:`, which ends the user name (RFC 7617)");
    else
        config_template_literal(loader, text, target);
}

static const struct schema_row BASIC_ROWS[] = {
    {.key = "username",
     .type = SCHEMA_OTHER,
     .read = read_username,
     OFFSET_IN(config_credential, username),
     .is_required = true,
     .child = &USERNAME_SCHEMA,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .pattern = "^[^:]+$",
     .summary = "the user name, or {secret: VAULT/NAME}"},
    {.key = "password",
     .type = SCHEMA_OTHER,
     .read = read_secret_index,
     OFFSET_IN(config_credential, password),
     .is_required = true,
     .pattern = PATTERN_SECRET,
     .summary = "the secret that holds the password, as VAULT/NAME"},
    {0},
};

static const struct schema BASIC_SCHEMA = {"basic", BASIC_ROWS};

static const struct schema_row CREDENTIAL_ROWS[] = {
    {.key = "basic",
     .type = SCHEMA_MAPPING,
     .child = &BASIC_SCHEMA,
     .summary = "{username: NAME, password: VAULT/NAME}"},
    {.key = "bearer",
     .type = SCHEMA_OTHER,
     .read = read_secret_index,
     OFFSET_IN(config_credential, bearer),
     .pattern = PATTERN_SECRET,
     .summary = "the secret that holds the token, as VAULT/NAME"},
    {.key = "headers",
     .type = SCHEMA_OTHER,
     .read = config_read_headers,
     .accepts = ACCEPTS_TEXTS,
     .summary = "{NAME: \"text with {VAULT/NAME} in it\"}"},
    {.key = "query",
     .type = SCHEMA_OTHER,
     .read = config_read_query,
     .accepts = ACCEPTS_TEXTS,
     .summary = "query parameters: {NAME: \"text with {VAULT/NAME} in it\"}"},
    {.key = "cookie",
     .type = SCHEMA_OTHER,
     .read = config_read_cookie,
     .accepts = ACCEPTS_TEXTS,
     .summary = "cookies: {NAME: \"text with {VAULT/NAME} in it\"}"},
    {.key = "entra_token",
     .type = SCHEMA_MAPPING,
     .child = &ENTRA_TOKEN_SCHEMA,
     .summary = "a token of barkeep's own identity: {scope: RESOURCE/.default}"},
    {.key = "on_behalf_of",
     .type = SCHEMA_MAPPING,
     .child = &ON_BEHALF_OF_SCHEMA,
     .summary = "the caller's token, exchanged for another resource: {scope: RESOURCE/SCOPE}"},
    {.key = "client_certificate",
     .type = SCHEMA_OTHER,
     .read = read_secret_index,
     OFFSET_IN(config_credential, certificate),
     .pattern = PATTERN_SECRET,
     .summary = "the Key Vault certificate that is shown to https upstreams, as VAULT/NAME"},
    {0},
};

const struct schema CREDENTIAL_SCHEMA = {"a credential", CREDENTIAL_ROWS};

/* By row of CREDENTIAL_ROWS. */
static const enum config_credential_kind KINDS[] = {
    CREDENTIAL_BASIC,        CREDENTIAL_BEARER,
    CREDENTIAL_HEADERS,      CREDENTIAL_QUERY,
    CREDENTIAL_COOKIE,       CREDENTIAL_ENTRA_TOKEN,
    CREDENTIAL_ON_BEHALF_OF, CREDENTIAL_CLIENT_CERTIFICATE,
};

static const char KIND_NAMES[] = "basic, bearer, headers, query, cookie, entra_token, on_behalf_of "
                                 "and client_certificate";

static bool holds_secret(const struct config_credential *credential) {
    for (size_t i = 0; i < credential->field_count; i++) {
        const struct config_template *value = &credential->fields[i].value;
        for (size_t p = 0; p < value->count; p++) {
            if (value->parts[p].secret != CONFIG_NONE)
                return true;
        }
    }
    return false;
}

/* False after a problem. */
static bool settle_kind(struct loader *loader, const struct node *node,
                        struct config_credential *credential) {
    size_t found = 0;
    for (size_t i = 0; CREDENTIAL_ROWS[i].key; i++) {
        const struct node *kind = node_find(node, slice_of_str(CREDENTIAL_ROWS[i].key));
        if (!kind)
            continue;
        if (++found > 1)
            loader_key_error(loader, kind, "a credential is of one kind; keep one of %s",
                             KIND_NAMES);
        else
            credential->kind = KINDS[i];
    }
    if (node->count == 0)
        loader_error(loader, node, "must be one of %s", KIND_NAMES);
    return found == 1;
}

static void warn_of_literal(struct loader *loader, const struct node *node,
                            const struct config_credential *credential) {
    if (credential->field_count > 0 && !holds_secret(credential))
        loader_warning(loader, node,
                       "holds no secret of a vault; if a value written here is one, move it to a "
                       "vault and name it as {VAULT/NAME}");
}

static bool is_label(struct slice name) {
    return name.len <= 128 && slice_index(name, '`') == name.len;
}

static void read_credential(struct loader *loader, const struct node *node,
                            struct config_credential *credential) {
    credential->name = loader_copy(loader, node->key);
    credential->position = node->key_position;
    credential->password = CONFIG_NONE;
    credential->bearer = CONFIG_NONE;
    credential->certificate = CONFIG_NONE;
    if (!is_label(node->key))
        loader_key_error(loader, node, "a name is at most 128 bytes long, without backquotes");
    if (!schema_read(loader, &CREDENTIAL_SCHEMA, node, credential) ||
        !settle_kind(loader, node, credential))
        return;
    warn_of_literal(loader, node, credential);
    config_check_scope(loader, node, credential);
}

void config_read_credentials(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    if (node->kind != NODE_MAPPING) {
        loader_error(loader, node,
                     "must map names to credentials, as in db-admin: {basic: "
                     "{username: admin, password: prod/db-admin}}; got %s",
                     node_kind_name(node));
        return;
    }
    config->credentials = loader_array(loader, node->count, sizeof *config->credentials);
    loader->credential_is_used =
        loader_array(loader, node->count, sizeof *loader->credential_is_used);
    if (!config->credentials || !loader->credential_is_used)
        return;
    for (const struct node *item = node->first; item; item = item->next) {
        loader_index(loader, &loader->credentials, item->key, config->credential_count);
        read_credential(loader, item, &config->credentials[config->credential_count++]);
    }
}

void config_read_credential_name(struct loader *loader, const struct node *node, void *target) {
    struct slice name;
    struct loader_hint hint;
    if (!loader_read_text(loader, node, "the name of a credential", &name))
        return;
    size_t index = name_index_find(&loader->credentials, name);
    if (index == NAME_INDEX_ABSENT) {
        loader_error(loader, node, "there is no credential %s%s", QUOTE(node->source),
                     loader_hint(loader, &loader->credentials, name, &hint));
        return;
    }
    loader->credential_is_used[index] = true;
    *(size_t *)target = index;
}
