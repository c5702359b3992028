/* Queries and cookies on their way up: the caller's copies of injected names go in every spelling,
 * everything else stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/secret.h"
#include "proxy/injected_pairs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct rendered_pair pairs[] = {{"api_key", NULL}, {"Sig", NULL}};

static struct rendered_credential credential_of(bool as_cookies) {
    struct rendered_credential credential = {.is_available = true};
    pairs[0].text = secret_new(SLICE("api_key=ours"));
    pairs[1].text = secret_new(SLICE("Sig=a%2Fb"));
    assert_non_null(pairs[0].text);
    assert_non_null(pairs[1].text);
    if (as_cookies) {
        credential.cookies = pairs;
        credential.cookie_count = COUNT(pairs);
    } else {
        credential.query = pairs;
        credential.query_count = COUNT(pairs);
    }
    return credential;
}

static void drop_pairs(void) {
    for (size_t i = 0; i < COUNT(pairs); i++)
        secret_unref(pairs[i].text);
}

struct pair_case {
    const char *from_caller;
    const char *to_upstream;
};

static void writes_queries_with_one_copy_of_each_injected_name(void **state) {
    (void)state;
    static const struct pair_case cases[] = {
        {"", "api_key=ours&Sig=a%2Fb"},
        {"a=1&b=2", "a=1&b=2&api_key=ours&Sig=a%2Fb"},
        {"a=1;b=%zz&&c", "a=1;b=%zz&&c&api_key=ours&Sig=a%2Fb"},
        {"api_key=x&a=1", "a=1&api_key=ours&Sig=a%2Fb"},
        {"a=1&api_key=x", "a=1&api_key=ours&Sig=a%2Fb"},
        {"api_key=x&api_key=y&sig", "api_key=ours&Sig=a%2Fb"},
        {"a=1&API_KEY=x&b=2", "a=1&b=2&api_key=ours&Sig=a%2Fb"},
        {"%61pi%5Fkey=x&%73IG=1", "api_key=ours&Sig=a%2Fb"},
        {"api.key=x&api+key=y&api%20key=z&api%2Ekey=w", "api_key=ours&Sig=a%2Fb"},
        {"api_key[]=x&api_key%5B0%5D=y&sig%00=z", "api_key=ours&Sig=a%2Fb"},
        {"+api_key=x&%20Sig=1", "api_key=ours&Sig=a%2Fb"},
        {"api_key+=x&Sig%20%09=1&api_key%0D%0A=y", "api_key=ours&Sig=a%2Fb"},
        {"api[key=x&[api_key]=y&%5B%5Bsig%5D=z&api_key]=w", "api_key=ours&Sig=a%2Fb"},
        {"%u0061pi_key=x&%U0053ig=1", "api_key=ours&Sig=a%2Fb"},
        {"%C2%A0api_key=x&Sig%E2%80%83=1&\xEF\xBB\xBFsig=y", "api_key=ours&Sig=a%2Fb"},
        {"%u1261pi_key=x&api_key_=y&[api_key]s=z&api%C2%A0key=w&%u00=v&%=u",
         "%u1261pi_key=x&api_key_=y&[api_key]s=z&api%C2%A0key=w&%u00=v&%=u&api_key=ours&Sig=a%2Fb"},
        {"a=1;api_key=x;b=2", "a=1&b=2&api_key=ours&Sig=a%2Fb"},
        {"api_keys=x&xapi_key=y&signature=z",
         "api_keys=x&xapi_key=y&signature=z&api_key=ours&Sig=a%2Fb"},
        {"q=api_key=x", "q=api_key=x&api_key=ours&Sig=a%2Fb"},
    };
    const struct rendered_credential credential = credential_of(false);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct head_writer writer = {.at = text, .begin = text, .end = text + sizeof text};
        write_query(&writer, slice_of_str(cases[i].from_caller), &credential);
        if (!slice_eq_str(slice_of(text, (size_t)(writer.at - text)), cases[i].to_upstream))
            fail_msg("%s became %.*s", cases[i].from_caller, (int)(writer.at - text), text);
    }
    drop_pairs();
}

static void leaves_queries_alone_without_injected_parameters(void **state) {
    (void)state;
    const struct rendered_credential nothing = {.is_available = true};
    const struct rendered_credential *credentials[] = {NULL, &nothing};
    for (size_t i = 0; i < COUNT(credentials); i++) {
        char text[64];
        struct head_writer writer = {.at = text, .begin = text, .end = text + sizeof text};
        write_query(&writer, SLICE("api_key=x;&=&%"), credentials[i]);
        assert_true(slice_eq_str(slice_of(text, (size_t)(writer.at - text)), "api_key=x;&=&%"));
    }
}

static void writes_one_cookie_field_of_all(void **state) {
    (void)state;
    static const struct pair_case cases[] = {
        {"", "Cookie: api_key=ours; Sig=a%2Fb\r\n"},
        {"a=1; b=2", "Cookie: a=1; b=2; api_key=ours; Sig=a%2Fb\r\n"},
        {"a=1; API_KEY=x; b=2", "Cookie: a=1; b=2; api_key=ours; Sig=a%2Fb\r\n"},
        {"api_key=\"x; Sig=y\"; c=3", "Cookie: c=3; api_key=ours; Sig=a%2Fb\r\n"},
        {"a=1,api_key=x", "Cookie: a=1; api_key=ours; Sig=a%2Fb\r\n"},
        {"$Version=1; \tapi_key =x", "Cookie: $Version=1; api_key=ours; Sig=a%2Fb\r\n"},
        {"api.key=x;sig=1;%41pi_key=2", "Cookie: api_key=ours; Sig=a%2Fb\r\n"},
        {"\xA0sig=x; \x85sig=y; sig\xC2\xA0=z; a=1", "Cookie: a=1; api_key=ours; Sig=a%2Fb\r\n"},
        {"na\xC3\xAFve=1; \xC3\xA9=2",
         "Cookie: na\xC3\xAFve=1; \xC3\xA9=2; api_key=ours; Sig=a%2Fb\r\n"},
    };
    const struct rendered_credential credential = credential_of(true);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct header headers[] = {
            {.name = SLICE("cOOkie"), .value = slice_of_str(cases[i].from_caller)}};
        const struct h1_request request = {.headers = headers, .header_count = 1};
        struct head_writer writer = {.at = text, .begin = text, .end = text + sizeof text};
        write_cookies(&writer, &request, &credential);
        if (!slice_eq_str(slice_of(text, (size_t)(writer.at - text)), cases[i].to_upstream))
            fail_msg("%s became %.*s", cases[i].from_caller, (int)(writer.at - text), text);
    }
    drop_pairs();
}

static void joins_several_cookie_fields(void **state) {
    (void)state;
    char text[256];
    const struct rendered_credential credential = credential_of(true);
    struct header headers[] = {{.name = SLICE("Cookie"), .value = SLICE("a=1; sig=x")},
                               {.name = SLICE("X-Other"), .value = SLICE("no=cookie")},
                               {.name = SLICE("Cookie"), .value = SLICE("b=2")}};
    const struct h1_request request = {.headers = headers, .header_count = COUNT(headers)};
    struct head_writer writer = {.at = text, .begin = text, .end = text + sizeof text};
    write_cookies(&writer, &request, &credential);
    assert_true(slice_eq_str(slice_of(text, (size_t)(writer.at - text)),
                             "Cookie: a=1; b=2; api_key=ours; Sig=a%2Fb\r\n"));
    drop_pairs();
}

static int start_secrets(void **state) {
    (void)state;
    struct error err;
    bool is_locked;
    return secret_memory_init(1 << 20, &is_locked, &err) == STATUS_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_queries_with_one_copy_of_each_injected_name),
        cmocka_unit_test(leaves_queries_alone_without_injected_parameters),
        cmocka_unit_test(writes_one_cookie_field_of_all),
        cmocka_unit_test(joins_several_cookie_fields),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
