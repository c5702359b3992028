/* Routes that let in more callers, or send less, than a reader of their rules would think. */
#include "config_case.h"

#define LOCAL "vaults: {local: \"file:/s\"}\ncredentials: {c: {bearer: local/x}}\n"
#define ROUTE(rest) "routes:\n- {name: r, upstream: \"http://127.0.0.1:1\", " rest "}\n"
#define TO "to: {app_role: Ops}"

static void warns_of_a_route_whose_rules_do_not_decide(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {ROUTE("shadow: true"), "2:53: routes[0].shadow", "whoever has a valid token passes"},
        {"access: []\n" ROUTE("shadow: true"), "3:53: routes[0].shadow", "on single entries"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        ROUTE("shadow: false"),
        ROUTE("access: [{role: Reader, " TO ", shadow: true}]"),
    };
    SILENT_ALL(TEXTS);
}

static void warns_of_entries_without_the_credential_of_their_neighbours(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {LOCAL ROUTE("access: [{role: Reader, " TO ", credential: c}, {role: Contributor, " TO
                     "}]"),
         "4:106: routes[0].access[1]", "goes to the upstream without a credential"},
        {LOCAL ROUTE("access: [{role: Reader, " TO "}, {actions: [\"PUT /x\"], " TO "}, "
                     "{role: Contributor, " TO ", credential: c}]"),
         "4:54: routes[0].access[0]", "or the route a `credential`"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        LOCAL ROUTE("credential: c, access: [{role: Reader, " TO ", credential: c}, "
                    "{role: Contributor, " TO "}]"),
        LOCAL ROUTE("access: [{role: Reader, " TO ", credential: c}, "
                    "{role: Contributor, " TO ", shadow: true}]"),
        ROUTE("access: [{role: Reader, " TO "}, {role: Contributor, " TO "}]"),
    };
    SILENT_ALL(TEXTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_a_route_whose_rules_do_not_decide),
        cmocka_unit_test(warns_of_entries_without_the_credential_of_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
