/* `barkeep-standin token`: mints one token for the API of the seed, as the tenant would, or bent in
 * one way a test asks for. */
#include "token_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "mint_command.h"
#include "must.h"
#include "options.h"
#include "token_sign.h"

#define COMMAND_NAME "token"

enum token_option {
    OPTION_USER,
    OPTION_APP,
    OPTION_GROUP,
    OPTION_APP_ROLE,
    OPTION_SCOPE,
    OPTION_VERSION,
    OPTION_TENANT,
    OPTION_AUDIENCE,
    OPTION_EXPIRES_IN,
    OPTION_NOT_BEFORE,
    OPTION_OVERAGE,
    OPTION_ACRS,
    OPTION_CP1,
    OPTION_CLAIM,
    OPTION_REMOVE_CLAIM,
    OPTION_HEADER,
    OPTION_ID_TOKEN,
    OPTION_KEY,
    OPTION_ALG,
    OPTION_STATE,
    OPTION_HELP,
};

static const struct option_row option_rows[] = {
    [OPTION_USER] = {"user", true},
    [OPTION_APP] = {"app", true},
    [OPTION_GROUP] = {"group", true},
    [OPTION_APP_ROLE] = {"app-role", true},
    [OPTION_SCOPE] = {"scope", true},
    [OPTION_VERSION] = {"version", true},
    [OPTION_TENANT] = {"tenant", true},
    [OPTION_AUDIENCE] = {"audience", true},
    [OPTION_EXPIRES_IN] = {"expires-in", true},
    [OPTION_NOT_BEFORE] = {"not-before", true},
    [OPTION_OVERAGE] = {"overage", false},
    [OPTION_ACRS] = {"acrs", true},
    [OPTION_CP1] = {"cp1", false},
    [OPTION_CLAIM] = {"claim", true},
    [OPTION_REMOVE_CLAIM] = {"remove-claim", true},
    [OPTION_HEADER] = {"header", true},
    [OPTION_ID_TOKEN] = {"id-token", false},
    [OPTION_KEY] = {"key", true},
    [OPTION_ALG] = {"alg", true},
    [OPTION_STATE] = {"state", true},
    [OPTION_HELP] = {"help", false},
    {NULL, false},
};

static const char help_text[] =
    "usage: barkeep-standin token [options]\n"
    "Prints one access token of the stand-in's tenant for its API.\n"
    "\n"
    "  --user OID            a user's token (default: the seed's first user)\n"
    "  --app CLIENT_ID       an app-only token instead\n"
    "  --group ID            a groups entry; repeatable\n"
    "  --app-role ROLE       a roles entry; repeatable (default with --app: what the seed grants)\n"
    "  --scope SCOPE         a delegated scope; repeatable (default: access_as_user)\n"
    "  --version 1|2         token version (default: what the API's manifest says)\n"
    "  --tenant GUID         tid and issuer (default: the seed's first tenant)\n"
    "  --audience AUD        aud, as it is (default: the API's)\n"
    "  --expires-in SEC      exp, from now (default 3600; may be negative)\n"
    "  --not-before SEC      nbf, from now (default -300)\n"
    "  --overage             a reference to Graph in place of groups\n"
    "  --acrs CONTEXT        an acrs entry, as after a step-up; repeatable\n"
    "  --cp1                 the client takes claims challenges (xms_cc)\n"
    "  --claim NAME=JSON     adds or replaces a claim; repeatable\n"
    "  --remove-claim NAME   leaves a claim out; repeatable\n"
    "  --header NAME=JSON    adds or replaces a header member; repeatable\n"
    "  --id-token            an ID token, for the API's own client id\n"
    "  --key N|unpublished   which signing key (default 0, the newest published one)\n"
    "  --alg RS256|HS256|none  HS256 is keyed with the public key, as forgers do (default RS256)\n"
    "  --state DIR           the server's state directory\n";

/* The command line, read. Strings are argv's. */
struct token_request {
    const char *user;
    const char *app;
    const char *tenant;
    const char *audience;
    const char *key;
    const char *state_dir;
    json_t *groups;
    json_t *roles;
    json_t *scopes;
    json_t *claims;
    json_t *removed;
    json_t *headers;
    int64_t version; /* 0: the API's */
    int64_t expires_in;
    int64_t not_before;
    bool has_not_before;
    bool has_overage;
    bool is_id_token;
    bool wants_help;
    enum token_algorithm algorithm;
};

