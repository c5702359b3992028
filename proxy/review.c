/* `barkeep review`: who can reach what, by which rule and with which credential; with audit files
 * also who did. A rule's use is counted by its label, and only of lines written under this very
 * configuration; where a log does not say, what no rule of today is called is listed apart. */
#include <stdlib.h>

#include "core/json_out.h"
#include "proxy/audit_reader.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"
#include "proxy/rule_words.h"
#include "proxy/tally.h"

enum {
    USERS_MAX = 100000,
    REFUSED_MAX = 100000,
    SHOWN_MAX = 10,
    REFUSED_SHOWN_MAX = 20,
    ARENA_BYTES_MAX = 256 << 20,
    JSON_BYTES_MAX = 256 << 20,
    PART_BYTES = 256,
    KEY_BYTES = 1024,
};

/* Between the parts of a counted name; sorts before everything else. */
#define SEPARATOR '\x1f'

struct review {
    const struct config *config;
    struct arena arena;
    bool has_audit;
    struct audit_tally read;
    struct tally rules;   /* rule */
    struct tally shadows; /* rule that would have decided */
    struct tally users;   /* rule, principal */
    struct tally refused; /* principal, reason, route */
};

/* Harmless to terminals, and to what is taken apart again. */
static const char *clean(struct slice text, char *out_text) {
    size_t len = text.len < PART_BYTES - 1 ? text.len : PART_BYTES - 1;
    for (size_t i = 0; i < len; i++) {
        bool is_plain = (unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f;
        out_text[i] = is_plain ? text.ptr[i] : '?';
    }
    out_text[len] = '\0';
    return out_text;
}

static void principal_text(const struct audit_request *request, char out_text[KEY_BYTES]) {
    char oid[PART_BYTES], tenant[PART_BYTES], app[PART_BYTES];
    if (!request->oid.len) {
        snprintf(out_text, KEY_BYTES, "unknown");
        return;
    }
    snprintf(out_text, KEY_BYTES, "%s %s tenant %s app %s",
             slice_eq(request->principal_type, SLICE("app")) ? "app" : "user",
             clean(request->oid, oid), clean(request->tenant, tenant), clean(request->app, app));
}

static void on_request(void *owner, const struct audit_request *request) {
    struct review *review = owner;
    char principal[KEY_BYTES], rule[PART_BYTES], reason[PART_BYTES], route[PART_BYTES];
    char key[2 * KEY_BYTES];
    principal_text(request, principal);
    if (request->rule.len) {
        tally_add(&review->rules, clean(request->rule, rule), request->time);
        snprintf(key, sizeof key, "%s%c%s", rule, SEPARATOR, principal);
        tally_add(&review->users, key, request->time);
    }
    for (size_t i = 0; i < request->shadow_count; i++) {
        tally_add(&review->shadows, clean(request->shadows[i], rule), request->time);
    }
    if (slice_eq(request->decision, SLICE("deny"))) {
        snprintf(key, sizeof key, "%s%c%s%c%s", principal, SEPARATOR,
                 clean(request->reason, reason), SEPARATOR, clean(request->route, route));
        tally_add(&review->refused, key, request->time);
    }
}

static bool is_used_by(const struct tally_row *row, const char *label) {
    size_t len = strlen(label);
    return strncmp(row->key, label, len) == 0 && row->key[len] == SEPARATOR;
}

static bool is_known_rule(const struct config_entries *entries, const char *label) {
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].label, label) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_rule_of_config(const struct config *config, const char *label) {
    bool is_known = is_known_rule(&config->access, label) || is_known_rule(&config->deny, label);
    for (size_t i = 0; i < config->route_count && !is_known; i++) {
        is_known = is_known_rule(&config->routes[i].access, label) ||
                   is_known_rule(&config->routes[i].deny, label);
    }
    return is_known;
}

/* What a rule of this kind hands out; CONFIG_NONE for none. */
static size_t credential_of(const struct config_route *route, const struct config_entry *entry,
                            bool is_deny) {
    if (is_deny || entry->credential != CONFIG_NONE) {
        return is_deny ? CONFIG_NONE : entry->credential;
    }
    return route ? route->credential : CONFIG_NONE;
}

static void print_field(const char *name, const char *text) {
    if (text && *text) {
        printf("      %-12s%s\n", name, text);
    }
}

