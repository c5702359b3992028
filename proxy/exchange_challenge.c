/* What a caller is told whose sign-in does not do: step up, sign in again, or go. A client that
 * takes claims challenges gets one where a new token would help; the others a plain refusal. */
#include <stdio.h>

#include "auth/claims_challenge.h"
#include "core/clock.h"
#include "proxy/exchange.h"
#include "proxy/judgement.h"

enum { DETAIL_BYTES = 200 };

static void exchange_challenge(struct exchange *exchange, const char *claims, const char *detail) {
    exchange->challenge = claims_challenge_header(
        &exchange->arena, exchange_config(exchange)->entra.authority, claims);
    if (exchange->challenge) {
        exchange_refuse(exchange, REASON_CLAIMS_REQUIRED, 0, detail);
    } else {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    }
}

void exchange_refuse_sign_in(struct exchange *exchange) {
    const struct decision *decision = &exchange->decision;
    char detail[JUDGEMENT_DETAIL_SIZE], claims[CLAIMS_CHALLENGE_SIZE];
    judgement_sign_in_detail(decision, detail);
    if (decision->reason == REASON_CLAIMS_REQUIRED) {
        claims_challenge_acrs(decision->needed_acrs, claims);
        exchange_challenge(exchange, claims, detail);
    } else {
        exchange_refuse(exchange, decision->reason, 0, detail);
    }
}

void exchange_refuse_with_claims(struct exchange *exchange, const char *detail) {
    if (exchange->claims) {
        exchange_challenge(exchange, exchange->claims, detail);
    } else {
        exchange_refuse(exchange, REASON_CLAIMS_REQUIRED, 0, detail);
    }
}

static void exchange_refuse_revoked(struct exchange *exchange,
                                    const struct revocation *revocation) {
    char detail[DETAIL_BYTES] = "access was revoked", claims[CLAIMS_CHALLENGE_SIZE];
    exchange->decision.rule = "revoked";
    if (!revocation->has_not_before) {
        exchange_refuse(exchange, REASON_DENIED, 0, detail);
        return;
    }
    char time_text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(revocation->not_before_sec * 1000, time_text);
    snprintf(detail, sizeof detail, "access was revoked for tokens issued before %s: sign in again",
             time_text);
    if (judgement_of_revocation(revocation, exchange->identity) == REASON_CLAIMS_REQUIRED) {
        claims_challenge_nbf(revocation->not_before_sec, claims);
        exchange_challenge(exchange, claims, detail);
    } else {
        exchange_refuse(exchange, REASON_DENIED, 0, detail);
    }
}

/* The worker's newest list, not the one that was in force when the exchange began. */
static bool exchange_find_revocation(const struct exchange *exchange,
                                     struct revocation *out_revocation) {
    const struct revocation_list *list = exchange->worker->snapshot->revocations;
    return list && exchange->identity &&
           revocation_list_find(list, exchange->identity, out_revocation);
}

bool exchange_is_refused_as_revoked(struct exchange *exchange) {
    struct revocation revocation;
    if (!exchange_find_revocation(exchange, &revocation)) {
        return false;
    }
    exchange_refuse_revoked(exchange, &revocation);
    return true;
}

void exchange_end_if_revoked(struct exchange *exchange) {
    struct revocation revocation;
    if (exchange->phase == PHASE_REFUSE || !exchange_find_revocation(exchange, &revocation)) {
        return;
    }
    if (exchange_is_streaming(exchange)) {
        exchange_abort(exchange, ABORTED_BY_REVOCATION);
        return;
    }
    exchange_refuse_revoked(exchange, &revocation);
    exchange_resume_soon(exchange);
}
