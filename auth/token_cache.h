/* One worker's memory of tokens it has verified, keyed by the SHA-256 of the whole token: no lock,
 * bounded in entries and bytes, least recently used leaves first. */
#ifndef BARKEEP_AUTH_TOKEN_CACHE_H
#define BARKEEP_AUTH_TOKEN_CACHE_H

#include "auth/entra.h"

struct token_cache;

/* `max_bytes` bounds the heap that it takes: table, entries and identities, with what the allocator
 * adds to them. */
struct token_cache *token_cache_new(size_t max_entries, size_t max_bytes);
void token_cache_free(struct token_cache *cache);

/* Digest of the whole token. False without memory. */
bool token_cache_digest(struct token_cache *cache, struct slice token,
                        unsigned char out_digest[32]);
/* A reference for the caller, or NULL. Expired entries (exp + skew passed, or groups that were
 * looked up too long ago) are dropped on sight. */
struct identity *token_cache_find(struct token_cache *cache, const unsigned char digest[32],
                                  int64_t now_sec, uint32_t skew_sec);
void token_cache_insert(struct token_cache *cache, const unsigned char digest[32],
                        const struct token_result *accepted);
/* Puts `identity`, which identity_with_groups() made of it, in place of the one that `digest` leads
 * to. Nothing happens when that has gone. */
void token_cache_replace(struct token_cache *cache, const unsigned char digest[32],
                         struct identity *identity);
/* Drops every entry whose key (kid and fingerprint) is no longer in its slot of the ring. */
void token_cache_apply_ring(struct token_cache *cache, const struct key_ring *ring);
void token_cache_clear(struct token_cache *cache);
size_t token_cache_count(const struct token_cache *cache);

#endif
