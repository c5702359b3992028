#include "vault/leak_set.h"

#include "vault/leak_index.h"
#include "vault_case.h"

static struct leak_set *new_set(struct slice bytes, enum leak_kind kind) {
    const struct leak_source source = {bytes, kind};
    struct leak_set *set = NULL;
    assert_true(leak_set_new(&source, 1, &set));
    return set;
}

static struct leak_set *new_repeated(size_t len, enum leak_kind kind) {
    char *text = repeated('x', len);
    struct leak_set *set = new_set(slice_of(text, len), kind);
    free(text);
    return set;
}

static void is_nothing_when_nothing_is_long_enough(void **state) {
    (void)state;
    const struct leak_source sources[] = {{SLICE("five5"), LEAK_VALUE}, {SLICE(""), LEAK_TOKEN}};
    struct leak_set *set = (struct leak_set *)1;
    assert_true(leak_set_new(sources, 2, &set));
    assert_null(set);
    set = (struct leak_set *)1;
    assert_true(leak_set_new(NULL, 0, &set));
    assert_null(set);
    leak_set_unref(NULL);
}

static void leaves_out_what_is_too_short_beside_what_is_not(void **state) {
    (void)state;
    const struct leak_source sources[] = {{SLICE("five5"), LEAK_VALUE},
                                          {SLICE("sixsix"), LEAK_TOKEN}};
    struct leak_set *set = NULL;
    assert_true(leak_set_new(sources, 2, &set));
    assert_int_equal(set->needle_count, 1);
    assert_int_equal(set->needles[0].len, 6);
    leak_set_unref(set);
}

static void looks_for_a_token_as_it_is_only(void **state) {
    (void)state;
    struct leak_set *set = new_set(SLICE("ey.a/b+c"), LEAK_TOKEN);
    assert_int_equal(set->needle_count, 1);
    leak_set_unref(set);
    set = new_set(SLICE("ey.a/b+c"), LEAK_VALUE);
    assert_true(set->needle_count > 6);
    leak_set_unref(set);
}

static void cuts_long_forms_into_even_parts(void **state) {
    (void)state;
    static const size_t lens[] = {LEAK_NEEDLE_MAX, LEAK_NEEDLE_MAX + 1, 1600, 25 * 1024};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        struct leak_set *set = new_repeated(lens[i], LEAK_VALUE);
        for (uint32_t needle = 0; needle < set->needle_count; needle++) {
            assert_in_range(set->needles[needle].len, LEAK_NEEDLE_MAX / 2, LEAK_NEEDLE_MAX);
        }
        leak_set_unref(set);
    }
}

static void takes_little_more_than_a_token(void **state) {
    (void)state;
    char token[1600];
    for (size_t i = 0; i < sizeof token; i++)
        token[i] = (char)('a' + i * i % 23);
    struct leak_set *set = new_set(slice_of(token, sizeof token), LEAK_TOKEN);
    assert_in_range(secret_bytes(set->memory).len + sizeof *set, sizeof token, sizeof token + 512);
    leak_set_unref(set);
}

static void fails_when_secret_memory_is_used_up(void **state) {
    (void)state;
    struct secret *hog = NULL, *hogs[64];
    size_t count = 0;
    for (size_t len = 1 << 19; len > 4096; len /= 2) {
        while ((hog = secret_new_blank(len - 1)) != NULL && count < COUNT_OF(hogs))
            hogs[count++] = hog;
    }
    char *text = repeated('x', 20000);
    const struct leak_source source = {slice_of(text, 20000), LEAK_VALUE};
    struct leak_set *untouched = (struct leak_set *)1, *set = untouched;
    assert_false(leak_set_new(&source, 1, &set));
    assert_ptr_equal(set, untouched);
    while (count > 0)
        secret_unref(hogs[--count]);
    assert_true(leak_set_new(&source, 1, &set));
    leak_set_unref(set);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_nothing_when_nothing_is_long_enough),
        cmocka_unit_test(leaves_out_what_is_too_short_beside_what_is_not),
        cmocka_unit_test(looks_for_a_token_as_it_is_only),
        cmocka_unit_test(cuts_long_forms_into_even_parts),
        cmocka_unit_test(takes_little_more_than_a_token),
        cmocka_unit_test(fails_when_secret_memory_is_used_up),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
