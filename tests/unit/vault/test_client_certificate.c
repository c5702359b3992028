#include <fcntl.h>
#include <openssl/err.h>
#include <unistd.h>

#include "certificate_case.h"
#include "core/wiping_memory.h"
#include "credential_case.h"

/* A root signs an intermediate, which signs the leaves. */
static struct {
    EVP_PKEY *root_key, *middle_key, *key, *other_key, *ec_key;
    X509 *root, *middle, *leaf, *other_leaf, *ec_leaf, *expired, *future;
    STACK_OF(X509) * chain; /* intermediate, root */
} made;

static int start(void **state) {
    if (!wiping_scope_install() || start_secret_memory(state) != 0)
        return -1;
    made.root_key = make_ec();
    made.middle_key = make_ec();
    made.key = make_rsa(2048);
    made.other_key = make_rsa(2048);
    made.ec_key = make_ec();
    made.root = make_certificate("root", made.root_key, "root", made.root_key, -DAY, DAY);
    made.middle = make_certificate("middle", made.middle_key, "root", made.root_key, -DAY, DAY);
    made.leaf = make_certificate("leaf", made.key, "middle", made.middle_key, -DAY, DAY);
    made.other_leaf =
        make_certificate("other", made.other_key, "middle", made.middle_key, -DAY, DAY);
    made.ec_leaf = make_certificate("ec", made.ec_key, "middle", made.middle_key, -DAY, DAY);
    made.expired = make_certificate("old", made.key, "middle", made.middle_key, -2 * DAY, -60);
    made.future = make_certificate("new", made.key, "middle", made.middle_key, DAY, 2 * DAY);
    made.chain = sk_X509_new_null();
    sk_X509_push(made.chain, made.middle);
    sk_X509_push(made.chain, made.root);
    return 0;
}

static int stop(void **state) {
    EVP_PKEY *const keys[] = {made.root_key, made.middle_key, made.key, made.other_key,
                              made.ec_key};
    X509 *const certificates[] = {made.root,    made.middle,  made.leaf,  made.other_leaf,
                                  made.ec_leaf, made.expired, made.future};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        EVP_PKEY_free(keys[i]);
    for (size_t i = 0; i < COUNT_OF(certificates); i++)
        X509_free(certificates[i]);
    sk_X509_free(made.chain);
    return 0;
}

/* Frees `pieces`. */
static char *joined_pieces(char **pieces, size_t count) {
    char *text = joined("", "");
    for (size_t i = 0; i < count; i++) {
        char *longer = joined(text, pieces[i]);
        free(text);
        free(pieces[i]);
        text = longer;
    }
    return text;
}

