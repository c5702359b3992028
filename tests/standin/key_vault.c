/* Key Vault's data plane for secrets: get, get version, set, update, list, list versions. Order of
 * judgement (azure.md D.3 to D.5, E.5): token, api-version, name, permission, and only then whether
 * there is such a secret; the body is looked at last. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "claims.h"
#include "encoding.h"
#include "must.h"
#include "standin.h"
#include "token_check.h"
#include "vault_reply.h"

#define MAX_PAGE 25

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

struct vault_call {
    const struct standin *standin;
    const struct request *request;
    struct reply *reply;
    struct vault *vault;
    char *base;     /* the vault's URL as the client spelled it */
    size_t first;   /* index of the segment "secrets" */
    json_t *claims; /* the caller's token */
    const char *api_version;
};

static void refuse_parameter(const struct vault_call *call, const char *text) {
    vault_reply_error(call->reply, 400, "BadParameter", NULL, "%s", text);
}

/* By host name, by /vaults/NAME, or the default one. */
static void find_vault(struct vault_call *call) {
    const struct request *request = call->request;
    const struct vault_set *vaults = &call->standin->world.seed.vaults;
    size_t host_len = strlen(request->host);
    size_t suffix_len = sizeof(host_suffix) - 1;
    if (host_len > suffix_len && strcmp(request->host + host_len - suffix_len, host_suffix) == 0) {
        char *name = must_printf("%.*s", (int)(host_len - suffix_len), request->host);
        call->vault = vault_set_find(vaults, name);
        call->base = must_strdup(request->origin);
        free(name);
    } else if (request->segment_count > 1 && strcmp(request->segments[0], "vaults") == 0) {
        call->vault = vault_set_find(vaults, request->segments[1]);
        call->first = 2;
        if (call->vault)
            call->base = must_printf("%s/vaults/%s", request->origin, call->vault->name);
    } else if (vaults->count > 0) {
        call->vault = &vaults->vaults[vaults->default_index];
        call->base = must_strdup(request->origin);
    }
}

