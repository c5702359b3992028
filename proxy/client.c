/* Deadlines: a head that has begun is due limits.head_timeout after its first byte (after accept
 * for the first one, and TLS's handshake with it), however slowly it trickles; an idle connection
 * lives limits.idle_timeout. */
#include "proxy/client.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/exchange.h"
#include "proxy/tls_session.h"

/* Requests of one connection that one turn serves before the others get theirs. */
enum { REQUESTS_PER_TURN = 16 };
/* Its own two, and those of its exchange. */
enum { TIMERS_PER_CLIENT = 4 };
/* Idle connections looked at for one that can make room. */
enum { EVICTION_LOOKS = 16, FRESH_MS = 1000 };
enum { LINGER_MS = 2000, LINGER_BYTES_MAX = 16 * 1024 * 1024, HALF_CLOSED_GRACE_MS = 1000 };

static void client_read(struct client *client);

static void idle_list_add(struct client *client) {
    struct worker *worker = client->worker;
    client->is_idle_listed = true;
    client->next_idle = NULL;
    client->previous_idle = worker->idle_last;
    if (worker->idle_last) {
        worker->idle_last->next_idle = client;
    } else {
        worker->idle_first = client;
    }
    worker->idle_last = client;
}

static void idle_list_remove(struct client *client) {
    if (!client->is_idle_listed) {
        return;
    }
    struct worker *worker = client->worker;
    client->is_idle_listed = false;
    *(client->previous_idle ? &client->previous_idle->next_idle : &worker->idle_first) =
        client->next_idle;
    *(client->next_idle ? &client->next_idle->previous_idle : &worker->idle_last) =
        client->previous_idle;
    client->previous_idle = client->next_idle = NULL;
}

static void list_remove(struct client *client) {
    struct worker *worker = client->worker;
    *(client->previous ? &client->previous->next : &worker->clients) = client->next;
    if (client->next) {
        client->next->previous = client->previous;
    }
    worker->client_count--;
    worker->refusal_count -= client->overload != NULL;
    if (client->is_counted) {
        peer_counts_remove(worker->peers, &client->place);
    }
    metric_sub(&worker->metrics.connections, 1);
}

static void client_bury(struct grave *grave) {
    struct client *client =
        (struct client *)(void *)((char *)grave - offsetof(struct client, grave));
    loop_release_timers(client->worker->loop, TIMERS_PER_CLIENT);
    free(client);
}

void client_close(struct client *client, bool cut) {
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    struct worker *worker = client->worker;
    if (client->conn.tls && tls_session_is_flooded(client->conn.tls)) {
        metric_add(&worker->metrics.limits_reached[LIMIT_TLS_WORK], 1);
    }
    client->state = CLIENT_CLOSED;
    idle_list_remove(client);
    list_remove(client);
    loop_timer_cancel(worker->loop, &client->timer);
    loop_timer_cancel(worker->loop, &client->resume);
    if (cut) {
        conn_close_with_reset(&client->conn, worker->loop);
    } else {
        conn_close(&client->conn, worker->loop);
    }
    client->grave.bury = client_bury;
    worker_bury(worker, &client->grave);
    worker_check_drained(worker);
}

/* False when there is nobody to say it to. Behind TLS's goodbye goes TCP's, for those who wait for
 * that. */
static bool client_say_end(struct client *client) {
    struct conn *conn = &client->conn;
    if (conn->has_finished) {
        return true;
    }
    enum io_result result = conn_finish_sending(conn);
    if (result == IO_OK && conn->tls) {
        return shutdown(conn->watch.fd, SHUT_WR) == 0;
    }
    return result == IO_OK || result == IO_WAIT;
}

/* Reads and drops what the client still sends, within bounds, then closes. */
static void client_linger_on(struct client *client) {
    for (;;) {
        switch (conn_fill(&client->conn)) {
        case IO_OK:
            client->lingered_bytes += (uint32_t)io_buffer_data(&client->conn.in).len;
            io_buffer_close(&client->conn.in, client->conn.pool);
            if (client->lingered_bytes > LINGER_BYTES_MAX) {
                client_close(client, false);
                return;
            }
            break;
        case IO_WAIT:
            conn_rest(&client->conn);
            return;
        case IO_FULL:
        case IO_EOF:
        case IO_ERROR:
            client_close(client, false);
            return;
        }
    }
}

static void client_linger(struct client *client) {
    client->state = CLIENT_LINGERING;
    client->lingered_bytes = 0;
    io_buffer_close(&client->conn.in, client->conn.pool);
    if (!client_say_end(client) ||
        loop_timer_set(client->worker->loop, &client->timer, LINGER_MS) != STATUS_OK) {
        client_close(client, false);
        return;
    }
    client_linger_on(client);
}

