/* System calls of the data path live here, and for TLS in tls_session.c, and nowhere else. A read
 * shorter than asked for tells that the socket is drained, which saves the call that would say
 * EAGAIN; the next edge says when there is more. */
#define _GNU_SOURCE /* splice */
#include "proxy/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/tls_session.h"

/* TLS's part stays out of the plain path's code, which costs it one branch. */
#define ASIDE __attribute__((noinline, cold))

enum status conn_open(struct conn *conn, struct loop *loop, struct io_pool *pool, int fd,
                      loop_on_event *on_event, void *owner) {
    conn->pool = pool;
    conn->tls = NULL;
    conn->can_read = false;
    conn->can_write = false;
    conn->peer_finished = false;
    conn->has_finished = false;
    conn->is_broken = false;
    int on = 1; /* an urgent byte is a byte like any other: a mark would cut reads short */
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    return loop_watch_start(loop, &conn->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            on_event, owner);
}

static void conn_take_tls_flags(struct conn *conn) {
    conn->can_read = tls_session_may_read(conn->tls);
    conn->can_write = tls_session_may_write(conn->tls);
}

void conn_start_tls(struct conn *conn, struct tls_session *tls) {
    conn->tls = tls;
    tls_session_note(tls, true, true, conn->peer_finished || conn->is_broken);
}

enum io_result conn_handshake(struct conn *conn) {
    enum io_result result = tls_session_handshake(conn->tls);
    conn_take_tls_flags(conn);
    conn->is_broken |= result == IO_ERROR;
    return result;
}

void conn_drop_tls(struct conn *conn) {
    tls_session_free(conn->tls);
    conn->tls = NULL;
    conn->is_broken = false; /* that was TLS; of the socket the next call tells */
    conn->can_read = true;
    conn->can_write = true;
}

static void conn_end(struct conn *conn, struct loop *loop) {
    tls_session_free(conn->tls);
    conn->tls = NULL;
    if (conn->watch.is_watched) {
        int fd = conn->watch.fd;
        loop_watch_stop(loop, &conn->watch);
        close(fd);
    }
    io_buffer_close(&conn->in, conn->pool);
    io_buffer_close(&conn->out, conn->pool);
}

void conn_close(struct conn *conn, struct loop *loop) {
    if (conn->tls && !conn->is_broken) {
        tls_session_finish(conn->tls);
    }
    conn_end(conn, loop);
}

void conn_close_with_reset(struct conn *conn, struct loop *loop) {
    if (conn->watch.is_watched) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    conn_end(conn, loop);
}

static ASIDE void conn_note_tls_events(struct conn *conn) {
    tls_session_note(conn->tls, conn->can_read, conn->can_write,
                     conn->peer_finished || conn->is_broken);
    conn_take_tls_flags(conn);
}

void conn_note_events(struct conn *conn, uint32_t epoll_events) {
    if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->can_read = true;
    }
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        conn->can_write = true;
    }
    if (epoll_events & EPOLLRDHUP) {
        conn->peer_finished = true;
    }
    if ((epoll_events & EPOLLERR) || ((epoll_events & EPOLLHUP) && !conn->has_finished)) {
        conn->is_broken = true;
    }
    if (conn->tls) {
        conn_note_tls_events(conn);
    }
}

static ASIDE enum io_result conn_fill_tls(struct conn *conn, size_t room) {
    size_t got = 0;
    enum io_result result = tls_session_read(conn->tls, io_buffer_tail(&conn->in), room, &got);
    io_buffer_produced(&conn->in, got);
    conn_take_tls_flags(conn);
    conn->peer_finished |= result == IO_EOF;
    conn->is_broken |= result == IO_ERROR;
    return result;
}

