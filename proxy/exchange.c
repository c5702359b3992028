/* The life of an exchange: begin, run through its phases, finish. What each phase does is in
 * exchange_judge.c (who may), exchange_forward.c (the upstream) and refusal.c (the answer when
 * not). */
#include "proxy/exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "auth/identity_lines.h"
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/sign_in.h"

enum {
    EXCHANGE_ARENA_LIMIT = 64 * 1024,
    FREE_EXCHANGES_KEPT = 256,
    PARKED_LIMIT_MS = 15000,
    REFUSE_LIMIT_MS = 10000,
    BUFFER_WAIT_MS = 10,
};

#define TO(phase) (1u << (phase))
static const unsigned allowed_moves[PHASE_COUNT] = {
#define X(enumerator, name, moves) [enumerator] = (moves),
    PHASE_TABLE(X)
#undef X
};
#undef TO

static void (*const steps[PHASE_COUNT])(struct exchange *exchange) = {
    [PHASE_ROUTE] = exchange_step_route,
    [PHASE_AUTHENTICATE] = exchange_step_authenticate,
    [PHASE_AUTHORIZE] = exchange_step_authorize,
    [PHASE_CREDENTIAL] = exchange_step_credential,
    [PHASE_CONNECT] = exchange_step_connect,
    [PHASE_REQUEST] = exchange_step_request,
    [PHASE_RESPONSE] = exchange_step_response,
    [PHASE_REFUSE] = exchange_step_refuse,
    [PHASE_OWN_PAGE] = exchange_step_own_page,
    [PHASE_TUNNEL] = exchange_step_tunnel,
    [PHASE_MCP_MESSAGE] = exchange_step_mcp_message,
    [PHASE_MCP_ANSWER] = exchange_step_mcp_answer,
};

static void exchange_finish(struct exchange *exchange);

void exchange_set_deadline(struct exchange *exchange, uint64_t delay_ms) {
    loop_timer_set(exchange->worker->loop, &exchange->timer, delay_ms);
}

void exchange_resume_soon(struct exchange *exchange) {
    struct worker *worker = exchange->worker;
    loop_timer_set(worker->loop, &exchange->resume,
                   io_pool_is_exhausted(worker->io_pool) ? BUFFER_WAIT_MS : 0);
}

static bool is_parked(enum phase phase) {
    return phase == PHASE_WAIT_KEYS || phase == PHASE_WAIT_GROUPS || phase == PHASE_WAIT_CREDENTIAL;
}

static void note_parking(struct exchange *exchange, enum phase from, enum phase to) {
    if (is_parked(to)) {
        exchange->parked_us = clock_monotonic_us();
        exchange_set_deadline(exchange, PARKED_LIMIT_MS);
    }
    if (is_parked(from)) {
        exchange->waited_us += clock_monotonic_us() - exchange->parked_us;
        loop_timer_cancel(exchange->worker->loop, &exchange->timer);
    }
}

void exchange_move(struct exchange *exchange, enum phase to) {
    assert(allowed_moves[exchange->phase] & (1u << to));
    enum phase from = exchange->phase;
    exchange->phase = to;
    note_parking(exchange, from, to);
}

static void exchange_run(struct exchange *exchange) {
    enum phase before;
    do {
        before = exchange->phase;
        if (steps[before]) {
            steps[before](exchange);
        }
    } while (exchange->phase != before && exchange->phase != PHASE_DONE);
    if (exchange->phase == PHASE_DONE) {
        exchange_finish(exchange);
    }
}

static void on_deadline(struct loop_timer *timer) {
    struct exchange *exchange = timer->owner;
    switch (exchange->phase) {
    case PHASE_WAIT_KEYS:
        exchange_refuse(exchange, exchange->verdict.reason, 0, exchange->verdict.detail);
        break;
    case PHASE_WAIT_GROUPS:
        exchange_refuse(exchange, REASON_GROUPS_UNAVAILABLE, 0,
                        "the caller's groups could not be looked up in time");
        break;
    case PHASE_WAIT_CREDENTIAL:
        exchange_refuse(exchange,
                        exchange->refused_generation ? REASON_UPSTREAM_CREDENTIAL_REFUSED
                                                     : REASON_SECRET_UNAVAILABLE,
                        0, "the credential's secret did not arrive in time");
        break;
    case PHASE_OWN_PAGE:
        if (sign_in_is_late(exchange)) {
            break;
        }
        exchange_abort(exchange, ABORTED_BY_TIMEOUT);
        return;
    case PHASE_REFUSE:
        exchange_abort(exchange, ABORTED_BY_TIMEOUT);
        return;
    case PHASE_TUNNEL:
        exchange_on_tunnel_timer(exchange);
        return;
    default:
        exchange_on_forward_timeout(exchange);
        if (exchange->phase == PHASE_DONE) {
            return;
        }
        break;
    }
    exchange_run(exchange);
}

