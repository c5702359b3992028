/* Issuers beside the tenants (azure.md A.13): their tokens are judged by the profile that names
 * them, by no other, and the tenants' tokens never by theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/metadata.h"
#include "tests/unit/auth/token_maker.h"

#define B2C_TID "99999999-2222-4333-8444-555555555555"
#define B2C_ISSUER "https://shop.b2clogin.com/" B2C_TID "/v2.0/"
#define B2C_METADATA                                                                               \
    "https://shop.b2clogin.com/shop.onmicrosoft.com/flow/v2.0/.well-known/openid-configuration"
#define CIAM_TID "88888888-2222-4333-8444-555555555555"
#define CIAM_ISSUER "https://" CIAM_TID ".ciamlogin.com/" CIAM_TID "/v2.0"
#define CIAM_METADATA                                                                              \
    "https://fans.ciamlogin.com/fans.onmicrosoft.com/v2.0/.well-known/openid-configuration"
#define SHOP "77777777-2222-4333-8444-555555555555"

static EVP_PKEY *tenant_key;
static EVP_PKEY *shop_key;
static struct config config;
static struct key_ring *ring;
static struct token_result result;
static struct config_issuer issuers[2];
static const char *shop_audiences[] = {SHOP, "shop-api"};
static const char *fan_audiences[] = {AUD_GUID};

static int set_up(void **state) {
    (void)state;
    tenant_key = EVP_RSA_gen(2048);
    shop_key = EVP_RSA_gen(2048);
    config = make_config();
    issuers[0] =
        (struct config_issuer){"shop", B2C_METADATA, B2C_ISSUER, {shop_audiences, 2}, B2C_TID};
    issuers[1] =
        (struct config_issuer){"fans", CIAM_METADATA, CIAM_ISSUER, {fan_audiences, 1}, CIAM_TID};
    config.entra.issuers = issuers;
    config.entra.issuer_count = 2;
    struct key_ring *tenants = make_ring(tenant_key);
    ring = key_ring_new(key_slot_count(&config.entra));
    for (size_t i = 0; i < 2; i++) {
        struct key_ring_slot *from = key_ring_slot(tenants, i), *to = key_ring_slot(ring, i);
        *to = *from;
        *from = (struct key_ring_slot){0};
    }
    struct key_ring_slot *slot = key_ring_slot(ring, key_slot_of_issuer(&config.entra, 0));
    slot->keys = make_key_set(shop_key, "key-1", "");
    slot->issuer = strdup(B2C_ISSUER);
    key_ring_unref(tenants);
    return tenant_key && shop_key ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(tenant_key);
    EVP_PKEY_free(shop_key);
    key_ring_unref(ring);
    return 0;
}

#define SHOP_CLAIMS                                                                                \
    {"iss", "\"" B2C_ISSUER "\""}, {"aud", "\"" SHOP "\""}, {"exp", "1795428000"},                 \
        {"nbf", "1795424400"}, {"sub", "\"Abc-DEF_1\""}, {"tfp", "\"B2C_1_signin\""},              \
        {"azp", "\"" CLIENT "\""}, {"ver", "\"1.0\""}, {                                           \
        "scp", "\"read\""                                                                          \
    }

struct row {
    const char *name;
    struct maker_claim changes[4];
    enum reason reason;
};

static void judge(const struct row *row, EVP_PKEY *key) {
    static const struct maker_claim claims[] = {SHOP_CLAIMS};
    size_t count = 0;
    while (count < 4 && row->changes[count].name)
        count++;
    char *payload = make_payload(claims, sizeof claims / sizeof *claims, row->changes, count);
    char *token = make_token(HEADER_OK, payload, key);
    entra_verify(&config, ring, slice_of_str(token), NOW + 60, &result);
    if (result.reason != row->reason)
        fail_msg("%s: %s (%s)", row->name, reason_code(result.reason), result.detail);
    free(payload);
    free(token);
}

static void control(void) {
    judge(&(struct row){.name = "control"}, shop_key);
    assert_int_equal(result.slot, key_slot_of_issuer(&config.entra, 0));
    assert_int_equal(result.tenant_index, CONFIG_NONE);
    assert_int_equal(result.version, 0);
    assert_int_equal(result.identity->type, PRINCIPAL_USER);
    assert_true(slice_eq_str(result.identity->tenant, B2C_TID));
    assert_true(slice_eq_str(result.identity->oid, "Abc-DEF_1"));
    assert_true(slice_eq_str(result.identity->app, CLIENT));
    identity_unref(result.identity);
}

static void accepts_the_shapes_of_such_issuers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"second audience, no GUID", {{"aud", "\"shop-api\""}}, REASON_NONE},
        {"oid", {{"oid", "\"" USER_OID "\""}}, REASON_NONE},
        {"its own tid", {{"tid", "\"" B2C_TID "\""}}, REASON_NONE},
        {"no ver", {{"ver", NULL}}, REASON_NONE},
        {"appid", {{"azp", NULL}, {"appid", "\"" CLIENT "\""}}, REASON_NONE},
        {"an application",
         {{"scp", NULL}, {"roles", "[\"a\"]"}, {"sub", "\"" CLIENT "\""}},
         REASON_NONE},
    };
    control();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        judge(&rows[i], shop_key);
        identity_unref(result.identity);
    }
}

static void refuses_what_the_profile_does_not_say(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"without slash",
         {{"iss", "\"https://shop.b2clogin.com/" B2C_TID "/v2.0\""}},
         REASON_TOKEN_TENANT},
        {"the other's issuer", {{"iss", "\"" CIAM_ISSUER "\""}}, REASON_KEYS_UNAVAILABLE},
        {"the tenants' audience", {{"aud", "\"" AUD_GUID "\""}}, REASON_TOKEN_AUDIENCE},
        {"another tid", {{"tid", "\"" TID "\""}}, REASON_TOKEN_TENANT},
        {"a tid that is none", {{"tid", "null"}}, REASON_TOKEN_TENANT},
        {"an ID token by nonce", {{"nonce", "\"n\""}}, REASON_TOKEN_KIND},
        {"an ID token by at_hash", {{"at_hash", "\"n\""}}, REASON_TOKEN_KIND},
        {"an ID token without client", {{"azp", NULL}}, REASON_TOKEN_KIND},
        {"an ID token without scp", {{"scp", NULL}}, REASON_TOKEN_KIND},
        {"roles alone", {{"scp", NULL}, {"roles", "[\"a\"]"}}, REASON_TOKEN_KIND},
        {"nobody", {{"sub", NULL}}, REASON_TOKEN_KIND},
        {"a sub with a line break", {{"sub", "\"a\\nb\""}}, REASON_TOKEN_KIND},
        {"an oid that is none", {{"oid", "\"x\""}}, REASON_TOKEN_KIND},
        {"no nbf", {{"nbf", NULL}}, REASON_TOKEN_NOT_YET_VALID},
        {"expired", {{"exp", "1795424401"}}, REASON_TOKEN_EXPIRED},
    };
    control();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        judge(&rows[i], shop_key);
    control();
}

static void keeps_the_keys_of_both_worlds_apart(void **state) {
    (void)state;
    judge(&(struct row){.name = "tenant's key", .reason = REASON_TOKEN_SIGNATURE}, tenant_key);
    char *payload = make_user_payload(NULL, 0);
    char *token = make_token(HEADER_OK, payload, shop_key);
    assert_int_equal(entra_verify(&config, ring, slice_of_str(token), NOW + 60, &result),
                     TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_SIGNATURE);
    free(token);
    token = make_token(HEADER_OK, payload, tenant_key);
    assert_int_equal(entra_verify(&config, ring, slice_of_str(token), NOW + 60, &result),
                     TOKEN_ACCEPTED);
    assert_int_equal(result.slot, key_slot_of_tenant(0, 2));
    identity_unref(result.identity);
    free(token);
    free(payload);
    control();
}

static bool takes_metadata(size_t issuer, const char *stated, const char *jwks_uri) {
    char *json = make_text("{\"issuer\":\"%s\",\"jwks_uri\":\"%s\"}", stated, jwks_uri);
    struct metadata metadata;
    enum status status = metadata_parse(slice_of_str(json), &config.entra,
                                        key_slot_of_issuer(&config.entra, issuer), &metadata, NULL);
    free(json);
    return status == STATUS_OK;
}

static void takes_metadata_of_the_named_issuer_only(void **state) {
    (void)state;
    static const char keys[] = "https://shop.b2clogin.com/shop.onmicrosoft.com/flow/keys";
    char url[METADATA_URL_SIZE];
    assert_true(metadata_url(&config.entra, key_slot_of_issuer(&config.entra, 0), url));
    assert_string_equal(url, B2C_METADATA);
    assert_true(takes_metadata(0, B2C_ISSUER, keys));
    assert_false(takes_metadata(0, "https://shop.b2clogin.com/" B2C_TID "/v2.0", keys));
    assert_false(takes_metadata(0, CIAM_ISSUER, keys));
    assert_false(takes_metadata(0, B2C_ISSUER, "https://evil.example/keys"));
    assert_false(takes_metadata(0, B2C_ISSUER, "http://shop.b2clogin.com/keys"));
    assert_false(takes_metadata(0, B2C_ISSUER, "https://login.microsoftonline.com/keys"));
    assert_true(takes_metadata(1, CIAM_ISSUER, "https://fans.ciamlogin.com/keys"));
    assert_true(takes_metadata(1, CIAM_ISSUER, "https://" CIAM_TID ".ciamlogin.com/keys"));
    assert_false(takes_metadata(1, CIAM_ISSUER, "https://other.ciamlogin.com/keys"));
}

static void asks_for_the_keys_of_one_application(void **state) {
    (void)state;
    struct config_entra entra = make_config().entra;
    char url[METADATA_URL_SIZE];
    entra.metadata_appid = AUD_GUID;
    assert_true(metadata_url(&entra, key_slot_of_tenant(0, 1), url));
    assert_string_equal(url, "https://login.microsoftonline.com/" TID
                             "/.well-known/openid-configuration?appid=" AUD_GUID);
}

/* azure.md A.3 with a document of all tenants: the template's key signs for every tenant, the key
 * of one fixed tenant for that tenant alone. */
