/* What Key Vault's answers look like. */
#include "vault_reply.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificates.h"
#include "encoding.h"
#include "must.h"

#define SUBSCRIPTION "0a1b2c3d-4e5f-4607-8182-93a4b5c6d7e8"
#define REGION "westeurope"
#define RETENTION_SEC (90LL * 24 * 60 * 60)

/* A header value to echo must be plain and short. */
static bool is_echoable(const char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-')
            return false;
    return len > 0 && len <= 64;
}

void vault_reply_headers(struct reply *reply, const struct request *request) {
    char request_id[GUID_SIZE];
    guid_random(request_id);
    const char *client_id = request_header(request, "x-ms-client-request-id");
    reply_header(reply, "Cache-Control", "no-cache");
    reply_header(reply, "Pragma", "no-cache");
    reply_header(reply, "Expires", "-1");
    reply_header(reply, "x-ms-keyvault-region", REGION);
    if (client_id && is_echoable(client_id))
        reply_header(reply, "x-ms-client-request-id", "%s", client_id);
    reply_header(reply, "x-ms-request-id", "%s", request_id);
    reply_header(reply, "x-ms-keyvault-service-version", "1.9.2748.1");
    reply_header(reply, "x-ms-keyvault-network-info",
                 "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;");
    reply_header(reply, "X-Content-Type-Options", "nosniff");
    reply_header(reply, "Strict-Transport-Security", "max-age=31536000;includeSubDomains");
}

void vault_reply_error(struct reply *reply, unsigned status, const char *code, const char *inner,
                       const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *message = must_vprintf(format, args);
    va_end(args);
    json_t *error = must(json_pack("{s:s, s:o}", "code", code, "message", json_lossy(message)));
    if (inner)
        json_object_set_new(error, "innererror", must(json_pack("{s:s}", "code", inner)));
    reply_json(reply, status, json_pack("{s:o}", "error", error));
    free(message);
}

void vault_reply_challenge(struct reply *reply, const char *origin, const struct vault *vault,
                           const char *claims, const char *message) {
    char *encoded = claims ? base64_encode(claims, strlen(claims)) : NULL;
    reply_header(reply, "WWW-Authenticate", "Bearer authorization=\"%s/%s\", resource=\"%s\"%s%s%s",
                 origin, vault->tenant, vault->resource,
                 encoded ? ", error=\"insufficient_claims\", claims=\"" : "",
                 encoded ? encoded : "", encoded ? "\"" : "");
    vault_reply_error(reply, 401, "Unauthorized", NULL, "%s", message);
    free(encoded);
}

/* How D.5's messages speak of one thing in a collection, and their codes. */
static const struct {
    const char *noun;
    const char *missing_code;
} kinds[] = {
    [COLLECTION_SECRETS] = {"secret", "SecretNotFound"},
    [COLLECTION_KEYS] = {"key", "KeyNotFound"},
    [COLLECTION_CERTIFICATES] = {"certificate", "CertificateNotFound"},
};

void vault_reply_missing(struct reply *reply, enum collection collection, const char *name,
                         const char *version) {
    vault_reply_error(reply, 404, kinds[collection].missing_code, NULL,
                      "A %s with (name/id) %s%s%s was not found in this key vault. If you "
                      "recently deleted this %s you may be able to recover it using the correct "
                      "recovery command. For help resolving this issue, please see "
                      "https://go.microsoft.com/fwlink/?linkid=2125182",
                      kinds[collection].noun, name, version ? "/" : "", version ? version : "",
                      kinds[collection].noun);
}

