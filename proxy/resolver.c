/* Numeric addresses and unix sockets are settled at start; only when a real name is configured is
 * there a thread, which looks new names up first of all. */
#include "proxy/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <time.h>

#include "core/clock.h"
#include "proxy/address_class.h"

enum { RESOLVE_INTERVAL_SEC = 10, TELL_AFTER_MS = 100 };

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
    out->unix_path = upstream->unix_path;
    out->count = 1;
}

/* The addresses of a host that is a name or numeric; numbers alone when `flags` say so. */
static struct addrinfo *look_up(const struct config_upstream *upstream, int flags) {
    char port[6];
    snprintf(port, sizeof port, "%u", (unsigned)upstream->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    return getaddrinfo(upstream->host, port, &hints, &found) == 0 ? found : NULL;
}

static void add_address(struct upstream_addresses *out, const struct addrinfo *item) {
    if (item->ai_addrlen <= sizeof *out->items) {
        memcpy(&out->items[out->count++], item->ai_addr, item->ai_addrlen);
    }
}

/* False when the host is a name. */
static bool resolve_number(const struct config_upstream *upstream, struct upstream_addresses *out) {
    struct addrinfo *found = look_up(upstream, AI_NUMERICHOST);
    if (found) {
        add_address(out, found);
        freeaddrinfo(found);
    }
    return found;
}

static void resolve_name(const struct config_route *route, const struct config_upstream *upstream,
                         struct upstream_addresses *out) {
    struct addrinfo *found = look_up(upstream, 0);
    for (struct addrinfo *item = found; item && out->count < ADDRESS_MAX_PER_UPSTREAM;
         item = item->ai_next) {
        if (address_is_allowed(item->ai_addr, upstream, &route->upstream_networks)) {
            add_address(out, item);
        }
    }
    out->is_barred = found && out->count == 0;
    if (found) {
        freeaddrinfo(found);
    }
}

/* Addresses that are known already. */
struct known_addresses {
    const struct config *config;
    const struct address_book *book; /* NULL: none are */
};

static bool has_same_networks(const struct config_networks *a, const struct config_networks *b) {
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = a->items[i].prefix_bits == b->items[i].prefix_bits &&
                  memcmp(a->items[i].address, b->items[i].address, sizeof a->items[i].address) == 0;
    }
    return is_same;
}

static bool leads_to_same(const struct config_route *route, const struct config_upstream *upstream,
                          const struct config_route *other_route,
                          const struct config_upstream *other) {
    return !other->is_unix && other->port == upstream->port &&
           strcmp(other->host, upstream->host) == 0 &&
           has_same_networks(&route->upstream_networks, &other_route->upstream_networks);
}

/* NULL when nobody has looked it up: that it does not resolve is known too. */
static const struct upstream_addresses *find_known(const struct known_addresses *known,
                                                   const struct config_route *route,
                                                   const struct config_upstream *upstream) {
    size_t row = 0;
    for (size_t i = 0; known->book && i < known->config->route_count; i++) {
        const struct config_route *other = &known->config->routes[i];
        for (size_t j = 0; j < other->upstream_count; j++, row++) {
            if (!known->book->upstreams[row].is_pending &&
                leads_to_same(route, upstream, other, &other->upstreams[j])) {
                return &known->book->upstreams[row];
            }
        }
    }
    return NULL;
}

/* What takes no time. */
static void settle(const struct config_route *route, const struct config_upstream *upstream,
                   const struct known_addresses *known, struct upstream_addresses *out) {
    if (upstream->is_unix) {
        resolve_unix(upstream, out);
        return;
    }
    if (resolve_number(upstream, out)) {
        return;
    }
    const struct upstream_addresses *found = find_known(known, route, upstream);
    if (found) {
        *out = *found;
    } else {
        out->is_pending = true;
    }
}

static struct address_book *book_new(const struct config *config) {
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
    return book;
}

/* Names that are not known are pending. */
static struct address_book *book_settle(const struct config *config,
                                        const struct known_addresses *known) {
    struct address_book *book = book_new(config);
    size_t row = 0;
    for (size_t i = 0; book && i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        for (size_t j = 0; j < route->upstream_count; j++) {
            settle(route, &route->upstreams[j], known, &book->upstreams[row++]);
        }
    }
    return book;
}

static struct address_book *book_copy(const struct config *config,
                                      const struct address_book *source) {
    struct address_book *book = book_new(config);
    if (book) {
        memcpy(book->upstreams, source->upstreams, source->count * sizeof *source->upstreams);
    }
    return book;
}

/* A name that stopped resolving keeps its last addresses: a DNS outage is no reason to lose a
 * working upstream. One that leads where it must not has lost them. */
