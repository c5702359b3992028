/* Keys on the wire: get, create, list, and the operations that need the private part. azure.md
 * D.10. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "encoding.h"
#include "must.h"
#include "vault_call.h"
#include "vault_certificate.h"

/* What one operation works on; `kid` and `value` are those of its answer. */
struct key_task {
    const struct vault_call *call;
    const struct key_pair *key;
    const char *alg;
    struct slice input; /* the body's `value`, decoded */
    const json_t *document;
    json_t *answer;
};

typedef enum status key_operation(struct key_task *task, struct error *err);

static void put_octets(struct key_task *task, struct octets octets) {
    char *text = base64url_encode(octets.bytes, octets.len);
    json_object_set_new(task->answer, "value", must(json_string(text)));
    free(text);
    free(octets.bytes);
}

static enum status sign(struct key_task *task, struct error *err) {
    struct octets signature;
    enum status status = key_pair_sign(task->key, task->alg, task->input, &signature, err);
    if (status == STATUS_OK)
        put_octets(task, signature);
    return status;
}

static enum status seal(struct key_task *task, struct error *err) {
    struct octets sealed;
    enum status status = key_pair_encrypt(task->key, task->alg, task->input, &sealed, err);
    if (status == STATUS_OK)
        put_octets(task, sealed);
    return status;
}

static enum status unseal(struct key_task *task, struct error *err) {
    struct octets plain;
    enum status status = key_pair_decrypt(task->key, task->alg, task->input, &plain, err);
    if (status == STATUS_OK)
        put_octets(task, plain);
    return status;
}

/* The signature is in `value`, what was signed in `digest`; the answer has no kid. */
static enum status verify(struct key_task *task, struct error *err) {
    const char *text = json_string_value(json_object_get(task->document, "digest"));
    size_t len = 0;
    unsigned char *digest = base64url_decode(slice_of_str(text), &len);
    if (!text || !digest) {
        free(digest);
        return error_set(err, STATUS_INVALID, "digest must be base64url");
    }
    bool is_good = false;
    enum status status = key_pair_verify(task->key, task->alg, slice_of((char *)digest, len),
                                         task->input, &is_good, err);
    free(digest);
    json_object_del(task->answer, "kid");
    json_object_set_new(task->answer, "value", json_boolean(is_good));
    return status;
}

static const struct {
    const char *name;
    const char *action;
    key_operation *run;
} operations[] = {
    {"sign", RBAC_VAULTS "keys/sign/action", sign},
    {"verify", RBAC_VAULTS "keys/verify/action", verify},
    {"encrypt", RBAC_VAULTS "keys/encrypt/action", seal},
    {"decrypt", RBAC_VAULTS "keys/decrypt/action", unseal},
    {"wrapkey", RBAC_VAULTS "keys/wrap/action", seal},
    {"unwrapkey", RBAC_VAULTS "keys/unwrap/action", unseal},
};

/* Unlike secrets, keys do not work outside their time. The inner codes follow SecretDisabled's
 * form. Answers itself when it returns false. */
static bool check_usable(const struct vault_call *call, const struct vault_version *version,
                         const char *operation) {
    const struct attributes *attributes = &version->attributes;
    int64_t now = clock_wall_sec();
    const char *inner = NULL;
    const char *state = NULL;
    if (!attributes->is_enabled) {
        inner = "KeyDisabled";
        state = "a disabled";
    } else if (attributes->not_before != TIME_UNSET && attributes->not_before > now) {
        inner = "KeyNotYetValid";
        state = "a not yet valid";
    } else if (attributes->expires != TIME_UNSET && attributes->expires <= now) {
        inner = "KeyExpired";
        state = "an expired";
    }
    if (inner)
        vault_reply_error(call->reply, 403, "Forbidden", inner,
                          "Operation %s is not allowed on %s key.", operation, state);
    return !inner;
}

