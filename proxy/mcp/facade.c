/* A static client id behind open registration is the protocol's confused deputy: whoever can choose
 * where a code goes gets the tokens of whoever signs in. So nothing is redirected before client id
 * and redirect URI are known to be ours, and no code without a challenge is asked for. */
#include "proxy/mcp/facade.h"

#include <stdlib.h>

#include "core/json_out.h"
#include "core/json_text.h"
#include "proxy/mcp/oauth_form.h"
#include "proxy/mcp/redirect_uri.h"
#include "proxy/mcp/resource.h"
#include "proxy/mcp/scopes.h"

enum { REDIRECT_URIS_MAX = 16, URL_BYTES_MAX = 1024, PKCE_MIN = 43, PKCE_MAX = 128 };

static const struct json_text_limits registration_limits = {.depth = 16, .values = 512};

static bool refuse(struct facade_error *out_error, const char *code, const char *description) {
    *out_error = (struct facade_error){code, description};
    return false;
}

bool facade_is_on(const struct config *config, size_t route) {
    const struct config_mcp *mcp = config->routes[route].mcp;
    return mcp && mcp->facade && config->entra.tenants.count > 0;
}

static const struct config_mcp_facade *facade_of(const struct config *config, size_t route) {
    return config->routes[route].mcp->facade;
}

/* Several tenants cannot sign in through one endpoint: it is the first one's. */
static void write_endpoint(struct buf *out, const struct config *config, const char *path) {
    buf_append_str(out, config->entra.authority);
    buf_append_char(out, '/');
    buf_append_str(out, config->entra.tenants.items[0]);
    buf_append_str(out, path);
}

static void write_url(struct json_out *json, const char *key, struct slice origin,
                      const char *path) {
    struct buf url;
    buf_init(&url, URL_BYTES_MAX);
    buf_append_slice(&url, origin);
    buf_append_str(&url, path);
    json_out_str(json, key, buf_slice(&url));
    buf_done(&url);
}

static void write_list(struct json_out *json, const char *key, const char *const *items) {
    json_out_array_begin(json, key);
    for (; *items; items++) {
        json_out_cstr(json, NULL, *items);
    }
    json_out_array_end(json);
}

static const char *const code_alone[] = {"code", NULL};
static const char *const grant_types[] = {"authorization_code", "refresh_token", NULL};
static const char *const no_secret[] = {"none", NULL};
static const char *const s256_alone[] = {"S256", NULL};
static const char *const query_alone[] = {"query", NULL};
static const char *const pairwise_alone[] = {"pairwise", NULL};
static const char *const rs256_alone[] = {"RS256", NULL};

/* Clients that look for OpenID's metadata want its fields too: those are Entra ID's own. */
static void write_openid_fields(struct json_out *json, const struct config *config) {
    struct buf keys;
    buf_init(&keys, URL_BYTES_MAX);
    write_endpoint(&keys, config, "/discovery/v2.0/keys");
    json_out_str(json, "jwks_uri", buf_slice(&keys));
    buf_done(&keys);
    write_list(json, "subject_types_supported", pairwise_alone);
    write_list(json, "id_token_signing_alg_values_supported", rs256_alone);
}

void facade_write_metadata(struct buf *out, const struct config *config, size_t route) {
    struct mcp_resource resource;
    struct json_out json;
    if (!mcp_resource_read(config->routes[route].mcp, &resource)) {
        out->failed = true;
        return;
    }
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    json_out_str(&json, "issuer", resource.origin);
    write_url(&json, "authorization_endpoint", resource.origin, "/authorize");
    write_url(&json, "token_endpoint", resource.origin, "/token");
    write_url(&json, "registration_endpoint", resource.origin, "/register");
    mcp_write_supported_scopes(&json, config, route, true);
    write_list(&json, "response_types_supported", code_alone);
    write_list(&json, "response_modes_supported", query_alone);
    write_list(&json, "grant_types_supported", grant_types);
    write_list(&json, "token_endpoint_auth_methods_supported", no_secret);
    write_list(&json, "code_challenge_methods_supported", s256_alone);
    write_openid_fields(&json, config);
    json_out_object_end(&json);
    buf_append_char(out, '\n');
}

