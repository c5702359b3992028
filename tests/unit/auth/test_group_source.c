#include "auth/group_source.h"

#include "auth/group_source_pace.h"
#include "tests/unit/vault/scripted_server.h"
#include "vault/azure_identity_pace.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define INES "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
#define IMDS "/metadata/identity/oauth2/token"
#define METADATA "/" TENANT "/v2.0/.well-known/openid-configuration"
#define USERS "/v1.0/users/"
#define TOKEN(text)                                                                                \
    "{\"access_token\":\"" text "\",\"expires_in\":\"86399\",\"token_type\":\"Bearer\"}"
#define MAX_GROUPS 150
/* A second of the source, so that five minutes last 900 ms. */
#define SECOND_MS 3

static struct {
    struct scripted_server *server;
    struct loop *loop;
    struct http_client *client;
    struct config config;
    struct policy *policy;
    struct azure_identity *identity;
    struct group_source *source;
    const char *groups[MAX_GROUPS];
    char group_texts[MAX_GROUPS][37];
    struct config_principal principal;
    struct config_entry entry;
    char origin[64];
    char metadata[128];
    const char *tenants[1];
} bar;

struct asked {
    struct group_want want; /* first */
    size_t answers;
};

static void on_done(struct group_want *want) {
    struct asked *asked = (struct asked *)want;
    asked->answers++;
}

static void reply(const char *prefix, int status, const char *headers, const char *body) {
    scripted_server_reply(bar.server, prefix, (struct scripted_reply){status, headers, body});
}

/* Group `number` of those that the rules name; they are sorted. */
static const char *group(size_t number) {
    return bar.group_texts[number];
}

static int open_bar(void **state) {
    (void)state;
    memset(&bar, 0, sizeof bar);
    bar.server = scripted_server_start();
    bar.loop = loop_new(NULL);
    bar.client = http_client_new(bar.loop, NULL, NULL);
    snprintf(bar.origin, sizeof bar.origin, "http://127.0.0.1:%u", bar.server->port);
    snprintf(bar.metadata, sizeof bar.metadata, "{\"msgraph_host\":\"127.0.0.1:%u\"}",
             bar.server->port);
    for (size_t i = 0; i < MAX_GROUPS; i++) {
        snprintf(bar.group_texts[i], sizeof bar.group_texts[i], "%08zx-2c3d-4e5f-8091-a2b3c4d5e6f7",
                 i + 0xa000);
        bar.groups[i] = bar.group_texts[i];
    }
    bar.tenants[0] = TENANT;
    bar.config.entra = (struct config_entra){.tenants = {bar.tenants, 1},
                                             .authority = bar.origin,
                                             .authority_is_override = true,
                                             .graph_url = "https://graph.microsoft.com"};
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_MANAGED, .endpoint = bar.origin, .tenant = TENANT};
    bar.entry = (struct config_entry){.label = "access[0]",
                                      .role = CONFIG_NONE,
                                      .to = &bar.principal,
                                      .to_count = 1,
                                      .credential = CONFIG_NONE};
    bar.config.access = (struct config_entries){&bar.entry, 1};
    return bar.loop && bar.client ? 0 : -1;
}

static int close_bar(void **state) {
    (void)state;
    group_source_free(bar.source);
    azure_identity_free(bar.identity);
    policy_free(bar.policy);
    http_client_free(bar.client);
    loop_free(bar.loop);
    scripted_server_stop(bar.server);
    return 0;
}

static void start_source(size_t group_count) {
    bar.principal.groups = (struct config_strings){bar.groups, group_count};
    bar.policy = policy_new(&bar.config);
    assert_non_null(bar.policy);
    if (bar.config.identity.kind != IDENTITY_NONE) {
        bar.identity = azure_identity_new(bar.loop, bar.client, &bar.config, NULL);
        assert_non_null(bar.identity);
        azure_identity_set_second_ms(bar.identity, 10);
    }
    bar.source = group_source_new(bar.client, bar.identity, &bar.config, bar.policy, NULL);
    assert_non_null(bar.source);
    group_source_set_second_ms(bar.source, SECOND_MS);
}

/* Token, metadata, and a source that asks about `group_count` groups. */
static void start_well(size_t group_count) {
    reply(IMDS, 200, NULL, TOKEN("canary-graph-token"));
    reply(METADATA, 200, NULL, bar.metadata);
    start_source(group_count);
}

