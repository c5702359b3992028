/* Addresses of upstreams: what is settled at start, what is looked up again, what is kept when
 * looking up fails. Look-ups of names and the time between them are this file's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "proxy/resolver.h"

enum { LIMIT_MS = 20000, CATCH_UP_MS = 9990 };

/* The address that "scripted.test" has now: the last byte of 10.0.0.x, 0 for none. */
static _Atomic unsigned scripted_address;
/* Its other bytes. */
static _Atomic unsigned scripted_network = 0x0a000000u;
static _Atomic unsigned look_ups;
/* Lets the resolver's ten seconds be over in ten milliseconds. */
static _Atomic bool time_is_short;

/* Stand in for libc's own, in this program only. */

static struct addrinfo *new_item(unsigned last_byte, uint16_t port) {
    struct addrinfo *item = calloc(1, sizeof *item);
    struct sockaddr_in *address = calloc(1, sizeof *address);
    if (!item || !address)
        abort();
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(atomic_load(&scripted_network) + last_byte);
    address->sin_port = htons(port);
    item->ai_family = AF_INET;
    item->ai_addr = (struct sockaddr *)address;
    item->ai_addrlen = sizeof *address;
    return item;
}

static int resolve_numeric(const char *host, uint16_t port, struct addrinfo **out_found) {
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        *out_found = new_item(0, port);
        ((struct sockaddr_in *)(void *)(*out_found)->ai_addr)->sin_addr = v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return EAI_NONAME;
    struct sockaddr_in6 *address = calloc(1, sizeof *address);
    *out_found = calloc(1, sizeof **out_found);
    if (!address || !*out_found)
        abort();
    address->sin6_family = AF_INET6;
    address->sin6_addr = v6;
    address->sin6_port = htons(port);
    (*out_found)->ai_family = AF_INET6;
    (*out_found)->ai_addr = (struct sockaddr *)address;
    (*out_found)->ai_addrlen = sizeof *address;
    return 0;
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out_found) {
    uint16_t port = (uint16_t)(service ? strtoul(service, NULL, 10) : 0);
    if (resolve_numeric(host, port, out_found) == 0)
        return 0;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (strcmp(host, "many.test") == 0) {
        *out_found = NULL;
        for (unsigned i = 0; i < 2 * ADDRESS_MAX_PER_UPSTREAM; i++) {
            struct addrinfo *item = new_item(i + 1, port);
            item->ai_next = *out_found;
            *out_found = item;
        }
        return 0;
    }
    unsigned address = atomic_load(&scripted_address);
    atomic_fetch_add(&look_ups, 1);
    if (strcmp(host, "scripted.test") != 0 || address == 0)
        return EAI_AGAIN;
    *out_found = new_item(address, port);
    return 0;
}

void freeaddrinfo(struct addrinfo *found) {
    while (found) {
        struct addrinfo *next = found->ai_next;
        free(found->ai_addr);
        free(found);
        found = next;
    }
}

int clock_gettime(clockid_t clock, struct timespec *out_time) {
    int result = (int)syscall(SYS_clock_gettime, clock, out_time);
    if (result == 0 && clock == CLOCK_MONOTONIC && atomic_load(&time_is_short)) {
        int64_t ns = (int64_t)out_time->tv_sec * 1000000000 + out_time->tv_nsec -
                     (int64_t)CATCH_UP_MS * 1000000;
        out_time->tv_sec = ns / 1000000000;
        out_time->tv_nsec = ns % 1000000000;
    }
    return result;
}

/* The keeper's side: the newest book, and how many came. */
struct receiver {
    struct mailbox *mailbox;
    uint64_t id; /* the resolver's in force */
    struct address_book *book;
    unsigned books;
};

static void on_book(void *owner, uint64_t id, struct address_book *book) {
    struct receiver *receiver = owner;
    if (id != receiver->id) {
        address_book_unref(book);
        return;
    }
    address_book_unref(receiver->book);
    receiver->book = book;
    receiver->books++;
}

struct scene {
    struct config *config;
    struct receiver receiver;
    struct resolver *resolver;
};

/* A route for each of `upstreams` (ended by NULL), which are YAML. */
static struct config *config_of(const char *const *upstreams) {
    struct problem_list problems = {0};
    struct buf yaml;
    buf_init(&yaml, 8192);
    buf_append_str(&yaml, "listen: 127.0.0.1:1\nentra: {tenant: "
                          "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4, audience: api://orders}\n"
                          "routes:\n");
    for (size_t i = 0; upstreams[i]; i++)
        buf_printf(&yaml,
                   "  - {name: route%zu, path: /%zu, upstream: %s, "
                   "access: [{role: Reader, to: {everyone: true}}]}\n",
                   i, i, upstreams[i]);
    struct config *config = config_parse("resolver.yaml", buf_slice(&yaml), &problems);
    for (size_t i = 0; !config && i < problems.count; i++)
        print_error("%s: %s\n", problems.items[i].path, problems.items[i].text);
    problem_list_done(&problems);
    buf_done(&yaml);
    assert_non_null(config);
    return config;
}

