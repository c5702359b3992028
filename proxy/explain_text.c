/* An explanation for a person at a terminal: the answer first, then one aligned line a fact. All
 * that came from a token is made harmless to terminals. */
#include "config/quote.h"
#include "proxy/explanation.h"
#include "proxy/metrics.h"
#include "proxy/rule_words.h"

enum { LABEL_WIDTH = 14, NAME_WIDTH_MAX = 40, ROUTES_SHOWN_MAX = 5 };

enum colour { COLOUR_GOOD, COLOUR_BAD, COLOUR_DIM, COLOUR_STRONG };

static const char *const colours[] = {
    [COLOUR_GOOD] = "\033[32m",
    [COLOUR_BAD] = "\033[31m",
    [COLOUR_DIM] = "\033[2m",
    [COLOUR_STRONG] = "\033[1m",
};

struct page {
    FILE *out;
    bool is_coloured;
};

static const char *on(const struct page *page, enum colour colour) {
    return page->is_coloured ? colours[colour] : "";
}

static const char *off(const struct page *page) {
    return page->is_coloured ? "\033[0m" : "";
}

static void put_text(const struct page *page, struct slice text) {
    quote_print(page->out, text);
}

static void put_str(const struct page *page, const char *text) {
    put_text(page, slice_of_str(text));
}

static void put_label(const struct page *page, const char *label) {
    fprintf(page->out, "%s%-*s%s", on(page, COLOUR_DIM), LABEL_WIDTH, label, off(page));
}

static void put_line(const struct page *page, const char *label, const char *text) {
    put_label(page, label);
    put_str(page, text);
    fputc('\n', page->out);
}

/* "  name      mark     text" */
static void put_item(const struct page *page, const char *name, int width, const char *mark,
                     enum colour colour) {
    fprintf(page->out, "  %-*s ", width, name);
    if (*mark) {
        fprintf(page->out, "%s%-8s%s ", on(page, colour), mark, off(page));
    }
}

static int list_width(const struct explain_list *list) {
    size_t width = 0;
    for (const struct explain_item *item = list->first; item; item = item->next) {
        size_t len = strlen(item->name);
        width = len > width && len <= NAME_WIDTH_MAX ? len : width;
    }
    return (int)width;
}

static enum colour colour_of_mark(const char *mark) {
    bool is_good = strcmp(mark, "passed") == 0 || strcmp(mark, "allow") == 0;
    return is_good ? COLOUR_GOOD : strcmp(mark, "skipped") == 0 ? COLOUR_DIM : COLOUR_BAD;
}

static void put_heading(const struct page *page, const char *label) {
    fprintf(page->out, "%s%s%s\n", on(page, COLOUR_DIM), label, off(page));
}

static void put_list_item(const struct page *page, const struct explain_item *item, int width) {
    put_item(page, item->name, width, item->mark, colour_of_mark(item->mark));
    put_str(page, item->text);
    fputc('\n', page->out);
}

static void put_list(const struct page *page, const char *label, const struct explain_list *list) {
    if (!list->count) {
        return;
    }
    put_heading(page, label);
    int width = list_width(list);
    for (const struct explain_item *item = list->first; item; item = item->next) {
        put_list_item(page, item, width);
    }
}

static bool is_skipped_like(const struct explain_item *check, const struct explain_item *other) {
    return strcmp(check->mark, "skipped") == 0 && strcmp(check->text, other->text) == 0;
}

/* The names of all that were skipped for one reason, on the line of the first. */
static void put_skipped(const struct page *page, const struct explain_list *checks,
                        const struct explain_item *skipped, int width) {
    const struct explain_item *check = checks->first;
    while (!is_skipped_like(check, skipped)) {
        check = check->next;
    }
    if (check != skipped) {
        return;
    }
    fprintf(page->out, "  %s%-*s%s", on(page, COLOUR_DIM), width, "skipped", off(page));
    for (const char *before = " "; check; check = check->next) {
        if (is_skipped_like(check, skipped)) {
            fprintf(page->out, "%s%s", before, check->name);
            before = ", ";
        }
    }
    fputs(": ", page->out);
    put_str(page, skipped->text);
    fputc('\n', page->out);
}

