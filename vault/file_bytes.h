/* Small files of secret bytes, read into secret memory without a copy beside it. */
#ifndef BARKEEP_VAULT_FILE_BYTES_H
#define BARKEEP_VAULT_FILE_BYTES_H

#include "core/secret.h"

/* The whole of what `fd` is open on, if that is a regular file of 1 to `max_bytes` bytes: judged on
 * the descriptor, so that nobody can put another file in its place meanwhile. Does not close it.
 * The caller unrefs. err never quotes. */
enum status file_bytes_read(int fd, size_t max_bytes, struct secret **out_bytes, struct error *err);

/* Opens `path` (symbolic links are followed: Kubernetes swaps them) if that is a regular file.
 * STATUS_NOT_FOUND when there is no such file, STATUS_DENIED without the right to read it. The
 * caller closes. */
enum status file_bytes_open(const char *path, int *out_fd, struct error *err);

/* Reads into `bytes`, which the caller wipes, until the end or until `len` bytes are there. */
enum status file_bytes_read_up_to(int fd, char *bytes, size_t len, size_t *out_got,
                                  struct error *err);

/* file_bytes_open() and file_bytes_read() in one. */
enum status file_bytes_read_path(const char *path, size_t max_bytes, struct secret **out_bytes,
                                 struct error *err);

/* Puts the reason why open() failed into words. */
enum status file_bytes_open_failure(int error_number, struct error *err);

#endif
