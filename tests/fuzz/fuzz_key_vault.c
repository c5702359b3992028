/* Any bytes as an answer of Key Vault: a secret, a page of versions, a refusal, a challenge. What
 * is taken answers the question, goes on in the same list, and is fit for a request. */
#include <stdint.h>
#include <stdlib.h>

#include "fuzz_target.h"
#include "vault/key_vault.h"
#include "vault/secret_value.h"

#define NOW 1795424100
#define VERSION "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"

static const struct key_vault_question latest = {.vault_url = "https://kv.vault.azure.net",
                                                 .name = "rabbit-admin"};
static const struct key_vault_question pinned = {
    .vault_url = "http://127.0.0.1:18080", .name = "rabbit-admin", .version = VERSION};

static void hold(bool is_true) {
    if (!is_true)
        abort();
}

static void read_secret(struct slice body, const struct key_vault_question *question) {
    struct key_vault_secret secret = {0};
    struct error err = {""};
    const enum status status = key_vault_parse_secret(body, question, NOW, &secret, &err);
    hold((status == STATUS_OK) == (secret.value != NULL));
    hold((status == STATUS_OK) == (err.text[0] == '\0'));
    if (status == STATUS_OK || status == STATUS_DENIED)
        hold(key_vault_is_version(secret.version));
    if (status == STATUS_OK) {
        const struct slice value = secret_bytes(secret.value);
        hold(value.len > 0 && value.len <= SECRET_VALUE_MAX_BYTES);
        hold(!question->version || strcmp(secret.version, question->version) == 0);
        hold(secret.expires_sec == 0 || secret.expires_sec > NOW);
        hold(strlen(secret.hosts) < sizeof secret.hosts);
    }
    secret_unref(secret.value);
}

static void read_versions(struct slice body, const struct key_vault_question *question) {
    struct key_vault_versions versions = {0};
    struct error err = {""};
    char *page = NULL;
    if (key_vault_parse_versions(body, question, NOW, &versions, &page, &err) != STATUS_OK)
        hold(!page && versions.newest.version[0] == '\0' && err.text[0] != '\0');
    if (page)
        hold(slice_starts_with(slice_of_str(page), SLICE("/secrets/")) && strchr(page, '?') &&
             !strpbrk(page, " #\r\n\\"));
    hold(versions.next_valid_sec == 0 || versions.next_valid_sec > NOW);
    hold(versions.newest.version[0] != '\0' || versions.before.version[0] == '\0');
    free(page);
}

static void read_refusal(struct slice body, int http_status) {
    struct error text = {""};
    const char *code = key_vault_refusal(body, http_status, &text);
    hold(text.text[0] != '\0' && strstr(text.text, code));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static bool has_memory;
    const struct slice body = slice_of((const char *)bytes, len);
    struct slice claims;
    bool is_locked;
    if (!has_memory)
        has_memory = secret_memory_init(1024 * 1024, &is_locked, NULL) == STATUS_OK;
    read_secret(body, &latest);
    read_secret(body, &pinned);
    read_versions(body, &latest);
    read_versions(body, &pinned);
    read_refusal(body, 401);
    read_refusal(body, 403);
    if (key_vault_demands_claims(body, &claims))
        hold(claims.len <= body.len);
    return 0;
}
