#include "credential_case.h"
#include "vault/leak_set.h"

static struct config_credential basic(struct config_template_part *username) {
    return (struct config_credential){
        .name = "c", .kind = CREDENTIAL_BASIC, .username = {username, 1}, .password = 0};
}

static void assert_renders(const struct config_credential *credential, size_t header,
                           const char *name, const char *line) {
    struct rendering *rendering = render_well(credential);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_true(header < rendered->header_count);
    assert_string_equal(rendered->headers[header].name, name);
    assert_secret_is(rendered->headers[header].line, line);
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

/* The text names the secret and does not quote it. */
static void refuses_control_bytes_everywhere(void **state) {
    static const struct slice values[] = {{"hush\rb", 6}, {"hush\nb", 6},  {"hush\0b", 6},
                                          {"hush\tb", 6}, {"hush\x7f", 5}, {"\x1fhush", 5}};
    struct config_template_part username = literal("admin");
    struct config_template_part secret_username = of_secret(0);
    struct config_template_part parts[] = {literal("k="), of_secret(0)};
    struct config_credential_field field = {"X-Key", {parts, 2}};
    struct config_credential named = basic(&secret_username);
    named.password = 1;
    const struct config_credential credentials[] = {
        basic(&username),
        named,
        {.name = "b", .kind = CREDENTIAL_BEARER, .bearer = 0},
        of_fields(CREDENTIAL_HEADERS, &field, 1),
        of_fields(CREDENTIAL_QUERY, &field, 1),
        of_fields(CREDENTIAL_COOKIE, &field, 1),
    };
    (void)state;
    put_text(1, "fine");
    for (size_t i = 0; i < COUNT_OF(values) * COUNT_OF(credentials); i++) {
        struct error err = {""};
        put_secret(0, values[i % COUNT_OF(values)].ptr, values[i % COUNT_OF(values)].len);
        assert_is_unavailable(&credentials[i / COUNT_OF(values)],
                              "secret prod/zero holds control bytes");
        rendering_unref(rendering_new(&credentials[i / COUNT_OF(values)], views, &err));
        assert_null(strstr(err.text, "hush"));
    }
    put_text(0, "fine");
    for (size_t i = 0; i < COUNT_OF(credentials); i++)
        rendering_unref(render_well(&credentials[i]));
}

static void refuses_control_bytes_in_literal_text(void **state) {
    struct config_template_part username = literal("ad\nmin");
    struct config_template_part part = literal("a\nb");
    struct config_credential_field field = {"X-Key", {&part, 1}};
    const struct config_credential credential = basic(&username);
    (void)state;
    put_text(0, "pw");
    assert_is_unavailable(&credential, "the username holds control bytes");
    for (int kind = CREDENTIAL_HEADERS; kind <= CREDENTIAL_COOKIE; kind++) {
        const struct config_credential fixed =
            of_fields((enum config_credential_kind)kind, &field, 1);
        assert_is_unavailable(&fixed, "the text of X-Key holds control bytes");
        part = literal("ab");
        rendering_unref(render_well(&fixed));
        part = literal("a\nb");
    }
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

static void renders_a_token(void **state) {
    struct error err = {""};
    (void)state;
    struct secret *token = secret_new(SLICE("aaa.bbb.ccc"));
    struct rendering *rendering = rendering_of_token(token, &err);
    secret_unref(token);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_true(rendered->is_available);
    assert_int_equal(rendered->header_count, 1);
    assert_string_equal(rendered->headers[0].name, "Authorization");
    assert_secret_is(rendered->headers[0].line, "Authorization: Bearer aaa.bbb.ccc\r\n");
    assert_int_equal(rendered->used_count, 0);
    assert_int_equal(rendered->bound_count, 0);
    rendering_unref(rendering);
}

static void is_unavailable_without_a_good_token(void **state) {
    struct error err = {""};
    (void)state;
    struct rendering *none = rendering_of_token(NULL, &err);
    assert_false(rendering_credential(none)->is_available);
    assert_string_equal(err.text, "there is no token");
    struct secret *token = secret_new(SLICE("aaa\r\nX: y"));
    struct rendering *broken = rendering_of_token(token, &err);
    assert_false(rendering_credential(broken)->is_available);
    assert_int_equal(rendering_credential(broken)->header_count, 0);
    assert_string_equal(err.text, "the token holds control bytes");
    secret_unref(token);
    rendering_unref(none);
    rendering_unref(broken);
}

static void waits_for_a_token_where_there_is_no_secret(void **state) {
    const struct config_credential own = {
        .name = "c", .kind = CREDENTIAL_ENTRA_TOKEN, .scope = "api://x/.default"};
    const struct config_credential callers = {
        .name = "c", .kind = CREDENTIAL_ON_BEHALF_OF, .scope = "api://x/.default"};
    (void)state;
    assert_is_unavailable(&own, "no token yet");
    assert_is_unavailable(&callers, "no token yet");
}

static void numbers_every_rendering(void **state) {
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_BEARER, .bearer = 0};
    struct rendering *renderings[3];
    (void)state;
    renderings[0] = rendering_new(&credential, views, NULL);
    renderings[1] = rendering_of_token(NULL, NULL);
    put_text(0, "abc");
    renderings[2] = rendering_new(&credential, views, NULL);
    for (size_t i = 0; i < 3; i++) {
        const uint64_t generation = rendering_credential(renderings[i])->generation;
        assert_true(generation > 0);
        assert_true(generation != rendering_credential(renderings[(i + 1) % 3])->generation);
    }
    for (size_t i = 0; i < 3; i++)
        rendering_unref(renderings[i]);
}

static void keeps_the_rendering_before(void **state) {
    const struct config_credential credential = {
        .name = "c", .kind = CREDENTIAL_BEARER, .bearer = 0};
    (void)state;
    put_text(0, "old");
    struct rendering *old = render_well(&credential);
    put_text(0, "new");
    struct rendering *new = render_well(&credential);
    assert_null(rendering_credential(new)->previous);
    rendering_set_previous(new, old);
    rendering_unref(old);
    const struct rendered_credential *previous = rendering_credential(new)->previous;
    assert_true(previous->is_available);
    assert_secret_is(previous->headers[0].line, "Authorization: Bearer old\r\n");
    rendering_set_previous(new, NULL);
    assert_null(rendering_credential(new)->previous);
    rendering_unref(new);
}

static void binds_to_the_hosts_of_every_secret(void **state) {
    struct config_template_part parts[] = {of_secret(0), of_secret(1), of_secret(2)};
    struct config_credential_field field = {"X-Key", {parts, 3}};
    const struct config_credential credential = of_fields(CREDENTIAL_HEADERS, &field, 1);
    (void)state;
    for (size_t i = 0; i < 3; i++)
        put_text(i, "value");
    struct rendering *free_one = render_well(&credential);
    assert_int_equal(rendering_credential(free_one)->bound_count, 0);
    assert_true(rendered_credential_may_go_to(rendering_credential(free_one), "a.example", 443));
    assert_true(rendered_credential_may_go_to(rendering_credential(free_one), NULL, 0));
    rendering_unref(free_one);

    char tag[] = "a.example B.example:8443";
    views[0].hosts = tag;
    views[2].hosts = "b.example a.example:443";
    struct rendering *bound = render_well(&credential);
    memset(tag, 'x', sizeof tag - 1);
    const struct rendered_credential *rendered = rendering_credential(bound);
    assert_int_equal(rendered->bound_count, 2);
    assert_true(rendered_credential_may_go_to(rendered, "a.example", 443));
    assert_true(rendered_credential_may_go_to(rendered, "A.Example", 443));
    assert_true(rendered_credential_may_go_to(rendered, "b.example", 8443));
    assert_false(rendered_credential_may_go_to(rendered, "a.example", 80));
    assert_false(rendered_credential_may_go_to(rendered, "b.example", 443));
    assert_false(rendered_credential_may_go_to(rendered, "c.example", 443));
    assert_false(rendered_credential_may_go_to(rendered, NULL, 0));
    rendering_unref(bound);
}

static void assert_masks(const struct rendered_credential *rendered, const char *answer,
                         const char *masked) {
    struct leak_scan scan;
    char bytes[256];
    const size_t len = strlen(answer);
    memcpy(bytes, answer, len + 1);
    leak_scan_init(&scan, rendered->leaks);
    assert_int_equal(leak_scan_bytes(&scan, bytes, len, true), len);
    assert_string_equal(bytes, masked);
}

static void knows_a_token_that_answers_must_not_repeat(void **state) {
    (void)state;
    struct secret *token = secret_new(SLICE("eyJhbGciOi.eyJhdWQi.c2ln"));
    struct rendering *rendering = rendering_of_token(token, NULL);
    assert_masks(rendering_credential(rendering), "got eyJhbGciOi.eyJhdWQi.c2ln",
                 "got ************************");
    rendering_unref(rendering);
    secret_unref(token);
}

static void holds_while_its_secrets_are_what_they_were(void **state) {
    struct config_template_part username = of_secret(1);
    const struct config_credential credential = basic(&username);
    struct secret_view now[COUNT_OF(views)], before[COUNT_OF(views)];
    (void)state;
    put_text(0, "sesame");
    put_text(1, "viewer");
    views[0].hosts = "a.example";
    struct rendering *rendering = render_well(&credential);
    struct secret *same = secret_new(SLICE("sesame")), *other = secret_new(SLICE("sesamE"));
    memcpy(now, views, sizeof now);
    memcpy(before, views, sizeof before);
    assert_true(rendering_holds(rendering, now, before));
    now[0].value = same;
    now[0].version = "";
    assert_true(rendering_holds(rendering, now, before));
    now[0].value = other;
    assert_true(rendering_holds(rendering, now, before));
    before[0].value = other;
    assert_false(rendering_holds(rendering, now, before));
    before[0].value = same;
    before[0].hosts = "b.example";
    assert_false(rendering_holds(rendering, now, before));
    before[0].hosts = NULL;
    assert_false(rendering_holds(rendering, now, before));
    before[0].hosts = "a.example";
    assert_true(rendering_holds(rendering, now, before));
    now[1].value = before[1].value = NULL;
    assert_false(rendering_holds(rendering, now, before));
    rendering_unref(rendering);
    secret_unref(same);
    secret_unref(other);
}

static void stands_without_what_is_behind_it(void **state) {
    const struct config_credential credential = {.kind = CREDENTIAL_BEARER, .bearer = 0};
    (void)state;
    put_text(0, "first");
    struct rendering *first = render_well(&credential);
    put_text(0, "second");
    struct rendering *second = render_well(&credential);
    rendering_set_previous(second, first);
    assert_ptr_equal(rendering_previous(second), first);
    assert_true(rendering_holds(second, views, views));
    assert_false(rendering_holds(first, views, views));
    struct rendering *alone = rendering_without_previous(second);
    rendering_unref(second);
    rendering_unref(first);
    assert_null(rendering_previous(alone));
    assert_true(rendering_holds(alone, views, views));
    const struct rendered_credential *rendered = rendering_credential(alone);
    assert_true(rendered->is_available);
    assert_null(rendered->previous);
    assert_int_equal(rendered->used_count, 1);
    assert_secret_is(rendered->headers[0].line, "Authorization: Bearer second\r\n");
    rendering_unref(alone);
}

static void never_holds_without_a_secret_or_a_value(void **state) {
    const struct config_credential credential = {.kind = CREDENTIAL_BEARER, .bearer = 0};
    struct secret *token = secret_new(SLICE("eyJhbGciOi"));
    struct rendering *of_token = rendering_of_token(token, NULL);
    struct rendering *of_nothing = rendering_new(&credential, views, NULL);
    (void)state;
    assert_false(rendering_holds(of_token, views, views));
    assert_false(rendering_holds(of_nothing, views, views));
    assert_false(rendering_lacks_memory(of_nothing));
    rendering_unref(of_token);
    rendering_unref(of_nothing);
    secret_unref(token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(renders_basic, clear_secrets),
        cmocka_unit_test_teardown(renders_basic_with_a_secret_username, clear_secrets),
        cmocka_unit_test_teardown(refuses_a_colon_in_the_username, clear_secrets),
        cmocka_unit_test_teardown(renders_bearer, clear_secrets),
        cmocka_unit_test_teardown(renders_header_templates, clear_secrets),
        cmocka_unit_test_teardown(refuses_control_bytes_everywhere, clear_secrets),
        cmocka_unit_test_teardown(refuses_control_bytes_in_literal_text, clear_secrets),
        cmocka_unit_test_teardown(renders_a_token, clear_secrets),
        cmocka_unit_test_teardown(is_unavailable_without_a_good_token, clear_secrets),
        cmocka_unit_test_teardown(waits_for_a_token_where_there_is_no_secret, clear_secrets),
        cmocka_unit_test_teardown(numbers_every_rendering, clear_secrets),
        cmocka_unit_test_teardown(keeps_the_rendering_before, clear_secrets),
        cmocka_unit_test_teardown(binds_to_the_hosts_of_every_secret, clear_secrets),
        cmocka_unit_test_teardown(knows_a_token_that_answers_must_not_repeat, clear_secrets),
        cmocka_unit_test_teardown(holds_while_its_secrets_are_what_they_were, clear_secrets),
        cmocka_unit_test_teardown(stands_without_what_is_behind_it, clear_secrets),
        cmocka_unit_test_teardown(never_holds_without_a_secret_or_a_value, clear_secrets),
        cmocka_unit_test_teardown(is_available_only_with_all_its_secrets, clear_secrets),
        cmocka_unit_test_teardown(names_each_secret_once_with_its_version, clear_secrets),
        cmocka_unit_test_teardown(takes_the_longest_secret, clear_secrets),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
