/* Key Vault's data plane: which vault, whose token, what version of the API, which collection.
 * Order of judgement (azure.md D.3 to D.5, E.5): token, what may stop a good token, api-version,
 * name, permission, and only then whether there is such an object; the body is looked at last. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "claims.h"
#include "must.h"
#include "token_check.h"
#include "vault_call.h"
#include "vault_certificate.h"

static const char host_suffix[] = ".vault.localhost";

/* azure.md D.1 */
static const char *const api_versions[] = {
    "2016-10-01",
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6-preview.2",
    "7.6",
    "2025-06-01-preview",
    "2025-07-01",
    "2026-01-01-preview",
    "2026-03-01-preview",
    "2026-04-01",
    "2026-05-01-preview",
    "2026-07-01-preview",
};

/* How much of NAME.vault.localhost is the name; 0 for every other host. */
static size_t vault_host_name_len(const char *host) {
    size_t len = strlen(host);
    size_t suffix_len = sizeof(host_suffix) - 1;
    bool is_vault = len > suffix_len && strcmp(host + len - suffix_len, host_suffix) == 0;
    return is_vault ? len - suffix_len : 0;
}

/* By host name, by /vaults/NAME, or the default one. */
static void find_vault(struct vault_call *call) {
    const struct request *request = call->request;
    const struct vault_set *vaults = &call->standin->world.seed.vaults;
    size_t first = 0;
    size_t name_len = vault_host_name_len(request->host);
    if (name_len > 0) {
        char *name = must_printf("%.*s", (int)name_len, request->host);
        call->vault = vault_set_find(vaults, name);
        call->base = must_strdup(request->origin);
        free(name);
    } else if (request->segment_count > 1 && strcmp(request->segments[0], "vaults") == 0) {
        call->vault = vault_set_find(vaults, request->segments[1]);
        first = 2;
        if (call->vault)
            call->base = must_printf("%s/vaults/%s", request->origin, call->vault->name);
    } else if (vaults->count > 0) {
        call->vault = &vaults->vaults[vaults->default_index];
        call->base = must_strdup(request->origin);
    }
    call->segments = request->segments + first;
    call->segment_count = request->segment_count - first;
}

static bool authenticate(struct vault_call *call) {
    const struct world *world = &call->standin->world;
    struct slice token = request_bearer(call->request);
    struct error err = {0};
    if (slice_is_empty(token)) {
        vault_reply_challenge(call->reply, world->origin, call->vault, NULL,
                              "AKV10000: Request is missing a Bearer or PoP token.");
        return false;
    }
    char *issuer = issuer_v1(world->origin, call->vault->tenant);
    call->claims = token_check(token,
                               &(struct token_expectation){
                                   .keys = world->keys,
                                   .issuer = issuer,
                                   .audience = RESOURCE_VAULT,
                                   .other_audience = call->vault->resource,
                               },
                               &err);
    free(issuer);
    if (!call->claims)
        vault_reply_challenge(call->reply, world->origin, call->vault, NULL, err.text);
    return call->claims != NULL;
}

static bool check_api_version(struct vault_call *call) {
    const char *asked = form_get(&call->request->query, "api-version");
    if (!asked) {
        vault_refuse_parameter(call, "api-version must be specified");
        return false;
    }
    for (size_t i = 0; i < sizeof(api_versions) / sizeof(*api_versions); i++)
        if (strcasecmp(api_versions[i], asked) == 0)
            call->api_version = api_versions[i];
    if (!call->api_version)
        vault_reply_error(call->reply, 400, "BadParameter", NULL,
                          "The specified version (%.60s) is not recognized.", asked);
    return call->api_version != NULL;
}

/* A good token may still be stopped before anybody looks at permissions. */
static bool pass_gate(const struct vault_call *call) {
    struct vault *vault = call->vault;
    if (vault_gate_refuses_token(&vault->gate, request_bearer(call->request), call->claims)) {
        vault_reply_challenge(call->reply, call->standin->world.origin, vault, vault->gate.claims,
                              "[TokenRevoked] Error validating token: continuous access evaluation "
                              "asks for a new one.");
        return false;
    }
    if (vault_gate_throttles(&vault->gate)) {
        vault_reply_throttled(call->reply, &vault->gate);
        return false;
    }
    if (vault->gate.network != NETWORK_OPEN) {
        vault_reply_unreachable(call->reply, &(struct denial){
                                                 .vault = vault,
                                                 .app_id = vault_claim(call, "appid"),
                                                 .oid = vault_claim(call, "oid"),
                                                 .issuer = vault_claim(call, "iss"),
                                             });
        return false;
    }
    return true;
}

static const struct {
    const char *name;
    void (*serve)(const struct vault_call *call);
} collections[] = {
    {"secrets", vault_serve_secrets},
    {"deletedsecrets", vault_serve_deleted_secrets},
    {"keys", vault_serve_keys},
    {"certificates", vault_serve_certificates},
};

static bool is_collection(const char *segment) {
    for (size_t i = 0; i < sizeof(collections) / sizeof(*collections); i++)
        if (strcasecmp(collections[i].name, segment) == 0)
            return true;
    return false;
}

bool key_vault_owns(const struct request *request) {
    size_t first =
        request->segment_count > 1 && strcmp(request->segments[0], "vaults") == 0 ? 2 : 0;
    return vault_host_name_len(request->host) > 0 ||
           (request->segment_count > first && is_collection(request->segments[first]));
}

static void serve(struct vault_call *call) {
    struct error err = {0};
    const char *name = call->segment_count > 1 ? call->segments[1] : NULL;
    if (vault_orders_fill(call->vault, name, &call->standin->client_ca, &err) != STATUS_OK) {
        vault_reply_error(call->reply, 500, "InternalServerError", NULL, "%s", err.text);
        return;
    }
    for (size_t i = 0; i < sizeof(collections) / sizeof(*collections); i++)
        if (vault_segment_is(call, 0, collections[i].name)) {
            collections[i].serve(call);
            return;
        }
    vault_reply_error(call->reply, 404, "NotFound", NULL,
                      "The stand-in serves secrets, keys and certificates; this path is none");
}

void key_vault(struct standin *standin, const struct request *request, struct reply *reply) {
    struct vault_call call = {.standin = standin, .request = request, .reply = reply};
    vault_reply_headers(reply, request);
    find_vault(&call);
    if (!call.vault)
        vault_reply_error(reply, 404, "VaultNotFound", NULL,
                          "The stand-in's seed has no such vault; in Azure its name would not "
                          "resolve");
    else if (authenticate(&call) && pass_gate(&call) && check_api_version(&call))
        serve(&call);
    json_decref(call.claims);
    free(call.base);
}
