/* Notices when files change: their content, their rights, what a symbolic link on the way to them
 * points to, the file that was renamed to their place. Looks twice a second, so that it works on
 * every file system and through every kind of swap. */
#ifndef BARKEEP_CORE_FILE_WATCH_H
#define BARKEEP_CORE_FILE_WATCH_H

#include "core/loop.h"

struct file_watch;

/* Once a change is complete (nothing moved between two looks), `on_change` is called, each time;
 * it may free the watch. NULL without memory. */
struct file_watch *file_watch_new(struct loop *loop, void (*on_change)(void *owner), void *owner);
/* One more file, from its state of now; a file that is watched already stays as it is. It need not
 * exist. */
enum status file_watch_add(struct file_watch *watch, const char *path);
/* The files are about to be read, whoever asked for it: what they are now is no change any more,
 * what becomes of them while they are read is one. Add again those that matter from then on. */
void file_watch_begin_reading(struct file_watch *watch); /* NULL is fine */
/* Forgets the files that were not added since file_watch_begin_reading(). */
void file_watch_end_reading(struct file_watch *watch); /* NULL is fine */
void file_watch_free(struct file_watch *watch);        /* NULL is fine */

#endif
