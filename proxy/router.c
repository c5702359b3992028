/* Routes are sorted once so that the first match is the right one: exact host, then the longer host
 * suffix, then any host; within equal hosts the longer path. */
#include "proxy/router.h"

#include <stdlib.h>
#include <strings.h>

#include "core/request_path.h"

enum host_kind { HOST_EXACT, HOST_SUFFIX, HOST_ANY };

struct router_row {
    enum host_kind host_kind;
    struct slice host; /* the exact name, or ".suffix" */
    struct slice path;
    size_t route;
};

struct router {
    struct router_row *rows;
    size_t count;
};

static int compare_sizes(size_t longer_first_a, size_t longer_first_b) {
    return longer_first_a > longer_first_b ? -1 : longer_first_a < longer_first_b;
}

static int compare_rows(const void *left, const void *right) {
    const struct router_row *a = left;
    const struct router_row *b = right;
    if (a->host_kind != b->host_kind) {
        return a->host_kind < b->host_kind ? -1 : 1;
    }
    if (a->host_kind == HOST_SUFFIX && a->host.len != b->host.len) {
        return compare_sizes(a->host.len, b->host.len);
    }
    if (a->path.len != b->path.len) {
        return compare_sizes(a->path.len, b->path.len);
    }
    return a->route < b->route ? -1 : 1;
}

static struct router_row row_of(const struct config_route *route, size_t index) {
    struct router_row row = {
        .host_kind = HOST_ANY, .path = slice_of_str(route->path), .route = index};
    if (route->host) {
        bool is_suffix = route->host[0] == '*';
        row.host_kind = is_suffix ? HOST_SUFFIX : HOST_EXACT;
        row.host = slice_of_str(is_suffix ? route->host + 1 : route->host);
    }
    return row;
}

struct router *router_new(const struct config *config) {
    struct router *router = calloc(1, sizeof *router);
    if (!router) {
        return NULL;
    }
    router->rows = calloc(config->route_count + 1, sizeof *router->rows);
    if (!router->rows) {
        free(router);
        return NULL;
    }
    router->count = config->route_count;
    for (size_t i = 0; i < config->route_count; i++) {
        router->rows[i] = row_of(&config->routes[i], i);
    }
    qsort(router->rows, router->count, sizeof *router->rows, compare_rows);
    return router;
}

void router_free(struct router *router) {
    if (router) {
        free(router->rows);
        free(router);
    }
}

static bool host_matches(const struct router_row *row, struct slice host) {
    switch (row->host_kind) {
    case HOST_EXACT:
        return slice_eq_nocase(row->host, host);
    case HOST_SUFFIX:
        return host.len > row->host.len &&
               slice_eq_nocase(row->host, slice_skip(host, host.len - row->host.len));
    case HOST_ANY:
        return true;
    }
    return false;
}

size_t router_find(const struct router *router, struct slice host, struct slice path,
                   struct slice *out_below) {
    if (host.len && host.ptr[host.len - 1] == '.') {
        host.len--; /* a fully qualified name names the same host */
    }
    for (size_t i = 0; i < router->count; i++) {
        const struct router_row *row = &router->rows[i];
        if (host_matches(row, host) && request_path_below(path, row->path, out_below)) {
            return row->route;
        }
    }
    return CONFIG_NONE;
}
