/* Sealed names: they open for the same holder alone, and not when a bit is another. */
#include "mcp_case.h"

#include "config/config.h"

struct room {
    struct arena arena;
    struct mcp_seal *seal;
    struct identity identity;
    struct mcp_holder holder;
};

static void begin(struct room *room) {
    arena_init(&room->arena, 16 << 20);
    room->seal = mcp_seal_new(case_key);
    assert_non_null(room->seal);
    room->identity = case_caller();
    room->holder = case_holder(&room->identity);
}

static void end(struct room *room) {
    mcp_seal_free(room->seal);
    arena_done(&room->arena);
}

static struct slice closed(struct room *room, enum mcp_sealed what, struct slice text) {
    struct slice sealed = mcp_seal_close(room->seal, what, &room->holder, text, &room->arena);
    assert_true(sealed.len > text.len);
    return sealed;
}

static bool opens(struct room *room, enum mcp_sealed what, struct slice sealed) {
    struct slice text;
    return mcp_seal_open(room->seal, what, &room->holder, sealed, &room->arena, &text);
}

static void assert_opens(struct room *room, enum mcp_sealed what, struct slice sealed,
                         struct slice expected) {
    struct slice text = {0};
    assert_true(mcp_seal_open(room->seal, what, &room->holder, sealed, &room->arena, &text));
    assert_int_equal(text.len, expected.len);
    assert_memory_equal(text.ptr, expected.ptr, expected.len);
}

static bool is_url_safe(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                    text.ptr[i])) {
            return false;
        }
    }
    return true;
}

static void gives_back_what_was_sealed(void **state) {
    (void)state;
    struct room room;
    char text[1024];
    begin(&room);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i * 7);
    }
    for (size_t len = 1; len <= sizeof text; len += len < 40 ? 1 : 123) {
        for (int what = MCP_SEALED_SESSION; what <= MCP_SEALED_STATE; what++) {
            struct slice sealed = closed(&room, (enum mcp_sealed)what, slice_of(text, len));
            assert_true(is_url_safe(sealed));
            assert_opens(&room, (enum mcp_sealed)what, sealed, slice_of(text, len));
        }
    }
    assert_opens(&room, MCP_SEALED_TASK,
                 closed(&room, MCP_SEALED_TASK, slice_of(text, sizeof text)),
                 slice_of(text, sizeof text));
    end(&room);
}

static void seals_neither_nothing_nor_too_much(void **state) {
    (void)state;
    struct room room;
    char text[1025] = {0};
    begin(&room);
    assert_int_equal(
        mcp_seal_close(room.seal, MCP_SEALED_TASK, &room.holder, SLICE(""), &room.arena).len, 0);
    assert_int_equal(mcp_seal_close(room.seal, MCP_SEALED_TASK, &room.holder,
                                    slice_of(text, sizeof text), &room.arena)
                         .len,
                     0);
    closed(&room, MCP_SEALED_TASK, slice_of(text, sizeof text - 1));
    static const char state_text[16 * 1024 + 1];
    struct slice longest = slice_of(state_text, sizeof state_text - 1);
    assert_opens(&room, MCP_SEALED_STATE, closed(&room, MCP_SEALED_STATE, longest), longest);
    struct slice longer = slice_of(state_text, sizeof state_text);
    assert_int_equal(
        mcp_seal_close(room.seal, MCP_SEALED_STATE, &room.holder, longer, &room.arena).len, 0);
    end(&room);
}

static void opens_nothing_with_a_bit_turned(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    for (int what = MCP_SEALED_SESSION; what <= MCP_SEALED_STATE; what++) {
        struct slice sealed = closed(&room, (enum mcp_sealed)what, SLICE("task-786"));
        char *altered = malloc(sealed.len);
        assert_non_null(altered);
        memcpy(altered, sealed.ptr, sealed.len);
        for (size_t bit = 0; bit < sealed.len * 8; bit++) {
            altered[bit / 8] = (char)(altered[bit / 8] ^ (1 << bit % 8));
            assert_false(opens(&room, (enum mcp_sealed)what, slice_of(altered, sealed.len)));
            altered[bit / 8] = sealed.ptr[bit / 8];
        }
        assert_opens(&room, (enum mcp_sealed)what, slice_of(altered, sealed.len),
                     SLICE("task-786"));
        free(altered);
    }
    end(&room);
}

static void opens_nothing_cut_lengthened_or_made_up(void **state) {
    (void)state;
    struct room room;
    char longer[4096];
    begin(&room);
    struct slice sealed = closed(&room, MCP_SEALED_SESSION, SLICE("s"));
    memset(longer, 'A', sizeof longer);
    memcpy(longer, sealed.ptr, sealed.len);
    for (size_t len = 0; len <= sizeof longer; len++) {
        assert_int_equal(opens(&room, MCP_SEALED_SESSION, slice_of(longer, len)),
                         len == sealed.len);
    }
    static const char *const made_up[] = {"=", "A", "session", "\xC3\xA4", "../../etc/passwd"};
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++) {
        assert_false(opens(&room, MCP_SEALED_SESSION, slice_of_str(made_up[i])));
    }
    end(&room);
}

