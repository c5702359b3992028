/* Reads secrets from files without leaving a copy behind: the bytes pass through one stack buffer
 * that is wiped. Blocks only as long as a local file does, on the keeper. */
#include "vault/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/secret_value.h"

/* Two more for the line end that is dropped, one to see that there is more. */
#define READ_BYTES (SECRET_VALUE_MAX_BYTES + 3)

static enum status open_failure(int error_number, struct error *err) {
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return error_set(err, STATUS_NOT_FOUND, "no such file");
    case EACCES:
    case EPERM:
        return error_set(err, STATUS_DENIED, "the file may not be read (permission denied)");
    default:
        return error_set(err, STATUS_IO, "cannot open the file (errno %d)", error_number);
    }
}

/* O_NONBLOCK: a FIFO put in the file's place must not hold the keeper up. */
static enum status open_regular(const char *path, int *out_fd, struct error *err) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return open_failure(errno, err);
    struct stat found;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        close(fd);
        return error_set(err, STATUS_INVALID, "not a regular file");
    }
    *out_fd = fd;
    return STATUS_OK;
}

static enum status read_all(int fd, char *bytes, size_t *out_len, struct error *err) {
    size_t len = 0;
    while (len < READ_BYTES) {
        const ssize_t got = read(fd, bytes + len, READ_BYTES - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, STATUS_IO, "cannot read the file (errno %d)", errno);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *out_len = len;
    return STATUS_OK;
}

static struct slice without_line_end(struct slice bytes) {
    if (slice_ends_with(bytes, SLICE("\r\n")))
        return slice_of(bytes.ptr, bytes.len - 2);
    if (slice_ends_with(bytes, SLICE("\n")))
        return slice_of(bytes.ptr, bytes.len - 1);
    return bytes;
}

enum status secret_file_read(const char *path, struct secret **out_value, struct error *err) {
    int fd = -1;
    enum status status = open_regular(path, &fd, err);
    if (status != STATUS_OK)
        return status;
    char bytes[READ_BYTES];
    size_t len = 0;
    status = read_all(fd, bytes, &len, err);
    if (status == STATUS_OK)
        status = secret_value_new(without_line_end(slice_of(bytes, len)), out_value, err);
    secret_wipe(bytes, sizeof bytes);
    close(fd);
    return status;
}

enum status secret_file_read_at(const char *directory, const char *name, struct secret **out_value,
                                struct error *err) {
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))
        return error_set(err, STATUS_INVALID, "not a file name");
    char path[PATH_MAX];
    const int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return error_set(err, STATUS_LIMIT, "the path is too long");
    return secret_file_read(path, out_value, err);
}
