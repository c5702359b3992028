#include "vault/leak_unions.h"

#include "core/clock.h"
#include "store_case.h"
#include "vault/leak_index.h"

#define PASSWORD_1 "open-sesame-1"
#define PASSWORD_2 "open-sesame-2"
#define TOKEN_1 "file-token-1"
#define TOKEN_2 "file-token-2"

enum { MAX_ROUTES = 4, HOGS_MAX = 512 };

static struct {
    struct config_route routes[MAX_ROUTES];
    struct config_entry entries[2]; /* of the top level, and of route 0 */
    struct secret *hogs[HOGS_MAX];
    size_t hog_count;
} scene;

static size_t add_route(size_t credential) {
    const size_t index = bar.config.route_count++;
    bar.config.routes = scene.routes;
    scene.routes[index] =
        (struct config_route){.name = "route", .scrub = true, .credential = credential};
    return index;
}

static void add_entry(struct config_entries *entries, size_t which, size_t credential) {
    scene.entries[which] = (struct config_entry){.credential = credential};
    *entries = (struct config_entries){&scene.entries[which], 1};
}

/* Credential 1 is a bearer from the folder. */
static size_t add_file_token(void) {
    write_token(TOKEN_1);
    bar.config.secrets[0].refresh_sec = 5;
    return add_bearer(add_secret(1, "token"));
}

static const struct leak_set *leaks_of(size_t route) {
    const struct leak_set *leaks = NULL;
    assert_true(cabinet_leaks(bar.cabinet, route, &leaks));
    return leaks;
}

static bool is_searchable(size_t route) {
    const struct leak_set *leaks;
    return cabinet_leaks(bar.cabinet, route, &leaks);
}

static bool is_masked(size_t route, const char *text) {
    struct leak_scan scan;
    char bytes[256];
    const size_t len = strlen(text);
    memcpy(bytes, text, len + 1);
    leak_scan_init(&scan, leaks_of(route));
    assert_int_equal(leak_scan_bytes(&scan, bytes, len, true), len);
    return strspn(bytes, "*") == len;
}

static void free_hogs(size_t count) {
    while (count-- > 0 && scene.hog_count > 0)
        secret_unref(scene.hogs[--scene.hog_count]);
}

/* Leaves blocks of less than `len` bytes alone. */
static void hog_all_blocks_of(size_t len) {
    for (size_t size = 1 << 19; size >= len; size /= 2) {
        struct secret *hog;
        while (scene.hog_count < HOGS_MAX && (hog = secret_new_blank(size - 64)) != NULL)
            scene.hogs[scene.hog_count++] = hog;
    }
    assert_in_range(scene.hog_count, 1, HOGS_MAX - 1);
}

static int close_scene(void **state) {
    free_hogs(HOGS_MAX);
    const int closed = close_bar(state);
    memset(&scene, 0, sizeof scene);
    return closed;
}

static void looks_for_every_credential_that_a_route_may_inject(void **state) {
    (void)state;
    const size_t token = add_file_token();
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, PASSWORD_1));
    reply("/secrets/third", 200, NULL, BUNDLE("third", V1, "the-third-value"));
    const size_t third = add_bearer(add_secret(0, "third"));
    const size_t all = add_route(0), top = add_route(CONFIG_NONE);
    add_entry(&scene.routes[all].access, 1, token);
    add_entry(&bar.config.access, 0, third);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0) && is_available(1) && is_available(2));
    assert_true(is_masked(all, PASSWORD_1));
    assert_true(is_masked(all, TOKEN_1));
    assert_true(is_masked(all, "the-third-value"));
    assert_true(is_masked(all, "cm9vdDpvcGVuLXNlc2FtZS0x")); /* root:open-sesame-1 */
    assert_false(is_masked(all, "anything else"));
    assert_true(is_masked(top, "the-third-value"));
    assert_false(is_masked(top, TOKEN_1));
    assert_false(is_masked(top, PASSWORD_1));
}

static void looks_for_nothing_where_nothing_is_injected(void **state) {
    (void)state;
    const size_t token = add_file_token();
    const size_t exchanged = bar.config.credential_count++;
    bar.credentials[exchanged] = (struct config_credential){
        .name = "o", .kind = CREDENTIAL_ON_BEHALF_OF, .scope = "api://o/Read"};
    const size_t none = add_route(CONFIG_NONE), open = add_route(token),
                 on_behalf = add_route(exchanged), searched = add_route(token);
    scene.routes[open].scrub = false;
    start_store();
    assert_null(leaks_of(none));
    assert_null(leaks_of(open));
    assert_null(leaks_of(on_behalf));
    assert_true(is_masked(searched, TOKEN_1));
}

