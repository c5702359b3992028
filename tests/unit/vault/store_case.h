/* A secret store over a scripted vault and a folder, with everything below it. Included by one
 * translation unit a test. */
#ifndef BARKEEP_TESTS_STORE_CASE_H
#define BARKEEP_TESTS_STORE_CASE_H

#include "scripted_server.h"
#include "vault/azure_identity_pace.h"
#include "vault/secret_store.h"
#include "vault/secret_store_pace.h"

#define IMDS "/metadata/identity/oauth2/token"
#define TOKEN(text) "{\"access_token\":\"" text "\",\"expires_in\":\"86399\"}"
#define V1 "11111111111111111111111111111111"
#define V2 "22222222222222222222222222222222"
#define BUNDLE_AS(name, version, value, attributes)                                                \
    "{\"value\":\"" value "\",\"id\":\"https://kv/secrets/" name "/" version                       \
    "\",\"attributes\":" attributes "}"
#define BUNDLE(name, version, value) BUNDLE_AS(name, version, value, "{\"enabled\":true}")
#define ADMIN "/secrets/admin"
#define VERSIONS "/secrets/admin/versions" /* to be scripted before ADMIN, whose prefix it has */
#define LATEST "/secrets/admin?"
#define LISTED "/secrets/admin/versions?api-version"
#define AT(version) "/secrets/admin/" version "?"
#define V3 "33333333333333333333333333333333"
#define ITEM_AS(version, created, more)                                                            \
    "{\"id\":\"https://kv/secrets/admin/" version "\",\"attributes\":{\"created\":" created more   \
    "}}"
#define ITEM(version, created) ITEM_AS(version, created, ",\"enabled\":true")
#define PAGE(items) "{\"value\":[" items "],\"nextLink\":null}"
#define REFUSAL(code) "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"" code "\"}}}"
#define BASIC(encoded) "Authorization: Basic " encoded "\r\n"
#define BASIC_ONE BASIC("cm9vdDpvbmU=") /* root:one */
#define BASIC_TWO BASIC("cm9vdDp0d28=") /* root:two */

enum { MAX_SECRETS = 20 };

/* A store over one Key Vault and one folder, with a second that lasts 10 ms. Secret 0 is "admin",
 * which credential 0 uses as the password of "root". */
static struct {
    struct scripted_server *server;
    struct loop *loop;
    struct http_client *client;
    struct azure_identity *identity;
    struct secret_store *store;
    struct config config;
    struct config_vault vaults[2];
    struct config_secret secrets[MAX_SECRETS];
    struct config_credential credentials[MAX_SECRETS];
    struct config_template_part username;
    char names[MAX_SECRETS][16];
    char origin[64];
    char folder[64];
    struct cabinet *cabinet; /* the newest */
    size_t published;
} bar;

static inline void on_cabinet(void *owner, struct cabinet *cabinet) {
    (void)owner;
    cabinet_unref(bar.cabinet);
    bar.cabinet = cabinet;
    bar.published++;
}

static inline size_t add_secret(size_t vault, const char *name) {
    const size_t index = bar.config.secret_count++;
    snprintf(bar.names[index], sizeof bar.names[index], "%s", name);
    bar.secrets[index] = (struct config_secret){
        .vault = vault, .name = bar.names[index], .refresh_sec = 5, .max_stale_sec = 1000};
    return index;
}

static inline size_t add_bearer(size_t secret) {
    const size_t index = bar.config.credential_count++;
    bar.credentials[index] =
        (struct config_credential){.name = "bearer", .kind = CREDENTIAL_BEARER, .bearer = secret};
    return index;
}

static inline int open_bar(void **state) {
    (void)state;
    memset(&bar, 0, sizeof bar);
    bar.server = scripted_server_start();
    bar.loop = loop_new(NULL);
    bar.client = http_client_new(bar.loop, NULL, NULL);
    snprintf(bar.origin, sizeof bar.origin, "http://127.0.0.1:%u", bar.server->port);
    snprintf(bar.folder, sizeof bar.folder, "/tmp/barkeep-store-XXXXXX");
    if (!bar.loop || !bar.client || !mkdtemp(bar.folder))
        return -1;
    bar.vaults[0] = (struct config_vault){.name = "prod",
                                          .kind = VAULT_KEY_VAULT,
                                          .url = bar.origin,
                                          .resource = "https://vault.azure.net"};
    bar.vaults[1] =
        (struct config_vault){.name = "local", .kind = VAULT_FILE, .directory = bar.folder};
    bar.config = (struct config){
        .identity = {.kind = IDENTITY_MANAGED, .endpoint = bar.origin},
        .vaults = bar.vaults,
        .vault_count = 2,
        .secrets = bar.secrets,
        .credentials = bar.credentials,
        .credential_count = 1,
    };
    bar.username = (struct config_template_part){.literal = SLICE("root"), .secret = CONFIG_NONE};
    bar.credentials[0] = (struct config_credential){.name = "root",
                                                    .kind = CREDENTIAL_BASIC,
                                                    .username = {&bar.username, 1},
                                                    .password = add_secret(0, "admin")};
    return 0;
}

static inline void close_store(void) {
    secret_store_free(bar.store);
    bar.store = NULL;
}

/* One credential, a token for Microsoft Graph, and no secret. */
static inline int open_token_bar(void **state) {
    const int opened = open_bar(state);
    bar.config.secret_count = 0;
    bar.credentials[0] =
        (struct config_credential){.name = "graph",
                                   .kind = CREDENTIAL_ENTRA_TOKEN,
                                   .scope = "https://graph.microsoft.com/.default"};
    return opened;
}

