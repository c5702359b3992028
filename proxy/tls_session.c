/* Between OpenSSL and the socket stands a BIO of our own: it knows what epoll last said, so that a
 * drained socket costs no call, and a peer that stopped listening does not end what it has still
 * to say. Everything that fails is final; nothing of the peer's gets into a text. */
#include "proxy/tls_session.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "proxy/tls_problem.h"

/* What a peer may have us do without a byte moved for it: what is left of a record when its bytes
 * are counted is 1, a message of TLS's own (new keys, a ticket, an alert, another handshake) is
 * ASIDE_COST; each 4 bytes moved either way pay 1, and so do, for streams that drip, 4 ms. */
enum { ASIDE_COST = 256, FREE_WORK = 8192, BYTES_PER_WORK = 4, MS_PER_WORK = 4 };

static const char talks_of_nothing[] =
    "the upstream sends TLS messages without end and nothing in them";

enum blocked { BLOCKED_NOT, BLOCKED_ON_READ, BLOCKED_ON_WRITE };

struct tls_session {
    SSL *ssl;
    int fd;
    bool socket_can_read; /* an edge that is not used up */
    bool socket_can_write;
    bool is_last_edge;
    bool asks_to_the_end; /* until the kernel says that there is no more, short read or not */
    bool is_out_broken;   /* the socket takes nothing any more */
    bool is_established;
    bool was_refused;
    bool has_heard;
    bool has_finished; /* close_notify is out */
    bool met_http;
    bool is_flooding; /* it had us do more than it may */
    uint64_t work;
    uint64_t moved; /* bytes of the application, both ways */
    uint64_t began_ms;
    enum blocked
        read_blocked; /* what the last read waited for; BLOCKED_NOT: it may have left some */
    enum blocked write_blocked;
    enum io_result in_end; /* IO_OK until reading has ended */
    const char *problem;
};

static int bio_wait(BIO *bio, int flag) {
    BIO_set_flags(bio, flag | BIO_FLAGS_SHOULD_RETRY);
    return -1;
}

static bool would_block(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* The clock is asked only of those who are beyond what others ever need. */
static bool has_earned(const struct tls_session *session) {
    uint64_t earned = FREE_WORK + session->moved / BYTES_PER_WORK;
    return session->work <= earned ||
           session->work - earned <= (clock_monotonic_ms() - session->began_ms) / MS_PER_WORK;
}

/* Records and messages as OpenSSL meets them. Of a renegotiation that it declines it tells only the
 * alert that it answers with. */
static void on_message(int is_ours, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *owner) {
    (void)version, (void)bytes, (void)len, (void)ssl;
    struct tls_session *session = owner;
    bool is_aside = type == SSL3_RT_ALERT || (type == SSL3_RT_HANDSHAKE && !is_ours);
    if (type == SSL3_RT_HEADER && !is_ours) {
        session->work++;
    } else if (is_aside && session->is_established) {
        session->work += ASIDE_COST;
    } else {
        return;
    }
    session->is_flooding |= !has_earned(session);
}

static int bio_read(BIO *bio, char *bytes, int room) {
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->is_flooding) {
        return -1;
    }
    if (!session->socket_can_read) {
        return bio_wait(bio, BIO_FLAGS_READ);
    }
    for (;;) {
        ssize_t got = recv(session->fd, bytes, (size_t)room, 0);
        if (got > 0) {
            session->has_heard = true;
            session->socket_can_read =
                got == room || session->is_last_edge || session->asks_to_the_end;
            return (int)got;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && would_block()) {
            session->socket_can_read = false;
            return bio_wait(bio, BIO_FLAGS_READ);
        }
        session->is_last_edge = true;
        return got == 0 ? 0 : -1;
    }
}

