/* Less is told than is known: of the groups only those that the rules name anyway. */
#include "auth/caller_view.h"

static bool all_fit(const struct slice *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (texts[i].len > CALLER_VIEW_MAX_TEXT_BYTES)
            return false;
    return true;
}

/* The other texts of an identity are bounded where they are read. */
bool caller_view_is_tellable(const struct caller_view *view) {
    const struct identity *identity = view->identity;
    return all_fit(identity->roles, identity->role_count) &&
           all_fit(identity->scopes, identity->scope_count) &&
           all_fit(view->named_groups, view->named_group_count);
}

struct slice caller_view_subject(const struct caller_view *view) {
    return slice_is_empty(view->identity->sub) ? view->identity->oid : view->identity->sub;
}

void caller_view_join_scopes(const struct caller_view *view, struct buf *out) {
    const struct identity *identity = view->identity;
    buf_init(out, CALLER_VIEW_MAX_TEXT_BYTES);
    for (size_t i = 0; i < identity->scope_count; i++) {
        if (i > 0)
            buf_append_char(out, ' ');
        buf_append_slice(out, identity->scopes[i]);
    }
}

void caller_view_each_group(const struct caller_view *view,
                            void (*on_group)(void *owner, struct slice group), void *owner) {
    for (size_t i = 0; i < view->named_group_count; i++)
        if (identity_has_group(view->identity, view->named_groups[i]))
            on_group(owner, view->named_groups[i]);
}
