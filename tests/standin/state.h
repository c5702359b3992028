/* The state directory: what the serving process and the `token` command share. */
#ifndef BARKEEP_STANDIN_STATE_H
#define BARKEEP_STANDIN_STATE_H

#include "core/slice.h"
#include "core/status.h"

struct state {
    char *dir;
    int dir_fd;
    int lock_fd;
};

/* Makes the directory (0700) or takes it over; refuses a link, somebody else's directory and one
 * that others may write to. `dir` NULL means ${XDG_RUNTIME_DIR:-/tmp}/barkeep-standin-UID. */
enum status state_open(struct state *state, const char *dir, struct error *err);
void state_close(struct state *state);

/* One process at a time between these two: keys are made once. */
enum status state_lock(struct state *state, struct error *err);
void state_unlock(struct state *state);

/* The whole file with a NUL behind it; the caller frees. STATUS_NOT_FOUND without an error text
 * when it does not exist. */
enum status state_read(const struct state *state, const char *name, char **out_text,
                       struct error *err);
/* Replaces the file in one step, readable by the owner only. */
enum status state_write(const struct state *state, const char *name, const char *text,
                        struct error *err);
void state_remove(const struct state *state, const char *name);
/* The caller frees. */
char *state_path(const struct state *state, const char *name);

/* Any file, at most 1 MiB; the caller frees. */
enum status file_read(int dir_fd, const char *path, char **out_text, struct error *err);

#endif
