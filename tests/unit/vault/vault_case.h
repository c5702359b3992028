/* What the tests of this room share: secret memory, and reading secrets back. Included by one
 * translation unit a test. */
#ifndef BARKEEP_TESTS_VAULT_CASE_H
#define BARKEEP_TESTS_VAULT_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/secret.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static inline int start_secret_memory(void **state) {
    bool is_locked = false;
    (void)state;
    log_set_level(LOG_ERROR);
    return secret_memory_init(1024 * 1024, &is_locked, NULL) == STATUS_OK ? 0 : -1;
}

static inline void assert_secret_is(const struct secret *secret, const char *expected) {
    assert_non_null(secret);
    const struct slice bytes = secret_bytes(secret);
    assert_int_equal(bytes.len, strlen(expected));
    assert_memory_equal(bytes.ptr, expected, bytes.len);
}

/* A heap string of `len` times `byte`. */
static inline char *repeated(char byte, size_t len) {
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, byte, len);
    text[len] = '\0';
    return text;
}

#endif
