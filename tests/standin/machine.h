/* The machine that managed identities belong to: what its local endpoints ask callers to prove.
 * azure.md C.6, C.7. */
#ifndef BARKEEP_STANDIN_MACHINE_H
#define BARKEEP_STANDIN_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

#define ARC_FOLDER "/var/opt/azcmagent/tokens"
#define APP_SERVICE_HEADER "canary-identity-header-5d20"
#define ARC_KEYS_MAX 16

struct arc_key {
    char *path; /* removed with the key */
    char *content;
};

struct machine {
    char *identity_header; /* App Service's secret */
    char *arc_folder;
    char *arc_realm;                   /* a test's lie about where the key is; NULL: the truth */
    size_t arc_key_bytes;              /* how long keys are; a test may want absurd ones */
    struct arc_key keys[ARC_KEYS_MAX]; /* handed out and not used yet, oldest first */
    size_t key_count;
};

/* `arc_folder` NULL: where Azure Arc has it. */
void machine_init(struct machine *machine, const char *arc_folder);
/* Removes the key files that are left. */
void machine_done(struct machine *machine);

/* Writes a new key file; `*out_path` belongs to the machine. The oldest goes when there are too
 * many. */
enum status machine_make_key(struct machine *machine, const char **out_path, struct error *err);
/* Whether `content` is a key handed out. It is good once. */
bool machine_use_key(struct machine *machine, const char *content);

#endif
