/* What a process accepts from: a socket for each worker and each address of `listen`, and the admin
 * listener's. Taken over from the process that runs already, or bound; offered to the one that
 * comes next. */
#ifndef BARKEEP_PROXY_LISTENING_SOCKETS_H
#define BARKEEP_PROXY_LISTENING_SOCKETS_H

#include "proxy/take_over.h"

enum { WORKERS_MAX = 256 };

struct listening_sockets {
    struct worker_socket *items; /* those of a worker beside each other */
    size_t count;
    size_t worker_count;
    size_t first[WORKERS_MAX + 1]; /* by worker */
    int admin_fd;                  /* -1: the admin listener is off */
    struct take_over taken;
};

/* Opens every socket of `config` for `worker_count` workers, WORKERS_MAX at the most; `takes_over`:
 * with those of the process that runs already. Fails when an address is taken; what is open by then
 * is left to the end of the process. */
enum status listening_sockets_open(struct listening_sockets *sockets, const struct config *config,
                                   size_t worker_count, bool takes_over, struct error *err);

/* One worker's, which it owns from then on. */
const struct worker_socket *listening_sockets_of(const struct listening_sockets *sockets,
                                                 size_t worker, size_t *out_count);

/* Lets the next process take over, and closes what was taken and is not needed. `config` and the
 * sockets outlive what is returned, the caller's to free; NULL only without memory. */
struct hand_over *listening_sockets_offer(struct listening_sockets *sockets, struct loop *loop,
                                          const struct config *config);

/* Forgets them: whoever got them closes them. */
void listening_sockets_done(struct listening_sockets *sockets);

#endif
