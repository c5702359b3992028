/* The keeper's own source of keys, run by hand. Online it is given no state folder: a command that
 * somebody else runs must not write there. */
#include "proxy/key_fetcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/key_slot.h"
#include "core/clock.h"

enum { FETCH_LIMIT_MS = 15000, TURN_MS = 200 };

struct key_fetcher {
    struct config view; /* the configuration's, with or without `state`; owns nothing */
    bool is_offline;
    struct loop *loop;
    struct http_client *client; /* NULL until something is fetched */
    struct key_source *source;
    struct key_ring *ring;
    bool *was_tried;      /* by slot */
    struct error problem; /* with the state folder, which is then done without */
    bool is_done;
};

static void on_ring(void *owner, struct key_ring *ring) {
    struct key_fetcher *fetcher = owner;
    key_ring_unref(fetcher->ring);
    fetcher->ring = ring;
}

/* Embedded, so that its callback finds the fetcher. */
struct fetch {
    struct key_want want;
    struct key_fetcher *fetcher;
};

static void on_want_done(struct key_want *want) {
    ((struct fetch *)want)->fetcher->is_done = true;
}

static enum status open_source(struct key_fetcher *fetcher, struct error *err) {
    fetcher->source =
        key_source_new(fetcher->loop, fetcher->client, &fetcher->view, on_ring, fetcher, err);
    if (!fetcher->source) {
        return STATUS_IO;
    }
    on_ring(fetcher, key_source_ring(fetcher->source));
    return STATUS_OK;
}

/* A folder that cannot be used is as good as an empty one, and said. */
static bool open_first_source(struct key_fetcher *fetcher, struct error *err) {
    if (open_source(fetcher, err) == STATUS_OK) {
        return true;
    }
    fetcher->problem = *err;
    fetcher->view.state = NULL;
    return open_source(fetcher, err) == STATUS_OK;
}

struct key_fetcher *key_fetcher_new(const struct config *config, bool is_offline,
                                    struct error *err) {
    struct key_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    fetcher->view = *config;
    fetcher->is_offline = is_offline;
    if (!is_offline) {
        fetcher->view.state = NULL;
    }
    fetcher->was_tried = calloc(key_slot_count(&config->entra) + 1, sizeof *fetcher->was_tried);
    fetcher->loop = loop_new(err);
    if (fetcher->was_tried && fetcher->loop && !is_offline) {
        fetcher->client = http_client_new(fetcher->loop, NULL, err);
    }
    if (!fetcher->was_tried || !fetcher->loop || (!is_offline && !fetcher->client) ||
        !open_first_source(fetcher, err)) {
        key_fetcher_free(fetcher);
        return NULL;
    }
    return fetcher;
}

void key_fetcher_free(struct key_fetcher *fetcher) {
    if (!fetcher) {
        return;
    }
    key_source_free(fetcher->source);
    key_ring_unref(fetcher->ring);
    if (fetcher->client) {
        http_client_free(fetcher->client);
    }
    if (fetcher->loop) {
        loop_free(fetcher->loop);
    }
    free(fetcher->was_tried);
    free(fetcher);
}

const struct key_ring *key_fetcher_ring(const struct key_fetcher *fetcher) {
    return fetcher->ring;
}

bool key_fetcher_fetch(struct key_fetcher *fetcher, size_t slot) {
    struct fetch fetch = {.want = {.slot = slot, .on_done = on_want_done}, .fetcher = fetcher};
    if (fetcher->is_offline || !fetcher->source || fetcher->was_tried[slot]) {
        return false;
    }
    fetcher->was_tried[slot] = true;
    fetcher->is_done = false;
    fetch.want.generation = key_ring_slot(fetcher->ring, slot)->generation;
    key_source_want(fetcher->source, &fetch.want);
    uint64_t until_ms = clock_monotonic_ms() + FETCH_LIMIT_MS;
    while (!fetcher->is_done && clock_monotonic_ms() < until_ms) {
        loop_run_once(fetcher->loop, TURN_MS);
    }
    if (!fetcher->is_done) { /* the want must not outlive this call */
        struct error err;
        key_source_free(fetcher->source);
        fetcher->source = NULL;
        return open_source(fetcher, &err) == STATUS_OK;
    }
    return true;
}

const char *key_fetcher_problem(const struct key_fetcher *fetcher, size_t slot) {
    if (key_ring_slot(fetcher->ring, slot)->keys) {
        return "";
    }
    if (fetcher->problem.text[0]) {
        return fetcher->problem.text;
    }
    if (fetcher->is_offline) {
        return fetcher->view.state ? "the state folder has no usable keys of this tenant"
                                   : "offline, and the configuration has no state folder";
    }
    const struct config_entra *entra = &fetcher->view.entra;
    for (size_t i = 0; fetcher->source && i < key_source_state_count(fetcher->source); i++) {
        struct key_source_state state;
        key_source_state(fetcher->source, i, &state);
        struct key_slot at = key_slot_at(entra, slot);
        const char *issuer = at.issuer == CONFIG_NONE ? NULL : entra->issuers[at.issuer].name;
        if (state.version == at.version &&
            strcmp(state.tenant, key_slot_tenant(entra, slot)) == 0 &&
            (issuer == NULL) == (state.issuer == NULL) &&
            (!issuer || strcmp(issuer, state.issuer) == 0)) {
            return state.last_error;
        }
    }
    return "the keys could not be fetched in time";
}
