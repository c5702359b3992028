/* `entra`: which tenants, audiences and token versions are accepted, and from which cloud. */
#include "config/config_parts.h"

#include <stdio.h>

#include "config/url.h"

/* azure.md A.14 */
static const struct {
    const char *login_host;
    const char *vault_suffix;
    const char *vault_resource;
    const char *graph_url;
} CLOUDS[] = {
    [CLOUD_PUBLIC] = {"login.microsoftonline.com", ".vault.azure.net", "https://vault.azure.net",
                      "https://graph.microsoft.com"},
    [CLOUD_USGOV] = {"login.microsoftonline.us", ".vault.usgovcloudapi.net",
                     "https://vault.usgovcloudapi.net", "https://graph.microsoft.us"},
    [CLOUD_CHINA] = {"login.partner.microsoftonline.cn", ".vault.azure.cn",
                     "https://vault.azure.cn", "https://microsoftgraph.chinacloudapi.cn"},
};

const char *config_cloud_login_host(enum config_cloud cloud) {
    return CLOUDS[cloud].login_host;
}

const char *config_cloud_vault_suffix(enum config_cloud cloud) {
    return CLOUDS[cloud].vault_suffix;
}

const char *config_cloud_vault_resource(enum config_cloud cloud) {
    return CLOUDS[cloud].vault_resource;
}

static void read_tenants(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, loader_read_guid, target);
}

static const char *read_audience(struct loader *loader, const struct node *item) {
    const char *audience = loader_read_word(loader, item);
    if (!audience || !config_is_guid(slice_of_str(audience)))
        return audience;
    const char *lower = loader_copy_lower(loader, slice_of_str(audience));
    if (strcmp(lower, audience) != 0)
        loader_warning(loader, item,
                       "audiences are compared exactly, and tokens carry GUIDs in lower case: "
                       "write %s",
                       lower);
    return audience;
}

static void read_audiences(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, read_audience, target);
}

static void read_authority(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_service_url(loader, node);
}

static void read_token_versions(struct loader *loader, const struct node *node, void *target) {
    struct config_entra *entra = target;
    if (node->kind == NODE_LIST && node->count == 0)
        loader_error(loader, node, "is an empty list; write [1, 2], [1] or [2]");
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item)) {
        bool is_number = item->kind == NODE_INT;
        if (is_number && slice_eq_str(item->text, "1"))
            entra->accepts_v1 = true;
        else if (is_number && slice_eq_str(item->text, "2"))
            entra->accepts_v2 = true;
        else if (item->kind != NODE_BROKEN)
            loader_error(loader, item, "must be 1 or 2%s%s", item->source.len ? ", got " : "",
                         item->source.len ? QUOTE(item->source) : "");
    }
}

static void read_metadata_appid(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_guid(loader, node);
}

#define HOUR_MS 3600000ull

static const struct schema_row KEYS_ROWS[] = {
    {.key = "refresh",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_entra, keys_refresh_sec),
     .fallback = "1h",
     .min = 1000,
     .max = 24 * HOUR_MS,
     .summary = "how often the tenant's signing keys are fetched anew"},
    {.key = "max_stale",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_entra, keys_max_stale_sec),
     .fallback = "24h",
     .min = 1000,
     .max = 720 * HOUR_MS,
     .summary = "how long keys are trusted after the last good fetch"},
    {0},
};

static const struct schema KEYS_SCHEMA = {"keys", KEYS_ROWS};

static const struct schema_row GROUPS_ROWS[] = {
    {.key = "overage",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_entra, overage_refused),
     .choices = "graph|refuse",
     .fallback = "graph",
     .summary =
         "callers with more groups than fit into a token: asked about at Microsoft Graph, or "
         "refused"},
    {.key = "form",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_entra, groups_by_name),
     .choices = "id|name",
     .fallback = "id",
     .summary = "whether the tokens' groups are object ids or names"},
    {0},
};

static const struct schema GROUPS_SCHEMA = {"groups", GROUPS_ROWS};

