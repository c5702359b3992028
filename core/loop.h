/* One epoll loop per thread, with timers. Nothing here is shared between threads.
 *
 * File descriptors are watched edge-triggered once and for both directions unless asked otherwise,
 * so that the data path makes no epoll_ctl() call per request. */
#ifndef BARKEEP_CORE_LOOP_H
#define BARKEEP_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "core/status.h"

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_on_event(struct loop_watch *watch, uint32_t epoll_events);
typedef void loop_on_timer(struct loop_timer *timer);

/* Embed in the object that owns the descriptor. Zero-initialise; the loop fills it. */
struct loop_watch {
    int fd;
    loop_on_event *on_event;
    void *owner;
    bool is_watched;
};

/* Embed in the object that waits. Zero-initialise, then loop_timer_init(). */
struct loop_timer {
    uint64_t due_ms;     /* when it is to fire */
    uint64_t heap_ms;    /* where the heap has it: never later than due_ms, see loop_timer_set() */
    uint32_t heap_index; /* 1-based; 0 when not armed */
    loop_on_timer *on_timer;
    void *owner;
};

/* NULL when the system refuses (err says why). */
struct loop *loop_new(struct error *err);
void loop_free(struct loop *loop);

/* Runs until loop_stop(). One turn: epoll_wait, events, due timers, then `after_turn` when set. */
void loop_run(struct loop *loop);
/* One turn that waits at most `max_wait_ms`. */
void loop_run_once(struct loop *loop, uint32_t max_wait_ms);
void loop_stop(struct loop *loop);
/* Called at the end of every turn (batching point). */
void loop_set_after_turn(struct loop *loop, void (*after_turn)(void *owner), void *owner);

/* Monotonic time read once per turn. */
uint64_t loop_now_ms(const struct loop *loop);

/* Starts watching `fd` for `epoll_events` (for example EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET).
 */
enum status loop_watch_start(struct loop *loop, struct loop_watch *watch, int fd,
                             uint32_t epoll_events, loop_on_event *on_event, void *owner);
enum status loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t epoll_events);
/* No callback for this watch follows, not even one already collected in this turn. Does not close
 * the fd. Idempotent. */
void loop_watch_stop(struct loop *loop, struct loop_watch *watch);

/* Room for `count` more timers: those that it was made for can then always be set. Given back by
 * loop_release_timers(). */
enum status loop_reserve_timers(struct loop *loop, uint32_t count);
void loop_release_timers(struct loop *loop, uint32_t count);
void loop_timer_init(struct loop_timer *timer, loop_on_timer *on_timer, void *owner);
/* (Re)arms. Moving a deadline further away costs two stores; the heap is corrected when the old
 * time comes. */
enum status loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

#endif
