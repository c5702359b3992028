/* What the server and the `token` command both need. The server leaves its seed and its origin in
 * the state directory, so that tokens minted beside it fit. */
#include "world.h"

#include <fcntl.h>
#include <stdlib.h>

#include "must.h"

#define SEED_FILE "seed.json"
#define ORIGIN_FILE "origin"

/* Leaves `*text` alone when there is no such file. */
static enum status read_optional(const struct state *state, const char *name, char **text,
                                 struct error *err) {
    enum status status = state_read(state, name, text, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status world_open(struct world *world, const char *dir, struct error *err) {
    *world = (struct world){.state = {.dir_fd = -1, .lock_fd = -1}};
    enum status status = state_open(&world->state, dir, err);
    if (status == STATUS_OK)
        status = key_ring_open(&world->state, &world->keys, err);
    if (status == STATUS_OK)
        status = read_optional(&world->state, ORIGIN_FILE, &world->origin, err);
    if (status == STATUS_OK && !world->origin)
        world->origin = must_printf("https://127.0.0.1:%d", DEFAULT_HTTPS_PORT);
    if (status != STATUS_OK)
        world_done(world);
    return status;
}

enum status world_load_seed(struct world *world, struct error *err) {
    char *text = NULL;
    enum status status = read_optional(&world->state, SEED_FILE, &text, err);
    if (status == STATUS_OK)
        status = seed_parse(text, &world->seed, err);
    free(text);
    return status;
}

enum status world_use_seed(struct world *world, const char *path, struct error *err) {
    char *text = NULL;
    enum status status = path ? file_read(AT_FDCWD, path, &text, err) : STATUS_OK;
    struct seed fresh;
    struct error reason = {0};
    if (status == STATUS_OK) {
        status = seed_parse(text, &fresh, &reason);
        if (status != STATUS_OK)
            error_set(err, status, "%s: %s", path ? path : "default seed", reason.text);
    }
    if (status == STATUS_OK) {
        seed_done(&world->seed);
        world->seed = fresh;
        if (text)
            status = state_write(&world->state, SEED_FILE, text, err);
        else
            state_remove(&world->state, SEED_FILE);
    }
    free(text);
    return status;
}

enum status world_use_origin(struct world *world, const char *scheme, unsigned port,
                             struct error *err) {
    free(world->origin);
    world->origin = must_printf("%s://127.0.0.1:%u", scheme, port);
    return state_write(&world->state, ORIGIN_FILE, world->origin, err);
}

void world_done(struct world *world) {
    free(world->origin);
    sign_ins_done(&world->sign_ins);
    seed_done(&world->seed);
    key_ring_free(world->keys);
    state_close(&world->state);
    *world = (struct world){.state = {.dir_fd = -1, .lock_fd = -1}};
}
