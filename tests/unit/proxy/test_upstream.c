/* The pool: which idle connections are handed out again, and which are not. Exchanges and the end
 * of a turn are this file's own. */
#include "wired_conn.h"

#include "proxy/upstream.h"

enum { BLOCK_BYTES = 1024, IDLE_MS = 60000 };

static unsigned exchange_events;

/* The worker's part, and the exchange's. */

void exchange_on_upstream_event(struct exchange *exchange);

void exchange_on_upstream_event(struct exchange *exchange) {
    assert_non_null(exchange);
    exchange_events++;
}

void worker_bury(struct worker *worker, struct grave *grave) {
    grave->next = worker->graves;
    worker->graves = grave;
}

static void after_turn(void *owner) {
    struct worker *worker = owner;
    while (worker->graves) {
        struct grave *grave = worker->graves;
        worker->graves = grave->next;
        grave->bury(grave);
    }
}

struct scene {
    struct config_upstream upstream;
    struct config_route route;
    struct config config;
    size_t place;
    struct ruleset rules;
    struct worker worker;
    struct upstream_pools *pools;
    struct upstream_pool *pool; /* the only one in it */
    struct upstream_addresses addresses;
    int listener;
    char exchange; /* stands for one: the pool only keeps the pointer */
};

static struct exchange *exchange_of(struct scene *scene) {
    return (struct exchange *)(void *)&scene->exchange;
}

static void scene_open(struct scene *scene) {
    struct error err;
    struct sockaddr_in address;
    *scene = (struct scene){0};
    exchange_events = 0;
    scene->worker.loop = loop_new(&err);
    scene->worker.io_pool = io_pool_new(BLOCK_BYTES, 8);
    scene->worker.upstream_limit = 100;
    assert_non_null(scene->worker.loop);
    assert_non_null(scene->worker.io_pool);
    worker_metrics_init(&scene->worker.metrics);
    assert_int_equal(worker_metrics_make_room(&scene->worker.metrics, 2), STATUS_OK);
    scene->place = 1;
    scene->upstream = (struct config_upstream){.text = "http://127.0.0.1"};
    scene->route = (struct config_route){.upstreams = &scene->upstream, .upstream_count = 1};
    scene->config = (struct config){.routes = &scene->route, .route_count = 1};
    scene->rules = (struct ruleset){.config = &scene->config, .places = &scene->place};
    scene->pools = upstream_pools_new(&scene->worker, &scene->rules);
    assert_non_null(scene->pools);
    scene->pool = &scene->pools->items[0];
    loop_set_after_turn(scene->worker.loop, after_turn, &scene->worker);
    scene->listener = listen_on_loopback(&address);
    memcpy(&scene->addresses.items[0], &address, sizeof address);
    scene->addresses.count = 1;
}

static void scene_close(struct scene *scene) {
    upstream_pools_retire(scene->pools);
    after_turn(&scene->worker);
    assert_int_equal(scene->pools->holders, 1);
    upstream_pools_unref(scene->pools);
    close(scene->listener);
    worker_metrics_done(&scene->worker.metrics);
    io_pool_free(scene->worker.io_pool);
    loop_free(scene->worker.loop);
}

static void assert_counts(struct scene *scene, uint64_t idle, uint64_t busy) {
    const struct route_metrics *metrics = worker_route_metrics(&scene->worker.metrics, 1);
    assert_int_equal(metric_get(&metrics->upstream_idle), idle);
    assert_int_equal(metric_get(&metrics->upstream_busy), busy);
    assert_int_equal(scene->pool->idle_count, idle);
}

/* A connected upstream under the certificate of `generation`; *out_peer is the server's end. */
static struct upstream *connect_under(struct scene *scene, uint64_t generation, int *out_peer) {
    struct upstream *upstream = upstream_connect(&scene->worker, scene->pool, generation,
                                                 &scene->addresses, 0, exchange_of(scene));
    assert_non_null(upstream);
    assert_false(upstream->is_connected);
    *out_peer = accept(scene->listener, NULL, NULL);
    assert_true(*out_peer >= 0);
    TURN_UNTIL(scene->worker.loop, upstream->conn.can_write);
    assert_true(upstream_connect_succeeded(upstream));
    assert_true(upstream->is_connected);
    return upstream;
}

static struct upstream *connect_one(struct scene *scene, int *out_peer) {
    return connect_under(scene, 0, out_peer);
}

static struct upstream *take_under(struct scene *scene, uint64_t generation) {
    return upstream_take_idle(scene->pool, generation, exchange_of(scene));
}

