/* Counted out at start rather than met at run time: a process that hits the limit can neither
 * accept, nor connect, nor open what it needs to get out of it. */
#include "proxy/descriptors.h"

#include <dirent.h>

#include "proxy/worker.h"

enum {
    RESERVE_MAX = 128,
    RESERVE_SHARE = 4, /* of the limit, one in so many is held back, up to RESERVE_MAX */
    /* its loop, its mailbox and its pipes */
    DESCRIPTORS_PER_WORKER = 2 + 2 * PIPES_PER_WORKER,
    REFUSALS_SHARE = 8,
};

static size_t at_least_one(size_t n) {
    return n > 0 ? n : 1;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

struct descriptor_plan descriptors_share(size_t limit, size_t open, size_t workers,
                                         size_t connections) {
    size_t taken =
        open + workers * DESCRIPTORS_PER_WORKER + smaller(limit / RESERVE_SHARE, RESERVE_MAX);
    size_t each = limit > taken ? (limit - taken) / workers : 0;
    size_t refusals = at_least_one(smaller(each / REFUSALS_SHARE, WORKER_REFUSALS_MAX));
    size_t pairs = at_least_one(each > refusals ? (each - refusals) / 2 : 0);
    size_t wanted = (connections + workers - 1) / workers;
    return (struct descriptor_plan){
        .clients = smaller(wanted, pairs), .refusals = refusals, .upstreams = pairs};
}

size_t descriptors_count_open(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    if (!folder) {
        return 0;
    }
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}
