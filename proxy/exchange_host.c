/* Whether a request came to whom it names: over the right scheme, and over a connection that was
 * made for its host (RFC 9110 4.2.2, 7.4). A caller that was shown one host's certificate does not
 * get at another's routes with it. */
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/tls_server.h"

bool exchange_is_for_another(struct exchange *exchange) {
    const struct h1_request *request = &exchange->request;
    const struct tls_session *tls = exchange->client->conn.tls;
    enum h1_scheme spoken = tls ? H1_SCHEME_HTTPS : H1_SCHEME_HTTP;
    struct slice name;
    if (request->scheme != H1_SCHEME_NONE && request->scheme != spoken) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0,
                        tls ? "the request target is an http URL, and this address speaks https"
                            : "the request target is an https URL, and this address speaks http");
        return true;
    }
    if (!tls || (h1_host_is_valid(request->host, &name) && tls_server_answers_for(tls, name))) {
        return false;
    }
    exchange_refuse(exchange, REASON_WRONG_HOST, 0,
                    "the TLS connection was made for another host, whose certificate does not name "
                    "this one");
    return true;
}
