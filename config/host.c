/* Host names follow RFC 952/1123, with underscores, which container networks use. A name whose last
 * label is a number is refused, because inet_aton() and browsers read it as an address, and then
 * "is this loopback" would be judged on another host than the one connected to. */
#include "config/host.h"

#include <arpa/inet.h>

#define LONGEST_HOST 253
#define LONGEST_LABEL 63

static bool to_address(struct slice host, int family, unsigned char out_address[16]) {
    char text[64];
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return strlen(text) == host.len && inet_pton(family, text, out_address) == 1;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_label(struct slice label) {
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !is_digit(c) && c != '-')
            return false;
    }
    bool has_dash = label.len > 0 && (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-');
    return label.len > 0 && label.len <= LONGEST_LABEL && !has_dash;
}

static bool looks_numeric(struct slice label) {
    if (slice_starts_with(label, SLICE("0x")) || slice_starts_with(label, SLICE("0X")))
        return true;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_digit(label.ptr[i]))
            return false;
    }
    return true;
}

static bool is_name(struct slice host) {
    if (host.len == 0 || host.len > LONGEST_HOST)
        return false;
    for (;;) {
        size_t dot = slice_index(host, '.');
        struct slice label = slice_of(host.ptr, dot);
        if (!is_label(label))
            return false;
        if (dot == host.len)
            return !looks_numeric(label);
        host = slice_skip(host, dot + 1);
    }
}

bool host_is_ipv6(struct slice host) {
    unsigned char address[16];
    return to_address(host, AF_INET6, address);
}

bool host_is_valid(struct slice host) {
    unsigned char address[16];
    return to_address(host, AF_INET, address) || host_is_ipv6(host) || is_name(host);
}

bool host_is_loopback(struct slice host) {
    static const unsigned char ONE[16] = {[15] = 1};
    unsigned char address[16];
    if (to_address(host, AF_INET, address))
        return address[0] == 127;
    if (to_address(host, AF_INET6, address))
        return memcmp(address, ONE, sizeof ONE) == 0;
    return slice_eq_nocase(host, SLICE("localhost"));
}

bool host_split(struct slice text, struct slice *out_host, struct slice *out_port) {
    struct slice host = text;
    struct slice rest;
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t end = slice_index(text, ']');
        host = slice_of(text.ptr + 1, end - 1);
        rest = slice_skip(text, end + 1);
        if (end == text.len || !host_is_ipv6(host))
            return false;
    } else {
        size_t colon = slice_index(text, ':');
        host = slice_of(text.ptr, colon);
        rest = slice_skip(text, colon);
    }
    if (rest.len > 0 && (rest.ptr[0] != ':' || rest.len == 1))
        return false;
    struct slice port = slice_skip(rest, 1);
    if (slice_index(port, ':') != port.len)
        return false;
    *out_host = host;
    *out_port = port;
    return true;
}

bool host_parse_port(struct slice text, uint16_t *out_port) {
    uint64_t port = 0;
    if (!slice_parse_u64(text, 65535, &port) || port == 0)
        return false;
    *out_port = (uint16_t)port;
    return true;
}
