#include "vault/credential.h"

#include "vault_case.h"

#define VERSION "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"

/* Secrets 0 to 3; the tests put values where they need them. */
static struct secret_view views[4] = {
    {"prod", "zero", VERSION, NULL, NULL},
    {"prod", "one", VERSION, NULL, NULL},
    {"local", "two", "", NULL, NULL},
    {"prod", "three", VERSION, NULL, NULL},
};

static void put_secret(size_t index, const char *bytes, size_t len) {
    secret_unref(views[index].value);
    views[index].value = bytes ? secret_new(slice_of(bytes, len)) : NULL;
}

static void put_text(size_t index, const char *text) {
    put_secret(index, text, text ? strlen(text) : 0);
}

static int clear_secrets(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(views); i++)
        put_secret(i, NULL, 0);
    return 0;
}

static struct config_template_part literal(const char *text) {
    return (struct config_template_part){.literal = slice_of_str(text), .secret = CONFIG_NONE};
}

static struct config_template_part of_secret(size_t index) {
    return (struct config_template_part){.secret = index};
}

static struct config_credential basic(struct config_template_part *username) {
    return (struct config_credential){
        .name = "c", .kind = CREDENTIAL_BASIC, .username = {username, 1}, .password = 0};
}

static void assert_renders(const struct config_credential *credential, size_t header,
                           const char *name, const char *line) {
    struct error err = {""};
    struct rendering *rendering = rendering_new(credential, views, &err);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_true(rendered->is_available);
    assert_true(header < rendered->header_count);
    assert_string_equal(rendered->headers[header].name, name);
    assert_secret_is(rendered->headers[header].line, line);
    rendering_unref(rendering);
}

static void assert_is_unavailable(const struct config_credential *credential, const char *word) {
    struct error err = {""};
    struct rendering *rendering = rendering_new(credential, views, &err);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_false(rendered->is_available);
    assert_int_equal(rendered->header_count, 0);
    assert_non_null(strstr(err.text, word));
    rendering_unref(rendering);
}

static void renders_basic(void **state) {
    static const struct {
        const char *password;
        const char *line;
    } rows[] = {
        {"open sesame", "Authorization: Basic YWRtaW46b3BlbiBzZXNhbWU=\r\n"},
        {"p", "Authorization: Basic YWRtaW46cA==\r\n"},
        {"pw", "Authorization: Basic YWRtaW46cHc=\r\n"},
        {"pwd", "Authorization: Basic YWRtaW46cHdk\r\n"},
        {"a:b:c", "Authorization: Basic YWRtaW46YTpiOmM=\r\n"},
        {"~~~???", "Authorization: Basic YWRtaW46fn5+Pz8/\r\n"},
    };
    (void)state;
    struct config_template_part username = literal("admin");
    const struct config_credential credential = basic(&username);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        put_text(0, rows[i].password);
        assert_renders(&credential, 0, "Authorization", rows[i].line);
    }
}

static void renders_basic_with_a_secret_username(void **state) {
    (void)state;
    struct config_template_part username = of_secret(1);
    const struct config_credential credential = basic(&username);
    put_text(0, "pw");
    put_text(1, "viewer");
    assert_renders(&credential, 0, "Authorization", "Authorization: Basic dmlld2VyOnB3\r\n");
}

static void refuses_a_colon_in_the_username(void **state) {
    (void)state;
    struct config_template_part username = literal("ad:min");
    const struct config_credential written = basic(&username);
    put_text(0, "pw");
    assert_is_unavailable(&written, "colon");
    struct config_template_part kept = of_secret(1);
    const struct config_credential secret = basic(&kept);
    put_text(1, "ad:min");
    assert_is_unavailable(&secret, "colon");
    put_text(1, "admin");
    assert_renders(&secret, 0, "Authorization", "Authorization: Basic YWRtaW46cHc=\r\n");
}

static void renders_bearer(void **state) {
    (void)state;
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_BEARER, .bearer = 2};
    put_text(2, "abc.def");
    assert_renders(&credential, 0, "Authorization", "Authorization: Bearer abc.def\r\n");
}

