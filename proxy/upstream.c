/* A pooled connection is clean when nothing was read beyond the last response, the peer has said
 * nothing since, and has not closed, as far as the kernel knows at the moment of reuse: so an
 * unsolicited answer that is here by then never reaches another caller. */
#include "proxy/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/siphash.h"
#include "proxy/exchange.h"

/* Idle connections kept per pool; shelves that may wait empty for the next connection of theirs. */
enum { POOL_IDLE_MAX = 256, POOL_SHELVES_KEPT = 8 };

static struct route_metrics *pool_metrics(const struct upstream *upstream) {
    return upstream->pool->metrics;
}

static void idle_unlink(struct upstream *upstream) {
    struct upstream_pool *pool = upstream->pool;
    if (upstream->previous_idle) {
        upstream->previous_idle->next_idle = upstream->next_idle;
    } else {
        upstream->shelf->idle_first = upstream->next_idle;
    }
    if (upstream->next_idle) {
        upstream->next_idle->previous_idle = upstream->previous_idle;
    }
    upstream->previous_idle = upstream->next_idle = NULL;
    pool->idle_count--;
    metric_sub(&pool_metrics(upstream)->upstream_idle, 1);
}

static void upstream_bury(struct grave *grave) {
    struct upstream *upstream =
        (struct upstream *)(void *)((char *)grave - offsetof(struct upstream, grave));
    upstream_pools_unref(upstream->pool->owner);
    free(upstream);
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
    upstream->shelf->upstream_count--;
    upstream->worker->upstream_count--;
    loop_timer_cancel(upstream->worker->loop, &upstream->idle_timer);
    conn_close(&upstream->conn, upstream->worker->loop);
    upstream->grave.bury = upstream_bury;
    worker_bury(upstream->worker, &upstream->grave);
}

/* What TLS has to say for itself is no answer nobody asked for. */
static bool has_more_to_say(struct conn *conn) {
    return conn->can_read && !(conn->tls && conn_is_quiet(conn));
}

static void on_upstream_event(struct loop_watch *watch, uint32_t epoll_events) {
    struct upstream *upstream = watch->owner;
    conn_note_events(&upstream->conn, epoll_events);
    if (upstream->exchange) {
        exchange_on_upstream_event(upstream->exchange);
        return;
    }
    if (upstream->conn.is_broken || has_more_to_say(&upstream->conn)) {
        upstream_close(upstream); /* an idle upstream has nothing to say */
    }
}

static void on_idle_timer(struct loop_timer *timer) {
    struct upstream *upstream = timer->owner;
    if (!upstream->exchange) {
        upstream_close(upstream);
    }
}

static struct upstream_shelf *shelf_find(struct upstream_pool *pool, uint64_t generation) {
    struct upstream_shelf *shelf = &pool->shelf;
    while (shelf && shelf->generation != generation) {
        shelf = shelf->next;
    }
    return shelf;
}

static void shelf_remove_next(struct upstream_shelf *shelf) {
    struct upstream_shelf *removed = shelf->next;
    shelf->next = removed->next;
    tls_ticket_done(&removed->ticket);
    free(removed);
}

/* Certificates come and go: of shelves without a connection the newest are kept. */
static void pool_tidy(struct upstream_pool *pool) {
    size_t kept = 0;
    struct upstream_shelf *shelf = &pool->shelf;
    while (shelf->next) {
        if (shelf->next->upstream_count == 0 && ++kept > POOL_SHELVES_KEPT) {
            shelf_remove_next(shelf);
        } else {
            shelf = shelf->next;
        }
    }
}

/* NULL without memory. */
static struct upstream_shelf *shelf_for(struct upstream_pool *pool, uint64_t generation) {
    struct upstream_shelf *shelf = shelf_find(pool, generation);
    if (shelf) {
        return shelf;
    }
    pool_tidy(pool);
    shelf = calloc(1, sizeof *shelf);
    if (shelf) {
        shelf->generation = generation;
        shelf->next = pool->shelf.next;
        pool->shelf.next = shelf;
    }
    return shelf;
}

struct upstream *upstream_take_idle(struct upstream_pool *pool, uint64_t generation,
                                    struct exchange *exchange) {
    const struct upstream_shelf *shelf = shelf_find(pool, generation);
    while (shelf && shelf->idle_first) {
        struct upstream *upstream = shelf->idle_first;
        if (!conn_is_quiet(&upstream->conn)) {
            upstream_close(upstream);
            continue;
        }
        idle_unlink(upstream);
        upstream->exchange = exchange;
        metric_add(&pool->metrics->upstream_busy, 1);
        return upstream;
    }
    return NULL;
}

union socket_name {
    struct sockaddr any;
    struct sockaddr_un local;
    union upstream_address remote;
};

