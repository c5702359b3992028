/* A token before the judge, for the files of the judge: entra.c judges, entra_issuer.c as to whose
 * token it is, entra_identity.c makes the caller, entra_words.c says what was compared with what.
 */
#ifndef BARKEEP_AUTH_ENTRA_TRIAL_H
#define BARKEEP_AUTH_ENTRA_TRIAL_H

#include "auth/entra.h"
#include "auth/jws.h"
#include "auth/token_claims.h"
#include "auth/token_header.h"
#include "auth/token_kind.h"

struct trial {
    const struct config_entra *entra;
    const struct key_ring *ring;
    struct slice token;
    bool is_claims_only; /* then `token` is the payload's JSON */
    bool lacks_metadata;
    uint32_t token_limit_bytes;
    int64_t now_sec;
    struct jws_parts parts;
    struct token_header header;
    struct token_claims claims;
    const struct config_issuer *static_issuer; /* NULL: a tenant's own token */
    const struct verification_key *key;
    struct token_kind kind;
    struct token_trace *trace; /* NULL: nobody asked */
    struct token_result *result;
};

/* A claim's text made fit for a log line. */
struct shown {
    char text[81];
};

struct shown trial_show(struct slice value);

/* Claims on their own that say nothing of time. */
static inline bool trial_has_no_times(const struct trial *trial) {
    const struct token_claims *claims = &trial->claims;
    return trial->is_claims_only && !claims->exp.is_present && !claims->nbf.is_present &&
           !claims->iat.is_present;
}

/* Ends the trial: writes reason and detail, gives TOKEN_REFUSED. */
enum token_outcome trial_refuse(struct trial *trial, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* TOKEN_ACCEPTED from a check means: go on with the next one. */
typedef enum token_outcome trial_check(struct trial *trial);

/* Those that find the issuer and its key, in the order in which they run. */
trial_check trial_check_static_issuer, trial_check_tenant, trial_check_issuer, trial_check_key,
    trial_check_key_issuer;
/* The last one: result->identity. */
trial_check trial_build_identity;

/* What a check compared, once it has run. */
typedef void trial_words(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]);

trial_words trial_words_structure, trial_words_header, trial_words_kid, trial_words_payload,
    trial_words_static_issuer, trial_words_tenant, trial_words_issuer, trial_words_key,
    trial_words_key_issuer, trial_words_signature, trial_words_lifetime, trial_words_audience,
    trial_words_version, trial_words_kind, trial_words_identity;

#endif
