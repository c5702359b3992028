/* A configuration with MCP routes, and what their pages say. */
#ifndef BARKEEP_TESTS_UNIT_MCP_PAGE_CASE_H
#define BARKEEP_TESTS_UNIT_MCP_PAGE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/mcp/metadata.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define CLIENT "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
#define CASE_HEAD                                                                                  \
    "listen: 127.0.0.1:8080\n"                                                                     \
    "entra: {tenant: " TENANT ", audience: [" CLIENT ", \"https://gw.example/mcp\"]}\n"

struct page_case {
    struct config *config;
    struct router *router;
    struct buf text;
    size_t route;
};

static inline void page_case_begin(struct page_case *c, const char *yaml) {
    struct problem_list problems = {0};
    c->config = config_parse("case.yaml", slice_of_str(yaml), &problems);
    for (size_t i = 0; i < problems.count && !c->config; i++)
        print_message("%s: %s\n", problems.items[i].path, problems.items[i].text);
    problem_list_done(&problems);
    assert_non_null(c->config);
    c->router = router_new(c->config);
    assert_non_null(c->router);
    buf_init(&c->text, 1 << 20);
    c->route = CONFIG_NONE;
}

static inline void page_case_end(struct page_case *c) {
    buf_done(&c->text);
    router_free(c->router);
    config_unref(c->config);
}

static inline enum mcp_page page_at(struct page_case *c, const char *host, const char *path) {
    c->route = CONFIG_NONE;
    return mcp_page_find(c->config, c->router, slice_of_str(host), slice_of_str(path), &c->route);
}

static inline void assert_text(struct page_case *c, const char *expected) {
    assert_true(buf_ok(&c->text));
    if (!slice_eq_str(buf_slice(&c->text), expected))
        fail_msg("%.*s\nis not\n%s", SLICE_ARGS(buf_slice(&c->text)), expected);
    buf_clear(&c->text);
}

#endif
