/* The one file that knows libjwt, which is good enough for writing: it never reads a token here.
 * It takes the key as text for each signature and holds it in ordinary memory meanwhile (1.10 has
 * no hook for that); it overwrites it when the token is done. */
#include "auth/assertion.h"

#include <jwt.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>

#define JTI_BYTES 16
#define JWKS_MAX_BYTES 4096

struct assertion_signer {
    atomic_uint refs;
    struct secret *pem; /* NULL: nothing to sign with */
    char kid[ASSERTION_KEY_TEXT_SIZE];
    char *issuer;
    struct buf jwks;
};

static void write_jwks(struct assertion_signer *signer, const struct assertion_key *key,
                       const struct assertion_public_key *earlier, size_t earlier_count) {
    struct json_out out;
    buf_init(&signer->jwks, JWKS_MAX_BYTES);
    json_out_init(&out, &signer->jwks);
    json_out_object_begin(&out, NULL);
    json_out_array_begin(&out, "keys");
    if (key)
        assertion_public_key_write(&out, &key->public_key);
    for (size_t i = 0; i < earlier_count; i++)
        assertion_public_key_write(&out, &earlier[i]);
    json_out_array_end(&out);
    json_out_object_end(&out);
    buf_append_char(&signer->jwks, '\n');
}

struct assertion_signer *assertion_signer_new(const struct assertion_key *key, const char *issuer,
                                              const struct assertion_public_key *earlier,
                                              size_t earlier_count) {
    struct assertion_signer *signer = calloc(1, sizeof *signer);
    if (!signer)
        return NULL;
    atomic_init(&signer->refs, 1);
    if (key) {
        signer->pem = secret_ref(key->pem);
        memcpy(signer->kid, key->public_key.kid, sizeof signer->kid);
    }
    signer->issuer = slice_strdup(slice_of_str(issuer));
    write_jwks(signer, key, earlier, earlier_count);
    if (!signer->issuer || !buf_ok(&signer->jwks)) {
        assertion_signer_unref(signer);
        return NULL;
    }
    return signer;
}

struct assertion_signer *assertion_signer_ref(struct assertion_signer *signer) {
    atomic_fetch_add_explicit(&signer->refs, 1, memory_order_relaxed);
    return signer;
}

void assertion_signer_unref(struct assertion_signer *signer) {
    if (!signer || atomic_fetch_sub_explicit(&signer->refs, 1, memory_order_acq_rel) != 1)
        return;
    secret_unref(signer->pem);
    free(signer->issuer);
    buf_done(&signer->jwks);
    free(signer);
}

const char *assertion_signer_kid(const struct assertion_signer *signer) {
    return signer->kid;
}

struct slice assertion_signer_jwks(const struct assertion_signer *signer) {
    return buf_slice(&signer->jwks);
}

static void write_group(void *owner, struct slice group) {
    json_out_str(owner, NULL, group);
}

/* Scopes that do not fit into one text fail the whole document. */
static void write_scopes(struct json_out *out, const struct caller_view *view) {
    struct buf words;
    caller_view_join_scopes(view, &words);
    if (view->identity->scope_count > 0)
        json_out_str(out, "scp", buf_slice(&words));
    buf_fail(out->buf, buf_status(&words));
    buf_done(&words);
}

static void write_caller(struct json_out *out, const struct caller_view *view) {
    const struct identity *identity = view->identity;
    json_out_str(out, "sub", caller_view_subject(view));
    json_out_str(out, "oid", identity->oid);
    json_out_str(out, "tid", identity->tenant);
    json_out_str(out, "azp", identity->app);
    json_out_cstr(out, "idtyp", identity->type == PRINCIPAL_APP ? "app" : "user");
    json_out_array_begin(out, "roles");
    for (size_t i = 0; i < identity->role_count; i++)
        json_out_str(out, NULL, identity->roles[i]);
    json_out_array_end(out);
    write_scopes(out, view);
    if (identity->groups_unknown) {
        json_out_bool(out, "hasgroups", true);
        return;
    }
    json_out_array_begin(out, "groups");
    caller_view_each_group(view, write_group, out);
    json_out_array_end(out);
}

static bool make_id(char out_id[2 * JTI_BYTES + 1]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[JTI_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (size_t i = 0; i < JTI_BYTES; i++) {
        out_id[2 * i] = digits[bytes[i] >> 4];
        out_id[2 * i + 1] = digits[bytes[i] & 15];
    }
    out_id[2 * JTI_BYTES] = '\0';
    return true;
}

static void write_claims(struct buf *json, const struct assertion_signer *signer,
                         const struct caller_view *view, int64_t now_sec, int64_t expires_sec) {
    char id[2 * JTI_BYTES + 1];
    struct json_out out;
    json_out_init(&out, json);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "iss", signer->issuer);
    json_out_cstr(&out, "aud", view->audience);
    write_caller(&out, view);
    json_out_i64(&out, "iat", now_sec);
    json_out_i64(&out, "nbf", now_sec);
    json_out_i64(&out, "exp", expires_sec);
    buf_fail(json, make_id(id) ? STATUS_OK : STATUS_NO_MEMORY);
    if (buf_ok(json))
        json_out_cstr(&out, "jti", id);
    json_out_object_end(&out);
    buf_append_char(json, '\0');
}

/* On the heap; NULL when libjwt cannot. It writes typ and alg by itself. */
static char *sign(const struct assertion_signer *signer, const char *claims) {
    struct slice pem = secret_bytes(signer->pem);
    jwt_t *jwt = NULL;
    char *token = NULL;
    if (jwt_new(&jwt) != 0)
        return NULL;
    if (jwt_add_grants_json(jwt, claims) == 0 && jwt_add_header(jwt, "kid", signer->kid) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)pem.ptr, (int)pem.len) == 0)
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    ERR_clear_error();
    return token;
}

static enum status append_signed(struct buf *out, const struct assertion_signer *signer,
                                 const char *claims) {
    char *token = sign(signer, claims);
    if (!token)
        return STATUS_NO_MEMORY;
    struct slice text = slice_of_str(token);
    enum status status = text.len > CALLER_VIEW_MAX_HEADER_BYTES ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK)
        buf_append_slice(out, text);
    if (!buf_ok(out))
        status = STATUS_NO_MEMORY;
    secret_wipe(token, text.len);
    free(token);
    return status;
}

enum status assertion_append(struct buf *out, const struct assertion_signer *signer,
                             const struct caller_view *view, int64_t now_sec,
                             int64_t *out_expires_sec) {
    if (!signer->pem)
        return STATUS_NOT_FOUND;
    if (!caller_view_is_tellable(view))
        return STATUS_LIMIT;
    int64_t expires_sec = now_sec + ASSERTION_LIFETIME_SEC;
    if (expires_sec > view->identity->expires_sec)
        expires_sec = view->identity->expires_sec;
    struct buf claims;
    buf_init(&claims, CALLER_VIEW_MAX_HEADER_BYTES);
    write_claims(&claims, signer, view, now_sec, expires_sec);
    enum status status = buf_status(&claims);
    if (status == STATUS_OK)
        status = append_signed(out, signer, claims.ptr);
    buf_done(&claims);
    if (status == STATUS_OK)
        *out_expires_sec = expires_sec;
    return status;
}
