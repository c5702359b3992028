/* The world at start. The document is kept whole: the directory borrows its strings, the vaults
 * copy theirs because they change while the stand-in runs. */
#include "seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "json_shape.h"
#include "must.h"
#include "seed_vault.h"

static const struct json_member seed_members[] = {
    {"tenants", MEMBER_ARRAY, 0},
    {"apps", MEMBER_ARRAY, 0},
    {"users", MEMBER_ARRAY, 0},
    {"managed_identities", MEMBER_ARRAY, 0},
    {"vault_roles", MEMBER_OBJECT, 0},
    {"vaults", MEMBER_OBJECT, 0},
    {"default_vault", MEMBER_STRING, 0},
    {"groups", MEMBER_OBJECT, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member tenant_members[] = {
    {"id", MEMBER_GUID, 1},
    {"domains", MEMBER_STRINGS, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member app_members[] = {
    {"client_id", MEMBER_GUID, 1},       {"oid", MEMBER_GUID, 1},
    {"name", MEMBER_STRING, 0},          {"tenant", MEMBER_GUID, 0},
    {"secret", MEMBER_STRING, 0},        {"secrets", MEMBER_STRINGS, 0},
    {"uris", MEMBER_STRINGS, 0},         {"token_version", MEMBER_INTEGER, 0},
    {"roles", MEMBER_OBJECT, 0},         {"groups", MEMBER_GUIDS, 0},
    {"disabled", MEMBER_BOOL, 0},        {"certificates", MEMBER_STRINGS, 0},
    {"scopes", MEMBER_STRINGS, 0},       {"federated", MEMBER_ARRAY, 0},
    {"redirect_uris", MEMBER_OBJECT, 0}, {NULL, MEMBER_ANY, 0},
};

static const struct json_member federated_members[] = {
    {"issuer", MEMBER_STRING, 1},
    {"subject", MEMBER_STRING, 1},
    {"audience", MEMBER_STRING, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member redirect_members[] = {
    {"native", MEMBER_STRINGS, 0},
    {"web", MEMBER_STRINGS, 0},
    {NULL, MEMBER_ANY, 0},
};

static const struct json_member user_members[] = {
    {"oid", MEMBER_GUID, 1},    {"name", MEMBER_STRING, 1},  {"upn", MEMBER_STRING, 1},
    {"tenant", MEMBER_GUID, 0}, {"groups", MEMBER_GUIDS, 0}, {NULL, MEMBER_ANY, 0},
};

static const struct json_member identity_members[] = {
    {"client_id", MEMBER_GUID, 1}, {"oid", MEMBER_GUID, 1},     {"resource_id", MEMBER_STRING, 0},
    {"tenant", MEMBER_GUID, 0},    {"roles", MEMBER_OBJECT, 0}, {"groups", MEMBER_GUIDS, 0},
    {NULL, MEMBER_ANY, 0},
};

#define PATH_SIZE 200

static const char *text_of(const json_t *object, const char *member) {
    return json_string_value(json_object_get(object, member));
}

const char *seed_tenant_of(const struct seed *seed, const json_t *object) {
    const char *tenant = text_of(object, "tenant");
    return tenant ? tenant : seed->directory.tenants[0].id;
}

enum status seed_check_tenant(const struct seed *seed, const json_t *object, const char *path,
                              struct error *err) {
    const char *tenant = text_of(object, "tenant");
    if (!tenant || directory_tenant(&seed->directory, tenant))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s.tenant: no tenant %s", path, tenant);
}

static void read_tenant(struct seed *seed, const json_t *object) {
    struct directory *directory = &seed->directory;
    struct tenant *tenant =
        must_grow(&directory->tenants, &directory->tenant_count, sizeof(*tenant));
    tenant->id = text_of(object, "id");
    tenant->domains = json_object_get(object, "domains");
}

/* `secret` is the short form of a list of one. */
static json_t *secrets_of(json_t *object) {
    json_t *single = json_object_get(object, "secret");
    if (single && !json_object_get(object, "secrets"))
        json_object_set_new(object, "secrets", must(json_pack("[O]", single)));
    return json_object_get(object, "secrets");
}

static enum status read_app_certificates(struct app *app, const json_t *object, const char *path,
                                         struct error *err) {
    const json_t *certificates = json_object_get(object, "certificates");
    for (size_t i = 0; i < json_array_size(certificates); i++) {
        struct error reason = {0};
        const char *pem = json_string_value(json_array_get(certificates, i));
        enum status status = app_add_certificate(app, pem, &reason);
        if (status != STATUS_OK)
            return error_set(err, status, "%s.certificates[%zu]: %s", path, i, reason.text);
    }
    return STATUS_OK;
}

static enum status read_federated(struct app *app, const json_t *object, const char *path,
                                  struct error *err) {
    const json_t *federated = json_object_get(object, "federated");
    for (size_t i = 0; i < json_array_size(federated); i++) {
        const json_t *entry = json_array_get(federated, i);
        char place[PATH_SIZE];
        snprintf(place, sizeof(place), "%.100s.federated[%zu]", path, i);
        enum status status = json_shape_check(entry, place, federated_members, err);
        if (status != STATUS_OK)
            return status;
        app_add_federated(app, text_of(entry, "issuer"), text_of(entry, "subject"),
                          text_of(entry, "audience"));
    }
    return STATUS_OK;
}

static enum status read_redirects(struct app *app, const json_t *object, const char *path,
                                  struct error *err) {
    json_t *redirects = json_object_get(object, "redirect_uris");
    char place[PATH_SIZE];
    if (!redirects)
        return STATUS_OK;
    snprintf(place, sizeof(place), "%.180s.redirect_uris", path);
    app->native_redirects = json_object_get(redirects, "native");
    app->web_redirects = json_object_get(redirects, "web");
    return json_shape_check(redirects, place, redirect_members, err);
}

static enum status read_app(struct seed *seed, json_t *object, const char *path,
                            struct error *err) {
    const json_t *version = json_object_get(object, "token_version");
    if (version && json_integer_value(version) != 1 && json_integer_value(version) != 2)
        return error_set(err, STATUS_INVALID, "%s.token_version must be 1 or 2", path);
    struct directory *directory = &seed->directory;
    struct app *app = must_grow(&directory->apps, &directory->app_count, sizeof(*app));
    const char *name = text_of(object, "name");
    *app = (struct app){
        .name = name ? name : text_of(object, "client_id"),
        .client_id = text_of(object, "client_id"),
        .oid = text_of(object, "oid"),
        .tenant = seed_tenant_of(seed, object),
        .secrets = json_incref(secrets_of(object)),
        .federated = must(json_array()),
        .scopes = json_object_get(object, "scopes"),
        .uris = json_object_get(object, "uris"),
        .roles = json_object_get(object, "roles"),
        .groups = json_object_get(object, "groups"),
        .token_version = version ? (int)json_integer_value(version) : 1,
        .is_disabled = json_is_true(json_object_get(object, "disabled")),
    };
    enum status status = read_app_certificates(app, object, path, err);
    if (status == STATUS_OK)
        status = read_redirects(app, object, path, err);
    return status == STATUS_OK ? read_federated(app, object, path, err) : status;
}

static void read_user(struct seed *seed, const json_t *object) {
    struct directory *directory = &seed->directory;
    struct user *user = must_grow(&directory->users, &directory->user_count, sizeof(*user));
    *user = (struct user){
        .oid = text_of(object, "oid"),
        .name = text_of(object, "name"),
        .upn = text_of(object, "upn"),
        .tenant = seed_tenant_of(seed, object),
        .groups = json_object_get(object, "groups"),
    };
}

static void read_identity(struct seed *seed, const json_t *object) {
    struct directory *directory = &seed->directory;
    struct managed_identity *identity =
        must_grow(&directory->identities, &directory->identity_count, sizeof(*identity));
    *identity = (struct managed_identity){
        .client_id = text_of(object, "client_id"),
        .oid = text_of(object, "oid"),
        .resource_id = text_of(object, "resource_id"),
        .tenant = seed_tenant_of(seed, object),
        .roles = json_object_get(object, "roles"),
        .groups = json_object_get(object, "groups"),
    };
}

struct section {
    const char *name;
    const struct json_member *members;
};

static enum status read_entry(struct seed *seed, const struct section *section, json_t *object,
                              const char *path, struct error *err) {
    if (section->members == tenant_members)
        read_tenant(seed, object);
    else if (section->members == app_members)
        return read_app(seed, object, path, err);
    else if (section->members == user_members)
        read_user(seed, object);
    else
        read_identity(seed, object);
    return STATUS_OK;
}

static enum status read_directory(struct seed *seed, struct error *err) {
    static const struct section sections[] = {
        {"tenants", tenant_members},
        {"apps", app_members},
        {"users", user_members},
        {"managed_identities", identity_members},
    };
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        size_t index;
        json_t *object;
        json_array_foreach(json_object_get(seed->document, sections[i].name), index, object) {
            char path[PATH_SIZE];
            snprintf(path, sizeof(path), "%s[%zu]", sections[i].name, index);
            enum status status = json_shape_check(object, path, sections[i].members, err);
            if (status == STATUS_OK)
                status = seed_check_tenant(seed, object, path, err);
            if (status == STATUS_OK)
                status = read_entry(seed, &sections[i], object, path, err);
            if (status != STATUS_OK)
                return status;
        }
        if (seed->directory.tenant_count == 0)
            return error_set(err, STATUS_INVALID, "tenants: at least one is needed");
    }
    return STATUS_OK;
}

static enum status read_groups(struct seed *seed, struct error *err) {
    const char *group;
    json_t *parents;
    json_t *groups = json_object_get(seed->document, "groups");
    seed->directory.group_parents = groups;
    json_object_foreach(groups, group, parents) {
        bool is_good = guid_is_valid(group) && json_is_array(parents);
        for (size_t i = 0; i < json_array_size(parents) && is_good; i++)
            is_good = guid_is_valid(json_string_value(json_array_get(parents, i)));
        if (!is_good)
            return error_set(err, STATUS_INVALID,
                             "groups.%.40s: a GUID with a list of the GUIDs it is in", group);
    }
    return STATUS_OK;
}

static json_t *load(const char *text, struct error *err) {
    json_error_t reason;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &reason);
    if (!document)
        error_set(err, STATUS_INVALID, "line %d, column %d: %s", reason.line, reason.column,
                  reason.text);
    return document;
}

enum status seed_parse(const char *text, struct seed *out_seed, struct error *err) {
    struct seed seed = {.document = load(text ? text : default_seed, err)};
    if (!seed.document)
        return STATUS_INVALID;
    enum status status = json_shape_check(seed.document, "seed", seed_members, err);
    if (status == STATUS_OK) {
        json_t *fallback = must(load(default_seed, err));
        must_hold(json_object_update_missing(seed.document, fallback) == 0);
        json_decref(fallback);
        status = read_directory(&seed, err);
    }
    if (status == STATUS_OK)
        status = read_groups(&seed, err);
    if (status == STATUS_OK)
        status = seed_read_vaults(&seed, err);
    if (status == STATUS_OK)
        *out_seed = seed;
    else
        seed_done(&seed);
    return status;
}

void seed_done(struct seed *seed) {
    directory_done(&seed->directory);
    vault_set_done(&seed->vaults);
    json_decref(seed->document);
    *seed = (struct seed){0};
}
