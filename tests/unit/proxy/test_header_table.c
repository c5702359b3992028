/* Every row of the table is found under its name in any case, and under no other. */
#include "h1_cases.h"

#define X(enumerator, text, bits) {TEXT(text), enumerator, bits},
static const struct {
    struct slice name;
    enum header_id id;
    unsigned flags;
} rows[] = {HEADER_TABLE(X)};
#undef X

static void finds_every_row_in_any_case(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int spelling = 0; spelling < 3; spelling++) {
            char name[64];
            memcpy(name, rows[i].name.ptr, rows[i].name.len);
            for (size_t at = 0; at < rows[i].name.len; at++) {
                bool is_upper = spelling == 1 || (spelling == 2 && at % 2 == 0);
                if (is_upper && name[at] >= 'a' && name[at] <= 'z')
                    name[at] = (char)(name[at] - 32);
            }
            unsigned flags = 99;
            enum header_id id = header_id_of(slice_of(name, rows[i].name.len), &flags);
            if (id != rows[i].id || flags != rows[i].flags)
                fail_msg("%.*s: id %d, flags %u", (int)rows[i].name.len, name, id, flags);
        }
    }
}

static void takes_no_neighbour_for_a_row(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t at = 0; at < rows[i].name.len; at++) {
            /* The bits that tell cases apart must not make other bytes equal. */
            static const unsigned char changes[] = {0x01, 0x20, 0x40, 0x80};
            for (size_t c = 0; c < COUNT(changes); c++) {
                char name[64];
                memcpy(name, rows[i].name.ptr, rows[i].name.len);
                name[at] = (char)(name[at] ^ changes[c]);
                bool is_case_change = changes[c] == 0x20 && rows[i].name.ptr[at] >= 'a';
                unsigned flags;
                enum header_id id = header_id_of(slice_of(name, rows[i].name.len), &flags);
                if ((id == rows[i].id) != is_case_change)
                    fail_msg("%.*s: id %d", (int)rows[i].name.len, name, id);
            }
        }
    }
}

static void knows_the_families_that_only_we_may_send(void **state) {
    (void)state;
    static const struct {
        struct slice name;
        unsigned flags;
    } cases[] = {
        {TEXT("X-Forwarded-For"), HEADER_FROM_US},
        {TEXT("x-forwarded-client-cert"), HEADER_FROM_US},
        {TEXT("X-FORWARDED-"), HEADER_FROM_US},
        {TEXT("X-HTTP-Method"), HEADER_FROM_US},
        {TEXT("X-HTTP-Method-Override"), HEADER_FROM_US},
        {TEXT("X-MS-CLIENT-PRINCIPAL"), HEADER_FROM_US},
        {TEXT("X-MS-CLIENT-PRINCIPAL-NAME"), HEADER_FROM_US},
        {TEXT("X-MS-TOKEN-AAD-ACCESS-TOKEN"), HEADER_FROM_US},
        {TEXT("x-envoy-original-path"), HEADER_FROM_US},
        {TEXT("X-Barkeep-Assertion"), HEADER_FROM_US},
        {TEXT("X-Original-URL"), HEADER_FROM_US},
        {TEXT("X-Original-Host"), HEADER_FROM_US},
        {TEXT("X-Rewrite-Path"), HEADER_FROM_US},
        {TEXT("X-Forwarded"), 0},
        {TEXT("X-MS-Client-Request-Id"), 0},
        {TEXT("X-Origin"), 0},
        {TEXT("Y-Forwarded-For"), 0},
        {TEXT("X_Forwarded-For"), 0},
        {TEXT("Accept"), 0},
        {TEXT("X"), 0},
        {TEXT("X-"), 0},
        {TEXT(""), 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned flags = 99;
        header_id_of(cases[i].name, &flags);
        if (flags != cases[i].flags)
            fail_msg("%.*s: flags %u", SLICE_ARGS(cases[i].name), flags);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_row_in_any_case),
        cmocka_unit_test(takes_no_neighbour_for_a_row),
        cmocka_unit_test(knows_the_families_that_only_we_may_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
