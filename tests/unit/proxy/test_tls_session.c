/* TLS over a connection's socket: what the flags promise, what moves in pieces, how it ends. Each
 * test runs in both versions. */
#include "tls_pair.h"

#include <signal.h>

enum { BLOCK_BYTES = 1024, BIG_BYTES = 1 << 20 };

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define EACH_VERSION(version_)                                                                     \
    for (size_t version_index_ = 0; version_index_ < COUNT(versions); version_index_++)            \
        for (int version_ = versions[version_index_]; version_; version_ = 0)

static void await_readable(struct tls_pair *pair) {
    TURN_UNTIL(pair->loop, pair->wired.conn.can_read);
}

/* Reads until `result` is not IO_OK; appends what came. */
static enum io_result read_all(struct tls_pair *pair, struct buf *out) {
    struct conn *conn = &pair->wired.conn;
    enum io_result result;
    while ((result = conn_fill(conn)) == IO_OK) {
        struct slice data = io_buffer_data(&conn->in);
        buf_append(out, data.ptr, data.len);
        io_buffer_consume(&conn->in, data.len);
    }
    return result;
}

/* As read_all(), over as many turns of the loop as it takes to get to the end. */
static enum io_result read_to_end(struct tls_pair *pair, struct buf *out) {
    enum io_result result;
    uint64_t limit_ms = clock_monotonic_ms() + WIRED_LIMIT_MS;
    while ((result = read_all(pair, out)) == IO_WAIT) {
        assert_true(clock_monotonic_ms() < limit_ms);
        loop_run_once(pair->loop, 5);
    }
    return result;
}

static char *numbered_bytes(size_t len) {
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    return bytes;
}

static void agrees_and_carries_bytes(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        struct buf got;
        buf_init(&got, 1000);
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        assert_int_equal(SSL_version(pair.server), version);
        assert_int_equal(conn_fill(conn), IO_WAIT);
        assert_false(conn->can_read);
        assert_true(conn->can_write);

        server_send(&pair, SLICE("from the server"));
        assert_int_equal(conn_fill(conn), IO_WAIT); /* nobody has said so yet */
        await_readable(&pair);
        assert_int_equal(conn_fill(conn), IO_OK);
        assert_slice(io_buffer_data(&conn->in), "from the server");
        assert_false(conn->can_read);

        assert_true(io_buffer_open(&conn->out, pair.pool));
        assert_true(io_buffer_append(&conn->out, pair.pool, SLICE("from the client")));
        assert_int_equal(conn_flush(conn), IO_OK);
        server_receive(&pair, &got);
        assert_slice(buf_slice(&got), "from the client");
        buf_done(&got);
        tls_pair_close(&pair);
    }
}

static void refuses_a_server_of_another_name(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        tls_pair_open_on(&pair, version, BLOCK_BYTES, "other.example", fds);
        struct conn *conn = &pair.wired.conn;
        assert_int_equal(tls_pair_shake(&pair), IO_ERROR);
        assert_true(conn->is_broken);
        assert_string_equal(tls_session_problem(conn->tls),
                            "the upstream's certificate is for another host");
        assert_false(tls_session_was_refused(conn->tls));
        assert_int_equal(conn_handshake(conn), IO_ERROR); /* final */
        tls_pair_close(&pair);
    }
}

static void stays_readable_while_a_record_is_half_read(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        struct buf got;
        char *bytes = numbered_bytes(5000);
        buf_init(&got, 10000);
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        server_send(&pair, slice_of(bytes, 5000)); /* one record, five blocks */
        await_readable(&pair);
        for (int i = 0; i < 4; i++) {
            assert_true(conn->can_read);
            assert_int_equal(conn_fill(conn), IO_OK);
            assert_int_equal(io_buffer_data(&conn->in).len, BLOCK_BYTES);
            assert_int_equal(conn_fill(conn), IO_FULL);
            buf_append(&got, io_buffer_data(&conn->in).ptr, BLOCK_BYTES);
            io_buffer_consume(&conn->in, BLOCK_BYTES);
        }
        assert_int_equal(read_all(&pair, &got), IO_WAIT); /* no edge came meanwhile */
        assert_false(conn->can_read);
        assert_true(slice_eq(buf_slice(&got), slice_of(bytes, 5000)));
        buf_done(&got);
        free(bytes);
        tls_pair_close(&pair);
    }
}

