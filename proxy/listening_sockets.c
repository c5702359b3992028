/* A port that is taken is found before anything is served: all sockets are there first, then comes
 * the first thread. A socket that was taken over always has a worker that accepts from it, since
 * connections wait in it. */
#include "proxy/listening_sockets.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/listener.h"

enum { ADDRESSES_MAX = 64 };

/* Makes room for one more, and -1 is no socket. */
static enum status add(struct listening_sockets *sockets, int fd, size_t address) {
    struct worker_socket *items =
        realloc(sockets->items, (sockets->count + 1) * sizeof *sockets->items);
    if (items) {
        sockets->items = items;
    }
    if (fd < 0 || !items) {
        return STATUS_IO;
    }
    items[sockets->count++] = (struct worker_socket){.fd = fd, .address = address};
    return STATUS_OK;
}

/* A unix socket cannot be bound once per worker: the first one's is shared. */
static int open_for(const struct listening_sockets *sockets, const struct config_address *address,
                    size_t index, size_t worker, struct error *err) {
    for (size_t i = 0; worker > 0 && address->is_unix && i < sockets->first[1]; i++) {
        if (sockets->items[i].address == index) {
            return dup(sockets->items[i].fd);
        }
    }
    return listener_bind(address, true, err);
}

/* Where a former process had more workers, one has more sockets than one: none may be left that
 * nobody accepts from. */
static size_t taken_share(const struct listening_sockets *sockets, const char *name,
                          size_t worker) {
    size_t count = 0;
    for (size_t i = 0; i < sockets->taken.count; i++) {
        count += strcmp(sockets->taken.items[i].name, name) == 0;
    }
    return (count + sockets->worker_count - 1 - worker) / sockets->worker_count;
}

static enum status open_all_for(struct listening_sockets *sockets, const struct config *config,
                                size_t worker, struct error *err) {
    sockets->first[worker] = sockets->count;
    for (size_t i = 0; i < config->listen_count; i++) {
        char name[HAND_OVER_NAME_BYTES];
        hand_over_name("listen", &config->listen[i], name);
        size_t share = taken_share(sockets, name, worker);
        for (size_t j = 0; j < (share ? share : 1); j++) {
            int fd = share ? take_over_next(&sockets->taken, name)
                           : open_for(sockets, &config->listen[i], i, worker, err);
            if (add(sockets, fd, i) != STATUS_OK) {
                return STATUS_IO;
            }
        }
    }
    sockets->first[worker + 1] = sockets->count;
    return STATUS_OK;
}

/* SO_REUSEPORT lets every process of the same user in: a first socket without it finds out whether
 * the port is taken. */
static enum status find_taken_port(const struct listening_sockets *sockets,
                                   const struct config *config, struct error *err) {
    for (size_t i = 0; i < config->listen_count; i++) {
        char name[HAND_OVER_NAME_BYTES];
        hand_over_name("listen", &config->listen[i], name);
        if (config->listen[i].is_unix || taken_share(sockets, name, 0) > 0) {
            continue;
        }
        int fd = listener_bind(&config->listen[i], false, err);
        if (fd < 0) {
            return STATUS_IO;
        }
        close(fd);
    }
    return STATUS_OK;
}

static enum status open_admin(struct listening_sockets *sockets, const struct config *config,
                              struct error *err) {
    char name[HAND_OVER_NAME_BYTES];
    if (!config->admin_is_on) {
        return STATUS_OK;
    }
    hand_over_name("admin", &config->admin, name);
    sockets->admin_fd = take_over_next(&sockets->taken, name);
    if (sockets->admin_fd < 0) {
        sockets->admin_fd = listener_bind(&config->admin, false, err);
    }
    return sockets->admin_fd < 0 ? STATUS_IO : STATUS_OK;
}

enum status listening_sockets_open(struct listening_sockets *sockets, const struct config *config,
                                   size_t worker_count, bool takes_over, struct error *err) {
    assert(worker_count > 0 && worker_count <= WORKERS_MAX);
    *sockets = (struct listening_sockets){
        .worker_count = worker_count, .admin_fd = -1, .taken = TAKE_OVER_NONE};
    if (takes_over && take_over_ask(config, &sockets->taken, err) != STATUS_OK) {
        return STATUS_IO;
    }
    if (config->listen_count > ADDRESSES_MAX) {
        return error_set(err, STATUS_LIMIT, "more than %d addresses to listen on", ADDRESSES_MAX);
    }
    if (find_taken_port(sockets, config, err) != STATUS_OK) {
        return STATUS_IO;
    }
    for (size_t i = 0; i < worker_count; i++) {
        if (open_all_for(sockets, config, i, err) != STATUS_OK) {
            return STATUS_IO;
        }
    }
    return open_admin(sockets, config, err);
}

const struct worker_socket *listening_sockets_of(const struct listening_sockets *sockets,
                                                 size_t worker, size_t *out_count) {
    *out_count = sockets->first[worker + 1] - sockets->first[worker];
    return sockets->items + sockets->first[worker];
}

struct hand_over *listening_sockets_offer(struct listening_sockets *sockets, struct loop *loop,
                                          const struct config *config) {
    const struct hand_over_options options = {
        .loop = loop,
        .config = config,
        .sockets = sockets->items,
        .socket_count = sockets->count,
        .admin_fd = sockets->admin_fd,
        .offer_fd = take_over_next(&sockets->taken, HAND_OVER_OFFER),
        .predecessor_line = take_over_line(&sockets->taken),
    };
    take_over_done(&sockets->taken);
    return hand_over_new(&options);
}

void listening_sockets_done(struct listening_sockets *sockets) {
    free(sockets->items);
    sockets->items = NULL;
    sockets->count = 0;
}