static void renders_header_templates(void **state) {
    (void)state;
    struct config_template_part key[] = {of_secret(0)};
    struct config_template_part mixed[] = {literal("id="), of_secret(1), literal("; {"),
                                           of_secret(0), literal("}")};
    struct config_template_part fixed[] = {literal("on")};
    struct config_credential_field headers[] = {
        {"X-Api-Key", {key, 1}}, {"X-Mixed", {mixed, 5}}, {"X-Fixed", {fixed, 1}}};
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_HEADERS, .fields = headers, .field_count = 3};
    put_text(0, "k3y");
    put_text(1, "7");
    assert_renders(&credential, 0, "X-Api-Key", "X-Api-Key: k3y\r\n");
    assert_renders(&credential, 1, "X-Mixed", "X-Mixed: id=7; {k3y}\r\n");
    assert_renders(&credential, 2, "X-Fixed", "X-Fixed: on\r\n");
}

static void refuses_control_bytes_everywhere(void **state) {
    static const struct slice values[] = {{"a\rb", 3}, {"a\nb", 3}, {"a\0b", 3},
                                          {"a\tb", 3}, {"\x7f", 1}, {"\x1f", 1}};
    struct config_template_part username = literal("admin");
    struct config_template_part parts[] = {literal("k="), of_secret(0)};
    struct config_credential_field header = {"X-Key", {parts, 2}};
    const struct config_credential credentials[] = {
        basic(&username),
        {.name = "b", .kind = CREDENTIAL_BEARER, .bearer = 0},
        {.name = "h", .kind = CREDENTIAL_HEADERS, .fields = &header, .field_count = 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values) * COUNT_OF(credentials); i++) {
        put_secret(0, values[i % COUNT_OF(values)].ptr, values[i % COUNT_OF(values)].len);
        assert_is_unavailable(&credentials[i / COUNT_OF(values)], "control bytes");
    }
    put_text(0, "fine");
    assert_renders(&credentials[1], 0, "Authorization", "Authorization: Bearer fine\r\n");
    assert_renders(&credentials[2], 0, "X-Key", "X-Key: k=fine\r\n");
}

static void is_available_only_with_all_its_secrets(void **state) {
    (void)state;
    struct config_template_part username = of_secret(1);
    const struct config_credential credential = basic(&username);
    assert_is_unavailable(&credential, "prod/one");
    put_text(1, "admin");
    assert_is_unavailable(&credential, "prod/zero");
    put_text(0, "pw");
    assert_renders(&credential, 0, "Authorization", "Authorization: Basic YWRtaW46cHc=\r\n");
}

static void names_each_secret_once_with_its_version(void **state) {
    (void)state;
    struct config_template_part one[] = {of_secret(2), of_secret(0)};
    struct config_template_part two[] = {of_secret(0), literal("/"), of_secret(2)};
    struct config_credential_field headers[] = {{"X-One", {one, 2}}, {"X-Two", {two, 3}}};
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_HEADERS, .fields = headers, .field_count = 2};
    put_text(0, "a");
    put_text(2, "b");
    struct rendering *rendering = rendering_new(&credential, views, NULL);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_int_equal(rendered->used_count, 2);
    assert_string_equal(rendered->used[0].vault, "local");
    assert_string_equal(rendered->used[0].name, "two");
    assert_string_equal(rendered->used[0].version, "");
    assert_string_equal(rendered->used[1].name, "zero");
    assert_string_equal(rendered->used[1].version, VERSION);
    rendering_unref(rendering);
}

static void takes_the_longest_secret(void **state) {
    (void)state;
    struct config_template_part username = literal("admin");
    const struct config_credential credential = basic(&username);
    char *text = repeated('s', 25 * 1024);
    put_text(0, text);
    struct rendering *rendering = rendering_new(&credential, views, NULL);
    assert_true(rendering_credential(rendering)->is_available);
    assert_int_equal(secret_bytes(rendering_credential(rendering)->headers[0].line).len,
                     21 + (6 + 25 * 1024 + 2) / 3 * 4 + 2);
    rendering_unref(rendering);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(renders_basic, clear_secrets),
        cmocka_unit_test_teardown(renders_basic_with_a_secret_username, clear_secrets),
        cmocka_unit_test_teardown(refuses_a_colon_in_the_username, clear_secrets),
        cmocka_unit_test_teardown(renders_bearer, clear_secrets),
        cmocka_unit_test_teardown(renders_header_templates, clear_secrets),
        cmocka_unit_test_teardown(refuses_control_bytes_everywhere, clear_secrets),
        cmocka_unit_test_teardown(is_available_only_with_all_its_secrets, clear_secrets),
        cmocka_unit_test_teardown(names_each_secret_once_with_its_version, clear_secrets),
        cmocka_unit_test_teardown(takes_the_longest_secret, clear_secrets),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
