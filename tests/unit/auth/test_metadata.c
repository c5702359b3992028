#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/metadata.h"
#include "tests/unit/auth/token_maker.h"

#define LOGIN "https://login.microsoftonline.com"
#define KEYS_V2 LOGIN "/" TID "/discovery/v2.0/keys"

static struct config_entra public_cloud(void) {
    return make_config().entra;
}

static bool takes(const struct config_entra *entra, int version, const char *issuer,
                  const char *jwks_uri, struct metadata *out_metadata) {
    char *json = make_text("{\"issuer\":%s,\"jwks_uri\":%s,\"other\":[]}", issuer, jwks_uri);
    struct error err = {{0}};
    struct metadata metadata;
    enum status status =
        metadata_parse(slice_of_str(json), entra, key_slot_of_tenant(0, version), &metadata, &err);
    assert_int_equal(status == STATUS_OK, err.text[0] == '\0');
    if (status == STATUS_OK && out_metadata)
        *out_metadata = metadata;
    free(json);
    return status == STATUS_OK;
}

static void reads_the_clouds_own_documents(void **state) {
    (void)state;
    struct config_entra entra = public_cloud();
    struct metadata metadata;
    assert_true(takes(&entra, 2, "\"" ISS_V2 "\"", "\"" KEYS_V2 "\"", &metadata));
    assert_string_equal(metadata.issuer, ISS_V2);
    assert_string_equal(metadata.jwks_uri, KEYS_V2);
    assert_true(takes(&entra, 2, "\"" KEY_ISSUER "\"", "\"" KEYS_V2 "\"", &metadata));
    assert_string_equal(metadata.issuer, ISS_V2);
    assert_true(
        takes(&entra, 1, "\"" ISS_V1 "\"", "\"" LOGIN "/" TID "/discovery/keys\"", &metadata));
    assert_string_equal(metadata.issuer, ISS_V1);
    assert_true(takes(&entra, 2, "\"" ISS_V2 "\"", "\"" KEYS_V2 "?appid=x\"", &metadata));
    assert_string_equal(metadata.jwks_uri, KEYS_V2 "?appid=x");
}

static void refuses_other_issuers_than_the_clouds(void **state) {
    (void)state;
    static const char *const issuers[] = {
        "\"" ISS_V1 "\"",
        "\"" ISS_V2 "/\"",
        "\"https://evil.example/" TID "/v2.0\"",
        "\"https://login.microsoftonline.com/" OTHER_TID "/v2.0\"",
        "\"http://login.microsoftonline.com/" TID "/v2.0\"",
        "\"https://login.microsoftonline.com/common/v2.0\"",
        "\"\"",
        "null",
        "7",
        "[\"" ISS_V2 "\"]",
        "\"" ISS_V2 "\\n\"",
        "\"" ISS_V2 "\\u0000\"",
    };
    struct config_entra entra = public_cloud();
    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++)
        assert_false(takes(&entra, 2, issuers[i], "\"" KEYS_V2 "\"", NULL));
    assert_false(takes(&entra, 1, "\"" ISS_V2 "\"", "\"" KEYS_V2 "\"", NULL));
    assert_true(takes(&entra, 2, "\"" ISS_V2 "\"", "\"" KEYS_V2 "\"", NULL));
}

static void takes_v1_issuers_of_other_clouds_that_name_the_tenant(void **state) {
    (void)state;
    struct config_entra entra = public_cloud();
    entra.cloud = CLOUD_CHINA;
    entra.authority = "https://login.partner.microsoftonline.cn";
    static const char keys[] = "\"https://login.partner.microsoftonline.cn/keys\"";
    assert_true(takes(&entra, 1, "\"https://sts.chinacloudapi.cn/" TID "/\"", keys, NULL));
    assert_true(takes(&entra, 1, "\"https://sts.chinacloudapi.cn/{tenantid}/\"", keys, NULL));
    assert_false(takes(&entra, 1, "\"https://sts.chinacloudapi.cn/" OTHER_TID "/\"", keys, NULL));
    assert_false(takes(&entra, 1, "\"https://sts.chinacloudapi.cn/x/" TID "/\"", keys, NULL));
    assert_false(takes(&entra, 1, "\"https://sts.chinacloudapi.cn\"", keys, NULL));
    assert_false(takes(&entra, 1, "\"http://sts.chinacloudapi.cn/" TID "/\"", keys, NULL));
    assert_true(
        takes(&entra, 2, "\"https://login.partner.microsoftonline.cn/" TID "/v2.0\"", keys, NULL));
    assert_false(takes(&entra, 2, "\"" ISS_V2 "\"", keys, NULL));
}

