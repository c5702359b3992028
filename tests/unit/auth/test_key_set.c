#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/token_maker.h"

static EVP_PKEY *key;
static EVP_PKEY *other_key;
static EVP_PKEY *short_key;

static int make_keys(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    short_key = EVP_RSA_gen(1024);
    return key && other_key && short_key ? 0 : -1;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(short_key);
    return 0;
}

/* A document of the good key "good" and of one more; tells whether that one was taken. */
static bool takes(const char *jwk) {
    char *good = make_jwk(other_key, "good", "");
    char *document = make_text("{\"keys\":[%s,%s]}", jwk, good);
    size_t refused = 99;
    struct key_set *set = key_set_parse(slice_of_str(document), &refused, NULL);
    assert_non_null(set);
    assert_non_null(key_set_find(set, SLICE("good")));
    assert_int_equal(key_set_count(set) + refused, 2);
    bool is_taken = key_set_find(set, SLICE("odd")) != NULL;
    assert_int_equal(key_set_count(set), is_taken ? 2 : 1);
    key_set_unref(set);
    free(document);
    free(good);
    return is_taken;
}

static bool takes_with(const char *more) {
    char *jwk = make_jwk(key, "odd", more);
    bool is_taken = takes(jwk);
    free(jwk);
    return is_taken;
}

static void reads_a_key_for_verification(void **state) {
    (void)state;
    struct key_set *set =
        make_key_set(key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\",\"use\":\"sig\"");
    assert_int_equal(key_set_count(set), 1);
    const struct verification_key *found = key_set_find(set, SLICE("key-1"));
    assert_non_null(found);
    assert_true(slice_eq_str(found->kid, "key-1"));
    assert_true(slice_eq_str(found->issuer, KEY_ISSUER));
    assert_int_equal(EVP_PKEY_eq(found->key, key), 1);
    assert_null(key_set_find(set, SLICE("key-2")));
    assert_null(key_set_find(set, SLICE("key-")));
    assert_null(key_set_find(set, SLICE("")));
    key_set_unref(set);
}

static void takes_keys_that_narrow_themselves_to_rs256(void **state) {
    (void)state;
    static const char *const members[] = {
        "",
        ",\"use\":\"sig\"",
        ",\"alg\":\"RS256\"",
        ",\"key_ops\":[\"verify\"]",
        ",\"key_ops\":[\"sign\",\"verify\"]",
        ",\"x5c\":[\"AAAA\"],\"x5t\":\"odd\"",
        ",\"issuer\":\"" KEY_ISSUER "\"",
        ",\"cloud_instance_name\":\"microsoftonline.com\"",
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        assert_true(takes_with(members[i]));
}

static void leaves_out_keys_for_other_uses(void **state) {
    (void)state;
    static const char *const members[] = {
        ",\"use\":\"enc\"",        ",\"use\":\"\"",      ",\"use\":\"SIG\"",
        ",\"use\":null",           ",\"use\":[\"sig\"]", ",\"alg\":\"PS256\"",
        ",\"alg\":\"RS512\"",      ",\"alg\":\"rs256\"", ",\"alg\":\"RSA-OAEP\"",
        ",\"alg\":null",           ",\"key_ops\":[]",    ",\"key_ops\":[\"sign\"]",
        ",\"key_ops\":\"verify\"", ",\"key_ops\":[7]",   ",\"key_ops\":{}",
        ",\"issuer\":7",           ",\"issuer\":\"\"",   ",\"issuer\":null",
    };
    assert_true(takes_with(""));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        assert_false(takes_with(members[i]));
}

static void leaves_out_private_keys(void **state) {
    (void)state;
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char *more = make_text(",\"%s\":\"AQAB\"", members[i]);
        assert_false(takes_with(more));
        free(more);
    }
    assert_true(takes_with(""));
}

static void leaves_out_other_key_types(void **state) {
    (void)state;
    static const char *const jwks[] = {
        "{\"kty\":\"EC\",\"kid\":\"odd\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"oct\",\"kid\":\"odd\",\"k\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"kid\":\"odd\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kid\":\"odd\"}",
        "{}",
        "7",
        "null",
        "\"odd\"",
        "[]",
    };
    for (size_t i = 0; i < sizeof jwks / sizeof *jwks; i++)
        assert_false(takes(jwks[i]));
    char *n = make_number(key, OSSL_PKEY_PARAM_RSA_N);
    static const char *const types[] = {"\"rsa\"", "\"RSA \"", "null", "[\"RSA\"]",
                                        "\"RSA\\u0020\""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char *jwk =
            make_text("{\"kty\":%s,\"kid\":\"odd\",\"n\":\"%s\",\"e\":\"AQAB\"}", types[i], n);
        assert_false(takes(jwk));
        free(jwk);
    }
    free(n);
}

