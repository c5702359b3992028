#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key_state.h"
#include "tests/unit/auth/token_maker.h"

#define FILE_NAME "keys-" TID "-v2.json"

static EVP_PKEY *key;
static struct config config;
static char folder[64];
static char path[256];
static struct key_state *state_folder;

static int make_key(void **state) {
    (void)state;
    key = EVP_RSA_gen(3072);
    return key ? 0 : -1;
}

static int free_key(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    config = make_config();
    snprintf(folder, sizeof folder, "/tmp/barkeep-key-state-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    config.state = folder;
    snprintf(path, sizeof path, "%s/%s", folder, FILE_NAME);
    state_folder = key_state_open(&config, NULL);
    return state_folder ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    key_state_free(state_folder);
    (void)unlink(path);
    return rmdir(folder);
}

static size_t slot(void) {
    return key_slot_of_tenant(0, 2);
}

/* Keeps a set with one key, fetched at NOW. */
static void save(void) {
    struct key_state_entry entry = {.issuer = ISS_V2, .fetched_wall_sec = NOW};
    entry.keys = make_key_set(key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\",\"x5c\":[\"AAAA\"]");
    assert_non_null(entry.keys);
    assert_int_equal(key_state_save(state_folder, slot(), &entry, NULL), STATUS_OK);
    key_set_unref(entry.keys);
}

static enum status load_at(int64_t now_sec) {
    struct key_state_entry entry = {0};
    struct error err = {{0}};
    enum status status = key_state_load(state_folder, slot(), now_sec, &entry, &err);
    assert_true(status == STATUS_OK || err.text[0]);
    key_set_unref(entry.keys);
    return status;
}

static char *read_file(void) {
    char *text = calloc(1, 64 * 1024);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 64 * 1024 - 1, file) > 0);
    fclose(file);
    return text;
}

static void write_file(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void gives_back_what_was_kept(void **state) {
    (void)state;
    struct key_state_entry entry = {0};
    assert_int_equal(load_at(NOW), STATUS_NOT_FOUND);
    save();
    assert_int_equal(key_state_load(state_folder, slot(), NOW + 60, &entry, NULL), STATUS_OK);
    assert_string_equal(entry.issuer, ISS_V2);
    assert_int_equal(entry.fetched_wall_sec, NOW);
    struct key_set *original = make_key_set(key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\"");
    assert_true(key_set_eq(entry.keys, original));
    key_set_unref(original);
    key_set_unref(entry.keys);
    assert_int_equal(key_state_load(state_folder, key_slot_of_tenant(0, 1), NOW, &entry, NULL),
                     STATUS_NOT_FOUND);
}

static void keeps_nothing_but_public_keys_for_barkeep_alone(void **state) {
    (void)state;
    struct stat stat_of_file;
    save();
    assert_int_equal(stat(path, &stat_of_file), 0);
    assert_int_equal(stat_of_file.st_mode & 07777, 0600);
    char *text = read_file();
    assert_null(strstr(text, "x5c"));
    assert_null(strstr(text, "\"d\""));
    assert_non_null(strstr(text, "\"n\""));
    free(text);
}

static void refuses_files_that_are_too_old_or_from_the_future(void **state) {
    (void)state;
    save();
    assert_int_equal(load_at(NOW + config.entra.keys_max_stale_sec - 1), STATUS_OK);
    assert_int_equal(load_at(NOW + config.entra.keys_max_stale_sec), STATUS_INVALID);
    assert_int_equal(load_at(NOW - 300), STATUS_OK);
    assert_int_equal(load_at(NOW - 301), STATUS_INVALID);
}

static void refuses_sets_of_another_address_or_issuer(void **state) {
    (void)state;
    save();
    config.entra.metadata_appid = AUD_GUID;
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    config.entra.metadata_appid = NULL;
    config.entra.authority = "https://login.microsoftonline.us";
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    config.entra.authority = "https://login.microsoftonline.com";
    assert_int_equal(load_at(NOW), STATUS_OK);
    char *text = read_file(), *issuer = strstr(text, "\"issuer\":\"https://login");
    assert_non_null(issuer);
    memcpy(issuer + 11, "HTTPS", 5);
    write_file(text);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    free(text);
}

static void refuses_damaged_files(void **state) {
    (void)state;
    save();
    char *good = read_file();
    size_t len = strlen(good);
    for (size_t cut = 0; cut + 2 < len; cut += 37) {
        char *torn = make_text("%.*s", (int)cut, good);
        write_file(torn);
        assert_int_equal(load_at(NOW), STATUS_INVALID);
        free(torn);
    }
    static const char *const bad[] = {"{}", "[]", "null", "{\"format\":1,\"keys\":[]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(bad[i]);
        assert_int_equal(load_at(NOW), STATUS_INVALID);
    }
    char *twice = make_text("{\"format\":2,%s", good + 1);
    write_file(twice);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    write_file(good);
    assert_int_equal(load_at(NOW), STATUS_OK);
    free(twice);
    free(good);
}

static void refuses_what_others_could_have_written(void **state) {
    (void)state;
    save();
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    assert_int_equal(chmod(path, 0602), 0);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(load_at(NOW), STATUS_OK);
    char elsewhere[300];
    snprintf(elsewhere, sizeof elsewhere, "%s.moved", path);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load_at(NOW), STATUS_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(elsewhere), 0);
}

