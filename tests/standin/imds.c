/* The managed identity endpoints of Azure's instance metadata service and of Azure Arc's agent,
 * which asks the caller to read a file first. azure.md C.5, C.7: numbers are strings, the Metadata
 * header is a must, `aud` is what was asked. */
#include <stdlib.h>
#include <string.h>

#include "managed_token.h"
#include "must.h"
#include "standin.h"

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

static json_t *number_text(int64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    return must(json_string(text));
}

/* Azure Arc's agent says which identity it used by the name it was asked for. */
static void echo_selector(json_t *document, const struct form *query) {
    static const char *const names[] = {"object_id", "msi_res_id"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (form_get(query, names[i]))
            json_object_set_new(document, names[i], json_lossy(form_get(query, names[i])));
}

static void answer(const struct standin *standin, const struct request *request,
                   struct reply *reply, bool is_arc) {
    static const struct selector_names names = {
        .client_id = "client_id", .oids = {"object_id"}, .resource_id = "msi_res_id"};
    const char *resource = form_get(&request->query, "resource");
    struct managed_token token;
    switch (managed_token_issue(&standin->world, &names, &request->query, &token)) {
    case MANAGED_TOKEN_NO_IDENTITY:
        reply_error(reply, 400, "invalid_request", "Identity not found");
        return;
    case MANAGED_TOKEN_NO_RESOURCE:
        reply_error(reply, 400, "invalid_resource",
                    "AADSTS50001: The application named %.200s was not found in the tenant",
                    resource);
        return;
    case MANAGED_TOKEN_GOOD:
        break;
    }
    json_t *lifetime = number_text(token.issued.lifetime_sec);
    json_t *document = must(json_pack(
        "{s:s, s:s, s:O, s:o, s:o, s:o, s:s, s:s}", "access_token", token.issued.text, "client_id",
        token.identity->client_id, "expires_in", lifetime, "expires_on",
        number_text(token.issued.expires), "ext_expires_in", lifetime, "not_before",
        number_text(token.issued.not_before), "resource", resource, "token_type", "Bearer"));
    if (is_arc)
        echo_selector(document, &request->query);
    reply_json(reply, 200, document);
    free(token.issued.text);
}

void imds(struct standin *standin, const struct request *request, struct reply *reply) {
    if (!refuse_shape(request, reply))
        answer(standin, request, reply, false);
}

/* The key that the caller read; NULL when there is none. */
static const char *presented_key(const struct request *request) {
    const char *header = request_header(request, "Authorization");
    return header && strncmp(header, "Basic ", 6) == 0 ? header + 6 : NULL;
}

static void challenge(struct machine *machine, struct reply *reply) {
    const char *path = NULL;
    struct error err = {0};
    if (machine_make_key(machine, &path, &err) != STATUS_OK) {
        reply_error(reply, 500, "internal_server_error", "%s", err.text);
        return;
    }
    reply_header(reply, "WWW-Authenticate", "Basic realm=%s",
                 machine->arc_realm ? machine->arc_realm : path);
    reply_error(reply, 401, "unauthorized_client", "Missing Basic Authorization header");
}

void arc(struct standin *standin, const struct request *request, struct reply *reply) {
    if (refuse_shape(request, reply))
        return;
    const char *key = presented_key(request);
    if (key && machine_use_key(&standin->machine, key))
        answer(standin, request, reply, true);
    else
        challenge(&standin->machine, reply);
}