/* The server's records cross the socket a few bytes at a time. */
static void waits_for_the_rest_of_a_record(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        char record[256];
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        BIO *memory = BIO_new(BIO_s_mem());
        assert_non_null(memory);
        BIO_up_ref(SSL_get_wbio(pair.server));
        BIO *socket_bio = SSL_get_wbio(pair.server);
        SSL_set0_wbio(pair.server, memory);
        server_send(&pair, SLICE("in pieces"));
        int len = BIO_read(memory, record, sizeof record);
        SSL_set0_wbio(pair.server, socket_bio);
        assert_true(len > 0);
        for (int i = 0; i < len; i++) {
            assert_int_equal(conn_fill(conn), IO_WAIT);
            assert_false(conn->can_read);
            assert_int_equal(send(pair.wired.peer, record + i, 1, MSG_NOSIGNAL), 1);
            await_readable(&pair);
        }
        assert_int_equal(conn_fill(conn), IO_OK);
        assert_slice(io_buffer_data(&conn->in), "in pieces");
        tls_pair_close(&pair);
    }
}

static void sends_in_pieces_what_the_kernel_takes(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        struct buf got;
        char *bytes = numbered_bytes(BIG_BYTES);
        buf_init(&got, 2 * BIG_BYTES);
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        size_t sent = 0, waits = 0;
        while (sent < BIG_BYTES) {
            size_t now = 0;
            /* from another place each time, as buffers move */
            char *copy = malloc(BIG_BYTES - sent);
            assert_non_null(copy);
            memcpy(copy, bytes + sent, BIG_BYTES - sent);
            enum io_result result = conn_send_direct(conn, slice_of(copy, BIG_BYTES - sent), &now);
            free(copy);
            sent += now;
            if (result == IO_WAIT) {
                waits++;
                assert_false(conn->can_write);
                assert_int_equal(conn_send_direct(conn, SLICE("x"), &now), IO_WAIT);
                server_receive(&pair, &got);
                TURN_UNTIL(pair.loop, conn->can_write);
            } else {
                assert_int_equal(result, IO_OK);
            }
        }
        server_receive(&pair, &got);
        assert_true(waits > 0);
        assert_true(slice_eq(buf_slice(&got), slice_of(bytes, BIG_BYTES)));
        buf_done(&got);
        free(bytes);
        tls_pair_close(&pair);
    }
}

static void goes_on_where_flushing_stopped(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        struct buf expected, got;
        buf_init(&expected, 64u * 1024 * 1024);
        buf_init(&got, 64u * 1024 * 1024);
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        enum io_result result = IO_OK;
        for (unsigned line = 0; result == IO_OK; line++) {
            char text[600];
            int len = snprintf(text, sizeof text, "%*u\n", 500, line);
            assert_true(io_buffer_open(&conn->out, pair.pool));
            assert_true(io_buffer_append(&conn->out, pair.pool, slice_of(text, (size_t)len)));
            buf_append(&expected, text, (size_t)len);
            result = conn_flush(conn);
        }
        assert_int_equal(result, IO_WAIT);
        /* more is appended behind what was sealed but not sent */
        assert_true(io_buffer_append(&conn->out, pair.pool, SLICE("the end")));
        buf_append(&expected, "the end", 7);
        server_receive(&pair, &got);
        TURN_UNTIL(pair.loop, conn->can_write);
        assert_int_equal(conn_flush(conn), IO_OK);
        server_receive(&pair, &got);
        assert_true(slice_eq(buf_slice(&got), buf_slice(&expected)));
        buf_done(&expected);
        buf_done(&got);
        tls_pair_close(&pair);
    }
}

static void end_with_goodbye(struct tls_pair *pair) {
    SSL_shutdown(pair->server);
}

static void end_with_goodbye_and_close(struct tls_pair *pair) {
    SSL_shutdown(pair->server);
    peer_close(&pair->wired);
}

static void end_by_finishing(struct tls_pair *pair) {
    peer_finish(&pair->wired);
}

