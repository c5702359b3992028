#include "vault/leak_set.h"

#include "vault_case.h"

enum { STREAM_BYTES_MAX = 32 * 1024 };

/* Of texts; the list ends in NULL. */
static struct leak_set *new_set(enum leak_kind kind, const char *const *texts) {
    struct leak_source sources[8];
    struct leak_set *set = NULL;
    size_t count = 0;
    for (; texts[count]; count++)
        sources[count] = (struct leak_source){slice_of_str(texts[count]), kind};
    assert_true(leak_set_new(sources, count, &set));
    return set;
}

#define TOKENS(...) new_set(LEAK_TOKEN, (const char *const[]){__VA_ARGS__, NULL})
#define VALUES(...) new_set(LEAK_VALUE, (const char *const[]){__VA_ARGS__, NULL})

struct run {
    struct leak_scan scan;
    char bytes[STREAM_BYTES_MAX + 1];
    size_t finished, taken;
};

static void begin(struct run *run, const struct leak_set *set) {
    leak_scan_init(&run->scan, set);
    run->finished = run->taken = 0;
}

/* How many bytes came out. */
static size_t take(struct run *run, struct slice piece, bool is_last) {
    assert_true(run->taken + piece.len <= STREAM_BYTES_MAX);
    if (piece.len > 0)
        memcpy(run->bytes + run->taken, piece.ptr, piece.len);
    run->taken += piece.len;
    size_t finished = leak_scan_bytes(&run->scan, run->bytes + run->finished,
                                      run->taken - run->finished, is_last);
    assert_true(finished <= run->taken - run->finished);
    run->finished += finished;
    assert_true(run->taken - run->finished <= LEAK_KEPT_MAX);
    return finished;
}

static void take_all(struct run *run, struct slice text, size_t piece_bytes) {
    while (text.len > 0) {
        size_t len = piece_bytes < text.len ? piece_bytes : text.len;
        take(run, slice_of(text.ptr, len), len == text.len);
        text = slice_skip(text, len);
    }
    assert_int_equal(run->finished, run->taken);
    run->bytes[run->taken] = '\0';
}

/* Whole, and in pieces of each size. Frees the set. */
static void assert_masked(struct leak_set *set, const char *text, const char *expected,
                          uint64_t found) {
    static struct run run;
    struct slice bytes = slice_of_str(text);
    assert_int_equal(bytes.len, strlen(expected));
    for (size_t piece = 1; piece <= bytes.len; piece++) {
        begin(&run, set);
        take_all(&run, bytes, piece);
        assert_string_equal(run.bytes, expected);
        assert_int_equal(run.scan.found, found);
    }
    leak_set_unref(set);
}

static void lets_everything_pass_without_a_set(void **state) {
    (void)state;
    static struct run run;
    begin(&run, NULL);
    assert_int_equal(take(&run, SLICE("hunter22"), false), 8);
    assert_int_equal(take(&run, SLICE(""), false), 0);
    assert_int_equal(take(&run, SLICE("x"), true), 1);
    assert_memory_equal(run.bytes, "hunter22x", 9);
    assert_int_equal(run.scan.found, 0);
}

static void masks_every_occurrence(void **state) {
    (void)state;
    assert_masked(TOKENS("hunter22"), "hunter22 is hunter22, not hunter2 or Hunter22: hunter22",
                  "******** is ********, not hunter2 or Hunter22: ********", 3);
    assert_masked(TOKENS("sixsix"), "sixsisixsixsixx", "sixsi*********x", 1);
    assert_masked(TOKENS("sixsix"), "sixsixsixsix", "************", 1);
    assert_masked(TOKENS("abcdef"), "abcdefabcdefg", "************g", 2);
}

