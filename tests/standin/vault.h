/* Vaults, their secrets and the secrets' versions. azure.md D.2. */
#ifndef BARKEEP_STANDIN_VAULT_H
#define BARKEEP_STANDIN_VAULT_H

#include <stdint.h>

#include "rbac.h"

#define VERSION_SIZE 33
#define TIME_UNSET (-1)

struct secret_version {
    char id[VERSION_SIZE];
    char *value;
    char *content_type; /* NULL when unset */
    json_t *tags;       /* NULL when unset */
    bool is_enabled;
    int64_t not_before; /* seconds since the epoch, or TIME_UNSET */
    int64_t expires;
    int64_t created;
    int64_t updated;
};

struct vault_secret {
    char *name;                      /* as first spelled; compares without regard to case */
    struct secret_version *versions; /* oldest first, never empty */
    size_t version_count;
};

struct vault {
    char *name;
    char *tenant;
    char *resource;               /* what the challenge names */
    struct vault_secret *secrets; /* sorted by name */
    size_t secret_count;
    struct rbac_policy policy;
};

struct vault_set {
    struct vault *vaults;
    size_t count;
    size_t default_index;
    json_t *custom_roles; /* {name: {dataActions, notDataActions}} */
};

void vault_set_done(struct vault_set *set);
struct vault *vault_set_find(const struct vault_set *set, const char *name);

/* Letters, digits, hyphens; at most 127. */
bool secret_name_is_valid(const char *name);
struct vault_secret *vault_secret_find(const struct vault *vault, const char *name);
/* NULL `id` is the newest. NULL when there is no such version. */
struct secret_version *vault_secret_version(const struct vault_secret *secret, const char *id);

/* Adds a version out of `{"value", "contentType", "tags", "attributes": {enabled, nbf, exp}}`,
 * making the secret if need be. A string member of another type, a value over 25 KiB and the like
 * are STATUS_INVALID with the reason; other members are ignored, as the real service does. */
enum status vault_secret_set(struct vault *vault, const char *name, const json_t *document,
                             struct secret_version **out_version, struct error *err);
/* False if there is none. */
bool vault_secret_remove(struct vault *vault, const char *name);
/* Changes what the document names (all of the above but the value). */
enum status secret_version_update(struct secret_version *version, const json_t *document,
                                  struct error *err);

#endif
