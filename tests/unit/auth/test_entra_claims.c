#include "claims_case.h"

/* What changes against the good token, and what must come of it. REASON_NONE: accepted. */
struct row {
    const char *name;
    struct maker_claim changes[4];
    enum reason reason;
};

static size_t change_count(const struct row *row) {
    size_t count = 0;
    while (count < 4 && row->changes[count].name)
        count++;
    return count;
}

static void check_row(const struct row *row, bool is_app) {
    size_t count = change_count(row);
    char *payload =
        is_app ? make_app_payload(row->changes, count) : make_user_payload(row->changes, count);
    enum token_outcome outcome = verify_payload(payload, NOW + 60);
    if ((outcome == TOKEN_ACCEPTED) != (row->reason == REASON_NONE) || result.reason != row->reason)
        fail_msg("%s: %s (%s), expected %s: %s", row->name, reason_code(result.reason),
                 result.detail, reason_code(row->reason), payload);
    if (outcome == TOKEN_ACCEPTED)
        identity_unref(result.identity);
    else
        assert_true(outcome == TOKEN_REFUSED && result.detail[0] && !result.identity);
    free(payload);
}

static void control(void) {
    check_row(&(struct row){.name = "user control"}, false);
    check_row(&(struct row){.name = "app control"}, true);
}

#define CHECK_ROWS(rows, is_app)                                                                   \
    do {                                                                                           \
        control();                                                                                 \
        for (size_t row_ = 0; row_ < sizeof(rows) / sizeof *(rows); row_++)                        \
            check_row(&(rows)[row_], (is_app));                                                    \
        control();                                                                                 \
    } while (0)

static void refuses_unusable_times(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"exp missing", {{"exp", NULL}}, REASON_TOKEN_EXPIRED},
        {"exp string", {{"exp", "\"1795428000\""}}, REASON_TOKEN_EXPIRED},
        {"exp true", {{"exp", "true"}}, REASON_TOKEN_EXPIRED},
        {"exp null", {{"exp", "null"}}, REASON_TOKEN_EXPIRED},
        {"exp array", {{"exp", "[1795428000]"}}, REASON_TOKEN_EXPIRED},
        {"exp object", {{"exp", "{}"}}, REASON_TOKEN_EXPIRED},
        {"exp 0", {{"exp", "0"}}, REASON_TOKEN_EXPIRED},
        {"exp negative", {{"exp", "-1"}}, REASON_TOKEN_EXPIRED},
        {"exp negative real", {{"exp", "-1795428000.5"}}, REASON_TOKEN_EXPIRED},
        {"exp small real", {{"exp", "0.9"}}, REASON_TOKEN_EXPIRED},
        {"exp 2^53", {{"exp", "9007199254740992"}}, REASON_TOKEN_EXPIRED},
        {"exp 2^53+1", {{"exp", "9007199254740993"}}, REASON_TOKEN_EXPIRED},
        {"exp 2^63-1", {{"exp", "9223372036854775807"}}, REASON_TOKEN_EXPIRED},
        {"exp 2^63", {{"exp", "9223372036854775808"}}, REASON_TOKEN_MALFORMED},
        {"exp 1e308", {{"exp", "1e308"}}, REASON_TOKEN_EXPIRED},
        {"exp 1e400", {{"exp", "1e400"}}, REASON_TOKEN_MALFORMED},
        {"exp real", {{"exp", "1795428000.9"}}, REASON_NONE},
        {"exp exponent", {{"exp", "1.795428e9"}}, REASON_NONE},
        {"exp real in the past", {{"exp", "1.7e9"}}, REASON_TOKEN_EXPIRED},
        {"nbf missing", {{"nbf", NULL}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf string", {{"nbf", "\"1\""}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf false", {{"nbf", "false"}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf 0", {{"nbf", "0"}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf in the future", {{"nbf", "1795424461"}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf real in the future", {{"nbf", "1795424461.5"}}, REASON_TOKEN_NOT_YET_VALID},
        {"nbf now", {{"nbf", "1795424460"}}, REASON_NONE},
        {"iat missing", {{"iat", NULL}}, REASON_NONE},
        {"iat string", {{"iat", "\"1795424400\""}}, REASON_TOKEN_NOT_YET_VALID},
        {"iat null", {{"iat", "null"}}, REASON_TOKEN_NOT_YET_VALID},
        {"iat in the future", {{"iat", "1795424461"}}, REASON_TOKEN_NOT_YET_VALID},
        {"iat now", {{"iat", "1795424460"}}, REASON_NONE},
        {"exp equals nbf",
         {{"exp", "1795424461"}, {"nbf", "1795424461"}},
         REASON_TOKEN_NOT_YET_VALID},
    };
    CHECK_ROWS(rows, false);
}