static void on_resume(struct loop_timer *timer) {
    exchange_run(timer->owner);
}

void exchange_on_client_event(struct exchange *exchange) {
    exchange_run(exchange);
}

void exchange_on_upstream_event(struct exchange *exchange) {
    exchange_run(exchange);
}

bool exchange_is_of_former_rules(const struct exchange *exchange) {
    return exchange->snapshot->rules != exchange->worker->snapshot->rules;
}

static void exchange_take_snapshot(struct exchange *exchange) {
    snapshot_unref(exchange->snapshot);
    exchange->snapshot = snapshot_ref(exchange->worker->snapshot);
    upstream_pools_unref(exchange->pools);
    exchange->pools = upstream_pools_ref(exchange->worker->pools);
}

/* Nothing of a judgement by former rules is left: neither indexes nor what they led to. */
static void exchange_forget_judgement(struct exchange *exchange) {
    identity_unref(exchange->identity);
    exchange->identity = NULL;
    identity_lines_unref(exchange->lines);
    exchange->lines = NULL;
    rendering_unref(exchange->on_behalf);
    exchange->on_behalf = NULL;
    exchange->route = CONFIG_NONE;
    exchange->verdict = (struct token_result){0};
    exchange->decision = (struct decision){.credential = CONFIG_NONE};
    exchange->credential = NULL;
    exchange->target = NULL;
    exchange->barred = exchange->preferred = 0;
    exchange->upstream_status = 0; /* what a target of the former rules answered */
    exchange->upstream_begin_us = exchange->upstream_head_us = 0;
    exchange->address = 0;
    exchange->asked_for_keys = exchange->asked_for_groups = false;
    exchange->asked_for_credential = exchange->asked_for_assertion_key = false;
    exchange->asked_for_certificate = exchange->found_target = false;
}

void exchange_judge_anew(struct exchange *exchange) {
    exchange_take_snapshot(exchange);
    exchange_forget_judgement(exchange);
    exchange_move(exchange, PHASE_ROUTE);
}

void exchange_on_want_done(struct exchange *exchange) {
    exchange->want = NULL;
    if (exchange->phase == PHASE_OWN_PAGE) { /* it has what it waited for */
        exchange_run(exchange);
        return;
    }
    bool is_of_former_rules = exchange_is_of_former_rules(exchange);
    exchange->credential = NULL; /* a refused one was the former cabinet's */
    /* What the keeper published since is what the answer refers to. */
    exchange_take_snapshot(exchange);
    if (is_of_former_rules) {
        exchange_forget_judgement(exchange);
        exchange_move(exchange, PHASE_ROUTE);
    } else if (exchange->phase == PHASE_WAIT_KEYS) {
        exchange_move(exchange, PHASE_AUTHENTICATE);
    } else if (exchange->phase == PHASE_WAIT_GROUPS) {
        exchange_move(exchange, PHASE_AUTHORIZE);
    } else {
        exchange_move(exchange, PHASE_CREDENTIAL);
    }
    exchange_run(exchange);
}

static struct exchange *exchange_new(struct worker *worker, struct client *client) {
    struct exchange *exchange = worker->free_exchanges;
    size_t headers_bytes = worker->request_limits.headers * sizeof(struct header);
    if (exchange) {
        worker->free_exchanges = exchange->next_free;
        worker->free_exchange_count--;
        struct arena arena = exchange->arena;
        memset(exchange, 0, sizeof *exchange);
        exchange->arena = arena;
    } else {
        exchange = calloc(1, sizeof *exchange + headers_bytes);
        if (!exchange) {
            return NULL;
        }
        arena_init(&exchange->arena, EXCHANGE_ARENA_LIMIT);
    }
    exchange->worker = worker;
    exchange->client = client;
    exchange->snapshot = snapshot_ref(worker->snapshot);
    exchange->pools = upstream_pools_ref(worker->pools);
    exchange->route = CONFIG_NONE;
    exchange->decision.credential = CONFIG_NONE;
    forwarding_of_peer(&exchange->forwarding, &client->address, SLICE(""));
    exchange->begin_us = clock_monotonic_us();
    loop_timer_init(&exchange->timer, on_deadline, exchange);
    loop_timer_init(&exchange->resume, on_resume, exchange);
    worker_make_id(worker, exchange->id);
    client->exchange = exchange;
    return exchange;
}

