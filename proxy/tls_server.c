/* TLS 1.2 and 1.3 with forward secrecy; HTTP/1.1 is all that is spoken, and a caller that insists
 * on something else is told so instead of being misread. A resumed session was let in by the same
 * listener under the same authorities, and by a client certificate that has not expired since. */
#include "proxy/tls_server.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "core/clock.h"
#include "proxy/server_certificate.h"
#include "proxy/ticket_keys.h"
#include "proxy/tls_session.h"

/* For TLS 1.2; all of 1.3's are fine. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const unsigned char http_1_1[] = "\x08http/1.1";

/* TICKETS: callers that open connections side by side need one for each. */
enum { SECURITY_LEVEL = 2, TICKETS = 2, HOST_BYTES_MAX = 255 };

/* Sessions hold a reference, since their callbacks come here. */
struct tls_server {
    atomic_size_t refs;
    SSL_CTX *ssl_ctx;
    char *address; /* as written */
    size_t count;
    struct server_certificate certificates[];
};

static int server_slot = -1; /* of an SSL: the reference it holds */

static void on_ssl_freed(void *parent, void *server, CRYPTO_EX_DATA *slots, int index, long number,
                         void *pointer) {
    (void)parent, (void)slots, (void)index, (void)number, (void)pointer;
    tls_server_unref(server);
}

static void make_slot(void) {
    server_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_freed);
}

size_t tls_server_choose(const struct tls_server *server, const char *name) {
    /* OpenSSL takes a leading dot for "anything below" */
    if (!name || !*name || *name == '.') {
        return 0;
    }
    for (int by_wildcard = 0; by_wildcard < 2; by_wildcard++) {
        for (size_t i = 0; i < server->count; i++) {
            if (server_certificate_names(&server->certificates[i], name, by_wildcard)) {
                return i;
            }
        }
    }
    return 0;
}

/* The first is there already. */
static int on_certificate_wanted(SSL *ssl, void *owner) {
    const struct tls_server *server = owner;
    size_t chosen = tls_server_choose(server, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (chosen == 0) {
        return 1;
    }
    SSL_certs_clear(ssl);
    return server_certificate_use(&server->certificates[chosen], ssl);
}

/* OpenSSL keeps a name with the session only when it was acknowledged, and of a TLS 1.2 session
 * that is resumed the kept one is all it tells. */
static int on_name(SSL *ssl, int *alert, void *owner) {
    (void)alert, (void)owner;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                              : SSL_TLSEXT_ERR_NOACK;
}

bool tls_server_answers_for(const struct tls_session *session, struct slice host) {
    const SSL *ssl = tls_session_ssl(session);
    const char *named = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!named) {
        return true;
    }
    host.len -= slice_ends_with(host, SLICE("."));
    if (strlen(named) == host.len && strncasecmp(named, host.ptr, host.len) == 0) {
        return true;
    }
    const struct tls_server *server = SSL_get_ex_data(ssl, server_slot);
    const struct server_certificate *shown =
        &server->certificates[tls_server_choose(server, named)];
    char text[HOST_BYTES_MAX + 1];
    if (host.len > HOST_BYTES_MAX) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return server_certificate_names(shown, text, true);
}

/* RFC 7301 3.2: none in common is fatal, so that bytes meant for another protocol are not read as
 * requests. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                        const unsigned char *offered, unsigned offered_len, void *owner) {
    (void)ssl, (void)owner;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, http_1_1, sizeof http_1_1 - 1, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool has_expired_peer(SSL_SESSION *session) {
    time_t now = (time_t)clock_wall_sec();
    const X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;
    return peer && X509_cmp_time(X509_get0_notAfter(peer), &now) <= 0;
}

static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                          size_t name_len, SSL_TICKET_STATUS status, void *owner) {
    (void)ssl, (void)name, (void)name_len, (void)owner;
    bool is_good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    if (!is_good || has_expired_peer(session)) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* Requests say themselves where they end: who leaves without a goodbye cuts none short unnoticed.
 */
static bool set_protocol(SSL_CTX *ssl_ctx) {
    SSL_CTX_set_options(ssl_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    /* As much as the smallest buffer has room for: it is wiped whole after every message. */
    SSL_CTX_set_read_ahead(ssl_ctx, 1);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF); /* tickets hold all there is */
    SSL_CTX_set_num_tickets(ssl_ctx, TICKETS);
    SSL_CTX_set_session_ticket_cb(ssl_ctx, NULL, on_ticket_opened, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_name);
    SSL_CTX_set_alpn_select_cb(ssl_ctx, on_protocols, NULL);
    if (SSL_CTX_get_security_level(ssl_ctx) < SECURITY_LEVEL) {
        SSL_CTX_set_security_level(ssl_ctx, SECURITY_LEVEL);
    }
    return SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) &&
           SSL_CTX_set_cipher_list(ssl_ctx, ciphers) && ticket_keys_use(ssl_ctx);
}

