/* `entra.issuers`: issuers beside the tenants, each told by its exact name. What such a profile
 * says replaces Entra's own rules for its tokens, so it must not name an issuer that those rules
 * judge. */
#include "config/config_parts.h"

#include "config/url.h"

#define ISSUER_MAX_BYTES 500

static void read_metadata(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_service_url(loader, node);
}

static void read_issuer_audiences(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, loader_read_word, target);
}

static void read_issuer_tenant(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_guid(loader, node);
}

/* Compared byte by byte: kept as it was written, a trailing slash included. */
static void read_issuer_text(struct loader *loader, const struct node *node, void *target) {
    const char *text = loader_read_word(loader, node);
    if (!text)
        return;
    struct slice issuer = slice_of_str(text);
    struct url url;
    if (issuer.len > ISSUER_MAX_BYTES)
        loader_error(loader, node, "must be at most %d bytes", ISSUER_MAX_BYTES);
    else if (slice_index(issuer, '{') != issuer.len)
        loader_error(loader, node,
                     "must be exactly what the tokens state as iss, without placeholders");
    else if (url_parse(issuer, &url))
        loader_error(loader, node, "must be a URL, exactly what the tokens state as iss, got %s",
                     QUOTE(node->source));
    else
        *(const char **)target = text;
}

/* Names serve in file names and labels. */
static bool is_issuer_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return name.len > 0 && name.len <= 64;
}

static void read_issuer_name(struct loader *loader, const struct node *node, void *target) {
    struct slice name;
    if (!loader_read_text(loader, node, "a name", &name))
        return;
    if (is_issuer_name(name))
        *(const char **)target = loader_copy(loader, name);
    else
        loader_error(loader, node,
                     "an issuer's name is made of letters, digits, `_` and `-`, at most 64");
}

static const struct schema_row ISSUER_ROWS[] = {
    {.key = "name",
     .type = SCHEMA_OTHER,
     .read = read_issuer_name,
     OFFSET_IN(config_issuer, name),
     .is_required = true,
     .summary = "what the issuer is called in logs, such as customers"},
    {.key = "metadata",
     .type = SCHEMA_OTHER,
     .read = read_metadata,
     OFFSET_IN(config_issuer, metadata),
     .is_required = true,
     .pattern = PATTERN_URL,
     .summary = "the address of its metadata, ending in /.well-known/openid-configuration"},
    {.key = "issuer",
     .type = SCHEMA_OTHER,
     .read = read_issuer_text,
     OFFSET_IN(config_issuer, issuer),
     .is_required = true,
     .summary = "exactly what its tokens state as iss"},
    {.key = "audience",
     .type = SCHEMA_OTHER,
     .read = read_issuer_audiences,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_issuer, audiences),
     .is_required = true,
     .summary = "what its tokens must be meant for, or a list"},
    {.key = "tenant",
     .type = SCHEMA_OTHER,
     .read = read_issuer_tenant,
     OFFSET_IN(config_issuer, tenant),
     .is_required = true,
     .pattern = PATTERN_GUID,
     .summary = "the GUID of the tenant that its callers belong to"},
    {0},
};

const struct schema ISSUER_SCHEMA = {"an issuer", ISSUER_ROWS};

void config_read_issuers(struct loader *loader, const struct node *node, void *target) {
    struct config_entra *entra = target;
    if (node->kind != NODE_LIST) {
        loader_error(loader, node, "must be a list of issuers, got %s", node_kind_name(node));
        return;
    }
    entra->issuers = loader_array(loader, node->count, sizeof *entra->issuers);
    if (!entra->issuers)
        return;
    for (const struct node *item = node->first; item; item = item->next)
        schema_read(loader, &ISSUER_SCHEMA, item, &entra->issuers[entra->issuer_count++]);
}

/* The issuers of the configured tenants, as far as the cloud alone tells them. */
static bool is_issuer_of_a_tenant(const struct config_entra *entra, const char *issuer) {
    static const char v1_start[] = "https://sts.windows.net/";
    if (!issuer || !entra->authority || entra->authority_is_override)
        return false;
    struct slice text = slice_of_str(issuer);
    struct slice own = slice_of_str(entra->authority);
    return slice_starts_with(text, SLICE(v1_start)) ||
           (slice_starts_with(text, own) &&
            slice_starts_with(slice_skip(text, own.len), SLICE("/")));
}

static bool is_same(const char *left, const char *right) {
    return left && right && strcmp(left, right) == 0;
}

static void check_twin(struct loader *loader, const struct node *item,
                       const struct config_issuer *issuer, const struct config_issuer *earlier) {
    if (is_same(issuer->name, earlier->name))
        loader_error(loader, node_find(item, SLICE("name")),
                     "another issuer has this name already");
    if (is_same(issuer->issuer, earlier->issuer))
        loader_error(loader, node_find(item, SLICE("issuer")),
                     "is the issuer of %s already; list both audiences there",
                     QUOTE(slice_of_str(earlier->name ? earlier->name : "")));
}

void config_check_issuers(struct loader *loader, const struct node *node,
                          const struct config_entra *entra) {
    const struct node *list = node_find(node, SLICE("issuers"));
    const struct node *item = list ? list->first : NULL;
    for (size_t i = 0; item && i < entra->issuer_count; i++, item = item->next) {
        const struct config_issuer *issuer = &entra->issuers[i];
        for (size_t j = 0; j < i; j++)
            check_twin(loader, item, issuer, &entra->issuers[j]);
        if (is_issuer_of_a_tenant(entra, issuer->issuer))
            loader_error(loader, node_find(item, SLICE("issuer")),
                         "is an issuer of the Entra authority itself, whose tokens are judged by "
                         "`tenant` and `audience`");
    }
}
