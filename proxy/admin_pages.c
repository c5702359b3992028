/* One reading of the keeper's state, three forms of it. Texts that come from configuration are
 * escaped; nothing comes from callers. */
#include "proxy/admin_pages.h"

#include "core/json_out.h"
#include "proxy/keeper.h"
#include "proxy/metrics.h"

enum { STATUS_READY = 200, STATUS_NOT_READY = 503 };

unsigned admin_write_healthz(const struct keeper *keeper, struct buf *page) {
    (void)keeper;
    buf_append_str(page, "ok\n");
    return STATUS_READY;
}

/* A tenant is served when every key set that its authority has is there, and at least one. */
static bool tenant_is_ready(const struct key_source *keys, const char *tenant) {
    bool has_keys = false;
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        if (state.issuer || strcmp(state.tenant, tenant) != 0 || state.is_absent) {
            continue;
        }
        if (!state.is_ready) {
            return false;
        }
        has_keys = true;
    }
    return has_keys;
}

static bool issuers_are_ready(const struct key_source *keys) {
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        if (state.issuer && !state.is_ready) {
            return false;
        }
    }
    return true;
}

static bool keeper_is_ready(const struct keeper *keeper) {
    const struct config *config = keeper_config(keeper);
    bool is_ready = !keeper_is_draining(keeper) && issuers_are_ready(keeper_key_source(keeper));
    for (size_t i = 0; i < config->entra.tenants.count; i++) {
        is_ready &= tenant_is_ready(keeper_key_source(keeper), config->entra.tenants.items[i]);
    }
    const struct secret_store *secrets = keeper_secret_store(keeper);
    for (size_t i = 0; i < secret_store_state_count(secrets); i++) {
        struct secret_state state;
        secret_store_state(secrets, i, &state);
        is_ready &= state.is_ready;
    }
    return is_ready;
}

static void write_age(struct json_out *out, int64_t age_sec) {
    if (age_sec < 0) {
        json_out_null(out, "age_sec");
    } else {
        json_out_i64(out, "age_sec", age_sec);
    }
}

static void write_error(struct json_out *out, const char *error) {
    json_out_cstr(out, "error", error && *error ? error : NULL);
}

static void write_key_sets(struct json_out *out, const struct key_source *keys) {
    json_out_array_begin(out, "key_sets");
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "tenant", state.tenant);
        if (state.issuer) {
            json_out_cstr(out, "issuer", state.issuer);
        } else {
            json_out_i64(out, "version", state.version);
        }
        json_out_bool(out, "ready", state.is_ready);
        json_out_u64(out, "keys", state.keys);
        json_out_u64(out, "refused_keys", state.refused_keys);
        write_age(out, state.age_sec);
        write_error(out, state.last_error);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_secrets(struct json_out *out, const struct secret_store *secrets) {
    json_out_array_begin(out, "secrets");
    for (size_t i = 0; i < secret_store_state_count(secrets); i++) {
        struct secret_state state;
        secret_store_state(secrets, i, &state);
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "vault", state.vault);
        json_out_cstr(out, "name", state.name);
        json_out_bool(out, "ready", state.is_ready);
        write_age(out, state.age_sec);
        write_error(out, state.last_error);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

unsigned admin_write_readyz(const struct keeper *keeper, struct buf *page) {
    bool is_ready = keeper_is_ready(keeper);
    struct json_out out;
    json_out_init(&out, page);
    json_out_object_begin(&out, NULL);
    json_out_bool(&out, "ready", is_ready);
    json_out_bool(&out, "draining", keeper_is_draining(keeper));
    write_key_sets(&out, keeper_key_source(keeper));
    write_secrets(&out, keeper_secret_store(keeper));
    json_out_object_end(&out);
    buf_append_char(page, '\n');
    return is_ready ? STATUS_READY : STATUS_NOT_READY;
}

/* The age of the oldest of a tenant's sets; -1 when none was fetched. */
static int64_t oldest_age_sec(const struct key_source *keys, const char *tenant) {
    int64_t oldest_sec = -1;
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        if (strcmp(state.tenant, tenant) == 0 && state.age_sec > oldest_sec) {
            oldest_sec = state.age_sec;
        }
    }
    return oldest_sec;
}

