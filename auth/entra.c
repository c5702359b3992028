/* The judge of Entra access tokens: azure.md A.7 as a list of checks, run in that order until one
 * refuses. `iss`, `tid` and `ver` select the key before the signature is known to be good; nothing
 * else of the payload is believed earlier. Keys and issuers come from the ring, never from the
 * token. */
#include "auth/entra.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/entra_trial.h"
#include "auth/issuer.h"
#include "auth/key_slot.h"

#define MAX_KID_BYTES 127
#define MAX_SHOWN_TEXT_BYTES 256

/* TOKEN_ACCEPTED from a check means: go on with the next one. */
typedef enum token_outcome trial_check(struct trial *trial);

__attribute__((format(printf, 3, 4))) static enum token_outcome
refuse(struct trial *trial, enum reason reason, const char *format, ...) {
    va_list args;
    va_start(args, format);
    trial->result->reason = reason;
    (void)vsnprintf(trial->result->detail, sizeof trial->result->detail, format, args);
    va_end(args);
    return TOKEN_REFUSED;
}

static enum token_outcome refuse_unread(struct trial *trial, enum status status, const char *what) {
    if (status == STATUS_NO_MEMORY)
        return refuse(trial, REASON_OVERLOADED, "no memory to read the token");
    return refuse(trial, REASON_TOKEN_MALFORMED, "the token's %s is not one strict JSON object",
                  what);
}

static enum token_outcome need_keys(struct trial *trial, enum reason reason, const char *detail) {
    (void)refuse(trial, reason, "%s", detail);
    return TOKEN_NEEDS_KEYS;
}

static const struct config_strings *audiences_of(const struct trial *trial) {
    return trial->static_issuer ? &trial->static_issuer->audiences : &trial->entra->audiences;
}

/* What callers with a token for something else should ask for. */
struct scope_text {
    char text[TOKEN_KIND_SCOPE_SIZE];
};

static struct scope_text advised_scope(const struct trial *trial) {
    struct scope_text scope;
    token_kind_scope(audiences_of(trial), scope.text);
    return scope;
}

