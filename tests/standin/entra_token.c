/* The token endpoints, v1 and v2: client_credentials with a secret. azure.md C.1, C.2, E.4: unknown
 * fields and a query string are ignored. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encoding.h"
#include "entra_error.h"
#include "issue.h"
#include "must.h"
#include "standin.h"

#define LIFETIME_SEC 3599
#define LONG_LIFETIME_SEC (24 * 60 * 60 - 1) /* for clients that can be told of revocation */

struct token_call {
    const struct request *request;
    struct reply *reply;
    const struct world *world;
    struct form form;
    struct form basic; /* client_id and client_secret out of the Authorization header */
    const struct tenant *tenant;
    bool is_v2;
};

static void refuse(const struct token_call *call, enum entra_error error, const char *about) {
    entra_error(call->reply, call->request, error, about);
}

static const char *field(const struct token_call *call, const char *name) {
    const char *value = form_get(&call->form, name);
    return value && *value ? value : NULL;
}

/* Form-encoded id, colon, form-encoded secret (RFC 6749 2.3.1), rewritten as a form. */
static void read_basic(struct token_call *call) {
    struct slice header = slice_of_str(request_header(call->request, "Authorization"));
    if (header.len < 6 || !slice_eq_nocase(slice_of(header.ptr, 6), SLICE("Basic ")))
        return;
    size_t len = 0;
    char *pair = (char *)base64_decode(slice_trim(slice_skip(header, 6)), &len);
    char *colon = pair ? strchr(pair, ':') : NULL;
    if (colon) {
        char *text =
            must_printf("client_id=%.*s&client_secret=%s", (int)(colon - pair), pair, colon + 1);
        form_parse(&call->basic, slice_of_str(text));
        free(text);
    }
    free(pair);
}

static const char *credential(const struct token_call *call, const char *name) {
    const char *value = field(call, name);
    return value ? value : form_get(&call->basic, name);
}

static bool find_tenant(struct token_call *call) {
    const char *name = call->request->segments[0];
    if (strcmp(name, "common") == 0 || strcmp(name, "organizations") == 0) {
        refuse(call, ENTRA_NO_TENANT, NULL);
        return false;
    }
    call->tenant = directory_tenant(&call->world->seed.directory, name);
    if (!call->tenant)
        refuse(call, ENTRA_UNKNOWN_TENANT, name);
    return call->tenant != NULL;
}

static bool secret_is_known(const struct app *app, const char *secret) {
    for (size_t i = 0; i < json_array_size(app->secrets); i++)
        if (strcmp(json_string_value(json_array_get(app->secrets, i)), secret) == 0)
            return true;
    return false;
}

/* NULL when the call was refused. */
static const struct app *authenticate(const struct token_call *call) {
    const char *client_id = credential(call, "client_id");
    const char *secret = credential(call, "client_secret");
    if (!client_id) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'client_id'");
        return NULL;
    }
    const struct app *app = directory_app(&call->world->seed.directory, client_id);
    if (!app || strcasecmp(app->tenant, call->tenant->id) != 0)
        refuse(call, ENTRA_UNKNOWN_APP, client_id);
    else if (app->is_disabled)
        refuse(call, ENTRA_DISABLED_APP, client_id);
    else if (!secret && field(call, "client_assertion"))
        refuse(call, ENTRA_BAD_ASSERTION, client_id);
    else if (!secret)
        refuse(call, ENTRA_NO_SECRET, NULL);
    else if (!secret_is_known(app, secret))
        refuse(call, ENTRA_WRONG_SECRET, client_id);
    else
        return app;
    return NULL;
}

/* The resource's name out of "{resource}/.default"; the caller frees. NULL when refused. */
static char *resource_of_scope(const struct token_call *call) {
    static const char suffix[] = "/.default";
    const char *scope = field(call, "scope");
    if (field(call, "resource")) {
        refuse(call, ENTRA_RESOURCE_ON_V2, NULL);
        return NULL;
    }
    if (!scope) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'scope'");
        return NULL;
    }
    size_t len = strlen(scope);
    if (strchr(scope, ' ')) {
        refuse(call, ENTRA_SEVERAL_RESOURCES, NULL);
        return NULL;
    }
    if (len < sizeof(suffix) || strcmp(scope + len - (sizeof(suffix) - 1), suffix) != 0) {
        refuse(call, ENTRA_BAD_SCOPE, scope);
        return NULL;
    }
    return must_printf("%.*s", (int)(len - (sizeof(suffix) - 1)), scope);
}