static void end_by_closing(struct tls_pair *pair) {
    peer_close(&pair->wired);
}

static void end_with_junk(struct tls_pair *pair) {
    peer_send(&pair->wired, SLICE("HTTP/1.1 200 OK\r\n\r\n"));
}

static void tells_a_goodbye_from_a_cut(void **state) {
    (void)state;
    static const struct {
        void (*end)(struct tls_pair *pair);
        enum io_result expected;
    } cases[] = {
        {end_with_goodbye, IO_EOF},   {end_with_goodbye_and_close, IO_EOF},
        {end_by_finishing, IO_ERROR}, {end_by_closing, IO_ERROR},
        {end_with_junk, IO_ERROR},
    };
    EACH_VERSION(version) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct tls_pair pair;
            struct buf got;
            buf_init(&got, 1000);
            tls_pair_open(&pair, version, BLOCK_BYTES);
            struct conn *conn = &pair.wired.conn;
            server_send(&pair, SLICE("last words"));
            cases[i].end(&pair);
            assert_int_equal(read_to_end(&pair, &got), cases[i].expected);
            assert_slice(buf_slice(&got), "last words");
            assert_true(conn->can_read); /* the end stays to be read */
            assert_int_equal(conn_fill(conn), cases[i].expected);
            assert_int_equal(conn->is_broken && cases[i].expected == IO_ERROR,
                             cases[i].expected == IO_ERROR);
            assert_int_equal(tls_session_problem(conn->tls) != NULL, cases[i].expected == IO_ERROR);
            buf_done(&got);
            tls_pair_close(&pair);
        }
    }
}

static void reads_on_when_the_peer_stopped_listening(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        struct buf got;
        buf_init(&got, 1000);
        tls_pair_open(&pair, version, BLOCK_BYTES);
        struct conn *conn = &pair.wired.conn;
        size_t sent;
        server_send(&pair, SLICE("no, thank you"));
        SSL_shutdown(pair.server);
        peer_close(&pair.wired);
        assert_int_equal(conn_send_direct(conn, SLICE("an upload"), &sent), IO_ERROR);
        assert_int_equal(conn_send_direct(conn, SLICE("an upload"), &sent), IO_ERROR);
        assert_int_equal(read_to_end(&pair, &got), IO_EOF);
        assert_slice(buf_slice(&got), "no, thank you");
        buf_done(&got);
        tls_pair_close(&pair);
    }
}

static void knows_an_alert(void **state) {
    (void)state;
    struct tls_pair pair;
    struct buf got;
    buf_init(&got, 1000);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    tls_pair_open_on(&pair, TLS1_3_VERSION, BLOCK_BYTES, "localhost", fds);
    SSL_set_verify(pair.server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    struct conn *conn = &pair.wired.conn;
    while (conn_handshake(conn) == IO_WAIT) {
        SSL_do_handshake(pair.server);
        loop_run_once(pair.loop, 1);
    }
    assert_true(SSL_do_handshake(pair.server) != 1); /* the client believes that all is well */
    assert_int_equal(read_to_end(&pair, &got), IO_ERROR);
    assert_true(tls_session_was_refused(conn->tls));
    assert_string_equal(tls_session_problem(conn->tls), "the upstream wants a client certificate");
    buf_done(&got);
    tls_pair_close(&pair);
}

static void do_nothing(struct tls_pair *pair) {
    (void)pair;
}

static void send_new_keys(struct tls_pair *pair) {
    if (SSL_version(pair->server) == TLS1_3_VERSION) {
        assert_true(SSL_key_update(pair->server, SSL_KEY_UPDATE_REQUESTED));
        assert_int_equal(SSL_do_handshake(pair->server), 1);
    }
}

static void send_a_ticket(struct tls_pair *pair) {
    if (SSL_version(pair->server) == TLS1_3_VERSION) {
        assert_true(SSL_new_session_ticket(pair->server));
        assert_int_equal(SSL_do_handshake(pair->server), 1);
    }
}

static void send_a_byte(struct tls_pair *pair) {
    server_send(pair, SLICE("x"));
}

static void is_quiet_unless_the_peer_speaks_or_ends(void **state) {
    (void)state;
    static const struct {
        void (*act)(struct tls_pair *pair);
        bool is_quiet;
    } cases[] = {
        {do_nothing, true},      {send_new_keys, true},     {send_a_ticket, true},
        {send_a_byte, false},    {end_with_goodbye, false}, {end_by_finishing, false},
        {end_by_closing, false}, {end_with_junk, false},
    };
    EACH_VERSION(version) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct tls_pair pair;
            struct buf got;
            buf_init(&got, 1000);
            tls_pair_open_fresh(&pair, version, BLOCK_BYTES);
            struct conn *conn = &pair.wired.conn;
            cases[i].act(&pair);
            if (conn_is_quiet(conn) != cases[i].is_quiet)
                fail_msg("case %zu", i);
            if (cases[i].is_quiet) {
                assert_false(conn->can_read);
                server_send(&pair, SLICE("as before"));
                await_readable(&pair);
                assert_int_equal(read_all(&pair, &got), IO_WAIT);
                assert_slice(buf_slice(&got), "as before");
            }
            buf_done(&got);
            tls_pair_close(&pair);
        }
    }
}

