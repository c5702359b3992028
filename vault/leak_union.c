/* Collecting values. They come from what is held and not from renderings, so that what could not be
 * rendered is looked for too; of basic also the text that was encoded, because its base64 is none
 * of the password's own.
 *
 * A client certificate leaves nothing to look for: its key goes into signatures and never into a
 * request, and the certificate itself is public. Callers' tokens are each looked for in the answer
 * to its own request. */
#include "vault/leak_union.h"

#include <stdlib.h>

struct values {
    struct leak_source *sources;
    struct secret **secrets; /* what they are in, with a reference */
    size_t count;
    bool failed;
};

static bool is_known(const struct values *values, const struct secret *secret) {
    for (size_t i = 0; i < values->count; i++)
        if (values->secrets[i] == secret)
            return true;
    return false;
}

/* NULL is no value. */
static void add(struct values *values, struct secret *secret, enum leak_kind kind) {
    if (!secret || is_known(values, secret))
        return;
    values->secrets[values->count] = secret_ref(secret);
    values->sources[values->count++] = (struct leak_source){secret_bytes(secret), kind};
}

/* What cannot be joined was never sent. */
static void add_joined(struct values *values, const struct shelf *shelf,
                       const struct secret_view *views) {
    struct secret *joined = NULL;
    for (size_t i = 0; i < shelf->secret_count; i++)
        if (!views[shelf->secrets[i]].value)
            return;
    values->failed |= credential_join(shelf->config, views, &joined, NULL) == STATUS_NO_MEMORY;
    add(values, joined, LEAK_VALUE);
    secret_unref(joined);
}

static void add_shelf(struct values *values, const struct shelf *shelf,
                      const struct shelf_views *views) {
    for (size_t i = 0; i < shelf->secret_count; i++) {
        add(values, views->current[shelf->secrets[i]].value, LEAK_VALUE);
        add(values, views->previous[shelf->secrets[i]].value, LEAK_VALUE);
    }
    if (shelf->config->kind == CREDENTIAL_BASIC) {
        add_joined(values, shelf, views->current);
        add_joined(values, shelf, views->previous);
    }
    add(values, shelf->token.value, LEAK_TOKEN);
    add(values, shelf->token.before, LEAK_TOKEN);
}

/* For each secret and for what a basic credential joins: now and before; the same of a token. */
static size_t most_values(const struct leak_union *leaks, const struct shelf *shelves) {
    size_t most = 0;
    for (size_t i = 0; i < leaks->credential_count; i++)
        most += 2 * (shelves[leaks->credentials[i]].secret_count + 1);
    return most;
}

static bool values_init(struct values *values, size_t most) {
    *values = (struct values){.sources = calloc(most ? most : 1, sizeof *values->sources),
                              .secrets = calloc(most ? most : 1, sizeof *values->secrets)};
    return values->sources && values->secrets;
}

static void values_done(struct values *values) {
    for (size_t i = 0; i < values->count; i++)
        secret_unref(values->secrets[i]);
    free(values->sources);
    free(values->secrets);
}

static bool make_set(const struct leak_union *leaks, const struct shelf *shelves,
                     const struct shelf_views *views, struct leak_set **out_set) {
    struct values values;
    bool is_done = values_init(&values, most_values(leaks, shelves));
    for (size_t i = 0; is_done && i < leaks->credential_count; i++)
        add_shelf(&values, &shelves[leaks->credentials[i]], views);
    is_done = is_done && !values.failed && leak_set_new(values.sources, values.count, out_set);
    values_done(&values);
    return is_done;
}

bool leak_union_looks_for(const struct config_credential *credential) {
    return credential->kind != CREDENTIAL_CLIENT_CERTIFICATE &&
           credential->kind != CREDENTIAL_ON_BEHALF_OF;
}

bool leak_union_make(struct leak_union *leaks, const struct shelf *shelves,
                     const struct stored_secret *secrets, const struct shelf_views *views) {
    uint64_t changes = 0;
    for (size_t i = 0; i < leaks->credential_count; i++)
        changes += shelf_changes(&shelves[leaks->credentials[i]], secrets);
    leaks->tried_of = changes;
    leaks->lacks_memory = false;
    if (leaks->is_made && leaks->made_of == changes)
        return true;
    struct leak_set *set = NULL;
    if (!make_set(leaks, shelves, views, &set)) {
        leaks->lacks_memory = true;
        return false;
    }
    leak_set_unref(leaks->set);
    leaks->set = set;
    leaks->is_made = true;
    leaks->made_of = changes;
    return true;
}

bool leak_union_fits_alone(const struct leak_union *leaks, const struct shelf *shelves,
                           const struct shelf_views *views) {
    const struct shelf_views alone = {.current = views->current, .previous = views->current};
    struct leak_set *set = NULL;
    const bool fits = make_set(leaks, shelves, &alone, &set);
    leak_set_unref(set);
    return fits;
}

void leak_union_done(struct leak_union *leaks) {
    leak_set_unref(leaks->set);
    free(leaks->credentials);
    *leaks = (struct leak_union){0};
}
