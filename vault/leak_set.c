/* Forms become needles, needles an index, all of it in one piece of secret memory: a gram's place
 * in the index tells as much of a short secret as its bytes do. */
#include <stdlib.h>

#include "core/wiping_memory.h"
#include "vault/leak_forms.h"
#include "vault/leak_index.h"

enum { FILTER_BITS_MIN = 6, FILTER_BITS_PER_GRAM = 64, FILTER_BITS_MAX = 24 };
enum { PART_COUNT = 7, INITIALS_BYTES = 32 };
enum { PERIOD_MAX = 16, RUN_MIN = 24 };

/* The index while it grows: sizes first, then its parts. */
struct draft {
    struct leak_forms forms;
    struct slice *needles;
    size_t needle_count;
    size_t needle_bytes;
    size_t group_count;
    struct leak_set set;
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t shared_len(struct slice a, struct slice b) {
    size_t limit = smaller(a.len, b.len), len = 0;
    while (len < limit && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

static int compare_needles(const void *left, const void *right) {
    const struct slice *a = left, *b = right;
    int order = memcmp(a->ptr, b->ptr, smaller(a->len, b->len));
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static void add_forms(struct leak_forms *forms, const struct leak_source *sources, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (sources[i].bytes.len < LEAK_MIN_BYTES)
            continue;
        if (sources[i].kind == LEAK_VALUE)
            leak_forms_add_all(forms, sources[i].bytes);
        else
            leak_forms_add_raw(forms, sources[i].bytes);
    }
}

static size_t part_count(struct slice form) {
    return (form.len + LEAK_NEEDLE_MAX - 1) / LEAK_NEEDLE_MAX;
}

/* Even parts: the last is never a mere remainder. */
static void cut_form(struct draft *draft, struct slice form) {
    size_t parts = part_count(form);
    for (size_t i = 0; i < parts; i++) {
        size_t begin = form.len * i / parts, end = form.len * (i + 1) / parts;
        draft->needles[draft->needle_count++] = slice_of(form.ptr + begin, end - begin);
    }
}

static void drop_doubles(struct draft *draft) {
    size_t kept = 0;
    for (size_t i = 0; i < draft->needle_count; i++) {
        if (kept == 0 || !slice_eq(draft->needles[kept - 1], draft->needles[i]))
            draft->needles[kept++] = draft->needles[i];
    }
    draft->needle_count = kept;
}

static bool make_needles(struct draft *draft) {
    size_t parts = 0;
    for (size_t i = 0; i < draft->forms.count; i++)
        parts += part_count(leak_forms_at(&draft->forms, i));
    draft->needles = calloc(parts, sizeof *draft->needles);
    if (!draft->needles)
        return false;
    for (size_t i = 0; i < draft->forms.count; i++)
        cut_form(draft, leak_forms_at(&draft->forms, i));
    qsort(draft->needles, draft->needle_count, sizeof *draft->needles, compare_needles);
    drop_doubles(draft);
    return true;
}

static bool begins_group(const struct draft *draft, size_t needle) {
    return needle == 0 || shared_len(draft->needles[needle - 1], draft->needles[needle]) <
                              draft->set.stride + LEAK_GRAM_BYTES - 1;
}

static void choose_sizes(struct draft *draft) {
    size_t shortest = LEAK_NEEDLE_MAX;
    for (size_t i = 0; i < draft->needle_count; i++) {
        shortest = smaller(shortest, draft->needles[i].len);
        draft->needle_bytes += draft->needles[i].len;
    }
    draft->set.stride = (uint32_t)smaller(shortest - LEAK_GRAM_BYTES + 1, LEAK_STRIDE_MAX);
    for (size_t i = 0; i < draft->needle_count; i++)
        draft->group_count += begins_group(draft, i);
    size_t grams = draft->group_count * draft->set.stride;
    draft->set.hash_bits = FILTER_BITS_MIN;
    while (draft->set.hash_bits < FILTER_BITS_MAX &&
           (size_t)1 << draft->set.hash_bits < grams * FILTER_BITS_PER_GRAM)
        draft->set.hash_bits++;
    draft->set.needle_count = (uint32_t)draft->needle_count;
    draft->set.group_count = (uint32_t)draft->group_count;
}

/* The writable view of what the set points to. */
struct parts {
    struct leak_needle *needles;
    struct leak_group *groups;
    uint32_t *entries, *buckets, *filter, *initials;
    char *bytes;
};

static size_t bucket_count(const struct leak_set *set) {
    return (size_t)1 << (set->hash_bits - LEAK_FILTER_PER_BUCKET_BITS);
}

/* In the order of their alignment. With `base` NULL only the size is of interest. */
static size_t lay_out(const struct draft *draft, char *base, struct parts *out_parts) {
    const struct leak_set *set = &draft->set;
    size_t sizes[] = {
        set->needle_count * sizeof(struct leak_needle),
        (set->group_count + 1) * sizeof(struct leak_group),
        (size_t)set->group_count * set->stride * sizeof(uint32_t),
        (bucket_count(set) + 1) * sizeof(uint32_t),
        ((size_t)1 << set->hash_bits) / 8,
        INITIALS_BYTES,
        draft->needle_bytes,
    };
    size_t at[PART_COUNT], total = 0;
    for (size_t i = 0; i < PART_COUNT; i++) {
        at[i] = total;
        total += sizes[i];
    }
    if (base)
        *out_parts = (struct parts){
            (void *)(base + at[0]), (void *)(base + at[1]), (void *)(base + at[2]),
            (void *)(base + at[3]), (void *)(base + at[4]), (void *)(base + at[5]),
            base + at[6],
        };
    return total;
}

static void set_bit(uint32_t *bits, uint32_t number) {
    bits[number >> 5] |= UINT32_C(1) << (number & 31);
}

/* Only what repeats itself at short distance is worth knowing of: the rest can be had in common
 * with a stream at few places near each other. */
static struct leak_group group_from(uint32_t first, struct slice needle) {
    struct leak_group group = {.first = first};
    for (size_t period = 1; period <= PERIOD_MAX && period < needle.len; period++) {
        size_t run = period + shared_len(needle, slice_skip(needle, period));
        if (run >= RUN_MIN && run / period > (group.period ? group.run / group.period : 1))
            group = (struct leak_group){first, (uint16_t)period, (uint16_t)run};
    }
    return group;
}

static void write_needles(struct draft *draft, struct parts *parts) {
    uint32_t at = 0, group = 0;
    for (uint32_t i = 0; i < draft->set.needle_count; i++) {
        struct slice needle = draft->needles[i];
        size_t shared = i ? shared_len(draft->needles[i - 1], needle) : 0;
        if (begins_group(draft, i))
            parts->groups[group++] = group_from(i, needle);
        parts->needles[i] = (struct leak_needle){at, (uint16_t)needle.len, (uint16_t)shared};
        set_bit(parts->initials, (unsigned char)needle.ptr[0]);
        memcpy(parts->bytes + at, needle.ptr, needle.len);
        at += (uint32_t)needle.len;
    }
    parts->groups[group].first = draft->set.needle_count;
}

static uint32_t gram_hash(const struct leak_set *set, const struct parts *parts, uint32_t group,
                          uint32_t offset) {
    const struct leak_needle *needle = &parts->needles[parts->groups[group].first];
    return leak_gram_hash(set, parts->bytes + needle->at + offset);
}

/* By counting: where each bucket ends, then each gram before that. */
static void write_grams(const struct leak_set *set, struct parts *parts) {
    uint32_t *ends = parts->buckets;
    for (uint32_t group = 0; group < set->group_count; group++) {
        for (uint32_t offset = 0; offset < set->stride; offset++) {
            uint32_t hash = gram_hash(set, parts, group, offset);
            set_bit(parts->filter, hash);
            ends[hash >> LEAK_FILTER_PER_BUCKET_BITS]++;
        }
    }
    for (size_t i = 1; i <= bucket_count(set); i++)
        ends[i] += ends[i - 1];
    /* Filled from its end, a bucket has its highest offsets first, and its end becomes its start.
     */
    for (uint32_t offset = 0; offset < set->stride; offset++) {
        for (uint32_t group = 0; group < set->group_count; group++) {
            uint32_t bucket = gram_hash(set, parts, group, offset) >> LEAK_FILTER_PER_BUCKET_BITS;
            parts->entries[--ends[bucket]] = group << LEAK_STRIDE_BITS | offset;
        }
    }
}

static struct leak_set *publish(struct draft *draft) {
    struct leak_set *set = malloc(sizeof *set);
    struct secret *memory = secret_new_blank(lay_out(draft, NULL, NULL));
    struct parts parts;
    if (!set || !memory) {
        secret_unref(memory);
        free(set);
        return NULL;
    }
    (void)lay_out(draft, secret_writable(memory), &parts);
    write_needles(draft, &parts);
    write_grams(&draft->set, &parts);
    *set = draft->set;
    atomic_init(&set->refs, 1);
    set->memory = memory;
    set->needles = parts.needles;
    set->groups = parts.groups;
    set->entries = parts.entries;
    set->buckets = parts.buckets;
    set->filter = parts.filter;
    set->initials = parts.initials;
    set->bytes = parts.bytes;
    return set;
}

bool leak_set_new(const struct leak_source *sources, size_t count, struct leak_set **out_set) {
    struct draft draft = {0};
    struct leak_set *set = NULL;
    add_forms(&draft.forms, sources, count);
    bool is_done = !draft.forms.failed;
    if (is_done && draft.forms.count > 0) {
        is_done = false;
        if (!make_needles(&draft))
            goto out;
        choose_sizes(&draft);
        set = publish(&draft);
        is_done = set != NULL;
    }
out:
    free(draft.needles);
    leak_forms_done(&draft.forms);
    if (is_done)
        *out_set = set;
    return is_done;
}

struct leak_set *leak_set_ref(struct leak_set *set) {
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void leak_set_unref(struct leak_set *set) {
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    secret_unref(set->memory);
    free(set);
}
