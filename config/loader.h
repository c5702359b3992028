/* What the readers of the configuration's parts share: where the result goes, where problems go,
 * and which names exist. Lives while one file is read. */
#ifndef BARKEEP_CONFIG_LOADER_H
#define BARKEEP_CONFIG_LOADER_H

#include "config/name_index.h"
#include "config/node.h"
#include "config/quote.h"
#include "config/suggest.h"
#include "core/arena.h"

struct loader {
    struct config *config;
    struct arena *arena; /* the configuration's own */
    struct problem_list *problems;
    const struct node *root;
    struct slice directory; /* of the file, with its last slash; "" is the working directory */
    struct name_index vaults;
    struct name_index credentials;
    struct name_index roles;
    struct name_index routes;
    struct name_index secrets;         /* by "VAULT/NAME[/VERSION]", see config_secrets.c */
    struct config_secret *secret_rows; /* grows on the heap, moves to the arena at the end */
    size_t secret_cap;
    bool *credential_is_used; /* by index, in the arena */
    bool *role_is_used;
    bool *vault_is_used;
    bool wants_warnings; /* false: none has to be looked for */
    bool is_out_of_memory;
};

/* A problem with a value, at its place. */
void loader_error(struct loader *loader, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void loader_warning(struct loader *loader, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A problem with the key that leads to a value. */
void loader_key_error(struct loader *loader, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void loader_key_warning(struct loader *loader, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A problem with a key that is not there. */
void loader_missing(struct loader *loader, const struct node *mapping, const char *key,
                    const char *advice);

/* Arena memory, zeroed; NULL when exhausted, which is remembered and reported once at the end. */
void *loader_array(struct loader *loader, size_t count, size_t size);
/* "" when exhausted. */
const char *loader_copy(struct loader *loader, struct slice text);
const char *loader_copy_lower(struct loader *loader, struct slice text);
/* A formatted text in the arena; "" when exhausted. */
#define LOADER_FORMAT(loader, ...) loader_kept((loader), arena_printf((loader)->arena, __VA_ARGS__))
const char *loader_kept(struct loader *loader, const char *text);
/* A path of the file, taken from the file's directory when relative. */
const char *loader_copy_path(struct loader *loader, struct slice path);
void loader_index(struct loader *loader, struct name_index *index, struct slice name, size_t value);

/* Text that is not empty. `what` completes "must be ...": "a GUID". False after a problem. */
bool loader_read_text(struct loader *loader, const struct node *node, const char *what,
                      struct slice *out_text);

/* Reads one value or a list of them. `read` returns NULL after a problem. An empty list is an
 * error. */
typedef const char *loader_read_item(struct loader *loader, const struct node *item);
void loader_read_strings(struct loader *loader, const struct node *node, loader_read_item *read,
                         struct config_strings *out_strings);

/* Items for loader_read_strings(). */
const char *loader_read_guid(struct loader *loader, const struct node *item); /* lower-case */
const char *loader_read_word(struct loader *loader, const struct node *item); /* without spaces */

/* https, or http on loopback, as it was written but for a trailing slash. NULL after a problem. */
const char *loader_read_service_url(struct loader *loader, const struct node *node);

/* For a name that `index` does not hold: ", did you mean `x`?", or the names that there are. */
struct loader_hint {
    char text[320];
};
const char *loader_hint(struct loader *loader, const struct name_index *index, struct slice name,
                        struct loader_hint *out_hint);

#endif
