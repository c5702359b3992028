/* The tables of keys: complete in themselves, their defaults readable, and each key met by the
 * examples or the tests of this room. */
#include "config_case.h"

#include <dirent.h>
#include <sys/stat.h>

#include "config/schema.h"

typedef void on_row(const struct schema *schema, const struct schema_row *row);

static void walk(const struct schema *schema, on_row *visit) {
    for (const struct schema_row *row = schema->rows; row->key; row++) {
        visit(schema, row);
        if (row->child)
            walk(row->child, visit);
    }
}

static size_t visited;

static void check_row(const struct schema *schema, const struct schema_row *row) {
    visited++;
    bool has_bounds = row->type == SCHEMA_COUNT || row->type == SCHEMA_SECONDS ||
                      row->type == SCHEMA_MS || row->type == SCHEMA_BYTES ||
                      row->type == SCHEMA_BYTES_NONE || row->type == SCHEMA_COUNT_NONE;
    bool has_choices = row->type == SCHEMA_CHOICE || row->type == SCHEMA_SWITCH;
    bool is_good = row->summary && row->summary[0];
    bool has_default =
        row->fallback || row->is_required || (is_good && strstr(row->summary, "default:"));
    is_good = is_good && (!has_bounds || (row->max > row->min && has_default));
    is_good = is_good && (!has_choices || (row->choices && row->fallback));
    is_good = is_good && (row->type != SCHEMA_BOOL || row->fallback);
    is_good = is_good && (row->type != SCHEMA_OTHER || row->read);
    is_good = is_good && (row->type != SCHEMA_MAPPING || row->child);
    is_good = is_good && !(row->is_required && row->fallback);
    if (!is_good)
        fail_msg("%s: the row of `%s` is not complete", schema->name, row->key);
    for (const struct schema_row *other = schema->rows; other < row; other++)
        assert_string_not_equal(other->key, row->key);
}

static void rows_are_complete(void **state) {
    (void)state;
    visited = 0;
    walk(&CONFIG_SCHEMA, check_row);
    assert_true(visited > 80);
}

static char *sources;

/* Appends the file to `text`, which holds 1 MiB. */
static void read_text(const char *path, char *text) {
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be opened; run from the top of the tree", path);
    size_t before = strlen(text);
    size_t len = fread(text + before, 1, (1 << 20) - 1 - before, file);
    assert_true(len > 0);
    fclose(file);
}

static void check_tested(const struct schema *schema, const struct schema_row *row) {
    char key[64];
    snprintf(key, sizeof key, "%s:", row->key);
    if (!strstr(sources, key))
        fail_msg("%s: no test of a full configuration gives `%s`", schema->name, row->key);
}

static void every_key_is_in_the_full_configuration_of_the_tests(void **state) {
    (void)state;
    sources = calloc(1, 1 << 20);
    assert_non_null(sources);
    read_text("tests/unit/config/test_config_full.c", sources);
    read_text("tests/unit/config/test_config_identity.c", sources);
    read_text("tests/unit/config/test_config_mcp.c", sources);
    walk(&CONFIG_SCHEMA, check_tested);
    free(sources);
}

static void load_example(const char *name) {
    char path[512];
    struct problem_list problems = {0};
    snprintf(path, sizeof path, "config/examples/%s", name);
    struct config *config = config_load(path, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        char text[1024];
        problem_format(path, &problems.items[i], text, sizeof text);
        print_message("%s\n", text);
    }
    assert_non_null(config);
    /* A checkout may be group-writable; any other warning is the example's own. */
    for (size_t i = 0; i < problems.count; i++)
        assert_int_equal(problems.items[i].position.line, 0);
    config_unref(config);
    problem_list_done(&problems);
}

static void every_example_is_valid_without_warnings(void **state) {
    (void)state;
    DIR *folder = opendir("config/examples");
    if (!folder)
        fail_msg("config/examples cannot be opened; run from the top of the tree");
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 5, ".yaml") != 0)
            continue;
        load_example(entry->d_name);
        count++;
    }
    closedir(folder);
    assert_true(count >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(every_key_is_in_the_full_configuration_of_the_tests),
        cmocka_unit_test(every_example_is_valid_without_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
