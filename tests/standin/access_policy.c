/* Access policies: permissions by verb for a whole vault, no scopes. Their verbs follow from RBAC's
 * data actions, so that callers here ask for both in the same way. */
#include "access_policy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "json_shape.h"
#include "must.h"

static const struct json_member policy_members[] = {
    {"principal", MEMBER_GUID, 1}, {"secrets", MEMBER_STRINGS, 0},
    {"keys", MEMBER_STRINGS, 0},   {"certificates", MEMBER_STRINGS, 0},
    {NULL, MEMBER_ANY, 0},
};

/* Where the verbs differ. */
static const char *const verbs[][2] = {
    {"getSecret", "get"}, {"readMetadata", "list"}, {"setSecret", "set"},
    {"read", "get"},      {"wrap", "wrapKey"},      {"unwrap", "unwrapKey"},
};

void access_policies_done(struct access_policies *policies) {
    json_decref(policies->list);
    *policies = (struct access_policies){0};
}

enum status access_policies_use(struct access_policies *policies, json_t *list, struct error *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char path[32];
        snprintf(path, sizeof(path), "policies[%zu]", i);
        enum status status = json_shape_check(json_array_get(list, i), path, policy_members, err);
        if (status != STATUS_OK)
            return status;
    }
    json_t *fresh = must(json_incref(list));
    access_policies_done(policies);
    *policies = (struct access_policies){.is_used = true, .list = fresh};
    return STATUS_OK;
}

/* "Microsoft.KeyVault/vaults/secrets/getSecret/action" is "secrets" and "get". */
static void translate(const char *action, bool is_list, struct access_verdict *verdict) {
    const char *collection = action + strlen("Microsoft.KeyVault/vaults/");
    const char *verb = strchr(collection, '/') + 1;
    size_t verb_len = strcspn(verb, "/");
    snprintf(verdict->collection, sizeof(verdict->collection), "%.*s", (int)(verb - 1 - collection),
             collection);
    snprintf(verdict->permission, sizeof(verdict->permission), "%.*s", (int)verb_len, verb);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verdict->permission, verbs[i][0]) == 0) {
            snprintf(verdict->permission, sizeof(verdict->permission), "%s", verbs[i][1]);
            break;
        }
    if (is_list)
        snprintf(verdict->permission, sizeof(verdict->permission), "list");
}

static bool holds_text(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcasecmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

struct access_verdict access_policies_decide(const struct access_policies *policies,
                                             const struct rbac_principal *principal,
                                             const char *action, bool is_list) {
    struct access_verdict verdict = {0};
    translate(action, is_list, &verdict);
    for (size_t i = 0; i < json_array_size(policies->list); i++) {
        const json_t *policy = json_array_get(policies->list, i);
        const char *oid = json_string_value(json_object_get(policy, "principal"));
        if (!rbac_principal_is(principal, oid))
            continue;
        const json_t *permissions = json_object_get(policy, verdict.collection);
        verdict.is_known = true;
        verdict.is_allowed = verdict.is_allowed || holds_text(permissions, verdict.permission) ||
                             holds_text(permissions, "all");
    }
    return verdict;
}