static void opens_for_the_same_holder_alone(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    struct slice sealed = closed(&room, MCP_SEALED_SESSION, SLICE("abc"));
    const struct mcp_holder own = room.holder;
    const struct identity caller = room.identity;
    struct slice *const fields[] = {&room.holder.route, &room.holder.session, &room.identity.tenant,
                                    &room.identity.oid, &room.identity.app};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        static const char *const others[] = {"", "t", "44444444-4444-4444-4444-444444444444"};
        for (size_t j = 0; j < sizeof others / sizeof *others; j++) {
            *fields[i] = slice_of_str(others[j]);
            assert_false(opens(&room, MCP_SEALED_SESSION, sealed));
        }
        room.holder = own;
        room.identity = caller;
        assert_opens(&room, MCP_SEALED_SESSION, sealed, SLICE("abc"));
    }
    room.identity.type = PRINCIPAL_APP;
    assert_false(opens(&room, MCP_SEALED_SESSION, sealed));
    room.identity = caller;
    room.identity.tenant_index = CONFIG_NONE;
    assert_false(opens(&room, MCP_SEALED_SESSION, sealed));
    end(&room);
}

/* What moves from one field to the next is another holder. */
static void tells_fields_apart_by_their_length(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    room.identity.oid = SLICE("ab");
    room.identity.app = SLICE("c");
    struct slice sealed = closed(&room, MCP_SEALED_TASK, SLICE("abc"));
    room.identity.oid = SLICE("a");
    room.identity.app = SLICE("bc");
    assert_false(opens(&room, MCP_SEALED_TASK, sealed));
    end(&room);
}

static void opens_as_the_same_kind_alone(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    for (int what = MCP_SEALED_SESSION; what <= MCP_SEALED_STATE; what++) {
        struct slice sealed = closed(&room, (enum mcp_sealed)what, SLICE("17"));
        for (int as = MCP_SEALED_SESSION; as <= MCP_SEALED_STATE; as++) {
            assert_int_equal(opens(&room, (enum mcp_sealed)as, sealed), as == what);
        }
    }
    end(&room);
}

static void names_a_task_and_a_request_alike_each_time(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    for (int what = MCP_SEALED_SESSION; what <= MCP_SEALED_STATE; what++) {
        struct slice once = closed(&room, (enum mcp_sealed)what, SLICE("17"));
        struct slice again = closed(&room, (enum mcp_sealed)what, SLICE("17"));
        struct slice other = closed(&room, (enum mcp_sealed)what, SLICE("18"));
        assert_int_equal(slice_eq(once, again), what != MCP_SEALED_SESSION);
        assert_int_equal(memcmp(once.ptr, other.ptr, 16) == 0, 0);
    }
    struct slice own = closed(&room, MCP_SEALED_TASK, SLICE("17"));
    room.identity.oid = SLICE("44444444-4444-4444-4444-444444444444");
    struct slice of_another = closed(&room, MCP_SEALED_TASK, SLICE("17"));
    assert_int_not_equal(memcmp(own.ptr, of_another.ptr, 16), 0);
    end(&room);
}

static void closes_many_as_it_closes_one(void **state) {
    (void)state;
    struct room room;
    static const char *const texts[] = {
        "1", "2", "", "1", "a longer one, to be followed by another", "3"};
    begin(&room);
    for (int what = MCP_SEALED_SESSION; what <= MCP_SEALED_STATE; what++) {
        struct mcp_sealer *sealer = mcp_sealer_new(room.seal, (enum mcp_sealed)what, &room.holder);
        assert_non_null(sealer);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            struct slice text = slice_of_str(texts[i]);
            struct slice sealed = mcp_sealer_close(sealer, text);
            if (text.len == 0) {
                assert_int_equal(sealed.len, 0);
                continue;
            }
            assert_opens(&room, (enum mcp_sealed)what, sealed, text);
            struct slice alone = closed(&room, (enum mcp_sealed)what, text);
            assert_int_equal(slice_eq(alone, sealed), what != MCP_SEALED_SESSION);
        }
        mcp_sealer_free(sealer);
    }
    end(&room);
}

static void opens_with_the_same_key_alone(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    struct slice sealed = closed(&room, MCP_SEALED_SESSION, SLICE("abc"));
    struct mcp_seal *own = room.seal;
    room.seal = mcp_seal_new(case_key);
    assert_opens(&room, MCP_SEALED_SESSION, sealed, SLICE("abc"));
    mcp_seal_free(room.seal);
    for (int i = 0; i < 2; i++) {
        room.seal = mcp_seal_new(NULL);
        assert_non_null(room.seal);
        assert_false(opens(&room, MCP_SEALED_SESSION, sealed));
        assert_opens(&room, MCP_SEALED_TASK, closed(&room, MCP_SEALED_TASK, SLICE("x")),
                     SLICE("x"));
        mcp_seal_free(room.seal);
    }
    room.seal = own;
    end(&room);
}

