/* Certificates and keys from files, and which of them a caller is shown. */
#include "wired_conn.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"
#include "proxy/server_certificate.h"
#include "proxy/tls_server.h"

struct files {
    char folder[32];
    char paths[8][64];
    size_t count;
};

static int make_secret_memory(void **state) {
    (void)state;
    bool is_locked;
    struct error err;
    return secret_memory_init(1 << 20, &is_locked, &err) == STATUS_OK ? 0 : -1;
}

static int make_folder(void **state) {
    struct files *files = calloc(1, sizeof *files);
    assert_non_null(files);
    snprintf(files->folder, sizeof files->folder, "/tmp/tls_server.XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    *state = files;
    return 0;
}

static int drop_folder(void **state) {
    struct files *files = *state;
    for (size_t i = 0; i < files->count; i++)
        unlink(files->paths[i]);
    rmdir(files->folder);
    free(files);
    return 0;
}

static FILE *new_file(struct files *files, const char **out_path) {
    assert_true(files->count < COUNT(files->paths));
    char path[sizeof files->paths[0]];
    snprintf(path, sizeof path, "%s/%zu.pem", files->folder, files->count);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    *out_path = memcpy(files->paths[files->count++], path, sizeof path);
    return file;
}

/* Self-signed; `names` as X509V3 has them: "DNS:a.example". */
static void write_certificate(FILE *file, EVP_PKEY *key, const char *names) {
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_true(X509_set_version(certificate, X509_VERSION_3));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"subject.example", -1, -1, 0);
    assert_true(X509_set_pubkey(certificate, key));
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()));
    assert_true(PEM_write_X509(file, certificate));
    X509_free(certificate);
}

static void write_key(FILE *file, EVP_PKEY *key) {
    assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
}

static const char *write_both(struct files *files, const char *names) {
    const char *path;
    FILE *file = new_file(files, &path);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    write_certificate(file, key, names);
    write_key(file, key);
    EVP_PKEY_free(key);
    fclose(file);
    return path;
}

static struct tls_server **servers_of(struct config_listen_certificate *certificates, size_t count,
                                      struct error *err) {
    const struct config_listen_tls tls = {.certificates = certificates, .certificate_count = count};
    struct config_address listen[] = {{.text = "127.0.0.1:1"},
                                      {.text = "127.0.0.1:2", .tls = &tls}};
    const struct config config = {.listen = listen, .listen_count = COUNT(listen)};
    return tls_servers_new(&config, err);
}

