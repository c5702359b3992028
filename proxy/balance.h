/* Which of a route's upstreams a request goes to: the one it would rather have while that is well,
 * the well ones in turn or by load, an ejected one whose time has come, and of ejected ones alone
 * the one whose time comes first. Chooses; changes
 * nothing. */
#ifndef BARKEEP_PROXY_BALANCE_H
#define BARKEEP_PROXY_BALANCE_H

#include "proxy/upstream.h"

/* While all upstreams are ejected, so many requests may wait for each at once: it may be well
 * again, but not everybody is kept waiting to find out. */
enum { BALANCE_TRIALS_MAX = 8 };

enum balance_verdict {
    BALANCE_CHOSEN,
    BALANCE_FULL,    /* the others have as many requests as they may */
    BALANCE_EJECTED, /* the others are ejected, and are being tried */
    BALANCE_NONE,    /* none is left */
};

struct balance_question {
    enum config_balance balance;
    size_t count;       /* of upstreams */
    uint32_t turn;      /* one more with each request */
    uint32_t limit;     /* of requests under way at each, UINT32_MAX: none */
    uint64_t tried;     /* bits: these were tried already, or do not come into question */
    uint64_t preferred; /* a bit, or none */
    uint64_t now_ms;
};

/* `pools` are the route's. *out_index is set with BALANCE_CHOSEN only. */
enum balance_verdict balance_choose(const struct upstream_pool *pools,
                                    const struct balance_question *question, size_t *out_index);

#endif
