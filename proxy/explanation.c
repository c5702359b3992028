/* A request walked through the live path's own judgement, one step after the other, with what each
 * step saw written down. The order of steps is exchange_judge.c's. */
#include "proxy/explanation.h"

#include <stdlib.h>

#include "auth/revocation_source.h"
#include "core/clock.h"
#include "proxy/h1_head.h"
#include "proxy/metrics.h"
#include "proxy/rule_words.h"

enum { EXPLANATION_BYTES_MAX = 64 << 20 };

enum status explain_ground_init(struct explain_ground *ground, struct config *config,
                                bool is_offline, struct error *err) {
    *ground = (struct explain_ground){.config = config};
    if (config->revoked_file &&
        revocation_file_read(config->revoked_file, &ground->revocations, err) != STATUS_OK) {
        return STATUS_INVALID;
    }
    ground->router = router_new(config);
    ground->policy = policy_new(config);
    if (!ground->router || !ground->policy) {
        explain_ground_done(ground);
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    ground->keys = key_fetcher_new(config, is_offline, err);
    if (!ground->keys) {
        explain_ground_done(ground);
        return STATUS_IO;
    }
    return STATUS_OK;
}

void explain_ground_done(struct explain_ground *ground) {
    key_fetcher_free(ground->keys);
    revocation_list_unref(ground->revocations);
    policy_free(ground->policy);
    router_free(ground->router);
    *ground = (struct explain_ground){0};
}

static struct explain_item *add_item(struct explanation *explanation, struct explain_list *list) {
    struct explain_item *item = arena_alloc(&explanation->arena, sizeof *item);
    if (!item) {
        explanation->reason = REASON_OVERLOADED;
        return NULL;
    }
    if (list->last) {
        list->last->next = item;
    } else {
        list->first = item;
    }
    list->last = item;
    list->count++;
    return item;
}

void explain_note(struct explanation *explanation, struct explain_list *list, const char *name,
                  const char *text) {
    struct explain_item *item = add_item(explanation, list);
    if (item) {
        *item = (struct explain_item){.name = name, .mark = "", .text = text ? text : ""};
    }
}

void explain_outcome(struct explanation *explanation, const char *name, enum reason reason,
                     const char *text) {
    struct explain_item *item = add_item(explanation, &explanation->with_groups);
    if (item) {
        *item = (struct explain_item){
            .name = name, .mark = decision_label(reason), .text = text ? text : ""};
    }
}

/* False: that was the end of it. */
static bool refuse(struct explanation *explanation, enum reason reason, const char *detail) {
    explanation->reason = reason;
    explanation->detail = arena_strdup(&explanation->arena, detail ? detail : "");
    return false;
}

static bool passes(struct explanation *explanation, struct judgement_refusal refusal) {
    return refusal.reason == REASON_NONE || refuse(explanation, refusal.reason, refusal.detail);
}

/* The request as a client would send it. */
static const char *compose_head(struct explanation *explanation) {
    const struct explain_question *question = explanation->question;
    bool has_token = !question->is_claims && question->token.len > 0;
    return arena_printf(&explanation->arena, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%.*s%s\r\n",
                        question->method, question->target, question->host,
                        has_token ? "Authorization: Bearer " : "",
                        has_token ? (int)question->token.len : 0,
                        has_token ? question->token.ptr : "", has_token ? "\r\n" : "");
}

static bool read_head(struct explanation *explanation, struct h1_request *request) {
    const struct config_limits *config_limits = &explanation->ground->config->limits;
    const struct h1_limits limits = {.head_bytes = config_limits->header_bytes,
                                     .headers = config_limits->headers,
                                     .target_bytes = H1_TARGET_BYTES_MAX};
    const char *head = compose_head(explanation);
    struct header *headers =
        arena_array(&explanation->arena, limits.headers, sizeof(struct header));
    struct h1_refusal refusal;
    size_t scanned = 0, head_len = 0;
    if (!head || !headers) {
        return refuse(explanation, REASON_OVERLOADED, "out of memory");
    }
    struct slice bytes = slice_of_str(head);
    enum h1_outcome outcome = h1_head_scan(bytes, &limits, &scanned, &head_len, &refusal);
    if (outcome == H1_COMPLETE) {
        outcome = h1_request_parse(slice_of(head, head_len), &limits, headers, request, &refusal);
    }
    if (outcome == H1_COMPLETE) {
        return true;
    }
    return outcome == H1_REFUSED ? refuse(explanation, refusal.reason, refusal.detail)
                                 : refuse(explanation, REASON_BAD_REQUEST, "no complete head");
}

static bool read_own_page(struct explanation *explanation, const struct h1_request *request) {
    explanation->is_own_page = true;
    if (!slice_eq(request->method, SLICE("GET")) && !slice_eq(request->method, SLICE("HEAD"))) {
        return refuse(explanation, REASON_METHOD_REFUSED, "this page can only be read");
    }
    if (!config_uses_assertions(explanation->ground->config)) {
        return refuse(explanation, REASON_NO_ROUTE, "no assertions are signed here");
    }
    explanation->detail = "barkeep's own page, served to everyone";
    return false;
}

static bool find_route(struct explanation *explanation, const struct h1_request *request) {
    struct judgement_target target;
    char *bytes = arena_alloc(&explanation->arena, request->target.len);
    explanation->host = judgement_host(request->host);
    if (!bytes) {
        return refuse(explanation, REASON_OVERLOADED, "out of memory");
    }
    if (slice_eq(request->target, SLICE("*"))) {
        return refuse(explanation, REASON_BAD_REQUEST, "the target * is not served");
    }
    struct judgement_refusal refusal = judgement_read_target(request->target, bytes, &target);
    explanation->has_query = target.has_query;
    if (!passes(explanation, refusal)) {
        return false;
    }
    explanation->path = arena_strdup_slice(&explanation->arena, target.path.text);
    if (judgement_is_own_page(target.path.text)) {
        return read_own_page(explanation, request);
    }
    refusal =
        judgement_find_route(explanation->ground->config, explanation->ground->router,
                             request->host, &target.path, &explanation->route, &explanation->below);
    return passes(explanation, refusal);
}

/* Collects what the checks of the token tell. */
struct check_collector {
    struct token_trace trace;
    struct explanation *explanation;
};

static void on_token_step(struct token_trace *trace, const struct token_step *step) {
    static const char *const marks[] = {
        [TOKEN_STEP_PASSED] = "passed",
        [TOKEN_STEP_REFUSED] = "refused",
        [TOKEN_STEP_NEEDS_KEYS] = "no_keys",
        [TOKEN_STEP_SKIPPED] = "skipped",
    };
    struct explanation *explanation = ((struct check_collector *)trace)->explanation;
    struct explain_item *item = add_item(explanation, &explanation->checks);
    if (item) {
        *item = (struct explain_item){
            .name = step->check,
            .mark = marks[step->outcome],
            .text = arena_strdup(&explanation->arena, step->compared),
        };
    }
}

static enum token_outcome try_token(struct explanation *explanation, struct slice token,
                                    bool lacks_metadata) {
    const struct explain_ground *ground = explanation->ground;
    struct check_collector collector = {{on_token_step}, explanation};
    const struct token_claims_file file = {token, lacks_metadata};
    explanation->checks = (struct explain_list){0};
    return explanation->question->is_claims
               ? entra_explain_claims(ground->config, key_fetcher_ring(ground->keys), &file,
                                      clock_wall_sec(), &collector.trace, &explanation->verdict)
               : entra_explain(ground->config, key_fetcher_ring(ground->keys), token,
                               clock_wall_sec(), &collector.trace, &explanation->verdict);
}

/* As the live path: asks for keys once, then goes by what is there. */
static enum token_outcome judge_token(struct explanation *explanation, struct slice token) {
    struct key_fetcher *keys = explanation->ground->keys;
    enum token_outcome outcome = try_token(explanation, token, false);
    if (outcome == TOKEN_NEEDS_KEYS && key_fetcher_fetch(keys, explanation->verdict.slot)) {
        outcome = try_token(explanation, token, false);
    }
    if (outcome == TOKEN_NEEDS_KEYS && explanation->question->is_claims) {
        explain_note(explanation, &explanation->notes, "metadata",
                     arena_printf(&explanation->arena,
                                  "the tenant's metadata is not there (%s): the issuer was taken "
                                  "as stated",
                                  key_fetcher_problem(keys, explanation->verdict.slot)));
        outcome = try_token(explanation, token, true);
    }
    return outcome;
}

/* Without a problem the key set is there, and the token names another key. */
static void note_keys(struct explanation *explanation) {
    const char *problem = key_fetcher_problem(explanation->ground->keys, explanation->verdict.slot);
    const char *kid = explanation->verdict.kid;
    explain_note(explanation, &explanation->notes, "keys",
                 *problem ? arena_strdup(&explanation->arena, problem)
                          : arena_printf(&explanation->arena,
                                         "the key set of the token's tenant is there and does not "
                                         "hold the key that the token names (kid %s)",
                                         *kid ? kid : "not readable"));
}

static bool authenticate(struct explanation *explanation, const struct h1_request *request) {
    struct slice token = explanation->question->token;
    enum reason reason;
    if (token.len == 0) {
        return refuse(explanation, REASON_TOKEN_MISSING,
                      "send an Entra ID access token as Authorization: Bearer");
    }
    if (!explanation->question->is_claims &&
        entra_bearer_token(request->authorization, &token, &reason) != STATUS_OK) {
        return refuse(explanation, reason, "the token's header holds no well-formed bearer token");
    }
    enum token_outcome outcome = judge_token(explanation, token);
    explanation->identity = explanation->verdict.identity;
    if (outcome == TOKEN_ACCEPTED) {
        return true;
    }
    if (outcome == TOKEN_NEEDS_KEYS) {
        note_keys(explanation);
    }
    return refuse(explanation, explanation->verdict.reason, explanation->verdict.detail);
}

static bool is_revoked(struct explanation *explanation) {
    struct revocation revocation;
    const struct revocation_list *list = explanation->ground->revocations;
    if (!list || !revocation_list_find(list, explanation->identity, &revocation)) {
        return false;
    }
    refuse(explanation, judgement_of_revocation(&revocation, explanation->identity),
           "access was revoked");
    explanation->decision.rule = "revoked";
    return true;
}

static void note_rate(struct explanation *explanation, const char *name,
                      const struct config_rate *rate) {
    if (rate->is_present) {
        explain_note(explanation, &explanation->rates, name,
                     rule_words_rate(&explanation->arena, rate));
    }
}

static void note_rates(struct explanation *explanation) {
    const struct config_route *route = &explanation->ground->config->routes[explanation->route];
    note_rate(explanation, arena_printf(&explanation->arena, "routes.%s", route->name),
              &route->rate);
    if (explanation->decision.is_allowed && explanation->decision.entry) {
        note_rate(explanation, explanation->decision.entry->label,
                  &explanation->decision.entry->rate);
    }
}

static bool conclude(struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    const struct decision *decision = &explanation->decision;
    char detail[JUDGEMENT_DETAIL_SIZE];
    if (judgement_needs_groups(config, decision)) {
        explanation->asks_graph = true;
        explain_groups(explanation);
        return refuse(explanation, REASON_GROUPS_UNKNOWN, judgement_detail(REASON_GROUPS_UNKNOWN));
    }
    if (decision->needed_acrs.len || decision->needs_mfa) {
        judgement_sign_in_detail(decision, detail);
        return refuse(explanation, decision->reason, detail);
    }
    if (!decision->is_allowed) {
        return refuse(explanation, decision->reason, judgement_detail(decision->reason));
    }
    if (!explain_pins(explanation)) {
        explanation->decision.is_allowed = false;
        explanation->decision.rule = "pins";
        return refuse(explanation, REASON_DENIED, JUDGEMENT_PINS_DETAIL);
    }
    if (judgement_has_nobody_to_stand_for(config, decision->credential, explanation->identity)) {
        return refuse(explanation, REASON_NO_ROLE, JUDGEMENT_NOBODY_DETAIL);
    }
    explanation->reason = REASON_NONE;
    return true;
}

static void walk(struct explanation *explanation) {
    struct h1_request request = {0};
    if (!read_head(explanation, &request) || !find_route(explanation, &request)) {
        return;
    }
    if (!authenticate(explanation, &request) || is_revoked(explanation)) {
        return;
    }
    if (!explain_mcp(explanation)) {
        return;
    }
    explain_rules(explanation);
    conclude(explanation);
    note_rates(explanation);
}

bool explanation_make(struct explanation *explanation, const struct explain_ground *ground,
                      const struct explain_question *question) {
    *explanation = (struct explanation){
        .ground = ground, .question = question, .route = CONFIG_NONE, .detail = ""};
    arena_init(&explanation->arena, EXPLANATION_BYTES_MAX);
    explanation->decision.credential = CONFIG_NONE;
    walk(explanation);
    explain_close_routes(explanation);
    explain_near_misses(explanation);
    explain_notes(explanation);
    if (explanation->reason == REASON_OVERLOADED) {
        explanation_done(explanation);
        return false;
    }
    return true;
}

void explanation_done(struct explanation *explanation) {
    identity_unref(explanation->identity);
    explanation->identity = NULL;
    explain_mcp_done(explanation);
    arena_done(&explanation->arena);
}
