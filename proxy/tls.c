/* Whom an upstream has to be, and what we speak with it: TLS 1.2 and 1.3 with forward secrecy,
 * verified against the route's authorities or the system's. Nothing of it is taken from the
 * environment, and names are looked for where they belong: in subjectAltName only. */
#include "proxy/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proxy/tls_session.h"
#include "vault/client_certificate.h"

/* Where distributions keep their bundle. */
static const char *const system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Red Hat */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
};

/* For TLS 1.2; all of 1.3's are fine. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";
static const unsigned char http_1_1[] = "\x08http/1.1";

/* TICKET_LIFE_SEC: a shortened handshake shows no certificate, which must not outlive its end by
 * long. READ_AHEAD_BYTES: several records come with one call. */
enum { SECURITY_LEVEL = 2, TICKET_LIFE_SEC = 600, READ_AHEAD_BYTES = 32 * 1024 };

struct tls_context {
    SSL_CTX *ssl_ctx;
    const char *server_name; /* of the route, NULL: the upstream's host */
};

static void context_free(struct tls_context *context) {
    if (context) {
        SSL_CTX_free(context->ssl_ctx);
        free(context);
    }
}

static const char *system_file(void) {
    for (size_t i = 0; i < sizeof system_files / sizeof *system_files; i++) {
        if (access(system_files[i], R_OK) == 0) {
            return system_files[i];
        }
    }
    return NULL;
}

/* Whoever reads a pipe waits for its writer, perhaps for ever. */
static bool is_regular_or_missing(const char *path) {
    struct stat found;
    return stat(path, &found) != 0 || S_ISREG(found.st_mode);
}

/* NULL with err. */
static X509_STORE *trust_load(const struct config_route *route, struct error *err) {
    const char *file = route->tls.ca_file ? route->tls.ca_file : system_file();
    if (!file) {
        error_set(err, STATUS_NOT_FOUND,
                  "the system has no store of certificate authorities; install ca-certificates or "
                  "set tls.ca");
        return NULL;
    }
    if (!is_regular_or_missing(file)) {
        error_set(err, STATUS_INVALID, "%s: not a regular file", file);
        return NULL;
    }
    X509_STORE *store = X509_STORE_new();
    /* Whatever is in a route's own file is trusted, be it an intermediate or one server's. */
    if (!store || !X509_STORE_load_file(store, file) ||
        (route->tls.ca_file && !X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN))) {
        int missing = access(file, R_OK) != 0 ? errno : 0;
        if (missing) {
            error_set(err, STATUS_NOT_FOUND, "%s: %s", file,
                      missing == ENOENT || missing == ENOTDIR ? "no such file"
                                                              : "the file may not be read");
        } else {
            error_set(err, STATUS_INVALID, "no certificates can be read from %s", file);
        }
        X509_STORE_free(store);
        ERR_clear_error();
        return NULL;
    }
    return store;
}

/* What comes of a shortened handshake is not kept: else the peer would not be verified again for as
 * long as it gives new ones. */
static int on_new_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_ticket *ticket = SSL_get_app_data(ssl);
    if (SSL_session_reused(ssl)) {
        return 0;
    }
    SSL_SESSION_free(ticket->session);
    ticket->session = session;
    return 1; /* kept */
}

static bool set_protocol(SSL_CTX *ssl_ctx) {
    SSL_CTX_set_options(ssl_ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ssl_ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ssl_ctx, READ_AHEAD_BYTES);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl_ctx, on_new_session);
    if (SSL_CTX_get_security_level(ssl_ctx) < SECURITY_LEVEL) {
        SSL_CTX_set_security_level(ssl_ctx, SECURITY_LEVEL);
    }
    return SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) &&
           SSL_CTX_set_cipher_list(ssl_ctx, ciphers) &&
           SSL_CTX_set_alpn_protos(ssl_ctx, http_1_1, sizeof http_1_1 - 1) == 0;
}

