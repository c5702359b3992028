/* An explanation as one JSON object. Its keys are stable, and described in the manual page. */
#include "proxy/explanation.h"
#include "proxy/metrics.h"
#include "proxy/rule_words.h"

static void write_text(struct json_out *out, const char *key, const char *text) {
    json_out_cstr(out, key, text && *text ? text : NULL);
}

static void write_items(struct json_out *out, const char *key, const struct explain_list *list,
                        const char *name_key, const char *text_key) {
    json_out_array_begin(out, key);
    for (const struct explain_item *item = list->first; item; item = item->next) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, name_key, item->name);
        if (*item->mark) {
            json_out_cstr(out, "outcome", item->mark);
        }
        json_out_cstr(out, text_key, item->text);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_slices(struct json_out *out, const char *key, const struct slice *items,
                         size_t count) {
    json_out_array_begin(out, key);
    for (size_t i = 0; i < count; i++) {
        json_out_str(out, NULL, items[i]);
    }
    json_out_array_end(out);
}

static void write_request(struct json_out *out, const struct explanation *explanation) {
    json_out_object_begin(out, "request");
    json_out_cstr(out, "method", explanation->question->method);
    json_out_cstr(out, "path", explanation->path);
    json_out_bool(out, "has_query", explanation->has_query);
    json_out_cstr(out, "host", explanation->question->host);
    json_out_cstr(out, "client", explanation->question->client);
    json_out_object_end(out);
}

static void write_route(struct json_out *out, const struct explanation *explanation) {
    if (explanation->route == CONFIG_NONE) {
        json_out_null(out, "route");
    } else {
        const struct config_route *route = &explanation->ground->config->routes[explanation->route];
        json_out_object_begin(out, "route");
        json_out_cstr(out, "name", route->name);
        json_out_cstr(out, "host", route->host);
        json_out_cstr(out, "path", route->path);
        json_out_str(out, "below", explanation->below);
        json_out_bool(out, "shadow", route->is_shadow);
        json_out_array_begin(out, "upstreams");
        for (size_t i = 0; i < route->upstream_count; i++) {
            json_out_cstr(out, NULL, route->upstreams[i].text);
        }
        json_out_array_end(out);
        json_out_object_end(out);
    }
    write_items(out, "close_routes", &explanation->close_routes, "route", "why");
}

static void write_identity(struct json_out *out, const struct explanation *explanation) {
    const struct identity *identity = explanation->identity;
    if (!identity) {
        json_out_null(out, "identity");
        return;
    }
    json_out_object_begin(out, "identity");
    json_out_cstr(out, "type", identity->type == PRINCIPAL_APP ? "app" : "user");
    json_out_str(out, "tenant", identity->tenant);
    json_out_str(out, "oid", identity->oid);
    json_out_str(out, "app", identity->app);
    json_out_str(out, "name", identity->name);
    write_slices(out, "roles", identity->roles, identity->role_count);
    write_slices(out, "scopes", identity->scopes, identity->scope_count);
    write_slices(out, "groups", identity->groups, identity->group_count);
    json_out_bool(out, "groups_unknown", identity->groups_unknown);
    write_slices(out, "acrs", identity->acrs, identity->acrs_count);
    json_out_bool(out, "mfa", identity->has_mfa);
    json_out_bool(out, "takes_claims_challenge", identity->accepts_claims_challenge);
    json_out_object_end(out);
}

static void write_token(struct json_out *out, const struct explanation *explanation) {
    json_out_object_begin(out, "token");
    json_out_cstr(out, "source",
                  explanation->question->token.len == 0 ? NULL
                  : explanation->question->is_claims    ? "claims"
                                                        : "token");
    write_text(out, "kid", explanation->verdict.kid);
    write_text(out, "uti", explanation->verdict.uti);
    write_items(out, "checks", &explanation->checks, "check", "compared");
    json_out_object_end(out);
}