static struct resolver *resolver_of(struct scene *scene, struct resolver *former, uint64_t id) {
    struct error err;
    scene->receiver.id = id;
    struct resolver *resolver = resolver_new(scene->config, former, scene->receiver.mailbox, id,
                                             on_book, &scene->receiver.book, &err);
    assert_non_null(resolver);
    return resolver;
}

/* Names that are new stay pending until their book is delivered. */
static void scene_begin(struct scene *scene, const char *const *upstreams) {
    struct error err;
    *scene = (struct scene){.config = config_of(upstreams)};
    atomic_store(&look_ups, 0);
    scene->receiver.mailbox = mailbox_new(&scene->receiver, &err);
    assert_non_null(scene->receiver.mailbox);
    scene->resolver = resolver_of(scene, NULL, 1);
}

static bool has_pending(const struct address_book *book) {
    for (size_t i = 0; i < book->count; i++)
        if (book->upstreams[i].is_pending)
            return true;
    return false;
}

/* Another configuration takes over, as a reload does it. */
static void scene_change(struct scene *scene, const char *const *upstreams) {
    struct resolver *former = scene->resolver;
    struct config *former_config = scene->config;
    address_book_unref(scene->receiver.book);
    scene->config = config_of(upstreams);
    scene->resolver = resolver_of(scene, former, scene->receiver.id + 1);
    resolver_free(former);
    config_unref(former_config);
}

static void scene_close(struct scene *scene) {
    resolver_free(scene->resolver);
    mailbox_deliver(scene->receiver.mailbox);
    mailbox_free(scene->receiver.mailbox);
    address_book_unref(scene->receiver.book);
    config_unref(scene->config);
    atomic_store(&time_is_short, false);
}

#define DELIVER_UNTIL(scene, condition)                                                            \
    do {                                                                                           \
        uint64_t limit_ms_ = clock_monotonic_ms() + LIMIT_MS;                                      \
        while (!(condition)) {                                                                     \
            assert_true(clock_monotonic_ms() < limit_ms_);                                         \
            mailbox_deliver((scene)->receiver.mailbox);                                            \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        }                                                                                          \
    } while (0)

static void scene_open(struct scene *scene, const char *const *upstreams) {
    scene_begin(scene, upstreams);
    DELIVER_UNTIL(scene, !has_pending(scene->receiver.book));
    scene->receiver.books = 0;
}

static void assert_v4(const struct upstream_addresses *addresses, size_t index, const char *ip,
                      uint16_t port) {
    const struct sockaddr_in *address =
        (const struct sockaddr_in *)(const void *)&addresses->items[index];
    char text[INET_ADDRSTRLEN];
    assert_true(index < addresses->count);
    assert_int_equal(address->sin_family, AF_INET);
    assert_int_equal(ntohs(address->sin_port), port);
    assert_string_equal(inet_ntop(AF_INET, &address->sin_addr, text, sizeof text), ip);
}

static bool has_address(const struct address_book *book, unsigned last_byte) {
    const struct sockaddr_in *address =
        (const struct sockaddr_in *)(const void *)&book->upstreams[0].items[0];
    return address->sin_addr.s_addr == htonl(0x0a000000u + last_byte);
}

static void settles_numbers_and_unix_sockets_at_once(void **state) {
    (void)state;
    const char *const upstreams[] = {
        "['http://127.0.0.9:5000', 'http://[::1]:65535', 'unix:/run/app.sock']", NULL};
    struct scene scene;
    scene_open(&scene, upstreams);
    const struct address_book *book = scene.receiver.book;
    assert_int_equal(book->count, 3);
    assert_int_equal(book->upstreams[0].count, 1);
    assert_v4(&book->upstreams[0], 0, "127.0.0.9", 5000);

    const struct sockaddr_in6 *v6 =
        (const struct sockaddr_in6 *)(const void *)&book->upstreams[1].items[0];
    assert_int_equal(book->upstreams[1].count, 1);
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6->sin6_port), 65535);
    assert_memory_equal(&v6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);

    assert_int_equal(book->upstreams[2].count, 1);
    assert_string_equal(book->upstreams[2].unix_path, "/run/app.sock");
    scene_close(&scene);
    assert_int_equal(atomic_load(&look_ups), 0);
}

