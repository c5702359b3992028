/* The rules of one route: those of which an audit line is a record. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_ONE_ROUTE_CASE_H
#define BARKEEP_TESTS_UNIT_PROXY_ONE_ROUTE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/config.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define USER "e0d1c2b3-a495-4867-9588-776655443322"
#define APP "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"

/* One route `r`, with these rules as YAML flow. */
static inline struct config *config_with(const char *rules) {
    char yaml[4096];
    struct problem_list problems = {0};
    int len = snprintf(yaml, sizeof yaml,
                       "listen: 127.0.0.1:8080\n"
                       "entra: {tenant: " TENANT ", audience: " APP "}\n"
                       "vaults: {local: 'file:/tmp'}\n"
                       "credentials: {one: {bearer: local/a}, two: {bearer: local/b}}\n"
                       "routes:\n  - {name: r, path: /, upstream: 'http://127.0.0.1:1', %s}\n",
                       rules);
    struct config *config = config_parse("test", slice_of(yaml, (size_t)len), &problems);
    if (!config)
        fail_msg("%s: %s", problems.count ? problems.items[0].path : "?",
                 problems.count ? problems.items[0].text : "?");
    problem_list_done(&problems);
    return config;
}

#endif
