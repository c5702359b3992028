/* The judge of Entra access tokens: azure.md A.7 as a list of checks, run in that order until one
 * refuses. `iss`, `tid` and `ver` select the key before the signature is known to be good; nothing
 * else of the payload is believed earlier. Keys and issuers come from the ring, never from the
 * token. */
#include "auth/entra.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/issuer.h"
#include "auth/jws.h"
#include "auth/token_claims.h"
#include "auth/token_header.h"

#define MAX_KID_BYTES 127

/* Microsoft Graph under its two names: the audience that callers mistake for ours most often. */
static const char *const graph_audiences[] = {
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.com",
    "https://graph.microsoft.com/",
};

static const char graph_advice[] =
    "the token is for Microsoft Graph; request one for this API's own scope (api://.../.default)";

/* One token before the judge. */
struct trial {
    const struct config_entra *entra;
    const struct key_ring *ring;
    struct slice token;
    uint32_t token_limit_bytes;
    int64_t now_sec;
    struct jws_parts parts;
    struct token_header header;
    struct token_claims claims;
    const struct verification_key *key;
    enum principal_type principal;
    struct token_result *result;
};

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

static bool text_is_printable(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
}

/* A claim's text made fit for a log line. */
struct shown {
    char text[81];
};

static struct shown show(struct slice value) {
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
        return refuse(trial, REASON_TOKEN_KIND, "%s", graph_advice);
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
    enum status status = token_claims_parse(trial->parts.payload, &trial->claims);
    if (status != STATUS_OK)
        return refuse_unread(trial, status, "payload");
    if (trial->claims.has_list_beyond_the_limit)
        return refuse(trial, REASON_TOKEN_MALFORMED,
                      "the token lists more than %d roles, groups or scopes",
                      TOKEN_CLAIMS_MAX_LIST);
    record(trial->result->uti, sizeof trial->result->uti, trial->claims.uti.text);
    return TOKEN_ACCEPTED;
}

