/* Vaults and the objects in them: secrets, keys and certificates, their versions, and what was
 * deleted and may be recovered. azure.md D.1, D.2, D.8. */
#ifndef BARKEEP_STANDIN_VAULT_H
#define BARKEEP_STANDIN_VAULT_H

#include "access_policy.h"
#include "key_pair.h"
#include "rbac.h"
#include "vault_attributes.h"
#include "vault_gate.h"

#define VERSION_SIZE 33

enum collection {
    COLLECTION_SECRETS,
    COLLECTION_KEYS,
    COLLECTION_CERTIFICATES,
    COLLECTION_COUNT,
};

/* A version of a secret, a key or a certificate: what belongs to another kind is NULL. */
struct vault_version {
    char id[VERSION_SIZE];
    struct attributes attributes;
    json_t *tags; /* NULL when unset */
    /* Secrets have a value; certificates have the content type that their secret has. */
    char *value;
    char *content_type;   /* NULL when unset */
    bool is_managed;      /* a certificate's key or secret */
    struct key_pair *key; /* keys only */
    char *chain_pem;      /* certificates only: theirs, then the issuer's */
    json_t *policy;       /* certificates only */
};

struct vault_object {
    char *name;                     /* as first spelled; compares without regard to case */
    struct vault_version *versions; /* oldest first, never empty */
    size_t version_count;
    int64_t deleted;   /* seconds since the epoch, of what was deleted */
    uint64_t ready_ms; /* monotonic: deletion or recovery is done by then */
};

struct shelf {
    struct vault_object *objects; /* sorted by name */
    size_t count;
};

struct vault {
    char *name;
    char *tenant;
    char *resource; /* what the challenge names */
    struct shelf shelves[COLLECTION_COUNT];
    struct shelf deleted[COLLECTION_COUNT];
    int64_t delete_delay_ms; /* how long deletion and recovery take */
    int64_t recover_delay_ms;
    json_t *orders; /* {collection: {name: order}}: seeded, and made when first asked for */
    struct rbac_policy policy;
    struct access_policies access;
    struct vault_gate gate;
};

struct vault_set {
    struct vault *vaults;
    size_t count;
    size_t default_index;
    json_t *custom_roles; /* {name: {dataActions, notDataActions}} */
};

void vault_set_done(struct vault_set *set);
struct vault *vault_set_find(const struct vault_set *set, const char *name);

/* "secrets", "keys", "certificates". */
const char *collection_name(enum collection collection);

/* Letters, digits, hyphens; at most 127. */
bool object_name_is_valid(const char *name);
/* NULL for what is deleted or not recovered yet. */
struct vault_object *vault_find(const struct vault *vault, enum collection collection,
                                const char *name);
/* NULL `id` is the newest. NULL when there is no such version. */
struct vault_version *vault_version(const struct vault_object *object, const char *id);
/* Adds a version, empty but for its id (`id` NULL: a new one) and fresh attributes, making the
 * object if need be. */
enum status vault_add(struct vault *vault, enum collection collection, const char *name,
                      const char *id, struct vault_version **out_version, struct error *err);

/* The inner code of azure.md D.5's conflict: why the name cannot be used now. NULL when it can. */
const char *vault_conflict(const struct vault *vault, enum collection collection, const char *name);
/* Takes it off for good. False if there is none. */
bool vault_forget(struct vault *vault, enum collection collection, const char *name);
/* Soft deletion. The object as it will be found when that is done; NULL if there is none. */
struct vault_object *vault_delete(struct vault *vault, enum collection collection,
                                  const char *name);
/* NULL as long as deletion is under way. */
struct vault_object *vault_find_deleted(const struct vault *vault, enum collection collection,
                                        const char *name);
/* The object as it will be back; NULL if there is nothing to recover. */
struct vault_object *vault_recover(struct vault *vault, enum collection collection,
                                   const char *name);
bool vault_purge(struct vault *vault, enum collection collection, const char *name);

#endif