static void routes_with_the_same_credentials_share_one_search(void **state) {
    (void)state;
    const size_t token = add_file_token();
    const size_t first = add_route(token), second = add_route(CONFIG_NONE), other = add_route(0);
    add_entry(&scene.routes[second].access, 1, token);
    size_t searched = 0;
    assert_true(secret_store_count_searched(&bar.config, &searched));
    assert_int_equal(searched, 2);
    add_entry(&bar.config.access, 0, token);
    assert_true(secret_store_count_searched(&bar.config, &searched));
    assert_int_equal(searched, 3);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, PASSWORD_1));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_non_null(leaks_of(first));
    assert_ptr_equal(leaks_of(first), leaks_of(second));
    assert_ptr_not_equal(leaks_of(first), leaks_of(other));
}

static void is_made_anew_only_when_one_of_its_secrets_changed(void **state) {
    (void)state;
    const size_t token = add_file_token();
    const size_t of_file = add_route(token);
    add_route(0);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, PASSWORD_1));
    start_store();
    const struct leak_set *first = leaks_of(of_file);
    RUN_UNTIL(bar.loop, is_available(0));
    assert_ptr_equal(leaks_of(of_file), first);
    write_token(TOKEN_2);
    RUN_UNTIL(bar.loop, is_masked(of_file, TOKEN_2));
}

static void looks_for_the_version_before(void **state) {
    (void)state;
    const size_t route = add_route(0);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, PASSWORD_1));
    reply(ADMIN, 200, NULL, BUNDLE("admin", V2, PASSWORD_2));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_false(is_masked(route, PASSWORD_2));
    RUN_UNTIL(bar.loop, is_masked(route, PASSWORD_2));
    assert_true(is_masked(route, PASSWORD_1));
    assert_true(is_masked(route, "cm9vdDpvcGVuLXNlc2FtZS0x"));
    assert_true(is_masked(route, "cm9vdDpvcGVuLXNlc2FtZS0y"));
}

static void looks_for_a_token_and_the_one_before(void **state) {
    (void)state;
    struct want want;
    bar.config.secret_count = 0;
    bar.credentials[0] = (struct config_credential){.name = "graph",
                                                    .kind = CREDENTIAL_ENTRA_TOKEN,
                                                    .scope = "https://graph.microsoft.com/"
                                                             ".default"};
    const size_t route = add_route(0);
    reply(IMDS, 200, NULL, TOKEN("the-first-token"));
    reply(IMDS, 200, NULL, TOKEN("the-second-token"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(is_masked(route, "the-first-token"));
    refuse(&want, 0);
    RUN_UNTIL(bar.loop, is_masked(route, "the-second-token"));
    assert_true(is_masked(route, "the-first-token"));
}

/* Values and renderings fit, and what is looked for does not. */
static void without_memory_the_version_that_is_looked_for_serves_on(void **state) {
    (void)state;
    static struct log_capture capture;
    const size_t token = add_file_token(), route = add_route(token);
    start_store();
    assert_true(line_is(token, "Authorization: Bearer " TOKEN_1 "\r\n"));
    hog_all_blocks_of(4096);
    log_capture_begin(&capture);
    write_token(TOKEN_2);
    const size_t published = bar.published;
    RUN_UNTIL(bar.loop, bar.published > published + 1);
    log_capture_end(&capture);
    assert_true(line_is(token, "Authorization: Bearer " TOKEN_1 "\r\n"));
    assert_true(is_masked(route, TOKEN_1));
    assert_int_equal(
        logged(&capture, (const char *[]){"\"route\":\"route\"", "held_back", "no room", NULL}), 1);
    free_hogs(HOGS_MAX);
    RUN_UNTIL(bar.loop, line_is(token, "Authorization: Bearer " TOKEN_2 "\r\n"));
    assert_true(is_masked(route, TOKEN_1) && is_masked(route, TOKEN_2));
}

/* A value whose forms take more than there is. */
static void write_too_long_token(void) {
    char text[20001];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = (char)('!' + i * i % 89);
    text[sizeof text - 1] = '\0';
    write_token(text);
}

static void without_memory_a_route_that_never_was_searched_is_closed(void **state) {
    (void)state;
    static struct log_capture capture;
    const size_t token = add_file_token(), route = add_route(token), other = add_route(CONFIG_NONE);
    write_too_long_token();
    log_capture_begin(&capture);
    start_store();
    const size_t published = bar.published;
    RUN_UNTIL(bar.loop, bar.published > published + 1);
    log_capture_end(&capture);
    assert_true(is_available(token));
    assert_false(is_searchable(route));
    assert_null(leaks_of(other));
    assert_int_equal(
        logged(&capture, (const char *[]){"\"route\":\"route\"", "unsearchable", "no room", NULL}),
        1);
    write_token(TOKEN_1);
    RUN_UNTIL(bar.loop, is_searchable(route));
    assert_true(is_masked(route, TOKEN_1));
}

static void write_long_token(char letter) {
    char *text = repeated(letter, 2000);
    for (size_t i = 0; i < 2000; i += 2)
        text[i] = (char)('!' + i * i % 89);
    write_token(text);
    free(text);
}

/* Leaves room to read a value, and as much as `leaks` takes. */
static void hog_all_but(const struct leak_set *leaks) {
    size_t len = 4096;
    while (len < secret_bytes(leaks->memory).len + 64)
        len *= 2;
    struct secret *room = secret_new_blank(len - 64);
    struct secret *room_to_read = secret_new_blank(64 * 1024 - 64);
    assert_true(room && room_to_read);
    hog_all_blocks_of(4096);
    secret_unref(room);
    secret_unref(room_to_read);
}

static void the_version_before_makes_room_for_the_new_one(void **state) {
    (void)state;
    static struct log_capture capture;
    const size_t token = add_file_token(), route = add_route(token);
    write_long_token('a');
    start_store();
    assert_true(is_available(token) && is_searchable(route));
    const uint64_t generation = cabinet_credential(bar.cabinet, token)->generation;
    hog_all_but(leaks_of(route));
    log_capture_begin(&capture);
    write_long_token('b');
    RUN_UNTIL(bar.loop, cabinet_credential(bar.cabinet, token)->generation != generation);
    log_capture_end(&capture);
    assert_true(is_available(token) && is_searchable(route));
    assert_null(cabinet_credential(bar.cabinet, token)->previous);
    assert_int_equal(
        logged(&capture, (const char *[]){"\"token\"", "previous_dropped", "no room", NULL}), 1);
}

/* What was bound anew must not go out under the old bounds, nor unsearched. */
static void without_memory_new_bounds_close_the_route(void **state) {
    (void)state;
    static char narrow[] = "{\"value\":\"" PASSWORD_1 "\",\"id\":\"https://kv/secrets/admin/" V1
                           "\",\"attributes\":{\"enabled\":true},"
                           "\"tags\":{\"barkeep-hosts\":\"a.example\"}}";
    const size_t route = add_route(0);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, PASSWORD_1));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    hog_all_blocks_of(4096);
    reply_from_now(ADMIN, 200, narrow);
    RUN_UNTIL(bar.loop, !is_searchable(route));
    assert_int_equal(cabinet_credential(bar.cabinet, 0)->bound_count, 1);
    free_hogs(HOGS_MAX);
    RUN_UNTIL(bar.loop, is_searchable(route));
}

