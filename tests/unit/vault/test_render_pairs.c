#include "credential_case.h"

static void assert_query(const char *name, const char *value, const char *expected) {
    struct config_template_part part = of_secret(0);
    struct config_credential_field field = {name, {&part, 1}};
    const struct config_credential credential = of_fields(CREDENTIAL_QUERY, &field, 1);
    put_text(0, value);
    struct rendering *rendering = render_well(&credential);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_int_equal(rendered->query_count, 1);
    assert_int_equal(rendered->header_count, 0);
    assert_int_equal(rendered->cookie_count, 0);
    assert_string_equal(rendered->query[0].name, name);
    assert_secret_is(rendered->query[0].text, expected);
    rendering_unref(rendering);
}

static void encodes_query_parameters(void **state) {
    static const struct {
        const char *name, *value, *pair;
    } rows[] = {
        {"key", "abc", "key=abc"},
        {"key", "AZaz09-._~", "key=AZaz09-._~"},
        {"key", "a b+c&d=e#f?g/h%", "key=a%20b%2Bc%26d%3De%23f%3Fg%2Fh%25"},
        {"key", "!$'()*,;:@[]", "key=%21%24%27%28%29%2A%2C%3B%3A%40%5B%5D"},
        {"key", "\xc3\xa9\xff", "key=%C3%A9%FF"},
        {"$filter", "x", "%24filter=x"},
        {"a&b=c", "x", "a%26b%3Dc=x"},
        {"clé", "x", "cl%C3%A9=x"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_query(rows[i].name, rows[i].value, rows[i].pair);
}

static void renders_several_parameters_with_and_without_secrets(void **state) {
    struct config_template_part mixed[] = {literal("id "), of_secret(0), literal("&"),
                                           of_secret(1)};
    struct config_template_part fixed[] = {literal("2024-01 01")};
    struct config_credential_field fields[] = {{"sig", {mixed, 4}}, {"version", {fixed, 1}}};
    const struct config_credential credential = of_fields(CREDENTIAL_QUERY, fields, 2);
    (void)state;
    put_text(0, "k3y=");
    put_text(1, "z");
    struct rendering *rendering = render_well(&credential);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_int_equal(rendered->query_count, 2);
    assert_secret_is(rendered->query[0].text, "sig=id%20k3y%3D%26z");
    assert_secret_is(rendered->query[1].text, "version=2024-01%2001");
    assert_int_equal(rendered->used_count, 2);
    rendering_unref(rendering);
}

static void renders_cookies(void **state) {
    struct config_template_part session[] = {literal("v1."), of_secret(0)};
    struct config_template_part lang[] = {literal("en")};
    struct config_credential_field fields[] = {{"JSESSIONID", {session, 2}}, {"lang", {lang, 1}}};
    const struct config_credential credential = of_fields(CREDENTIAL_COOKIE, fields, 2);
    (void)state;
    put_text(0, "!#$%&'()*+-./:<=>?@[]^_`{|}~");
    struct rendering *rendering = render_well(&credential);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_int_equal(rendered->cookie_count, 2);
    assert_int_equal(rendered->query_count, 0);
    assert_string_equal(rendered->cookies[0].name, "JSESSIONID");
    assert_secret_is(rendered->cookies[0].text, "JSESSIONID=v1.!#$%&'()*+-./:<=>?@[]^_`{|}~");
    assert_secret_is(rendered->cookies[1].text, "lang=en");
    rendering_unref(rendering);
}

static void refuses_what_a_cookie_cannot_carry(void **state) {
    static const char *const values[] = {"a b",  "a\"b",  "a,b",        "a;b",
                                         "a\\b", "a\x80", "caf\xc3\xa9"};
    struct config_template_part part = of_secret(0);
    struct config_credential_field field = {"session", {&part, 1}};
    const struct config_credential credential = of_fields(CREDENTIAL_COOKIE, &field, 1);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        put_text(0, values[i]);
        assert_is_unavailable(&credential, "the value of cookie session");
    }
    put_text(0, "a.b");
    rendering_unref(render_well(&credential));
}

static void refuses_a_cookie_whose_name_is_no_token(void **state) {
    static const char *const names[] = {"",    "a b", "a=b", "a;b",
                                        "a\"", "a,b", "a/b", "caf\xc3\xa9"};
    struct config_template_part part = of_secret(0);
    struct config_credential_field field = {NULL, {&part, 1}};
    const struct config_credential credential = of_fields(CREDENTIAL_COOKIE, &field, 1);
    (void)state;
    put_text(0, "x");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        field.name = names[i];
        assert_is_unavailable(&credential, "not a token");
    }
    field.name = "__Host-id.v1";
    rendering_unref(render_well(&credential));
}

static void keeps_nothing_when_a_later_field_is_refused(void **state) {
    struct config_template_part good = of_secret(0);
    struct config_template_part bad = of_secret(1);
    struct config_credential_field fields[] = {{"a", {&good, 1}}, {"b", {&bad, 1}}};
    (void)state;
    put_text(0, "fine");
    put_text(1, "not\nfine");
    for (int kind = CREDENTIAL_HEADERS; kind <= CREDENTIAL_COOKIE; kind++) {
        const struct config_credential credential =
            of_fields((enum config_credential_kind)kind, fields, 2);
        assert_is_unavailable(&credential, "prod/one");
    }
}

static void takes_the_longest_secret(void **state) {
    struct config_template_part part = of_secret(0);
    struct config_credential_field field = {"k", {&part, 1}};
    const struct config_credential credential = of_fields(CREDENTIAL_QUERY, &field, 1);
    (void)state;
    char *text = repeated('/', 25 * 1024);
    put_text(0, text);
    struct rendering *rendering = render_well(&credential);
    assert_int_equal(secret_bytes(rendering_credential(rendering)->query[0].text).len,
                     2 + 3 * 25 * 1024);
    rendering_unref(rendering);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(encodes_query_parameters, clear_secrets),
        cmocka_unit_test_teardown(renders_several_parameters_with_and_without_secrets,
                                  clear_secrets),
        cmocka_unit_test_teardown(renders_cookies, clear_secrets),
        cmocka_unit_test_teardown(refuses_what_a_cookie_cannot_carry, clear_secrets),
        cmocka_unit_test_teardown(refuses_a_cookie_whose_name_is_no_token, clear_secrets),
        cmocka_unit_test_teardown(keeps_nothing_when_a_later_field_is_refused, clear_secrets),
        cmocka_unit_test_teardown(takes_the_longest_secret, clear_secrets),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
