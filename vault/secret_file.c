/* Reads secrets from files without leaving a copy behind: the bytes pass through one stack buffer
 * that is wiped. Blocks only as long as a local file does, on the keeper. */
#include "vault/secret_file.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "vault/file_bytes.h"
#include "vault/secret_value.h"

/* Two more for the line end that is dropped, one to see that there is more. */
#define READ_BYTES (SECRET_VALUE_MAX_BYTES + 3)

static struct slice without_line_end(struct slice bytes) {
    if (slice_ends_with(bytes, SLICE("\r\n")))
        return slice_of(bytes.ptr, bytes.len - 2);
    if (slice_ends_with(bytes, SLICE("\n")))
        return slice_of(bytes.ptr, bytes.len - 1);
    return bytes;
}

enum status secret_file_read(const char *path, struct secret **out_value, struct error *err) {
    int fd = -1;
    enum status status = file_bytes_open(path, &fd, err);
    if (status != STATUS_OK)
        return status;
    char bytes[READ_BYTES];
    size_t len = 0;
    status = file_bytes_read_up_to(fd, bytes, READ_BYTES, &len, err);
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