static bool is_first_of_tenant(const struct key_source *keys, size_t index, const char *tenant) {
    for (size_t i = 0; i < index; i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        if (strcmp(state.tenant, tenant) == 0) {
            return false;
        }
    }
    return true;
}

static void write_keyset_ages(const struct keeper *keeper, struct buf *page) {
    const struct key_source *keys = keeper_key_source(keeper);
    buf_append_str(page, "# HELP barkeep_keyset_age_seconds Time since the tenant's oldest key set "
                         "in use was fetched.\n"
                         "# TYPE barkeep_keyset_age_seconds gauge\n");
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        int64_t age_sec = oldest_age_sec(keys, state.tenant);
        if (age_sec >= 0 && is_first_of_tenant(keys, i, state.tenant)) {
            buf_printf(page, "barkeep_keyset_age_seconds{tenant=\"%s\"} %lld\n", state.tenant,
                       (long long)age_sec);
        }
    }
}

static void write_secret_ages(const struct secret_store *secrets, struct buf *page) {
    buf_append_str(
        page,
        "# HELP barkeep_secret_age_seconds Time since the secret was last read from its vault.\n"
        "# TYPE barkeep_secret_age_seconds gauge\n");
    for (size_t i = 0; i < secret_store_state_count(secrets); i++) {
        struct secret_state state;
        secret_store_state(secrets, i, &state);
        if (state.age_sec >= 0) {
            buf_append_str(page, "barkeep_secret_age_seconds{vault=\"");
            metrics_write_label(page, state.vault);
            buf_append_str(page, "\",name=\"");
            metrics_write_label(page, state.name);
            buf_printf(page, "\"} %lld\n", (long long)state.age_sec);
        }
    }
}

static void write_vault_count(void *owner, const char *vault, int status, uint64_t count) {
    struct buf *page = owner;
    buf_append_str(page, "barkeep_vault_requests_total{vault=\"");
    metrics_write_label(page, vault);
    if (status == 0) {
        buf_printf(page, "\",status=\"unreachable\"} %llu\n", (unsigned long long)count);
    } else {
        buf_printf(page, "\",status=\"%d\"} %llu\n", status, (unsigned long long)count);
    }
}

static void write_group_lookups(const struct group_source *groups, struct buf *page) {
    buf_append_str(page,
                   "# HELP barkeep_groups_lookups_total Callers whose groups were looked up, by "
                   "result.\n"
                   "# TYPE barkeep_groups_lookups_total counter\n");
    for (int result = 0; result < GROUP_RESULT_COUNT; result++) {
        buf_printf(page, "barkeep_groups_lookups_total{result=\"%s\"} %llu\n",
                   group_result_label((enum group_result)result),
                   (unsigned long long)group_source_count(groups, (enum group_result)result));
    }
}

unsigned admin_write_metrics(const struct keeper *keeper, struct buf *page) {
    struct worker_metrics *workers[256];
    size_t count = keeper_worker_count(keeper);
    for (size_t i = 0; i < count; i++) {
        workers[i] = keeper_worker_metrics(keeper, i);
    }
    metrics_write_workers(page, keeper_route_places(keeper), workers, count);
    buf_printf(page,
               "# HELP barkeep_audit_lost_total Audit lines that the log could not take.\n"
               "# TYPE barkeep_audit_lost_total counter\n"
               "barkeep_audit_lost_total %llu\n",
               (unsigned long long)keeper_audit_dropped(keeper));
    buf_printf(
        page,
        "# HELP barkeep_rates_forgotten_total Callers whose use of a rate was forgotten, for "
        "want of room.\n"
        "# TYPE barkeep_rates_forgotten_total counter\n"
        "barkeep_rates_forgotten_total %llu\n",
        (unsigned long long)keeper_rates_forgotten(keeper));
    write_keyset_ages(keeper, page);
    write_secret_ages(keeper_secret_store(keeper), page);
    write_group_lookups(keeper_group_source(keeper), page);
    buf_append_str(page, "# HELP barkeep_vault_requests_total Requests to vaults, by answer.\n"
                         "# TYPE barkeep_vault_requests_total counter\n");
    secret_store_each_request_count(keeper_secret_store(keeper), write_vault_count, page);
    buf_printf(page,
               "# HELP barkeep_config_hash_info SHA-256 of the configuration in force.\n"
               "# TYPE barkeep_config_hash_info gauge\n"
               "barkeep_config_hash_info{hash=\"%s\"} 1\n",
               keeper_config(keeper)->hash);
    return STATUS_READY;
}

