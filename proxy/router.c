/* Routes are found by hash: first the patterns that the host fits (the exact name, then the longer
 * suffix, then any host), then within each the longest prefix of the path that one of its routes
 * has. What a look-up costs depends on the host's labels and the path's segments, not on how many
 * routes there are. */
#include "proxy/router.h"

#include <stdlib.h>

#include "core/request_path.h"

enum host_kind { HOST_EXACT, HOST_SUFFIX, HOST_ANY };

/* One pattern, whatever number of routes have it. */
struct router_host {
    enum host_kind kind;
    struct slice name; /* the exact name, or ".suffix"; compared in any case */
    uint32_t hash;
    size_t longest_path;
};

struct router_row {
    size_t host;
    struct slice path;
    uint32_t hash;
    size_t route;
};

/* Numbers from 1 of what was put in, by hash, at least half empty; 0 is a free place. */
struct router_table {
    uint32_t *places;
    size_t mask;
};

struct router {
    struct router_host *hosts;
    size_t host_count;
    struct router_table host_table;
    size_t any_host;               /* CONFIG_NONE when no route takes any host */
    size_t longest_name[HOST_ANY]; /* exact, suffix: what is longer fits none */
    struct router_row *rows;
    size_t row_count;
    struct router_table row_table;
};

#define HASH_START UINT32_C(2166136261)

