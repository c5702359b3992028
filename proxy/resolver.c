/* Numeric addresses and unix sockets are settled at start; only when a real name is configured does
 * the thread look again. */
#include "proxy/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>

enum { RESOLVE_INTERVAL_SEC = 10 };

/* Its thread may be in a look-up when the owner lets go: the last of the two frees it. */
struct resolver {
    atomic_uint holders;
    struct config *config;
    struct mailbox *mailbox;
    uint64_t id;
    resolver_on_book *on_book;
    pthread_mutex_t mutex; /* guards what follows; no book is posted once is_ending is set */
    struct address_book *last;
    struct timespec next_round; /* monotonic */
    pthread_cond_t wake;
    bool is_ending;
};

struct book_message {
    struct message message;
    resolver_on_book *on_book;
    uint64_t id;
    struct address_book *book;
};

struct address_book *address_book_ref(struct address_book *book) {
    atomic_fetch_add_explicit(&book->refs, 1, memory_order_relaxed);
    return book;
}

void address_book_unref(struct address_book *book) {
    if (book && atomic_fetch_sub_explicit(&book->refs, 1, memory_order_acq_rel) == 1) {
        free(book->upstreams);
        free(book);
    }
}

size_t address_book_index(const struct config *config, size_t route, size_t upstream) {
    size_t index = upstream;
    for (size_t i = 0; i < route; i++) {
        index += config->routes[i].upstream_count;
    }
    return index;
}

static void resolve_unix(const struct config_upstream *upstream, struct upstream_addresses *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", upstream->unix_path);
    memcpy(&out->items[0], &address, sizeof address);
    out->lengths[0] = sizeof address;
    out->count = 1;
}

static void resolve_name(const struct config_upstream *upstream, struct upstream_addresses *out) {
    char port[6];
    snprintf(port, sizeof port, "%u", (unsigned)upstream->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(upstream->host, port, &hints, &found) != 0) {
        return;
    }
    for (struct addrinfo *item = found; item && out->count < ADDRESS_MAX_PER_UPSTREAM;
         item = item->ai_next) {
        memcpy(&out->items[out->count], item->ai_addr, item->ai_addrlen);
        out->lengths[out->count++] = item->ai_addrlen;
    }
    freeaddrinfo(found);
}

/* Addresses that are known already. */
struct known_addresses {
    const struct config *config;
    const struct address_book *book; /* NULL: none are */
};

/* NULL when nobody has looked it up: that it does not resolve is known too. */
static const struct upstream_addresses *find_known(const struct known_addresses *known,
                                                   const struct config_upstream *upstream) {
    size_t row = 0;
    for (size_t i = 0; known->book && i < known->config->route_count; i++) {
        const struct config_route *route = &known->config->routes[i];
        for (size_t j = 0; j < route->upstream_count; j++, row++) {
            const struct config_upstream *other = &route->upstreams[j];
            if (!other->is_unix && other->port == upstream->port &&
                strcmp(other->host, upstream->host) == 0) {
                return &known->book->upstreams[row];
            }
        }
    }
    return NULL;
}

static void resolve(const struct config_upstream *upstream, const struct known_addresses *known,
                    struct upstream_addresses *out) {
    const struct upstream_addresses *found = upstream->is_unix ? NULL : find_known(known, upstream);
    if (upstream->is_unix) {
        resolve_unix(upstream, out);
    } else if (found) {
        *out = *found;
    } else {
        resolve_name(upstream, out);
    }
}

static struct address_book *book_resolve(const struct config *config,
                                         const struct known_addresses *known) {
    struct address_book *book = calloc(1, sizeof *book);
    if (!book) {
        return NULL;
    }
    atomic_init(&book->refs, 1);
    book->count = address_book_index(config, config->route_count, 0);
    book->upstreams = calloc(book->count + 1, sizeof *book->upstreams);
    if (!book->upstreams) {
        free(book);
        return NULL;
    }
    size_t row = 0;
    for (size_t i = 0; i < config->route_count; i++) {
        for (size_t j = 0; j < config->routes[i].upstream_count; j++) {
            resolve(&config->routes[i].upstreams[j], known, &book->upstreams[row++]);
        }
    }
    return book;
}

/* A name that stopped resolving keeps its last addresses: a DNS outage is no reason to lose a
 * working upstream. */
static void book_keep_old_addresses(struct address_book *fresh, const struct address_book *last) {
    for (size_t i = 0; i < fresh->count && i < last->count; i++) {
        if (fresh->upstreams[i].count == 0) {
            fresh->upstreams[i] = last->upstreams[i];
        }
    }
}

static bool holds_address(const struct upstream_addresses *set,
                          const struct sockaddr_storage *address) {
    for (size_t i = 0; i < set->count; i++) {
        if (memcmp(&set->items[i], address, sizeof *address) == 0) {
            return true;
        }
    }
    return false;
}

/* DNS rotates its answers: another order of the same addresses is no news. */
static bool addresses_differ(const struct upstream_addresses *a,
                             const struct upstream_addresses *b) {
    bool differ = a->count != b->count;
    for (size_t i = 0; !differ && i < a->count; i++) {
        differ = !holds_address(b, &a->items[i]);
    }
    return differ;
}

static bool book_differs(const struct address_book *a, const struct address_book *b) {
    for (size_t i = 0; i < a->count; i++) {
        if (addresses_differ(&a->upstreams[i], &b->upstreams[i])) {
            return true;
        }
    }
    return false;
}

