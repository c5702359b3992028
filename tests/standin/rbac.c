/* Azure RBAC for Key Vault's data plane (azure.md D.14.4): deny by default, deny assignments first,
 * grants add up, notDataActions subtract within one role and deny nothing elsewhere. */
#include "rbac.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "must.h"

#define VAULTS RBAC_VAULTS

struct built_in_role {
    const char *name;
    const char *id;
    const char *data_actions[12];
};

/* azure.md D.14.2 */
static const struct built_in_role built_in_roles[] = {
    {"Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483", {VAULTS "*"}},
    {"Key Vault Reader",
     "21090545-7ca7-4776-b22c-e363652d74d2",
     {VAULTS "*/read", VAULTS "secrets/readMetadata/action"}},
    {"Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", {VAULTS "secrets/*"}},
    {"Key Vault Secrets User",
     "4633458b-17de-408a-b874-0445c86b69e6",
     {ACTION_GET_SECRET, ACTION_READ_METADATA}},
    {"Key Vault Certificates Officer",
     "a4417e6f-fecd-4de8-b567-7b0420556985",
     {VAULTS "certificatecas/*", VAULTS "certificates/*", VAULTS "certificatecontacts/write"}},
    {"Key Vault Certificate User",
     "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
     {VAULTS "certificates/read", ACTION_GET_SECRET, ACTION_READ_METADATA, VAULTS "keys/read"}},
    {"Key Vault Crypto Officer",
     "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
     {VAULTS "keys/*", VAULTS "keyrotationpolicies/*"}},
    {"Key Vault Crypto User",
     "12338af0-0e69-4776-bea7-57ae8d297424",
     {VAULTS "keys/read", VAULTS "keys/update/action", VAULTS "keys/backup/action",
      VAULTS "keys/encrypt/action", VAULTS "keys/decrypt/action", VAULTS "keys/wrap/action",
      VAULTS "keys/unwrap/action", VAULTS "keys/sign/action", VAULTS "keys/verify/action"}},
    {"Key Vault Crypto Service Encryption User",
     "e147488a-f6f5-4113-8e2d-b22465e65bf6",
     {VAULTS "keys/read", VAULTS "keys/wrap/action", VAULTS "keys/unwrap/action"}},
    {"Key Vault Crypto Service Release User",
     "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
     {VAULTS "keys/release/action"}},
    {"Key Vault Purge Operator", "a68e7c17-0ab2-4c09-9a58-125dae29748c", {NULL}},
    {"Key Vault Data Access Administrator", "8b54135c-b56d-4d72-a534-26097cfdc8d8", {NULL}},
    {"Key Vault Contributor", "f25e0fa2-a7c8-4377-a976-54943a77a395", {NULL}},
};

static void assignment_done(struct rbac_assignment *assignment) {
    free(assignment->principal);
    free(assignment->object);
    json_decref(assignment->permission.data_actions);
    json_decref(assignment->permission.not_data_actions);
}

void rbac_policy_done(struct rbac_policy *policy) {
    for (size_t i = 0; i < policy->grant_count; i++)
        assignment_done(&policy->grants[i]);
    for (size_t i = 0; i < policy->deny_count; i++)
        assignment_done(&policy->denies[i]);
    free(policy->grants);
    free(policy->denies);
    *policy = (struct rbac_policy){0};
}

static bool built_in_permission(const char *role, struct rbac_permission *out_permission) {
    for (size_t i = 0; i < sizeof(built_in_roles) / sizeof(*built_in_roles); i++) {
        const struct built_in_role *known = &built_in_roles[i];
        if (strcasecmp(known->name, role) != 0 && strcasecmp(known->id, role) != 0)
            continue;
        json_t *actions = must(json_array());
        for (const char *const *action = known->data_actions; *action; action++)
            json_array_append_new(actions, must(json_string(*action)));
        *out_permission = (struct rbac_permission){.data_actions = actions};
        return true;
    }
    return false;
}

static bool custom_permission(const json_t *custom_roles, const char *role,
                              struct rbac_permission *out_permission) {
    const json_t *definition = json_object_get(custom_roles, role);
    if (!definition)
        return false;
    *out_permission = (struct rbac_permission){
        .data_actions = json_incref(json_object_get(definition, "dataActions")),
        .not_data_actions = json_incref(json_object_get(definition, "notDataActions")),
    };
    return true;
}

/* NULL for the vault as a whole. There is no version level (azure.md D.14.3). */
static enum status parse_scope(const char *scope, const char **out_object, struct error *err) {
    static const char *const prefixes[] = {"/secrets/", "/keys/", "/certificates/"};
    if (strcmp(scope, "/") == 0) {
        *out_object = NULL;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(scope, prefixes[i], len) != 0 || !scope[len] || strchr(scope + len, '/'))
            continue;
        *out_object = scope + 1;
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "scope must be \"/\" or \"/secrets/NAME\", /keys/ or /certificates/, got "
                     "\"%.200s\"",
                     scope);
}

