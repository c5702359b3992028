/* Tokens of our own making before the judge, after each block of refusals one that passes. Included
 * by one translation unit a test. */
#ifndef BARKEEP_TESTS_ENTRA_CASE_H
#define BARKEEP_TESTS_ENTRA_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "tests/unit/auth/token_maker.h"

static EVP_PKEY *key;
static EVP_PKEY *attacker_key;
static struct config config;
static struct key_ring *ring;
static struct token_result result;
static char *payload;

static inline int set_up(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    attacker_key = EVP_RSA_gen(2048);
    config = make_config();
    ring = make_ring(key);
    payload = make_user_payload(NULL, 0);
    return key && attacker_key && ring ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    EVP_PKEY_free(attacker_key);
    key_ring_unref(ring);
    free(payload);
    return 0;
}

static inline enum token_outcome verify_with(const struct key_ring *keys, struct slice token) {
    enum token_outcome outcome = entra_verify(&config, keys, token, NOW + 60, &result);
    assert_int_equal(outcome == TOKEN_ACCEPTED, result.identity != NULL);
    assert_int_equal(outcome == TOKEN_ACCEPTED, result.reason == REASON_NONE);
    assert_true(outcome == TOKEN_ACCEPTED || result.detail[0]);
    identity_unref(result.identity);
    return outcome;
}

static inline enum token_outcome verify(const char *token) {
    return verify_with(ring, slice_of_str(token));
}

/* Frees the token. */
static inline void expect(char *token, enum token_outcome outcome, enum reason reason,
                          const char *name) {
    enum token_outcome got = verify(token);
    if (got != outcome || result.reason != reason)
        fail_msg("%s: outcome %d, %s (%s)", name, (int)got, reason_code(result.reason),
                 result.detail);
    free(token);
}

static inline void control(void) {
    expect(make_token(HEADER_OK, payload, key), TOKEN_ACCEPTED, REASON_NONE, "control");
}

enum { COST_CALLS = 300, COST_ROUNDS = 7 };

#endif
