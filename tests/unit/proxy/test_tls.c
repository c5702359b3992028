#define _GNU_SOURCE /* memmem */
/* Contexts of routes: which there are, and what is said when one cannot be made. Whom they verify
 * is a matter of whole certificates: tests/wire/test_upstream_tls.py. */
#include "../config/config_case.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls_pair.h"

#include "proxy/tls.h"

static struct config *config_of(const char *tls, const char *upstream) {
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "routes:\n- {name: plain, path: /plain, upstream: \"http://127.0.0.1:1\"}\n"
             "- {name: first, path: /first, upstream: \"%s\", tls: {%s}}\n"
             "- {name: second, path: /second, upstream: \"%s\", tls: {%s}}\n",
             upstream, tls, upstream, tls);
    return case_good(yaml);
}

static void write_file(char path[], const char *text) {
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void write_certificate(char path[]) {
    EVP_PKEY *key = new_key();
    X509 *certificate = new_certificate(key);
    char text[4096] = "";
    BIO *memory = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_X509(memory, certificate));
    assert_true(BIO_read(memory, text, sizeof text - 1) > 0);
    write_file(path, text);
    BIO_free(memory);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void makes_one_for_each_route_with_https(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-ca-XXXXXX";
    char tls[200];
    struct error err;
    write_certificate(path);
    snprintf(tls, sizeof tls, "ca: %s", path);
    struct config *config = config_of(tls, "https://127.0.0.1:1");
    struct tls_context **contexts = tls_contexts_new(config, &err);
    assert_non_null(contexts);
    assert_null(contexts[0]);
    assert_non_null(contexts[1]);
    assert_non_null(contexts[2]);
    tls_contexts_free(contexts, config->route_count);
    tls_contexts_free(NULL, 1);
    config_unref(config);
    unlink(path);
}

static void needs_no_authority_without_verification(void **state) {
    (void)state;
    struct error err;
    struct config *config = config_of("verify: false", "https://127.0.0.1:1");
    struct tls_context **contexts = tls_contexts_new(config, &err);
    assert_non_null(contexts);
    assert_non_null(contexts[1]);
    tls_contexts_free(contexts, config->route_count);
    config_unref(config);
}

/* The configuration is as it was loaded; its file of authorities is not what it should be. */
static void says_which_file_holds_no_authority(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "hello\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char path[] = "/tmp/barkeep-ca-XXXXXX";
        char tls[200];
        struct error err = {0};
        write_file(path, texts[i]);
        snprintf(tls, sizeof tls, "ca: %s", path);
        struct config *config = config_of(tls, "https://127.0.0.1:1");
        assert_null(tls_contexts_new(config, &err));
        assert_non_null(strstr(err.text, "route first"));
        assert_non_null(strstr(err.text, path));
        assert_int_equal(ERR_peek_error(), 0);
        unlink(path);
        err = (struct error){0};
        assert_null(tls_contexts_new(config, &err));
        assert_non_null(strstr(err.text, path));
        config_unref(config);
    }
}

static void waits_for_no_writer_of_a_pipe(void **state) {
    (void)state;
    char folder[] = "/tmp/barkeep-ca-XXXXXX";
    char path[64], tls[100];
    struct error err = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    snprintf(tls, sizeof tls, "ca: %s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct config *config = config_of(tls, "https://127.0.0.1:1");
    alarm(10);
    assert_null(tls_contexts_new(config, &err));
    alarm(0);
    assert_non_null(strstr(err.text, path));
    config_unref(config);
    unlink(path);
    rmdir(folder);
}

static void begins_a_session_with_name_and_protocol(void **state) {
    (void)state;
    struct error err;
    int fds[2];
    unsigned char hello[4096];
    struct config *config = config_of("verify: false, server_name: in.example", "https://[::1]:1");
    struct tls_context **contexts = tls_contexts_new(config, &err);
    struct tls_ticket ticket = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct tls_session *session =
        tls_context_connect(contexts[1], &config->routes[1].upstreams[0], fds[0], NULL, &ticket);
    assert_non_null(session);
    assert_int_equal(tls_session_handshake(session), IO_WAIT);
    ssize_t len = recv(fds[1], hello, sizeof hello, 0);
    assert_true(len > 0);
    assert_non_null(memmem(hello, (size_t)len, "in.example", 10));
    assert_non_null(memmem(hello, (size_t)len, "\x08http/1.1", 9));
    tls_session_free(session);
    tls_ticket_done(&ticket);
    close(fds[0]);
    close(fds[1]);
    tls_contexts_free(contexts, config->route_count);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_one_for_each_route_with_https),
        cmocka_unit_test(needs_no_authority_without_verification),
        cmocka_unit_test(says_which_file_holds_no_authority),
        cmocka_unit_test(waits_for_no_writer_of_a_pipe),
        cmocka_unit_test(begins_a_session_with_name_and_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
