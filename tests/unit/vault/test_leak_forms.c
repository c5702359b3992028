#include "vault/leak_forms.h"

#include <openssl/evp.h>

#include "vault_case.h"

static bool has_form(const struct leak_forms *forms, const char *form) {
    for (size_t i = 0; i < forms->count; i++) {
        if (slice_eq_str(leak_forms_at(forms, i), form))
            return true;
    }
    return false;
}

/* A list ending in NULL. */
static void assert_forms(const char *value, const char *const *expected) {
    struct leak_forms forms = {0};
    leak_forms_add_all(&forms, slice_of_str(value));
    assert_false(forms.failed);
    for (; *expected; expected++) {
        if (!has_form(&forms, *expected))
            fail_msg("%s is not among the forms of %s", *expected, value);
    }
    leak_forms_done(&forms);
}

static void keeps_each_form_of_a_value_once(void **state) {
    (void)state;
    struct leak_forms forms = {0};
    leak_forms_add_all(&forms, SLICE("Pass.w0rd"));
    /* as it is, three of base64, one of hexadecimal in each case */
    assert_int_equal(forms.count, 6);
    leak_forms_add_all(&forms, SLICE("Pass.w0rd"));
    assert_int_equal(forms.count, 12); /* values are not compared with each other */
    leak_forms_add_raw(&forms, SLICE("Pass.w0r"));
    assert_int_equal(forms.count, 13);
    leak_forms_done(&forms);
}

static void adds_raw_bytes_alone(void **state) {
    (void)state;
    struct leak_forms forms = {0};
    leak_forms_add_raw(&forms, SLICE("a/b\0c+d"));
    assert_int_equal(forms.count, 1);
    assert_true(slice_eq(leak_forms_at(&forms, 0), SLICE("a/b\0c+d")));
    leak_forms_add_raw(&forms, SLICE(""));
    assert_int_equal(forms.count, 1);
    assert_false(forms.failed);
    leak_forms_done(&forms);
}

static void writes_hexadecimal_in_both_cases(void **state) {
    (void)state;
    assert_forms("j\xc3\xbck~/m", (const char *const[]){"6ac3bc6b7e2f6d", "6AC3BC6B7E2F6D", NULL});
}

/* What is not covered of the value's base64 is at most one character at each end. */
static void assert_covers(const struct leak_forms *forms, const char *encoded, size_t before,
                          size_t value_len) {
    const size_t first = before * 8 / 6, last = ((before + value_len) * 8 + 5) / 6;
    for (size_t i = 0; i < forms->count; i++) {
        struct slice form = leak_forms_at(forms, i);
        for (size_t at = first; at <= first + 1; at++) {
            if (at + form.len + 1 >= last && at + form.len <= last &&
                memcmp(encoded + at, form.ptr, form.len) == 0)
                return;
        }
    }
    fail_msg("nothing covers %zu bytes from %zu of %s", value_len, before, encoded);
}

static void covers_base64_wherever_it_begins_in_a_longer_text(void **state) {
    static const char text[] = "<?>:~~?>user:?>?>~~Zq?>w~>trailing";
    (void)state;
    for (size_t before = 0; before < 9; before++) {
        for (size_t len = 6; len < 16; len++) {
            struct leak_forms forms = {0};
            char encoded[64];
            leak_forms_add_all(&forms, slice_of(text + before, len));
            for (size_t behind = 0; behind < 4; behind++) {
                EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)text,
                                (int)(before + len + behind));
                assert_covers(&forms, encoded, before, len);
                for (char *c = encoded; *c; c++)
                    *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
                assert_covers(&forms, encoded, before, len);
            }
            leak_forms_done(&forms);
        }
    }
}

