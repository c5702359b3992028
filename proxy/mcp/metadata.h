/* What an MCP client is told about signing in: protected-resource metadata (RFC 9728), challenges,
 * CORS for browsers, and JSON 404s where OAuth servers are looked for in vain. Contract section 7.
 */
#ifndef BARKEEP_PROXY_MCP_METADATA_H
#define BARKEEP_PROXY_MCP_METADATA_H

#include "config/config.h"
#include "core/buf.h"
#include "proxy/router.h"

enum mcp_page {
    MCP_PAGE_NONE,
    MCP_PAGE_RESOURCE, /* /.well-known/oauth-protected-resource, with or without the route's path */
    MCP_PAGE_FACADE,   /* /.well-known/oauth-authorization-server and openid-configuration, facade
                          only */
    MCP_PAGE_AUTHORIZE, /* facade: redirects to the authority */
    MCP_PAGE_TOKEN,     /* facade: POST, passed on to the authority */
    MCP_PAGE_REGISTER,  /* facade: POST, answers with the configured client */
    MCP_PAGE_NOT_HERE,  /* an OAuth path that is not served here: 404 with a JSON body */
};

/* What stands between an origin and a resource's path (RFC 9728 3.1). */
#define MCP_RESOURCE_WELL_KNOWN "/.well-known/oauth-protected-resource"

/* Which page the canonical `path` is on this host (without port), and of which route. Only on hosts
 * where some route's resource is, and only when no route claims the path more closely than "/".
 * A resource is on every host where requests for its path come to its route. Without a path behind
 * it, the well-known name is for the resource that is the whole host, else for the first in the
 * file whose URL has this host, else for the first; pages of a facade are likewise those of the
 * first route that has one. */
enum mcp_page mcp_page_find(const struct config *config, const struct router *router,
                            struct slice host, struct slice path, size_t *out_route);
/* RFC 9728. */
void mcp_write_resource_metadata(struct buf *out, const struct config *config, size_t route);
void mcp_write_not_here(struct buf *out);

/* WWW-Authenticate for 401 (token_came: error="invalid_token") and for 403 insufficient_scope,
 * Bearer first, from configuration alone. `scopes` are those to ask for, space-separated; may be
 * empty. */
void mcp_write_challenge(struct buf *out, const struct config *config, size_t route, int status,
                         bool token_came, struct slice scopes);
/* Scopes that rules of the route name which would grant the method and name; space-separated, in
 * the form a client has to ask for ("https://gw.example/mcp/mcp.read"). Where some rule would grant
 * it and none of the route's names a scope, it is ".default": roles and groups may have come since
 * the token was issued. Without a resource there are none. */
void mcp_write_scopes(struct buf *out, const struct config *config, size_t route,
                      struct slice method, struct slice name);
/* For a 401, which comes before it is known what the operation is: all that the metadata names, as
 * long as they are few enough for a header. */
void mcp_write_all_scopes(struct buf *out, const struct config *config, size_t route);

/* An Origin that is sent has to be the resource's own or among allowed_origins. */
bool mcp_origin_is_allowed(const struct config_mcp *mcp, struct slice origin);
/* Field lines for a browser whose Origin is allowed. */
void mcp_write_cors(struct buf *out, struct slice origin);
/* The same for a preflight; `asked` is its Access-Control-Request-Headers, of which those that
 * carry a tool's parameters are allowed by name. */
void mcp_write_preflight(struct buf *out, struct slice origin, struct slice asked);

#endif