static uint64_t requests_of(const struct keeper *keeper, size_t route, bool allowed) {
    uint64_t total = 0;
    for (size_t i = 0; i < keeper_worker_count(keeper); i++) {
        const struct route_metrics *metrics = worker_route_metrics(
            keeper_worker_metrics(keeper, i), keeper_route_place(keeper, route));
        for (int reason = 0; reason < REASON_COUNT; reason++) {
            total +=
                (reason == REASON_NONE) == allowed ? metric_get(&metrics->requests[reason]) : 0;
        }
    }
    return total;
}

static bool is_ejected(const struct keeper *keeper, size_t route, size_t upstream) {
    struct worker_metrics *workers[256];
    size_t count = keeper_worker_count(keeper);
    for (size_t i = 0; i < count; i++) {
        workers[i] = keeper_worker_metrics(keeper, i);
    }
    size_t place = keeper_route_place(keeper, route);
    return metrics_upstreams_ejected(workers, count, place) >> upstream & 1;
}

static void write_upstreams(const struct keeper *keeper, size_t route, struct json_out *out) {
    const struct config_route *from = &keeper_config(keeper)->routes[route];
    json_out_array_begin(out, "upstreams");
    for (size_t i = 0; i < from->upstream_count; i++) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "url", from->upstreams[i].text);
        json_out_bool(out, "ejected", is_ejected(keeper, route, i));
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

unsigned admin_write_status_json(const struct keeper *keeper, struct buf *page) {
    const struct config *config = keeper_config(keeper);
    struct json_out out;
    json_out_init(&out, page);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "version", BARKEEP_VERSION);
    json_out_bool(&out, "ready", keeper_is_ready(keeper));
    json_out_bool(&out, "draining", keeper_is_draining(keeper));
    json_out_cstr(&out, "config_hash", config->hash);
    json_out_u64(&out, "workers", keeper_worker_count(keeper));
    json_out_array_begin(&out, "routes");
    for (size_t i = 0; i < config->route_count; i++) {
        json_out_object_begin(&out, NULL);
        json_out_cstr(&out, "name", config->routes[i].name);
        json_out_cstr(&out, "host", config->routes[i].host);
        json_out_cstr(&out, "path", config->routes[i].path);
        json_out_u64(&out, "allowed", requests_of(keeper, i, true));
        json_out_u64(&out, "refused", requests_of(keeper, i, false));
        write_upstreams(keeper, i, &out);
        json_out_object_end(&out);
    }
    json_out_array_end(&out);
    write_key_sets(&out, keeper_key_source(keeper));
    write_secrets(&out, keeper_secret_store(keeper));
    json_out_object_end(&out);
    buf_append_char(page, '\n');
    return STATUS_READY;
}

static void html_text(struct buf *page, const char *text) {
    for (const char *at = text ? text : ""; *at; at++) {
        switch (*at) {
        case '<':
            buf_append_str(page, "&lt;");
            break;
        case '>':
            buf_append_str(page, "&gt;");
            break;
        case '&':
            buf_append_str(page, "&amp;");
            break;
        case '"':
            buf_append_str(page, "&quot;");
            break;
        default:
            buf_append_char(page, *at);
        }
    }
}

