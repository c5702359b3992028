/* TLS towards upstreams: one context per route, made when the configuration is loaded; sessions
 * that conn.c reads and writes through. OpenSSL is known to tls.c alone. */
#ifndef BARKEEP_PROXY_TLS_H
#define BARKEEP_PROXY_TLS_H

#include "config/config.h"

struct client_certificate;
struct tls_context;
struct tls_session;

/* How `route` speaks to its https upstreams: verification, CA, protocol versions. NULL with err. */
struct tls_context *tls_context_new(const struct config_route *route, struct error *err);
void tls_context_free(struct tls_context *context); /* NULL is fine */

#endif
