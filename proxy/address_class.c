/* Addresses are judged in the form of 16 bytes that networks have; one that holds an IPv4 address
 * (mapped, NAT64) is judged by that. */
#include "proxy/address_class.h"

#include <netinet/in.h>
#include <string.h>

static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff};
static const unsigned char NAT64[12] = {0x00, 0x64, 0xff, 0x9b};
static const unsigned char AWS_METADATA[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
static const unsigned char AZURE_METADATA[4] = {168, 63, 129, 16};
static const unsigned char NOTHING[15];

static bool to_bytes(const struct sockaddr *address, unsigned char out_bytes[16]) {
    if (address->sa_family == AF_INET) {
        memcpy(out_bytes, MAPPED, sizeof MAPPED);
        memcpy(out_bytes + sizeof MAPPED,
               &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        memcpy(out_bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    return false;
}

/* NULL when it holds none. */
static const unsigned char *v4_within(const unsigned char bytes[16]) {
    bool holds_v4 =
        memcmp(bytes, MAPPED, sizeof MAPPED) == 0 || memcmp(bytes, NAT64, sizeof NAT64) == 0;
    return holds_v4 ? bytes + sizeof MAPPED : NULL;
}

static bool is_loopback(const unsigned char bytes[16]) {
    const unsigned char *v4 = v4_within(bytes);
    return v4 ? v4[0] == 127 : memcmp(bytes, NOTHING, sizeof NOTHING) == 0 && bytes[15] == 1;
}

static bool is_ordinary_v4(const unsigned char v4[4]) {
    return v4[0] != 0 && v4[0] != 127 && v4[0] < 224 && !(v4[0] == 169 && v4[1] == 254) &&
           memcmp(v4, AZURE_METADATA, sizeof AZURE_METADATA) != 0;
}

/* ::/96 holds the unspecified address, loopback, and IPv4 addresses in a form long given up. */
static bool is_ordinary(const unsigned char bytes[16]) {
    const unsigned char *v4 = v4_within(bytes);
    if (v4) {
        return is_ordinary_v4(v4);
    }
    bool is_link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    return memcmp(bytes, NOTHING, 12) != 0 && bytes[0] != 0xff && !is_link_local &&
           memcmp(bytes, AWS_METADATA, sizeof AWS_METADATA) != 0;
}

bool address_is_allowed(const struct sockaddr *address, const struct config_upstream *upstream,
                        const struct config_networks *networks) {
    unsigned char bytes[16];
    if (!to_bytes(address, bytes) || (upstream->is_loopback && !is_loopback(bytes))) {
        return false;
    }
    if (networks->count > 0) {
        return config_networks_hold(networks, bytes);
    }
    return upstream->is_loopback || is_ordinary(bytes);
}
