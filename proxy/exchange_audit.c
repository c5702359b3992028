/* One line and one count per exchange, whatever became of it. Fields are contract section 9;
 * nothing that is not listed here can get into the log. */
#include "core/clock.h"
#include "core/json_out.h"
#include "proxy/client.h"
#include "proxy/exchange_mcp.h"

/* Keys, numbers, ids, GUIDs, token ids and the rule's label; what one secret adds; and a bound on
 * what the configuration adds: a credential made of dozens of secrets may cost a line its
 * reservation. */
enum {
    RECORD_FIXED_BYTES = 2048,
    RECORD_BYTES_PER_SECRET = 80,
    RECORD_CONFIG_BYTES_MAX = 4096,
    RECORD_MCP_BYTES =
        JSON_OUT_MAX_STRING + 6 * MCP_ARGUMENT_NAMES_MAX * MCP_ARGUMENT_NAME_BYTES + 512,
    RECORD_SHADOW_BYTES = POLICY_SHADOWS_MAX * 176, /* a label holds a route's name */
};

static const char *const aborted_labels[] = {
    [ABORTED_BY_NOBODY] = NULL,           [ABORTED_BY_CLIENT] = "client",
    [ABORTED_BY_UPSTREAM] = "upstream",   [ABORTED_BY_TIMEOUT] = "timeout",
    [ABORTED_BY_DRAIN] = "drain",         [ABORTED_BY_REVOCATION] = "revoked",
    [ABORTED_BY_RELOAD] = "reload",       [ABORTED_BY_EXPIRY] = "expired",
    [ABORTED_BY_OVERLOAD] = "overloaded",
};

static void write_optional(struct json_out *out, const char *key, struct slice value) {
    if (value.len) {
        json_out_str(out, key, value);
    } else {
        json_out_null(out, key);
    }
}

static void write_principal(struct json_out *out, const struct identity *identity) {
    if (!identity) {
        json_out_null(out, "principal");
        return;
    }
    json_out_object_begin(out, "principal");
    json_out_cstr(out, "type", identity->type == PRINCIPAL_APP ? "app" : "user");
    json_out_str(out, "tenant", identity->tenant);
    json_out_str(out, "oid", identity->oid);
    json_out_str(out, "app", identity->app);
    json_out_object_end(out);
}

static void write_token(struct json_out *out, const struct exchange *exchange) {
    struct slice uti = slice_of_str(exchange->verdict.uti);
    struct slice kid = slice_of_str(exchange->verdict.kid);
    if (exchange->identity) {
        uti = exchange->identity->uti;
        kid = exchange->identity->kid;
    }
    if (!uti.len && !kid.len) {
        json_out_null(out, "token");
        return;
    }
    json_out_object_begin(out, "token");
    write_optional(out, "uti", uti);
    write_optional(out, "kid", kid);
    json_out_object_end(out);
}

static void write_credential(struct json_out *out, const struct exchange *exchange) {
    const struct rendered_credential *credential = exchange->credential;
    size_t index = exchange->decision.credential;
    if (exchange->decision.is_allowed && index != CONFIG_NONE) {
        json_out_cstr(out, "credential", exchange_config(exchange)->credentials[index].name);
    } else {
        json_out_null(out, "credential");
    }
    json_out_array_begin(out, "secrets");
    for (size_t i = 0; credential && i < credential->used_count; i++) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "vault", credential->used[i].vault);
        json_out_cstr(out, "name", credential->used[i].name);
        write_optional(out, "version", slice_of_str(credential->used[i].version));
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_upstream(struct json_out *out, const struct exchange *exchange, uint64_t now_us) {
    json_out_cstr(out, "upstream", exchange->target ? exchange->target->text : NULL);
    if (exchange->upstream_status) {
        json_out_u64(out, "upstream_status", (uint64_t)exchange->upstream_status);
    } else {
        json_out_null(out, "upstream_status");
    }
    json_out_u64(out, "bytes_in", exchange->upload.moved);
    json_out_u64(out, "bytes_out", exchange->download.moved);
    json_out_milli(out, "duration_ms", now_us - exchange->begin_us);
    if (exchange->upstream_begin_us) {
        uint64_t end_us = exchange->upstream_head_us ? exchange->upstream_head_us : now_us;
        json_out_milli(out, "upstream_ms", end_us - exchange->upstream_begin_us);
    } else {
        json_out_null(out, "upstream_ms");
    }
}

static void write_request(struct json_out *out, const struct exchange *exchange) {
    json_out_str(out, "id", slice_of(exchange->id, 32));
    write_optional(
        out, "route",
        slice_of_str(exchange->route == CONFIG_NONE ? NULL : exchange_route(exchange)->name));
    json_out_cstr(out, "client", exchange->forwarding.client->text);
    write_optional(out, "host", exchange->host);
    write_optional(out, "method", exchange->method);
    write_optional(out, "path", exchange->path.text);
}

static void write_mcp(struct json_out *out, const struct exchange *exchange) {
    const struct exchange_mcp *mcp = exchange->mcp;
    if (!mcp || !exchange_mcp_has_message(mcp)) {
        return;
    }
    json_out_object_begin(out, "mcp");
    write_optional(out, "method", mcp->question.method);
    write_optional(out, "name", mcp->question.has_name ? mcp->question.name : SLICE(""));
    if (mcp->arguments_digest[0]) {
        json_out_array_begin(out, "arguments");
        for (size_t i = 0; i < mcp->argument_name_count; i++) {
            json_out_str(out, NULL, mcp->argument_names[i]);
        }
        json_out_array_end(out);
        json_out_cstr(out, "arguments_sha256", mcp->arguments_digest);
    }
    if (mcp->filter) {
        struct mcp_filter_counts counts = mcp_filter_counts(mcp->filter);
        json_out_u64(out, "hidden", counts.hidden);
        json_out_u64(out, "held_back", counts.held_back);
    }
    json_out_object_end(out);
}

