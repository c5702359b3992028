/* A socket's two directions: what moves, what the flags remember, how it ends. */
#include "wired_conn.h"

enum { BLOCK_BYTES = 1024 };

struct scene {
    struct loop *loop;
    struct io_pool *pool;
    struct wired wired;
};

static void scene_open(struct scene *scene, size_t max_blocks) {
    struct error err;
    scene->loop = loop_new(&err);
    scene->pool = io_pool_new(BLOCK_BYTES, max_blocks);
    assert_non_null(scene->loop);
    assert_non_null(scene->pool);
    wired_open(&scene->wired, scene->loop, scene->pool);
    loop_run_once(scene->loop, 0);
}

static void scene_close(struct scene *scene) {
    wired_close(&scene->wired, scene->loop);
    io_pool_free(scene->pool);
    loop_free(scene->loop);
}

static bool pool_has_a_block(struct io_pool *pool) {
    struct io_buffer probe = {0};
    bool has = io_buffer_open(&probe, pool);
    io_buffer_close(&probe, pool);
    return has;
}

static void reads_when_the_edge_says_so(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    assert_false(conn->can_read);
    assert_true(conn->can_write);
    assert_int_equal(conn_fill(conn), IO_WAIT);
    assert_true(pool_has_a_block(scene.pool));

    peer_send(&scene.wired, SLICE("one"));
    assert_int_equal(conn_fill(conn), IO_WAIT); /* nobody has said so yet */
    loop_run_once(scene.loop, 0);
    assert_true(conn->can_read);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_slice(io_buffer_data(&conn->in), "one");
    assert_false(conn->can_read); /* the read was short: drained */
    assert_int_equal(conn_fill(conn), IO_WAIT);

    peer_send(&scene.wired, SLICE(" two"));
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_slice(io_buffer_data(&conn->in), "one two");
    scene_close(&scene);
}

static void keeps_the_edge_while_there_is_more_than_room(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    char bytes[BLOCK_BYTES + 10];
    memset(bytes, 'x', sizeof bytes);
    peer_send(&scene.wired, slice_of(bytes, sizeof bytes));
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_true(conn->can_read);
    assert_int_equal(conn_fill(conn), IO_FULL);

    io_buffer_consume(&conn->in, BLOCK_BYTES);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_int_equal(io_buffer_data(&conn->in).len, 10);
    assert_int_equal(conn_fill(conn), IO_WAIT);
    scene_close(&scene);
}

static void notices_that_a_full_read_was_the_last(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 2);
    struct conn *conn = &scene.wired.conn;
    char bytes[BLOCK_BYTES];
    memset(bytes, 'x', sizeof bytes);
    peer_send(&scene.wired, slice_of(bytes, sizeof bytes));
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_true(conn->can_read);
    io_buffer_consume(&conn->in, BLOCK_BYTES);
    assert_int_equal(conn_fill(conn), IO_WAIT);
    assert_false(conn->can_read);
    scene_close(&scene);
}

static void leaves_the_bytes_where_they_are_without_a_block(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    struct io_buffer other = {0};
    assert_true(io_buffer_open(&other, scene.pool));
    peer_send(&scene.wired, SLICE("patient"));
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_FULL);
    assert_true(conn->can_read);

    io_buffer_close(&other, scene.pool);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_slice(io_buffer_data(&conn->in), "patient");
    scene_close(&scene);
}

static void reads_to_the_end(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    peer_send(&scene.wired, SLICE("last words"));
    peer_finish(&scene.wired);
    loop_run_once(scene.loop, 0);
    assert_true(conn->peer_finished);
    assert_false(conn->is_broken);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_true(conn->can_read); /* the end is still to be read, and no edge will tell */
    assert_int_equal(conn_fill(conn), IO_EOF);
    assert_slice(io_buffer_data(&conn->in), "last words");
    scene_close(&scene);
}

