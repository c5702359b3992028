/* Where browsers are sent to sign somebody in: here nobody is asked, the user of the knob is signed
 * in at once. As in Entra ID, nothing is redirected before the application and the redirect URI are
 * known; `resource` is refused unless it is the scopes' application (mcp.md 1.6). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encoding.h"
#include "entra_error.h"
#include "issue.h"
#include "must.h"
#include "scope_wish.h"
#include "standin.h"

#define PKCE_MIN 43
#define PKCE_MAX 128

struct authorize_call {
    const struct request *request;
    struct reply *reply;
    struct world *world;
    const struct tenant *tenant;
    const struct app *app;
    const struct user *user;
    const char *redirect_uri;
    bool is_public;
};

static const char *field(const struct authorize_call *call, const char *name) {
    const char *value = form_get(&call->request->query, name);
    return value && *value ? value : NULL;
}

static bool refuse(struct entra_refusal *out_refusal, enum entra_error error, const char *about) {
    *out_refusal = (struct entra_refusal){error, about};
    return false;
}

/* Who asks, and where the answer may go. */
static bool find_client(struct authorize_call *call, struct entra_refusal *out_refusal) {
    const struct directory *directory = &call->world->seed.directory;
    const char *client_id = field(call, "client_id");
    call->tenant = directory_tenant(directory, call->request->segments[0]);
    call->redirect_uri = field(call, "redirect_uri");
    if (!call->tenant)
        return refuse(out_refusal, ENTRA_UNKNOWN_TENANT, call->request->segments[0]);
    if (!client_id || !call->redirect_uri)
        return refuse(out_refusal, ENTRA_PARAMETER_MISSING,
                      client_id ? "'redirect_uri'" : "'client_id'");
    call->app = directory_app(directory, client_id);
    if (!call->app || strcasecmp(call->app->tenant, call->tenant->id) != 0)
        return refuse(out_refusal, ENTRA_UNKNOWN_APP, client_id);
    if (call->app->is_disabled)
        return refuse(out_refusal, ENTRA_DISABLED_APP, client_id);
    enum redirect_platform platform = app_redirect_platform(call->app, call->redirect_uri);
    call->is_public = platform == REDIRECT_NATIVE;
    return platform != REDIRECT_UNKNOWN || refuse(out_refusal, ENTRA_REDIRECT_URI, client_id);
}

static bool find_user(struct authorize_call *call, struct entra_refusal *out_refusal) {
    const struct user *chosen = call->world->sign_ins.user;
    call->user =
        chosen ? chosen : directory_first_user(&call->world->seed.directory, call->tenant->id);
    return (call->user && strcasecmp(call->user->tenant, call->tenant->id) == 0) ||
           refuse(out_refusal, ENTRA_NOBODY_SIGNED_IN, NULL);
}

static bool is_challenge(const char *text) {
    size_t len = strlen(text);
    return len >= PKCE_MIN && len <= PKCE_MAX;
}

static bool judge_form(const struct authorize_call *call, struct entra_refusal *out_refusal) {
    const char *type = field(call, "response_type");
    const char *mode = field(call, "response_mode");
    const char *challenge = field(call, "code_challenge");
    const char *method = field(call, "code_challenge_method");
    if (!type)
        return refuse(out_refusal, ENTRA_PARAMETER_MISSING, "'response_type'");
    if (strcmp(type, "code") != 0)
        return refuse(out_refusal, ENTRA_RESPONSE_TYPE, type);
    if (mode && strcmp(mode, "query") != 0)
        return refuse(out_refusal, ENTRA_RESPONSE_TYPE, "only response_mode=query is served here");
    if (challenge && !is_challenge(challenge))
        return refuse(out_refusal, ENTRA_CHALLENGE_METHOD, "its size");
    if (method && strcmp(method, "S256") != 0 && strcmp(method, "plain") != 0)
        return refuse(out_refusal, ENTRA_CHALLENGE_METHOD, method);
    return true;
}

/* Without consents, whatever the application has may be asked for. */
static bool judge_scopes(const struct authorize_call *call, const struct scope_wish *wish,
                         struct entra_refusal *out_refusal) {
    struct resource resource;
    if (!issue_find_resource(call->world, wish->resource_name, &resource))
        return refuse(out_refusal, ENTRA_UNKNOWN_RESOURCE, wish->resource_name);
    if (!issue_resource_is(call->world, field(call, "resource"), &resource))
        return refuse(out_refusal, ENTRA_RESOURCE_OF_ANOTHER, NULL);
    json_t *scopes = scope_wish_grant(wish, &resource, out_refusal);
    json_decref(scopes);
    if (!scopes)
        out_refusal->error = ENTRA_SCOPE_NOT_THERE;
    return scopes != NULL;
}

static char *copy(const char *text) {
    return text ? must_strdup(text) : NULL;
}

static void grant_code(const struct authorize_call *call) {
    const char *method = field(call, "code_challenge_method");
    const struct grant *grant = sign_ins_add(
        &call->world->sign_ins, &(struct grant){
                                    .kind = GRANT_CODE,
                                    .app = call->app,
                                    .user = call->user,
                                    .is_public = call->is_public,
                                    .scope = copy(field(call, "scope")),
                                    .redirect_uri = copy(call->redirect_uri),
                                    .code_challenge = copy(field(call, "code_challenge")),
                                    .is_plain = !method || strcmp(method, "plain") == 0,
                                    .nonce = copy(field(call, "nonce")),
                                });
    char session_state[GUID_SIZE];
    guid_random(session_state);
    reply_redirect(call->reply, call->redirect_uri,
                   (const struct reply_parameter[]){{"code", grant->text},
                                                    {"state", field(call, "state")},
                                                    {"session_state", session_state},
                                                    {NULL, NULL}});
}

static void sign_in(struct authorize_call *call) {
    struct entra_refusal refusal;
    struct scope_wish wish;
    if (!find_client(call, &refusal)) {
        entra_error_page(call->reply, call->request, &refusal);
        return;
    }
    bool is_read = scope_wish_read(&wish, field(call, "scope"), &refusal);
    if (is_read && judge_form(call, &refusal) && judge_scopes(call, &wish, &refusal) &&
        find_user(call, &refusal))
        grant_code(call);
    else
        entra_error_redirect(call->reply, call->request, &refusal, call->redirect_uri,
                             field(call, "state"));
    scope_wish_done(&wish);
}

void entra_authorize(struct standin *standin, const struct request *request, struct reply *reply) {
    struct authorize_call call = {.request = request, .reply = reply, .world = &standin->world};
    sign_ins_note(&call.world->sign_ins, "authorize", &request->query);
    if (request_method_is(request, "GET"))
        sign_in(&call);
    else
        reply_error(reply, 405, "method_not_allowed", "only GET is served here");
}