static void add(struct rbac_assignment **list, size_t *count, const char *principal,
                const char *object, int64_t delay_ms, struct rbac_permission permission) {
    struct rbac_assignment *assignment = must_grow(list, count, sizeof(**list));
    guid_random(assignment->id);
    assignment->principal = must_strdup(principal);
    assignment->object = object ? must_strdup(object) : NULL;
    assignment->effective_ms = delay_ms > 0 ? clock_monotonic_ms() + (uint64_t)delay_ms : 0;
    assignment->permission = permission;
}

enum status rbac_grant(struct rbac_policy *policy, const json_t *custom_roles,
                       const char *principal, const char *role, const char *scope, int64_t delay_ms,
                       struct error *err) {
    const char *object = NULL;
    enum status status = parse_scope(scope, &object, err);
    if (status != STATUS_OK)
        return status;
    struct rbac_permission permission;
    if (!custom_permission(custom_roles, role, &permission) &&
        !built_in_permission(role, &permission))
        return error_set(err, STATUS_INVALID, "unknown role \"%s\"", role);
    add(&policy->grants, &policy->grant_count, principal, object, delay_ms, permission);
    return STATUS_OK;
}

enum status rbac_deny(struct rbac_policy *policy, const char *principal, json_t *data_actions,
                      json_t *not_data_actions, const char *scope, struct error *err) {
    const char *object = NULL;
    enum status status = parse_scope(scope, &object, err);
    if (status != STATUS_OK)
        return status;
    add(&policy->denies, &policy->deny_count, principal, object, 0,
        (struct rbac_permission){json_incref(data_actions), json_incref(not_data_actions)});
    return STATUS_OK;
}

static size_t forget_in(struct rbac_assignment *list, size_t *count, const char *principal) {
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (strcasecmp(list[i].principal, principal) == 0)
            assignment_done(&list[i]);
        else
            list[kept++] = list[i];
    }
    size_t gone = *count - kept;
    *count = kept;
    return gone;
}

size_t rbac_forget(struct rbac_policy *policy, const char *principal) {
    return forget_in(policy->grants, &policy->grant_count, principal) +
           forget_in(policy->denies, &policy->deny_count, principal);
}

/* `*` is any run of characters, slashes included; case does not matter. */
static bool action_matches(const char *pattern, const char *action) {
    const char *star = NULL;
    const char *retry = NULL;
    while (*action) {
        if (*pattern == '*') {
            star = pattern++;
            retry = action;
        } else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*action)) {
            pattern++;
            action++;
        } else if (star) {
            pattern = star + 1;
            action = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

static bool any_matches(const json_t *patterns, const char *action) {
    for (size_t i = 0; i < json_array_size(patterns); i++)
        if (action_matches(json_string_value(json_array_get(patterns, i)), action))
            return true;
    return false;
}

static bool holds_group(const json_t *groups, const char *oid) {
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *group = json_string_value(json_array_get(groups, i));
        if (group && strcasecmp(group, oid) == 0)
            return true;
    }
    return false;
}

bool rbac_principal_is(const struct rbac_principal *principal, const char *oid) {
    return strcmp(oid, "*") == 0 || strcasecmp(oid, principal->oid) == 0 ||
           holds_group(principal->token_groups, oid) ||
           holds_group(principal->directory_groups, oid);
}

static const struct rbac_assignment *first_match(const struct rbac_assignment *list, size_t count,
                                                 const struct rbac_principal *principal,
                                                 const char *action, const char *object) {
    uint64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < count; i++) {
        const struct rbac_assignment *assignment = &list[i];
        bool is_in_scope =
            !assignment->object || (object && strcasecmp(assignment->object, object) == 0);
        if (is_in_scope && assignment->effective_ms <= now_ms &&
            rbac_principal_is(principal, assignment->principal) &&
            any_matches(assignment->permission.data_actions, action) &&
            !any_matches(assignment->permission.not_data_actions, action))
            return assignment;
    }
    return NULL;
}

struct rbac_verdict rbac_decide(const struct rbac_policy *policy,
                                const struct rbac_principal *principal, const char *action,
                                const char *object) {
    struct rbac_verdict verdict = {0};
    verdict.deny = first_match(policy->denies, policy->deny_count, principal, action, object);
    verdict.grant = first_match(policy->grants, policy->grant_count, principal, action, object);
    verdict.is_allowed = verdict.grant && !verdict.deny;
    return verdict;
}
