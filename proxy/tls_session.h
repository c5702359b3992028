/* One TLS connection over a non-blocking stream socket that somebody else watches and closes: the
 * client's side or the server's. It works by edges as conn.c does: what the kernel has nothing for
 * is not asked for again before tls_session_note() says so. */
#ifndef BARKEEP_PROXY_TLS_SESSION_H
#define BARKEEP_PROXY_TLS_SESSION_H

#include "proxy/conn.h"

struct ssl_st; /* OpenSSL's SSL */
struct tls_session;

/* For `ssl`, whose role, peer and certificate are set, over the socket `fd`. Takes `ssl` in every
 * case. NULL without memory. */
struct tls_session *tls_session_new(struct ssl_st *ssl, int fd);
void tls_session_free(struct tls_session *session); /* NULL is fine */

/* What epoll said of the socket; `is_last`: no further edge for reading will come. */
void tls_session_note(struct tls_session *session, bool readable, bool writable, bool is_last);
/* Whether a call may get further now. Reading may, too, because of bytes that are here already. */
bool tls_session_may_read(const struct tls_session *session);
bool tls_session_may_write(const struct tls_session *session);

/* IO_OK once the peer is verified and the keys are agreed; IO_WAIT; IO_ERROR. */
enum io_result tls_session_handshake(struct tls_session *session);
/* Fills `room` as far as there are bytes: IO_OK when at least one came. IO_EOF only after the
 * peer's close_notify: a connection that just ends was cut, which is IO_ERROR. */
enum io_result tls_session_read(struct tls_session *session, char *bytes, size_t room,
                                size_t *out_got);
/* After IO_WAIT the next call's bytes must begin with those that were not sent. Reading goes on
 * after IO_ERROR: the peer may have said something before it stopped listening. */
enum io_result tls_session_write(struct tls_session *session, struct slice bytes, size_t *out_sent);
/* True when the peer has neither sent nor ended anything, asked of the kernel now. Takes in what
 * is TLS's own (tickets, new keys). */
bool tls_session_is_quiet(struct tls_session *session);
/* Says goodbye (close_notify): IO_OK once it is said, or when there is nobody to say it to; IO_WAIT
 * when the socket takes nothing now. Reading goes on. */
enum io_result tls_session_finish(struct tls_session *session);

/* For whoever made it; NULL never. */
struct ssl_st *tls_session_ssl(const struct tls_session *session);
/* The peer has sent at least a byte. */
bool tls_session_has_heard(const struct tls_session *session);
/* It was ended because the peer kept sending what moves nothing: new keys, empty records, records
 * of a byte. */
bool tls_session_is_flooded(const struct tls_session *session);
/* The handshake was shortened by a ticket. */
bool tls_session_was_resumed(const struct tls_session *session);
/* The handshake failed because the peer speaks plain HTTP. */
bool tls_session_met_http(const struct tls_session *session);

/* Why IO_ERROR, in words of our own; NULL while nothing failed. Lives for ever. */
const char *tls_session_problem(const struct tls_session *session);
/* The peer ended it with an alert: it did not like what it got, our certificate for one. */
bool tls_session_was_refused(const struct tls_session *session);

#endif