static void refuses_a_lifetime_beyond_the_maximum(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"48 h", {{"exp", "1795597200"}}, REASON_NONE},
        {"48 h and a second", {{"exp", "1795597201"}}, REASON_TOKEN_EXPIRED},
        {"from nbf", {{"exp", "1795597201"}, {"iat", NULL}}, REASON_TOKEN_EXPIRED},
        {"old iat", {{"exp", "1795428000"}, {"iat", "1795255199"}}, REASON_TOKEN_EXPIRED},
    };
    CHECK_ROWS(rows, false);
}

static void refuses_exp_not_after_nbf_within_the_skew(void **state) {
    (void)state;
    const struct maker_claim changes[] = {{"exp", "1795424460"}, {"nbf", "1795424460"}};
    char *payload = make_user_payload(changes, 2);
    config.entra.clock_skew_sec = 60;
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_MALFORMED);
    config.entra.clock_skew_sec = 0;
    free(payload);
}

static void honours_the_skew_exactly(void **state) {
    (void)state;
    static const uint32_t skews[] = {0, 60, 300};
    char *payload = make_user_payload(NULL, 0);
    for (size_t i = 0; i < 3; i++) {
        int64_t skew = config.entra.clock_skew_sec = skews[i];
        const struct {
            int64_t now_sec;
            enum reason reason;
        } rows[] = {
            {1795428000 + skew - 1, REASON_NONE},
            {1795428000 + skew, REASON_TOKEN_EXPIRED},
            {1795428000 + skew + 1, REASON_TOKEN_EXPIRED},
            {1795424400 - skew, REASON_NONE},
            {1795424400 - skew - 1, REASON_TOKEN_NOT_YET_VALID},
        };
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            enum token_outcome outcome = verify_payload(payload, rows[j].now_sec);
            assert_int_equal(result.reason, rows[j].reason);
            assert_int_equal(outcome == TOKEN_ACCEPTED, rows[j].reason == REASON_NONE);
            identity_unref(result.identity);
        }
    }
    config.entra.clock_skew_sec = 0;
    free(payload);
}

