/* What a changed configuration changes: compared in diff_changes.c, asked of recorded requests in
 * diff.c, put into words by diff_text.c, as facts by diff_json.c. */
#ifndef BARKEEP_PROXY_DIFF_H
#define BARKEEP_PROXY_DIFF_H

#include <stdio.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/json_out.h"
#include "proxy/audit_reader.h"
#include "proxy/rule_replay.h"
#include "proxy/tally.h"

struct change {
    struct change *next;
    const char *kind; /* "added", "removed", "changed", "moved" */
    const char *name;
    const char *before; /* of a rule: what it says; NULL otherwise, as is the other one */
    const char *after;
};

struct change_list {
    struct change *first, *last;
    size_t count;
};

struct diff {
    struct arena arena;
    const struct config *before, *after; /* borrowed */
    struct change_list parts, rules;
    struct rule_replay *replay_before, *replay_after;
    bool has_audit;
    struct audit_tally read;
    struct tally different, undecided;
    uint64_t same, not_by_rules;
};

void diff_init(struct diff *diff, const struct config *before, const struct config *after);
void diff_done(struct diff *diff);

/* Decides the requests of an audit file, "-" for stdin, again. STATUS_IO with err when it cannot be
 * read, STATUS_NO_MEMORY. */
enum status diff_replay(struct diff *diff, const char *file, struct error *err);
/* The end of reading: the most frequent come first. */
void diff_sort(struct diff *diff);
/* Fills `parts` and `rules`. */
void diff_compare(struct diff *diff);

void diff_print(const struct diff *diff, FILE *out);
/* As one object. */
void diff_write_json(const struct diff *diff, struct json_out *out);

#endif
