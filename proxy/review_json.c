/* A review as one JSON object. Its keys are stable. */
#include "proxy/review.h"
#include "proxy/rule_words.h"

static void write_row(struct json_out *out, const char *name, const char *text,
                      const struct tally_row *row) {
    json_out_object_begin(out, NULL);
    json_out_cstr(out, name, text);
    json_out_u64(out, "requests", row->count);
    json_out_cstr(out, "last", row->last);
    json_out_object_end(out);
}

static void write_use(struct json_out *out, const struct review *review, const char *label) {
    const struct tally_row *rule = tally_find(&review->rules, label);
    if (!review->has_audit) {
        return;
    }
    json_out_u64(out, "requests", rule ? rule->count : 0);
    json_out_cstr(out, "last", rule ? rule->last : NULL);
    const struct tally_row *shadow = tally_find(&review->shadows, label);
    json_out_u64(out, "would_decide", shadow ? shadow->count : 0);
    json_out_array_begin(out, "used_by");
    for (size_t i = 0; rule && i < review->users.count; i++) {
        const struct tally_row *user = &review->users.rows[i];
        if (review_is_used_by(user, label)) {
            write_row(out, "principal", user->key + strlen(label) + 1, user);
        }
    }
    json_out_array_end(out);
}

static void write_rule(struct json_out *out, struct review *review,
                       const struct config_route *route, const struct config_entry *entry,
                       bool is_deny) {
    const struct config *config = review->config;
    struct arena *arena = &review->arena;
    size_t credential = review_credential(route, entry, is_deny);
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "rule", entry->label);
    json_out_cstr(out, "kind", is_deny ? "deny" : "access");
    json_out_u64(out, "line", entry->position.line);
    json_out_bool(out, "shadow", entry->is_shadow);
    json_out_cstr(out, "principals", rule_words_principals(arena, entry));
    json_out_cstr(out, "actions", rule_words_actions(arena, config, entry));
    json_out_cstr(out, "when", rule_words_conditions(arena, entry));
    json_out_cstr(out, "rate",
                  entry->rate.is_present ? rule_words_rate(arena, &entry->rate) : NULL);
    if (credential == CONFIG_NONE) {
        json_out_null(out, "credential");
    } else {
        const struct config_credential *row = &config->credentials[credential];
        json_out_object_begin(out, "credential");
        json_out_cstr(out, "name", row->name);
        json_out_cstr(out, "kind", rule_words_credential_kind(row->kind));
        json_out_cstr(out, "placement", rule_words_placement(arena, config, row));
        json_out_object_end(out);
    }
    write_use(out, review, entry->label);
    json_out_object_end(out);
}

static void write_rules(struct json_out *out, struct review *review,
                        const struct config_route *route, const struct config_entries *deny,
                        const struct config_entries *access) {
    json_out_array_begin(out, "rules");
    for (size_t i = 0; i < deny->count; i++) {
        write_rule(out, review, route, &deny->items[i], true);
    }
    for (size_t i = 0; i < access->count; i++) {
        write_rule(out, review, route, &access->items[i], false);
    }
    json_out_array_end(out);
}

static void write_route(struct json_out *out, struct review *review,
                        const struct config_route *route) {
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "name", route->name);
    json_out_cstr(out, "host", route->host);
    json_out_cstr(out, "path", route->path);
    json_out_bool(out, "shadow", route->is_shadow);
    json_out_cstr(out, "rate",
                  route->rate.is_present ? rule_words_rate(&review->arena, &route->rate) : NULL);
    json_out_array_begin(out, "upstreams");
    for (size_t i = 0; i < route->upstream_count; i++) {
        json_out_cstr(out, NULL, route->upstreams[i].text);
    }
    json_out_array_end(out);
    write_rules(out, review, route, &route->deny, &route->access);
    json_out_object_end(out);
}

/* "principal REVIEW_SEPARATOR reason REVIEW_SEPARATOR route", taken apart in a copy. */
static void write_refused(struct json_out *out, struct review *review) {
    json_out_array_begin(out, "refused");
    for (size_t i = 0; i < review->refused.count; i++) {
        const struct tally_row *row = &review->refused.rows[i];
        struct slice rest = slice_of_str(row->key);
        static const char *const names[] = {"principal", "reason", "route"};
        json_out_object_begin(out, NULL);
        for (size_t n = 0; n < 3; n++) {
            size_t len = slice_index(rest, REVIEW_SEPARATOR);
            json_out_str(out, names[n], slice_of(rest.ptr, len));
            rest = slice_skip(rest, len + 1);
        }
        json_out_u64(out, "requests", row->count);
        json_out_cstr(out, "last", row->last);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_audit(struct json_out *out, struct review *review) {
    json_out_array_begin(out, "unknown_rules");
    for (size_t i = 0; i < review->rules.count; i++) {
        if (!review_knows_rule(review, review->rules.rows[i].key)) {
            write_row(out, "rule", review->rules.rows[i].key, &review->rules.rows[i]);
        }
    }
    json_out_array_end(out);
    write_refused(out, review);
    json_out_object_begin(out, "audit");
    json_out_u64(out, "requests", review->read.requests);
    json_out_u64(out, "other_config", review->read.other_config);
    json_out_u64(out, "unplaced", review->read.unplaced);
    json_out_u64(out, "other_events", review->read.other_events);
    json_out_u64(out, "bad_lines", review->read.bad_lines);
    json_out_u64(out, "cut_lines", review->read.cut_lines);
    json_out_object_end(out);
}

void review_write_json(struct review *review, struct json_out *out) {
    const struct config *config = review->config;
    json_out_object_begin(out, NULL);
    json_out_array_begin(out, "routes");
    for (size_t i = 0; i < config->route_count; i++) {
        write_route(out, review, &config->routes[i]);
    }
    json_out_array_end(out);
    json_out_object_begin(out, "every_route");
    write_rules(out, review, NULL, &config->deny, &config->access);
    json_out_object_end(out);
    if (review->has_audit) {
        write_audit(out, review);
    }
    json_out_object_end(out);
}
