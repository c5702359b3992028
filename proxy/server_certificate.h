/* A certificate that callers are shown, with its key and the certificates above it. */
#ifndef BARKEEP_PROXY_SERVER_CERTIFICATE_H
#define BARKEEP_PROXY_SERVER_CERTIFICATE_H

#include "config/config.h"

struct evp_pkey_st;   /* OpenSSL's EVP_PKEY */
struct ssl_st;        /* OpenSSL's SSL */
struct stack_st_X509; /* OpenSSL's STACK_OF(X509) */
struct x509_st;       /* OpenSSL's X509 */

/* Immutable once read. Zero-initialise. */
struct server_certificate {
    struct evp_pkey_st *key;
    struct x509_st *leaf;
    struct stack_st_X509 *chain; /* without the leaf, in the order it came in */
};

/* Reads both files. STATUS_INVALID unless they hold one private key and a certificate of its own,
 * be it an expired one, which keeps nobody out who looks away. err names the file and never quotes
 * it. */
enum status server_certificate_read(const struct config_listen_certificate *files,
                                    struct server_certificate *out_certificate, struct error *err);
void server_certificate_done(struct server_certificate *certificate);
/* Whether subjectAltName has `host`, a name or an address as Host has it: in so many words, or
 * (`by_wildcard`) through a wildcard too. */
bool server_certificate_names(const struct server_certificate *certificate, const char *host,
                              bool by_wildcard);
/* Has `ssl` show it. False without memory, or when TLS refuses it. */
bool server_certificate_use(const struct server_certificate *certificate, struct ssl_st *ssl);

/* STATUS_LIMIT with err unless it is valid now; `file` is where it came from. */
enum status server_certificate_check_time(const struct server_certificate *certificate,
                                          const char *file, struct error *err);
/* What can be known of the certificate's file without its key: STATUS_INVALID when no certificate
 * can be read from it, STATUS_LIMIT unless the first is valid now. */
enum status server_certificate_check(const char *file, struct error *err);

#endif
