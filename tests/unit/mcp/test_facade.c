/* What passes where barkeep stands for the authorization server, and where a code may go. */
#include "proxy/mcp/facade.h"

#include "proxy/mcp/oauth_form.h"
#include "proxy/mcp/redirect_uri.h"
#include "tests/unit/mcp/page_case.h"

#define AUTHORITY "https://login.microsoftonline.com/" TENANT
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
#define BACK "http%3A%2F%2F127.0.0.1%3A33418%2Fcb"
#define FACADE                                                                                     \
    CASE_HEAD                                                                                      \
    "routes:\n"                                                                                    \
    "  - {name: tools, path: /mcp, upstream: \"http://127.0.0.1:3000\", mcp: {resource: "          \
    "\"https://gw.example/mcp\", facade: {client_id: " CLIENT ", redirect_uris: "                  \
    "[\"https://app.example/cb\", \"http://127.0.0.1/cb\", \"cursor://oauth/back\"]}}, "           \
    "access: [{actions: [\"mcp:*\"], to: {scope: mcp.read}}]}\n"
#define QUERY                                                                                      \
    "response_type=code&client_id=" CLIENT "&redirect_uri=" BACK "&code_challenge=" CHALLENGE      \
    "&code_challenge_method=S256"
#define CODE                                                                                       \
    "grant_type=authorization_code&client_id=" CLIENT "&code=c%2B1&redirect_uri=" BACK             \
    "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

static void serves_metadata_that_clients_can_work_with(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    assert_int_equal(page_at(&c, "gw.example", "/.well-known/oauth-authorization-server"),
                     MCP_PAGE_FACADE);
    assert_int_equal(page_at(&c, "gw.example", "/.well-known/openid-configuration"),
                     MCP_PAGE_FACADE);
    assert_int_equal(page_at(&c, "gw.example", "/.well-known/openid-configuration/mcp"),
                     MCP_PAGE_NOT_HERE);
    assert_int_equal(page_at(&c, "gw.example", "/authorize"), MCP_PAGE_AUTHORIZE);
    assert_int_equal(page_at(&c, "gw.example", "/token"), MCP_PAGE_TOKEN);
    assert_int_equal(page_at(&c, "gw.example", "/register"), MCP_PAGE_REGISTER);
    facade_write_metadata(&c.text, c.config, 0);
    assert_text(&c,
                "{\"issuer\":\"https://gw.example\","
                "\"authorization_endpoint\":\"https://gw.example/authorize\","
                "\"token_endpoint\":\"https://gw.example/token\","
                "\"registration_endpoint\":\"https://gw.example/register\","
                "\"scopes_supported\":[\"https://gw.example/mcp/mcp.read\",\"offline_access\"],"
                "\"response_types_supported\":[\"code\"],\"response_modes_supported\":[\"query\"],"
                "\"grant_types_supported\":[\"authorization_code\",\"refresh_token\"],"
                "\"token_endpoint_auth_methods_supported\":[\"none\"],"
                "\"code_challenge_methods_supported\":[\"S256\"],"
                "\"jwks_uri\":\"" AUTHORITY "/discovery/v2.0/keys\","
                "\"subject_types_supported\":[\"pairwise\"],"
                "\"id_token_signing_alg_values_supported\":[\"RS256\"]}\n");
    mcp_write_resource_metadata(&c.text, c.config, 0);
    buf_append_char(&c.text, '\0');
    assert_non_null(strstr(c.text.ptr, "\"authorization_servers\":[\"https://gw.example\"]"));
    assert_null(strstr(c.text.ptr, "offline_access"));
    page_case_end(&c);
}

static void asks_for_scopes_of_an_audience_when_the_resource_is_none(void **state) {
    struct page_case c;
    const char *uri[] = {CLIENT, "api://gw"};
    (void)state;
    page_case_begin(&c, FACADE);
    c.config->entra.audiences = (struct config_strings){uri, 2};
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("x"));
    assert_text(&c, "api://gw/mcp.read");
    c.config->entra.audiences = (struct config_strings){uri, 1};
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("x"));
    assert_text(&c, CLIENT "/mcp.read");
    page_case_end(&c);
}

