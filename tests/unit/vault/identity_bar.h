/* An identity in front of a scripted metadata service and authority, its seconds short. Included by
 * one translation unit a test. */
#ifndef BARKEEP_TESTS_IDENTITY_BAR_H
#define BARKEEP_TESTS_IDENTITY_BAR_H

#include "vault/azure_identity.h"

#include "identity_case.h"
#include "scripted_server.h"
#include "vault/arc_places.h"
#include "vault/azure_identity_pace.h"

#define IMDS "/metadata/identity/oauth2/token"
#define RESOURCE "https://vault.azure.net"
#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define OTHER_TENANT "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"
#define LOGIN "/" TENANT "/oauth2/v2.0/token"
#define TOKEN(text, seconds)                                                                       \
    "{\"access_token\":\"" text "\",\"expires_in\":\"" #seconds "\",\"token_type\":\"Bearer\"}"

/* Everything an identity needs, with a second that lasts 10 ms. */
static struct {
    struct scripted_server *server;
    struct loop *loop;
    struct http_client *client;
    struct config config;
    struct azure_identity *identity;
    char origin[64];
} bar;

struct answer {
    size_t count;
    size_t failures;
    char token[64];
    char error[512];
};

static inline void on_token(void *owner, struct secret *token, const struct error *err) {
    struct answer *answer = owner;
    answer->count++;
    if (!token) {
        answer->failures++;
        snprintf(answer->error, sizeof answer->error, "%s", err->text);
        return;
    }
    const struct slice bytes = secret_bytes(token);
    snprintf(answer->token, sizeof answer->token, "%.*s", SLICE_ARGS(bytes));
}

static inline int open_bar(void **state) {
    (void)state;
    memset(&bar, 0, sizeof bar);
    clear_platform();
    bar.server = scripted_server_start();
    bar.loop = loop_new(NULL);
    bar.client = http_client_new(bar.loop, NULL, NULL);
    snprintf(bar.origin, sizeof bar.origin, "http://127.0.0.1:%u", bar.server->port);
    bar.config.identity =
        (struct config_identity){.kind = IDENTITY_MANAGED, .endpoint = bar.origin};
    return bar.loop && bar.client ? 0 : -1;
}

static inline int close_bar(void **state) {
    (void)state;
    azure_identity_free(bar.identity);
    http_client_free(bar.client);
    loop_free(bar.loop);
    scripted_server_stop(bar.server);
    return 0;
}

static inline void start_identity(void) {
    struct error err = {""};
    bar.identity = azure_identity_new(bar.loop, bar.client, &bar.config, &err);
    if (!bar.identity)
        fail_msg("%s", err.text);
    azure_identity_set_second_ms(bar.identity, 10);
}

static inline void get(struct answer *answer) {
    azure_identity_get(bar.identity, NULL, RESOURCE, on_token, answer);
}

static inline void get_first(struct answer *answer) {
    start_identity();
    get(answer);
    RUN_UNTIL(bar.loop, answer->count == 1);
}

/* The second answer, from the authority once more. */
static inline void get_anew(struct answer *answer) {
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(answer);
    RUN_UNTIL(bar.loop, answer->count == 2);
}

static inline void script(int status, const char *body) {
    scripted_server_reply(bar.server, IMDS, (struct scripted_reply){status, NULL, body});
}

static inline size_t imds_hits(void) {
    return scripted_server_hits(bar.server, IMDS);
}

/* Changes what an application proves itself with. */
static inline void become_application(enum config_identity_kind kind, const char *path) {
    bar.config.identity = (struct config_identity){
        .kind = kind,
        .client_id = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
        .client_secret_file = path,
        .client_certificate_file = path,
        .token_file = path,
        .tenant = TENANT,
        .authority = bar.origin,
    };
}

static inline void script_login(int status, const char *body) {
    scripted_server_reply(bar.server, LOGIN, (struct scripted_reply){status, NULL, body});
}

static inline bool challenge(const char *claims) {
    return azure_identity_challenge(bar.identity, NULL, RESOURCE, slice_of_str(claims));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bar, close_bar)

#endif