/* The address to connect to, and its length. */
static socklen_t name_of(const struct upstream_addresses *addresses, size_t index,
                         union socket_name *out_name) {
    if (addresses->unix_path) {
        out_name->local = (struct sockaddr_un){.sun_family = AF_UNIX};
        snprintf(out_name->local.sun_path, sizeof out_name->local.sun_path, "%s",
                 addresses->unix_path);
        return sizeof out_name->local;
    }
    out_name->remote = addresses->items[index];
    return out_name->any.sa_family == AF_INET6 ? sizeof out_name->remote.v6
                                               : sizeof out_name->remote.v4;
}

static int start_connecting(const struct upstream_addresses *addresses, size_t index) {
    union socket_name name;
    socklen_t name_len = name_of(addresses, index, &name);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (name.any.sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (connect(fd, &name.any, name_len) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool close_an_idle_one(struct worker *worker) {
    struct upstream_pools *pools = worker->pools;
    for (size_t i = 0; pools && i < pools->count; i++) {
        struct upstream_shelf *shelf = &pools->items[i].shelf;
        while (shelf && !shelf->idle_first) {
            shelf = shelf->next;
        }
        if (shelf) {
            upstream_close(shelf->idle_first);
            return true;
        }
    }
    return false;
}

static bool is_out_of_descriptors(int failure) {
    return failure == EMFILE || failure == ENFILE || failure == ENOBUFS || failure == ENOMEM;
}

/* Takes the place of an idle connection when there is no other. */
static int connect_within_limits(struct worker *worker, const struct upstream_addresses *addresses,
                                 size_t index) {
    worker->lacks_room =
        worker->upstream_count >= worker->upstream_limit && !close_an_idle_one(worker);
    if (worker->lacks_room) {
        return -1;
    }
    int fd = start_connecting(addresses, index);
    while (fd < 0 && is_out_of_descriptors(errno)) {
        if (!close_an_idle_one(worker)) {
            worker->lacks_room = true;
            return -1;
        }
        fd = start_connecting(addresses, index);
    }
    return fd;
}

struct upstream *upstream_connect(struct worker *worker, struct upstream_pool *pool,
                                  uint64_t generation, const struct upstream_addresses *addresses,
                                  size_t index, struct exchange *exchange) {
    struct upstream_shelf *shelf = shelf_for(pool, generation);
    struct upstream *upstream = shelf ? calloc(1, sizeof *upstream) : NULL;
    if (!upstream) {
        worker->lacks_room = true;
        return NULL;
    }
    int fd = connect_within_limits(worker, addresses, index);
    if (fd < 0) {
        free(upstream);
        return NULL;
    }
    upstream->worker = worker;
    upstream->pool = pool;
    upstream->shelf = shelf;
    upstream->exchange = exchange;
    upstream->flips = pool->flips;
    loop_timer_init(&upstream->idle_timer, on_idle_timer, upstream);
    if (conn_open(&upstream->conn, worker->loop, worker->io_pool, fd, on_upstream_event,
                  upstream) != STATUS_OK) {
        worker->lacks_room = true;
        close(fd);
        free(upstream);
        return NULL;
    }
    shelf->upstream_count++;
    worker->upstream_count++;
    upstream_pools_ref(pool->owner);
    metric_add(&pool->metrics->upstream_busy, 1);
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

bool upstream_start_tls(struct upstream *upstream, const struct tls_context *context,
                        const struct config_upstream *target,
                        const struct client_certificate *certificate) {
    struct tls_session *tls = tls_context_connect(context, target, upstream->conn.watch.fd,
                                                  certificate, &upstream->shelf->ticket);
    upstream->is_connected = false;
    if (tls) {
        conn_start_tls(&upstream->conn, tls);
    }
    return tls;
}

enum io_result upstream_handshake(struct upstream *upstream) {
    enum io_result result = conn_handshake(&upstream->conn);
    upstream->is_connected = result == IO_OK;
    return result;
}

void upstream_release(struct upstream *upstream, uint32_t idle_ms) {
    struct upstream_pool *pool = upstream->pool;
    struct conn *conn = &upstream->conn;
    bool is_clean = !conn->is_broken && !conn->peer_finished && !has_more_to_say(conn) &&
                    io_buffer_is_empty(&conn->in) && io_buffer_is_empty(&conn->out);
    if (!is_clean || idle_ms == 0 || pool->idle_count >= POOL_IDLE_MAX ||
        upstream->worker->is_draining || pool->owner->is_retired ||
        upstream->flips != pool->flips ||
        loop_timer_set(upstream->worker->loop, &upstream->idle_timer, idle_ms) != STATUS_OK) {
        upstream_close(upstream);
        return;
    }
    conn_rest(conn);
    metric_sub(&pool_metrics(upstream)->upstream_busy, 1);
    upstream->exchange = NULL;
    upstream->is_reused = true;
    upstream->previous_idle = NULL;
    upstream->next_idle = upstream->shelf->idle_first;
    if (upstream->next_idle) {
        upstream->next_idle->previous_idle = upstream;
    }
    upstream->shelf->idle_first = upstream;
    pool->idle_count++;
    metric_add(&pool_metrics(upstream)->upstream_idle, 1);
}

static void pool_clear(struct upstream_pool *pool) {
    for (struct upstream_shelf *shelf = &pool->shelf; shelf; shelf = shelf->next) {
        while (shelf->idle_first) {
            upstream_close(shelf->idle_first);
        }
    }
}

static void pool_done(struct upstream_pool *pool) {
    while (pool->shelf.next) {
        shelf_remove_next(&pool->shelf);
    }
    tls_ticket_done(&pool->shelf.ticket);
    upstream_standing_unref(pool->standing);
}

void upstream_pools_follow(struct upstream_pools *pools, const struct address_book *former,
                           const struct address_book *next) {
    for (size_t i = 0; i < pools->count; i++) {
        if (addresses_differ(&former->upstreams[i], &next->upstreams[i])) {
            pools->items[i].flips++;
            pool_clear(&pools->items[i]);
        }
    }
}

/* What is known of the same upstream of the same route, looked for at `hint` first; or NULL. */
static struct upstream_standing *find_standing(const struct upstream_pools *pools, size_t hint,
                                               const char *text,
                                               const struct route_metrics *metrics) {
    for (size_t i = 0; pools && i < pools->count; i++) {
        struct upstream_standing *standing = pools->items[(hint + i) % pools->count].standing;
        if (standing->metrics == metrics && strcmp(standing->text, text) == 0) {
            return standing;
        }
    }
    return NULL;
}

static uint64_t mark_of(const char *text) {
    static const uint64_t no_key[2];
    struct siphash hash;
    siphash_begin(&hash, no_key);
    siphash_add(&hash, text, strlen(text));
    uint64_t mark = siphash_end(&hash);
    return mark ? mark : 1;
}

static bool pools_take_standings(struct upstream_pools *pools, const struct upstream_pools *former,
                                 const struct config_route *route, size_t first) {
    for (size_t i = 0; i < route->upstream_count; i++) {
        struct upstream_pool *pool = &pools->items[first + i];
        const char *text = route->upstreams[i].text;
        pools->marks[first + i] = mark_of(text);
        struct upstream_standing *known = find_standing(former, first + i, text, pool->metrics);
        pool->standing =
            known ? upstream_standing_ref(known) : upstream_standing_new(text, pool->metrics);
        if (!pool->standing) {
            return false;
        }
    }
    return true;
}

static void pools_show_standings(struct upstream_pools *pools, const struct upstream_pools *former,
                                 const struct config *config) {
    for (size_t i = 0; former && i < former->count; i++) {
        struct upstream_standing *standing = former->items[i].standing;
        atomic_store_explicit(&standing->metrics->upstreams_ejected, 0, memory_order_relaxed);
        upstream_standing_move(standing, STANDING_NO_PLACE);
    }
    for (size_t i = 0; i < config->route_count; i++) {
        for (uint32_t j = 0; j < config->routes[i].upstream_count; j++) {
            upstream_standing_move(pools->items[pools->first_pool[i] + j].standing, j);
        }
    }
}

struct upstream_pools *upstream_pools_new(struct worker *worker, const struct ruleset *rules) {
    const struct config *config = rules->config;
    size_t count = address_book_index(config, config->route_count, 0);
    struct upstream_pools *pools = calloc(1, sizeof *pools + count * sizeof *pools->items);
    size_t *first_pool = calloc(config->route_count + 1, sizeof *first_pool);
    uint64_t *marks = calloc(count + 1, sizeof *marks);
    if (!pools || !first_pool || !marks) {
        free(marks);
        free(first_pool);
        free(pools);
        return NULL;
    }
    *pools = (struct upstream_pools){
        .holders = 1, .worker = worker, .first_pool = first_pool, .marks = marks, .count = count};
    size_t row = 0;
    for (size_t i = 0; i < config->route_count; i++) {
        first_pool[i] = row;
        for (size_t j = 0; j < config->routes[i].upstream_count; j++, row++) {
            pools->items[row].owner = pools;
            pools->items[row].metrics = worker_route_metrics(&worker->metrics, rules->places[i]);
        }
        if (!pools_take_standings(pools, worker->pools, &config->routes[i], first_pool[i])) {
            upstream_pools_unref(pools);
            return NULL;
        }
    }
    pools_show_standings(pools, worker->pools, config);
    return pools;
}

struct upstream_pools *upstream_pools_ref(struct upstream_pools *pools) {
    pools->holders++;
    return pools;
}

void upstream_pools_unref(struct upstream_pools *pools) {
    if (!pools || --pools->holders > 0) {
        return;
    }
    for (size_t i = 0; i < pools->count; i++) {
        pool_done(&pools->items[i]);
    }
    free(pools->first_pool);
    free(pools->marks);
    free(pools);
}

void upstream_pools_retire(struct upstream_pools *pools) {
    pools->is_retired = true;
    pools->retired_ms = loop_now_ms(pools->worker->loop);
    for (size_t i = 0; i < pools->count; i++) {
        pool_clear(&pools->items[i]);
    }
}
