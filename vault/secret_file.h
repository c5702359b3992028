/* One secret in one file: Kubernetes mounts, systemd credentials, Docker secrets. */
#ifndef BARKEEP_VAULT_SECRET_FILE_H
#define BARKEEP_VAULT_SECRET_FILE_H

#include "core/secret.h"

/* Reads a regular file (symbolic links are followed: Kubernetes swaps them) and drops one "\n" or
 * "\r\n" at its end. The content must pass secret_value_new(). STATUS_NOT_FOUND when there is no
 * such file; STATUS_DENIED without the right to read it. The caller unrefs. */
enum status secret_file_read(const char *path, struct secret **out_value, struct error *err);

/* The file `name` directly below `directory`. A name with '/' or a leading '.' is refused. */
enum status secret_file_read_at(const char *directory, const char *name, struct secret **out_value,
                                struct error *err);

#endif
