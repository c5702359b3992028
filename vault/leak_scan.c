/* The search: grams are looked up on the untouched bytes, starts of needles are settled from the
 * first to the last, and what was found is masked behind them.
 *
 * A start at which the bytes are the beginning of a needle but end too early is left unsettled: the
 * stream is kept back from there, and nothing behind it is looked at until it is settled. The next
 * call first asks only whether the new bytes carry on with that needle, so that a secret that comes
 * byte by byte is not read again with each. */
#include <assert.h>

#include "vault/leak_index.h"

enum { BLOCK_BYTES = 128, MEMORIES = 8 };

/* Where a group that repeats itself was looked for last, and how much of its first needle was
 * there. Without it a stream of one letter would be compared again from each of its bytes. */
struct memory {
    uint32_t group;
    uint32_t known;
    size_t start;
};

struct search {
    struct leak_scan *scan;
    const struct leak_set *set;
    char *bytes;
    size_t len;
    bool is_last;
    size_t mask_begin, mask_end; /* found, not masked yet */
    struct memory memories[MEMORIES];
};

static void mask_before(struct search *search, size_t end) {
    if (end > search->mask_end)
        end = search->mask_end;
    if (end > search->mask_begin)
        memset(search->bytes + search->mask_begin, '*', end - search->mask_begin);
}

/* No start before `begin` is looked at again. */
static void on_found(struct search *search, size_t begin, size_t end) {
    if (begin >= search->mask_end) {
        mask_before(search, search->mask_end);
        search->mask_begin = begin;
        search->scan->found++;
    }
    if (end > search->mask_end)
        search->mask_end = end;
}

/* How many bytes `a` and `b` have in common at the front: at least `known`, at most `limit`. */
static size_t common_len(const char *a, const char *b, size_t known, size_t limit) {
    size_t len = known;
    while (limit - len >= BLOCK_BYTES && memcmp(a + len, b + len, BLOCK_BYTES) == 0)
        len += BLOCK_BYTES;
    while (limit - len >= sizeof(uint64_t) && memcmp(a + len, b + len, sizeof(uint64_t)) == 0)
        len += sizeof(uint64_t);
    while (len < limit && a[len] == b[len])
        len++;
    return len;
}

/* What `start` has in common with the first needle of a group that repeats itself: what it is known
 * to have is not compared again. */
static size_t common_with_repeats(struct search *search, const struct leak_group *group,
                                  size_t start, size_t limit) {
    const struct leak_set *set = search->set;
    uint32_t number = (uint32_t)(group - set->groups);
    struct memory *memory = &search->memories[number % MEMORIES];
    size_t known = 0;
    if (memory->group == number && memory->known > group->period &&
        start == memory->start + group->period)
        known = (memory->known < group->run ? memory->known : group->run) - group->period;
    known = common_len(search->bytes + start, set->bytes + set->needles[group->first].at,
                       known < limit ? known : limit, limit);
    *memory = (struct memory){number, (uint32_t)known, start};
    return known;
}

/* Compares the needles of a group with what begins at `start`. Neighbours say how much they share,
 * so no byte of the stream is compared twice. False when the stream ends within one of them, whose
 * index is in scan->lead then. */
static bool settle(struct search *search, const struct leak_group *group, size_t start) {
    const struct leak_set *set = search->set;
    const char *text = search->bytes + start;
    size_t room = search->len - start, known = 0;
    for (uint32_t i = group[0].first; i < group[1].first; i++) {
        const struct leak_needle *needle = &set->needles[i];
        size_t limit = needle->len < room ? needle->len : room;
        if (i > group->first && needle->shared < known)
            return true; /* it and all behind it are greater than the text */
        if (i == group->first && group->period)
            known = common_with_repeats(search, group, start, limit);
        else if (i == group->first || needle->shared == known)
            known = common_len(text, set->bytes + needle->at, known, limit);
        if (known == needle->len) {
            on_found(search, start, start + needle->len);
        } else if (known == room) {
            search->scan->lead = i;
            return search->is_last;
        }
    }
    return true;
}

/* The first gram at `at` or a multiple of the stride behind it whose hash is known; behind the last
 * whole gram when there is none. */
