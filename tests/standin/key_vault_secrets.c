/* Secrets on the wire: get, set, update, delete, back up, restore, list. azure.md D.2. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "pfx.h"
#include "vault_call.h"
#include "vault_secret.h"

#define TYPE_PFX "application/x-pkcs12"
#define TYPE_PEM "application/x-pem-file"

/* The bundle, to which later api-versions add the version before. */
static json_t *bundle_of(const struct vault_call *call, const struct vault_object *secret,
                         const struct vault_version *version, bool has_value) {
    json_t *bundle = vault_secret_bundle(call->base, secret, version, has_value);
    bool is_recent = strcmp(call->api_version, "2025-07-01") >= 0 && call->api_version[0] == '2';
    if (is_recent && version > secret->versions)
        json_object_set_new(bundle, "previousVersion", must(json_string((version - 1)->id)));
    return bundle;
}

static void answer_bundle(const struct vault_call *call, const struct vault_object *secret,
                          const struct vault_version *version, bool has_value) {
    reply_json(call->reply, 200, bundle_of(call, secret, version, has_value));
}

/* `outContentType`: a PFX as PEM, and nothing else. */
static void answer_converted(const struct vault_call *call, const struct vault_object *secret,
                             const struct vault_version *version, const char *type) {
    bool is_possible = strcmp(type, TYPE_PEM) == 0 && version->content_type &&
                       strcmp(version->content_type, TYPE_PFX) == 0;
    char *pem = is_possible ? pfx_to_pem(version->value) : NULL;
    if (!pem) {
        vault_refuse_parameter(call, "outContentType: only a PFX becomes application/x-pem-file");
        return;
    }
    json_t *bundle = bundle_of(call, secret, version, true);
    json_object_set_new(bundle, "value", must(json_string(pem)));
    json_object_set_new(bundle, "contentType", must(json_string(TYPE_PEM)));
    reply_json(call->reply, 200, bundle);
    free(pem);
}

static void get_secret(const struct vault_call *call, const char *name, const char *version_id) {
    if (!vault_authorize(call, ACTION_GET_SECRET, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_find(call->vault, COLLECTION_SECRETS, name);
    const struct vault_version *version = secret ? vault_version(secret, version_id) : NULL;
    const char *type = form_get(&call->request->query, "outContentType");
    if (!version)
        vault_reply_missing(call->reply, COLLECTION_SECRETS, name, version_id);
    else if (!version->attributes.is_enabled)
        vault_reply_error(call->reply, 403, "Forbidden", "SecretDisabled",
                          "Operation get is not allowed on a disabled secret.");
    else if (type)
        answer_converted(call, secret, version, type);
    else
        answer_bundle(call, secret, version, true);
}

/* A certificate's secret follows the certificate. Answers itself when it returns false. */
static bool check_own(const struct vault_call *call, const char *operation, const char *name) {
    const struct vault_object *secret = vault_find(call->vault, COLLECTION_SECRETS, name);
    if (!secret || !vault_version(secret, NULL)->is_managed)
        return true;
    vault_reply_error(call->reply, 403, "Forbidden", NULL,
                      "Operation \"%s\" is not allowed on this secret, since it is associated with "
                      "a certificate.",
                      operation);
    return false;
}

static void set_secret(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_SET_SECRET, COLLECTION_SECRETS, name))
        return;
    json_t *document = vault_read_body(call);
    if (!document)
        return;
    struct vault_version *version;
    struct error err = {0};
    if (!vault_check_conflict(call, COLLECTION_SECRETS, name) || !check_own(call, "set", name))
        goto out;
    if (vault_secret_set(call->vault, name, document, &version, &err) == STATUS_OK)
        answer_bundle(call, vault_find(call->vault, COLLECTION_SECRETS, name), version, true);
    else
        vault_refuse_parameter(call, err.text);
out:
    json_decref(document);
}

