/* Judges an Entra access token: azure.md A.7, every step, in that order. */
#ifndef BARKEEP_AUTH_ENTRA_H
#define BARKEEP_AUTH_ENTRA_H

#include "auth/identity.h"
#include "auth/key_set.h"
#include "config/config.h"
#include "core/reason.h"

enum token_outcome {
    TOKEN_ACCEPTED,
    TOKEN_REFUSED,
    TOKEN_NEEDS_KEYS, /* the key set of the slot is missing or does not hold this kid: ask
                         the keeper, then again */
};

struct token_result {
    enum reason
        reason; /* why refused; with TOKEN_NEEDS_KEYS the reason to give when asking did not help */
    char detail[200]; /* for the operator's log and, while expose_reasons, the response; nothing of
                         the token's secret parts */
    struct identity *identity; /* TOKEN_ACCEPTED: one reference for the caller */
    size_t slot;               /* of the key set (key_slot.h), once known, else CONFIG_NONE */
    size_t tenant_index; /* once the tenant is known, else CONFIG_NONE, as for static issuers */
    int version;         /* 1, 2; 0 while unknown, and for static issuers */
    char kid[128];       /* as far as readable and printable, for the audit line; "" otherwise */
    char uti[64];
    unsigned char key_fingerprint[32]; /* of the key that signed, when accepted */
};

/* `token` is the text after "Bearer ". `now_sec` is wall time. Thread-safe: reads only. */
enum token_outcome entra_verify(const struct config *config, const struct key_ring *ring,
                                struct slice token, int64_t now_sec,
                                struct token_result *out_result);

/* One check as it went, for explanations. */
enum token_step_outcome {
    TOKEN_STEP_PASSED,
    TOKEN_STEP_REFUSED, /* the result says why */
    TOKEN_STEP_NEEDS_KEYS,
    TOKEN_STEP_SKIPPED,
};

#define TOKEN_STEP_TEXT_SIZE 1024

struct token_step {
    const char *check; /* "structure", "header", ...: stable names */
    enum token_step_outcome outcome;
    const char *compared; /* what with what, in one line; nothing of the token's secret parts */
};

struct token_trace {
    void (*on_step)(struct token_trace *trace, const struct token_step *step);
};

/* entra_verify() telling each of its checks to `trace` (NULL: to nobody). */
enum token_outcome entra_explain(const struct config *config, const struct key_ring *ring,
                                 struct slice token, int64_t now_sec, struct token_trace *trace,
                                 struct token_result *out_result);

struct token_claims_file {
    struct slice json; /* what a token's payload would be */
    /* The metadata cannot be had: an issuer that only it could tell is taken as stated. */
    bool lacks_metadata;
};

/* The same checks over claims without a token around them: those of the signature and its key are
 * skipped, and that of the lifetime when there are no times at all. Never for the live path: this
 * believes whatever it reads. */
enum token_outcome entra_explain_claims(const struct config *config, const struct key_ring *ring,
                                        const struct token_claims_file *file, int64_t now_sec,
                                        struct token_trace *trace, struct token_result *out_result);

/* The bearer token of an Authorization header value: scheme (any case), exactly one SP, one
 * token68. Else refused with its reason: token_missing for another scheme, token_malformed for a
 * broken one. */
enum status entra_bearer_token(struct slice authorization, struct slice *out_token,
                               enum reason *out_reason);

#endif
