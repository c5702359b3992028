/* Both families in one form of 16 bytes, so that one comparison serves. IPv4 addresses are members
 * of networks that were written for IPv4 only: ::/0 means every IPv6 address, not every address. */
#include "config/network.h"

#include <arpa/inet.h>
#include <stdio.h>

static const unsigned char MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum { MAPPED_BITS = 96, ALL_BITS = 128 };

static bool is_mapped(const unsigned char address[16]) {
    return memcmp(address, MAPPED, sizeof MAPPED) == 0;
}

static bool is_ipv4(const struct config_network *network) {
    return network->prefix_bits >= MAPPED_BITS && is_mapped(network->address);
}

/* `out_first_bit` is where prefix lengths are counted from. */
static bool parse_address(struct slice text, unsigned char out_address[16],
                          unsigned *out_first_bit) {
    char copy[64];
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return false;
    if (inet_pton(AF_INET, copy, out_address + sizeof MAPPED) == 1) {
        memcpy(out_address, MAPPED, sizeof MAPPED);
        *out_first_bit = MAPPED_BITS;
        return true;
    }
    *out_first_bit = 0;
    return inet_pton(AF_INET6, copy, out_address) == 1;
}

bool network_parse(struct slice text, struct config_network *out_network) {
    struct config_network network = {.prefix_bits = ALL_BITS};
    unsigned first_bit;
    uint64_t bits;
    size_t slash = slice_index(text, '/');
    if (slash == 0 || !parse_address(slice_of(text.ptr, slash), network.address, &first_bit))
        return false;
    if (slash < text.len) {
        if (!slice_parse_u64(slice_skip(text, slash + 1), ALL_BITS - first_bit, &bits))
            return false;
        network.prefix_bits = (uint8_t)(first_bit + bits);
    }
    *out_network = network;
    return true;
}

struct config_network network_of(const struct config_network *network) {
    struct config_network clean = *network;
    for (size_t i = 0; i < sizeof clean.address; i++) {
        size_t first = i * 8;
        if (first >= clean.prefix_bits)
            clean.address[i] = 0;
        else if (first + 8 > clean.prefix_bits)
            clean.address[i] &= (unsigned char)(0xff00u >> (clean.prefix_bits - first));
    }
    return clean;
}

bool network_has_host_bits(const struct config_network *network) {
    struct config_network clean = network_of(network);
    return memcmp(clean.address, network->address, sizeof clean.address) != 0;
}

const char *network_format(const struct config_network *network, struct network_text *out_text) {
    char address[INET6_ADDRSTRLEN] = "";
    bool is_v4 = is_ipv4(network);
    inet_ntop(is_v4 ? AF_INET : AF_INET6, network->address + (is_v4 ? sizeof MAPPED : 0), address,
              sizeof address);
    if (network->prefix_bits == ALL_BITS)
        snprintf(out_text->text, sizeof out_text->text, "%s", address);
    else
        snprintf(out_text->text, sizeof out_text->text, "%s/%d", address,
                 network->prefix_bits - (is_v4 ? MAPPED_BITS : 0));
    return out_text->text;
}

static bool holds(const struct config_network *network, const unsigned char address[16]) {
    if (is_mapped(address) && network->prefix_bits < MAPPED_BITS)
        return false;
    size_t whole = network->prefix_bits / 8;
    unsigned mask = 0xff00u >> (network->prefix_bits % 8) & 0xffu;
    if (memcmp(network->address, address, whole) != 0)
        return false;
    return mask == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0;
}

bool network_is_within(const struct config_network *inner, const struct config_network *outer) {
    return outer->prefix_bits <= inner->prefix_bits && holds(outer, inner->address);
}

bool config_networks_hold(const struct config_networks *networks, const unsigned char address[16]) {
    for (size_t i = 0; i < networks->count; i++) {
        if (holds(&networks->items[i], address))
            return true;
    }
    return false;
}
