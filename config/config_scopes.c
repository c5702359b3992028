/* `entra_token` and `on_behalf_of`: tokens for other resources, in barkeep's own name or in the
 * caller's. Scopes are sent to Entra as they are written; what Entra would refuse anyway is refused
 * here, where it can be said at the line (azure.md C.1, C.9). */
#include "config/config_parts.h"

static const char DEFAULT_SCOPE[] = "/.default";

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The characters of URIs (RFC 3986 2), without those that begin a query or a fragment. */
static bool is_uri_text(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && !strchr("-._~:/@!$&'()*+,;=%[]", c))
            return false;
    }
    return text.len > 0;
}

/* An absolute URI, which an api:// one is too, or the GUID of an application. */
static bool is_resource(struct slice text) {
    if (config_is_guid(text))
        return true;
    size_t colon = slice_index(text, ':');
    struct slice rest = slice_skip(text, colon + 1);
    for (size_t i = 0; i < colon; i++) {
        char c = text.ptr[i];
        if (!is_letter(c) && !(i > 0 && ((c >= '0' && c <= '9') || strchr("+-.", c))))
            return false;
    }
    bool is_empty = slice_eq_str(rest, "//") || slice_eq_str(rest, "");
    return colon > 0 && colon < text.len && !is_empty && is_uri_text(rest);
}

static void read_own_scope(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (!loader_read_text(loader, node, "RESOURCE/.default", &text))
        return;
    size_t len = sizeof DEFAULT_SCOPE - 1;
    bool is_default = slice_ends_with(text, SLICE(DEFAULT_SCOPE));
    if (!is_default)
        loader_error(loader, node,
                     "must end in /.default: barkeep's own identity has tokens for a whole "
                     "resource, such as https://storage.azure.com/.default");
    else if (!is_resource(slice_of(text.ptr, text.len - len)))
        loader_error(loader, node,
                     "must be RESOURCE/.default, where RESOURCE is a URI or the GUID of an "
                     "application");
    else
        *(const char **)target = loader_copy(loader, text);
}

/* Takes the first word off `*text`. False when there is none, not even an empty one. */
static bool take_word(struct slice *text, struct slice *out_word) {
    if (!text->ptr)
        return false;
    size_t space = slice_index(*text, ' ');
    *out_word = slice_of(text->ptr, space);
    *text = space < text->len ? slice_skip(*text, space + 1) : (struct slice){0};
    return true;
}

/* What stands before the last slash: "" when there is none. */
static struct slice resource_of(struct slice scope) {
    size_t len = scope.len;
    while (len > 0 && scope.ptr[len - 1] != '/')
        len--;
    return slice_of(scope.ptr, len > 0 ? len - 1 : 0);
}

/* What is wrong with `scopes`, or NULL. */
static const char *wrong_with_scopes(struct slice scopes) {
    struct slice first = resource_of(slice_of(scopes.ptr, slice_index(scopes, ' ')));
    struct slice scope;
    size_t count = 0;
    bool has_default = false;
    while (take_word(&scopes, &scope)) {
        struct slice resource = resource_of(scope);
        if (scope.len == resource.len + 1 || !is_uri_text(scope) || !is_resource(resource))
            return "must be RESOURCE/SCOPE, or several of one resource with single spaces between, "
                   "where RESOURCE is a URI or the GUID of an application, such as "
                   "https://graph.microsoft.com/User.Read";
        if (!slice_eq(resource, first))
            return "names two resources; a token is for one, so write a credential for each";
        has_default = has_default || slice_ends_with(scope, SLICE(DEFAULT_SCOPE));
        count++;
    }
    if (has_default && count > 1)
        return "must not have other scopes beside /.default, which is all of them";
    return NULL;
}

static void read_scopes(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (!loader_read_text(loader, node, "RESOURCE/SCOPE, or several with spaces between", &text))
        return;
    const char *wrong = wrong_with_scopes(text);
    if (wrong)
        loader_error(loader, node, "%s", wrong);
    else
        *(const char **)target = loader_copy(loader, text);
}

static const struct schema_row ENTRA_TOKEN_ROWS[] = {
    {.key = "scope",
     .type = SCHEMA_OTHER,
     .read = read_own_scope,
     OFFSET_IN(config_credential, scope),
     .is_required = true,
     .summary = "the resource that the token is for, as RESOURCE/.default"},
    {0},
};

const struct schema ENTRA_TOKEN_SCHEMA = {"entra_token", ENTRA_TOKEN_ROWS};

static const struct schema_row ON_BEHALF_OF_ROWS[] = {
    {.key = "scope",
     .type = SCHEMA_OTHER,
     .read = read_scopes,
     OFFSET_IN(config_credential, scope),
     .is_required = true,
     .summary = "what the token is for: RESOURCE/.default, RESOURCE/SCOPE, or several scopes of "
                "one resource with spaces between"},
    {0},
};

const struct schema ON_BEHALF_OF_SCHEMA = {"on_behalf_of", ON_BEHALF_OF_ROWS};

/* Entra exchanges only what was issued to the application that asks. URIs tell nothing about whose
 * they are. */
static bool is_foreign(const struct config *config) {
    const struct config_strings *audiences = &config->entra.audiences;
    const char *own = config->identity.client_id;
    for (size_t i = 0; i < audiences->count; i++) {
        struct slice audience = slice_of_str(audiences->items[i]);
        if (!config_is_guid(audience) || (own && slice_eq_nocase(audience, slice_of_str(own))))
            return false;
    }
    return own && audiences->count > 0;
}

static void check_exchange(struct loader *loader, const struct node *node) {
    const struct config *config = loader->config;
    if (config->identity.kind == IDENTITY_MANAGED)
        loader_key_error(loader, node,
                         "a managed identity cannot exchange callers' tokens; give barkeep an "
                         "application of its own: identity: {client: ...} or {workload: ...}");
    else if (is_foreign(config))
        loader_key_warning(loader, node,
                           "Entra exchanges only tokens that were issued to the application that "
                           "asks; entra.audience does not list `identity`'s %s",
                           config->identity.client_id);
}

void config_check_scope(struct loader *loader, const struct node *node,
                        const struct config_credential *credential) {
    bool is_exchange = credential->kind == CREDENTIAL_ON_BEHALF_OF;
    const struct node *kind =
        node_find(node, slice_of_str(is_exchange ? "on_behalf_of" : "entra_token"));
    if (!kind)
        return;
    if (!node_find(loader->root, SLICE("identity")))
        loader_key_error(loader, kind,
                         "needs `identity:`, barkeep's own identity towards Azure, at the top "
                         "level");
    else if (is_exchange)
        check_exchange(loader, kind);
}