static void takes_new_keys_between_two_halves(void **state) {
    (void)state;
    struct tls_pair pair;
    struct buf got;
    buf_init(&got, 1000);
    tls_pair_open(&pair, TLS1_3_VERSION, BLOCK_BYTES);
    struct conn *conn = &pair.wired.conn;
    server_send(&pair, SLICE("one "));
    send_new_keys(&pair);
    server_send(&pair, SLICE("two"));
    await_readable(&pair);
    assert_int_equal(read_all(&pair, &got), IO_WAIT);
    assert_slice(buf_slice(&got), "one two");
    buf_clear(&got);
    size_t sent;
    assert_int_equal(conn_send_direct(conn, SLICE("under the new keys"), &sent), IO_OK);
    server_receive(&pair, &got);
    assert_slice(buf_slice(&got), "under the new keys");
    buf_done(&got);
    tls_pair_close(&pair);
}

static void send_sixteen_bytes(struct tls_pair *pair) {
    server_send(pair, SLICE("sixteen bytes it"));
}

static void send_new_keys_and_a_kilobyte(struct tls_pair *pair) {
    static const char bytes[1024];
    send_new_keys(pair);
    server_send(pair, slice_of(bytes, sizeof bytes));
}

/* How often `act` is borne. */
static size_t count_until_cut(int version, void (*act)(struct tls_pair *pair), size_t limit) {
    struct tls_pair pair;
    struct buf got;
    size_t count = 0;
    enum io_result result = IO_WAIT;
    buf_init(&got, 4096);
    tls_pair_open(&pair, version, BLOCK_BYTES);
    struct conn *conn = &pair.wired.conn;
    while (count < limit && result == IO_WAIT) {
        size_t sent;
        act(&pair);
        await_readable(&pair);
        buf_clear(&got);
        result = read_all(&pair, &got);
        /* what a request for new keys is answered with goes out with what is written next */
        if (result == IO_WAIT)
            assert_int_equal(conn_send_direct(conn, SLICE("."), &sent), IO_OK);
        buf_clear(&got);
        server_receive(&pair, &got);
        count++;
    }
    assert_int_equal(tls_session_is_flooded(conn->tls), count < limit);
    if (count < limit) {
        assert_int_equal(result, IO_ERROR);
        assert_true(conn->is_broken);
        assert_non_null(tls_session_problem(conn->tls));
    }
    buf_done(&got);
    tls_pair_close(&pair);
    return count;
}

static void ends_who_keeps_it_busy_with_nothing(void **state) {
    (void)state;
    EACH_VERSION(version) {
        assert_int_equal(count_until_cut(version, send_sixteen_bytes, 30000), 30000);
        assert_in_range(count_until_cut(version, send_a_byte, 60000), 8000, 40000);
    }
    assert_int_equal(count_until_cut(TLS1_3_VERSION, send_new_keys_and_a_kilobyte, 2000), 2000);
    assert_in_range(count_until_cut(TLS1_3_VERSION, send_new_keys, 4000), 20, 1000);
    assert_in_range(count_until_cut(TLS1_3_VERSION, send_a_ticket, 4000), 20, 1000);
}

