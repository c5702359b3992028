/* Which route a host and a path lead to, by cases and against a search that knows no index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/request_path.h"
#include "proxy/router.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct router *new_router(struct config *config, struct config_route *routes, size_t count) {
    *config = (struct config){.routes = routes, .route_count = count};
    struct router *router = router_new(config);
    assert_non_null(router);
    return router;
}

struct route_case {
    const char *host;
    const char *path;
    size_t route;
    const char *below;
};

static void assert_routes(struct config_route *routes, size_t count, const struct route_case *cases,
                          size_t case_count) {
    struct config config;
    struct router *router = new_router(&config, routes, count);
    for (size_t i = 0; i < case_count; i++) {
        struct slice below = {0};
        size_t route =
            router_find(router, slice_of_str(cases[i].host), slice_of_str(cases[i].path), &below);
        if (route != cases[i].route || !slice_eq_str(below, cases[i].below))
            fail_msg("%s %s leads to %zd, below \"%.*s\"", cases[i].host, cases[i].path,
                     (ssize_t)route, SLICE_ARGS(below));
    }
    router_free(router);
}

static void prefers_the_nearer_host_then_the_longer_path(void **state) {
    (void)state;
    struct config_route routes[] = {
        {.name = "any", .path = "/"},
        {.name = "any-deep", .path = "/a/b/c"},
        {.name = "suffix", .host = "*.example", .path = "/"},
        {.name = "longer-suffix", .host = "*.corp.example", .path = "/a"},
        {.name = "exact", .host = "q.corp.example", .path = "/a"},
        {.name = "exact-deeper", .host = "q.corp.example", .path = "/a/b"},
    };
    static const struct route_case cases[] = {
        {"q.corp.example", "/a", 4, "/"},
        {"q.corp.example", "/a/x", 4, "/x"},
        {"q.corp.example", "/a/b/c", 5, "/c"}, /* not the longer path of any host */
        {"q.corp.example", "/ab", 2, "/ab"},   /* whole segments: /a does not hold it */
        {"r.corp.example", "/a/b/c", 3, "/b/c"},
        {"r.corp.example", "/b", 2, "/b"},
        {"r.example", "/a", 2, "/a"},
        {"a.b.corp.example", "/a", 3, "/"},
        {"elsewhere.test", "/a/b", 0, "/a/b"},
        {"elsewhere.test", "/a/b/c", 1, "/"},
    };
    assert_routes(routes, COUNT(routes), cases, COUNT(cases));
}

static void names_a_host_in_any_case_and_fully_qualified(void **state) {
    (void)state;
    struct config_route routes[] = {
        {.name = "exact", .host = "q.corp.example", .path = "/"},
        {.name = "suffix", .host = "*.corp.example", .path = "/"},
    };
    static const struct route_case cases[] = {
        {"q.corp.example", "/", 0, "/"},  {"Q.CORP.Example", "/", 0, "/"},
        {"q.corp.example.", "/", 0, "/"}, {"R.Corp.EXAMPLE.", "/", 1, "/"},
        {"r.corp.example", "/", 1, "/"},
    };
    assert_routes(routes, COUNT(routes), cases, COUNT(cases));
}

static void finds_nothing_where_nothing_matches(void **state) {
    (void)state;
    struct config_route routes[] = {
        {.name = "exact", .host = "q.corp.example", .path = "/a"},
        {.name = "suffix", .host = "*.corp.test", .path = "/a"},
    };
    static const struct route_case cases[] = {
        {"q.corp.example", "/a", 0, "/"},
        {"x.corp.test", "/a", 1, "/"},

        {"q.corp.example", "/", CONFIG_NONE, ""},
        {"q.corp.example", "/A", CONFIG_NONE, ""},
        {"q.corp.example", "/ab", CONFIG_NONE, ""},
        {"q.corp.example..", "/a", CONFIG_NONE, ""},
        {"xq.corp.example", "/a", CONFIG_NONE, ""},
        {"x.q.corp.example", "/a", CONFIG_NONE, ""},
        {"q.corp.exampl", "/a", CONFIG_NONE, ""},
        {"corp.test", "/a", CONFIG_NONE, ""},  /* the suffix is not below itself */
        {".corp.test", "/a", CONFIG_NONE, ""}, /* nor is nothing a label */
        {"xcorp.test", "/a", CONFIG_NONE, ""},
        {"x.corp.test.y", "/a", CONFIG_NONE, ""},
        {".", "/a", CONFIG_NONE, ""},
        {"", "/a", CONFIG_NONE, ""},
    };
    assert_routes(routes, COUNT(routes), cases, COUNT(cases));
}

