/* Knobs of the directory and of the machine: how applications, users and managed identities may
 * sign in, and what the machine's endpoints ask of callers. */
#include <stdlib.h>

#include "admin.h"
#include "must.h"

#define MAX_LIFETIME_SEC (24 * 60 * 60)
#define MAX_ARC_KEY_BYTES (1 << 20)

static void finish(const struct admin_call *call, enum status status, const struct error *err) {
    if (status == STATUS_OK)
        admin_done(call);
    else
        admin_refuse(call, err);
}

static json_t *member(const struct admin_call *call, const char *name) {
    return json_object_get(call->document, name);
}

/* Leaves `*place` alone when the body has no such member. */
static void take_bool(const struct admin_call *call, const char *name, bool *place) {
    if (member(call, name))
        *place = json_is_true(member(call, name));
}

static enum status add_federated(struct app *app, const json_t *record, struct error *err) {
    static const struct json_member members[] = {
        {"issuer", MEMBER_STRING, 1},
        {"subject", MEMBER_STRING, 1},
        {"audience", MEMBER_STRING, 0},
        {NULL, MEMBER_ANY, 0},
    };
    enum status status = json_shape_check(record, "federated", members, err);
    if (status == STATUS_OK)
        app_add_federated(app, json_string_value(json_object_get(record, "issuer")),
                          json_string_value(json_object_get(record, "subject")),
                          json_string_value(json_object_get(record, "audience")));
    return status;
}

static enum status apply_to_app(const struct admin_call *call, struct app *app, struct error *err) {
    enum status status = sign_in_rule_change(&app->rule, call->document, err);
    if (status == STATUS_OK && admin_text(call, "certificate"))
        status = app_add_certificate(app, admin_text(call, "certificate"), err);
    if (status == STATUS_OK && member(call, "federated"))
        status = add_federated(app, member(call, "federated"), err);
    if (status != STATUS_OK)
        return status;
    take_bool(call, "disabled", &app->is_disabled);
    take_bool(call, "secrets_expired", &app->has_expired_secrets);
    if (member(call, "secrets")) {
        json_decref(app->secrets);
        app->secrets = json_incref(member(call, "secrets"));
    }
    return STATUS_OK;
}

static void change_app(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"disabled", MEMBER_BOOL, 0},
        {"secrets", MEMBER_STRINGS, 0},
        {"secrets_expired", MEMBER_BOOL, 0},
        {"certificate", MEMBER_STRING, 0},
        {"federated", MEMBER_OBJECT, 0},
        {"refuse", MEMBER_STRING, 0},
        {"claims", MEMBER_OBJECT, 0},
        {"retry_after", MEMBER_INTEGER, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct app *app =
        directory_app_to_change(&call->standin->world.seed.directory, call->request->segments[2]);
    struct error err = {0};
    if (!app)
        reply_error(call->reply, 404, "not_found", "no such application");
    else if (admin_shape_is(call, members))
        finish(call, apply_to_app(call, app, &err), &err);
}

static void change_user(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"refuse", MEMBER_STRING, 1},
        {"claims", MEMBER_OBJECT, 0},
        {"retry_after", MEMBER_INTEGER, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct user *user =
        directory_user_to_change(&call->standin->world.seed.directory, call->request->segments[2]);
    struct error err = {0};
    if (!user)
        reply_error(call->reply, 404, "not_found", "no such user");
    else if (admin_shape_is(call, members))
        finish(call, sign_in_rule_change(&user->rule, call->document, &err), &err);
}

static void change_identity(const struct admin_call *call) {
    static const struct json_member members[] = {{"gone", MEMBER_BOOL, 1}, {NULL, MEMBER_ANY, 0}};
    struct managed_identity *identity = directory_identity_to_change(
        &call->standin->world.seed.directory, call->request->segments[2]);
    if (!identity) {
        reply_error(call->reply, 404, "not_found", "no such managed identity");
    } else if (admin_shape_is(call, members)) {
        take_bool(call, "gone", &identity->is_gone);
        admin_done(call);
    }
}

static void change_tokens(const struct admin_call *call) {
    static const struct json_member members[] = {{"lifetime_sec", MEMBER_INTEGER, 1},
                                                 {NULL, MEMBER_ANY, 0}};
    if (!admin_shape_is(call, members))
        return;
    json_int_t lifetime_sec = json_integer_value(member(call, "lifetime_sec"));
    if (lifetime_sec < 0 || lifetime_sec > MAX_LIFETIME_SEC) {
        reply_error(call->reply, 400, "bad_request", "lifetime_sec must be from 0 to %d",
                    MAX_LIFETIME_SEC);
        return;
    }
    call->standin->world.token_lifetime_sec = lifetime_sec;
    admin_done(call);
}

static void answer_sign_in(const struct admin_call *call) {
    reply_json(call->reply, 200,
               json_pack("{s:o}", "asked", sign_ins_asked(&call->standin->world.sign_ins)));
}

/* What is left out is as at the start. */
static void change_sign_in(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"user", MEMBER_GUID, 0}, {"stale_codes", MEMBER_BOOL, 0}, {NULL, MEMBER_ANY, 0}};
    struct sign_ins *sign_ins = &call->standin->world.sign_ins;
    if (!admin_shape_is(call, members))
        return;
    const char *oid = admin_text(call, "user");
    const struct user *user =
        oid ? directory_user(&call->standin->world.seed.directory, oid) : NULL;
    if (oid && !user) {
        reply_error(call->reply, 404, "not_found", "no such user");
        return;
    }
    sign_ins->user = user;
    sign_ins->has_stale_codes = json_is_true(member(call, "stale_codes"));
    sign_ins_forget_asked(sign_ins);
    admin_done(call);
}

static void replace_text(char **place, const char *text) {
    free(*place);
    *place = text && *text ? must_strdup(text) : NULL;
}

static void change_machine(const struct admin_call *call) {
    static const struct json_member members[] = {
        {"identity_header", MEMBER_STRING, 0},
        {"arc_realm", MEMBER_STRING, 0},
        {"arc_key_bytes", MEMBER_INTEGER, 0},
        {NULL, MEMBER_ANY, 0},
    };
    struct machine *machine = &call->standin->machine;
    if (!admin_shape_is(call, members))
        return;
    const char *header = admin_text(call, "identity_header");
    const json_t *key_bytes = member(call, "arc_key_bytes");
    json_int_t bytes =
        key_bytes ? json_integer_value(key_bytes) : (json_int_t)machine->arc_key_bytes;
    if ((header && !*header) || bytes < 2 || bytes > MAX_ARC_KEY_BYTES) {
        reply_error(call->reply, 400, "bad_request",
                    "identity_header must not be empty, arc_key_bytes be from 2 to %d",
                    MAX_ARC_KEY_BYTES);
        return;
    }
    machine->arc_key_bytes = (size_t)bytes;
    if (header)
        replace_text(&machine->identity_header, header);
    if (member(call, "arc_realm"))
        replace_text(&machine->arc_realm, admin_text(call, "arc_realm"));
    admin_done(call);
}

const struct admin_route directory_knobs[] = {
    {"POST", {"apps", "*"}, change_app},
    {"POST", {"users", "*"}, change_user},
    {"POST", {"identities", "*"}, change_identity},
    {"POST", {"tokens"}, change_tokens},
    {"GET", {"sign_in"}, answer_sign_in},
    {"POST", {"sign_in"}, change_sign_in},
    {"POST", {"machine"}, change_machine},
    {NULL, {NULL}, NULL},
};
