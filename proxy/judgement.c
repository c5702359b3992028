/* The pure part of judging a request: nothing here knows of connections, waits or answers. */
#include "proxy/judgement.h"

#include <stdio.h>

#include "proxy/h1_head.h"
#include "proxy/mcp/resource.h"

#define OWN_PAGE_PATH "/.well-known/barkeep/jwks.json"

static struct judgement_refusal pass(void) {
    return (struct judgement_refusal){REASON_NONE, ""};
}

static struct judgement_refusal refuse(enum reason reason, const char *detail) {
    return (struct judgement_refusal){reason, detail};
}

struct slice judgement_host(struct slice host) {
    struct slice name;
    return h1_host_is_valid(host, &name) ? name : host;
}

struct judgement_refusal judgement_read_target(struct slice target, char *bytes,
                                               struct judgement_target *out_target) {
    struct slice raw_path;
    request_target_split(target, &raw_path, &out_target->query, &out_target->has_query);
    switch (request_path_canonical(raw_path, bytes, &out_target->path)) {
    case PATH_OK:
        return pass();
    case PATH_MALFORMED:
        return refuse(REASON_BAD_REQUEST, "the request target is not a valid path");
    case PATH_AMBIGUOUS:
        break;
    }
    return refuse(REASON_PATH_AMBIGUOUS, "the path could be read in more than one way");
}

/* A resource with a name is one server: beside it, whatever else the upstream serves is not behind
 * the route. Without one the path below the route's is the server's, as on any other route. */
static bool is_beside_mcp_server(const struct config_mcp *mcp, struct slice path,
                                 struct slice below) {
    struct mcp_resource resource;
    struct slice rest;
    if (!mcp || slice_eq(below, SLICE("/")) || !mcp_resource_read(mcp, &resource)) {
        return false;
    }
    struct slice prefix = resource.path.len == 0 ? SLICE("/") : resource.path;
    return !request_path_below(path, prefix, &rest);
}

struct judgement_refusal judgement_find_route(const struct config *config,
                                              const struct router *router, struct slice host,
                                              const struct request_path *path, size_t *out_route,
                                              struct slice *out_below) {
    *out_route = router_find(router, judgement_host(host), path->text, out_below);
    if (*out_route == CONFIG_NONE) {
        return refuse(REASON_NO_ROUTE, "no route matches this host and path");
    }
    if (path->has_encoded_slash && !config->routes[*out_route].pass_encoded_slashes) {
        return refuse(REASON_PATH_AMBIGUOUS, "%2F is not accepted on this route");
    }
    if (is_beside_mcp_server(config->routes[*out_route].mcp, path->text, *out_below)) {
        return refuse(REASON_NO_ROUTE, "the MCP server of this route has another path");
    }
    return pass();
}

bool judgement_is_own_page(struct slice path) {
    return slice_eq(path, SLICE(OWN_PAGE_PATH));
}

enum reason judgement_of_revocation(const struct revocation *revocation,
                                    const struct identity *identity) {
    return revocation->has_not_before && identity->accepts_claims_challenge ? REASON_CLAIMS_REQUIRED
                                                                            : REASON_DENIED;
}

bool judgement_needs_groups(const struct config *config, const struct decision *decision) {
    return decision->depends_on_groups && !config->entra.overage_refused;
}

const char *judgement_detail(enum reason reason) {
    switch (reason) {
    case REASON_DENIED:
        return "a deny rule matches this caller and action";
    case REASON_GROUPS_UNKNOWN:
        return "the token does not carry all of the caller's groups, and a rule about groups would "
               "decide";
    default:
        return "no access entry grants this caller this action here";
    }
}

void judgement_sign_in_detail(const struct decision *decision,
                              char out_detail[JUDGEMENT_DETAIL_SIZE]) {
    struct slice acrs = decision->needed_acrs;
    snprintf(out_detail, JUDGEMENT_DETAIL_SIZE, "this needs a sign-in %s%s%s%.*s%s",
             decision->needs_mfa ? "with more than one factor (amr: mfa)" : "",
             decision->needs_mfa && acrs.len ? ", and " : "",
             acrs.len ? "that satisfies authentication context " : "", SLICE_ARGS(acrs),
             acrs.len ? " (acrs)" : "");
}

bool judgement_has_nobody_to_stand_for(const struct config *config, size_t credential,
                                       const struct identity *identity) {
    return credential != CONFIG_NONE &&
           config->credentials[credential].kind == CREDENTIAL_ON_BEHALF_OF &&
           identity->type == PRINCIPAL_APP;
}