static void leaves_out_kids_it_could_not_be_asked_for(void **state) {
    (void)state;
    char *n = make_number(key, OSSL_PKEY_PARAM_RSA_N);
    char *long_kid = malloc(131);
    memset(long_kid, 'k', 130);
    long_kid[0] = long_kid[129] = '"';
    long_kid[130] = '\0';
    const char *kids[] = {"\"\"", "null", "7", "[\"odd\"]", "\"odd\\n\"", "\"\\u00e9\"", long_kid};
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char *jwk =
            make_text("{\"kty\":\"RSA\",\"kid\":%s,\"n\":\"%s\",\"e\":\"AQAB\"}", kids[i], n);
        takes(jwk);
        char *document = make_text("{\"keys\":[%s]}", jwk);
        struct key_set *set = key_set_parse(slice_of_str(document), NULL, NULL);
        assert_int_equal(key_set_count(set), 0);
        key_set_unref(set);
        free(document);
        free(jwk);
    }
    char *jwk = make_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    assert_false(takes(jwk));
    free(jwk);
    free(long_kid);
    free(n);
}

static char *jwk_of_numbers(const char *n, const char *e) {
    return make_text("{\"kty\":\"RSA\",\"kid\":\"odd\",\"n\":%s,\"e\":%s}", n, e);
}

static void leaves_out_weak_numbers(void **state) {
    (void)state;
    char *good_n = make_number(key, OSSL_PKEY_PARAM_RSA_N);
    char *short_n = make_number(short_key, OSSL_PKEY_PARAM_RSA_N);
    char *quoted = make_text("\"%s\"", good_n), *quoted_short = make_text("\"%s\"", short_n);
    char *padded = make_text("\"%s==\"", good_n), *cut = make_text("\"%.100s\"", good_n);
    char *plus = make_text("\"+%s\"", good_n + 1);
    unsigned char bytes[1200];
    memset(bytes, 0xff, sizeof bytes);
    bytes[255] = 0xfe;
    char *even = make_base64url(bytes, 256);
    char *quoted_even = make_text("\"%s\"", even);
    char *huge = make_base64url(bytes, 1025); /* 8200 bits */
    char *quoted_huge = make_text("\"%s\"", huge);
    const struct {
        const char *n;
        const char *e;
        bool is_taken;
    } rows[] = {
        {quoted, "\"AQAB\"", true},     /* 65537 */
        {quoted, "\"AAEAAQ\"", true},   /* a zero byte in front */
        {quoted, "\"_____w\"", true},   /* 2^32 - 1 */
        {quoted, "\"AQAAAAE\"", false}, /* 2^32 + 1 */
        {quoted, "\"AQ\"", false},      /* 1 */
        {quoted, "\"Ag\"", false},      /* 2 */
        {quoted, "\"Aw\"", false},      /* 3 */
        {quoted, "\"EQ\"", false},      /* 17 */
        {quoted, "\"AQAA\"", false},    /* 65536 */
        {quoted, "\"AQAC\"", false},    /* 65538 */
        {quoted, "\"AA\"", false},      /* 0 */
        {quoted, "\"\"", false},          {quoted, "\"AQAB=\"", false},
        {quoted, "\"AQ AB\"", false},     {quoted, "65537", false},
        {quoted, "null", false},          {quoted_short, "\"AQAB\"", false},
        {quoted_even, "\"AQAB\"", false}, {quoted_huge, "\"AQAB\"", false},
        {padded, "\"AQAB\"", false},      {plus, "\"AQAB\"", false},
        {cut, "\"AQAB\"", false},         {"\"\"", "\"AQAB\"", false},
        {"null", "\"AQAB\"", false},      {"7", "\"AQAB\"", false},
        {"[]", "\"AQAB\"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *jwk = jwk_of_numbers(rows[i].n, rows[i].e);
        assert_int_equal(takes(jwk), rows[i].is_taken);
        free(jwk);
    }
    free(good_n);
    free(short_n);
    free(quoted);
    free(quoted_short);
    free(padded);
    free(cut);
    free(plus);
    free(even);
    free(quoted_even);
    free(huge);
    free(quoted_huge);
}

static void leaves_out_all_keys_of_a_shared_kid(void **state) {
    (void)state;
    char *a = make_jwk(key, "same", ""), *b = make_jwk(other_key, "same", "");
    char *c = make_jwk(other_key, "own", "");
    const char *const documents[][4] = {{a, b, c}, {a, c, b}, {c, a, a}, {a, c, a}};
    for (size_t i = 0; i < 4; i++) {
        char *document =
            make_text("{\"keys\":[%s,%s,%s]}", documents[i][0], documents[i][1], documents[i][2]);
        size_t refused = 0;
        struct key_set *set = key_set_parse(slice_of_str(document), &refused, NULL);
        assert_int_equal(key_set_count(set), 1);
        assert_int_equal(refused, 2);
        assert_null(key_set_find(set, SLICE("same")));
        assert_non_null(key_set_find(set, SLICE("own")));
        key_set_unref(set);
        free(document);
    }
    free(a);
    free(b);
    free(c);
}

static void finds_each_of_many_keys(void **state) {
    (void)state;
    char *document = make_text("{\"keys\":[");
    for (int i = 0; i < KEY_SET_MAX_KEYS; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "k%d", i);
        char *jwk = make_jwk(i % 2 ? key : other_key, kid, "");
        char *longer = make_text("%s%s%s", document, i ? "," : "", jwk);
        free(document);
        free(jwk);
        document = longer;
    }
    char *whole = make_text("%s]}", document), *over = make_text("%s,{}]}", document);
    struct key_set *set = key_set_parse(slice_of_str(whole), NULL, NULL);
    assert_int_equal(key_set_count(set), KEY_SET_MAX_KEYS);
    for (int i = 0; i < KEY_SET_MAX_KEYS; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "k%d", i);
        const struct verification_key *found = key_set_find(set, slice_of_str(kid));
        assert_non_null(found);
        assert_true(slice_eq_str(found->kid, kid));
        assert_int_equal(EVP_PKEY_eq(found->key, i % 2 ? key : other_key), 1);
    }
    key_set_unref(set);
    struct error err;
    assert_null(key_set_parse(slice_of_str(over), NULL, &err));
    assert_non_null(strstr(err.text, "201"));
    free(document);
    free(whole);
    free(over);
}