static void lets_a_key_of_a_fixed_tenant_sign_for_that_tenant_alone(void **state) {
    (void)state;
    static const struct {
        const char *key_issuer;
        enum reason reason;
    } rows[] = {
        {KEY_ISSUER, REASON_NONE},
        {ISS_V2, REASON_NONE},
        {"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
         REASON_TOKEN_ISSUER},
        {"https://login.microsoftonline.com/" OTHER_TID "/v2.0", REASON_TOKEN_ISSUER},
        {"https://login.microsoftonline.com/{TENANTID}/v2.0", REASON_TOKEN_ISSUER},
        {"https://login.microsoftonline.us/{tenantid}/v2.0", REASON_TOKEN_ISSUER},
        {ISS_V1, REASON_TOKEN_ISSUER},
    };
    char *payload = make_user_payload(NULL, 0);
    char *token = make_token(HEADER_OK, payload, tenant_key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_ring *mixed = make_ring(tenant_key);
        struct key_ring_slot *slot = key_ring_slot(mixed, key_slot_of_tenant(0, 2));
        char *more = make_text(",\"issuer\":\"%s\"", rows[i].key_issuer);
        struct config plain = make_config();
        key_set_unref(slot->keys);
        slot->keys = make_key_set(tenant_key, "key-1", more);
        entra_verify(&plain, mixed, slice_of_str(token), NOW + 60, &result);
        assert_int_equal(result.reason, rows[i].reason);
        identity_unref(result.identity);
        key_ring_unref(mixed);
        free(more);
    }
    free(token);
    free(payload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_shapes_of_such_issuers),
        cmocka_unit_test(refuses_what_the_profile_does_not_say),
        cmocka_unit_test(keeps_the_keys_of_both_worlds_apart),
        cmocka_unit_test(takes_metadata_of_the_named_issuer_only),
        cmocka_unit_test(asks_for_the_keys_of_one_application),
        cmocka_unit_test(lets_a_key_of_a_fixed_tenant_sign_for_that_tenant_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