static void does_not_negotiate_again(void **state) {
    (void)state;
    struct tls_pair pair;
    struct buf got;
    buf_init(&got, 1000);
    tls_pair_open(&pair, TLS1_2_VERSION, BLOCK_BYTES);
    SSL_renegotiate(pair.server);
    SSL_do_handshake(pair.server);
    await_readable(&pair);
    assert_int_equal(read_all(&pair, &got), IO_WAIT);
    char byte; /* the server gives up: it was told no_renegotiation */
    assert_int_equal(SSL_get_error(pair.server, SSL_read(pair.server, &byte, 1)), SSL_ERROR_SSL);
    assert_int_equal(got.len, 0);
    buf_done(&got);
    tls_pair_close(&pair);
}

/* What the server reads after `close_conn`: its SSL_get_error(). */
static int error_after(void (*close_conn)(struct conn *conn, struct loop *loop)) {
    struct tls_pair pair;
    int fds[2];
    tcp_pair(fds);
    tls_pair_open_on(&pair, TLS1_3_VERSION, BLOCK_BYTES, "localhost", fds);
    assert_int_equal(tls_pair_shake(&pair), IO_OK);
    close_conn(&pair.wired.conn, pair.loop);
    char byte;
    int result, error;
    do {
        result = SSL_read(pair.server, &byte, 1);
        error = SSL_get_error(pair.server, result);
    } while (error == SSL_ERROR_WANT_READ);
    tls_pair_close(&pair);
    return error;
}

static void says_goodbye_unless_it_cuts(void **state) {
    (void)state;
    assert_int_equal(error_after(conn_close), SSL_ERROR_ZERO_RETURN);
    assert_int_not_equal(error_after(conn_close_with_reset), SSL_ERROR_ZERO_RETURN);
}

/* The listener's side is the same struct over an SSL that accepts. */
static void serves_as_well(void **state) {
    (void)state;
    EACH_VERSION(version) {
        struct tls_pair pair;
        int fds[2];
        struct wired served;
        tls_pair_open(&pair, version, BLOCK_BYTES);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        wired_open_on(&served, pair.loop, pair.pool, fds);
        SSL *server = SSL_new(pair.server_ctx), *client = SSL_new(pair.client_ctx);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        assert_true(SSL_set_fd(client, fds[1]));
        conn_start_tls(&served.conn, tls_session_new(server, fds[0]));
        while (conn_handshake(&served.conn) != IO_OK || SSL_do_handshake(client) != 1) {
            SSL_do_handshake(client);
            loop_run_once(pair.loop, 1);
        }
        assert_int_equal(SSL_write(client, "hello", 5), 5);
        TURN_UNTIL(pair.loop, served.conn.can_read && conn_fill(&served.conn) == IO_OK);
        assert_slice(io_buffer_data(&served.conn.in), "hello");
        SSL_free(client);
        wired_close(&served, pair.loop);
        tls_pair_close(&pair);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_and_carries_bytes),
        cmocka_unit_test(refuses_a_server_of_another_name),
        cmocka_unit_test(stays_readable_while_a_record_is_half_read),
        cmocka_unit_test(waits_for_the_rest_of_a_record),
        cmocka_unit_test(sends_in_pieces_what_the_kernel_takes),
        cmocka_unit_test(goes_on_where_flushing_stopped),
        cmocka_unit_test(tells_a_goodbye_from_a_cut),
        cmocka_unit_test(reads_on_when_the_peer_stopped_listening),
        cmocka_unit_test(knows_an_alert),
        cmocka_unit_test(is_quiet_unless_the_peer_speaks_or_ends),
        cmocka_unit_test(takes_new_keys_between_two_halves),
        cmocka_unit_test(ends_who_keeps_it_busy_with_nothing),
        cmocka_unit_test(does_not_negotiate_again),
        cmocka_unit_test(says_goodbye_unless_it_cuts),
        cmocka_unit_test(serves_as_well),
    };
    signal(SIGPIPE, SIG_IGN); /* the test's own end writes through OpenSSL's sockets */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