/* Takes `trust`; NULL: whoever answers is spoken to. */
static struct tls_context *context_new(const struct config_route *route, X509_STORE *trust,
                                       struct error *err) {
    struct tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    if (!context || !ssl_ctx || !set_protocol(ssl_ctx)) {
        error_set(err, STATUS_NO_MEMORY, "route %s: TLS cannot be set up", route->name);
        X509_STORE_free(trust);
        SSL_CTX_free(ssl_ctx);
        free(context);
        ERR_clear_error();
        return NULL;
    }
    if (trust) {
        SSL_CTX_set_cert_store(ssl_ctx, trust);
    }
    SSL_CTX_set_verify(ssl_ctx, trust ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    context->ssl_ctx = ssl_ctx;
    context->server_name = route->tls.server_name;
    return context;
}

static bool has_https(const struct config_route *route) {
    for (size_t i = 0; i < route->upstream_count; i++) {
        if (route->upstreams[i].is_tls) {
            return true;
        }
    }
    return false;
}

static bool trusts_the_same(const struct config_route *a, const struct config_route *b) {
    if (!a->tls.verify || !b->tls.verify) {
        return false;
    }
    if (!a->tls.ca_file || !b->tls.ca_file) {
        return a->tls.ca_file == b->tls.ca_file;
    }
    return strcmp(a->tls.ca_file, b->tls.ca_file) == 0;
}

/* A reference to the authorities of `route`: those of an earlier route, since a system's bundle
 * takes a megabyte, or read anew. NULL with err. */
static X509_STORE *trust_of(const struct config *config, const struct config_route *route,
                            struct tls_context *const *earlier, struct error *err) {
    for (size_t i = 0; &config->routes[i] != route; i++) {
        if (earlier[i] && trusts_the_same(&config->routes[i], route)) {
            X509_STORE *trust = SSL_CTX_get_cert_store(earlier[i]->ssl_ctx);
            X509_STORE_up_ref(trust);
            return trust;
        }
    }
    return trust_load(route, err);
}

enum status tls_check_authorities(const struct config_route *route, struct error *err) {
    if (!has_https(route) || !route->tls.verify || !route->tls.ca_file) {
        return STATUS_OK;
    }
    X509_STORE *trust = trust_load(route, err);
    enum status status = trust ? STATUS_OK : STATUS_INVALID;
    X509_STORE_free(trust);
    return status;
}

struct tls_context **tls_contexts_new(const struct config *config, struct error *err) {
    struct tls_context **contexts = calloc(config->route_count + 1, sizeof(struct tls_context *));
    if (!contexts) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (!has_https(route)) {
            continue;
        }
        struct error why = {""};
        X509_STORE *trust = route->tls.verify ? trust_of(config, route, contexts, &why) : NULL;
        bool has_trust = trust || !route->tls.verify;
        if (!has_trust) {
            error_set(err, STATUS_INVALID, "route %s: %s", route->name, why.text);
        }
        contexts[i] = has_trust ? context_new(route, trust, err) : NULL;
        if (!contexts[i]) {
            tls_contexts_free(contexts, i);
            return NULL;
        }
    }
    return contexts;
}

void tls_contexts_free(struct tls_context **contexts, size_t count) {
    for (size_t i = 0; contexts && i < count; i++) {
        context_free(contexts[i]);
    }
    free(contexts);
}

void tls_ticket_done(struct tls_ticket *ticket) {
    SSL_SESSION_free(ticket->session);
    ticket->session = NULL;
}

static bool is_address(const char *name) {
    unsigned char address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Whom the certificate has to name, and which one is asked for. */
static bool name_peer(SSL *ssl, const char *name) {
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_address(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, name);
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) && SSL_set_tlsext_host_name(ssl, name);
}

static bool offer_ticket(SSL *ssl, struct tls_ticket *ticket) {
    SSL_set_app_data(ssl, ticket);
    if (ticket->session && SSL_SESSION_get_time(ticket->session) + TICKET_LIFE_SEC < time(NULL)) {
        tls_ticket_done(ticket);
    }
    return !ticket->session || SSL_set_session(ssl, ticket->session);
}

struct tls_session *tls_context_connect(const struct tls_context *context,
                                        const struct config_upstream *upstream, int fd,
                                        const struct client_certificate *certificate,
                                        struct tls_ticket *ticket) {
    const char *name = context->server_name ? context->server_name : upstream->host;
    SSL *ssl = SSL_new(context->ssl_ctx);
    if (!ssl) {
        return NULL;
    }
    if (!name_peer(ssl, name) || !offer_ticket(ssl, ticket) ||
        (certificate && !client_certificate_use(certificate, ssl))) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return tls_session_new(ssl, fd);
}