static const struct schema_row ENTRA_ROWS[] = {
    {.key = "tenant",
     .type = SCHEMA_OTHER,
     .read = read_tenants,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_entra, tenants),
     .is_required = true,
     .pattern = PATTERN_GUID,
     .summary = "the GUID of your Entra tenant, or a list of GUIDs"},
    {.key = "audience",
     .type = SCHEMA_OTHER,
     .read = read_audiences,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_entra, audiences),
     .is_required = true,
     .summary = "what tokens must be meant for: the application's client id, its api:// URI, or a "
                "list of both"},
    {.key = "cloud",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config_entra, cloud),
     .choices = "public|usgov|china",
     .fallback = "public",
     .summary = "the Azure cloud the tenant is in"},
    {.key = "authority",
     .type = SCHEMA_OTHER,
     .read = read_authority,
     OFFSET_IN(config_entra, authority),
     .pattern = PATTERN_URL,
     .summary = "another login host than the cloud's, as https://host"},
    {.key = "token_versions",
     .type = SCHEMA_OTHER,
     .read = read_token_versions,
     .shape = SHAPE_ONE_OR_LIST,
     .accepts = ACCEPTS_NUMBER,
     .min = 1,
     .max = 2,
     .summary = "the accepted versions of access tokens; default: [1, 2]"},
    {.key = "clock_skew",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_entra, clock_skew_sec),
     .fallback = "60s",
     .min = 0,
     .max = 300000,
     .summary = "how far clocks may differ when a token's times are judged"},
    {.key = "keys",
     .type = SCHEMA_MAPPING,
     .child = &KEYS_SCHEMA,
     .summary = "{refresh: 1h, max_stale: 24h}"},
    {.key = "groups",
     .type = SCHEMA_MAPPING,
     .child = &GROUPS_SCHEMA,
     .summary = "{overage: graph, form: id}"},
    {.key = "max_token_lifetime",
     .type = SCHEMA_SECONDS,
     OFFSET_IN(config_entra, max_token_lifetime_sec),
     .fallback = "48h",
     .min = 1000,
     .max = 8760 * HOUR_MS,
     .summary = "tokens that are valid for longer are refused"},
    {.key = "metadata_appid",
     .type = SCHEMA_OTHER,
     .read = read_metadata_appid,
     OFFSET_IN(config_entra, metadata_appid),
     .pattern = PATTERN_GUID,
     .summary = "the client id of an application with signing keys of its own"},
    {.key = "issuers",
     .type = SCHEMA_OTHER,
     .read = config_read_issuers,
     .shape = SHAPE_LIST,
     .child = &ISSUER_SCHEMA,
     .summary = "issuers beside the tenants, such as External ID: - {name: NAME, metadata: URL, "
                "issuer: TEXT, audience: CLIENT_ID, tenant: GUID}"},
    {0},
};

const struct schema ENTRA_SCHEMA = {"entra", ENTRA_ROWS};

static void settle_authority(struct loader *loader, struct config_entra *entra) {
    struct url url;
    const char *host = config_cloud_login_host(entra->cloud);
    bool is_given = entra->authority != NULL;
    bool is_own = is_given && !url_parse(slice_of_str(entra->authority), &url) && url.is_https &&
                  url.port == 443 && url.path.len == 0 &&
                  slice_eq_nocase(url.host, slice_of_str(host));
    entra->authority_is_override = is_given && !is_own;
    if (entra->authority_is_override)
        return;
    char text[128];
    snprintf(text, sizeof text, "https://%s", host);
    entra->authority = loader_copy(loader, slice_of_str(text));
}

static const struct node *overage_node(const struct node *entra) {
    const struct node *groups = node_find(entra, SLICE("groups"));
    return groups ? node_find(groups, SLICE("overage")) : NULL;
}

/* Graph answers questions about object ids only. */
static void settle_groups(struct loader *loader, const struct node *node,
                          struct config_entra *entra) {
    entra->graph_url = CLOUDS[entra->cloud].graph_url;
    if (!entra->groups_by_name || entra->overage_refused)
        return;
    const struct node *overage = overage_node(node);
    if (overage)
        loader_warning(loader, overage,
                       "has no effect with {form: name}: Microsoft Graph is asked about groups by "
                       "their object ids; callers with more groups than fit into a token are "
                       "refused as groups_unknown");
    entra->overage_refused = true;
}

static bool has_guid_audience(const struct config_entra *entra) {
    for (size_t i = 0; i < entra->audiences.count; i++) {
        if (config_is_guid(slice_of_str(entra->audiences.items[i])))
            return true;
    }
    return false;
}

static void check_entra(struct loader *loader, const struct node *node,
                        const struct config_entra *entra) {
    const struct node *keys = node_find(node, SLICE("keys"));
    bool is_read = entra->keys_max_stale_sec > 0; /* else reported already */
    if (keys && is_read && entra->keys_refresh_sec > entra->keys_max_stale_sec)
        loader_error(loader, keys, "refresh must not be longer than max_stale");
    const struct node *audience = node_find(node, SLICE("audience"));
    bool is_v2_only = entra->accepts_v2 && !entra->accepts_v1;
    if (audience && is_v2_only && entra->audiences.count > 0 && !has_guid_audience(entra))
        loader_warning(loader, audience,
                       "no token can match: version 2 tokens carry the application's client id, "
                       "and none is listed");
}

void config_read_entra(struct loader *loader, const struct node *node, void *target) {
    struct config_entra *entra = target;
    if (!schema_read(loader, &ENTRA_SCHEMA, node, entra))
        return;
    entra->is_present = true;
    if (!node_find(node, SLICE("token_versions")))
        entra->accepts_v1 = entra->accepts_v2 = true;
    settle_authority(loader, entra);
    settle_groups(loader, node, entra);
    check_entra(loader, node, entra);
    config_check_issuers(loader, node, entra);
}
