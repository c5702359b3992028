/* One non-blocking stream socket with its two buffers, plain or under TLS: what client and upstream
 * connections have in common. Watched once, edge-triggered, for both directions; `can_read` and
 * `can_write` remember the edges. */
#ifndef BARKEEP_PROXY_CONN_H
#define BARKEEP_PROXY_CONN_H

#include "core/loop.h"
#include "proxy/io_buffer.h"

struct tls_session;

enum io_result {
    IO_OK,    /* bytes moved (fill), everything sent (flush) */
    IO_WAIT,  /* the kernel has nothing to give or no room to take */
    IO_FULL,  /* our buffer has no room (fill), or no block was to be had */
    IO_EOF,   /* the peer has finished sending; under TLS it has said so itself */
    IO_ERROR, /* the connection is broken, or under TLS was cut */
};

struct conn {
    struct loop_watch watch;
    struct io_buffer in;
    struct io_buffer out;
    struct io_pool *pool;
    struct tls_session *tls; /* NULL: plain */
    bool can_read; /* reading may get further; under TLS also because of bytes that lie there */
    bool can_write;
    bool peer_finished; /* EPOLLRDHUP was seen: reading ends with EOF once the buffered bytes are
                           taken */
    bool has_finished;  /* we have finished sending: EPOLLHUP then is the peer's orderly end */
    bool is_broken;     /* EPOLLERR or EPOLLHUP, or a failed call */
};

/* Starts watching `fd`, which the connection owns from then on. */
enum status conn_open(struct conn *conn, struct loop *loop, struct io_pool *pool, int fd,
                      loop_on_event *on_event, void *owner);
/* From here on everything goes through `tls`, which the connection owns from then on. */
void conn_start_tls(struct conn *conn, struct tls_session *tls);
/* IO_OK once the peer is who it should be, IO_WAIT or IO_ERROR. */
enum io_result conn_handshake(struct conn *conn);
/* After a handshake that failed: what is left is a plain connection, to say so and to let the peer
 * finish. */
void conn_drop_tls(struct conn *conn);
/* Stops watching, closes the descriptor (after TLS's goodbye), gives the buffers back. Idempotent.
 */
void conn_close(struct conn *conn, struct loop *loop);
/* With a reset instead of an orderly end, so that the peer sees a cut as a cut. */
void conn_close_with_reset(struct conn *conn, struct loop *loop);

/* Folds epoll's events into the flags. */
void conn_note_events(struct conn *conn, uint32_t epoll_events);

/* Reads into `in` what is there, as far as it has room. */
enum io_result conn_fill(struct conn *conn);
/* Sends `out` as far as it goes; gives the block back when all is sent. */
enum io_result conn_flush(struct conn *conn);
/* Sends straight from `bytes` when `out` is empty; *out_sent says how much went. After IO_WAIT what
 * is sent next must begin with the bytes that did not go: TLS has sealed some of them. */
enum io_result conn_send_direct(struct conn *conn, struct slice bytes, size_t *out_sent);
/* Moves up to `count` bytes from a plain connection, none of which is in `in`, into an empty pipe.
 * Returns how many. After 0 conn_fill() says why: nothing is there, the end, a failure, or an
 * urgent byte, which splice(2) does not pass and says nothing of. */
size_t conn_splice_in(struct conn *conn, const struct pipe *pipe, size_t count);
/* Moves `count` bytes, all that is in the pipe, to a plain connection whose `out` is empty. */
enum io_result conn_splice_out(struct conn *conn, const struct pipe *pipe, size_t count,
                               size_t *out_sent);
/* Says that nothing more will be sent, while reading goes on: FIN, or under TLS close_notify. All
 * of `out` was sent. IO_WAIT: once more when it can write. Idempotent. */
enum io_result conn_finish_sending(struct conn *conn);
/* Gives the block of `in` back when nothing is in it. */
void conn_rest(struct conn *conn);
/* True when the peer has sent nothing more and not ended, asked of the kernel now. */
bool conn_is_quiet(struct conn *conn);

#endif
