/* Making, running and draining a worker. What it does with connections is in listener.c, client.c
 * and exchange*.c. */
#include "proxy/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "auth/unknown_kids.h"
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/listener.h"
#include "proxy/on_behalf_shelf.h"
#include "proxy/upstream.h"

enum {
    BLOCK_BYTES_OVER_HEAD =
        64 * 1024, /* a block holds the largest head plus the largest credential */
    BLOCKS_PER_CONNECTION = 4,
    BLOCKS_MIN = 16,
    TRIM_MS = 5000,
    IDENTITY_LINES_BYTES = 16 * 1024 * 1024,
    AUDIT_LINE_BYTES = AUDIT_LINE_MAX,
    AUDIT_TYPICAL_HEAD = 2048, /* what a request's own bytes add to its audit line's reservation */
    AUDIT_FLUSH_MS = 20,
    RULE_SWEEP_MS = 800, /* for an answer under way, and between two looks at it */
    EBB_MS = 100,        /* a handshake's round trip */
    LAST_REQUEST_MS = 500,
};

struct snapshot_message {
    struct message message;
    struct snapshot *snapshot;
};

struct drain_message {
    struct message message;
    uint32_t limit_ms;
    bool is_shared;
};

void worker_bury(struct worker *worker, struct grave *grave) {
    grave->next = worker->graves;
    worker->graves = grave;
}

static void flush_audit(struct worker *worker) {
    audit_sink_flush(worker->audit);
    worker->audit_flushed_ms = loop_now_ms(worker->loop);
}

static void on_audit_timer(struct loop_timer *timer) {
    flush_audit(timer->owner);
}

/* Lines leave at once when there are few, in batches when there are many. */
static void flush_audit_in_time(struct worker *worker) {
    if (!audit_sink_has_lines(worker->audit)) {
        return;
    }
    if (loop_now_ms(worker->loop) >= worker->audit_flushed_ms + AUDIT_FLUSH_MS) {
        flush_audit(worker);
    } else if (!loop_timer_is_set(&worker->audit_timer)) {
        loop_timer_set(worker->loop, &worker->audit_timer, AUDIT_FLUSH_MS);
    }
}

static void bury_all(struct worker *worker) {
    while (worker->graves) {
        struct grave *grave = worker->graves;
        worker->graves = grave->next;
        grave->bury(grave);
    }
}

static void after_turn(void *owner) {
    struct worker *worker = owner;
    bury_all(worker);
    flush_audit_in_time(worker);
}

static void on_accept_pause(struct loop_timer *timer) {
    struct worker *worker = timer->owner;
    for (size_t i = 0; i < worker->listener_count; i++) {
        listener_resume(&worker->listeners[i]);
    }
}

static void on_trim_timer(struct loop_timer *timer) {
    struct worker *worker = timer->owner;
    io_pool_trim(worker->io_pool);
    loop_timer_set(worker->loop, timer, TRIM_MS);
}

void worker_check_drained(struct worker *worker) {
    if (worker->is_draining && worker->client_count == 0 &&
        !loop_timer_is_set(&worker->ebb_timer)) {
        loop_stop(worker->loop);
    }
}

static void worker_stop_listening(struct worker *worker) {
    loop_timer_cancel(worker->loop, &worker->ebb_timer);
    for (size_t i = 0; i < worker->listener_count; i++) {
        listener_stop(&worker->listeners[i]);
    }
}

static void on_ebb_timer(struct loop_timer *timer) {
    worker_stop_listening(timer->owner);
    worker_check_drained(timer->owner);
}

static void on_idle_timer(struct loop_timer *timer) {
    struct worker *worker = timer->owner;
    upstream_pools_retire(worker->pools);
    client_close_all_idle(worker);
    worker_check_drained(worker);
}

static void on_drain_limit(struct loop_timer *timer) {
    struct worker *worker = timer->owner;
    worker_stop_listening(worker);
    struct client *client = worker->clients;
    while (client) {
        struct client *next = client->next;
        if (client->state == CLIENT_BUSY) {
            exchange_end_for_drain(client->exchange);
        } else {
            client_close(client, false);
        }
        client = next;
    }
    /* Refusals that do not leave at once, and lingering: not longer than this. */
    loop_stop(worker->loop);
}

/* What a listening socket still holds when it is closed is reset: first the kernel is told to begin
 * no more connections, then those that it has begun are taken, and only then it is closed. */
