/* Names of upstreams to addresses, away from the workers and the keeper: at once and then every few
 * seconds on a thread of its own, because getaddrinfo() blocks. A name leads nowhere that the route
 * does not allow, whoever answers for it. */
#ifndef BARKEEP_PROXY_RESOLVER_H
#define BARKEEP_PROXY_RESOLVER_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "config/config.h"
#include "core/mailbox.h"

#define ADDRESS_MAX_PER_UPSTREAM 8

/* Small, because each upstream has eight of them. */
union upstream_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct upstream_addresses {
    union upstream_address items[ADDRESS_MAX_PER_UPSTREAM]; /* all of it zero but what is used */
    const char *unix_path; /* instead of an item: the configuration's; NULL: none */
    size_t count;          /* 0: the name does not resolve now */
    bool is_pending;       /* nobody has looked it up yet: another book follows */
    bool is_barred;        /* it resolves, but to nothing that its route allows */
};

/* The addresses of every upstream of one configuration; immutable. */
struct address_book {
    _Atomic uint32_t refs;
    struct upstream_addresses *upstreams; /* by address_book_index() */
    size_t count;
};

struct address_book *address_book_ref(struct address_book *book);
void address_book_unref(struct address_book *book); /* NULL is fine */
/* Row of the upstream `upstream` of route `route`. */
size_t address_book_index(const struct config *config, size_t route, size_t upstream);

/* DNS rotates its answers: another order of the same addresses is no difference. */
bool addresses_differ(const struct upstream_addresses *a, const struct upstream_addresses *b);

struct resolver;

/* Takes over a reference to `book`. `id` is the resolver's: a book may still arrive when its
 * resolver has gone. */
typedef void resolver_on_book(void *receiver, uint64_t id, struct address_book *book);

/* Never blocks: names are looked up, and watched, on a thread of its own. What `former` (NULL:
 * there is none) has looked up already is taken from there, and looked up again when that one would
 * have. `on_book` is called on the receiver of `mailbox` with each changed book. out_book is the
 * first book, one reference for the caller: names that are new are pending in it. Takes its own
 * reference to `config`. */
struct resolver *resolver_new(struct config *config, struct resolver *former,
                              struct mailbox *mailbox, uint64_t id, resolver_on_book *on_book,
                              struct address_book **out_book, struct error *err);
/* Ends the thread without waiting for a look-up that is under way; it posts nothing any more. */
void resolver_free(struct resolver *resolver); /* NULL is fine */

#endif
