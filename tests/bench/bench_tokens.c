/* What a token costs: judged at first sight beside one bare RSA-2048 verification, found again in a
 * worker's cache, and 100,000 of them kept there. CPU time of this thread; medians. */
#include "measuring.h"

#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include "auth/jws.h"
#include "auth/token_cache.h"
#include "proxy/worker.h"
#include "tests/unit/auth/token_maker.h"

#define ROUNDS 5
#define TOKEN_BYTES 1600
#define DISTINCT_TOKENS 100000
#define MOST_GROUPS 200  /* that Entra lists in a token */
#define WARM_TOKENS 4096 /* what the cached token is found among */

#define MAX_FIRST_SIGHT 2.5
#define MAX_CACHED_US 3.0

struct bench {
    EVP_PKEY *key;
    EVP_PKEY_CTX *verifier;
    struct config config;
    struct key_ring *ring;
    struct token_cache *tokens;
    char *token;
    unsigned char signature[256];
    unsigned char digest[32]; /* that the signature is over */
};

typedef void bench_run(struct bench *bench);

static void verify_bare(struct bench *bench) {
    must(EVP_PKEY_verify(bench->verifier, bench->signature, sizeof bench->signature, bench->digest,
                         sizeof bench->digest) == 1,
         "the bare verification fails");
}

static void judge(struct bench *bench, struct token_result *out_result) {
    must(entra_verify(&bench->config, bench->ring, slice_of_str(bench->token), NOW + 60,
                      out_result) == TOKEN_ACCEPTED,
         out_result->detail);
}

static void see_first(struct bench *bench) {
    struct token_result result;
    judge(bench, &result);
    identity_unref(result.identity);
}

static void see_again(struct bench *bench) {
    unsigned char digest[32];
    token_cache_digest(bench->tokens, slice_of_str(bench->token), digest);
    struct identity *identity = token_cache_find(bench->tokens, digest, NOW + 60, 0);
    must(identity != NULL, "the cache has lost the token");
    identity_unref(identity);
}

static double cost_us(struct bench *bench, bench_run *run, size_t count) {
    double begin_us = cpu_us();
    for (size_t i = 0; i < count; i++)
        run(bench);
    return (cpu_us() - begin_us) / (double)count;
}

/* Claims of a user's token, made long enough by a group list as Entra's are. */
static char *make_long_token(EVP_PKEY *key) {
    char *groups = make_text("\"" GROUP "\""), *token = NULL;
    for (;;) {
        char *list = make_text("[%s]", groups);
        const struct maker_claim change = {"groups", list};
        char *payload = make_user_payload(&change, 1);
        free(token);
        token = make_token(HEADER_OK, payload, key);
        free(payload);
        free(list);
        if (strlen(token) >= TOKEN_BYTES)
            break;
        char *longer = make_text("%s,\"" GROUP "\"", groups);
        free(groups);
        groups = longer;
    }
    free(groups);
    return token;
}

/* Both sets of the first tenant: the signing key, and another that is not meant. */
static struct key_ring *make_two_key_ring(EVP_PKEY *key) {
    EVP_PKEY *other = EVP_RSA_gen(2048);
    char *a = make_jwk(key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\""),
         *b = make_jwk(other, "key-2", ",\"issuer\":\"" KEY_ISSUER "\"");
    char *document = make_text("{\"keys\":[%s,%s]}", b, a);
    struct key_ring *ring = key_ring_new(4);
    struct key_ring_slot *slot = key_ring_slot(ring, key_slot_of_tenant(0, 2));
    slot->keys = key_set_parse(slice_of_str(document), NULL, NULL);
    slot->issuer = strdup(ISS_V2);
    must(slot->keys && key_set_count(slot->keys) == 2, "the key set does not hold two keys");
    free(document);
    free(a);
    free(b);
    EVP_PKEY_free(other);
    return ring;
}

static void open_bench(struct bench *bench) {
    struct jws_parts parts;
    size_t len = 0;
    *bench = (struct bench){.key = EVP_RSA_gen(2048), .config = make_config()};
    must(bench->key != NULL, "no key");
    bench->ring = make_two_key_ring(bench->key);
    bench->token = make_long_token(bench->key);
    bench->verifier = jws_rs256_verifier_new(bench->key);
    must(bench->verifier && jws_split(slice_of_str(bench->token), &parts) == STATUS_OK &&
             base64url_decode(parts.signature, bench->signature, &len) == STATUS_OK &&
             len == sizeof bench->signature &&
             EVP_Digest(parts.signing_input.ptr, parts.signing_input.len, bench->digest, NULL,
                        EVP_sha256(), NULL) == 1,
         "the bare verification cannot be set up");
}

static void close_bench(struct bench *bench) {
    token_cache_free(bench->tokens);
    key_ring_unref(bench->ring);
    EVP_PKEY_CTX_free(bench->verifier);
    EVP_PKEY_free(bench->key);
    free(bench->token);
}

