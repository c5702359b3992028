/* A certificate with its key, ready for any number of connections. What comes in is decoded in
 * secret memory, and whatever OpenSSL copies of it on the way is wiped.
 *
 * What stays is OpenSSL's. Found by searching a process's memory with OpenSSL 3.0: the private
 * numbers of RSA and EC keys are in its secure heap only, until an RSA key first signs; from then
 * on one of its primes is in ordinary memory too (BN_MONT_CTX), until the key is freed, which wipes
 * it. Keys on an elliptic curve never are. */
#include "vault/client_certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/secret.h"
#include "core/wiping_memory.h"
#include "vault/certificate_parts.h"

struct client_certificate {
    EVP_PKEY *key;
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf, in the order it came in */
};

static bool is_base64_byte(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* Bytes that `text` decodes to, 0 when it is no base64 with its padding (RFC 4648 4). OpenSSL's
 * decoder takes spaces too, and counts what was padded. */
static size_t decoded_len(struct slice text) {
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i + padding < text.len; i++)
        if (!is_base64_byte(text.ptr[i]))
            return 0;
    return text.len % 4 == 0 && text.len > 0 ? text.len / 4 * 3 - padding : 0;
}

static enum status read_pfx(struct slice text, struct certificate_parts *parts, struct error *err) {
    const size_t len = decoded_len(text);
    if (len == 0)
        return error_set(err, STATUS_INVALID, "the value is neither PEM nor a PFX in base64");
    /* The decoder writes whole groups of three. */
    struct secret *der = secret_new_blank(text.len / 4 * 3);
    if (!der)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    EVP_DecodeBlock((unsigned char *)secret_writable(der), (const unsigned char *)text.ptr,
                    (int)text.len);
    const enum status status =
        certificate_parts_read_pfx(parts, slice_of(secret_bytes(der).ptr, len), err);
    secret_unref(der);
    return status;
}

static enum status read_parts(struct slice value, struct certificate_parts *parts,
                              struct error *err) {
    if (value.len > CLIENT_CERTIFICATE_MAX_BYTES)
        return error_set(err, STATUS_LIMIT, "the value is too long for a certificate");
    return slice_starts_with(value, SLICE("-----BEGIN "))
               ? certificate_parts_read_pem(parts, value, err)
               : read_pfx(value, parts, err);
}

/* The leaf need not come first: PFX bags have no order that means anything. */
static size_t find_leaf(const struct certificate_parts *parts) {
    size_t leaf = 0;
    while (leaf < parts->count &&
           X509_check_private_key(parts->certificates[leaf], parts->key) != 1)
        leaf++;
    return leaf;
}

static enum status check_time(const X509 *leaf, struct error *err) {
    time_t now = (time_t)clock_wall_sec();
    if (X509_cmp_time(X509_get0_notAfter(leaf), &now) <= 0)
        return error_set(err, STATUS_INVALID, "the certificate has expired");
    if (X509_cmp_time(X509_get0_notBefore(leaf), &now) > 0)
        return error_set(err, STATUS_INVALID, "the certificate is not valid yet");
    return STATUS_OK;
}

/* All but the leaf, of which some exports have two. */
static bool add_chain(struct client_certificate *certificate,
                      const struct certificate_parts *parts) {
    for (size_t i = 0; i < parts->count; i++)
        if (X509_cmp(parts->certificates[i], certificate->leaf) != 0 &&
            X509_add_cert(certificate->chain, parts->certificates[i],
                          X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) != 1)
            return false;
    return true;
}

static enum status take_parts(struct client_certificate *certificate,
                              struct certificate_parts *parts, struct error *err) {
    if (!parts->key)
        return error_set(err, STATUS_INVALID, "there is no private key (is it exportable?)");
    if (parts->count == 0)
        return error_set(err, STATUS_INVALID, "there is no certificate");
    const size_t leaf = find_leaf(parts);
    if (leaf == parts->count)
        return error_set(err, STATUS_INVALID,
                         "the private key belongs to none of the certificates");
    certificate->leaf = parts->certificates[leaf];
    certificate->key = parts->key;
    X509_up_ref(certificate->leaf);
    EVP_PKEY_up_ref(certificate->key);
    if (!add_chain(certificate, parts))
        return error_set(err, STATUS_NO_MEMORY, "no memory left");
    return check_time(certificate->leaf, err);
}

/* What TLS itself will not present (a key too short, a kind it cannot use) is better known now than
 * at the first connection. */
static enum status check_use(const struct client_certificate *certificate, struct error *err) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    enum status status = STATUS_OK;
    if (!ssl)
        status = error_set(err, STATUS_NO_MEMORY, "no memory left");
    else if (!client_certificate_use(certificate, ssl))
        status = error_set(err, STATUS_INVALID,
                           "TLS refuses the certificate: its key or signature "
                           "is too weak, or of a kind it does not use");
    SSL_free(ssl);
    SSL_CTX_free(context);
    return status;
}

static enum status fill(struct client_certificate *certificate, struct slice value,
                        struct error *err) {
    struct certificate_parts parts = {0};
    enum status status = read_parts(value, &parts, err);
    if (status == STATUS_OK)
        status = take_parts(certificate, &parts, err);
    if (status == STATUS_OK)
        status = check_use(certificate, err);
    certificate_parts_done(&parts);
    return status;
}

enum status client_certificate_read(struct slice value, struct client_certificate **out_certificate,
                                    struct error *err) {
    struct client_certificate *certificate = calloc(1, sizeof *certificate);
    enum status status = STATUS_NO_MEMORY;
    wiping_scope_begin();
    if (certificate)
        certificate->chain = sk_X509_new_null();
    if (!certificate || !certificate->chain)
        error_set(err, STATUS_NO_MEMORY, "no memory left");
    else
        status = fill(certificate, value, err);
    /* Nobody shall find reasons here that are not theirs. */
    ERR_clear_error();
    wiping_scope_end();
    if (status == STATUS_OK)
        *out_certificate = certificate;
    else
        client_certificate_free(certificate);
    return status;
}

void client_certificate_free(struct client_certificate *certificate) {
    if (!certificate)
        return;
    EVP_PKEY_free(certificate->key);
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    free(certificate);
}

bool client_certificate_use(const struct client_certificate *certificate, SSL *ssl) {
    return SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) ==
           1;
}
