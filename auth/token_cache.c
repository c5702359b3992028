/* A chained hash table with a recency list through the same entries. The digest is the key, so its
 * first bytes serve as the hash: an attacker who could steer them could break SHA-256, and chains
 * of tokens that verified hold nothing he made. */
#include "auth/token_cache.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/key_set.h"
#include "core/clock.h"

#define DIGEST_BYTES 32
/* What the allocator adds to a block at most: its header, and rounding up to 16. */
#define BLOCK_OVERHEAD_BYTES 24

struct entry {
    unsigned char digest[DIGEST_BYTES];
    struct entry *chain;
    struct entry *newer;
    struct entry *older;
    struct identity *identity;
    unsigned char key_fingerprint[32];
};

struct token_cache {
    EVP_MD *sha256;
    EVP_MD_CTX *hashing;
    struct entry **buckets;
    size_t bucket_mask;
    struct entry *newest;
    struct entry *oldest;
    size_t count;
    size_t used_bytes; /* by entries */
    size_t max_entries;
    size_t max_bytes; /* for entries: what the table leaves */
};

static struct entry **bucket_of(const struct token_cache *cache, const unsigned char *digest) {
    uint64_t hash;
    memcpy(&hash, digest, sizeof hash);
    return &cache->buckets[hash & cache->bucket_mask];
}

/* An entry and its identity are a block each. */
static size_t entry_bytes(const struct identity *identity) {
    return sizeof(struct entry) + identity->memory_bytes + (size_t)2 * BLOCK_OVERHEAD_BYTES;
}

static void recency_push(struct token_cache *cache, struct entry *entry) {
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void recency_remove(struct token_cache *cache, struct entry *entry) {
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void drop(struct token_cache *cache, struct entry *entry) {
    struct entry **link = bucket_of(cache, entry->digest);
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    recency_remove(cache, entry);
    cache->count--;
    cache->used_bytes -= entry_bytes(entry->identity);
    identity_unref(entry->identity);
    free(entry);
}

static struct entry *find(const struct token_cache *cache, const unsigned char *digest) {
    struct entry *entry = *bucket_of(cache, digest);
    while (entry && memcmp(entry->digest, digest, DIGEST_BYTES) != 0)
        entry = entry->chain;
    return entry;
}

struct token_cache *token_cache_new(size_t max_entries, size_t max_bytes) {
    size_t bucket_count = 16;
    while (bucket_count < max_entries)
        bucket_count *= 2;
    struct token_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->max_entries = max_entries;
    size_t table_bytes = bucket_count * sizeof *cache->buckets;
    cache->max_bytes = max_bytes > table_bytes ? max_bytes - table_bytes : 0;
    cache->bucket_mask = bucket_count - 1;
    cache->buckets = calloc(bucket_count, sizeof(struct entry *));
    cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->hashing = EVP_MD_CTX_new();
    if (!cache->buckets || !cache->sha256 || !cache->hashing ||
        EVP_DigestInit_ex2(cache->hashing, cache->sha256, NULL) != 1) {
        token_cache_free(cache);
        return NULL;
    }
    return cache;
}

void token_cache_free(struct token_cache *cache) {
    if (!cache)
        return;
    token_cache_clear(cache);
    EVP_MD_CTX_free(cache->hashing);
    EVP_MD_free(cache->sha256);
    free(cache->buckets);
    free(cache);
}

bool token_cache_digest(struct token_cache *cache, struct slice token,
                        unsigned char out_digest[DIGEST_BYTES]) {
    /* A NULL type starts the context anew with the algorithm it already holds; OpenSSL 3.0 takes
     * memory for that. */
    return EVP_DigestInit_ex2(cache->hashing, NULL, NULL) == 1 &&
           EVP_DigestUpdate(cache->hashing, token.ptr, token.len) == 1 &&
           EVP_DigestFinal_ex(cache->hashing, out_digest, NULL) == 1;
}

static bool is_over(const struct identity *identity, int64_t now_sec, uint32_t skew_sec) {
    return identity->expires_sec <= now_sec - (int64_t)skew_sec ||
           (identity->groups_until_ms != 0 && identity->groups_until_ms <= clock_monotonic_ms());
}

struct identity *token_cache_find(struct token_cache *cache,
                                  const unsigned char digest[DIGEST_BYTES], int64_t now_sec,
                                  uint32_t skew_sec) {
    struct entry *entry = find(cache, digest);
    if (!entry)
        return NULL;
    if (is_over(entry->identity, now_sec, skew_sec)) {
        drop(cache, entry);
        return NULL;
    }
    if (entry != cache->newest) {
        recency_remove(cache, entry);
        recency_push(cache, entry);
    }
    return identity_ref(entry->identity);
}

void token_cache_insert(struct token_cache *cache, const unsigned char digest[DIGEST_BYTES],
                        const struct token_result *accepted) {
    size_t size = entry_bytes(accepted->identity);
    if (cache->max_entries == 0 || size > cache->max_bytes || find(cache, digest))
        return;
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return;
    while (cache->count >= cache->max_entries || cache->used_bytes + size > cache->max_bytes)
        drop(cache, cache->oldest);
    memcpy(entry->digest, digest, DIGEST_BYTES);
    memcpy(entry->key_fingerprint, accepted->key_fingerprint, sizeof entry->key_fingerprint);
    entry->identity = identity_ref(accepted->identity);
    struct entry **bucket = bucket_of(cache, digest);
    entry->chain = *bucket;
    *bucket = entry;
    recency_push(cache, entry);
    cache->count++;
    cache->used_bytes += size;
}

void token_cache_replace(struct token_cache *cache, const unsigned char digest[DIGEST_BYTES],
                         struct identity *identity) {
    struct entry *entry = find(cache, digest);
    if (!entry)
        return;
    cache->used_bytes -= entry_bytes(entry->identity);
    identity_unref(entry->identity);
    entry->identity = identity_ref(identity);
    cache->used_bytes += entry_bytes(entry->identity);
    if (entry != cache->newest) {
        recency_remove(cache, entry);
        recency_push(cache, entry);
    }
    while (cache->used_bytes > cache->max_bytes)
        drop(cache, cache->oldest);
}

static bool key_is_in_ring(const struct entry *entry, const struct key_ring *ring) {
    const struct identity *identity = entry->identity;
    if (identity->slot >= ring->slot_count)
        return false;
    const struct key_set *keys = key_ring_slot(ring, identity->slot)->keys;
    const struct verification_key *key = keys ? key_set_find(keys, identity->kid) : NULL;
    return key && memcmp(key->fingerprint, entry->key_fingerprint, sizeof key->fingerprint) == 0;
}

void token_cache_apply_ring(struct token_cache *cache, const struct key_ring *ring) {
    for (struct entry *entry = cache->newest; entry;) {
        struct entry *older = entry->older;
        if (!key_is_in_ring(entry, ring))
            drop(cache, entry);
        entry = older;
    }
}

void token_cache_clear(struct token_cache *cache) {
    while (cache->oldest)
        drop(cache, cache->oldest);
}

size_t token_cache_count(const struct token_cache *cache) {
    return cache->count;
}