/* RFC 7636 4.1, 4.2. */
static bool is_pkce(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_digit = byte >= '0' && byte <= '9';
        if (!is_letter && !is_digit && byte != '-' && byte != '.' && byte != '_' && byte != '~') {
            return false;
        }
    }
    return text.len >= PKCE_MIN && text.len <= PKCE_MAX;
}

static bool is_our_client(const struct config_mcp_facade *facade, const struct oauth_form *form) {
    return slice_eq_nocase(oauth_form_value(form, "client_id"), slice_of_str(facade->client_id));
}

static bool judge_authorize(const struct config_mcp_facade *facade, const struct oauth_form *form,
                            struct facade_error *out_error) {
    if (!is_our_client(facade, form)) {
        return refuse(out_error, "invalid_client", "client_id is not the one registered here");
    }
    if (!redirect_uri_is_allowed(facade, oauth_form_value(form, "redirect_uri"))) {
        return refuse(out_error, "invalid_request", "redirect_uri is not allowed here");
    }
    if (!slice_eq_str(oauth_form_value(form, "response_type"), "code")) {
        return refuse(out_error, "unsupported_response_type", "response_type has to be code");
    }
    if (!slice_eq_str(oauth_form_value(form, "code_challenge_method"), "S256") ||
        !is_pkce(oauth_form_value(form, "code_challenge"))) {
        return refuse(out_error, "invalid_request",
                      "a code_challenge with code_challenge_method S256 is required");
    }
    if (oauth_form_has(form, "response_mode") &&
        !slice_eq_str(oauth_form_value(form, "response_mode"), "query")) {
        return refuse(out_error, "invalid_request", "response_mode has to be query");
    }
    /* RFC 9101: they would put other parameters in the place of those that were judged. */
    if (oauth_form_has(form, "request") || oauth_form_has(form, "request_uri")) {
        return refuse(out_error, "invalid_request", "request objects are not taken");
    }
    return true;
}

bool facade_authorize(const struct config *config, size_t route, struct slice query,
                      struct buf *out_location, struct facade_error *out_error) {
    struct oauth_form form;
    bool is_taken = false;
    const char *wrong = oauth_form_read(&form, query);
    if (wrong) {
        refuse(out_error, "invalid_request", wrong);
    } else if (judge_authorize(facade_of(config, route), &form, out_error)) {
        write_endpoint(out_location, config, "/oauth2/v2.0/authorize?");
        oauth_form_write(&form, "resource", out_location);
        buf_append_char(out_location, '\0');
        is_taken = buf_ok(out_location) ||
                   refuse(out_error, "invalid_request", "the parameters are too long");
    }
    oauth_form_done(&form);
    return is_taken;
}

static bool judge_token(const struct config_mcp_facade *facade, const struct oauth_form *form,
                        struct facade_error *out_error) {
    struct slice grant = oauth_form_value(form, "grant_type");
    bool is_code = slice_eq_str(grant, "authorization_code");
    if (!is_code && !slice_eq_str(grant, "refresh_token")) {
        return refuse(out_error, "unsupported_grant_type",
                      "grant_type has to be authorization_code or refresh_token");
    }
    if (!is_our_client(facade, form)) {
        return refuse(out_error, "invalid_client", "client_id is not the one registered here");
    }
    if (oauth_form_has(form, "client_secret") || oauth_form_has(form, "client_assertion")) {
        return refuse(out_error, "invalid_client", "only public clients sign in here");
    }
    if (is_code && !redirect_uri_is_allowed(facade, oauth_form_value(form, "redirect_uri"))) {
        return refuse(out_error, "invalid_grant", "redirect_uri is not allowed here");
    }
    if (is_code && !is_pkce(oauth_form_value(form, "code_verifier"))) {
        return refuse(out_error, "invalid_grant", "a code_verifier is required");
    }
    return true;
}

