/* From a JWKS document to keys ready for verification. What a key says about itself (use, alg,
 * key_ops) can only narrow what it is good for: RS256 signatures and nothing else. The certificate
 * in x5c is a container and never looked at (azure.md A.2). */
#include "auth/key_set.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/jws.h"
#include "auth/strict_json.h"

#define MIN_MODULUS_BITS 2048
#define MAX_MODULUS_BITS 8192
#define MAX_EXPONENT_BITS 32
#define MIN_EXPONENT 65537
#define MAX_KID_BYTES 127
#define MAX_ISSUER_BYTES 512

struct key_set {
    _Atomic uint32_t refs;
    size_t count;
    struct verification_key keys[]; /* sorted by kid; kid and issuer are heap copies */
};

static int compare_kids(const void *left, const void *right) {
    const struct verification_key *a = left, *b = right;
    if (a->kid.len != b->kid.len)
        return a->kid.len < b->kid.len ? -1 : 1;
    return memcmp(a->kid.ptr, b->kid.ptr, a->kid.len);
}

static void verification_key_done(struct verification_key *key) {
    EVP_PKEY_CTX_free(key->verifier);
    EVP_PKEY_free(key->key);
    free((char *)key->kid.ptr);
    free((char *)key->issuer.ptr);
}

/* A base64url member as a number, at most max_bits wide. The caller frees it. */
static BIGNUM *read_number(const json_t *jwk, const char *member, size_t max_bits) {
    struct slice text = strict_json_text(jwk, member);
    unsigned char bytes[MAX_MODULUS_BITS / 8 + 1]; /* some writers put one zero byte in front */
    size_t len = 0;
    if (slice_is_empty(text) || base64url_decoded_size(text.len) > max_bits / 8 + 1 ||
        base64url_decode(text, bytes, &len) != STATUS_OK)
        return NULL;
    return BN_bin2bn(bytes, (int)len, NULL);
}

static bool modulus_is_sound(const BIGNUM *n) {
    int bits = BN_num_bits(n);
    return bits >= MIN_MODULUS_BITS && bits <= MAX_MODULUS_BITS && BN_is_odd(n);
}

static bool exponent_is_sound(const BIGNUM *e) {
    return BN_num_bits(e) <= MAX_EXPONENT_BITS && BN_is_odd(e) && BN_get_word(e) >= MIN_EXPONENT;
}

static EVP_PKEY *make_public_key(const BIGNUM *n, const BIGNUM *e) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!builder || !maker || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        goto out;
    params = OSSL_PARAM_BLD_to_param(builder);
    if (!params || EVP_PKEY_fromdata_init(maker) != 1 ||
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
out:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(maker);
    return key;
}

static bool take_fingerprint(const BIGNUM *n, const BIGNUM *e, unsigned char out_digest[32]) {
    unsigned char bytes[MAX_MODULUS_BITS / 8 + MAX_EXPONENT_BITS / 8];
    size_t n_len = (size_t)BN_bn2bin(n, bytes);
    size_t e_len = (size_t)BN_bn2bin(e, bytes + n_len);
    return SHA256(bytes, n_len + e_len, out_digest) != NULL;
}

static bool text_is_absent_or(const json_t *jwk, const char *member, const char *only) {
    return !json_object_get(jwk, member) || slice_eq_str(strict_json_text(jwk, member), only);
}

static bool key_ops_allow_verify(const json_t *jwk) {
    const json_t *operations = json_object_get(jwk, "key_ops");
    if (!operations)
        return true;
    size_t index;
    const json_t *operation;
    json_array_foreach(operations, index, operation) {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
            return true;
    }
    return false;
}

static bool has_private_member(const json_t *jwk) {
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_object_get(jwk, members[i]))
            return true;
    return false;
}

static bool kid_is_usable(struct slice kid) {
    if (slice_is_empty(kid) || kid.len > MAX_KID_BYTES)
        return false;
    for (size_t i = 0; i < kid.len; i++)
        if (kid.ptr[i] < 0x20 || kid.ptr[i] > 0x7e)
            return false;
    return true;
}

static bool issuer_is_usable(const json_t *jwk) {
    if (!json_object_get(jwk, "issuer"))
        return true;
    struct slice issuer = strict_json_text(jwk, "issuer");
    return !slice_is_empty(issuer) && issuer.len <= MAX_ISSUER_BYTES;
}

static bool jwk_is_for_rs256(const json_t *jwk) {
    return json_is_object(jwk) && slice_eq_str(strict_json_text(jwk, "kty"), "RSA") &&
           text_is_absent_or(jwk, "use", "sig") && text_is_absent_or(jwk, "alg", "RS256") &&
           key_ops_allow_verify(jwk) && !has_private_member(jwk) &&
           kid_is_usable(strict_json_text(jwk, "kid")) && issuer_is_usable(jwk);
}

