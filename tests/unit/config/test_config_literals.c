/* Secrets written out, and what must not be taken for one. Nothing of them is ever repeated. */
#include "config_case.h"

#define LOCAL "vaults: {local: \"file:/s\"}\n"
#define GRANTED "access: [{role: Reader, to: {everyone: true}, credential: c}]\n"
#define HEADERS(text)                                                                              \
    LOCAL "credentials: {c: {headers: {X-Own: \"{local/x}\", " text "}}}\n" GRANTED
#define LOOKS "looks like a secret written out"

static void warns_of_what_looks_like_a_secret(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {HEADERS("X-Note: 9f86d081884c7d659a2feaa0c55ad015"), "2:57: credentials.c.headers.X-Note",
         LOOKS},
        {HEADERS("X-Note: \"v1 q7R2mX9pLk4TzV8sYw3N {local/x}\""),
         "2:57: credentials.c.headers.X-Note", LOOKS},
        {HEADERS("X-Note: eyJhbGciOiJSUzI1NiJ9.abc"), "2:57: credentials.c.headers.X-Note", LOOKS},
        {HEADERS("X-Note: ghp_abcdefghijklmnopqrst"), "2:57: credentials.c.headers.X-Note", LOOKS},
        {HEADERS("X-Note: abc8Q~x2y.Zk3_mN4oP5qR6sT7u"), "2:57: credentials.c.headers.X-Note",
         LOOKS},
        {HEADERS("X-Api-Key: hunter2"), "2:60: credentials.c.headers.X-Api-Key",
         "is called like a secret and names none of a vault"},
        {LOCAL "credentials: {c: {cookie: {a: \"{local/x}\", session-token: b}}}\n" GRANTED,
         "2:59: credentials.c.cookie.session-token", "is called like a secret"},
        {LOCAL "credentials: {c: {query: {a: \"{local/x}\", sig: 4TzV8sYw3Nq7R2mX9pLk}}}\n" GRANTED,
         "2:48: credentials.c.query.sig", LOOKS},
        {LOCAL
         "credentials: {c: {basic: {username: q7R2mX9pLk4TzV8sYw3N, password: local/x}}}\n" GRANTED,
         "2:37: credentials.c.basic.username", "write {secret: VAULT/NAME} here"},
    };
    WARN_ALL(CASES);
}

static void says_nothing_of_names_and_words(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        HEADERS("X-Note: application-json-version-2024-05-01"),
        HEADERS("X-Note: \"application/vnd.contoso.orders+json; version=2024-05-01-preview\""),
        HEADERS("X-Tenant: 3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"),
        HEADERS("X-Note: aVeryLongCamelCaseNameForSomethingOrOther"),
        HEADERS("X-Note: https://orders.internal.contoso.example:8443/v2/things"),
        HEADERS("X-Note: \"12345678901234567890123456\""),
        HEADERS("X-Api-Key: \"{local/y}\""),
        HEADERS("X-Short: 4f1z9"),
        HEADERS("X-Host: orders.v2.internal.k8s.eu1.contoso.example"),
        HEADERS("Authorization: \"Token {local/y}\""),
        LOCAL
        "credentials: {c: {basic: {username: svc-orders-reader-01, password: local/x}}}\n" GRANTED,
        LOCAL
        "credentials: {c: {basic: {username: {secret: local/u}, password: local/x}}}\n" GRANTED,
    };
    SILENT_ALL(TEXTS);
}

static void repeats_nothing_of_a_secret(void **state) {
    (void)state;
    struct problem_list problems;
    char *document = case_document(HEADERS("X-Note: q7R2mX9pLk4TzV8sYw3N"));
    config_unref(case_parse_whole(document, &problems));
    assert_int_equal(problems.count, 1);
    assert_null(strstr(problems.items[0].text, "q7R2"));
    problem_list_done(&problems);
    free(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_what_looks_like_a_secret),
        cmocka_unit_test(says_nothing_of_names_and_words),
        cmocka_unit_test(repeats_nothing_of_a_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
