/* What the collections share on the way from request to answer. */
#include "vault_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "must.h"

const char *vault_claim(const struct vault_call *call, const char *name) {
    const char *value = json_string_value(json_object_get(call->claims, name));
    return value ? value : "";
}

/* A vault with access policies knows no scope below itself. */
static bool judge(const struct vault_call *call, const struct denial *denial) {
    const struct rbac_principal principal = {
        .oid = denial->oid,
        .token_groups = json_object_get(call->claims, "groups"),
        .directory_groups = directory_groups(&call->standin->world.seed.directory, denial->oid),
    };
    if (call->vault->access.is_used) {
        struct access_verdict verdict = access_policies_decide(&call->vault->access, &principal,
                                                               denial->action, !denial->object);
        if (!verdict.is_allowed)
            vault_reply_no_access(call->reply, denial, &verdict);
        return verdict.is_allowed;
    }
    struct rbac_verdict verdict =
        rbac_decide(&call->vault->policy, &principal, denial->action, denial->object);
    if (!verdict.is_allowed) {
        vault_reply_denied(call->reply, denial, &verdict);
        return false;
    }
    reply_header(call->reply, "x-ms-keyvault-rbac-assignment-id", "%s", verdict.grant->id);
    reply_header(call->reply, "x-ms-keyvault-rbac-cache", "ra_age=1;da_age=1;rd_age=1;brd_age=1;");
    return true;
}

bool vault_authorize(const struct vault_call *call, const char *action, enum collection collection,
                     const char *name) {
    char *object = name ? must_printf("%s/%s", collection_name(collection), name) : NULL;
    bool is_allowed = judge(call, &(struct denial){
                                      .vault = call->vault,
                                      .action = action,
                                      .object = object,
                                      .app_id = vault_claim(call, "appid"),
                                      .oid = vault_claim(call, "oid"),
                                      .issuer = vault_claim(call, "iss"),
                                  });
    free(object);
    return is_allowed;
}

void vault_refuse_parameter(const struct vault_call *call, const char *text) {
    vault_reply_error(call->reply, 400, "BadParameter", NULL, "%s", text);
}

void vault_refuse_method(const struct vault_call *call) {
    vault_reply_error(call->reply, 405, "MethodNotAllowed", NULL,
                      "The stand-in does not know %s on this resource", call->request->method);
}

bool vault_check_names(const struct vault_call *call, const char *name, const char *version) {
    if (!object_name_is_valid(name)) {
        vault_refuse_parameter(call, "A name is 1-127 letters, digits and hyphens");
        return false;
    }
    if (version && (strlen(version) != VERSION_SIZE - 1 ||
                    strspn(version, "0123456789abcdefABCDEF") != VERSION_SIZE - 1)) {
        vault_refuse_parameter(call, "A version is 32 hexadecimal digits");
        return false;
    }
    return true;
}

json_t *vault_read_body(const struct vault_call *call) {
    json_t *document =
        json_loadb(call->request->body.ptr, call->request->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(document))
        return document;
    json_decref(document);
    vault_refuse_parameter(call, "The request body must be a JSON object");
    return NULL;
}

bool vault_check_conflict(const struct vault_call *call, enum collection collection,
                          const char *name) {
    const char *inner = vault_conflict(call->vault, collection, name);
    if (!inner)
        return true;
    if (strcmp(inner, "ObjectIsDeletedButRecoverable") == 0)
        vault_reply_error(call->reply, 409, "Conflict", inner,
                          "%s %s is currently in a deleted but recoverable state, and its name "
                          "cannot be reused; in this state, the object can only be recovered or "
                          "purged.",
                          collection_name(collection), name);
    else
        vault_reply_error(call->reply, 409, "Conflict", inner,
                          "%s %s is currently being %s. Retry later.", collection_name(collection),
                          name,
                          strcmp(inner, "ObjectIsBeingDeleted") == 0 ? "deleted" : "recovered");
    return false;
}

bool vault_call_is(const struct vault_call *call, const char *method, size_t segment_count) {
    return call->segment_count == segment_count && request_method_is(call->request, method);
}

bool vault_segment_is(const struct vault_call *call, size_t index, const char *text) {
    return index < call->segment_count && strcasecmp(call->segments[index], text) == 0;
}
