/* Vaults from before RBAC: access policies. azure.md D.5 (AccessDenied). */
#ifndef BARKEEP_STANDIN_ACCESS_POLICY_H
#define BARKEEP_STANDIN_ACCESS_POLICY_H

#include <jansson.h>
#include <stdbool.h>

#include "core/status.h"
#include "rbac.h"

struct access_policies {
    bool is_used; /* the vault asks them and not RBAC */
    json_t *list; /* [{"principal": GUID, "secrets": ["get", ...], "keys", "certificates"}] */
};

void access_policies_done(struct access_policies *policies);
/* Takes a reference to `list` and makes the vault use it. */
enum status access_policies_use(struct access_policies *policies, json_t *list, struct error *err);

struct access_verdict {
    bool is_allowed;
    bool is_known; /* a policy is about the caller */
    char collection[16];
    char permission[16]; /* what it would have needed */
};

/* `action` is RBAC's name of it; `is_list` tells listing from getting where RBAC has one action. */
struct access_verdict access_policies_decide(const struct access_policies *policies,
                                             const struct rbac_principal *principal,
                                             const char *action, bool is_list);

#endif
