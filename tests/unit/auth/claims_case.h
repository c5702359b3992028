/* Payloads under a good signature before the judge. Included by one translation unit a test. */
#ifndef BARKEEP_TESTS_CLAIMS_CASE_H
#define BARKEEP_TESTS_CLAIMS_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/token_maker.h"

static EVP_PKEY *key;
static struct config config;
static struct key_ring *ring;
static struct token_result result;

static inline int set_up(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    config = make_config();
    ring = make_ring(key);
    return key && ring ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    key_ring_unref(ring);
    return 0;
}

static inline enum token_outcome verify_payload(const char *payload, int64_t now_sec) {
    char *token = make_token(HEADER_OK, payload, key);
    enum token_outcome outcome = entra_verify(&config, ring, slice_of_str(token), now_sec, &result);
    free(token);
    return outcome;
}

#endif