static void takes_any_issuer_of_an_overridden_authority(void **state) {
    (void)state;
    struct config_entra entra = public_cloud();
    entra.authority = "http://127.0.0.1:18080";
    entra.authority_is_override = true;
    struct metadata metadata;
    assert_true(takes(&entra, 2, "\"https://x.example/{tenantid}/and/{tenantid}\"",
                      "\"http://127.0.0.1:18080/keys\"", &metadata));
    assert_string_equal(metadata.issuer, "https://x.example/" TID "/and/" TID);
    assert_false(takes(&entra, 2, "\"a b\"", "\"http://127.0.0.1:18080/keys\"", NULL));
    char *long_issuer = make_text("\"%0600d\"", 7);
    assert_false(takes(&entra, 2, long_issuer, "\"http://127.0.0.1:18080/keys\"", NULL));
    free(long_issuer);
}

static void refuses_keys_from_elsewhere(void **state) {
    (void)state;
    static const char *const uris[] = {
        "\"http://login.microsoftonline.com/keys\"",
        "\"https://login.microsoftonline.com.evil.example/keys\"",
        "\"https://evil.example/keys\"",
        "\"https://evil.example/?login.microsoftonline.com\"",
        "\"https://login.microsoftonline.com@evil.example/keys\"",
        "\"https://user:pw@login.microsoftonline.com/keys\"",
        "\"https://evil.example#login.microsoftonline.com\"",
        "\"https://login.microsoftonline.com/keys#x\"",
        "\"https://login.microsoftonline.com\\\\@evil.example/\"",
        "\"https:/login.microsoftonline.com/keys\"",
        "\"https://\"",
        "\"//login.microsoftonline.com/keys\"",
        "\"/keys\"",
        "\"ftp://login.microsoftonline.com/keys\"",
        "\"file:///etc/passwd\"",
        "\"https://login.microsoftonline.com/ke ys\"",
        "\"https://login.microsoftonline.com/ke\\r\\nys\"",
        "\"https://login.microsoftonline.com:99999/keys\"",
        "\"http://127.0.0.1/keys\"",
        "\"\"",
        "null",
        "[\"" KEYS_V2 "\"]",
    };
    struct config_entra entra = public_cloud();
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        if (takes(&entra, 2, "\"" ISS_V2 "\"", uris[i], NULL))
            fail_msg("%s", uris[i]);
    assert_true(takes(&entra, 2, "\"" ISS_V2 "\"", "\"" KEYS_V2 "\"", NULL));
    assert_true(
        takes(&entra, 2, "\"" ISS_V2 "\"", "\"https://LOGIN.microsoftonline.com/k\"", NULL));
}

static void refuses_documents_that_are_not_strict_json(void **state) {
    (void)state;
    static const char good[] = "{\"issuer\":\"" ISS_V2 "\",\"jwks_uri\":\"" KEYS_V2 "\"}";
    static const char *const documents[] = {
        "",
        "[]",
        "null",
        "<html>",
        "{",
        "{}",
        "{\"issuer\":\"" ISS_V2 "\"}",
        "{\"jwks_uri\":\"" KEYS_V2 "\"}",
        "{\"issuer\":\"x\",\"issuer\":\"" ISS_V2 "\",\"jwks_uri\":\"" KEYS_V2 "\"}",
        "{\"issuer\":\"" ISS_V2 "\",\"jwks_uri\":\"" KEYS_V2 "\"} x",
    };
    struct config_entra entra = public_cloud();
    struct metadata metadata;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        assert_int_not_equal(metadata_parse(slice_of_str(documents[i]), &entra,
                                            key_slot_of_tenant(0, 2), &metadata, NULL),
                             STATUS_OK);
    assert_int_equal(metadata_parse(SLICE(good), &entra, key_slot_of_tenant(0, 2), &metadata, NULL),
                     STATUS_OK);
}

static void asks_where_the_version_is_described(void **state) {
    (void)state;
    struct config_entra entra = public_cloud();
    char url[METADATA_URL_SIZE];
    assert_true(metadata_url(&entra, key_slot_of_tenant(0, 2), url));
    assert_string_equal(url, LOGIN "/" TID "/v2.0/.well-known/openid-configuration");
    assert_true(metadata_url(&entra, key_slot_of_tenant(1, 1), url));
    assert_string_equal(url, LOGIN "/" OTHER_TID "/.well-known/openid-configuration");
    char authority[METADATA_URL_SIZE];
    memset(authority, 'a', sizeof authority - 1);
    authority[sizeof authority - 1] = '\0';
    entra.authority = authority;
    assert_false(metadata_url(&entra, key_slot_of_tenant(0, 2), url));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_clouds_own_documents),
        cmocka_unit_test(refuses_other_issuers_than_the_clouds),
        cmocka_unit_test(takes_v1_issuers_of_other_clouds_that_name_the_tenant),
        cmocka_unit_test(takes_any_issuer_of_an_overridden_authority),
        cmocka_unit_test(refuses_keys_from_elsewhere),
        cmocka_unit_test(refuses_documents_that_are_not_strict_json),
        cmocka_unit_test(asks_where_the_version_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
