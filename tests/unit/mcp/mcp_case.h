/* What the tests of the MCP room share: a caller, a seal, an arena. */
#ifndef BARKEEP_TESTS_MCP_CASE_H
#define BARKEEP_TESTS_MCP_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/secret.h"
#include "proxy/mcp/seal.h"

static const unsigned char case_key[32] = "a key that is known to any test";

static inline int case_begin(void **state) {
    bool is_locked;
    (void)state;
    return secret_memory_init(1 << 20, &is_locked, NULL) == STATUS_OK ? 0 : -1;
}

static inline struct identity case_caller(void) {
    return (struct identity){.type = PRINCIPAL_USER,
                             .tenant = SLICE("11111111-1111-1111-1111-111111111111"),
                             .oid = SLICE("22222222-2222-2222-2222-222222222222"),
                             .app = SLICE("33333333-3333-3333-3333-333333333333")};
}

static inline struct mcp_holder case_holder(const struct identity *identity) {
    return (struct mcp_holder){
        .identity = identity, .route = SLICE("tools"), .session = SLICE("s-1")};
}

#endif
