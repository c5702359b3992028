/* The upstream a request goes to, and what comes of it there: the request counts at its target from
 * the moment it is chosen until it ends or goes elsewhere, and its fate is the target's good or bad
 * standing. What an upstream answers is its own business: any sound answer is a good one. */
#include <assert.h>

#include "core/log.h"
#include "proxy/balance.h"
#include "proxy/exchange.h"

static void exchange_stop_awaiting(struct exchange *exchange) {
    if (exchange->awaits_answer) {
        exchange->awaits_answer = false;
        upstream_standing_stop_awaiting(exchange->standing);
    }
}

void exchange_leave_target(struct exchange *exchange) {
    if (exchange->standing) {
        exchange_stop_awaiting(exchange);
        upstream_standing_end(exchange->standing);
        upstream_standing_unref(exchange->standing);
        exchange->standing = NULL;
    }
}

/* Its own count of each worker, so that together they have about the limit. */
static uint32_t request_limit(const struct exchange *exchange) {
    uint32_t limit = exchange_route(exchange)->requests_limit;
    uint32_t workers = exchange->worker->worker_count;
    return limit == UINT32_MAX || workers < 2 ? limit : (limit + workers - 1) / workers;
}

static void exchange_join_target(struct exchange *exchange, size_t turn) {
    const struct config_route *route = exchange_route(exchange);
    exchange->target = &route->upstreams[turn];
    exchange->pool = exchange->pools->first_pool[exchange->route] + turn;
    exchange->address = 0;
    exchange->tried |= UINT64_C(1) << turn;
    exchange->standing = upstream_standing_ref(exchange->pools->items[exchange->pool].standing);
    exchange->awaits_answer = true;
    upstream_standing_begin(exchange->standing, &route->health,
                            loop_now_ms(exchange->worker->loop));
}

enum balance_verdict exchange_choose_target(struct exchange *exchange) {
    const struct config_route *route = exchange_route(exchange);
    struct upstream_pool *pools =
        &exchange->pools->items[exchange->pools->first_pool[exchange->route]];
    assert(route->upstream_count > 0);
    exchange_leave_target(exchange);
    /* What has its place already takes no turn from what has not: else, with as many requests to a
     * session as there are upstreams, all sessions would begin at one. */
    bool takes_turn = !exchange->tried && !exchange->barred && !exchange->preferred;
    const struct balance_question question = {
        .balance = route->balance,
        .count = route->upstream_count,
        .turn = takes_turn ? pools->turn++ : pools->turn,
        .limit = request_limit(exchange),
        .tried = exchange->tried | exchange->barred,
        .preferred = exchange->preferred,
        .now_ms = loop_now_ms(exchange->worker->loop),
    };
    size_t turn;
    enum balance_verdict verdict = balance_choose(pools, &question, &turn);
    if (verdict == BALANCE_CHOSEN) {
        exchange_join_target(exchange, turn);
    }
    return verdict;
}

void exchange_note_target_well(struct exchange *exchange) {
    struct upstream_standing *standing = exchange->standing;
    if (!exchange->awaits_answer) {
        return;
    }
    exchange_stop_awaiting(exchange);
    if (upstream_standing_note_success(standing)) {
        LOG_EVENT(LOG_INFO, "upstream", LOG_STR("what", "answers again"),
                  LOG_STR("route", exchange_route(exchange)->name),
                  LOG_STR("upstream", standing->text));
    }
}

void exchange_note_target_failed(struct exchange *exchange) {
    const struct config_health *terms = &exchange_route(exchange)->health;
    struct upstream_standing *standing = exchange->standing;
    if (!exchange->awaits_answer) {
        return;
    }
    exchange_stop_awaiting(exchange);
    if (upstream_standing_note_failure(standing, terms, loop_now_ms(exchange->worker->loop))) {
        LOG_EVENT(LOG_WARNING, "upstream",
                  LOG_STR("problem", "ejected: it failed too often on end"),
                  LOG_STR("route", exchange_route(exchange)->name),
                  LOG_STR("upstream", standing->text), LOG_INT("failures", terms->failures),
                  LOG_SLICE("request_id", slice_of(exchange->id, 32)));
    }
}

void exchange_note_refusal(struct exchange *exchange, enum reason reason) {
    if (reason == REASON_UPSTREAM_PROTOCOL || reason == REASON_UPSTREAM_TIMEOUT ||
        reason == REASON_UPSTREAM_TLS) {
        exchange_note_target_failed(exchange);
    }
}

bool exchange_may_send_again(struct exchange *exchange) {
    return upstream_standing_take_retry(exchange->standing);
}
