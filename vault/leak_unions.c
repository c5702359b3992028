/* Which credentials a route may inject is known from the configuration: its default, and what its
 * entries and those of the top level name. Routes that may inject the same share a search. */
#include "vault/leak_unions.h"

#include <stdlib.h>

#include "core/log.h"

static void mark(const struct config *config, bool *marks, size_t credential) {
    if (credential != CONFIG_NONE && leak_union_looks_for(&config->credentials[credential]))
        marks[credential] = true;
}

static void mark_entries(const struct config *config, bool *marks,
                         const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        mark(config, marks, entries->items[i].credential);
}

static bool list_marked(struct leak_union *leaks, const bool *marks, size_t count) {
    leaks->credentials = calloc(count ? count : 1, sizeof *leaks->credentials);
    if (!leaks->credentials)
        return false;
    for (size_t i = 0; i < count; i++)
        if (marks[i])
            leaks->credentials[leaks->credential_count++] = i;
    return true;
}

static bool list_credentials(const struct config *config, const struct config_route *route,
                             struct leak_union *leaks) {
    const size_t count = config->credential_count;
    bool *marks = calloc(count ? count : 1, sizeof *marks);
    if (!marks)
        return false;
    if (route->scrub) {
        mark(config, marks, route->credential);
        mark_entries(config, marks, &route->access);
        mark_entries(config, marks, &config->access);
    }
    const bool is_done = list_marked(leaks, marks, count);
    free(marks);
    return is_done;
}

static bool is_same(const struct leak_union *a, const struct leak_union *b) {
    return a->credential_count == b->credential_count &&
           memcmp(a->credentials, b->credentials, a->credential_count * sizeof *a->credentials) ==
               0;
}

/* Takes `leaks`. The index of it, or of one alike; CONFIG_NONE when it is empty. */
static size_t take(struct leak_unions *unions, struct leak_union *leaks) {
    size_t index = 0;
    if (leaks->credential_count == 0) {
        leak_union_done(leaks);
        return CONFIG_NONE;
    }
    while (index < unions->count && !is_same(&unions->items[index], leaks))
        index++;
    if (index < unions->count)
        leak_union_done(leaks);
    else
        unions->items[unions->count++] = *leaks;
    return index;
}

bool leak_unions_init(struct leak_unions *unions, const struct config *config) {
    const size_t count = config->route_count ? config->route_count : 1;
    unions->config = config;
    unions->items = calloc(count, sizeof *unions->items);
    unions->of_routes = calloc(count, sizeof *unions->of_routes);
    if (!unions->items || !unions->of_routes)
        return false;
    for (size_t i = 0; i < config->route_count; i++) {
        struct leak_union leaks = {0};
        if (!list_credentials(config, &config->routes[i], &leaks))
            return false;
        unions->of_routes[i] = take(unions, &leaks);
    }
    return true;
}

void leak_unions_done(struct leak_unions *unions) {
    for (size_t i = 0; i < unions->count; i++)
        leak_union_done(&unions->items[i]);
    free(unions->items);
    free(unions->of_routes);
    *unions = (struct leak_unions){0};
}

static bool may_hold_back(const struct leak_union *leaks, const struct shelf *shelves,
                          const struct shelf_views *views) {
    for (size_t i = 0; i < leaks->credential_count; i++)
        if (!shelf_may_hold_back(&shelves[leaks->credentials[i]], views))
            return false;
    return leaks->is_made;
}

/* What did not change stays as it is. */
static bool hold_back(const struct leak_union *leaks, struct shelf *shelves,
                      const struct shelf_views *views) {
    bool is_done = true;
    for (size_t i = 0; i < leaks->credential_count; i++)
        is_done &= shelf_hold_back(&shelves[leaks->credentials[i]], views);
    return is_done;
}

/* Once for each change that it lacks memory for, however often it is tried again. */
static void log_lack(const struct leak_unions *unions, size_t index) {
    const struct config *config = unions->config;
    struct leak_union *leaks = &unions->items[index];
    if (leaks->told_of == leaks->tried_of)
        return;
    leaks->told_of = leaks->tried_of;
    for (size_t i = 0; i < config->route_count; i++) {
        if (unions->of_routes[i] != index)
            continue;
        LOG_EVENT(leaks->is_made ? LOG_WARNING : LOG_ERROR, "secret",
                  LOG_STR("route", config->routes[i].name),
                  LOG_STR("what", leaks->is_made ? "held_back" : "unsearchable"),
                  LOG_STR("error", "secret memory has no room for the forms in which answers might "
                                   "repeat what the route injects; shorter values may fit"));
    }
}

static void give_up(struct leak_union *leaks) {
    leak_set_unref(leaks->set);
    leaks->set = NULL;
    leaks->is_made = false;
}

static void drop_previous(const struct leak_union *leaks, const struct shelf *shelves,
                          struct stored_secret *secrets) {
    for (size_t i = 0; i < leaks->credential_count; i++) {
        const struct shelf *shelf = &shelves[leaks->credentials[i]];
        for (size_t k = 0; k < shelf->secret_count; k++)
            stored_secret_drop_previous(&secrets[shelf->secrets[k]],
                                        "secret memory has no room to look for it as well");
    }
}

static bool has_previous(const struct leak_union *leaks, const struct shelf *shelves,
                         const struct stored_secret *secrets) {
    for (size_t i = 0; i < leaks->credential_count; i++)
        if (shelf_has_previous(&shelves[leaks->credentials[i]], secrets))
            return true;
    return false;
}

enum leak_unions_outcome leak_unions_make(struct leak_unions *unions, struct shelf *shelves,
                                          struct stored_secret *secrets,
                                          const struct shelf_views *views) {
    enum leak_unions_outcome outcome = LEAK_UNIONS_DONE;
    for (size_t i = 0; i < unions->count; i++) {
        struct leak_union *leaks = &unions->items[i];
        if (leak_union_make(leaks, shelves, secrets, views))
            continue;
        if (has_previous(leaks, shelves, secrets) && leak_union_fits_alone(leaks, shelves, views)) {
            drop_previous(leaks, shelves, secrets);
            return LEAK_UNIONS_AGAIN;
        }
        if (!may_hold_back(leaks, shelves, views))
            give_up(leaks);
        else if (!hold_back(leaks, shelves, views))
            outcome = LEAK_UNIONS_NO_MEMORY;
        log_lack(unions, i);
    }
    return outcome;
}

const struct leak_union *leak_unions_of(const struct leak_unions *unions, size_t route) {
    const size_t index = unions->of_routes[route];
    return index == CONFIG_NONE ? NULL : &unions->items[index];
}