/* However much memory is left, a new version never takes the working one away. */
static void without_memory_to_render_the_version_before_serves_on(void **state) {
    (void)state;
    enum { LEN = 3000, BLOCKS_MAX = 12 };
    static struct log_capture capture;
    static const char *const held_back[] = {"\"credential\":\"bearer\"", "held_back", NULL};
    const size_t token = add_file_token();
    size_t held_back_count = 0;
    start_store();
    for (size_t blocks = 0; blocks < BLOCKS_MAX; blocks++) {
        char *text = repeated((char)('a' + blocks), LEN);
        hog_all_blocks_of(4096);
        free_hogs(blocks);
        log_capture_begin(&capture);
        const uint64_t generation = cabinet_credential(bar.cabinet, token)->generation;
        write_token(text);
        const uint64_t end_ms = clock_monotonic_ms() + 200;
        RUN_UNTIL(bar.loop, cabinet_credential(bar.cabinet, token)->generation != generation ||
                                clock_monotonic_ms() > end_ms);
        log_capture_end(&capture);
        assert_true(is_available(token));
        held_back_count += logged(&capture, held_back);
        free_hogs(HOGS_MAX);
        RUN_UNTIL(bar.loop, cabinet_credential(bar.cabinet, token)->generation != generation);
        assert_true(is_available(token));
        free(text);
    }
    assert_true(held_back_count > 0);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_bar, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(looks_for_every_credential_that_a_route_may_inject),
        SCENE(looks_for_nothing_where_nothing_is_injected),
        SCENE(routes_with_the_same_credentials_share_one_search),
        SCENE(is_made_anew_only_when_one_of_its_secrets_changed),
        SCENE(looks_for_the_version_before),
        SCENE(looks_for_a_token_and_the_one_before),
        SCENE(without_memory_the_version_that_is_looked_for_serves_on),
        SCENE(without_memory_a_route_that_never_was_searched_is_closed),
        SCENE(the_version_before_makes_room_for_the_new_one),
        SCENE(without_memory_new_bounds_close_the_route),
        SCENE(without_memory_to_render_the_version_before_serves_on),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
