/* The token endpoints, v1 and v2: who asks and for what; client_credentials. azure.md C.1, C.2,
 * E.4: unknown fields and a query string are ignored. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encoding.h"
#include "must.h"
#include "standin.h"
#include "token_call.h"

#define LIFETIME_SEC 3599
#define LONG_LIFETIME_SEC (24 * 60 * 60 - 1) /* for clients that can be told of revocation */
#define GRANT_ON_BEHALF_OF "urn:ietf:params:oauth:grant-type:jwt-bearer"

void token_refuse(const struct token_call *call, enum entra_error error, const char *about) {
    entra_error(call->reply, call->request, error, about);
}

const char *token_field(const struct token_call *call, const char *name) {
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

const char *token_credential(const struct token_call *call, const char *name) {
    const char *value = token_field(call, name);
    return value ? value : form_get(&call->basic, name);
}

static bool find_tenant(struct token_call *call) {
    const char *name = call->request->segments[0];
    if (strcmp(name, "common") == 0 || strcmp(name, "organizations") == 0) {
        token_refuse(call, ENTRA_NO_TENANT, NULL);
        return false;
    }
    call->tenant = directory_tenant(&call->world->seed.directory, name);
    if (!call->tenant)
        token_refuse(call, ENTRA_UNKNOWN_TENANT, name);
    return call->tenant != NULL;
}

/* The resource's name out of "{resource}/.default"; the caller frees. NULL when refused. */
static char *resource_of_scope(const struct token_call *call) {
    static const char suffix[] = "/.default";
    const char *scope = token_field(call, "scope");
    if (token_field(call, "resource")) {
        token_refuse(call, ENTRA_RESOURCE_ON_V2, NULL);
        return NULL;
    }
    if (!scope) {
        token_refuse(call, ENTRA_PARAMETER_MISSING, "'scope'");
        return NULL;
    }
    size_t len = strlen(scope);
    if (strchr(scope, ' ')) {
        token_refuse(call, ENTRA_SEVERAL_RESOURCES, NULL);
        return NULL;
    }
    if (len < sizeof(suffix) || strcmp(scope + len - (sizeof(suffix) - 1), suffix) != 0) {
        token_refuse(call, ENTRA_BAD_SCOPE, scope);
        return NULL;
    }
    return must_printf("%.*s", (int)(len - (sizeof(suffix) - 1)), scope);
}

static char *asked_resource(const struct token_call *call) {
    if (call->is_v2)
        return resource_of_scope(call);
    const char *resource = token_field(call, "resource");
    if (resource)
        return must_strdup(resource);
    token_refuse(call, ENTRA_PARAMETER_MISSING, "'resource'");
    return NULL;
}

bool token_wants_cae(const struct token_call *call) {
    const char *text = token_field(call, "claims");
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

void token_answer(const struct token_call *call, const struct issued_token *token,
                  const struct resource *resource, json_t *more) {
    json_t *document =
        must(json_pack("{s:s, s:s}", "token_type", "Bearer", "access_token", token->text));
    if (call->is_v2) {
        json_object_set_new(document, "expires_in", must(json_integer(token->lifetime_sec)));
        json_object_set_new(document, "ext_expires_in", must(json_integer(token->lifetime_sec)));
    } else {
        put_number_text(document, "expires_in", token->lifetime_sec);
        put_number_text(document, "ext_expires_in", token->lifetime_sec);
        put_number_text(document, "expires_on", token->expires);
        put_number_text(document, "not_before", token->not_before);
        json_object_set_new(document, "resource", must(json_string(resource->audience)));
    }
    if (more)
        json_object_update(document, more);
    json_decref(more);
    char request_id[GUID_SIZE];
    guid_random(request_id);
    reply_header(call->reply, "Cache-Control", "no-store, no-cache");
    reply_header(call->reply, "Pragma", "no-cache");
    reply_header(call->reply, "x-ms-request-id", "%s", request_id);
    reply_json(call->reply, 200, document);
}

static void issue_for_app(const struct token_call *call, const struct proven_client *client,
                          const char *name) {
    struct resource resource;
    if (!issue_find_resource(call->world, name, &resource)) {
        token_refuse(call, ENTRA_UNKNOWN_RESOURCE, name);
        return;
    }
    bool is_capable = token_wants_cae(call);
    struct issued_token token =
        issue_token(call->world, &resource,
                    &(struct issue_order){
                        .tenant = call->tenant->id,
                        .client_id = client->app->client_id,
                        .oid = client->app->oid,
                        .client_auth = client->strength,
                        .roles = client->app->roles,
                        .is_cae_capable = is_capable,
                        .lifetime_sec = is_capable ? LONG_LIFETIME_SEC : LIFETIME_SEC,
                    });
    token_answer(call, &token, &resource, NULL);
    free(token.text);
}

static void client_credentials(struct token_call *call) {
    struct proven_client client;
    if (!client_prove(call, &client))
        return;
    char *name = asked_resource(call);
    if (name && !sign_in_rule_refuses(&client.app->rule, NULL, call->request, call->reply))
        issue_for_app(call, &client, name);
    free(name);
}

static void serve(struct token_call *call) {
    if (!request_method_is(call->request, "POST")) {
        token_refuse(call, ENTRA_POST_ONLY, call->request->method);
        return;
    }
    if (!form_parse(&call->form, call->request->body)) {
        token_refuse(call, ENTRA_PARAMETER_MISSING, "a readable form");
        return;
    }
    if (!find_tenant(call))
        return;
    const char *grant = token_field(call, "grant_type");
    if (!grant)
        token_refuse(call, ENTRA_PARAMETER_MISSING, "'grant_type'");
    else if (strcmp(grant, "client_credentials") == 0)
        client_credentials(call);
    else if (strcmp(grant, GRANT_ON_BEHALF_OF) == 0)
        on_behalf_of(call);
    else if (call->is_v2 && strcmp(grant, "authorization_code") == 0)
        redeem_code(call);
    else if (call->is_v2 && strcmp(grant, "refresh_token") == 0)
        redeem_refresh_token(call);
    else
        token_refuse(call, ENTRA_GRANT_TYPE, grant);
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
