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

static const struct admin_route routes[] = {
    {"GET", {"keys"}, answer_keys},
    {"POST", {"keys", "roll"}, roll_keys},
    {"POST", {"keys", "unpublished"}, renew_unpublished},
    {"POST", {"keys", "publish"}, publish_key},
    {"GET", {"counters"}, counters},
    {"POST", {"counters", "reset"}, reset_counters},
    {"POST", {"faults"}, add_fault},
    {"POST", {"faults", "clear"}, clear_faults},
    {NULL, {NULL}, NULL},
};

static const struct admin_route *const tables[] = {routes, directory_knobs, vault_knobs};

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

/* NULL when there is none; `*is_known_path` is set when another method would have been right. */
static const struct admin_route *find_route(const struct request *request, bool *is_known_path) {
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct admin_route *route = tables[i]; route->method; route++) {
            if (!request_path_is(request, 1, route->path))
                continue;
            *is_known_path = true;
            if (request_method_is(request, route->method))
                return route;
        }
    return NULL;
}

void admin(struct standin *standin, const struct request *request, struct reply *reply) {
    struct admin_call call = {.standin = standin, .request = request, .reply = reply};
    bool is_known_path = false;
    const struct admin_route *route = find_route(request, &is_known_path);
    if (!route)
        reply_error(reply, is_known_path ? 405 : 404,
                    is_known_path ? "method_not_allowed" : "not_found",
                    "tests/standin/README.md lists the knobs");
    else if (read_document(&call))
        route->serve(&call);
    json_decref(call.document);
}
