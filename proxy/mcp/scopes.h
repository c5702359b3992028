/* Which scopes the rules of a route name, in the form that clients ask Entra ID for. */
#ifndef BARKEEP_PROXY_MCP_SCOPES_H
#define BARKEEP_PROXY_MCP_SCOPES_H

#include "config/config.h"
#include "core/buf.h"

enum { MCP_SCOPES_MAX = 64 };

/* Each once, in file order, the route's before the top level's; further ones are left out. They
 * live as long as the configuration. */
struct mcp_scopes {
    const char *items[MCP_SCOPES_MAX];
    size_t count;
};

/* All of them. */
void mcp_scopes_of_route(const struct config *config, size_t route, struct mcp_scopes *out_scopes);
/* Those of entries that grant the method with this name, whatever the arguments, to those who have
 * them. True when some entry grants it at all, scopes or not. */
bool mcp_scopes_for(const struct config *config, size_t route, struct slice method,
                    struct slice name, struct mcp_scopes *out_scopes);
/* "https://gw.example/mcp/mcp.read": behind the application's ID URI, which is the resource; where
 * a facade stands it is an audience. */
void mcp_write_scope(struct buf *out, const struct config *config, size_t route, const char *scope);
/* Appends "scopes_supported", with what refresh tokens are asked for by where that is wanted. */
struct json_out;
void mcp_write_supported_scopes(struct json_out *out, const struct config *config, size_t route,
                                bool with_offline);

/* Whatever was consented to: what to ask for when the rules name no scope, for Entra ID wants one.
 */
#define MCP_SCOPE_DEFAULT ".default"

#endif
