/* The top level of the file. Rows are read in this order, each after those it refers to. */
#include "config/config_parts.h"

#define HOUR_MS 3600000ull

static void read_audit(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (!loader_read_text(loader, node, "stdout or the path of a file", &text))
        return;
    if (slice_eq_str(text, "stdout"))
        return;
    bool is_slip = suggest_distance(text, SLICE("stdout")) <= 2 || slice_eq_str(text, "stderr");
    if (is_slip)
        loader_error(loader, node,
                     "must be stdout or the path of a file, got %s; write stdout, or "
                     "./%.*s if a file is meant",
                     QUOTE(node->source), (int)(text.len < 16 ? text.len : 16), text.ptr);
    else
        *(const char **)target = loader_copy_path(loader, text);
}

static void read_state(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (loader_read_text(loader, node, "the path of a folder", &text))
        *(const char **)target = loader_copy_path(loader, text);
}

static void read_access(struct loader *loader, const struct node *node, void *target) {
    config_read_entries(loader, node, &ACCESS_SCHEMA, "", target);
}

static void read_deny(struct loader *loader, const struct node *node, void *target) {
    config_read_entries(loader, node, &DENY_SCHEMA, "", target);
}

static void read_revoked(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    struct slice text;
    if (!loader_read_text(loader, node, "the path of a file", &text))
        return;
    config->revoked_file = loader_copy_path(loader, text);
    config->revoked_position = node->position;
}

static const struct schema_row LOG_ROWS[] = {
    {.key = "audit",
     .type = SCHEMA_OTHER,
     .read = read_audit,
     OFFSET_IN(config, audit_file),
     .fallback = "stdout",
     .summary = "where audit lines go: stdout, or the path of a file"},
    {.key = "level",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config, log_level),
     .choices = "error|warning|info|debug",
     .fallback = "info",
     .summary = "how much is said on stderr"},
    {.key = "on_full",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config, audit_full_drops),
     .choices = "refuse|drop",
     .fallback = "refuse",
     .summary = "what happens when audit lines cannot be written: requests are refused, or lines "
                "dropped"},
    {0},
};

static const struct schema LOG_SCHEMA = {"log", LOG_ROWS};

#define LIMIT_ROW(key_, type_, member, fallback_, min_, max_, summary_)                            \
    {                                                                                              \
        .key = key_, .type = type_, OFFSET_IN(config, limits.member), .fallback = fallback_,       \
        .min = min_, .max = max_, .summary = summary_                                              \
    }

static const struct schema_row LIMIT_ROWS[] = {
    LIMIT_ROW("connections", SCHEMA_COUNT, connections, "10000", 1, 1000000,
              "client connections at once"),
    LIMIT_ROW("connections_per_client", SCHEMA_COUNT_NONE, connections_per_client, "none", 1,
              1000000,
              "client connections at once from one address (IPv6: from one /64), or none; "
              "trusted_proxies may have any number"),
    LIMIT_ROW("buffer_memory", SCHEMA_BYTES_NONE, buffer_bytes, "1GiB", 4u << 20, UINT64_C(1) << 40,
              "memory for what is on its way between callers and upstreams, or none"),
    LIMIT_ROW("header_bytes", SCHEMA_BYTES, header_bytes, "32KiB", 1024, 1u << 20,
              "the longest request head"),
    LIMIT_ROW("headers", SCHEMA_COUNT, headers, "100", 1, 10000, "header lines of a request"),
    LIMIT_ROW("token_bytes", SCHEMA_BYTES, token_bytes, "16KiB", 256, 1u << 20,
              "the longest access token"),
    LIMIT_ROW("head_timeout", SCHEMA_MS, head_timeout_ms, "10s", 1, 24 * HOUR_MS,
              "how long a request's head may take to arrive"),
    LIMIT_ROW("idle_timeout", SCHEMA_MS, idle_timeout_ms, "75s", 1, 24 * HOUR_MS,
              "how long a client connection may stay open between requests"),
    {0},
};

static const struct schema LIMIT_SCHEMA = {"limits", LIMIT_ROWS};

