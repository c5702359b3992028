#include "vault/on_behalf_exchange.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

bool on_behalf_key(const char *tenant, const struct secret *assertion,
                   unsigned char out_key[ON_BEHALF_KEY_BYTES]) {
    const struct slice token = secret_bytes(assertion);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const bool is_made = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                         EVP_DigestUpdate(digest, tenant, strlen(tenant) + 1) == 1 &&
                         EVP_DigestUpdate(digest, token.ptr, token.len) == 1 &&
                         EVP_DigestFinal_ex(digest, out_key, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_made;
}

static size_t bucket_of(const unsigned char key[ON_BEHALF_KEY_BYTES]) {
    return ((size_t)key[0] << 8 | key[1]) % ON_BEHALF_BUCKETS;
}

static void enter_list(struct on_behalf_list *list, struct on_behalf_exchange *exchange) {
    exchange->older = list->newest;
    exchange->newer = NULL;
    if (list->newest)
        list->newest->newer = exchange;
    else
        list->oldest = exchange;
    list->newest = exchange;
    list->count++;
}

static void leave_list(struct on_behalf_list *list, struct on_behalf_exchange *exchange) {
    if (exchange->older)
        exchange->older->newer = exchange->newer;
    else
        list->oldest = exchange->newer;
    if (exchange->newer)
        exchange->newer->older = exchange->older;
    else
        list->newest = exchange->older;
    list->count--;
}

struct on_behalf_exchange *on_behalf_table_find(const struct on_behalf_table *table,
                                                const unsigned char key[ON_BEHALF_KEY_BYTES],
                                                size_t credential) {
    struct on_behalf_exchange *exchange = table->buckets[bucket_of(key)];
    while (exchange && (exchange->credential != credential ||
                        memcmp(exchange->key, key, ON_BEHALF_KEY_BYTES) != 0))
        exchange = exchange->bucket_next;
    return exchange;
}

struct on_behalf_exchange *on_behalf_table_add(struct on_behalf_table *table,
                                               const unsigned char key[ON_BEHALF_KEY_BYTES],
                                               const struct on_behalf_want *want) {
    struct on_behalf_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    memcpy(exchange->key, key, ON_BEHALF_KEY_BYTES);
    exchange->credential = want->credential;
    exchange->assertion = secret_ref(want->assertion);
    snprintf(exchange->tenant, sizeof exchange->tenant, "%s", want->tenant);
    exchange->bucket_next = table->buckets[bucket_of(key)];
    table->buckets[bucket_of(key)] = exchange;
    exchange->state = ON_BEHALF_QUEUED;
    enter_list(&table->lists[exchange->state], exchange);
    return exchange;
}

void on_behalf_table_move(struct on_behalf_table *table, struct on_behalf_exchange *exchange,
                          enum on_behalf_state state) {
    leave_list(&table->lists[exchange->state], exchange);
    exchange->state = state;
    enter_list(&table->lists[state], exchange);
}

void on_behalf_table_drop(struct on_behalf_table *table, struct on_behalf_exchange *exchange) {
    struct on_behalf_exchange **at = &table->buckets[bucket_of(exchange->key)];
    while (*at != exchange)
        at = &(*at)->bucket_next;
    *at = exchange->bucket_next;
    leave_list(&table->lists[exchange->state], exchange);
    secret_unref(exchange->assertion);
    on_behalf_outcome_done(&exchange->outcome);
    free(exchange);
}

static void sweep_list(struct on_behalf_table *table, enum on_behalf_state state, uint64_t now_ms) {
    struct on_behalf_exchange *newer;
    for (struct on_behalf_exchange *at = table->lists[state].oldest; at; at = newer) {
        newer = at->newer;
        if (now_ms >= at->forget_ms)
            on_behalf_table_drop(table, at);
    }
}

void on_behalf_table_sweep(struct on_behalf_table *table, uint64_t now_ms) {
    sweep_list(table, ON_BEHALF_KEPT_GOOD, now_ms);
    sweep_list(table, ON_BEHALF_KEPT_BAD, now_ms);
}

struct on_behalf_outcome on_behalf_outcome_copy(const struct on_behalf_outcome *outcome) {
    struct on_behalf_outcome copy = *outcome;
    if (copy.rendering)
        copy.rendering = rendering_ref(copy.rendering);
    if (copy.claims)
        copy.claims = slice_strdup(slice_of_str(copy.claims));
    return copy;
}

void on_behalf_outcome_done(struct on_behalf_outcome *outcome) {
    rendering_unref(outcome->rendering);
    free(outcome->claims);
    *outcome = (struct on_behalf_outcome){0};
}