/* What was compared comes first: of claims, half of the checks have nothing to compare. */
static void put_checks(const struct page *page, const struct explain_list *checks) {
    if (!checks->count) {
        return;
    }
    put_heading(page, "token");
    int width = list_width(checks);
    for (const struct explain_item *check = checks->first; check; check = check->next) {
        if (strcmp(check->mark, "skipped") != 0) {
            put_list_item(page, check, width);
        }
    }
    for (const struct explain_item *check = checks->first; check; check = check->next) {
        if (strcmp(check->mark, "skipped") == 0) {
            put_skipped(page, checks, check, width);
        }
    }
}

/* Allowed by no rule. */
static bool is_trial(const struct explanation *explanation) {
    return explanation->reason == REASON_NONE && explanation->has_decision &&
           !explanation->decision.rule;
}

static void put_answer(const struct page *page, const struct explanation *explanation) {
    enum reason reason = explanation->reason;
    bool is_allowed = reason == REASON_NONE;
    put_label(page, "answer");
    if (explanation->asks_graph) {
        fprintf(page->out, "%sdepends on Microsoft Graph%s: ", on(page, COLOUR_STRONG), off(page));
        put_str(page, explanation->detail);
        fputc('\n', page->out);
        put_list(page, "if the caller is in no group, or in those of a rule",
                 &explanation->with_groups);
        return;
    }
    fprintf(page->out, "%s%s%s", on(page, is_allowed ? COLOUR_GOOD : COLOUR_BAD),
            decision_label(reason), off(page));
    if (!is_allowed) {
        fprintf(page->out, " %d %s%s%s", reason_http_status(reason), on(page, COLOUR_STRONG),
                reason_code(reason), off(page));
    }
    if (explanation->decision.rule) {
        fputs(" by ", page->out);
        put_str(page, explanation->decision.rule);
    }
    const char *why = is_trial(explanation)
                          ? "the route is under shadow, where a valid token is enough"
                          : explanation->detail;
    if (*why) {
        fputs(": ", page->out);
        put_str(page, why);
    }
    fputc('\n', page->out);
}

static void put_request(const struct page *page, const struct explanation *explanation) {
    const struct explain_question *question = explanation->question;
    put_label(page, "request");
    put_str(page, question->method);
    fputc(' ', page->out);
    put_str(page, explanation->path ? explanation->path : question->target);
    fputs(explanation->has_query ? " (query not judged)" : "", page->out);
    fputs(", host ", page->out);
    put_str(page, question->host);
    fputs(", client ", page->out);
    put_str(page, question->client ? question->client : "not given");
    fputc('\n', page->out);
}

/* What the message asks, as actions name it. */
static void put_mcp(const struct page *page, const struct explanation *explanation) {
    const struct policy_mcp *asked = explanation->mcp;
    if (!asked || !asked->method.len) {
        return;
    }
    put_label(page, "mcp");
    put_text(page, asked->method);
    if (asked->has_name) {
        fputc(' ', page->out);
        put_text(page, asked->name);
    }
    fprintf(page->out, ", gate %s\n", explain_gate_name(asked->gate));
}

/* Where nothing is close, what there is. */
static void put_all_routes(const struct page *page, const struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    if (explanation->close_routes.count) {
        return;
    }
    put_heading(page, "routes");
    for (size_t i = 0; i < config->route_count && i < ROUTES_SHOWN_MAX; i++) {
        const struct config_route *route = &config->routes[i];
        fprintf(page->out, "  %s takes host %s, path ", route->name,
                route->host ? route->host : "any");
        put_str(page, route->path);
        fputc('\n', page->out);
    }
    if (config->route_count > ROUTES_SHOWN_MAX) {
        fprintf(page->out, "  and %zu more\n", config->route_count - ROUTES_SHOWN_MAX);
    }
}

static void put_route(const struct page *page, struct explanation *explanation) {
    if (explanation->is_own_page) {
        put_line(page, "route", "none: a page of barkeep's own");
    } else if (!explanation->path) {
        put_line(page, "route", "not looked for: the request does not come that far");
    } else if (explanation->route == CONFIG_NONE) {
        put_line(page, "route", "none");
        put_all_routes(page, explanation);
    } else {
        const struct config_route *route = &explanation->ground->config->routes[explanation->route];
        const char *upstreams = rule_words_upstreams(&explanation->arena, route);
        const char *text = arena_printf(
            &explanation->arena, "%s: host %s, path %s, to %s; rules judge %.*s%s", route->name,
            route->host ? route->host : "any", route->path, upstreams ? upstreams : "",
            SLICE_ARGS(explanation->below), route->is_shadow ? " (under shadow)" : "");
        put_line(page, "route", text ? text : route->name);
    }
    put_list(page, "other routes", &explanation->close_routes);
}

