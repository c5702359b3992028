/* Looks at the file five times a second: that sees every way a file can change, on every kind of
 * file system, through swapped links too, where a watch on names would have to follow each of them.
 * What changed is read once it has looked the same twice, so that a writer who is not done is not
 * taken at half his word. */
#include "auth/revocation_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/log.h"

enum { LOOK_INTERVAL_MS = 200 };

/* What tells one state of the file from another. */
struct look {
    int error; /* errno, 0 when the file is there */
    dev_t device;
    ino_t inode;
    mode_t mode;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

struct revocation_source {
    struct loop *loop;
    struct loop_timer timer;
    char *path;
    revocation_on_list *on_list;
    void *owner;
    struct look seen;   /* last time */
    struct look judged; /* when the file was last read, whatever came of it */
};

static struct look look_of(int result, const struct stat *stat) {
    if (result != 0)
        return (struct look){.error = errno};
    return (struct look){.device = stat->st_dev,
                         .inode = stat->st_ino,
                         .mode = stat->st_mode,
                         .size = stat->st_size,
                         .modified = stat->st_mtim,
                         .changed = stat->st_ctim};
}

static struct look look_at(const char *path) {
    struct stat now;
    return look_of(stat(path, &now), &now);
}

static bool is_same_time(struct timespec one, struct timespec other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static bool is_same_look(const struct look *one, const struct look *other) {
    return one->error == other->error && one->device == other->device &&
           one->inode == other->inode && one->mode == other->mode && one->size == other->size &&
           is_same_time(one->modified, other->modified) &&
           is_same_time(one->changed, other->changed);
}

/* Everything is asked of the open file, so that it cannot be swapped between look and use. */
static enum status check_file(int fd, struct look *out_look, struct error *err) {
    struct stat stat;
    int result = fstat(fd, &stat);
    *out_look = look_of(result, &stat);
    if (result != 0 || !S_ISREG(stat.st_mode))
        return error_set(err, STATUS_INVALID, "is not a file");
    if (stat.st_mode & S_IWOTH)
        return error_set(err, STATUS_DENIED, "everyone may write to it; run chmod o-w on it");
    return STATUS_OK;
}

static enum status read_file(int fd, struct revocation_list **out_list, struct look *out_look,
                             struct error *err) {
    enum status status = check_file(fd, out_look, err);
    if (status != STATUS_OK)
        return status;
    struct buf bytes;
    buf_init(&bytes, REVOCATION_MAX_BYTES);
    if (!buf_append_file(&bytes, fd))
        status = error_set(err, STATUS_IO, "cannot be read: %s", strerror(errno));
    else if (!buf_ok(&bytes))
        status = error_set(err, STATUS_LIMIT, "is larger than %zu MiB, or than memory",
                           REVOCATION_MAX_BYTES >> 20);
    else
        status = revocation_list_parse(buf_slice(&bytes), out_list, err);
    buf_done(&bytes);
    return status;
}

static enum status read_path(const char *path, struct revocation_list **out_list,
                             struct look *out_look, struct error *err) {
    /* O_NONBLOCK: a pipe without a writer must not hold the program up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *out_look = (struct look){.error = errno};
        return error_set(err, STATUS_IO, "cannot be opened: %s", strerror(out_look->error));
    }
    enum status status = read_file(fd, out_list, out_look, err);
    close(fd);
    return status;
}

enum status revocation_file_read(const char *path, struct revocation_list **out_list,
                                 struct error *err) {
    struct look look;
    return read_path(path, out_list, &look, err);
}

static void read_again(struct revocation_source *source) {
    struct revocation_list *list = NULL;
    struct error err;
    enum status status = read_path(source->path, &list, &source->judged, &err);
    if (status != STATUS_OK) {
        LOG_EVENT(LOG_WARNING, "reload", LOG_STR("file", source->path),
                  LOG_STR("problem", err.text),
                  LOG_STR("effect", "what was revoked before stays so, nothing else"));
        return;
    }
    LOG_EVENT(LOG_INFO, "reload", LOG_STR("file", source->path),
              LOG_INT("revoked", revocation_list_count(list)));
    source->on_list(source->owner, list);
}

static void on_timer(struct loop_timer *timer) {
    struct revocation_source *source = timer->owner;
    struct look now = look_at(source->path);
    bool has_settled = is_same_look(&now, &source->seen);
    source->seen = now;
    if (has_settled && !is_same_look(&now, &source->judged))
        read_again(source);
    loop_timer_set(source->loop, &source->timer, LOOK_INTERVAL_MS);
}

static struct revocation_source *source_new(struct loop *loop, const char *path,
                                            revocation_on_list *on_list, void *owner) {
    struct revocation_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->loop = loop;
    source->path = slice_strdup(slice_of_str(path));
    source->on_list = on_list;
    source->owner = owner;
    loop_timer_init(&source->timer, on_timer, source);
    if (source->path)
        return source;
    free(source);
    return NULL;
}

struct revocation_source *revocation_source_new(struct loop *loop, const char *path,
                                                revocation_on_list *on_list, void *owner,
                                                struct revocation_list **out_list,
                                                struct error *err) {
    struct error why;
    struct revocation_source *source = source_new(loop, path, on_list, owner);
    if (!source) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    enum status status = read_path(path, out_list, &source->judged, &why);
    if (status != STATUS_OK) {
        error_set(err, status, "the list of revocations, %s: %s", path, why.text);
        revocation_source_free(source);
        return NULL;
    }
    source->seen = source->judged;
    loop_timer_set(loop, &source->timer, LOOK_INTERVAL_MS);
    return source;
}

void revocation_source_free(struct revocation_source *source) {
    if (!source)
        return;
    loop_timer_cancel(source->loop, &source->timer);
    free(source->path);
    free(source);
}