static const struct schema_row CONFIG_ROWS[] = {
    {.key = "listen",
     .type = SCHEMA_OTHER,
     .read = config_read_listen,
     .shape = SHAPE_ONE_OR_LIST,
     .child = &LISTEN_SCHEMA,
     .is_required = true,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .summary = "the address callers connect to, such as 127.0.0.1:8080, or a list"},
    {.key = "admin",
     .type = SCHEMA_OTHER,
     .read = config_read_admin,
     .fallback = "127.0.0.1:9090",
     .summary = "the address of health, metrics and the status page, or off"},
    {.key = "workers",
     .type = SCHEMA_OTHER,
     .read = config_read_workers,
     OFFSET_IN(config, workers),
     .fallback = "auto",
     .accepts = ACCEPTS_TEXT | ACCEPTS_NUMBER,
     .pattern = "^auto$",
     .min = 1,
     .max = 256,
     .summary = "threads that serve requests: auto (one per core), or 1 to 256"},
    {.key = "log",
     .type = SCHEMA_MAPPING,
     .child = &LOG_SCHEMA,
     .summary = "{audit: stdout, level: info, on_full: refuse}"},
    {.key = "limits",
     .type = SCHEMA_MAPPING,
     .child = &LIMIT_SCHEMA,
     .summary = "{connections: 10000, header_bytes: 32KiB, headers: 100}"},
    {.key = "trusted_proxies",
     .type = SCHEMA_OTHER,
     .read = config_read_proxies,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config, trusted_proxies),
     .accepts = ACCEPTS_TEXT | ACCEPTS_NONE,
     .pattern = PATTERN_NETWORK,
     .summary = "addresses and networks of proxies in front of barkeep, whose X-Forwarded-For says "
                "who the client is; default: none"},
    {.key = "drain",
     .type = SCHEMA_MS,
     OFFSET_IN(config, drain_ms),
     .fallback = "30s",
     .min = 1,
     .max = 24 * HOUR_MS,
     .summary = "how long requests may finish after SIGTERM"},
    {.key = "state",
     .type = SCHEMA_OTHER,
     .read = read_state,
     OFFSET_IN(config, state),
     .summary = "a folder of barkeep's own: the last good key sets, for a start without Entra"},
    {.key = "expose_reasons",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config, expose_reasons),
     .fallback = "true",
     .summary = "whether refusals tell callers the reason code"},
    {.key = "revoked",
     .type = SCHEMA_OTHER,
     .read = read_revoked,
     .summary = "the path of a file that lists whose access is revoked"},
    {.key = "entra",
     .type = SCHEMA_OTHER,
     .read = config_read_entra,
     OFFSET_IN(config, entra),
     .child = &ENTRA_SCHEMA,
     .is_required = true,
     .summary = "whose tokens are accepted: {tenant: GUID, audience: CLIENT_ID}"},
    {.key = "identity",
     .type = SCHEMA_OTHER,
     .read = config_read_identity,
     OFFSET_IN(config, identity),
     .child = &IDENTITY_SCHEMA,
     .summary = "barkeep's own identity towards Azure: {managed: system}"},
    {.key = "vaults",
     .type = SCHEMA_OTHER,
     .read = config_read_vaults,
     .shape = SHAPE_NAMED,
     .child = &VAULT_SCHEMA,
     .accepts = ACCEPTS_TEXT | ACCEPTS_MAPPING,
     .summary = "{NAME: https://NAME.vault.azure.net} or {NAME: file:/FOLDER}; in full:"},
    {.key = "credentials",
     .type = SCHEMA_OTHER,
     .read = config_read_credentials,
     .shape = SHAPE_NAMED,
     .accepts = ACCEPTS_MAPPING | ACCEPTS_ONE_KEY,
     .child = &CREDENTIAL_SCHEMA,
     .summary = "{NAME: {basic: {username: NAME, password: VAULT/NAME}}}"},
    {.key = "assertion",
     .type = SCHEMA_MAPPING,
     .child = &ASSERTION_SCHEMA,
     .summary = "{key: VAULT/NAME, issuer: https://gw.example}: what signs X-Barkeep-Assertion"},
    {.key = "secrets",
     .type = SCHEMA_OTHER,
     .read = config_read_secrets,
     .shape = SHAPE_NAMED,
     .child = &SECRET_SCHEMA,
     .summary = "{VAULT/NAME: {refresh: 5m, max_stale: 24h}}"},
    {.key = "roles",
     .type = SCHEMA_OTHER,
     .read = config_read_roles,
     .shape = SHAPE_NAMED,
     .child = &ROLE_SCHEMA,
     .summary = "{NAME: {actions: [\"GET /api/**\"]}}"},
    {.key = "routes",
     .type = SCHEMA_OTHER,
     .read = config_read_routes,
     .shape = SHAPE_LIST,
     .child = &ROUTE_SCHEMA,
     .is_required = true,
     .summary = "at least one route: - {name: NAME, upstream: http://127.0.0.1:15672}"},
    {.key = "access",
     .type = SCHEMA_OTHER,
     .read = read_access,
     OFFSET_IN(config, access),
     .shape = SHAPE_LIST,
     .child = &ACCESS_SCHEMA,
     .summary = "who may do what on every route"},
    {.key = "deny",
     .type = SCHEMA_OTHER,
     .read = read_deny,
     OFFSET_IN(config, deny),
     .shape = SHAPE_LIST,
     .child = &DENY_SCHEMA,
     .summary = "who may not do what on any route"},
    {0},
};

const struct schema CONFIG_SCHEMA = {"the configuration", CONFIG_ROWS};
