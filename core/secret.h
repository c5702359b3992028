/* Secret bytes: locked in memory, kept out of core dumps, wiped when the last reference goes, and
 * without any way to print them. Built on OpenSSL's secure heap. */
#ifndef BARKEEP_CORE_SECRET_H
#define BARKEEP_CORE_SECRET_H

#include "core/slice.h"
#include "core/status.h"

struct secret;

/* Once, before any thread starts. `heap_bytes` is a power of two. False in `out_is_locked` when the
 * system refused to lock the pages (RLIMIT_MEMLOCK): the caller decides whether that is fatal. */
enum status secret_memory_init(size_t heap_bytes, bool *out_is_locked, struct error *err);

/* How much of the secure heap is taken. Thread-safe; others may take more in the same moment. */
unsigned secret_memory_used_percent(void);

/* Copies. NULL when the secure heap is exhausted. Thread-safe. */
struct secret *secret_new(struct slice bytes);
/* Room for `len` bytes to be filled once through secret_writable() before the secret is shared. */
struct secret *secret_new_blank(size_t len);
char *secret_writable(struct secret *secret);
struct secret *secret_ref(struct secret *secret);
void secret_unref(struct secret *secret); /* NULL is fine */

struct slice secret_bytes(const struct secret *secret);
/* Constant time in the contents. */
bool secret_eq(const struct secret *a, const struct secret *b);
/* True when a byte is CR, LF, NUL, another control byte (HTAB too) or DEL. */
bool secret_has_control_bytes(const struct secret *secret);

/* Overwrites memory that the compiler may not skip. */
void secret_wipe(void *bytes, size_t len);

#endif