void vault_reply_denied(struct reply *reply, const struct denial *denial,
                        const struct rbac_verdict *verdict) {
    const struct rbac_assignment *deny = verdict->deny;
    const struct rbac_assignment *grant = verdict->grant;
    vault_reply_error(
        reply, 403, "Forbidden", "ForbiddenByRbac",
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, please "
        "observe propagation time.\r\n"
        "Caller: appid=%s;oid=%s;iss=%s\r\n"
        "Action: '%s'\r\n"
        "Resource: '/subscriptions/" SUBSCRIPTION
        "/resourcegroups/edge/providers/microsoft.keyvault/vaults/%s%s%s'\r\n"
        "Assignment: %s\r\n"
        "DenyAssignmentId: %s%s%s\r\n"
        "DecisionReason: '%s'\r\n"
        "Vault: %s;location=" REGION "\r\n",
        denial->app_id, denial->oid, denial->issuer, denial->action, denial->vault->name,
        denial->object ? "/" : "", denial->object ? denial->object : "",
        grant ? grant->id : "(not found)", deny ? "'" : "", deny ? deny->id : "null",
        deny ? "'" : "", deny ? "DeniedByDenyAssignment" : "DeniedWithNoValidRBAC",
        denial->vault->name);
}

void vault_reply_no_access(struct reply *reply, const struct denial *denial,
                           const struct access_verdict *verdict) {
    if (verdict->is_known)
        vault_reply_error(reply, 403, "Forbidden", "AccessDenied",
                          "The user, group or application 'appid=%s;oid=%s;iss=%s' does not have "
                          "%s %s permission on key vault '%s;location=" REGION
                          "'. For help resolving this issue, please see "
                          "https://go.microsoft.com/fwlink/?linkid=2125287",
                          denial->app_id, denial->oid, denial->issuer, verdict->collection,
                          verdict->permission, denial->vault->name);
    else
        vault_reply_error(reply, 403, "Forbidden", "AccessDenied",
                          "Caller was not found on any access policy.\r\n"
                          "Caller: appid=%s;oid=%s;iss=%s\r\nVault: %s;location=" REGION,
                          denial->app_id, denial->oid, denial->issuer, denial->vault->name);
}

void vault_reply_unreachable(struct reply *reply, const struct denial *denial) {
    bool is_firewall = denial->vault->gate.network == NETWORK_FIREWALL;
    vault_reply_error(
        reply, 403, "Forbidden", is_firewall ? "ForbiddenByFirewall" : "ForbiddenByConnection",
        "%s\r\n%sCaller: appid=%s;oid=%s;iss=%s\r\nVault: %s;location=" REGION,
        is_firewall ? "Client address is not authorized and caller is not a trusted service."
                    : "Public network access is disabled and request is not from a trusted service "
                      "nor via an approved private link.",
        is_firewall ? "Client address: 127.0.0.1\r\n" : "", denial->app_id, denial->oid,
        denial->issuer, denial->vault->name);
}

void vault_reply_throttled(struct reply *reply, const struct vault_gate *gate) {
    if (gate->has_retry_after)
        reply_header(reply, "Retry-After", "%lld", (long long)gate->retry_after_sec);
    vault_reply_error(reply, 429, "Throttled", NULL,
                      "Request was not processed because too many requests were received. Reason: "
                      "VaultRequestTypeLimitReached");
}

static json_t *object_id(const char *base, enum collection collection, const char *name,
                         const char *version) {
    char *text = must_printf("%s/%s/%s%s%s", base, collection_name(collection), name,
                             version ? "/" : "", version ? version : "");
    json_t *id = must(json_string(text));
    free(text);
    return id;
}

/* What a client may set on every kind of object. */
static void put_common(json_t *document, const struct vault_version *version) {
    json_object_set_new(document, "attributes", attributes_json(&version->attributes));
    if (version->tags)
        json_object_set(document, "tags", version->tags);
}

/* A secret that a certificate brought along says so. */
static void put_managed(json_t *document, const char *base, const struct vault_object *object,
                        const struct vault_version *version) {
    if (!version->is_managed)
        return;
    json_object_set_new(document, "managed", json_true());
    if (version->value)
        json_object_set_new(document, "kid",
                            object_id(base, COLLECTION_KEYS, object->name, version->id));
}

