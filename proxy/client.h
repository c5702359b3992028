/* One client connection: reads heads against a deadline, hands them to exchanges one after another,
 * lingers before it closes. */
#ifndef BARKEEP_PROXY_CLIENT_H
#define BARKEEP_PROXY_CLIENT_H

#include "proxy/client_address.h"
#include "proxy/conn.h"
#include "proxy/peer_counts.h"
#include "proxy/worker.h"

enum client_state {
    CLIENT_HANDSHAKING, /* TLS has not begun to carry requests */
    CLIENT_READING,     /* waits for a complete head */
    CLIENT_BUSY,        /* an exchange runs */
    CLIENT_LINGERING,   /* answered; reads and drops, so that the answer is not lost to a reset */
    CLIENT_CLOSED,
};

struct client {
    struct conn conn;
    struct grave grave;
    struct worker *worker;
    enum client_state state;
    struct exchange *exchange;
    struct loop_timer timer;
    struct loop_timer resume; /* zero delay: more pipelined requests wait in `in` */
    const char *overload; /* over a limit: to be told so once TLS can carry it; lives for ever */
    bool is_in_read;      /* client_read() is on the stack: it goes on by itself */
    size_t head_scanned;  /* bytes of `in` already searched for the end of the head */
    uint64_t head_due_ms; /* absolute deadline of the head being read; 0 while none has begun */
    bool is_idle_listed;
    bool is_half_closed; /* the client has finished sending; it gets a moment for its answer */
    uint64_t
        half_closed_moved; /* body bytes moved when the half-closed client was last looked at */
    uint32_t lingered_bytes;
    struct client *previous, *next;           /* all */
    struct client *previous_idle, *next_idle; /* idle */
    struct client_address address;            /* of the peer */
    struct peer_place place;                  /* where the address counts */
    bool is_counted;                          /* there */
    bool is_crowding;                         /* came when the address had as many as it may */
};

/* Takes the accepted descriptor; TLS begins with `server` (NULL: plain). On failure closes it and
 * returns NULL. Whether there is room for it is asked afterwards: client_is_crowding(),
 * client_make_room(). */
struct client *client_open(struct worker *worker, int fd, const struct client_address *address,
                           struct tls_server *server);
/* One answer, 503 overloaded, without reading a request; when too many are being told so already,
 * none: closed. `detail` lives for ever. */
void client_refuse_overload(struct client *client, enum worker_limit limit, const char *detail);
/* True when its address has more connections than one may have. */
bool client_is_crowding(const struct client *client);
/* The exchange is over: next request, linger, or close. */
void client_exchange_done(struct client *client, bool keep_alive);
/* At once; with a reset when `cut` says that a message is incomplete. Idempotent. */
void client_close(struct client *client, bool cut);
/* Makes sure that there is room for it among the worker's connections, if need be by closing the
 * one that has been idle longest and of which nothing has arrived. False when there is none. */
bool client_make_room(struct client *client);
/* Draining: closes what is idle. */
void client_close_all_idle(struct worker *worker);

#endif