static void gives_a_row_to_every_upstream(void **state) {
    (void)state;
    const char *const upstreams[] = {"['http://127.0.0.1:1', 'http://127.0.0.1:2']",
                                     "http://127.0.0.1:3", NULL};
    struct scene scene;
    scene_open(&scene, upstreams);
    assert_int_equal(address_book_index(scene.config, 0, 0), 0);
    assert_int_equal(address_book_index(scene.config, 0, 1), 1);
    assert_int_equal(address_book_index(scene.config, 1, 0), 2);
    assert_int_equal(scene.receiver.book->count, 3);
    for (uint16_t i = 0; i < 3; i++)
        assert_v4(&scene.receiver.book->upstreams[i], 0, "127.0.0.1", (uint16_t)(i + 1));
    scene_close(&scene);
}

static void knows_no_address_of_a_name_that_does_not_resolve(void **state) {
    (void)state;
    const char *const upstreams[] = {"['http://nowhere.test:80', 'http://scripted.test:80']", NULL};
    struct scene scene;
    atomic_store(&scripted_address, 7);
    scene_open(&scene, upstreams);
    assert_int_equal(scene.receiver.book->upstreams[0].count, 0);
    assert_int_equal(scene.receiver.book->upstreams[1].count, 1);
    assert_v4(&scene.receiver.book->upstreams[1], 0, "10.0.0.7", 80);
    scene_close(&scene);
}

static void keeps_no_more_addresses_than_it_has_room_for(void **state) {
    (void)state;
    const char *const upstreams[] = {"http://many.test:80", NULL};
    struct scene scene;
    scene_open(&scene, upstreams);
    assert_int_equal(scene.receiver.book->upstreams[0].count, ADDRESS_MAX_PER_UPSTREAM);
    scene_close(&scene);
}

static const char *const scripted[] = {"http://scripted.test:81", NULL};

static void follows_a_name_to_its_new_address(void **state) {
    (void)state;
    struct scene scene;
    atomic_store(&scripted_address, 1);
    atomic_store(&time_is_short, true);
    scene_open(&scene, scripted);
    struct address_book *first = address_book_ref(scene.receiver.book);
    assert_v4(&first->upstreams[0], 0, "10.0.0.1", 81);

    atomic_store(&scripted_address, 2);
    DELIVER_UNTIL(&scene, scene.receiver.books > 0);
    assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.2", 81);
    assert_v4(&first->upstreams[0], 0, "10.0.0.1", 81); /* what was handed out does not change */
    address_book_unref(first);

    unsigned before = atomic_load(&look_ups);
    DELIVER_UNTIL(&scene, atomic_load(&look_ups) > before + 3);
    assert_int_equal(scene.receiver.books, 1); /* the same again is no news */
    scene_close(&scene);
}

static void keeps_the_last_address_through_an_outage(void **state) {
    (void)state;
    struct scene scene;
    atomic_store(&scripted_address, 1);
    atomic_store(&time_is_short, true);
    scene_open(&scene, scripted);
    atomic_store(&scripted_address, 0);
    unsigned before = atomic_load(&look_ups);
    DELIVER_UNTIL(&scene, atomic_load(&look_ups) > before + 3);
    assert_int_equal(scene.receiver.books, 0);
    assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.1", 81);

    atomic_store(&scripted_address, 3);
    DELIVER_UNTIL(&scene, scene.receiver.books > 0);
    assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.3", 81);
    scene_close(&scene);
}

static void wait_for_look_ups(struct scene *scene, unsigned count) {
    unsigned before = atomic_load(&look_ups);
    DELIVER_UNTIL(scene, atomic_load(&look_ups) > before + count);
}

/* Whoever answers for the name turns it to this machine, then to its platform's metadata. */
static void loses_a_name_that_leads_where_it_must_not(void **state) {
    (void)state;
    static const unsigned traps[] = {0x7f000000u, 0xa9fea900u};
    struct scene scene;
    atomic_store(&scripted_address, 254);
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) {
        atomic_store(&time_is_short, true);
        scene_open(&scene, scripted);
        assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.254", 81);
        atomic_store(&scripted_network, traps[i]);
        DELIVER_UNTIL(&scene, scene.receiver.books > 0);
        assert_int_equal(scene.receiver.book->upstreams[0].count, 0);
        assert_true(scene.receiver.book->upstreams[0].is_barred);
        wait_for_look_ups(&scene, 3);
        assert_int_equal(scene.receiver.books, 1);
        atomic_store(&scripted_network, 0x0a000000u);
        DELIVER_UNTIL(&scene, scene.receiver.books > 1);
        assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.254", 81);
        assert_false(scene.receiver.book->upstreams[0].is_barred);
        scene_close(&scene);
    }
}

static void looks_each_name_up_once_a_round(void **state) {
    (void)state;
    const char *const same[] = {"http://scripted.test:81", "http://scripted.test:81",
                                "http://scripted.test:81/base", NULL};
    struct scene scene;
    atomic_store(&scripted_address, 1);
    scene_open(&scene, same);
    assert_int_equal(atomic_load(&look_ups), 1);
    for (size_t i = 0; i < 3; i++)
        assert_v4(&scene.receiver.book->upstreams[i], 0, "10.0.0.1", 81);
    scene_close(&scene);
}

