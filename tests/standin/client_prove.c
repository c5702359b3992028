/* Which application calls: by secret, in the body or by Basic, or by assertion. */
#include <string.h>
#include <strings.h>

#include "token_call.h"

static bool secret_is_known(const struct app *app, const char *secret) {
    for (size_t i = 0; i < json_array_size(app->secrets); i++)
        if (strcmp(json_string_value(json_array_get(app->secrets, i)), secret) == 0)
            return true;
    return false;
}

const struct app *client_find(const struct token_call *call) {
    const char *client_id = token_credential(call, "client_id");
    if (!client_id) {
        token_refuse(call, ENTRA_PARAMETER_MISSING, "'client_id'");
        return NULL;
    }
    const struct app *app = directory_app(&call->world->seed.directory, client_id);
    if (!app || strcasecmp(app->tenant, call->tenant->id) != 0)
        token_refuse(call, ENTRA_UNKNOWN_APP, client_id);
    else if (app->is_disabled)
        token_refuse(call, ENTRA_DISABLED_APP, client_id);
    else
        return app;
    return NULL;
}

bool client_prove(const struct token_call *call, struct proven_client *out_client) {
    const struct app *app = client_find(call);
    if (!app)
        return false;
    if (token_field(call, "client_assertion")) {
        if (!client_prove_by_assertion(call, app))
            return false;
        *out_client = (struct proven_client){app, "2"};
        return true;
    }
    const char *secret = token_credential(call, "client_secret");
    if (!secret)
        token_refuse(call, ENTRA_NO_SECRET, NULL);
    else if (!secret_is_known(app, secret))
        token_refuse(call, ENTRA_WRONG_SECRET, app->client_id);
    else if (app->has_expired_secrets)
        token_refuse(call, ENTRA_EXPIRED_SECRET, app->client_id);
    else {
        *out_client = (struct proven_client){app, "1"};
        return true;
    }
    return false;
}
