/* The running stand-in, and who answers what. */
#ifndef BARKEEP_STANDIN_STANDIN_H
#define BARKEEP_STANDIN_STANDIN_H

#include <pthread.h>

#include "certificates.h"
#include "faults.h"
#include "machine.h"
#include "world.h"

struct standin {
    pthread_mutex_t lock; /* held while a request is answered, never while it waits */
    struct world world;
    struct machine machine;
    struct faults faults;
    struct client_ca client_ca; /* signs the certificates of the vaults */
};

/* Each of these is called with the lock held. */
void entra_metadata(struct standin *standin, const struct request *request, struct reply *reply);
void entra_keys(struct standin *standin, const struct request *request, struct reply *reply);
/* The same of one policy, as Azure AD B2C has them. */
void entra_policy_metadata(struct standin *standin, const struct request *request,
                           struct reply *reply);
void entra_policy_keys(struct standin *standin, const struct request *request, struct reply *reply);
void entra_authorize(struct standin *standin, const struct request *request, struct reply *reply);
void entra_token(struct standin *standin, const struct request *request, struct reply *reply);
void key_vault(struct standin *standin, const struct request *request, struct reply *reply);
/* Whether a request is for a vault, by its host or its path. */
bool key_vault_owns(const struct request *request);
void graph(struct standin *standin, const struct request *request, struct reply *reply);
void imds(struct standin *standin, const struct request *request, struct reply *reply);
void arc(struct standin *standin, const struct request *request, struct reply *reply);
void app_service(struct standin *standin, const struct request *request, struct reply *reply);
void admin(struct standin *standin, const struct request *request, struct reply *reply);

/* The http_handler: counts, lets faults have their way, and finds the one that answers. */
void routes_dispatch(void *standin, const struct request *request, struct reply *reply);

#endif
