/* A client that signs in through a facade: its form or registration read whole, judged, answered
 * here or by way of the keeper. A part of PHASE_OWN_PAGE. */
#ifndef BARKEEP_PROXY_SIGN_IN_H
#define BARKEEP_PROXY_SIGN_IN_H

#include "proxy/exchange.h"
#include "proxy/mcp/metadata.h"

/* What every answer to whoever signs in says, refusals too: pages of any origin may read it. */
#define SIGN_IN_CORS                                                                               \
    "Access-Control-Allow-Origin: *\r\n"                                                           \
    "Access-Control-Expose-Headers: www-authenticate, x-request-id, retry-after\r\n"
/* And nobody keeps it. */
#define SIGN_IN_FIELDS "Cache-Control: no-store\r\n" SIGN_IN_CORS

/* Of MCP_PAGE_AUTHORIZE, _REGISTER and _TOKEN, of a route where the facade is on. */
void sign_in_begin(struct exchange *exchange, enum mcp_page page, size_t route);
/* While there is no page yet. */
void sign_in_step(struct exchange *exchange);
/* The keeper's answer: the exchange goes on with its next step. */
void sign_in_take_answer(struct exchange *exchange, struct token_relay_want *answer);
/* The time for it is over: refused, and true. False when the answer is there already. */
bool sign_in_is_late(struct exchange *exchange);
/* As a field's line. */
struct slice sign_in_allowed_methods(const struct exchange *exchange);
void sign_in_free(struct exchange *exchange);

#endif
