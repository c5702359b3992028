/* The Microsoft Graph calls about group membership. azure.md B.2: membership is transitive, at most
 * 20 groups a question, permissions are app roles of Graph in the caller's token. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "claims.h"
#include "encoding.h"
#include "must.h"
#include "standin.h"
#include "token_check.h"

#define MAX_ASKED 20

struct graph_call {
    const struct standin *standin;
    const struct request *request;
    struct reply *reply;
    json_t *claims; /* the caller's token */
    json_t *body;
};

static void refuse(const struct graph_call *call, unsigned status, const char *code,
                   const char *message) {
    char id[GUID_SIZE];
    char date[32];
    time_t now = time(NULL);
    struct tm parts;
    const char *asked_id = request_header(call->request, "client-request-id");
    guid_random(id);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &parts));
    reply_json(call->reply, status,
               json_pack("{s:{s:s, s:s, s:{s:s, s:s, s:s}}}", "error", "code", code, "message",
                         message, "innerError", "date", date, "request-id", id, "client-request-id",
                         guid_is_valid(asked_id) ? asked_id : id));
}

/* Any tenant's token will do: what it may ask about is that tenant's directory. */
static bool authenticate(struct graph_call *call) {
    const struct world *world = &call->standin->world;
    const struct directory *directory = &world->seed.directory;
    struct slice token = request_bearer(call->request);
    struct error err = {0};
    for (size_t i = 0; i < directory->tenant_count && !call->claims; i++) {
        char *issuer = issuer_v1(world->origin, directory->tenants[i].id);
        call->claims = token_check(token,
                                   &(struct token_expectation){
                                       .keys = world->keys,
                                       .issuer = issuer,
                                       .audience = RESOURCE_GRAPH,
                                       .other_audience = RESOURCE_GRAPH "/",
                                   },
                                   &err);
        free(issuer);
    }
    if (!call->claims)
        refuse(call, 401, "InvalidAuthenticationToken",
               slice_is_empty(token) ? "Access token is empty."
                                     : "Access token validation failure.");
    return call->claims != NULL;
}

static bool has_permission(const struct graph_call *call, const char *permission) {
    const json_t *roles = json_object_get(call->claims, "roles");
    for (size_t i = 0; i < json_array_size(roles); i++)
        if (strcmp(json_string_value(json_array_get(roles, i)), permission) == 0)
            return true;
    return false;
}

static bool is_about_users(const struct graph_call *call) {
    return strcmp(call->request->segments[1], "users") == 0;
}

static bool wants_objects(const struct graph_call *call) {
    return strcmp(call->request->segments[3], "getMemberObjects") == 0;
}

static bool authorize(const struct graph_call *call) {
    bool reads_directory = has_permission(call, "Directory.Read.All");
    bool reads_principals =
        has_permission(call, is_about_users(call) ? "User.Read.All" : "Application.Read.All");
    bool reads_groups =
        has_permission(call, "GroupMember.Read.All") || has_permission(call, "Group.Read.All");
    if (reads_directory || (reads_principals && (reads_groups || wants_objects(call))))
        return true;
    refuse(call, 403, "Authorization_RequestDenied",
           "Insufficient privileges to complete the operation.");
    return false;
}

static bool is_same(const char *a, const char *b) {
    return a && b && strcasecmp(a, b) == 0;
}

/* NULL when the tenant has no such user or service principal. */
static const char *tenant_of_principal(const struct graph_call *call) {
    const struct directory *directory = &call->standin->world.seed.directory;
    const char *oid = call->request->segments[2];
    if (is_about_users(call)) {
        const struct user *user = directory_user(directory, oid);
        return user ? user->tenant : NULL;
    }
    for (size_t i = 0; i < directory->app_count; i++)
        if (is_same(directory->apps[i].oid, oid))
            return directory->apps[i].tenant;
    const struct managed_identity *identity = directory_identity(directory, NULL, oid, NULL);
    return identity ? identity->tenant : NULL;
}