static void refuses_documents_that_are_no_key_sets(void **state) {
    (void)state;
    static const char *const documents[] = {
        "",
        " ",
        "null",
        "7",
        "\"keys\"",
        "[]",
        "[{\"keys\":[]}]",
        "{}",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":\"\"}",
        "{\"keys\":[]",
        "{\"keys\":[]}}",
        "{\"keys\":[]} x",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[],\"key\\u0073\":[]}",
        "{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"}]}",
        "{\"keys\":[\"\\u0000\"]}",
        "{\"keys\":[\"\\ud800\"]}",
        "{\"keys\":[\"\xff\"]}",
        "\xef\xbb\xbf{\"keys\":[]}",
        "<html></html>",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct error err = {{0}};
        assert_null(key_set_parse(slice_of_str(documents[i]), NULL, &err));
        assert_true(err.text[0]);
    }
    struct key_set *empty = key_set_parse(SLICE("{\"keys\":[]}"), NULL, NULL);
    assert_int_equal(key_set_count(empty), 0);
    assert_null(key_set_find(empty, SLICE("x")));
    key_set_unref(empty);
    assert_null(key_set_parse(slice_of("{\"keys\":[]}\0", 12), NULL, NULL));
}

static void refuses_deep_and_large_documents(void **state) {
    (void)state;
    size_t size = KEY_SET_MAX_DOCUMENT_BYTES + 1;
    char *text = malloc(size);
    memset(text, '[', size);
    memcpy(text, "{\"keys\":", 8);
    assert_null(key_set_parse(slice_of(text, 100008), NULL, NULL));
    assert_null(key_set_parse(slice_of(text, 8 + 2048), NULL, NULL));
    memset(text, ' ', size);
    memcpy(text, "{\"keys\":[]}", 11);
    struct key_set *set = key_set_parse(slice_of(text, size - 1), NULL, NULL);
    assert_non_null(set);
    key_set_unref(set);
    assert_null(key_set_parse(slice_of(text, size), NULL, NULL));
    free(text);
}

static void tells_a_replaced_key_by_its_fingerprint(void **state) {
    (void)state;
    struct key_set *a = make_key_set(key, "k", ""), *b = make_key_set(other_key, "k", "");
    struct key_set *c = make_key_set(key, "k", ",\"use\":\"sig\"");
    struct key_set *d = make_key_set(key, "k", ",\"issuer\":\"x\"");
    struct key_set *e = make_key_set(key, "l", "");
    assert_false(key_set_eq(a, b));
    assert_true(key_set_eq(a, c));
    assert_false(key_set_eq(a, d));
    assert_false(key_set_eq(a, e));
    assert_memory_not_equal(key_set_find(a, SLICE("k"))->fingerprint,
                            key_set_find(b, SLICE("k"))->fingerprint, 32);
    assert_memory_equal(key_set_find(a, SLICE("k"))->fingerprint,
                        key_set_find(c, SLICE("k"))->fingerprint, 32);
    key_set_unref(a);
    key_set_unref(b);
    key_set_unref(c);
    key_set_unref(d);
    key_set_unref(e);
}

