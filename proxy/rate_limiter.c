/* A bucket is one number: when it will be full again (the generic cell rate algorithm, ITU-T
 * I.371). A call moves that moment on by one interval, window / requests; it is refused when the
 * moment would lie further ahead than `burst` intervals. Nothing refills anything: time does.
 *
 * All workers take from the same buckets, so the limit is the configured one whatever their number,
 * and a caller on one connection gets all of it. Nobody waits for anybody: each step is one
 * compare-and-swap. What a race can cost is a call more or less at the instant when a bucket comes
 * or goes.
 *
 * The table is of fixed size: a caller's set is chosen by a hash with a random key, so that nobody
 * can aim at another's. In a full set those leave first whose bucket is full, which loses nothing,
 * then the least recently used. */
#include "proxy/rate_limiter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/siphash.h"

/* `owner` is the upper bits of the key's hash, and below them when it was last used, in units of
 * 2^30 ns; 0: nobody. */
struct slot {
    _Atomic uint64_t owner;
    _Atomic uint64_t full_at_ns;
};

enum { STAMP_BITS = 20, STAMP_SHIFT_NS = 30, SET_BYTES = RATE_WAYS * sizeof(struct slot) };

#define STAMP_MASK ((UINT64_C(1) << STAMP_BITS) - 1)

/* Lost races after which a call is refused rather than tried on for ever. */
enum { TRIES_MAX = 16 };

/* 146 years: a bucket that would take longer to fill holds less than its burst. */
#define AHEAD_MAX_NS (UINT64_C(1) << 62)

struct set {
    struct slot slots[RATE_WAYS];
};

struct rate_limiter {
    void *memory;
    struct set *sets; /* in `memory`, on whole cache lines */
    uint64_t key[2];
    _Atomic uint64_t forgotten;
};

/* One demand of one caller. */
struct claim {
    struct set *set;
    uint64_t tag; /* in the place it has in `owner` */
    uint64_t interval_ns;
    uint64_t tolerance_ns; /* how far ahead of now the moment may lie for another call */
    uint64_t now_ns;
};

struct rate_limiter *rate_limiter_new(void) {
    struct rate_limiter *limiter = calloc(1, sizeof *limiter);
    if (!limiter) {
        return NULL;
    }
    limiter->memory = calloc(RATE_SETS + 1, SET_BYTES);
    if (!limiter->memory ||
        getrandom(limiter->key, sizeof limiter->key, 0) != (ssize_t)sizeof limiter->key) {
        rate_limiter_free(limiter);
        return NULL;
    }
    uintptr_t begin = (uintptr_t)limiter->memory;
    size_t offset = (SET_BYTES - begin % SET_BYTES) % SET_BYTES;
    limiter->sets = (struct set *)(void *)((char *)limiter->memory + offset);
    return limiter;
}

void rate_limiter_free(struct rate_limiter *limiter) {
    if (limiter) {
        free(limiter->memory);
        free(limiter);
    }
}

uint64_t rate_limiter_forgotten(const struct rate_limiter *limiter) {
    return atomic_load_explicit(&limiter->forgotten, memory_order_relaxed);
}

/* Lengths keep neighbouring texts apart. */
static void add_text(struct siphash *hash, struct slice text) {
    siphash_add(hash, &text.len, sizeof text.len);
    siphash_add(hash, text.ptr, text.len);
}

