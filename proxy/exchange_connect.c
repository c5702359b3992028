/* From a route to a connection: whose turn it is among its upstreams, an idle connection or a new
 * one, the client certificate it presents, the next address or upstream when that fails before
 * anything was sent. Under TLS nothing is sent before the upstream is known to be the one meant. */
#include <assert.h>

#include "core/log.h"
#include "proxy/exchange.h"
#include "proxy/tls_session.h"

/* Draws the upstream whose turn it is. */
static void exchange_choose_target(struct exchange *exchange) {
    const struct config_route *route = exchange_route(exchange);
    size_t first = exchange->pools->first_pool[exchange->route];
    size_t turn = 0;
    assert(route->upstream_count > 0);
    if (route->upstream_count > 1) {
        turn = exchange->pools->items[first].turn++ % route->upstream_count;
    }
    exchange->target = &route->upstreams[turn];
    exchange->pool = first + turn;
    exchange->targets_left = route->upstream_count - 1;
}

/* Nothing was sent yet: another upstream of the route may do. False when all were tried. */
static bool exchange_choose_next_target(struct exchange *exchange) {
    if (exchange->targets_left == 0) {
        return false;
    }
    const struct config_route *route = exchange_route(exchange);
    size_t first = exchange->pools->first_pool[exchange->route];
    size_t turn = (exchange->pool - first + 1) % route->upstream_count;
    exchange->target = &route->upstreams[turn];
    exchange->pool = first + turn;
    exchange->address = 0;
    exchange->targets_left--;
    return true;
}

/* How often the log repeats itself about one upstream. */
enum { COMPLAINT_PAUSE_MS = 10000 };

/* `text` lives for ever. */
static void exchange_complain(struct exchange *exchange, const char *event, const char *text,
                              const char *credential) {
    struct upstream_pool *pool = &exchange->pools->items[exchange->pool];
    uint64_t now_ms = loop_now_ms(exchange->worker->loop);
    if (pool->complaint == text && now_ms < pool->complained_ms + COMPLAINT_PAUSE_MS) {
        return;
    }
    pool->complaint = text;
    pool->complained_ms = now_ms;
    LOG_EVENT(LOG_WARNING, event, LOG_STR("problem", text),
              LOG_STR("route", exchange_route(exchange)->name), LOG_STR("credential", credential),
              LOG_STR("upstream", exchange->target->text),
              LOG_SLICE("request_id", slice_of(exchange->id, 32)));
}

/* By index into config->credentials, of where the client certificate comes from. */
static size_t exchange_certificate_source(const struct exchange *exchange) {
    if (exchange->credential && exchange->credential->certificate) {
        return exchange->decision.credential;
    }
    return exchange_route(exchange)->tls.certificate;
}

bool exchange_client_certificate(const struct exchange *exchange,
                                 const struct rendered_credential **out_source) {
    const struct rendered_credential *source = exchange->credential;
    if (!source || !source->certificate) {
        size_t credential = exchange_route(exchange)->tls.certificate;
        struct cabinet *cabinet = exchange->snapshot->cabinet;
        source = NULL;
        if (credential != CONFIG_NONE) {
            source = cabinet ? cabinet_credential(cabinet, credential) : NULL;
            if (!source || !source->is_available || !source->certificate) {
                return false;
            }
        }
    }
    *out_source = source;
    return true;
}

static const char *credential_name(const struct exchange *exchange, size_t credential) {
    return credential == CONFIG_NONE ? "" : exchange_config(exchange)->credentials[credential].name;
}

/* The vault has the last word on where a secret goes, the client certificate's included: which of
 * the two may not go to the target, by index into config->credentials, or CONFIG_NONE. */
static size_t exchange_bound_credential(const struct exchange *exchange,
                                        const struct rendered_credential *certificate) {
    const struct config_upstream *target = exchange->target;
    const struct rendered_credential *credential = exchange->credential;
    if (credential && credential->bound_count &&
        !rendered_credential_may_go_to(credential, target->host, target->port)) {
        return exchange->decision.credential;
    }
    if (certificate && certificate->bound_count &&
        !rendered_credential_may_go_to(certificate, target->host, target->port)) {
        return exchange_certificate_source(exchange);
    }
    return CONFIG_NONE;
}

static void exchange_refuse_bound(struct exchange *exchange,
                                  const struct rendered_credential *certificate) {
    static const char problem[] = "the vault binds this secret to other hosts";
    size_t bound = exchange_bound_credential(exchange, certificate);
    exchange_complain(exchange, "secret", problem, credential_name(exchange, bound));
    exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0, problem);
}