static inline int close_bar(void **state) {
    (void)state;
    close_store();
    azure_identity_free(bar.identity);
    http_client_free(bar.client);
    loop_free(bar.loop);
    cabinet_unref(bar.cabinet);
    scripted_server_stop(bar.server);
    char path[128];
    snprintf(path, sizeof path, "%s/token", bar.folder);
    unlink(path);
    return rmdir(bar.folder);
}

static inline void reply(const char *prefix, int status, const char *headers, const char *body) {
    scripted_server_reply(bar.server, prefix, (struct scripted_reply){status, headers, body});
}

static inline void reply_from_now(const char *prefix, int status, const char *body) {
    scripted_server_replace(bar.server, prefix, (struct scripted_reply){status, NULL, body});
}

static inline size_t hits(const char *prefix) {
    return scripted_server_hits(bar.server, prefix);
}

/* IMDS answers with "tok-1", then "tok-2", unless the test has scripted it. */
static inline void start_store(void) {
    struct error err = {""};
    reply(IMDS, 200, NULL, TOKEN("tok-1"));
    reply(IMDS, 200, NULL, TOKEN("tok-2"));
    bar.identity = azure_identity_new(bar.loop, bar.client, &bar.config, &err);
    assert_non_null(bar.identity);
    azure_identity_set_second_ms(bar.identity, 10);
    bar.store =
        secret_store_new(bar.loop, bar.client, bar.identity, &bar.config, on_cabinet, NULL, &err);
    assert_non_null(bar.store);
    secret_store_set_second_ms(bar.store, 10);
    secret_store_start(bar.store);
}

static inline bool is_available(size_t credential) {
    return cabinet_credential(bar.cabinet, credential)->is_available;
}

static inline bool line_is(size_t credential, const char *line) {
    const struct rendered_credential *rendered = cabinet_credential(bar.cabinet, credential);
    return rendered->header_count == 1 &&
           slice_eq_str(secret_bytes(rendered->headers[0].line), line);
}

static inline size_t available_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < bar.config.credential_count; i++)
        count += is_available(i);
    return count;
}

static inline struct secret_state state_of(size_t secret) {
    struct secret_state state;
    secret_store_state(bar.store, secret, &state);
    return state;
}

/* Counts, and notes what the newest cabinet held at that moment. */
struct want {
    struct credential_want want;
    size_t done;
    bool was_available;
};

static inline void on_want_done(struct credential_want *want) {
    struct want *outer = (struct want *)want;
    outer->done++;
    outer->was_available = is_available(want->credential);
}

static inline void ask(struct want *want, size_t credential) {
    want->want = (struct credential_want){.credential = credential, .on_done = on_want_done};
    secret_store_want(bar.store, &want->want);
}

/* As one whose request with the newest rendering an upstream answered 401 to. */
static inline void refuse(struct want *want, size_t credential) {
    const struct rendered_credential *rendered = cabinet_credential(bar.cabinet, credential);
    *want = (struct want){.want = {.credential = credential,
                                   .refused_generation = rendered->generation,
                                   .on_done = on_want_done}};
    secret_store_want(bar.store, &want->want);
}

static inline bool previous_line_is(size_t credential, const char *line) {
    const struct rendered_credential *rendered = cabinet_credential(bar.cabinet, credential);
    return rendered->previous && rendered->previous->header_count == 1 &&
           slice_eq_str(secret_bytes(rendered->previous->headers[0].line), line);
}

/* What is logged from here on goes into a file. */
struct log_capture {
    char path[32];
    int file;
    int kept;
    char text[64 * 1024];
};

static inline void log_capture_begin(struct log_capture *capture) {
    snprintf(capture->path, sizeof capture->path, "/tmp/barkeep-log-XXXXXX");
    capture->file = mkstemp(capture->path);
    capture->kept = dup(STDERR_FILENO);
    dup2(capture->file, STDERR_FILENO);
    log_set_level(LOG_DEBUG);
}

static inline void log_capture_end(struct log_capture *capture) {
    log_set_level(LOG_ERROR);
    dup2(capture->kept, STDERR_FILENO);
    const ssize_t len = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
    capture->text[len > 0 ? len : 0] = '\0';
    close(capture->kept);
    close(capture->file);
    unlink(capture->path);
}

/* How many lines hold all of `words` (ended by NULL). */
static inline size_t logged(const struct log_capture *capture, const char *const *words) {
    size_t count = 0;
    struct slice rest = slice_of_str(capture->text);
    while (rest.len > 0) {
        const size_t len = slice_index(rest, '\n');
        char line[2048];
        bool has_all = true;
        snprintf(line, sizeof line, "%.*s", (int)len, rest.ptr);
        for (size_t i = 0; words[i]; i++)
            has_all &= strstr(line, words[i]) != NULL;
        count += has_all;
        rest = slice_skip(rest, len + 1);
    }
    return count;
}

static inline void write_token(const char *text) {
    char path[128], draft[140];
    snprintf(path, sizeof path, "%s/token", bar.folder);
    snprintf(draft, sizeof draft, "%s.new", path);
    FILE *file = fopen(draft, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(draft, path), 0);
}

static inline void remove_token(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/token", bar.folder);
    unlink(path);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bar, close_bar)

#endif
