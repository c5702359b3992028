/* Certificates on the wire: get, policy, lists. What they are for is below /secrets. azure.md D.9.
 */
#include <string.h>

#include "must.h"
#include "vault_call.h"

static void get_certificate(const struct vault_call *call, const char *name,
                            const char *version_id) {
    const struct vault_object *certificate = vault_find(call->vault, COLLECTION_CERTIFICATES, name);
    const struct vault_version *version =
        certificate ? vault_version(certificate, version_id) : NULL;
    if (version)
        reply_json(call->reply, 200, vault_certificate_bundle(call->base, certificate, version));
    else
        vault_reply_missing(call->reply, COLLECTION_CERTIFICATES, name, version_id);
}

static void get_policy(const struct vault_call *call, const char *name) {
    const struct vault_object *certificate = vault_find(call->vault, COLLECTION_CERTIFICATES, name);
    if (!certificate) {
        vault_reply_missing(call->reply, COLLECTION_CERTIFICATES, name, NULL);
        return;
    }
    json_t *bundle =
        vault_certificate_bundle(call->base, certificate, vault_version(certificate, NULL));
    reply_json(call->reply, 200, json_incref(json_object_get(bundle, "policy")));
    json_decref(bundle);
}

void vault_serve_certificates(const struct vault_call *call) {
    if (!request_method_is(call->request, "GET") || call->segment_count > 3) {
        vault_refuse_method(call);
        return;
    }
    const char *name = call->segment_count > 1 ? call->segments[1] : NULL;
    bool is_versions = vault_segment_is(call, 2, "versions");
    bool is_policy = vault_segment_is(call, 2, "policy");
    const char *version =
        call->segment_count > 2 && !is_versions && !is_policy ? call->segments[2] : NULL;
    if ((name && !vault_check_names(call, name, version)) ||
        !vault_authorize(call, ACTION_READ_CERTIFICATE, COLLECTION_CERTIFICATES, name))
        return;
    if (!name)
        vault_list(call, COLLECTION_CERTIFICATES, false);
    else if (is_versions)
        vault_list_versions(call, COLLECTION_CERTIFICATES, name);
    else if (is_policy)
        get_policy(call, name);
    else
        get_certificate(call, name, version);
}
