/* Signed with OpenSSL alone: the key passes through no other library, and what was read of it is
 * gone when the token is there. */
#include "vault/client_assertion.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "core/json_out.h"

#define LIFETIME_SEC 600
#define MIN_KEY_BITS 2048
#define MAX_KEY_BITS 8192
#define MAX_CERTIFICATES 16
#define MAX_PART_BYTES 4096
#define MAX_JWT_BYTES (12 * 1024)
#define GUID_SIZE 37

struct signer {
    EVP_PKEY *key;
    X509 *certificate;
};

static void signer_done(struct signer *signer) {
    EVP_PKEY_free(signer->key);
    X509_free(signer->certificate);
    ERR_clear_error();
}

/* Without it OpenSSL would ask on the terminal. */
static int no_passphrase(char *passphrase, int size, int is_writing, void *owner) {
    (void)passphrase, (void)size, (void)is_writing, (void)owner;
    return -1;
}

static EVP_PKEY *read_key(struct slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

/* The first that belongs to `key`. */
static X509 *read_certificate(struct slice pem, const EVP_PKEY *key) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *found = NULL;
    for (int i = 0; bio && !found && i < MAX_CERTIFICATES; i++) {
        found = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (!found)
            break;
        if (X509_check_private_key(found, key) != 1) {
            X509_free(found);
            found = NULL;
        }
    }
    BIO_free(bio);
    return found;
}

static enum status read_signer(struct slice pem, struct signer *out_signer, struct error *err) {
    if (pem.len > INT_MAX)
        return error_set(err, STATUS_LIMIT, "the PEM document is too large");
    out_signer->key = read_key(pem);
    if (!out_signer->key)
        return error_set(err, STATUS_INVALID, "holds no unencrypted private key in PEM");
    if (!EVP_PKEY_is_a(out_signer->key, "RSA"))
        return error_set(err, STATUS_INVALID, "the private key is not an RSA key");
    const int bits = EVP_PKEY_get_bits(out_signer->key);
    if (bits < MIN_KEY_BITS || bits > MAX_KEY_BITS)
        return error_set(err, STATUS_INVALID, "the RSA key has %d bits, not %d to %d", bits,
                         MIN_KEY_BITS, MAX_KEY_BITS);
    out_signer->certificate = read_certificate(pem, out_signer->key);
    if (!out_signer->certificate)
        return error_set(err, STATUS_INVALID, "holds no certificate of its private key");
    return STATUS_OK;
}

/* RFC 4648 5 without padding. */
static void append_base64url(struct buf *out, const unsigned char *bytes, size_t len) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i += 3) {
        const size_t have = len - i < 3 ? len - i : 3;
        const uint32_t group = (uint32_t)bytes[i] << 16 |
                               (uint32_t)(have > 1 ? bytes[i + 1] : 0) << 8 |
                               (uint32_t)(have > 2 ? bytes[i + 2] : 0);
        for (size_t digit = 0; digit <= have; digit++)
            buf_append_char(out, alphabet[group >> (18 - 6 * digit) & 63]);
    }
}

static bool write_header(struct buf *json, X509 *certificate) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf text;
    struct json_out out;
    if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
        return false;
    buf_init(&text, MAX_PART_BYTES);
    append_base64url(&text, digest, len);
    json_out_init(&out, json);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "alg", "PS256");
    json_out_cstr(&out, "typ", "JWT");
    json_out_str(&out, "x5t#S256", buf_slice(&text));
    json_out_object_end(&out);
    const bool is_whole = buf_ok(&text) && buf_ok(json);
    buf_done(&text);
    return is_whole;
}

/* Version 4, RFC 9562 5.4. */
static bool make_guid(char out_guid[GUID_SIZE]) {
    unsigned char b[16];
    if (RAND_bytes(b, sizeof b) != 1)
        return false;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out_guid, GUID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return true;
}

static bool write_claims(struct buf *json, const char *client_id, const char *audience,
                         int64_t now_sec) {
    char guid[GUID_SIZE];
    struct json_out out;
    if (!make_guid(guid))
        return false;
    json_out_init(&out, json);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "aud", audience);
    json_out_cstr(&out, "iss", client_id);
    json_out_cstr(&out, "sub", client_id);
    json_out_cstr(&out, "jti", guid);
    json_out_i64(&out, "nbf", now_sec);
    json_out_i64(&out, "iat", now_sec);
    json_out_i64(&out, "exp", now_sec + LIFETIME_SEC);
    json_out_object_end(&out);
    return buf_ok(json);
}

static bool append_signature(struct buf *jwt, EVP_PKEY *key) {
    unsigned char signature[MAX_KEY_BITS / 8];
    size_t len = sizeof signature;
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    const bool is_signed =
        signing && EVP_DigestSignInit(signing, &options, EVP_sha256(), NULL, key) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1 &&
        EVP_DigestSign(signing, signature, &len, (const unsigned char *)jwt->ptr, jwt->len) == 1;
    EVP_MD_CTX_free(signing);
    if (!is_signed)
        return false;
    buf_append_char(jwt, '.');
    append_base64url(jwt, signature, len);
    return true;
}

/* One of the two parts before the signature. */
static void append_part(struct buf *jwt, const struct buf *json) {
    append_base64url(jwt, (const unsigned char *)json->ptr, json->len);
}

static bool build(struct buf *jwt, const struct signer *signer, const char *client_id,
                  const char *audience, int64_t now_sec) {
    struct buf header, claims;
    buf_init(&header, MAX_PART_BYTES);
    buf_init(&claims, MAX_PART_BYTES);
    bool is_built = write_header(&header, signer->certificate) &&
                    write_claims(&claims, client_id, audience, now_sec);
    if (is_built) {
        append_part(jwt, &header);
        buf_append_char(jwt, '.');
        append_part(jwt, &claims);
        is_built = buf_ok(jwt) && append_signature(jwt, signer->key) && buf_ok(jwt);
    }
    buf_done(&header);
    buf_done(&claims);
    return is_built;
}

enum status client_assertion_sign(struct slice pem, const char *client_id, const char *audience,
                                  int64_t now_sec, struct secret **out_jwt, struct error *err) {
    struct signer signer = {NULL, NULL};
    struct buf jwt;
    buf_init(&jwt, MAX_JWT_BYTES);
    buf_reserve(&jwt, MAX_JWT_BYTES);
    enum status status = read_signer(pem, &signer, err);
    if (status == STATUS_OK && !build(&jwt, &signer, client_id, audience, now_sec))
        status = error_set(err, STATUS_IO, "an assertion cannot be signed with it");
    if (status == STATUS_OK && !(*out_jwt = secret_new(buf_slice(&jwt))))
        status = error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    signer_done(&signer);
    buf_wipe(&jwt);
    return status;
}
