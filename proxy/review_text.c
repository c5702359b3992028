/* A review for a person at a terminal: rule by rule what it says, then who used it. What comes from
 * the files is made harmless to terminals. */
#include "config/quote.h"
#include "proxy/review.h"
#include "proxy/rule_words.h"

enum { SHOWN_MAX = 10, REFUSED_SHOWN_MAX = 20 };

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static void print_str(FILE *out, const char *text) {
    quote_print(out, slice_of_str(text));
}

static void print_field(FILE *out, const char *name, const char *text) {
    if (text && *text) {
        fprintf(out, "      %-12s", name);
        print_str(out, text);
        fputc('\n', out);
    }
}

/* "  1234  last 2026-11-23T10:00:00.000Z  " */
static void print_count(FILE *out, const struct tally_row *row) {
    fprintf(out, "  %6llu  last %s  ", (unsigned long long)row->count, row->last);
}

static void print_users(const struct review *review, const char *label, FILE *out) {
    size_t users = 0;
    for (size_t i = 0; i < review->users.count; i++) {
        const struct tally_row *user = &review->users.rows[i];
        if (!review_is_used_by(user, label)) {
            continue;
        }
        if (users++ < SHOWN_MAX) {
            fprintf(out, "      %-12s", "");
            print_count(out, user);
            print_str(out, user->key + strlen(label) + 1);
            fputc('\n', out);
        }
    }
    if (users > SHOWN_MAX) {
        fprintf(out, "      %-12s  and %zu more\n", "", users - SHOWN_MAX);
    }
}

static size_t count_users(const struct review *review, const char *label) {
    size_t users = 0;
    for (size_t i = 0; i < review->users.count; i++) {
        users += review_is_used_by(&review->users.rows[i], label);
    }
    return users;
}

static void print_use(const struct review *review, const char *label, FILE *out) {
    const struct tally_row *rule = tally_find(&review->rules, label);
    const struct tally_row *shadow = tally_find(&review->shadows, label);
    if (!review->has_audit) {
        return;
    }
    if (shadow) {
        fprintf(out, "      %-12swould have decided %llu request%s, last %s\n", "shadow",
                (unsigned long long)shadow->count, plural(shadow->count), shadow->last);
    }
    if (!rule) {
        print_field(out, "used", shadow ? "" : "never");
        return;
    }
    size_t users = count_users(review, label);
    fprintf(out, "      %-12s%llu request%s by %zu principal%s, last %s\n", "used",
            (unsigned long long)rule->count, plural(rule->count), users, plural(users), rule->last);
    print_users(review, label, out);
}

static void print_credential(struct review *review, size_t credential, FILE *out) {
    const struct config_credential *row = &review->config->credentials[credential];
    const char *placement = rule_words_placement(&review->arena, review->config, row);
    print_field(out, "credential", arena_printf(&review->arena, "%s: %s", row->name, placement));
}

static void print_rule(struct review *review, const struct config_route *route,
                       const struct config_entry *entry, bool is_deny, FILE *out) {
    struct arena *arena = &review->arena;
    size_t credential = review_credential(route, entry, is_deny);
    fprintf(out, "  %s%s\n", entry->label,
            entry->is_shadow ? " (under shadow: does not decide)" : "");
    print_field(out, is_deny ? "denies" : "grants", rule_words_principals(arena, entry));
    print_field(out, "actions", rule_words_actions(arena, review->config, entry));
    print_field(out, "when", rule_words_conditions(arena, entry));
    if (credential != CONFIG_NONE) {
        print_credential(review, credential, out);
    } else if (!is_deny) {
        print_field(out, "credential", route ? "none" : "the route's");
    }
    if (entry->rate.is_present) {
        print_field(out, "rate", rule_words_rate(arena, &entry->rate));
    }
    print_use(review, entry->label, out);
}

static void print_rules(struct review *review, const struct config_route *route,
                        const struct config_entries *deny, const struct config_entries *access,
                        FILE *out) {
    for (size_t i = 0; i < deny->count; i++) {
        print_rule(review, route, &deny->items[i], true, out);
    }
    for (size_t i = 0; i < access->count; i++) {
        print_rule(review, route, &access->items[i], false, out);
    }
}

static void print_route(struct review *review, const struct config_route *route, FILE *out) {
    struct arena *arena = &review->arena;
    fprintf(out, "route %s: host %s, path ", route->name, route->host ? route->host : "any");
    print_str(out, route->path);
    fputs(", to ", out);
    print_str(out, rule_words_upstreams(arena, route));
    fputs(route->is_shadow ? ", under shadow: whoever has a valid token passes\n" : "\n", out);
    if (route->rate.is_present) {
        fprintf(out, "  rate %s\n", rule_words_rate(arena, &route->rate));
    }
    print_rules(review, route, &route->deny, &route->access, out);
    fputc('\n', out);
}

static void print_unknown_rules(const struct review *review, FILE *out) {
    bool is_first = true;
    for (size_t i = 0; i < review->rules.count; i++) {
        const struct tally_row *row = &review->rules.rows[i];
        if (review_knows_rule(review, row->key)) {
            continue;
        }
        fputs(is_first ? "rules of the audit that the configuration has not\n" : "", out);
        print_count(out, row);
        print_str(out, row->key);
        fputc('\n', out);
        is_first = false;
    }
}

/* Its parts are harmless, and between them stands a separator, which is none of them. */
static void print_refusal(const struct tally_row *row, FILE *out) {
    print_count(out, row);
    for (const char *at = row->key; *at; at++) {
        fputc(*at == REVIEW_SEPARATOR ? ' ' : *at, out);
    }
    fputc('\n', out);
}

static void print_refused(const struct review *review, FILE *out) {
    fputs(review->refused.count ? "refused most\n" : "", out);
    for (size_t i = 0; i < review->refused.count && i < REFUSED_SHOWN_MAX; i++) {
        print_refusal(&review->refused.rows[i], out);
    }
    if (review->refused.count > REFUSED_SHOWN_MAX) {
        fprintf(out, "  and %zu more\n", review->refused.count - REFUSED_SHOWN_MAX);
    }
}

void review_print(struct review *review, FILE *out) {
    const struct config *config = review->config;
    for (size_t i = 0; i < config->route_count; i++) {
        print_route(review, &config->routes[i], out);
    }
    if (config->access.count || config->deny.count) {
        fputs("every route\n", out);
        print_rules(review, NULL, &config->deny, &config->access, out);
        fputc('\n', out);
    }
    if (review->has_audit) {
        print_unknown_rules(review, out);
        print_refused(review, out);
        fputs("audit: ", out);
        audit_tally_print(&review->read, out);
    }
}