static struct asked asked_of(const char *oid) {
    struct asked asked = {.want = {.expires_sec = clock_wall_sec() + 3600, .on_done = on_done}};
    memcpy(asked.want.tenant, TENANT, sizeof TENANT);
    memcpy(asked.want.oid, oid, strlen(oid) + 1);
    return asked;
}

/* Asks, waits for the answer, and gives the list back (NULL without one). */
static enum group_result look_up(const char *oid, struct group_list **out_groups) {
    struct asked asked = asked_of(oid);
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    if (out_groups)
        *out_groups = asked.want.groups;
    else
        group_list_unref(asked.want.groups);
    return asked.want.result;
}

static size_t hits(const char *prefix) {
    return scripted_server_hits(bar.server, prefix);
}

static void assert_groups(const struct group_list *list, const size_t *numbers, size_t count) {
    assert_non_null(list);
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(slice_eq_str(list->items[i], group(numbers[i])));
}

static void asks_in_batches_of_twenty(void **state) {
    (void)state;
    char first[128], second[128];
    struct group_list *groups = NULL;
    snprintf(first, sizeof first, "{\"@odata.context\":\"x\",\"value\":[\"%s\"]}", group(3));
    snprintf(second, sizeof second, "{\"value\":[\"%s\",\"%s\"]}", group(39), group(20));
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, first);
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, second);
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, "{\"value\":[]}");
    start_well(45);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OK);
    assert_groups(groups, (size_t[]){3, 20, 39}, 3);
    group_list_unref(groups);
    assert_int_equal(hits(USERS MIRA "/checkMemberGroups"), 3);
    const char *path = USERS MIRA "/checkMemberGroups";
    char body[256];
    snprintf(body, sizeof body, "\r\n\r\n{\"groupIds\":[\"%s\",\"%s\",\"%s\",\"%s\",\"%s\"]}",
             group(40), group(41), group(42), group(43), group(44));
    assert_true(scripted_server_saw(bar.server, path, body));
    assert_true(scripted_server_saw(bar.server, path, "POST "));
    assert_true(scripted_server_saw(bar.server, path, "Bearer canary-graph-token\r\n"));
    assert_true(scripted_server_saw(bar.server, path, "Content-Type: application/json\r\n"));
    assert_true(
        scripted_server_saw(bar.server, IMDS, "resource=https%3A%2F%2Fgraph.microsoft.com"));
    assert_int_equal(hits(METADATA), 1);
}

static void asks_for_everything_beyond_a_hundred(void **state) {
    (void)state;
    char all[512];
    struct group_list *groups = NULL;
    snprintf(all, sizeof all,
             "{\"value\":[\"%s\",\"0000A001-2C3D-4E5F-8091-A2B3C4D5E6F7\",\"" INES "\",\"%s\"]}",
             group(100), group(100));
    reply(USERS MIRA "/getMemberObjects", 200, NULL, all);
    start_well(101);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OK);
    assert_groups(groups, (size_t[]){1, 100}, 2);
    group_list_unref(groups);
    assert_int_equal(hits(USERS MIRA "/getMemberObjects"), 1);
    assert_true(scripted_server_saw(bar.server, USERS MIRA "/getMemberObjects",
                                    "\r\n\r\n{\"securityEnabledOnly\":false}"));
}

static void asks_about_applications_as_service_principals(void **state) {
    (void)state;
    reply("/v1.0/servicePrincipals/" MIRA "/checkMemberGroups", 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    asked.want.is_app = true;
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    assert_int_equal(asked.want.result, GROUPS_OK);
    assert_int_equal(asked.want.groups->count, 0);
    group_list_unref(asked.want.groups);
}

static void asks_once_however_many_want(void **state) {
    (void)state;
    static struct asked asked[1000];
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(3);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        asked[i] = asked_of(MIRA);
        group_source_want(bar.source, &asked[i].want);
        assert_int_equal(asked[i].answers, 0);
    }
    RUN_UNTIL(bar.loop, asked[0].answers == 1 && asked[999].answers == 1);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].want.result, GROUPS_OK);
        group_list_unref(asked[i].want.groups);
    }
    assert_int_equal(hits(USERS MIRA), 1);
    assert_int_equal(group_source_count(bar.source, GROUPS_OK), 1);
}

