/* Files that are meant to hurt, or that an editor spoiled: one clear error at its place, and no
 * more time and memory than any file may take. */
#include "config_case.h"

#include <sys/resource.h>
#include <unistd.h>

#define GOOD                                                                                       \
    "listen: 127.0.0.1:8080\n"                                                                     \
    "entra: {tenant: " TENANT ", audience: " CLIENT "}\n"                                          \
    "routes: [{name: base, upstream: \"http://127.0.0.1:3000\"}]\n"                                \
    "access: [{role: Reader, to: {everyone: true}}]\n"
#define BYTES(text)                                                                                \
    { text, sizeof(text) - 1 }

struct spoiled {
    struct slice bytes;
    const char *where; /* "LINE:COL: PATH" */
    const char *fragment;
};

static void refuse(const struct spoiled *one) {
    struct problem_list problems = {0};
    struct config *config = config_parse("/etc/case.yaml", one->bytes, &problems);
    bool is_right = !config && problems.error_count == 1 && problems.dropped == 0 &&
                    case_has_only(&problems, PROBLEM_ERROR, one->where, one->fragment);
    if (!is_right) {
        print_message("expected %s ... %s\n", one->where, one->fragment);
        case_print("", &problems);
    }
    assert_true(is_right);
    problem_list_done(&problems);
}