/* All targets were tried. */
static void exchange_refuse_unconnected(struct exchange *exchange,
                                        const struct rendered_credential *certificate) {
    if (!exchange->found_target) {
        exchange_refuse_bound(exchange, certificate);
    } else if (exchange->tls_problem) {
        exchange_refuse(exchange, REASON_UPSTREAM_TLS, 0, exchange->tls_problem);
    } else if (exchange->snapshot->addresses->upstreams[exchange->pool].count == 0) {
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "the upstream's name does not resolve");
    } else {
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "no connection to the upstream could be made");
    }
}

/* Not the upstream's fault. */
static void exchange_refuse_without_descriptor(struct exchange *exchange) {
    metric_add(&exchange->worker->metrics.limits_reached[LIMIT_DESCRIPTORS], 1);
    exchange_refuse(exchange, REASON_OVERLOADED, 0, "no connection to the upstream is free");
}

/* An idle connection to the target, or one to the first of its addresses that starts connecting. */
static struct upstream *exchange_open_target(struct exchange *exchange,
                                             const struct rendered_credential *certificate) {
    struct worker *worker = exchange->worker;
    struct upstream_pool *pool = &exchange->pools->items[exchange->pool];
    const struct upstream_addresses *addresses =
        &exchange->snapshot->addresses->upstreams[exchange->pool];
    uint64_t generation = certificate && exchange->target->is_tls ? certificate->generation : 0;
    struct upstream *upstream = NULL;
    worker->lacks_descriptors = false;
    if (exchange->address == 0 && !exchange->has_retried) {
        upstream = upstream_take_idle(pool, generation, exchange);
    }
    while (!upstream && exchange->address < addresses->count) {
        upstream =
            upstream_connect(worker, pool, generation, addresses, exchange->address, exchange);
        if (!upstream) {
            exchange->address++;
        }
    }
    return upstream;
}

/* Tries addresses, then the other upstreams, until one starts connecting. False when the exchange
 * was refused. */
static bool exchange_open_upstream(struct exchange *exchange,
                                   const struct rendered_credential *certificate) {
    do {
        if (exchange_bound_credential(exchange, certificate) == CONFIG_NONE) {
            exchange->found_target = true;
            exchange->upstream = exchange_open_target(exchange, certificate);
            if (!exchange->upstream && exchange->worker->lacks_descriptors) {
                exchange_refuse_without_descriptor(exchange);
                return false;
            }
        }
    } while (!exchange->upstream && exchange_choose_next_target(exchange));
    if (!exchange->upstream) {
        exchange_refuse_unconnected(exchange, certificate);
        return false;
    }
    if (!exchange->upstream->is_connected) {
        exchange_set_deadline(exchange, exchange_route(exchange)->connect_timeout_ms);
    }
    return true;
}

void exchange_note_tls_problem(struct exchange *exchange) {
    exchange->tls_problem = tls_session_problem(exchange->upstream->conn.tls);
    exchange_complain(exchange, "upstream_tls", exchange->tls_problem,
                      credential_name(exchange, exchange_certificate_source(exchange)));
}

static enum io_result exchange_handshake(struct exchange *exchange) {
    enum io_result result = upstream_handshake(exchange->upstream);
    if (result == IO_ERROR) {
        exchange_note_tls_problem(exchange);
    }
    return result;
}

/* Goes on with the connection that is being made. IO_OK: requests may be sent on it. */
static enum io_result exchange_go_on_connecting(struct exchange *exchange,
                                                const struct rendered_credential *certificate) {
    struct upstream *upstream = exchange->upstream;
    struct conn *conn = &upstream->conn;
    if (upstream->is_connected) {
        return IO_OK;
    }
    if (conn->tls) {
        return exchange_handshake(exchange);
    }
    if (!conn->can_write && !conn->is_broken) {
        return IO_WAIT; /* the event will come */
    }
    if (!upstream_connect_succeeded(upstream)) {
        return IO_ERROR;
    }
    conn->is_broken = false;
    if (!exchange->target->is_tls) {
        return IO_OK;
    }
    if (!upstream_start_tls(upstream, exchange->snapshot->rules->tls[exchange->route],
                            exchange->target, certificate ? certificate->certificate : NULL)) {
        return IO_ERROR;
    }
    return exchange_handshake(exchange);
}

void exchange_step_connect(struct exchange *exchange) {
    const struct rendered_credential *certificate;
    if (!exchange_client_certificate(exchange, &certificate)) {
        exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                        "the client certificate for the upstream cannot be read now");
        return;
    }
    if (!exchange->target) {
        exchange_choose_target(exchange);
    }
    for (;;) {
        if (!exchange->upstream && !exchange_open_upstream(exchange, certificate)) {
            return;
        }
        enum io_result result = exchange_go_on_connecting(exchange, certificate);
        if (result == IO_WAIT) {
            return;
        }
        if (result == IO_OK) {
            break;
        }
        upstream_close(exchange->upstream);
        exchange->upstream = NULL;
        exchange->address++;
    }
    exchange_move(exchange, PHASE_REQUEST);
}