static void update_secret(const struct vault_call *call, const char *name, const char *version_id) {
    if (!vault_authorize(call, ACTION_UPDATE_SECRET, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_find(call->vault, COLLECTION_SECRETS, name);
    struct vault_version *version = secret ? vault_version(secret, version_id) : NULL;
    if (!version) {
        vault_reply_missing(call->reply, COLLECTION_SECRETS, name, version_id);
        return;
    }
    json_t *document = vault_read_body(call);
    if (!document)
        return;
    struct error err = {0};
    if (vault_secret_update(version, document, &err) == STATUS_OK)
        answer_bundle(call, secret, version, false);
    else
        vault_refuse_parameter(call, err.text);
    json_decref(document);
}

static json_t *deleted_bundle(const struct vault_call *call, const struct vault_object *secret) {
    json_t *bundle = vault_secret_bundle(call->base, secret, vault_version(secret, NULL), false);
    vault_mark_deleted(bundle, call->base, COLLECTION_SECRETS, secret);
    return bundle;
}

/* The answer says that it is deleted; whether it is already, the client asks. */
static void delete_secret(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_DELETE_SECRET, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_find(call->vault, COLLECTION_SECRETS, name);
    if (!secret) {
        if (vault_check_conflict(call, COLLECTION_SECRETS, name))
            vault_reply_missing(call->reply, COLLECTION_SECRETS, name, NULL);
        return;
    }
    if (!check_own(call, "delete", name))
        return;
    secret = vault_delete(call->vault, COLLECTION_SECRETS, name);
    reply_json(call->reply, 200, deleted_bundle(call, secret));
}

static void back_up_secret(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_BACKUP_SECRET, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_find(call->vault, COLLECTION_SECRETS, name);
    if (!secret) {
        vault_reply_missing(call->reply, COLLECTION_SECRETS, name, NULL);
        return;
    }
    char *backup = vault_secret_backup(secret);
    reply_json(call->reply, 200, json_pack("{s:s}", "value", backup));
    free(backup);
}

static void restore_secret(const struct vault_call *call) {
    if (!vault_authorize(call, ACTION_RESTORE_SECRET, COLLECTION_SECRETS, NULL))
        return;
    json_t *document = vault_read_body(call);
    if (!document)
        return;
    const char *backup = json_string_value(json_object_get(document, "value"));
    struct vault_object *secret = NULL;
    struct error err = {0};
    enum status status = vault_secret_restore(call->vault, backup ? backup : "", &secret, &err);
    if (status == STATUS_OK)
        answer_bundle(call, secret, vault_version(secret, NULL), false);
    else if (status == STATUS_DENIED)
        vault_reply_error(call->reply, 409, "Conflict", NULL,
                          "The secret %s already exists in this key vault.", err.text);
    else
        vault_refuse_parameter(call, err.text);
    json_decref(document);
}

/* Everything below /secrets/NAME. */
static void serve_secret(const struct vault_call *call, const char *name, const char *version) {
    if (!vault_check_names(call, name, version))
        return;
    if (request_method_is(call->request, "GET"))
        get_secret(call, name, version);
    else if (request_method_is(call->request, "PATCH"))
        update_secret(call, name, version);
    else if (!version && request_method_is(call->request, "PUT"))
        set_secret(call, name);
    else if (!version && request_method_is(call->request, "DELETE"))
        delete_secret(call, name);
    else
        vault_refuse_method(call);
}

void vault_serve_secrets(const struct vault_call *call) {
    if (vault_call_is(call, "GET", 1)) {
        if (vault_authorize(call, ACTION_READ_METADATA, COLLECTION_SECRETS, NULL))
            vault_list(call, COLLECTION_SECRETS, false);
    } else if (call->segment_count == 1 || call->segment_count > 3) {
        vault_refuse_method(call);
    } else if (vault_call_is(call, "POST", 2) && vault_segment_is(call, 1, "restore")) {
        restore_secret(call);
    } else if (vault_call_is(call, "POST", 3) && vault_segment_is(call, 2, "backup")) {
        if (vault_check_names(call, call->segments[1], NULL))
            back_up_secret(call, call->segments[1]);
    } else if (vault_call_is(call, "GET", 3) && vault_segment_is(call, 2, "versions")) {
        const char *name = call->segments[1];
        if (vault_check_names(call, name, NULL) &&
            vault_authorize(call, ACTION_READ_METADATA, COLLECTION_SECRETS, name))
            vault_list_versions(call, COLLECTION_SECRETS, name);
    } else {
        serve_secret(call, call->segments[1], call->segment_count == 3 ? call->segments[2] : NULL);
    }
}

static void refuse_not_deleted(const struct vault_call *call, const char *name) {
    vault_reply_error(call->reply, 404, "SecretNotFound", NULL, "Deleted Secret not found: %s",
                      name);
}

static void get_deleted(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_READ_METADATA, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_find_deleted(call->vault, COLLECTION_SECRETS, name);
    if (secret)
        reply_json(call->reply, 200, deleted_bundle(call, secret));
    else
        refuse_not_deleted(call, name);
}

static void recover(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_RECOVER_SECRET, COLLECTION_SECRETS, name))
        return;
    const struct vault_object *secret = vault_recover(call->vault, COLLECTION_SECRETS, name);
    if (secret)
        answer_bundle(call, secret, vault_version(secret, NULL), false);
    else
        refuse_not_deleted(call, name);
}

static void purge(const struct vault_call *call, const char *name) {
    if (!vault_authorize(call, ACTION_PURGE_SECRET, COLLECTION_SECRETS, name))
        return;
    if (vault_purge(call->vault, COLLECTION_SECRETS, name))
        call->reply->status = 204;
    else
        refuse_not_deleted(call, name);
}

void vault_serve_deleted_secrets(const struct vault_call *call) {
    if (vault_call_is(call, "GET", 1)) {
        if (vault_authorize(call, ACTION_READ_METADATA, COLLECTION_SECRETS, NULL))
            vault_list(call, COLLECTION_SECRETS, true);
        return;
    }
    if (call->segment_count == 1 || !vault_check_names(call, call->segments[1], NULL)) {
        if (call->segment_count == 1)
            vault_refuse_method(call);
        return;
    }
    if (vault_call_is(call, "GET", 2))
        get_deleted(call, call->segments[1]);
    else if (vault_call_is(call, "DELETE", 2))
        purge(call, call->segments[1]);
    else if (vault_call_is(call, "POST", 3) && vault_segment_is(call, 2, "recover"))
        recover(call, call->segments[1]);
    else
        vault_refuse_method(call);
}