static void exchange_bury(struct grave *grave) {
    struct exchange *exchange =
        (struct exchange *)(void *)((char *)grave - offsetof(struct exchange, grave));
    struct worker *worker = exchange->worker;
    if (worker->free_exchange_count >= FREE_EXCHANGES_KEPT) {
        arena_done(&exchange->arena);
        free(exchange);
        return;
    }
    exchange->next_free = worker->free_exchanges;
    worker->free_exchanges = exchange;
    worker->free_exchange_count++;
}

void exchange_free_list(struct worker *worker) {
    while (worker->free_exchanges) {
        struct exchange *next = worker->free_exchanges->next_free;
        arena_done(&worker->free_exchanges->arena);
        free(worker->free_exchanges);
        worker->free_exchanges = next;
    }
}

static void exchange_stop_waiting(struct exchange *exchange) {
    if (exchange->want) {
        want_abandon(exchange->want, exchange);
        exchange->want = NULL;
    }
}

static void exchange_let_go_of_upstream(struct exchange *exchange) {
    struct upstream *upstream = exchange->upstream;
    if (!upstream) {
        return;
    }
    exchange->upstream = NULL;
    bool is_complete = exchange->wrote_response_head && exchange->download.is_written &&
                       exchange->upload.is_written && exchange->response.status != 101 &&
                       exchange->download.kind != BODY_UNTIL_CLOSE &&
                       !exchange->response.wants_close &&
                       exchange->aborted_by == ABORTED_BY_NOBODY && !exchange->upload_is_over;
    if (is_complete) {
        upstream_release(upstream, exchange->upstream_idle_ms);
    } else {
        upstream_close(upstream);
    }
}

/* A message whose framing shows that it is incomplete needs no reset, and what was sent still
 * arrives. */
static bool exchange_cut_needs_reset(const struct exchange *exchange) {
    if (exchange->status == 101) { /* frames show where they end */
        return exchange->aborted_by != ABORTED_BY_UPSTREAM;
    }
    return exchange->aborted_by != ABORTED_BY_UPSTREAM ||
           (exchange->download.kind == BODY_UNTIL_CLOSE && !exchange->download.writes_chunked) ||
           (exchange->download.kind == BODY_CHUNKED && !exchange->download.writes_chunked);
}

static void exchange_finish(struct exchange *exchange) {
    struct worker *worker = exchange->worker;
    struct client *client = exchange->client;
    exchange_record(exchange);
    bool is_cut = exchange->aborted_by != ABORTED_BY_NOBODY && !exchange_mcp_end_stream(exchange);
    body_done(&exchange->upload);
    body_done(&exchange->download);
    exchange_let_go_of_upstream(exchange);
    exchange_leave_target(exchange);
    exchange_stop_waiting(exchange);
    exchange_drop_head(exchange);
    loop_timer_cancel(worker->loop, &exchange->timer);
    loop_timer_cancel(worker->loop, &exchange->resume);
    identity_unref(exchange->identity);
    identity_lines_unref(exchange->lines);
    rendering_unref(exchange->on_behalf);
    exchange_mcp_free(exchange);
    sign_in_free(exchange);
    snapshot_unref(exchange->snapshot);
    upstream_pools_unref(exchange->pools);
    arena_reset(&exchange->arena);
    exchange->grave.bury = exchange_bury;
    worker_bury(worker, &exchange->grave);
    if (is_cut) {
        client->exchange = NULL;
        client_close(client, exchange_cut_needs_reset(exchange));
    } else {
        client_exchange_done(client, !exchange->closes_client);
    }
    worker_check_drained(worker);
}