static bool authorizes(struct page_case *c, const char *query) {
    struct facade_error error = {0};
    buf_clear(&c->text);
    bool is_taken =
        facade_authorize(c->config, 0, slice_of_str(query), &c->text, &error) && buf_ok(&c->text);
    assert_true(is_taken || (error.code && error.description));
    return is_taken;
}

static void sends_browsers_on_without_the_resource(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    assert_true(authorizes(&c, QUERY "&resource=https%3A%2F%2Fgw.example%2Fmcp&state=a%26b+c"
                                     "&scope=openid%20x"));
    assert_string_equal(c.text.ptr, AUTHORITY "/oauth2/v2.0/authorize?" QUERY
                                              "&state=a%26b%20c&scope=openid%20x");
    assert_true(authorizes(&c, QUERY "&response_mode=query"));
    page_case_end(&c);
}

static void redirects_nobody_else(void **state) {
#define WITHOUT_CLIENT                                                                             \
    "response_type=code&redirect_uri=" BACK "&code_challenge=" CHALLENGE                           \
    "&code_challenge_method=S256"
    static const char *const wrong[] = {
        "",
        WITHOUT_CLIENT,
        WITHOUT_CLIENT "&client_id=00000000-0000-0000-0000-000000000001",
        QUERY "&client_id=" CLIENT,
        QUERY "&redirect%5Furi=https%3A%2F%2Fevil.example%2F",
        QUERY "&request=eyJ",
        QUERY "&request_uri=https%3A%2F%2Fevil.example",
        QUERY "&response_mode=form_post",
        QUERY "&state=%",
        QUERY "&state=%0d%0aX:y",
        QUERY "&state=%zz",
        "response_type=token&client_id=" CLIENT "&redirect_uri=" BACK "&code_challenge=" CHALLENGE
        "&code_challenge_method=S256",
        "response_type=code&client_id=" CLIENT "&redirect_uri=" BACK "&code_challenge=" CHALLENGE
        "&code_challenge_method=plain",
        "response_type=code&client_id=" CLIENT "&redirect_uri=" BACK "&code_challenge=" CHALLENGE,
        "response_type=code&client_id=" CLIENT "&redirect_uri=" BACK
        "&code_challenge=short&code_challenge_method=S256",
        "response_type=code&client_id=" CLIENT
        "&redirect_uri=https%3A%2F%2Fevil.example%2Fcb&code_challenge=" CHALLENGE
        "&code_challenge_method=S256",
    };
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (authorizes(&c, wrong[i]))
            fail_msg("taken: %s", wrong[i]);
    assert_true(authorizes(&c, QUERY));
    page_case_end(&c);
}

static void redirects_with_whatever_state_the_client_has(void **state) {
    struct page_case c;
    struct facade_error error = {0};
    char query[OAUTH_FORM_BYTES_MAX + 2];
    (void)state;
    page_case_begin(&c, FACADE);
    assert_false(authorizes(&c, QUERY "&state=%7f"));
    assert_true(authorizes(&c, QUERY "&state=%80%ff%22%5C;redirect_uri=x"));
    assert_non_null(strstr(c.text.ptr, "&state=%80%FF%22%5C%3Bredirect_uri%3Dx"));
    memset(query, '!', sizeof query);
    memcpy(query, QUERY "&state=", strlen(QUERY "&state="));
    query[OAUTH_FORM_BYTES_MAX] = '\0';
    assert_true(authorizes(&c, query));
    query[OAUTH_FORM_BYTES_MAX] = '!';
    query[OAUTH_FORM_BYTES_MAX + 1] = '\0';
    assert_false(authorizes(&c, query));
    query[OAUTH_FORM_BYTES_MAX] = '\0';
    buf_done(&c.text);
    buf_init(&c.text, OAUTH_FORM_BYTES_MAX);
    assert_false(facade_authorize(c.config, 0, slice_of_str(query), &c.text, &error));
    assert_string_equal(error.description, "the parameters are too long");
    page_case_end(&c);
}