static void copies_a_ring_that_shares_its_sets(void **state) {
    (void)state;
    struct key_ring *ring = make_ring(key);
    struct key_ring *copy = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(copy, key_slot_of_tenant(0, 2));
    assert_ptr_equal(slot->keys, key_ring_slot(ring, key_slot_of_tenant(0, 2))->keys);
    assert_string_equal(slot->issuer, ISS_V2);
    assert_ptr_not_equal(slot->issuer, key_ring_slot(ring, key_slot_of_tenant(0, 2))->issuer);
    assert_null(key_ring_slot(copy, key_slot_of_tenant(1, 1))->keys);
    key_ring_unref(ring);
    assert_non_null(key_set_find(slot->keys, SLICE("key-1")));
    key_ring_unref(key_ring_ref(copy));
    key_ring_unref(copy);
    key_ring_unref(NULL);
    key_set_unref(NULL);
}

static void tells_each_refused_key_and_why(void **state) {
    (void)state;
    char *good = make_jwk(key, "good", ""), *secret = make_jwk(key, "secret", ",\"d\":\"AQAB\"");
    char *enc = make_jwk(key, "enc", ",\"use\":\"enc\""), *twin = make_jwk(key, "twin", "");
    char *document =
        make_text("{\"keys\":[%s,%s,%s,%s,%s,7,{\"kty\":\"oct\",\"kid\":\"a\\u00e9\\nb\"}]}", good,
                  secret, enc, twin, twin);
    struct key_refusals refusals;
    struct key_set *set = key_set_parse_of_cloud(slice_of_str(document), NULL, &refusals, NULL);
    assert_int_equal(key_set_count(set), 1);
    assert_int_equal(refusals.count, 6);
    static const char *const expected[][2] = {
        {"secret", "holds private members"},
        {"enc", "is not for signatures"},
        {"", "is not an object"},
        {"a???b", "is not an RSA key"},
        {"twin", "shares its kid with another key"},
        {"twin", "shares its kid with another key"},
    };
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(refusals.items[i].kid, expected[i][0]);
        assert_string_equal(refusals.items[i].why, expected[i][1]);
    }
    key_set_unref(set);
    free(document);
    free(good);
    free(secret);
    free(enc);
    free(twin);
}

static void counts_more_refusals_than_it_lists(void **state) {
    (void)state;
    struct key_refusals refusals;
    struct key_set *set = key_set_parse_of_cloud(SLICE("{\"keys\":[1,2,3,4,5,6,7,8,9,10,11,12]}"),
                                                 NULL, &refusals, NULL);
    assert_int_equal(refusals.count, 12);
    key_set_unref(set);
}

static void leaves_out_keys_of_another_cloud(void **state) {
    (void)state;
    static const struct {
        const char *more;
        const char *cloud;
        size_t count;
    } rows[] = {
        {"", "microsoftonline.com", 1},
        {",\"cloud_instance_name\":\"microsoftonline.com\"", "microsoftonline.com", 1},
        {",\"cloud_instance_name\":\"microsoftonline.us\"", "microsoftonline.com", 0},
        {",\"cloud_instance_name\":7", "microsoftonline.com", 0},
        {",\"cloud_instance_name\":\"microsoftonline.us\"", NULL, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_refusals refusals;
        char *jwk = make_jwk(key, "k", rows[i].more), *document = make_text("{\"keys\":[%s]}", jwk);
        struct key_set *set =
            key_set_parse_of_cloud(slice_of_str(document), rows[i].cloud, &refusals, NULL);
        assert_int_equal(key_set_count(set), rows[i].count);
        key_set_unref(set);
        free(document);
        free(jwk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_key_for_verification),
        cmocka_unit_test(takes_keys_that_narrow_themselves_to_rs256),
        cmocka_unit_test(leaves_out_keys_for_other_uses),
        cmocka_unit_test(leaves_out_private_keys),
        cmocka_unit_test(leaves_out_other_key_types),
        cmocka_unit_test(leaves_out_kids_it_could_not_be_asked_for),
        cmocka_unit_test(leaves_out_weak_numbers),
        cmocka_unit_test(leaves_out_all_keys_of_a_shared_kid),
        cmocka_unit_test(finds_each_of_many_keys),
        cmocka_unit_test(refuses_documents_that_are_no_key_sets),
        cmocka_unit_test(refuses_deep_and_large_documents),
        cmocka_unit_test(tells_a_replaced_key_by_its_fingerprint),
        cmocka_unit_test(copies_a_ring_that_shares_its_sets),
        cmocka_unit_test(tells_each_refused_key_and_why),
        cmocka_unit_test(counts_more_refusals_than_it_lists),
        cmocka_unit_test(leaves_out_keys_of_another_cloud),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
