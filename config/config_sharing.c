/* One secret on several routes: a backend that is given another's secret can act as that one's
 * caller. Routes whose upstreams are the same, or some of the same, share nothing new. */
#include "config/config_parts.h"

#include <stdlib.h>

/* Where a route's requests go, as ascending numbers of places. */
struct places {
    size_t *numbers;
    size_t count;
};

/* What is shared has a number: a secret's index, or that of a credential without secrets behind
 * them. */
struct sharing {
    struct loader *loader;
    struct places *places;    /* by route */
    size_t *first_route;      /* by number: where it was seen first, */
    size_t *first_credential; /* and in which credential */
    size_t *last_route;       /* by credential: the route it was judged on last */
};

static int compare_numbers(const void *left, const void *right) {
    size_t a = *(const size_t *)left;
    size_t b = *(const size_t *)right;
    return (a > b) - (a < b);
}

static const char *place_of(struct loader *loader, const struct config_upstream *upstream) {
    if (upstream->is_unix)
        return LOADER_FORMAT(loader, "unix:%s", upstream->unix_path);
    struct slice host = slice_of_str(upstream->host ? upstream->host : "");
    return LOADER_FORMAT(loader, "%s %u", loader_copy_lower(loader, host), upstream->port);
}

static void number_places(struct loader *loader, const struct config_route *route,
                          struct name_index *known, struct places *out_places) {
    struct places places = {0};
    places.numbers = loader_array(loader, route->upstream_count, sizeof *places.numbers);
    for (size_t i = 0; places.numbers && i < route->upstream_count; i++) {
        struct slice place = slice_of_str(place_of(loader, &route->upstreams[i]));
        size_t number = name_index_find(known, place);
        if (number == NAME_INDEX_ABSENT) {
            number = known->count;
            loader_index(loader, known, place, number);
        }
        places.numbers[places.count++] = number;
    }
    if (places.count > 1)
        qsort(places.numbers, places.count, sizeof *places.numbers, compare_numbers);
    *out_places = places;
}

static bool is_within(const struct places *inner, const struct places *outer) {
    size_t at = 0;
    for (size_t i = 0; i < inner->count; i++) {
        while (at < outer->count && outer->numbers[at] < inner->numbers[i])
            at++;
        if (at == outer->count || outer->numbers[at] != inner->numbers[i])
            return false;
    }
    return true;
}

static bool goes_elsewhere(const struct sharing *sharing, size_t left, size_t right) {
    const struct places *a = &sharing->places[left];
    const struct places *b = &sharing->places[right];
    return !is_within(a, b) && !is_within(b, a);
}

/* The number's first route, if that one leads elsewhere; CONFIG_NONE otherwise. */
static size_t note_number(struct sharing *sharing, size_t number, size_t route, size_t credential) {
    size_t first = sharing->first_route[number];
    if (first == CONFIG_NONE) {
        sharing->first_route[number] = route;
        sharing->first_credential[number] = credential;
        return CONFIG_NONE;
    }
    return goes_elsewhere(sharing, first, route) ? first : CONFIG_NONE;
}

static void note_template(struct sharing *sharing, const struct config_template *template,
                          size_t route, size_t credential, size_t *out_number) {
    for (size_t i = 0; i < template->count; i++) {
        size_t secret = template->parts[i].secret;
        bool is_shared =
            secret != CONFIG_NONE && note_number(sharing, secret, route, credential) != CONFIG_NONE;
        if (is_shared)
            *out_number = secret;
    }
}

/* A number by which the credential is shared with another upstream; CONFIG_NONE when it is not. */
static size_t shared_number(struct sharing *sharing, size_t route, size_t index) {
    const struct config *config = sharing->loader->config;
    const struct config_credential *credential = &config->credentials[index];
    size_t single = credential->kind == CREDENTIAL_BASIC    ? credential->password
                    : credential->kind == CREDENTIAL_BEARER ? credential->bearer
                                                            : config->secret_count + index;
    size_t number = CONFIG_NONE;
    for (size_t i = 0; i < credential->field_count; i++)
        note_template(sharing, &credential->fields[i].value, route, index, &number);
    if (number != CONFIG_NONE)
        return number;
    return note_number(sharing, single, route, index) != CONFIG_NONE ? single : CONFIG_NONE;
}

