/* The state directory holds private keys, so it must be ours alone: made 0700, never entered
 * through a link, every file written beside its place and moved there. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "must.h"

#define MAX_FILE_BYTES ((size_t)1 << 20)

static char *default_dir(void) {
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (!base || base[0] != '/')
        base = "/tmp";
    return must_printf("%s/barkeep-standin-%u", base, (unsigned)getuid());
}

static enum status check_owner(const struct state *state, struct error *err) {
    struct stat st;
    if (fstat(state->dir_fd, &st) != 0)
        return error_set(err, STATUS_IO, "%s: %s", state->dir, strerror(errno));
    if (st.st_uid != geteuid())
        return error_set(err, STATUS_DENIED, "%s belongs to another user (%u)", state->dir,
                         (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, STATUS_DENIED, "%s is writable by others; chmod 700 it", state->dir);
    return STATUS_OK;
}

enum status state_open(struct state *state, const char *dir, struct error *err) {
    *state = (struct state){.dir = dir ? must_strdup(dir) : default_dir(), .lock_fd = -1};
    enum status status = STATUS_IO;
    if (mkdir(state->dir, 0700) != 0 && errno != EEXIST) {
        error_set(err, status, "%s: %s", state->dir, strerror(errno));
        state->dir_fd = -1;
        goto fail;
    }
    state->dir_fd = open(state->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state->dir_fd < 0) {
        error_set(err, status, "%s: %s", state->dir,
                  errno == ENOTDIR || errno == ELOOP ? "not a directory" : strerror(errno));
        goto fail;
    }
    status = check_owner(state, err);
    if (status != STATUS_OK)
        goto fail;
    return STATUS_OK;
fail:
    state_close(state);
    return status;
}

void state_close(struct state *state) {
    state_unlock(state);
    if (state->dir_fd >= 0)
        close(state->dir_fd);
    free(state->dir);
    *state = (struct state){.dir_fd = -1, .lock_fd = -1};
}

enum status state_lock(struct state *state, struct error *err) {
    state->lock_fd = openat(state->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->lock_fd < 0)
        return error_set(err, STATUS_IO, "%s/lock: %s", state->dir, strerror(errno));
    while (flock(state->lock_fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        state_unlock(state);
        return error_set(err, STATUS_IO, "%s/lock: %s", state->dir, strerror(errno));
    }
    return STATUS_OK;
}

void state_unlock(struct state *state) {
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    state->lock_fd = -1;
}

enum status file_read(int dir_fd, const char *path, char **out_text, struct error *err) {
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            return error_set(err, STATUS_NOT_FOUND, "%s: no such file", path);
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    char *text = must_array(MAX_FILE_BYTES + 1, 1);
    size_t len = 0;
    ssize_t got = 1;
    while (len < MAX_FILE_BYTES && got > 0) {
        got = read(fd, text + len, MAX_FILE_BYTES - len);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            len += (size_t)got;
    }
    int read_errno = errno;
    close(fd);
    enum status status = STATUS_OK;
    if (got < 0)
        status = error_set(err, STATUS_IO, "%s: %s", path, strerror(read_errno));
    else if (len == MAX_FILE_BYTES)
        status = error_set(err, STATUS_LIMIT, "%s: larger than 1 MiB", path);
    else if (strlen(text) != len)
        status = error_set(err, STATUS_INVALID, "%s: holds a NUL byte", path);
    if (status != STATUS_OK) {
        free(text);
        return status;
    }
    *out_text = must(realloc(text, len + 1));
    return STATUS_OK;
}

enum status state_read(const struct state *state, const char *name, char **out_text,
                       struct error *err) {
    return file_read(state->dir_fd, name, out_text, err);
}

static bool write_all(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t put = write(fd, text, left);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            text += put;
            left -= (size_t)put;
        }
    }
    return true;
}

enum status state_write(const struct state *state, const char *name, const char *text,
                        struct error *err) {
    char *fresh = must_printf("%s.%ld.new", name, (long)getpid());
    int fd =
        openat(state->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write_all(fd, text);
    int saved_errno = errno;
    if (fd >= 0)
        close(fd);
    if (is_written && renameat(state->dir_fd, fresh, state->dir_fd, name) != 0) {
        is_written = false;
        saved_errno = errno;
    }
    if (!is_written)
        unlinkat(state->dir_fd, fresh, 0);
    free(fresh);
    if (!is_written)
        return error_set(err, STATUS_IO, "%s/%s: %s", state->dir, name, strerror(saved_errno));
    return STATUS_OK;
}

void state_remove(const struct state *state, const char *name) {
    unlinkat(state->dir_fd, name, 0);
}

char *state_path(const struct state *state, const char *name) {
    return must_printf("%s/%s", state->dir, name);
}
