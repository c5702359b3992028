/* What it costs to tell an upstream who calls: the first time for a token and route, and after
 * that. CPU time of this thread, beside one bare ECDSA signature with a parsed key. */
#include "measuring.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "auth/identity_lines.h"

#define ROUNDS 7

struct bench {
    struct line_shelf *shelf;
    struct identity *identity;
    struct line_order order;
    EVP_PKEY *pair;
};

static void tell(struct bench *bench) {
    struct identity_lines *lines = NULL;
    if (line_shelf_get(bench->shelf, bench->identity, &bench->order, &lines) != STATUS_OK)
        abort();
    identity_lines_unref(lines);
}

static void tell_anew(struct bench *bench) {
    line_shelf_clear(bench->shelf);
    tell(bench);
}

static void sign_bare(struct bench *bench) {
    static const unsigned char text[700];
    unsigned char signature[80];
    size_t len = sizeof signature;
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(signing, NULL, EVP_sha256(), NULL, bench->pair) != 1 ||
        EVP_DigestSign(signing, signature, &len, text, sizeof text) != 1)
        abort();
    EVP_MD_CTX_free(signing);
}

/* Median of ROUNDS, per call. */
static double cost_us(struct bench *bench, void (*run)(struct bench *), size_t count) {
    double costs[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        double begin_us = cpu_us();
        for (size_t i = 0; i < count; i++)
            run(bench);
        costs[round] = (cpu_us() - begin_us) / (double)count;
    }
    return median_of(costs, ROUNDS);
}

static void open_bench(struct bench *bench) {
    static struct slice roles[] = {{"Orders.Read", 11}, {"Orders.Write", 12}};
    static const struct slice groups[] = {{"6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7", 36}};
    const struct identity model = {
        .tenant = SLICE("3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"),
        .oid = SLICE("e0d1c2b3-a495-4867-9588-776655443322"),
        .app = SLICE("c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"),
        .sub = SLICE("hV7uJm2Qe0rT5yWc8aKpXn3sDf6gLz1bOi4tUe9RqAk"),
        .name = SLICE("mira.okafor@fabrikam.example"),
        .version = 2,
        .roles = roles,
        .role_count = 2,
        .groups = (struct slice *)(uintptr_t)groups,
        .group_count = 1,
        .expires_sec = INT64_MAX,
    };
    struct assertion_key key = {0};
    bool is_locked;
    if (secret_memory_init(1 << 20, &is_locked, NULL) != STATUS_OK ||
        assertion_key_make(&key, NULL) != STATUS_OK)
        abort();
    bench->shelf = line_shelf_new(1 << 20);
    bench->identity = identity_new(&model, false);
    bench->pair = EVP_EC_gen("prime256v1");
    bench->order = (struct line_order){.signer = assertion_signer_new(&key, "barkeep", NULL, 0),
                                       .view = {.identity = bench->identity,
                                                .audience = "orders",
                                                .named_groups = groups,
                                                .named_group_count = 1},
                                       .now_sec = 1795424400};
    if (!bench->shelf || !bench->identity || !bench->pair || !bench->order.signer)
        abort();
    assertion_key_done(&key);
}

static void close_bench(struct bench *bench, struct assertion_signer *signer) {
    identity_unref(bench->identity);
    line_shelf_free(bench->shelf);
    assertion_signer_unref(signer);
    EVP_PKEY_free(bench->pair);
}

int main(void) {
    struct bench bench;
    open_bench(&bench);
    struct assertion_signer *signer = (struct assertion_signer *)(uintptr_t)bench.order.signer;
    double bare = cost_us(&bench, sign_bare, 2000), made = cost_us(&bench, tell_anew, 500);
    double cached = cost_us(&bench, tell, 1000000);
    bench.order.signer = NULL;
    bench.order.has_easyauth = true;
    double easyauth = cost_us(&bench, tell_anew, 20000);
    printf("telling an upstream who calls      CPU us   ratio\n");
    printf("one bare ECDSA P-256 signature   %8.2f   %6.3f\n", bare, 1.0);
    printf("assertion, made                  %8.2f   %6.3f\n", made, made / bare);
    printf("App Service's headers, made      %8.2f   %6.3f\n", easyauth, easyauth / bare);
    printf("either, from the cache           %8.3f   %6.4f\n", cached, cached / bare);
    close_bench(&bench, signer);
    return 0;
}
