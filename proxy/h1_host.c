/* Judges Host values and authorities. Narrower than RFC 3986 on purpose: no percent-encoding, no
 * sub-delims, no empty labels, no IPvFuture, no zone, no empty port; no name that resolves has
 * them, and readers disagree about what they mean. */
#include <arpa/inet.h>

#include "proxy/h1_bytes.h"
#include "proxy/h1_head.h"

enum { HOST_NAME_BYTES_MAX = 255 };

/* Length of "[...]" at the start of `value`, 0 when it is no IPv6 address. */
static size_t ipv6_len(struct slice value) {
    size_t closing = slice_index(value, ']');
    char address[INET6_ADDRSTRLEN];
    if (closing == value.len || closing - 1 >= sizeof(address)) {
        return 0;
    }
    memcpy(address, value.ptr + 1, closing - 1);
    address[closing - 1] = '\0';
    /* inet_pton() would stop at a NUL inside and judge only what is before it. */
    if (memchr(address, '\0', closing - 1) != NULL) {
        return 0;
    }
    struct in6_addr parsed;
    return inet_pton(AF_INET6, address, &parsed) == 1 ? closing + 1 : 0;
}

/* Length of the host name at the start of `value`, 0 when it is none. One final dot is fine. */
static size_t reg_name_len(struct slice value) {
    char previous = '.';
    size_t len = 0;
    for (; len < value.len && h1_is(value.ptr[len], H1_REG_NAME); len++) {
        if (value.ptr[len] == '.' && previous == '.') {
            return 0;
        }
        previous = value.ptr[len];
    }
    return len <= HOST_NAME_BYTES_MAX ? len : 0;
}

/* `text` is what follows the host: nothing or ":port". */
static bool port_is_valid(struct slice text) {
    if (text.len == 0) {
        return true;
    }
    if (text.len < 2 || text.len > 6 || text.ptr[0] != ':' || text.ptr[1] == '0') {
        return false;
    }
    unsigned port = 0;
    for (size_t i = 1; i < text.len; i++) {
        if (!h1_is(text.ptr[i], H1_DIGIT)) {
            return false;
        }
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return port <= UINT16_MAX;
}

bool h1_host_is_valid(struct slice value, struct slice *out_name) {
    if (value.len == 0) {
        return false;
    }
    size_t len = value.ptr[0] == '[' ? ipv6_len(value) : reg_name_len(value);
    if (len == 0 || !port_is_valid(slice_skip(value, len))) {
        return false;
    }
    *out_name = slice_of(value.ptr, len);
    return true;
}
