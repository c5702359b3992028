/* `assertion`: how upstreams are told who calls (X-Barkeep-Assertion). */
#include "config/config_parts.h"

#define ISSUER_MAX_BYTES 255

static void read_key(struct loader *loader, const struct node *node, void *target) {
    struct config_assertion *assertion = target;
    if (node->kind == NODE_BROKEN)
        return;
    if (!node_is_text(node) || node->text.len == 0) {
        loader_error(loader, node, "must name a secret as VAULT/NAME or VAULT/NAME/VERSION");
        return;
    }
    assertion->has_key = true;
    assertion->key = config_secret_refer(loader, node, node->text);
}

/* Upstreams compare it byte for byte. */
static void read_issuer(struct loader *loader, const struct node *node, void *target) {
    struct slice issuer;
    if (!loader_read_text(loader, node, "a name or URL such as https://gw.example", &issuer))
        return;
    bool is_good = issuer.len <= ISSUER_MAX_BYTES;
    for (size_t i = 0; i < issuer.len; i++)
        is_good = is_good && issuer.ptr[i] > 0x20 && issuer.ptr[i] < 0x7f;
    if (is_good)
        *(const char **)target = loader_copy(loader, issuer);
    else
        loader_error(loader, node,
                     "is what upstreams compare `iss` with: at most %d visible ASCII characters, "
                     "got %s",
                     ISSUER_MAX_BYTES, QUOTE(node->source));
}

static const struct schema_row ASSERTION_ROWS[] = {
    {.key = "key",
     .type = SCHEMA_OTHER,
     .read = read_key,
     OFFSET_IN(config, assertion),
     .pattern = PATTERN_SECRET,
     .summary = "the secret that holds the signing key, VAULT/NAME: a P-256 private key as PEM; "
                "default: one made at start"},
    {.key = "issuer",
     .type = SCHEMA_OTHER,
     .read = read_issuer,
     OFFSET_IN(config, assertion.issuer),
     .fallback = "barkeep",
     .summary = "iss of the assertions, such as https://gw.example"},
    {0},
};

const struct schema ASSERTION_SCHEMA = {"assertion", ASSERTION_ROWS};

bool config_sends_easyauth(const struct config_route *route) {
    return route->identity_headers == IDENTITY_HEADERS_EASYAUTH ||
           route->identity_headers == IDENTITY_HEADERS_BOTH;
}

bool config_sends_assertion(const struct config_route *route) {
    return route->identity_headers == IDENTITY_HEADERS_ASSERTION ||
           route->identity_headers == IDENTITY_HEADERS_BOTH;
}

bool config_uses_assertions(const struct config *config) {
    bool is_used = config->assertion.has_key;
    for (size_t i = 0; i < config->route_count; i++)
        is_used = is_used || config_sends_assertion(&config->routes[i]);
    return is_used;
}
