/* The loop: events, timers, and what callbacks may do to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

static struct loop *loop;

static int set_up(void **state) {
    (void)state;
    struct error err;
    loop = loop_new(&err);
    return loop ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    loop_free(loop);
    return 0;
}

struct listener {
    struct loop_watch watch;
    struct loop_timer timer;
    struct listener *other;
    int peer_fd;
    int count;
    int order;
    uint32_t events;
    uint64_t fired_ms;
};

static int next_order;

static void on_event(struct loop_watch *watch, uint32_t epoll_events) {
    struct listener *listener = watch->owner;
    listener->count++;
    listener->events = epoll_events;
}

static void on_timer(struct loop_timer *timer) {
    struct listener *listener = timer->owner;
    assert_false(loop_timer_is_set(timer));
    assert_true(loop_now_ms(loop) >= timer->due_ms);
    listener->count++;
    listener->order = ++next_order;
    listener->fired_ms = loop_now_ms(loop);
}

static void run_until_fired(const struct listener *listener) {
    uint64_t give_up_ms = clock_monotonic_ms() + 10000;
    while (listener->count == 0 && clock_monotonic_ms() < give_up_ms)
        loop_run_once(loop, 1000);
    assert_int_equal(listener->count, 1);
}

static void open_pair(struct listener *listener, uint32_t events, loop_on_event *callback) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *listener = (struct listener){.peer_fd = fds[1]};
    assert_int_equal(loop_watch_start(loop, &listener->watch, fds[0], events, callback, listener),
                     STATUS_OK);
}

static void close_pair(struct listener *listener) {
    loop_watch_stop(loop, &listener->watch);
    loop_watch_stop(loop, &listener->watch);
    close(listener->watch.fd);
    close(listener->peer_fd);
}

static void poke(const struct listener *listener) {
    assert_int_equal(write(listener->peer_fd, "x", 1), 1);
}

static void reports_edges_once(void **state) {
    (void)state;
    struct listener listener;
    open_pair(&listener, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_event);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 1);
    assert_int_equal(listener.events, EPOLLOUT);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 1);
    poke(&listener);
    loop_run_once(loop, 1000);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 2);
    assert_true(listener.events & EPOLLIN);
    close_pair(&listener);
}

static void changes_and_stops_watches(void **state) {
    (void)state;
    struct listener listener;
    open_pair(&listener, EPOLLIN, on_event);
    poke(&listener);
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 2);
    assert_int_equal(loop_watch_change(loop, &listener.watch, 0), STATUS_OK);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 2);
    assert_int_equal(loop_watch_change(loop, &listener.watch, EPOLLIN), STATUS_OK);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 3);
    loop_watch_stop(loop, &listener.watch);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 3);
    assert_int_equal(
        loop_watch_start(loop, &listener.watch, listener.watch.fd, EPOLLIN, on_event, &listener),
        STATUS_OK);
    loop_run_once(loop, 0);
    assert_int_equal(listener.count, 4);
    close_pair(&listener);
}

static void refuses_descriptors_that_cannot_be_watched(void **state) {
    (void)state;
    struct loop_watch watch = {0};
    assert_int_equal(loop_watch_start(loop, &watch, -1, EPOLLIN, on_event, NULL), STATUS_IO);
    assert_false(watch.is_watched);
}

static void on_event_free_other(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    struct listener *listener = watch->owner;
    listener->count++;
    if (!listener->other)
        return;
    close_pair(listener->other);
    free(listener->other);
    listener->other = NULL;
}

static void stopped_watch_gets_no_event_of_the_batch_at_hand(void **state) {
    (void)state;
    struct listener *first = malloc(sizeof *first);
    struct listener *second = malloc(sizeof *second);
    assert_non_null(first);
    assert_non_null(second);
    open_pair(first, EPOLLIN, on_event_free_other);
    open_pair(second, EPOLLIN, on_event_free_other);
    first->other = second;
    second->other = first;
    poke(first);
    poke(second);
    /* Whichever comes first frees the other, whose event is already collected. */
    loop_run_once(loop, 1000);
    struct listener *left = first->watch.is_watched ? first : second;
    assert_int_equal(left->count, 1);
    close_pair(left);
    free(left);
}

static void handles_more_events_than_one_batch(void **state) {
    (void)state;
    enum { COUNT = 300 };
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * COUNT + 50)
        skip();
    struct listener *listeners = calloc(COUNT, sizeof *listeners);
    assert_non_null(listeners);
    for (int i = 0; i < COUNT; i++) {
        open_pair(&listeners[i], EPOLLIN | EPOLLET, on_event);
        poke(&listeners[i]);
    }
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(listeners[i].count, 1);
        close_pair(&listeners[i]);
    }
    free(listeners);
}