static void deliver_drain(struct message *message, void *receiver) {
    struct worker *worker = receiver;
    uint32_t limit_ms = ((struct drain_message *)message)->limit_ms;
    bool is_shared = ((struct drain_message *)message)->is_shared;
    free(message);
    if (worker->is_draining) {
        loop_timer_set(worker->loop, &worker->drain_timer, limit_ms);
        return;
    }
    worker->is_draining = true;
    loop_timer_set(worker->loop, &worker->drain_timer, limit_ms);
    loop_timer_set(worker->loop, &worker->idle_timer, LAST_REQUEST_MS);
    if (is_shared) {
        worker_stop_listening(worker);
    } else {
        loop_timer_set(worker->loop, &worker->ebb_timer, EBB_MS);
        for (size_t i = 0; i < worker->listener_count; i++) {
            listener_ebb(&worker->listeners[i]);
        }
    }
    worker_check_drained(worker);
}

/* Exchanges that began under an older list. */
static void end_revoked(struct worker *worker) {
    struct client *client = worker->clients;
    while (client) {
        struct client *next = client->next;
        if (client->state == CLIENT_BUSY) {
            exchange_end_if_revoked(client->exchange);
        }
        client = next;
    }
}

/* What was learnt under the former rules, or by their indexes, is forgotten. */
static enum status worker_change_rules(struct worker *worker, const struct ruleset *rules) {
    struct upstream_pools *pools = upstream_pools_new(worker, rules);
    if (!pools) {
        return STATUS_NO_MEMORY;
    }
    upstream_pools_retire(worker->pools);
    upstream_pools_unref(worker->pools);
    worker->pools = pools;
    token_cache_clear(worker->tokens);
    line_shelf_clear(worker->lines);
    on_behalf_shelf_clear(worker->on_behalf);
    unknown_kids_clear(worker->unknown_kids);
    for (size_t i = 0; i < worker->listener_count; i++) {
        listener_renew(&worker->listeners[i], rules);
    }
    worker->audit_base_bytes = exchange_record_base_bytes(rules->config);
    if (!loop_timer_is_set(&worker->rule_sweep)) { /* however often the rules change */
        loop_timer_set(worker->loop, &worker->rule_sweep, RULE_SWEEP_MS);
    }
    return STATUS_OK;
}

/* Ends an exchange of former rules whose time has come. Returns when to look at it next. */
static uint64_t sweep(struct exchange *exchange, uint64_t now_ms) {
    uint64_t due_ms = exchange->pools->retired_ms + RULE_SWEEP_MS;
    if (due_ms > now_ms) {
        return due_ms;
    }
    exchange_end_if_no_longer_allowed(exchange);
    return now_ms + RULE_SWEEP_MS;
}

/* Requests finish under the rules they began with; what still streams, up or down, a moment later
 * does so only if the rules in force allow it too. */
static void on_rule_sweep(struct loop_timer *timer) {
    struct worker *worker = timer->owner;
    uint64_t now_ms = loop_now_ms(worker->loop);
    uint64_t next_ms = UINT64_MAX;
    struct client *client = worker->clients;
    while (client) {
        struct client *next = client->next;
        if (client->state == CLIENT_BUSY && exchange_is_of_former_rules(client->exchange)) {
            uint64_t due_ms = sweep(client->exchange, now_ms);
            next_ms = due_ms < next_ms ? due_ms : next_ms;
        }
        client = next;
    }
    if (next_ms != UINT64_MAX) {
        loop_timer_set(worker->loop, &worker->rule_sweep, next_ms - now_ms);
    }
}

static void deliver_snapshot(struct message *message, void *receiver) {
    struct worker *worker = receiver;
    struct snapshot *old = worker->snapshot;
    struct snapshot *snapshot = ((struct snapshot_message *)message)->snapshot;
    free(message);
    if (snapshot->rules != old->rules &&
        worker_change_rules(worker, snapshot->rules) != STATUS_OK) {
        snapshot_unref(snapshot); /* no memory: the former rules stay whole */
        return;
    }
    worker->snapshot = snapshot;
    if (snapshot->rules == old->rules && snapshot->addresses != old->addresses) {
        upstream_pools_follow(worker->pools, old->addresses, snapshot->addresses);
    }
    if (worker->snapshot->ring != old->ring &&
        !key_ring_has_same_keys(worker->snapshot->ring, old->ring)) {
        token_cache_apply_ring(worker->tokens, worker->snapshot->ring);
    }
    if (worker->snapshot->revocations && worker->snapshot->revocations != old->revocations) {
        end_revoked(worker);
    }
    snapshot_unref(old);
}

