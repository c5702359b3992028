/* The judge of Entra access tokens: azure.md A.7 as a list of checks, run in that order until one
 * refuses. `iss`, `tid` and `ver` select the key before the signature is known to be good; nothing
 * else of the payload is believed earlier. Keys and issuers come from the ring, never from the
 * token. */
#include "auth/entra.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/entra_trial.h"

#define MAX_KID_BYTES 127

enum token_outcome trial_refuse(struct trial *trial, enum reason reason, const char *format, ...) {
    va_list args;
    va_start(args, format);
    trial->result->reason = reason;
    (void)vsnprintf(trial->result->detail, sizeof trial->result->detail, format, args);
    va_end(args);
    return TOKEN_REFUSED;
}

struct shown trial_show(struct slice value) {
    struct shown shown;
    size_t len = value.len < sizeof shown.text - 1 ? value.len : sizeof shown.text - 1;
    for (size_t i = 0; i < len; i++) {
        char c = value.ptr[i];
        shown.text[i] = c > 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '?';
    }
    shown.text[len] = '\0';
    return shown;
}

static enum token_outcome refuse_unread(struct trial *trial, enum status status, const char *what) {
    if (status == STATUS_NO_MEMORY)
        return trial_refuse(trial, REASON_OVERLOADED, "no memory to read the token");
    return trial_refuse(trial, REASON_TOKEN_MALFORMED,
                        "the token's %s is not one strict JSON object", what);
}

static const struct config_strings *audiences_of(const struct trial *trial) {
    return trial->static_issuer ? &trial->static_issuer->audiences : &trial->entra->audiences;
}

/* What callers with a token for something else should ask for. */
struct scope_text {
    char text[TOKEN_KIND_SCOPE_SIZE];
};

static struct scope_text advised_scope(const struct trial *trial) {
    struct scope_text scope = {""};
    token_kind_scope(audiences_of(trial), scope.text);
    return scope;
}

static bool text_is_printable(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
}

static void record(char *out_text, size_t size, struct slice text) {
    if (text.len >= size || !text_is_printable(text))
        return;
    if (text.len)
        memcpy(out_text, text.ptr, text.len);
    out_text[text.len] = '\0';
}

