/* What becomes of the claims of a token that passes. */
#include "claims_case.h"

static void accepts_a_v2_user_token(void **state) {
    (void)state;
    char *payload = make_user_payload(NULL, 0);
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    const struct identity *identity = result.identity;
    assert_int_equal(result.reason, REASON_NONE);
    assert_int_equal(result.version, 2);
    assert_int_equal(result.tenant_index, 0);
    assert_string_equal(result.kid, "key-1");
    assert_string_equal(result.uti, "9aXw4nLr2kCqYt7ePm0bAA");
    assert_int_equal(identity->type, PRINCIPAL_USER);
    assert_true(slice_eq_str(identity->tenant, TID));
    assert_true(slice_eq_str(identity->oid, USER_OID));
    assert_true(slice_eq_str(identity->app, CLIENT));
    assert_true(slice_eq_str(identity->uti, "9aXw4nLr2kCqYt7ePm0bAA"));
    assert_true(slice_eq_str(identity->kid, "key-1"));
    assert_true(identity_has_role(identity, SLICE("Orders.Approver")));
    assert_false(identity_has_role(identity, SLICE("orders.approver")));
    assert_true(identity_has_scope(identity, SLICE("Orders.Write")));
    assert_true(identity_has_group(identity, SLICE(GROUP)));
    assert_false(identity->groups_unknown);
    assert_int_equal(identity->expires_sec, 1795428000);
    assert_int_equal(identity->version, 2);
    const struct verification_key *used =
        key_set_find(key_ring_slot(ring, key_slot_of_tenant(0, 2))->keys, SLICE("key-1"));
    assert_memory_equal(result.key_fingerprint, used->fingerprint, 32);
    identity_unref(result.identity);
    free(payload);
}

static void accepts_a_v1_app_token(void **state) {
    (void)state;
    char *payload = make_app_payload(NULL, 0);
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    assert_int_equal(result.version, 1);
    assert_int_equal(result.identity->type, PRINCIPAL_APP);
    assert_true(slice_eq_str(result.identity->app, CLIENT));
    assert_int_equal(result.identity->scope_count, 0);
    identity_unref(result.identity);
    free(payload);
}

static void tells_what_the_sign_in_satisfied(void **state) {
    (void)state;
    const struct maker_claim changes[] = {
        {"acrs", "[\"c7\", \"c1\", 3, \"\", \"c\\u0001\"]"},
        {"amr", "[\"pwd\", \"mfa\"]"},
        {"xms_cc", "[\"x\", \"Cp1\"]"},
        {"sid", "\"00a1b2c3\""},
        {"iat", "1795424410"},
    };
    char *payload = make_user_payload(changes, 5);
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    const struct identity *identity = result.identity;
    assert_int_equal(identity->acrs_count, 2);
    assert_true(identity_has_acrs(identity, SLICE("c1")));
    assert_true(identity_has_acrs(identity, SLICE("c7")));
    assert_false(identity_has_acrs(identity, SLICE("C1")));
    assert_true(identity->has_mfa);
    assert_true(identity->accepts_claims_challenge);
    assert_true(slice_eq_str(identity->sid, "00a1b2c3"));
    assert_int_equal(identity->issued_sec, 1795424410);
    identity_unref(result.identity);
    free(payload);
}

static void takes_claims_of_other_shapes_for_nothing(void **state) {
    (void)state;
    const struct maker_claim changes[] = {
        {"acrs", "\"c1\""}, {"amr", "\"mfa\""}, {"xms_cc", "\"cp1\""},
        {"sid", "[\"a\"]"}, {"iat", NULL},      {"nbf", "1795424401"},
    };
    char *payload = make_user_payload(changes, 6);
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    const struct identity *identity = result.identity;
    assert_int_equal(identity->acrs_count, 0);
    assert_false(identity->has_mfa);
    assert_false(identity->accepts_claims_challenge);
    assert_int_equal(identity->sid.len, 0);
    assert_int_equal(identity->issued_sec, 1795424401);
    identity_unref(result.identity);
    free(payload);
}