void worker_post_snapshot(struct worker *worker, struct snapshot *snapshot) {
    struct snapshot_message *letter = calloc(1, sizeof *letter);
    if (letter) {
        letter->message.on_deliver = deliver_snapshot;
        letter->snapshot = snapshot_ref(snapshot);
        mailbox_post(worker->mailbox, &letter->message);
    }
}

void worker_post_drain(struct worker *worker, uint32_t limit_ms, bool is_shared) {
    struct drain_message *letter = calloc(1, sizeof *letter);
    if (letter) {
        letter->message.on_deliver = deliver_drain;
        letter->limit_ms = limit_ms;
        letter->is_shared = is_shared;
        mailbox_post(worker->mailbox, &letter->message);
    }
}

/* splitmix64: spreads a counter over all bits, so that ids do not tell how many requests there
 * were. */
static uint64_t mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void worker_make_id(struct worker *worker, char out_id[33]) {
    static const char digits[] = "0123456789abcdef";
    uint64_t count = worker->id_count++;
    uint64_t halves[2] = {mix(worker->id_seed[0] ^ count), mix(worker->id_seed[1] + count)};
    for (int i = 0; i < 32; i++) {
        out_id[i] = digits[(halves[i / 16] >> (60 - 4 * (i % 16))) & 15];
    }
    out_id[32] = '\0';
}

struct slice worker_date(struct worker *worker) {
    int64_t now_sec = clock_wall_sec();
    if (now_sec != worker->date_sec) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t seconds = (time_t)now_sec;
        struct tm utc;
        gmtime_r(&seconds, &utc);
        snprintf(worker->date, sizeof worker->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * utc.tm_wday, utc.tm_mday % 100, months + 3 * utc.tm_mon,
                 (utc.tm_year + 1900) % 10000, utc.tm_hour % 100, utc.tm_min % 100,
                 utc.tm_sec % 100);
        worker->date_sec = now_sec;
    }
    return slice_of_str(worker->date);
}

static void worker_set_limits(struct worker *worker, const struct descriptor_plan *plan) {
    const struct config_limits *limits = &worker_config(worker)->limits;
    worker->client_limit = plan->clients;
    worker->refusal_limit = plan->refusals;
    worker->upstream_limit = plan->upstreams;
    worker->request_limits = (struct h1_limits){.head_bytes = limits->header_bytes,
                                                .headers = limits->headers,
                                                .target_bytes = H1_TARGET_BYTES_MAX};
    worker->response_limits =
        (struct h1_limits){.head_bytes = RESPONSE_HEAD_BYTES_MAX, .headers = RESPONSE_HEADERS_MAX};
}

static enum status worker_listen(struct worker *worker, const struct worker_options *options) {
    const struct config *config = worker_config(worker);
    worker->listeners = calloc(options->socket_count + 1, sizeof *worker->listeners);
    if (!worker->listeners) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < options->socket_count; i++) {
        size_t address = options->sockets[i].address;
        enum status status = listener_start(&worker->listeners[i], worker, options->sockets[i].fd,
                                            config->listen[address].is_unix,
                                            worker->snapshot->rules->servers[address]);
        if (status != STATUS_OK) {
            return status;
        }
        worker->listener_count++;
    }
    return STATUS_OK;
}

/* No more blocks than its connections can hold, nor than its share of the memory for them. */
static struct io_pool *worker_new_pool(struct worker *worker, uint32_t worker_count) {
    const struct config_limits *limits = &worker_config(worker)->limits;
    worker->message_limit_bytes = limits->buffer_bytes / worker_count;
    size_t block_bytes = limits->header_bytes + BLOCK_BYTES_OVER_HEAD;
    size_t useful = (worker->client_limit + WORKER_REFUSALS_MAX) * BLOCKS_PER_CONNECTION;
    uint64_t share = limits->buffer_bytes / worker_count / block_bytes;
    share = share < BLOCKS_MIN ? BLOCKS_MIN : share;
    return io_pool_new(block_bytes, useful < share ? useful : (size_t)share);
}