static void masks_what_overlaps(void **state) {
    (void)state;
    assert_masked(TOKENS("abcdefgh", "efghijkl", "cdefgh"), "xabcdefghijkly", "x************y", 1);
    assert_masked(TOKENS("abcdefgh", "bcdefg"), "abcdefg abcdefgh bcdefgh",
                  "a****** ******** ******h", 3);
    assert_masked(TOKENS("abcdefgh", "abcdefghijklmnopq"), "abcdefghijklmnop", "********ijklmnop",
                  1);
    assert_masked(TOKENS("aaaaaa", "aaaaaaaaab"), "aaaaaaaaaaaabaaaaa-aaaaaaa",
                  "*************aaaaa-*******", 2);
}

static void masks_the_forms_of_a_value(void **state) {
    (void)state;
    /* base64 of "user:p\"ss/w0rd!" and of "{p\"ss/w0rd!}" */
    assert_masked(VALUES("p\"ss/w0rd!"),
                  "p\"ss/w0rd! p\\\"ss\\/w0rd! p&quot;ss/w0rd! p%22ss%2fw0rd%21 Basic "
                  "dXNlcjpwInNzL3cwcmQh e3Aic3MvdzByZCF9 702273732f773072642120",
                  "********** ************ *************** **************** Basic "
                  "dXNlcjp************* e3************F9 ********************20",
                  7);
}

static void finds_both_secrets_of_a_set(void **state) {
    (void)state;
    assert_masked(VALUES("first-secret", "second-secret"),
                  "{\"a\":\"second-secret\",\"b\":\"first-secret\"}",
                  "{\"a\":\"*************\",\"b\":\"************\"}", 2);
}

static void masks_any_bytes(void **state) {
    (void)state;
    static struct run run;
    const struct leak_source source = {SLICE("\0\xff\0\xff\0\n"), LEAK_TOKEN};
    struct leak_set *set = NULL;
    assert_true(leak_set_new(&source, 1, &set));
    begin(&run, set);
    take_all(&run, SLICE("\0\0\xff\0\xff\0\n\xff"), 3);
    assert_memory_equal(run.bytes, "\0******\xff", 8);
    leak_set_unref(set);
}

static void keeps_nothing_back_that_begins_no_form(void **state) {
    (void)state;
    static struct run run;
    struct leak_set *set = VALUES("hunter22 and more");
    begin(&run, set);
    assert_int_equal(take(&run, SLICE("data: {\"a\":1}\n\n"), false), 15);
    assert_int_equal(take(&run, SLICE("data: hunter2\n\n"), false), 15);
    assert_int_equal(take(&run, SLICE("\n"), false), 1);
    assert_int_equal(run.scan.found, 0);
    leak_set_unref(set);
}

static void keeps_back_the_longest_beginning_only(void **state) {
    (void)state;
    static struct run run;
    struct leak_set *set = TOKENS("hunter22 and more", "r22-xyz");
    begin(&run, set);
    assert_int_equal(take(&run, SLICE("is hunter2"), false), 3); /* not from r2 on */
    assert_int_equal(take(&run, SLICE("2"), false), 0);
    assert_int_equal(take(&run, SLICE("-xy"), false), 5);
    assert_int_equal(take(&run, SLICE(""), false), 0);
    assert_int_equal(take(&run, SLICE("z."), false), 8);
    assert_memory_equal(run.bytes, "is hunte*******.", 16);
    leak_set_unref(set);
}

static void finishes_a_beginning_with_the_stream(void **state) {
    (void)state;
    static struct run run;
    struct leak_set *set = TOKENS("hunter22");
    begin(&run, set);
    assert_int_equal(take(&run, SLICE("hunter2"), false), 0);
    assert_int_equal(take(&run, SLICE(""), true), 7);
    assert_memory_equal(run.bytes, "hunter2", 7);
    begin(&run, set);
    assert_int_equal(take(&run, SLICE("hunter2"), false), 0);
    assert_int_equal(take(&run, SLICE("2"), true), 8);
    assert_memory_equal(run.bytes, "********", 8);
    leak_set_unref(set);
}

