/* Who holds what for how long: a leak or an early end is the sanitizers' to find. */
#include "../config/config_case.h"

#include "proxy/mcp/missing_tool.h"
#include "proxy/snapshot.h"

static struct address_book *new_book(void) {
    struct address_book *book = calloc(1, sizeof *book);
    assert_non_null(book);
    book->refs = 1;
    return book;
}

static struct ruleset *new_rules(void) {
    struct config *config = case_good("");
    struct error err;
    struct ruleset *rules = ruleset_new(config, NULL, NULL, &err);
    assert_non_null(rules);
    config_unref(config); /* the rules hold their own */
    return rules;
}

static size_t find_root(const struct ruleset *rules) {
    struct slice below;
    return router_find(rules->router, SLICE("any.example"), SLICE("/x"), &below);
}

static void rules_hold_their_configuration(void **state) {
    (void)state;
    struct ruleset *rules = new_rules();
    assert_string_equal(rules->config->routes[0].name, "base");
    assert_non_null(rules->policy);
    assert_int_equal(find_root(rules), 0);
    assert_ptr_equal(ruleset_ref(rules), rules);
    ruleset_unref(rules);
    assert_int_equal(find_root(rules), 0);
    ruleset_unref(rules);
    ruleset_unref(NULL);
}

static void keep_what_is_known_of_a_server(void **state) {
    (void)state;
    struct error err;
    struct ruleset *former = new_rules();
    atomic_store(&former->missing_tools[0].form[1], 3);
    struct ruleset *rules = ruleset_new(former->config, NULL, former, &err);
    assert_non_null(rules);
    ruleset_unref(former);
    assert_int_equal(atomic_load(&rules->missing_tools[0].form[1]), 3);
    assert_int_equal(atomic_load(&rules->missing_tools[0].form[0]), 0);
    ruleset_unref(rules);
}

static struct snapshot *snapshot_of(struct ruleset *rules, struct key_ring *ring,
                                    struct address_book *book,
                                    struct revocation_list *revocations) {
    const struct snapshot parts = {
        .rules = rules, .ring = ring, .addresses = book, .revocations = revocations};
    return snapshot_new(&parts);
}

static void holds_every_part_it_was_made_of(void **state) {
    (void)state;
    struct ruleset *rules = new_rules();
    struct key_ring *ring = key_ring_new(2);
    struct address_book *book = new_book();
    struct revocation_list *revocations = NULL;
    assert_non_null(ring);
    assert_int_equal(revocation_list_parse(SLICE("uti a\nuti b\n"), &revocations, NULL), STATUS_OK);
    struct snapshot *snapshot = snapshot_of(rules, ring, book, revocations);
    assert_non_null(snapshot);
    ruleset_unref(rules);
    key_ring_unref(ring);
    address_book_unref(book);
    revocation_list_unref(revocations);
    assert_int_equal(find_root(snapshot->rules), 0);
    assert_int_equal(revocation_list_count(snapshot->revocations), 2);
    assert_int_equal(snapshot->ring->slot_count, 2);
    assert_int_equal(snapshot->addresses->count, 0);
    assert_null(snapshot->cabinet);

    assert_ptr_equal(snapshot_ref(snapshot), snapshot);
    snapshot_unref(snapshot);
    assert_int_equal(find_root(snapshot->rules), 0);
    snapshot_unref(snapshot);
    snapshot_unref(NULL);
}

static void is_there_before_keys_and_credentials_are(void **state) {
    (void)state;
    struct ruleset *rules = new_rules();
    struct address_book *book = new_book();
    struct snapshot *snapshot = snapshot_of(rules, NULL, book, NULL);
    assert_non_null(snapshot);
    assert_null(snapshot->ring);
    assert_null(snapshot->revocations);
    snapshot_unref(snapshot);
    ruleset_unref(rules);
    address_book_unref(book);
}

static void shares_its_parts_with_the_next_one(void **state) {
    (void)state;
    struct ruleset *rules = new_rules();
    struct address_book *book = new_book();
    struct key_ring *ring = key_ring_new(2);
    struct snapshot *before = snapshot_of(rules, NULL, book, NULL);
    struct snapshot *after = snapshot_of(before->rules, ring, before->addresses, NULL);
    ruleset_unref(rules);
    address_book_unref(book);
    key_ring_unref(ring);
    assert_ptr_equal(after->rules, before->rules);
    snapshot_unref(before);
    assert_int_equal(find_root(after->rules), 0);
    assert_int_equal(after->ring->slot_count, 2);
    snapshot_unref(after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_hold_their_configuration),
        cmocka_unit_test(keep_what_is_known_of_a_server),
        cmocka_unit_test(holds_every_part_it_was_made_of),
        cmocka_unit_test(is_there_before_keys_and_credentials_are),
        cmocka_unit_test(shares_its_parts_with_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
