/* A sealed name is a nonce, the server's mark and the text encrypted, and their tag; the holder is
 * authenticated with it but not in it. Sessions get a random nonce. All else gets one that follows
 * from holder, mark and text, so that the same thing has the same name each time it is mentioned:
 * that shows only who already sees both mentions that they are of one thing. Both ways share a key:
 * a nonce that follows from what is sealed is as good as random beside the others, and its key is
 * another. */
#include "proxy/mcp/seal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "auth/jws.h"
#include "config/config.h"
#include "core/secret.h"

enum {
    KEY_BYTES = 32,
    NONCE_BYTES = 12,
    MARK_BYTES = 8,
    TAG_BYTES = 16,
    DIGEST_BYTES = 32,
    ADDED_BYTES = NONCE_BYTES + MARK_BYTES + TAG_BYTES,
};

struct seal_keys {
    unsigned char text[KEY_BYTES];
    unsigned char nonce[KEY_BYTES];
};

struct mcp_seal {
    struct secret *keys; /* a struct seal_keys */
    EVP_CIPHER *cipher;
    EVP_MAC *mac;
};

struct mcp_sealer {
    const struct mcp_seal *seal;
    enum mcp_sealed what;
    uint64_t mark; /* the server's; 0: none is known */
    unsigned char holder[DIGEST_BYTES];
    EVP_CIPHER_CTX *cipher; /* has its key */
    EVP_MAC_CTX *nonces;    /* has its key; NULL: they are random */
    struct buf sealed;      /* what was closed last */
    struct buf encoded;
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
    seal->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!seal->keys || !seal->cipher || !seal->mac) {
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
    EVP_MAC_free(seal->mac);
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

static size_t text_max(enum mcp_sealed what) {
    return what == MCP_SEALED_STATE ? MCP_SEAL_STATE_MAX : MCP_SEAL_TEXT_MAX;
}

static size_t encoded_len(size_t len) {
    return (len * 4 + 2) / 3;
}

static EVP_MAC_CTX *make_nonces(const struct mcp_seal *seal) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *nonces = EVP_MAC_CTX_new(seal->mac);
    if (nonces && EVP_MAC_init(nonces, keys_of(seal)->nonce, KEY_BYTES, params) != 1) {
        EVP_MAC_CTX_free(nonces);
        nonces = NULL;
    }
    return nonces;
}

static bool begin(struct mcp_sealer *sealer, const struct mcp_seal *seal, enum mcp_sealed what,
                  const struct mcp_holder *holder, bool closes) {
    bool follows = closes && what != MCP_SEALED_SESSION;
    *sealer = (struct mcp_sealer){.seal = seal, .what = what, .mark = mcp_holder_mark(holder)};
    buf_init(&sealer->sealed, text_max(what) + ADDED_BYTES);
    buf_init(&sealer->encoded, encoded_len(text_max(what) + ADDED_BYTES));
    sealer->cipher = EVP_CIPHER_CTX_new();
    sealer->nonces = follows ? make_nonces(seal) : NULL;
    return sealer->cipher && (sealer->nonces || !follows) &&
           digest_holder(what, holder, sealer->holder) &&
           EVP_CipherInit_ex2(sealer->cipher, seal->cipher, keys_of(seal)->text, NULL, closes,
                              NULL) == 1;
}

static void done(struct mcp_sealer *sealer) {
    EVP_CIPHER_CTX_free(sealer->cipher);
    EVP_MAC_CTX_free(sealer->nonces);
    buf_done(&sealer->sealed);
    buf_done(&sealer->encoded);
}

