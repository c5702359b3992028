/* Secret bytes live in OpenSSL's secure heap: guard pages around it, locked, kept out of dumps and
 * wiped on free. Only the bytes are there; the counter beside them is ordinary memory, so that the
 * small heap holds as many secrets as possible. */
#include "core/secret.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SMALLEST_PIECE_BYTES 32

/* What CRYPTO_secure_malloc_init() answers. */
enum { SECURE_HEAP_LOCKED = 1, SECURE_HEAP_NOT_LOCKED = 2 };

struct secret {
    atomic_uint refs;
    size_t len;
    char *bytes; /* in the secure heap; followed by a NUL for libraries that want strings */
};

static bool is_heap_locked;
static size_t heap_size;

enum status secret_memory_init(size_t heap_bytes, bool *out_is_locked, struct error *err) {
    if (!CRYPTO_secure_malloc_initialized()) {
        int outcome = CRYPTO_secure_malloc_init(heap_bytes, SMALLEST_PIECE_BYTES);
        if (outcome != SECURE_HEAP_LOCKED && outcome != SECURE_HEAP_NOT_LOCKED)
            return error_set(err, STATUS_NO_MEMORY, "cannot set aside %zu bytes of secret memory",
                             heap_bytes);
        is_heap_locked = outcome == SECURE_HEAP_LOCKED;
        heap_size = heap_bytes;
    }
    *out_is_locked = is_heap_locked;
    return STATUS_OK;
}

unsigned secret_memory_used_percent(void) {
    return heap_size ? (unsigned)(CRYPTO_secure_used() * 100 / heap_size) : 0;
}

struct secret *secret_new(struct slice bytes) {
    struct secret *secret = secret_new_blank(bytes.len);
    if (secret && bytes.len)
        memcpy(secret->bytes, bytes.ptr, bytes.len);
    return secret;
}

struct secret *secret_new_blank(size_t len) {
    /* Without the heap OpenSSL would hand out ordinary memory without a word. */
    if (!CRYPTO_secure_malloc_initialized() || len == SIZE_MAX)
        return NULL;
    struct secret *secret = malloc(sizeof *secret);
    if (!secret)
        return NULL;
    secret->bytes = OPENSSL_secure_zalloc(len + 1);
    if (!secret->bytes) {
        free(secret);
        return NULL;
    }
    secret->len = len;
    atomic_init(&secret->refs, 1);
    return secret;
}

char *secret_writable(struct secret *secret) {
    assert(atomic_load(&secret->refs) == 1);
    return secret->bytes;
}

struct secret *secret_ref(struct secret *secret) {
    atomic_fetch_add_explicit(&secret->refs, 1, memory_order_relaxed);
    return secret;
}

void secret_unref(struct secret *secret) {
    if (!secret || atomic_fetch_sub_explicit(&secret->refs, 1, memory_order_acq_rel) != 1)
        return;
    OPENSSL_secure_clear_free(secret->bytes, secret->len + 1);
    free(secret);
}

struct slice secret_bytes(const struct secret *secret) {
    return slice_of(secret->bytes, secret->len);
}

bool secret_eq(const struct secret *a, const struct secret *b) {
    return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool secret_has_control_bytes(const struct secret *secret) {
    unsigned found = 0;
    for (size_t i = 0; i < secret->len; i++) {
        unsigned char byte = (unsigned char)secret->bytes[i];
        found |= byte < 0x20 || byte == 0x7F;
    }
    return found != 0;
}

void secret_wipe(void *bytes, size_t len) {
    OPENSSL_cleanse(bytes, len);
}