static void reads_what_a_closed_peer_has_sent(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    peer_send(&scene.wired, SLICE("last words"));
    peer_close(&scene.wired);
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_OK);
    assert_slice(io_buffer_data(&conn->in), "last words");
    assert_int_equal(conn_fill(conn), IO_EOF);
    scene_close(&scene);
}

static void tells_a_reset_from_an_end(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    size_t sent = 0;
    assert_int_equal(conn_send_direct(conn, SLICE("never read"), &sent), IO_OK);
    peer_close(&scene.wired); /* with unread bytes: a reset */
    loop_run_once(scene.loop, 0);
    assert_true(conn->is_broken);
    assert_int_equal(conn_fill(conn), IO_ERROR);
    scene_close(&scene);
}

static void gives_the_block_back_when_all_is_sent(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    assert_int_equal(conn_flush(conn), IO_OK);
    assert_true(io_buffer_open(&conn->out, scene.pool));
    assert_true(io_buffer_append(&conn->out, scene.pool, SLICE("hello")));
    assert_false(pool_has_a_block(scene.pool));
    assert_int_equal(conn_flush(conn), IO_OK);
    assert_true(pool_has_a_block(scene.pool));
    struct buf got;
    buf_init(&got, 1000);
    peer_receive(&scene.wired, &got);
    assert_slice(buf_slice(&got), "hello");
    buf_done(&got);
    scene_close(&scene);
}

/* Sends numbered lines through `out` until the kernel takes no more. */
static void fill_the_kernel(struct scene *scene, struct buf *expected) {
    struct conn *conn = &scene->wired.conn;
    for (unsigned line = 0;; line++) {
        assert_true(expected->len < 64u * 1024 * 1024);
        char text[BLOCK_BYTES];
        int len = snprintf(text, sizeof text, "%*u\n", BLOCK_BYTES / 2, line);
        assert_true(io_buffer_open(&conn->out, scene->pool));
        assert_true(io_buffer_append(&conn->out, scene->pool, slice_of(text, (size_t)len)));
        buf_append(expected, text, (size_t)len);
        enum io_result result = conn_flush(conn);
        if (result == IO_WAIT)
            return;
        assert_int_equal(result, IO_OK);
    }
}

static void keeps_what_the_kernel_does_not_take(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    struct buf expected, got;
    buf_init(&expected, 128u * 1024 * 1024);
    buf_init(&got, 128u * 1024 * 1024);
    fill_the_kernel(&scene, &expected);
    assert_false(conn->can_write);
    assert_false(io_buffer_is_empty(&conn->out));
    assert_int_equal(conn_flush(conn), IO_WAIT); /* does not even try */

    peer_receive(&scene.wired, &got);
    TURN_UNTIL(scene.loop, conn->can_write);
    assert_int_equal(conn_flush(conn), IO_OK);
    peer_receive(&scene.wired, &got);
    assert_true(slice_eq(buf_slice(&got), buf_slice(&expected)));
    buf_done(&expected);
    buf_done(&got);
    scene_close(&scene);
}

static void says_how_much_went_straight_through(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    size_t big = 64u * 1024 * 1024;
    char *bytes = calloc(1, big);
    assert_non_null(bytes);
    size_t sent = 0;
    assert_int_equal(conn_send_direct(conn, slice_of(bytes, big), &sent), IO_WAIT);
    assert_true(sent > 0 && sent < big);
    assert_false(conn->can_write);
    struct buf got;
    buf_init(&got, big);
    assert_int_equal(peer_receive(&scene.wired, &got), sent);
    assert_int_equal(conn_send_direct(conn, slice_of(bytes, 1), &sent), IO_WAIT);
    assert_int_equal(sent, 0);
    TURN_UNTIL(scene.loop, conn->can_write);
    assert_int_equal(conn_send_direct(conn, slice_of(bytes, 1), &sent), IO_OK);
    assert_int_equal(sent, 1);
    free(bytes);
    buf_done(&got);
    scene_close(&scene);
}

