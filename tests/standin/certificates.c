/* Key pairs and certificates. The extensions are those that strict verifiers ask for (RFC 5280:
 * key identifiers, key usage), because Node, Python and Go each check another subset. */
#define _DEFAULT_SOURCE /* timegm */

#include "certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/slice.h"
#include "encoding.h"
#include "must.h"

#define DAY_SEC (24L * 60 * 60)

struct extension {
    int nid;
    const char *value;
};

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_undef, NULL},
};

static const struct extension server_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost,DNS:*.vault.localhost"},
    {NID_undef, NULL},
};

static const struct extension client_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature,keyEncipherment"},
    {NID_ext_key_usage, "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_undef, NULL},
};

static const struct extension issued_extensions[] = {
    {NID_authority_key_identifier, "keyid"},
    {NID_undef, NULL},
};

static const struct extension no_extensions[] = {{NID_undef, NULL}};

struct certificate_order {
    const char *subject;     /* "CN=name,O=organization" */
    const char *alternative; /* NULL, or "DNS:name" */
    EVP_PKEY *key;
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    const struct extension *extensions;
    int64_t not_before; /* seconds since the epoch; 0: since yesterday */
    int64_t expires;    /* 0: `days` from now */
    long days;
};

static enum status openssl_failed(struct error *err, const char *what) {
    char reason[160];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
    ERR_clear_error();
    return error_set(err, STATUS_IO, "%s: %s", what, reason);
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extension) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (; extension->value; extension++) {
        X509_EXTENSION *built =
            X509V3_EXT_conf_nid(NULL, &context, extension->nid, extension->value);
        bool is_added = built && X509_add_ext(certificate, built, -1) == 1;
        X509_EXTENSION_free(built);
        if (!is_added)
            return false;
    }
    return true;
}

static bool set_random_serial(X509 *certificate) {
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return is_set;
}

/* No escapes: names of tests have no commas. */
static bool set_subject(X509 *certificate, const char *subject) {
    X509_NAME *name = X509_get_subject_name(certificate);
    struct slice rest = slice_of_str(subject);
    while (!slice_is_empty(rest)) {
        size_t len = slice_index(rest, ',');
        struct slice part = slice_trim(slice_of(rest.ptr, len));
        size_t type_len = slice_index(part, '=');
        struct slice value = slice_skip(part, type_len + 1);
        char *type = must_printf("%.*s", (int)type_len, part.ptr);
        bool is_added =
            !slice_is_empty(value) &&
            X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value.ptr,
                                       (int)value.len, -1, 0) == 1;
        free(type);
        if (!is_added)
            return false;
        rest = slice_skip(rest, len + 1);
    }
    return X509_NAME_entry_count(name) > 0;
}

static bool set_validity(X509 *certificate, const struct certificate_order *order) {
    time_t now = time(NULL);
    time_t from = order->not_before ? (time_t)order->not_before : now - DAY_SEC;
    time_t until = order->expires ? (time_t)order->expires : now + order->days * DAY_SEC;
    return ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), until);
}

static bool add_alternative(X509 *certificate, X509 *issuer, const char *alternative) {
    const struct extension extensions[] = {{NID_subject_alt_name, alternative}, {NID_undef, NULL}};
    return !alternative || add_extensions(certificate, issuer, extensions);
}

