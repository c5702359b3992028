/* How the process's open files are shared out among callers, upstreams and everything else. */
#ifndef BARKEEP_PROXY_DESCRIPTORS_H
#define BARKEEP_PROXY_DESCRIPTORS_H

#include <stddef.h>

/* What each worker may have. */
struct descriptor_plan {
    size_t clients;
    size_t refusals;  /* clients beyond, that are being told so */
    size_t upstreams; /* connections to upstreams, idle ones included */
};

/* Of `limit` descriptors `open` are taken before the workers start. Some are held back for what
 * must go on whatever the callers do: logs, vaults, keys, the admin listener; of the rest, each of
 * `connections` client connections may need another for its upstream. A worker can always serve
 * one. */
struct descriptor_plan descriptors_share(size_t limit, size_t open, size_t workers,
                                         size_t connections);
/* How many the process has open now; 0 when that cannot be told. */
size_t descriptors_count_open(void);

#endif
