/* Whose token it is, by the shapes that Entra really issues (azure.md A.6, A.9), and what operators
 * are told about the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/token_kind.h"
#include "tests/unit/auth/token_maker.h"

#define X5T "q3Zr1oF8m0Yk2Jt7bVw5sXcN4eA"
#define V1_HEADER "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"x5t\":\"" X5T "\",\"kid\":\"key-1\"}"
#define V2_HEADER HEADER_OK
#define RH "\"rh\":\"1.AUoAGowrP05tf0uaIVwN4fKjtCBvHo0sGz5Nj5Chss.\","
#define TIMES(exp) "\"iat\":1795424400,\"nbf\":1795424400,\"exp\":" exp ","
#define V1(aud) "{\"aud\":\"" aud "\",\"iss\":\"" ISS_V1 "\",\"ver\":\"1.0\",\"tid\":\"" TID "\","
#define V2 "{\"aud\":\"" AUD_GUID "\",\"iss\":\"" ISS_V2 "\",\"ver\":\"2.0\",\"tid\":\"" TID "\","
#define OVERAGE_OID "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
#define OVERAGE                                                                                    \
    "\"_claim_names\":{\"groups\":\"src1\"},\"_claim_sources\":{\"src1\":{\"endpoint\":"           \
    "\"https://graph.windows.net/" TID "/users/" OVERAGE_OID "/getMemberObjects\"}},"
#define MANAGED "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
#define MANAGED_OID "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172"
#define MANAGED_IDS                                                                                \
    "\"idtyp\":\"app\",\"oid\":\"" MANAGED_OID "\",\"sub\":\"" MANAGED_OID "\",\"uti\":\"u\","
#define APP_IDS                                                                                    \
    "\"idtyp\":\"app\",\"oid\":\"" APP_OID "\",\"sub\":\"" APP_OID "\",\"uti\":\"Rk3xT0aVbE6\","
#define USER_IDS                                                                                   \
    "\"oid\":\"" USER_OID "\",\"sub\":\"hV7uJm2Qe0rT5yWc8aKpXn3sDf6gLz1bOi4tUe9RqAk\","            \
    "\"uti\":\"9aXw4nLr2kCqYt7ePm0bAA\",\"acct\":0,\"acrs\":[\"c1\"],\"xms_cc\":[\"cp1\"],"        \
    "\"wids\":[\"b79fbf4d-3ef9-4689-8143-76b194e85509\"],"                                         \
    "\"groups\":[\"" GROUP "\",\"b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4\"],"
#define APPID "\"appid\":\"" CLIENT "\",\"appidacr\":\"1\","
#define AZP "\"azp\":\"" CLIENT "\",\"azpacr\":\"1\","
#define OWN_IDP "\"idp\":\"" ISS_V1 "\","
#define HOME_IDP "\"idp\":\"https://sts.windows.net/" OTHER_TID "/\",\"acct\":1,"

static EVP_PKEY *key;
static struct config config;
static struct key_ring *ring;
static struct token_result result;

static int set_up(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    config = make_config();
    ring = make_ring(key);
    return key && ring ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    key_ring_unref(ring);
    return 0;
}

struct sample {
    const char *name;
    const char *header;
    const char *payload;
    enum reason reason; /* REASON_NONE: accepted, as the principal below */
    enum principal_type type;
    const char *app;
    bool groups_unknown;
    const char *says; /* part of the detail of a refusal */
};

static void judge(const struct sample *sample) {
    char *token = make_token(sample->header, sample->payload, key);
    entra_verify(&config, ring, slice_of_str(token), NOW + 60, &result);
    if (result.reason != sample->reason)
        fail_msg("%s: %s (%s)", sample->name, reason_code(result.reason), result.detail);
    if (sample->reason == REASON_NONE) {
        assert_int_equal(result.identity->type, sample->type);
        assert_true(slice_eq_str(result.identity->app, sample->app ? sample->app : CLIENT));
        assert_int_equal(result.identity->groups_unknown, sample->groups_unknown);
        assert_true(slice_eq_str(result.identity->tenant, TID));
        identity_unref(result.identity);
    } else if (sample->says && !strstr(result.detail, sample->says)) {
        fail_msg("%s: %s", sample->name, result.detail);
    }
    free(token);
}

