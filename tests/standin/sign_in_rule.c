/* Rules that tests lay on applications and users: conditional access, missing consent, throttling.
 * azure.md C.2, C.9. */
#include "sign_in_rule.h"

#include <string.h>

#include "entra_error.h"
#include "must.h"

#define MAX_RETRY_AFTER_SEC 86400

struct refusal_name {
    const char *name;
    enum entra_error error;
    const char *suberror; /* NULL: none */
};

static const struct refusal_name refusal_names[] = {
    {"interaction_required", ENTRA_INTERACTION_REQUIRED, "basic_action"},
    {"conditional_access", ENTRA_CONDITIONAL_ACCESS, "message_only"},
    {"consent_required", ENTRA_CONSENT_REQUIRED, "consent_required"},
    {"revoked", ENTRA_GRANT_REVOKED, "bad_token"},
    {"no_on_behalf_of", ENTRA_NO_ON_BEHALF_OF, NULL},
    {"throttled", ENTRA_THROTTLED, NULL},
    {"unavailable", ENTRA_UNAVAILABLE, NULL},
};

void sign_in_rule_done(struct sign_in_rule *rule) {
    json_decref(rule->claims);
    *rule = (struct sign_in_rule){0};
}

static const struct refusal_name *find_refusal(const char *name) {
    for (size_t i = 0; i < sizeof(refusal_names) / sizeof(*refusal_names); i++)
        if (strcmp(refusal_names[i].name, name) == 0)
            return &refusal_names[i];
    return NULL;
}

enum status sign_in_rule_change(struct sign_in_rule *rule, const json_t *document,
                                struct error *err) {
    const char *name = json_string_value(json_object_get(document, "refuse"));
    if (!name)
        return STATUS_OK;
    struct sign_in_rule fresh = {
        .refusal = find_refusal(name),
        .retry_after = json_integer_value(json_object_get(document, "retry_after")),
    };
    if (!fresh.refusal && strcmp(name, "none") != 0)
        return error_set(err, STATUS_INVALID, "refuse: no refusal \"%.40s\"", name);
    if (fresh.retry_after < 0 || fresh.retry_after > MAX_RETRY_AFTER_SEC)
        return error_set(err, STATUS_INVALID, "retry_after must be from 0 to %d",
                         MAX_RETRY_AFTER_SEC);
    const json_t *claims = json_object_get(document, "claims");
    fresh.claims = claims ? must(json_deep_copy(claims)) : NULL;
    sign_in_rule_done(rule);
    *rule = fresh;
    return STATUS_OK;
}

static bool list_holds(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

/* Whether the challenge asks for an authentication context that `presented` has. */
static bool is_met(const json_t *challenge, const json_t *presented) {
    const json_t *wish = json_object_get(json_object_get(challenge, "access_token"), "acrs");
    const json_t *acrs = json_object_get(presented, "acrs");
    const char *value = json_string_value(json_object_get(wish, "value"));
    if (value && list_holds(acrs, value))
        return true;
    const json_t *values = json_object_get(wish, "values");
    for (size_t i = 0; i < json_array_size(values); i++) {
        value = json_string_value(json_array_get(values, i));
        if (value && list_holds(acrs, value))
            return true;
    }
    return false;
}

bool sign_in_rule_refuses(const struct sign_in_rule *rule, const json_t *presented,
                          const struct request *request, struct reply *reply) {
    if (!rule->refusal || is_met(rule->claims, presented))
        return false;
    if (rule->retry_after)
        reply_header(reply, "Retry-After", "%lld", (long long)rule->retry_after);
    entra_error_challenge(reply, request, rule->refusal->error, rule->refusal->suberror,
                          rule->claims);
    return true;
}
