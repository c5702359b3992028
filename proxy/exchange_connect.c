/* From a route to a connection: an idle one or a new one to its target, the client certificate it
 * presents, the next address or upstream when that fails before anything was sent. Under TLS
 * nothing is sent before the upstream is known to be the one meant. */
#include "core/log.h"
#include "proxy/exchange.h"
#include "proxy/tls_session.h"

/* So many addresses and upstreams are given the time to connect that a route has. */
enum { CONNECT_TIMEOUTS_MAX = 3, LOOK_AGAIN_MS = 5 };

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

/* None was tried: the others may not have the request. */
static void exchange_refuse_unchosen(struct exchange *exchange, enum balance_verdict verdict) {
    struct upstream_pools *pools = exchange->pools;
    struct route_metrics *metrics = pools->items[pools->first_pool[exchange->route]].metrics;
    if (verdict == BALANCE_FULL) {
        metric_add(&metrics->refused_full, 1);
        exchange_refuse(exchange, REASON_OVERLOADED, 0,
                        "the upstream has as many requests as this route lets it have");
    } else {
        metric_add(&metrics->refused_ejected, 1);
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "the upstream has failed too often, and other requests try it already");
    }
}

/* The newest that are known: a name may have been looked up since. */
static const struct upstream_addresses *exchange_addresses(const struct exchange *exchange) {
    const struct snapshot *snapshot =
        exchange_is_of_former_rules(exchange) ? exchange->snapshot : exchange->worker->snapshot;
    return &snapshot->addresses->upstreams[exchange->pool];
}

/* All targets were tried. */
static void exchange_refuse_unconnected(struct exchange *exchange,
                                        const struct rendered_credential *certificate,
                                        enum balance_verdict verdict) {
    if (!exchange->found_target && verdict != BALANCE_NONE) {
        exchange_refuse_unchosen(exchange, verdict);
    } else if (!exchange->found_target) {
        exchange_refuse_bound(exchange, certificate);
    } else if (exchange->tls_problem) {
        exchange_refuse(exchange, REASON_UPSTREAM_TLS, 0, exchange->tls_problem);
    } else if (exchange->connect_timeouts > 0) {
        exchange_refuse(exchange, REASON_UPSTREAM_TIMEOUT, 0,
                        "the connection to the upstream took too long");
    } else if (exchange_addresses(exchange)->is_barred) {
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "the upstream's name leads to addresses that the route does not allow");
    } else if (exchange_addresses(exchange)->count == 0) {
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "the upstream's name does not resolve");
    } else {
        exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0,
                        "no connection to the upstream could be made");
    }
}

/* Names of a configuration that has just come into force are being looked up: looks again soon. */
static bool exchange_waits_for_addresses(struct exchange *exchange) {
    if (!exchange_addresses(exchange)->is_pending || exchange->address > 0 ||
        exchange_is_of_former_rules(exchange)) {
        return false;
    }
    if (!loop_timer_is_set(&exchange->timer)) {
        exchange_set_deadline(exchange, exchange_route(exchange)->connect_timeout_ms);
    }
    loop_timer_set(exchange->worker->loop, &exchange->resume, LOOK_AGAIN_MS);
    return true;
}

/* By index: the one that worked last comes first. */
static size_t exchange_address_index(const struct exchange *exchange, size_t count) {
    return (exchange->pools->items[exchange->pool].good_address + exchange->address) % count;
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
    const struct upstream_addresses *addresses = exchange_addresses(exchange);
    uint64_t generation = certificate && exchange->target->is_tls ? certificate->generation : 0;
    struct upstream *upstream = NULL;
    worker->lacks_room = false;
    if (exchange->address == 0 && !exchange->has_retried) {
        upstream = upstream_take_idle(pool, generation, exchange);
    }
    while (!upstream && exchange->address < addresses->count) {
        size_t index = exchange_address_index(exchange, addresses->count);
        upstream = upstream_connect(worker, pool, generation, addresses, index, exchange);
        if (!upstream) {
            exchange->address++;
        }
    }
    return upstream;
}

/* Tries addresses, then the other upstreams, until one starts connecting. False when the exchange
 * waits or was refused. */
static bool exchange_open_upstream(struct exchange *exchange,
                                   const struct rendered_credential *certificate) {
    enum balance_verdict verdict = BALANCE_CHOSEN;
    if (!exchange->target) {
        exchange->tried = 0;
        verdict = exchange_choose_target(exchange);
    }
    while (verdict == BALANCE_CHOSEN) {
        if (exchange_bound_credential(exchange, certificate) == CONFIG_NONE) {
            exchange->found_target = true;
            if (exchange_waits_for_addresses(exchange)) {
                return false;
            }
            exchange->upstream = exchange_open_target(exchange, certificate);
            if (!exchange->upstream && exchange->worker->lacks_room) {
                exchange_refuse_without_descriptor(exchange);
                return false;
            }
            if (exchange->upstream) {
                break;
            }
            exchange_note_target_failed(exchange);
        }
        verdict = exchange_choose_target(exchange);
    }
    if (!exchange->upstream) {
        exchange_refuse_unconnected(exchange, certificate, verdict);
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

static void exchange_give_address_up(struct exchange *exchange) {
    if (exchange->upstream) {
        upstream_close(exchange->upstream);
        exchange->upstream = NULL;
    }
    exchange->address++;
}

void exchange_on_connect_timeout(struct exchange *exchange) {
    exchange_give_address_up(exchange);
    if (++exchange->connect_timeouts >= CONNECT_TIMEOUTS_MAX) {
        exchange_refuse(exchange, REASON_UPSTREAM_TIMEOUT, 0,
                        "the connection to the upstream took too long");
    }
}

/* The address that the connection was made to is where the next one begins. */
static void exchange_remember_address(struct exchange *exchange) {
    size_t count = exchange_addresses(exchange)->count;
    if (exchange->address > 0 && count > 0) {
        exchange->pools->items[exchange->pool].good_address =
            exchange_address_index(exchange, count);
        exchange->address = 0;
    }
}

void exchange_step_connect(struct exchange *exchange) {
    const struct rendered_credential *certificate;
    if (!exchange_client_certificate(exchange, &certificate)) {
        exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                        "the client certificate for the upstream cannot be read now");
        return;
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
        exchange_give_address_up(exchange);
    }
    exchange_remember_address(exchange);
    exchange_move(exchange, PHASE_REQUEST);
}