static struct upstream *take(struct scene *scene) {
    return take_under(scene, 0);
}

/* Until what the peer did has arrived in the kernel, without a turn of the loop. */
static void await_readable(const struct upstream *upstream) {
    char byte;
    uint64_t limit_ms = clock_monotonic_ms() + WIRED_LIMIT_MS;
    while (recv(upstream->conn.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
        assert_true(clock_monotonic_ms() < limit_ms);
}

static void hands_a_quiet_connection_out_again(void **state) {
    (void)state;
    struct scene scene;
    int peer;
    scene_open(&scene);
    assert_null(take(&scene));
    struct upstream *upstream = connect_one(&scene, &peer);
    assert_false(upstream->is_reused);
    assert_counts(&scene, 0, 1);
    upstream_release(upstream, IDLE_MS);
    assert_counts(&scene, 1, 0);
    assert_null(upstream->exchange);

    assert_ptr_equal(take(&scene), upstream);
    assert_true(upstream->is_reused);
    assert_ptr_equal(upstream->exchange, exchange_of(&scene));
    assert_counts(&scene, 0, 1);
    assert_null(take(&scene));
    upstream_close(upstream);
    assert_counts(&scene, 0, 0);
    close(peer);
    scene_close(&scene);
}

static void hands_out_the_last_one_used_first(void **state) {
    (void)state;
    struct scene scene;
    int peers[3];
    struct upstream *upstreams[3];
    scene_open(&scene);
    for (size_t i = 0; i < COUNT(peers); i++)
        upstreams[i] = connect_one(&scene, &peers[i]);
    for (size_t i = 0; i < COUNT(peers); i++)
        upstream_release(upstreams[i], IDLE_MS);
    assert_counts(&scene, 3, 0);
    upstream_close(upstreams[1]); /* from the middle */
    assert_counts(&scene, 2, 0);
    assert_ptr_equal(take(&scene), upstreams[2]);
    assert_ptr_equal(take(&scene), upstreams[0]);
    assert_null(take(&scene));
    assert_counts(&scene, 0, 2);
    upstream_release(upstreams[0], IDLE_MS);
    upstream_close(upstreams[2]);
    upstream_close(upstreams[2]); /* idempotent */
    assert_counts(&scene, 1, 0);
    for (size_t i = 0; i < COUNT(peers); i++)
        close(peers[i]);
    scene_close(&scene);
}

/* Neither has the loop seen it yet nor is anything in our buffers: only the kernel knows. */
static void hands_out_only_to_the_same_certificate(void **state) {
    (void)state;
    struct scene scene;
    int peers[4];
    struct upstream *upstreams[4];
    static const uint64_t generations[] = {0, 7, 8, 7};
    scene_open(&scene);
    for (size_t i = 0; i < COUNT(peers); i++)
        upstreams[i] = connect_under(&scene, generations[i], &peers[i]);
    assert_null(take_under(&scene, 7));
    for (size_t i = 0; i < COUNT(peers); i++)
        upstream_release(upstreams[i], IDLE_MS);
    assert_counts(&scene, 4, 0);
    assert_null(take_under(&scene, 9));
    assert_ptr_equal(take_under(&scene, 7), upstreams[3]);
    assert_ptr_equal(take_under(&scene, 7), upstreams[1]);
    assert_null(take_under(&scene, 7));
    assert_ptr_equal(take_under(&scene, 8), upstreams[2]);
    assert_ptr_equal(take_under(&scene, 0), upstreams[0]);
    assert_counts(&scene, 0, 4);
    upstream_release(upstreams[1], IDLE_MS); /* back to where it belongs */
    assert_null(take_under(&scene, 0));
    assert_ptr_equal(take_under(&scene, 7), upstreams[1]);
    for (size_t i = 0; i < COUNT(peers); i++) {
        upstream_close(upstreams[i]);
        close(peers[i]);
    }
    scene_close(&scene);
}

static size_t shelf_count(const struct scene *scene) {
    size_t count = 0;
    for (const struct upstream_shelf *shelf = &scene->pool->shelf; shelf; shelf = shelf->next)
        count++;
    return count;
}

static void forgets_certificates_that_are_no_longer_used(void **state) {
    (void)state;
    struct scene scene;
    int peer, kept_peer;
    scene_open(&scene);
    struct upstream *kept = connect_under(&scene, 1, &kept_peer);
    for (uint64_t generation = 2; generation < 100; generation++) {
        upstream_close(connect_under(&scene, generation, &peer));
        close(peer);
        assert_true(shelf_count(&scene) < 12);
    }
    upstream_release(kept, IDLE_MS);
    assert_ptr_equal(take_under(&scene, 1), kept);
    upstream_close(kept);
    close(kept_peer);
    scene_close(&scene);
}

static void does_not_hand_out_what_is_not_quiet(void **state) {
    (void)state;
    for (int closes = 0; closes <= 1; closes++) {
        struct scene scene;
        int peer, quiet_peer;
        scene_open(&scene);
        struct upstream *quiet = connect_one(&scene, &quiet_peer);
        struct upstream *upstream = connect_one(&scene, &peer);
        upstream_release(quiet, IDLE_MS);
        upstream_release(upstream, IDLE_MS);
        if (closes)
            assert_int_equal(shutdown(peer, SHUT_WR), 0);
        else
            assert_int_equal(send(peer, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL), 19);
        await_readable(upstream);
        assert_ptr_equal(take(&scene), quiet);
        assert_true(upstream->is_closed);
        assert_counts(&scene, 0, 1);
        assert_null(take(&scene));
        upstream_close(quiet);
        close(peer);
        close(quiet_peer);
        scene_close(&scene);
    }
}

static void closes_an_idle_connection_that_speaks_or_ends(void **state) {
    (void)state;
    for (int closes = 0; closes <= 1; closes++) {
        struct scene scene;
        int peer, quiet_peer;
        scene_open(&scene);
        struct upstream *quiet = connect_one(&scene, &quiet_peer);
        struct upstream *upstream = connect_one(&scene, &peer);
        upstream_release(upstream, IDLE_MS);
        upstream_release(quiet, IDLE_MS);
        exchange_events = 0;
        if (closes)
            close(peer);
        else
            assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
        TURN_UNTIL(scene.worker.loop, scene.pool->idle_count == 1);
        assert_counts(&scene, 1, 0);
        assert_int_equal(exchange_events, 0);
        assert_ptr_equal(take(&scene), quiet);
        upstream_close(quiet);
        if (!closes)
            close(peer);
        close(quiet_peer);
        scene_close(&scene);
    }
}

static void tells_its_exchange_of_events(void **state) {
    (void)state;
    struct scene scene;
    int peer;
    scene_open(&scene);
    struct upstream *upstream = connect_one(&scene, &peer);
    exchange_events = 0;
    assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
    TURN_UNTIL(scene.worker.loop, exchange_events > 0);
    assert_true(upstream->conn.can_read);
    upstream_close(upstream);
    close(peer);
    scene_close(&scene);
}

static void read_one(struct upstream *upstream, struct loop *loop, int peer) {
    assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
    TURN_UNTIL(loop, upstream->conn.can_read);
    assert_int_equal(conn_fill(&upstream->conn), IO_OK);
}

static void make_nothing_of_it(struct upstream *upstream, struct loop *loop, int peer) {
    read_one(upstream, loop, peer);
    io_buffer_consume(&upstream->conn.in, 1);
}

static void leave_a_byte_read(struct upstream *upstream, struct loop *loop, int peer) {
    read_one(upstream, loop, peer);
}

static void leave_a_byte_unread(struct upstream *upstream, struct loop *loop, int peer) {
    assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
    TURN_UNTIL(loop, upstream->conn.can_read);
}

static void leave_a_byte_unsent(struct upstream *upstream, struct loop *loop, int peer) {
    (void)loop;
    (void)peer;
    struct conn *conn = &upstream->conn;
    assert_true(io_buffer_open(&conn->out, conn->pool));
    assert_true(io_buffer_append(&conn->out, conn->pool, SLICE("x")));
}

static void let_the_peer_finish(struct upstream *upstream, struct loop *loop, int peer) {
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    TURN_UNTIL(loop, upstream->conn.peer_finished);
}

static void drain_the_worker(struct upstream *upstream, struct loop *loop, int peer) {
    (void)loop;
    (void)peer;
    upstream->worker->is_draining = true;
}

static void takes_back_only_what_is_clean(void **state) {
    (void)state;
    static const struct {
        void (*prepare)(struct upstream *upstream, struct loop *loop, int peer);
        uint32_t idle_ms;
        bool is_kept;
    } cases[] = {
        {make_nothing_of_it, IDLE_MS, true},   {make_nothing_of_it, 0, false},
        {leave_a_byte_read, IDLE_MS, false},   {leave_a_byte_unread, IDLE_MS, false},
        {leave_a_byte_unsent, IDLE_MS, false}, {let_the_peer_finish, IDLE_MS, false},
        {drain_the_worker, IDLE_MS, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        int peer;
        scene_open(&scene);
        struct upstream *upstream = connect_one(&scene, &peer);
        cases[i].prepare(upstream, scene.worker.loop, peer);
        upstream_release(upstream, cases[i].idle_ms);
        assert_int_equal(upstream->is_closed, !cases[i].is_kept);
        assert_counts(&scene, cases[i].is_kept, 0);
        assert_null(upstream->conn.in.bytes);
        assert_null(upstream->conn.out.bytes);
        close(peer);
        scene_close(&scene);
    }
}

static void lets_go_after_the_idle_time(void **state) {
    (void)state;
    struct scene scene;
    int peers[2];
    scene_open(&scene);
    struct upstream *brief = connect_one(&scene, &peers[0]);
    struct upstream *lasting = connect_one(&scene, &peers[1]);
    upstream_release(brief, 1);
    upstream_release(lasting, IDLE_MS);
    TURN_UNTIL(scene.worker.loop, scene.pool->idle_count == 1);
    assert_ptr_equal(take(&scene), lasting);
    upstream_close(lasting);
    close(peers[0]);
    close(peers[1]);
    scene_close(&scene);
}

static void counts_no_idle_time_against_an_exchange(void **state) {
    (void)state;
    struct scene scene;
    int peer;
    scene_open(&scene);
    struct upstream *upstream = connect_one(&scene, &peer);
    upstream_release(upstream, 1);
    assert_ptr_equal(take(&scene), upstream);
    TURN_UNTIL(scene.worker.loop, !loop_timer_is_set(&upstream->idle_timer));
    assert_false(upstream->is_closed);
    upstream_release(upstream, IDLE_MS); /* the time begins anew */
    assert_true(loop_timer_is_set(&upstream->idle_timer));
    assert_ptr_equal(take(&scene), upstream);
    upstream_close(upstream);
    close(peer);
    scene_close(&scene);
}

static void says_when_nobody_listens(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    close(scene.listener);
    scene.listener = -1;
    struct upstream *upstream =
        upstream_connect(&scene.worker, scene.pool, 0, &scene.addresses, 0, exchange_of(&scene));
    if (upstream) { /* else the kernel said so at once */
        TURN_UNTIL(scene.worker.loop, upstream->conn.is_broken);
        assert_false(upstream_connect_succeeded(upstream));
        assert_false(upstream->is_connected);
        upstream_close(upstream);
    }
    assert_counts(&scene, 0, 0);
    scene_close(&scene);
}

static void keeps_nothing_idle_once_retired(void **state) {
    (void)state;
    struct scene scene;
    int peers[2];
    scene_open(&scene);
    struct upstream *busy = connect_one(&scene, &peers[0]);
    struct upstream *idle = connect_one(&scene, &peers[1]);
    upstream_release(idle, IDLE_MS);
    upstream_pools_retire(scene.pools);
    assert_true(idle->is_closed);
    assert_false(busy->is_closed);
    assert_counts(&scene, 0, 1);
    upstream_release(busy, IDLE_MS);
    assert_true(busy->is_closed);
    assert_counts(&scene, 0, 0);
    close(peers[0]);
    close(peers[1]);
    scene_close(&scene);
}

static void lives_as_long_as_its_last_connection(void **state) {
    (void)state;
    struct scene scene;
    int peer;
    scene_open(&scene);
    struct upstream *busy = connect_one(&scene, &peer);
    assert_int_equal(scene.pools->holders, 2);
    upstream_close(busy);
    assert_int_equal(scene.pools->holders, 2); /* its memory goes at the end of the turn */
    after_turn(&scene.worker);
    assert_int_equal(scene.pools->holders, 1);
    close(peer);
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_a_quiet_connection_out_again),
        cmocka_unit_test(hands_out_the_last_one_used_first),
        cmocka_unit_test(hands_out_only_to_the_same_certificate),
        cmocka_unit_test(forgets_certificates_that_are_no_longer_used),
        cmocka_unit_test(does_not_hand_out_what_is_not_quiet),
        cmocka_unit_test(closes_an_idle_connection_that_speaks_or_ends),
        cmocka_unit_test(tells_its_exchange_of_events),
        cmocka_unit_test(takes_back_only_what_is_clean),
        cmocka_unit_test(lets_go_after_the_idle_time),
        cmocka_unit_test(counts_no_idle_time_against_an_exchange),
        cmocka_unit_test(says_when_nobody_listens),
        cmocka_unit_test(keeps_nothing_idle_once_retired),
        cmocka_unit_test(lives_as_long_as_its_last_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
