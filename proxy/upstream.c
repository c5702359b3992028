/* A pooled connection is clean when nothing was read beyond the last response, the peer has said
 * nothing since, and has not closed: asked of the kernel at the moment of reuse, so that an
 * unsolicited answer never reaches another caller. */
#include "proxy/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/exchange.h"

/* Idle connections kept per pool. */
enum { POOL_IDLE_MAX = 256 };

static struct route_metrics *pool_metrics(const struct upstream *upstream) {
    return &upstream->worker->metrics.routes[upstream->pool->route];
}

static void idle_unlink(struct upstream *upstream) {
    struct upstream_pool *pool = upstream->pool;
    if (upstream->previous_idle) {
        upstream->previous_idle->next_idle = upstream->next_idle;
    } else {
        pool->idle_first = upstream->next_idle;
    }
    if (upstream->next_idle) {
        upstream->next_idle->previous_idle = upstream->previous_idle;
    }
    upstream->previous_idle = upstream->next_idle = NULL;
    pool->idle_count--;
    metric_sub(&pool_metrics(upstream)->upstream_idle, 1);
}

static void upstream_bury(struct grave *grave) {
    free((char *)grave - offsetof(struct upstream, grave));
}

void upstream_close(struct upstream *upstream) {
    if (upstream->is_closed) {
        return;
    }
    upstream->is_closed = true;
    if (upstream->exchange) {
        metric_sub(&pool_metrics(upstream)->upstream_busy, 1);
        upstream->exchange = NULL;
    } else {
        idle_unlink(upstream);
    }
    loop_timer_cancel(upstream->worker->loop, &upstream->idle_timer);
    conn_close(&upstream->conn, upstream->worker->loop);
    upstream->grave.bury = upstream_bury;
    worker_bury(upstream->worker, &upstream->grave);
}

static void on_upstream_event(struct loop_watch *watch, uint32_t epoll_events) {
    struct upstream *upstream = watch->owner;
    conn_note_events(&upstream->conn, epoll_events);
    if (upstream->exchange) {
        exchange_on_upstream_event(upstream->exchange);
        return;
    }
    if (upstream->conn.can_read || upstream->conn.is_broken) {
        upstream_close(upstream); /* an idle upstream has nothing to say */
    }
}

static void on_idle_timer(struct loop_timer *timer) {
    struct upstream *upstream = timer->owner;
    if (!upstream->exchange) {
        upstream_close(upstream);
    }
}

static bool is_quiet(const struct upstream *upstream) {
    char byte;
    return recv(upstream->conn.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct upstream *upstream_take_idle(struct worker *worker, struct upstream_pool *pool,
                                    struct exchange *exchange) {
    while (pool->idle_first) {
        struct upstream *upstream = pool->idle_first;
        if (!is_quiet(upstream)) {
            upstream_close(upstream);
            continue;
        }
        idle_unlink(upstream);
        upstream->exchange = exchange;
        metric_add(&worker->metrics.routes[pool->route].upstream_busy, 1);
        return upstream;
    }
    return NULL;
}

static int start_connecting(const struct upstream_addresses *addresses, size_t index) {
    const struct sockaddr_storage *address = &addresses->items[index];
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (address->ss_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (connect(fd, (const struct sockaddr *)address, addresses->lengths[index]) != 0 &&
        errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

struct upstream *upstream_connect(struct worker *worker, struct upstream_pool *pool,
                                  const struct upstream_addresses *addresses, size_t index,
                                  struct exchange *exchange) {
    int fd = start_connecting(addresses, index);
    if (fd < 0) {
        return NULL;
    }
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream) {
        close(fd);
        return NULL;
    }
    upstream->worker = worker;
    upstream->pool = pool;
    upstream->exchange = exchange;
    loop_timer_init(&upstream->idle_timer, on_idle_timer, upstream);
    if (conn_open(&upstream->conn, worker->loop, worker->io_pool, fd, on_upstream_event,
                  upstream) != STATUS_OK) {
        close(fd);
        free(upstream);
        return NULL;
    }
    metric_add(&worker->metrics.routes[pool->route].upstream_busy, 1);
    return upstream;
}

bool upstream_connect_succeeded(struct upstream *upstream) {
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(upstream->conn.watch.fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0 ||
        failure != 0) {
        return false;
    }
    upstream->is_connected = true;
    return true;
}

void upstream_release(struct upstream *upstream, uint32_t idle_ms) {
    struct upstream_pool *pool = upstream->pool;
    struct conn *conn = &upstream->conn;
    bool is_clean = !conn->is_broken && !conn->peer_finished && !conn->can_read &&
                    io_buffer_is_empty(&conn->in) && io_buffer_is_empty(&conn->out);
    if (!is_clean || idle_ms == 0 || pool->idle_count >= POOL_IDLE_MAX ||
        upstream->worker->is_draining ||
        loop_timer_set(upstream->worker->loop, &upstream->idle_timer, idle_ms) != STATUS_OK) {
        upstream_close(upstream);
        return;
    }
    conn_rest(conn);
    metric_sub(&pool_metrics(upstream)->upstream_busy, 1);
    upstream->exchange = NULL;
    upstream->is_reused = true;
    upstream->previous_idle = NULL;
    upstream->next_idle = pool->idle_first;
    if (pool->idle_first) {
        pool->idle_first->previous_idle = upstream;
    }
    pool->idle_first = upstream;
    pool->idle_count++;
    metric_add(&pool_metrics(upstream)->upstream_idle, 1);
}

void upstream_pool_clear(struct upstream_pool *pool) {
    while (pool->idle_first) {
        upstream_close(pool->idle_first);
    }
}
