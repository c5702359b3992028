/* The vaults of the seed. They copy what they are given because they change while the stand-in
 * runs. */
#include "seed_vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "json_shape.h"
#include "must.h"
#include "vault_certificate.h"
#include "vault_secret.h"

static const struct json_member role_members[] = {
    {"dataActions", MEMBER_STRINGS, 1},
    {"notDataActions", MEMBER_STRINGS, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member vault_members[] = {
    {"tenant", MEMBER_GUID, 0},
    {"resource", MEMBER_STRING, 0},
    {"secrets", MEMBER_OBJECT, 0},
    {"keys", MEMBER_OBJECT, 0},
    {"certificates", MEMBER_OBJECT, 0},
    {"assignments", MEMBER_ARRAY, 0},
    {"deny", MEMBER_ARRAY, 0},
    {"access_policies", MEMBER_ARRAY, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member secret_members[] = {
    {"value", MEMBER_STRING, 1}, {"enabled", MEMBER_BOOL, 0}, {"nbf", MEMBER_INTEGER, 0},
    {"exp", MEMBER_INTEGER, 0},  {"tags", MEMBER_OBJECT, 0},  {"contentType", MEMBER_STRING, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member assignment_members[] = {
    {"principal", MEMBER_GUID, 1},
    {"role", MEMBER_STRING, 1},
    {"scope", MEMBER_STRING, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member deny_members[] = {
    {"principal", MEMBER_STRING, 1},
    {"dataActions", MEMBER_STRINGS, 1},
    {"notDataActions", MEMBER_STRINGS, 0},
    {"scope", MEMBER_STRING, 0},
    {NULL, MEMBER_ANY, 0},
};

#define PATH_SIZE 200

static const char *text_of(const json_t *object, const char *member) {
    return json_string_value(json_object_get(object, member));
}

static enum status read_secret(struct vault *vault, const char *path, const char *name,
                               json_t *value, struct error *err) {
    if (!json_is_string(value)) {
        enum status status = json_shape_check(value, path, secret_members, err);
        if (status != STATUS_OK)
            return status;
    }
    json_t *document =
        json_is_string(value) ? must(json_pack("{s:O}", "value", value)) : must(json_copy(value));
    json_t *attributes = must(json_object());
    static const char *const flat[] = {"enabled", "nbf", "exp"};
    for (size_t i = 0; i < sizeof(flat) / sizeof(*flat); i++)
        if (json_object_get(document, flat[i]))
            json_object_set(attributes, flat[i], json_object_get(document, flat[i]));
    json_object_set_new(document, "attributes", attributes);
    struct vault_version *version;
    struct error reason = {0};
    enum status status = vault_secret_set(vault, name, document, &version, &reason);
    json_decref(document);
    if (status != STATUS_OK)
        return error_set(err, status, "%s: %s", path, reason.text);
    return STATUS_OK;
}

static const char *scope_of(const json_t *object) {
    const char *scope = text_of(object, "scope");
    return scope ? scope : "/";
}

static enum status read_assignment(const struct seed *seed, struct vault *vault, const char *path,
                                   const json_t *object, struct error *err) {
    enum status status = json_shape_check(object, path, assignment_members, err);
    if (status != STATUS_OK)
        return status;
    struct error reason = {0};
    status = rbac_grant(&vault->policy, seed->vaults.custom_roles, text_of(object, "principal"),
                        text_of(object, "role"), scope_of(object), 0, &reason);
    return status == STATUS_OK ? status : error_set(err, status, "%s: %s", path, reason.text);
}

static enum status read_deny(struct vault *vault, const char *path, const json_t *object,
                             struct error *err) {
    enum status status = json_shape_check(object, path, deny_members, err);
    if (status != STATUS_OK)
        return status;
    const char *principal = text_of(object, "principal");
    if (strcmp(principal, "*") != 0 && !guid_is_valid(principal))
        return error_set(err, STATUS_INVALID, "%s.principal must be a GUID or \"*\"", path);
    struct error reason = {0};
    status = rbac_deny(&vault->policy, principal, json_object_get(object, "dataActions"),
                       json_object_get(object, "notDataActions"), scope_of(object), &reason);
    return status == STATUS_OK ? status : error_set(err, status, "%s: %s", path, reason.text);
}

static enum status read_secrets(struct vault *vault, const json_t *object, struct error *err) {
    char path[PATH_SIZE];
    const char *secret;
    json_t *value;
    enum status status = STATUS_OK;
    json_object_foreach(json_object_get(object, "secrets"), secret, value) {
        snprintf(path, sizeof(path), "vaults.%s.secrets.%.130s", vault->name, secret);
        status = read_secret(vault, path, secret, value, err);
        if (status != STATUS_OK)
            return status;
    }
    snprintf(path, sizeof(path), "vaults.%s", vault->name);
    return vault_orders_take(vault, json_object_get(object, "keys"),
                             json_object_get(object, "certificates"), path, err);
}

static enum status read_permissions(const struct seed *seed, struct vault *vault,
                                    const json_t *object, struct error *err) {
    char path[PATH_SIZE];
    size_t index;
    json_t *value;
    enum status status = STATUS_OK;
    json_array_foreach(json_object_get(object, "assignments"), index, value) {
        snprintf(path, sizeof(path), "vaults.%s.assignments[%zu]", vault->name, index);
        status = read_assignment(seed, vault, path, value, err);
        if (status != STATUS_OK)
            return status;
    }
    json_array_foreach(json_object_get(object, "deny"), index, value) {
        snprintf(path, sizeof(path), "vaults.%s.deny[%zu]", vault->name, index);
        status = read_deny(vault, path, value, err);
        if (status != STATUS_OK)
            return status;
    }
    json_t *policies = json_object_get(object, "access_policies");
    struct error reason = {0};
    if (policies)
        status = access_policies_use(&vault->access, policies, &reason);
    if (status != STATUS_OK)
        error_set(err, status, "vaults.%s.access_%s", vault->name, reason.text);
    return status;
}

static enum status read_vault(struct seed *seed, const char *name, const json_t *object,
                              struct error *err) {
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "vaults.%.40s", name);
    if (!object_name_is_valid(name) || strlen(name) < 3 || strlen(name) > 24)
        return error_set(err, STATUS_INVALID, "%s: a vault's name is 3-24 letters, digits, hyphens",
                         path);
    enum status status = json_shape_check(object, path, vault_members, err);
    if (status == STATUS_OK)
        status = seed_check_tenant(seed, object, path, err);
    if (status != STATUS_OK)
        return status;
    const char *resource = text_of(object, "resource");
    struct vault *vault =
        must_grow(&seed->vaults.vaults, &seed->vaults.count, sizeof(*seed->vaults.vaults));
    vault->name = must_strdup(name);
    vault->tenant = must_strdup(seed_tenant_of(seed, object));
    vault->resource = must_strdup(resource ? resource : RESOURCE_VAULT);
    status = read_secrets(vault, object, err);
    return status == STATUS_OK ? read_permissions(seed, vault, object, err) : status;
}

enum status seed_read_vaults(struct seed *seed, struct error *err) {
    const char *name;
    json_t *object;
    seed->vaults.custom_roles = json_incref(json_object_get(seed->document, "vault_roles"));
    json_object_foreach(seed->vaults.custom_roles, name, object) {
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "vault_roles.%.60s", name);
        enum status status = json_shape_check(object, path, role_members, err);
        if (status != STATUS_OK)
            return status;
    }
    json_object_foreach(json_object_get(seed->document, "vaults"), name, object) {
        enum status status = read_vault(seed, name, object, err);
        if (status != STATUS_OK)
            return status;
    }
    const char *preferred = text_of(seed->document, "default_vault");
    if (!preferred)
        return STATUS_OK;
    const struct vault *vault = vault_set_find(&seed->vaults, preferred);
    if (!vault)
        return error_set(err, STATUS_INVALID, "default_vault: no vault \"%.40s\"", preferred);
    seed->vaults.default_index = (size_t)(vault - seed->vaults.vaults);
    return STATUS_OK;
}
