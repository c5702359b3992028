#include "vault/file_bytes.h"

#include <sys/stat.h>
#include <unistd.h>

#include "vault_case.h"

static char folder[64];
static char path[96];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/barkeep-bytes-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t len) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static enum status read_path(size_t max_bytes) {
    struct secret *bytes = NULL;
    struct error err = {""};
    const enum status status = file_bytes_read_path(path, max_bytes, &bytes, &err);
    assert_int_equal(status == STATUS_OK, bytes != NULL);
    assert_int_equal(status == STATUS_OK, err.text[0] == '\0');
    secret_unref(bytes);
    return status;
}

static void reads_every_byte_as_it_is(void **state) {
    static const char bytes[] = "a\0b\r\n\xff\n";
    struct secret *found = NULL;
    (void)state;
    write_bytes(bytes, sizeof bytes);
    assert_int_equal(file_bytes_read_path(path, 100, &found, NULL), STATUS_OK);
    assert_int_equal(secret_bytes(found).len, sizeof bytes);
    assert_memory_equal(secret_bytes(found).ptr, bytes, sizeof bytes);
    secret_unref(found);
}

static void refuses_files_beyond_the_limit_and_empty_ones(void **state) {
    (void)state;
    assert_int_equal(read_path(10), STATUS_NOT_FOUND);
    write_bytes("0123456789", 10);
    assert_int_equal(read_path(9), STATUS_LIMIT);
    assert_int_equal(read_path(10), STATUS_OK);
    write_bytes("", 0);
    assert_int_equal(read_path(10), STATUS_INVALID);
}

static void refuses_what_is_no_file(void **state) {
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_path(10), STATUS_INVALID);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_path(10), STATUS_INVALID);
    rmdir(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(read_path(10), STATUS_INVALID);
    unlink(path);
    write_bytes("x", 1);
    assert_int_equal(read_path(10), STATUS_OK);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(reads_every_byte_as_it_is),
        CASE(refuses_files_beyond_the_limit_and_empty_ones),
        CASE(refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