static void refuses_a_folder_that_others_can_write_to(void **state) {
    (void)state;
    struct error err = {{0}};
    assert_int_equal(chmod(folder, 0777), 0);
    assert_null(key_state_open(&config, &err));
    assert_non_null(strstr(err.text, "nobody else may write"));
    assert_int_equal(chmod(folder, 0700), 0);
    struct key_state *again = key_state_open(&config, &err);
    assert_non_null(again);
    key_state_free(again);
    config.state = "/dev/null/x";
    assert_null(key_state_open(&config, &err));
}

static void makes_its_folder(void **state) {
    (void)state;
    char below[128];
    struct stat stat_of_folder;
    snprintf(below, sizeof below, "%s/new", folder);
    config.state = below;
    struct key_state *made = key_state_open(&config, NULL);
    assert_non_null(made);
    assert_int_equal(stat(below, &stat_of_folder), 0);
    assert_int_equal(stat_of_folder.st_mode & 0777, 0700);
    key_state_free(made);
    assert_int_equal(rmdir(below), 0);
}

/* A withdrawn key must not come back from a file that could not be replaced. */
static void drops_the_old_file_when_the_new_one_cannot_be_written(void **state) {
    (void)state;
    save();
    char obstacle[300];
    snprintf(obstacle, sizeof obstacle, "%s.new", path);
    assert_int_equal(mkdir(obstacle, 0700), 0);
    struct key_state_entry entry = {.issuer = ISS_V2, .fetched_wall_sec = NOW};
    entry.keys = make_key_set(key, "key-2", "");
    assert_int_not_equal(key_state_save(state_folder, slot(), &entry, NULL), STATUS_OK);
    assert_int_equal(load_at(NOW), STATUS_NOT_FOUND);
    assert_int_equal(rmdir(obstacle), 0);
    assert_int_equal(key_state_save(state_folder, slot(), &entry, NULL), STATUS_OK);
    assert_int_equal(load_at(NOW), STATUS_OK);
    key_set_unref(entry.keys);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGED(gives_back_what_was_kept),
        STAGED(keeps_nothing_but_public_keys_for_barkeep_alone),
        STAGED(refuses_files_that_are_too_old_or_from_the_future),
        STAGED(refuses_sets_of_another_address_or_issuer),
        STAGED(refuses_damaged_files),
        STAGED(refuses_what_others_could_have_written),
        STAGED(refuses_a_folder_that_others_can_write_to),
        STAGED(makes_its_folder),
        STAGED(drops_the_old_file_when_the_new_one_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
