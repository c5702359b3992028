/* Configurations out of files: which files are taken, and which part of them. */
#include "config_case.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of the test's own. */
static char folder[] = "/tmp/barkeep-config-XXXXXX";
static char file[sizeof folder + 16];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/file.yaml", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void write_file(const char *text, size_t len, mode_t mode) {
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void assert_refused(const char *path, const char *fragment) {
    struct problem_list problems = {0};
    assert_null(config_load(path, &problems));
    assert_true(problems.error_count >= 1);
    assert_int_equal(problems.items[0].position.line, 0);
    if (!strstr(problems.items[0].text, fragment))
        fail_msg("expected `%s` in `%s`", fragment, problems.items[0].text);
    problem_list_done(&problems);
}

static void loads_a_file(void **state) {
    (void)state;
    char *document = case_document("vaults: {v: \"file:s\"}");
    struct problem_list problems = {0};
    write_file(document, strlen(document), 0644);
    struct config *config = config_load(file, &problems);
    assert_non_null(config);
    assert_string_equal(config->path, file);
    char directory[sizeof folder + 16];
    snprintf(directory, sizeof directory, "%s/s", folder);
    assert_string_equal(config->vaults[0].directory, directory);
    config_unref(config);
    problem_list_done(&problems);
    free(document);
}

static void leaves_out_what_is_not_asked_for(void **state) {
    (void)state;
    static const struct {
        unsigned extras;
        bool has_parts, has_warnings;
    } CASES[] = {{CONFIG_ALL, true, true}, {CONFIG_PARTS, true, false}, {0, false, false}};
    char *document = case_document("vaults: {v: \"file:s\"}"); /* that nothing uses */
    write_file(document, strlen(document), 0644);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct problem_list problems = {0};
        struct config *config = config_load_with(file, CASES[i].extras, &problems);
        assert_non_null(config);
        assert_int_equal(config->part_count > 0, CASES[i].has_parts);
        assert_int_equal(problems.count > 0, CASES[i].has_warnings);
        config_unref(config);
        problem_list_done(&problems);
    }
    free(document);
}

static void refuses_the_same_whatever_is_asked_for(void **state) {
    (void)state;
    char *document = case_document("vaults: {v: \"http:s\"}");
    write_file(document, strlen(document), 0644);
    struct problem_list all = {0}, bare = {0};
    assert_null(config_load(file, &all));
    assert_null(config_load_with(file, 0, &bare));
    assert_true(all.error_count > 0);
    assert_int_equal(all.error_count, bare.error_count);
    assert_string_equal(all.items[0].text, bare.items[0].text);
    problem_list_done(&all);
    problem_list_done(&bare);
    free(document);
}

static void refuses_files_that_are_not_there_or_none(void **state) {
    (void)state;
    assert_refused("/nonexistent/barkeep.yaml", "cannot be opened: No such file or directory");
    assert_refused(folder, "is not a file");
    assert_refused("/dev/null", "is not a file");
    unlink(file);
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_refused(file, "is not a file");
    unlink(file);
}

static void refuses_empty_and_huge_files(void **state) {
    (void)state;
    write_file("", 0, 0600);
    assert_refused(file, "is empty");
    size_t size = (4u << 20) + 1;
    char *comment = malloc(size);
    memset(comment, '#', size);
    write_file(comment, size, 0600);
    assert_refused(file, "is larger than 4 MiB");
    struct problem_list problems = {0};
    assert_null(config_parse(file, slice_of(comment, size), &problems));
    assert_non_null(strstr(problems.items[0].text, "is larger than 4 MiB"));
    problem_list_done(&problems);
    write_file(comment, size - 1, 0600);
    assert_refused(file, "is empty");
    free(comment);
}

static void refuses_files_that_everyone_may_write(void **state) {
    (void)state;
    char *document = case_document("");
    write_file(document, strlen(document), 0646);
    assert_refused(file, "everyone may write to the file");
    free(document);
}

static void warns_of_files_that_the_group_may_write(void **state) {
    (void)state;
    char *document = case_document("");
    struct problem_list problems = {0};
    write_file(document, strlen(document), 0664);
    struct config *config = config_load(file, &problems);
    assert_non_null(config);
    assert_true(case_has_only(&problems, PROBLEM_WARNING, "0:0: ", "the file's group may write"));
    config_unref(config);
    problem_list_done(&problems);
    free(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_a_file),
        cmocka_unit_test(leaves_out_what_is_not_asked_for),
        cmocka_unit_test(refuses_the_same_whatever_is_asked_for),
        cmocka_unit_test(refuses_files_that_are_not_there_or_none),
        cmocka_unit_test(refuses_empty_and_huge_files),
        cmocka_unit_test(refuses_files_that_everyone_may_write),
        cmocka_unit_test(warns_of_files_that_the_group_may_write),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
