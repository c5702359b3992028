/* What the server and the `token` command both need: state directory, keys, seed, issuer origin. */
#ifndef BARKEEP_STANDIN_WORLD_H
#define BARKEEP_STANDIN_WORLD_H

#include "key_ring.h"
#include "seed.h"
#include "sign_ins.h"
#include "state.h"

#define DEFAULT_HTTPS_PORT 18443
#define DEFAULT_HTTP_PORT 18080

struct world {
    struct state state;
    struct key_ring *keys;
    struct seed seed;
    char *origin; /* https://127.0.0.1:PORT as a rule: every issuer starts so */
    struct sign_ins sign_ins;
    int64_t token_lifetime_sec; /* of tokens issued by endpoints; 0: what each usually gives */
};

/* State, keys and origin as the last server left them, or as the first one will find them; the seed
 * is still empty. `world` is pinned: the key ring refers to its state. */
enum status world_open(struct world *world, const char *dir, struct error *err);
/* The seed that the last server used, or the default one. */
enum status world_load_seed(struct world *world, struct error *err);
/* Replaces the seed (`path` NULL: the default one) for this process and for `token` commands. */
enum status world_use_seed(struct world *world, const char *path, struct error *err);
/* Fixes the origin for this process and for `token` commands. */
enum status world_use_origin(struct world *world, const char *scheme, unsigned port,
                             struct error *err);
void world_done(struct world *world);

#endif
