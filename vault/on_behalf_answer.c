/* Decided by `error`, `suberror` and the presence of `claims`. Numbers of AADSTS codes only refine
 * what those leave open, as Entra says `invalid_grant` to an expired token and to a caller without
 * consent alike. */
#include "vault/on_behalf_answer.h"

#include <stdlib.h>

#include "vault/azure_answer.h"

/* What a row matches; NULL and 0: anything. The first that fits decides. */
struct rule {
    const char *error;
    const char *suberror;
    int64_t code;
    enum on_behalf_verdict verdict;
    bool is_for_all;
};

static const struct rule rules[] = {
    {"invalid_client", NULL, 0, ON_BEHALF_UNAVAILABLE, true},
    {"temporarily_unavailable", NULL, 0, ON_BEHALF_UNAVAILABLE, true},
    {"server_error", NULL, 0, ON_BEHALF_UNAVAILABLE, true},
    {NULL, NULL, 90055, ON_BEHALF_UNAVAILABLE, true}, /* throttled */
    {"invalid_grant", "token_expired", 0, ON_BEHALF_EXPIRED, false},
    {"invalid_grant", "bad_token", 0, ON_BEHALF_EXPIRED, false},
    {"invalid_grant", NULL, 500133, ON_BEHALF_EXPIRED, false},
    {"invalid_grant", NULL, 50013, ON_BEHALF_EXPIRED, false},
    {"invalid_grant", NULL, 0, ON_BEHALF_REFUSED, false},
    {"interaction_required", NULL, 0, ON_BEHALF_REFUSED, false},
    {"login_required", NULL, 0, ON_BEHALF_REFUSED, false},
    {"consent_required", NULL, 0, ON_BEHALF_REFUSED, false},
    {"access_denied", NULL, 0, ON_BEHALF_REFUSED, false},
    {"unauthorized_client", NULL, 7000112, ON_BEHALF_UNAVAILABLE, true}, /* barkeep's is disabled */
    {"unauthorized_client", NULL, 0, ON_BEHALF_REFUSED, false},
    /* Wrong scopes, resources and federated credentials are barkeep's configuration, but another
     * credential may be right: they hold nobody else up. */
    {NULL, NULL, 0, ON_BEHALF_UNAVAILABLE, false},
};

static bool has_text(const struct azure_answer *answer, const char *name, const char *expected) {
    const struct answer_member member = azure_answer_member(answer, name);
    return !expected || (member.kind == ANSWER_STRING && slice_eq_str(member.text, expected));
}

static const struct rule *rule_for(const struct azure_answer *answer) {
    const struct rule *rule = rules;
    while (!has_text(answer, "error", rule->error) ||
           !has_text(answer, "suberror", rule->suberror) ||
           (rule->code && !azure_answer_lists(answer, "error_codes", rule->code)))
        rule++;
    return rule;
}

/* A JSON object within bounds, made of visible ASCII and spaces; else NULL. */
static char *claims_of(const struct azure_answer *answer) {
    const struct answer_member claims = azure_answer_member(answer, "claims");
    if (claims.kind != ANSWER_STRING || claims.text.len > ON_BEHALF_CLAIMS_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < claims.text.len; i++)
        if (claims.text.ptr[i] < 0x20 || claims.text.ptr[i] > 0x7e)
            return NULL;
    struct azure_answer *object = azure_answer_parse(claims.text, NULL);
    char *copy = object ? slice_strdup(claims.text) : NULL;
    azure_answer_free(object);
    return copy;
}

static bool may_ask_for_claims(const struct azure_answer *answer) {
    return has_text(answer, "error", "interaction_required") ||
           has_text(answer, "error", "invalid_grant");
}

static void read_refusal(const struct azure_answer *answer, struct on_behalf_answer *out_answer) {
    const struct rule *rule = rule_for(answer);
    out_answer->verdict = rule->verdict;
    out_answer->is_for_all = rule->is_for_all;
    out_answer->is_own_fault = rule->is_for_all && has_text(answer, "error", "invalid_client");
    if (!rule->is_for_all && may_ask_for_claims(answer) && (out_answer->claims = claims_of(answer)))
        out_answer->verdict = ON_BEHALF_CLAIMS;
}

static bool is_outage(int http_status) {
    return http_status == 408 || http_status == 429 || http_status >= 500;
}

void on_behalf_answer_read(const struct http_client_response *response, int64_t wall_sec,
                           struct on_behalf_answer *out_answer) {
    *out_answer = (struct on_behalf_answer){.verdict = ON_BEHALF_UNAVAILABLE,
                                            .retry_after_sec = response->retry_after_sec};
    if (response->status != STATUS_OK) {
        out_answer->is_for_all = true;
        out_answer->retry_after_sec = -1;
        out_answer->error = response->error;
        return;
    }
    if (response->http_status == 200) {
        if (token_answer_parse(response->body, wall_sec, &out_answer->token, &out_answer->error) ==
            STATUS_OK)
            out_answer->verdict = ON_BEHALF_GOOD;
        return;
    }
    token_answer_refusal(response->body, response->http_status, &out_answer->error);
    if (is_outage(response->http_status)) {
        out_answer->is_for_all = true;
        return;
    }
    struct azure_answer *answer = azure_answer_parse(response->body, NULL);
    if (answer)
        read_refusal(answer, out_answer);
    azure_answer_free(answer);
}
