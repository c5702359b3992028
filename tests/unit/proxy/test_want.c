/* What a worker asks of the keeper, and how often. The keeper here takes wants and answers them
 * when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/exchange.h"
#include "proxy/want.h"

enum { WANTS_MAX = 8 };

static struct {
    struct ruleset rules;
    struct snapshot snapshot;
    struct worker worker;
    struct want *taken[WANTS_MAX];
    size_t taken_count;
    struct exchange teller; /* last: it ends in an array of any length */
} scene;

static struct exchange *exchanges_new(size_t count) {
    struct exchange *exchanges = calloc(count, sizeof *exchanges);
    assert_non_null(exchanges);
    for (size_t i = 0; i < count; i++) {
        exchanges[i].worker = &scene.worker;
        exchanges[i].snapshot = &scene.snapshot;
    }
    return exchanges;
}

void keeper_take_want(struct keeper *keeper, struct want *want) {
    (void)keeper;
    assert_in_range(scene.taken_count, 0, WANTS_MAX - 1);
    scene.taken[scene.taken_count++] = want;
}

static size_t taken(void) {
    mailbox_deliver(scene.worker.keeper);
    return scene.taken_count;
}

static void answer_all(void) {
    for (size_t i = 0; i < taken(); i++) {
        scene.taken[i]->credential.on_done(&scene.taken[i]->credential);
    }
    scene.taken_count = 0;
    mailbox_deliver(scene.worker.mailbox);
}

static int open_scene(void **state) {
    (void)state;
    scene.rules.refs = 1;
    scene.snapshot.rules = &scene.rules;
    scene.worker = (struct worker){.keeper = mailbox_new(NULL, NULL),
                                   .mailbox = mailbox_new(NULL, NULL),
                                   .snapshot = &scene.snapshot};
    scene.teller.worker = &scene.worker;
    scene.teller.snapshot = &scene.snapshot;
    return scene.worker.keeper && scene.worker.mailbox ? 0 : -1;
}

static int close_scene(void **state) {
    (void)state;
    answer_all();
    mailbox_free(scene.worker.keeper);
    mailbox_free(scene.worker.mailbox);
    assert_int_equal(scene.rules.refs, 1);
    return 0;
}

static void one_want_is_for_all_who_wait_for_a_credential(void **state) {
    (void)state;
    struct exchange *exchanges = exchanges_new(3);
    struct want *want = want_post_credential(&exchanges[0], 7, 0);
    assert_ptr_equal(want_post_credential(&exchanges[1], 7, 0), want);
    assert_ptr_equal(want_post_credential(&exchanges[2], 7, 0), want);
    assert_int_equal(taken(), 1);
    for (size_t i = 0; i < 3; i++) {
        want_abandon(want, &exchanges[i]);
    }
    assert_null(want->exchange);
    free(exchanges);
}

static void others_have_wants_of_their_own(void **state) {
    (void)state;
    struct exchange *exchange = exchanges_new(1);
    struct want *want = want_post_credential(exchange, 7, 5);
    want_abandon(want, exchange);
    struct want *other = want_post_credential(exchange, 8, 5);
    assert_ptr_not_equal(other, want);
    want_abandon(other, exchange);
    struct want *newer = want_post_credential(exchange, 7, 6);
    assert_true(newer != want && newer != other);
    want_abandon(newer, exchange);
    assert_int_equal(taken(), 3);
    answer_all();
    want_abandon(want_post_credential(exchange, 7, 5), exchange);
    assert_int_equal(taken(), 1);
    free(exchange);
}

static void tells_of_one_refusal_however_many_there_are(void **state) {
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        want_tell_refused(&scene.teller, 7, 5);
    }
    assert_int_equal(taken(), 1);
    want_tell_refused(&scene.teller, 7, 6);
    assert_int_equal(taken(), 2);
}

static void tells_again_after_a_second_and_not_before_it_is_answered(void **state) {
    (void)state;
    struct told_refusal *told = &scene.worker.told_refusals[5];
    want_tell_refused(&scene.teller, 7, 5);
    assert_int_equal(told->generation, 5);
    told->at_ms -= 1000;
    want_tell_refused(&scene.teller, 7, 5);
    assert_int_equal(taken(), 1);
    answer_all();
    want_tell_refused(&scene.teller, 7, 5);
    assert_int_equal(taken(), 1);
}

static void does_not_tell_what_is_being_asked_about(void **state) {
    (void)state;
    struct exchange *exchange = exchanges_new(1);
    struct want *want = want_post_credential(exchange, 7, 5);
    want_tell_refused(&scene.teller, 7, 5);
    assert_int_equal(taken(), 1);
    want_abandon(want, exchange);
    free(exchange);
}

static void wants_of_other_rules_are_not_joined(void **state) {
    (void)state;
    struct ruleset other_rules = {.refs = 1};
    struct snapshot other_snapshot = {.rules = &other_rules};
    struct exchange *exchanges = exchanges_new(2);
    exchanges[1].snapshot = &other_snapshot;
    struct want *want = want_post_credential(&exchanges[0], 7, 0);
    struct want *other = want_post_credential(&exchanges[1], 7, 0);
    assert_ptr_not_equal(other, want);
    assert_int_equal(taken(), 2);
    want_abandon(want, &exchanges[0]);
    want_abandon(other, &exchanges[1]);
    answer_all();
    assert_int_equal(other_rules.refs, 1);
    free(exchanges);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(one_want_is_for_all_who_wait_for_a_credential),
        CASE(others_have_wants_of_their_own),
        CASE(wants_of_other_rules_are_not_joined),
        CASE(tells_of_one_refusal_however_many_there_are),
        CASE(tells_again_after_a_second_and_not_before_it_is_answered),
        CASE(does_not_tell_what_is_being_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
