/* The loop of one thread: a batch of epoll events, then the timers that are due, then the owner's
 * batching point. Callbacks may stop any watch, cancel or arm any timer and free what owns them:
 * a stopped watch is struck from the rest of the batch, and a timer leaves the heap before it is
 * called. No memory is allocated for an event. */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

#define LOOP_BATCH 256
#define HEAP_FIRST_SLOTS 64
#define WAIT_FOREVER UINT32_MAX

struct loop {
    int epoll_fd;
    bool is_stopping;
    bool is_in_turn;
    uint64_t now_ms;

    struct epoll_event batch[LOOP_BATCH];
    int batch_len;
    int batch_next; /* the first event of the batch that has not been handed out */

    struct loop_timer **heap; /* ordered by heap_ms; slot 0 is not used */
    uint32_t heap_len;
    uint32_t heap_slots;
    uint32_t reserved; /* slots beyond HEAP_FIRST_SLOTS that are spoken for */

    void (*after_turn)(void *owner);
    void *after_turn_owner;
};

static void heap_put(struct loop *loop, uint32_t index, struct loop_timer *timer) {
    loop->heap[index] = timer;
    timer->heap_index = index;
}

static void heap_sift_up(struct loop *loop, struct loop_timer *timer) {
    uint32_t index = timer->heap_index;
    while (index > 1 && loop->heap[index / 2]->heap_ms > timer->heap_ms) {
        heap_put(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    heap_put(loop, index, timer);
}

static void heap_sift_down(struct loop *loop, struct loop_timer *timer) {
    uint32_t index = timer->heap_index;
    for (;;) {
        uint32_t child = 2 * index;
        if (child > loop->heap_len)
            break;
        if (child < loop->heap_len && loop->heap[child + 1]->heap_ms < loop->heap[child]->heap_ms)
            child++;
        if (loop->heap[child]->heap_ms >= timer->heap_ms)
            break;
        heap_put(loop, index, loop->heap[child]);
        index = child;
    }
    heap_put(loop, index, timer);
}

static bool heap_has_room(struct loop *loop, uint32_t needed) {
    if (needed <= loop->heap_slots)
        return true;
    uint32_t slots = loop->heap_slots ? loop->heap_slots * 2 : HEAP_FIRST_SLOTS;
    slots = needed > slots ? needed : slots;
    struct loop_timer **heap = realloc(loop->heap, slots * sizeof *heap);
    if (!heap)
        return false;
    loop->heap = heap;
    loop->heap_slots = slots;
    return true;
}

static void heap_remove(struct loop *loop, struct loop_timer *timer) {
    struct loop_timer *last = loop->heap[loop->heap_len--];
    if (last != timer) {
        heap_put(loop, timer->heap_index, last);
        heap_sift_down(loop, last);
        heap_sift_up(loop, last);
    }
    timer->heap_index = 0;
}

/* Either calls the timer that is first in the heap or, when its deadline was moved away meanwhile,
 * puts it where it belongs. */
static void fire_first_timer(struct loop *loop) {
    struct loop_timer *timer = loop->heap[1];
    if (timer->due_ms > timer->heap_ms) {
        timer->heap_ms = timer->due_ms;
        heap_sift_down(loop, timer);
        return;
    }
    heap_remove(loop, timer);
    timer->on_timer(timer);
}

/* Bounded, so that a timer that always re-arms itself with no delay cannot keep events waiting. */
static void fire_due_timers(struct loop *loop) {
    for (uint32_t budget = loop->heap_len; budget > 0; budget--) {
        if (loop->heap_len == 0 || loop->heap[1]->heap_ms > loop->now_ms)
            return;
        fire_first_timer(loop);
    }
}

/* epoll_wait() never returns before its timeout is over and our clock is rounded down, so the timer
 * is due when it returns: no spinning. */
static int wait_ms(const struct loop *loop, uint32_t max_wait_ms) {
    if (loop->is_stopping)
        return 0;
    uint64_t wait = max_wait_ms;
    if (loop->heap_len) {
        uint64_t first_ms = loop->heap[1]->heap_ms;
        uint64_t now_ms = clock_monotonic_ms();
        uint64_t until_first = first_ms > now_ms ? first_ms - now_ms : 0;
        if (until_first < wait)
            wait = until_first;
    }
    if (wait == WAIT_FOREVER)
        return -1;
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

/* The system does not say why it cannot tell now: not a reason to end, nor to spin. */
static void pause_after_failure(void) {
    const struct timespec pause = {.tv_nsec = 1000000L};
    nanosleep(&pause, NULL);
}

static void collect_events(struct loop *loop, uint32_t max_wait_ms) {
    int count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait_ms(loop, max_wait_ms));
    if (count < 0 && errno != EINTR)
        pause_after_failure();
    loop->batch_len = count > 0 ? count : 0;
    loop->batch_next = 0;
    loop->now_ms = clock_monotonic_ms();
}

static void hand_out_events(struct loop *loop) {
    while (loop->batch_next < loop->batch_len) {
        const struct epoll_event *event = &loop->batch[loop->batch_next++];
        struct loop_watch *watch = event->data.ptr;
        if (watch)
            watch->on_event(watch, event->events);
    }
}

static void run_turn(struct loop *loop, uint32_t max_wait_ms) {
    assert(!loop->is_in_turn);
    collect_events(loop, max_wait_ms);
    loop->is_in_turn = true;
    hand_out_events(loop);
    fire_due_timers(loop);
    if (loop->after_turn)
        loop->after_turn(loop->after_turn_owner);
    loop->is_in_turn = false;
}

struct loop *loop_new(struct error *err) {
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        error_set(err, STATUS_NO_MEMORY, "no memory for an event loop");
        return NULL;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        error_set(err, STATUS_IO, "epoll_create1: %s", strerror(errno));
        free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop) {
    if (!loop)
        return;
    close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
}

void loop_run(struct loop *loop) {
    while (!loop->is_stopping)
        run_turn(loop, WAIT_FOREVER);
    loop->is_stopping = false;
}

void loop_run_once(struct loop *loop, uint32_t max_wait_ms) {
    run_turn(loop, max_wait_ms);
}

void loop_stop(struct loop *loop) {
    loop->is_stopping = true;
}

void loop_set_after_turn(struct loop *loop, void (*after_turn)(void *owner), void *owner) {
    loop->after_turn = after_turn;
    loop->after_turn_owner = owner;
}

/* Between turns the time of the last one may be long gone. */
uint64_t loop_now_ms(const struct loop *loop) {
    return loop->is_in_turn ? loop->now_ms : clock_monotonic_ms();
}

enum status loop_watch_start(struct loop *loop, struct loop_watch *watch, int fd,
                             uint32_t epoll_events, loop_on_event *on_event, void *owner) {
    assert(!watch->is_watched);
    struct epoll_event event = {.events = epoll_events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return errno == ENOMEM ? STATUS_NO_MEMORY : STATUS_IO;
    *watch =
        (struct loop_watch){.fd = fd, .on_event = on_event, .owner = owner, .is_watched = true};
    return STATUS_OK;
}

enum status loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t epoll_events) {
    assert(watch->is_watched);
    struct epoll_event event = {.events = epoll_events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) != 0)
        return errno == ENOMEM ? STATUS_NO_MEMORY : STATUS_IO;
    return STATUS_OK;
}

void loop_watch_stop(struct loop *loop, struct loop_watch *watch) {
    if (!watch->is_watched)
        return;
    watch->is_watched = false;
    /* Fails harmlessly when the owner closed the descriptor first. */
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->batch_next; i < loop->batch_len; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

enum status loop_reserve_timers(struct loop *loop, uint32_t count) {
    if (!heap_has_room(loop, HEAP_FIRST_SLOTS + loop->reserved + count))
        return STATUS_NO_MEMORY;
    loop->reserved += count;
    return STATUS_OK;
}

void loop_release_timers(struct loop *loop, uint32_t count) {
    assert(loop->reserved >= count);
    loop->reserved -= count;
}

void loop_timer_init(struct loop_timer *timer, loop_on_timer *on_timer, void *owner) {
    *timer = (struct loop_timer){.on_timer = on_timer, .owner = owner};
}

enum status loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms) {
    uint64_t now_ms = loop_now_ms(loop);
    uint64_t due_ms = delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms;
    if (timer->heap_index == 0) {
        if (!heap_has_room(loop, loop->heap_len + 2)) /* slot 0 is not used */
            return STATUS_NO_MEMORY;
        timer->heap_index = ++loop->heap_len;
        timer->heap_ms = due_ms;
        heap_sift_up(loop, timer);
    } else if (due_ms < timer->heap_ms) {
        timer->heap_ms = due_ms;
        heap_sift_up(loop, timer);
    }
    timer->due_ms = due_ms;
    return STATUS_OK;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer) {
    if (timer->heap_index)
        heap_remove(loop, timer);
}

bool loop_timer_is_set(const struct loop_timer *timer) {
    return timer->heap_index != 0;
}