/* What callers may have in common with an earlier connection: the listener and the authorities. */
static bool set_session_scope(SSL_CTX *ssl_ctx, const char *address,
                              const struct config_listen_tls *tls) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(hash, address, strlen(address) + 1) == 1 &&
                   EVP_DigestUpdate(hash, tls->client_is_optional ? "o" : "r", 1) == 1;
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl_ctx));
    for (int i = 0; is_good && i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        is_good = !authority || (X509_digest(authority, EVP_sha256(), digest, &len) == 1 &&
                                 EVP_DigestUpdate(hash, digest, len) == 1);
    }
    is_good = is_good && EVP_DigestFinal_ex(hash, digest, &len) == 1 &&
              SSL_CTX_set_session_id_context(ssl_ctx, digest, len) == 1;
    EVP_MD_CTX_free(hash);
    return is_good;
}

/* NULL with err. */
static X509_STORE *authorities_load(const char *file, struct error *err) {
    X509_STORE *store = X509_STORE_new();
    /* Whatever is in the file is trusted, be it an intermediate. */
    if (store && X509_STORE_load_file(store, file) &&
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN)) {
        return store;
    }
    error_set(err, STATUS_INVALID, "no certificates can be read from %s", file);
    X509_STORE_free(store);
    ERR_clear_error();
    return NULL;
}

enum status tls_server_check_authorities(const struct config_listen_tls *tls, struct error *err) {
    if (!tls->client_ca_file) {
        return STATUS_OK;
    }
    X509_STORE *store = authorities_load(tls->client_ca_file, err);
    if (!store) {
        return STATUS_INVALID;
    }
    enum status status = STATUS_OK;
    time_t now = (time_t)clock_wall_sec();
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; status == STATUS_OK && i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (authority && X509_cmp_time(X509_get0_notAfter(authority), &now) <= 0) {
            status = error_set(err, STATUS_LIMIT, "%s: an authority's certificate has expired",
                               tls->client_ca_file);
        }
    }
    X509_STORE_free(store);
    return status;
}

/* Callers with several certificates pick by the authorities' names. */
static enum status ask_for_certificates(SSL_CTX *ssl_ctx, const struct config_listen_tls *tls,
                                        struct error *err) {
    if (!tls->client_ca_file) {
        SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_NONE, NULL);
        return STATUS_OK;
    }
    X509_STORE *store = authorities_load(tls->client_ca_file, err);
    if (!store) {
        return STATUS_INVALID;
    }
    SSL_CTX_set_cert_store(ssl_ctx, store);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->client_ca_file);
    if (!names) {
        return error_set(err, STATUS_INVALID, "no certificates can be read from %s",
                         tls->client_ca_file);
    }
    SSL_CTX_set_client_CA_list(ssl_ctx, names);
    SSL_CTX_set_verify(
        ssl_ctx, SSL_VERIFY_PEER | (tls->client_is_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
        NULL);
    return STATUS_OK;
}

/* What TLS will not show is better known now than when it is asked for. */
static bool can_be_shown(SSL_CTX *ssl_ctx, const struct server_certificate *certificate) {
    SSL *ssl = SSL_new(ssl_ctx);
    bool can_be = ssl && server_certificate_use(certificate, ssl);
    SSL_free(ssl);
    ERR_clear_error();
    return can_be;
}

/* What is shown where `ssl_ctx` is used. *out_certificate is the caller's to be done with after
 * STATUS_OK alone. */
static enum status read_certificate(SSL_CTX *ssl_ctx, const struct config_listen_certificate *files,
                                    struct server_certificate *out_certificate, struct error *err) {
    enum status status = server_certificate_read(files, out_certificate, err);
    if (status != STATUS_OK || can_be_shown(ssl_ctx, out_certificate)) {
        return status;
    }
    server_certificate_done(out_certificate);
    return error_set(err, STATUS_INVALID,
                     "%s: TLS refuses the certificate: its key or signature is too weak, or of a "
                     "kind it does not use",
                     files->file);
}