static struct token_cache *new_cache(void) {
    struct token_cache *tokens = token_cache_new(WORKER_TOKENS_MAX, WORKER_TOKENS_BYTES);
    must(tokens != NULL, "no memory for the cache");
    return tokens;
}

/* Accepted as `model` was, under the digest of a token of its own. */
static void insert_distinct(struct token_cache *tokens, const struct token_result *model,
                            size_t number) {
    struct token_result accepted = *model;
    unsigned char digest[32];
    char text[32];
    int len = snprintf(text, sizeof text, "token %zu", number);
    accepted.identity = identity_new(model->identity, false);
    must(accepted.identity != NULL, "no memory for an identity");
    token_cache_digest(tokens, slice_of(text, (size_t)len), digest);
    token_cache_insert(tokens, digest, &accepted);
    identity_unref(accepted.identity);
}

/* The token judged, in a cache that holds others too. */
static void warm_cache(struct bench *bench) {
    struct token_result result;
    unsigned char digest[32];
    bench->tokens = new_cache();
    judge(bench, &result);
    for (size_t i = 0; i < WARM_TOKENS; i++)
        insert_distinct(bench->tokens, &result, i);
    token_cache_digest(bench->tokens, slice_of_str(bench->token), digest);
    token_cache_insert(bench->tokens, digest, &result);
    identity_unref(result.identity);
}

static size_t heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static size_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    must(statm && fscanf(statm, "%*u %lu", &pages) == 1, "/proc/self/statm is not readable");
    (void)fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct memory {
    size_t kept; /* tokens */
    double heap_mib;
    double resident_mib;
};

static double mib_since(size_t before, size_t after) {
    return after > before ? (double)(after - before) / (1 << 20) : 0;
}

static struct memory fill_cache(const struct token_result *model) {
    size_t heap = heap_bytes(), resident = resident_bytes();
    struct token_cache *tokens = new_cache();
    for (size_t i = 0; i < DISTINCT_TOKENS; i++)
        insert_distinct(tokens, model, i);
    struct memory memory = {token_cache_count(tokens), mib_since(heap, heap_bytes()),
                            mib_since(resident, resident_bytes())};
    token_cache_free(tokens);
    (void)malloc_trim(0);
    return memory;
}

static void print_row(const char *what, double value, const char *unit, double bound) {
    printf("%-44s %8.2f %-5s at most %6.1f   %s\n", what, value, unit, bound,
           value <= bound ? "holds" : "MISSED");
}

static void measure_times(struct bench *bench) {
    double bare[ROUNDS], first[ROUNDS], ratio[ROUNDS], cached[ROUNDS];
    warm_cache(bench);
    (void)cost_us(bench, see_first, 500);
    for (size_t i = 0; i < ROUNDS; i++) {
        bare[i] = cost_us(bench, verify_bare, 4000);
        first[i] = cost_us(bench, see_first, 2000);
        cached[i] = cost_us(bench, see_again, 100000);
        ratio[i] = first[i] / bare[i];
    }
    printf("%-44s %8.2f us\n", "one bare RSA-2048 verification, key parsed",
           median_of(bare, ROUNDS));
    printf("%-44s %8.2f us\n", "a token at first sight", median_of(first, ROUNDS));
    print_row("  over the bare verification", median_of(ratio, ROUNDS), "times", MAX_FIRST_SIGHT);
    print_row("a cached token", median_of(cached, ROUNDS), "us", MAX_CACHED_US);
}

static void measure_memory(const char *what, const struct token_result *model) {
    double bound_mib = (double)WORKER_TOKENS_BYTES / (1 << 20);
    struct memory memory = fill_cache(model);
    printf("%-44s %8zu kept\n", what, memory.kept);
    print_row("  heap", memory.heap_mib, "MiB", bound_mib);
    print_row("  resident", memory.resident_mib, "MiB", bound_mib);
}

/* The caller judged, and one in as many groups as a token lists. */
static void measure_memories(struct bench *bench) {
    static struct slice groups[MOST_GROUPS];
    struct token_result accepted, in_many_groups;
    judge(bench, &accepted);
    for (size_t i = 0; i < MOST_GROUPS; i++)
        groups[i] = SLICE(GROUP);
    struct identity identity = *accepted.identity;
    identity.groups = groups;
    identity.group_count = MOST_GROUPS;
    in_many_groups = accepted;
    in_many_groups.identity = &identity;
    measure_memory("100,000 of them in one worker's cache", &accepted);
    measure_memory("100,000 of callers in 200 groups", &in_many_groups);
    identity_unref(accepted.identity);
}

int main(void) {
    struct bench bench;
    open_bench(&bench);
    printf("tokens of %zu bytes, two keys; CPU, medians of %d\n", strlen(bench.token), ROUNDS);
    measure_times(&bench);
    measure_memories(&bench);
    close_bench(&bench);
    return 0;
}