static void note_credential(struct sharing *sharing, size_t route, size_t credential,
                            const struct node *node) {
    const struct config *config = sharing->loader->config;
    if (credential == CONFIG_NONE || !node || sharing->last_route[credential] == route)
        return;
    sharing->last_route[credential] = route;
    /* Who is shown a certificate cannot show it to anyone else. */
    if (config->credentials[credential].kind == CREDENTIAL_CLIENT_CERTIFICATE)
        return;
    size_t number = shared_number(sharing, route, credential);
    if (number == CONFIG_NONE)
        return;
    size_t other = sharing->first_credential[number];
    const char *name = config->routes[sharing->first_route[number]].name;
    if (other == credential)
        loader_warning(sharing->loader, node,
                       "the credential goes to another upstream on route %s too; two backends "
                       "that share a secret can each act as the other's caller; give each a "
                       "secret of its own",
                       QUOTE(slice_of_str(name)));
    else
        loader_warning(sharing->loader, node,
                       "holds a secret that goes to another upstream too, in %s on route %s; two "
                       "backends that share a secret can each act as the other's caller; give "
                       "each a secret of its own",
                       QUOTE(slice_of_str(config->credentials[other].name)),
                       QUOTE(slice_of_str(name)));
}

static void check_route(struct sharing *sharing, size_t index, const struct node *node) {
    const struct config_route *route = &sharing->loader->config->routes[index];
    note_credential(sharing, index, route->credential, node_find(node, SLICE("credential")));
    const struct node *access = node_find(node, SLICE("access"));
    const struct node *entry = access ? access->first : NULL;
    for (size_t i = 0; entry && i < route->access.count; i++, entry = entry->next)
        note_credential(sharing, index, route->access.items[i].credential,
                        node_find(entry, SLICE("credential")));
}

/* What the top level grants goes to every route's upstream. */
static void check_top_level(struct sharing *sharing) {
    const struct config *config = sharing->loader->config;
    const struct node *access = node_find(sharing->loader->root, SLICE("access"));
    const struct node *entry = access ? access->first : NULL;
    size_t other = 1;
    while (other < config->route_count && !goes_elsewhere(sharing, 0, other))
        other++;
    for (size_t i = 0; entry && i < config->access.count; i++, entry = entry->next) {
        size_t credential = config->access.items[i].credential;
        bool is_shared = credential != CONFIG_NONE && other < config->route_count &&
                         config->credentials[credential].kind != CREDENTIAL_CLIENT_CERTIFICATE;
        if (is_shared)
            loader_warning(sharing->loader, node_find(entry, SLICE("credential")),
                           "goes to the upstreams of all routes, of %s and of %s too; two backends "
                           "that share a secret can each act as the other's caller; grant it on "
                           "the route that it is meant for",
                           QUOTE(slice_of_str(config->routes[0].name)),
                           QUOTE(slice_of_str(config->routes[other].name)));
    }
}

static size_t *none_of(struct loader *loader, size_t count) {
    size_t *values = loader_array(loader, count, sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = CONFIG_NONE;
    return values;
}

void config_check_sharing(struct loader *loader) {
    const struct config *config = loader->config;
    struct name_index known = {0};
    size_t numbers = config->secret_count + config->credential_count;
    struct sharing sharing = {
        .loader = loader,
        .places = loader_array(loader, config->route_count, sizeof *sharing.places),
        .first_route = none_of(loader, numbers),
        .first_credential = none_of(loader, numbers),
        .last_route = none_of(loader, config->credential_count),
    };
    if (!sharing.places || !sharing.first_route || !sharing.first_credential || !sharing.last_route)
        return;
    for (size_t i = 0; i < config->route_count; i++)
        number_places(loader, &config->routes[i], &known, &sharing.places[i]);
    const struct node *node = node_find(loader->root, SLICE("routes"))->first;
    for (size_t i = 0; i < config->route_count; i++, node = node->next)
        check_route(&sharing, i, node);
    check_top_level(&sharing);
    name_index_done(&known);
}