static void refuses_spoiled_files_once_and_in_place(void **state) {
    (void)state;
    static const struct spoiled CASES[] = {
        {BYTES(GOOD "state: a\0b\n"), "5:9: ", "control characters are not allowed"},
        {BYTES(GOOD "state: a\xff\xfe\n"), "5:9: ", "invalid leading UTF-8 octet"},
        {BYTES(GOOD "state: a\xc0\xaf\n"), "5:9: ", "UTF-8"},
        {BYTES(GOOD "state: a\xed\xa0\x80\n"), "5:9: ", "invalid Unicode character"},
        {BYTES(GOOD "state: \"a\xc3"), "5:10: ", "UTF-8"},
        {BYTES("\xff\xfel\0i\0s\0t\0"), "1:1: ", "is encoded in UTF-16; save it as UTF-8"},
        {BYTES("\xfe\xff\0l\0i\0s\0t"), "1:1: ", "save it as UTF-8"},
        {BYTES(GOOD "log:\n\tlevel: info\n"), "6:1: ", "indent with spaces, not with a tab"},
        {BYTES(GOOD "state: \"a\tb\"\n"), "5:8: state", "control characters"},
        {BYTES(GOOD "drain: 1s\ndrain: 2s\n"), "6:1: drain", "the key is there twice"},
        {BYTES(GOOD "---\n" GOOD), "5:1: ", "a second document begins here"},
        {BYTES(GOOD "log: &a {level: *a}\n"), "5:6: log", "anchors (&name) and aliases"},
        {BYTES(GOOD "log: {level: *a, audit: *a}\n"), "5:14: log.level", "write the value out"},
        {BYTES(GOOD "drain: !!str 5s\n"), "5:8: drain", "tags (!name) are not supported"},
        {BYTES(GOOD "log:\n  <<: {level: info}\n"), "6:3: log.<<", "unknown key"},
        {BYTES(GOOD "? [a]\n: b\n"), "5:3: ", "a key must be plain text"},
        {BYTES("just text\n"), "1:1: ", "must be a mapping"},
        {BYTES("- 1\n"), "1:1: ", "must be a mapping"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        refuse(&CASES[i]);
}

static void accepts_what_editors_do(void **state) {
    (void)state;
    static const struct slice TEXTS[] = {
        BYTES(GOOD),
        BYTES("\xef\xbb\xbf" GOOD),
        BYTES("%YAML 1.2\n---\n" GOOD "...\n"),
        BYTES("listen: 127.0.0.1:8080\r\nentra: {tenant: " TENANT ", audience: " CLIENT "}\r\n"
              "routes: [{name: base, upstream: \"http://127.0.0.1:3000\"}]\r\n"
              "access: [{role: Reader, to: {everyone: true}}]\r\n"),
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct problem_list problems = {0};
        struct config *config = config_parse("/etc/case.yaml", TEXTS[i], &problems);
        if (!config || problems.count > 0)
            case_print("", &problems);
        assert_non_null(config);
        assert_int_equal(problems.count, 0);
        config_unref(config);
    }
}

/* `unit` over and over after `start`, close to 4 MiB of it. */
static char *repeat(const char *start, const char *unit, size_t *out_len) {
    size_t size = 4 << 20, len = 0;
    char *text = malloc(size);
    assert_non_null(text);
    for (const char *next = start; len + 64 < size; next = unit)
        len += (size_t)snprintf(text + len, size - len, "%s", next);
    *out_len = len;
    return text;
}

/* Bytes that this process has read; 0 where the kernel does not count them. */
static unsigned long long bytes_read(void) {
    unsigned long long count = 0;
    FILE *file = fopen("/proc/self/io", "r");
    if (file && fscanf(file, "rchar: %llu", &count) != 1)
        count = 0;
    if (file)
        fclose(file);
    return count;
}

/* Kilobytes; grows only. */
static long most_memory(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void takes_bounded_memory_for_anything(void **state) {
    (void)state;
    static const char *const STARTS[][2] = {
        {"a: &a [x,x,x,x,x,x,x,x]\nb: [", "*a,"},
        {"a: &a [*a,*a]\nb: [", "*a,"},
        {"a: ", "["},
        {"a: ", "{a: "},
        {"a: [", "1,"},
        {"a: [", "{},"},
        {"", "k: 1\n"},
        {"a: \"", "\\x41"},
        {"a: \"", "${HOME}"},
        {"", "? [k]\n"},
        {"a: {", ","},
        {"a: ", "&a !b "},
        {"routes:\n", "- {}\n"},
        {"routes: [{access: [", "{to: {}},"},
        {"access: [{to: {user: [", TENANT ","},
        {"access: [{when: {client: [", "10.0.0.1/8,"},
        {"? ", "a"},
        {"#", "#"},
        {"a: |\n", " x\n"},
    };
    long before = most_memory();
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++) {
        size_t len;
        struct problem_list problems = {0};
        char *text = repeat(STARTS[i][0], STARTS[i][1], &len);
        assert_null(config_parse("/etc/case.yaml", slice_of(text, len), &problems));
        assert_true(problems.error_count > 0);
        assert_true(problems.count <= 100);
        problem_list_done(&problems);
        free(text);
    }
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    assert_true(most_memory() - before < 200 * 1024);
#else
    (void)before;
#endif
}

/* As many keys as there may be, each of them looked up among all others. */
static void takes_bounded_memory_for_keys_that_nobody_knows(void **state) {
    (void)state;
    size_t size = 4 << 20, len = 0;
    char *text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < 99000; i++)
        len += (size_t)snprintf(text + len, size - len, "route%zu: 1\n", i);
    struct problem_list problems = {0};
    long before = most_memory();
    assert_null(config_parse("/etc/case.yaml", slice_of(text, len), &problems));
    assert_true(problems.error_count >= 99000);
    assert_int_equal(problems.count, 100);
#ifndef __SANITIZE_ADDRESS__
    assert_true(most_memory() - before < 100 * 1024);
#else
    (void)before;
#endif
    problem_list_done(&problems);
    free(text);
}

static void refuses_100_mib_without_reading_them(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)100 << 20), 0);
    struct problem_list problems = {0};
    long before = most_memory();
    unsigned long long read_before = bytes_read();
    assert_null(config_load(path, &problems));
    assert_true(bytes_read() - read_before <= 4 << 20);
    assert_int_equal(problems.error_count, 1);
    assert_non_null(strstr(problems.items[0].text, "is larger than 4 MiB"));
    assert_true(most_memory() - before < 20 * 1024);
    problem_list_done(&problems);
    close(fd);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_100_mib_without_reading_them),
        cmocka_unit_test(refuses_spoiled_files_once_and_in_place),
        cmocka_unit_test(accepts_what_editors_do),
        cmocka_unit_test(takes_bounded_memory_for_anything),
        cmocka_unit_test(takes_bounded_memory_for_keys_that_nobody_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