static X509 *make_certificate(const struct certificate_order *order) {
    X509 *certificate = X509_new();
    if (!certificate)
        return NULL;
    X509 *issuer = order->issuer ? order->issuer : certificate;
    bool is_made = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                   set_random_serial(certificate) && set_subject(certificate, order->subject) &&
                   X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                   set_validity(certificate, order) &&
                   X509_set_pubkey(certificate, order->key) == 1 &&
                   add_extensions(certificate, issuer, order->extensions) &&
                   (!order->issuer || add_extensions(certificate, issuer, issued_extensions)) &&
                   add_alternative(certificate, issuer, order->alternative) &&
                   X509_sign(certificate, order->issuer_key ? order->issuer_key : order->key,
                             EVP_sha256()) > 0;
    if (is_made)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static char *bio_text(BIO *bio) {
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_array((size_t)len + 1, 1);
    memcpy(text, bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

/* Any argument may be NULL. The result is NULL when OpenSSL fails. */
static char *to_pem(EVP_PKEY *key, X509 *first, X509 *second) {
    BIO *bio = must(BIO_new(BIO_s_mem()));
    bool is_written =
        (!key || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) &&
        (!first || PEM_write_bio_X509(bio, first) == 1) &&
        (!second || PEM_write_bio_X509(bio, second) == 1);
    if (is_written)
        return bio_text(bio);
    BIO_free(bio);
    return NULL;
}

enum status certificate_make_signing(char **out_pem, struct error *err) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = NULL;
    char *pem = NULL;
    if (key)
        certificate = make_certificate(&(struct certificate_order){
            .subject = "CN=accounts.accesscontrol.windows.net",
            .key = key,
            .extensions = no_extensions,
            .days = 5 * 365,
        });
    if (certificate)
        pem = to_pem(key, certificate, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!pem)
        return openssl_failed(err, "cannot make a signing key");
    *out_pem = pem;
    return STATUS_OK;
}

enum status tls_identity_make(struct tls_identity *out_identity, struct error *err) {
    struct tls_identity identity = {0};
    X509 *ca = NULL;
    X509 *server = NULL;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *server_key = EVP_EC_gen("P-256");
    if (ca_key && server_key)
        ca = make_certificate(&(struct certificate_order){
            .subject = "CN=barkeep stand-in CA",
            .key = ca_key,
            .extensions = ca_extensions,
            .days = 10 * 365,
        });
    if (ca)
        server = make_certificate(&(struct certificate_order){
            .subject = "CN=barkeep stand-in",
            .key = server_key,
            .issuer = ca,
            .issuer_key = ca_key,
            .extensions = server_extensions,
            .days = 800,
        });
    if (server) {
        identity.ca_pem = to_pem(NULL, ca, NULL);
        identity.key_pem = to_pem(server_key, NULL, NULL);
        identity.chain_pem = to_pem(NULL, server, ca);
    }
    X509_free(server);
    X509_free(ca);
    EVP_PKEY_free(server_key);
    EVP_PKEY_free(ca_key);
    if (!identity.ca_pem || !identity.key_pem || !identity.chain_pem) {
        tls_identity_done(&identity);
        return openssl_failed(err, "cannot make the server certificate");
    }
    *out_identity = identity;
    return STATUS_OK;
}

void tls_identity_done(struct tls_identity *identity) {
    free(identity->ca_pem);
    free(identity->key_pem);
    free(identity->chain_pem);
    *identity = (struct tls_identity){0};
}

enum status client_ca_make(struct client_ca *out_ca, struct error *err) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = NULL;
    struct client_ca ca = {0};
    if (key)
        certificate = make_certificate(&(struct certificate_order){
            .subject = "CN=barkeep stand-in client CA",
            .key = key,
            .extensions = ca_extensions,
            .days = 10 * 365,
        });
    if (certificate) {
        ca.key_pem = to_pem(key, NULL, NULL);
        ca.certificate_pem = to_pem(NULL, certificate, NULL);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!ca.key_pem || !ca.certificate_pem) {
        client_ca_done(&ca);
        return openssl_failed(err, "cannot make the CA of client certificates");
    }
    *out_ca = ca;
    return STATUS_OK;
}

void client_ca_done(struct client_ca *ca) {
    free(ca->key_pem);
    free(ca->certificate_pem);
    *ca = (struct client_ca){0};
}

static X509 *read_certificate(const char *pem) {
    BIO *bio = must(BIO_new_mem_buf(pem, -1));
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *read_key(const char *pem) {
    BIO *bio = must(BIO_new_mem_buf(pem, -1));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

enum status client_certificate_make(const struct client_certificate_order *order,
                                    char **out_chain_pem, struct error *err) {
    EVP_PKEY *key = read_key(order->key_pem);
    X509 *issuer = order->ca ? read_certificate(order->ca->certificate_pem) : NULL;
    EVP_PKEY *issuer_key = order->ca ? read_key(order->ca->key_pem) : NULL;
    char *alternative = order->dns_name ? must_printf("DNS:%s", order->dns_name) : NULL;
    X509 *certificate = NULL;
    char *pem = NULL;
    if (key && (!order->ca || (issuer && issuer_key)))
        certificate = make_certificate(&(struct certificate_order){
            .subject = order->subject,
            .alternative = alternative,
            .key = key,
            .issuer = issuer,
            .issuer_key = issuer_key,
            .extensions = client_extensions,
            .not_before = order->not_before,
            .expires = order->expires,
            .days = 365,
        });
    if (certificate)
        pem = to_pem(NULL, certificate, issuer);
    free(alternative);
    X509_free(certificate);
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(key);
    if (!pem)
        return openssl_failed(err, "cannot make this certificate");
    *out_chain_pem = pem;
    return STATUS_OK;
}

void certificate_describe(const char *pem, struct certificate_facts *out_facts) {
    X509 *certificate = must(read_certificate(pem));
    unsigned char thumbprint[EVP_MAX_MD_SIZE];
    unsigned thumbprint_len = 0;
    unsigned char *der = NULL;
    int der_len = i2d_X509(certificate, &der);
    must_hold(der_len > 0 &&
              X509_digest(certificate, EVP_sha1(), thumbprint, &thumbprint_len) == 1);
    *out_facts = (struct certificate_facts){
        .der_base64 = base64_encode(der, (size_t)der_len),
        .thumbprint = base64url_encode(thumbprint, thumbprint_len),
    };
    struct tm from;
    struct tm until;
    must_hold(ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &from) == 1 &&
              ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1);
    out_facts->not_before = timegm(&from);
    out_facts->expires = timegm(&until);
    OPENSSL_free(der);
    X509_free(certificate);
}

void certificate_facts_done(struct certificate_facts *facts) {
    free(facts->der_base64);
    free(facts->thumbprint);
    *facts = (struct certificate_facts){0};
}

bool certificate_is_current(const char *pem) {
    X509 *certificate = read_certificate(pem);
    time_t tomorrow = time(NULL) + DAY_SEC;
    bool is_current = certificate && X509_cmp_time(X509_get0_notAfter(certificate), &tomorrow) > 0;
    X509_free(certificate);
    ERR_clear_error();
    return is_current;
}
