/* From one process to the next without a connection lost: the listening sockets themselves change
 * hands, with what waits in them. A process offers them at a place that its first address names;
 * one of the same user that was told to take over asks there (take_over.h). From then on both
 * accept, until one of the two is told to stop. */
#ifndef BARKEEP_PROXY_HAND_OVER_H
#define BARKEEP_PROXY_HAND_OVER_H

#include <sys/socket.h>
#include <sys/un.h>

#include "config/config.h"
#include "core/loop.h"
#include "proxy/worker.h"

/* One message a socket: its name, with the descriptor as ancillary data; then HAND_OVER_END. Names
 * are HAND_OVER_OFFER, and what hand_over_name() makes. */
enum { HAND_OVER_NAME_BYTES = 512 };
#define HAND_OVER_HELLO "barkeep 1"
#define HAND_OVER_OFFER "offer"
#define HAND_OVER_END "end"

void hand_over_name(const char *kind, const struct config_address *address,
                    char out_name[HAND_OVER_NAME_BYTES]);
/* The place where sockets of this configuration are offered. Returns its length for bind(2). */
socklen_t hand_over_place(const struct config *config, struct sockaddr_un *out_place);
/* True when the process at the other end runs as the same user. */
bool hand_over_is_our_user(int fd);

struct hand_over;

struct hand_over_options {
    struct loop *loop;
    const struct config *config; /* outlives it, as the sockets do */
    const struct worker_socket *sockets;
    size_t socket_count;
    int admin_fd;         /* -1: none */
    int offer_fd;         /* taken over, or -1: made now; owned from then on */
    int predecessor_line; /* to whom it was taken over from, or -1; owned from then on */
};

/* Begins to offer. Without a place to do so (said in the log) nobody can take over; NULL only
 * without memory. */
struct hand_over *hand_over_new(const struct hand_over_options *options);
/* True while another process has the same sockets: they are not to be tampered with. */
bool hand_over_is_shared(const struct hand_over *hand_over);
void hand_over_free(struct hand_over *hand_over); /* NULL is fine */

#endif
