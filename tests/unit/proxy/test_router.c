/* Which route a host and a path lead to, by cases and against a matcher that knows no order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <strings.h>

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

/* A route that a request falls into, and how near it is: what the contract says, said naively. */
static bool naive_matches(const struct config_route *route, const char *host, const char *path) {
    size_t path_len = strlen(route->path);
    bool is_below =
        strcmp(route->path, "/") == 0 || (strncmp(route->path, path, path_len) == 0 &&
                                          (path[path_len] == '\0' || path[path_len] == '/'));
    if (!is_below || !route->host)
        return is_below;
    if (route->host[0] != '*')
        return strcasecmp(route->host, host) == 0;
    const char *suffix = route->host + 1;
    return strlen(host) > strlen(suffix) &&
           strcasecmp(host + strlen(host) - strlen(suffix), suffix) == 0;
}

static size_t naive_nearness(const struct config_route *route) {
    size_t host = 0;
    if (route->host)
        host = route->host[0] == '*' ? strlen(route->host) : 1000;
    return host * 1000 + strlen(route->path);
}

static size_t naive_find(const struct config *config, const char *host, const char *path) {
    size_t found = CONFIG_NONE;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (naive_matches(route, host, path) &&
            (found == CONFIG_NONE ||
             naive_nearness(route) > naive_nearness(&config->routes[found])))
            found = i;
    }
    return found;
}

static unsigned next_random(unsigned *in_out_seed, unsigned below) {
    *in_out_seed = *in_out_seed * 1103515245u + 12345u;
    return (*in_out_seed >> 16) % below;
}

static void agrees_with_a_naive_matcher(void **state) {
    (void)state;
    static const char *const route_hosts[] = {NULL,  "a.b",   "b",       "x.a.b",
                                              "*.b", "*.a.b", "*.x.a.b", "*.c"};
    static const char *const paths[] = {"/",   "/a",   "/b",    "/a/b",  "/a/b/a",
                                        "/ab", "/a/c", "/ab/c", "/c/a/b"};
    static const char *const hosts[] = {"a.b", "A.B", "b", "x.a.b", "y.x.A.b", "c", "z.c", "", "q"};
    unsigned seed = 20240607;
    for (int round = 0; round < 3000; round++) {
        struct config_route routes[6] = {{0}};
        size_t count = next_random(&seed, COUNT(routes) + 1);
        for (size_t i = 0; i < count; i++) {
            routes[i].host = route_hosts[next_random(&seed, COUNT(route_hosts))];
            routes[i].path = paths[next_random(&seed, COUNT(paths))];
        }
        struct config config;
        struct router *router = new_router(&config, routes, count);
        for (int ask = 0; ask < 20; ask++) {
            const char *host = hosts[next_random(&seed, COUNT(hosts))];
            const char *path = paths[next_random(&seed, COUNT(paths))];
            struct slice below = {0};
            size_t expected = naive_find(&config, host, path);
            size_t found = router_find(router, slice_of_str(host), slice_of_str(path), &below);
            if (found != expected)
                fail_msg("round %d, \"%s\" %s: %zd, not %zd", round, host, path, (ssize_t)found,
                         (ssize_t)expected);
        }
        router_free(router);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefers_the_nearer_host_then_the_longer_path),
        cmocka_unit_test(names_a_host_in_any_case_and_fully_qualified),
        cmocka_unit_test(finds_nothing_where_nothing_matches),
        cmocka_unit_test(finds_nothing_without_routes),
        cmocka_unit_test(agrees_with_a_naive_matcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
