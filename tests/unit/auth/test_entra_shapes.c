/* Tokens that are no tokens: their segments, their JSON, their size; and the field they come in. */
#include "entra_case.h"

#include "core/clock.h"

static void refuses_other_shapes(void **state) {
    (void)state;
    char *token = make_token(HEADER_OK, payload, key);
    const char *first = strchr(token, '.'), *second = strrchr(token, '.');
    int header_len = (int)(first - token), payload_len = (int)(second - first - 1);
    const struct {
        const char *name;
        char *token;
    } rows[] = {
        {"empty", make_text("%s", "")},
        {"one segment", make_text("%.*s", header_len, token)},
        {"two segments", make_text("%.*s", (int)(second - token), token)},
        {"trailing dot", make_text("%s.", token)},
        {"leading dot", make_text(".%s", token)},
        {"four segments",
         make_text("%.*s.%.10s.%s", (int)(second - token), token, second + 1, second + 11)},
        {"five segments", make_text("%s.AAAA.AAAA", token)},
        {"padding", make_text("%s==", token)},
        {"padding of the header",
         make_text("%.*s=.%.*s.%s", header_len, token, payload_len, first + 1, second + 1)},
        {"space", make_text(" %s", token)},
        {"newline", make_text("%s\n", token)},
        {"space inside",
         make_text("%.*s.%.5s %s", (int)(second - token), token, second + 1, second + 6)},
        {"flattened JSON", make_text("{\"payload\":\"%.*s\"}", payload_len, first + 1)},
        {"signature longer by one of 1 mod 4", make_text("%sAAA", token)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].token, TOKEN_REFUSED, REASON_TOKEN_MALFORMED, rows[i].name);
    free(token);
    control();
}

static void refuses_json_that_is_not_one_strict_object(void **state) {
    (void)state;
    const struct {
        const char *name;
        char *text;
    } payloads[] = {
        {"empty object", make_text("{}")},
        {"array", make_text("[%s]", payload)},
        {"string", make_text("\"x\"")},
        {"number", make_text("7")},
        {"null", make_text("null")},
        {"white space", make_text("  ")},
        {"trailing text", make_text("%s x", payload)},
        {"two objects", make_text("%s{}", payload)},
        {"trailing comma", make_text("%.*s,}", (int)strlen(payload) - 1, payload)},
        {"BOM", make_text("\xef\xbb\xbf%s", payload)},
        {"duplicate sub", make_text("{\"sub\":\"a\",%s", payload + 1)},
        {"duplicate aud", make_text("{\"aud\":\"a\",%s", payload + 1)},
        {"duplicate roles", make_text("{\"roles\":[],%s", payload + 1)},
        {"duplicate exp", make_text("{\"exp\":1,%s", payload + 1)},
        {"duplicate by escape", make_text("{\"e\\u0078p\":1,%s", payload + 1)},
        {"duplicate deep inside", make_text("{\"x\":{\"a\":1,\"a\":2},%s", payload + 1)},
        {"invalid UTF-8", make_text("{\"x\":\"\xff\",%s", payload + 1)},
        {"overlong", make_text("{\"x\":\"\xc0\xaf\",%s", payload + 1)},
        {"surrogate bytes", make_text("{\"x\":\"\xed\xa0\x80\",%s", payload + 1)},
        {"lone surrogate", make_text("{\"x\":\"\\ud800\",%s", payload + 1)},
        {"NUL in a name", make_text("{\"x\\u0000\":1,%s", payload + 1)},
        {"control byte", make_text("{\"x\":\"\n\",%s", payload + 1)},
        {"comment", make_text("{/* */%s", payload + 1)},
        {"single quotes", make_text("{'x':1,%s", payload + 1)},
        {"NaN", make_text("{\"x\":NaN,%s", payload + 1)},
        {"hex", make_text("{\"x\":0x1,%s", payload + 1)},
    };
    control();
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        bool is_object = strcmp(payloads[i].text, "{}") == 0;
        expect(make_token(HEADER_OK, payloads[i].text, key), TOKEN_REFUSED,
               is_object ? REASON_TOKEN_TENANT : REASON_TOKEN_MALFORMED, payloads[i].name);
        free(payloads[i].text);
    }
    static const char *const headers[] = {
        "{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"key-1\"}",
        "{\"alg\":\"RS256\",\"kid\":\"key-1\",\"kid\":\"key-1\"}",
        "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\",\"kid\":\"key-1\"}",
        "[]",
        "null",
        "{\"alg\":\"RS256\",\"kid\":\"key-1\"}{}",
        "\xef\xbb\xbf{\"alg\":\"RS256\",\"kid\":\"key-1\"}",
        "{\"alg\":\"RS256\",\"kid\":\"key-1\",\"x\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        expect(make_token(headers[i], payload, key), TOKEN_REFUSED, REASON_TOKEN_MALFORMED,
               headers[i]);
    control();
}

static void refuses_bytes_after_the_json(void **state) {
    (void)state;
    size_t len = strlen(payload);
    char *longer = malloc(len + 8);
    memcpy(longer, payload, len);
    memcpy(longer + len, "\0{}", 4);
    for (size_t extra = 1; extra <= 3; extra++)
        expect(make_token_bytes(HEADER_OK, strlen(HEADER_OK), longer, len + extra, key),
               TOKEN_REFUSED, REASON_TOKEN_MALFORMED, "payload and NUL");
    free(longer);
    static const char header[] = HEADER_OK "\0x";
    expect(make_token_bytes(header, sizeof header - 1, payload, len, key), TOKEN_REFUSED,
           REASON_TOKEN_MALFORMED, "header and NUL");
    control();
}