static void client_refuse_head(struct client *client, const struct h1_refusal *refusal) {
    client->state = CLIENT_BUSY;
    idle_list_remove(client);
    exchange_begin_refused(client->worker, client, refusal);
}

static void on_head_timeout(struct client *client) {
    if (io_buffer_is_empty(&client->conn.in)) {
        client_close(client, false);
        return;
    }
    const struct h1_refusal refusal = {.reason = REASON_HEAD_TIMEOUT,
                                       .http_status = reason_http_status(REASON_HEAD_TIMEOUT),
                                       .detail = "the request head was not complete in time"};
    client_refuse_head(client, &refusal);
}

/* A client that has finished sending may be reading still, or gone: as long as bytes move either
 * way it is there. */
static void on_half_closed_timer(struct client *client) {
    if (!client->is_half_closed || client->exchange->phase == PHASE_TUNNEL) {
        return;
    }
    const struct exchange *exchange = client->exchange;
    uint64_t moved = exchange->upload.moved + exchange->download.moved;
    bool is_uploading = exchange->wrote_request_head && !exchange->upload.is_written;
    if (moved == client->half_closed_moved && !is_uploading) {
        exchange_abort(client->exchange, ABORTED_BY_CLIENT);
        return;
    }
    client->half_closed_moved = moved;
    loop_timer_set(client->worker->loop, &client->timer, HALF_CLOSED_GRACE_MS);
}

static void client_count_handshake(struct client *client, enum tls_handshake result) {
    metric_add(&client->worker->metrics.tls_handshakes[result], 1);
}

static void on_client_timer(struct loop_timer *timer) {
    struct client *client = timer->owner;
    switch (client->state) {
    case CLIENT_HANDSHAKING:
        client_count_handshake(client, TLS_HANDSHAKE_TIMEOUT);
        client_close(client, false);
        break;
    case CLIENT_READING:
        on_head_timeout(client);
        break;
    case CLIENT_BUSY:
        on_half_closed_timer(client);
        break;
    case CLIENT_LINGERING:
        client_close(client, false);
        break;
    case CLIENT_CLOSED:
        break;
    }
}

/* The first bytes of a head are there, the rest is not. */
static void client_expect_rest_of_head(struct client *client) {
    idle_list_remove(client);
    if (client->head_due_ms) {
        return;
    }
    uint32_t limit_ms = worker_config(client->worker)->limits.head_timeout_ms;
    client->head_due_ms = loop_now_ms(client->worker->loop) + limit_ms;
    loop_timer_set(client->worker->loop, &client->timer, limit_ms);
}

static void client_note_half_close(struct client *client) {
    if (client->conn.peer_finished && !client->is_half_closed) {
        client->is_half_closed = true;
        client->half_closed_moved =
            client->exchange->upload.moved + client->exchange->download.moved;
        loop_timer_set(client->worker->loop, &client->timer, HALF_CLOSED_GRACE_MS);
    }
}

/* Looks for a head in what was read. True when the client is no longer reading. */
static bool client_find_head(struct client *client) {
    struct worker *worker = client->worker;
    size_t head_len = 0;
    struct h1_refusal refusal;
    struct slice bytes = io_buffer_data(&client->conn.in);
    switch (
        h1_head_scan(bytes, &worker->request_limits, &client->head_scanned, &head_len, &refusal)) {
    case H1_COMPLETE:
        client->state = CLIENT_BUSY;
        client->head_due_ms = 0;
        idle_list_remove(client);
        exchange_begin(worker, client, head_len);
        if (client->state == CLIENT_BUSY) {
            client_note_half_close(client); /* its end may have come with the request */
        }
        return true;
    case H1_REFUSED:
        client_refuse_head(client, &refusal);
        return true;
    case H1_INCOMPLETE:
        break;
    }
    client_expect_rest_of_head(client);
    return false;
}

/* A request has come that there is no buffer for. */
static bool client_is_crowded_out(struct client *client) {
    struct conn *conn = &client->conn;
    return !conn->in.bytes && conn->can_read && io_pool_is_scarce(conn->pool) &&
           !conn_is_quiet(conn) && !conn->peer_finished;
}

static void client_refuse_for_buffers(struct client *client) {
    const struct h1_refusal refusal = {.reason = REASON_OVERLOADED,
                                       .http_status = reason_http_status(REASON_OVERLOADED),
                                       .detail = "too much is on its way already"};
    metric_add(&client->worker->metrics.limits_reached[LIMIT_BUFFER_MEMORY], 1);
    client_refuse_head(client, &refusal);
}

