/* Listening sockets: bound by the main thread, accepted from by the workers. */
#ifndef BARKEEP_PROXY_LISTENER_H
#define BARKEEP_PROXY_LISTENER_H

#include "proxy/worker.h"

struct listener {
    struct loop_watch watch;
    struct worker *worker;
    bool is_unix;
    struct tls_server *tls; /* for connections to come; NULL: plain, or not started */
};

/* A bound, listening, non-blocking socket for `address`. `is_shared`: TCP with SO_REUSEPORT, so
 * that each worker can have its own. A stale unix socket is replaced. -1 on failure; err says why.
 */
int listener_bind(const struct config_address *address, bool is_shared, struct error *err);

/* Starts accepting on `fd`, which the listener owns from then on. Takes a reference of its own to
 * `tls` (NULL: plain). */
enum status listener_start(struct listener *listener, struct worker *worker, int fd, bool is_unix,
                           struct tls_server *tls);
/* From now on connections begin with the certificates of these rules. */
void listener_renew(struct listener *listener, const struct ruleset *rules);
/* Begins no more connections, and goes on taking those that have begun. What knocks meanwhile is
 * not answered: the kernel at the other end tries again a second later. Not for a socket that
 * another process uses as well. */
void listener_ebb(struct listener *listener);
/* Takes what is waiting, then closes. */
void listener_stop(struct listener *listener);
/* Goes on after a pause forced by exhausted descriptors. */
void listener_resume(struct listener *listener);

#endif
