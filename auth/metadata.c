/* The document comes over TLS from the authority, and still it may not move trust elsewhere: the
 * issuer is the one the cloud prescribes, the keys come from the host that was asked. */
#include "auth/metadata.h"

#include <stdio.h>

#include "auth/strict_json.h"
#include "config/host.h"
#include "config/url.h"

static const struct config_issuer *static_issuer(const struct config_entra *entra, size_t slot) {
    size_t issuer = key_slot_at(entra, slot).issuer;
    return issuer == CONFIG_NONE ? NULL : &entra->issuers[issuer];
}

bool metadata_url(const struct config_entra *entra, size_t slot, char out_url[METADATA_URL_SIZE]) {
    const struct config_issuer *issuer = static_issuer(entra, slot);
    int len;
    if (issuer)
        len = snprintf(out_url, METADATA_URL_SIZE, "%s", issuer->metadata);
    else
        len = snprintf(out_url, METADATA_URL_SIZE, "%s/%s%s/.well-known/openid-configuration%s%s",
                       entra->authority, key_slot_tenant(entra, slot),
                       key_slot_at(entra, slot).version == 2 ? "/v2.0" : "",
                       entra->metadata_appid ? "?appid=" : "",
                       entra->metadata_appid ? entra->metadata_appid : "");
    return len > 0 && len < METADATA_URL_SIZE;
}

static bool is_visible_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
            return false;
    return text.len > 0;
}

/* What the cloud does not prescribe must name the tenant, unless the authority is the operator's.
 */
static enum status check_tenant_issuer(const char *issuer, const struct config_entra *entra,
                                       size_t slot, struct error *err) {
    struct key_slot at = key_slot_at(entra, slot);
    char prescribed[ISSUER_SIZE];
    if (issuer_prescribed(entra, at.tenant, at.version, prescribed)) {
        if (strcmp(issuer, prescribed) != 0)
            return error_set(err, STATUS_INVALID, "the metadata states issuer %s, not %s", issuer,
                             prescribed);
    } else if (!entra->authority_is_override &&
               !issuer_names_tenant(slice_of_str(issuer), entra->tenants.items[at.tenant])) {
        return error_set(err, STATUS_INVALID, "the metadata's issuer %s does not name the tenant",
                         issuer);
    }
    return STATUS_OK;
}

enum status metadata_check_issuer(struct slice stated, const struct config_entra *entra,
                                  size_t slot, char out_issuer[ISSUER_SIZE], struct error *err) {
    const struct config_issuer *issuer = static_issuer(entra, slot);
    if (!is_visible_ascii(stated) || !issuer_fill(stated, key_slot_tenant(entra, slot), out_issuer))
        return error_set(err, STATUS_INVALID, "the metadata states no usable issuer");
    if (!issuer)
        return check_tenant_issuer(out_issuer, entra, slot, err);
    if (strcmp(out_issuer, issuer->issuer) != 0)
        return error_set(err, STATUS_INVALID,
                         "the metadata states issuer %s, the configuration %s: compare them byte "
                         "by byte",
                         out_issuer, issuer->issuer);
    return STATUS_OK;
}

/* The host that was asked; for a static issuer also the one that the operator names in its issuer:
 * External ID describes a tenant under its name and keeps the keys under its GUID. */
static bool is_expected_host(const struct config_entra *entra, size_t slot, struct slice host) {
    const struct config_issuer *issuer = static_issuer(entra, slot);
    const char *const asked[] = {issuer ? issuer->metadata : entra->authority,
                                 issuer ? issuer->issuer : entra->authority};
    for (size_t i = 0; i < 2; i++) {
        struct url url;
        if (!url_parse(slice_of_str(asked[i]), &url) && slice_eq_nocase(host, url.host))
            return true;
    }
    return false;
}

static enum status read_jwks_uri(struct slice uri, const struct config_entra *entra, size_t slot,
                                 char out_uri[METADATA_URL_SIZE], struct error *err) {
    struct url keys;
    struct slice without_query = slice_of(uri.ptr, slice_index(uri, '?'));
    if (uri.len >= METADATA_URL_SIZE || !is_visible_ascii(uri) || url_parse(without_query, &keys) ||
        slice_index(uri, '#') != uri.len)
        return error_set(err, STATUS_INVALID, "the metadata states no usable jwks_uri");
    if (!keys.is_https && !host_is_loopback(keys.host))
        return error_set(err, STATUS_INVALID, "the metadata's jwks_uri is not https");
    if (!is_expected_host(entra, slot, keys.host))
        return error_set(err, STATUS_INVALID, "the metadata's jwks_uri is on another host: %.*s",
                         SLICE_ARGS(keys.host));
    memcpy(out_uri, uri.ptr, uri.len);
    out_uri[uri.len] = '\0';
    return STATUS_OK;
}

/* Only compared with what keys state; what does not fit is as good as none. */
static void read_cloud_instance(struct slice stated, char out_name[128]) {
    size_t len = is_visible_ascii(stated) && stated.len < 128 ? stated.len : 0;
    if (len)
        memcpy(out_name, stated.ptr, len);
    out_name[len] = '\0';
}

enum status metadata_parse(struct slice json, const struct config_entra *entra, size_t slot,
                           struct metadata *out_metadata, struct error *err) {
    struct json_t *document = NULL;
    if (json.len > METADATA_MAX_DOCUMENT_BYTES ||
        strict_json_parse(json, STRICT_JSON_REFUSE_NUL, &document) != STATUS_OK)
        return error_set(err, STATUS_INVALID, "the metadata is not one strict JSON object");
    struct metadata metadata = {0};
    enum status status = metadata_check_issuer(strict_json_text(document, "issuer"), entra, slot,
                                               metadata.issuer, err);
    if (status == STATUS_OK)
        status = read_jwks_uri(strict_json_text(document, "jwks_uri"), entra, slot,
                               metadata.jwks_uri, err);
    read_cloud_instance(strict_json_text(document, "cloud_instance_name"), metadata.cloud_instance);
    if (status == STATUS_OK)
        *out_metadata = metadata;
    strict_json_free(document);
    return status;
}
