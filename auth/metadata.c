/* The document comes over TLS from the authority, and still it may not move trust elsewhere: the
 * issuer is the one the cloud prescribes, the keys come from the host that was asked. */
#include "auth/metadata.h"

#include <stdio.h>

#include "auth/strict_json.h"
#include "config/host.h"
#include "config/url.h"

bool metadata_url(const struct config_entra *entra, size_t tenant, int version,
                  char out_url[METADATA_URL_SIZE]) {
    int len = snprintf(out_url, METADATA_URL_SIZE, "%s/%s%s/.well-known/openid-configuration",
                       entra->authority, entra->tenants.items[tenant], version == 2 ? "/v2.0" : "");
    return len > 0 && len < METADATA_URL_SIZE;
}

static bool is_visible_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
            return false;
    return text.len > 0;
}

static enum status read_issuer(struct slice stated, const struct config_entra *entra, size_t tenant,
                               int version, char out_issuer[ISSUER_SIZE], struct error *err) {
    const char *tid = entra->tenants.items[tenant];
    char prescribed[ISSUER_SIZE];
    if (!is_visible_ascii(stated) || !issuer_fill(stated, tid, out_issuer))
        return error_set(err, STATUS_INVALID, "the metadata states no usable issuer");
    if (issuer_prescribed(entra, tenant, version, prescribed)) {
        if (strcmp(out_issuer, prescribed) != 0)
            return error_set(err, STATUS_INVALID, "the metadata states issuer %s, not %s",
                             out_issuer, prescribed);
    } else if (!entra->authority_is_override &&
               !issuer_names_tenant(slice_of_str(out_issuer), tid)) {
        return error_set(err, STATUS_INVALID, "the metadata's issuer %s does not name the tenant",
                         out_issuer);
    }
    return STATUS_OK;
}

static enum status read_jwks_uri(struct slice uri, const char *authority,
                                 char out_uri[METADATA_URL_SIZE], struct error *err) {
    struct url own, keys;
    struct slice without_query = slice_of(uri.ptr, slice_index(uri, '?'));
    if (uri.len >= METADATA_URL_SIZE || !is_visible_ascii(uri) || url_parse(without_query, &keys) ||
        slice_index(uri, '#') != uri.len)
        return error_set(err, STATUS_INVALID, "the metadata states no usable jwks_uri");
    if (!keys.is_https && !host_is_loopback(keys.host))
        return error_set(err, STATUS_INVALID, "the metadata's jwks_uri is not https");
    if (url_parse(slice_of_str(authority), &own) || !slice_eq_nocase(keys.host, own.host))
        return error_set(err, STATUS_INVALID, "the metadata's jwks_uri is on another host: %.*s",
                         SLICE_ARGS(keys.host));
    memcpy(out_uri, uri.ptr, uri.len);
    out_uri[uri.len] = '\0';
    return STATUS_OK;
}

enum status metadata_parse(struct slice json, const struct config_entra *entra, size_t tenant,
                           int version, struct metadata *out_metadata, struct error *err) {
    struct json_t *document = NULL;
    if (json.len > METADATA_MAX_DOCUMENT_BYTES ||
        strict_json_parse(json, STRICT_JSON_REFUSE_NUL, &document) != STATUS_OK)
        return error_set(err, STATUS_INVALID, "the metadata is not one strict JSON object");
    struct metadata metadata = {0};
    enum status status = read_issuer(strict_json_text(document, "issuer"), entra, tenant, version,
                                     metadata.issuer, err);
    if (status == STATUS_OK)
        status = read_jwks_uri(strict_json_text(document, "jwks_uri"), entra->authority,
                               metadata.jwks_uri, err);
    if (status == STATUS_OK)
        *out_metadata = metadata;
    strict_json_free(document);
    return status;
}