static size_t next_hit(const struct search *search, size_t at) {
    const struct leak_set *set = search->set;
    const uint32_t *filter = set->filter;
    const char *bytes = search->bytes;
    size_t stride = set->stride, len = search->len;
    for (; at + 3 * stride + LEAK_GRAM_BYTES <= len; at += 4 * stride) {
        const char *from = bytes + at;
        if (leak_bit(filter, leak_gram_hash(set, from)) |
            leak_bit(filter, leak_gram_hash(set, from + stride)) |
            leak_bit(filter, leak_gram_hash(set, from + 2 * stride)) |
            leak_bit(filter, leak_gram_hash(set, from + 3 * stride)))
            break;
    }
    while (at + LEAK_GRAM_BYTES <= len && !leak_bit(filter, leak_gram_hash(set, bytes + at)))
        at += stride;
    return at;
}

/* Settles what the gram at `at` may be part of. The start that could not be settled, or the
 * stream's length. */
static size_t settle_hit(struct search *search, size_t at) {
    const struct leak_set *set = search->set;
    uint32_t bucket = leak_gram_hash(set, search->bytes + at) >> LEAK_FILTER_PER_BUCKET_BITS;
    for (uint32_t i = set->buckets[bucket]; i < set->buckets[bucket + 1]; i++) {
        uint32_t entry = set->entries[i];
        size_t start = at - (entry & (LEAK_STRIDE_MAX - 1));
        if (!settle(search, &set->groups[entry >> LEAK_STRIDE_BITS], start))
            return start;
    }
    return search->len;
}

/* The first needle not less than `text`. */
static uint32_t lower_bound(const struct leak_set *set, struct slice text) {
    uint32_t low = 0, high = set->needle_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(set->bytes + set->needles[middle].at, text.ptr, text.len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first start from `start` on from where all bytes are the beginning of a needle. They are too
 * few for a whole one, and for a gram to tell. */
static size_t find_beginning(struct search *search, size_t start) {
    const struct leak_set *set = search->set;
    for (; start < search->len; start++) {
        struct slice text = slice_of(search->bytes + start, search->len - start);
        if (!leak_bit(set->initials, (unsigned char)text.ptr[0]))
            continue;
        uint32_t lead = lower_bound(set, text);
        if (lead < set->needle_count &&
            memcmp(set->bytes + set->needles[lead].at, text.ptr, text.len) == 0) {
            search->scan->lead = lead;
            return start;
        }
    }
    return start;
}

/* Where the unsettled rest begins. */
static size_t find_all(struct search *search) {
    size_t stride = search->set->stride, at = stride - 1;
    for (;; at += stride) {
        at = next_hit(search, at);
        if (at + LEAK_GRAM_BYTES > search->len)
            break;
        size_t start = settle_hit(search, at);
        if (start < search->len)
            return start;
    }
    return search->is_last ? search->len : find_beginning(search, at - (stride - 1));
}

/* True when all of `bytes` is still the beginning of the needle that was being waited for. */
static bool carries_on(const struct leak_scan *scan, const char *bytes, size_t len) {
    if (scan->kept == 0)
        return false;
    const struct leak_needle *needle = &scan->set->needles[scan->lead];
    return len < needle->len &&
           memcmp(bytes + scan->kept, scan->set->bytes + needle->at + scan->kept,
                  len - scan->kept) == 0;
}

void leak_scan_init(struct leak_scan *scan, const struct leak_set *set) {
    *scan = (struct leak_scan){.set = set};
}

size_t leak_scan_bytes(struct leak_scan *scan, char *bytes, size_t len, bool is_last) {
    if (!scan->set)
        return len;
    assert(len >= scan->kept);
    if (!is_last && carries_on(scan, bytes, len)) {
        scan->kept = len;
        return 0;
    }
    struct search search = {.scan = scan,
                            .set = scan->set,
                            .bytes = bytes,
                            .len = len,
                            .is_last = is_last,
                            .mask_end = scan->ahead};
    size_t finished = find_all(&search);
    mask_before(&search, finished);
    scan->ahead = search.mask_end > finished ? search.mask_end - finished : 0;
    scan->kept = len - finished;
    return finished;
}
