#include "vault/claims_request.h"

#include <openssl/evp.h>

#include "vault/azure_answer.h"
#include "vault_case.h"

/* `json` as it stands in a challenge. */
static char *encode(const char *json) {
    static char text[16384];
    assert_true(strlen(json) < sizeof text / 2);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)json, (int)strlen(json));
    return text;
}

static char *request_of(const char *json) {
    return claims_request_of(slice_of_str(encode(json)));
}

static void adds_the_capability_to_what_was_asked(void **state) {
    static const struct {
        const char *json, *request;
    } rows[] = {
        {"{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"1\"}}}",
         "{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"1\"},\"xms_cc\":{\"values\":["
         "\"cp1\"]}}}"},
        {"{}", "{\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}"},
        {" { \"id_token\" : { } } ",
         "{\"id_token\":{},\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}"},
        {"{\"access_token\":{\"xms_cc\":{\"values\":[\"else\"]}}}",
         "{\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}"},
        {"{\"a\":\"\xC3\xA9\"}",
         "{\"a\":\"\\u00E9\",\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *request = request_of(rows[i].json);
        assert_non_null(request);
        assert_string_equal(request, rows[i].request);
        free(request);
    }
}

static void reads_both_alphabets_padded_or_not(void **state) {
    static const char *const texts[] = {"eyJhIjoiPz8/Pn4ifQ==", "eyJhIjoiPz8/Pn4ifQ",
                                        "eyJhIjoiPz8_Pn4ifQ==", "eyJhIjoiPz8_Pn4ifQ"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *request = claims_request_of(slice_of_str(texts[i]));
        assert_non_null(request);
        assert_non_null(strstr(request, "\"a\":\"?\?\?>~\""));
        free(request);
    }
}

static void refuses_what_is_no_bounded_json_object(void **state) {
    static const char *const jsons[] = {
        "",
        "[]",
        "\"text\"",
        "1",
        "{",
        "{}{}",
        "{\"a\":1,\"a\":2}",
        "{\"access_token\":1}",
        "{\"access_token\":[]}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}",
        "\xff\xfe",
    };
    static const char *const texts[] = {"e30=e30=", "e30===", "e30 ",   "e3!0",
                                        "e30\n",    "e",      "%7B%7D", "{}"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(jsons); i++)
        assert_null(request_of(jsons[i]));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_null(claims_request_of(slice_of_str(texts[i])));
    char *good = claims_request_of(SLICE("e30="));
    assert_non_null(good);
    free(good);
}

static void refuses_more_than_4_kib(void **state) {
    char json[8192];
    (void)state;
    static const struct {
        size_t len;
        bool is_taken;
    } rows[] = {{3000, true}, {3072, true}, {3073, false}, {6000, false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(json, ' ', sizeof json);
        memcpy(json, "{}", 2);
        json[rows[i].len] = '\0';
        char *request = request_of(json);
        assert_int_equal(request != NULL, rows[i].is_taken);
        free(request);
    }
}

static int start(void **state) {
    azure_answer_init();
    return start_secret_memory(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_the_capability_to_what_was_asked),
        cmocka_unit_test(reads_both_alphabets_padded_or_not),
        cmocka_unit_test(refuses_what_is_no_bounded_json_object),
        cmocka_unit_test(refuses_more_than_4_kib),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
