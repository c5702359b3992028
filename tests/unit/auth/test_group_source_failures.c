/* When there is no answer, or none to believe. */
#include "group_source_case.h"

static void believes_no_answer_that_is_not_a_list_of_what_was_asked(void **state) {
    (void)state;
    static const char good[] = "{\"value\":[\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f7\"]}";
    static const char mixed[] = "{\"value\":[\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f7\","
                                "\"5b60718a-92a3-4b4c-8d5e-6f708192a3b4\"]}";
    static const char *const bad[] = {
        "",
        "[]",
        "<html>sign in</html>",
        "{}",
        "{\"value\":null}",
        "{\"value\":{}}",
        "{\"value\":\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f7\"}",
        "{\"value\":[7]}",
        "{\"value\":[\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f\"]}",
        "{\"value\":[\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f7\\u0000\"]}",
        "{\"value\":[{\"id\":\"0000a000-2c3d-4e5f-8091-a2b3c4d5e6f7\"}]}",
        "{\"value\":[\"5b60718a-92a3-4b4c-8d5e-6f708192a3b4\"]}", /* not asked about */
        mixed,
        "{\"value\":[],\"@odata.nextLink\":\"https://graph.microsoft.com/v1.0/more\"}",
        "{\"value\":[],\"value\":[]}",
        "{\"value\":[]",
        "{\"value\":[]}}",
    };
    struct group_list *groups = NULL;
    reply(USERS MIRA, 200, NULL, good);
    start_well(1);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OK);
    assert_groups(groups, (size_t[]){0}, 1);
    group_list_unref(groups);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum group_result result;
        size_t before = hits(USERS MIRA);
        scripted_server_replace(bar.server, USERS MIRA, (struct scripted_reply){200, NULL, bad[i]});
        do {
            result = look_up(MIRA, &groups);
            if (hits(USERS MIRA) != before) {
                assert_int_equal(result, GROUPS_FAILED);
                assert_null(groups);
            }
            group_list_unref(groups);
            loop_run_once(bar.loop, 1);
        } while (hits(USERS MIRA) == before);
    }
    scripted_server_replace(bar.server, USERS MIRA, (struct scripted_reply){200, NULL, good});
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
}

static void keeps_quiet_as_long_as_graph_asks(void **state) {
    (void)state;
    reply(USERS MIRA, 429, "Retry-After: 100\r\n",
          "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}");
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    reply(USERS INES, 200, NULL, "{\"value\":[]}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_THROTTLED);
    assert_int_equal(look_up(INES, NULL), GROUPS_PAUSED);
    RUN_UNTIL(bar.loop, look_up(INES, NULL) == GROUPS_OK);
    assert_true(clock_monotonic_ms() - asked_ms >= 100 * SECOND_MS);
    assert_int_equal(hits(USERS INES), 1);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
}

static void backs_off_while_graph_is_down_and_recovers(void **state) {
    (void)state;
    struct group_list *groups = NULL;
    reply(USERS MIRA, 503, NULL, "{}");
    reply(USERS INES, 0, NULL, NULL);
    start_well(1);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_FAILED);
    assert_null(groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_FAILED); /* stands for a moment */
    assert_int_equal(hits(USERS MIRA), 1);
    assert_int_equal(look_up(INES, NULL), GROUPS_FAILED);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_PAUSED);
    assert_int_equal(look_up("17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3", NULL), GROUPS_PAUSED);
    scripted_server_replace(bar.server, USERS MIRA,
                            (struct scripted_reply){200, NULL, "{\"value\":[]}"});
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    assert_true(group_source_count(bar.source, GROUPS_PAUSED) > 0);
    assert_true(group_source_count(bar.source, GROUPS_FAILED) >= 3);
}

static void takes_a_new_token_once_when_graph_refuses_it(void **state) {
    (void)state;
    reply(IMDS, 200, NULL, TOKEN("old"));
    reply(IMDS, 200, NULL, TOKEN("new"));
    reply(METADATA, 200, NULL, bar.metadata);
    reply(USERS MIRA, 401, NULL, "{\"error\":{\"code\":\"InvalidAuthenticationToken\"}}");
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    reply(USERS INES, 401, NULL, "{\"error\":{\"code\":\"InvalidAuthenticationToken\"}}");
    start_source(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_true(scripted_server_saw(bar.server, USERS MIRA, "Bearer new\r\n"));
    assert_int_equal(look_up(INES, NULL), GROUPS_FAILED);
    assert_int_equal(hits(USERS INES), 1);
}

static void tells_refusals_apart(void **state) {
    (void)state;
    reply(USERS MIRA, 404, NULL, "{\"error\":{\"code\":\"Request_ResourceNotFound\"}}");
    reply(USERS INES, 403, NULL, "{\"error\":{\"code\":\"Authorization_RequestDenied\"}}");
    reply(USERS TENANT, 404, NULL, "<html>no such page</html>");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_NOT_FOUND);
    assert_int_equal(look_up(INES, NULL), GROUPS_FORBIDDEN);
    assert_int_equal(look_up(TENANT, NULL), GROUPS_FAILED);
}

static void says_so_without_an_identity_or_its_token(void **state) {
    (void)state;
    bar.config.identity.kind = IDENTITY_NONE;
    start_source(1);
    struct group_list *groups = NULL;
    assert_int_equal(look_up(MIRA, &groups), GROUPS_NO_TOKEN);
    assert_null(groups);
}

static void fails_when_no_token_can_be_had(void **state) {
    (void)state;
    reply(IMDS, 400, NULL, "{\"error\":\"invalid_request\"}");
    reply(METADATA, 200, NULL, bar.metadata);
    start_source(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_NO_TOKEN);
}

static void asks_no_host_that_the_metadata_must_not_name(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"msgraph_host\":7}",
        "{\"msgraph_host\":\"\"}",
        "{\"msgraph_host\":\"192.0.2.1\"}", /* plain http off loopback */
        "{\"msgraph_host\":\"graph.microsoft.com\"}",
        "{\"msgraph_host\":\"127.0.0.1:1/x\"}",
        "{\"msgraph_host\":\"user@127.0.0.1:1\"}",
        "{\"msgraph_host\":\"127.0.0.1:1?x\"}",
        "{\"msgraph_host\":\"127.0.0.1:99999\"}",
        "{\"msgraph_host\":\"http://127.0.0.1:1\"}",
        "nothing",
    };
    struct config_entra entra = bar.config.entra;
    char url[GRAPH_URL_SIZE];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(graph_answer_url(slice_of_str(bad[i]), &entra, url, NULL), STATUS_INVALID);
    struct slice good = SLICE("{\"msgraph_host\":\"127.0.0.1:8080\"}");
    assert_int_equal(graph_answer_url(good, &entra, url, NULL), STATUS_OK);
    assert_string_equal(url, "http://127.0.0.1:8080");
    entra.authority = "https://login.example";
    struct slice graph = SLICE("{\"msgraph_host\":\"graph.example\"}");
    assert_int_equal(graph_answer_url(graph, &entra, url, NULL), STATUS_OK);
    assert_string_equal(url, "https://graph.example");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(believes_no_answer_that_is_not_a_list_of_what_was_asked),
        CASE(keeps_quiet_as_long_as_graph_asks),
        CASE(backs_off_while_graph_is_down_and_recovers),
        CASE(takes_a_new_token_once_when_graph_refuses_it),
        CASE(tells_refusals_apart),
        CASE(says_so_without_an_identity_or_its_token),
        CASE(fails_when_no_token_can_be_had),
        CASE(asks_no_host_that_the_metadata_must_not_name),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