static void request_init(struct token_request *request) {
    *request = (struct token_request){
        .key = "0",
        .groups = must(json_array()),
        .roles = must(json_array()),
        .scopes = must(json_array()),
        .claims = must(json_object()),
        .removed = must(json_array()),
        .headers = must(json_object()),
        .expires_in = 3600,
        .not_before = -300,
    };
}

static void request_done(struct token_request *request) {
    json_decref(request->groups);
    json_decref(request->roles);
    json_decref(request->scopes);
    json_decref(request->claims);
    json_decref(request->removed);
    json_decref(request->headers);
}

static enum status put_member(json_t *object, const char *option, const char *assignment,
                              struct error *err) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return error_set(err, STATUS_INVALID, "--%s must be NAME=JSON, got \"%.80s\"", option,
                         assignment);
    json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!value)
        return error_set(err, STATUS_INVALID,
                         "--%s: \"%.80s\" is not JSON (a string needs its quotes)", option,
                         equals + 1);
    char *name = must_printf("%.*s", (int)(equals - assignment), assignment);
    int result = json_object_set_new(object, name, value);
    free(name);
    return result == 0 ? STATUS_OK
                       : error_set(err, STATUS_INVALID, "--%s: the name is not UTF-8", option);
}

static enum status add_text(json_t *list, const char *option, const char *value,
                            struct error *err) {
    json_t *text = *value ? json_string(value) : NULL;
    if (!text)
        return error_set(err, STATUS_INVALID, "--%s must be UTF-8 text, not empty", option);
    json_array_append_new(list, text);
    return STATUS_OK;
}

static enum status take_text(const char **place, const char *option, const char *value,
                             struct error *err) {
    json_t *text = *value ? json_string(value) : NULL;
    if (!text)
        return error_set(err, STATUS_INVALID, "--%s must be UTF-8 text, not empty", option);
    json_decref(text);
    *place = value;
    return STATUS_OK;
}

static enum status take_guid(const char **place, const char *option, const char *value,
                             struct error *err) {
    if (!guid_is_valid(value))
        return error_set(err, STATUS_INVALID, "--%s must be a GUID, got \"%.80s\"", option, value);
    *place = value;
    return STATUS_OK;
}

static enum status take_algorithm(struct token_request *request, const char *value,
                                  struct error *err) {
    static const char *const names[] = {
        [TOKEN_RS256] = "RS256", [TOKEN_HS256_PUBLIC_KEY] = "HS256", [TOKEN_NONE] = "none"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], value) == 0) {
            request->algorithm = (enum token_algorithm)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_INVALID, "--alg must be RS256, HS256 or none, got \"%.40s\"",
                     value);
}

/* The array among the claims that options add to. */
static json_t *claim_list(const struct token_request *request, const char *name) {
    json_t *list = json_object_get(request->claims, name);
    if (!json_is_array(list)) {
        list = must(json_array());
        json_object_set_new(request->claims, name, list);
    }
    return list;
}

