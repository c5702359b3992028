/* The opening of a WebSocket (RFC 6455 4), as strictly as everything else: pure functions over
 * heads that were read. */
#ifndef BARKEEP_PROXY_WEBSOCKET_H
#define BARKEEP_PROXY_WEBSOCKET_H

#include "proxy/h1_head.h"

enum websocket_wish {
    WEBSOCKET_NOT_WISHED, /* an ordinary request, whatever else it would like to upgrade to */
    WEBSOCKET_WISHED,
    WEBSOCKET_MALFORMED, /* it means to open one and says so wrongly */
};

/* RFC 6455 4.2.1: a GET of HTTP/1.1 without a body, Connection naming upgrade, one Upgrade:
 * websocket and nothing beside it, one version, 13, one key of 16 bytes. *out_problem is why it is
 * malformed; it lives for ever. */
enum websocket_wish websocket_read_wish(const struct h1_request *request, const char **out_problem);

/* RFC 6455 4.1: NULL when the 101 in `response` answers `request`, else what is wrong with it,
 * which lives for ever. `offered_extensions`: the upstream was told what extensions the request
 * asks for.
 */
const char *websocket_answer_problem(const struct h1_request *request,
                                     const struct h1_response *response, bool offered_extensions);

enum { WEBSOCKET_ACCEPT_SIZE = 29 };
/* The Sec-WebSocket-Accept that answers `key`, and NUL. */
bool websocket_accept(struct slice key, char out_accept[WEBSOCKET_ACCEPT_SIZE]);

#endif