static enum token_outcome check_tenant(struct trial *trial) {
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
    return refuse(trial, REASON_TOKEN_TENANT, "tenant %s is not configured", show(tid).text);
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
    const char *stated = key_ring_slot(trial->ring, tenant, version)->issuer;
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

static enum token_outcome check_issuer(struct trial *trial) {
    struct slice iss = trial->claims.iss.text;
    if (slice_is_empty(iss))
        return refuse(trial, REASON_TOKEN_ISSUER, "the token names no issuer (iss)");
    int claimed = claimed_version(&trial->claims);
    const int candidates[] = {claimed, 3 - claimed};
    for (size_t i = 0; i < 2; i++) {
        if (version_is_accepted(trial->entra, candidates[i]) &&
            match_issuer(trial, candidates[i]) == ISSUER_EQUAL) {
            trial->result->version = candidates[i];
            return TOKEN_ACCEPTED;
        }
    }
    if (version_is_accepted(trial->entra, claimed) &&
        match_issuer(trial, claimed) == ISSUER_UNKNOWN) {
        trial->result->version = claimed;
        return need_keys(trial, REASON_KEYS_UNAVAILABLE, "the tenant's metadata is not there yet");
    }
    return refuse(trial, REASON_TOKEN_ISSUER, "issuer %s is not accepted", show(iss).text);
}

static enum token_outcome check_key(struct trial *trial) {
    const struct token_result *result = trial->result;
    const struct key_set *keys =
        key_ring_slot(trial->ring, result->tenant_index, result->version)->keys;
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
    const char *tid = trial->entra->tenants.items[trial->result->tenant_index];
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

static enum token_outcome check_audience(struct trial *trial) {
    struct slice aud = trial->claims.aud.text;
    if (!aud.ptr)
        return refuse(trial, REASON_TOKEN_AUDIENCE, "the token's aud is not one string");
    const struct config_strings *audiences = &trial->entra->audiences;
    for (size_t i = 0; i < audiences->count; i++) {
        if (!slice_eq_str(aud, audiences->items[i]))
            continue;
        if (trial->result->version == 1 || config_is_guid(aud))
            return TOKEN_ACCEPTED;
        return refuse(trial, REASON_TOKEN_AUDIENCE,
                      "a v2 token's audience is the client id, never a URI: %s", show(aud).text);
    }
    for (size_t i = 0; i < sizeof graph_audiences / sizeof *graph_audiences; i++)
        if (slice_eq_str(aud, graph_audiences[i]))
            return refuse(trial, REASON_TOKEN_KIND, "%s", graph_advice);
    return refuse(trial, REASON_TOKEN_AUDIENCE, "audience \"%s\" is not configured",
                  show(aud).text);
}

static enum token_outcome check_version(struct trial *trial) {
    const char *expected = trial->result->version == 1 ? "1.0" : "2.0";
    if (!slice_eq_str(trial->claims.ver.text, expected))
        return refuse(trial, REASON_TOKEN_ISSUER, "the token's ver is not the %s of its issuer",
                      expected);
    return TOKEN_ACCEPTED;
}

static struct slice client_app(const struct trial *trial) {
    return trial->result->version == 1 ? trial->claims.appid.text : trial->claims.azp.text;
}

static enum token_outcome check_is_access_token(struct trial *trial) {
    const struct token_claims *claims = &trial->claims;
    if (claims->id_token_mark)
        return refuse(trial, REASON_TOKEN_KIND, "the token holds \"%s\": an ID token",
                      claims->id_token_mark);
    if (claims->is_bound)
        return refuse(trial, REASON_TOKEN_KIND, "the token is bound to a key (cnf)");
    if (!config_is_guid(client_app(trial)))
        return refuse(trial, REASON_TOKEN_KIND, "the token names no client application (%s)",
                      trial->result->version == 1 ? "appid" : "azp");
    if (!config_is_guid(claims->oid.text))
        return refuse(trial, REASON_TOKEN_KIND, "the token names no object id (oid)");
    return TOKEN_ACCEPTED;
}

/* azure.md A.5, A.9: a user's token has scp; an application's has roles and says that it is one. */
static enum token_outcome check_principal(struct trial *trial) {
    const struct token_claims *claims = &trial->claims;
    bool says_app = slice_eq_str(claims->idtyp.text, "app");
    if (claims->idtyp.is_present && !claims->idtyp.text.ptr)
        return refuse(trial, REASON_TOKEN_KIND, "the token's idtyp is not a string");
    if (claims->scp.is_present) {
        if (claims->scopes.count == 0 || says_app)
            return refuse(trial, REASON_TOKEN_KIND,
                          says_app ? "an app-only token cannot hold scp"
                                   : "the token's scp names no scope");
        trial->principal = PRINCIPAL_USER;
        return TOKEN_ACCEPTED;
    }
    bool looks_app = !claims->idtyp.is_present && slice_eq(claims->sub.text, claims->oid.text);
    if (claims->roles.count == 0)
        return refuse(trial, REASON_TOKEN_KIND, "the token has neither scp nor roles");
    if (!says_app && !looks_app)
        return refuse(trial, REASON_TOKEN_KIND,
                      "the token has no scp and is not an app-only token");
    trial->principal = PRINCIPAL_APP;
    return TOKEN_ACCEPTED;
}

static enum token_outcome build_identity(struct trial *trial) {
    const struct token_claims *claims = &trial->claims;
    const struct token_result *result = trial->result;
    const struct identity model = {
        .type = trial->principal,
        .tenant = claims->tid.text,
        .oid = claims->oid.text,
        .app = client_app(trial),
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
        .expires_sec = claims->exp.sec,
        .tenant_index = result->tenant_index,
    };
    trial->result->identity = identity_new(&model, trial->entra->groups_by_name);
    if (!trial->result->identity)
        return refuse(trial, REASON_OVERLOADED, "no memory for the caller's identity");
    return TOKEN_ACCEPTED;
}

static trial_check *const checks[] = {
    check_structure,       check_header,    check_kid,      check_payload,
    check_tenant,          check_issuer,    check_key,      check_key_issuer,
    check_signature,       check_lifetime,  check_audience, check_version,
    check_is_access_token, check_principal, build_identity,
};

enum token_outcome entra_verify(const struct config *config, const struct key_ring *ring,
                                struct slice token, int64_t now_sec,
                                struct token_result *out_result) {
    *out_result = (struct token_result){.tenant_index = CONFIG_NONE};
    struct trial trial = {
        .entra = &config->entra,
        .ring = ring,
        .token = token,
        .token_limit_bytes = config->limits.token_bytes,
        .now_sec = now_sec,
        .result = out_result,
    };
    enum token_outcome outcome = TOKEN_ACCEPTED;
    for (size_t i = 0; outcome == TOKEN_ACCEPTED && i < sizeof checks / sizeof *checks; i++)
        outcome = checks[i](&trial);
    token_header_done(&trial.header);
    token_claims_done(&trial.claims);
    return outcome;
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
