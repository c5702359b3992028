/* Secret memory: enough for what vaults hold, beside as many callers as may be. */
#include "../config/config_case.h"

#include "proxy/secret_heap.h"

enum { MIB = 1024 * 1024, MAX = 1000 };

static struct config_credential credentials[MAX];
static struct config_entry entries[MAX];
static struct config_route routes[MAX];

/* `on_behalf` of them exchange callers' tokens; each is injected by a route of its own. */
static struct config config_with(size_t count, size_t on_behalf) {
    for (size_t i = 0; i < count; i++) {
        credentials[i].kind = i < on_behalf ? CREDENTIAL_ON_BEHALF_OF : CREDENTIAL_BEARER;
        routes[i] = (struct config_route){.scrub = true, .credential = i};
        entries[i].credential = i;
    }
    return (struct config){.credentials = credentials,
                           .credential_count = count,
                           .routes = routes,
                           .route_count = count};
}

static void has_room_for_every_credential(void **state) {
    (void)state;
    static const size_t cases[][2] = {{0, 4}, {1, 4}, {64, 4}, {65, 8}, {129, 16}, {1000, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct config config = config_with(cases[i][0], 0);
        assert_int_equal(secret_heap_bytes(&config), cases[i][1] * MIB);
    }
}

/* Callers take three quarters at most. */
static void has_the_same_room_beside_callers(void **state) {
    (void)state;
    static const size_t cases[][2] = {{1, 32}, {128, 32}, {129, 64}, {512, 128}, {1000, 256}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct config config = config_with(cases[i][0], 1);
        assert_int_equal(secret_heap_bytes(&config), cases[i][1] * MIB);
    }
}

static void counts_what_differing_routes_look_for(void **state) {
    (void)state;
    struct config config = config_with(64, 0);
    config.access = (struct config_entries){entries, 64}; /* every route looks for all of them */
    assert_int_equal(secret_heap_bytes(&config), 4 * MIB);
    config.access.count = 32; /* one alike for 32 routes, and one of 33 for each of the others */
    assert_int_equal(secret_heap_bytes(&config), 128 * MIB);
    for (size_t i = 0; i < 64; i++)
        routes[i].scrub = false;
    assert_int_equal(secret_heap_bytes(&config), 4 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_room_for_every_credential),
        cmocka_unit_test(has_the_same_room_beside_callers),
        cmocka_unit_test(counts_what_differing_routes_look_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