static void html_cell(struct buf *page, const char *text) {
    buf_append_str(page, "<td>");
    html_text(page, text);
}

static void html_age(struct buf *page, bool is_ready, int64_t age_sec, const char *error) {
    buf_append_str(page, is_ready ? "<td class=ok>ready" : "<td class=bad>missing");
    if (age_sec < 0) {
        buf_append_str(page, "<td>never");
    } else {
        buf_printf(page, "<td>%lld s", (long long)age_sec);
    }
    html_cell(page, error);
}

static void html_upstreams(const struct keeper *keeper, size_t route, struct buf *page) {
    const struct config_route *from = &keeper_config(keeper)->routes[route];
    buf_append_str(page, "<td>");
    for (size_t i = 0; i < from->upstream_count; i++) {
        bool is_bad = is_ejected(keeper, route, i);
        buf_append_str(page, is_bad ? "<div class=bad>" : "<div>");
        html_text(page, from->upstreams[i].text);
        buf_append_str(page, is_bad ? " ejected</div>" : "</div>");
    }
}

static void html_routes(const struct keeper *keeper, struct buf *page) {
    const struct config *config = keeper_config(keeper);
    buf_append_str(page, "<h2>Routes</h2><table><tr><th>name<th>host<th>path<th>allowed<th>refused"
                         "<th>upstreams");
    for (size_t i = 0; i < config->route_count; i++) {
        buf_append_str(page, "<tr>");
        html_cell(page, config->routes[i].name);
        html_cell(page, config->routes[i].host ? config->routes[i].host : "any");
        html_cell(page, config->routes[i].path);
        buf_printf(page, "<td>%llu<td>%llu", (unsigned long long)requests_of(keeper, i, true),
                   (unsigned long long)requests_of(keeper, i, false));
        html_upstreams(keeper, i, page);
    }
    buf_append_str(page, "</table>");
}

static void html_keys_and_secrets(const struct keeper *keeper, struct buf *page) {
    const struct key_source *keys = keeper_key_source(keeper);
    const struct secret_store *secrets = keeper_secret_store(keeper);
    buf_append_str(
        page,
        "<h2>Signing keys</h2><table><tr><th>tenant<th>tokens<th>state<th>fetched<th>last error");
    for (size_t i = 0; i < key_source_state_count(keys); i++) {
        struct key_source_state state;
        key_source_state(keys, i, &state);
        buf_append_str(page, "<tr>");
        html_cell(page, state.tenant);
        if (state.issuer) {
            html_cell(page, state.issuer);
        } else {
            buf_printf(page, "<td>v%d", state.version);
        }
        html_age(page, state.is_ready, state.age_sec, state.last_error);
    }
    buf_append_str(
        page,
        "</table><h2>Secrets</h2><table><tr><th>vault<th>name<th>state<th>read<th>last error");
    for (size_t i = 0; i < secret_store_state_count(secrets); i++) {
        struct secret_state state;
        secret_store_state(secrets, i, &state);
        buf_append_str(page, "<tr>");
        html_cell(page, state.vault);
        html_cell(page, state.name);
        html_age(page, state.is_ready, state.age_sec, state.last_error);
    }
    buf_append_str(page, "</table>");
}

unsigned admin_write_status_page(const struct keeper *keeper, struct buf *page) {
    buf_append_str(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>barkeep</title><style>"
        "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}"
        "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3em .6em;"
        "border-bottom:1px solid #8884}.ok{color:#187a3c}.bad{color:#b3261e}</style><h1>barkeep ");
    html_text(page, BARKEEP_VERSION);
    buf_append_str(page, keeper_is_ready(keeper) ? " <span class=ok>ready</span></h1>"
                                                 : " <span class=bad>not ready</span></h1>");
    html_routes(keeper, page);
    html_keys_and_secrets(keeper, page);
    buf_append_str(page, "<p>Configuration ");
    html_text(page, keeper_config(keeper)->hash);
    buf_append_str(page, "</html>\n");
    return STATUS_READY;
}
