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
     .pattern = PATTERN_GUID,
     .summary = "the client id (a GUID) of barkeep's application"},
    {.key = "secret_file",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_identity, client_secret_file),
     .summary = "the path of a file that holds the client secret"},
    {.key = "certificate_file",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_identity, client_certificate_file),
     .summary = "in its place: the path of a PEM file that holds the private key and its "
                "certificate"},
    {0},
};

static const struct schema CLIENT_SCHEMA = {"client", CLIENT_ROWS};

static const struct schema_row IDENTITY_ROWS[] = {
    {.key = "managed",
     .type = SCHEMA_OTHER,
     .read = read_managed,
     .pattern = "^system$|" PATTERN_GUID,
     .summary = "system, or the client id of a user-assigned managed identity"},
    {.key = "workload",
     .type = SCHEMA_MAPPING,
     .child = &WORKLOAD_SCHEMA,
     .summary = "workload identity, as in a pod: {}, or {client_id: CLIENT_ID, token_file: PATH}"},
    {.key = "client",
     .type = SCHEMA_MAPPING,
     .child = &CLIENT_SCHEMA,
     .summary = "an application of its own: {id: CLIENT_ID, secret_file: PATH}"},
    {.key = "tenant",
     .type = SCHEMA_OTHER,
     .read = read_guid,
     OFFSET_IN(config_identity, tenant),
     .pattern = PATTERN_GUID,
     .summary = "the tenant (a GUID) of barkeep's own identity; default: AZURE_TENANT_ID for a "
                "workload, else entra's first"},
    {.key = "authority",
     .type = SCHEMA_OTHER,
     .read = read_url,
     OFFSET_IN(config_identity, authority),
     .pattern = PATTERN_URL,
     .summary = "the login host for barkeep's own identity; default: AZURE_AUTHORITY_HOST for a "
                "workload, else entra's"},
    {.key = "endpoint",
     .type = SCHEMA_OTHER,
     .read = read_endpoint,
     OFFSET_IN(config_identity, endpoint),
     .pattern = PATTERN_URL,
     .summary = "base URL of the instance metadata service; default: where the platform says, else "
                "http://169.254.169.254"},
    {0},
};

const struct schema IDENTITY_SCHEMA = {"identity", IDENTITY_ROWS};

static const struct {
    const char *key;
    enum config_identity_kind kind;
} KINDS[] = {
    {"managed", IDENTITY_MANAGED},
    {"workload", IDENTITY_WORKLOAD},
    {"client", IDENTITY_CLIENT_SECRET},
};

/* The key that says how barkeep proves itself, or NULL after a problem. */
static const struct node *settle_kind(struct loader *loader, const struct node *node,
                                      struct config_identity *identity) {
    const struct node *found = NULL;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        const struct node *kind = node_find(node, slice_of_str(KINDS[i].key));
        if (kind && found)
            loader_key_error(loader, kind,
                             "%s is given already; keep one of managed, workload and client",
                             QUOTE(found->key));
        if (!kind || found)
            continue;
        found = kind;
        identity->kind = KINDS[i].kind;
    }
    if (!found)
        loader_error(loader, node,
                     "needs one of {managed: system}, {managed: CLIENT_ID}, {workload: {}} and "
                     "{client: {id, secret_file}}");
    return found;
}

static void settle_client(struct loader *loader, const struct node *node,
                          struct config_identity *identity) {
    const struct node *secret = node_find(node, SLICE("secret_file"));
    const struct node *certificate = node_find(node, SLICE("certificate_file"));
    if (secret && certificate)
        loader_key_error(loader, certificate,
                         "`secret_file` is given already; keep one of the two");
    if (!secret && !certificate)
        loader_error(loader, node,
                     "needs `secret_file` or `certificate_file`, a file that only barkeep can "
                     "read");
    if (certificate)
        identity->kind = IDENTITY_CLIENT_CERTIFICATE;
    if (secret || certificate)
        identity->file_position = (certificate ? certificate : secret)->position;
}

void config_read_identity(struct loader *loader, const struct node *node, void *target) {
    struct config_identity *identity = target;
    if (!schema_read(loader, &IDENTITY_SCHEMA, node, identity))
        return;
    const struct node *kind = settle_kind(loader, node, identity);
    const struct node *endpoint = node_find(node, SLICE("endpoint"));
    bool is_mapping = kind && kind->kind == NODE_MAPPING;
    if (is_mapping && identity->kind == IDENTITY_WORKLOAD)
        config_settle_workload(loader, kind, identity);
    if (is_mapping && identity->kind == IDENTITY_CLIENT_SECRET)
        settle_client(loader, kind, identity);
    if (kind && endpoint && identity->kind != IDENTITY_MANAGED)
        loader_warning(loader, endpoint, "has no effect: only managed identities use it");
    const struct config_entra *entra = &loader->config->entra;
    if (!identity->tenant && entra->tenants.count > 0)
        identity->tenant = entra->tenants.items[0];
    if (!identity->authority)
        identity->authority = entra->authority;
}