static void percent_encodes_as_the_usual_writers_do(void **state) {
    (void)state;
    assert_forms("a b~c/d+e'f(g)*h!", (const char *const[]){
                                          "a%20b~c%2Fd%2Be%27f%28g%29%2Ah%21", /* RFC 3986 */
                                          "a%20b~c%2fd%2be%27f%28g%29%2ah%21", /* lower case */
                                          "a%20b~c%2Fd%2Be'f(g)*h!",           /* JavaScript */
                                          "a%20b~c/d+e'f(g)*h!",               /* encodeURI */
                                          "a%20b~c/d%2Be%27f%28g%29%2Ah%21",   /* Python */
                                          "a+b%7Ec%2Fd%2Be%27f%28g%29*h%21",   /* a form */
                                          "a+b~c%2Fd%2Be%27f%28g%29%2Ah%21",   /* Go */
                                          "a+b%7Ec%2Fd%2Be%27f%28g%29%2Ah%21", /* PHP */
                                          "a+b%7ec%2fd%2be%27f(g)*h!",         /* .NET */
                                          NULL,
                                      });
    assert_forms("pa\xc3\xa4ss%", (const char *const[]){"pa%C3%A4ss%25", "pa%c3%a4ss%25", NULL});
}

static void escapes_for_json_as_the_usual_writers_do(void **state) {
    (void)state;
    assert_forms(
        "a\"b\\c/d<&f'g=+`",
        (const char *const[]){
            "a\\\"b\\\\c/d<&f'g=+`",
            "a\\\"b\\\\c\\/d<&f'g=+`",
            "a\\\"b\\\\c/d\\u003c\\u0026f'g=+`",                      /* Go */
            "a\\\"b\\\\c/d\\u003c\\u0026f\\u0027g\\u003d+`",          /* Gson */
            "a\\u0022b\\\\c\\/d\\u003C\\u0026f\\u0027g=+`",           /* PHP */
            "a\\u0022b\\\\c/d\\u003C\\u0026f\\u0027g=\\u002B\\u0060", /* System.Text.Json */
            NULL,
        });
    assert_forms("a\tb\nc\x01"
                 "d\x7f",
                 (const char *const[]){"a\\tb\\nc\\u0001d\x7f", NULL});
}

static void escapes_other_scripts_for_json(void **state) {
    (void)state;
    assert_forms("p\xc3\xa4ss\xf0\x9f\x94\x91<", (const char *const[]){
                                                     "p\xc3\xa4ss\xf0\x9f\x94\x91<",
                                                     "p\\u00e4ss\\ud83d\\udd11<",
                                                     "p\\u00E4ss\\uD83D\\uDD11<",
                                                     "p\xc3\xa4ss\xf0\x9f\x94\x91\\u003c",
                                                     "p\\u00e4ss\\ud83d\\udd11\\u003C", /* PHP */
                                                     NULL,
                                                 });
    assert_forms("p\xe4ss\"word", (const char *const[]){"p\xe4ss\\\"word", NULL});
}

static void escapes_for_html_as_the_usual_writers_do(void **state) {
    (void)state;
    assert_forms("a<b>c&d\"e'f+g=h`/", (const char *const[]){
                                           "a&lt;b&gt;c&amp;d\"e'f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&quot;e'f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&quot;e&#39;f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&quot;e&#x27;f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&quot;e&apos;f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&#34;e&#39;f+g=h`/",
                                           "a&lt;b&gt;c&amp;d&#34;e&#39;f&#43;g=h`/", /* Go */
                                           "a&lt;b&gt;c&amp;d&quot;e&#x27;f&#x2B;g=h&#x60;/",
                                           "a&lt;b&gt;c&amp;d&quot;e&#39;f+g&#x3D;h&#x60;&#x2F;",
                                           "a<b>c&amp;d&quot;e'f+g=h`/", /* an attribute */
                                           NULL,
                                       });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_each_form_of_a_value_once),
        cmocka_unit_test(adds_raw_bytes_alone),
        cmocka_unit_test(writes_hexadecimal_in_both_cases),
        cmocka_unit_test(covers_base64_wherever_it_begins_in_a_longer_text),
        cmocka_unit_test(percent_encodes_as_the_usual_writers_do),
        cmocka_unit_test(escapes_for_json_as_the_usual_writers_do),
        cmocka_unit_test(escapes_other_scripts_for_json),
        cmocka_unit_test(escapes_for_html_as_the_usual_writers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