/* False when the key is left out. */
static bool read_key(const json_t *jwk, struct verification_key *out_key) {
    if (!jwk_is_for_rs256(jwk))
        return false;
    struct verification_key key = {0};
    struct slice issuer = strict_json_text(jwk, "issuer");
    BIGNUM *n = read_number(jwk, "n", MAX_MODULUS_BITS);
    BIGNUM *e = read_number(jwk, "e", MAX_EXPONENT_BITS);
    bool is_read = false;
    if (!n || !e || !modulus_is_sound(n) || !exponent_is_sound(e) ||
        !take_fingerprint(n, e, key.fingerprint))
        goto out;
    key.key = make_public_key(n, e);
    key.verifier = key.key ? jws_rs256_verifier_new(key.key) : NULL;
    struct slice kid = strict_json_text(jwk, "kid");
    key.kid = slice_of(slice_strdup(kid), kid.len);
    if (issuer.ptr)
        key.issuer = slice_of(slice_strdup(issuer), issuer.len);
    is_read = key.verifier && key.kid.ptr && (!issuer.ptr || key.issuer.ptr);
    if (is_read)
        *out_key = key;
    else
        verification_key_done(&key);
out:
    BN_free(n);
    BN_free(e);
    return is_read;
}

/* Keys must be sorted. Leaves out every key whose kid another key has too: which of them a token
 * means cannot be known. */
static void drop_duplicates(struct key_set *set) {
    size_t kept = 0;
    for (size_t i = 0; i < set->count;) {
        size_t end = i + 1;
        while (end < set->count && compare_kids(&set->keys[i], &set->keys[end]) == 0)
            end++;
        if (end - i == 1)
            set->keys[kept++] = set->keys[i];
        else
            for (size_t j = i; j < end; j++)
                verification_key_done(&set->keys[j]);
        i = end;
    }
    set->count = kept;
}

static struct key_set *read_keys(const json_t *array) {
    size_t total = json_array_size(array);
    struct key_set *set = calloc(1, sizeof *set + total * sizeof *set->keys);
    if (!set)
        return NULL;
    set->refs = 1;
    for (size_t i = 0; i < total; i++)
        if (read_key(json_array_get(array, i), &set->keys[set->count]))
            set->count++;
    if (set->count > 1)
        qsort(set->keys, set->count, sizeof *set->keys, compare_kids);
    drop_duplicates(set);
    return set;
}

struct key_set *key_set_parse(struct slice json, size_t *out_refused_keys, struct error *err) {
    if (json.len > KEY_SET_MAX_DOCUMENT_BYTES) {
        error_set(err, STATUS_LIMIT, "key document of %zu bytes is over the limit of %d", json.len,
                  KEY_SET_MAX_DOCUMENT_BYTES);
        return NULL;
    }
    json_t *document = NULL;
    if (strict_json_parse(json, STRICT_JSON_REFUSE_NUL, &document) != STATUS_OK) {
        error_set(err, STATUS_INVALID, "key document is not one strict JSON object");
        return NULL;
    }
    struct key_set *set = NULL;
    const json_t *array = json_object_get(document, "keys");
    if (!json_is_array(array)) {
        error_set(err, STATUS_INVALID, "key document has no array \"keys\"");
    } else if (json_array_size(array) > KEY_SET_MAX_KEYS) {
        error_set(err, STATUS_LIMIT, "key document has %zu keys, over the limit of %d",
                  json_array_size(array), KEY_SET_MAX_KEYS);
    } else {
        set = read_keys(array);
        if (!set)
            error_set(err, STATUS_NO_MEMORY, "no memory for the key set");
        else if (out_refused_keys)
            *out_refused_keys = json_array_size(array) - set->count;
    }
    json_decref(document);
    return set;
}

struct key_set *key_set_ref(struct key_set *set) {
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void key_set_unref(struct key_set *set) {
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        verification_key_done(&set->keys[i]);
    free(set);
}

size_t key_set_count(const struct key_set *set) {
    return set->count;
}

bool key_set_eq(const struct key_set *a, const struct key_set *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!slice_eq(a->keys[i].kid, b->keys[i].kid) ||
            !slice_eq(a->keys[i].issuer, b->keys[i].issuer) ||
            memcmp(a->keys[i].fingerprint, b->keys[i].fingerprint, sizeof a->keys[i].fingerprint) !=
                0)
            return false;
    return true;
}

const struct verification_key *key_set_find(const struct key_set *set, struct slice kid) {
    const struct verification_key wanted = {.kid = kid};
    return set->count ? bsearch(&wanted, set->keys, set->count, sizeof *set->keys, compare_kids)
                      : NULL;
}
