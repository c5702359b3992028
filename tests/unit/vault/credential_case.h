/* What the tests of credentials share: secrets, ways to write them into a configuration, and what
 * becomes of them. Included by one translation unit a test. */
#ifndef BARKEEP_TESTS_CREDENTIAL_CASE_H
#define BARKEEP_TESTS_CREDENTIAL_CASE_H

#include "vault/credential.h"
#include "vault_case.h"

#define VERSION "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"

/* Secrets 0 to 3; the tests put values where they need them. */
static struct secret_view views[4] = {
    {"prod", "zero", VERSION, NULL, NULL},
    {"prod", "one", VERSION, NULL, NULL},
    {"local", "two", "", NULL, NULL},
    {"prod", "three", VERSION, NULL, NULL},
};

static inline void put_secret(size_t index, const char *bytes, size_t len) {
    secret_unref(views[index].value);
    views[index].value = bytes ? secret_new(slice_of(bytes, len)) : NULL;
}

static inline void put_text(size_t index, const char *text) {
    put_secret(index, text, text ? strlen(text) : 0);
}

static inline int clear_secrets(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        put_secret(i, NULL, 0);
        views[i].hosts = NULL;
    }
    return 0;
}

static inline struct config_template_part literal(const char *text) {
    return (struct config_template_part){.literal = slice_of_str(text), .secret = CONFIG_NONE};
}

static inline struct config_template_part of_secret(size_t index) {
    return (struct config_template_part){.secret = index};
}

static inline struct config_credential
of_fields(enum config_credential_kind kind, struct config_credential_field *fields, size_t count) {
    return (struct config_credential){
        .name = "c", .kind = kind, .fields = fields, .field_count = count};
}

/* The caller gives it back. */
static inline struct rendering *render_well(const struct config_credential *credential) {
    struct error err = {""};
    struct rendering *rendering = rendering_new(credential, views, &err);
    assert_string_equal(err.text, "");
    assert_true(rendering_credential(rendering)->is_available);
    return rendering;
}

/* Nothing of it is kept, and the text holds `word`. */
static inline void assert_is_unavailable(const struct config_credential *credential,
                                         const char *word) {
    struct error err = {""};
    struct rendering *rendering = rendering_new(credential, views, &err);
    const struct rendered_credential *rendered = rendering_credential(rendering);
    assert_false(rendered->is_available);
    assert_int_equal(rendered->header_count, 0);
    assert_int_equal(rendered->query_count, 0);
    assert_int_equal(rendered->cookie_count, 0);
    assert_null(rendered->certificate);
    assert_null(rendered->leaks);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not speak of \"%s\"", err.text, word);
    rendering_unref(rendering);
}

#endif
