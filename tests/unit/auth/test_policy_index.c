/* Long lists: the entry that decides is found wherever it stands and however many keys the caller
 * has, and the first in the file is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/policy.h"

#define MANY 6000
#define GROUPS 2000 /* more than a caller's keys are kept of */

static char ids[MANY][37];
static const char *id_texts[MANY];
static char labels[MANY][16];
static struct config_principal principals[MANY];
static struct config_entry entries[MANY];
static struct config_action any_action[] = {{.pattern = "/**"}};
static struct config_role roles[] = {{"Contributor", any_action, 1, NULL, 0}};

/* Entry i is for group i. */
static int make_entries(void **state) {
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%08x-2c3d-4e5f-8091-%012x", i * 2654435761u, i);
        (void)snprintf(labels[i], sizeof labels[i], "access[%u]", i);
        id_texts[i] = ids[i];
        principals[i] = (struct config_principal){.groups = {&id_texts[i], 1}};
        entries[i] = (struct config_entry){
            .label = labels[i], .to = &principals[i], .to_count = 1, .credential = CONFIG_NONE};
    }
    return 0;
}

static struct identity *caller_in(const size_t *groups, size_t count, bool groups_unknown) {
    struct slice *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = groups[i] < MANY ? slice_of_str(ids[groups[i]]) : SLICE("!elsewhere");
    const struct identity model = {.oid = SLICE("mira"),
                                   .groups = list,
                                   .group_count = count,
                                   .groups_unknown = groups_unknown};
    struct identity *identity = identity_new(&model, true);
    assert_non_null(identity);
    free(list);
    return identity;
}

static struct decision decide_of(size_t entry_count, const struct identity *identity) {
    struct config_route route = {.access = {entries, entry_count}, .credential = CONFIG_NONE};
    const struct config config = {
        .roles = roles, .role_count = 1, .routes = &route, .route_count = 1};
    const struct policy_question question = {
        .identity = identity, .method = SLICE("GET"), .path_below = SLICE("/")};
    struct policy *policy = policy_new(&config);
    struct decision decision;
    assert_non_null(policy);
    policy_decide(policy, &question, NULL, &decision);
    policy_free(policy);
    return decision;
}

static void assert_decides(size_t entry_count, const size_t *groups, size_t count, size_t entry) {
    struct identity *identity = caller_in(groups, count, false);
    struct decision decision = decide_of(entry_count, identity);
    assert_int_equal(decision.reason, entry == CONFIG_NONE ? REASON_NO_ROLE : REASON_NONE);
    assert_ptr_equal(decision.entry, entry == CONFIG_NONE ? NULL : &entries[entry]);
    identity_unref(identity);
}

static void finds_any_entry_of_lists_of_every_length(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 4, 5, 6, 63, 64, 65, 500, MANY};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t last = lengths[i] - 1, middle = last / 2, beyond = lengths[i];
        assert_decides(lengths[i], &last, 1, last);
        assert_decides(lengths[i], &middle, 1, middle);
        assert_decides(lengths[i], &(size_t){0}, 1, 0);
        assert_decides(lengths[i], &beyond, 1, CONFIG_NONE);
        assert_decides(lengths[i], NULL, 0, CONFIG_NONE);
    }
}

static void takes_the_first_in_the_file(void **state) {
    (void)state;
    const size_t groups[] = {5999, 17, 4000, 300, 18};
    assert_decides(MANY, groups, 5, 17);
    assert_decides(MANY, groups, 1, 5999);
}

/* Others' groups sort first, so that the one that counts is the last to be looked up. */
static void assert_finds_among(size_t group_count, size_t wanted) {
    size_t *groups = calloc(group_count, sizeof *groups);
    for (size_t i = 0; i < group_count; i++)
        groups[i] = MANY;
    groups[group_count - 1] = wanted;
    assert_decides(MANY, groups, group_count, wanted < MANY ? wanted : CONFIG_NONE);
    free(groups);
}

static void finds_an_entry_for_callers_of_many_groups(void **state) {
    (void)state;
    static const size_t counts[] = {200, 1000, 1100, GROUPS};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_finds_among(counts[i], 4321);
        assert_finds_among(counts[i], MANY);
    }
}

/* Each group has an entry: more of them than can be followed side by side. */
static void takes_the_first_for_callers_whom_hundreds_of_entries_concern(void **state) {
    (void)state;
    for (size_t count = 100; count <= GROUPS; count *= 3) {
        size_t *groups = calloc(count, sizeof *groups);
        for (size_t i = 0; i < count; i++)
            groups[i] = MANY - 1 - i;
        assert_decides(MANY, groups, count, MANY - count);
        free(groups);
    }
}

static void asks_for_unknown_groups_by_the_first_entry(void **state) {
    (void)state;
    const size_t group = 4321;
    struct identity *stranger = caller_in(NULL, 0, true), *member = caller_in(&group, 1, true);
    struct decision refused = decide_of(MANY, stranger), allowed = decide_of(MANY, member);
    assert_int_equal(refused.reason, REASON_GROUPS_UNKNOWN);
    assert_ptr_equal(refused.entry, &entries[0]);
    assert_int_equal(allowed.reason, REASON_NONE);
    assert_ptr_equal(allowed.entry, &entries[group]);
    assert_true(allowed.depends_on_groups);
    identity_unref(member);
    identity_unref(stranger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_any_entry_of_lists_of_every_length),
        cmocka_unit_test(takes_the_first_in_the_file),
        cmocka_unit_test(finds_an_entry_for_callers_of_many_groups),
        cmocka_unit_test(takes_the_first_for_callers_whom_hundreds_of_entries_concern),
        cmocka_unit_test(asks_for_unknown_groups_by_the_first_entry),
    };
    return cmocka_run_group_tests(tests, make_entries, NULL);
}
