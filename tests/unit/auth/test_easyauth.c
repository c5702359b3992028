/* App Service's headers: what is in them, and that no caller's text can leave its header. */
#include "assertion_case.h"

#include "auth/easyauth.h"

/* The four lines of `model`. */
static struct buf lines_of(const struct identity *model, enum status *out_status) {
    struct identity *identity = case_identity(model);
    struct caller_view view = case_view(identity);
    struct buf lines;
    buf_init(&lines, 65536);
    *out_status = easyauth_append(&lines, &view);
    identity_unref(identity);
    return lines;
}

static struct buf good_lines(const struct identity *model) {
    enum status status;
    struct buf lines = lines_of(model, &status);
    assert_int_equal(status, STATUS_OK);
    return lines;
}

/* The value of the one line `name`, which must be among exactly four. */
static struct slice line_value(const struct buf *lines, const char *name) {
    struct slice rest = buf_slice(lines), found = {NULL, 0};
    size_t count = 0, len = strlen(name);
    for (; rest.len > 0; count++) {
        size_t end = slice_index(rest, '\r');
        struct slice line = slice_of(rest.ptr, end);
        assert_true(rest.len > end + 1 && rest.ptr[end + 1] == '\n');
        for (size_t i = 0; i < line.len; i++)
            assert_true((unsigned char)line.ptr[i] >= 0x20 && (unsigned char)line.ptr[i] < 0x7f);
        if (line.len > len + 2 && memcmp(line.ptr, name, len) == 0 && line.ptr[len] == ':')
            found = slice_skip(line, len + 2);
        rest = slice_skip(rest, end + 2);
    }
    assert_int_equal(count, 4);
    return found;
}

static json_t *principal_of(const struct buf *lines) {
    struct slice base64 = line_value(lines, "X-MS-CLIENT-PRINCIPAL");
    assert_true(base64.len >= 4);
    unsigned char *bytes = malloc(base64.len + 4);
    int len = EVP_DecodeBlock(bytes, (const unsigned char *)base64.ptr, (int)base64.len);
    assert_true(len > 0);
    size_t padding = base64.ptr[base64.len - 2] == '='   ? 2
                     : base64.ptr[base64.len - 1] == '=' ? 1
                                                         : 0;
    json_t *principal = case_json(slice_of((char *)bytes, (size_t)len - padding));
    free(bytes);
    return principal;
}

/* All values of the claims of one type, joined with commas. */
static const char *claim(const json_t *principal, const char *type) {
    static char joined[16384];
    const json_t *entry;
    size_t index, len = 0;
    joined[0] = '\0';
    json_array_foreach(json_object_get(principal, "claims"), index, entry) {
        assert_int_equal(json_object_size(entry), 2);
        if (strcmp(case_text(entry, "typ"), type) != 0)
            continue;
        len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%s", len ? "," : "",
                                case_text(entry, "val"));
    }
    return joined;
}

static void assert_line(const struct buf *lines, const char *name, const char *value) {
    struct slice found = line_value(lines, name);
    if (!slice_eq_str(found, value))
        fail_msg("%s: %.*s, expected %s", name, SLICE_ARGS(found), value);
}

