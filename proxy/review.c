/* `barkeep review`: who can reach what, by which rule and with which credential; with audit files
 * also who did. A rule's use is counted by its label, and only of lines written under this very
 * configuration; where a log does not say, what no rule of today is called is listed apart. What a
 * line says is made harmless as it is read. */
#include "proxy/review.h"

#include <stdlib.h>

#include "config/quote.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"

enum {
    USERS_MAX = 100000,
    REFUSED_MAX = 100000,
    ARENA_BYTES_MAX = 256 << 20,
    JSON_BYTES_MAX = 256 << 20,
    PRINCIPAL_BYTES = 1024,
    KEY_BYTES = 2 * PRINCIPAL_BYTES,
};

static void principal_text(const struct audit_request *request, char out_text[PRINCIPAL_BYTES]) {
    struct quoted_field oid, tenant, app;
    if (!request->oid.len) {
        snprintf(out_text, PRINCIPAL_BYTES, "unknown");
        return;
    }
    snprintf(out_text, PRINCIPAL_BYTES, "%s %s tenant %s app %s",
             slice_eq(request->principal_type, SLICE("app")) ? "app" : "user",
             quote_field(request->oid, &oid), quote_field(request->tenant, &tenant),
             quote_field(request->app, &app));
}

static void count_refusal(struct review *review, const struct audit_request *request,
                          const char *principal) {
    struct quoted_field reason, route;
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "%s%c%s%c%s", principal, REVIEW_SEPARATOR,
             quote_field(request->reason, &reason), REVIEW_SEPARATOR,
             quote_field(request->route, &route));
    tally_add(&review->refused, key, request->time);
}

static void on_request(void *owner, const struct audit_request *request) {
    struct review *review = owner;
    struct quoted_field rule;
    char principal[PRINCIPAL_BYTES], key[KEY_BYTES];
    principal_text(request, principal);
    if (request->rule.len) {
        tally_add(&review->rules, quote_field(request->rule, &rule), request->time);
        snprintf(key, sizeof key, "%s%c%s", rule.text, REVIEW_SEPARATOR, principal);
        tally_add(&review->users, key, request->time);
    }
    for (size_t i = 0; i < request->shadow_count; i++) {
        tally_add(&review->shadows, quote_field(request->shadows[i], &rule), request->time);
    }
    if (slice_eq(request->decision, SLICE("deny"))) {
        count_refusal(review, request, principal);
    }
}

bool review_is_used_by(const struct tally_row *user, const char *label) {
    size_t len = strlen(label);
    return strncmp(user->key, label, len) == 0 && user->key[len] == REVIEW_SEPARATOR;
}

static bool holds_rule(const struct config_entries *entries, const char *label) {
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].label, label) == 0) {
            return true;
        }
    }
    return false;
}

bool review_knows_rule(const struct review *review, const char *label) {
    const struct config *config = review->config;
    bool is_known = holds_rule(&config->access, label) || holds_rule(&config->deny, label);
    for (size_t i = 0; i < config->route_count && !is_known; i++) {
        is_known = holds_rule(&config->routes[i].access, label) ||
                   holds_rule(&config->routes[i].deny, label);
    }
    return is_known;
}

size_t review_credential(const struct config_route *route, const struct config_entry *entry,
                         bool is_deny) {
    if (is_deny || entry->credential != CONFIG_NONE) {
        return is_deny ? CONFIG_NONE : entry->credential;
    }
    return route ? route->credential : CONFIG_NONE;
}

void review_init(struct review *review, const struct config *config) {
    *review = (struct review){.config = config};
    arena_init(&review->arena, ARENA_BYTES_MAX);
    tally_init(&review->rules, USERS_MAX);
    tally_init(&review->shadows, USERS_MAX);
    tally_init(&review->users, USERS_MAX);
    tally_init(&review->refused, REFUSED_MAX);
}

void review_done(struct review *review) {
    tally_done(&review->rules);
    tally_done(&review->shadows);
    tally_done(&review->users);
    tally_done(&review->refused);
    arena_done(&review->arena);
}

enum status review_read(struct review *review, const char *file, struct error *err) {
    review->has_audit = true;
    return audit_read(file, review->config->hash, on_request, review, &review->read, err);
}

/* What is looked up by name stays findable; the others are shown in order. */
void review_sort(struct review *review) {
    tally_sort(&review->users);
    tally_sort(&review->refused);
}

static bool read_audits(struct review *review, const struct option_values *audits) {
    struct error err;
    for (size_t i = 0; i < audits->count; i++) {
        if (review_read(review, audits->items[i], &err) != STATUS_OK) {
            fprintf(stderr, "barkeep: %s\n", err.text);
            return false;
        }
    }
    review_sort(review);
    return true;
}

static bool print_json(struct review *review) {
    struct buf text;
    struct json_out out;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&out, &text);
    review_write_json(review, &out);
    return command_line_put(&text);
}

static int review_config(const char *file, const struct option_values *audits, bool as_json) {
    struct config *config = command_line_load(file, stderr, 0);
    struct review review;
    int code = EXIT_OK;
    if (!config) {
        return EXIT_USAGE;
    }
    review_init(&review, config);
    if (!read_audits(&review, audits)) {
        code = EXIT_USAGE;
    } else if (!as_json) {
        review_print(&review, stdout);
    } else if (!print_json(&review)) {
        code = EXIT_USAGE;
    }
    review_done(&review);
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
