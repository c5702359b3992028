#include "vault/key_vault.h"
#include "vault_case.h"

#define NOW 1795424100
#define V1 "11111111111111111111111111111111"
#define V2 "22222222222222222222222222222222"
#define V3 "33333333333333333333333333333333"
#define ITEM(version, attributes)                                                                  \
    "{\"id\":\"https://kv.vault.azure.net/secrets/admin/" version                                  \
    "\",\"attributes\":{\"enabled\":true," attributes "}}"
#define OFF(version, attributes)                                                                   \
    "{\"id\":\"https://kv.vault.azure.net/secrets/admin/" version                                  \
    "\",\"attributes\":{\"enabled\":false," attributes "}}"
#define PAGE(items) "{\"value\":[" items "],\"nextLink\":null}"

static const struct key_vault_question question = {.vault_url = "https://kv.vault.azure.net",
                                                   .name = "admin"};

static enum status parse(const char *body, struct key_vault_versions *versions, char **out_page,
                         struct error *err) {
    return key_vault_parse_versions(slice_of_str(body), &question, NOW, versions, out_page, err);
}

static void finds_the_two_newest_that_may_be_used(void **state) {
    static const struct {
        const char *body;
        const char *newest;
        const char *before;
        int64_t next_valid_sec;
    } rows[] = {
        {PAGE(""), "", "", 0},
        {"{\"value\":[]}", "", "", 0},
        {PAGE(ITEM(V1, "\"created\":5")), V1, "", 0},
        {PAGE(ITEM(V1, "\"created\":5") "," ITEM(V2, "\"created\":6")), V2, V1, 0},
        {PAGE(ITEM(V2, "\"created\":6") "," ITEM(V1, "\"created\":5")), V2, V1, 0},
        {PAGE(
             ITEM(V3, "\"created\":7") "," ITEM(V1, "\"created\":5") "," ITEM(V2, "\"created\":6")),
         V3, V2, 0},
        {PAGE(ITEM(V1, "\"created\":5") "," ITEM(V2, "\"created\":5")), V2, V1, 0},
        {PAGE(OFF(V3, "\"created\":7") "," ITEM(V2, "\"created\":6,\"exp\":1795424100") "," ITEM(
             V1, "\"created\":5,\"nbf\":1795424100")),
         V1, "", 0},
        {PAGE(ITEM(V3, "\"created\":7,\"nbf\":1795424105") "," ITEM(
             V2, "\"created\":6,\"nbf\":1795424103") "," ITEM(V1,
                                                              "\"created\":5,\"nbf\":1795424109")),
         "", "", 1795424103},
        {PAGE(OFF(V3, "\"created\":7,\"nbf\":1795424105") "," ITEM(
             V2, "\"created\":6,\"nbf\":1795424103,\"exp\":1795424102")),
         "", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct key_vault_versions versions = {0};
        char *page = NULL;
        struct error err = {""};
        assert_int_equal(parse(rows[i].body, &versions, &page, &err), STATUS_OK);
        assert_null(page);
        assert_string_equal(versions.newest.version, rows[i].newest);
        assert_string_equal(versions.before.version, rows[i].before);
        assert_int_equal(versions.next_valid_sec, rows[i].next_valid_sec);
    }
}

static void goes_on_from_page_to_page(void **state) {
    (void)state;
    struct key_vault_versions versions = {0};
    char *page = NULL;
    assert_int_equal(
        parse("{\"value\":[" ITEM(
                  V2, "\"created\":6") "],\"nextLink\":"
                                       "\"HTTPS://KV.vault.azure.net:443/secrets/Admin/versions?"
                                       "api-version=7.4&$skiptoken=eyJ&maxresults=25\"}",
              &versions, &page, NULL),
        STATUS_OK);
    assert_string_equal(page,
                        "/secrets/Admin/versions?api-version=7.4&$skiptoken=eyJ&maxresults=25");
    free(page);
    assert_int_equal(parse(PAGE(ITEM(V1, "\"created\":5") "," ITEM(V3, "\"created\":7")), &versions,
                           &page, NULL),
                     STATUS_OK);
    assert_null(page);
    assert_string_equal(versions.newest.version, V3);
    assert_string_equal(versions.before.version, V2);
}

static void takes_no_link_out_of_the_list(void **state) {
    static const char *const links[] = {
        "\"https://evil.example/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net.evil.example/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net@evil.example/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net:443@evil.example/secrets/admin/versions?p=2\"",
        "\"https://evil.example#@kv.vault.azure.net/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net:444/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net:0443/secrets/admin/versions?p=2\"",
        "\"http://kv.vault.azure.net/secrets/admin/versions?p=2\"",
        "\"http://kv.vault.azure.net:443/secrets/admin/versions?p=2\"",
        "\"//kv.vault.azure.net/secrets/admin/versions?p=2\"",
        "\"/secrets/admin/versions?p=2\"",
        "\"https://kv.vault.azure.net/secrets/other/versions?p=2\"",
        "\"https://kv.vault.azure.net/secrets/admin?p=2\"",
        "\"https://kv.vault.azure.net/secrets/admin/../other/versions?p=2\"",
        "\"https://kv.vault.azure.net/secrets//versions?p=2\"",
        "\"https://kv.vault.azure.net/secrets/versions?p=2\"",
        "\"https://kv.vault.azure.net/secrets/admin/versions\"",
        "\"https://kv.vault.azure.net/secrets/admin/versions?p=2#x\"",
        "\"https://kv.vault.azure.net/secrets/admin/versions?p=2 x\"",
        "\"https://kv.vault.azure.net/secrets/admin/versions?p=2\\r\\nX: y\"",
        "\"https://kv.vault.azure.net/secrets/admin/versions?p=\\u00e4\"",
        "\"https://kv.vault.azure.net\"",
        "\"x\"",
        "7",
        "true",
        "{}",
        "[]",
    };
    char body[1024];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        struct key_vault_versions versions = {0};
        char *page = NULL;
        struct error err = {""};
        snprintf(body, sizeof body, "{\"value\":[" ITEM(V1, "\"created\":5") "],\"nextLink\":%s}",
                 links[i]);
        if (parse(body, &versions, &page, &err) != STATUS_INVALID)
            fail_msg("taken: %s", links[i]);
        assert_null(page);
        assert_string_equal(versions.newest.version, "");
        assert_true(err.text[0] != '\0');
        assert_null(strstr(err.text, "evil"));
    }
}

