/* The credential of the granting rule: found in the cabinet, waited for, or exchanged for the
 * caller's own token; and what happens when the upstream answers 401 to it. Such a request was not
 * carried out (RFC 9110 15.5.2), so it may be sent once more: with the secret as the vault has it
 * now, or, when that is what was refused, with the version before, since a backend and its vault do
 * not change in the same moment. */
#include "auth/claims_challenge.h"
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/judgement.h"
#include "proxy/on_behalf_shelf.h"

/* A chunked body whose first bytes are here and wrong is refused before anything goes upstream. */
static bool upload_begins_wrong(const struct exchange *exchange) {
    if (exchange->request.body != BODY_CHUNKED || exchange->has_head_apart) {
        return false;
    }
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    struct slice rest =
        slice_skip(io_buffer_data(&exchange->client->conn.in), exchange->kept_head_bytes);
    while (rest.len > 0) {
        size_t taken = 0;
        struct slice data;
        enum chunked_outcome outcome = chunked_reader_next(&reader, rest, &taken, &data);
        if (outcome == CHUNKED_MALFORMED) {
            return true;
        }
        if (outcome == CHUNKED_END) {
            return false;
        }
        rest = slice_skip(rest, taken);
    }
    return false;
}

static uint64_t *remembered_refusal(struct worker *worker, uint64_t generation) {
    return &worker->refused_generations[generation % WORKER_REFUSED_GENERATIONS];
}

/* The version before is what this backend took the last time. */
static bool previous_comes_first(const struct exchange *exchange,
                                 const struct rendered_credential *rendering) {
    return rendering->previous &&
           *remembered_refusal(exchange->worker, rendering->generation) == rendering->generation;
}

/* Which of a rendering and the one before it is to be sent; NULL when both were refused. */
static const struct rendered_credential *
exchange_choose(const struct exchange *exchange, const struct rendered_credential *rendering) {
    bool is_refused_one = exchange->refused_generation == rendering->generation;
    if (is_refused_one) {
        return exchange->sent_previous ? rendering : rendering->previous;
    }
    return previous_comes_first(exchange, rendering) ? rendering->previous : rendering;
}

static void exchange_refuse_rejected(struct exchange *exchange) {
    exchange_refuse(exchange, REASON_UPSTREAM_CREDENTIAL_REFUSED, 0,
                    "the upstream answered 401 to the injected credential");
}

static void exchange_want_credential(struct exchange *exchange, size_t credential, bool *asked) {
    if (!*asked) {
        *asked = true;
        exchange->want = want_post_credential(exchange, credential, 0);
        if (exchange->want) {
            exchange_move(exchange, PHASE_WAIT_CREDENTIAL);
            return;
        }
    }
    exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                    "the backend's credential cannot be read now");
}

/* The client certificate that the route itself presents has to be there as well. */
static void exchange_connect_or_wait(struct exchange *exchange) {
    const struct rendered_credential *certificate;
    if (exchange_client_certificate(exchange, &certificate)) {
        exchange_move(exchange, PHASE_CONNECT);
    } else {
        exchange_want_credential(exchange, exchange_route(exchange)->tls.certificate,
                                 &exchange->asked_for_certificate);
    }
}

/* What the answer must not repeat. False when that cannot be looked for: the exchange was refused.
 */
static bool exchange_choose_leaks(struct exchange *exchange) {
    const struct cabinet *cabinet = exchange->snapshot->cabinet;
    exchange->sought = NULL;
    if (!cabinet || cabinet_leaks(cabinet, exchange->route, &exchange->sought)) {
        return true;
    }
    exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                    "answers cannot be searched for the backend's credentials now");
    return false;
}

static void exchange_use(struct exchange *exchange, const struct rendered_credential *rendering) {
    exchange->credential = exchange_choose(exchange, rendering);
    if (!exchange->credential) {
        exchange_refuse_rejected(exchange);
        return;
    }
    exchange->generation = rendering->generation;
    exchange->sent_previous = exchange->credential != rendering;
    exchange_connect_or_wait(exchange);
}

static void exchange_use_cabinet(struct exchange *exchange, size_t credential) {
    struct cabinet *cabinet = exchange->snapshot->cabinet;
    const struct rendered_credential *rendering =
        cabinet ? cabinet_credential(cabinet, credential) : NULL;
    if (rendering && rendering->is_available) {
        if (exchange_choose_leaks(exchange)) {
            exchange_use(exchange, rendering);
        }
    } else {
        exchange_want_credential(exchange, credential, &exchange->asked_for_credential);
    }
}

static void exchange_refuse_on_behalf(struct exchange *exchange) {
    switch (exchange->on_behalf_verdict) {
    case ON_BEHALF_CLAIMS:
        exchange_refuse_with_claims(exchange,
                                    "the backend behind this needs a sign-in that says more");
        break;
    case ON_BEHALF_EXPIRED:
        exchange_refuse(exchange, REASON_TOKEN_EXPIRED, 0,
                        "the token is too old to be exchanged for the backend's");
        break;
    case ON_BEHALF_REFUSED:
        exchange_refuse(exchange, REASON_NO_ROLE, 0,
                        "Entra ID gives no token for the backend in this caller's name");
        break;
    default:
        exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                        "the caller's token cannot be exchanged for the backend's now");
        break;
    }
}