/* FNV-1a, a byte at a time, because every prefix of a path is looked up. */
static uint32_t hash_byte(uint32_t hash, char byte) {
    return (hash ^ (unsigned char)byte) * UINT32_C(16777619);
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* From the end, so that every suffix of a host has its hash on the way. */
static uint32_t hash_host(struct slice name) {
    uint32_t hash = HASH_START;
    for (size_t i = name.len; i-- > 0;)
        hash = hash_byte(hash, lower(name.ptr[i]));
    return hash;
}

static uint32_t hash_path(struct slice path) {
    uint32_t hash = HASH_START;
    for (size_t i = 0; i < path.len; i++)
        hash = hash_byte(hash, path.ptr[i]);
    return hash;
}

static size_t place_of(const struct router_table *table, uint32_t hash, size_t salt) {
    uint64_t spread = (hash + ((uint64_t)salt << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(spread >> 32) & table->mask;
}

static bool table_init(struct router_table *table, size_t count) {
    size_t places = 2;
    while (places < 2 * count)
        places *= 2;
    table->mask = places - 1;
    table->places = calloc(places, sizeof *table->places);
    return table->places != NULL;
}

static void table_put(struct router_table *table, uint32_t hash, size_t salt, size_t index) {
    size_t place = place_of(table, hash, salt);
    while (table->places[place])
        place = (place + 1) & table->mask;
    table->places[place] = (uint32_t)index + 1;
}

static size_t find_host(const struct router *router, enum host_kind kind, struct slice name,
                        uint32_t hash) {
    const struct router_table *table = &router->host_table;
    for (size_t place = place_of(table, hash, kind); table->places[place];
         place = (place + 1) & table->mask) {
        const struct router_host *host = &router->hosts[table->places[place] - 1];
        if (host->hash == hash && host->kind == kind && slice_eq_nocase(host->name, name))
            return table->places[place] - 1;
    }
    return CONFIG_NONE;
}

static const struct router_row *find_row(const struct router *router, size_t host,
                                         struct slice path, uint32_t hash) {
    const struct router_table *table = &router->row_table;
    for (size_t place = place_of(table, hash, host); table->places[place];
         place = (place + 1) & table->mask) {
        const struct router_row *row = &router->rows[table->places[place] - 1];
        if (row->hash == hash && row->host == host && slice_eq(row->path, path))
            return row;
    }
    return NULL;
}

static size_t add_host(struct router *router, const char *pattern) {
    struct router_host host = {.kind = HOST_ANY};
    if (pattern) {
        host.kind = pattern[0] == '*' ? HOST_SUFFIX : HOST_EXACT;
        host.name = slice_of_str(host.kind == HOST_SUFFIX ? pattern + 1 : pattern);
    }
    host.hash = hash_host(host.name);
    size_t index = find_host(router, host.kind, host.name, host.hash);
    if (index != CONFIG_NONE)
        return index;
    index = router->host_count++;
    router->hosts[index] = host;
    table_put(&router->host_table, host.hash, host.kind, index);
    if (host.kind == HOST_ANY)
        router->any_host = index;
    else if (host.name.len > router->longest_name[host.kind])
        router->longest_name[host.kind] = host.name.len;
    return index;
}

/* Of two routes for the same host and path the first in the file wins. */
static void add_route(struct router *router, const struct config_route *route, size_t index) {
    struct slice path = slice_of_str(route->path);
    struct router_row row = {add_host(router, route->host), path, hash_path(path), index};
    if (find_row(router, row.host, row.path, row.hash))
        return;
    struct router_host *host = &router->hosts[row.host];
    if (path.len > host->longest_path)
        host->longest_path = path.len;
    router->rows[router->row_count] = row;
    table_put(&router->row_table, row.hash, row.host, router->row_count++);
}

struct router *router_new(const struct config *config) {
    struct router *router = calloc(1, sizeof *router);
    if (!router)
        return NULL;
    size_t count = config->route_count;
    router->any_host = CONFIG_NONE;
    router->hosts = calloc(count + 1, sizeof *router->hosts);
    router->rows = calloc(count + 1, sizeof *router->rows);
    if (!router->hosts || !router->rows || !table_init(&router->host_table, count) ||
        !table_init(&router->row_table, count)) {
        router_free(router);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        add_route(router, &config->routes[i], i);
    return router;
}

void router_free(struct router *router) {
    if (!router)
        return;
    free(router->host_table.places);
    free(router->row_table.places);
    free(router->hosts);
    free(router->rows);
    free(router);
}

/* The host's route with the longest prefix of `path`; NULL when it has none. */
static const struct router_row *find_path(const struct router *router, size_t host,
                                          struct slice path) {
    const struct router_row *found = find_row(router, host, SLICE("/"), hash_path(SLICE("/")));
    uint32_t hash = HASH_START;
    for (size_t i = 0; i <= path.len && i <= router->hosts[host].longest_path; i++) {
        bool ends_segment = i > 0 && (i == path.len || path.ptr[i] == '/');
        const struct router_row *row =
            ends_segment ? find_row(router, host, slice_of(path.ptr, i), hash) : NULL;
        if (row)
            found = row;
        if (i < path.len)
            hash = hash_byte(hash, path.ptr[i]);
    }
    return found;
}

/* The longer suffix comes first, and is met last: what it finds replaces what shorter ones found.
 */
static const struct router_row *find_suffix(const struct router *router, struct slice host,
                                            struct slice path) {
    const struct router_row *found = NULL;
    uint32_t hash = HASH_START;
    for (size_t len = 1; len < host.len && len <= router->longest_name[HOST_SUFFIX]; len++) {
        struct slice suffix = slice_skip(host, host.len - len);
        hash = hash_byte(hash, lower(suffix.ptr[0]));
        if (suffix.ptr[0] != '.')
            continue;
        size_t index = find_host(router, HOST_SUFFIX, suffix, hash);
        const struct router_row *row = index == CONFIG_NONE ? NULL : find_path(router, index, path);
        if (row)
            found = row;
    }
    return found;
}

static const struct router_row *find_exact(const struct router *router, struct slice host,
                                           struct slice path) {
    if (host.len > router->longest_name[HOST_EXACT])
        return NULL;
    size_t index = find_host(router, HOST_EXACT, host, hash_host(host));
    return index == CONFIG_NONE ? NULL : find_path(router, index, path);
}

size_t router_find(const struct router *router, struct slice host, struct slice path,
                   struct slice *out_below) {
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--; /* a fully qualified name names the same host */
    const struct router_row *row = find_exact(router, host, path);
    if (!row)
        row = find_suffix(router, host, path);
    if (!row && router->any_host != CONFIG_NONE)
        row = find_path(router, router->any_host, path);
    return row && request_path_below(path, row->path, out_below) ? row->route : CONFIG_NONE;
}
