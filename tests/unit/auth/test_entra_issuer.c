/* Which issuer and which key a token is held against. */
#include "entra_case.h"

static void asks_for_keys_when_the_kid_is_not_in_the_set(void **state) {
    (void)state;
    static const char *const kids[] = {
        "../../../../dev/null", "|id", "' or 1=1", "%00", "key-2", "KEY-1", "key-1 ", "key-"};
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char *header = make_text("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kids[i]);
        expect(make_token(header, payload, key), TOKEN_NEEDS_KEYS, REASON_TOKEN_KEY_UNKNOWN,
               kids[i]);
        assert_int_equal(result.version, 2);
        assert_int_equal(result.tenant_index, 0);
        assert_string_equal(result.kid, kids[i]);
        free(header);
    }
    control();
}

static void needs_keys_while_there_are_none(void **state) {
    (void)state;
    struct key_ring *empty = key_ring_new(4);
    char *token = make_token(HEADER_OK, payload, key);
    assert_int_equal(verify_with(empty, slice_of_str(token)), TOKEN_NEEDS_KEYS);
    assert_int_equal(result.reason, REASON_KEYS_UNAVAILABLE);
    assert_int_equal(result.version, 2);
    assert_int_equal(result.tenant_index, 0);
    free(token);
    char *app_payload = make_app_payload(NULL, 0);
    token = make_token(HEADER_OK, app_payload, key);
    assert_int_equal(verify_with(empty, slice_of_str(token)), TOKEN_NEEDS_KEYS);
    assert_int_equal(result.reason, REASON_KEYS_UNAVAILABLE);
    assert_int_equal(result.version, 1);
    free(token);
    free(app_payload);
    /* A wrong issuer needs no keys to be refused: the cloud prescribes the right one. */
    const struct maker_claim change = {"iss", "\"https://evil.example/\""};
    char *other = make_user_payload(&change, 1);
    token = make_token(HEADER_OK, other, key);
    assert_int_equal(verify_with(empty, slice_of_str(token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    free(token);
    free(other);
    key_ring_unref(empty);
}

static void refuses_a_ring_that_contradicts_the_cloud(void **state) {
    (void)state;
    struct key_ring *lying = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(lying, key_slot_of_tenant(0, 2));
    free(slot->issuer);
    slot->issuer = strdup("https://evil.example/" TID "/v2.0");
    char *token = make_token(HEADER_OK, payload, key);
    assert_int_equal(verify_with(lying, slice_of_str(token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    const struct maker_claim change = {"iss", "\"https://evil.example/" TID "/v2.0\""};
    char *other = make_user_payload(&change, 1);
    char *evil = make_token(HEADER_OK, other, key);
    assert_int_equal(verify_with(lying, slice_of_str(evil)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    free(token);
    free(other);
    free(evil);
    key_ring_unref(lying);
}

static void refuses_a_key_of_another_issuer(void **state) {
    (void)state;
    static const struct {
        const char *issuer;
        bool is_accepted;
    } rows[] = {
        {"", true},
        {",\"issuer\":\"" KEY_ISSUER "\"", true},
        {",\"issuer\":\"" ISS_V2 "\"", true},
        {",\"issuer\":\"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/"
         "v2.0\"",
         false},
        {",\"issuer\":\"https://login.microsoftonline.us/{tenantid}/v2.0\"", false},
        {",\"issuer\":\"https://login.microsoftonline.com/{TENANTID}/v2.0\"", false},
        {",\"issuer\":\"https://login.microsoftonline.com/{tenantid}/v2.0/\"", false},
        {",\"issuer\":\"" ISS_V1 "\"", false},
    };
    char *token = make_token(HEADER_OK, payload, key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_ring *changed = key_ring_copy(ring);
        struct key_ring_slot *slot = key_ring_slot(changed, key_slot_of_tenant(0, 2));
        key_set_unref(slot->keys);
        slot->keys = make_key_set(key, "key-1", rows[i].issuer);
        enum token_outcome outcome = verify_with(changed, slice_of_str(token));
        assert_int_equal(outcome, rows[i].is_accepted ? TOKEN_ACCEPTED : TOKEN_REFUSED);
        assert_int_equal(result.reason, rows[i].is_accepted ? REASON_NONE : REASON_TOKEN_ISSUER);
        key_ring_unref(changed);
    }
    free(token);
}

static void keeps_the_tenants_keys_apart(void **state) {
    (void)state;
    struct key_ring *both = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(both, key_slot_of_tenant(1, 2));
    slot->keys = make_key_set(attacker_key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\"");
    slot->issuer = strdup("https://login.microsoftonline.com/" OTHER_TID "/v2.0");
    char *token = make_token(HEADER_OK, payload, attacker_key);
    assert_int_equal(verify_with(both, slice_of_str(token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_SIGNATURE);
    free(token);
    const struct maker_claim changes[] = {
        {"tid", "\"" OTHER_TID "\""},
        {"iss", "\"https://login.microsoftonline.com/" OTHER_TID "/v2.0\""}};
    char *other = make_user_payload(changes, 2);
    token = make_token(HEADER_OK, other, attacker_key);
    assert_int_equal(verify_with(both, slice_of_str(token)), TOKEN_ACCEPTED);
    assert_int_equal(result.tenant_index, 1);
    free(token);
    free(other);
    key_ring_unref(both);
}

/* An authority of the operator's: the metadata alone says who issues. */
static void follows_the_metadata_of_an_overridden_authority(void **state) {
    (void)state;
    struct config own = config;
    config.entra.authority = "https://127.0.0.1:18443";
    config.entra.authority_is_override = true;
    struct key_ring *changed = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(changed, key_slot_of_tenant(0, 2));
    free(slot->issuer);
    slot->issuer = strdup("https://standin.example/issuer");
    key_set_unref(slot->keys);
    slot->keys = make_key_set(key, "key-1", ",\"issuer\":\"https://standin.example/issuer\"");
    const struct maker_claim change = {"iss", "\"https://standin.example/issuer\""};
    char *other = make_user_payload(&change, 1);
    char *token = make_token(HEADER_OK, other, key);
    assert_int_equal(verify_with(changed, slice_of_str(token)), TOKEN_ACCEPTED);
    char *public_token = make_token(HEADER_OK, payload, key);
    assert_int_equal(verify_with(changed, slice_of_str(public_token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    struct key_ring *empty = key_ring_new(4);
    assert_int_equal(verify_with(empty, slice_of_str(token)), TOKEN_NEEDS_KEYS);
    assert_int_equal(result.reason, REASON_KEYS_UNAVAILABLE);
    assert_int_equal(result.version, 2);
    config.entra.accepts_v2 = false;
    assert_int_equal(verify_with(empty, slice_of_str(token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    config = own;
    key_ring_unref(empty);
    key_ring_unref(changed);
    free(token);
    free(public_token);
    free(other);
}

/* Outside the public cloud only the v1 metadata knows the v1 issuer. */
static void takes_the_v1_issuer_of_another_cloud_from_its_metadata(void **state) {
    (void)state;
    struct config own = config;
    config.entra.cloud = CLOUD_USGOV;
    config.entra.authority = "https://login.microsoftonline.us";
    static const struct {
        const char *stated;
        enum token_outcome outcome;
        enum reason reason;
    } rows[] = {
        {ISS_V1, TOKEN_ACCEPTED, REASON_NONE},
        {NULL, TOKEN_NEEDS_KEYS, REASON_KEYS_UNAVAILABLE},
        {"https://sts.windows.net/" OTHER_TID "/", TOKEN_REFUSED, REASON_TOKEN_ISSUER},
    };
    char *app = make_app_payload(NULL, 0);
    char *token = make_token(HEADER_OK, app, key);
    for (size_t i = 0; i < 3; i++) {
        struct key_ring *changed = key_ring_copy(ring);
        struct key_ring_slot *slot = key_ring_slot(changed, key_slot_of_tenant(0, 1));
        free(slot->issuer);
        slot->issuer = rows[i].stated ? strdup(rows[i].stated) : NULL;
        assert_int_equal(verify_with(changed, slice_of_str(token)), rows[i].outcome);
        assert_int_equal(result.reason, rows[i].reason);
        key_ring_unref(changed);
    }
    const struct maker_claim change = {"iss", "\"https://sts.example/" OTHER_TID "/\""};
    char *foreign = make_app_payload(&change, 1);
    char *foreign_token = make_token(HEADER_OK, foreign, key);
    struct key_ring *changed = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(changed, key_slot_of_tenant(0, 1));
    free(slot->issuer);
    slot->issuer = strdup("https://sts.example/" OTHER_TID "/");
    assert_int_equal(verify_with(changed, slice_of_str(foreign_token)), TOKEN_REFUSED);
    assert_int_equal(result.reason, REASON_TOKEN_ISSUER);
    key_ring_unref(changed);
    free(foreign);
    free(foreign_token);
    free(app);
    free(token);
    config = own;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_keys_when_the_kid_is_not_in_the_set),
        cmocka_unit_test(needs_keys_while_there_are_none),
        cmocka_unit_test(refuses_a_ring_that_contradicts_the_cloud),
        cmocka_unit_test(refuses_a_key_of_another_issuer),
        cmocka_unit_test(keeps_the_tenants_keys_apart),
        cmocka_unit_test(follows_the_metadata_of_an_overridden_authority),
        cmocka_unit_test(takes_the_v1_issuer_of_another_cloud_from_its_metadata),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