static bool is_name(const struct config_upstream *upstream) {
    if (upstream->is_unix) {
        return false;
    }
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    if (getaddrinfo(upstream->host, NULL, &hints, &found) != 0) {
        return true;
    }
    freeaddrinfo(found);
    return false;
}

static bool config_has_names(const struct config *config) {
    for (size_t i = 0; i < config->route_count; i++) {
        for (size_t j = 0; j < config->routes[i].upstream_count; j++) {
            if (is_name(&config->routes[i].upstreams[j])) {
                return true;
            }
        }
    }
    return false;
}

static void deliver_book(struct message *message, void *receiver) {
    struct book_message *letter = (struct book_message *)message;
    letter->on_book(receiver, letter->id, letter->book);
    free(letter);
}

static void resolver_post(struct resolver *resolver, struct address_book *book) {
    struct book_message *letter = calloc(1, sizeof *letter);
    if (!letter) {
        return; /* the next round tries again: `last` is unchanged */
    }
    address_book_unref(resolver->last);
    resolver->last = address_book_ref(book);
    letter->message.on_deliver = deliver_book;
    letter->on_book = resolver->on_book;
    letter->id = resolver->id;
    letter->book = address_book_ref(book);
    mailbox_post(resolver->mailbox, &letter->message);
}

static void resolver_let_go(struct resolver *resolver) {
    if (atomic_fetch_sub_explicit(&resolver->holders, 1, memory_order_acq_rel) != 1) {
        return;
    }
    pthread_cond_destroy(&resolver->wake);
    pthread_mutex_destroy(&resolver->mutex);
    address_book_unref(resolver->last);
    config_unref(resolver->config);
    free(resolver);
}

static struct timespec next_round(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += RESOLVE_INTERVAL_SEC;
    return time;
}

/* Waits for the next round; false when the resolver ends. */
static bool resolver_wait(struct resolver *resolver) {
    pthread_mutex_lock(&resolver->mutex);
    int waited = 0;
    while (!resolver->is_ending && waited == 0) {
        waited = pthread_cond_timedwait(&resolver->wake, &resolver->mutex, &resolver->next_round);
    }
    bool goes_on = !resolver->is_ending;
    pthread_mutex_unlock(&resolver->mutex);
    return goes_on;
}

/* `book` may be NULL: then nothing was found out. */
static void resolver_end_round(struct resolver *resolver, struct address_book *book) {
    pthread_mutex_lock(&resolver->mutex);
    if (book) {
        book_keep_old_addresses(book, resolver->last);
    }
    if (book && !resolver->is_ending && book_differs(book, resolver->last)) {
        resolver_post(resolver, book);
    }
    resolver->next_round = next_round();
    pthread_mutex_unlock(&resolver->mutex);
    address_book_unref(book);
}

static void *resolver_main(void *argument) {
    struct resolver *resolver = argument;
    const struct known_addresses none = {0};
    while (resolver_wait(resolver)) {
        resolver_end_round(resolver, book_resolve(resolver->config, &none));
    }
    resolver_let_go(resolver);
    return NULL;
}

/* Without a thread the first addresses stay. */
static void resolver_start_thread(struct resolver *resolver) {
    pthread_t thread;
    atomic_fetch_add_explicit(&resolver->holders, 1, memory_order_relaxed);
    if (pthread_create(&thread, NULL, resolver_main, resolver) == 0) {
        pthread_detach(thread);
    } else {
        resolver_let_go(resolver);
    }
}

/* Whoever reloads more often than a round takes must not keep names from being looked up again. */
static struct address_book *book_of_former(struct resolver *former, struct timespec *out_next) {
    pthread_mutex_lock(&former->mutex);
    struct address_book *book = address_book_ref(former->last);
    *out_next = former->next_round;
    pthread_mutex_unlock(&former->mutex);
    return book;
}

struct resolver *resolver_new(struct config *config, struct resolver *former,
                              struct mailbox *mailbox, uint64_t id, resolver_on_book *on_book,
                              struct address_book **out_book, struct error *err) {
    struct resolver *resolver = calloc(1, sizeof *resolver);
    struct timespec first_round = next_round();
    struct address_book *former_book = former ? book_of_former(former, &first_round) : NULL;
    const struct known_addresses known = {.config = former ? former->config : NULL,
                                          .book = former_book};
    struct address_book *book = book_resolve(config, &known);
    address_book_unref(former_book);
    if (!resolver || !book) {
        address_book_unref(book);
        free(resolver);
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&resolver->holders, 1);
    resolver->config = config_ref(config);
    resolver->mailbox = mailbox;
    resolver->id = id;
    resolver->on_book = on_book;
    resolver->last = address_book_ref(book);
    resolver->next_round = first_round;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&resolver->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&resolver->mutex, NULL);
    if (config_has_names(config)) {
        resolver_start_thread(resolver);
    }
    *out_book = book;
    return resolver;
}

void resolver_free(struct resolver *resolver) {
    if (!resolver) {
        return;
    }
    pthread_mutex_lock(&resolver->mutex);
    resolver->is_ending = true;
    pthread_cond_signal(&resolver->wake);
    pthread_mutex_unlock(&resolver->mutex);
    resolver_let_go(resolver);
}