json_t *vault_secret_bundle(const char *base, const struct vault_object *secret,
                            const struct vault_version *version, bool has_value) {
    json_t *bundle = must(json_object());
    if (has_value)
        json_object_set_new(bundle, "value", must(json_string(version->value)));
    if (version->content_type)
        json_object_set_new(bundle, "contentType", must(json_string(version->content_type)));
    json_object_set_new(bundle, "id",
                        object_id(base, COLLECTION_SECRETS, secret->name, version->id));
    put_managed(bundle, base, secret, version);
    put_common(bundle, version);
    return bundle;
}

json_t *vault_key_bundle(const char *base, const struct vault_object *key,
                         const struct vault_version *version) {
    json_t *jwk = must(json_object());
    json_object_set_new(jwk, "kid", object_id(base, COLLECTION_KEYS, key->name, version->id));
    key_pair_describe(version->key, jwk);
    json_object_set_new(jwk, "key_ops",
                        key_pair_is_rsa(version->key)
                            ? must(json_pack("[s, s, s, s, s, s]", "sign", "verify", "wrapKey",
                                             "unwrapKey", "encrypt", "decrypt"))
                            : must(json_pack("[s, s]", "sign", "verify")));
    json_t *bundle = must(json_pack("{s:o}", "key", jwk));
    put_managed(bundle, base, key, version);
    put_common(bundle, version);
    return bundle;
}

json_t *vault_certificate_bundle(const char *base, const struct vault_object *certificate,
                                 const struct vault_version *version) {
    struct certificate_facts facts;
    certificate_describe(version->chain_pem, &facts);
    char *policy_id = must_printf("%s/certificates/%s/policy", base, certificate->name);
    json_t *policy = must(json_deep_copy(version->policy));
    json_object_set_new(policy, "id", must(json_string(policy_id)));
    json_t *bundle =
        must(json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:o}", "id",
                       object_id(base, COLLECTION_CERTIFICATES, certificate->name, version->id),
                       "kid", object_id(base, COLLECTION_KEYS, certificate->name, version->id),
                       "sid", object_id(base, COLLECTION_SECRETS, certificate->name, version->id),
                       "x5t", facts.thumbprint, "cer", facts.der_base64, "contentType",
                       version->content_type, "policy", policy));
    put_common(bundle, version);
    free(policy_id);
    certificate_facts_done(&facts);
    return bundle;
}

json_t *vault_list_item(const char *base, enum collection collection,
                        const struct vault_object *object, const struct vault_version *version,
                        bool has_version_in_id) {
    json_t *item = must(json_object());
    json_object_set_new(
        item, collection == COLLECTION_KEYS ? "kid" : "id",
        object_id(base, collection, object->name, has_version_in_id ? version->id : NULL));
    if (version->is_managed)
        json_object_set_new(item, "managed", json_true());
    put_common(item, version);
    if (collection == COLLECTION_SECRETS && version->content_type)
        json_object_set_new(item, "contentType", must(json_string(version->content_type)));
    if (collection == COLLECTION_CERTIFICATES) {
        struct certificate_facts facts;
        certificate_describe(version->chain_pem, &facts);
        json_object_set_new(item, "x5t", must(json_string(facts.thumbprint)));
        certificate_facts_done(&facts);
    }
    return item;
}

void vault_mark_deleted(json_t *document, const char *base, enum collection collection,
                        const struct vault_object *object) {
    char *id = must_printf("%s/deleted%s/%s", base, collection_name(collection), object->name);
    json_object_set_new(document, "recoveryId", must(json_string(id)));
    json_object_set_new(document, "deletedDate", must(json_integer(object->deleted)));
    json_object_set_new(document, "scheduledPurgeDate",
                        must(json_integer(object->deleted + RETENTION_SEC)));
    free(id);
}
