#include "vault/managed_identity.h"

#include <stdlib.h>

#include "vault/app_service.h"
#include "vault/arc.h"
#include "vault/imds.h"

/* Its endpoint has a certificate of its own making that only the thumbprint vouches for. */
static bool is_service_fabric(void) {
    const char *thumbprint = getenv("IDENTITY_SERVER_THUMBPRINT");
    return thumbprint && thumbprint[0] && app_service_is_here();
}

static enum managed_source source_of(const struct config_identity *config) {
    if (config->endpoint)
        return MANAGED_IMDS;
    if (app_service_is_here())
        return MANAGED_APP_SERVICE;
    return arc_is_here() ? MANAGED_ARC : MANAGED_IMDS;
}

enum status managed_identity_init(struct managed_identity *managed,
                                  const struct config_identity *config, struct error *err) {
    *managed = (struct managed_identity){.source = source_of(config)};
    if (managed->source == MANAGED_APP_SERVICE && is_service_fabric())
        return error_set(err, STATUS_INVALID,
                         "identity: managed identities of Service Fabric are not supported");
    if (managed->source != MANAGED_IMDS)
        return STATUS_OK;
    managed->imds_endpoint = imds_endpoint(config, err);
    return managed->imds_endpoint ? STATUS_OK : STATUS_INVALID;
}

void managed_identity_done(struct managed_identity *managed) {
    free(managed->imds_endpoint);
    managed->imds_endpoint = NULL;
}

enum status managed_identity_request(const struct managed_identity *managed,
                                     const struct config_identity *config, const char *resource,
                                     struct slice challenge, struct token_request *out_request,
                                     struct error *err) {
    switch (managed->source) {
    case MANAGED_APP_SERVICE:
        return app_service_request(config, resource, out_request, err);
    case MANAGED_ARC:
        if (challenge.len > 0)
            return arc_answer_request(config, resource, challenge, out_request, err);
        return arc_request(config, resource, out_request, err);
    case MANAGED_IMDS:
        break;
    }
    return imds_request(managed->imds_endpoint, config, resource, out_request, err);
}