static char *asked_resource(const struct token_call *call) {
    if (call->is_v2)
        return resource_of_scope(call);
    const char *resource = field(call, "resource");
    if (resource)
        return must_strdup(resource);
    refuse(call, ENTRA_PARAMETER_MISSING, "'resource'");
    return NULL;
}

/* Whether `claims` asks for access_token.xms_cc.values holding cp1. */
static bool is_cae_capable(const struct token_call *call) {
    const char *text = field(call, "claims");
    json_t *claims = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *values = json_object_get(
        json_object_get(json_object_get(claims, "access_token"), "xms_cc"), "values");
    bool is_capable = false;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        is_capable = is_capable || (value && strcasecmp(value, "cp1") == 0);
    }
    json_decref(claims);
    return is_capable;
}

static void put_number_text(json_t *document, const char *name, int64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    json_object_set_new(document, name, must(json_string(text)));
}

static void answer(const struct token_call *call, const struct issued_token *token,
                   const struct resource *resource, int64_t lifetime_sec) {
    json_t *document =
        must(json_pack("{s:s, s:s}", "token_type", "Bearer", "access_token", token->text));
    if (call->is_v2) {
        json_object_set_new(document, "expires_in", must(json_integer(lifetime_sec)));
        json_object_set_new(document, "ext_expires_in", must(json_integer(lifetime_sec)));
    } else {
        put_number_text(document, "expires_in", lifetime_sec);
        put_number_text(document, "ext_expires_in", lifetime_sec);
        put_number_text(document, "expires_on", token->expires);
        put_number_text(document, "not_before", token->not_before);
        json_object_set_new(document, "resource", must(json_string(resource->audience)));
    }
    char request_id[GUID_SIZE];
    guid_random(request_id);
    reply_header(call->reply, "Cache-Control", "no-store, no-cache");
    reply_header(call->reply, "Pragma", "no-cache");
    reply_header(call->reply, "x-ms-request-id", "%s", request_id);
    reply_json(call->reply, 200, document);
}

static void client_credentials(struct token_call *call) {
    const struct app *app = authenticate(call);
    char *name = app ? asked_resource(call) : NULL;
    if (!name)
        return;
    struct resource resource;
    if (!issue_find_resource(call->world, name, &resource)) {
        refuse(call, ENTRA_UNKNOWN_RESOURCE, name);
        free(name);
        return;
    }
    bool is_capable = is_cae_capable(call);
    int64_t lifetime_sec = is_capable ? LONG_LIFETIME_SEC : LIFETIME_SEC;
    struct issued_token token = issue_token(call->world, &resource,
                                            &(struct issue_order){
                                                .tenant = call->tenant->id,
                                                .client_id = app->client_id,
                                                .oid = app->oid,
                                                .client_auth = "1",
                                                .roles = app->roles,
                                                .is_cae_capable = is_capable,
                                                .lifetime_sec = lifetime_sec,
                                            });
    answer(call, &token, &resource, lifetime_sec);
    free(token.text);
    free(name);
}

static void serve(struct token_call *call) {
    if (!request_method_is(call->request, "POST")) {
        refuse(call, ENTRA_POST_ONLY, call->request->method);
        return;
    }
    if (!form_parse(&call->form, call->request->body)) {
        refuse(call, ENTRA_PARAMETER_MISSING, "a readable form");
        return;
    }
    if (!find_tenant(call))
        return;
    const char *grant = field(call, "grant_type");
    if (!grant)
        refuse(call, ENTRA_PARAMETER_MISSING, "'grant_type'");
    else if (strcmp(grant, "client_credentials") != 0)
        refuse(call, ENTRA_GRANT_TYPE, grant);
    else
        client_credentials(call);
}

void entra_token(struct standin *standin, const struct request *request, struct reply *reply) {
    struct token_call call = {
        .request = request,
        .reply = reply,
        .world = &standin->world,
        .is_v2 = request->segment_count == 4,
    };
    read_basic(&call);
    serve(&call);
    form_done(&call.form);
    form_done(&call.basic);
}