static void refuses_other_issuers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"missing", {{"iss", NULL}}, REASON_TOKEN_ISSUER},
        {"empty", {{"iss", "\"\""}}, REASON_TOKEN_ISSUER},
        {"trailing slash", {{"iss", "\"" ISS_V2 "/\""}}, REASON_TOKEN_ISSUER},
        {"upper-case host",
         {{"iss", "\"https://LOGIN.microsoftonline.com/" TID "/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"http",
         {{"iss", "\"http://login.microsoftonline.com/" TID "/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"evil suffix",
         {{"iss", "\"https://login.microsoftonline.com.evil/" TID "/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"common",
         {{"iss", "\"https://login.microsoftonline.com/common/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"template",
         {{"iss", "\"https://login.microsoftonline.com/{tenantid}/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"other tenant",
         {{"iss", "\"https://login.microsoftonline.com/" OTHER_TID "/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"array", {{"iss", "[\"" ISS_V2 "\"]"}}, REASON_TOKEN_ISSUER},
        {"prefix", {{"iss", "\"https://login.microsoftonline.com/" TID "\""}}, REASON_TOKEN_ISSUER},
        {"NUL", {{"iss", "\"" ISS_V2 "\\u0000\""}}, REASON_TOKEN_ISSUER},
        {"other cloud",
         {{"iss", "\"https://login.microsoftonline.us/" TID "/v2.0\""}},
         REASON_TOKEN_ISSUER},
        {"v1 issuer under ver 2.0", {{"iss", "\"" ISS_V1 "\""}}, REASON_TOKEN_ISSUER},
        {"v1 issuer under another ver",
         {{"iss", "\"" ISS_V1 "\""}, {"ver", "\"3.0\""}},
         REASON_TOKEN_ISSUER},
        {"ver missing", {{"ver", NULL}}, REASON_TOKEN_ISSUER},
        {"ver number", {{"ver", "2.0"}}, REASON_TOKEN_ISSUER},
        {"ver 1.0", {{"ver", "\"1.0\""}}, REASON_TOKEN_ISSUER},
    };
    CHECK_ROWS(rows, false);
}

static void refuses_other_tenants(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"missing", {{"tid", NULL}}, REASON_TOKEN_TENANT},
        {"number", {{"tid", "7"}}, REASON_TOKEN_TENANT},
        {"name", {{"tid", "\"contoso.onmicrosoft.com\""}}, REASON_TOKEN_TENANT},
        {"cut", {{"tid", "\"3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b\""}}, REASON_TOKEN_TENANT},
        {"NUL", {{"tid", "\"" TID "\\u0000\""}}, REASON_TOKEN_TENANT},
        {"personal accounts",
         {{"tid", "\"9188040d-6c67-4c5b-b112-36a304b66dad\""}},
         REASON_TOKEN_TENANT},
        {"array", {{"tid", "[\"" TID "\"]"}}, REASON_TOKEN_TENANT},
        {"issuer of the first, tid of the second",
         {{"tid", "\"" OTHER_TID "\""}},
         REASON_TOKEN_ISSUER},
    };
    CHECK_ROWS(rows, false);
}

static void refuses_other_audiences(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"missing", {{"aud", NULL}}, REASON_TOKEN_AUDIENCE},
        {"empty", {{"aud", "\"\""}}, REASON_TOKEN_AUDIENCE},
        {"array", {{"aud", "[\"" AUD_GUID "\"]"}}, REASON_TOKEN_AUDIENCE},
        {"empty array", {{"aud", "[]"}}, REASON_TOKEN_AUDIENCE},
        {"nested array", {{"aud", "[[\"" AUD_GUID "\"]]"}}, REASON_TOKEN_AUDIENCE},
        {"object", {{"aud", "{\"0\":\"" AUD_GUID "\"}"}}, REASON_TOKEN_AUDIENCE},
        {"number", {{"aud", "1"}}, REASON_TOKEN_AUDIENCE},
        {"prefix", {{"aud", "\"8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f\""}}, REASON_TOKEN_AUDIENCE},
        {"longer", {{"aud", "\"" AUD_GUID "0\""}}, REASON_TOKEN_AUDIENCE},
        {"slash", {{"aud", "\"" AUD_GUID "/\""}}, REASON_TOKEN_AUDIENCE},
        {"upper case",
         {{"aud", "\"8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6\""}},
         REASON_TOKEN_AUDIENCE},
        {"NUL", {{"aud", "\"" AUD_GUID "\\u0000\""}}, REASON_TOKEN_AUDIENCE},
        {"NUL and more", {{"aud", "\"" AUD_GUID "\\u0000x\""}}, REASON_TOKEN_AUDIENCE},
        {"space", {{"aud", "\" " AUD_GUID "\""}}, REASON_TOKEN_AUDIENCE},
        {"URI in a v2 token", {{"aud", "\"" AUD_URI "\""}}, REASON_TOKEN_AUDIENCE},
        {"Graph", {{"aud", "\"00000003-0000-0000-c000-000000000000\""}}, REASON_TOKEN_KIND},
        {"Graph URI", {{"aud", "\"https://graph.microsoft.com\""}}, REASON_TOKEN_KIND},
    };
    CHECK_ROWS(rows, false);
    static const struct row app_rows[] = {
        {"GUID in a v1 token", {{"aud", "\"" AUD_GUID "\""}}, REASON_NONE},
        {"URI with slash", {{"aud", "\"" AUD_URI "/\""}}, REASON_TOKEN_AUDIENCE},
        {"Graph", {{"aud", "\"https://graph.microsoft.com/\""}}, REASON_TOKEN_KIND},
        {"Key Vault", {{"aud", "\"https://vault.azure.net\""}}, REASON_TOKEN_AUDIENCE},
    };
    CHECK_ROWS(app_rows, true);
}

static void explains_a_graph_token(void **state) {
    (void)state;
    const struct maker_claim changes[] = {{"aud", "\"https://graph.microsoft.com\""}};
    char *payload = make_user_payload(changes, 1);
    assert_int_equal(verify_payload(payload, NOW), TOKEN_REFUSED);
    assert_non_null(strstr(result.detail, "Microsoft Graph"));
    assert_non_null(strstr(result.detail, "api://orders-gw/.default"));
    free(payload);
}

static void shows_no_control_bytes_in_details(void **state) {
    (void)state;
    static const struct maker_claim changes[] = {
        {"aud", "\"a\\r\\nX: y\\u001b[31m\\\"\\u0000\\u00e9 \""},
        {"tid", "\"\\n\""},
        {"iss", "\"https://x\\n/\""},
    };
    for (size_t i = 0; i < 3; i++) {
        char *payload = make_user_payload(&changes[i], 1);
        assert_int_equal(verify_payload(payload, NOW), TOKEN_REFUSED);
        for (const char *c = result.detail; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
        free(payload);
    }
}

static void refuses_other_kinds_of_token(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"nonce", {{"nonce", "\"n\""}}, REASON_TOKEN_KIND},
        {"at_hash", {{"at_hash", "\"h\""}}, REASON_TOKEN_KIND},
        {"c_hash", {{"c_hash", "null"}}, REASON_TOKEN_KIND},
        {"cnf", {{"cnf", "{\"kid\":\"x\"}"}}, REASON_TOKEN_KIND},
        {"azp missing", {{"azp", NULL}}, REASON_TOKEN_KIND},
        {"azp number", {{"azp", "1"}}, REASON_TOKEN_KIND},
        {"appid only", {{"azp", NULL}, {"appid", "\"" CLIENT "\""}}, REASON_TOKEN_KIND},
        {"oid missing", {{"oid", NULL}}, REASON_TOKEN_KIND},
        {"oid no GUID", {{"oid", "\"mira\""}}, REASON_TOKEN_KIND},
        {"oid array", {{"oid", "[\"" USER_OID "\"]"}}, REASON_TOKEN_KIND},
        {"scp empty", {{"scp", "\"\""}}, REASON_TOKEN_KIND},
        {"scp blank", {{"scp", "\"  \""}}, REASON_TOKEN_KIND},
        {"scp array", {{"scp", "[\"Orders.Read\"]"}}, REASON_TOKEN_KIND},
        {"scp in an app-only token", {{"idtyp", "\"app\""}}, REASON_TOKEN_KIND},
        {"idtyp user", {{"idtyp", "\"user\""}}, REASON_NONE},
        {"idtyp array", {{"idtyp", "[\"user\"]"}}, REASON_TOKEN_KIND},
        {"ID token with roles", {{"scp", NULL}}, REASON_TOKEN_KIND},
        {"ID token", {{"scp", NULL}, {"roles", NULL}, {"azp", NULL}}, REASON_TOKEN_KIND},
        {"neither scp nor roles", {{"scp", NULL}, {"roles", NULL}}, REASON_TOKEN_KIND},
        {"user without scp", {{"scp", NULL}, {"idtyp", "\"user\""}}, REASON_TOKEN_KIND},
        {"sub equals oid but idtyp user",
         {{"scp", NULL}, {"idtyp", "\"user\""}, {"sub", "\"" USER_OID "\""}},
         REASON_TOKEN_KIND},
    };
    CHECK_ROWS(rows, false);
    static const struct row app_rows[] = {
        {"without idtyp", {{"idtyp", NULL}}, REASON_NONE},
        {"without idtyp, other sub", {{"idtyp", NULL}, {"sub", "\"x\""}}, REASON_TOKEN_KIND},
        {"without idtyp and sub", {{"idtyp", NULL}, {"sub", NULL}}, REASON_TOKEN_KIND},
        {"with idtyp, other sub", {{"sub", "\"x\""}}, REASON_NONE},
        {"no roles", {{"roles", NULL}}, REASON_TOKEN_KIND},
        {"empty roles", {{"roles", "[]"}}, REASON_TOKEN_KIND},
        {"roles a string", {{"roles", "\"Orders.Read.All\""}}, REASON_TOKEN_KIND},
        {"roles of numbers", {{"roles", "[1,2]"}}, REASON_TOKEN_KIND},
        {"idtyp App", {{"idtyp", "\"App\""}}, REASON_TOKEN_KIND},
        {"appid missing", {{"appid", NULL}}, REASON_TOKEN_KIND},
        {"azp only", {{"appid", NULL}, {"azp", "\"" CLIENT "\""}}, REASON_TOKEN_KIND},
    };
    CHECK_ROWS(app_rows, true);
}

static void refuses_a_version_that_is_not_accepted(void **state) {
    (void)state;
    char *user = make_user_payload(NULL, 0), *app = make_app_payload(NULL, 0);
    config.entra.accepts_v1 = false;
    assert_int_equal(verify_payload(app, NOW), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    assert_int_equal(verify_payload(user, NOW), TOKEN_ACCEPTED);
    identity_unref(result.identity);
    config.entra.accepts_v1 = true;
    config.entra.accepts_v2 = false;
    assert_int_equal(verify_payload(user, NOW), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    assert_int_equal(verify_payload(app, NOW), TOKEN_ACCEPTED);
    identity_unref(result.identity);
    config.entra.accepts_v2 = true;
    free(user);
    free(app);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_unusable_times),
        cmocka_unit_test(refuses_a_lifetime_beyond_the_maximum),
        cmocka_unit_test(refuses_exp_not_after_nbf_within_the_skew),
        cmocka_unit_test(honours_the_skew_exactly),
        cmocka_unit_test(refuses_other_issuers),
        cmocka_unit_test(refuses_other_tenants),
        cmocka_unit_test(refuses_other_audiences),
        cmocka_unit_test(explains_a_graph_token),
        cmocka_unit_test(shows_no_control_bytes_in_details),
        cmocka_unit_test(refuses_other_kinds_of_token),
        cmocka_unit_test(refuses_a_version_that_is_not_accepted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