enum status tls_server_check_certificate(const struct config_listen_certificate *files,
                                         struct error *err) {
    struct server_certificate certificate = {0};
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    enum status status = ssl_ctx && set_protocol(ssl_ctx)
                             ? read_certificate(ssl_ctx, files, &certificate, err)
                             : error_set(err, STATUS_NO_MEMORY, "TLS cannot be set up");
    if (status == STATUS_OK) {
        status = server_certificate_check_time(&certificate, files->file, err);
    }
    server_certificate_done(&certificate);
    SSL_CTX_free(ssl_ctx);
    ERR_clear_error();
    return status;
}

static enum status read_certificates(struct tls_server *server, const struct config_listen_tls *tls,
                                     struct error *err) {
    for (size_t i = 0; i < tls->certificate_count; i++) {
        struct server_certificate *certificate = &server->certificates[i];
        enum status status =
            read_certificate(server->ssl_ctx, &tls->certificates[i], certificate, err);
        if (status != STATUS_OK) {
            return status;
        }
        server->count++;
        struct error why;
        if (server_certificate_check_time(certificate, tls->certificates[i].file, &why) !=
            STATUS_OK) {
            LOG_EVENT(LOG_WARNING, "certificate", LOG_STR("problem", why.text));
        }
    }
    const struct server_certificate *first = &server->certificates[0];
    return SSL_CTX_use_cert_and_key(server->ssl_ctx, first->leaf, first->key, first->chain, 1) == 1
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static enum status server_fill(struct tls_server *server, const struct config_listen_tls *tls,
                               struct error *err) {
    SSL_CTX *ssl_ctx = server->ssl_ctx;
    if (!set_protocol(ssl_ctx)) {
        return error_set(err, STATUS_NO_MEMORY, "TLS cannot be set up");
    }
    enum status status = ask_for_certificates(ssl_ctx, tls, err);
    if (status == STATUS_OK) {
        status = read_certificates(server, tls, err);
    }
    if (status == STATUS_OK && !set_session_scope(ssl_ctx, server->address, tls)) {
        status = error_set(err, STATUS_NO_MEMORY, "TLS cannot be set up");
    }
    SSL_CTX_set_cert_cb(ssl_ctx, on_certificate_wanted, server);
    return status;
}

static struct tls_server *server_new(const struct config_address *address, struct error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_slot);
    struct tls_server *server =
        calloc(1, sizeof *server + address->tls->certificate_count * sizeof *server->certificates);
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    char *copy = slice_strdup(slice_of_str(address->text));
    if (!server || !ssl_ctx || !copy || server_slot < 0) {
        error_set(err, STATUS_NO_MEMORY, "listener %s: out of memory", address->text);
        SSL_CTX_free(ssl_ctx);
        free(copy);
        free(server);
        return NULL;
    }
    atomic_init(&server->refs, 1);
    server->ssl_ctx = ssl_ctx;
    server->address = copy;
    struct error why = {""};
    if (server_fill(server, address->tls, &why) != STATUS_OK) {
        error_set(err, STATUS_INVALID, "listener %s: %s", address->text, why.text);
        tls_server_unref(server);
        return NULL;
    }
    return server;
}

struct tls_server **tls_servers_new(const struct config *config, struct error *err) {
    struct tls_server **servers = calloc(config->listen_count + 1, sizeof(struct tls_server *));
    if (!servers) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        if (!config->listen[i].tls) {
            continue;
        }
        servers[i] = server_new(&config->listen[i], err);
        if (!servers[i]) {
            tls_servers_free(servers, i);
            return NULL;
        }
    }
    return servers;
}

void tls_servers_free(struct tls_server **servers, size_t count) {
    for (size_t i = 0; servers && i < count; i++) {
        tls_server_unref(servers[i]);
    }
    free(servers);
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    if (server) {
        atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
    }
    return server;
}

void tls_server_unref(struct tls_server *server) {
    if (!server || atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(server->ssl_ctx);
    for (size_t i = 0; i < server->count; i++) {
        server_certificate_done(&server->certificates[i]);
    }
    free(server->address);
    free(server);
}

void tls_server_renew(struct tls_server **server, struct tls_server *const *servers, size_t count) {
    for (size_t i = 0; *server && i < count; i++) {
        if (servers[i] && strcmp(servers[i]->address, (*server)->address) == 0) {
            struct tls_server *former = *server;
            *server = tls_server_ref(servers[i]);
            tls_server_unref(former);
            return;
        }
    }
}

struct tls_session *tls_server_accept(struct tls_server *server, int fd) {
    SSL *ssl = SSL_new(server->ssl_ctx);
    if (!ssl) {
        ERR_clear_error();
        return NULL;
    }
    if (SSL_set_ex_data(ssl, server_slot, tls_server_ref(server)) != 1) {
        tls_server_unref(server);
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return tls_session_new(ssl, fd);
}
