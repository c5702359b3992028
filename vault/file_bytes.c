#include "vault/file_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum status file_bytes_open_failure(int error_number, struct error *err) {
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return error_set(err, STATUS_NOT_FOUND, "no such file");
    case EACCES:
    case EPERM:
        return error_set(err, STATUS_DENIED, "the file may not be read (permission denied)");
    case ELOOP:
        return error_set(err, STATUS_INVALID, "a symbolic link");
    default:
        return error_set(err, STATUS_IO, "cannot open the file (errno %d)", error_number);
    }
}

enum status file_bytes_read_up_to(int fd, char *bytes, size_t len, size_t *out_got,
                                  struct error *err) {
    size_t at = 0;
    while (at < len) {
        const ssize_t got = read(fd, bytes + at, len - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, STATUS_IO, "cannot read the file (errno %d)", errno);
        if (got == 0)
            break;
        at += (size_t)got;
    }
    *out_got = at;
    return STATUS_OK;
}

/* A file that grows or shrinks meanwhile is being written: the next try will find it whole. */
static enum status read_exactly(int fd, struct secret *into, struct error *err) {
    const size_t len = secret_bytes(into).len;
    size_t got = 0;
    size_t more = 0;
    char beyond = 0;
    enum status status = file_bytes_read_up_to(fd, secret_writable(into), len, &got, err);
    if (status == STATUS_OK)
        status = file_bytes_read_up_to(fd, &beyond, 1, &more, err);
    secret_wipe(&beyond, 1);
    if (status == STATUS_OK && (got != len || more != 0))
        return error_set(err, STATUS_IO, "the file changed while it was read");
    return status;
}

static enum status check_regular(int fd, struct stat *out_found, struct error *err) {
    if (fstat(fd, out_found) != 0 || !S_ISREG(out_found->st_mode))
        return error_set(err, STATUS_INVALID, "not a regular file");
    return STATUS_OK;
}

enum status file_bytes_read(int fd, size_t max_bytes, struct secret **out_bytes,
                            struct error *err) {
    struct stat found;
    enum status status = check_regular(fd, &found, err);
    if (status != STATUS_OK)
        return status;
    if (found.st_size <= 0)
        return error_set(err, STATUS_INVALID, "the file is empty");
    if ((size_t)found.st_size > max_bytes)
        return error_set(err, STATUS_LIMIT, "the file is larger than %zu bytes", max_bytes);
    struct secret *bytes = secret_new_blank((size_t)found.st_size);
    if (!bytes)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    status = read_exactly(fd, bytes, err);
    if (status == STATUS_OK)
        *out_bytes = bytes;
    else
        secret_unref(bytes);
    return status;
}

/* O_NONBLOCK: a FIFO put in the file's place must not hold the keeper up. */
enum status file_bytes_open(const char *path, int *out_fd, struct error *err) {
    struct stat found;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return file_bytes_open_failure(errno, err);
    const enum status status = check_regular(fd, &found, err);
    if (status == STATUS_OK)
        *out_fd = fd;
    else
        close(fd);
    return status;
}

enum status file_bytes_read_path(const char *path, size_t max_bytes, struct secret **out_bytes,
                                 struct error *err) {
    int fd = -1;
    enum status status = file_bytes_open(path, &fd, err);
    if (status != STATUS_OK)
        return status;
    status = file_bytes_read(fd, max_bytes, out_bytes, err);
    close(fd);
    return status;
}
