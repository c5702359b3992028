/* What Key Vault's answers look like. */
#include "vault_reply.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "must.h"

#define SUBSCRIPTION "0a1b2c3d-4e5f-4607-8182-93a4b5c6d7e8"
#define REGION "westeurope"

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
                           const char *message) {
    reply_header(reply, "WWW-Authenticate", "Bearer authorization=\"%s/%s\", resource=\"%s\"",
                 origin, vault->tenant, vault->resource);
    vault_reply_error(reply, 401, "Unauthorized", NULL, "%s", message);
}

void vault_reply_denied(struct reply *reply, const struct denial *denial) {
    const struct rbac_assignment *deny = denial->verdict->deny;
    const struct rbac_assignment *grant = denial->verdict->grant;
    char *object = denial->secret ? must_printf("/secrets/%s", denial->secret) : must_strdup("");
    vault_reply_error(
        reply, 403, "Forbidden", "ForbiddenByRbac",
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, please "
        "observe propagation time.\r\n"
        "Caller: appid=%s;oid=%s;iss=%s\r\n"
        "Action: '%s'\r\n"
        "Resource: '/subscriptions/" SUBSCRIPTION
        "/resourcegroups/edge/providers/microsoft.keyvault/vaults/%s%s'\r\n"
        "Assignment: %s\r\n"
        "DenyAssignmentId: %s%s%s\r\n"
        "DecisionReason: '%s'\r\n"
        "Vault: %s;location=" REGION "\r\n",
        denial->app_id, denial->oid, denial->issuer, denial->action, denial->vault->name, object,
        grant ? grant->id : "(not found)", deny ? "'" : "", deny ? deny->id : "null",
        deny ? "'" : "", deny ? "DeniedByDenyAssignment" : "DeniedWithNoValidRBAC",
        denial->vault->name);
    free(object);
}

static void put_time(json_t *attributes, const char *name, int64_t time) {
    if (time != TIME_UNSET)
        json_object_set_new(attributes, name, must(json_integer(time)));
}

static json_t *attributes_of(const struct secret_version *version) {
    json_t *attributes = must(json_pack("{s:b}", "enabled", version->is_enabled));
    put_time(attributes, "nbf", version->not_before);
    put_time(attributes, "exp", version->expires);
    put_time(attributes, "created", version->created);
    put_time(attributes, "updated", version->updated);
    json_object_set_new(attributes, "recoveryLevel", must(json_string("Recoverable+Purgeable")));
    json_object_set_new(attributes, "recoverableDays", must(json_integer(90)));
    return attributes;
}

json_t *vault_bundle(const char *base, const struct vault_secret *secret,
                     const struct secret_version *version, bool has_value, bool has_version_in_id) {
    json_t *bundle = must(json_object());
    char *id = must_printf("%s/secrets/%s%s%s", base, secret->name, has_version_in_id ? "/" : "",
                           has_version_in_id ? version->id : "");
    if (has_value)
        json_object_set_new(bundle, "value", must(json_string(version->value)));
    if (version->content_type)
        json_object_set_new(bundle, "contentType", must(json_string(version->content_type)));
    json_object_set_new(bundle, "id", must(json_string(id)));
    json_object_set_new(bundle, "attributes", attributes_of(version));
    if (version->tags)
        json_object_set(bundle, "tags", version->tags);
    free(id);
    return bundle;
}