static int bio_write(BIO *bio, const char *bytes, int len) {
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->is_out_broken) {
        return len; /* tls_session_write() tells; OpenSSL would give up reading, too */
    }
    if (!session->socket_can_write) {
        return bio_wait(bio, BIO_FLAGS_WRITE);
    }
    for (;;) {
        ssize_t sent = send(session->fd, bytes, (size_t)len, MSG_NOSIGNAL);
        if (sent >= 0) {
            return (int)sent;
        }
        if (errno == EINTR) {
            continue;
        }
        if (would_block()) {
            session->socket_can_write = false;
            return bio_wait(bio, BIO_FLAGS_WRITE);
        }
        session->is_out_broken = true;
        return len;
    }
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    const struct tls_session *session = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return session->is_last_edge; /* asked only after a read that gave nothing */
    default:
        return 0;
    }
}

static BIO_METHOD *socket_method;

static void make_socket_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (!method || !BIO_meth_set_read(method, bio_read) || !BIO_meth_set_write(method, bio_write) ||
        !BIO_meth_set_ctrl(method, bio_ctrl)) {
        BIO_meth_free(method);
        return;
    }
    socket_method = method;
}

static BIO *socket_bio_new(struct tls_session *session) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *bio = socket_method ? BIO_new(socket_method) : NULL;
    if (bio) {
        BIO_set_data(bio, session);
        BIO_set_init(bio, 1);
    }
    return bio;
}

struct tls_session *tls_session_new(struct ssl_st *ssl, int fd) {
    struct tls_session *session = calloc(1, sizeof *session);
    BIO *bio = session ? socket_bio_new(session) : NULL;
    if (!bio) {
        SSL_free(ssl);
        free(session);
        return NULL;
    }
    session->ssl = ssl;
    session->fd = fd;
    session->socket_can_read = true;
    session->socket_can_write = true;
    session->began_ms = clock_monotonic_ms();
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, session);
    SSL_set_bio(ssl, bio, bio);
    return session;
}

void tls_session_free(struct tls_session *session) {
    if (session) {
        SSL_free(session->ssl);
        free(session);
    }
}

void tls_session_note(struct tls_session *session, bool readable, bool writable, bool is_last) {
    session->socket_can_read |= readable;
    session->socket_can_write |= writable;
    session->is_last_edge |= is_last;
}

static bool may_go_on(const struct tls_session *session, enum blocked blocked) {
    switch (blocked) {
    case BLOCKED_ON_READ:
        return session->socket_can_read;
    case BLOCKED_ON_WRITE:
        return session->socket_can_write;
    default:
        return true;
    }
}

bool tls_session_may_read(const struct tls_session *session) {
    return may_go_on(session, session->read_blocked);
}

bool tls_session_may_write(const struct tls_session *session) {
    return may_go_on(session, session->write_blocked);
}

/* The first of TLS's own errors: what lies below it says less, what comes after it follows. */
static unsigned long take_error(void) {
    unsigned long queued = ERR_get_error();
    while (queued && ERR_GET_LIB(queued) != ERR_LIB_SSL) {
        queued = ERR_get_error();
    }
    ERR_clear_error();
    return queued;
}

static void note_failure(struct tls_session *session, int ssl_error) {
    unsigned long queued = take_error();
    if (ssl_error != SSL_ERROR_SSL) {
        queued = 0;
    }
    session->was_refused = tls_problem_is_alert(queued);
    session->met_http = tls_problem_is_http(queued);
    session->problem = session->is_flooding
                           ? talks_of_nothing
                           : tls_problem_text(queued, SSL_get_verify_result(session->ssl));
}

/* What a call that did not succeed means; `out_blocked` is what it waits for. */
static enum io_result judge(struct tls_session *session, int result, enum blocked *out_blocked) {
    int ssl_error = SSL_get_error(session->ssl, result);
    switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
        *out_blocked = BLOCKED_ON_READ;
        return IO_WAIT;
    case SSL_ERROR_WANT_WRITE:
        *out_blocked = BLOCKED_ON_WRITE;
        return IO_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        note_failure(session, ssl_error);
        return IO_ERROR;
    }
}

/* For calls that read: the end is remembered, OpenSSL must not be asked again. */
static enum io_result judge_read(struct tls_session *session, int result) {
    enum io_result outcome = judge(session, result, &session->read_blocked);
    if (outcome != IO_WAIT) {
        session->in_end = outcome;
        session->read_blocked = BLOCKED_NOT; /* the end can be read as often as one likes */
    }
    return outcome;
}

