/* A sealed name is a nonce, the text encrypted and its tag; the holder is authenticated with it but
 * not in it. Sessions get a random nonce. Tasks and requests get one that follows from holder and
 * text, so that the same thing has the same name each time it is mentioned: that shows only who
 * already sees both mentions that they are of one thing. Both ways share a key: a nonce that
 * follows from what is sealed is as good as random beside the others, and its key is another. */
#include "proxy/mcp/seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "auth/jws.h"
#include "config/config.h"
#include "core/secret.h"

enum {
    KEY_BYTES = 32,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    DIGEST_BYTES = 32,
    SEALED_MAX = NONCE_BYTES + MCP_SEAL_TEXT_MAX + TAG_BYTES,
    ENCODED_MAX = (SEALED_MAX * 4 + 2) / 3,
};

struct seal_keys {
    unsigned char text[KEY_BYTES];
    unsigned char nonce[KEY_BYTES];
};

struct mcp_seal {
    struct secret *keys; /* a struct seal_keys */
    EVP_CIPHER *cipher;
};

static const struct seal_keys *keys_of(const struct mcp_seal *seal) {
    return (const void *)secret_bytes(seal->keys).ptr;
}

static bool keyed_digest(const unsigned char *key, const void *bytes, size_t len,
                         unsigned char out_digest[DIGEST_BYTES]) {
    return HMAC(EVP_sha256(), key, KEY_BYTES, bytes, len, out_digest, NULL) != NULL;
}

static bool derive_keys(const unsigned char *key, struct seal_keys *keys) {
    static const char text[] = "barkeep seal: text", nonce[] = "barkeep seal: nonce";
    return keyed_digest(key, text, sizeof text, keys->text) &&
           keyed_digest(key, nonce, sizeof nonce, keys->nonce);
}

static struct secret *make_keys(const unsigned char *key_or_null) {
    unsigned char key[KEY_BYTES];
    struct secret *keys = secret_new_blank(sizeof(struct seal_keys));
    bool is_made = keys != NULL;
    if (key_or_null) {
        memcpy(key, key_or_null, sizeof key);
    } else {
        is_made = is_made && RAND_priv_bytes(key, sizeof key) == 1;
    }
    is_made = is_made && derive_keys(key, (void *)secret_writable(keys));
    secret_wipe(key, sizeof key);
    if (!is_made) {
        secret_unref(keys);
        return NULL;
    }
    return keys;
}

struct mcp_seal *mcp_seal_new(const unsigned char *key_or_null) {
    struct mcp_seal *seal = calloc(1, sizeof *seal);
    if (!seal) {
        return NULL;
    }
    seal->keys = make_keys(key_or_null);
    seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!seal->keys || !seal->cipher) {
        mcp_seal_free(seal);
        return NULL;
    }
    return seal;
}

void mcp_seal_free(struct mcp_seal *seal) {
    if (!seal) {
        return;
    }
    secret_unref(seal->keys);
    EVP_CIPHER_free(seal->cipher);
    free(seal);
}

/* With its length before it: no two lists of parts read the same. */
static bool add_part(EVP_MD_CTX *digest, struct slice part) {
    uint64_t len = part.len;
    return EVP_DigestUpdate(digest, &len, sizeof len) == 1 &&
           EVP_DigestUpdate(digest, part.ptr, part.len) == 1;
}

/* What has to be the same when it is opened. A user and an app, or two issuers, may not meet in one
 * name, whatever they call their subjects. */
