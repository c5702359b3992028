/* That there is no such prompt or resource, in the words of each library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/mcp/missing_thing.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ERROR(code, rest)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":" code ",\"message\":\"" rest "}}"
#define WITH_URI "\",\"data\":{\"uri\":\"x\\\"y\"}"

static struct mcp_message asked_for(enum mcp_era era, const char *method, const char *completes) {
    return (struct mcp_message){.kind = MCP_REQUEST,
                                .era = era,
                                .method = mcp_method_find(slice_of_str(method)),
                                .id = SLICE("7"),
                                .has_name = true,
                                .name = SLICE("x\"y"),
                                .completes = slice_of_str(completes)};
}

static void speaks_as_the_library_does(void **state) {
    (void)state;
    static const struct {
        enum mcp_library library;
        enum mcp_era era;
        const char *method, *completes, *expected;
    } cases[] = {
        {MCP_LIBRARY_OTHER, MCP_LEGACY, "prompts/get", "",
         ERROR("-32602", "Unknown prompt: x\\\"y\"")},
        {MCP_LIBRARY_OTHER, MCP_LEGACY, "resources/read", "",
         ERROR("-32002", "Resource not found" WITH_URI)},
        {MCP_LIBRARY_OTHER, MCP_LEGACY, "resources/subscribe", "",
         ERROR("-32002", "Resource not found" WITH_URI)},
        {MCP_LIBRARY_OTHER, MCP_MODERN, "resources/read", "",
         ERROR("-32602", "Resource not found" WITH_URI)},
        {MCP_LIBRARY_OTHER, MCP_LEGACY, "completion/complete", "prompts/get",
         ERROR("-32602", "Unknown prompt: x\\\"y\"")},
        {MCP_LIBRARY_OTHER, MCP_LEGACY, "completion/complete", "resources/read",
         ERROR("-32602", "Unknown resource template: x\\\"y\"")},
        {MCP_LIBRARY_TYPESCRIPT_1, MCP_LEGACY, "prompts/get", "",
         ERROR("-32602", "MCP error -32602: Prompt x\\\"y not found\"")},
        {MCP_LIBRARY_TYPESCRIPT_1, MCP_LEGACY, "resources/read", "",
         ERROR("-32602", "MCP error -32602: Resource x\\\"y not found\"")},
        {MCP_LIBRARY_TYPESCRIPT_1, MCP_LEGACY, "completion/complete", "resources/read",
         ERROR("-32602", "MCP error -32602: Resource template x\\\"y not found\"")},
        {MCP_LIBRARY_TYPESCRIPT_2, MCP_MODERN, "prompts/get", "",
         ERROR("-32602", "Prompt x\\\"y not found\"")},
        {MCP_LIBRARY_TYPESCRIPT_2, MCP_MODERN, "resources/read", "",
         ERROR("-32602", "Resource not found: x\\\"y" WITH_URI)},
        {MCP_LIBRARY_TYPESCRIPT_2, MCP_LEGACY, "resources/read", "",
         ERROR("-32602", "Resource not found: x\\\"y" WITH_URI)},
        {MCP_LIBRARY_TYPESCRIPT_2, MCP_MODERN, "completion/complete", "prompts/get",
         ERROR("-32602", "Prompt x\\\"y not found\"")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct mcp_message asked =
            asked_for(cases[i].era, cases[i].method, cases[i].completes);
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_true(mcp_names_thing(&asked));
        mcp_missing_thing_write(&out, cases[i].library, &asked);
        assert_true(buf_ok(&out));
        if (!slice_eq(buf_slice(&out), slice_of_str(cases[i].expected)))
            fail_msg("%.*s, not %s", SLICE_ARGS(buf_slice(&out)), cases[i].expected);
        buf_done(&out);
    }
}

static void speaks_of_no_tools_and_tasks(void **state) {
    (void)state;
    static const char *const others[] = {"tools/call", "tasks/get", "tools/list", "ping"};
    for (size_t i = 0; i < COUNT(others); i++) {
        const struct mcp_message asked = asked_for(MCP_LEGACY, others[i], "");
        assert_false(mcp_names_thing(&asked));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_as_the_library_does),
        cmocka_unit_test(speaks_of_no_tools_and_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