enum io_result tls_session_handshake(struct tls_session *session) {
    if (session->in_end != IO_OK) {
        return IO_ERROR;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1 && !session->is_out_broken) {
        session->is_established = true;
        session->read_blocked = session->write_blocked = BLOCKED_NOT;
        return IO_OK;
    }
    if (result == 1) {
        session->problem = tls_problem_text(0, X509_V_OK);
        return session->in_end = IO_ERROR;
    }
    enum io_result outcome = judge_read(session, result);
    session->write_blocked = session->read_blocked;
    return outcome == IO_WAIT ? IO_WAIT : IO_ERROR;
}

/* Asking OpenSSL once more would only have it say so. */
static bool is_drained(const struct tls_session *session) {
    return !session->socket_can_read && !SSL_has_pending(session->ssl);
}

enum io_result tls_session_read(struct tls_session *session, char *bytes, size_t room,
                                size_t *out_got) {
    *out_got = 0;
    if (session->in_end != IO_OK) {
        return session->in_end;
    }
    session->read_blocked = BLOCKED_NOT;
    ERR_clear_error();
    while (*out_got < room) {
        size_t got = 0;
        int result = SSL_read_ex(session->ssl, bytes + *out_got, room - *out_got, &got);
        if (result != 1) {
            enum io_result outcome = judge_read(session, result);
            return *out_got > 0 ? IO_OK : outcome;
        }
        *out_got += got;
        session->moved += got;
        if (is_drained(session)) {
            session->read_blocked = BLOCKED_ON_READ;
            break;
        }
    }
    return IO_OK;
}

enum io_result tls_session_write(struct tls_session *session, struct slice bytes,
                                 size_t *out_sent) {
    *out_sent = 0;
    session->write_blocked = BLOCKED_NOT;
    ERR_clear_error();
    while (*out_sent < bytes.len) {
        size_t sent = 0;
        int result =
            SSL_write_ex(session->ssl, bytes.ptr + *out_sent, bytes.len - *out_sent, &sent);
        if (session->is_out_broken) {
            return IO_ERROR;
        }
        if (result != 1) {
            enum io_result outcome = judge(session, result, &session->write_blocked);
            session->is_out_broken = outcome != IO_WAIT;
            return outcome == IO_WAIT ? IO_WAIT : IO_ERROR;
        }
        *out_sent += sent;
        session->moved += sent;
    }
    return IO_OK;
}

bool tls_session_is_quiet(struct tls_session *session) {
    if (session->in_end != IO_OK || session->is_out_broken) {
        return false;
    }
    char byte;
    size_t got = 0;
    session->socket_can_read = true;
    session->asks_to_the_end = true; /* an end may lie behind a ticket */
    session->read_blocked = BLOCKED_NOT;
    ERR_clear_error();
    int result = SSL_peek_ex(session->ssl, &byte, 1, &got);
    session->asks_to_the_end = false;
    return result != 1 && judge_read(session, result) == IO_WAIT &&
           session->read_blocked == BLOCKED_ON_READ;
}

enum io_result tls_session_finish(struct tls_session *session) {
    if (!session->is_established || session->has_finished || session->in_end == IO_ERROR ||
        session->is_out_broken) {
        return IO_OK;
    }
    ERR_clear_error();
    int result = SSL_shutdown(session->ssl);
    bool waits = result < 0 && SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    session->has_finished = !waits;
    return waits ? IO_WAIT : IO_OK;
}

struct ssl_st *tls_session_ssl(const struct tls_session *session) {
    return session->ssl;
}

bool tls_session_has_heard(const struct tls_session *session) {
    return session->has_heard;
}

bool tls_session_is_flooded(const struct tls_session *session) {
    return session->is_flooding;
}

bool tls_session_was_resumed(const struct tls_session *session) {
    return SSL_session_reused(session->ssl) == 1;
}

bool tls_session_met_http(const struct tls_session *session) {
    return session->met_http;
}

const char *tls_session_problem(const struct tls_session *session) {
    return session->problem;
}

bool tls_session_was_refused(const struct tls_session *session) {
    return session->was_refused;
}