static bool digest_holder(enum mcp_sealed what, const struct mcp_holder *holder,
                          unsigned char out_digest[DIGEST_BYTES]) {
    const struct identity *identity = holder->identity;
    const char kinds[] = {(char)what, identity->type == PRINCIPAL_APP,
                          identity->tenant_index == CONFIG_NONE};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_made = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                   add_part(digest, slice_of(kinds, sizeof kinds)) &&
                   add_part(digest, holder->route) && add_part(digest, identity->tenant) &&
                   add_part(digest, identity->oid) && add_part(digest, identity->app) &&
                   add_part(digest, holder->session) &&
                   EVP_DigestFinal_ex(digest, out_digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_made;
}

static bool make_nonce(const struct mcp_seal *seal, enum mcp_sealed what,
                       const unsigned char holder[DIGEST_BYTES], struct slice text,
                       unsigned char out_nonce[NONCE_BYTES]) {
    unsigned char input[DIGEST_BYTES + MCP_SEAL_TEXT_MAX];
    unsigned char digest[DIGEST_BYTES];
    if (what == MCP_SEALED_SESSION) {
        return RAND_bytes(out_nonce, NONCE_BYTES) == 1;
    }
    memcpy(input, holder, DIGEST_BYTES);
    memcpy(input + DIGEST_BYTES, text.ptr, text.len);
    if (!keyed_digest(keys_of(seal)->nonce, input, DIGEST_BYTES + text.len, digest)) {
        return false;
    }
    memcpy(out_nonce, digest, NONCE_BYTES);
    return true;
}

static bool begin(EVP_CIPHER_CTX *work, const struct mcp_seal *seal, const unsigned char *nonce,
                  const unsigned char holder[DIGEST_BYTES], bool closes) {
    int len;
    return EVP_CipherInit_ex2(work, seal->cipher, keys_of(seal)->text, nonce, closes, NULL) == 1 &&
           EVP_CipherUpdate(work, NULL, &len, holder, DIGEST_BYTES) == 1;
}

/* `sealed` begins with the nonce. */
static bool encrypt(const struct mcp_seal *seal, const unsigned char holder[DIGEST_BYTES],
                    struct slice text, unsigned char *sealed) {
    int len = 0, rest;
    EVP_CIPHER_CTX *work = EVP_CIPHER_CTX_new();
    unsigned char *out = sealed + NONCE_BYTES;
    bool is_done = work && begin(work, seal, sealed, holder, true) &&
                   EVP_CipherUpdate(work, out, &len, (const void *)text.ptr, (int)text.len) == 1 &&
                   EVP_CipherFinal_ex(work, out + len, &rest) == 1 &&
                   EVP_CIPHER_CTX_ctrl(work, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + text.len) == 1;
    EVP_CIPHER_CTX_free(work);
    return is_done;
}

static bool decrypt(const struct mcp_seal *seal, const unsigned char holder[DIGEST_BYTES],
                    unsigned char *sealed, size_t sealed_len, unsigned char *out_text) {
    int len = 0, rest;
    size_t text_len = sealed_len - NONCE_BYTES - TAG_BYTES;
    EVP_CIPHER_CTX *work = EVP_CIPHER_CTX_new();
    unsigned char *in = sealed + NONCE_BYTES;
    bool is_done =
        work && begin(work, seal, sealed, holder, false) &&
        EVP_CipherUpdate(work, out_text, &len, in, (int)text_len) == 1 &&
        EVP_CIPHER_CTX_ctrl(work, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, in + text_len) == 1 &&
        EVP_CipherFinal_ex(work, out_text + len, &rest) == 1;
    EVP_CIPHER_CTX_free(work);
    return is_done;
}

/* Base64url without padding. */
static struct slice encode(const unsigned char *bytes, size_t len, struct arena *arena) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t encoded_len = (len * 4 + 2) / 3;
    char *text = arena_alloc(arena, encoded_len + 1);
    if (!text) {
        return SLICE("");
    }
    for (size_t i = 0, bit = 0; i < encoded_len; i++, bit += 6) {
        size_t at = bit / 8;
        unsigned pair = (unsigned)bytes[at] << 8 | (at + 1 < len ? bytes[at + 1] : 0);
        text[i] = alphabet[pair >> (10 - bit % 8) & 63];
    }
    return slice_of(text, encoded_len);
}

struct slice mcp_seal_close(const struct mcp_seal *seal, enum mcp_sealed what,
                            const struct mcp_holder *holder, struct slice text,
                            struct arena *arena) {
    unsigned char digest[DIGEST_BYTES], sealed[SEALED_MAX];
    if (text.len == 0 || text.len > MCP_SEAL_TEXT_MAX || !digest_holder(what, holder, digest) ||
        !make_nonce(seal, what, digest, text, sealed) || !encrypt(seal, digest, text, sealed)) {
        return SLICE("");
    }
    return encode(sealed, NONCE_BYTES + text.len + TAG_BYTES, arena);
}

bool mcp_seal_open(const struct mcp_seal *seal, enum mcp_sealed what,
                   const struct mcp_holder *holder, struct slice sealed, struct arena *arena,
                   struct slice *out_text) {
    unsigned char digest[DIGEST_BYTES], bytes[SEALED_MAX];
    size_t len;
    if (sealed.len > ENCODED_MAX || base64url_decode(sealed, bytes, &len) != STATUS_OK ||
        len <= NONCE_BYTES + TAG_BYTES) {
        return false;
    }
    size_t text_len = len - NONCE_BYTES - TAG_BYTES;
    unsigned char *text = arena_alloc(arena, text_len + 1);
    if (!text || !digest_holder(what, holder, digest) || !decrypt(seal, digest, bytes, len, text)) {
        return false;
    }
    *out_text = slice_of((const char *)text, text_len);
    return true;
}