static void write_outcome(struct json_out *out, const struct exchange *exchange) {
    json_out_u64(out, "status", (uint64_t)exchange->status);
    json_out_cstr(out, "decision", decision_label(exchange->reason));
    write_optional(out, "reason", slice_of_str(reason_code(exchange->reason)));
    json_out_cstr(out, "rule", exchange->decision.rule);
    json_out_array_begin(out, "shadow");
    for (size_t i = 0; i < exchange->decision.shadow_count; i++) {
        json_out_cstr(out, NULL, exchange->decision.shadows[i]);
    }
    json_out_array_end(out);
}

static void write_line(struct exchange *exchange, struct buf *line, uint64_t now_us) {
    char time_text[CLOCK_RFC3339_SIZE];
    struct json_out out;
    uint64_t scrubbed = exchange->scrubbed + exchange->leaks.found;
    clock_format_rfc3339(clock_wall_ms(), time_text);
    json_out_init(&out, line);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "time", time_text);
    json_out_cstr(&out, "event", "request");
    write_request(&out, exchange);
    write_outcome(&out, exchange);
    write_mcp(&out, exchange);
    write_principal(&out, exchange->identity);
    write_token(&out, exchange);
    write_credential(&out, exchange);
    write_upstream(&out, exchange, now_us);
    if (scrubbed > 0) {
        json_out_u64(&out, "scrubbed", scrubbed);
    }
    if (exchange->aborted_by != ABORTED_BY_NOBODY) {
        json_out_cstr(&out, "aborted", aborted_labels[exchange->aborted_by]);
    }
    json_out_object_end(&out);
    buf_append_char(line, '\n');
}

static void count_exchange(struct exchange *exchange, uint64_t now_us) {
    struct worker_metrics *metrics = &exchange->worker->metrics;
    bool has_route = exchange->route != CONFIG_NONE;
    struct route_metrics *route = worker_route_metrics(
        metrics, has_route ? exchange->snapshot->rules->places[exchange->route] : 0);
    metric_add(&route->requests[exchange->reason], 1);
    metric_add(&route->scrubbed, exchange->scrubbed + exchange->leaks.found);
    histogram_observe(&route->seconds, now_us - exchange->begin_us);
    uint64_t until_us = exchange->upstream_begin_us ? exchange->upstream_begin_us : now_us;
    uint64_t overhead_us = until_us - exchange->begin_us;
    overhead_us -= exchange->waited_us < overhead_us ? exchange->waited_us : overhead_us;
    if (exchange->upstream_head_us && exchange->answered_us > exchange->upstream_head_us) {
        overhead_us += exchange->answered_us - exchange->upstream_head_us;
    }
    histogram_observe(&metrics->overhead, overhead_us);
}

/* Everything of a line that a caller can lengthen is in its head, at most once, and cut. */
static size_t bytes_of_caller(size_t head_len) {
    size_t longest = 2 * JSON_OUT_MAX_STRING; /* path and host */
    return head_len < longest ? head_len : longest;
}

bool exchange_reserve_record(struct exchange *exchange, size_t head_len) {
    size_t bytes = exchange->worker->audit_base_bytes + bytes_of_caller(head_len);
    if (!audit_sink_reserve(exchange->worker->audit, bytes)) {
        return false;
    }
    exchange->audit_reserved_bytes = bytes;
    return true;
}

static bool has_shadow(const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->items[i].is_shadow) {
            return true;
        }
    }
    return false;
}

static bool uses_shadow(const struct config *config) {
    bool is_used = has_shadow(&config->access) || has_shadow(&config->deny);
    for (size_t i = 0; i < config->route_count && !is_used; i++) {
        const struct config_route *route = &config->routes[i];
        is_used = route->is_shadow || has_shadow(&route->access) || has_shadow(&route->deny);
    }
    return is_used;
}

static bool uses_mcp(const struct config *config) {
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].mcp) {
            return true;
        }
    }
    return false;
}

size_t exchange_record_base_bytes(const struct config *config) {
    size_t longest = 0;
    for (size_t i = 0; i < config->credential_count; i++) {
        longest = longest > strlen(config->credentials[i].name)
                      ? longest
                      : strlen(config->credentials[i].name);
    }
    for (size_t i = 0; i < config->secret_count; i++) {
        longest += strlen(config->vaults[config->secrets[i].vault].name) +
                   strlen(config->secrets[i].name) + RECORD_BYTES_PER_SECRET;
    }
    longest = longest < RECORD_CONFIG_BYTES_MAX ? longest : RECORD_CONFIG_BYTES_MAX;
    return RECORD_FIXED_BYTES + longest + (uses_shadow(config) ? RECORD_SHADOW_BYTES : 0) +
           (uses_mcp(config) ? RECORD_MCP_BYTES : 0);
}

void exchange_record(struct exchange *exchange) {
    struct worker *worker = exchange->worker;
    uint64_t now_us = clock_monotonic_us();
    count_exchange(exchange, now_us);
    buf_clear(&worker->audit_line);
    write_line(exchange, &worker->audit_line, now_us);
    if (!buf_ok(&worker->audit_line)) {
        audit_sink_lose(worker->audit, exchange->audit_reserved_bytes);
        return;
    }
    audit_sink_write(worker->audit, buf_slice(&worker->audit_line), exchange->audit_reserved_bytes);
}