static void fires_timers_in_order_and_never_early(void **state) {
    (void)state;
    enum { COUNT = 200 };
    struct listener *listeners = calloc(COUNT, sizeof *listeners);
    assert_non_null(listeners);
    uint64_t start_ms = clock_monotonic_ms();
    for (int i = 0; i < COUNT; i++) {
        loop_timer_init(&listeners[i].timer, on_timer, &listeners[i]);
        loop_timer_set(loop, &listeners[i].timer, (uint64_t)(i * 7919 % COUNT) / 4);
    }
    next_order = 0;
    while (next_order < COUNT)
        loop_run_once(loop, 1000);
    for (int i = 0; i < COUNT; i++) {
        uint64_t delay_ms = (uint64_t)(i * 7919 % COUNT) / 4;
        assert_int_equal(listeners[i].count, 1);
        assert_true(listeners[i].fired_ms >= start_ms + delay_ms);
        for (int j = 0; j < COUNT; j++)
            if (listeners[j].timer.due_ms < listeners[i].timer.due_ms)
                assert_true(listeners[j].order < listeners[i].order);
    }
    free(listeners);
}

static void moves_deadlines_later_and_earlier(void **state) {
    (void)state;
    struct listener moved = {0};
    struct listener mark = {0};
    loop_timer_init(&moved.timer, on_timer, &moved);
    loop_timer_init(&mark.timer, on_timer, &mark);
    loop_timer_set(loop, &moved.timer, 5);
    uint64_t heap_ms = moved.timer.heap_ms;
    loop_timer_set(loop, &moved.timer, 60000);
    assert_int_equal(moved.timer.heap_ms, heap_ms); /* moving later does not touch the heap */
    loop_timer_set(loop, &mark.timer, 20);
    run_until_fired(&mark);
    assert_int_equal(moved.count, 0);
    assert_true(moved.timer.heap_ms > heap_ms); /* corrected when the old time came */
    loop_timer_set(loop, &moved.timer, 100000);
    loop_timer_set(loop, &moved.timer, 1);
    uint64_t before_ms = clock_monotonic_ms();
    run_until_fired(&moved);
    assert_true(clock_monotonic_ms() - before_ms < 4000);
}

static void cancelled_timers_do_not_fire(void **state) {
    (void)state;
    struct listener listeners[10] = {0};
    for (int i = 0; i < 10; i++) {
        loop_timer_init(&listeners[i].timer, on_timer, &listeners[i]);
        loop_timer_set(loop, &listeners[i].timer, (uint64_t)(10 - i));
    }
    for (int i = 0; i < 10; i += 2)
        loop_timer_cancel(loop, &listeners[i].timer);
    loop_timer_cancel(loop, &listeners[0].timer);
    struct listener last = {0};
    loop_timer_init(&last.timer, on_timer, &last);
    loop_timer_set(loop, &last.timer, 20);
    run_until_fired(&last);
    for (int i = 0; i < 10; i++)
        assert_int_equal(listeners[i].count, i % 2);
}

static void heap_survives_random_use(void **state) {
    (void)state;
    enum { COUNT = 64 };
    struct listener listeners[COUNT] = {0};
    uint32_t seed = 99;
    for (int i = 0; i < COUNT; i++)
        loop_timer_init(&listeners[i].timer, on_timer, &listeners[i]);
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1664525 + 1013904223;
        struct loop_timer *timer = &listeners[seed >> 8 & (COUNT - 1)].timer;
        if ((seed >> 16 & 3) == 0)
            loop_timer_cancel(loop, timer);
        else
            loop_timer_set(loop, timer, seed >> 20 & 15);
        if (round % 64 == 0)
            loop_run_once(loop, 0);
    }
    /* Later than all of them, and in the heap last. */
    struct listener last = {0};
    loop_timer_init(&last.timer, on_timer, &last);
    loop_timer_set(loop, &last.timer, 30);
    run_until_fired(&last);
    for (int i = 0; i < COUNT; i++) {
        assert_false(loop_timer_is_set(&listeners[i].timer));
        assert_true(listeners[i].count > 0);
    }
}

static void on_timer_free_owner(struct loop_timer *timer) {
    struct listener *listener = timer->owner;
    loop_timer_cancel(loop, &listener->other->timer);
    close_pair(listener->other);
    free(listener->other);
    free(listener);
}