bool facade_token_form(const struct config *config, size_t route, struct slice body,
                       struct buf *out_form, struct facade_error *out_error) {
    struct oauth_form form;
    bool is_taken = false;
    const char *wrong = oauth_form_read(&form, body);
    if (wrong) {
        refuse(out_error, "invalid_request", wrong);
    } else if (judge_token(facade_of(config, route), &form, out_error)) {
        oauth_form_write(&form, "resource", out_form);
        is_taken = buf_ok(out_form) || refuse(out_error, "invalid_request", "the form is too long");
    }
    oauth_form_done(&form);
    return is_taken;
}

void facade_write_token_url(struct buf *out, const struct config *config) {
    write_endpoint(out, config, "/oauth2/v2.0/token");
    buf_append_char(out, '\0');
}

/* Unescaped into `out` at its end; false when it is no string or not allowed. */
static bool take_redirect_uri(const struct config_mcp_facade *facade, const struct json_text *json,
                              uint32_t value, struct json_out *out) {
    struct slice raw = json_text_bytes(json, value);
    if (json_text_kind(json, value) != JSON_TEXT_STRING) {
        return false;
    }
    char *bytes = malloc(raw.len + 1);
    if (!bytes) {
        return false;
    }
    struct slice uri = json_text_unescape(json, value, bytes);
    bool is_allowed = redirect_uri_is_allowed(facade, uri);
    if (is_allowed) {
        json_out_str(out, NULL, uri);
    }
    free(bytes);
    return is_allowed;
}

static bool write_redirect_uris(const struct config_mcp_facade *facade,
                                const struct json_text *json, struct json_out *out) {
    uint32_t uris = json_text_member(json, 0, SLICE("redirect_uris"));
    if (uris == JSON_TEXT_NONE || json_text_kind(json, uris) != JSON_TEXT_ARRAY ||
        json->values[uris].count == 0 || json->values[uris].count > REDIRECT_URIS_MAX) {
        return false;
    }
    json_out_array_begin(out, "redirect_uris");
    for (uint32_t uri = json_text_first(json, uris); uri != JSON_TEXT_NONE;
         uri = json_text_after(json, uris, uri)) {
        if (!take_redirect_uri(facade, json, uri, out)) {
            return false;
        }
    }
    json_out_array_end(out);
    return true;
}

static bool write_registration(const struct config_mcp_facade *facade, const struct json_text *json,
                               struct buf *out) {
    struct json_out client;
    json_out_init(&client, out);
    json_out_object_begin(&client, NULL);
    json_out_cstr(&client, "client_id", facade->client_id);
    if (!write_redirect_uris(facade, json, &client)) {
        return false;
    }
    write_list(&client, "grant_types", grant_types);
    write_list(&client, "response_types", code_alone);
    json_out_cstr(&client, "token_endpoint_auth_method", "none");
    json_out_object_end(&client);
    buf_append_char(out, '\n');
    return true;
}

bool facade_register(const struct config *config, size_t route, struct slice body, struct buf *out,
                     struct facade_error *out_error) {
    struct json_text json;
    bool is_taken = false;
    json_text_init(&json);
    if (json_text_read(&json, body, &registration_limits) != STATUS_OK ||
        json_text_kind(&json, 0) != JSON_TEXT_OBJECT) {
        refuse(out_error, "invalid_client_metadata", "the body is no JSON object");
    } else {
        is_taken = write_registration(facade_of(config, route), &json, out);
        if (!is_taken) {
            buf_clear(out);
            refuse(out_error, "invalid_redirect_uri",
                   "redirect_uris have to be given, and all of them to be allowed here");
        }
    }
    json_text_done(&json);
    return is_taken;
}

void facade_write_error(struct buf *out, const struct facade_error *error) {
    struct json_out json;
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    json_out_cstr(&json, "error", error->code);
    json_out_cstr(&json, "error_description", error->description);
    json_out_object_end(&json);
    buf_append_char(out, '\n');
}
