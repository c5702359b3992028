/* Who issued the token, and which key its issuer has for it. */
#include "auth/entra_trial.h"
#include "auth/issuer.h"
#include "auth/key_slot.h"

static enum token_outcome need_keys(struct trial *trial, enum reason reason, const char *detail) {
    (void)trial_refuse(trial, reason, "%s", detail);
    return TOKEN_NEEDS_KEYS;
}

/* A static issuer is told by its exact name, before anything else of the payload is looked at; its
 * tokens never meet the rules of the tenants, nor theirs its own. */
enum token_outcome trial_check_static_issuer(struct trial *trial) {
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
    return trial_refuse(trial, REASON_TOKEN_TENANT, "tenant %s is not the one of issuer %s",
                        trial_show(tid.text).text, trial->static_issuer->name);
}

enum token_outcome trial_check_tenant(struct trial *trial) {
    if (trial->static_issuer)
        return check_static_tenant(trial);
    struct slice tid = trial->claims.tid.text;
    if (!config_is_guid(tid))
        return trial_refuse(trial, REASON_TOKEN_TENANT, "the token names no tenant (tid)");
    const struct config_strings *tenants = &trial->entra->tenants;
    for (size_t i = 0; i < tenants->count; i++) {
        if (slice_eq_nocase(tid, slice_of_str(tenants->items[i]))) {
            trial->result->tenant_index = i;
            return TOKEN_ACCEPTED;
        }
    }
    return trial_refuse(trial, REASON_TOKEN_TENANT, "tenant %s is not configured",
                        trial_show(tid).text);
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

enum token_outcome trial_check_issuer(struct trial *trial) {
    if (trial->static_issuer)
        return TOKEN_ACCEPTED;
    struct slice iss = trial->claims.iss.text;
    if (slice_is_empty(iss))
        return trial_refuse(trial, REASON_TOKEN_ISSUER, "the token names no issuer (iss)");
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
    return trial_refuse(trial, REASON_TOKEN_ISSUER, "issuer %s is not accepted",
                        trial_show(iss).text);
}

enum token_outcome trial_check_key(struct trial *trial) {
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
enum token_outcome trial_check_key_issuer(struct trial *trial) {
    char issuer[ISSUER_SIZE];
    struct slice stated = trial->key->issuer;
    const char *tid = key_slot_tenant(trial->entra, trial->result->slot);
    if (slice_is_empty(stated) ||
        (issuer_fill(stated, tid, issuer) && slice_eq_str(trial->claims.iss.text, issuer)))
        return TOKEN_ACCEPTED;
    return trial_refuse(trial, REASON_TOKEN_ISSUER, "the signing key belongs to another issuer");
}