static void put_words(const struct page *page, const char *what, const struct slice *items,
                      size_t count) {
    if (!count) {
        return;
    }
    fprintf(page->out, "  %-*s", LABEL_WIDTH - 2, what);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", page->out);
        put_text(page, items[i]);
    }
    fputc('\n', page->out);
}

static void put_identity(const struct page *page, const struct explanation *explanation) {
    const struct identity *identity = explanation->identity;
    if (!identity) {
        return;
    }
    put_label(page, "caller");
    fputs(identity->type == PRINCIPAL_APP ? "app " : "user ", page->out);
    put_text(page, identity->oid);
    if (identity->name.len) {
        fputs(" (", page->out);
        put_text(page, identity->name);
        fputc(')', page->out);
    }
    fputc('\n', page->out);
    put_words(page, "tenant", &identity->tenant, 1);
    put_words(page, "application", &identity->app, 1);
    put_words(page, "roles", identity->roles, identity->role_count);
    put_words(page, "scopes", identity->scopes, identity->scope_count);
    put_words(page, "groups", identity->groups, identity->group_count);
    put_words(page, "acrs", identity->acrs, identity->acrs_count);
}

static int rules_width(const struct explanation *explanation) {
    size_t width = 0;
    for (const struct explained_rule *rule = explanation->first_rule; rule; rule = rule->next) {
        size_t len = strlen(rule->step.entry->label);
        width = len > width && len <= NAME_WIDTH_MAX ? len : width;
    }
    return (int)width;
}

static void put_rules(const struct page *page, const struct explanation *explanation) {
    if (!explanation->has_decision) {
        return;
    }
    if (!explanation->rule_count) {
        put_line(page, "rules", "none: nobody is granted anything here");
        return;
    }
    put_line(page, "rules", "in the order in which they decide");
    int width = rules_width(explanation);
    for (const struct explained_rule *rule = explanation->first_rule; rule; rule = rule->next) {
        bool matches = rule->step.answer == POLICY_MATCHES;
        const char *mark = rule->step.is_decisive ? "decides" : matches ? "matches" : "no";
        enum colour colour = !matches ? COLOUR_DIM : rule->step.is_deny ? COLOUR_BAD : COLOUR_GOOD;
        put_item(page, rule->step.entry->label, width, mark, colour);
        put_str(page, rule->why);
        fputc('\n', page->out);
    }
}

static void put_pin(const struct page *page, const struct explained_pin *pin) {
    if (pin) {
        put_line(page, "pins", pin->words);
    }
}

static void put_shadows(const struct page *page, const struct decision *decision) {
    for (size_t i = 0; i < decision->shadow_count; i++) {
        put_label(page, i ? "" : "shadow");
        put_str(page, decision->shadows[i]);
        bool is_reason = strcmp(decision->shadows[i], reason_code(REASON_NO_ROLE)) == 0;
        fputs(is_reason ? ": the route's rules would have refused\n" : " would have decided\n",
              page->out);
    }
}

static void put_credential(const struct page *page, struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    size_t index = explanation->decision.credential;
    if (explanation->reason != REASON_NONE || !explanation->has_decision) {
        return;
    }
    if (index == CONFIG_NONE) {
        put_line(page, "credential", "none is injected");
        return;
    }
    const struct config_credential *credential = &config->credentials[index];
    const char *placement = rule_words_placement(&explanation->arena, config, credential);
    const char *text =
        arena_printf(&explanation->arena, "%s: %s", credential->name, placement ? placement : "");
    put_line(page, "credential", text ? text : credential->name);
}

void explanation_print(struct explanation *explanation, FILE *out, bool is_coloured) {
    const struct page page = {out, is_coloured};
    put_answer(&page, explanation);
    put_request(&page, explanation);
    put_route(&page, explanation);
    put_mcp(&page, explanation);
    put_checks(&page, &explanation->checks);
    put_identity(&page, explanation);
    put_rules(&page, explanation);
    put_pin(&page, explanation->pin);
    put_shadows(&page, &explanation->decision);
    put_credential(&page, explanation);
    if (explanation->reason == REASON_NONE) {
        put_list(&page, "rates", &explanation->rates);
    }
    put_list(&page, "near misses", &explanation->near_misses);
    put_list(&page, "notes", &explanation->notes);
}
