/* Whom the client trusts. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "client_case.h"

/* A private authority, and a server certificate of its for "localhost". */
struct authority {
    EVP_PKEY *ca_key;
    X509 *ca;
    EVP_PKEY *server_key;
    X509 *server;
    char ca_path[64];
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(const char *name, long serial, EVP_PKEY *key, X509 *issuer) {
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
    return certificate;
}

static void authority_init(struct authority *authority) {
    authority->ca_key = EVP_EC_gen("P-256");
    authority->server_key = EVP_EC_gen("P-256");
    authority->ca = certificate_new("Test CA", 1, authority->ca_key, NULL);
    add_extension(authority->ca, authority->ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(authority->ca, authority->ca, NID_key_usage, "critical,keyCertSign");
    assert_true(X509_sign(authority->ca, authority->ca_key, EVP_sha256()) > 0);
    authority->server = certificate_new("server", 2, authority->server_key, authority->ca);
    add_extension(authority->server, authority->ca, NID_subject_alt_name, "DNS:localhost");
    assert_true(X509_sign(authority->server, authority->ca_key, EVP_sha256()) > 0);

    strcpy(authority->ca_path, "/tmp/barkeep-test-ca-XXXXXX");
    int fd = mkstemp(authority->ca_path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, authority->ca), 1);
    fclose(file);
}

static void authority_done(struct authority *authority) {
    unlink(authority->ca_path);
    X509_free(authority->ca);
    X509_free(authority->server);
    EVP_PKEY_free(authority->ca_key);
    EVP_PKEY_free(authority->server_key);
}

static SSL_CTX *server_tls(const struct authority *authority) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(tls);
    assert_int_equal(SSL_CTX_use_certificate(tls, authority->server), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, authority->server_key), 1);
    return tls;
}

static struct outcome get_over_tls(const struct server *server, const char *ca_path,
                                   const char *host) {
    struct error err = {""};
    struct outcome outcome = {0};
    char url[128];
    snprintf(url, sizeof url, "https://%s:%u/", host, server->port);
    struct http_client *other = http_client_new(loop, ca_path, &err);
    assert_non_null(other);
    struct http_client_request request = {.method = "GET", .url = url};
    assert_non_null(http_client_send(other, &request, on_done, &outcome, &err));
    run_until(&outcome.count, 1);
    http_client_free(other);
    return outcome;
}

static void trusts_only_the_given_authority_and_the_right_name(void **state) {
    (void)state;
    struct authority authority;
    authority_init(&authority);
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    server.tls = server_tls(&authority);
    assert_true(server_start(&server));

    struct outcome right = get_over_tls(&server, authority.ca_path, "localhost");
    assert_int_equal(right.status, STATUS_OK);
    assert_string_equal(right.body, "hello");
    struct outcome system_store = get_over_tls(&server, NULL, "localhost");
    assert_int_equal(system_store.status, STATUS_IO);
    struct outcome wrong_name = get_over_tls(&server, authority.ca_path, "127.0.0.1");
    assert_int_equal(wrong_name.status, STATUS_IO);

    server_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 1);
    free(right.body);
    free(system_store.body);
    free(wrong_name.body);
    SSL_CTX_free(server.tls);
    authority_done(&authority);
}

static void refuses_tls_before_1_2(void **state) {
    (void)state;
    static const struct {
        int version;
        enum status expected;
    } cases[] = {{TLS1_1_VERSION, STATUS_IO}, {TLS1_2_VERSION, STATUS_OK}};
    struct authority authority;
    authority_init(&authority);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server server =
            start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        server.tls = server_tls(&authority);
        SSL_CTX_set_cipher_list(server.tls, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(server.tls, cases[i].version);
        SSL_CTX_set_max_proto_version(server.tls, cases[i].version);
        assert_true(server_start(&server));
        struct outcome outcome = get_over_tls(&server, authority.ca_path, "localhost");
        server_stop(&server);
        assert_int_equal(outcome.status, cases[i].expected);
        free(outcome.body);
        SSL_CTX_free(server.tls);
    }
    authority_done(&authority);
}

static void refuses_a_missing_ca_file(void **state) {
    (void)state;
    struct error err = {""};
    assert_null(http_client_new(loop, "/nonexistent/ca.pem", &err));
    assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_only_the_given_authority_and_the_right_name),
        cmocka_unit_test(refuses_tls_before_1_2),
        cmocka_unit_test(refuses_a_missing_ca_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
