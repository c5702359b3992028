/* The one thing that a 401's challenge may tell: that the next token needs certain claims (azure.md
 * D.3). Where tokens come from and go to is configured; a challenge has no say in it. */
#include "vault/key_vault.h"

/* What `name` is set to in a challenge; false without it, or when it is there twice. Quoted strings
 * with escapes do not occur where this is used and are not understood. */
static bool find_parameter(struct slice parameters, const char *name, struct slice *out_value) {
    size_t found = 0;
    while (parameters.len > 0) {
        const size_t equals = slice_index(parameters, '=');
        const struct slice key = slice_trim(slice_of(parameters.ptr, equals));
        struct slice rest = slice_skip(parameters, equals + 1);
        const bool is_quoted = slice_starts_with(rest, SLICE("\""));
        if (is_quoted)
            rest = slice_skip(rest, 1);
        const size_t len = slice_index(rest, is_quoted ? '"' : ',');
        if (slice_eq_nocase(key, slice_of_str(name))) {
            *out_value = slice_of(rest.ptr, len);
            found++;
        }
        rest = slice_skip(rest, len);
        parameters = slice_skip(rest, slice_index(rest, ',') + 1);
    }
    return found == 1;
}

bool key_vault_demands_claims(struct slice www_authenticate, struct slice *out_claims) {
    const struct slice scheme = SLICE("Bearer ");
    struct slice error, claims;
    if (www_authenticate.len <= scheme.len ||
        !slice_eq_nocase(slice_of(www_authenticate.ptr, scheme.len), scheme))
        return false;
    const struct slice parameters = slice_skip(www_authenticate, scheme.len);
    if (!find_parameter(parameters, "error", &error) ||
        !slice_eq_str(error, "insufficient_claims") ||
        !find_parameter(parameters, "claims", &claims))
        return false;
    *out_claims = claims;
    return true;
}