static enum status take_option(void *owner, int row, const char *value, struct error *err) {
    struct token_request *request = owner;
    const char *name = option_rows[row].name;
    switch ((enum token_option)row) {
    case OPTION_USER:
        return take_guid(&request->user, name, value, err);
    case OPTION_APP:
        return take_guid(&request->app, name, value, err);
    case OPTION_TENANT:
        return take_guid(&request->tenant, name, value, err);
    case OPTION_GROUP:
        return add_text(request->groups, name, value, err);
    case OPTION_APP_ROLE:
        return add_text(request->roles, name, value, err);
    case OPTION_SCOPE:
        return add_text(request->scopes, name, value, err);
    case OPTION_REMOVE_CLAIM:
        return add_text(request->removed, name, value, err);
    case OPTION_CLAIM:
        return put_member(request->claims, name, value, err);
    case OPTION_HEADER:
        return put_member(request->headers, name, value, err);
    case OPTION_VERSION:
        return option_integer(name, value, 1, 2, &request->version, err);
    case OPTION_EXPIRES_IN:
        return option_integer(name, value, -MINT_MAX_OFFSET_SEC, MINT_MAX_OFFSET_SEC,
                              &request->expires_in, err);
    case OPTION_NOT_BEFORE:
        request->has_not_before = true;
        return option_integer(name, value, -MINT_MAX_OFFSET_SEC, MINT_MAX_OFFSET_SEC,
                              &request->not_before, err);
    case OPTION_ALG:
        return take_algorithm(request, value, err);
    case OPTION_AUDIENCE:
        return take_text(&request->audience, name, value, err);
    case OPTION_KEY:
        request->key = value;
        return STATUS_OK;
    case OPTION_STATE:
        request->state_dir = value;
        return STATUS_OK;
    case OPTION_OVERAGE:
        request->has_overage = true;
        return STATUS_OK;
    case OPTION_ID_TOKEN:
        request->is_id_token = true;
        return STATUS_OK;
    case OPTION_ACRS:
        return add_text(claim_list(request, "acrs"), name, value, err);
    case OPTION_CP1:
        return add_text(claim_list(request, "xms_cc"), name, "cp1", err);
    case OPTION_HELP:
        request->wants_help = true;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

static enum status check_request(const struct token_request *request, struct error *err) {
    if (request->user && request->app)
        return error_set(err, STATUS_INVALID, "--user and --app exclude each other");
    if (request->app && json_array_size(request->scopes) > 0)
        return error_set(err, STATUS_INVALID,
                         "--scope goes with a user's token; an app-only token has app roles");
    if (request->app && request->is_id_token)
        return error_set(err, STATUS_INVALID, "--id-token is about a user, not --app");
    if (request->has_overage && json_array_size(request->groups) > 0)
        return error_set(err, STATUS_INVALID, "--overage replaces groups; --group excludes it");
    if (json_object_get(request->headers, "alg"))
        return error_set(err, STATUS_INVALID, "--header alg: use --alg");
    return STATUS_OK;
}

static const struct signing_key *pick_key(const struct key_ring *ring, const char *name,
                                          struct error *err) {
    if (strcmp(name, "unpublished") == 0)
        return key_ring_unpublished(ring);
    int64_t index;
    if (option_integer("key", name, 0, (int64_t)key_ring_count(ring) - 1, &index, NULL) ==
        STATUS_OK)
        return key_ring_at(ring, (size_t)index);
    error_set(err, STATUS_INVALID, "--key must be \"unpublished\" or 0 to %zu, got \"%.40s\"",
              key_ring_count(ring) - 1, name);
    return NULL;
}

/* Who the token is about: texts made for principals the seed does not know. */
struct principal_text {
    char oid[GUID_SIZE];
    char *name;
    char *upn;
    char *scopes;
};

static char *join_scopes(const json_t *scopes) {
    if (json_array_size(scopes) == 0)
        return must_strdup("access_as_user");
    char *joined = must_strdup(json_string_value(json_array_get(scopes, 0)));
    for (size_t i = 1; i < json_array_size(scopes); i++) {
        char *longer = must_printf("%s %s", joined, json_string_value(json_array_get(scopes, i)));
        free(joined);
        joined = longer;
    }
    return joined;
}

static void order_app(struct claims_order *order, const struct token_request *request,
                      const struct directory *directory, const struct resource *resource,
                      struct principal_text *text) {
    const struct app *app = directory_app(directory, request->app);
    guid_from_text(request->app, text->oid);
    order->client_id = app ? app->client_id : request->app;
    order->client_auth = "1";
    order->oid = app ? app->oid : text->oid;
    if (json_array_size(request->roles) == 0 && app && resource->api)
        order->roles = json_object_get(app->roles, resource->api->client_id);
}

static void order_user(struct claims_order *order, const struct token_request *request,
                       const struct directory *directory, struct principal_text *text) {
    const struct app *client = directory_default_client(directory);
    const struct user *user = request->user               ? directory_user(directory, request->user)
                              : directory->user_count > 0 ? &directory->users[0]
                                                          : NULL;
    guid_from_text("nobody", text->oid);
    order->oid = user ? user->oid : request->user ? request->user : text->oid;
    text->name = user ? must_strdup(user->name) : must_printf("Guest %.8s", order->oid);
    text->upn =
        user ? must_strdup(user->upn) : must_printf("guest-%.8s@fabrikam.example", order->oid);
    text->scopes = join_scopes(request->scopes);
    order->client_id = client ? client->client_id : "00000000-0000-4000-8000-000000000001";
    order->client_auth = "0";
    order->name = text->name;
    order->upn = text->upn;
    order->scopes = text->scopes;
}

/* What the token is for, and so its version and audience. */
static enum status order_resource(struct claims_order *order, const struct token_request *request,
                                  const struct directory *directory, struct resource *resource,
                                  struct error *err) {
    const struct app *api = directory_default_api(directory);
    if (!api && !request->audience)
        return error_set(err, STATUS_INVALID, "the seed has no API (an app with uris): --audience");
    *resource = (struct resource){.api = api, .token_version = api ? api->token_version : 1};
    if (request->audience)
        directory_resource(directory, request->audience, NULL, resource);
    order->version = request->version ? (int)request->version : resource->token_version;
    if (request->audience)
        order->audience = request->audience;
    else if (order->version == 2 || request->is_id_token)
        order->audience = api->client_id;
    else
        order->audience = json_string_value(json_array_get(api->uris, 0));
    return STATUS_OK;
}

static void order_times(struct claims_order *order, const struct token_request *request) {
    int64_t now = clock_wall_sec();
    order->expires = now + request->expires_in;
    order->not_before = now + request->not_before;
    if (!request->has_not_before && order->not_before >= order->expires)
        order->not_before = order->expires - 3600;
    order->issued = order->not_before < now ? order->not_before : now;
}

static json_t *make_claims(const struct token_request *request, const struct world *world,
                           int *out_version, struct error *err) {
    const struct directory *directory = &world->seed.directory;
    struct resource resource = {0};
    struct principal_text text = {0};
    struct claims_order order = {
        .origin = world->origin,
        .tenant = request->tenant ? request->tenant : directory->tenants[0].id,
        .roles = request->roles,
        .groups = request->groups,
        .has_overage = request->has_overage,
        .is_id_token = request->is_id_token,
    };
    if (order_resource(&order, request, directory, &resource, err) != STATUS_OK)
        return NULL;
    order_times(&order, request);
    if (request->app)
        order_app(&order, request, directory, &resource, &text);
    else
        order_user(&order, request, directory, &text);
    json_t *claims = claims_make(&order);
    json_object_update(claims, request->claims);
    for (size_t i = 0; i < json_array_size(request->removed); i++)
        json_object_del(claims, json_string_value(json_array_get(request->removed, i)));
    free(text.name);
    free(text.upn);
    free(text.scopes);
    *out_version = order.version;
    return claims;
}

static enum status mint(const void *owner, struct world *world, char **out_token,
                        struct error *err) {
    const struct token_request *request = owner;
    const struct signing_key *key = pick_key(world->keys, request->key, err);
    if (!key)
        return STATUS_INVALID;
    int version = 0;
    json_t *claims = make_claims(request, world, &version, err);
    if (!claims)
        return STATUS_INVALID;
    char *token = token_sign(key, request->algorithm, version, claims, request->headers);
    json_decref(claims);
    if (!token)
        return error_set(err, STATUS_INVALID, "libjwt refused to write this token");
    *out_token = token;
    return STATUS_OK;
}

int token_command(int argc, char **argv) {
    struct token_request request;
    struct error err = {0};
    int exit_code = 0;
    request_init(&request);
    if (options_read(option_rows, argc, argv, take_option, &request, &err) != STATUS_OK ||
        check_request(&request, &err) != STATUS_OK)
        exit_code = mint_command_fail(COMMAND_NAME, MINT_EXIT_USAGE, &err);
    else if (request.wants_help)
        fputs(help_text, stdout);
    else
        exit_code = mint_command_run(&(struct mint_command){.name = COMMAND_NAME,
                                                            .state_dir = request.state_dir,
                                                            .mint = mint,
                                                            .request = &request});
    request_done(&request);
    return exit_code;
}
