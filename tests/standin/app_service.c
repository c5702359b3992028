/* The identity endpoint of App Service, Functions and Container Apps. azure.md C.6: a secret header
 * guards it, expires_on is a string, and there is no expires_in. */
#include <stdlib.h>
#include <string.h>

#include "managed_token.h"
#include "must.h"
#include "standin.h"

#define API_VERSION "2019-08-01"

static void refuse(struct reply *reply, unsigned status, const char *message) {
    reply_json(reply, status,
               must(json_pack("{s:i, s:s}", "statusCode", (int)status, "message", message)));
}

static bool refuse_shape(const struct machine *machine, const struct request *request,
                         struct reply *reply) {
    const char *header = request_header(request, "X-IDENTITY-HEADER");
    const char *version = form_get(&request->query, "api-version");
    if (!request_method_is(request, "GET"))
        refuse(reply, 405, "GET only");
    else if (!header || strcmp(header, machine->identity_header) != 0)
        refuse(reply, 401, "The X-IDENTITY-HEADER is missing or not this instance's.");
    else if (!version || strcmp(version, API_VERSION) != 0)
        refuse(reply, 400, "The api-version must be " API_VERSION ".");
    else if (!form_get(&request->query, "resource"))
        refuse(reply, 400, "The resource is missing.");
    else
        return false;
    return true;
}

void app_service(struct standin *standin, const struct request *request, struct reply *reply) {
    static const struct selector_names names = {.client_id = "client_id",
                                                .oids = {"principal_id", "object_id"},
                                                .resource_id = "mi_res_id"};
    if (refuse_shape(&standin->machine, request, reply))
        return;
    struct managed_token token;
    switch (managed_token_issue(&standin->world, &names, &request->query, &token)) {
    case MANAGED_TOKEN_NO_IDENTITY:
        refuse(reply, 400,
               "No User Assigned or Delegated Managed Identity found for specified "
               "ClientId/ResourceId/PrincipalId.");
        return;
    case MANAGED_TOKEN_NO_RESOURCE:
        refuse(reply, 400, "AADSTS500011: The resource principal was not found in the tenant.");
        return;
    case MANAGED_TOKEN_GOOD:
        break;
    }
    char expires[24];
    snprintf(expires, sizeof(expires), "%lld", (long long)token.issued.expires);
    reply_json(reply, 200,
               json_pack("{s:s, s:s, s:s, s:s, s:s}", "access_token", token.issued.text,
                         "client_id", token.identity->client_id, "expires_on", expires, "resource",
                         form_get(&request->query, "resource"), "token_type", "Bearer"));
    free(token.issued.text);
}
