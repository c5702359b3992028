/* Methods that no request is likely to have. */
#include "config_case.h"

#define TO "to: {app_role: Ops}"
#define GRANT(actions) "access: [{actions: [" actions "], " TO "}]"

static void warns_of_methods_that_http_does_not_have(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {GRANT("\"GTE /**\""), "1:21: access[0].actions[0]",
         "`GTE` is none of HTTP's registered methods, did you mean `GET`?"},
        {"deny: [{" TO ", actions: [\"DELET /orders/**\"]}]", "1:40: deny[0].actions[0]",
         "did you mean `DELETE`?"},
        {"roles: {R: {actions: [\"* /**\"], not_actions: [\"PUT,POTS /x\"]}}\n"
         "access: [{role: R, " TO "}]",
         "1:47: roles.R.not_actions[0]", "did you mean `POST`?"},
        {GRANT("\"GET /x\", \"INVALIDATE /x\""), "1:31: access[0].actions[1]",
         "only requests with that very method are meant"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        GRANT("\"GET,HEAD,POST,PUT,DELETE,PATCH,OPTIONS /x\""),
        GRANT("\"PROPFIND,MKCOL,VERSION-CONTROL,ACL,QUERY /x\", \"* /y\""),
    };
    SILENT_ALL(TEXTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_methods_that_http_does_not_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