static void lowers_the_case_of_guids_only(void **state) {
    (void)state;
    const struct maker_claim changes[] = {
        {"oid", "\"E0D1C2B3-A495-4867-9588-776655443322\""},
        {"azp", "\"C5A1B2D3-4E5F-4A6B-8C7D-9E0F1A2B3C4D\""},
        {"groups", "[\"6F0A9B18-2C3D-4E5F-8091-A2B3C4D5E6F7\"]"},
    };
    char *payload = make_user_payload(changes, 3);
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    assert_true(slice_eq_str(result.identity->oid, USER_OID));
    assert_true(slice_eq_str(result.identity->app, CLIENT));
    assert_true(identity_has_group(result.identity, SLICE(GROUP)));
    assert_true(identity_has_role(result.identity, SLICE("Orders.Approver")));
    identity_unref(result.identity);
    config.entra.groups_by_name = true;
    assert_int_equal(verify_payload(payload, NOW + 60), TOKEN_ACCEPTED);
    assert_false(identity_has_group(result.identity, SLICE(GROUP)));
    assert_true(identity_has_group(result.identity, SLICE("6F0A9B18-2C3D-4E5F-8091-A2B3C4D5E6F7")));
    identity_unref(result.identity);
    config.entra.groups_by_name = false;
    free(payload);
}

/* The token passes; what its roles claim holds is no role named Admin. */
static void keeps_odd_roles_apart(void **state) {
    (void)state;
    static const char *const shapes[] = {
        "\"Admin\"",
        "[\"Adm\",\"in\"]",
        "[\"Admin \"]",
        "[\" Admin\"]",
        "[\"ADMIN\"]",
        "[\"admin\"]",
        "[\"\\u0410dmin\"]",
        "[\"Admin\\u0000x\"]",
        "[\"Admin\\u0000\"]",
        "[\"Admin,User\"]",
        "[\"Admin\\n\"]",
        "[[\"Admin\"]]",
        "[{\"Admin\":true}]",
        "{\"Admin\":\"Admin\"}",
        "null",
        "true",
        "[]",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct maker_claim change = {"roles", shapes[i]};
        char *payload = make_user_payload(&change, 1);
        assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
        assert_false(identity_has_role(result.identity, SLICE("Admin")));
        identity_unref(result.identity);
        free(payload);
    }
    const struct maker_claim change = {"roles", "[1,\"User\",\"Admin\",null]"};
    char *payload = make_user_payload(&change, 1);
    assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
    assert_true(identity_has_role(result.identity, SLICE("Admin")));
    assert_int_equal(result.identity->role_count, 2);
    identity_unref(result.identity);
    free(payload);
}