static bool find_principal(const struct graph_call *call) {
    const char *tenant = tenant_of_principal(call);
    if (is_same(tenant, json_string_value(json_object_get(call->claims, "tid"))))
        return true;
    refuse(call, 404, "Request_ResourceNotFound",
           "Resource does not exist or one of its queried reference-property objects are not "
           "present.");
    return false;
}

static bool list_holds(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is_same(json_string_value(json_array_get(list, i)), text))
            return true;
    return false;
}

static void add_missing(json_t *list, const json_t *more) {
    for (size_t i = 0; i < json_array_size(more); i++) {
        json_t *id = json_array_get(more, i);
        if (!list_holds(list, json_string_value(id)))
            json_array_append(list, id);
    }
}

/* The list grows while it is walked. */
static json_t *all_groups_of(const struct directory *directory, const char *oid) {
    json_t *groups = must(json_array());
    add_missing(groups, directory_groups(directory, oid));
    for (size_t i = 0; i < json_array_size(groups); i++)
        add_missing(groups, json_object_get(directory->group_parents,
                                            json_string_value(json_array_get(groups, i))));
    return groups;
}

static void answer(const struct graph_call *call, json_t *ids) {
    char *context = must_printf("%s/v1.0/$metadata#Collection(Edm.String)", call->request->origin);
    reply_json(call->reply, 200, json_pack("{s:s, s:o}", "@odata.context", context, "value", ids));
    free(context);
}

static bool are_guids(const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!guid_is_valid(json_string_value(json_array_get(list, i))))
            return false;
    return true;
}

static void check_member_groups(const struct graph_call *call) {
    const json_t *asked = json_object_get(call->body, "groupIds");
    if (!json_is_array(asked) || !are_guids(asked)) {
        refuse(call, 400, "Request_BadRequest", "Invalid value specified for property 'groupIds'.");
        return;
    }
    if (json_array_size(asked) > MAX_ASKED) {
        refuse(call, 400, "Request_BadRequest", "Too many values in 'groupIds': at most 20.");
        return;
    }
    json_t *groups =
        all_groups_of(&call->standin->world.seed.directory, call->request->segments[2]);
    json_t *found = must(json_array());
    for (size_t i = 0; i < json_array_size(asked); i++)
        if (list_holds(groups, json_string_value(json_array_get(asked, i))))
            json_array_append(found, json_array_get(asked, i));
    json_decref(groups);
    answer(call, found);
}

static void get_member_objects(const struct graph_call *call) {
    if (json_is_boolean(json_object_get(call->body, "securityEnabledOnly")))
        answer(call,
               all_groups_of(&call->standin->world.seed.directory, call->request->segments[2]));
    else
        refuse(call, 400, "Request_BadRequest",
               "The parameter 'securityEnabledOnly' is missing or no boolean.");
}

static void serve(const struct graph_call *call) {
    const char *action = call->request->segments[3];
    bool is_known_kind =
        is_about_users(call) || strcmp(call->request->segments[1], "servicePrincipals") == 0;
    bool is_check = strcmp(action, "checkMemberGroups") == 0;
    if (!is_known_kind || (!is_check && !wants_objects(call)))
        refuse(call, 404, "BadRequest", "The stand-in's Graph has no such resource or action.");
    else if (!request_method_is(call->request, "POST"))
        refuse(call, 405, "Request_BadRequest", "Specified HTTP method is not allowed.");
    else if (!authorize(call) || !find_principal(call))
        return;
    else if (!json_is_object(call->body))
        refuse(call, 400, "BadRequest", "Unable to read JSON request payload.");
    else if (is_check)
        check_member_groups(call);
    else
        get_member_objects(call);
}

void graph(struct standin *standin, const struct request *request, struct reply *reply) {
    struct graph_call call = {.standin = standin, .request = request, .reply = reply};
    if (request->body.len > 0)
        call.body = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (authenticate(&call))
        serve(&call);
    json_decref(call.claims);
    json_decref(call.body);
}