static void add_client(struct siphash *hash, const struct client_address *client) {
    static const unsigned char ipv4[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ipv4 = memcmp(client->bytes, ipv4, sizeof ipv4) == 0;
    siphash_add(hash, client->bytes, client->is_ip ? (is_ipv4 ? 16 : 8) : 0);
}

static uint64_t hash_of(const struct rate_limiter *limiter, const struct rate_demand *demand,
                        const struct rate_caller *caller) {
    const struct config_rate *rate = demand->rate;
    const uint32_t numbers[] = {demand->scope, rate->is_per_client, rate->requests, rate->window_ms,
                                rate->burst};
    struct siphash hash;
    siphash_begin(&hash, limiter->key);
    siphash_add(&hash, numbers, sizeof numbers);
    add_text(&hash, slice_of_str(demand->name));
    if (rate->is_per_client) {
        add_client(&hash, caller->client);
    } else {
        add_text(&hash, caller->identity->tenant);
        add_text(&hash, caller->identity->oid);
    }
    return siphash_end(&hash);
}

/* Rounded up: never more calls than configured. */
static uint64_t interval_of(const struct config_rate *rate) {
    uint64_t window_ns = (uint64_t)rate->window_ms * 1000000;
    return (window_ns + rate->requests - 1) / rate->requests;
}

static uint64_t tolerance_of(const struct config_rate *rate, uint64_t interval_ns) {
    uint64_t ahead_ns;
    bool is_too_far = __builtin_mul_overflow(rate->burst - 1, interval_ns, &ahead_ns);
    return is_too_far || ahead_ns > AHEAD_MAX_NS ? AHEAD_MAX_NS : ahead_ns;
}

static struct claim claim_of(const struct rate_limiter *limiter, const struct rate_demand *demand,
                             const struct rate_caller *caller, uint64_t now_ns) {
    uint64_t hash = hash_of(limiter, demand, caller);
    uint64_t tag = hash & ~STAMP_MASK;
    uint64_t interval_ns = interval_of(demand->rate);
    return (struct claim){.set = &limiter->sets[hash % RATE_SETS],
                          .tag = tag ? tag : STAMP_MASK + 1,
                          .interval_ns = interval_ns,
                          .tolerance_ns = tolerance_of(demand->rate, interval_ns),
                          .now_ns = now_ns};
}

static uint64_t stamp_of(uint64_t now_ns) {
    return now_ns >> STAMP_SHIFT_NS & STAMP_MASK;
}

static bool is_owned_by(const struct slot *slot, const struct claim *claim) {
    return (atomic_load(&slot->owner) & ~STAMP_MASK) == claim->tag;
}

static struct slot *find(const struct claim *claim) {
    for (size_t i = 0; i < RATE_WAYS; i++) {
        if (is_owned_by(&claim->set->slots[i], claim)) {
            return &claim->set->slots[i];
        }
    }
    return NULL;
}

/* How long until the bucket has a call. */
static uint64_t wait_for(uint64_t full_at_ns, const struct claim *claim) {
    uint64_t ahead_ns = full_at_ns > claim->now_ns ? full_at_ns - claim->now_ns : 0;
    return ahead_ns > claim->tolerance_ns ? ahead_ns - claim->tolerance_ns : 0;
}

static void note_use(struct slot *slot, const struct claim *claim) {
    uint64_t fresh = claim->tag | stamp_of(claim->now_ns);
    uint64_t owner = atomic_load(&slot->owner);
    if (owner != fresh && (owner & ~STAMP_MASK) == claim->tag) {
        atomic_compare_exchange_strong(&slot->owner, &owner, fresh);
    }
}

/* Looking is using: whoever is refused all the time must not be forgotten for it. */
static uint64_t look(const struct claim *claim) {
    struct slot *slot = find(claim);
    if (!slot) {
        return 0;
    }
    note_use(slot, claim);
    return wait_for(atomic_load(&slot->full_at_ns), claim);
}

struct candidate {
    struct slot *slot;
    uint64_t owner;
    bool is_full;
    uint64_t age;
};

static bool leaves_before(const struct candidate *a, const struct candidate *b) {
    if (!a->owner || !b->owner) {
        return !a->owner && b->owner;
    }
    return a->is_full == b->is_full ? a->age > b->age : a->is_full;
}

static struct candidate choose(const struct claim *claim) {
    struct candidate chosen = {0};
    for (size_t i = 0; i < RATE_WAYS; i++) {
        struct slot *slot = &claim->set->slots[i];
        struct candidate candidate = {.slot = slot,
                                      .owner = atomic_load(&slot->owner),
                                      .is_full = atomic_load(&slot->full_at_ns) <= claim->now_ns};
        candidate.age = (stamp_of(claim->now_ns) - candidate.owner) & STAMP_MASK;
        if (!chosen.slot || leaves_before(&candidate, &chosen)) {
            chosen = candidate;
        }
    }
    return chosen;
}

/* Of two workers that made a bucket for the same caller at the same time, the first in the set
 * stays; whoever finds both lets go of the other. */
static struct slot *keep_one(const struct claim *claim, struct slot *made) {
    for (size_t i = 0; i < RATE_WAYS; i++) {
        struct slot *slot = &claim->set->slots[i];
        uint64_t owner = atomic_load(&slot->owner);
        if (slot == made || (owner & ~STAMP_MASK) != claim->tag) {
            continue;
        }
        if (slot > made) {
            atomic_compare_exchange_strong(&slot->owner, &owner, 0);
            continue;
        }
        owner = atomic_load(&made->owner);
        if ((owner & ~STAMP_MASK) == claim->tag) {
            atomic_compare_exchange_strong(&made->owner, &owner, 0);
        }
        return slot;
    }
    return made;
}

/* A slot with a full bucket; NULL when another worker was quicker. Between its owners a slot is
 * nobody's: who still takes from it as the former owner is found out by the moment having changed.
 */
static struct slot *make(struct rate_limiter *limiter, const struct claim *claim) {
    struct candidate chosen = choose(claim);
    struct slot *slot = chosen.slot;
    if (chosen.owner && !atomic_compare_exchange_strong(&slot->owner, &chosen.owner, 0)) {
        return NULL;
    }
    uint64_t nobody = 0;
    uint64_t full_at_ns = atomic_load(&slot->full_at_ns);
    if (atomic_load(&slot->owner) != nobody ||
        !atomic_compare_exchange_strong(&slot->full_at_ns, &full_at_ns, claim->now_ns) ||
        !atomic_compare_exchange_strong(&slot->owner, &nobody,
                                        claim->tag | stamp_of(claim->now_ns))) {
        return NULL;
    }
    if (chosen.owner && !chosen.is_full) {
        atomic_fetch_add_explicit(&limiter->forgotten, 1, memory_order_relaxed);
    }
    return keep_one(claim, slot);
}

/* Moves the moment on. False when the slot has another owner by now. The moment is read before the
 * owner, so that it is this owner's when it is exchanged. */
static bool take_from(struct slot *slot, const struct claim *claim, uint64_t *out_wait_ns) {
    uint64_t full_at_ns = atomic_load(&slot->full_at_ns);
    do {
        if (!is_owned_by(slot, claim)) {
            return false;
        }
        *out_wait_ns = wait_for(full_at_ns, claim);
        if (*out_wait_ns > 0) {
            return true;
        }
    } while (!atomic_compare_exchange_weak(
        &slot->full_at_ns, &full_at_ns,
        (full_at_ns > claim->now_ns ? full_at_ns : claim->now_ns) + claim->interval_ns));
    return true;
}

static uint64_t take(struct rate_limiter *limiter, const struct claim *claim) {
    uint64_t wait_ns = 0;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct slot *slot = find(claim);
        if (!slot) {
            slot = make(limiter, claim);
        }
        if (slot && take_from(slot, claim, &wait_ns)) {
            return wait_ns;
        }
    }
    return claim->interval_ns;
}

