/* A source of groups between a scripted directory and a test that wants them. */
#ifndef BARKEEP_TESTS_UNIT_AUTH_GROUP_SOURCE_CASE_H
#define BARKEEP_TESTS_UNIT_AUTH_GROUP_SOURCE_CASE_H

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

static inline void on_done(struct group_want *want) {
    struct asked *asked = (struct asked *)want;
    asked->answers++;
}

static inline void reply(const char *prefix, int status, const char *headers, const char *body) {
    scripted_server_reply(bar.server, prefix, (struct scripted_reply){status, headers, body});
}

/* Group `number` of those that the rules name; they are sorted. */
static inline const char *group(size_t number) {
    return bar.group_texts[number];
}

static inline int open_bar(void **state) {
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

static inline int close_bar(void **state) {
    (void)state;
    group_source_free(bar.source);
    azure_identity_free(bar.identity);
    policy_free(bar.policy);
    http_client_free(bar.client);
    loop_free(bar.loop);
    scripted_server_stop(bar.server);
    return 0;
}

static inline void start_source(size_t group_count) {
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
static inline void start_well(size_t group_count) {
    reply(IMDS, 200, NULL, TOKEN("canary-graph-token"));
    reply(METADATA, 200, NULL, bar.metadata);
    start_source(group_count);
}

static inline struct asked asked_of(const char *oid) {
    struct asked asked = {.want = {.expires_sec = clock_wall_sec() + 3600, .on_done = on_done}};
    memcpy(asked.want.tenant, TENANT, sizeof TENANT);
    memcpy(asked.want.oid, oid, strlen(oid) + 1);
    return asked;
}

/* Asks, waits for the answer, and gives the list back (NULL without one). */
static inline enum group_result look_up(const char *oid, struct group_list **out_groups) {
    struct asked asked = asked_of(oid);
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    if (out_groups)
        *out_groups = asked.want.groups;
    else
        group_list_unref(asked.want.groups);
    return asked.want.result;
}

static inline size_t hits(const char *prefix) {
    return scripted_server_hits(bar.server, prefix);
}

static inline void assert_groups(const struct group_list *list, const size_t *numbers,
                                 size_t count) {
    assert_non_null(list);
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(slice_eq_str(list->items[i], group(numbers[i])));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bar, close_bar)

#endif
