/* What a client asks for in a user's name: the words of `scope`, v2. */
#ifndef BARKEEP_STANDIN_SCOPE_WISH_H
#define BARKEEP_STANDIN_SCOPE_WISH_H

#include "directory.h"
#include "entra_error.h"

struct scope_wish {
    char *resource_name;
    json_t *scopes; /* names without the resource; [".default"] for all there are */
    bool wants_id_token;
    bool wants_refresh_token;
};

/* `scope` NULL: it did not come. False with the reason; scope_wish_done() in any case. The reason
 * lives as long as `scope` and the wish. */
bool scope_wish_read(struct scope_wish *wish, const char *scope, struct entra_refusal *out_refusal);
/* All that a resource has: v1's way of asking. */
void scope_wish_for_all(struct scope_wish *wish, const char *resource_name);
void scope_wish_done(struct scope_wish *wish);

/* The names that go into `scp`. Azure's own resources take any; an API has those of its seed. The
 * caller owns the list; NULL with the reason. */
json_t *scope_wish_grant(const struct scope_wish *wish, const struct resource *resource,
                         struct entra_refusal *out_refusal);
/* Names with `prefix` before each, one space between. The caller frees. */
char *scope_names_join(const json_t *names, const char *prefix);

#endif