static void remembers_for_five_minutes(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(look_up(MIRA, NULL), GROUPS_CACHED);
    assert_int_equal(hits(USERS MIRA), 1);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    assert_int_equal(hits(USERS MIRA), 2);
}

static void remembers_no_longer_than_the_token_lives(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    asked.want.expires_sec = clock_wall_sec() - 1;
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    assert_int_equal(asked.want.result, GROUPS_OK);
    assert_true(asked.want.until_ms <= clock_monotonic_ms());
    group_list_unref(asked.want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 2);
}

static void keeps_principals_apart(void **state) {
    (void)state;
    char hers[128];
    struct group_list *groups = NULL;
    snprintf(hers, sizeof hers, "{\"value\":[\"%s\"]}", group(0));
    reply(USERS MIRA, 200, NULL, hers);
    reply(USERS INES, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, &groups), GROUPS_OK);
    assert_int_equal(groups->count, 0);
    group_list_unref(groups);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_CACHED);
    assert_groups(groups, (size_t[]){0}, 1);
    group_list_unref(groups);
    assert_int_equal(hits(METADATA), 1);
    assert_int_equal(hits(IMDS), 1);
}

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

static void turns_away_who_would_wait_beyond_the_limit(void **state) {
    (void)state;
    enum { LIMIT = 4096 };
    static struct asked asked[LIMIT];
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < LIMIT; i++) {
        asked[i] = asked_of(MIRA);
        group_source_want(bar.source, &asked[i].want);
        assert_int_equal(asked[i].answers, 0);
    }
    struct group_list *groups = NULL;
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OVERLOADED);
    assert_null(groups);
    assert_int_equal(look_up(INES, NULL), GROUPS_OVERLOADED);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, asked[0].answers == 1 && asked[LIMIT - 1].answers == 1);
    for (size_t i = 0; i < LIMIT; i++)
        group_list_unref(asked[i].want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_CACHED);
}

static void asks_about_few_principals_at_a_time(void **state) {
    (void)state;
    static struct asked asked[100];
    reply(USERS, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        char oid[37];
        snprintf(oid, sizeof oid, "%08zx-92a3-4b4c-8d5e-6f708192a3b4", i);
        asked[i] = asked_of(oid);
        group_source_want(bar.source, &asked[i].want);
    }
    RUN_UNTIL(bar.loop, hits(USERS) >= 1 + 32);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, hits(USERS) == 101);
    assert_int_equal(scripted_server_peak(bar.server), 32);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        RUN_UNTIL(bar.loop, asked[i].answers == 1);
        assert_int_equal(asked[i].want.result, GROUPS_OK);
        group_list_unref(asked[i].want.groups);
    }
}