static struct want *exchange_post_on_behalf(struct exchange *exchange, size_t credential) {
    struct slice value, token;
    enum reason reason;
    if (!exchange_find_token(exchange, &value) ||
        entra_bearer_token(value, &token, &reason) != STATUS_OK) {
        return NULL; /* it was found and read before */
    }
    return want_post_on_behalf(exchange, credential, token);
}

/* The caller's token exchanged: here already, on its way, or refused. */
static void exchange_use_on_behalf(struct exchange *exchange, size_t credential) {
    if (judgement_has_nobody_to_stand_for(exchange_config(exchange), credential,
                                          exchange->identity)) {
        exchange_refuse(exchange, REASON_NO_ROLE, 0, JUDGEMENT_NOBODY_DETAIL);
        return;
    }
    if (!exchange->on_behalf) {
        exchange->on_behalf = on_behalf_shelf_find(
            exchange->worker->on_behalf, exchange->token_digest, credential, clock_monotonic_ms());
    }
    if (exchange->on_behalf) {
        const struct rendered_credential *rendering = rendering_credential(exchange->on_behalf);
        exchange->sought = exchange_route(exchange)->scrub ? rendering->leaks : NULL;
        exchange_use(exchange, rendering);
        return;
    }
    if (exchange->asked_for_credential) {
        exchange_refuse_on_behalf(exchange);
        return;
    }
    exchange->asked_for_credential = true;
    exchange->on_behalf_verdict = ON_BEHALF_UNAVAILABLE;
    exchange->want = exchange_post_on_behalf(exchange, credential);
    if (exchange->want) {
        exchange_move(exchange, PHASE_WAIT_CREDENTIAL);
    } else {
        exchange_refuse_on_behalf(exchange);
    }
}

void exchange_take_on_behalf(struct exchange *exchange, const struct on_behalf_want *answer) {
    exchange->on_behalf_verdict = answer->verdict;
    if (answer->verdict == ON_BEHALF_GOOD) {
        exchange->on_behalf = rendering_ref(answer->rendering);
        on_behalf_shelf_insert(exchange->worker->on_behalf, exchange->token_digest,
                               answer->credential, answer->rendering, clock_monotonic_ms(),
                               answer->until_ms);
    } else if (answer->claims) {
        exchange->claims = claims_challenge_encode(&exchange->arena, slice_of_str(answer->claims));
    }
}

void exchange_step_credential(struct exchange *exchange) {
    if (upload_begins_wrong(exchange)) {
        exchange_refuse(exchange, REASON_BODY_MALFORMED, 0,
                        "the chunked coding of the body is malformed");
        return;
    }
    if (!exchange_make_identity_lines(exchange)) {
        return;
    }
    size_t credential = exchange->decision.credential;
    if (credential == CONFIG_NONE) {
        if (exchange_choose_leaks(exchange)) {
            exchange_connect_or_wait(exchange);
        }
    } else if (exchange_config(exchange)->credentials[credential].kind == CREDENTIAL_ON_BEHALF_OF) {
        exchange_use_on_behalf(exchange, credential);
    } else {
        exchange_use_cabinet(exchange, credential);
    }
}

/* Both the head and all of the body are still here. */
static bool exchange_may_replay(const struct exchange *exchange) {
    bool has_all = exchange->kept_head_bytes > 0 &&
                   (exchange->request.body == BODY_NONE || exchange->keeps_upload);
    return (has_all || exchange_mcp_has_body(exchange)) && exchange_route(exchange)->retry_safe;
}

void exchange_on_credential_refused(struct exchange *exchange) {
    size_t credential = exchange->decision.credential;
    if (exchange->on_behalf) {
        on_behalf_shelf_doubt(exchange->worker->on_behalf, exchange->token_digest, credential,
                              clock_monotonic_ms());
        exchange_refuse_rejected(exchange);
        return;
    }
    if (exchange->refused_generation != 0) {
        exchange_refuse_rejected(exchange);
        return;
    }
    struct want *want = NULL;
    if (exchange_may_replay(exchange)) {
        want = want_post_credential(exchange, credential, exchange->generation);
    } else { /* whoever comes next finds what it brings */
        want_tell_refused(exchange, credential, exchange->generation);
    }
    if (!want) {
        exchange_refuse_rejected(exchange);
        return;
    }
    upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    exchange->target = NULL;
    exchange->found_target = false;
    exchange->address = 0;
    exchange->wrote_request_head = false;
    exchange->informational_count = 0;
    exchange->refused_generation = exchange->generation;
    exchange->asked_for_credential = true;
    exchange->want = want;
    exchange_move(exchange, PHASE_WAIT_CREDENTIAL);
}

void exchange_on_credential_taken(struct exchange *exchange) {
    uint64_t *remembered = remembered_refusal(exchange->worker, exchange->generation);
    if (exchange->sent_previous) {
        *remembered = exchange->generation;
    } else if (*remembered == exchange->generation) {
        *remembered = 0;
    }
}
