/* What an upstream is to be told of a caller. */
#ifndef BARKEEP_AUTH_CALLER_VIEW_H
#define BARKEEP_AUTH_CALLER_VIEW_H

#include "auth/identity.h"
#include "core/buf.h"

struct caller_view {
    const struct identity *identity;
    const char *audience;             /* the route's name */
    const struct slice *named_groups; /* those that the rules name: no others are told */
    size_t named_group_count;
};

/* No header that tells it is longer. */
#define CALLER_VIEW_MAX_HEADER_BYTES 8192
/* No single text in it is longer: json_out would cut it. */
#define CALLER_VIEW_MAX_TEXT_BYTES 4096

/* False when a text is too long for a header anyway. */
bool caller_view_is_tellable(const struct caller_view *view);
/* sub, or failing that the oid: what stands for the caller. */
struct slice caller_view_subject(const struct caller_view *view);
/* The scopes as a token's scp has them: one text, single spaces between. `out` is initialised here;
 * buf_done() by the caller. */
void caller_view_join_scopes(const struct caller_view *view, struct buf *out);
/* Calls back with each of the caller's groups that the rules name, in order. */
void caller_view_each_group(const struct caller_view *view,
                            void (*on_group)(void *owner, struct slice group), void *owner);

#endif