static void print_use(const struct review *review, const struct config_entry *entry) {
    const struct tally_row *rule = tally_find(&review->rules, entry->label);
    const struct tally_row *shadow = tally_find(&review->shadows, entry->label);
    size_t shown = 0, users = 0;
    if (!review->has_audit) {
        return;
    }
    if (shadow) {
        printf("      %-12swould have decided %llu request%s, last %s\n", "shadow",
               (unsigned long long)shadow->count, shadow->count == 1 ? "" : "s", shadow->last);
    }
    if (!rule) {
        print_field("used", shadow ? "" : "never");
        return;
    }
    for (size_t i = 0; i < review->users.count; i++) {
        users += is_used_by(&review->users.rows[i], entry->label);
    }
    printf("      %-12s%llu request%s by %zu principal%s, last %s\n", "used",
           (unsigned long long)rule->count, rule->count == 1 ? "" : "s", users,
           users == 1 ? "" : "s", rule->last);
    for (size_t i = 0; i < review->users.count && shown < SHOWN_MAX; i++) {
        const struct tally_row *user = &review->users.rows[i];
        if (is_used_by(user, entry->label)) {
            printf("      %-12s  %6llu  last %s  %s\n", "", (unsigned long long)user->count,
                   user->last, user->key + strlen(entry->label) + 1);
            shown++;
        }
    }
    if (users > shown) {
        printf("      %-12s  and %zu more\n", "", users - shown);
    }
}

static void print_rule(struct review *review, const struct config_route *route,
                       const struct config_entry *entry, bool is_deny) {
    const struct config *config = review->config;
    struct arena *arena = &review->arena;
    size_t credential = credential_of(route, entry, is_deny);
    printf("  %s%s\n", entry->label, entry->is_shadow ? " (under shadow: does not decide)" : "");
    print_field(is_deny ? "denies" : "grants", rule_words_principals(arena, entry));
    print_field("actions", rule_words_actions(arena, config, entry));
    print_field("when", rule_words_conditions(arena, entry));
    if (credential != CONFIG_NONE) {
        const struct config_credential *row = &config->credentials[credential];
        const char *placement = rule_words_placement(arena, config, row);
        print_field("credential", arena_printf(arena, "%s: %s", row->name, placement));
    } else if (!is_deny) {
        print_field("credential", route ? "none" : "the route's");
    }
    if (entry->rate.is_present) {
        print_field("rate", rule_words_rate(arena, &entry->rate));
    }
    print_use(review, entry);
}

static void print_rules(struct review *review, const struct config_route *route,
                        const struct config_entries *deny, const struct config_entries *access) {
    for (size_t i = 0; i < deny->count; i++) {
        print_rule(review, route, &deny->items[i], true);
    }
    for (size_t i = 0; i < access->count; i++) {
        print_rule(review, route, &access->items[i], false);
    }
}

static void print_route(struct review *review, const struct config_route *route) {
    struct arena *arena = &review->arena;
    printf("route %s: host %s, path %s, to %s%s\n", route->name, route->host ? route->host : "any",
           route->path, rule_words_upstreams(arena, route),
           route->is_shadow ? ", under shadow: whoever has a valid token passes" : "");
    if (route->rate.is_present) {
        printf("  rate %s\n", rule_words_rate(arena, &route->rate));
    }
    print_rules(review, route, &route->deny, &route->access);
    putchar('\n');
}

static void print_unknown_rules(const struct review *review) {
    bool is_first = true;
    for (size_t i = 0; i < review->rules.count; i++) {
        const struct tally_row *row = &review->rules.rows[i];
        if (!is_rule_of_config(review->config, row->key)) {
            printf("%s", is_first ? "rules of the audit that the configuration has not\n" : "");
            printf("  %6llu  last %s  %s\n", (unsigned long long)row->count, row->last, row->key);
            is_first = false;
        }
    }
}

static void print_refused(const struct review *review) {
    printf("%s", review->refused.count ? "refused most\n" : "");
    for (size_t i = 0; i < review->refused.count && i < REFUSED_SHOWN_MAX; i++) {
        const struct tally_row *row = &review->refused.rows[i];
        printf("  %6llu  last %s  ", (unsigned long long)row->count, row->last);
        for (const char *at = row->key; *at; at++) {
            putchar(*at == SEPARATOR ? ' ' : (unsigned char)*at < 0x20 ? '?' : *at);
        }
        putchar('\n');
    }
    if (review->refused.count > REFUSED_SHOWN_MAX) {
        printf("  and %zu more\n", review->refused.count - REFUSED_SHOWN_MAX);
    }
}