static void write_pin(struct json_out *out, const struct explained_pin *pin) {
    if (!pin) {
        json_out_null(out, "pin");
        return;
    }
    json_out_object_begin(out, "pin");
    json_out_cstr(out, "answer", pin->answer);
    json_out_cstr(out, "pinning", pin->is_blocking ? "block" : "warn");
    json_out_cstr(out, "file", pin->file);
    json_out_cstr(out, "approved", pin->approved);
    json_out_null(out, "listed"); /* the server is not asked */
    json_out_cstr(out, "why", pin->words);
    json_out_object_end(out);
}

static void write_mcp(struct json_out *out, const struct explanation *explanation) {
    const struct policy_mcp *asked = explanation->mcp;
    if (!asked) {
        json_out_null(out, "mcp");
        return;
    }
    json_out_object_begin(out, "mcp");
    json_out_str(out, "method", asked->method);
    if (asked->has_name) {
        json_out_str(out, "name", asked->name);
    } else {
        json_out_null(out, "name");
    }
    json_out_cstr(out, "gate", explain_gate_name(asked->gate));
    write_pin(out, explanation->pin);
    json_out_object_end(out);
}

static void write_rules(struct json_out *out, const struct explanation *explanation) {
    json_out_array_begin(out, "rules");
    for (const struct explained_rule *rule = explanation->first_rule; rule; rule = rule->next) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "rule", rule->step.entry->label);
        json_out_cstr(out, "kind", rule->step.is_deny ? "deny" : "access");
        json_out_u64(out, "line", rule->step.entry->position.line);
        json_out_cstr(out, "answer", rule->answer);
        json_out_cstr(out, "why", rule->why);
        if (rule->step.failed) {
            json_out_cstr(out, "argument", rule->step.failed->pointer);
        }
        json_out_bool(out, "decisive", rule->step.is_decisive);
        json_out_bool(out, "shadow", rule->step.entry->is_shadow);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

/* Of secrets the names; no vault is asked. */
static void write_credential(struct json_out *out, struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    size_t index = explanation->decision.credential;
    if (explanation->reason != REASON_NONE || index == CONFIG_NONE) {
        json_out_null(out, "credential");
        return;
    }
    const struct config_credential *credential = &config->credentials[index];
    json_out_object_begin(out, "credential");
    json_out_cstr(out, "name", credential->name);
    json_out_cstr(out, "kind", rule_words_credential_kind(credential->kind));
    json_out_cstr(out, "placement", rule_words_placement(&explanation->arena, config, credential));
    json_out_object_end(out);
}

static void write_answer(struct json_out *out, const struct explanation *explanation) {
    bool depends = explanation->asks_graph;
    enum reason reason = depends ? REASON_NONE : explanation->reason;
    json_out_cstr(out, "decision", depends ? "depends" : decision_label(reason));
    write_text(out, "reason", reason_code(reason));
    if (reason == REASON_NONE) {
        json_out_null(out, "status");
    } else {
        json_out_u64(out, "status", (uint64_t)reason_http_status(reason));
    }
    write_text(out, "detail", explanation->detail);
    json_out_cstr(out, "rule", depends ? NULL : explanation->decision.rule);
    json_out_bool(out, "asks_graph", depends);
    write_items(out, "with_groups", &explanation->with_groups, "groups_of", "answer");
}

static void write_shadows(struct json_out *out, const struct decision *decision) {
    json_out_array_begin(out, "shadow");
    for (size_t i = 0; i < decision->shadow_count; i++) {
        json_out_cstr(out, NULL, decision->shadows[i]);
    }
    json_out_array_end(out);
}

void explanation_write_json(struct explanation *explanation, struct slice id,
                            struct json_out *out) {
    json_out_object_begin(out, NULL);
    if (id.ptr) {
        json_out_str(out, "id", id);
    }
    write_answer(out, explanation);
    write_request(out, explanation);
    write_route(out, explanation);
    write_mcp(out, explanation);
    write_token(out, explanation);
    write_identity(out, explanation);
    write_rules(out, explanation);
    write_shadows(out, &explanation->decision);
    write_credential(out, explanation);
    write_items(out, "rates", &explanation->rates, "of", "rate");
    write_items(out, "near_misses", &explanation->near_misses, "kind", "text");
    write_items(out, "notes", &explanation->notes, "about", "text");
    json_out_object_end(out);
}
