/* The managed identity endpoint of Azure's instance metadata service. azure.md C.5: numbers are
 * strings, the Metadata header is a must, `aud` is what was asked. */
#include <stdlib.h>
#include <string.h>

#include "issue.h"
#include "must.h"
#include "standin.h"

#define LIFETIME_SEC (24 * 60 * 60 - 1)

static bool refuse_shape(const struct request *request, struct reply *reply) {
    const char *metadata = request_header(request, "Metadata");
    if (!request_method_is(request, "GET")) {
        reply_error(reply, 405, "method_not_allowed", "GET only");
        return true;
    }
    if (!metadata || strcmp(metadata, "true") != 0) {
        reply_error(reply, 400, "bad_request_102", "Required metadata header not specified");
        return true;
    }
    if (request_header(request, "X-Forwarded-For")) {
        reply_error(reply, 400, "bad_request", "X-Forwarded-For is not accepted");
        return true;
    }
    if (!form_get(&request->query, "api-version")) {
        reply_error(reply, 400, "bad_request_100",
                    "Required query variable 'api-version' is missing");
        return true;
    }
    if (!form_get(&request->query, "resource")) {
        reply_error(reply, 400, "bad_request_100", "Required query variable 'resource' is missing");
        return true;
    }
    return false;
}

static const struct managed_identity *select_identity(const struct directory *directory,
                                                      const struct form *query) {
    const char *client_id = form_get(query, "client_id");
    const char *oid = form_get(query, "object_id");
    const char *resource_id = form_get(query, "msi_res_id");
    if ((client_id != NULL) + (oid != NULL) + (resource_id != NULL) > 1)
        return NULL;
    return directory_identity(directory, client_id, oid, resource_id);
}

static json_t *number_text(int64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    return must(json_string(text));
}

void imds(struct standin *standin, const struct request *request, struct reply *reply) {
    if (refuse_shape(request, reply))
        return;
    const struct directory *directory = &standin->world.seed.directory;
    const char *name = form_get(&request->query, "resource");
    const struct managed_identity *identity = select_identity(directory, &request->query);
    struct resource resource;
    if (!identity) {
        reply_error(reply, 400, "invalid_request", "Identity not found");
        return;
    }
    if (!issue_find_resource(&standin->world, name, &resource)) {
        reply_error(reply, 400, "invalid_resource",
                    "AADSTS50001: The application named %.200s was not found in the tenant", name);
        return;
    }
    struct issued_token token = issue_token(&standin->world, &resource,
                                            &(struct issue_order){
                                                .tenant = identity->tenant,
                                                .client_id = identity->client_id,
                                                .oid = identity->oid,
                                                .client_auth = "2",
                                                .resource_id = identity->resource_id,
                                                .roles = identity->roles,
                                                .lifetime_sec = LIFETIME_SEC,
                                            });
    reply_json(reply, 200,
               json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s}", "access_token", token.text,
                         "client_id", identity->client_id, "expires_in", number_text(LIFETIME_SEC),
                         "expires_on", number_text(token.expires), "ext_expires_in",
                         number_text(LIFETIME_SEC), "not_before", number_text(token.not_before),
                         "resource", name, "token_type", "Bearer"));
    free(token.text);
}