static void survives_a_peer_that_no_longer_listens(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    peer_close(&scene.wired);
    assert_true(io_buffer_open(&conn->out, scene.pool));
    assert_true(io_buffer_append(&conn->out, scene.pool, SLICE("hello")));
    assert_int_equal(conn_flush(conn), IO_ERROR);
    assert_true(conn->is_broken);
    scene_close(&scene);
}

static void rests_only_when_nothing_is_left_to_read(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 1);
    struct conn *conn = &scene.wired.conn;
    peer_send(&scene.wired, SLICE("ab"));
    loop_run_once(scene.loop, 0);
    assert_int_equal(conn_fill(conn), IO_OK);
    io_buffer_consume(&conn->in, 1);
    conn_rest(conn);
    assert_slice(io_buffer_data(&conn->in), "b");
    io_buffer_consume(&conn->in, 1);
    conn_rest(conn);
    assert_true(pool_has_a_block(scene.pool));
    scene_close(&scene);
}

static void closes_once_and_gives_everything_back(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, 2);
    struct conn *conn = &scene.wired.conn;
    assert_true(io_buffer_open(&conn->in, scene.pool));
    assert_true(io_buffer_open(&conn->out, scene.pool));
    conn_close(conn, scene.loop);
    char byte;
    assert_int_equal(recv(scene.wired.peer, &byte, 1, 0), 0);
    struct io_buffer buffers[2] = {{0}};
    assert_true(io_buffer_open(&buffers[0], scene.pool));
    assert_true(io_buffer_open(&buffers[1], scene.pool));
    conn_close(conn, scene.loop);
    io_buffer_close(&buffers[0], scene.pool);
    io_buffer_close(&buffers[1], scene.pool);
    scene_close(&scene);
}

/* What the other side of a TCP connection reads after `close_conn`: its errno, 0 for an end. */
static int errno_after(void (*close_conn)(struct conn *conn, struct loop *loop)) {
    struct scene scene;
    scene_open(&scene, 1);
    struct wired tcp;
    int fds[2];
    tcp_pair(fds);
    wired_open_on(&tcp, scene.loop, scene.pool, fds);
    close_conn(&tcp.conn, scene.loop);
    char byte;
    ssize_t got;
    uint64_t limit_ms = clock_monotonic_ms() + WIRED_LIMIT_MS;
    do
        got = recv(tcp.peer, &byte, 1, 0);
    while (got < 0 && errno == EAGAIN && clock_monotonic_ms() < limit_ms);
    int failure = got < 0 ? errno : 0;
    wired_close(&tcp, scene.loop);
    scene_close(&scene);
    return failure;
}

static void shows_a_cut_as_a_reset(void **state) {
    (void)state;
    assert_int_equal(errno_after(conn_close), 0);
    assert_int_equal(errno_after(conn_close_with_reset), ECONNRESET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_when_the_edge_says_so),
        cmocka_unit_test(keeps_the_edge_while_there_is_more_than_room),
        cmocka_unit_test(notices_that_a_full_read_was_the_last),
        cmocka_unit_test(leaves_the_bytes_where_they_are_without_a_block),
        cmocka_unit_test(reads_to_the_end),
        cmocka_unit_test(reads_what_a_closed_peer_has_sent),
        cmocka_unit_test(tells_a_reset_from_an_end),
        cmocka_unit_test(gives_the_block_back_when_all_is_sent),
        cmocka_unit_test(keeps_what_the_kernel_does_not_take),
        cmocka_unit_test(says_how_much_went_straight_through),
        cmocka_unit_test(survives_a_peer_that_no_longer_listens),
        cmocka_unit_test(rests_only_when_nothing_is_left_to_read),
        cmocka_unit_test(closes_once_and_gives_everything_back),
        cmocka_unit_test(shows_a_cut_as_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