static void client_read_on(struct client *client) {
    int budget = REQUESTS_PER_TURN;
    while (client->state == CLIENT_READING) {
        if (!io_buffer_is_empty(&client->conn.in)) {
            if (budget-- == 0) {
                loop_timer_set(client->worker->loop, &client->resume, 0);
                return;
            }
            if (client_find_head(client)) {
                continue;
            }
            io_buffer_compact(&client->conn.in);
        }
        if (client_is_crowded_out(client)) {
            client_refuse_for_buffers(client);
            return;
        }
        switch (conn_fill(&client->conn)) {
        case IO_OK:
            break;
        case IO_WAIT:
            conn_rest(&client->conn);
            return;
        case IO_FULL: /* the block is larger than any head: none was to be had */
        case IO_EOF:
        case IO_ERROR:
            client_close(client, false);
            return;
        }
    }
}

/* Exchanges that end at once come back here through client_exchange_done(): the loop above takes
 * the next request, so that pipelining costs no stack. */
static void client_read(struct client *client) {
    if (client->is_in_read) {
        return;
    }
    client->is_in_read = true;
    client_read_on(client);
    client->is_in_read = false;
}

static void on_client_resume(struct loop_timer *timer) {
    client_read(timer->owner);
}

static void client_tell_overload(struct client *client) {
    const struct h1_refusal refusal = {.reason = REASON_OVERLOADED,
                                       .http_status = reason_http_status(REASON_OVERLOADED),
                                       .detail = client->overload};
    client_refuse_head(client, &refusal);
}

void client_refuse_overload(struct client *client, enum worker_limit limit, const char *detail) {
    struct worker *worker = client->worker;
    metric_add(&worker->metrics.limits_reached[limit], 1);
    if (worker->refusal_count >= worker->refusal_limit) {
        client_close(client, true);
        return;
    }
    worker->refusal_count++;
    client->overload = detail;
    idle_list_remove(client);
    if (client->state == CLIENT_READING) {
        client->conn.can_write = true; /* a fresh socket takes an answer */
        client_tell_overload(client);
    }
}

bool client_is_crowding(const struct client *client) {
    return client->is_crowding;
}

static void client_begin_requests(struct client *client) {
    client->state = CLIENT_READING;
    if (client->overload) {
        client_tell_overload(client);
        return;
    }
    if (!client->is_idle_listed) {
        idle_list_add(client);
    }
    client_read(client);
}

/* An alert that says why is lost when bytes that nobody read are met by a close. */
static void client_fail_handshake(struct client *client) {
    bool met_http = tls_session_met_http(client->conn.tls);
    client_count_handshake(client, TLS_HANDSHAKE_FAILED);
    conn_drop_tls(&client->conn);
    if (!met_http) {
        client_linger(client);
        return;
    }
    const struct h1_refusal refusal = {.reason = REASON_BAD_REQUEST,
                                       .http_status = reason_http_status(REASON_BAD_REQUEST),
                                       .detail = "this address speaks https"};
    client_refuse_head(client, &refusal);
}

static void client_handshake(struct client *client) {
    switch (conn_handshake(&client->conn)) {
    case IO_OK:
        client_count_handshake(client, tls_session_was_resumed(client->conn.tls)
                                           ? TLS_HANDSHAKE_RESUMED
                                           : TLS_HANDSHAKE_FULL);
        client_begin_requests(client);
        break;
    case IO_WAIT:
        if (tls_session_has_heard(client->conn.tls)) {
            idle_list_remove(client); /* under way: its deadline ends it, not the need for room */
        }
        break;
    default:
        client_fail_handshake(client);
        break;
    }
}

static void client_on_busy_event(struct client *client) {
    if (client->exchange->phase == PHASE_TUNNEL) {
        exchange_on_client_event(client->exchange);
        return;
    }
    if (client->conn.is_broken) {
        exchange_abort(client->exchange, ABORTED_BY_CLIENT);
        return;
    }
    client_note_half_close(client);
    exchange_on_client_event(client->exchange);
}

static void on_client_event(struct loop_watch *watch, uint32_t epoll_events) {
    struct client *client = watch->owner;
    conn_note_events(&client->conn, epoll_events);
    switch (client->state) {
    case CLIENT_HANDSHAKING:
        client_handshake(client);
        break;
    case CLIENT_READING:
        client_read(client);
        break;
    case CLIENT_BUSY:
        client_on_busy_event(client);
        break;
    case CLIENT_LINGERING:
        if (client_say_end(client)) {
            client_linger_on(client);
        } else {
            client_close(client, false);
        }
        break;
    case CLIENT_CLOSED:
        break;
    }
}

static void client_close_if_idle(struct client *client) {
    bool is_silent =
        client->state == CLIENT_HANDSHAKING && !tls_session_has_heard(client->conn.tls);
    if (is_silent || (client->state == CLIENT_READING && io_buffer_is_empty(&client->conn.in))) {
        client_close(client, false);
    }
}

