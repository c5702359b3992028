/* The header lines that tell an upstream who calls, made once per token and route: kept beside the
 * identity they are about, dropped with it, bounded in all by the worker's shelf. */
#ifndef BARKEEP_AUTH_IDENTITY_LINES_H
#define BARKEEP_AUTH_IDENTITY_LINES_H

#include "auth/assertion.h"

/* Bounds one worker's lines; least recently used ones leave first. Not thread-safe. */
struct line_shelf;
struct line_shelf *line_shelf_new(size_t max_bytes);
/* Every identity that has lines here must be gone. NULL is fine. */
void line_shelf_free(struct line_shelf *shelf);
/* Forgets all lines: routes or rules have changed. */
void line_shelf_clear(struct line_shelf *shelf);
size_t line_shelf_bytes(const struct line_shelf *shelf);

/* What lines are wanted. */
struct line_order {
    size_t route;
    bool has_easyauth;
    const struct assertion_signer *signer; /* NULL: no assertion */
    struct caller_view view;               /* of the identity that keeps the lines */
    int64_t now_sec;
};

struct identity_lines;

/* Finds or makes them. An assertion is made anew a minute before it expires, when the key has
 * changed and when the clock has gone back. One reference for the caller. STATUS_LIMIT when a
 * header would be too long, STATUS_NOT_FOUND when there is no key to sign with. */
enum status line_shelf_get(struct line_shelf *shelf, struct identity *identity,
                           const struct line_order *order, struct identity_lines **out_lines);
void identity_lines_unref(struct identity_lines *lines); /* NULL is fine */
/* Complete lines, each with its CRLF. */
struct slice identity_lines_text(const struct identity_lines *lines);

/* For identity.c: the identity goes. */
void identity_lines_drop(struct identity *identity);

#endif