static void tells_who_the_user_is(void **state) {
    (void)state;
    struct identity model = case_model();
    struct buf lines = good_lines(&model);
    assert_line(&lines, "X-MS-CLIENT-PRINCIPAL-ID", OID);
    assert_line(&lines, "X-MS-CLIENT-PRINCIPAL-NAME", "mira@fabrikam.example");
    assert_line(&lines, "X-MS-CLIENT-PRINCIPAL-IDP", "aad");
    json_t *principal = principal_of(&lines);
    assert_int_equal(json_object_size(principal), 4);
    assert_string_equal(case_text(principal, "auth_typ"), "aad");
    assert_string_equal(claim(principal, case_text(principal, "name_typ")),
                        "mira@fabrikam.example");
    assert_string_equal(claim(principal, case_text(principal, "role_typ")),
                        "Orders.Read,Orders.Write");
    assert_string_equal(
        claim(principal, "http://schemas.microsoft.com/identity/claims/objectidentifier"), OID);
    assert_string_equal(claim(principal, "http://schemas.microsoft.com/identity/claims/tenantid"),
                        TID);
    assert_string_equal(claim(principal, "http://schemas.microsoft.com/identity/claims/scope"),
                        "a.b c");
    assert_string_equal(
        claim(principal, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"),
        "the-subject");
    assert_string_equal(claim(principal, "azp"), APP);
    assert_string_equal(claim(principal, "idtyp"), "user");
    assert_string_equal(claim(principal, "groups"), GROUP_A);
    assert_string_equal(claim(principal, "hasgroups"), "");
    json_decref(principal);
    buf_done(&lines);
}

static void tells_who_the_application_is(void **state) {
    (void)state;
    struct identity model = case_model();
    model.type = PRINCIPAL_APP;
    model.version = 1;
    model.name = (struct slice){NULL, 0};
    model.scope_count = 0;
    model.groups_unknown = true;
    struct buf lines = good_lines(&model);
    assert_line(&lines, "X-MS-CLIENT-PRINCIPAL-NAME", APP);
    json_t *principal = principal_of(&lines);
    assert_string_equal(claim(principal, "appid"), APP);
    assert_string_equal(claim(principal, "idtyp"), "app");
    assert_string_equal(claim(principal, "hasgroups"), "true");
    json_decref(principal);
    buf_done(&lines);
}

static void a_name_stays_one_line_of_visible_ascii(void **state) {
    (void)state;
    static const struct {
        struct slice name;
        const char *value;
    } cases[] = {
        {{"a b", 3}, "a%20b"},       {{"a\r\nX-Admin: yes", 15}, "a%0D%0AX-Admin:%20yes"},
        {{"a\0b", 3}, "a%00b"},      {{"\xc3\xa9", 2}, "%C3%A9"},
        {{"100%41", 6}, "100%2541"}, {{"\t\x7f", 2}, "%09%7F"},
        {{"!~\"\\", 4}, "!~\"\\"},   {{"", 0}, OID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct identity model = case_model();
        model.name = cases[i].name;
        struct buf lines = good_lines(&model);
        assert_line(&lines, "X-MS-CLIENT-PRINCIPAL-NAME", cases[i].value);
        buf_done(&lines);
    }
}

static void every_byte_of_a_name_stays_inside(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char name[3] = {'a', (char)byte, 'b'};
        struct identity model = case_model();
        model.name = slice_of(name, 3);
        struct buf lines = good_lines(&model);
        struct slice value = line_value(&lines, "X-MS-CLIENT-PRINCIPAL-NAME");
        assert_true(value.len == 3 || value.len == 5);
        buf_done(&lines);
    }
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    char *text = malloc(8192);
    memset(text, 'r', 8192);
    size_t fitting = 0, refused = 0;
    for (size_t len = 512; len <= 8192; len += 128) {
        struct slice roles[2] = {slice_of(text, len / 2), slice_of(text, len - len / 2)};
        struct identity model = case_model();
        model.roles = roles;
        model.role_count = 2;
        enum status status;
        struct buf lines = lines_of(&model, &status);
        assert_true(status == STATUS_OK || status == STATUS_LIMIT);
        if (status == STATUS_OK) {
            json_t *principal = principal_of(&lines);
            assert_int_equal(strlen(claim(principal, "roles")), len + 1);
            assert_true(line_value(&lines, "X-MS-CLIENT-PRINCIPAL").len <=
                        CALLER_VIEW_MAX_HEADER_BYTES);
            json_decref(principal);
        }
        fitting += status == STATUS_OK;
        refused += status == STATUS_LIMIT;
        assert_true(status != STATUS_OK || refused == 0);
        buf_done(&lines);
    }
    assert_true(fitting > 10 && refused > 5);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_the_user_is),
        cmocka_unit_test(tells_who_the_application_is),
        cmocka_unit_test(a_name_stays_one_line_of_visible_ascii),
        cmocka_unit_test(every_byte_of_a_name_stays_inside),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, case_start, NULL);
}