void client_exchange_done(struct client *client, bool keep_alive) {
    client->exchange = NULL;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (!keep_alive) {
        client_linger(client);
        return;
    }
    client->state = CLIENT_READING;
    client->head_scanned = 0;
    client->head_due_ms = 0;
    idle_list_add(client);
    loop_timer_set(client->worker->loop, &client->timer,
                   worker_config(client->worker)->limits.idle_timeout_ms);
    client_read(client);
    if (client->worker->is_draining && !loop_timer_is_set(&client->worker->idle_timer)) {
        client_close_if_idle(client);
    }
}

/* False without memory. */
static bool client_start_tls(struct client *client, struct tls_server *server) {
    if (!server) {
        client->state = CLIENT_READING;
        return true;
    }
    struct tls_session *tls = tls_server_accept(server, client->conn.watch.fd);
    if (!tls) {
        return false;
    }
    conn_start_tls(&client->conn, tls);
    client->state = CLIENT_HANDSHAKING;
    return true;
}

/* Trusted proxies speak for many, and behind a unix socket all have one address. */
static void client_count_peer(struct client *client) {
    struct worker *worker = client->worker;
    const struct config *config = worker_config(worker);
    if (!client->address.is_ip ||
        config_networks_hold(&config->trusted_proxies, client->address.bytes)) {
        return;
    }
    client->place = peer_counts_place(worker->peers, &client->address);
    client->is_counted = true;
    client->is_crowding =
        peer_counts_add(worker->peers, &client->place) > config->limits.connections_per_client;
}

struct client *client_open(struct worker *worker, int fd, const struct client_address *address,
                           struct tls_server *server) {
    struct client *client = calloc(1, sizeof *client);
    if (!client || loop_reserve_timers(worker->loop, TIMERS_PER_CLIENT) != STATUS_OK) {
        free(client);
        close(fd);
        return NULL;
    }
    client->worker = worker;
    loop_timer_init(&client->timer, on_client_timer, client);
    loop_timer_init(&client->resume, on_client_resume, client);
    client->address = *address;
    if (conn_open(&client->conn, worker->loop, worker->io_pool, fd, on_client_event, client) !=
        STATUS_OK) {
        loop_release_timers(worker->loop, TIMERS_PER_CLIENT);
        close(fd);
        free(client);
        return NULL;
    }
    if (!client_start_tls(client, server)) {
        conn_close(&client->conn, worker->loop);
        loop_release_timers(worker->loop, TIMERS_PER_CLIENT);
        free(client);
        return NULL;
    }
    client->next = worker->clients;
    if (client->next) {
        client->next->previous = client;
    }
    worker->clients = client;
    worker->client_count++;
    metric_add(&worker->metrics.connections, 1);
    client_count_peer(client);
    idle_list_add(client);
    client->head_due_ms = loop_now_ms(worker->loop) + worker_config(worker)->limits.head_timeout_ms;
    loop_timer_set(worker->loop, &client->timer, worker_config(worker)->limits.head_timeout_ms);
    return client;
}

/* Its first request may be on its way still. */
static bool client_is_fresh(const struct client *client) {
    uint32_t head_ms = worker_config(client->worker)->limits.head_timeout_ms;
    return client->head_due_ms + FRESH_MS > loop_now_ms(client->worker->loop) + head_ms;
}

/* A request that has arrived, or is about to, is not lost for the sake of another's: newcomers
 * would drive each other out, and nobody would be served. */
static bool client_may_be_evicted(struct client *client) {
    return !client_is_fresh(client) &&
           (client->state == CLIENT_HANDSHAKING || conn_is_quiet(&client->conn));
}

bool client_make_room(struct client *client) {
    struct worker *worker = client->worker;
    if (worker->client_count - worker->refusal_count <= worker->client_limit) {
        return true;
    }
    struct client *idle = worker->idle_first;
    for (int looks = EVICTION_LOOKS; idle && idle != client && looks > 0; looks--) {
        if (client_may_be_evicted(idle)) {
            client_close(idle, false);
            return true;
        }
        idle = idle->next_idle;
    }
    return false;
}

/* The last look at what the kernel has of a client: a request that is here is still served, and so
 * is the one behind a handshake under way. */
static void client_serve_what_is_here(struct client *client) {
    if (client->state == CLIENT_HANDSHAKING) {
        client_handshake(client);
    } else if (client->state == CLIENT_READING) {
        client->conn.can_read = true;
        client_read(client);
    }
}

void client_close_all_idle(struct worker *worker) {
    struct client *client = worker->clients;
    while (client) {
        struct client *next = client->next;
        client_serve_what_is_here(client);
        client_close_if_idle(client);
        client = next;
    }
}
