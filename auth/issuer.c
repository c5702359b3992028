/* Issuers are compared byte by byte; these are the strings to compare with. */
#include "auth/issuer.h"

#include <stdio.h>

bool issuer_prescribed(const struct config_entra *entra, size_t tenant, int version,
                       char out_issuer[ISSUER_SIZE]) {
    if (entra->authority_is_override)
        return false;
    const char *tid = entra->tenants.items[tenant];
    int len = -1;
    if (version == 2)
        len = snprintf(out_issuer, ISSUER_SIZE, "%s/%s/v2.0", entra->authority, tid);
    else if (entra->cloud == CLOUD_PUBLIC)
        len = snprintf(out_issuer, ISSUER_SIZE, "https://sts.windows.net/%s/", tid);
    return len > 0 && len < ISSUER_SIZE;
}

bool issuer_fill(struct slice text, const char *tenant, char out_issuer[ISSUER_SIZE]) {
    static const char placeholder[] = "{tenantid}";
    struct slice tid = slice_of_str(tenant);
    size_t len = 0;
    while (text.len > 0) {
        bool is_placeholder = slice_starts_with(text, SLICE(placeholder));
        struct slice piece = is_placeholder ? tid : slice_of(text.ptr, 1);
        if (len + piece.len >= ISSUER_SIZE)
            return false;
        memcpy(out_issuer + len, piece.ptr, piece.len);
        len += piece.len;
        text = slice_skip(text, is_placeholder ? sizeof placeholder - 1 : 1);
    }
    out_issuer[len] = '\0';
    return true;
}

bool issuer_names_tenant(struct slice issuer, const char *tenant) {
    if (!slice_starts_with(issuer, SLICE("https://")))
        return false;
    struct slice rest = slice_skip(issuer, sizeof "https://" - 1);
    struct slice path = slice_skip(rest, slice_index(rest, '/') + 1);
    return slice_eq_str(slice_of(path.ptr, slice_index(path, '/')), tenant);
}
