/* stat() and nothing else: inotify sees neither a network file system's changes nor, without a
 * watch on every folder on the way, a link that now leads elsewhere. */
#include "core/file_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/slice.h"

enum { LOOK_MS = 500 };

/* All zero: the file is not there. */
struct appearance {
    dev_t device;
    ino_t node;
    off_t size;
    struct timespec changed; /* content, name or rights: one who may not read it now may later */
};

struct watched_file {
    char *path;
    struct appearance reported; /* as it was at the last report, or at the beginning */
    struct appearance seen;     /* at the last look */
    bool is_wanted;             /* added since the last reading began */
};

struct file_watch {
    struct loop *loop;
    struct loop_timer timer;
    void (*on_change)(void *owner);
    void *owner;
    struct watched_file *files;
    size_t count;
};

static struct appearance look_at(const char *path) {
    struct appearance appearance;
    struct stat status;
    memset(&appearance, 0, sizeof appearance);
    if (stat(path, &status) == 0) {
        appearance.device = status.st_dev;
        appearance.node = status.st_ino;
        appearance.size = status.st_size;
        appearance.changed = status.st_ctim;
    }
    return appearance;
}

static bool is_same(const struct appearance *a, const struct appearance *b) {
    return a->device == b->device && a->node == b->node && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* True when something differs from the last report and nothing moved since the last look. */
static bool look_again(struct file_watch *watch) {
    bool has_changed = false;
    bool is_still = true;
    for (size_t i = 0; i < watch->count; i++) {
        struct watched_file *file = &watch->files[i];
        const struct appearance now = look_at(file->path);
        is_still = is_still && is_same(&now, &file->seen);
        has_changed = has_changed || !is_same(&now, &file->reported);
        file->seen = now;
    }
    return has_changed && is_still;
}

static void on_look(struct loop_timer *timer) {
    struct file_watch *watch = timer->owner;
    loop_timer_set(watch->loop, timer, LOOK_MS);
    if (!look_again(watch)) {
        return;
    }
    for (size_t i = 0; i < watch->count; i++) {
        watch->files[i].reported = watch->files[i].seen;
    }
    watch->on_change(watch->owner);
}

struct file_watch *file_watch_new(struct loop *loop, void (*on_change)(void *owner), void *owner) {
    struct file_watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        return NULL;
    }
    *watch = (struct file_watch){.loop = loop, .on_change = on_change, .owner = owner};
    loop_timer_init(&watch->timer, on_look, watch);
    if (loop_timer_set(loop, &watch->timer, LOOK_MS) != STATUS_OK) {
        free(watch);
        return NULL;
    }
    return watch;
}

static struct watched_file *find_file(struct file_watch *watch, const char *path) {
    for (size_t i = 0; i < watch->count; i++) {
        if (strcmp(watch->files[i].path, path) == 0) {
            return &watch->files[i];
        }
    }
    return NULL;
}

enum status file_watch_add(struct file_watch *watch, const char *path) {
    struct watched_file *known = find_file(watch, path);
    if (known) {
        known->is_wanted = true;
        return STATUS_OK;
    }
    struct watched_file *files = realloc(watch->files, (watch->count + 1) * sizeof *files);
    if (!files) {
        return STATUS_NO_MEMORY;
    }
    watch->files = files;
    struct watched_file *file = &files[watch->count];
    file->path = slice_strdup(slice_of_str(path));
    if (!file->path) {
        return STATUS_NO_MEMORY;
    }
    file->reported = file->seen = look_at(path);
    file->is_wanted = true;
    watch->count++;
    return STATUS_OK;
}

void file_watch_begin_reading(struct file_watch *watch) {
    for (size_t i = 0; watch && i < watch->count; i++) {
        struct watched_file *file = &watch->files[i];
        file->reported = file->seen = look_at(file->path);
        file->is_wanted = false;
    }
}

void file_watch_end_reading(struct file_watch *watch) {
    size_t kept = 0;
    if (!watch) {
        return;
    }
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->files[i].is_wanted) {
            watch->files[kept++] = watch->files[i];
        } else {
            free(watch->files[i].path);
        }
    }
    watch->count = kept;
}

void file_watch_free(struct file_watch *watch) {
    if (!watch) {
        return;
    }
    loop_timer_cancel(watch->loop, &watch->timer);
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->files[i].path);
    }
    free(watch->files);
    free(watch);
}
