/* The tree that is made of a file: kinds, positions, paths, and its bounds. */
#include "config_case.h"

#include "config/node.h"
#include "config/yaml_tree.h"

struct tree {
    struct arena arena;
    struct problem_list problems;
    struct node *root;
};

static struct tree parse(struct slice yaml) {
    struct tree tree = {0};
    arena_init(&tree.arena, (size_t)64 << 20);
    tree.root = yaml_tree_parse(yaml, &tree.arena, &tree.problems);
    return tree;
}

static void drop(struct tree *tree) {
    arena_done(&tree->arena);
    problem_list_done(&tree->problems);
}

static enum node_kind kind_of(const char *scalar) {
    char yaml[128];
    snprintf(yaml, sizeof yaml, "a: %s\n", scalar);
    struct tree tree = parse(slice_of_str(yaml));
    assert_non_null(tree.root);
    enum node_kind kind = tree.root->first->kind;
    drop(&tree);
    return kind;
}

static void resolves_plain_scalars_by_the_core_schema(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum node_kind kind;
    } CASES[] = {
        {"", NODE_NULL},
        {"~", NODE_NULL},
        {"null", NODE_NULL},
        {"Null", NODE_NULL},
        {"nULL", NODE_STRING},
        {"true", NODE_BOOL},
        {"FALSE", NODE_BOOL},
        {"tRUE", NODE_STRING},
        {"no", NODE_STRING},
        {"No", NODE_STRING},
        {"yes", NODE_STRING},
        {"on", NODE_STRING},
        {"off", NODE_STRING},
        {"y", NODE_STRING},
        {"0", NODE_INT},
        {"-12", NODE_INT},
        {"+3", NODE_INT},
        {"007", NODE_INT},
        {"0o17", NODE_INT},
        {"0o18", NODE_STRING},
        {"0x1F", NODE_INT},
        {"0xg", NODE_STRING},
        {"0b11", NODE_STRING},
        {"1_000", NODE_STRING},
        {"12:30:45", NODE_STRING},
        {"1.5", NODE_FLOAT},
        {"1.", NODE_FLOAT},
        {".5", NODE_FLOAT},
        {".", NODE_STRING},
        {"1e3", NODE_FLOAT},
        {"-1.5E-3", NODE_FLOAT},
        {"1e", NODE_STRING},
        {".inf", NODE_FLOAT},
        {"-.INF", NODE_FLOAT},
        {".nan", NODE_FLOAT},
        {"-.nan", NODE_STRING},
        {"2026-11-23", NODE_STRING},
        {"1.2.3", NODE_STRING},
        {"5s", NODE_STRING},
        {"'true'", NODE_STRING},
        {"\"7\"", NODE_STRING},
        {"''", NODE_STRING},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        if (kind_of(CASES[i].text) != CASES[i].kind)
            fail_msg("`%s` is of another kind: %d", CASES[i].text, kind_of(CASES[i].text));
    }
}

static void knows_where_everything_stands(void **state) {
    (void)state;
    struct tree tree = parse(SLICE("# first\na:\n  - b: 1\n    c: [x, 'y']\n"));
    assert_non_null(tree.root);
    const struct node *a = node_find(tree.root, SLICE("a"));
    const struct node *c = node_find(a->first, SLICE("c"));
    assert_int_equal(c->key_position.line, 4);
    assert_int_equal(c->key_position.column, 5);
    assert_int_equal(c->position.column, 8);
    assert_int_equal(c->last->position.column, 12);
    assert_int_equal(c->count, 2);
    char path[64];
    node_path(c->last, path, sizeof path);
    assert_string_equal(path, "a[0].c[1]");
    node_path(tree.root, path, sizeof path);
    assert_string_equal(path, "");
    assert_null(node_find(tree.root, SLICE("b")));
    drop(&tree);
}

static void shortens_and_escapes_long_paths(void **state) {
    (void)state;
    struct tree tree = parse(SLICE("\"\\x9by\": {aaaaaaaaaaaaaaaaaaaaaaaa: {bbbbbbbb: 1}}"));
    assert_non_null(tree.root);
    char path[24];
    node_path(tree.root->first->first->first, path, sizeof path);
    assert_true(strlen(path) < sizeof path);
    assert_int_equal(strncmp(path, "\\xc2\x9b", 4), 0);
    drop(&tree);
}

static char *repeat(const char *text, size_t count) {
    size_t len = strlen(text);
    char *result = malloc(len * count + 1);
    assert_non_null(result);
    for (size_t i = 0; i < count; i++)
        memcpy(result + i * len, text, len);
    result[len * count] = '\0';
    return result;
}

static void refuse_repeated(const char *text, size_t count, const char *fragment) {
    char *yaml = repeat(text, count);
    struct tree tree = parse(slice_of_str(yaml));
    assert_null(tree.root);
    assert_int_equal(tree.problems.error_count, 1);
    assert_non_null(strstr(tree.problems.items[0].text, fragment));
    drop(&tree);
    free(yaml);
}

static void refuses_what_is_too_deep_or_too_much(void **state) {
    (void)state;
    refuse_repeated("[", 65, "nested more than 64 deep");
    refuse_repeated("{a: ", 100000, "nested more than 64 deep");
    refuse_repeated("- a\n", 100000, "more than 100000 values");

    char *yaml = repeat("- a\n", 99999);
    struct tree tree = parse(slice_of_str(yaml));
    assert_non_null(tree.root);
    assert_int_equal(tree.root->count, 99999);
    drop(&tree);
    free(yaml);
}

static void keeps_the_first_hundred_problems_and_counts_the_rest(void **state) {
    (void)state;
    char *yaml = repeat("a: 1\n", 5001);
    struct tree tree = parse(slice_of_str(yaml));
    assert_non_null(tree.root);
    assert_int_equal(tree.problems.error_count, 5000);
    assert_int_equal(tree.problems.count, 100);
    assert_int_equal(tree.problems.dropped, 4900);
    assert_int_equal(tree.root->count, 1);
    drop(&tree);
    free(yaml);
}

static void survives_a_full_arena(void **state) {
    (void)state;
    for (size_t limit = 0; limit < 2000; limit += 40) {
        struct problem_list problems = {0};
        struct arena arena;
        arena_init(&arena, limit);
        struct node *root = yaml_tree_parse(SLICE("a: [b, {c: d}]\ne: f\n"), &arena, &problems);
        assert_true(root ? problems.error_count == 0 : problems.error_count == 1);
        arena_done(&arena);
        problem_list_done(&problems);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_plain_scalars_by_the_core_schema),
        cmocka_unit_test(knows_where_everything_stands),
        cmocka_unit_test(shortens_and_escapes_long_paths),
        cmocka_unit_test(refuses_what_is_too_deep_or_too_much),
        cmocka_unit_test(keeps_the_first_hundred_problems_and_counts_the_rest),
        cmocka_unit_test(survives_a_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