/* "allow" in the log means that a rule granted it: whoever leaves earlier was not judged yet. */
static void exchange_name_what_was_missing(struct exchange *exchange) {
    if (exchange->reason != REASON_NONE) {
        return;
    }
    if (exchange->phase == PHASE_WAIT_KEYS) {
        exchange->reason = exchange->verdict.reason;
    } else if (exchange->phase == PHASE_WAIT_GROUPS) {
        exchange->reason = REASON_GROUPS_UNAVAILABLE;
    } else if (exchange->phase == PHASE_WAIT_CREDENTIAL) {
        exchange->reason = exchange->refused_generation ? REASON_UPSTREAM_CREDENTIAL_REFUSED
                                                        : REASON_SECRET_UNAVAILABLE;
    }
}

void exchange_abort(struct exchange *exchange, enum aborted_by by) {
    exchange_name_what_was_missing(exchange);
    exchange->aborted_by = by;
    exchange->phase = PHASE_DONE; /* from anywhere: the one move outside the table */
    exchange_finish(exchange);
}

void exchange_refuse(struct exchange *exchange, enum reason reason, int http_status,
                     const char *detail) {
    exchange_stop_waiting(exchange);
    exchange_note_refusal(exchange, reason);
    if (reason == REASON_OVERLOADED && io_pool_is_exhausted(exchange->worker->io_pool)) {
        metric_add(&exchange->worker->metrics.limits_reached[LIMIT_BUFFER_MEMORY], 1);
    }
    exchange->reason = reason;
    exchange->status = http_status ? http_status : reason_http_status(reason);
    if (detail != exchange->verdict.detail) {
        size_t len = strnlen(detail, sizeof exchange->verdict.detail - 1);
        memcpy(exchange->verdict.detail, detail, len);
        exchange->verdict.detail[len] = '\0';
    }
    exchange_move(exchange, PHASE_REFUSE);
    exchange_set_deadline(exchange, REFUSE_LIMIT_MS);
}

void exchange_end_for_drain(struct exchange *exchange) {
    if (exchange_is_streaming(exchange) || exchange->phase == PHASE_REFUSE ||
        exchange->phase == PHASE_OWN_PAGE) {
        exchange_abort(exchange, ABORTED_BY_DRAIN);
        return;
    }
    exchange_refuse(exchange, REASON_DRAINING, 0, "the server is shutting down");
    exchange_run(exchange);
}

/* Without memory there is nothing to answer with. */
static struct exchange *exchange_new_or_close(struct worker *worker, struct client *client) {
    struct exchange *exchange = exchange_new(worker, client);
    if (!exchange) {
        metric_add(&worker_route_metrics(&worker->metrics, 0)->requests[REASON_OVERLOADED], 1);
        client_close(client, true);
    }
    return exchange;
}

void exchange_begin_refused(struct worker *worker, struct client *client,
                            const struct h1_refusal *refusal) {
    struct exchange *exchange = exchange_new_or_close(worker, client);
    if (!exchange) {
        return;
    }
    exchange_reserve_record(exchange, 0);
    exchange_refuse(exchange, refusal->reason, refusal->http_status, refusal->detail);
    exchange_run(exchange);
}

static void exchange_take_request(struct exchange *exchange, struct slice head) {
    struct h1_refusal refusal;
    if (h1_request_parse(head, &exchange->worker->request_limits, exchange->headers,
                         &exchange->request, &refusal) != H1_COMPLETE) {
        exchange->request = (struct h1_request){0};
        exchange_refuse(exchange, refusal.reason, refusal.http_status, refusal.detail);
        return;
    }
    exchange->method = slice_of_str(arena_strdup_slice(&exchange->arena, exchange->request.method));
    exchange->host = slice_of_str(arena_strdup_slice(&exchange->arena, exchange->request.host));
    if (exchange->method.len == 0 || exchange->host.len == 0) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return;
    }
    exchange->closes_client = exchange->request.wants_close;
    if (exchange_is_for_another(exchange)) {
        return;
    }
    if (exchange->audit_reserved_bytes) {
        exchange_move(exchange, PHASE_ROUTE);
    } else {
        exchange_refuse(exchange, REASON_AUDIT_UNAVAILABLE, 0,
                        "the audit log cannot take another line");
    }
}

void exchange_begin(struct worker *worker, struct client *client, size_t head_len) {
    struct exchange *exchange = exchange_new_or_close(worker, client);
    if (!exchange) {
        return;
    }
    exchange_reserve_record(exchange, head_len);
    exchange->kept_head_bytes = head_len;
    exchange_take_request(exchange, slice_of(io_buffer_data(&client->conn.in).ptr, head_len));
    exchange_run(exchange);
}
