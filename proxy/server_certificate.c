/* Read as client certificates are: the key's bytes in secret memory only, and what OpenSSL copies
 * of them on the way is wiped. */
#include "proxy/server_certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "core/clock.h"
#include "core/wiping_memory.h"
#include "vault/certificate_parts.h"
#include "vault/file_bytes.h"

enum { FILE_BYTES_MAX = 128 * 1024 };

static enum status add_file(struct certificate_parts *parts, const char *path, struct error *err) {
    struct error why;
    struct secret *bytes;
    enum status status = file_bytes_read_path(path, FILE_BYTES_MAX, &bytes, &why);
    if (status == STATUS_OK) {
        status = certificate_parts_read_pem(parts, secret_bytes(bytes), &why);
        secret_unref(bytes);
    }
    return status == STATUS_OK ? STATUS_OK
                               : error_set(err, STATUS_INVALID, "%s: %s", path, why.text);
}

/* Files have the leaf first; those that do not are told by the key. */
static size_t find_leaf(const struct certificate_parts *parts) {
    size_t leaf = 0;
    while (leaf < parts->count &&
           X509_check_private_key(parts->certificates[leaf], parts->key) != 1) {
        leaf++;
    }
    return leaf;
}

static enum status check_time(const X509 *certificate, const char *file, struct error *err) {
    time_t now = (time_t)clock_wall_sec();
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0) {
        return error_set(err, STATUS_LIMIT, "%s: the certificate has expired", file);
    }
    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0) {
        return error_set(err, STATUS_LIMIT, "%s: the certificate is not valid yet", file);
    }
    return STATUS_OK;
}

static enum status take_parts(struct server_certificate *certificate,
                              const struct certificate_parts *parts, const char *file,
                              struct error *err) {
    if (parts->count == 0) {
        return error_set(err, STATUS_INVALID, "%s: there is no certificate", file);
    }
    if (!parts->key) {
        return error_set(err, STATUS_INVALID, "%s: there is no private key; name its file in `key`",
                         file);
    }
    size_t leaf = find_leaf(parts);
    if (leaf == parts->count) {
        return error_set(err, STATUS_INVALID,
                         "%s: the private key belongs to none of the certificates", file);
    }
    certificate->chain = sk_X509_new_null();
    if (!certificate->chain) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    X509_up_ref(certificate->leaf = parts->certificates[leaf]);
    EVP_PKEY_up_ref(certificate->key = parts->key);
    for (size_t i = 0; i < parts->count; i++) {
        if (i != leaf && X509_add_cert(certificate->chain, parts->certificates[i],
                                       X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) != 1) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
    }
    return STATUS_OK;
}

static enum status read_files(const struct config_listen_certificate *files,
                              struct server_certificate *certificate, struct error *err) {
    struct certificate_parts parts = {0};
    enum status status = add_file(&parts, files->file, err);
    bool is_apart = files->key_file && strcmp(files->key_file, files->file) != 0;
    if (status == STATUS_OK && is_apart) {
        status = add_file(&parts, files->key_file, err);
    }
    if (status == STATUS_OK) {
        status = take_parts(certificate, &parts, files->file, err);
    }
    certificate_parts_done(&parts);
    return status;
}

enum status server_certificate_read(const struct config_listen_certificate *files,
                                    struct server_certificate *out_certificate, struct error *err) {
    struct server_certificate certificate = {0};
    wiping_scope_begin();
    enum status status = read_files(files, &certificate, err);
    ERR_clear_error();
    wiping_scope_end();
    if (status != STATUS_OK) {
        server_certificate_done(&certificate);
        return status;
    }
    *out_certificate = certificate;
    return STATUS_OK;
}

void server_certificate_done(struct server_certificate *certificate) {
    EVP_PKEY_free(certificate->key);
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    *certificate = (struct server_certificate){0};
}

static bool names_address(X509 *leaf, const char *host) {
    char text[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    bool is_bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (is_bracketed && len - 2 < sizeof text) {
        memcpy(text, host + 1, len - 2);
        text[len - 2] = '\0';
        host = text;
    }
    return X509_check_ip_asc(leaf, host, 0) == 1;
}

bool server_certificate_names(const struct server_certificate *certificate, const char *host,
                              bool by_wildcard) {
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                     (by_wildcard ? 0u : (unsigned)X509_CHECK_FLAG_NO_WILDCARDS);
    return X509_check_host(certificate->leaf, host, 0, flags, NULL) == 1 ||
           names_address(certificate->leaf, host);
}

bool server_certificate_use(const struct server_certificate *certificate, SSL *ssl) {
    return SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) ==
           1;
}

enum status server_certificate_check_time(const struct server_certificate *certificate,
                                          const char *file, struct error *err) {
    return check_time(certificate->leaf, file, err);
}

enum status server_certificate_check(const char *file, struct error *err) {
    BIO *bio = BIO_new_file(file, "r");
    X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    enum status status =
        leaf ? check_time(leaf, file, err)
             : error_set(err, STATUS_INVALID, "no certificate can be read from %s", file);
    X509_free(leaf);
    BIO_free(bio);
    ERR_clear_error();
    return status;
}