static enum status worker_fill(struct worker *worker, const struct worker_options *options,
                               struct error *err) {
    const struct config *config = worker_config(worker);
    worker_set_limits(worker, &options->plan);
    buf_init(&worker->audit_line, AUDIT_LINE_BYTES);
    worker->loop = loop_new(err);
    worker->mailbox = worker->loop ? mailbox_new(worker, err) : NULL;
    if (!worker->mailbox) {
        return STATUS_IO;
    }
    worker->io_pool = worker_new_pool(worker, options->worker_count);
    worker->audit_base_bytes = exchange_record_base_bytes(config);
    worker->tokens = token_cache_new(WORKER_TOKENS_MAX, WORKER_TOKENS_BYTES);
    worker->unknown_kids = unknown_kids_new();
    worker->lines = line_shelf_new(IDENTITY_LINES_BYTES);
    worker->on_behalf = on_behalf_shelf_new();
    worker->audit =
        audit_sink_new(options->audit_writer, (worker->client_limit + WORKER_REFUSALS_MAX) *
                                                  (worker->audit_base_bytes + AUDIT_TYPICAL_HEAD));
    worker_metrics_init(&worker->metrics);
    if (worker_metrics_make_room(&worker->metrics, options->place_count) == STATUS_OK) {
        worker->pools = upstream_pools_new(worker, worker->snapshot->rules);
    }
    if (!worker->io_pool || !worker->tokens || !worker->unknown_kids || !worker->lines ||
        !worker->on_behalf || !worker->audit || !worker->pools) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    if (getrandom(worker->id_seed, sizeof worker->id_seed, 0) != sizeof worker->id_seed) {
        return error_set(err, STATUS_IO, "the system gives no random bytes");
    }
    loop_set_after_turn(worker->loop, after_turn, worker);
    loop_timer_init(&worker->accept_pause, on_accept_pause, worker);
    loop_timer_init(&worker->drain_timer, on_drain_limit, worker);
    loop_timer_init(&worker->ebb_timer, on_ebb_timer, worker);
    loop_timer_init(&worker->idle_timer, on_idle_timer, worker);
    loop_timer_init(&worker->audit_timer, on_audit_timer, worker);
    loop_timer_init(&worker->rule_sweep, on_rule_sweep, worker);
    loop_timer_init(&worker->trim_timer, on_trim_timer, worker);
    loop_timer_set(worker->loop, &worker->trim_timer, TRIM_MS);
    if (mailbox_attach(worker->mailbox, worker->loop) != STATUS_OK ||
        worker_listen(worker, options) != STATUS_OK) {
        return error_set(err, STATUS_IO, "cannot watch the listening sockets");
    }
    return STATUS_OK;
}

struct worker *worker_new(const struct worker_options *options, struct error *err) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    worker->index = options->index;
    worker->worker_count = options->worker_count;
    worker->keeper = options->keeper;
    worker->rates = options->rates;
    worker->peers = options->peers;
    worker->end_message.on_deliver = options->on_end;
    worker->snapshot = snapshot_ref(options->snapshot);
    if (worker_fill(worker, options, err) != STATUS_OK) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    loop_run(worker->loop);
    bury_all(worker);
    flush_audit(worker);
    mailbox_post(worker->keeper, &worker->end_message);
    return NULL;
}

enum status worker_start(struct worker *worker, struct error *err) {
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        return error_set(err, STATUS_IO, "cannot start a worker thread");
    }
    return STATUS_OK;
}

void worker_join(struct worker *worker) {
    pthread_join(worker->thread, NULL);
}

void worker_free(struct worker *worker) {
    if (!worker) {
        return;
    }
    if (worker->mailbox) {
        mailbox_deliver(worker->mailbox);
    }
    while (worker->clients) {
        if (worker->clients->state == CLIENT_BUSY) {
            exchange_abort(worker->clients->exchange, ABORTED_BY_DRAIN);
        } else {
            client_close(worker->clients, true);
        }
    }
    for (size_t i = 0; i < worker->listener_count; i++) {
        listener_stop(&worker->listeners[i]);
    }
    if (worker->pools) {
        upstream_pools_retire(worker->pools);
    }
    bury_all(worker);
    upstream_pools_unref(worker->pools);
    exchange_free_list(worker);
    if (worker->mailbox) {
        mailbox_detach(worker->mailbox, worker->loop);
        mailbox_free(worker->mailbox);
    }
    audit_sink_free(worker->audit);
    on_behalf_shelf_free(worker->on_behalf);
    token_cache_free(worker->tokens);
    line_shelf_free(worker->lines);
    unknown_kids_free(worker->unknown_kids);
    io_pool_free(worker->io_pool);
    worker_metrics_done(&worker->metrics);
    buf_done(&worker->audit_line);
    free(worker->listeners);
    loop_free(worker->loop);
    snapshot_unref(worker->snapshot);
    free(worker);
}
