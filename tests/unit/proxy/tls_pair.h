/* A connection under TLS whose other end is OpenSSL in the test's hand. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_TLS_PAIR_H
#define BARKEEP_TESTS_UNIT_PROXY_TLS_PAIR_H

#include "wired_conn.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proxy/tls_session.h"

struct tls_pair {
    struct loop *loop;
    struct io_pool *pool;
    struct wired wired; /* the connection under test */
    SSL_CTX *client_ctx;
    SSL_CTX *server_ctx;
    SSL *client; /* the connection's own, to look at */
    SSL *server; /* over wired.peer */
};

static inline EVP_PKEY *new_key(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

/* Self-signed, for localhost. */
static inline X509 *new_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_true(X509_set_version(certificate, X509_VERSION_3));
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    assert_true(X509_set_pubkey(certificate, key));
    X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    assert_non_null(name);
    assert_true(X509_add_ext(certificate, name, -1));
    X509_EXTENSION_free(name);
    assert_true(X509_sign(certificate, key, EVP_sha256()));
    return certificate;
}

/* Both ends speak `version` only; the client trusts the server's certificate. */
static inline void tls_pair_make_contexts(struct tls_pair *pair, int version) {
    EVP_PKEY *key = new_key();
    X509 *certificate = new_certificate(key);
    pair->server_ctx = SSL_CTX_new(TLS_server_method());
    pair->client_ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(pair->server_ctx);
    assert_non_null(pair->client_ctx);
    assert_true(SSL_CTX_use_certificate(pair->server_ctx, certificate));
    assert_true(SSL_CTX_use_PrivateKey(pair->server_ctx, key));
    SSL_CTX *both[] = {pair->server_ctx, pair->client_ctx};
    for (size_t i = 0; i < COUNT(both); i++) {
        assert_true(SSL_CTX_set_min_proto_version(both[i], version));
        assert_true(SSL_CTX_set_max_proto_version(both[i], version));
        SSL_CTX_set_mode(both[i], SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    }
    SSL_CTX_set_options(pair->client_ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(pair->client_ctx, 1);
    SSL_CTX_set_verify(pair->client_ctx, SSL_VERIFY_PEER, NULL);
    assert_true(X509_STORE_add_cert(SSL_CTX_get_cert_store(pair->client_ctx), certificate));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* `fds` are a connected pair of sockets, of which the connection gets the first. */
static inline void tls_pair_open_on(struct tls_pair *pair, int version, size_t block_bytes,
                                    const char *host, const int fds[2]) {
    struct error err;
    *pair = (struct tls_pair){.loop = loop_new(&err), .pool = io_pool_new(block_bytes, 4)};
    assert_non_null(pair->loop);
    assert_non_null(pair->pool);
    tls_pair_make_contexts(pair, version);
    wired_open_on(&pair->wired, pair->loop, pair->pool, fds);
    pair->server = SSL_new(pair->server_ctx);
    assert_non_null(pair->server);
    assert_true(SSL_set_fd(pair->server, fds[1]));
    SSL_set_accept_state(pair->server);
    pair->client = SSL_new(pair->client_ctx);
    assert_non_null(pair->client);
    assert_true(SSL_set1_host(pair->client, host));
    SSL_set_connect_state(pair->client);
    struct tls_session *session = tls_session_new(pair->client, fds[0]);
    assert_non_null(session);
    conn_start_tls(&pair->wired.conn, session);
}

/* Both ends by turns; what the connection's end was. */
static inline enum io_result tls_pair_shake(struct tls_pair *pair) {
    enum io_result result = IO_WAIT;
    bool is_served = false;
    uint64_t limit_ms = clock_monotonic_ms() + WIRED_LIMIT_MS;
    while (result == IO_WAIT || (result == IO_OK && !is_served)) {
        assert_true(clock_monotonic_ms() < limit_ms);
        if (result == IO_WAIT)
            result = conn_handshake(&pair->wired.conn);
        is_served = SSL_do_handshake(pair->server) == 1;
        loop_run_once(pair->loop, 1);
    }
    return result;
}

/* With the server's tickets still unread. */
static inline void tls_pair_open_fresh(struct tls_pair *pair, int version, size_t block_bytes) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    tls_pair_open_on(pair, version, block_bytes, "localhost", fds);
    assert_int_equal(tls_pair_shake(pair), IO_OK);
}

static inline void tls_pair_open(struct tls_pair *pair, int version, size_t block_bytes) {
    tls_pair_open_fresh(pair, version, block_bytes);
    assert_true(conn_is_quiet(&pair->wired.conn)); /* takes the tickets in */
}

static inline void tls_pair_close(struct tls_pair *pair) {
    conn_close(&pair->wired.conn, pair->loop);
    SSL_free(pair->server);
    peer_close(&pair->wired);
    SSL_CTX_free(pair->client_ctx);
    SSL_CTX_free(pair->server_ctx);
    io_pool_free(pair->pool);
    loop_free(pair->loop);
}

static inline void server_send(struct tls_pair *pair, struct slice bytes) {
    size_t sent = 0;
    assert_int_equal(SSL_write_ex(pair->server, bytes.ptr, bytes.len, &sent), 1);
    assert_int_equal(sent, bytes.len);
}

/* What has arrived at the server, appended; returns how much. */
static inline size_t server_receive(struct tls_pair *pair, struct buf *out) {
    size_t before = out->len, got = 0;
    char bytes[16384];
    while (SSL_read_ex(pair->server, bytes, sizeof bytes, &got) == 1)
        buf_append(out, bytes, got);
    assert_true(buf_ok(out));
    return out->len - before;
}

#endif
