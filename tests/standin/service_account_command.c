/* `barkeep-standin service-account`: mints the token that a platform puts into a workload's file,
 * and that Entra takes for a federated credential. azure.md C.4. */
#include "service_account_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "mint_command.h"
#include "must.h"
#include "options.h"
#include "platform_key.h"
#include "token_sign.h"

#define COMMAND_NAME "service-account"

enum account_option {
    OPTION_ISSUER,
    OPTION_SUBJECT,
    OPTION_AUDIENCE,
    OPTION_EXPIRES_IN,
    OPTION_KEY,
    OPTION_STATE,
    OPTION_HELP,
};

static const struct option_row option_rows[] = {
    [OPTION_ISSUER] = {"issuer", true},     [OPTION_SUBJECT] = {"subject", true},
    [OPTION_AUDIENCE] = {"audience", true}, [OPTION_EXPIRES_IN] = {"expires-in", true},
    [OPTION_KEY] = {"key", true},           [OPTION_STATE] = {"state", true},
    [OPTION_HELP] = {"help", false},        {NULL, false},
};

static const char help_text[] =
    "usage: barkeep-standin service-account [options]\n"
    "Prints a token as a platform gives its workloads, for a federated credential of the seed.\n"
    "\n"
    "  --issuer URL       iss (default: that of the seed's first federated credential)\n"
    "  --subject TEXT     sub (default: the same)\n"
    "  --audience TEXT    aud (default: the same)\n"
    "  --expires-in SEC   exp, from now (default 3600; may be negative)\n"
    "  --key KIND         platform, or other: a key that no issuer has (default platform)\n"
    "  --state DIR        the server's state directory\n";

struct account_request {
    const char *issuer;
    const char *subject;
    const char *audience;
    const char *state_dir;
    int64_t expires_in;
    bool is_other_key;
    bool wants_help;
};

static enum status take_key(struct account_request *request, const char *value, struct error *err) {
    request->is_other_key = strcmp(value, "other") == 0;
    if (request->is_other_key || strcmp(value, "platform") == 0)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "--key must be platform or other, got \"%.40s\"", value);
}

static enum status take_option(void *owner, int row, const char *value, struct error *err) {
    struct account_request *request = owner;
    switch ((enum account_option)row) {
    case OPTION_ISSUER:
        request->issuer = value;
        return STATUS_OK;
    case OPTION_SUBJECT:
        request->subject = value;
        return STATUS_OK;
    case OPTION_AUDIENCE:
        request->audience = value;
        return STATUS_OK;
    case OPTION_EXPIRES_IN:
        return option_integer("expires-in", value, -MINT_MAX_OFFSET_SEC, MINT_MAX_OFFSET_SEC,
                              &request->expires_in, err);
    case OPTION_KEY:
        return take_key(request, value, err);
    case OPTION_STATE:
        request->state_dir = value;
        return STATUS_OK;
    case OPTION_HELP:
        request->wants_help = true;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

static const json_t *first_federated(const struct directory *directory) {
    for (size_t i = 0; i < directory->app_count; i++)
        if (json_array_size(directory->apps[i].federated) > 0)
            return json_array_get(directory->apps[i].federated, 0);
    return NULL;
}

/* What was asked for, or what the seed has. */
static const char *member(const char *asked, const json_t *record, const char *name) {
    return asked ? asked : json_string_value(json_object_get(record, name));
}

static json_t *make_claims(const struct account_request *request, const struct world *world,
                           struct error *err) {
    const json_t *record = first_federated(&world->seed.directory);
    const char *issuer = member(request->issuer, record, "issuer");
    const char *subject = member(request->subject, record, "subject");
    const char *audience = member(request->audience, record, "audience");
    int64_t expires = clock_wall_sec() + request->expires_in;
    int64_t issued = expires - 3600 < clock_wall_sec() ? expires - 3600 : clock_wall_sec();
    json_t *claims = NULL;
    if (issuer && subject)
        claims = json_pack("{s:s, s:s, s:[s], s:I, s:I, s:I}", "iss", issuer, "sub", subject, "aud",
                           audience ? audience : FEDERATED_AUDIENCE, "iat", (json_int_t)issued,
                           "nbf", (json_int_t)issued, "exp", (json_int_t)expires);
    if (!claims)
        error_set(err, STATUS_INVALID,
                  "no federated credential in the seed: --issuer and --subject, in UTF-8");
    return claims;
}

static enum status mint(const void *owner, struct world *world, char **out_token,
                        struct error *err) {
    const struct account_request *request = owner;
    json_t *claims = make_claims(request, world, err);
    if (!claims)
        return STATUS_INVALID;
    struct signing_key *platform = platform_key_open(&world->state, err);
    const struct signing_key *key =
        request->is_other_key ? key_ring_unpublished(world->keys) : platform;
    char *token = platform ? token_sign(key, TOKEN_RS256, 2, claims, NULL) : NULL;
    signing_key_free(platform);
    json_decref(claims);
    if (!token)
        return STATUS_IO;
    *out_token = token;
    return STATUS_OK;
}

int service_account_command(int argc, char **argv) {
    struct account_request request = {.expires_in = 3600};
    struct error err = {0};
    if (options_read(option_rows, argc, argv, take_option, &request, &err) != STATUS_OK)
        return mint_command_fail(COMMAND_NAME, MINT_EXIT_USAGE, &err);
    if (request.wants_help) {
        fputs(help_text, stdout);
        return 0;
    }
    return mint_command_run(&(struct mint_command){
        .name = COMMAND_NAME, .state_dir = request.state_dir, .mint = mint, .request = &request});
}
