/* One walk to see what there is, and another among the well ones: no list is built. An ejected one
 * whose time has come goes first, because only a request can find out. */
#include "proxy/balance.h"

static bool is_tried(const struct balance_question *question, size_t index) {
    return question->tried >> index & 1;
}

static bool is_well(const struct balance_question *question, const struct upstream_pool *pool,
                    size_t index) {
    return !is_tried(question, index) && !pool->standing->health.is_ejected &&
           pool->standing->requests < question->limit;
}

/* The `turn`-th of `well` upstreams. */
static size_t choose_in_turn(const struct upstream_pool *pools,
                             const struct balance_question *question, size_t well) {
    size_t left = question->turn % well;
    size_t index = 0;
    while (!is_well(question, &pools[index], index) || left-- > 0) {
        index++;
    }
    return index;
}

/* Among equals they take turns. */
static size_t choose_least_busy(const struct upstream_pool *pools,
                                const struct balance_question *question) {
    uint32_t fewest = UINT32_MAX;
    size_t chosen = 0;
    for (size_t i = 0; i < question->count; i++) {
        size_t index = (question->turn + i) % question->count;
        uint32_t requests = pools[index].standing->requests;
        if (requests < fewest && is_well(question, &pools[index], index)) {
            fewest = requests;
            chosen = index;
        }
    }
    return chosen;
}

/* `count`: there is none, or it is not well. */
static size_t choose_preferred(const struct upstream_pool *pools,
                               const struct balance_question *question) {
    size_t index = 0;
    while (index < question->count &&
           !((question->preferred >> index & 1) != 0 && is_well(question, &pools[index], index))) {
        index++;
    }
    return index;
}

enum balance_verdict balance_choose(const struct upstream_pool *pools,
                                    const struct balance_question *question, size_t *out_index) {
    enum balance_verdict verdict = BALANCE_NONE;
    size_t soonest = question->count;
    size_t well = 0;
    size_t preferred = question->preferred ? choose_preferred(pools, question) : question->count;
    if (preferred < question->count) {
        *out_index = preferred;
        return BALANCE_CHOSEN;
    }
    for (size_t i = 0; i < question->count; i++) {
        const struct upstream_standing *standing = pools[i].standing;
        if (is_tried(question, i)) {
            continue;
        }
        if (standing->requests >= question->limit) {
            verdict = BALANCE_FULL;
        } else if (!standing->health.is_ejected) {
            well++;
        } else if (upstream_health_is_due(&standing->health, question->now_ms)) {
            *out_index = i;
            return BALANCE_CHOSEN;
        } else if (standing->awaiting >= BALANCE_TRIALS_MAX) {
            verdict = verdict == BALANCE_NONE ? BALANCE_EJECTED : verdict;
        } else if (soonest == question->count ||
                   standing->health.until_ms < pools[soonest].standing->health.until_ms) {
            soonest = i;
        }
    }
    if (well == 0 && soonest == question->count) {
        return verdict;
    }
    if (well == 0) {
        *out_index = soonest;
    } else if (question->balance == BALANCE_LEAST_CONNECTIONS) {
        *out_index = choose_least_busy(pools, question);
    } else {
        *out_index = choose_in_turn(pools, question, well);
    }
    return BALANCE_CHOSEN;
}
