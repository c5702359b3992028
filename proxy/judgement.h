/* What the data path and explanations judge a request by, beside the rules: pure functions, so that
 * both say the same. Each refusal is a reason and the detail that goes with it. */
#ifndef BARKEEP_PROXY_JUDGEMENT_H
#define BARKEEP_PROXY_JUDGEMENT_H

#include "auth/policy.h"
#include "auth/revocation.h"
#include "core/request_path.h"
#include "proxy/router.h"

/* reason REASON_NONE: nothing speaks against it. `detail` is a fixed text. */
struct judgement_refusal {
    enum reason reason;
    const char *detail;
};

/* A request's target, split and read. */
struct judgement_target {
    struct request_path path;
    struct slice query;
    bool has_query;
};

/* Host without port, as routes see it. */
struct slice judgement_host(struct slice host);

/* The target's one canonical reading; `bytes` has room for all of the target and must live as long
 * as what it is read into. */
struct judgement_refusal judgement_read_target(struct slice target, char *bytes,
                                               struct judgement_target *out_target);

/* Which route, and whether it takes this path. `out_route` and `out_below` are also written when
 * the route refuses it; without a route *out_route is CONFIG_NONE. */
struct judgement_refusal judgement_find_route(const struct config *config,
                                              const struct router *router, struct slice host,
                                              const struct request_path *path, size_t *out_route,
                                              struct slice *out_below);

/* What barkeep itself serves, whatever the routes. */
bool judgement_is_own_page(struct slice path);

/* Why a revoked caller is refused: another sign-in may help, or none. */
enum reason judgement_of_revocation(const struct revocation *revocation,
                                    const struct identity *identity);

/* True when the decision waits for the caller's groups, and somebody may be asked about them. */
bool judgement_needs_groups(const struct config *config, const struct decision *decision);

/* The detail of a refusal by the rules. */
const char *judgement_detail(enum reason reason);

/* What the decision wants of the sign-in, in words. */
#define JUDGEMENT_DETAIL_SIZE 200
void judgement_sign_in_detail(const struct decision *decision,
                              char out_detail[JUDGEMENT_DETAIL_SIZE]);

/* True when the credential is the caller's own token exchanged and there is no user behind it. */
bool judgement_has_nobody_to_stand_for(const struct config *config, size_t credential,
                                       const struct identity *identity);
#define JUDGEMENT_NOBODY_DETAIL                                                                    \
    "the backend is called in a user's name, and an app-only token has none"
#define JUDGEMENT_PINS_DETAIL "the tool's definition is not the one that was approved"
#define JUDGEMENT_UNLISTED_DETAIL                                                                  \
    "the server has not listed the approved tool yet: tools/list comes before its calls"

#endif
