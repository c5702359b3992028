/* The knobs of the vaults: what an administrator of Azure could do, without asking who it is. */
#include "admin.h"

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

const struct admin_route vault_knobs[] = {
    {"POST", {"vaults", "*", "secrets", "*"}, put_secret},
    {"POST", {"vaults", "*", "secrets", "*", "delete"}, delete_secret},
    {"POST", {"vaults", "*", "assignments"}, add_assignment},
    {"POST", {"vaults", "*", "assignments", "forget"}, forget_assignments},
    {NULL, {NULL}, NULL},
};
