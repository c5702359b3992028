/* What each check of a token compared with what, in words: for `barkeep explain`. Runs only when a
 * trace was asked for, after the check itself, and judges nothing. */
#include <stdarg.h>
#include <stdio.h>

#include "auth/entra_trial.h"
#include "auth/issuer.h"
#include "auth/key_slot.h"
#include "core/clock.h"

/* Where the next words go. */
struct pen {
    char *text;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct pen *pen, const char *format, ...) {
    va_list args;
    size_t room = TOKEN_STEP_TEXT_SIZE - pen->len;
    va_start(args, format);
    int written = vsnprintf(pen->text + pen->len, room, format, args);
    va_end(args);
    if (written > 0)
        pen->len += (size_t)written < room ? (size_t)written : room - 1;
}

static void say_claim(struct pen *pen, const char *name, const struct claim_text *claim) {
    if (claim->text.ptr)
        say(pen, "%s \"%s\"", name, trial_show(claim->text).text);
    else
        say(pen, "%s %s", name, claim->is_present ? "is not a string" : "is absent");
}

static void say_list(struct pen *pen, const char *name, const struct config_strings *list) {
    say(pen, "%s", name);
    for (size_t i = 0; i < list->count; i++)
        say(pen, "%s%s", i ? ", " : " ", list->items[i]);
}

void trial_words_structure(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say(&pen, "%zu bytes, limit %u; wanted: three base64url segments", trial->token.len,
        trial->token_limit_bytes);
}

static void say_member(struct pen *pen, const char *name, struct slice text) {
    if (text.ptr)
        say(pen, "%s \"%s\"", name, trial_show(text).text);
    else
        say(pen, "no %s", name);
}

void trial_words_header(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_member(&pen, "alg", trial->header.alg);
    say(&pen, ", accepted RS256; ");
    say_member(&pen, "typ", trial->header.typ);
    say(&pen, ", accepted JWT, at+jwt");
}

void trial_words_kid(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_member(&pen, "kid", trial->header.kid);
}

void trial_words_payload(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    const struct token_claims *claims = &trial->claims;
    if (!claims->document)
        return;
    say(&pen, "one JSON object: %zu roles, %zu groups%s, %zu scopes", claims->roles.count,
        claims->groups.count, claims->groups_unknown ? " (not all of them)" : "",
        claims->scopes.count);
}

void trial_words_static_issuer(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_claim(&pen, "iss", &trial->claims.iss);
    if (trial->static_issuer)
        say(&pen, " is issuer %s", trial->static_issuer->name);
    else
        say(&pen, ", not one of the %zu static issuers", trial->entra->issuer_count);
}

void trial_words_tenant(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_claim(&pen, "tid", &trial->claims.tid);
    if (trial->static_issuer)
        say(&pen, ", the issuer's tenant %s", trial->static_issuer->tenant);
    else
        say_list(&pen, ", accepted", &trial->entra->tenants);
}

static void say_expected_issuer(struct pen *pen, const struct trial *trial, int version) {
    size_t tenant = trial->result->tenant_index;
    char prescribed[ISSUER_SIZE];
    const char *stated = key_ring_slot(trial->ring, key_slot_of_tenant(tenant, version))->issuer;
    if (issuer_prescribed(trial->entra, tenant, version, prescribed))
        say(pen, "; v%d: \"%s\"", version, prescribed);
    else if (stated)
        say(pen, "; v%d: \"%s\"", version, stated);
    else
        say(pen, "; v%d: not known without the tenant's metadata", version);
}

void trial_words_issuer(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_claim(&pen, "iss", &trial->claims.iss);
    if (trial->static_issuer) {
        say(&pen, " is issuer %s", trial->static_issuer->name);
        return;
    }
    if (trial->entra->accepts_v1)
        say_expected_issuer(&pen, trial, 1);
    if (trial->entra->accepts_v2)
        say_expected_issuer(&pen, trial, 2);
}

void trial_words_key(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    const struct key_set *keys = key_ring_slot(trial->ring, trial->result->slot)->keys;
    say_member(&pen, "kid", trial->header.kid);
    if (!keys)
        say(&pen, ", no key set");
    else
        say(&pen, ", %s the %zu keys of ", trial->key ? "one of" : "not among",
            key_set_count(keys));
    if (keys && trial->static_issuer)
        say(&pen, "issuer %s", trial->static_issuer->name);
    else if (keys)
        say(&pen, "tenant %s, v%d", key_slot_tenant(trial->entra, trial->result->slot),
            trial->result->version);
}

void trial_words_key_issuer(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    if (slice_is_empty(trial->key->issuer))
        say(&pen, "the key is bound to no issuer");
    else
        say(&pen, "the key's issuer \"%s\"", trial_show(trial->key->issuer).text);
}

void trial_words_signature(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say(&pen, "RS256 over header and payload with key \"%s\"", trial->result->kid);
}

static void say_time(struct pen *pen, const char *name, const struct claim_time *time,
                     int64_t now_sec) {
    char text[CLOCK_RFC3339_SIZE];
    if (!time->is_usable || time->sec > INT64_C(253402300799)) {
        say(pen, "%s %s, ", name, time->is_present ? "is not a time" : "is absent");
        return;
    }
    clock_format_rfc3339(time->sec * 1000, text);
    int64_t left_sec = time->sec - now_sec;
    say(pen, "%s %.19sZ (%s%lld s%s), ", name, text, left_sec >= 0 ? "in " : "",
        (long long)(left_sec >= 0 ? left_sec : -left_sec), left_sec >= 0 ? "" : " ago");
}

void trial_words_lifetime(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_time(&pen, "nbf", &trial->claims.nbf, trial->now_sec);
    say_time(&pen, "exp", &trial->claims.exp, trial->now_sec);
    if (trial->claims.iat.is_present)
        say_time(&pen, "iat", &trial->claims.iat, trial->now_sec);
    say(&pen, "clock_skew %u s, max_token_lifetime %u s", trial->entra->clock_skew_sec,
        trial->entra->max_token_lifetime_sec);
}

void trial_words_audience(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_claim(&pen, "aud", &trial->claims.aud);
    say_list(&pen, ", accepted",
             trial->static_issuer ? &trial->static_issuer->audiences : &trial->entra->audiences);
}

void trial_words_version(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say_claim(&pen, "ver", &trial->claims.ver);
    if (!trial->static_issuer)
        say(&pen, ", expected \"%d.0\"", trial->result->version);
}

void trial_words_kind(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    const struct token_claims *claims = &trial->claims;
    say_claim(&pen, "idtyp", &claims->idtyp);
    say(&pen, ", ");
    say_claim(&pen, "scp", &claims->scp);
    say(&pen, ", %zu roles, ", claims->roles.count);
    say_claim(&pen, claims->azp.is_present ? "azp" : "appid",
              claims->azp.is_present ? &claims->azp : &claims->appid);
}

void trial_words_identity(const struct trial *trial, char out_text[TOKEN_STEP_TEXT_SIZE]) {
    struct pen pen = {out_text, 0};
    say(&pen, "%s %s through application %s",
        trial->kind.principal == PRINCIPAL_APP ? "application" : "user",
        trial_show(trial->kind.id).text, trial_show(trial->kind.app).text);
}