static void judges_the_sample_payloads_and_their_counterparts(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {"A.6.1 v1 app-only", V1_HEADER,
         V1(AUD_URI) TIMES("1795428300") APPID OWN_IDP APP_IDS RH
         "\"roles\":[\"Orders.Read.All\"]}",
         .type = PRINCIPAL_APP},
        {"A.6.2 v2 delegated user", V2_HEADER,
         V2 TIMES("1795429120") AZP USER_IDS RH
         "\"idtyp\":\"user\",\"name\":\"Mira Okafor\",\"roles\":[\"Orders.Approver\"],"
         "\"preferred_username\":\"mira.okafor@fabrikam.example\",\"scp\":\"Orders.Read "
         "Orders.Write\"}",
         .type = PRINCIPAL_USER},
        {"its v1 counterpart", V1_HEADER,
         V1(AUD_URI) TIMES("1795429120") APPID USER_IDS RH
         "\"amr\":[\"pwd\",\"mfa\"],\"upn\":\"mira.okafor@fabrikam.example\",\"unique_name\":\"x\","
         "\"scp\":\"Orders.Read Orders.Write\"}",
         .type = PRINCIPAL_USER},
        {"its v1 counterpart for the client id", V1_HEADER,
         V1(AUD_GUID) TIMES("1795429120") APPID USER_IDS RH "\"scp\":\"Orders.Read\"}",
         .type = PRINCIPAL_USER},
        {"A.6.3 v2 app-only", V2_HEADER,
         V2 TIMES("1795428300") AZP APP_IDS RH "\"roles\":[\"Orders.Read.All\",\"Orders.Export\"]}",
         .type = PRINCIPAL_APP},
        {"the same without idtyp", V2_HEADER,
         V2 TIMES("1795428300") AZP "\"oid\":\"" APP_OID "\",\"sub\":\"" APP_OID
                                    "\",\"roles\":[\"Orders.Read.All\"]}",
         .type = PRINCIPAL_APP},
        {"A.6.4 v2 user with overage", V2_HEADER,
         V2 TIMES("1795429455") OVERAGE AZP "\"oid\":\"" OVERAGE_OID
                                            "\",\"sub\":\"m3Yc9Xw1kTq7\",\"scp\":\"Orders.Read\"}",
         .type = PRINCIPAL_USER, .groups_unknown = true},
        {"its v1 counterpart", V1_HEADER,
         V1(AUD_URI) TIMES("1795429455") OVERAGE APPID
         "\"oid\":\"" OVERAGE_OID "\",\"sub\":\"m3Yc9Xw1kTq7\",\"scp\":\"Orders.Read\"}",
         .type = PRINCIPAL_USER, .groups_unknown = true},
        {"A.6.5 (a) managed identity for Key Vault", V1_HEADER,
         V1("https://vault.azure.net") TIMES("1795511100") OWN_IDP MANAGED_IDS RH
         "\"appid\":\"" MANAGED "\",\"appidacr\":\"2\",\"xms_mirid\":\"/subscriptions/x\"}",
         REASON_TOKEN_AUDIENCE,
         .says = "this token is for Azure Key Vault; request scope api://orders-gw/.default"},
        {"A.6.5 (b) managed identity for this API", V2_HEADER,
         V2 TIMES("1795511100") MANAGED_IDS RH
         "\"azp\":\"" MANAGED "\",\"azpacr\":\"2\",\"roles\":[\"Orders.Read.All\"]}",
         .type = PRINCIPAL_APP, .app = MANAGED},
        {"its v1 counterpart", V1_HEADER,
         V1(AUD_URI) TIMES("1795511100") OWN_IDP MANAGED_IDS RH
         "\"appid\":\"" MANAGED "\",\"appidacr\":\"2\",\"roles\":[\"Orders.Read.All\"]}",
         .type = PRINCIPAL_APP, .app = MANAGED},
        {"a managed identity without a role", V2_HEADER,
         V2 TIMES("1795511100") MANAGED_IDS "\"azp\":\"" MANAGED "\",\"azpacr\":\"2\"}",
         REASON_TOKEN_KIND, .says = "has no app role assigned on this API"},
        {"a guest", V2_HEADER,
         V2 TIMES("1795429120") AZP HOME_IDP "\"oid\":\"" USER_OID
                                             "\",\"sub\":\"x\",\"scp\":\"Orders.Read\"}",
         .type = PRINCIPAL_USER},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        judge(&samples[i]);
}

