#include "vault/azure_answer.h"

#include "vault_case.h"

static void finds_members_by_path(void **state) {
    (void)state;
    struct error err = {""};
    struct azure_answer *answer = azure_answer_parse(
        SLICE("{\"a\":{\"b\":{\"c\":\"deep\"},\"n\":-7,\"t\":true},\"z\":null,\"l\":[]}"), &err);
    assert_non_null(answer);
    const struct answer_member deep = azure_answer_member(answer, "a.b.c");
    assert_int_equal(deep.kind, ANSWER_STRING);
    assert_true(slice_eq_str(deep.text, "deep"));
    assert_int_equal(azure_answer_member(answer, "a.n").number, -7);
    assert_true(azure_answer_member(answer, "a.t").flag);
    assert_int_equal(azure_answer_member(answer, "a").kind, ANSWER_OBJECT);
    assert_int_equal(azure_answer_member(answer, "l").kind, ANSWER_ARRAY);
    assert_int_equal(azure_answer_member(answer, "z").kind, ANSWER_ABSENT);
    assert_int_equal(azure_answer_member(answer, "a.n.c").kind, ANSWER_ABSENT);
    assert_int_equal(azure_answer_member(NULL, "a").kind, ANSWER_ABSENT);
    azure_answer_free(answer);
}

static void refuses_what_is_not_one_strict_object(void **state) {
    static const char *const bodies[] = {
        "",
        " ",
        "null",
        "[]",
        "\"text\"",
        "7",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,\"a\":1}",
        "{\"o\":{\"a\":1,\"a\":2}}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{'a':1}",
        "{\"a\":1,}",
        "\xef\xbb\xbf{}",
        "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct error err = {""};
        assert_null(azure_answer_parse(slice_of_str(bodies[i]), &err));
        assert_true(err.text[0] != '\0');
    }
    struct azure_answer *control =
        azure_answer_parse(SLICE("{\"a\":1,\"b\":\"[[[[{{{{\\\"\"}"), NULL);
    assert_non_null(control);
    azure_answer_free(control);
}

static void walks_arrays_and_finds_names_in_any_case(void **state) {
    (void)state;
    struct answer_member member = {0};
    struct azure_answer *answer = azure_answer_parse(
        SLICE("{\"a\":[{\"x\":1},7],\"t\":{\"Key\":\"1\",\"kEY\":\"2\",\"k\":3},\"s\":\"x\"}"),
        NULL);
    assert_non_null(answer);
    assert_int_equal(azure_answer_member(answer, "a").kind, ANSWER_ARRAY);
    assert_int_equal(azure_answer_count(answer, "a"), 2);
    assert_int_equal(azure_answer_member(azure_answer_item(answer, "a", 0), "x").number, 1);
    assert_null(azure_answer_item(answer, "a", 1));
    assert_null(azure_answer_item(answer, "a", 2));
    assert_int_equal(azure_answer_count(answer, "s"), 0);
    assert_int_equal(azure_answer_count(answer, "nothing"), 0);
    assert_null(azure_answer_item(answer, "s", 0));
    assert_int_equal(azure_answer_named(answer, "t", "key", &member), 2);
    assert_int_equal(azure_answer_named(answer, "t", "K", &member), 1);
    assert_int_equal(member.number, 3);
    assert_int_equal(azure_answer_named(answer, "t", "ke", &member), 0);
    assert_int_equal(azure_answer_named(answer, "s", "x", &member), 0);
    azure_answer_free(answer);
}

static void does_not_quote_what_it_refuses(void **state) {
    (void)state;
    struct error err = {""};
    assert_null(azure_answer_parse(SLICE("{\"value\":\"canary-7f3a\" oops}"), &err));
    assert_null(strstr(err.text, "canary"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_by_path),
        cmocka_unit_test(refuses_what_is_not_one_strict_object),
        cmocka_unit_test(walks_arrays_and_finds_names_in_any_case),
        cmocka_unit_test(does_not_quote_what_it_refuses),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