static void forgets_who_was_wanted_longest_ago(void **state) {
    (void)state;
    enum { REMEMBERED = 10000 };
    start_source(0); /* nothing to ask about: answers come at once */
    group_source_set_second_ms(bar.source, 1000);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, NULL), GROUPS_OK);
    for (size_t i = 0; i < REMEMBERED; i++) {
        char oid[37];
        snprintf(oid, sizeof oid, "%08zx-92a3-4b4c-8d5e-6f708192a3b4", i);
        assert_int_equal(look_up(oid, NULL), GROUPS_OK);
    }
    assert_int_equal(look_up("00000000-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_CACHED);
    assert_int_equal(look_up("0000270f-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_CACHED);
    assert_int_equal(look_up(INES, NULL), GROUPS_OK);
    assert_int_equal(look_up("00000001-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_OK);
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

static void asks_nobody_about_a_foreign_tenant(void **state) {
    (void)state;
    start_well(1);
    struct asked asked = asked_of(MIRA);
    memcpy(asked.want.tenant, INES, sizeof INES);
    group_source_want(bar.source, &asked.want);
    assert_int_equal(asked.answers, 1);
    assert_int_equal(asked.want.result, GROUPS_FAILED);
    assert_null(asked.want.groups);
}

static void answers_who_waits_when_it_goes_away(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked[2] = {asked_of(MIRA), asked_of(INES)};
    group_source_want(bar.source, &asked[0].want);
    group_source_want(bar.source, &asked[1].want);
    group_source_free(bar.source);
    bar.source = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].want.result, GROUPS_FAILED);
        assert_null(asked[i].want.groups);
    }
}

/* Puts `next` into force, as a reload does it. */
static void change_to(const struct config *next) {
    struct group_source *former = bar.source;
    struct policy *former_policy = bar.policy;
    bar.policy = policy_new(next);
    assert_non_null(bar.policy);
    bar.source = group_source_new(bar.client, bar.identity, next, bar.policy, NULL);
    assert_non_null(bar.source);
    group_source_set_second_ms(bar.source, SECOND_MS);
    group_source_adopt(bar.source, former);
    group_source_free(former);
    policy_free(former_policy);
}

static void remembers_through_a_change(void **state) {
    (void)state;
    char hers[128];
    struct group_list *groups = NULL;
    struct config next = bar.config;
    snprintf(hers, sizeof hers, "{\"value\":[\"%s\"]}", group(0));
    reply(USERS MIRA, 200, NULL, hers);
    reply(USERS INES, 404, NULL, "{\"error\":{\"code\":\"Request_ResourceNotFound\"}}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, NULL), GROUPS_NOT_FOUND);
    for (unsigned i = 0; i < 20; i++) {
        change_to(&next);
        assert_int_equal(group_source_count(bar.source, GROUPS_OK), 1);
        assert_int_equal(group_source_count(bar.source, GROUPS_NOT_FOUND), 1);
    }
    enum group_result result = look_up(MIRA, &groups);
    assert_groups(groups, (size_t[]){0}, 1);
    group_list_unref(groups);
    assert_true(result == GROUPS_CACHED || clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK); /* and no longer than it would have */
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    assert_int_equal(hits(METADATA), 1);
    assert_int_equal(look_up(INES, NULL), GROUPS_NOT_FOUND);
}

/* An answer says nothing about a group that was not asked about. */
static void forgets_when_the_rules_name_other_groups(void **state) {
    (void)state;
    const char *others[] = {bar.groups[0], bar.groups[1]};
    struct config next = bar.config;
    struct config_principal principal = bar.principal;
    struct config_entry entry = bar.entry;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    principal.groups = (struct config_strings){others, 2};
    entry.to = &principal;
    next.access.items = &entry;
    change_to(&next);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 2);
    change_to(&bar.config);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 3);
}

static void keeps_quiet_through_a_change(void **state) {
    (void)state;
    struct config next = bar.config;
    reply(USERS MIRA, 429, "Retry-After: 300\r\n", "{}");
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_THROTTLED);
    change_to(&next);
    assert_true(look_up(MIRA, NULL) == GROUPS_PAUSED ||
                clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
}

static void answers_who_waits_through_a_change(void **state) {
    (void)state;
    struct config next = bar.config;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    group_source_want(bar.source, &asked.want);
    change_to(&next);
    assert_int_equal(asked.answers, 1);
    assert_null(asked.want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bar, close_bar)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(asks_in_batches_of_twenty),
        CASE(asks_for_everything_beyond_a_hundred),
        CASE(asks_about_applications_as_service_principals),
        CASE(asks_once_however_many_want),
        CASE(remembers_for_five_minutes),
        CASE(remembers_no_longer_than_the_token_lives),
        CASE(keeps_principals_apart),
        CASE(believes_no_answer_that_is_not_a_list_of_what_was_asked),
        CASE(keeps_quiet_as_long_as_graph_asks),
        CASE(backs_off_while_graph_is_down_and_recovers),
        CASE(takes_a_new_token_once_when_graph_refuses_it),
        CASE(tells_refusals_apart),
        CASE(turns_away_who_would_wait_beyond_the_limit),
        CASE(asks_about_few_principals_at_a_time),
        CASE(forgets_who_was_wanted_longest_ago),
        CASE(says_so_without_an_identity_or_its_token),
        CASE(fails_when_no_token_can_be_had),
        CASE(asks_no_host_that_the_metadata_must_not_name),
        CASE(asks_nobody_about_a_foreign_tenant),
        CASE(answers_who_waits_when_it_goes_away),
        CASE(remembers_through_a_change),
        CASE(forgets_when_the_rules_name_other_groups),
        CASE(keeps_quiet_through_a_change),
        CASE(answers_who_waits_through_a_change),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
