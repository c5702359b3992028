/* Names and URIs that every reader takes for the same. */
#include "proxy/mcp/message_parts.h"
#include "tests/unit/mcp/message_cases.h"

static void takes_uris_that_read_one_way(void **state) {
    (void)state;
    static const char *const uris[] = {"demo://resource/static/document/a.md",
                                       "file:///srv/data/x..y",
                                       "file:///srv/.hidden/a",
                                       "https://host.example/a?b=../c#..",
                                       "urn:isbn:1",
                                       "test:x",
                                       "a+b-1.c:%20...",
                                       "db://Sales/Table",
                                       "demo://resource/{+path}/{id}",
                                       "demo://a/%252e%252e/b"};
    for (size_t i = 0; i < COUNT(uris); i++) {
        if (!mcp_uri_is_plain(slice_of_str(uris[i])))
            fail_msg("%s: refused", uris[i]);
    }
}

static void refuses_uris_that_read_two_ways(void **state) {
    (void)state;
    static const char *const uris[] = {
        "",
        "readme.md",
        "/etc/passwd",
        ":x",
        "FILE:///a",
        "File:///a",
        "1a:b",
        "fi le:///a",
        "file:///a b",
        "file:///a\tb",
        "file:///a\nb",
        "file:///a\x7f",
        "file:///\xc3\xa4",
        "file:///a\\b",
        "file:///a/../b",
        "file:///a/..",
        "file:///../a",
        "file:///a/./b",
        "file:///a/%2e%2e/b",
        "file:///a/%2E./b",
        "file:///a/.%2e",
        "file:///a/..%2fb",
        "file:///a%2F..%2fb",
        "file:///a%5c..%5cb",
        "demo://..",
        "demo:..",
        "demo:../a",
        "demo://a/..?x",
        "demo://a/..#x",
        "file:/etc/passwd",
        "http:host/a",
        "http:///host/a",
        "https://HOST/a",
    };
    for (size_t i = 0; i < COUNT(uris); i++) {
        if (mcp_uri_is_plain(slice_of_str(uris[i])))
            fail_msg("%s: taken", uris[i]);
    }
    static char longest[MCP_URI_BYTES_MAX + 1];
    memset(longest, 'a', sizeof longest);
    longest[4] = ':';
    assert_true(mcp_uri_is_plain(slice_of(longest, MCP_URI_BYTES_MAX)));
    assert_false(mcp_uri_is_plain(slice_of(longest, MCP_URI_BYTES_MAX + 1)));
}

static bool has_look_alike(const char *text, enum mcp_members members) {
    struct json_text json;
    const struct json_text_limits limits = {.depth = 8, .values = 100};
    json_text_init(&json);
    assert_int_equal(json_text_read(&json, slice_of_str(text), &limits), STATUS_OK);
    bool has = mcp_has_look_alike(&json, 0, members);
    json_text_done(&json);
    return has;
}

static void tells_names_from_their_look_alikes(void **state) {
    (void)state;
    assert_false(
        has_look_alike("{\"method\":1,\"m\\u0065thod2\":1,\"x\":{\"Method\":1}}", MCP_MEMBERS_TOP));
    assert_false(has_look_alike("{\"Name\":1}", MCP_MEMBERS_TOP));
    assert_false(has_look_alike("[\"Method\"]", MCP_MEMBERS_TOP));
    assert_false(has_look_alike("{}", MCP_MEMBERS_TOP));
    assert_true(has_look_alike("{\"x\":1,\"methoD\":1}", MCP_MEMBERS_TOP));
    assert_true(has_look_alike("{\"\\u004dethod\":1}", MCP_MEMBERS_TOP));
    assert_true(has_look_alike("{\"Name\":1}", MCP_MEMBERS_PARAMS));
    assert_true(has_look_alike("{\"ta\xc5\xbfkId\":1}", MCP_MEMBERS_TASK));
    assert_false(has_look_alike("{\"nam\xc3\xa9\":1,\"\xf0\x9f\x98\x80\":2}", MCP_MEMBERS_PARAMS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_uris_that_read_one_way),
        cmocka_unit_test(refuses_uris_that_read_two_ways),
        cmocka_unit_test(tells_names_from_their_look_alikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
