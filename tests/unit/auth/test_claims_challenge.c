#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "auth/claims_challenge.h"

static void asks_for_a_context_as_entra_documents_it(void **state) {
    (void)state;
    char claims[CLAIMS_CHALLENGE_SIZE];
    claims_challenge_acrs(SLICE("c1"), claims);
    assert_string_equal(
        claims, "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19");
}

/* The documented text ends with `In19fQ==`: the blanks take the place of the padding. */
static void asks_for_a_newer_token_without_padding(void **state) {
    (void)state;
    char claims[CLAIMS_CHALLENGE_SIZE];
    claims_challenge_nbf(1795435200, claims);
    assert_string_equal(claims,
                        "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiI"
                        "xNzk1NDM1MjAwIn19fSAg");
}

/* Decodes and compares, blanks at the end aside. */
static void assert_means(const char *claims, const char *json) {
    char text[CLAIMS_CHALLENGE_SIZE] = {0};
    size_t len = strlen(claims);
    assert_int_equal(len % 4, 0);
    assert_null(strchr(claims, '='));
    assert_true(EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)claims, (int)len) >=
                0);
    size_t json_len = strlen(json);
    assert_memory_equal(text, json, json_len);
    assert_true(strspn(text + json_len, " ") == strlen(text + json_len));
    assert_true(strlen(text + json_len) <= 2);
}

static void never_ends_with_an_equals_sign(void **state) {
    (void)state;
    char claims[CLAIMS_CHALLENGE_SIZE], json[128], value[32];
    for (int i = 1; i <= 99; i++) {
        snprintf(value, sizeof value, "c%d", i);
        claims_challenge_acrs(slice_of_str(value), claims);
        snprintf(json, sizeof json,
                 "{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"%s\"}}}", value);
        assert_means(claims, json);
    }
    static const int64_t times[] = {
        1, 12, 123, 1234, 1795435200, 9999999999, 123456789, INT64_C(1) << 53, 100000000000};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        claims_challenge_nbf(times[i], claims);
        snprintf(json, sizeof json,
                 "{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"%lld\"}}}",
                 (long long)times[i]);
        assert_means(claims, json);
    }
}

static void writes_the_header_of_the_configured_cloud(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    char claims[CLAIMS_CHALLENGE_SIZE];
    claims_challenge_acrs(SLICE("c1"), claims);
    assert_string_equal(
        claims_challenge_header(&arena, "https://login.microsoftonline.com", claims),
        "Bearer realm=\"\", "
        "authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", "
        "error=\"insufficient_claims\", "
        "claims=\"eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19\"");
    assert_non_null(
        strstr(claims_challenge_header(&arena, "https://login.microsoftonline.us", claims),
               "\"https://login.microsoftonline.us/common/oauth2/authorize\""));
    arena_done(&arena);
}

static void gives_nothing_without_memory(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    assert_null(claims_challenge_header(&arena, "https://login.microsoftonline.com", "e30g"));
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_a_context_as_entra_documents_it),
        cmocka_unit_test(asks_for_a_newer_token_without_padding),
        cmocka_unit_test(never_ends_with_an_equals_sign),
        cmocka_unit_test(writes_the_header_of_the_configured_cloud),
        cmocka_unit_test(gives_nothing_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
