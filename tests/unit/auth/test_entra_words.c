/* What the judge of tokens tells of its checks, and how it judges claims without a token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/entra.h"
#include "auth/key_slot.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define API "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
#define APP "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
#define USER "e0d1c2b3-a495-4867-9588-776655443322"
#define NOW 1700000000

struct told {
    struct token_trace trace;
    size_t count;
    size_t skipped;
    char last[64];
    enum token_step_outcome last_outcome;
    char compared[TOKEN_STEP_TEXT_SIZE]; /* by the check of that name */
    const char *wanted;
};

static void on_step(struct token_trace *trace, const struct token_step *step) {
    struct told *told = (struct told *)trace;
    told->count++;
    told->skipped += step->outcome == TOKEN_STEP_SKIPPED;
    told->last_outcome = step->outcome;
    snprintf(told->last, sizeof told->last, "%s", step->check);
    if (strcmp(step->check, told->wanted) == 0)
        snprintf(told->compared, sizeof told->compared, "%s", step->compared);
}

static struct config *parse(const char *entra) {
    char yaml[1024];
    struct problem_list problems = {0};
    int len =
        snprintf(yaml, sizeof yaml,
                 "listen: 127.0.0.1:8080\nentra: {tenant: " TENANT ", audience: " API "%s}\n"
                 "routes: [{name: r, path: /, upstream: 'http://127.0.0.1:1', access: [{role: "
                 "Reader, to: {everyone: true}}]}]\n",
                 entra);
    struct config *config = config_parse("test", slice_of(yaml, (size_t)len), &problems);
    problem_list_done(&problems);
    assert_non_null(config);
    return config;
}

/* `more` are further claims, each with a comma before it. */
static enum token_outcome judge(const struct config *config, const char *aud, const char *more,
                                bool lacks_metadata, struct told *told,
                                struct token_result *result) {
    char json[1024];
    struct key_ring *ring = key_ring_new(key_slot_count(&config->entra));
    snprintf(json, sizeof json,
             "{\"iss\":\"https://login.microsoftonline.com/" TENANT "/v2.0\",\"tid\":\"" TENANT
             "\",\"ver\":\"2.0\",\"aud\":\"%s\",\"azp\":\"" APP "\",\"oid\":\"" USER
             "\",\"scp\":\"a\"%s}",
             aud, more);
    const struct token_claims_file file = {slice_of_str(json), lacks_metadata};
    enum token_outcome outcome =
        entra_explain_claims(config, ring, &file, NOW, &told->trace, result);
    key_ring_unref(ring);
    return outcome;
}

static struct told listener(const char *wanted) {
    return (struct told){.trace = {on_step}, .wanted = wanted};
}

static void tells_every_check_of_good_claims(void **state) {
    (void)state;
    struct config *config = parse("");
    struct told told = listener("audience");
    struct token_result result;
    assert_int_equal(judge(config, API, "", false, &told, &result), TOKEN_ACCEPTED);
    assert_int_equal(told.count, 15);
    assert_int_equal(told.skipped, 7); /* six of the signature, and the times */
    assert_string_equal(told.compared, "aud \"" API "\", accepted " API);
    assert_true(slice_eq_str(result.identity->oid, USER));
    identity_unref(result.identity);
    config_unref(config);
}

static void judges_times_when_there_are_any(void **state) {
    (void)state;
    struct config *config = parse("");
    struct told told = listener("lifetime");
    struct token_result result;
    assert_int_equal(
        judge(config, API, ",\"exp\":1700000100,\"nbf\":1699999900", false, &told, &result),
        TOKEN_ACCEPTED);
    assert_int_equal(told.skipped, 6);
    assert_non_null(strstr(told.compared, "in 100 s"));
    identity_unref(result.identity);
    assert_int_equal(
        judge(config, API, ",\"exp\":1600000000,\"nbf\":1599999900", false, &told, &result),
        TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_EXPIRED);
    assert_int_equal(judge(config, API, ",\"nbf\":1699999900", false, &told, &result),
                     TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_EXPIRED);
    config_unref(config);
}

static void ends_with_the_check_that_refuses(void **state) {
    (void)state;
    struct config *config = parse("");
    struct told told = listener("audience");
    struct token_result result;
    assert_int_equal(judge(config, "api://elsewhere", "", false, &told, &result), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_AUDIENCE);
    assert_string_equal(told.last, "audience");
    assert_int_equal(told.last_outcome, TOKEN_STEP_REFUSED);
    assert_non_null(strstr(told.compared, "api://elsewhere"));
    config_unref(config);
}

static void takes_an_issuer_as_stated_only_when_told_so(void **state) {
    (void)state;
    struct config *config = parse(", authority: 'http://127.0.0.1:1'");
    struct told told = listener("issuer");
    struct token_result result;
    assert_int_equal(judge(config, API, "", false, &told, &result), TOKEN_NEEDS_KEYS);
    assert_int_equal(result.reason, REASON_KEYS_UNAVAILABLE);
    assert_int_equal(told.last_outcome, TOKEN_STEP_NEEDS_KEYS);
    assert_int_equal(judge(config, API, "", true, &told, &result), TOKEN_ACCEPTED);
    assert_non_null(strstr(told.compared, "not known"));
    identity_unref(result.identity);
    config_unref(config);
}

static void tells_the_first_check_of_a_token(void **state) {
    (void)state;
    struct config *config = parse("");
    struct told told = listener("structure");
    struct token_result result;
    struct key_ring *ring = key_ring_new(key_slot_count(&config->entra));
    assert_int_equal(entra_explain(config, ring, SLICE("a.b"), NOW, &told.trace, &result),
                     TOKEN_REFUSED);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.compared, "3 bytes, limit 16384; wanted: three base64url segments");
    key_ring_unref(ring);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_every_check_of_good_claims),
        cmocka_unit_test(judges_times_when_there_are_any),
        cmocka_unit_test(ends_with_the_check_that_refuses),
        cmocka_unit_test(takes_an_issuer_as_stated_only_when_told_so),
        cmocka_unit_test(tells_the_first_check_of_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