static void refuses_what_is_no_list_of_these_versions(void **state) {
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"value\":null}",
        "{\"value\":{}}",
        "{\"value\":[],\"value\":[]}",
        PAGE("7"),
        PAGE("null"),
        PAGE("{}"),
        PAGE("{\"id\":\"https://kv/secrets/admin/" V1 "\"}"),
        PAGE("{\"id\":\"https://kv/secrets/admin\",\"attributes\":{}}"),
        PAGE("{\"id\":\"https://kv/secrets/other/" V1 "\",\"attributes\":{}}"),
        PAGE(ITEM(V1, "\"created\":\"5\"")),
        PAGE(ITEM(V1, "\"created\":5.5")),
        PAGE(ITEM(V1, "\"nbf\":\"now\"")),
        PAGE(ITEM(V1, "\"created\":5") ",{}"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct key_vault_versions versions = {0};
        char *page = NULL;
        struct error err = {""};
        if (parse(bodies[i], &versions, &page, &err) != STATUS_INVALID)
            fail_msg("taken: %s", bodies[i]);
        assert_null(page);
        assert_string_equal(versions.newest.version, "");
        assert_true(err.text[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_two_newest_that_may_be_used),
        cmocka_unit_test(goes_on_from_page_to_page),
        cmocka_unit_test(takes_no_link_out_of_the_list),
        cmocka_unit_test(refuses_what_is_no_list_of_these_versions),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
