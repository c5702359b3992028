/* System calls of the data path live here and nowhere else. A read shorter than asked for tells
 * that the socket is drained, which saves the call that would say EAGAIN; the next edge says when
 * there is more. */
#include "proxy/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum status conn_open(struct conn *conn, struct loop *loop, struct io_pool *pool, int fd,
                      loop_on_event *on_event, void *owner) {
    conn->pool = pool;
    conn->can_read = false;
    conn->can_write = false;
    conn->peer_finished = false;
    conn->is_broken = false;
    int on = 1; /* an urgent byte is a byte like any other: a mark would cut reads short */
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    return loop_watch_start(loop, &conn->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            on_event, owner);
}

void conn_close(struct conn *conn, struct loop *loop) {
    if (conn->watch.is_watched) {
        int fd = conn->watch.fd;
        loop_watch_stop(loop, &conn->watch);
        close(fd);
    }
    io_buffer_close(&conn->in, conn->pool);
    io_buffer_close(&conn->out, conn->pool);
}

void conn_close_with_reset(struct conn *conn, struct loop *loop) {
    if (conn->watch.is_watched) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    conn_close(conn, loop);
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
    if (epoll_events & (EPOLLERR | EPOLLHUP)) {
        conn->is_broken = true;
    }
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

enum io_result conn_send_direct(struct conn *conn, struct slice bytes, size_t *out_sent) {
    *out_sent = 0;
    if (!conn->can_write) {
        return IO_WAIT;
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

void conn_rest(struct conn *conn) {
    if (io_buffer_is_empty(&conn->in)) {
        io_buffer_close(&conn->in, conn->pool);
    }
}