static enum token_outcome check_structure(struct trial *trial) {
    if (trial->token.len > trial->token_limit_bytes)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED, "the token is larger than %u bytes",
                            trial->token_limit_bytes);
    if (jws_split(trial->token, &trial->parts) != STATUS_OK)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED,
                            "the token is not three base64url segments without padding");
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_header(struct trial *trial) {
    const struct token_header *header = &trial->header;
    enum status status = token_header_parse(trial->parts.header, &trial->header);
    if (status != STATUS_OK)
        return refuse_unread(trial, status, "header");
    if (!slice_eq_str(header->alg, "RS256"))
        return trial_refuse(trial, REASON_TOKEN_ALGORITHM, "only RS256 is accepted");
    if (header->steered_with)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED, "the token's header holds \"%s\"",
                            header->steered_with);
    if (header->has_cty)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED, "a nested token (cty) is not accepted");
    if (header->has_nonce)
        return trial_refuse(trial, REASON_TOKEN_KIND,
                            "this token is for Microsoft Graph; request scope %s",
                            advised_scope(trial).text);
    if (header->has_typ && !slice_eq_nocase(header->typ, SLICE("JWT")) &&
        !slice_eq_nocase(header->typ, SLICE("at+jwt")))
        return trial_refuse(trial, REASON_TOKEN_KIND, "the token's typ is neither JWT nor at+jwt");
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_kid(struct trial *trial) {
    struct slice kid = trial->header.kid;
    if (slice_is_empty(kid) || kid.len > MAX_KID_BYTES || !text_is_printable(kid))
        return trial_refuse(trial, REASON_TOKEN_KEY_UNKNOWN,
                            "the token's header has no usable kid");
    record(trial->result->kid, sizeof trial->result->kid, kid);
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_payload(struct trial *trial) {
    enum status status = trial->is_claims_only
                             ? token_claims_parse_json(trial->token, &trial->claims)
                             : token_claims_parse(trial->parts.payload, &trial->claims);
    if (status != STATUS_OK)
        return refuse_unread(trial, status, "payload");
    if (trial->claims.has_list_beyond_the_limit)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED,
                            "the token lists more than %d roles, groups or scopes",
                            TOKEN_CLAIMS_MAX_LIST);
    record(trial->result->uti, sizeof trial->result->uti, trial->claims.uti.text);
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_signature(struct trial *trial) {
    if (!jws_verify_rs256(&trial->parts, trial->key->verifier))
        return trial_refuse(trial, REASON_TOKEN_SIGNATURE, "the signature does not match");
    memcpy(trial->result->key_fingerprint, trial->key->fingerprint,
           sizeof trial->result->key_fingerprint);
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_lifetime(struct trial *trial) {
    if (trial_has_no_times(trial))
        return TOKEN_ACCEPTED;
    const struct claim_time exp = trial->claims.exp, nbf = trial->claims.nbf;
    const struct claim_time iat = trial->claims.iat;
    int64_t skew_sec = trial->entra->clock_skew_sec, now_sec = trial->now_sec;
    if (!exp.is_usable)
        return trial_refuse(trial, REASON_TOKEN_EXPIRED, "the token has no usable exp");
    if (!nbf.is_usable)
        return trial_refuse(trial, REASON_TOKEN_NOT_YET_VALID, "the token has no usable nbf");
    if (iat.is_present && !iat.is_usable)
        return trial_refuse(trial, REASON_TOKEN_NOT_YET_VALID, "the token's iat is not a time");
    if (exp.sec <= now_sec - skew_sec)
        return trial_refuse(trial, REASON_TOKEN_EXPIRED, "the token expired %lld seconds ago",
                            (long long)(now_sec - exp.sec));
    if (nbf.sec > now_sec + skew_sec || (iat.is_present && iat.sec > now_sec + skew_sec))
        return trial_refuse(trial, REASON_TOKEN_NOT_YET_VALID,
                            "the token is from the future: compare the clocks");
    if (exp.sec <= nbf.sec)
        return trial_refuse(trial, REASON_TOKEN_MALFORMED, "the token's exp is not after its nbf");
    if (exp.sec - (iat.is_present ? iat.sec : nbf.sec) > trial->entra->max_token_lifetime_sec)
        return trial_refuse(trial, REASON_TOKEN_EXPIRED,
                            "the token's lifetime is over max_token_lifetime (%u seconds)",
                            trial->entra->max_token_lifetime_sec);
    return TOKEN_ACCEPTED;
}

static enum token_outcome refuse_audience(struct trial *trial) {
    struct slice aud = trial->claims.aud.text;
    const char *service = token_kind_service(aud);
    if (!service)
        return trial_refuse(trial, REASON_TOKEN_AUDIENCE, "audience \"%s\" is not configured",
                            trial_show(aud).text);
    bool is_graph = strcmp(service, "Microsoft Graph") == 0;
    return trial_refuse(trial, is_graph ? REASON_TOKEN_KIND : REASON_TOKEN_AUDIENCE,
                        "this token is for %s; request scope %s", service,
                        advised_scope(trial).text);
}

static enum token_outcome check_audience(struct trial *trial) {
    struct slice aud = trial->claims.aud.text;
    if (!aud.ptr)
        return trial_refuse(trial, REASON_TOKEN_AUDIENCE, "the token's aud is not one string");
    const struct config_strings *audiences = audiences_of(trial);
    for (size_t i = 0; i < audiences->count; i++) {
        if (!slice_eq_str(aud, audiences->items[i]))
            continue;
        if (trial->result->version != 2 || config_is_guid(aud))
            return TOKEN_ACCEPTED;
        return trial_refuse(trial, REASON_TOKEN_AUDIENCE,
                            "a v2 token's audience is the client id, never a URI: %s",
                            trial_show(aud).text);
    }
    return refuse_audience(trial);
}

/* Static issuers state versions of their own. */
static enum token_outcome check_version(struct trial *trial) {
    const char *expected = trial->result->version == 1 ? "1.0" : "2.0";
    if (!trial->static_issuer && !slice_eq_str(trial->claims.ver.text, expected))
        return trial_refuse(trial, REASON_TOKEN_ISSUER,
                            "the token's ver is not the %s of its issuer", expected);
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_kind(struct trial *trial) {
    struct scope_text scope = advised_scope(trial);
    const struct token_form form = {.version = trial->result->version, .scope = scope.text};
    if (token_kind_read(&trial->claims, &form, &trial->kind, trial->result->detail))
        return TOKEN_ACCEPTED;
    trial->result->reason = REASON_TOKEN_KIND;
    return TOKEN_REFUSED;
}

struct check_row {
    const char *name;
    trial_check *run;
    bool needs_signature; /* means nothing where only claims are given */
    trial_words *words;
};

static const struct check_row checks[] = {
    {"structure", check_structure, true, trial_words_structure},
    {"header", check_header, true, trial_words_header},
    {"kid", check_kid, true, trial_words_kid},
    {"payload", check_payload, false, trial_words_payload},
    {"static_issuer", trial_check_static_issuer, false, trial_words_static_issuer},
    {"tenant", trial_check_tenant, false, trial_words_tenant},
    {"issuer", trial_check_issuer, false, trial_words_issuer},
    {"key", trial_check_key, true, trial_words_key},
    {"key_issuer", trial_check_key_issuer, true, trial_words_key_issuer},
    {"signature", check_signature, true, trial_words_signature},
    {"lifetime", check_lifetime, false, trial_words_lifetime},
    {"audience", check_audience, false, trial_words_audience},
    {"version", check_version, false, trial_words_version},
    {"kind", check_kind, false, trial_words_kind},
    {"identity", trial_build_identity, false, trial_words_identity},
};

static void report(struct trial *trial, const struct check_row *row,
                   enum token_step_outcome outcome) {
    char compared[TOKEN_STEP_TEXT_SIZE] = "";
    if (!trial->trace)
        return;
    if (outcome == TOKEN_STEP_SKIPPED)
        (void)snprintf(compared, sizeof compared, "%s",
                       row->needs_signature ? "claims have no signature and no key"
                                            : "the claims hold no times");
    else
        row->words(trial, compared);
    const struct token_step step = {row->name, outcome, compared};
    trial->trace->on_step(trial->trace, &step);
}

static bool is_skipped(const struct trial *trial, const struct check_row *row) {
    return trial->is_claims_only && row->needs_signature;
}

static enum token_outcome run_check(struct trial *trial, const struct check_row *row) {
    static const enum token_step_outcome steps[] = {
        [TOKEN_ACCEPTED] = TOKEN_STEP_PASSED,
        [TOKEN_REFUSED] = TOKEN_STEP_REFUSED,
        [TOKEN_NEEDS_KEYS] = TOKEN_STEP_NEEDS_KEYS,
    };
    if (is_skipped(trial, row)) {
        report(trial, row, TOKEN_STEP_SKIPPED);
        return TOKEN_ACCEPTED;
    }
    enum token_outcome outcome = row->run(trial);
    bool is_void = row->run == check_lifetime && trial_has_no_times(trial);
    report(trial, row, is_void ? TOKEN_STEP_SKIPPED : steps[outcome]);
    return outcome;
}

static enum token_outcome hold_trial(struct trial *trial) {
    enum token_outcome outcome = TOKEN_ACCEPTED;
    *trial->result = (struct token_result){.slot = CONFIG_NONE, .tenant_index = CONFIG_NONE};
    for (size_t i = 0; outcome == TOKEN_ACCEPTED && i < sizeof checks / sizeof *checks; i++)
        outcome = run_check(trial, &checks[i]);
    token_header_done(&trial->header);
    token_claims_done(&trial->claims);
    return outcome;
}

enum token_outcome entra_verify(const struct config *config, const struct key_ring *ring,
                                struct slice token, int64_t now_sec,
                                struct token_result *out_result) {
    return entra_explain(config, ring, token, now_sec, NULL, out_result);
}

enum token_outcome entra_explain(const struct config *config, const struct key_ring *ring,
                                 struct slice token, int64_t now_sec, struct token_trace *trace,
                                 struct token_result *out_result) {
    struct trial trial = {
        .entra = &config->entra,
        .ring = ring,
        .token = token,
        .token_limit_bytes = config->limits.token_bytes,
        .now_sec = now_sec,
        .trace = trace,
        .result = out_result,
    };
    return hold_trial(&trial);
}

enum token_outcome entra_explain_claims(const struct config *config, const struct key_ring *ring,
                                        const struct token_claims_file *file, int64_t now_sec,
                                        struct token_trace *trace,
                                        struct token_result *out_result) {
    struct trial trial = {
        .entra = &config->entra,
        .ring = ring,
        .token = file->json,
        .is_claims_only = true,
        .lacks_metadata = file->lacks_metadata,
        .now_sec = now_sec,
        .trace = trace,
        .result = out_result,
    };
    return hold_trial(&trial);
}