static void takes_no_more_parameters_than_a_sign_in_has(void **state) {
    struct page_case c;
    char query[1024] = QUERY;
    (void)state;
    page_case_begin(&c, FACADE);
    for (int i = 5; i < OAUTH_FIELDS_MAX; i++)
        snprintf(query + strlen(query), 8, "&p%d=", i);
    assert_true(authorizes(&c, query));
    snprintf(query + strlen(query), 8, "&one");
    assert_false(authorizes(&c, query));
    page_case_end(&c);
}

static void leads_back_only_to_what_is_listed(void **state) {
    static const char *const good[] = {
        "https://app.example/cb",         "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",          "http://127.0.0.1:65535/cb",
        "http://localhost:9999/here?x=1", "http://[::1]:8000/cb",
        "http://127.0.0.1:7777/fixed",    "cursor://oauth/back"};
    static const char *const bad[] = {"https://app.example/cb/",
                                      "https://app.example/cb?x=1",
                                      "https://app.example:443/cb",
                                      "https://app.example/cb#x",
                                      "HTTPS://app.example/cb",
                                      "http://127.0.0.1:0/cb",
                                      "http://127.0.0.1:65536/cb",
                                      "http://127.0.0.1:/cb",
                                      "http://127.0.0.1:80@evil.example/cb",
                                      "http://127.0.0.1@evil.example/cb",
                                      "http://127.0.0.1.evil.example/cb",
                                      "http://127.0.0.1:80\\@evil.example/cb",
                                      "http://127.0.0.1:80/cb/../cb2",
                                      "http://localhost:80/cb",
                                      "http://localhostx/here?x=1",
                                      "http://127.0.0.1:7778/fixed",
                                      "https://127.0.0.1/cb",
                                      "cursor://oauth/back/x",
                                      "javascript:alert(1)",
                                      ""};
    const char *listed[] = {"https://app.example/cb",      "http://127.0.0.1/cb",
                            "http://localhost/here?x=1",   "http://[::1]/cb",
                            "http://127.0.0.1:7777/fixed", "cursor://oauth/back"};
    const struct config_mcp_facade facade = {CLIENT, {listed, 6}};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!redirect_uri_is_allowed(&facade, slice_of_str(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (redirect_uri_is_allowed(&facade, slice_of_str(bad[i])))
            fail_msg("allowed: %s", bad[i]);
}

static void leads_back_to_loopback_alone_when_nothing_is_listed(void **state) {
    const struct config_mcp_facade facade = {.client_id = CLIENT};
    (void)state;
    assert_true(redirect_uri_is_allowed(&facade, SLICE("http://localhost:3000/any/path")));
    assert_true(redirect_uri_is_allowed(&facade, SLICE("http://127.0.0.1:41/")));
    assert_false(redirect_uri_is_allowed(&facade, SLICE("https://app.example/cb")));
    assert_false(redirect_uri_is_allowed(&facade, SLICE("http://localhost.evil.example/")));
    assert_false(redirect_uri_is_allowed(&facade, SLICE("app:/cb")));
}

/* Spellings that some reader takes for another host than we do, or for a line's end. */
static void leads_to_no_host_that_can_be_read_in_two_ways(void **state) {
    static const char *const bad[] = {"http://127.1/cb",
                                      "http://127.0.0.2/cb",
                                      "http://2130706433/cb",
                                      "http://0x7f.0.0.1/cb",
                                      "http://0177.0.0.1/cb",
                                      "http://0.0.0.0/cb",
                                      "http://localhost./cb",
                                      "http://LOCALHOST/cb",
                                      "HTTP://localhost/cb",
                                      "http://[::1].evil.example/cb",
                                      "http://[::1]@evil.example/cb",
                                      "http://[0:0:0:0:0:0:0:1]/cb",
                                      "http://[::ffff:127.0.0.1]/cb",
                                      "http://[::1%25lo]/cb",
                                      "http:localhost/cb",
                                      "http:/localhost/cb",
                                      "http:///localhost/cb",
                                      "http://@localhost/cb",
                                      "http://user@localhost/cb",
                                      "http://localhost%2eevil.example/cb",
                                      "http://localhost%00.evil.example/cb",
                                      "http://localhost\\.evil.example/cb",
                                      "http://localhost;.evil.example/cb",
                                      "http://localhost#@evil.example/cb",
                                      "http://localhost:80:80/cb",
                                      "http://localhost:+80/cb",
                                      "http://localhost: 80/cb",
                                      "http://localhost:8080evil.example/cb",
                                      "http://localhost/cb\r\nX: y",
                                      "http://localhost/cb\tx",
                                      "http://localhost/cb x",
                                      "http://localhost/\x7f",
                                      "http://localhost/\xc3\xa9",
                                      "http://\xe2\x93\x9bocalhost/cb",
                                      "http://xn--lcalhost-q3a/cb",
                                      "//localhost/cb",
                                      "localhost/cb",
                                      " http://localhost/cb",
                                      "data:text/html,x",
                                      "file:///etc/passwd"};
    static const char *const good[] = {"http://localhost", "http://[::1]", "http://127.0.0.1?x=1",
                                       "http://localhost:80/%0d%0a",
                                       "http://localhost/cb?next=http://evil.example/"};
    const struct config_mcp_facade facade = {.client_id = CLIENT};
    char longest[2049] = "http://localhost/";
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (redirect_uri_is_allowed(&facade, slice_of_str(bad[i])))
            fail_msg("allowed: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!redirect_uri_is_allowed(&facade, slice_of_str(good[i])))
            fail_msg("refused: %s", good[i]);
    memset(longest + strlen(longest), 'x', sizeof longest - strlen(longest));
    assert_true(redirect_uri_is_allowed(&facade, slice_of(longest, sizeof longest - 1)));
    assert_false(redirect_uri_is_allowed(&facade, slice_of(longest, sizeof longest)));
    assert_false(redirect_uri_is_allowed(&facade, slice_of("http://localhost/\0", 18)));
}

static void registers_everybody_as_the_one_client(void **state) {
    struct page_case c;
    struct facade_error error = {0};
    (void)state;
    page_case_begin(&c, FACADE);
    assert_true(facade_register(
        c.config, 0,
        SLICE("{\"client_name\":\"x\",\"redirect_uris\":[\"http:\\/\\/127.0.0.1:99\\/cb\","
              "\"https://app.example/cb\"]}"),
        &c.text, &error));
    assert_text(&c, "{\"client_id\":\"" CLIENT "\",\"redirect_uris\":[\"http://127.0.0.1:99/cb\","
                    "\"https://app.example/cb\"],\"grant_types\":[\"authorization_code\","
                    "\"refresh_token\"],\"response_types\":[\"code\"],"
                    "\"token_endpoint_auth_method\":\"none\"}\n");
    page_case_end(&c);
}

static void registers_nobody_who_leads_elsewhere(void **state) {
    static const struct {
        const char *body, *code;
    } wrong[] = {
        {"", "invalid_client_metadata"},
        {"[]", "invalid_client_metadata"},
        {"{\"redirect_uris\":[],\"redirect_uris\":[]}", "invalid_client_metadata"},
        {"{}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[]}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":\"https://app.example/cb\"}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[1]}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example/cb\",\"https://evil.example/\"]}",
         "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example/cb\\u0000\"]}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example/cb\\r\\nX: y\"]}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example\\\\@evil.example/cb\"]}",
         "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https:\\/\\/app.example@evil.example/cb\"]}",
         "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example/cb\",[]]}", "invalid_redirect_uri"},
        {"{\"Redirect_Uris\":[\"https://app.example/cb\"]}", "invalid_redirect_uri"},
        {"{\"redirect_uris\":[\"https://app.example/cb\"]} {}", "invalid_client_metadata"},
    };
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct facade_error error = {0};
        assert_false(facade_register(c.config, 0, slice_of_str(wrong[i].body), &c.text, &error));
        assert_string_equal(error.code, wrong[i].code);
        assert_int_equal(c.text.len, 0);
    }
    page_case_end(&c);
}

static const char *token_error(struct page_case *c, const char *form) {
    struct facade_error error = {NULL, NULL};
    buf_clear(&c->text);
    bool is_taken = facade_token_form(c->config, 0, slice_of_str(form), &c->text, &error);
    assert_int_equal(is_taken, error.code == NULL);
    return error.code;
}

static void passes_forms_on_without_the_resource(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    assert_null(token_error(&c, CODE "&resource=https%3A%2F%2Fgw.example%2Fmcp"));
    assert_text(&c, CODE);
    assert_null(token_error(&c, "grant_type=refresh_token&client_id=" CLIENT "&refresh_token=r"));
    facade_write_token_url(&c.text, c.config);
    assert_string_equal(c.text.ptr +
                            strlen("grant_type=refresh_token&client_id=" CLIENT "&refresh_token=r"),
                        AUTHORITY "/oauth2/v2.0/token");
    page_case_end(&c);
}

static void passes_no_other_grant_on(void **state) {
    static const struct {
        const char *form, *code;
    } wrong[] = {
        {"", "unsupported_grant_type"},
        {"grant_type=client_credentials&client_id=" CLIENT, "unsupported_grant_type"},
        {"grant_type=password&client_id=" CLIENT "&username=u&password=p",
         "unsupported_grant_type"},
        {"grant_type=refresh_token&refresh_token=r", "invalid_client"},
        {"grant_type=refresh_token&refresh_token=r&client_id=" TENANT, "invalid_client"},
        {CODE "&client_secret=s", "invalid_client"},
        {CODE "&client_assertion=s", "invalid_client"},
        {CODE "&code=2", "invalid_request"},
        {CODE "&x=%G0", "invalid_request"},
        {"grant_type=authorization_code&client_id=" CLIENT "&code=c&redirect_uri=" BACK,
         "invalid_grant"},
        {"grant_type=authorization_code&client_id=" CLIENT "&code=c&code_verifier=" CHALLENGE,
         "invalid_grant"},
    };
    struct page_case c;
    (void)state;
    page_case_begin(&c, FACADE);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *code = token_error(&c, wrong[i].form);
        if (!code || strcmp(code, wrong[i].code) != 0)
            fail_msg("%s: %s", wrong[i].form, code ? code : "taken");
    }
    page_case_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_metadata_that_clients_can_work_with),
        cmocka_unit_test(asks_for_scopes_of_an_audience_when_the_resource_is_none),
        cmocka_unit_test(sends_browsers_on_without_the_resource),
        cmocka_unit_test(redirects_nobody_else),
        cmocka_unit_test(redirects_with_whatever_state_the_client_has),
        cmocka_unit_test(takes_no_more_parameters_than_a_sign_in_has),
        cmocka_unit_test(leads_back_only_to_what_is_listed),
        cmocka_unit_test(leads_back_to_loopback_alone_when_nothing_is_listed),
        cmocka_unit_test(leads_to_no_host_that_can_be_read_in_two_ways),
        cmocka_unit_test(registers_everybody_as_the_one_client),
        cmocka_unit_test(registers_nobody_who_leads_elsewhere),
        cmocka_unit_test(passes_forms_on_without_the_resource),
        cmocka_unit_test(passes_no_other_grant_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
