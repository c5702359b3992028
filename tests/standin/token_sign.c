/* A claims set becomes a JWT, by libjwt. libjwt orders members by name and writes `typ` and `alg`
 * itself; readers must not care. */
#include "token_sign.h"

#include <jwt.h>
#include <stdlib.h>

#include "must.h"

static bool add_headers(jwt_t *jwt, const struct signing_key *key, int version, json_t *headers) {
    const char *id = signing_key_id(key);
    json_t *all = must(json_pack("{s:s}", "kid", id));
    if (version == 1)
        json_object_set_new(all, "x5t", must(json_string(id)));
    json_object_update(all, headers);
    char *text = must(json_dumps(all, JSON_COMPACT));
    bool is_added = jwt_add_headers_json(jwt, text) == 0;
    free(text);
    json_decref(all);
    return is_added;
}

static bool set_algorithm(jwt_t *jwt, const struct signing_key *key,
                          enum token_algorithm algorithm) {
    if (algorithm == TOKEN_NONE)
        return jwt_set_alg(jwt, JWT_ALG_NONE, NULL, 0) == 0;
    if (algorithm == TOKEN_RS256) {
        const char *pem = signing_key_private_pem(key);
        return jwt_set_alg(jwt, JWT_ALG_RS256, (const unsigned char *)pem, (int)strlen(pem)) == 0;
    }
    char *pem = signing_key_public_pem(key);
    bool is_set =
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)pem, (int)strlen(pem)) == 0;
    free(pem);
    return is_set;
}

char *token_sign(const struct signing_key *key, enum token_algorithm algorithm, int version,
                 json_t *claims, json_t *headers) {
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0)
        return NULL;
    char *payload = must(json_dumps(claims, JSON_COMPACT));
    char *token = NULL;
    if (jwt_add_grants_json(jwt, payload) == 0 && add_headers(jwt, key, version, headers) &&
        set_algorithm(jwt, key, algorithm))
        token = jwt_encode_str(jwt);
    free(payload);
    jwt_free(jwt);
    return token;
}