static void timer_callback_may_free_its_owner_and_stop_others(void **state) {
    (void)state;
    struct listener *owner = calloc(1, sizeof *owner);
    struct listener *other = calloc(1, sizeof *other);
    assert_non_null(owner);
    assert_non_null(other);
    open_pair(other, EPOLLIN, on_event);
    loop_timer_init(&other->timer, on_timer, other);
    owner->other = other;
    loop_timer_init(&owner->timer, on_timer_free_owner, owner);
    loop_timer_set(loop, &owner->timer, 0);
    loop_timer_set(loop, &other->timer, 1);
    next_order = 0;
    loop_run_once(loop, 10);
    loop_run_once(loop, 10);
    assert_int_equal(next_order, 0);
}

static void on_timer_again(struct loop_timer *timer) {
    struct listener *listener = timer->owner;
    listener->count++;
    loop_timer_set(loop, timer, 0);
}

static void endless_timer_does_not_starve_events(void **state) {
    (void)state;
    struct listener endless = {0};
    struct listener listener;
    open_pair(&listener, EPOLLIN | EPOLLET, on_event);
    loop_timer_init(&endless.timer, on_timer_again, &endless);
    loop_timer_set(loop, &endless.timer, 0);
    poke(&listener);
    for (int i = 0; i < 5; i++)
        loop_run_once(loop, 1000);
    assert_int_equal(listener.count, 1);
    assert_true(endless.count >= 4);
    loop_timer_cancel(loop, &endless.timer);
    close_pair(&listener);
}

static void deadline_counts_from_now_after_a_pause(void **state) {
    (void)state;
    struct listener listener = {0};
    loop_timer_init(&listener.timer, on_timer, &listener);
    loop_run_once(loop, 0);
    usleep(20000);
    uint64_t start_ms = clock_monotonic_ms();
    loop_timer_set(loop, &listener.timer, 10);
    run_until_fired(&listener);
    assert_true(clock_monotonic_ms() >= start_ms + 10);
}

static void waits_without_spinning(void **state) {
    (void)state;
    struct listener listener = {0};
    loop_timer_init(&listener.timer, on_timer, &listener);
    loop_timer_set(loop, &listener.timer, 30);
    int turns = 0;
    while (listener.count == 0 && turns < 1000) {
        loop_run_once(loop, 1000);
        turns++;
    }
    assert_true(turns <= 3);
}

static void on_turn(void *owner) {
    int *turns = owner;
    if (++*turns == 3)
        loop_stop(loop);
}

static void runs_until_stopped_and_ends_every_turn(void **state) {
    (void)state;
    struct listener endless = {0};
    int turns = 0;
    loop_timer_init(&endless.timer, on_timer_again, &endless);
    loop_timer_set(loop, &endless.timer, 0);
    loop_set_after_turn(loop, on_turn, &turns);
    loop_run(loop);
    assert_int_equal(turns, 3);
    assert_int_equal(endless.count, 3);
    loop_timer_cancel(loop, &endless.timer);
}

static void sets_as_many_timers_as_were_reserved(void **state) {
    (void)state;
    enum { TIMERS = 1000 };
    static struct loop_timer timers[TIMERS];
    assert_int_equal(loop_reserve_timers(loop, TIMERS), STATUS_OK);
    for (size_t i = 0; i < TIMERS; i++) {
        loop_timer_init(&timers[i], on_timer, NULL);
        assert_int_equal(loop_timer_set(loop, &timers[i], 60000 + i), STATUS_OK);
    }
    for (size_t i = 0; i < TIMERS; i++)
        loop_timer_cancel(loop, &timers[i]);
    loop_release_timers(loop, TIMERS);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOOP_TEST(reports_edges_once),
        LOOP_TEST(changes_and_stops_watches),
        LOOP_TEST(refuses_descriptors_that_cannot_be_watched),
        LOOP_TEST(stopped_watch_gets_no_event_of_the_batch_at_hand),
        LOOP_TEST(handles_more_events_than_one_batch),
        LOOP_TEST(fires_timers_in_order_and_never_early),
        LOOP_TEST(moves_deadlines_later_and_earlier),
        LOOP_TEST(cancelled_timers_do_not_fire),
        LOOP_TEST(heap_survives_random_use),
        LOOP_TEST(timer_callback_may_free_its_owner_and_stop_others),
        LOOP_TEST(endless_timer_does_not_starve_events),
        LOOP_TEST(deadline_counts_from_now_after_a_pause),
        LOOP_TEST(waits_without_spinning),
        LOOP_TEST(runs_until_stopped_and_ends_every_turn),
        LOOP_TEST(sets_as_many_timers_as_were_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
