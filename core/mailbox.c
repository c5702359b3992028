/* A list that any thread may push to and only the receiver empties, all at once: taking the whole
 * list by one exchange leaves no room for the ABA problem. The eventfd is written only by the push
 * that finds the list empty, so that a burst costs one write; it is watched edge-triggered and
 * never read by the loop, because every write is an edge of its own. */
#include "core/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    _Atomic(struct message *) newest;
    _Atomic bool is_unsignalled; /* the last signal failed: the next push tries again */
    int event_fd;
    void *receiver;
    struct loop_watch watch;
};

static void signal_receiver(struct mailbox *mailbox) {
    const uint64_t one = 1;
    ssize_t written;
    do
        written = write(mailbox->event_fd, &one, sizeof one);
    while (written < 0 && errno == EINTR);
    atomic_store_explicit(&mailbox->is_unsignalled, written < 0 && errno != EAGAIN,
                          memory_order_relaxed);
}

static void clear_signal(struct mailbox *mailbox) {
    uint64_t count;
    ssize_t got;
    do
        got = read(mailbox->event_fd, &count, sizeof count);
    while (got < 0 && errno == EINTR);
}

static struct message *take_oldest_first(struct mailbox *mailbox) {
    struct message *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct message *oldest = NULL;
    while (newest) {
        struct message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static bool has_messages(struct mailbox *mailbox) {
    return atomic_load_explicit(&mailbox->newest, memory_order_acquire) != NULL;
}

static void on_signal(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    mailbox_deliver(watch->owner);
}

struct mailbox *mailbox_new(void *receiver, struct error *err) {
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (!mailbox) {
        error_set(err, STATUS_NO_MEMORY, "no memory for a mailbox");
        return NULL;
    }
    mailbox->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->event_fd < 0) {
        error_set(err, STATUS_IO, "eventfd: %s", strerror(errno));
        free(mailbox);
        return NULL;
    }
    mailbox->receiver = receiver;
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox) {
    if (!mailbox)
        return;
    close(mailbox->event_fd);
    free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct message *message) {
    struct message *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do
        message->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, message,
                                                  memory_order_release, memory_order_relaxed));
    if (!newest || atomic_load_explicit(&mailbox->is_unsignalled, memory_order_relaxed))
        signal_receiver(mailbox);
}

size_t mailbox_deliver(struct mailbox *mailbox) {
    void *receiver = mailbox->receiver;
    struct message *message = take_oldest_first(mailbox);
    size_t count = 0;
    while (message) {
        struct message *next = message->next; /* on_deliver frees the message */
        message->on_deliver(message, receiver);
        message = next;
        count++;
    }
    return count;
}

enum status mailbox_attach(struct mailbox *mailbox, struct loop *loop) {
    return loop_watch_start(loop, &mailbox->watch, mailbox->event_fd, EPOLLIN | EPOLLET, on_signal,
                            mailbox);
}

void mailbox_detach(struct mailbox *mailbox, struct loop *loop) {
    loop_watch_stop(loop, &mailbox->watch);
}

void mailbox_wait(struct mailbox *mailbox) {
    while (!has_messages(mailbox)) {
        struct pollfd wanted = {.fd = mailbox->event_fd, .events = POLLIN};
        poll(&wanted, 1, -1);
        clear_signal(mailbox);
    }
}
