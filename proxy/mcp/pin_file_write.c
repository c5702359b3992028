/* What an approval does to the pins file: alone, in one step, and so that whoever reads the file
 * goes on reading it. */
#define _GNU_SOURCE /* mkostemp */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/json_out.h"
#include "proxy/mcp/pin_file.h"

enum { LOCK_PATIENCE_MS = 5000, LOCK_RETRY_US = 20000 };

static void write_digest(struct buf *out, struct slice name, const char *digest, const char *indent,
                         bool is_first) {
    buf_printf(out, "%s\n%s", is_first ? "" : ",", indent);
    json_out_string(out, name);
    buf_printf(out, ": \"%s\"", digest);
}

static void write_pin(struct buf *out, const struct mcp_pin *pin) {
    bool has_shape = false;
    buf_append_str(out, "\n    ");
    json_out_string(out, pin->name);
    buf_append_str(out, ": {\n      \"fields\": {");
    for (size_t i = 0; i < pin->field_count; i++) {
        write_digest(out, pin->fields[i].name, pin->fields[i].digest, "        ", i == 0);
    }
    buf_append_str(out, "\n      },");
    for (size_t i = 0; i < pin->field_count; i++) {
        if (*pin->fields[i].shape) {
            buf_append_str(out, has_shape ? "" : "\n      \"shapes\": {");
            write_digest(out, pin->fields[i].name, pin->fields[i].shape, "        ", !has_shape);
            has_shape = true;
        }
    }
    buf_append_str(out, has_shape ? "\n      }," : "");
    write_digest(out, SLICE("whole"), pin->digest, "      ", true);
    buf_append_str(out, "\n    }");
}

static void write_list(struct buf *out, const struct mcp_pin_list *list) {
    buf_printf(out, "{\n  \"format\": %d,\n  \"tools\": {", PIN_FILE_FORMAT);
    for (size_t i = 0; i < list->count; i++) {
        buf_append_str(out, i ? "," : "");
        write_pin(out, &list->pins[i]);
    }
    buf_append_str(out, list->count ? "\n  }\n}\n" : "}\n}\n");
}

static bool write_whole(int fd, struct slice text) {
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text = slice_skip(text, (size_t)written);
    }
    return true;
}

/* The file that a symbolic link leads to is what is meant, not the link; NULL when it leads
 * nowhere, for what is to be written there nobody has said. */
static const char *target_of(const char *path, char room[PATH_MAX]) {
    struct stat found;
    if (realpath(path, room)) {
        return room;
    }
    return lstat(path, &found) == 0 && S_ISLNK(found.st_mode) ? NULL : path;
}

static enum status fail_at_link(const char *path, struct error *err) {
    return error_set(err, STATUS_IO, "%s: a symbolic link that leads nowhere", path);
}

/* -1 with errno set. */
static int open_folder_of(const char *target) {
    const char *slash = strrchr(target, '/');
    char folder[PATH_MAX];
    int len = !slash ? snprintf(folder, sizeof folder, ".")
              : slash == target
                  ? snprintf(folder, sizeof folder, "/")
                  : snprintf(folder, sizeof folder, "%.*s", (int)(slash - target), target);
    if (len < 0 || (size_t)len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum status mcp_pin_file_lock(const char *path, int *out_lock, struct error *err) {
    char resolved[PATH_MAX];
    const char *target = target_of(path, resolved);
    if (!target) {
        return fail_at_link(path, err);
    }
    int folder = open_folder_of(target);
    if (folder < 0) {
        return error_set(err, STATUS_IO, "%s: its folder: %s", path, strerror(errno));
    }
    uint64_t patience = clock_monotonic_ms() + LOCK_PATIENCE_MS;
    while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        bool is_taken = errno == EWOULDBLOCK;
        if (!is_taken || clock_monotonic_ms() >= patience) {
            const char *problem = is_taken ? "another approval is at work" : strerror(errno);
            close(folder);
            return error_set(err, STATUS_IO, "%s: its folder cannot be locked: %s", path, problem);
        }
        usleep(LOCK_RETRY_US);
    }
    *out_lock = folder;
    return STATUS_OK;
}

/* Not ours to give away, or an owner that this user namespace has no number for. */
static bool may_not(int result) {
    return result != 0 && (errno == EPERM || errno == EINVAL);
}

/* As the former file is, as far as we may: the service that reads it has to go on reading it. A
 * group that cannot stay is replaced by ours, which gets no more than everybody has. */
static bool take_after(int fd, const char *target) {
    struct stat former;
    if (stat(target, &former) != 0) {
        return fchmod(fd, 0644) == 0;
    }
    mode_t mode = former.st_mode & 0777;
    int result = fchown(fd, former.st_uid, former.st_gid);
    if (may_not(result)) {
        result = fchown(fd, (uid_t)-1, former.st_gid);
    }
    if (may_not(result)) {
        mode = (mode & 0707) | (mode & 0007) << 3;
        result = 0;
    }
    return result == 0 && fchmod(fd, mode) == 0;
}

/* The file is in its place already when this fails, but perhaps not after a loss of power. There
 * are file systems that know no such thing of folders. */
static bool sync_folder_of(const char *target) {
    int folder = open_folder_of(target);
    bool is_synced = folder >= 0 && (fsync(folder) == 0 || errno == EINVAL);
    if (folder >= 0) {
        close(folder);
    }
    return is_synced;
}

/* A file beside it that takes its place once it is on the disk. */
static bool replace_file(const char *path, struct slice text) {
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool is_written = write_whole(fd, text) && take_after(fd, path) && fsync(fd) == 0;
    is_written = close(fd) == 0 && is_written && rename(beside, path) == 0;
    if (!is_written) {
        int reason = errno;
        unlink(beside);
        errno = reason;
    }
    return is_written && sync_folder_of(path);
}

enum status mcp_pin_file_write(const char *path, const struct mcp_pin_list *list,
                               struct error *err) {
    struct buf text;
    char resolved[PATH_MAX];
    enum status status = STATUS_OK;
    buf_init(&text, PIN_FILE_BYTES_MAX);
    write_list(&text, list);
    const char *target = target_of(path, resolved);
    if (!target) {
        status = fail_at_link(path, err);
    } else if (!buf_ok(&text)) {
        status = error_set(err, STATUS_LIMIT, "%s: would be larger than 4 MiB", path);
    } else if (!replace_file(target, buf_slice(&text))) {
        status = error_set(err, STATUS_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    buf_done(&text);
    return status;
}