static void says_what_to_ask_for_instead(void **state) {
    (void)state;
#define USER_WITH(rest)                                                                            \
    V2 TIMES("1795428000") AZP "\"oid\":\"" USER_OID "\",\"sub\":\"s\"," rest "}"
    static const struct sample samples[] = {
        {"nonce in the header", "{\"alg\":\"RS256\",\"kid\":\"key-1\",\"nonce\":\"n\"}",
         USER_WITH("\"scp\":\"a\""), REASON_TOKEN_KIND,
         .says = "this token is for Microsoft Graph; request scope api://orders-gw/.default"},
        {"aud of Graph", V1_HEADER,
         V1("https://graph.microsoft.com") TIMES("1795428000") APPID USER_IDS "\"scp\":\"a\"}",
         REASON_TOKEN_KIND,
         .says = "this token is for Microsoft Graph; request scope api://orders-gw/.default"},
        {"aud of ARM", V1_HEADER,
         V1("https://management.azure.com/") TIMES("1795428000") APPID USER_IDS "\"scp\":\"a\"}",
         REASON_TOKEN_AUDIENCE, .says = "this token is for Azure Resource Manager"},
        {"nonce", V2_HEADER, USER_WITH("\"scp\":\"a\",\"nonce\":\"n\""), REASON_TOKEN_KIND,
         .says = "an ID token; request an access token for scope api://orders-gw/.default"},
        {"no client", V2_HEADER,
         V2 TIMES("1795428000") "\"oid\":\"" USER_OID "\",\"sub\":\"s\",\"roles\":[\"Admin\"]}",
         REASON_TOKEN_KIND, .says = "(azp), as ID tokens do; request an access token for scope"},
        {"bound", V2_HEADER, USER_WITH("\"scp\":\"a\",\"cnf\":{\"kid\":\"x\"}"), REASON_TOKEN_KIND,
         .says = "bound to a key (cnf); request one of type Bearer"},
        {"neither scp nor roles", V2_HEADER, USER_WITH("\"name\":\"x\""), REASON_TOKEN_KIND,
         .says = "neither scp nor roles, as ID tokens do"},
        {"roles of nobody", V2_HEADER, USER_WITH("\"roles\":[\"a\"]"), REASON_TOKEN_KIND,
         .says = "no scp and does not say that it is an application's (idtyp)"},
        {"idtyp user without scp", V2_HEADER, USER_WITH("\"idtyp\":\"user\",\"roles\":[\"a\"]"),
         REASON_TOKEN_KIND, .says = "(idtyp)"},
        {"app with scp", V2_HEADER, USER_WITH("\"idtyp\":\"app\",\"scp\":\"a\""), REASON_TOKEN_KIND,
         .says = "app-only"},
        {"app without a role", V2_HEADER, V2 TIMES("1795428000") AZP APP_IDS "\"name\":\"x\"}",
         REASON_TOKEN_KIND,
         .says =
             "the application has no app role assigned on this API; assign it one, then request "
             "scope api://orders-gw/.default"},
        {"control", V2_HEADER, USER_WITH("\"scp\":\"a\""), .type = PRINCIPAL_USER},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        judge(&samples[i]);
}

static void advises_the_scope_of_the_application(void **state) {
    (void)state;
    char scope[TOKEN_KIND_SCOPE_SIZE];
    const char *both[] = {AUD_GUID, AUD_URI}, *guid[] = {AUD_GUID};
    token_kind_scope(&(struct config_strings){both, 2}, scope);
    assert_string_equal(scope, "api://orders-gw/.default");
    token_kind_scope(&(struct config_strings){guid, 1}, scope);
    assert_string_equal(scope, AUD_GUID "/.default");
    char *long_text = make_text("api://%0200d", 7);
    const char *longest[] = {long_text};
    token_kind_scope(&(struct config_strings){longest, 1}, scope);
    assert_true(strlen(scope) < sizeof scope);
    free(long_text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_the_sample_payloads_and_their_counterparts),
        cmocka_unit_test(says_what_to_ask_for_instead),
        cmocka_unit_test(advises_the_scope_of_the_application),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