static void takes_over_what_a_former_one_looked_up(void **state) {
    (void)state;
    const char *const two[] = {"['http://127.0.0.9:80', 'http://nowhere.test:80']",
                               "http://scripted.test:81", NULL};
    const char *const changed[] = {"http://scripted.test:81", "http://nowhere.test:80",
                                   "['http://127.0.0.8:80', 'unix:/run/app.sock']", NULL};
    struct scene scene;
    atomic_store(&scripted_address, 1);
    scene_open(&scene, two);
    assert_int_equal(atomic_load(&look_ups), 2);
    atomic_store(&scripted_address, 2);
    scene_change(&scene, changed);
    const struct address_book *book = scene.receiver.book;
    assert_int_equal(atomic_load(&look_ups), 2);
    assert_int_equal(book->count, 4);
    assert_v4(&book->upstreams[0], 0, "10.0.0.1", 81);
    assert_int_equal(book->upstreams[1].count, 0);
    assert_v4(&book->upstreams[2], 0, "127.0.0.8", 80);
    assert_int_equal(book->upstreams[3].count, 1);
    scene_close(&scene);
}

static void looks_up_a_name_that_is_new(void **state) {
    (void)state;
    const char *const other_port[] = {"['http://scripted.test:81', 'http://scripted.test:82']",
                                      NULL};
    struct scene scene;
    atomic_store(&scripted_address, 1);
    scene_open(&scene, scripted);
    atomic_store(&scripted_address, 2);
    scene_change(&scene, other_port);
    assert_true(scene.receiver.book->upstreams[1].is_pending);
    assert_false(scene.receiver.book->upstreams[0].is_pending);
    DELIVER_UNTIL(&scene, !has_pending(scene.receiver.book));
    assert_int_equal(atomic_load(&look_ups), 2);
    assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.1", 81);
    assert_v4(&scene.receiver.book->upstreams[1], 0, "10.0.0.2", 82);
    scene_close(&scene);
}

/* Reloads that come faster than rounds. */
static void looks_again_when_the_former_would_have(void **state) {
    (void)state;
    struct scene scene;
    atomic_store(&scripted_address, 1);
    atomic_store(&time_is_short, true);
    scene_open(&scene, scripted);
    atomic_store(&time_is_short, false); /* a round of the next one's own would be ten seconds */
    atomic_store(&scripted_address, 2);
    uint64_t limit_ms = clock_monotonic_ms() + LIMIT_MS;
    while (!has_address(scene.receiver.book, 2)) {
        assert_true(clock_monotonic_ms() < limit_ms);
        scene_change(&scene, scripted);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        mailbox_deliver(scene.receiver.mailbox);
    }
    assert_v4(&scene.receiver.book->upstreams[0], 0, "10.0.0.2", 81);
    scene_close(&scene);
}

static void hands_over_while_rounds_go_on(void **state) {
    (void)state;
    struct scene scene;
    atomic_store(&time_is_short, true);
    atomic_store(&scripted_address, 1);
    scene_open(&scene, scripted);
    for (unsigned i = 0; i < 200; i++) {
        atomic_store(&scripted_address, 1 + i % 100);
        scene_change(&scene, scripted);
        mailbox_deliver(scene.receiver.mailbox);
        assert_int_equal(scene.receiver.book->upstreams[0].count, 1);
    }
    scene_close(&scene);
}

static void ends_at_once_between_two_rounds(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, scripted);
    uint64_t begin_ms = clock_monotonic_ms();
    scene_close(&scene);
    assert_true(clock_monotonic_ms() - begin_ms < 5000); /* a round would be ten seconds */
    resolver_free(NULL);
    address_book_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settles_numbers_and_unix_sockets_at_once),
        cmocka_unit_test(gives_a_row_to_every_upstream),
        cmocka_unit_test(knows_no_address_of_a_name_that_does_not_resolve),
        cmocka_unit_test(keeps_no_more_addresses_than_it_has_room_for),
        cmocka_unit_test(follows_a_name_to_its_new_address),
        cmocka_unit_test(keeps_the_last_address_through_an_outage),
        cmocka_unit_test(loses_a_name_that_leads_where_it_must_not),
        cmocka_unit_test(looks_each_name_up_once_a_round),
        cmocka_unit_test(takes_over_what_a_former_one_looked_up),
        cmocka_unit_test(looks_up_a_name_that_is_new),
        cmocka_unit_test(looks_again_when_the_former_would_have),
        cmocka_unit_test(hands_over_while_rounds_go_on),
        cmocka_unit_test(ends_at_once_between_two_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