static void splits_scopes_at_spaces_only(void **state) {
    (void)state;
    static const struct {
        const char *scp;
        bool has_write;
    } rows[] = {
        {"\"read write\"", true},         {"\"write\"", true},      {"\"readwrite\"", false},
        {"\"read,write\"", false},        {"\"write.all\"", false}, {"\"read\\twrite\"", false},
        {"\"read  write\"", true},        {"\" write \"", true},    {"\"read Write\"", false},
        {"\"read write\\u0000\"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct maker_claim change = {"scp", rows[i].scp};
        char *payload = make_user_payload(&change, 1);
        bool is_accepted = verify_payload(payload, NOW) == TOKEN_ACCEPTED;
        assert_true(is_accepted || !rows[i].has_write);
        if (is_accepted)
            assert_int_equal(identity_has_scope(result.identity, SLICE("write")),
                             rows[i].has_write);
        identity_unref(result.identity);
        free(payload);
    }
}

static void marks_groups_unknown(void **state) {
    (void)state;
    static const struct {
        struct maker_claim change;
        bool is_unknown;
    } rows[] = {
        {{"x", "1"}, false},
        {{"_claim_names", "{\"groups\":\"src1\"}"}, true},
        {{"_claim_names", "{\"wids\":\"src1\"}"}, false},
        {{"_claim_names", "[\"groups\"]"}, true},
        {{"hasgroups", "true"}, true},
        {{"hasgroups", "\"true\""}, true},
        {{"hasgroups", "false"}, false},
        {{"groups:src1", "1"}, true},
        {{"groups:src", "\"x\""}, true},
        {{"groups", "\"" GROUP "\""}, true},
        {{"groups", "{\"0\":\"" GROUP "\"}"}, true},
        {{"groups", "[\"" GROUP "\",7]"}, true},
        {{"groups", "[]"}, false},
        {{"groups", NULL}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *payload = make_user_payload(&rows[i].change, 1);
        assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
        assert_int_equal(result.identity->groups_unknown, rows[i].is_unknown);
        identity_unref(result.identity);
        free(payload);
    }
}

static char *make_list(size_t count) {
    char *list = malloc(count * 8 + 3), *to = list;
    *to++ = '[';
    for (size_t i = 0; i < count; i++)
        to += sprintf(to, "%s\"%04x\"", i ? "," : "", (unsigned)(i * 2654435761u & 0xffff));
    *to++ = ']';
    *to = '\0';
    return list;
}

static void bounds_the_lists(void **state) {
    (void)state;
    static const char *const names[] = {"roles", "groups"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t count = 999; count <= 1001; count++) {
            char *list = make_list(count);
            const struct maker_claim change = {names[i], list};
            char *payload = make_user_payload(&change, 1);
            enum token_outcome outcome = verify_payload(payload, NOW);
            assert_int_equal(outcome, count <= 1000 ? TOKEN_ACCEPTED : TOKEN_REFUSED);
            if (outcome == TOKEN_ACCEPTED)
                assert_int_equal(result.identity->role_count + result.identity->group_count,
                                 count + 1);
            else
                assert_int_equal(result.reason, REASON_TOKEN_MALFORMED);
            identity_unref(result.identity);
            free(payload);
            free(list);
        }
    }
}

static void finds_every_value_of_a_long_list(void **state) {
    (void)state;
    char *list = make_list(600);
    const struct maker_claim change = {"roles", list};
    char *payload = make_user_payload(&change, 1);
    assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
    for (size_t i = 0; i < 600; i++)
        assert_true(identity_has_role(result.identity, slice_of(list + 2 + i * 7, 4)));
    assert_false(identity_has_role(result.identity, SLICE("000")));
    assert_false(identity_has_role(result.identity, SLICE("00000")));
    assert_false(identity_has_role(result.identity, SLICE("zzzz")));
    identity_unref(result.identity);
    free(payload);
    free(list);
}

static void audits_only_printable_ids(void **state) {
    (void)state;
    static const char *const odd[] = {
        "\"a\\nb\"", "\"\\u0000\"", "7", "\"\\u00e9\"",
        "\"0123456789012345678901234567890123456789012345678901234567890123\""};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const struct maker_claim change = {"uti", odd[i]};
        char *payload = make_user_payload(&change, 1);
        assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
        assert_string_equal(result.uti, "");
        assert_int_equal(result.identity->uti.len, 0);
        identity_unref(result.identity);
        free(payload);
    }
}

/* For one comparison. */
static const char *make_shown(struct slice text) {
    static char shown[512];
    snprintf(shown, sizeof shown, "%.*s", SLICE_ARGS(text));
    return shown;
}

static void check_name(const struct maker_claim *changes, size_t count, const char *name) {
    char *payload = make_user_payload(changes, count);
    assert_int_equal(verify_payload(payload, NOW), TOKEN_ACCEPTED);
    assert_string_equal(make_shown(result.identity->name), name);
    identity_unref(result.identity);
    free(payload);
}

static void shows_the_name_that_people_know(void **state) {
    (void)state;
    const struct maker_claim all[] = {{"preferred_username", "\"p\""},
                                      {"upn", "\"u\""},
                                      {"unique_name", "\"q\""},
                                      {"name", "\"n\""}};
    check_name(all, 4, "p");
    check_name(all + 1, 3, "u"); /* the maker's own payload has none of them */
    check_name(all + 2, 2, "q");
    check_name(all + 3, 1, "n");
    check_name(NULL, 0, "");
    char *name = make_text("\"%0256d\"", 0), *longer = make_text("\"%0257d\"", 0);
    char *text = make_text("%0256d", 0);
    check_name(&(struct maker_claim){"name", name}, 1, text);
    check_name(&(struct maker_claim){"name", longer}, 1, "");
    check_name(&(struct maker_claim){"name", "[1]"}, 1, "");
    free(name);
    free(longer);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_v2_user_token),
        cmocka_unit_test(accepts_a_v1_app_token),
        cmocka_unit_test(tells_what_the_sign_in_satisfied),
        cmocka_unit_test(takes_claims_of_other_shapes_for_nothing),
        cmocka_unit_test(lowers_the_case_of_guids_only),
        cmocka_unit_test(keeps_odd_roles_apart),
        cmocka_unit_test(splits_scopes_at_spaces_only),
        cmocka_unit_test(marks_groups_unknown),
        cmocka_unit_test(bounds_the_lists),
        cmocka_unit_test(finds_every_value_of_a_long_list),
        cmocka_unit_test(audits_only_printable_ids),
        cmocka_unit_test(shows_the_name_that_people_know),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
