/* Where a sign-in may lead back to: what a code is sent to. */
#ifndef BARKEEP_PROXY_MCP_REDIRECT_URI_H
#define BARKEEP_PROXY_MCP_REDIRECT_URI_H

#include "config/config.h"

/* As it is written in the configuration, byte for byte; of a loopback address that is written
 * without a port any port will do (RFC 8252 7.3). With none configured: loopback addresses alone.
 */
bool redirect_uri_is_allowed(const struct config_mcp_facade *facade, struct slice uri);

#endif