/* {"x":[[[...]]],...}: depth counts the object too. */
static char *make_nested(size_t arrays, const char *rest) {
    char *open = malloc(arrays + 1), *close = malloc(arrays + 1);
    memset(open, '[', arrays);
    memset(close, ']', arrays);
    open[arrays] = close[arrays] = '\0';
    char *text = make_text("{\"x\":%s%s,%s", open, close, rest + 1);
    free(open);
    free(close);
    return text;
}

static void bounds_nesting(void **state) {
    (void)state;
    static const size_t depths[] = {15, 16, 2047, 2048, 5000};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        bool is_fine = depths[i] < 16;
        char *nested = make_nested(depths[i], payload);
        expect(make_token(HEADER_OK, nested, key), is_fine ? TOKEN_ACCEPTED : TOKEN_REFUSED,
               is_fine ? REASON_NONE : REASON_TOKEN_MALFORMED, "nested payload");
        free(nested);
        nested = make_nested(depths[i], HEADER_OK);
        expect(make_token(nested, payload, key), is_fine ? TOKEN_ACCEPTED : TOKEN_REFUSED,
               is_fine ? REASON_NONE : REASON_TOKEN_MALFORMED, "nested header");
        free(nested);
    }
    config.limits.token_bytes = 1024 * 1024;
    char *nested = make_nested(100000, payload);
    uint64_t started_us = clock_monotonic_us();
    expect(make_token(HEADER_OK, nested, key), TOKEN_REFUSED, REASON_TOKEN_MALFORMED, "100,000");
    assert_true(clock_monotonic_us() - started_us < 500000);
    free(nested);
    config.limits.token_bytes = 16 * 1024;
    /* Brackets in strings are text. */
    char *text = make_text("{\"x\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{{\",%s", payload + 1);
    expect(make_token(HEADER_OK, text, key), TOKEN_ACCEPTED, REASON_NONE, "brackets in a string");
    free(text);
}

static void bounds_the_length(void **state) {
    (void)state;
    static const size_t sizes[] = {2000, 6000, 11000};
    for (size_t i = 0; i < 3; i++) {
        char *filler = malloc(sizes[i] + 1);
        memset(filler, 'f', sizes[i]);
        filler[sizes[i]] = '\0';
        char *text = make_text("{\"x\":\"%s\",%s", filler, payload + 1);
        expect(make_token(HEADER_OK, text, key), TOKEN_ACCEPTED, REASON_NONE, "large");
        free(text);
        free(filler);
    }
    char *token = make_token(HEADER_OK, payload, key);
    config.limits.token_bytes = (uint32_t)strlen(token);
    assert_int_equal(verify(token), TOKEN_ACCEPTED);
    config.limits.token_bytes--;
    assert_int_equal(verify(token), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_MALFORMED);
    config.limits.token_bytes = 16 * 1024;
    free(token);
    char *dots = malloc(2 * 1024 * 1024);
    memset(dots, '.', 2 * 1024 * 1024);
    assert_int_equal(verify_with(ring, slice_of(dots, 2 * 1024 * 1024)), TOKEN_REFUSED);
    memset(dots, 'A', 2 * 1024 * 1024);
    assert_int_equal(verify_with(ring, slice_of(dots, 2 * 1024 * 1024)), TOKEN_REFUSED);
    free(dots);
}

static void takes_the_token_out_of_the_header_value(void **state) {
    (void)state;
    static const char *const good[] = {"Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c",
                                       "bEaReR a.b.c"};
    static const struct {
        const char *value;
        enum reason reason;
    } bad[] = {
        {"", REASON_TOKEN_MISSING},
        {"Basic dTpw", REASON_TOKEN_MISSING},
        {"PoP a.b.c", REASON_TOKEN_MISSING},
        {"Bearerx a.b.c", REASON_TOKEN_MISSING},
        {"a.b.c", REASON_TOKEN_MISSING},
        {" Bearer a.b.c", REASON_TOKEN_MISSING},
        {"Bearer", REASON_TOKEN_MALFORMED},
        {"Bearer ", REASON_TOKEN_MALFORMED},
        {"Bearer  a.b.c", REASON_TOKEN_MALFORMED},
        {"Bearer\ta.b.c", REASON_TOKEN_MALFORMED},
        {"Bearer a.b.c ", REASON_TOKEN_MALFORMED},
        {"Bearer a.b.c d.e.f", REASON_TOKEN_MALFORMED},
        {"Bearer a.b.c,Bearer d.e.f", REASON_TOKEN_MALFORMED},
        {"Bearer \"a.b.c\"", REASON_TOKEN_MALFORMED},
        {"Bearer =", REASON_TOKEN_MALFORMED},
        {"Bearer a=b", REASON_TOKEN_MALFORMED},
        {"Bearer a\xff", REASON_TOKEN_MALFORMED},
    };
    struct slice token;
    enum reason reason;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(entra_bearer_token(slice_of_str(good[i]), &token, &reason), STATUS_OK);
        assert_true(slice_eq(token, SLICE("a.b.c")));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reason = REASON_NONE;
        assert_int_not_equal(entra_bearer_token(slice_of_str(bad[i].value), &token, &reason),
                             STATUS_OK);
        assert_int_equal(reason, bad[i].reason);
    }
    assert_int_not_equal(entra_bearer_token(slice_of("Bearer a\0b", 10), &token, &reason),
                         STATUS_OK);
    assert_int_equal(reason, REASON_TOKEN_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_other_shapes),
        cmocka_unit_test(refuses_json_that_is_not_one_strict_object),
        cmocka_unit_test(refuses_bytes_after_the_json),
        cmocka_unit_test(bounds_nesting),
        cmocka_unit_test(bounds_the_length),
        cmocka_unit_test(takes_the_token_out_of_the_header_value),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