static bool authenticate(struct vault_call *call) {
    const struct world *world = &call->standin->world;
    struct slice token = request_bearer(call->request);
    struct error err = {0};
    if (slice_is_empty(token)) {
        vault_reply_challenge(call->reply, world->origin, call->vault,
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
        vault_reply_challenge(call->reply, world->origin, call->vault, err.text);
    return call->claims != NULL;
}

static bool check_api_version(struct vault_call *call) {
    const char *asked = form_get(&call->request->query, "api-version");
    if (!asked) {
        refuse_parameter(call, "api-version must be specified");
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

static const char *claim(const struct vault_call *call, const char *name) {
    const char *value = json_string_value(json_object_get(call->claims, name));
    return value ? value : "";
}

/* Answers 403 itself. Permission comes before existence, so that nothing is revealed. */
static bool authorize(const struct vault_call *call, const char *action, const char *secret) {
    const char *oid = claim(call, "oid");
    struct rbac_principal principal = {
        .oid = oid,
        .token_groups = json_object_get(call->claims, "groups"),
        .directory_groups = directory_groups(&call->standin->world.seed.directory, oid),
    };
    struct rbac_verdict verdict = rbac_decide(&call->vault->policy, &principal, action, secret);
    if (verdict.is_allowed) {
        reply_header(call->reply, "x-ms-keyvault-rbac-assignment-id", "%s", verdict.grant->id);
        reply_header(call->reply, "x-ms-keyvault-rbac-cache",
                     "ra_age=1;da_age=1;rd_age=1;brd_age=1;");
        return true;
    }
    vault_reply_denied(call->reply, &(struct denial){
                                        .vault = call->vault,
                                        .action = action,
                                        .secret = secret,
                                        .app_id = claim(call, "appid"),
                                        .oid = oid,
                                        .issuer = claim(call, "iss"),
                                        .verdict = &verdict,
                                    });
    return false;
}

static void refuse_missing(const struct vault_call *call, const char *name, const char *version) {
    vault_reply_error(
        call->reply, 404, "SecretNotFound", NULL,
        "A secret with (name/id) %s%s%s was not found in this key vault. If you "
        "recently deleted this secret you may be able to recover it using the correct "
        "recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182",
        name, version ? "/" : "", version ? version : "");
}

static void answer_bundle(const struct vault_call *call, const struct vault_secret *secret,
                          const struct secret_version *version, bool has_value) {
    json_t *bundle = vault_bundle(call->base, secret, version, has_value, true);
    bool is_recent = strcmp(call->api_version, "2025-07-01") >= 0 && call->api_version[0] == '2';
    if (is_recent && version > secret->versions)
        json_object_set_new(bundle, "previousVersion", must(json_string((version - 1)->id)));
    reply_json(call->reply, 200, bundle);
}

static void get_secret(const struct vault_call *call, const char *name, const char *version_id) {
    if (!authorize(call, ACTION_GET_SECRET, name))
        return;
    const struct vault_secret *secret = vault_secret_find(call->vault, name);
    const struct secret_version *version = secret ? vault_secret_version(secret, version_id) : NULL;
    if (!version)
        refuse_missing(call, name, version_id);
    else if (!version->is_enabled)
        vault_reply_error(call->reply, 403, "Forbidden", "SecretDisabled",
                          "Operation get is not allowed on a disabled secret.");
    else
        answer_bundle(call, secret, version, true);
}

/* The caller owns it. NULL when refused. */
static json_t *read_body(const struct vault_call *call) {
    json_t *document =
        json_loadb(call->request->body.ptr, call->request->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(document))
        return document;
    json_decref(document);
    refuse_parameter(call, "The request body must be a JSON object");
    return NULL;
}

static void set_secret(const struct vault_call *call, const char *name) {
    if (!authorize(call, ACTION_SET_SECRET, name))
        return;
    json_t *document = read_body(call);
    if (!document)
        return;
    struct secret_version *version;
    struct error err = {0};
    if (vault_secret_set(call->vault, name, document, &version, &err) == STATUS_OK)
        answer_bundle(call, vault_secret_find(call->vault, name), version, true);
    else
        refuse_parameter(call, err.text);
    json_decref(document);
}

static void update_secret(const struct vault_call *call, const char *name, const char *version_id) {
    if (!authorize(call, ACTION_UPDATE_SECRET, name))
        return;
    const struct vault_secret *secret = vault_secret_find(call->vault, name);
    struct secret_version *version = secret ? vault_secret_version(secret, version_id) : NULL;
    if (!version) {
        refuse_missing(call, name, version_id);
        return;
    }
    json_t *document = read_body(call);
    if (!document)
        return;
    struct error err = {0};
    if (secret_version_update(version, document, &err) == STATUS_OK)
        answer_bundle(call, secret, version, false);
    else
        refuse_parameter(call, err.text);
    json_decref(document);
}

/* One page of a list: where it starts and how long it may be. */
struct page {
    char *after; /* the last key of the page before; NULL: from the start */
    int64_t size;
    json_t *items;
    const char *last_key;
    bool is_full;
};

static bool page_begin(const struct vault_call *call, struct page *page) {
    const char *asked = form_get(&call->request->query, "maxresults");
    const char *token = form_get(&call->request->query, "$skiptoken");
    uint64_t size = MAX_PAGE;
    *page = (struct page){0};
    if (asked && (!slice_parse_u64(slice_of_str(asked), MAX_PAGE, &size) || size == 0)) {
        refuse_parameter(call, "maxresults must be from 1 to 25");
        return false;
    }
    if (token) {
        size_t len;
        page->after = (char *)base64url_decode(slice_of_str(token), &len);
        if (!page->after) {
            refuse_parameter(call, "$skiptoken is not one of this vault's");
            return false;
        }
    }
    page->size = (int64_t)size;
    page->items = must(json_array());
    return true;
}

/* False when there is no room: another page follows. Takes the item. */
static bool page_add(struct page *page, const char *key, json_t *item) {
    if ((int64_t)json_array_size(page->items) == page->size) {
        json_decref(item);
        page->is_full = true;
        return false;
    }
    json_array_append_new(page->items, item);
    page->last_key = key;
    return true;
}

static void page_answer(const struct vault_call *call, struct page *page, const char *path) {
    json_t *next = json_null();
    if (page->is_full) {
        char *token = base64url_encode(page->last_key, strlen(page->last_key));
        char *link = must_printf("%s/%s?api-version=%s&$skiptoken=%s&maxresults=%lld", call->base,
                                 path, call->api_version, token, (long long)page->size);
        next = must(json_string(link));
        free(link);
        free(token);
    }
    reply_json(call->reply, 200, json_pack("{s:o, s:o}", "value", page->items, "nextLink", next));
    free(page->after);
}

static void list_secrets(const struct vault_call *call) {
    struct page page;
    if (!authorize(call, ACTION_READ_METADATA, NULL) || !page_begin(call, &page))
        return;
    for (size_t i = 0; i < call->vault->secret_count; i++) {
        const struct vault_secret *secret = &call->vault->secrets[i];
        if (page.after && strcasecmp(secret->name, page.after) <= 0)
            continue;
        const struct secret_version *newest = vault_secret_version(secret, NULL);
        if (!page_add(&page, secret->name, vault_bundle(call->base, secret, newest, false, false)))
            break;
    }
    page_answer(call, &page, "secrets");
}

static void list_versions(const struct vault_call *call, const char *name) {
    struct page page;
    if (!authorize(call, ACTION_READ_METADATA, name) || !page_begin(call, &page))
        return;
    const struct vault_secret *secret = vault_secret_find(call->vault, name);
    bool is_due = !page.after;
    for (size_t i = 0; secret && i < secret->version_count; i++) {
        const struct secret_version *version = &secret->versions[i];
        if (is_due &&
            !page_add(&page, version->id, vault_bundle(call->base, secret, version, false, true)))
            break;
        is_due = is_due || strcasecmp(version->id, page.after) == 0;
    }
    char *path = must_printf("secrets/%s/versions", name);
    page_answer(call, &page, path);
    free(path);
}

static void refuse_method(const struct vault_call *call) {
    vault_reply_error(call->reply, 405, "MethodNotAllowed", NULL,
                      "The stand-in does not know %s on this resource", call->request->method);
}

/* Everything below /secrets/NAME. */
static void serve_secret(const struct vault_call *call, const char *name, const char *rest) {
    const struct request *request = call->request;
    bool is_get = request_method_is(request, "GET");
    if (!secret_name_is_valid(name))
        refuse_parameter(call, "The name of a secret is 1-127 letters, digits and hyphens");
    else if (rest && strcasecmp(rest, "versions") == 0 && is_get)
        list_versions(call, name);
    else if (rest && (strlen(rest) != VERSION_SIZE - 1 ||
                      strspn(rest, "0123456789abcdefABCDEF") != VERSION_SIZE - 1))
        refuse_parameter(call, "The version of a secret is 32 hexadecimal digits");
    else if (is_get)
        get_secret(call, name, rest);
    else if (!rest && request_method_is(request, "PUT"))
        set_secret(call, name);
    else if (request_method_is(request, "PATCH"))
        update_secret(call, name, rest);
    else
        refuse_method(call);
}

static void serve(const struct vault_call *call) {
    static const char *const collection[] = {"secrets", NULL};
    static const char *const secret[] = {"secrets", "*", NULL};
    static const char *const version[] = {"secrets", "*", "*", NULL};
    const struct request *request = call->request;
    char *const *segments = request->segments + call->first;
    if (request_path_is(request, call->first, collection)) {
        if (request_method_is(request, "GET"))
            list_secrets(call);
        else
            refuse_method(call);
    } else if (request_path_is(request, call->first, secret)) {
        serve_secret(call, segments[1], NULL);
    } else if (request_path_is(request, call->first, version)) {
        serve_secret(call, segments[1], segments[2]);
    } else {
        vault_reply_error(call->reply, 404, "NotFound", NULL,
                          "The stand-in serves secrets only; this path is not one");
    }
}

void key_vault(struct standin *standin, const struct request *request, struct reply *reply) {
    struct vault_call call = {.standin = standin, .request = request, .reply = reply};
    vault_reply_headers(reply, request);
    find_vault(&call);
    if (!call.vault)
        vault_reply_error(reply, 404, "VaultNotFound", NULL,
                          "The stand-in's seed has no such vault; in Azure its name would not "
                          "resolve");
    else if (authenticate(&call) && check_api_version(&call))
        serve(&call);
    json_decref(call.claims);
    free(call.base);
}
