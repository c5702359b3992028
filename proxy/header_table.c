/* Names the headers that mean something to us. A name's length and first letter lead to one slot of
 * a table laid out by the compiler, hence to one comparison; two rows that wanted the same slot
 * would be a compiler warning (-Woverride-init), a row without a slot fails its unit test. */
#include "proxy/h1_bytes.h"
#include "proxy/h1_head.h"

#define SLOT(letter, len) (((letter) + (len)*59) & 127)

static const uint8_t slots[128] = {
    [SLOT('c', 10)] = HEADER_CONNECTION,
    [SLOT('k', 10)] = HEADER_KEEP_ALIVE,
    [SLOT('p', 16)] = HEADER_PROXY_CONNECTION,
    [SLOT('t', 2)] = HEADER_TE,
    [SLOT('t', 7)] = HEADER_TRAILER,
    [SLOT('u', 7)] = HEADER_UPGRADE,
    [SLOT('h', 14)] = HEADER_HTTP2_SETTINGS,
    [SLOT('p', 18)] = HEADER_PROXY_AUTHENTICATE,
    [SLOT('p', 19)] = HEADER_PROXY_AUTHORIZATION,
    [SLOT('p', 25)] = HEADER_PROXY_AUTHENTICATION_INFO,
    [SLOT('c', 14)] = HEADER_CONTENT_LENGTH,
    [SLOT('t', 17)] = HEADER_TRANSFER_ENCODING,
    [SLOT('h', 4)] = HEADER_HOST,
    [SLOT('e', 6)] = HEADER_EXPECT,
    [SLOT('a', 13)] = HEADER_AUTHORIZATION,
    [SLOT('c', 6)] = HEADER_COOKIE,
    [SLOT('f', 9)] = HEADER_FORWARDED,
    [SLOT('x', 12)] = HEADER_X_REQUEST_ID,
    [SLOT('t', 11)] = HEADER_TRACEPARENT,
    [SLOT('t', 10)] = HEADER_TRACESTATE,
    [SLOT('x', 14)] = HEADER_X_ORIGINAL_URL,
    [SLOT('x', 13)] = HEADER_X_REWRITE_URL,
    [SLOT('x', 9)] = HEADER_X_REAL_IP,
    [SLOT('t', 14)] = HEADER_TRUE_CLIENT_IP,
    [SLOT('x', 17)] = HEADER_X_METHOD_OVERRIDE,
    [SLOT('a', 15)] = HEADER_ACCEPT_ENCODING,
    [SLOT('r', 5)] = HEADER_RANGE,
    [SLOT('i', 8)] = HEADER_IF_RANGE,
    [SLOT('d', 4)] = HEADER_DATE,
    [SLOT('s', 6)] = HEADER_SERVER,
    [SLOT('w', 16)] = HEADER_WWW_AUTHENTICATE,
    [SLOT('s', 17)] = HEADER_WEBSOCKET_KEY,
    [SLOT('s', 21)] = HEADER_WEBSOCKET_VERSION,
    [SLOT('s', 20)] = HEADER_WEBSOCKET_ACCEPT,
    [SLOT('s', 22)] = HEADER_WEBSOCKET_PROTOCOL,
    [SLOT('s', 24)] = HEADER_WEBSOCKET_EXTENSIONS,
};

struct row {
    struct slice name;
    unsigned flags;
};

#define X(enumerator, text, bits) [enumerator] = {{text, sizeof(text) - 1}, bits},
static const struct row rows[HEADER_ID_COUNT] = {HEADER_TABLE(X)};
#undef X

/* Families whose members backends and frameworks take for the proxy's word: whoever speaks to us
 * must not be able to add one we have not heard of. */
static const struct slice families_from_us[] = {
    {"x-forwarded-", 12}, {"x-http-method", 13}, {"x-ms-client-principal", 21}, {"x-ms-token-", 11},
    {"x-envoy-", 8},      {"x-barkeep-", 10},    {"x-original-", 11},           {"x-rewrite-", 10},
};

static bool is_in_family_from_us(struct slice name) {
    if (name.len < 3 || name.ptr[1] != '-' || h1_lower(name.ptr[0]) != 'x') {
        return false;
    }
    for (size_t i = 0; i < sizeof(families_from_us) / sizeof(families_from_us[0]); i++) {
        struct slice family = families_from_us[i];
        if (h1_lower(name.ptr[2]) == (uint8_t)family.ptr[2] && name.len >= family.len &&
            h1_is_name(slice_of(name.ptr, family.len), family)) {
            return true;
        }
    }
    return false;
}

enum header_id header_id_of(struct slice name, unsigned *out_flags) {
    *out_flags = 0;
    if (name.len == 0) {
        return HEADER_OTHER;
    }
    enum header_id id = slots[SLOT(h1_lower(name.ptr[0]), name.len)];
    if (!h1_is_name(name, rows[id].name)) {
        id = HEADER_OTHER;
    }
    *out_flags = rows[id].flags | (is_in_family_from_us(name) ? HEADER_FROM_US : 0U);
    return id;
}
