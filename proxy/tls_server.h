/* TLS towards callers: what a listener shows them and asks of them. One per listener, made when the
 * configuration is loaded; each accepted connection's session begins with the newest. */
#ifndef BARKEEP_PROXY_TLS_SERVER_H
#define BARKEEP_PROXY_TLS_SERVER_H

#include "config/config.h"

struct tls_server;
struct tls_session;

/* By entry of `listen`, NULL for those without TLS; reads the files they name. The caller frees the
 * array with tls_servers_free(). NULL with err. */
struct tls_server **tls_servers_new(const struct config *config, struct error *err);
void tls_servers_free(struct tls_server **servers, size_t count); /* NULL is fine */

/* Immutable, for all threads. */
struct tls_server *tls_server_ref(struct tls_server *server); /* NULL is fine */
void tls_server_unref(struct tls_server *server);             /* NULL is fine */
/* The reference in *server becomes one to what of `servers` is for the same address, if anything
 * is: a listener that listens goes on as it is until a restart. */
void tls_server_renew(struct tls_server **server, struct tls_server *const *servers, size_t count);

/* Which certificate a caller is shown that asks for `name` (NULL: it does not say): the first that
 * names it, else the first with a wildcard for it, else the first. */
size_t tls_server_choose(const struct tls_server *server, const char *name);
/* Whether the caller of `session` may ask for `host`, a valid Host's name, over it: it named no
 * host, or this one, or one whose certificate names this one too (RFC 9110 7.4). */
bool tls_server_answers_for(const struct tls_session *session, struct slice host);
/* The server's side of a connection over the accepted socket `fd`. NULL without memory. */
struct tls_session *tls_server_accept(struct tls_server *server, int fd);

/* As it is read to be shown, key included, which takes secret memory: what is wrong with it.
 * STATUS_LIMIT when that is its time alone. */
enum status tls_server_check_certificate(const struct config_listen_certificate *files,
                                         struct error *err);
/* STATUS_INVALID when nothing can be read from the authorities of `tls`, STATUS_LIMIT when one of
 * them has expired. */
enum status tls_server_check_authorities(const struct config_listen_tls *tls, struct error *err);

#endif
