/* The caller, from the claims of a token that has passed. */
#include "auth/entra_trial.h"
#include "auth/key_slot.h"

#define MAX_SHOWN_TEXT_BYTES 256

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

enum token_outcome trial_build_identity(struct trial *trial) {
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
        return trial_refuse(trial, REASON_OVERLOADED, "no memory for the caller's identity");
    return TOKEN_ACCEPTED;
}