static bool text_is_printable(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
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

static void record(char *out_text, size_t size, struct slice text) {
    if (text.len >= size || !text_is_printable(text))
        return;
    if (text.len)
        memcpy(out_text, text.ptr, text.len);
    out_text[text.len] = '\0';
}

static enum token_outcome check_structure(struct trial *trial) {
    if (trial->token.len > trial->token_limit_bytes)
        return refuse(trial, REASON_TOKEN_MALFORMED, "the token is larger than %u bytes",
                      trial->token_limit_bytes);
    if (jws_split(trial->token, &trial->parts) != STATUS_OK)
        return refuse(trial, REASON_TOKEN_MALFORMED,
                      "the token is not three base64url segments without padding");
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_header(struct trial *trial) {
    const struct token_header *header = &trial->header;
    enum status status = token_header_parse(trial->parts.header, &trial->header);
    if (status != STATUS_OK)
        return refuse_unread(trial, status, "header");
    if (!slice_eq_str(header->alg, "RS256"))
        return refuse(trial, REASON_TOKEN_ALGORITHM, "only RS256 is accepted");
    if (header->steered_with)
        return refuse(trial, REASON_TOKEN_MALFORMED, "the token's header holds \"%s\"",
                      header->steered_with);
    if (header->has_cty)
        return refuse(trial, REASON_TOKEN_MALFORMED, "a nested token (cty) is not accepted");
    if (header->has_nonce)
        return refuse(trial, REASON_TOKEN_KIND,
                      "this token is for Microsoft Graph; request scope %s",
                      advised_scope(trial).text);
    if (header->has_typ && !slice_eq_nocase(header->typ, SLICE("JWT")) &&
        !slice_eq_nocase(header->typ, SLICE("at+jwt")))
        return refuse(trial, REASON_TOKEN_KIND, "the token's typ is neither JWT nor at+jwt");
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_kid(struct trial *trial) {
    struct slice kid = trial->header.kid;
    if (slice_is_empty(kid) || kid.len > MAX_KID_BYTES || !text_is_printable(kid))
        return refuse(trial, REASON_TOKEN_KEY_UNKNOWN, "the token's header has no usable kid");
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
        return refuse(trial, REASON_TOKEN_MALFORMED,
                      "the token lists more than %d roles, groups or scopes",
                      TOKEN_CLAIMS_MAX_LIST);
    record(trial->result->uti, sizeof trial->result->uti, trial->claims.uti.text);
    return TOKEN_ACCEPTED;
}

/* A static issuer is told by its exact name, before anything else of the payload is looked at; its
 * tokens never meet the rules of the tenants, nor theirs its own. */
static enum token_outcome check_static_issuer(struct trial *trial) {
    const struct config_entra *entra = trial->entra;
    for (size_t i = 0; i < entra->issuer_count; i++) {
        if (!slice_eq_str(trial->claims.iss.text, entra->issuers[i].issuer))
            continue;
        trial->static_issuer = &entra->issuers[i];
        trial->result->slot = key_slot_of_issuer(entra, i);
    }
    return TOKEN_ACCEPTED;
}

/* Such an issuer speaks for one tenant, whether its tokens say so or not. */
static enum token_outcome check_static_tenant(struct trial *trial) {
    struct claim_text tid = trial->claims.tid;
    if (!tid.is_present || slice_eq_nocase(tid.text, slice_of_str(trial->static_issuer->tenant)))
        return TOKEN_ACCEPTED;
    return refuse(trial, REASON_TOKEN_TENANT, "tenant %s is not the one of issuer %s",
                  trial_show(tid.text).text, trial->static_issuer->name);
}

static enum token_outcome check_tenant(struct trial *trial) {
    if (trial->static_issuer)
        return check_static_tenant(trial);
    struct slice tid = trial->claims.tid.text;
    if (!config_is_guid(tid))
        return refuse(trial, REASON_TOKEN_TENANT, "the token names no tenant (tid)");
    const struct config_strings *tenants = &trial->entra->tenants;
    for (size_t i = 0; i < tenants->count; i++) {
        if (slice_eq_nocase(tid, slice_of_str(tenants->items[i]))) {
            trial->result->tenant_index = i;
            return TOKEN_ACCEPTED;
        }
    }
    return refuse(trial, REASON_TOKEN_TENANT, "tenant %s is not configured", trial_show(tid).text);
}

static bool version_is_accepted(const struct config_entra *entra, int version) {
    return version == 1 ? entra->accepts_v1 : entra->accepts_v2;
}

/* What the token says about its own version: `ver`, or failing that the shape of its issuer. */
static int claimed_version(const struct token_claims *claims) {
    if (slice_eq_str(claims->ver.text, "1.0"))
        return 1;
    if (slice_eq_str(claims->ver.text, "2.0"))
        return 2;
    return slice_ends_with(claims->iss.text, SLICE("/v2.0")) ? 2 : 1;
}

enum issuer_match { ISSUER_EQUAL, ISSUER_DIFFERENT, ISSUER_UNKNOWN };

/* The cloud's own issuer and the one its metadata states must both be the token's, as far as they
 * are known; an issuer known from metadata alone must name the tenant, unless the authority is the
 * operator's. */
static enum issuer_match match_issuer(const struct trial *trial, int version) {
    size_t tenant = trial->result->tenant_index;
    const struct config_entra *entra = trial->entra;
    const char *stated = key_ring_slot(trial->ring, key_slot_of_tenant(tenant, version))->issuer;
    struct slice iss = trial->claims.iss.text;
    char prescribed[ISSUER_SIZE];
    bool is_prescribed = issuer_prescribed(entra, tenant, version, prescribed);
    if (!is_prescribed && !stated)
        return ISSUER_UNKNOWN;
    if (is_prescribed && !slice_eq_str(iss, prescribed))
        return ISSUER_DIFFERENT;
    if (stated && !slice_eq_str(iss, stated))
        return ISSUER_DIFFERENT;
    if (!entra->authority_is_override && !issuer_names_tenant(iss, entra->tenants.items[tenant]))
        return ISSUER_DIFFERENT;
    return ISSUER_EQUAL;
}

static void choose_version(struct trial *trial, int version) {
    trial->result->version = version;
    trial->result->slot = key_slot_of_tenant(trial->result->tenant_index, version);
}

static enum token_outcome check_issuer(struct trial *trial) {
    if (trial->static_issuer)
        return TOKEN_ACCEPTED;
    struct slice iss = trial->claims.iss.text;
    if (slice_is_empty(iss))
        return refuse(trial, REASON_TOKEN_ISSUER, "the token names no issuer (iss)");
    int claimed = claimed_version(&trial->claims);
    const int candidates[] = {claimed, 3 - claimed};
    for (size_t i = 0; i < 2; i++) {
        if (version_is_accepted(trial->entra, candidates[i]) &&
            match_issuer(trial, candidates[i]) == ISSUER_EQUAL) {
            choose_version(trial, candidates[i]);
            return TOKEN_ACCEPTED;
        }
    }
    if (version_is_accepted(trial->entra, claimed) &&
        match_issuer(trial, claimed) == ISSUER_UNKNOWN) {
        choose_version(trial, claimed);
        if (trial->lacks_metadata)
            return TOKEN_ACCEPTED;
        return need_keys(trial, REASON_KEYS_UNAVAILABLE, "the tenant's metadata is not there yet");
    }
    return refuse(trial, REASON_TOKEN_ISSUER, "issuer %s is not accepted", trial_show(iss).text);
}

static enum token_outcome check_key(struct trial *trial) {
    const struct key_set *keys = key_ring_slot(trial->ring, trial->result->slot)->keys;
    if (!keys)
        return need_keys(trial, REASON_KEYS_UNAVAILABLE,
                         "the tenant's signing keys are not there yet");
    trial->key = key_set_find(keys, trial->header.kid);
    if (!trial->key)
        return need_keys(trial, REASON_TOKEN_KEY_UNKNOWN,
                         "the tenant's key set does not hold the token's kid");
    return TOKEN_ACCEPTED;
}

/* azure.md A.3: which key may sign for which issuer. */
static enum token_outcome check_key_issuer(struct trial *trial) {
    char issuer[ISSUER_SIZE];
    struct slice stated = trial->key->issuer;
    const char *tid = key_slot_tenant(trial->entra, trial->result->slot);
    if (slice_is_empty(stated) ||
        (issuer_fill(stated, tid, issuer) && slice_eq_str(trial->claims.iss.text, issuer)))
        return TOKEN_ACCEPTED;
    return refuse(trial, REASON_TOKEN_ISSUER, "the signing key belongs to another issuer");
}

static enum token_outcome check_signature(struct trial *trial) {
    if (!jws_verify_rs256(&trial->parts, trial->key->verifier))
        return refuse(trial, REASON_TOKEN_SIGNATURE, "the signature does not match");
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
        return refuse(trial, REASON_TOKEN_EXPIRED, "the token has no usable exp");
    if (!nbf.is_usable)
        return refuse(trial, REASON_TOKEN_NOT_YET_VALID, "the token has no usable nbf");
    if (iat.is_present && !iat.is_usable)
        return refuse(trial, REASON_TOKEN_NOT_YET_VALID, "the token's iat is not a time");
    if (exp.sec <= now_sec - skew_sec)
        return refuse(trial, REASON_TOKEN_EXPIRED, "the token expired %lld seconds ago",
                      (long long)(now_sec - exp.sec));
    if (nbf.sec > now_sec + skew_sec || (iat.is_present && iat.sec > now_sec + skew_sec))
        return refuse(trial, REASON_TOKEN_NOT_YET_VALID,
                      "the token is from the future: compare the clocks");
    if (exp.sec <= nbf.sec)
        return refuse(trial, REASON_TOKEN_MALFORMED, "the token's exp is not after its nbf");
    if (exp.sec - (iat.is_present ? iat.sec : nbf.sec) > trial->entra->max_token_lifetime_sec)
        return refuse(trial, REASON_TOKEN_EXPIRED,
                      "the token's lifetime is over max_token_lifetime (%u seconds)",
                      trial->entra->max_token_lifetime_sec);
    return TOKEN_ACCEPTED;
}

static enum token_outcome refuse_audience(struct trial *trial) {
    struct slice aud = trial->claims.aud.text;
    const char *service = token_kind_service(aud);
    if (!service)
        return refuse(trial, REASON_TOKEN_AUDIENCE, "audience \"%s\" is not configured",
                      trial_show(aud).text);
    bool is_graph = strcmp(service, "Microsoft Graph") == 0;
    return refuse(trial, is_graph ? REASON_TOKEN_KIND : REASON_TOKEN_AUDIENCE,
                  "this token is for %s; request scope %s", service, advised_scope(trial).text);
}

static enum token_outcome check_audience(struct trial *trial) {
    struct slice aud = trial->claims.aud.text;
    if (!aud.ptr)
        return refuse(trial, REASON_TOKEN_AUDIENCE, "the token's aud is not one string");
    const struct config_strings *audiences = audiences_of(trial);
    for (size_t i = 0; i < audiences->count; i++) {
        if (!slice_eq_str(aud, audiences->items[i]))
            continue;
        if (trial->result->version != 2 || config_is_guid(aud))
            return TOKEN_ACCEPTED;
        return refuse(trial, REASON_TOKEN_AUDIENCE,
                      "a v2 token's audience is the client id, never a URI: %s",
                      trial_show(aud).text);
    }
    return refuse_audience(trial);
}

/* Static issuers state versions of their own. */
static enum token_outcome check_version(struct trial *trial) {
    const char *expected = trial->result->version == 1 ? "1.0" : "2.0";
    if (!trial->static_issuer && !slice_eq_str(trial->claims.ver.text, expected))
        return refuse(trial, REASON_TOKEN_ISSUER, "the token's ver is not the %s of its issuer",
                      expected);
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

/* For display only: a text without bounds would cost memory for nothing. */
static struct slice shown_text(struct slice text) {
    return text.len <= MAX_SHOWN_TEXT_BYTES ? text : (struct slice){NULL, 0};
}

/* The name people know the caller by; none of these is unique or lasting (azure.md A.5). */
static struct slice display_name(const struct token_claims *claims) {
    const struct slice names[] = {claims->preferred_username.text, claims->upn.text,
                                  claims->unique_name.text, claims->name.text};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!slice_is_empty(names[i]))
            return shown_text(names[i]);
    return (struct slice){NULL, 0};
}

static enum token_outcome build_identity(struct trial *trial) {
    const struct token_claims *claims = &trial->claims;
    const struct token_result *result = trial->result;
    const struct identity model = {
        .type = trial->kind.principal,
        .tenant = slice_of_str(key_slot_tenant(trial->entra, result->slot)),
        .oid = trial->kind.id,
        .app = trial->kind.app,
        .sub = shown_text(claims->sub.text),
        .name = display_name(claims),
        .uti = slice_of_str(result->uti),
        .kid = slice_of_str(result->kid),
        .version = result->version,
        .roles = claims->roles.items,
        .role_count = claims->roles.count,
        .scopes = claims->scopes.items,
        .scope_count = claims->scopes.count,
        .groups = claims->groups.items,
        .group_count = claims->groups.count,
        .groups_unknown = claims->groups_unknown,
        .sid = claims->sid.text,
        .acrs = claims->acrs.items,
        .acrs_count = claims->acrs.count,
        .has_mfa = claims->has_mfa,
        .accepts_claims_challenge = claims->accepts_claims_challenge,
        .issued_sec = claims->iat.is_present ? claims->iat.sec : claims->nbf.sec,
        .expires_sec = claims->exp.sec,
        .tenant_index = result->tenant_index,
        .slot = result->slot,
    };
    trial->result->identity = identity_new(&model, trial->entra->groups_by_name);
    if (!trial->result->identity)
        return refuse(trial, REASON_OVERLOADED, "no memory for the caller's identity");
    return TOKEN_ACCEPTED;
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
    {"static_issuer", check_static_issuer, false, trial_words_static_issuer},
    {"tenant", check_tenant, false, trial_words_tenant},
    {"issuer", check_issuer, false, trial_words_issuer},
    {"key", check_key, true, trial_words_key},
    {"key_issuer", check_key_issuer, true, trial_words_key_issuer},
    {"signature", check_signature, true, trial_words_signature},
    {"lifetime", check_lifetime, false, trial_words_lifetime},
    {"audience", check_audience, false, trial_words_audience},
    {"version", check_version, false, trial_words_version},
    {"kind", check_kind, false, trial_words_kind},
    {"identity", build_identity, false, trial_words_identity},
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

/* RFC 9110 11.2; a table, because every request passes here with a long token. */
static const bool token68_bytes[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true, ['.'] = true,
    ['_'] = true,         ['~'] = true,         ['+'] = true,         ['/'] = true,
};

static bool is_token68(struct slice text) {
    size_t i = 0;
    while (i < text.len && token68_bytes[(unsigned char)text.ptr[i]])
        i++;
    if (i == 0)
        return false;
    while (i < text.len && text.ptr[i] == '=')
        i++;
    return i == text.len;
}

enum status entra_bearer_token(struct slice authorization, struct slice *out_token,
                               enum reason *out_reason) {
    size_t scheme_len = 0;
    while (scheme_len < authorization.len && authorization.ptr[scheme_len] > ' ')
        scheme_len++;
    if (!slice_eq_nocase(slice_of(authorization.ptr, scheme_len), SLICE("Bearer"))) {
        *out_reason = REASON_TOKEN_MISSING;
        return STATUS_NOT_FOUND;
    }
    struct slice rest = slice_skip(authorization, scheme_len);
    struct slice token = slice_skip(rest, 1);
    if (slice_is_empty(rest) || rest.ptr[0] != ' ' || !is_token68(token)) {
        *out_reason = REASON_TOKEN_MALFORMED;
        return STATUS_INVALID;
    }
    *out_token = token;
    return STATUS_OK;
}
