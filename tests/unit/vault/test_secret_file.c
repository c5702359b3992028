#include "vault/secret_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "vault/secret_value.h"
#include "vault_case.h"

static char folder[] = "/tmp/barkeep-secret-file-XXXXXX";

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t len) {
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static int make_folder(void **state) {
    return start_secret_memory(state) == 0 && mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"plain", "big", "link", "fifo", "dangling"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(path_of(names[i]));
    rmdir(path_of("folder"));
    return rmdir(folder);
}

static void drops_one_line_end(void **state) {
    static const struct {
        struct slice content;
        const char *value;
    } rows[] = {
        {{"s3cr3t", 6}, "s3cr3t"},
        {{"s3cr3t\n", 7}, "s3cr3t"},
        {{"s3cr3t\r\n", 8}, "s3cr3t"},
        {{"two words\n", 10}, "two words"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct secret *value = NULL;
        write_file("plain", rows[i].content.ptr, rows[i].content.len);
        assert_int_equal(secret_file_read_at(folder, "plain", &value, NULL), STATUS_OK);
        assert_secret_is(value, rows[i].value);
        secret_unref(value);
    }
}

static void refuses_unusable_content(void **state) {
    static const struct slice contents[] = {
        {"", 0}, {"\n", 1}, {"\r\n", 2}, {"a\n\n", 3}, {"a\nb", 3}, {"a\0b", 3}, {"a \n", 3},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        struct secret *value = NULL;
        write_file("plain", contents[i].ptr, contents[i].len);
        assert_int_equal(secret_file_read_at(folder, "plain", &value, NULL), STATUS_INVALID);
        assert_null(value);
    }
}

static void takes_25_kib_and_no_more(void **state) {
    (void)state;
    char *text = repeated('s', 1024 * 1024);
    struct secret *value = NULL;
    text[SECRET_VALUE_MAX_BYTES] = '\r';
    text[SECRET_VALUE_MAX_BYTES + 1] = '\n';
    write_file("big", text, SECRET_VALUE_MAX_BYTES + 2);
    assert_int_equal(secret_file_read_at(folder, "big", &value, NULL), STATUS_OK);
    assert_int_equal(secret_bytes(value).len, SECRET_VALUE_MAX_BYTES);
    secret_unref(value);
    value = NULL;
    memset(text, 's', SECRET_VALUE_MAX_BYTES + 2);
    write_file("big", text, SECRET_VALUE_MAX_BYTES + 1);
    assert_int_equal(secret_file_read_at(folder, "big", &value, NULL), STATUS_LIMIT);
    write_file("big", text, 1024 * 1024);
    assert_int_equal(secret_file_read_at(folder, "big", &value, NULL), STATUS_LIMIT);
    assert_null(value);
    free(text);
}

static void follows_links_as_kubernetes_makes_them(void **state) {
    (void)state;
    struct secret *value = NULL;
    write_file("plain", "linked", 6);
    assert_int_equal(symlink("plain", path_of("link")), 0);
    assert_int_equal(secret_file_read_at(folder, "link", &value, NULL), STATUS_OK);
    assert_secret_is(value, "linked");
    secret_unref(value);
}

static void reads_regular_files_only(void **state) {
    (void)state;
    struct secret *value = NULL;
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_int_equal(symlink("nowhere", path_of("dangling")), 0);
    assert_int_equal(secret_file_read_at(folder, "fifo", &value, NULL), STATUS_INVALID);
    assert_int_equal(secret_file_read_at(folder, "folder", &value, NULL), STATUS_INVALID);
    assert_int_equal(secret_file_read_at(folder, "dangling", &value, NULL), STATUS_NOT_FOUND);
    assert_int_equal(secret_file_read_at(folder, "missing", &value, NULL), STATUS_NOT_FOUND);
    assert_int_equal(secret_file_read_at("/nowhere/at/all", "x", &value, NULL), STATUS_NOT_FOUND);
    assert_null(value);
}

static void stays_in_its_folder(void **state) {
    static const char *const names[] = {"", ".", "..", "../plain", "a/b", "/etc/hostname", ".x"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct secret *value = NULL;
        assert_int_equal(secret_file_read_at(folder, names[i], &value, NULL), STATUS_INVALID);
        assert_null(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_one_line_end),
        cmocka_unit_test(refuses_unusable_content),
        cmocka_unit_test(takes_25_kib_and_no_more),
        cmocka_unit_test(follows_links_as_kubernetes_makes_them),
        cmocka_unit_test(reads_regular_files_only),
        cmocka_unit_test(stays_in_its_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