enum io_result conn_fill(struct conn *conn) {
    if (!conn->can_read) {
        return IO_WAIT;
    }
    if (!io_buffer_open(&conn->in, conn->pool)) {
        return IO_FULL;
    }
    size_t room = io_buffer_room(&conn->in, conn->pool);
    if (room == 0) {
        return IO_FULL;
    }
    if (conn->tls) {
        return conn_fill_tls(conn, room);
    }
    for (;;) {
        ssize_t got = recv(conn->watch.fd, io_buffer_tail(&conn->in), room, 0);
        if (got > 0) {
            io_buffer_produced(&conn->in, (size_t)got);
            conn->can_read = (size_t)got == room || conn->peer_finished || conn->is_broken;
            return IO_OK;
        }
        if (got == 0) {
            conn->peer_finished = true;
            return IO_EOF;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            conn->can_read = false;
            return IO_WAIT;
        }
        conn->is_broken = true;
        return IO_ERROR;
    }
}

static ASIDE enum io_result conn_send_tls(struct conn *conn, struct slice bytes, size_t *out_sent) {
    enum io_result result = tls_session_write(conn->tls, bytes, out_sent);
    conn_take_tls_flags(conn);
    conn->is_broken |= result == IO_ERROR;
    return result;
}

enum io_result conn_send_direct(struct conn *conn, struct slice bytes, size_t *out_sent) {
    *out_sent = 0;
    if (!conn->can_write) {
        return IO_WAIT;
    }
    if (conn->tls) {
        return conn_send_tls(conn, bytes, out_sent);
    }
    while (*out_sent < bytes.len) {
        ssize_t sent =
            send(conn->watch.fd, bytes.ptr + *out_sent, bytes.len - *out_sent, MSG_NOSIGNAL);
        if (sent >= 0) {
            *out_sent += (size_t)sent;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            conn->can_write = false;
            return IO_WAIT;
        }
        conn->is_broken = true;
        return IO_ERROR;
    }
    return IO_OK;
}

enum io_result conn_flush(struct conn *conn) {
    if (io_buffer_is_empty(&conn->out)) {
        io_buffer_close(&conn->out, conn->pool);
        return IO_OK;
    }
    size_t sent = 0;
    enum io_result result = conn_send_direct(conn, io_buffer_data(&conn->out), &sent);
    io_buffer_consume(&conn->out, sent);
    if (io_buffer_is_empty(&conn->out)) {
        io_buffer_close(&conn->out, conn->pool);
    }
    return result;
}

size_t conn_splice_in(struct conn *conn, const struct pipe *pipe, size_t count) {
    ssize_t got = conn->can_read ? splice(conn->watch.fd, NULL, pipe->write_fd, NULL, count,
                                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
                                 : 0;
    return got > 0 ? (size_t)got : 0;
}

enum io_result conn_splice_out(struct conn *conn, const struct pipe *pipe, size_t count,
                               size_t *out_sent) {
    *out_sent = 0;
    while (conn->can_write && *out_sent < count) {
        /* No SPLICE_F_MORE: what is here may be all for a long time. */
        ssize_t sent = splice(pipe->read_fd, NULL, conn->watch.fd, NULL, count - *out_sent,
                              SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (sent > 0) {
            *out_sent += (size_t)sent;
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            conn->can_write = false;
        } else if (sent == 0 || errno != EINTR) {
            conn->is_broken = true;
            return IO_ERROR;
        }
    }
    return *out_sent == count ? IO_OK : IO_WAIT;
}

enum io_result conn_finish_sending(struct conn *conn) {
    if (conn->has_finished) {
        return IO_OK;
    }
    if (conn->is_broken) {
        return IO_ERROR;
    }
    enum io_result result = conn->tls                                ? tls_session_finish(conn->tls)
                            : shutdown(conn->watch.fd, SHUT_WR) == 0 ? IO_OK
                                                                     : IO_ERROR;
    conn->has_finished = result != IO_WAIT;
    return result;
}

void conn_rest(struct conn *conn) {
    if (io_buffer_is_empty(&conn->in)) {
        io_buffer_close(&conn->in, conn->pool);
    }
}

bool conn_is_quiet(struct conn *conn) {
    if (conn->tls) {
        bool is_quiet = tls_session_is_quiet(conn->tls);
        conn_take_tls_flags(conn);
        return is_quiet;
    }
    char byte;
    return recv(conn->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}