static const uint64_t servers[] = {0x5151, 0x6262, 0x7373};

static struct slice closed_at(struct room *room, enum mcp_sealed what, size_t server) {
    room->holder.servers = servers;
    room->holder.server_count = 3;
    room->holder.server = server;
    return closed(room, what, SLICE("17"));
}

/* Where the name's server is among `count` of these, for a holder that has to do with `server`. */
static size_t opened_at(struct room *room, enum mcp_sealed what, struct slice sealed,
                        const uint64_t *among, size_t count, size_t server) {
    room->holder.servers = among;
    room->holder.server_count = count;
    room->holder.server = server;
    room->holder.any_server_will_do = false;
    return opens(room, what, sealed) ? room->holder.server : SIZE_MAX;
}

static void leads_to_the_server_that_it_is_of(void **state) {
    (void)state;
    static const uint64_t turned[] = {0x7373, 0x6262, 0x5151};
    struct room room;
    begin(&room);
    for (int as = MCP_SEALED_SESSION; as <= MCP_SEALED_STATE; as++) {
        enum mcp_sealed what = (enum mcp_sealed)as;
        for (size_t server = 0; server < 3; server++) {
            struct slice sealed = closed_at(&room, what, server);
            assert_int_equal(opened_at(&room, what, sealed, servers, 3, CONFIG_NONE), server);
            assert_int_equal(room.holder.any_server_will_do, what == MCP_SEALED_STATE);
            assert_int_equal(opened_at(&room, what, sealed, servers, 3, server), server);
            assert_false(room.holder.any_server_will_do);
            assert_int_equal(opened_at(&room, what, sealed, turned, 3, CONFIG_NONE), 2 - server);
        }
    }
    end(&room);
}

static void opens_for_no_other_server(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    for (int as = MCP_SEALED_SESSION; as < MCP_SEALED_STATE; as++) {
        enum mcp_sealed what = (enum mcp_sealed)as;
        struct slice sealed = closed_at(&room, what, 2);
        assert_int_equal(opened_at(&room, what, sealed, servers, 3, 0), SIZE_MAX);
        assert_int_equal(opened_at(&room, what, sealed, servers, 2, CONFIG_NONE), SIZE_MAX);
        assert_int_equal(opened_at(&room, what, sealed, servers + 2, 1, CONFIG_NONE), 0);
    }
    end(&room);
}

static void opens_a_state_whatever_becomes_of_its_server(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    struct slice sealed = closed_at(&room, MCP_SEALED_STATE, 2);
    assert_int_equal(opened_at(&room, MCP_SEALED_STATE, sealed, servers, 3, 0), 0);
    assert_false(room.holder.any_server_will_do);
    assert_int_equal(opened_at(&room, MCP_SEALED_STATE, sealed, servers, 2, CONFIG_NONE),
                     CONFIG_NONE);
    end(&room);
}

static void names_alike_what_is_of_one_server_alone(void **state) {
    (void)state;
    struct room room;
    begin(&room);
    struct slice first = closed_at(&room, MCP_SEALED_TASK, 0);
    assert_true(slice_eq(first, closed_at(&room, MCP_SEALED_TASK, 0)));
    struct slice second = closed_at(&room, MCP_SEALED_TASK, 1);
    assert_int_not_equal(memcmp(first.ptr, second.ptr, 16), 0);
    end(&room);
}

static void gives_nothing_without_memory(void **state) {
    (void)state;
    struct room room;
    struct arena none;
    struct slice text;
    begin(&room);
    struct slice sealed = closed(&room, MCP_SEALED_SESSION, SLICE("abc"));
    arena_init(&none, 0);
    assert_int_equal(
        mcp_seal_close(room.seal, MCP_SEALED_SESSION, &room.holder, SLICE("abc"), &none).len, 0);
    assert_false(mcp_seal_open(room.seal, MCP_SEALED_SESSION, &room.holder, sealed, &none, &text));
    arena_done(&none);
    end(&room);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_sealed),
        cmocka_unit_test(seals_neither_nothing_nor_too_much),
        cmocka_unit_test(opens_nothing_with_a_bit_turned),
        cmocka_unit_test(opens_nothing_cut_lengthened_or_made_up),
        cmocka_unit_test(opens_for_the_same_holder_alone),
        cmocka_unit_test(tells_fields_apart_by_their_length),
        cmocka_unit_test(opens_as_the_same_kind_alone),
        cmocka_unit_test(names_a_task_and_a_request_alike_each_time),
        cmocka_unit_test(closes_many_as_it_closes_one),
        cmocka_unit_test(opens_with_the_same_key_alone),
        cmocka_unit_test(leads_to_the_server_that_it_is_of),
        cmocka_unit_test(opens_for_no_other_server),
        cmocka_unit_test(opens_a_state_whatever_becomes_of_its_server),
        cmocka_unit_test(names_alike_what_is_of_one_server_alone),
        cmocka_unit_test(gives_nothing_without_memory),
    };
    return cmocka_run_group_tests(tests, case_begin, NULL);
}