/* `plain`: mark and text. */
static bool make_nonce(struct mcp_sealer *sealer, struct slice plain,
                       unsigned char out_nonce[NONCE_BYTES]) {
    unsigned char digest[DIGEST_BYTES];
    size_t len;
    EVP_MAC_CTX *nonces = sealer->nonces;
    if (!nonces) {
        return RAND_bytes(out_nonce, NONCE_BYTES) == 1;
    }
    if (EVP_MAC_init(nonces, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(nonces, sealer->holder, DIGEST_BYTES) != 1 ||
        EVP_MAC_update(nonces, (const void *)plain.ptr, plain.len) != 1 ||
        EVP_MAC_final(nonces, digest, &len, sizeof digest) != 1) {
        return false;
    }
    memcpy(out_nonce, digest, NONCE_BYTES);
    return true;
}

static bool begin_text(struct mcp_sealer *sealer, const unsigned char *nonce) {
    int len;
    return EVP_CipherInit_ex2(sealer->cipher, NULL, NULL, nonce, -1, NULL) == 1 &&
           EVP_CipherUpdate(sealer->cipher, NULL, &len, sealer->holder, DIGEST_BYTES) == 1;
}

/* In its place, behind the nonce and before room for the tag. */
static bool encrypt(struct mcp_sealer *sealer, unsigned char *sealed, size_t plain_len) {
    int len = 0, rest;
    unsigned char *plain = sealed + NONCE_BYTES, *tag = plain + plain_len;
    EVP_CIPHER_CTX *work = sealer->cipher;
    return begin_text(sealer, sealed) &&
           EVP_CipherUpdate(work, plain, &len, plain, (int)plain_len) == 1 &&
           EVP_CipherFinal_ex(work, plain + len, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(work, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
}

static bool decrypt(struct mcp_sealer *sealer, unsigned char *sealed, size_t plain_len) {
    int len = 0, rest;
    unsigned char *plain = sealed + NONCE_BYTES, *tag = plain + plain_len;
    EVP_CIPHER_CTX *work = sealer->cipher;
    return begin_text(sealer, sealed) &&
           EVP_CipherUpdate(work, plain, &len, plain, (int)plain_len) == 1 &&
           EVP_CIPHER_CTX_ctrl(work, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
           EVP_CipherFinal_ex(work, plain + len, &rest) == 1;
}

/* Base64url without padding, into room for encoded_len(len). */
static void encode(const unsigned char *bytes, size_t len, char *out) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t count = encoded_len(len);
    for (size_t i = 0, bit = 0; i < count; i++, bit += 6) {
        size_t at = bit / 8;
        unsigned pair = (unsigned)bytes[at] << 8 | (at + 1 < len ? bytes[at + 1] : 0);
        out[i] = alphabet[pair >> (10 - bit % 8) & 63];
    }
}

struct mcp_sealer *mcp_sealer_new(const struct mcp_seal *seal, enum mcp_sealed what,
                                  const struct mcp_holder *holder) {
    struct mcp_sealer *sealer = malloc(sizeof *sealer);
    if (sealer && !begin(sealer, seal, what, holder, true)) {
        mcp_sealer_free(sealer);
        sealer = NULL;
    }
    return sealer;
}

void mcp_sealer_free(struct mcp_sealer *sealer) {
    if (sealer) {
        done(sealer);
        free(sealer);
    }
}

struct slice mcp_sealer_close(struct mcp_sealer *sealer, struct slice text) {
    size_t len = text.len + ADDED_BYTES;
    buf_clear(&sealer->sealed);
    buf_clear(&sealer->encoded);
    if (text.len == 0 || text.len > text_max(sealer->what) || !buf_reserve(&sealer->sealed, len) ||
        !buf_reserve(&sealer->encoded, encoded_len(len))) {
        return SLICE("");
    }
    unsigned char *sealed = (void *)sealer->sealed.ptr, *plain = sealed + NONCE_BYTES;
    size_t plain_len = MARK_BYTES + text.len;
    memcpy(plain, &sealer->mark, MARK_BYTES);
    memcpy(plain + MARK_BYTES, text.ptr, text.len);
    if (!make_nonce(sealer, slice_of((const char *)plain, plain_len), sealed) ||
        !encrypt(sealer, sealed, plain_len)) {
        return SLICE("");
    }
    encode(sealed, len, sealer->encoded.ptr);
    return slice_of(sealer->encoded.ptr, encoded_len(len));
}

struct slice mcp_seal_close(const struct mcp_seal *seal, enum mcp_sealed what,
                            const struct mcp_holder *holder, struct slice text,
                            struct arena *arena) {
    struct mcp_sealer sealer;
    struct slice sealed = SLICE("");
    if (begin(&sealer, seal, what, holder, true)) {
        sealed = mcp_sealer_close(&sealer, text);
    }
    char *copy = sealed.len ? arena_strdup_slice(arena, sealed) : NULL;
    done(&sealer);
    return slice_of(copy, copy ? sealed.len : 0);
}

static size_t find_server(const struct mcp_holder *holder, uint64_t mark) {
    size_t server = 0;
    while (server < holder->server_count && holder->servers[server] != mark) {
        server++;
    }
    return server;
}

/* False when what was opened is of another server than `holder` has to do with. */
static bool agrees_on_server(enum mcp_sealed what, struct mcp_holder *holder, uint64_t mark) {
    size_t server = find_server(holder, mark);
    bool is_there = server < holder->server_count;
    if (mark == 0) {
        return true;
    }
    if (what != MCP_SEALED_STATE &&
        (!is_there || (mcp_holder_knows_server(holder) && holder->server != server))) {
        return false;
    }
    if (is_there && !mcp_holder_knows_server(holder)) {
        holder->server = server;
        holder->any_server_will_do = what == MCP_SEALED_STATE;
    }
    return true;
}

bool mcp_seal_open(const struct mcp_seal *seal, enum mcp_sealed what, struct mcp_holder *holder,
                   struct slice sealed, struct arena *arena, struct slice *out_text) {
    struct mcp_sealer sealer;
    size_t len;
    if (sealed.len > encoded_len(text_max(what) + ADDED_BYTES)) {
        return false;
    }
    unsigned char *bytes = arena_alloc(arena, base64url_decoded_size(sealed.len) + 1);
    if (!bytes || base64url_decode(sealed, bytes, &len) != STATUS_OK || len <= ADDED_BYTES) {
        return false;
    }
    uint64_t mark;
    size_t text_len = len - ADDED_BYTES;
    unsigned char *plain = bytes + NONCE_BYTES;
    bool is_open =
        begin(&sealer, seal, what, holder, false) && decrypt(&sealer, bytes, MARK_BYTES + text_len);
    done(&sealer);
    if (!is_open) {
        return false;
    }
    memcpy(&mark, plain, MARK_BYTES);
    if (!agrees_on_server(what, holder, mark)) {
        return false;
    }
    *out_text = slice_of((const char *)plain + MARK_BYTES, text_len);
    return true;
}
