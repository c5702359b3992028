/* Which upstream is next: in turn, by load, around what is ejected or full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/balance.h"

enum { COUNT = 4 };

struct scene {
    struct upstream_standing standings[COUNT];
    struct upstream_pool pools[COUNT];
    struct balance_question question;
};

static void scene_open(struct scene *scene) {
    *scene = (struct scene){.question = {.count = COUNT, .limit = UINT32_MAX, .now_ms = 1000}};
    for (size_t i = 0; i < COUNT; i++)
        scene->pools[i].standing = &scene->standings[i];
}

static void eject(struct scene *scene, size_t index, uint64_t until_ms) {
    scene->standings[index].health =
        (struct upstream_health){.is_ejected = true, .until_ms = until_ms};
}

static void assert_chosen(struct scene *scene, size_t expected) {
    size_t index = COUNT;
    assert_int_equal(balance_choose(scene->pools, &scene->question, &index), BALANCE_CHOSEN);
    assert_int_equal(index, expected);
}

static void assert_verdict(struct scene *scene, enum balance_verdict expected) {
    size_t index = COUNT;
    assert_int_equal(balance_choose(scene->pools, &scene->question, &index), expected);
    assert_int_equal(index, COUNT);
}

static void takes_turns(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    for (uint32_t turn = 0; turn < 12; turn++) {
        scene.question.turn = turn;
        assert_chosen(&scene, turn % COUNT);
    }
    scene.question.turn = UINT32_MAX;
    assert_chosen(&scene, UINT32_MAX % COUNT);
}

/* The share of one that is away goes to all others. */
static void takes_turns_among_those_that_are_well(void **state) {
    (void)state;
    struct scene scene;
    unsigned counts[COUNT] = {0};
    scene_open(&scene);
    eject(&scene, 1, 2000);
    for (uint32_t turn = 0; turn < 30; turn++) {
        size_t index;
        scene.question.turn = turn;
        assert_int_equal(balance_choose(scene.pools, &scene.question, &index), BALANCE_CHOSEN);
        counts[index]++;
    }
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 10);
    assert_int_equal(counts[3], 10);
}

static void chooses_the_one_with_the_fewest_requests(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    scene.question.balance = BALANCE_LEAST_CONNECTIONS;
    scene.standings[0].requests = 3;
    scene.standings[1].requests = 2;
    scene.standings[2].requests = 1;
    scene.standings[3].requests = 2;
    for (uint32_t turn = 0; turn < 5; turn++) {
        scene.question.turn = turn;
        assert_chosen(&scene, 2);
    }
    eject(&scene, 2, 2000);
    scene.question.turn = 1;
    assert_chosen(&scene, 1);
    scene.question.turn = 2; /* equals take turns */
    assert_chosen(&scene, 3);
}

static void tries_an_ejected_one_when_its_time_has_come(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    eject(&scene, 2, 1001);
    assert_chosen(&scene, 0);
    scene.question.now_ms = 1001;
    assert_chosen(&scene, 2);
    scene.question.tried = 1 << 2;
    assert_chosen(&scene, 0);
}

static void tries_the_first_that_is_due_when_all_are_ejected(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < COUNT; i++)
        eject(&scene, i, 9000 - i * 1000);
    assert_chosen(&scene, 3);
    scene.question.tried = 1 << 3;
    assert_chosen(&scene, 2);
    scene.standings[2].awaiting = BALANCE_TRIALS_MAX;
    assert_chosen(&scene, 1);
}

static void keeps_nobody_waiting_for_what_others_try_already(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < COUNT; i++) {
        eject(&scene, i, 9000);
        scene.standings[i].awaiting = BALANCE_TRIALS_MAX;
    }
    assert_verdict(&scene, BALANCE_EJECTED);
    scene.standings[1].awaiting--;
    assert_chosen(&scene, 1);
}

static void passes_over_what_is_full(void **state) {
    (void)state;
    static const enum config_balance balances[] = {BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS};
    for (size_t b = 0; b < 2; b++) {
        struct scene scene;
        scene_open(&scene);
        scene.question.balance = balances[b];
        scene.question.limit = 10;
        for (size_t i = 0; i < COUNT; i++)
            scene.standings[i].requests = 10;
        assert_verdict(&scene, BALANCE_FULL);
        scene.standings[3].requests = 9;
        assert_chosen(&scene, 3);
        eject(&scene, 3, 9000);
        assert_chosen(&scene, 3); /* rather than nobody */
        scene.standings[3].awaiting = BALANCE_TRIALS_MAX;
        assert_verdict(&scene, BALANCE_FULL);
    }
}

static void ends_when_all_were_tried(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    scene.question.tried = 0xf;
    assert_verdict(&scene, BALANCE_NONE);
    scene.question.tried = 0x7;
    assert_chosen(&scene, 3);
}

static void has_its_way_while_the_preferred_one_is_well(void **state) {
    (void)state;
    static const enum config_balance balances[] = {BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS};
    for (size_t b = 0; b < 2; b++) {
        struct scene scene;
        scene_open(&scene);
        scene.question.balance = balances[b];
        scene.question.limit = 10;
        scene.question.preferred = 1 << 2;
        scene.standings[2].requests = 9;
        assert_chosen(&scene, 2);
        scene.standings[2].requests = 10;
        assert_chosen(&scene, 0);
        scene.standings[2].requests = 0;
        eject(&scene, 2, 9000);
        assert_chosen(&scene, 0);
        scene.standings[2].health = (struct upstream_health){0};
        eject(&scene, 1, 900); /* no trial for who has a place to go to */
        assert_chosen(&scene, 2);
        scene.question.tried = 1 << 2 | 1 << 1;
        assert_chosen(&scene, 0);
    }
}

/* As if it were the only one. */
static void tries_no_other_where_others_do_not_come_into_question(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    scene.question.limit = 10;
    scene.question.tried = ~(UINT64_C(1) << 1);
    for (uint32_t turn = 0; turn < 5; turn++) {
        scene.question.turn = turn;
        assert_chosen(&scene, 1);
    }
    eject(&scene, 1, 9000);
    assert_chosen(&scene, 1);
    scene.standings[1].awaiting = BALANCE_TRIALS_MAX;
    assert_verdict(&scene, BALANCE_EJECTED);
    scene.standings[1] = (struct upstream_standing){.requests = 10};
    assert_verdict(&scene, BALANCE_FULL);
    scene.question.tried = UINT64_MAX;
    assert_verdict(&scene, BALANCE_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_turns),
        cmocka_unit_test(takes_turns_among_those_that_are_well),
        cmocka_unit_test(chooses_the_one_with_the_fewest_requests),
        cmocka_unit_test(tries_an_ejected_one_when_its_time_has_come),
        cmocka_unit_test(tries_the_first_that_is_due_when_all_are_ejected),
        cmocka_unit_test(keeps_nobody_waiting_for_what_others_try_already),
        cmocka_unit_test(passes_over_what_is_full),
        cmocka_unit_test(ends_when_all_were_tried),
        cmocka_unit_test(has_its_way_while_the_preferred_one_is_well),
        cmocka_unit_test(tries_no_other_where_others_do_not_come_into_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
