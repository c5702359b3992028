/* Callers' tokens take their percentage of it at most: the credentials must have room in the rest.
 */
#include "proxy/secret_heap.h"

#include "proxy/want.h"
#include "vault/secret_store.h"

enum {
    BYTES_MIN = 4 * 1024 * 1024,
    BYTES_MIN_WITH_CALLERS = 32 * 1024 * 1024, /* a token for each of many */
    BYTES_PER_CREDENTIAL = 64 * 1024,          /* two versions, and what is searched for */
};

size_t secret_heap_bytes(const struct config *config) {
    bool has_callers = config_uses_on_behalf_of(config);
    size_t bytes = has_callers ? BYTES_MIN_WITH_CALLERS : BYTES_MIN;
    size_t percent_left = has_callers ? 100 - WANT_CALLERS_PERCENT_MAX : 100;
    size_t credentials;
    if (!secret_store_count_searched(config, &credentials)) {
        return 0;
    }
    if (credentials < config->credential_count) {
        credentials = config->credential_count;
    }
    while (bytes * percent_left / 100 < credentials * BYTES_PER_CREDENTIAL) {
        bytes *= 2;
    }
    return bytes;
}
