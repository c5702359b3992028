/* A lock, for once on a worker's way: held while 160 bytes are copied, once per handshake, which
 * takes OpenSSL's own locks and a signature. Without fresh random bytes the former key goes on. */
#include "proxy/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/secret.h"

enum { NAME_BYTES = 16, KEY_BYTES = 32 };

struct ticket_key {
    unsigned char name[NAME_BYTES]; /* all zero: there is none */
    unsigned char cipher[KEY_BYTES];
    unsigned char mac[KEY_BYTES];
};

struct ticket_key_pair {
    struct ticket_key current;
    struct ticket_key former;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct secret *keys; /* a struct ticket_key_pair, for the life of the process */
static uint64_t renewed_ms; /* monotonic */

static bool make_key(struct ticket_key *key) {
    return RAND_bytes(key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes(key->mac, sizeof key->mac) == 1;
}

static bool begin_locked(void) {
    struct secret *blank = secret_new_blank(sizeof(struct ticket_key_pair));
    struct ticket_key_pair *pair = blank ? (void *)secret_writable(blank) : NULL;
    if (!pair) {
        return false;
    }
    memset(pair, 0, sizeof *pair);
    if (!make_key(&pair->current)) {
        secret_unref(blank);
        return false;
    }
    keys = blank;
    renewed_ms = clock_monotonic_ms();
    return true;
}

static void renew_locked(void) {
    struct ticket_key_pair *pair = (void *)secret_writable(keys);
    uint64_t age_ms = clock_monotonic_ms() - renewed_ms;
    struct ticket_key fresh;
    if (age_ms < TICKET_KEY_LIFE_SEC * UINT64_C(1000) || !make_key(&fresh)) {
        return;
    }
    if (age_ms < 2 * TICKET_KEY_LIFE_SEC * UINT64_C(1000)) {
        pair->former = pair->current;
    } else {
        secret_wipe(&pair->former, sizeof pair->former);
    }
    pair->current = fresh;
    secret_wipe(&fresh, sizeof fresh);
    renewed_ms = clock_monotonic_ms();
}

/* A copy of both, which the caller wipes. */
static void copy_keys(struct ticket_key_pair *out_pair) {
    pthread_mutex_lock(&lock);
    renew_locked();
    memcpy(out_pair, secret_bytes(keys).ptr, sizeof *out_pair);
    pthread_mutex_unlock(&lock);
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key) {
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static bool seal(struct ticket_key *key, unsigned char *out_name, unsigned char *out_iv,
                 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac) {
    memcpy(out_name, key->name, sizeof key->name);
    return RAND_bytes(out_iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
           EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, out_iv) == 1 &&
           set_mac(mac, key);
}

static bool open_with(struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac) {
    return set_mac(mac, key) &&
           EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1;
}

/* As OpenSSL has it: -1 failed, 0 not our key, 1 done, 2 done and a new ticket is due. */
static int answer(struct ticket_key_pair *pair, unsigned char *name, unsigned char *iv,
                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals) {
    static const unsigned char none[NAME_BYTES];
    if (seals) {
        return seal(&pair->current, name, iv, cipher, mac) ? 1 : -1;
    }
    if (memcmp(name, pair->current.name, NAME_BYTES) == 0) {
        return open_with(&pair->current, iv, cipher, mac) ? 1 : -1;
    }
    if (memcmp(name, none, NAME_BYTES) != 0 && memcmp(name, pair->former.name, NAME_BYTES) == 0) {
        return open_with(&pair->former, iv, cipher, mac) ? 2 : -1;
    }
    return 0;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals) {
    (void)ssl;
    struct ticket_key_pair pair;
    copy_keys(&pair);
    int result = answer(&pair, name, iv, cipher, mac, seals);
    secret_wipe(&pair, sizeof pair);
    return result;
}

bool ticket_keys_use(SSL_CTX *ssl_ctx) {
    pthread_mutex_lock(&lock);
    bool is_there = keys || begin_locked();
    pthread_mutex_unlock(&lock);
    if (is_there) {
        SSL_CTX_set_timeout(ssl_ctx, TICKET_LIFE_SEC);
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
    }
    return is_there;
}
