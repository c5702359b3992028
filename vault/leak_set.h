/* What an answer must not repeat: secrets in every form they are likely to come back in, and the
 * search that masks them in a stream. Masking keeps every length: a found form becomes as many
 * asterisks, so that framing and offsets stay true. */
#ifndef BARKEEP_VAULT_LEAK_SET_H
#define BARKEEP_VAULT_LEAK_SET_H

#include "core/slice.h"

/* Values shorter than this are not looked for: they would be found everywhere. */
enum { LEAK_MIN_BYTES = 6 };
/* No more than this many bytes of a stream are ever kept back. */
enum { LEAK_KEPT_MAX = 1023 };

enum leak_kind {
    LEAK_VALUE, /* raw, base64 and base64url at three alignments, hexadecimal, percent-, JSON- and
                   HTML-escaped */
    LEAK_TOKEN, /* raw only: a token, whose characters no escaping changes */
};

struct leak_source {
    struct slice bytes;
    enum leak_kind kind;
};

/* Immutable, used by any number of threads at once, wiped with the last reference. */
struct leak_set;

/* Copies what it needs into secret memory. *out_set is NULL when nothing is long enough to look
 * for. False without memory. */
bool leak_set_new(const struct leak_source *sources, size_t count, struct leak_set **out_set);
struct leak_set *leak_set_ref(struct leak_set *set); /* thread-safe */
void leak_set_unref(struct leak_set *set);           /* thread-safe; NULL is fine */

/* One stream being searched. */
struct leak_scan {
    const struct leak_set *set;
    size_t ahead;   /* bytes at the front that belong to a form found already */
    size_t kept;    /* bytes kept back by the last call */
    uint32_t lead;  /* what they may be the beginning of */
    uint64_t found; /* forms masked so far; those that overlap count once */
};

void leak_scan_init(struct leak_scan *scan, const struct leak_set *set);
/* Masks in place. Returns how many bytes at the front are finished and may be sent; the rest, at
 * most LEAK_KEPT_MAX bytes that may be the beginning of a form, must be handed in again in front of
 * what follows. With `is_last` everything is finished. */
size_t leak_scan_bytes(struct leak_scan *scan, char *bytes, size_t len, bool is_last);

#endif
