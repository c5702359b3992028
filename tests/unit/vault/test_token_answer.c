#include "vault/token_answer.h"

#include "vault_case.h"

#define NOW 1795424100

static void reads_every_way_to_say_when_it_expires(void **state) {
    static const struct {
        const char *body;
        int64_t lifetime_sec;
    } rows[] = {
        {"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"t.o-k_n\"}", 3599},
        {"{\"expires_in\":\"86399\",\"expires_on\":\"1795510499\",\"access_token\":\"t.o-k_n\","
         "\"token_type\":\"Bearer\",\"refresh_token\":\"\"}",
         86399},
        {"{\"expires_on\":1795424200,\"access_token\":\"t.o-k_n\"}", 100},
        {"{\"expires_on\":\"1795424200\",\"expires_in\":3600,\"access_token\":\"t.o-k_n\"}", 100},
        {"{\"expires_on\":1795460000,\"expires_in\":60,\"access_token\":\"t.o-k_n\"}", 60},
        {"{\"expires_on\":\"11/23/2026 9:00:00 AM +00:00\",\"expires_in\":\"60\","
         "\"access_token\":\"t.o-k_n\",\"token_type\":\"bearer\"}",
         60},
        {"{\"expires_in\":9223372036854775807,\"access_token\":\"t.o-k_n\"}", 48 * 3600},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct token_answer answer = {0};
        struct error err = {""};
        assert_int_equal(token_answer_parse(slice_of_str(rows[i].body), NOW, &answer, &err),
                         STATUS_OK);
        assert_secret_is(answer.token, "t.o-k_n");
        assert_int_equal(answer.lifetime_sec, rows[i].lifetime_sec);
        secret_unref(answer.token);
    }
}

static void refuses_what_is_no_usable_token(void **state) {
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"access_token\":\"t\"}",
        "{\"expires_in\":3599}",
        "{\"expires_in\":3599,\"access_token\":\"\"}",
        "{\"expires_in\":3599,\"access_token\":7}",
        "{\"expires_in\":3599,\"access_token\":null}",
        "{\"expires_in\":3599,\"access_token\":\"a b\"}",
        "{\"expires_in\":3599,\"access_token\":\"a\\r\\nX: y\"}",
        "{\"expires_in\":3599,\"access_token\":\"\\u00e4\"}",
        "{\"expires_in\":3599,\"access_token\":\"t\",\"access_token\":\"u\"}",
        "{\"expires_in\":3599,\"access_token\":\"t\",\"token_type\":\"pop\"}",
        "{\"expires_in\":3599,\"access_token\":\"t\",\"token_type\":1}",
        "{\"expires_in\":0,\"access_token\":\"t\"}",
        "{\"expires_in\":-5,\"access_token\":\"t\"}",
        "{\"expires_in\":\"-5\",\"access_token\":\"t\"}",
        "{\"expires_in\":\" 5\",\"access_token\":\"t\"}",
        "{\"expires_in\":3599.5,\"access_token\":\"t\"}",
        "{\"expires_in\":99999999999999999999,\"access_token\":\"t\"}",
        "{\"expires_on\":1795424100,\"access_token\":\"t\"}",
        "{\"expires_on\":1795424000,\"expires_in\":3599,\"access_token\":\"t\"}",
        "{\"expires_in\":3599,\"access_token\":\"t\"}trailing",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct token_answer answer = {0};
        struct error err = {""};
        assert_int_equal(token_answer_parse(slice_of_str(bodies[i]), NOW, &answer, &err),
                         STATUS_INVALID);
        assert_null(answer.token);
        assert_true(err.text[0] != '\0');
    }
}

static void bounds_the_token(void **state) {
    (void)state;
    static const size_t lens[] = {16 * 1024, 16 * 1024 + 1};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        char *token = repeated('t', lens[i]);
        char *body = malloc(lens[i] + 64);
        struct token_answer answer = {0};
        sprintf(body, "{\"expires_in\":3599,\"access_token\":\"%s\"}", token);
        assert_int_equal(token_answer_parse(slice_of_str(body), NOW, &answer, NULL),
                         i == 0 ? STATUS_OK : STATUS_INVALID);
        secret_unref(answer.token);
        free(token);
        free(body);
    }
}

static void names_a_refusal_without_repeating_it(void **state) {
    static const struct {
        int status;
        const char *body;
        const char *text;
    } rows[] = {
        {401,
         "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
         "secret provided. canary\\r\\nTrace ID: x\"}",
         "the token endpoint answered 401: invalid_client (AADSTS7000215)"},
        {400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
         "the token endpoint answered 400: invalid_request"},
        {400, "{\"error\":\"canary \\u001b[2J\",\"error_description\":\"AADSTScanary\"}",
         "the token endpoint answered 400"},
        {429, "<html>canary</html>", "the token endpoint answered 429"},
        {500, "", "the token endpoint answered 500"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error text = {""};
        token_answer_refusal(slice_of_str(rows[i].body), rows[i].status, &text);
        assert_string_equal(text.text, rows[i].text);
    }
}

static void knows_refusals_that_pass(void **state) {
    static const struct {
        const char *body;
        bool is_temporary;
    } rows[] = {
        {"{\"error\":\"temporarily_unavailable\"}", true},
        {"{\"error\":\"server_error\"}", true},
        {"{\"error\":\"invalid_request\",\"error_codes\":[1,90055]}", true},
        {"{\"error\":\"invalid_request\",\"error_codes\":[900551]}", false},
        {"{\"error\":\"invalid_request\",\"error_codes\":90055}", false},
        {"{\"error\":\"invalid_client\"}", false},
        {"{\"error\":[\"server_error\"]}", false},
        {"server_error", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(token_answer_is_temporary(slice_of_str(rows[i].body)),
                         rows[i].is_temporary);
}

static void knows_whose_token_it_is(void **state) {
    static const struct {
        const char *body;
        bool is_of;
    } rows[] = {
        {"{\"client_id\":\"2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3\"}", true},
        {"{\"client_id\":\"2B7C9D10-3E4F-4A5B-9C6D-7E8F90A1B2C3\"}", true},
        {"{\"client_id\":\"2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c4\"}", false},
        {"{\"client_id\":7}", false},
        {"{}", false},
        {"[]", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(
            token_answer_is_of(slice_of_str(rows[i].body), "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"),
            rows[i].is_of);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_way_to_say_when_it_expires),
        cmocka_unit_test(refuses_what_is_no_usable_token),
        cmocka_unit_test(bounds_the_token),
        cmocka_unit_test(names_a_refusal_without_repeating_it),
        cmocka_unit_test(knows_refusals_that_pass),
        cmocka_unit_test(knows_whose_token_it_is),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