static void book_keep_old_addresses(struct address_book *fresh, const struct address_book *last) {
    for (size_t i = 0; i < fresh->count && i < last->count; i++) {
        if (fresh->upstreams[i].count == 0 && !fresh->upstreams[i].is_barred &&
            !last->upstreams[i].is_pending) {
            fresh->upstreams[i] = last->upstreams[i];
        }
    }
}

/* `address` is one of a set's: zero but for what is used, so that its bytes can be compared. */
static bool holds_address(const struct upstream_addresses *set,
                          const union upstream_address *address) {
    for (size_t i = 0; i < set->count; i++) {
        if (memcmp((const void *)&set->items[i], (const void *)address, sizeof *address) == 0) {
            return true;
        }
    }
    return false;
}

bool addresses_differ(const struct upstream_addresses *a, const struct upstream_addresses *b) {
    bool differ =
        a->count != b->count || a->is_pending != b->is_pending || a->is_barred != b->is_barred;
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

static bool book_has_pending(const struct address_book *book) {
    for (size_t i = 0; i < book->count; i++) {
        if (book->upstreams[i].is_pending) {
            return true;
        }
    }
    return false;
}

static bool config_has_names(const struct config *config) {
    for (size_t i = 0; i < config->route_count; i++) {
        for (size_t j = 0; j < config->routes[i].upstream_count; j++) {
            struct upstream_addresses number = {0};
            const struct config_upstream *upstream = &config->routes[i].upstreams[j];
            if (!upstream->is_unix && !resolve_number(upstream, &number)) {
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

/* Posts what has changed. Takes `book`, which may be NULL: then nothing was found out. */
static void resolver_tell(struct resolver *resolver, struct address_book *book) {
    pthread_mutex_lock(&resolver->mutex);
    if (book) {
        book_keep_old_addresses(book, resolver->last);
    }
    if (book && !resolver->is_ending && book_differs(book, resolver->last)) {
        resolver_post(resolver, book);
    }
    pthread_mutex_unlock(&resolver->mutex);
    address_book_unref(book);
}

static void resolver_end_round(struct resolver *resolver) {
    pthread_mutex_lock(&resolver->mutex);
    resolver->next_round = next_round();
    pthread_mutex_unlock(&resolver->mutex);
}

static bool resolver_is_ending(struct resolver *resolver) {
    pthread_mutex_lock(&resolver->mutex);
    bool is_ending = resolver->is_ending;
    pthread_mutex_unlock(&resolver->mutex);
    return is_ending;
}

/* Looks up names that are pending in `book`, each once, however many upstreams have it. After each
 * one that takes long, what was found so far is told. False when the resolver ends. */
static bool resolver_look_up(struct resolver *resolver, struct address_book *book) {
    const struct config *config = resolver->config;
    const struct known_addresses known = {.config = config, .book = book};
    uint64_t told_ms = clock_monotonic_ms();
    size_t row = 0;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        for (size_t j = 0; j < route->upstream_count; j++, row++) {
            if (!book->upstreams[row].is_pending) {
                continue;
            }
            struct upstream_addresses found = {0};
            const struct upstream_addresses *again =
                find_known(&known, route, &route->upstreams[j]);
            if (again) {
                book->upstreams[row] = *again;
                continue;
            }
            resolve_name(route, &route->upstreams[j], &found);
            book->upstreams[row] = found;
            if (resolver_is_ending(resolver)) {
                return false;
            }
            if (clock_monotonic_ms() > told_ms + TELL_AFTER_MS) {
                resolver_tell(resolver, book_copy(config, book));
                told_ms = clock_monotonic_ms();
            }
        }
    }
    return true;
}

/* What is new, without waiting for the next round. */
static struct address_book *book_of_pending(struct resolver *resolver) {
    pthread_mutex_lock(&resolver->mutex);
    struct address_book *book =
        book_has_pending(resolver->last) ? book_copy(resolver->config, resolver->last) : NULL;
    pthread_mutex_unlock(&resolver->mutex);
    return book;
}

static void resolver_take_round(struct resolver *resolver, struct address_book *book) {
    if (book && resolver_look_up(resolver, book)) {
        resolver_tell(resolver, book);
    } else {
        address_book_unref(book);
    }
}

static void *resolver_main(void *argument) {
    struct resolver *resolver = argument;
    const struct known_addresses none = {0};
    resolver_take_round(resolver, book_of_pending(resolver));
    while (resolver_wait(resolver)) {
        resolver_take_round(resolver, book_settle(resolver->config, &none));
        resolver_end_round(resolver);
    }
    resolver_let_go(resolver);
    return NULL;
}

/* Without a thread the first addresses stay, and what is pending does. */
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
    struct address_book *book = book_settle(config, &known);
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
