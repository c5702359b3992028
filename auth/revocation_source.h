/* The file of revocations: read, watched, read again. */
#ifndef BARKEEP_AUTH_REVOCATION_SOURCE_H
#define BARKEEP_AUTH_REVOCATION_SOURCE_H

#include "auth/revocation.h"
#include "core/loop.h"

/* Reads the file whole. Refuses what is no regular file, what everyone may write to, and what
 * revocation_list_parse() refuses. One reference for the caller; on failure `err` says why, without
 * the path. */
enum status revocation_file_read(const char *path, struct revocation_list **out_list,
                                 struct error *err);

struct revocation_source;

/* Takes over one reference to `list`, the file's new content. */
typedef void revocation_on_list(void *owner, struct revocation_list *list);

/* Reads the file (NULL with `err` when that fails): `out_list` gets one reference to the list. Then
 * `on_list` gets a new list within a second of every change: of the file, of what a symbolic link
 * on the way to it points to, or of the file that was renamed to its place. A file that cannot be
 * used changes nothing and raises an event. */
struct revocation_source *revocation_source_new(struct loop *loop, const char *path,
                                                revocation_on_list *on_list, void *owner,
                                                struct revocation_list **out_list,
                                                struct error *err);
void revocation_source_free(struct revocation_source *source); /* NULL is fine */

#endif
