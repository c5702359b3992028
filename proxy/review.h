/* Who can reach what, and by the audit who did: counted in review.c, put into words by
 * review_text.c, as facts by review_json.c. */
#ifndef BARKEEP_PROXY_REVIEW_H
#define BARKEEP_PROXY_REVIEW_H

#include <stdio.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/json_out.h"
#include "proxy/audit_reader.h"
#include "proxy/tally.h"

/* Between the parts of a counted name; sorts before everything else, and no part holds it. */
#define REVIEW_SEPARATOR '\x1f'

struct review {
    const struct config *config; /* borrowed */
    struct arena arena;
    bool has_audit;
    struct audit_tally read;
    struct tally rules;   /* rule */
    struct tally shadows; /* rule that would have decided */
    struct tally users;   /* rule, principal */
    struct tally refused; /* principal, reason, route */
};

void review_init(struct review *review, const struct config *config);
void review_done(struct review *review);

/* Counts the requests of an audit file, "-" for stdin. STATUS_IO with err when it cannot be read.
 */
enum status review_read(struct review *review, const char *file, struct error *err);
/* The end of reading: the most frequent come first. */
void review_sort(struct review *review);

void review_print(struct review *review, FILE *out);
/* As one object. */
void review_write_json(struct review *review, struct json_out *out);

/* For the files of the review: */

/* What a rule of this kind hands out; CONFIG_NONE for none. `route` is NULL at the top level. */
size_t review_credential(const struct config_route *route, const struct config_entry *entry,
                         bool is_deny);
/* Whether the row of `users` is about the rule. */
bool review_is_used_by(const struct tally_row *user, const char *label);
/* Whether the configuration has the rule, which the audit names. */
bool review_knows_rule(const struct review *review, const char *label);

#endif