static void give_back(const struct claim *claim) {
    struct slot *slot = find(claim);
    if (!slot) {
        return;
    }
    uint64_t full_at_ns = atomic_load(&slot->full_at_ns);
    while (is_owned_by(slot, claim) && full_at_ns >= claim->interval_ns &&
           !atomic_compare_exchange_weak(&slot->full_at_ns, &full_at_ns,
                                         full_at_ns - claim->interval_ns)) {
    }
}

/* All are looked at before anything is taken: a refusal names the longest wait, and only a race
 * makes it necessary to give something back. */
uint64_t rate_limiter_take(struct rate_limiter *limiter, const struct rate_demand *demands,
                           size_t count, const struct rate_caller *caller, uint64_t now_ns) {
    struct claim claims[RATE_DEMANDS_MAX];
    uint64_t wait_ns = 0;
    for (size_t i = 0; i < count; i++) {
        claims[i] = claim_of(limiter, &demands[i], caller, now_ns);
        uint64_t one_ns = look(&claims[i]);
        wait_ns = one_ns > wait_ns ? one_ns : wait_ns;
    }
    for (size_t i = 0; i < count && wait_ns == 0; i++) {
        wait_ns = take(limiter, &claims[i]);
        for (size_t taken = i; wait_ns > 0 && taken > 0; taken--) {
            give_back(&claims[taken - 1]);
        }
    }
    return wait_ns;
}
