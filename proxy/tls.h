/* TLS towards upstreams: one context per route, made when the configuration is loaded; each
 * connection's session begins with it. */
#ifndef BARKEEP_PROXY_TLS_H
#define BARKEEP_PROXY_TLS_H

#include "config/config.h"

struct client_certificate;
struct ssl_session_st; /* OpenSSL's SSL_SESSION */
struct tls_context;
struct tls_session;

/* STATUS_INVALID when the route's `ca` is wanted and nothing can be read from it. */
enum status tls_check_authorities(const struct config_route *route, struct error *err);

/* How each route speaks to its https upstreams: verification, authorities, protocol versions; NULL
 * for routes without any. Immutable, for all threads; refers to `config`. The caller frees the
 * array with tls_contexts_free(). NULL with err. */
struct tls_context **tls_contexts_new(const struct config *config, struct error *err);
void tls_contexts_free(struct tls_context **contexts, size_t count); /* NULL is fine */

/* What shortens the next handshake with the same peer under the same certificate. Embed;
 * zero-initialise. */
struct tls_ticket {
    struct ssl_session_st *session;
};
void tls_ticket_done(struct tls_ticket *ticket);

/* The client's side of a connection to `upstream` over the connected socket `fd`. `certificate`
 * (NULL: none) is presented when the peer asks for one. `ticket` is used, and renewed as long as
 * the session lives. NULL without memory. */
struct tls_session *tls_context_connect(const struct tls_context *context,
                                        const struct config_upstream *upstream, int fd,
                                        const struct client_certificate *certificate,
                                        struct tls_ticket *ticket);

#endif
