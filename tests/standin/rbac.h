/* Azure RBAC for Key Vault's data plane: additive role assignments, deny assignments that win.
 * azure.md D.14. */
#ifndef BARKEEP_STANDIN_RBAC_H
#define BARKEEP_STANDIN_RBAC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "encoding.h"

#define RBAC_VAULTS "Microsoft.KeyVault/vaults/"
#define ACTION_GET_SECRET RBAC_VAULTS "secrets/getSecret/action"
#define ACTION_READ_METADATA RBAC_VAULTS "secrets/readMetadata/action"
#define ACTION_SET_SECRET RBAC_VAULTS "secrets/setSecret/action"
#define ACTION_UPDATE_SECRET RBAC_VAULTS "secrets/update/action"
#define ACTION_DELETE_SECRET RBAC_VAULTS "secrets/delete"
#define ACTION_RECOVER_SECRET RBAC_VAULTS "secrets/recover/action"
#define ACTION_PURGE_SECRET RBAC_VAULTS "secrets/purge/action"
#define ACTION_BACKUP_SECRET RBAC_VAULTS "secrets/backup/action"
#define ACTION_RESTORE_SECRET RBAC_VAULTS "secrets/restore/action"
#define ACTION_READ_KEY RBAC_VAULTS "keys/read"
#define ACTION_CREATE_KEY RBAC_VAULTS "keys/create/action"
#define ACTION_READ_CERTIFICATE RBAC_VAULTS "certificates/read"

/* A role's data actions, or what a deny assignment denies. */
struct rbac_permission {
    json_t *data_actions;     /* patterns; owned */
    json_t *not_data_actions; /* subtracted within this permission only; may be NULL; owned */
};

struct rbac_assignment {
    char id[GUID_SIZE];
    char *principal; /* object id of a user, service principal or group; "*" is everyone (deny) */
    char *object;    /* "secrets/NAME", "keys/NAME", "certificates/NAME"; NULL: the whole vault */
    uint64_t effective_ms; /* monotonic: from when on it counts */
    struct rbac_permission permission;
};

struct rbac_policy {
    struct rbac_assignment *grants;
    size_t grant_count;
    struct rbac_assignment *denies;
    size_t deny_count;
};

struct rbac_principal {
    const char *oid;
    const json_t *token_groups;     /* may be NULL */
    const json_t *directory_groups; /* may be NULL */
};

struct rbac_verdict {
    bool is_allowed;
    const struct rbac_assignment *grant; /* the one that allowed */
    const struct rbac_assignment *deny;  /* the one that denied */
};

void rbac_policy_done(struct rbac_policy *policy);

/* `role` is a built-in role's name or GUID, or a name in `custom_roles` ({name: {dataActions,
 * notDataActions}}, may be NULL). `scope` is "/" or "/secrets/NAME" and the like. It counts
 * `delay_ms` from now, as Azure propagates assignments. */
enum status rbac_grant(struct rbac_policy *policy, const json_t *custom_roles,
                       const char *principal, const char *role, const char *scope, int64_t delay_ms,
                       struct error *err);
/* `not_data_actions` may be NULL. */
enum status rbac_deny(struct rbac_policy *policy, const char *principal, json_t *data_actions,
                      json_t *not_data_actions, const char *scope, struct error *err);
/* Takes back every grant and deny of that principal; gives how many there were. */
size_t rbac_forget(struct rbac_policy *policy, const char *principal);

/* Whether `oid`, which may be "*", is the principal or a group that it is in. */
bool rbac_principal_is(const struct rbac_principal *principal, const char *oid);

/* `object` like an assignment's; NULL asks about the vault as a whole (lists). */
struct rbac_verdict rbac_decide(const struct rbac_policy *policy,
                                const struct rbac_principal *principal, const char *action,
                                const char *object);

#endif