#define JOINED(...)                                                                                \
    joined_pieces((char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static char *key_pem(void) {
    return pem_of_key(made.key);
}

static char *leaf_pem(void) {
    return pem_of_certificate(made.leaf);
}

/* What an SSL that uses it would present: `leaf`, and `chain_len` certificates of made.chain. */
static void assert_presents(const char *value, X509 *leaf, EVP_PKEY *key, int chain_len) {
    struct client_certificate *certificate = read_well(value);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    STACK_OF(X509) *chain = NULL;
    assert_true(client_certificate_use(certificate, ssl));
    client_certificate_free(certificate);
    assert_int_equal(X509_cmp(SSL_get_certificate(ssl), leaf), 0);
    assert_int_equal(EVP_PKEY_eq(SSL_get_privatekey(ssl), key), 1);
    assert_int_equal(SSL_get0_chain_certs(ssl, &chain), 1);
    assert_int_equal(chain ? sk_X509_num(chain) : 0, chain_len);
    for (int i = 0; i < chain_len; i++)
        assert_int_equal(X509_cmp(sk_X509_value(chain, i), sk_X509_value(made.chain, i)), 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void assert_presents_leaf(char *value, int chain_len) {
    assert_presents(value, made.leaf, made.key, chain_len);
    free(value);
}

static void reads_pfx_of_every_make(void **state) {
    static const struct pfx_style styles[] = {
        {"modern", "", NID_aes_256_cbc, NID_aes_256_cbc, 2048, 2048, false},
        {"modern, no password at all", NULL, NID_aes_256_cbc, NID_aes_256_cbc, 2048, 1, false},
        {"triple DES", "", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
         NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 2000, 2000, false},
        {"triple DES, no password at all", NULL, NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
         NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 2000, 2000, false},
        {"RC2, as Windows wrote it", "", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
         NID_pbe_WithSHA1And40BitRC2_CBC, 2000, 2000, true},
        {"RC2 without a password at all", NULL, NID_pbe_WithSHA1And40BitRC2_CBC,
         NID_pbe_WithSHA1And40BitRC2_CBC, 2000, 2000, true},
        {"RC2 without a MAC", "", NID_pbe_WithSHA1And40BitRC2_CBC, NID_pbe_WithSHA1And40BitRC2_CBC,
         2000, -1, true},
        {"without a MAC", "", NID_aes_256_cbc, NID_aes_256_cbc, 2048, -1, false},
        {"not encrypted", "", -1, -1, 1, 1, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        print_message("%s\n", styles[i].name);
        assert_presents_leaf(make_pfx(&styles[i], made.key, made.leaf, NULL), 0);
        assert_presents_leaf(make_pfx(&styles[i], made.key, made.leaf, made.chain), 2);
    }
    assert_int_equal(OSSL_PROVIDER_available(NULL, "legacy"), 0);
}

static const struct pfx_style MODERN = {.name = "modern",
                                        .password = "",
                                        .key_nid = NID_aes_256_cbc,
                                        .certificate_nid = NID_aes_256_cbc,
                                        .rounds = 2048,
                                        .mac_rounds = 2048};

static void reads_ec_from_pfx(void **state) {
    (void)state;
    char *value = make_pfx(&MODERN, made.ec_key, made.ec_leaf, made.chain);
    assert_presents(value, made.ec_leaf, made.ec_key, 2);
    free(value);
}

static void refuses_pfx_with_a_password(void **state) {
    struct pfx_style style = MODERN;
    (void)state;
    style.password = "sesame";
    char *value = make_pfx(&style, made.key, made.leaf, NULL);
    assert_refuses(value, "password");
    free(value);
    style.mac_rounds = -1;
    value = make_pfx(&style, made.key, made.leaf, NULL);
    assert_refuses(value, "cannot be decrypted");
    free(value);
    assert_presents_leaf(make_pfx(&MODERN, made.key, made.leaf, NULL), 0);
}

/* 74565 rounds as DER has them, and 8388607: writing that many would take as long as reading. */
static const unsigned char SOME_ROUNDS[] = {0x02, 0x03, 0x01, 0x23, 0x45};
static const unsigned char MANY_ROUNDS[] = {0x02, 0x03, 0x7f, 0xff, 0xff};

/* `value` with the first such number exchanged; frees it. */
static char *with_many_rounds(char *value) {
    unsigned char der[8192];
    const size_t padding = strlen(value) - strcspn(value, "=");
    const int len = EVP_DecodeBlock(der, (const unsigned char *)value, (int)strlen(value));
    free(value);
    int at = 0;
    while (at + 5 <= len && memcmp(der + at, SOME_ROUNDS, sizeof SOME_ROUNDS) != 0)
        at++;
    assert_true(at + 5 <= len);
    memcpy(der + at, MANY_ROUNDS, sizeof MANY_ROUNDS);
    return base64_of(der, len - (int)padding);
}

/* Opening these would keep the keeper busy for many seconds. */
static void refuses_pfx_that_costs_too_much_to_open(void **state) {
    struct pfx_style signed_dearly = MODERN, encrypted_dearly = MODERN, old = MODERN;
    const struct pfx_style *const styles[] = {&signed_dearly, &encrypted_dearly, &old};
    (void)state;
    signed_dearly.mac_rounds = 0x12345;
    encrypted_dearly.rounds = old.rounds = 0x12345;
    encrypted_dearly.mac_rounds = old.mac_rounds = -1;
    old.key_nid = old.certificate_nid = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        char *value = with_many_rounds(make_pfx(styles[i], made.key, made.leaf, NULL));
        assert_refuses(value, "cost that is out of bounds");
        free(value);
        assert_presents_leaf(make_pfx(styles[i], made.key, made.leaf, NULL), 0);
    }
}

static void refuses_pfx_without_a_key_or_certificate(void **state) {
    (void)state;
    char *value = make_pfx(&MODERN, NULL, NULL, made.chain);
    assert_refuses(value, "no private key");
    free(value);
    value = make_pfx(&MODERN, made.key, NULL, NULL);
    assert_refuses(value, "no certificate");
    free(value);
}

static PKCS12 *pfx_of_two_keys(void) {
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    STACK_OF(PKCS7) *safes = NULL;
    assert_non_null(PKCS12_add_cert(&bags, made.leaf));
    assert_non_null(PKCS12_add_key(&bags, made.key, 0, 0, -1, NULL));
    assert_non_null(PKCS12_add_key(&bags, made.other_key, 0, 0, -1, NULL));
    assert_int_equal(PKCS12_add_safe(&safes, bags, -1, 0, NULL), 1);
    PKCS12 *pfx = PKCS12_add_safes(safes, 0);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return pfx;
}

static void refuses_pfx_with_two_keys(void **state) {
    (void)state;
    char *value = base64_of_pfx(pfx_of_two_keys());
    assert_refuses(value, "more than one private key");
    free(value);
}

static void reads_pem_of_every_make(void **state) {
    (void)state;
    char *middle = pem_of_certificate(made.middle), *root = pem_of_certificate(made.root);
    assert_presents_leaf(JOINED(key_pem(), leaf_pem()), 0);
    assert_presents_leaf(JOINED(leaf_pem(), key_pem()), 0);
    assert_presents_leaf(JOINED(old_pem_of_key(made.key), leaf_pem()), 0);
    assert_presents_leaf(JOINED(key_pem(), leaf_pem(), strdup(middle), strdup(root)), 2);
    assert_presents_leaf(JOINED(key_pem(), strdup(middle), leaf_pem(), strdup(root)), 2);
    assert_presents_leaf(JOINED(leaf_pem(), strdup(middle), strdup(root), key_pem()), 2);
    assert_presents_leaf(JOINED(key_pem(), strdup("Bag Attributes\n  name: x\n"), leaf_pem()), 0);
    assert_presents_leaf(JOINED(key_pem(), leaf_pem(), leaf_pem(), strdup("\n\n")), 0);
    free(middle);
    free(root);
}

static void reads_ec_from_pem(void **state) {
    (void)state;
    char *value = JOINED(pem_of_key(made.ec_key), pem_of_certificate(made.ec_leaf));
    assert_presents(value, made.ec_leaf, made.ec_key, 0);
    free(value);
    value = JOINED(strdup("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                          "-----END EC PARAMETERS-----\n"),
                   old_pem_of_key(made.ec_key), pem_of_certificate(made.ec_leaf));
    assert_presents(value, made.ec_leaf, made.ec_key, 0);
    free(value);
}

static char *with_carriage_returns(char *text) {
    char *copy = calloc(2, strlen(text) + 1), *at = copy;
    assert_non_null(copy);
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\n')
            *at++ = '\r';
        *at++ = *from;
    }
    free(text);
    return copy;
}

static void reads_pem_with_line_ends_of_windows(void **state) {
    (void)state;
    assert_presents_leaf(with_carriage_returns(JOINED(key_pem(), leaf_pem())), 0);
}

static void assert_refuses_made(char *value, const char *word) {
    assert_refuses(value, word);
    free(value);
}

static void refuses_pem_that_is_not_one_identity(void **state) {
    (void)state;
    assert_refuses_made(leaf_pem(), "no private key");
    assert_refuses_made(key_pem(), "no certificate");
    assert_refuses_made(JOINED(pem_of_key(made.other_key), leaf_pem()), "belongs to none");
    assert_refuses_made(JOINED(pem_of_key(made.ec_key), leaf_pem()), "belongs to none");
    assert_refuses_made(JOINED(key_pem(), key_pem(), leaf_pem()), "more than one private key");
    assert_refuses_made(JOINED(encrypted_pem_of_key(made.key), leaf_pem()), "encrypted");
    assert_refuses_made(
        JOINED(key_pem(), leaf_pem(), strdup("-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n")),
        "not used here");
    assert_presents_leaf(JOINED(key_pem(), leaf_pem()), 0);
}

static void refuses_broken_pem(void **state) {
    (void)state;
    char *whole = JOINED(key_pem(), leaf_pem());
    for (size_t len = 30; len < strlen(whole) - 1; len += 97)
        assert_refuses_bytes(slice_of(whole, len), "");
    assert_refuses("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                   "certificate cannot be read");
    assert_refuses("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                   "private key cannot be read");
    assert_refuses("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "broken");
    assert_presents_leaf(whole, 0);
}

static void refuses_what_is_neither(void **state) {
    static const char *const values[] = {
        "", "hunter2", "AAAA", "MAAA", "QUJD RA==", "====", "AB=C", "QUJDRA", "MIIC-_==", "{}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_refuses(values[i], "neither PEM nor a PFX");
    char *pfx = make_pfx(&MODERN, made.key, made.leaf, NULL);
    char *spaced = JOINED(strdup(" "), strdup(pfx));
    assert_refuses_made(spaced, "neither PEM nor a PFX");
    char *more = JOINED(strdup(pfx), strdup("AAAA"));
    if (strchr(pfx, '=') == NULL)
        assert_refuses(more, "neither PEM nor a PFX");
    free(more);
    for (size_t len = 4; len + 4 < strlen(pfx); len += 204)
        assert_refuses_bytes(slice_of(pfx, len), "neither PEM nor a PFX");
    free(pfx);
}

static void refuses_a_certificate_out_of_its_time(void **state) {
    (void)state;
    assert_refuses_made(JOINED(key_pem(), pem_of_certificate(made.expired)), "expired");
    assert_refuses_made(JOINED(key_pem(), pem_of_certificate(made.future)), "not valid yet");
    assert_refuses_made(make_pfx(&MODERN, made.key, made.expired, NULL), "expired");
    assert_presents_leaf(JOINED(key_pem(), leaf_pem()), 0);
}

static void refuses_a_key_that_tls_refuses(void **state) {
    (void)state;
    EVP_PKEY *key = make_rsa(1024);
    X509 *leaf = make_certificate("short", key, "short", key, -DAY, DAY);
    assert_refuses_made(JOINED(pem_of_key(key), pem_of_certificate(leaf)), "too weak");
    EVP_PKEY_free(key);
    X509_free(leaf);
}

static void refuses_more_than_its_bounds(void **state) {
    (void)state;
    char *value = JOINED(key_pem(), leaf_pem());
    for (int i = 0; i < 15; i++)
        value = JOINED(value, pem_of_certificate(made.middle));
    assert_presents(value, made.leaf, made.key, 1);
    value = JOINED(value, pem_of_certificate(made.middle));
    assert_refuses_made(value, "more than 16 certificates");
    char *text = repeated('A', 128 * 1024 + 4);
    assert_refuses_made(text, "too long");
}

static void leaves_no_errors_behind(void **state) {
    (void)state;
    assert_refuses("AAAA", "neither");
    assert_int_equal(ERR_peek_error(), 0);
    assert_presents_leaf(make_pfx(&MODERN, made.key, made.leaf, NULL), 0);
    assert_int_equal(ERR_peek_error(), 0);
}

static size_t count_in_bytes(const unsigned char *bytes, size_t size,
                             const unsigned char *disguised, size_t len) {
    size_t found = 0;
    for (size_t at = 0; at + len <= size; at++) {
        size_t same = 0;
        while (same < len && (bytes[at + same] ^ 0x5a) == disguised[same])
            same++;
        found += same == len;
    }
    return found;
}

/* `disguised`, so that the search does not find what it is told to look for. Reads by way of the
 * kernel, which no sanitizer minds. */
static size_t count_in_memory(const unsigned char *disguised, size_t len) {
    static unsigned char piece[1024 * 1024];
    FILE *maps = fopen("/proc/self/maps", "r");
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[512];
    size_t found = 0;
    assert_true(maps && memory >= 0);
    while (fgets(line, sizeof line, maps)) {
        char *rest = NULL;
        const uint64_t begin = strtoull(line, &rest, 16);
        const uint64_t end = strtoull(rest + 1, &rest, 16);
        /* What is larger is a sanitizer's own. */
        if (strncmp(rest, " rw", 3) != 0 || end - begin > 64 * 1024 * 1024)
            continue;
        for (uint64_t at = begin; at < end; at += sizeof piece - len) {
            const ssize_t got = pread(memory, piece, sizeof piece, (off_t)at);
            found += got > 0 ? count_in_bytes(piece, (size_t)got, disguised, len) : 0;
        }
    }
    secret_wipe(piece, sizeof piece);
    close(memory);
    fclose(maps);
    return found;
}

/* Disguises 32 bytes at three quarters of the PFX: of its encrypted private key, which opens
 * without a password. */
static void note_key_bytes(const char *value, unsigned char out_disguised[32]) {
    const size_t padding = strlen(value) - strcspn(value, "=");
    unsigned char der[8192];
    EVP_DecodeBlock(der, (const unsigned char *)value, (int)strlen(value));
    const size_t at = (strlen(value) / 4 * 3 - padding) * 3 / 4;
    for (size_t i = 0; i < 32; i++)
        out_disguised[i] = der[at + i] ^ 0x5a;
    secret_wipe(der, sizeof der);
}

static void leaves_nothing_of_a_pfx_in_memory(void **state) {
    static const struct pfx_style old = {.name = "old",
                                         .password = "",
                                         .key_nid = NID_pbe_WithSHA1And40BitRC2_CBC,
                                         .certificate_nid = NID_pbe_WithSHA1And40BitRC2_CBC,
                                         .rounds = 2000,
                                         .mac_rounds = 2000,
                                         .needs_legacy = true};
    const struct pfx_style *const styles[] = {&MODERN, &old};
    unsigned char disguised[32];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        wiping_scope_begin();
        char *value = make_pfx(styles[i], made.key, made.leaf, NULL);
        wiping_scope_end();
        note_key_bytes(value, disguised);
        assert_int_equal(count_in_memory(disguised, sizeof disguised), 0);
        struct client_certificate *certificate = read_well(value);
        assert_int_equal(count_in_memory(disguised, sizeof disguised), 0);
        client_certificate_free(certificate);

        /* The search finds what is there. */
        unsigned char plain[32];
        for (size_t k = 0; k < sizeof plain; k++)
            plain[k] = disguised[k] ^ 0x5a;
        assert_true(count_in_memory(disguised, sizeof disguised) > 0);
        secret_wipe(plain, sizeof plain);
        free(value);
    }
}

static void is_a_credential_of_its_own(void **state) {
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_CLIENT_CERTIFICATE, .certificate = 3};
    (void)state;
    put_text(3, "hunter2");
    assert_is_unavailable(&credential, "secret prod/three: the value is neither PEM nor a PFX");
    char *value = JOINED(key_pem(), leaf_pem());
    put_text(3, value);
    free(value);
    views[3].hosts = "db.example";
    struct rendering *rendering = render_well(&credential);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_non_null(rendered->certificate);
    assert_null(rendered->leaks);
    assert_int_equal(rendered->header_count, 0);
    assert_int_equal(rendered->used_count, 1);
    assert_string_equal(rendered->used[0].name, "three");
    assert_true(rendered_credential_may_go_to(rendered, "db.example", 443));
    assert_false(rendered_credential_may_go_to(rendered, "other.example", 443));
    rendering_unref(rendering);
    clear_secrets(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pfx_of_every_make),
        cmocka_unit_test(reads_ec_from_pfx),
        cmocka_unit_test(refuses_pfx_with_a_password),
        cmocka_unit_test(refuses_pfx_that_costs_too_much_to_open),
        cmocka_unit_test(refuses_pfx_without_a_key_or_certificate),
        cmocka_unit_test(refuses_pfx_with_two_keys),
        cmocka_unit_test(reads_pem_of_every_make),
        cmocka_unit_test(reads_ec_from_pem),
        cmocka_unit_test(reads_pem_with_line_ends_of_windows),
        cmocka_unit_test(refuses_pem_that_is_not_one_identity),
        cmocka_unit_test(refuses_broken_pem),
        cmocka_unit_test(refuses_what_is_neither),
        cmocka_unit_test(refuses_a_certificate_out_of_its_time),
        cmocka_unit_test(refuses_a_key_that_tls_refuses),
        cmocka_unit_test(refuses_more_than_its_bounds),
        cmocka_unit_test(leaves_no_errors_behind),
        cmocka_unit_test(leaves_nothing_of_a_pfx_in_memory),
        cmocka_unit_test(is_a_credential_of_its_own),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
