/* The knobs of the vaults: what an administrator of Azure could do, without asking who it is, and
 * the moods of the service. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin.h"
#include "must.h"
#include "vault_certificate.h"
#include "vault_secret.h"

#define MAX_DELAY_MS 600000

/* NULL when refused. What the seed ordered under the name in the path is there afterwards. */
static struct vault *find_vault(const struct admin_call *call) {
    const struct request *request = call->request;
    struct vault *vault = vault_set_find(&call->standin->world.seed.vaults, request->segments[2]);
    struct error err = {0};
    if (!vault) {
        reply_error(call->reply, 404, "not_found", "no such vault");
        return NULL;
    }
    if (request->segment_count > 4 &&
        vault_orders_fill(vault, request->segments[4], &call->standin->client_ca, &err) !=
            STATUS_OK) {
        admin_refuse(call, &err);
        return NULL;
    }
    return vault;
}

/* By the path's third segment below /standin/; the routes let through the good ones only. */
static enum collection collection_of(const struct admin_call *call) {
    for (int i = 0; i < COLLECTION_COUNT; i++)
        if (strcmp(collection_name((enum collection)i), call->request->segments[3]) == 0)
            return (enum collection)i;
    return COLLECTION_SECRETS;
}

static const char *name_of(const struct admin_call *call) {
    return call->request->segments[4];
}

static void answer_version(const struct admin_call *call, enum status status,
                           const struct vault_version *version, const struct error *err) {
    if (status == STATUS_OK)
        reply_json(call->reply, 200, json_pack("{s:s}", "version", version->id));
    else
        admin_refuse(call, err);
}

/* With a value: a new version. Without: changes the newest one. */
static void put_secret(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"value", MEMBER_STRING, 0}, {"contentType", MEMBER_STRING, 0},
        {"tags", MEMBER_OBJECT, 0},  {"attributes", MEMBER_OBJECT, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    const struct vault_object *secret = vault_find(vault, COLLECTION_SECRETS, name_of(call));
    struct vault_version *version = secret ? vault_version(secret, NULL) : NULL;
    struct error err = {0};
    enum status status = STATUS_OK;
    if (admin_text(call, "value"))
        status = vault_secret_set(vault, name_of(call), call->document, &version, &err);
    else if (version)
        status = vault_secret_update(version, call->document, &err);
    else
        status = error_set(&err, STATUS_NOT_FOUND, "no such secret; give it a value to make one");
    answer_version(call, status, version, &err);
}

static void put_key(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    struct vault_version *version = NULL;
    struct error err = {0};
    if (!vault)
        return;
    enum status status = vault_key_add(vault, name_of(call), call->document, &version, &err);
    answer_version(call, status, version, &err);
}

static void put_certificate(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    struct vault_version *version = NULL;
    struct error err = {0};
    if (!vault)
        return;
    enum status status = vault_certificate_add(vault, name_of(call), call->document,
                                               &call->standin->client_ca, &version, &err);
    answer_version(call, status, version, &err);
}

/* Attributes, tags and content type of any version; "newest" is the newest. */
static void change_version(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"contentType", MEMBER_STRING, 0},
        {"tags", MEMBER_OBJECT, 0},
        {"attributes", MEMBER_OBJECT, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    const char *id = call->request->segments[6];
    const struct vault_object *object = vault_find(vault, collection_of(call), name_of(call));
    struct vault_version *version =
        object ? vault_version(object, strcmp(id, "newest") == 0 ? NULL : id) : NULL;
    struct error err = {0};
    if (!version)
        reply_error(call->reply, 404, "not_found", "no such version");
    else
        answer_version(call, vault_secret_update(version, call->document, &err), version, &err);
}

/* The object without a trace; a certificate with its key and its secret. */
static void forget_object(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    if (!vault)
        return;
    enum collection collection = collection_of(call);
    bool is_gone = vault_forget(vault, collection, name_of(call));
    if (is_gone && collection == COLLECTION_CERTIFICATES) {
        vault_forget(vault, COLLECTION_KEYS, name_of(call));
        vault_forget(vault, COLLECTION_SECRETS, name_of(call));
    }
    if (is_gone)
        admin_done(call);
    else
        reply_error(call->reply, 404, "not_found", "no such object");
}

static void soft_delete(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    if (!vault)
        return;
    if (vault_delete(vault, collection_of(call), name_of(call)))
        admin_done(call);
    else
        reply_error(call->reply, 404, "not_found", "no such object");
}

static void recover(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    if (!vault)
        return;
    if (vault_recover(vault, collection_of(call), name_of(call)))
        admin_done(call);
    else
        reply_error(call->reply, 404, "not_found", "nothing to recover under this name");
}