static void run_on(const struct vault_call *call, const struct vault_object *key,
                   const struct vault_version *version, key_operation *run,
                   const json_t *document) {
    const char *alg = json_string_value(json_object_get(document, "alg"));
    const char *value = json_string_value(json_object_get(document, "value"));
    size_t len = 0;
    unsigned char *input = value ? base64url_decode(slice_of_str(value), &len) : NULL;
    if (!alg || !input) {
        free(input);
        vault_refuse_parameter(call, "alg must be a name and value base64url");
        return;
    }
    char *kid = must_printf("%s/keys/%s/%s", call->base, key->name, version->id);
    struct key_task task = {
        .call = call,
        .key = version->key,
        .alg = alg,
        .input = slice_of((char *)input, len),
        .document = document,
        .answer = must(json_pack("{s:s}", "kid", kid)),
    };
    struct error err = {0};
    if (run(&task, &err) == STATUS_OK) {
        reply_json(call->reply, 200, task.answer);
    } else {
        vault_refuse_parameter(call, err.text);
        json_decref(task.answer);
    }
    free(kid);
    free(input);
}

static void operate(const struct vault_call *call, const char *version_id, const char *operation) {
    const char *name = call->segments[1];
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (strcasecmp(operations[i].name, operation) != 0)
            continue;
        if (!vault_check_names(call, name, version_id) ||
            !vault_authorize(call, operations[i].action, COLLECTION_KEYS, name))
            return;
        const struct vault_object *key = vault_find(call->vault, COLLECTION_KEYS, name);
        const struct vault_version *version = key ? vault_version(key, version_id) : NULL;
        if (!version) {
            vault_reply_missing(call->reply, COLLECTION_KEYS, name, version_id);
            return;
        }
        if (!check_usable(call, version, operation))
            return;
        json_t *document = vault_read_body(call);
        if (document)
            run_on(call, key, version, operations[i].run, document);
        json_decref(document);
        return;
    }
    vault_refuse_method(call);
}

/* The wire has the attributes in an object of their own. */
static json_t *flatten(const json_t *document) {
    static const char *const members[] = {"kty", "key_size", "crv", "tags"};
    json_t *flat = must(json_object());
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        json_object_set(flat, members[i], json_object_get(document, members[i]));
    json_t *attributes = json_object_get(document, "attributes");
    if (json_is_object(attributes))
        json_object_update(flat, attributes);
    return flat;
}

static void create(const struct vault_call *call, const char *name) {
    if (!vault_check_names(call, name, NULL) ||
        !vault_authorize(call, ACTION_CREATE_KEY, COLLECTION_KEYS, name) ||
        !vault_check_conflict(call, COLLECTION_KEYS, name))
        return;
    json_t *document = vault_read_body(call);
    if (!document)
        return;
    json_t *flat = flatten(document);
    struct vault_version *version;
    struct error err = {0};
    if (vault_key_add(call->vault, name, flat, &version, &err) == STATUS_OK)
        reply_json(
            call->reply, 200,
            vault_key_bundle(call->base, vault_find(call->vault, COLLECTION_KEYS, name), version));
    else
        vault_refuse_parameter(call, err.text);
    json_decref(flat);
    json_decref(document);
}

static void get_key(const struct vault_call *call, const char *name, const char *version_id) {
    const struct vault_object *key = vault_find(call->vault, COLLECTION_KEYS, name);
    const struct vault_version *version = key ? vault_version(key, version_id) : NULL;
    if (version)
        reply_json(call->reply, 200, vault_key_bundle(call->base, key, version));
    else
        vault_reply_missing(call->reply, COLLECTION_KEYS, name, version_id);
}

static void read_keys(const struct vault_call *call) {
    const char *name = call->segment_count > 1 ? call->segments[1] : NULL;
    bool is_versions = vault_segment_is(call, 2, "versions");
    const char *version = call->segment_count > 2 && !is_versions ? call->segments[2] : NULL;
    if ((name && !vault_check_names(call, name, version)) ||
        !vault_authorize(call, ACTION_READ_KEY, COLLECTION_KEYS, name))
        return;
    if (!name)
        vault_list(call, COLLECTION_KEYS, false);
    else if (is_versions)
        vault_list_versions(call, COLLECTION_KEYS, name);
    else
        get_key(call, name, version);
}

/* /keys/NAME//sign, as clients spell an operation with the newest version, has three segments. */
void vault_serve_keys(const struct vault_call *call) {
    if (request_method_is(call->request, "GET") && call->segment_count <= 3)
        read_keys(call);
    else if (vault_call_is(call, "POST", 3) && vault_segment_is(call, 2, "create"))
        create(call, call->segments[1]);
    else if (vault_call_is(call, "POST", 3))
        operate(call, NULL, call->segments[2]);
    else if (vault_call_is(call, "POST", 4))
        operate(call, call->segments[2], call->segments[3]);
    else
        vault_refuse_method(call);
}