static void finds_nothing_without_routes(void **state) {
    (void)state;
    static const struct route_case cases[] = {{"a", "/", CONFIG_NONE, ""}};
    assert_routes(NULL, 0, cases, COUNT(cases));
}

/* The reference: routes sorted so that the first that matches is the right one, gone through from
 * the start. */
enum host_kind { HOST_EXACT, HOST_SUFFIX, HOST_ANY };

struct sorted_row {
    enum host_kind kind;
    struct slice host; /* the exact name, or ".suffix" */
    struct slice path;
    size_t route;
};

static int compare_sizes(size_t a, size_t b) {
    return a > b ? -1 : a < b;
}

static int compare_rows(const void *left, const void *right) {
    const struct sorted_row *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == HOST_SUFFIX && a->host.len != b->host.len)
        return compare_sizes(a->host.len, b->host.len);
    if (a->path.len != b->path.len)
        return compare_sizes(a->path.len, b->path.len);
    return a->route < b->route ? -1 : 1;
}

static void sort_routes(const struct config *config, struct sorted_row *rows) {
    for (size_t i = 0; i < config->route_count; i++) {
        const char *host = config->routes[i].host;
        bool is_suffix = host && host[0] == '*';
        rows[i] = (struct sorted_row){.kind = !host       ? HOST_ANY
                                              : is_suffix ? HOST_SUFFIX
                                                          : HOST_EXACT,
                                      .host = slice_of_str(is_suffix ? host + 1 : host),
                                      .path = slice_of_str(config->routes[i].path),
                                      .route = i};
    }
    if (config->route_count)
        qsort(rows, config->route_count, sizeof *rows, compare_rows);
}

static bool host_matches(const struct sorted_row *row, struct slice host) {
    if (row->kind == HOST_ANY)
        return true;
    if (row->kind == HOST_EXACT)
        return slice_eq_nocase(row->host, host);
    return host.len > row->host.len &&
           slice_eq_nocase(row->host, slice_skip(host, host.len - row->host.len));
}

static size_t find_in_turn(const struct sorted_row *rows, size_t count, struct slice host,
                           struct slice path, struct slice *out_below) {
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    for (size_t i = 0; i < count; i++)
        if (host_matches(&rows[i], host) && request_path_below(path, rows[i].path, out_below))
            return rows[i].route;
    return CONFIG_NONE;
}

static unsigned next_random(unsigned *in_out_seed, unsigned below) {
    *in_out_seed = *in_out_seed * 1103515245u + 12345u;
    return (*in_out_seed >> 16) % below;
}

static void assert_agrees(const struct router *router, const struct sorted_row *rows, size_t count,
                          const char *host, const char *path) {
    struct slice below = {0}, expected_below = {0};
    size_t expected =
        find_in_turn(rows, count, slice_of_str(host), slice_of_str(path), &expected_below);
    size_t found = router_find(router, slice_of_str(host), slice_of_str(path), &below);
    if (found != expected || !slice_eq(below, expected_below))
        fail_msg("\"%s\" %s: %zd below \"%.*s\", not %zd below \"%.*s\"", host, path,
                 (ssize_t)found, SLICE_ARGS(below), (ssize_t)expected, SLICE_ARGS(expected_below));
}