static void print_review(struct review *review) {
    const struct config *config = review->config;
    for (size_t i = 0; i < config->route_count; i++) {
        print_route(review, &config->routes[i]);
    }
    if (config->access.count || config->deny.count) {
        printf("every route\n");
        print_rules(review, NULL, &config->deny, &config->access);
        putchar('\n');
    }
    if (review->has_audit) {
        print_unknown_rules(review);
        print_refused(review);
        printf("audit: ");
        audit_tally_print(&review->read, stdout);
    }
}

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
        if (is_used_by(user, label)) {
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
    size_t credential = credential_of(route, entry, is_deny);
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

/* "principal SEPARATOR reason SEPARATOR route", taken apart in a copy. */
static void write_refused(struct json_out *out, struct review *review) {
    json_out_array_begin(out, "refused");
    for (size_t i = 0; i < review->refused.count; i++) {
        const struct tally_row *row = &review->refused.rows[i];
        struct slice rest = slice_of_str(row->key);
        static const char *const names[] = {"principal", "reason", "route"};
        json_out_object_begin(out, NULL);
        for (size_t n = 0; n < 3; n++) {
            size_t len = slice_index(rest, SEPARATOR);
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
        if (!is_rule_of_config(review->config, review->rules.rows[i].key)) {
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

static bool write_review(struct review *review) {
    const struct config *config = review->config;
    struct buf text;
    struct json_out out;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&out, &text);
    json_out_object_begin(&out, NULL);
    json_out_array_begin(&out, "routes");
    for (size_t i = 0; i < config->route_count; i++) {
        write_route(&out, review, &config->routes[i]);
    }
    json_out_array_end(&out);
    json_out_object_begin(&out, "every_route");
    write_rules(&out, review, NULL, &config->deny, &config->access);
    json_out_object_end(&out);
    if (review->has_audit) {
        write_audit(&out, review);
    }
    json_out_object_end(&out);
    buf_append_char(&text, '\n');
    bool is_written = buf_ok(&text) && fwrite(text.ptr, 1, text.len, stdout) == text.len;
    buf_done(&text);
    return is_written;
}

static bool read_audits(struct review *review, const struct option_values *audits) {
    struct error err;
    for (size_t i = 0; i < audits->count; i++) {
        if (audit_read(audits->items[i], review->config->hash, on_request, review, &review->read,
                       &err) != STATUS_OK) {
            fprintf(stderr, "barkeep: %s\n", err.text);
            return false;
        }
    }
    review->has_audit = audits->count > 0;
    return true;
}

/* What is looked up by name stays findable; the others are shown in order. */
static void sort_tallies(struct review *review) {
    tally_sort(&review->users);
    tally_sort(&review->refused);
}

static int review_config(const char *file, const struct option_values *audits, bool as_json) {
    struct config *config = command_line_load(file, stderr, false);
    struct review review = {.config = config};
    int code = EXIT_OK;
    if (!config) {
        return EXIT_USAGE;
    }
    arena_init(&review.arena, ARENA_BYTES_MAX);
    tally_init(&review.rules, USERS_MAX);
    tally_init(&review.shadows, USERS_MAX);
    tally_init(&review.users, USERS_MAX);
    tally_init(&review.refused, REFUSED_MAX);
    if (!read_audits(&review, audits)) {
        code = EXIT_USAGE;
    } else {
        sort_tallies(&review);
        if (!as_json) {
            print_review(&review);
        } else if (!write_review(&review)) {
            code = EXIT_USAGE;
        }
    }
    tally_done(&review.rules);
    tally_done(&review.shadows);
    tally_done(&review.users);
    tally_done(&review.refused);
    arena_done(&review.arena);
    config_unref(config);
    return code;
}

int command_review(int count, char **arguments) {
    const char *file = NULL;
    struct option_values audits = {0}, words = {0};
    bool as_json = false;
    int code = EXIT_USAGE;
    const struct option table[] = {
        {"-c", OPTION_VALUE, &file},
        {"--audit", OPTION_VALUES, &audits},
        {"--json", OPTION_FLAG, &as_json},
    };
    if (command_line_parse("review", REVIEW_USAGE, count, arguments, table,
                           sizeof table / sizeof *table, &words)) {
        code = !file || words.count
                   ? command_line_misused("review", REVIEW_USAGE,
                                          file ? "there is a word too many" : "-c FILE is missing")
                   : review_config(file, &audits, as_json);
    }
    if (fflush(stdout) != 0) {
        code = EXIT_USAGE;
    }
    free(audits.items);
    free(words.items);
    return code;
}
