/* Notices when files change: their content, what a symbolic link on the way to them points to, the
 * file that was renamed to their place. Looks twice a second, so that it works on every file system
 * and through every kind of swap. */
#ifndef BARKEEP_CORE_FILE_WATCH_H
#define BARKEEP_CORE_FILE_WATCH_H

#include "core/loop.h"

struct file_watch;

/* Once a change is complete (nothing moved between two looks), `on_change` is called, each time;
 * it may free the watch. NULL without memory. */
struct file_watch *file_watch_new(struct loop *loop, void (*on_change)(void *owner), void *owner);
/* One more file, from its state of now. It need not exist. */
enum status file_watch_add(struct file_watch *watch, const char *path);
/* Takes what the files look like now as known, before somebody reads them. */
void file_watch_look(struct file_watch *watch);
/* Files that `former` watches too change since its last look, not since now: none goes unnoticed
 * while one watch takes over from the other. */
void file_watch_inherit(struct file_watch *watch, const struct file_watch *former);
void file_watch_free(struct file_watch *watch); /* NULL is fine */

#endif