static void shows_the_certificate_that_names_the_host(void **state) {
    struct files *files = *state;
    struct error err = {""};
    struct config_listen_certificate certificates[] = {
        {.file = write_both(files, "DNS:first.example,IP:127.0.0.1")},
        {.file = write_both(files, "DNS:*.wild.example")},
        {.file = write_both(files, "DNS:own.wild.example,DNS:also.example")},
    };
    struct tls_server **servers = servers_of(certificates, COUNT(certificates), &err);
    assert_string_equal(err.text, "");
    assert_non_null(servers);
    assert_null(servers[0]);
    static const struct {
        const char *name;
        size_t chosen;
    } cases[] = {
        {"first.example", 0},
        {"own.wild.example", 2},
        {"OWN.Wild.Example", 2},
        {"any.wild.example", 1},
        {"also.example", 2},
        {"a.b.wild.example", 0},
        {"wild.example", 0},
        {"unknown.example", 0},
        {"127.0.0.1", 0},
        {"subject.example", 0},
        {".wild.example", 0},
        {"*.wild.example", 1},
        {"", 0},
        {NULL, 0},
        {"own.wild.example.", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (tls_server_choose(servers[1], cases[i].name) != cases[i].chosen)
            fail_msg("%s: %zu", cases[i].name, tls_server_choose(servers[1], cases[i].name));
    tls_servers_free(servers, 2);
}

static void refuses_files_that_do_not_fit(void **state) {
    struct files *files = *state;
    const char *good = write_both(files, "DNS:a.example");
    const char *lone, *key, *other, *weak;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    FILE *file = new_file(files, &lone);
    write_certificate(file, pair, "DNS:a.example");
    fclose(file);
    file = new_file(files, &key);
    write_key(file, pair);
    fclose(file);
    EVP_PKEY_free(pair);
    pair = EVP_EC_gen("P-256");
    file = new_file(files, &other);
    write_key(file, pair);
    fclose(file);
    EVP_PKEY_free(pair);
    pair = EVP_RSA_gen(1024);
    file = new_file(files, &weak);
    write_certificate(file, pair, "DNS:a.example");
    write_key(file, pair);
    fclose(file);
    EVP_PKEY_free(pair);
    const struct {
        struct config_listen_certificate files;
        const char *fragment; /* NULL: it is taken */
    } cases[] = {
        {{.file = good}, NULL},
        {{.file = good, .key_file = good}, NULL},
        {{.file = lone, .key_file = key}, NULL},
        {{.file = lone}, "no private key"},
        {{.file = key}, "no certificate"},
        {{.file = lone, .key_file = other}, "belongs to"},
        {{.file = weak}, "too weak"},
        {{.file = good, .key_file = key}, "more than one private key"},
        {{.file = "/nowhere/x.pem"}, "/nowhere/x.pem"},
        {{.file = lone, .key_file = "/nowhere/x.key"}, "/nowhere/x.key"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {""};
        struct config_listen_certificate certificate = cases[i].files;
        struct tls_server **servers = servers_of(&certificate, 1, &err);
        bool is_as_expected =
            cases[i].fragment ? !servers && strstr(err.text, cases[i].fragment) : servers != NULL;
        if (!is_as_expected)
            fail_msg("case %zu: %s", i, err.text);
        enum status expected = cases[i].fragment ? STATUS_INVALID : STATUS_OK;
        assert_int_equal(tls_server_check_certificate(&certificate, &err), expected);
        tls_servers_free(servers, 2);
    }
}

static void keeps_to_its_address(void **state) {
    struct files *files = *state;
    struct error err = {""};
    struct config_listen_certificate certificate = {.file = write_both(files, "DNS:a.example")};
    struct tls_server **former = servers_of(&certificate, 1, &err);
    struct tls_server **next = servers_of(&certificate, 1, &err);
    assert_non_null(former);
    assert_non_null(next);
    struct tls_server *held = tls_server_ref(former[1]);
    tls_servers_free(former, 2);
    tls_server_renew(&held, next, 1); /* there is none for its address */
    assert_ptr_not_equal(held, next[1]);
    tls_server_renew(&held, next, 2);
    assert_ptr_equal(held, next[1]);
    struct tls_server *plain = NULL;
    tls_server_renew(&plain, next, 2); /* what is plain stays plain */
    assert_null(plain);
    tls_servers_free(next, 2);
    assert_int_equal(tls_server_choose(held, "a.example"), 0);
    tls_server_unref(held);
}

static void authorities_are_read_or_told_apart(void **state) {
    struct files *files = *state;
    struct error err = {""};
    struct config_listen_tls tls = {.client_ca_file = write_both(files, "DNS:ca.example")};
    assert_int_equal(tls_server_check_authorities(&tls, &err), STATUS_OK);
    tls.client_ca_file = "/nowhere/ca.pem";
    assert_int_equal(tls_server_check_authorities(&tls, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "/nowhere/ca.pem"));
    tls.client_ca_file = NULL;
    assert_int_equal(tls_server_check_authorities(&tls, &err), STATUS_OK);
    assert_int_equal(server_certificate_check("/nowhere/x.pem", &err), STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_the_certificate_that_names_the_host, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(refuses_files_that_do_not_fit, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(keeps_to_its_address, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(authorities_are_read_or_told_apart, make_folder,
                                        drop_folder),
    };
    return cmocka_run_group_tests(tests, make_secret_memory, NULL);
}