static void leaves_kept_bytes_untouched_until_they_are_finished(void **state) {
    (void)state;
    static struct run run;
    struct leak_set *set = TOKENS("secret-secret", "secret");
    begin(&run, set);
    assert_int_equal(take(&run, SLICE("secret-secre"), false), 0);
    assert_memory_equal(run.bytes, "secret-secre", 12);
    assert_int_equal(take(&run, SLICE("X"), false), 13);
    assert_memory_equal(run.bytes, "******-secreX", 13);
    assert_int_equal(run.scan.found, 1);
    leak_set_unref(set);
}

/* Of `len` bytes in which nothing repeats. */
static char *unlike_text(size_t len) {
    char *text = repeated('x', len);
    for (size_t i = 0; i + 8 <= len; i += 8) {
        char digits[9];
        (void)snprintf(digits, sizeof digits, "%08zx", i * 2654435761U % 4294967291U);
        memcpy(text + i, digits, 8);
    }
    return text;
}

static void masks_all_of_a_long_secret(void **state) {
    (void)state;
    static const size_t lens[] = {1023, 1024, 1025, 2048, 2049, 5003};
    static const size_t pieces[] = {1, 37, 1024, 32768};
    static struct run run;
    for (size_t i = 0; i < COUNT_OF(lens) * COUNT_OF(pieces); i++) {
        size_t len = lens[i / COUNT_OF(pieces)];
        char *secret = unlike_text(len), *stream = repeated('-', len + 20),
             *expected = repeated('-', len + 20);
        memcpy(stream + 10, secret, len);
        memset(expected + 10, '*', len);
        struct leak_set *set = VALUES(secret);
        begin(&run, set);
        take_all(&run, slice_of(stream, len + 20), pieces[i % COUNT_OF(pieces)]);
        assert_string_equal(run.bytes, expected);
        leak_set_unref(set);
        free(secret);
        free(stream);
        free(expected);
    }
}

/* A part of a secret that is not cut is not the secret. */
static void leaves_parts_of_a_secret_alone(void **state) {
    (void)state;
    static struct run run;
    char *secret = unlike_text(1000);
    struct leak_set *set = VALUES(secret);
    begin(&run, set);
    take_all(&run, slice_of(secret, 999), 10);
    assert_memory_equal(run.bytes, secret, 999);
    begin(&run, set);
    take_all(&run, slice_of(secret + 1, 999), 10);
    assert_memory_equal(run.bytes, secret + 1, 999);
    leak_set_unref(set);
    free(secret);
}

static void masks_what_repeats_itself(void **state) {
    (void)state;
    static struct run run;
    static const size_t periods[] = {1, 2, 3, 7, 16, 17, 300};
    for (size_t i = 0; i < COUNT_OF(periods); i++) {
        char *stream = repeated('a', 5000);
        for (size_t at = periods[i] - 1; at < 5000; at += periods[i])
            stream[at] = 'b';
        char *secret = slice_strdup(slice_of(stream, 900));
        struct leak_set *set = TOKENS(secret);
        begin(&run, set);
        take_all(&run, slice_of(stream, 5000), i % 2 ? 1 : 1460);
        /* what follows the last occurrence is shorter than a period */
        size_t masked = strspn(run.bytes, "*");
        assert_in_range(masked, 5000 - periods[i] + 1, 5000);
        assert_int_equal(run.scan.found, 1);
        leak_set_unref(set);
        free(secret);
        free(stream);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_everything_pass_without_a_set),
        cmocka_unit_test(masks_every_occurrence),
        cmocka_unit_test(masks_what_overlaps),
        cmocka_unit_test(masks_the_forms_of_a_value),
        cmocka_unit_test(finds_both_secrets_of_a_set),
        cmocka_unit_test(masks_any_bytes),
        cmocka_unit_test(keeps_nothing_back_that_begins_no_form),
        cmocka_unit_test(keeps_back_the_longest_beginning_only),
        cmocka_unit_test(finishes_a_beginning_with_the_stream),
        cmocka_unit_test(leaves_kept_bytes_untouched_until_they_are_finished),
        cmocka_unit_test(masks_all_of_a_long_secret),
        cmocka_unit_test(leaves_parts_of_a_secret_alone),
        cmocka_unit_test(masks_what_repeats_itself),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
