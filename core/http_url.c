/* What is asked of URLs that needs no libcurl. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "core/buf.h"
#include "core/http_client.h"

static bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void http_form_encode(struct buf *buf, struct slice text) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        const char escape[] = {'%', hex[byte >> 4], hex[byte & 0xF]};
        if (is_unreserved(text.ptr[i]))
            buf_append_char(buf, text.ptr[i]);
        else
            buf_append(buf, escape, sizeof escape);
    }
}

size_t http_form_size(struct slice text) {
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++)
        size += is_unreserved(text.ptr[i]) ? 1 : 3;
    return size;
}

static struct slice without_brackets(struct slice host) {
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return slice_of(host.ptr + 1, host.len - 2);
    return host;
}

bool http_host_is_loopback(struct slice host) {
    char text[INET6_ADDRSTRLEN];
    struct slice bare = without_brackets(host);
    if (slice_eq_nocase(bare, SLICE("localhost")))
        return bare.len == host.len;
    if (bare.len == 0 || bare.len >= sizeof text || memchr(bare.ptr, '\0', bare.len))
        return false;
    memcpy(text, bare.ptr, bare.len);
    text[bare.len] = '\0';
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return bare.len == host.len && ntohl(v4.s_addr) >> 24 == 127;
    struct in6_addr v6;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
