/* `identity`: how barkeep proves itself to Azure. */
#include "config/config_parts.h"

static const char IMDS_ENDPOINT[] = "http://169.254.169.254";

static void read_managed(struct loader *loader, const struct node *node, void *target) {
    struct config_identity *identity = target;
    struct slice text;
    identity->kind = IDENTITY_MANAGED;
    if (!loader_read_text(loader, node, "system, or the client id (a GUID) of a managed identity",
                          &text))
        return;
    if (slice_eq_str(text, "system"))
        return;
    if (config_is_guid(text))
        identity->managed_client_id = loader_copy_lower(loader, text);
    else
        loader_error(loader, node,
                     "must be system, or the client id (a GUID) of a managed identity; got %s",
                     QUOTE(node->source));
}

static void read_guid(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_guid(loader, node);
}

static void read_file(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (loader_read_text(loader, node, "the path of a file", &text))
        *(const char **)target = loader_copy_path(loader, text);
}

static void read_url(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_service_url(loader, node);
}

/* The metadata service's own address is link-local, the one plain http address off loopback. */
static void read_endpoint(struct loader *loader, const struct node *node, void *target) {
    bool is_default = node_is_text(node) && slice_eq_str(node->text, IMDS_ENDPOINT);
    *(const char **)target = is_default ? IMDS_ENDPOINT : loader_read_service_url(loader, node);
}

static const struct schema_row CLIENT_ROWS[] = {
    {.key = "id",
     .type = SCHEMA_OTHER,
     .read = read_guid,
     OFFSET_IN(config_identity, client_id),
     .is_required = true,
     .summary = "the client id (a GUID) of barkeep's application"},
    {.key = "secret_file",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_identity, client_secret_file),
     .is_required = true,
     .summary = "the path of a file that holds the client secret"},
    {0},
};

static const struct schema CLIENT_SCHEMA = {"client", CLIENT_ROWS};

static const struct schema_row IDENTITY_ROWS[] = {
    {.key = "managed",
     .type = SCHEMA_OTHER,
     .read = read_managed,
     .summary = "system, or the client id of a user-assigned managed identity"},
    {.key = "client",
     .type = SCHEMA_MAPPING,
     .child = &CLIENT_SCHEMA,
     .summary = "{id: CLIENT_ID, secret_file: PATH}"},
    {.key = "tenant",
     .type = SCHEMA_OTHER,
     .read = read_guid,
     OFFSET_IN(config_identity, tenant),
     .summary = "the tenant (a GUID) of barkeep's own identity; default: entra's first"},
    {.key = "authority",
     .type = SCHEMA_OTHER,
     .read = read_url,
     OFFSET_IN(config_identity, authority),
     .summary = "the login host for barkeep's own identity; default: entra's"},
    {.key = "endpoint",
     .type = SCHEMA_OTHER,
     .read = read_endpoint,
     OFFSET_IN(config_identity, endpoint),
     .summary = "base URL of the instance metadata service; default: http://169.254.169.254"},
    {0},
};

const struct schema IDENTITY_SCHEMA = {"identity", IDENTITY_ROWS};

static void settle_kind(struct loader *loader, const struct node *node,
                        struct config_identity *identity) {
    const struct node *managed = node_find(node, SLICE("managed"));
    const struct node *client = node_find(node, SLICE("client"));
    const struct node *endpoint = node_find(node, SLICE("endpoint"));
    if (managed && client)
        loader_key_error(loader, client, "`managed` is given already; keep one of the two");
    if (!managed && !client)
        loader_error(
            loader, node,
            "needs {managed: system}, {managed: CLIENT_ID} or {client: {id, secret_file}}");
    if (client)
        identity->kind = IDENTITY_CLIENT_SECRET;
    if (client && !managed && endpoint)
        loader_warning(loader, endpoint, "has no effect: only managed identities use it");
}

void config_read_identity(struct loader *loader, const struct node *node, void *target) {
    struct config_identity *identity = target;
    if (!schema_read(loader, &IDENTITY_SCHEMA, node, identity))
        return;
    settle_kind(loader, node, identity);
    const struct config_entra *entra = &loader->config->entra;
    if (!identity->tenant && entra->tenants.count > 0)
        identity->tenant = entra->tenants.items[0];
    if (!identity->authority)
        identity->authority = entra->authority;
}
