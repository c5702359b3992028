/* A connection as the data path has it, with the test holding the other end of its socket. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_WIRED_CONN_H
#define BARKEEP_TESTS_UNIT_PROXY_WIRED_CONN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "proxy/conn.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Longer than any machine takes: a condition that is not met by then never will be. */
enum { WIRED_LIMIT_MS = 20000 };

/* Turns the loop until `condition` holds. */
#define TURN_UNTIL(loop, condition)                                                                \
    do {                                                                                           \
        uint64_t limit_ms_ = clock_monotonic_ms() + WIRED_LIMIT_MS;                                \
        while (!(condition)) {                                                                     \
            assert_true(clock_monotonic_ms() < limit_ms_);                                         \
            loop_run_once((loop), 5);                                                              \
        }                                                                                          \
    } while (0)

struct wired {
    struct conn conn;
    int peer; /* the test's end, non-blocking; -1 once closed */
};

static inline void on_wired_event(struct loop_watch *watch, uint32_t epoll_events) {
    conn_note_events(watch->owner, epoll_events);
}

static inline void set_non_blocking(int fd) {
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* A listening socket on an ephemeral port of the loopback. */
static inline int listen_on_loopback(struct sockaddr_in *out_address) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_address = address;
    return fd;
}

static inline void tcp_pair(int out_fds[2]) {
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address);
    out_fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(out_fds[0] >= 0);
    assert_int_equal(connect(out_fds[0], (struct sockaddr *)&address, sizeof address), 0);
    out_fds[1] = accept(listener, NULL, NULL);
    assert_true(out_fds[1] >= 0);
    close(listener);
}

static inline void wired_open_on(struct wired *wired, struct loop *loop, struct io_pool *pool,
                                 const int fds[2]) {
    *wired = (struct wired){.peer = fds[1]};
    set_non_blocking(fds[0]);
    set_non_blocking(fds[1]);
    assert_int_equal(conn_open(&wired->conn, loop, pool, fds[0], on_wired_event, &wired->conn),
                     STATUS_OK);
}

static inline void wired_open(struct wired *wired, struct loop *loop, struct io_pool *pool) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    wired_open_on(wired, loop, pool, fds);
}

static inline void peer_close(struct wired *wired) {
    if (wired->peer >= 0) {
        close(wired->peer);
        wired->peer = -1;
    }
}

static inline void wired_close(struct wired *wired, struct loop *loop) {
    conn_close(&wired->conn, loop);
    peer_close(wired);
}

static inline void peer_send(const struct wired *wired, struct slice bytes) {
    assert_int_equal(send(wired->peer, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static inline void peer_finish(const struct wired *wired) {
    assert_int_equal(shutdown(wired->peer, SHUT_WR), 0);
}

/* What has arrived at the test's end, appended; returns how much. */
static inline size_t peer_receive(const struct wired *wired, struct buf *out) {
    size_t before = out->len;
    ssize_t got;
    char bytes[16384];
    while ((got = recv(wired->peer, bytes, sizeof bytes, 0)) > 0)
        buf_append(out, bytes, (size_t)got);
    assert_true(buf_ok(out));
    return out->len - before;
}

static inline void assert_slice(struct slice actual, const char *expected) {
    if (!slice_eq_str(actual, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(actual), expected);
}

#endif
