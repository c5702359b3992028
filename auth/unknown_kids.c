/* Entries are told by a digest: whoever makes key ids up must not find one that shadows a real one.
 */
#include "auth/unknown_kids.h"

#include <openssl/sha.h>
#include <stdlib.h>

#define ENTRY_COUNT 512

struct entry {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint64_t generation; /* 0: free; a set that was fetched has another one */
};

struct unknown_kids {
    struct entry entries[ENTRY_COUNT];
};

struct unknown_kids *unknown_kids_new(void) {
    return calloc(1, sizeof(struct unknown_kids));
}

void unknown_kids_free(struct unknown_kids *kids) {
    free(kids);
}

void unknown_kids_clear(struct unknown_kids *kids) {
    memset(kids, 0, sizeof *kids);
}

static size_t locate(size_t slot, const char *kid, unsigned char out_digest[SHA256_DIGEST_LENGTH]) {
    unsigned char text[sizeof slot + 128];
    size_t len = strnlen(kid, 128);
    memcpy(text, &slot, sizeof slot);
    memcpy(text + sizeof slot, kid, len);
    if (!SHA256(text, sizeof slot + len, out_digest))
        memset(out_digest, 0, SHA256_DIGEST_LENGTH);
    return (out_digest[0] | (size_t)out_digest[1] << 8) % ENTRY_COUNT;
}

bool unknown_kids_has(const struct unknown_kids *kids, size_t slot, const char *kid,
                      uint64_t generation) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const struct entry *entry = &kids->entries[locate(slot, kid, digest)];
    return entry->generation != 0 && entry->generation == generation &&
           memcmp(entry->digest, digest, sizeof digest) == 0;
}

void unknown_kids_add(struct unknown_kids *kids, size_t slot, const char *kid,
                      uint64_t generation) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct entry *entry = &kids->entries[locate(slot, kid, digest)];
    memcpy(entry->digest, digest, sizeof digest);
    entry->generation = generation;
}