/* Leaves `*number` alone when the member is absent. False when refused. */
static bool read_number(const struct admin_call *call, const char *member, int64_t max,
                        int64_t *number) {
    const json_t *value = json_object_get(call->document, member);
    if (!value)
        return true;
    if (json_integer_value(value) < 0 || json_integer_value(value) > max) {
        reply_error(call->reply, 400, "bad_request", "%s must be from 0 to %lld", member,
                    (long long)max);
        return false;
    }
    *number = json_integer_value(value);
    return true;
}

static void add_assignment(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"principal", MEMBER_GUID, 1},   {"role", MEMBER_STRING, 1}, {"scope", MEMBER_STRING, 0},
        {"delay_ms", MEMBER_INTEGER, 0}, {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    int64_t delay_ms = 0;
    if (!vault || !admin_shape_is(call, members) ||
        !read_number(call, "delay_ms", MAX_DELAY_MS, &delay_ms))
        return;
    const char *scope = admin_text(call, "scope");
    struct error err = {0};
    if (rbac_grant(&vault->policy, call->standin->world.seed.vaults.custom_roles,
                   admin_text(call, "principal"), admin_text(call, "role"), scope ? scope : "/",
                   delay_ms, &err) == STATUS_OK)
        admin_done(call);
    else
        admin_refuse(call, &err);
}

static void add_denial(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"principal", MEMBER_STRING, 1},
        {"dataActions", MEMBER_STRINGS, 0},
        {"scope", MEMBER_STRING, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    const char *scope = admin_text(call, "scope");
    json_t *actions = json_object_get(call->document, "dataActions");
    actions = actions ? json_incref(actions) : must(json_pack("[s]", "*"));
    struct error err = {0};
    if (rbac_deny(&vault->policy, admin_text(call, "principal"), actions, NULL, scope ? scope : "/",
                  &err) == STATUS_OK)
        admin_done(call);
    else
        admin_refuse(call, &err);
    json_decref(actions);
}

static void forget_assignments(const struct admin_call *call) {
    static const struct json_member members[] = {{"principal", MEMBER_STRING, 1},
                                                 {NULL, MEMBER_ANY, 0}};
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    size_t gone = rbac_forget(&vault->policy, admin_text(call, "principal"));
    reply_json(call->reply, 200, json_pack("{s:I}", "removed", (json_int_t)gone));
}

/* Without policies: back to RBAC. */
static void use_access_policies(const struct admin_call *call) {
    static const struct json_member members[] = {{"policies", MEMBER_ARRAY, 0},
                                                 {NULL, MEMBER_ANY, 0}};
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    json_t *policies = json_object_get(call->document, "policies");
    struct error err = {0};
    if (!policies)
        access_policies_done(&vault->access);
    else if (access_policies_use(&vault->access, policies, &err) != STATUS_OK) {
        admin_refuse(call, &err);
        return;
    }
    admin_done(call);
}

static void change_settings(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"network", MEMBER_STRING, 0},
        {"delete_delay_ms", MEMBER_INTEGER, 0},
        {"recover_delay_ms", MEMBER_INTEGER, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    const char *network = admin_text(call, "network");
    struct error err = {0};
    if (!vault || !admin_shape_is(call, members) ||
        !read_number(call, "delete_delay_ms", MAX_DELAY_MS, &vault->delete_delay_ms) ||
        !read_number(call, "recover_delay_ms", MAX_DELAY_MS, &vault->recover_delay_ms))
        return;
    if (network && vault_gate_set_network(&vault->gate, network, &err) != STATUS_OK)
        admin_refuse(call, &err);
    else
        admin_done(call);
}

/* So many requests from now on, or so many more than a limit in each window. An empty object ends
 * it. */
static void throttle(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"count", MEMBER_INTEGER, 0},
        {"limit", MEMBER_INTEGER, 0},
        {"window_ms", MEMBER_INTEGER, 0},
        {"retry_after", MEMBER_INTEGER, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    struct vault_gate asked = {.window_ms = 10000};
    if (!vault || !admin_shape_is(call, members) ||
        !read_number(call, "count", 1000000, &asked.throttled) ||
        !read_number(call, "limit", 1000000, &asked.limit) ||
        !read_number(call, "window_ms", MAX_DELAY_MS, &asked.window_ms) ||
        !read_number(call, "retry_after", 86400, &asked.retry_after_sec))
        return;
    struct vault_gate *gate = &vault->gate;
    gate->throttled = asked.throttled;
    gate->limit = asked.limit;
    gate->window_ms = asked.window_ms;
    gate->window_end_ms = 0;
    gate->has_retry_after = json_object_get(call->document, "retry_after") != NULL;
    gate->retry_after_sec = asked.retry_after_sec;
    admin_done(call);
}

