/* The knobs: what only tests do. Below /standin/, POST with a JSON object (or nothing), GET for
 * what only reads. No authentication: the stand-in listens on loopback and holds invented data. */
#include "admin.h"

#include <stdlib.h>
#include <string.h>

#include "must.h"

void admin_done(const struct admin_call *call) {
    reply_json(call->reply, 200, json_object());
}

void admin_refuse(const struct admin_call *call, const struct error *err) {
    reply_error(call->reply, 400, "bad_request", "%s", err->text);
}

bool admin_shape_is(const struct admin_call *call, const struct json_member *members) {
    struct error err = {0};
    if (json_shape_check(call->document, "body", members, &err) == STATUS_OK)
        return true;
    admin_refuse(call, &err);
    return false;
}

const char *admin_text(const struct admin_call *call, const char *member) {
    return json_string_value(json_object_get(call->document, member));
}

static void answer_keys(const struct admin_call *call) {
    const struct key_ring *ring = call->standin->world.keys;
    json_t *published = must(json_array());
    for (size_t i = 0; i < key_ring_count(ring); i++)
        json_array_append_new(published, must(json_string(signing_key_id(key_ring_at(ring, i)))));
    reply_json(call->reply, 200,
               json_pack("{s:o, s:s}", "published", published, "unpublished",
                         signing_key_id(key_ring_unpublished(ring))));
}

static void finish_keys(const struct admin_call *call, enum status status,
                        const struct error *err) {
    if (status == STATUS_OK)
        answer_keys(call);
    else
        admin_refuse(call, err);
}

static void roll_keys(const struct admin_call *call) {
    static const struct json_member members[] = {{"keep", MEMBER_INTEGER, 0},
                                                 {NULL, MEMBER_ANY, 0}};
    if (!admin_shape_is(call, members))
        return;
    const json_t *keep = json_object_get(call->document, "keep");
    json_int_t count = keep ? json_integer_value(keep) : 1;
    struct error err = {0};
    if (count < 0 || count >= KEY_RING_MAX)
        reply_error(call->reply, 400, "bad_request", "keep must be from 0 to %d", KEY_RING_MAX - 1);
    else
        finish_keys(call, key_ring_roll(call->standin->world.keys, (size_t)count, &err), &err);
}

static void renew_unpublished(const struct admin_call *call) {
    struct error err = {0};
    finish_keys(call, key_ring_renew_unpublished(call->standin->world.keys, &err), &err);
}

static void publish_key(const struct admin_call *call) {
    struct error err = {0};
    finish_keys(call, key_ring_publish(call->standin->world.keys, &err), &err);
}

static void counters(const struct admin_call *call) {
    reply_json(call->reply, 200, faults_counters(&call->standin->faults));
}

static void reset_counters(const struct admin_call *call) {
    faults_reset_counters(&call->standin->faults);
    admin_done(call);
}

static void add_fault(const struct admin_call *call) {
    struct error err = {0};
    if (faults_add(&call->standin->faults, call->document, &err) == STATUS_OK)
        admin_done(call);
    else
        admin_refuse(call, &err);
}

static void clear_faults(const struct admin_call *call) {
    faults_clear(&call->standin->faults);
    admin_done(call);
}

/* NULL when refused. */
static struct vault *find_vault(const struct admin_call *call) {
    struct vault *vault =
        vault_set_find(&call->standin->world.seed.vaults, call->request->segments[2]);
    if (!vault)
        reply_error(call->reply, 404, "not_found", "no such vault");
    return vault;
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
    const char *name = call->request->segments[4];
    struct vault_secret *secret = vault_secret_find(vault, name);
    struct secret_version *version = secret ? vault_secret_version(secret, NULL) : NULL;
    struct error err = {0};
    enum status status = STATUS_OK;
    if (admin_text(call, "value"))
        status = vault_secret_set(vault, name, call->document, &version, &err);
    else if (version)
        status = secret_version_update(version, call->document, &err);
    else
        status = error_set(&err, STATUS_NOT_FOUND, "no such secret; give it a value to make one");
    if (status == STATUS_OK)
        reply_json(call->reply, 200, json_pack("{s:s}", "version", version->id));
    else
        admin_refuse(call, &err);
}

static void delete_secret(const struct admin_call *call) {
    struct vault *vault = find_vault(call);
    if (!vault)
        return;
    if (vault_secret_remove(vault, call->request->segments[4]))
        admin_done(call);
    else
        reply_error(call->reply, 404, "not_found", "no such secret");
}

static void add_assignment(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"principal", MEMBER_GUID, 1},
        {"role", MEMBER_STRING, 1},
        {"scope", MEMBER_STRING, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct vault *vault = find_vault(call);
    if (!vault || !admin_shape_is(call, members))
        return;
    const char *scope = admin_text(call, "scope");
    struct error err = {0};
    if (rbac_grant(&vault->policy, call->standin->world.seed.vaults.custom_roles,
                   admin_text(call, "principal"), admin_text(call, "role"), scope ? scope : "/",
                   &err) == STATUS_OK)
        admin_done(call);
    else
        admin_refuse(call, &err);
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

struct admin_route {
    const char *method;
    const char *path[6];
    void (*serve)(const struct admin_call *call);
};

static const struct admin_route routes[] = {
    {"GET", {"keys"}, answer_keys},
    {"POST", {"keys", "roll"}, roll_keys},
    {"POST", {"keys", "unpublished"}, renew_unpublished},
    {"POST", {"keys", "publish"}, publish_key},
    {"GET", {"counters"}, counters},
    {"POST", {"counters", "reset"}, reset_counters},
    {"POST", {"faults"}, add_fault},
    {"POST", {"faults", "clear"}, clear_faults},
    {"POST", {"vaults", "*", "secrets", "*"}, put_secret},
    {"POST", {"vaults", "*", "secrets", "*", "delete"}, delete_secret},
    {"POST", {"vaults", "*", "assignments"}, add_assignment},
    {"POST", {"vaults", "*", "assignments", "forget"}, forget_assignments},
};

static bool read_document(struct admin_call *call) {
    struct slice body = call->request->body;
    json_error_t reason;
    if (slice_is_empty(body)) {
        call->document = must(json_object());
        return true;
    }
    call->document = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &reason);
    if (json_is_object(call->document))
        return true;
    reply_error(call->reply, 400, "bad_request", "the body must be a JSON object%s%s",
                call->document ? "" : ": ", call->document ? "" : reason.text);
    return false;
}

void admin(struct standin *standin, const struct request *request, struct reply *reply) {
    struct admin_call call = {.standin = standin, .request = request, .reply = reply};
    const struct admin_route *route = NULL;
    bool is_known_path = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        if (!request_path_is(request, 1, routes[i].path))
            continue;
        is_known_path = true;
        if (request_method_is(request, routes[i].method))
            route = &routes[i];
    }
    if (!route)
        reply_error(reply, is_known_path ? 405 : 404,
                    is_known_path ? "method_not_allowed" : "not_found",
                    "tests/standin/README.md lists the knobs");
    else if (read_document(&call))
        route->serve(&call);
    json_decref(call.document);
}
