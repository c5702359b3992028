/* Credentials that are no header: query parameters, cookies, tokens and certificates; and whose
 * tokens barkeep's identity can get. */
#include "config_case.h"

#define OWN "identity: {client: {id: " CLIENT ", secret_file: f}}\n"
#define LOCAL "vaults: {local: \"file:/s\"}\n"
#define CREDENTIAL(value) OWN LOCAL "credentials:\n  c: " value
/* What an entra_token or on_behalf_of asks for. */
#define SCOPE(kind, scope) CREDENTIAL("{" kind ": {scope: \"" scope "\"}}")

static void refuses_bad_names(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        CREDENTIAL("{query: {api_key: \"{local/x}\"}}"),
        CREDENTIAL("{query: {\"a b&c=d%20\": \"{local/x}\", Api_Key: y, api_key: z}}"),
        CREDENTIAL("{query: {schl\xc3\xbcssel: \"{local/x}\"}}"),
        CREDENTIAL("{cookie: {__Host-sid: \"{local/x}\", SID: a, sid: \"b.{local/y}\"}}"),
        CREDENTIAL("{cookie: {\"!#$%&'*+-.^_`|~\": \"{local/x}\"}}"),
        CREDENTIAL("{headers: {Cookie: \"sid={local/x}; theme=dark\"}}"),
    };
    static const struct config_case CASES[] = {
        {CREDENTIAL("{query: {}}"), "4:14: credentials.c.query", "must map query parameters"},
        {CREDENTIAL("{query: x}"), "4:14: credentials.c.query", "must map query parameters"},
        {CREDENTIAL("{query: [a, b]}"), "4:14: credentials.c.query", "must map query parameters"},
        {CREDENTIAL("{query: {a: x, a: y}}"), "4:21: credentials.c.query.a", "twice"},
        {CREDENTIAL("{query: {\"a\\tb\": \"{local/x}\"}}"), "4:15: credentials.c.query",
         "control characters"},
        {CREDENTIAL("{query: {k: 7}}"), "4:18: credentials.c.query.k", "must be text with"},
        {CREDENTIAL("{query: {k: \"{local\"}}"), "4:18: credentials.c.query.k", "without `}`"},
        {CREDENTIAL("{query: {k: \"{nowhere/x}\"}}"), "4:18: credentials.c.query.k",
         "`vaults:` does not have; there are: `local`"},
        {CREDENTIAL("{cookie: {}}"), "4:15: credentials.c.cookie", "must map cookie names"},
        {CREDENTIAL("{cookie: [a, b]}"), "4:15: credentials.c.cookie", "must map cookie names"},
        {CREDENTIAL("{cookie: {a: x, a: y}}"), "4:22: credentials.c.cookie.a", "twice"},
        {CREDENTIAL("{cookie: {a b: \"{local/x}\"}}"), "4:16: credentials.c.cookie.a b",
         "a cookie's name is made of"},
        {CREDENTIAL("{cookie: {a=b: \"{local/x}\"}}"), "4:16: credentials.c.cookie.a=b",
         "a cookie's name is made of"},
        {CREDENTIAL("{cookie: {\"a;b\": \"{local/x}\"}}"), "4:16: credentials.c.cookie.a;b",
         "RFC 6265"},
        {CREDENTIAL("{cookie: {caf\xc3\xa9: \"{local/x}\"}}"),
         "4:16: credentials.c.cookie.caf\xc3\xa9", "a cookie's name is made of"},
        {CREDENTIAL("{cookie: {a: \"{local/x}; b=c\"}}"), "4:19: credentials.c.cookie.a",
         "a cookie's value holds no spaces"},
        {CREDENTIAL("{cookie: {a: \"x,{local/x}\"}}"), "4:19: credentials.c.cookie.a",
         "a cookie's value holds no spaces"},
        {CREDENTIAL("{headers: {X-Key: a, x-key: b}}"), "4:27: credentials.c.headers.x-key",
         "in another spelling"},
        {CREDENTIAL("{headers: [a, b]}"), "4:16: credentials.c.headers", "must map header names"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_names_that_are_too_long(void **state) {
    (void)state;
    static const char *const KINDS[] = {"query", "cookie"};
    for (size_t i = 0; i < 2; i++) {
        char yaml[1024], where[512], name[258];
        memset(name, 'n', 257);
        name[257] = '\0';
        snprintf(yaml, sizeof yaml, LOCAL "credentials:\n  c: {%s: {%s: \"{local/x}\"}}", KINDS[i],
                 name + 1);
        config_unref(case_good(yaml));
        snprintf(yaml, sizeof yaml, LOCAL "credentials:\n  c: {%s: {%s: \"{local/x}\"}}", KINDS[i],
                 name);
        struct problem_list problems;
        char *document = case_document(yaml);
        assert_null(case_parse_whole(document, &problems));
        assert_int_equal(problems.error_count, 1);
        snprintf(where, sizeof where, "name is at most 256 bytes long");
        assert_non_null(strstr(problems.items[0].text, where));
        problem_list_done(&problems);
        free(document);
    }
}

static void refuses_bad_scopes(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        SCOPE("entra_token", "https://storage.azure.com/.default"),
        SCOPE("entra_token", "https://storage.azure.com//.default"),
        SCOPE("entra_token", "api://orders/.default"),
        SCOPE("entra_token", CLIENT "/.default"),
        SCOPE("entra_token", "urn:orders/.default"),
        SCOPE("on_behalf_of", "https://graph.microsoft.com/.default"),
        SCOPE("on_behalf_of", "https://graph.microsoft.com/User.Read"),
        SCOPE("on_behalf_of", "api://o/Read api://o/Write"),
        SCOPE("on_behalf_of", GROUP "/user_impersonation"),
        "identity: {managed: system}\ncredentials:\n  c: {entra_token: {scope: api://x/.default}}",
    };
    static const struct config_case CASES[] = {
        {CREDENTIAL("{entra_token: {}}"), "4:20: credentials.c.entra_token.scope", "is missing"},
        {CREDENTIAL("{entra_token: api://x/.default}"), "4:20: credentials.c.entra_token",
         "must be a mapping"},
        {CREDENTIAL("{entra_token: {scopes: x, scope: api://x/.default}}"),
         "4:21: credentials.c.entra_token.scopes", "did you mean `scope`?"},
        {SCOPE("entra_token", "https://storage.azure.com"), "4:28: credentials.c.entra_token.scope",
         "must end in /.default"},
        {SCOPE("entra_token", "https://storage.azure.com/Read"),
         "4:28: credentials.c.entra_token.scope", "must end in /.default"},
        {SCOPE("entra_token", "/.default"), "4:28: credentials.c.entra_token.scope",
         "where RESOURCE is"},
        {SCOPE("entra_token", "storage/.default"), "4:28: credentials.c.entra_token.scope",
         "where RESOURCE is"},
        {SCOPE("entra_token", "https:///.default"), "4:28: credentials.c.entra_token.scope",
         "where RESOURCE is"},
        {SCOPE("entra_token", "api://a/.default api://a/.default"),
         "4:28: credentials.c.entra_token.scope", "where RESOURCE is"},
        {SCOPE("entra_token", "https://a?b/.default"), "4:28: credentials.c.entra_token.scope",
         "where RESOURCE is"},
        {SCOPE("entra_token", "7://a/.default"), "4:28: credentials.c.entra_token.scope",
         "where RESOURCE is"},
        {SCOPE("entra_token", ""), "4:28: credentials.c.entra_token.scope", "empty text"},
        {CREDENTIAL("{on_behalf_of: {}}"), "4:21: credentials.c.on_behalf_of.scope", "is missing"},
        {SCOPE("on_behalf_of", "User.Read"), "4:29: credentials.c.on_behalf_of.scope",
         "such as https://graph.microsoft.com/User.Read"},
        {SCOPE("on_behalf_of", "api://o/"), "4:29: credentials.c.on_behalf_of.scope",
         "must be RESOURCE/SCOPE"},
        {SCOPE("on_behalf_of", "api://o/Read  api://o/Write"),
         "4:29: credentials.c.on_behalf_of.scope", "single spaces"},
        {SCOPE("on_behalf_of", " api://o/Read"), "4:29: credentials.c.on_behalf_of.scope",
         "single spaces"},
        {SCOPE("on_behalf_of", "api://o/Read "), "4:29: credentials.c.on_behalf_of.scope",
         "single spaces"},
        {SCOPE("on_behalf_of", "api://o/Read api://p/Write"),
         "4:29: credentials.c.on_behalf_of.scope", "names two resources"},
        {SCOPE("on_behalf_of", "api://o/Read api://o/.default"),
         "4:29: credentials.c.on_behalf_of.scope", "beside /.default"},
        {SCOPE("on_behalf_of", "api://o/Read offline_access"),
         "4:29: credentials.c.on_behalf_of.scope", "must be RESOURCE/SCOPE"},
        {SCOPE("on_behalf_of", "api://o/a{b}"), "4:29: credentials.c.on_behalf_of.scope",
         "must be RESOURCE/SCOPE"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

#define EXCHANGE "credentials:\n  c: {on_behalf_of: {scope: api://o/Read}}"

static void refuses_tokens_that_the_identity_cannot_get(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        OWN EXCHANGE,
        "identity: {client: {id: " CLIENT ", certificate_file: f}}\n" EXCHANGE,
        "identity: {workload: {client_id: " CLIENT ", token_file: f}}\n" EXCHANGE,
    };
    static const struct config_case CASES[] = {
        {EXCHANGE, "2:7: credentials.c.on_behalf_of", "needs `identity:`"},
        {"identity: {managed: system}\n" EXCHANGE, "3:7: credentials.c.on_behalf_of",
         "a managed identity cannot exchange"},
        {"credentials:\n  c: {entra_token: {scope: api://o/.default}}",
         "2:7: credentials.c.entra_token", "needs `identity:`"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_two_kinds_at_once(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {CREDENTIAL("{bearer: local/x, query: {a: \"{local/x}\"}}"), "4:24: credentials.c.query",
         "keep one of basic, bearer, headers, query, cookie, entra_token, on_behalf_of and "
         "client_certificate"},
        {CREDENTIAL("{client_certificate: local/x, bearer: local/y}"),
         "4:7: credentials.c.client_certificate", "a credential is of one kind"},
        {CREDENTIAL("{query: {a: \"{local/x}\"}, cookie: {a: \"{local/x}\"}}"),
         "4:32: credentials.c.cookie", "a credential is of one kind"},
        {CREDENTIAL("{client_certificate: x}"), "4:27: credentials.c.client_certificate",
         "must name a secret"},
        {CREDENTIAL("{client_certificate: {local: x}}"), "4:27: credentials.c.client_certificate",
         "must name a secret"},
    };
    config_unref(case_good(CREDENTIAL("{client_certificate: local/x}")));
    REFUSE_ALL(CASES);
}

static void never_repeats_what_stands_in_a_credential(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        CREDENTIAL("{query: {k: \"{hunter2}\"}}"),
        CREDENTIAL("{cookie: {k: \"hunter2; x\"}}"),
        CREDENTIAL("{client_certificate: hunter2}"),
        CREDENTIAL("{entra_token: {scope: hunter2}}"),
        CREDENTIAL("{on_behalf_of: {scope: hunter2}}"),
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct problem_list problems;
        char *document = case_document(TEXTS[i]);
        assert_null(case_parse_whole(document, &problems));
        assert_true(problems.error_count > 0);
        for (size_t p = 0; p < problems.count; p++)
            assert_null(strstr(problems.items[p].text, "hunter2"));
        problem_list_done(&problems);
        free(document);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_names),
        cmocka_unit_test(refuses_names_that_are_too_long),
        cmocka_unit_test(refuses_bad_scopes),
        cmocka_unit_test(refuses_tokens_that_the_identity_cannot_get),
        cmocka_unit_test(refuses_two_kinds_at_once),
        cmocka_unit_test(never_repeats_what_stands_in_a_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