static void agrees_with_a_search_in_turn(void **state) {
    (void)state;
    static const char *const route_hosts[] = {NULL,  "a.b",   "b",       "x.a.b",   "A.b",
                                              "*.b", "*.a.b", "*.x.a.b", "*.A.B.c", "*.c"};
    static const char *const route_paths[] = {"/",   "/a",   "/b",    "/a/b",     "/a/b/a",
                                              "/ab", "/a/c", "/ab/c", "/a/b/a/b", "/c%2Fa"};
    static const char *const paths[] = {
        "/",   "/a",   "/b",    "/a/b", "/a/b/a",   "/ab",    "/a/c",  "/ab/c",  "/c/a/b",
        "/a/", "/abc", "/a/b/", "/A",   "/c%2Fa/b", "/c%2fa", "/a/bb", "/x/a/b", "/a/b/a/b/a"};
    static const char *const hosts[] = {"a.b",  "A.B",     "b",       "x.a.b", "y.x.A.b", "c",
                                        "z.c",  "",        "q",       ".",     "..",      ".b",
                                        "x..b", "x.a.b.",  "a.b..",   "ab",    "x.a.b.c", ".a.b",
                                        "xa.b", "q.A.B.C", "y.a.b.c", "-"};
    unsigned seed = 20240607;
    for (int round = 0; round < 6000; round++) {
        struct config_route routes[24] = {{0}};
        struct sorted_row rows[COUNT(routes)];
        size_t count = next_random(&seed, round % 3 ? 7 : COUNT(routes) + 1);
        for (size_t i = 0; i < count; i++) {
            routes[i].host = route_hosts[next_random(&seed, COUNT(route_hosts))];
            routes[i].path = route_paths[next_random(&seed, COUNT(route_paths))];
        }
        struct config config;
        struct router *router = new_router(&config, routes, count);
        sort_routes(&config, rows);
        for (int ask = 0; ask < 40; ask++)
            assert_agrees(router, rows, count, hosts[next_random(&seed, COUNT(hosts))],
                          paths[next_random(&seed, COUNT(paths))]);
        router_free(router);
    }
}

/* Thousands of routes, where tables are full and prefixes and suffixes nest. */
static void agrees_among_many_routes(void **state) {
    (void)state;
    enum { ROUTES = 3000, ASKS = 4000 };
    struct config_route *routes = calloc(ROUTES, sizeof *routes);
    struct sorted_row *rows = calloc(ROUTES, sizeof *rows);
    char(*hosts)[40] = calloc(ROUTES, sizeof *hosts), (*paths)[40] = calloc(ROUTES, sizeof *paths);
    unsigned seed = 19;
    for (size_t i = 0; i < ROUTES; i++) {
        unsigned kind = next_random(&seed, 4);
        (void)snprintf(hosts[i], sizeof *hosts, "%sh%u.d%u.example", kind == 1 ? "*." : "",
                       next_random(&seed, 20), next_random(&seed, 5));
        (void)snprintf(paths[i], sizeof *paths, "/p%u%s/q%u", next_random(&seed, 30),
                       next_random(&seed, 2) ? "/r" : "", next_random(&seed, 30));
        routes[i].host = kind == 0 ? NULL : hosts[i];
        routes[i].path = paths[i];
    }
    struct config config;
    struct router *router = new_router(&config, routes, ROUTES);
    sort_routes(&config, rows);
    for (int ask = 0; ask < ASKS; ask++) {
        char host[40], path[60];
        (void)snprintf(host, sizeof host, "%sh%u.d%u.example", next_random(&seed, 2) ? "w." : "",
                       next_random(&seed, 21), next_random(&seed, 6));
        (void)snprintf(path, sizeof path, "/p%u%s/q%u%s", next_random(&seed, 31),
                       next_random(&seed, 2) ? "/r" : "", next_random(&seed, 31),
                       next_random(&seed, 2) ? "/t/u" : "");
        assert_agrees(router, rows, ROUTES, host, path);
    }
    router_free(router);
    free(paths);
    free(hosts);
    free(rows);
    free(routes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefers_the_nearer_host_then_the_longer_path),
        cmocka_unit_test(names_a_host_in_any_case_and_fully_qualified),
        cmocka_unit_test(finds_nothing_where_nothing_matches),
        cmocka_unit_test(finds_nothing_without_routes),
        cmocka_unit_test(agrees_with_a_search_in_turn),
        cmocka_unit_test(agrees_among_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
