/* Keys come in two spellings and leave in one: PKCS#8 in secret memory, for the library that signs
 * takes text. */
#include "auth/assertion_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define COORDINATE_BYTES 32
#define POINT_BYTES (1 + 2 * COORDINATE_BYTES)
#define CURVE "prime256v1"

/* RFC 4648 5 without padding, of exactly 32 bytes. */
static void encode_32_bytes(const unsigned char bytes[COORDINATE_BYTES],
                            char out_text[ASSERTION_KEY_TEXT_SIZE]) {
    unsigned char base64[ASSERTION_KEY_TEXT_SIZE + 1];
    (void)EVP_EncodeBlock(base64, bytes, COORDINATE_BYTES);
    for (size_t i = 0; i < ASSERTION_KEY_TEXT_SIZE - 1; i++) {
        char c = (char)base64[i];
        out_text[i] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
    }
    out_text[ASSERTION_KEY_TEXT_SIZE - 1] = '\0';
}

/* RFC 7638 3: the required members, in order, without spaces. */
static bool write_thumbprint(struct assertion_public_key *key) {
    struct buf members;
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t digest_len = 0;
    buf_init(&members, 256);
    buf_printf(&members, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", key->x,
               key->y);
    bool is_hashed =
        buf_ok(&members) &&
        EVP_Q_digest(NULL, "SHA256", NULL, members.ptr, members.len, digest, &digest_len) == 1 &&
        digest_len == COORDINATE_BYTES;
    buf_done(&members);
    if (is_hashed)
        encode_32_bytes(digest, key->kid);
    return is_hashed;
}

static bool is_p256(const EVP_PKEY *pair) {
    char curve[32] = "";
    size_t len = 0;
    return EVP_PKEY_is_a(pair, "EC") &&
           EVP_PKEY_get_utf8_string_param(pair, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve,
                                          &len) == 1 &&
           strcmp(curve, CURVE) == 0;
}

/* The private half must fit the public one, or nobody could verify what it signs. */
static bool is_whole(EVP_PKEY *pair) {
    EVP_PKEY_CTX *check = EVP_PKEY_CTX_new(pair, NULL);
    bool is_good = check && EVP_PKEY_pairwise_check(check) == 1;
    EVP_PKEY_CTX_free(check);
    return is_good;
}

static bool read_point(EVP_PKEY *pair, struct assertion_public_key *out_key) {
    unsigned char point[POINT_BYTES];
    size_t len = 0;
    /* Files may hold the compressed form; the parameter is asked for uncompressed. */
    if (EVP_PKEY_set_utf8_string_param(pair, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) != 1 ||
        EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len) !=
            1 ||
        len != sizeof point)
        return false;
    encode_32_bytes(point + 1, out_key->x);
    encode_32_bytes(point + 1 + COORDINATE_BYTES, out_key->y);
    return write_thumbprint(out_key);
}

static struct secret *write_pem(EVP_PKEY *pair) {
    struct secret *pem = NULL;
    char *bytes = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL) == 1) {
        long len = BIO_get_mem_data(bio, &bytes);
        pem = len > 0 ? secret_new(slice_of(bytes, (size_t)len)) : NULL;
    }
    BIO_free(bio);
    return pem;
}

static enum status take_pair(EVP_PKEY *pair, struct assertion_key *out_key, struct error *err) {
    struct assertion_key key = {0};
    if (!is_p256(pair))
        return error_set(err, STATUS_INVALID, "not a P-256 key (ES256 takes no other)");
    if (!is_whole(pair) || !read_point(pair, &key.public_key))
        return error_set(err, STATUS_INVALID, "not a whole key pair");
    key.pem = write_pem(pair);
    if (!key.pem)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    *out_key = key;
    return STATUS_OK;
}

enum status assertion_key_make(struct assertion_key *out_key, struct error *err) {
    EVP_PKEY *pair = EVP_EC_gen(CURVE);
    enum status status = pair ? take_pair(pair, out_key, err)
                              : error_set(err, STATUS_NO_MEMORY, "no key could be made");
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return status;
}

/* Without it OpenSSL would ask the terminal. */
static int no_password(char *text, int size, int is_for_writing, void *owner) {
    (void)text;
    (void)size;
    (void)is_for_writing;
    (void)owner;
    return -1;
}

enum status assertion_key_parse(struct slice pem, struct assertion_key *out_key,
                                struct error *err) {
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *pair = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    enum status status = pair ? take_pair(pair, out_key, err)
                              : error_set(err, STATUS_INVALID,
                                          "not a private key as unencrypted PEM (PKCS#8 or SEC1)");
    EVP_PKEY_free(pair);
    BIO_free(bio);
    ERR_clear_error();
    return status;
}

void assertion_key_done(struct assertion_key *key) {
    secret_unref(key->pem);
    *key = (struct assertion_key){0};
}

void assertion_public_key_write(struct json_out *out, const struct assertion_public_key *key) {
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "kty", "EC");
    json_out_cstr(out, "use", "sig");
    json_out_cstr(out, "alg", "ES256");
    json_out_cstr(out, "kid", key->kid);
    json_out_cstr(out, "crv", "P-256");
    json_out_cstr(out, "x", key->x);
    json_out_cstr(out, "y", key->y);
    json_out_object_end(out);
}