/* What Key Vault asks for when something about the caller changed. */
static char *default_claims(void) {
    char *since = must_printf("%lld", (long long)attributes_fresh().created);
    json_t *claims = must(
        json_pack("{s:{s:{s:b, s:s}}}", "access_token", "nbf", "essential", 1, "value", since));
    char *text = must(json_dumps(claims, JSON_COMPACT));
    json_decref(claims);
    free(since);
    return text;
}

static void challenge(const struct admin_call *call) {
    static const struct json_member members[] = {{"claims", MEMBER_OBJECT, 0},
                                                 {"end", MEMBER_BOOL, 0},
                                                 {"any_client", MEMBER_BOOL, 0},
                                                 {NULL, MEMBER_ANY, 0}};
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    const json_t *claims = json_object_get(call->document, "claims");
    char *text = NULL;
    if (!json_is_true(json_object_get(call->document, "end")))
        text = claims ? must(json_dumps(claims, JSON_COMPACT)) : default_claims();
    vault_gate_ask_claims(&vault->gate, text,
                          json_is_true(json_object_get(call->document, "any_client")));
    free(text);
    admin_done(call);
}

static void add_canary(json_t *canaries, const char *where, const char *text) {
    json_array_append_new(canaries, must(json_pack("{s:s, s:s}", "name", where, "text", text)));
}

/* Each line of a private key is a canary of its own, because PEM may be wrapped anew. */
static void add_key_canaries(json_t *canaries, const char *where, const struct key_pair *key) {
    char *pem = key_pair_pem(key);
    char *rest = NULL;
    for (char *line = strtok_r(pem, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (line[0] != '-' && strlen(line) >= 48)
            add_canary(canaries, where, line);
    free(pem);
}

static void add_shelf_canaries(json_t *canaries, const struct vault *vault,
                               enum collection collection, const struct shelf *shelf) {
    for (size_t i = 0; i < shelf->count; i++)
        for (size_t j = 0; j < shelf->objects[i].version_count; j++) {
            const struct vault_version *version = &shelf->objects[i].versions[j];
            char *where = must_printf("%s/%s/%s/%s", vault->name, collection_name(collection),
                                      shelf->objects[i].name, version->id);
            if (version->value)
                add_canary(canaries, where, version->value);
            if (version->key)
                add_key_canaries(canaries, where, version->key);
            free(where);
        }
}

/* Everything that must never be seen anywhere else, in all versions, deleted or not. */
static void answer_canaries(const struct admin_call *call) {
    const struct seed *seed = &call->standin->world.seed;
    json_t *canaries = must(json_array());
    for (size_t i = 0; i < seed->directory.app_count; i++) {
        const struct app *app = &seed->directory.apps[i];
        for (size_t j = 0; j < json_array_size(app->secrets); j++)
            add_canary(canaries, app->name, json_string_value(json_array_get(app->secrets, j)));
    }
    for (size_t i = 0; i < seed->vaults.count; i++)
        for (int j = 0; j < COLLECTION_COUNT; j++) {
            const struct vault *vault = &seed->vaults.vaults[i];
            add_shelf_canaries(canaries, vault, (enum collection)j, &vault->shelves[j]);
            add_shelf_canaries(canaries, vault, (enum collection)j, &vault->deleted[j]);
        }
    reply_json(call->reply, 200, json_pack("{s:o}", "canaries", canaries));
}

const struct admin_route vault_knobs[] = {
    {"GET", {"canaries"}, answer_canaries},
    {"POST", {"vaults", "*", "secrets", "*"}, put_secret},
    {"POST", {"vaults", "*", "keys", "*"}, put_key},
    {"POST", {"vaults", "*", "certificates", "*"}, put_certificate},
    {"POST", {"vaults", "*", "secrets", "*", "delete"}, forget_object},
    {"POST", {"vaults", "*", "keys", "*", "delete"}, forget_object},
    {"POST", {"vaults", "*", "certificates", "*", "delete"}, forget_object},
    {"POST", {"vaults", "*", "secrets", "*", "soft-delete"}, soft_delete},
    {"POST", {"vaults", "*", "secrets", "*", "recover"}, recover},
    {"POST", {"vaults", "*", "secrets", "*", "versions", "*"}, change_version},
    {"POST", {"vaults", "*", "keys", "*", "versions", "*"}, change_version},
    {"POST", {"vaults", "*", "certificates", "*", "versions", "*"}, change_version},
    {"POST", {"vaults", "*", "assignments"}, add_assignment},
    {"POST", {"vaults", "*", "assignments", "forget"}, forget_assignments},
    {"POST", {"vaults", "*", "deny"}, add_denial},
    {"POST", {"vaults", "*", "access-policies"}, use_access_policies},
    {"POST", {"vaults", "*", "settings"}, change_settings},
    {"POST", {"vaults", "*", "throttle"}, throttle},
    {"POST", {"vaults", "*", "challenge"}, challenge},
    {NULL, {NULL}, NULL},
};
