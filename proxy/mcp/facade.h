/* Barkeep stands for the authorization server: it tells clients what Entra ID leaves out of its
 * metadata, gives all of them the one registered client id, drops the parameter `resource`, and
 * lets sign-ins lead back only to where the configuration says. It has no part in the sign-in
 * itself and adds no secret: only public clients sign in here. mcp.md 1.6. */
#ifndef BARKEEP_PROXY_MCP_FACADE_H
#define BARKEEP_PROXY_MCP_FACADE_H

#include "config/config.h"
#include "core/buf.h"

/* Of a request to one of a facade's pages: RFC 6749 5.2, RFC 7591 3.2.2. Fixed texts. */
struct facade_error {
    const char *code;
    const char *description;
};

/* There is a facade, and a tenant to sign in to. */
bool facade_is_on(const struct config *config, size_t route);

/* Of a route where it is on: */

/* RFC 8414. */
void facade_write_metadata(struct buf *out, const struct config *config, size_t route);
/* Where the browser goes on, NUL-terminated. False: the request is refused, without a redirect. */
bool facade_authorize(const struct config *config, size_t route, struct slice query,
                      struct buf *out_location, struct facade_error *out_error);
/* The answer to a registration (RFC 7591), with status 201. False: 400. */
bool facade_register(const struct config *config, size_t route, struct slice body, struct buf *out,
                     struct facade_error *out_error);
/* The form as it goes to the token endpoint. False: 400. */
bool facade_token_form(const struct config *config, size_t route, struct slice body,
                       struct buf *out_form, struct facade_error *out_error);
/* The authority's token endpoint, NUL-terminated. */
void facade_write_token_url(struct buf *out, const struct config *config);
void facade_write_error(struct buf *out, const struct facade_error *error);

#endif
