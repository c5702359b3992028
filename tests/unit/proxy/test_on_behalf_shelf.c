/* Exchanged tokens of one worker: found until they run out, and never so many that the vaults'
 * secrets have no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/secret.h"
#include "proxy/on_behalf_shelf.h"

enum { HEAP_BYTES = 1 << 20, TOKEN_BYTES = 2000, LIVES_MS = 1000 };

struct digest {
    unsigned char bytes[32];
};

/* The first two bytes choose the set. */
static struct digest digest_of(unsigned number) {
    return (struct digest){{(unsigned char)number, 0, (unsigned char)(number >> 8)}};
}

static struct rendering *rendering_of(char letter) {
    char text[TOKEN_BYTES];
    memset(text, letter, sizeof text);
    struct secret *token = secret_new(slice_of(text, sizeof text));
    assert_non_null(token);
    struct rendering *rendering = rendering_of_token(token, NULL);
    secret_unref(token);
    assert_non_null(rendering);
    return rendering;
}

static void insert(struct on_behalf_shelf *shelf, unsigned number, uint64_t now_ms) {
    struct rendering *rendering = rendering_of('a');
    on_behalf_shelf_insert(shelf, digest_of(number).bytes, 0, rendering, now_ms, now_ms + LIVES_MS);
    rendering_unref(rendering);
}

static bool holds(struct on_behalf_shelf *shelf, unsigned number, size_t credential,
                  uint64_t now_ms) {
    struct rendering *found =
        on_behalf_shelf_find(shelf, digest_of(number).bytes, credential, now_ms);
    rendering_unref(found);
    return found != NULL;
}

static void keeps_a_token_until_it_runs_out(void **state) {
    (void)state;
    struct on_behalf_shelf *shelf = on_behalf_shelf_new();
    insert(shelf, 1, 0);
    assert_true(holds(shelf, 1, 0, LIVES_MS - 1));
    assert_false(holds(shelf, 1, 1, 0));
    assert_false(holds(shelf, 2, 0, 0));
    assert_false(holds(shelf, 1, 0, LIVES_MS));
    assert_false(holds(shelf, 1, 0, 0));
    on_behalf_shelf_free(shelf);
}

static void replaces_the_one_that_runs_out_first(void **state) {
    (void)state;
    struct on_behalf_shelf *shelf = on_behalf_shelf_new();
    for (unsigned i = 0; i < 5; i++)
        insert(shelf, i << 8, 5 - (i + 3) % 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(holds(shelf, i << 8, 0, 6), i != 1);
    on_behalf_shelf_free(shelf);
}

static void leaves_room_for_the_secrets_of_vaults(void **state) {
    (void)state;
    struct on_behalf_shelf *shelf = on_behalf_shelf_new();
    unsigned held = 0;
    for (unsigned i = 0; i < 1024; i++)
        insert(shelf, i, 0);
    assert_in_range(secret_memory_used_percent(), 40, 60);
    for (unsigned i = 0; i < 1024; i++)
        held += holds(shelf, i, 0, 0);
    assert_in_range(held, 32, 512);
    insert(shelf, 0, 1);
    assert_true(holds(shelf, 0, 0, 1)); /* in another's place */
    on_behalf_shelf_free(shelf);
    assert_int_equal(secret_memory_used_percent(), 0);
}

static int set_up(void **state) {
    (void)state;
    bool is_locked;
    return secret_memory_init(HEAP_BYTES, &is_locked, NULL) == STATUS_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_token_until_it_runs_out),
        cmocka_unit_test(replaces_the_one_that_runs_out_first),
        cmocka_unit_test(leaves_room_for_the_secrets_of_vaults),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
