/* The tag barkeep-hosts. Fails closed: one item that is not a host binds the secret to nothing. */
#include "vault/secret_hosts.h"

#include <arpa/inet.h>

#include "config/host.h"

/* Key Vault's own limit of a tag's value is 256 characters; a stand-in's may be longer. */
#define MAX_TAG_BYTES 1024

/* The first word of `*rest`, which keeps what follows; empty at the end. */
static struct slice next_word(struct slice *rest) {
    while (rest->len > 0 && rest->ptr[0] == ' ')
        *rest = slice_skip(*rest, 1);
    const struct slice word = slice_of(rest->ptr, slice_index(*rest, ' '));
    *rest = slice_skip(*rest, word.len);
    return word;
}

static size_t count_words(struct slice text) {
    size_t count = 0;
    while (next_word(&text).len > 0)
        count++;
    return count;
}

static bool is_bracketed(struct slice item) {
    return item.len > 0 && item.ptr[0] == '[';
}

static bool split_item(struct slice item, struct slice *out_host, struct slice *out_port) {
    struct slice host = {0}, port = {0};
    uint16_t number = 0;
    if (!host_split(item, &host, &port) || !host_is_valid(host))
        return false;
    if (host_is_ipv6(host) != is_bracketed(item))
        return false;
    if (port.len > 0 && !host_parse_port(port, &number))
        return false;
    *out_host = host;
    *out_port = port;
    return true;
}

static struct slice lower_case(char *text) {
    for (char *at = text; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return slice_of_str(text);
}

bool secret_hosts_read(const char *tag, struct arena *arena, struct rendered_hosts *out_hosts) {
    struct slice rest = slice_of_str(tag);
    const size_t count = rest.len <= MAX_TAG_BYTES ? count_words(rest) : 0;
    struct slice *items = arena_array(arena, count, sizeof *items);
    if (!items)
        return false;
    *out_hosts = (struct rendered_hosts){items, 0};
    for (size_t i = 0; i < count; i++) {
        struct slice host = {0}, port = {0};
        const struct slice item = next_word(&rest);
        if (!split_item(item, &host, &port))
            return true;
        char *kept = arena_strdup_slice(arena, item);
        if (!kept)
            return false;
        items[i] = lower_case(kept);
    }
    out_hosts->count = count;
    return true;
}

/* An IPv6 address has many spellings. */
static bool is_same_ipv6(struct slice a, struct slice b) {
    char a_text[INET6_ADDRSTRLEN], b_text[INET6_ADDRSTRLEN];
    unsigned char a_address[16], b_address[16];
    if (a.len >= sizeof a_text || b.len >= sizeof b_text)
        return false;
    memcpy(a_text, a.ptr, a.len);
    memcpy(b_text, b.ptr, b.len);
    a_text[a.len] = b_text[b.len] = '\0';
    return inet_pton(AF_INET6, a_text, a_address) == 1 &&
           inet_pton(AF_INET6, b_text, b_address) == 1 &&
           memcmp(a_address, b_address, sizeof a_address) == 0;
}

static bool item_is(struct slice item, struct slice host, uint16_t port) {
    struct slice item_host = {0}, item_port = {0};
    uint16_t number = 0;
    if (!split_item(item, &item_host, &item_port))
        return false;
    if (!slice_eq_nocase(item_host, host) && !(is_bracketed(item) && is_same_ipv6(item_host, host)))
        return false;
    return item_port.len == 0 || (host_parse_port(item_port, &number) && number == port);
}

bool secret_hosts_hold(const struct rendered_hosts *hosts, struct slice host, uint16_t port) {
    for (size_t i = 0; i < hosts->count; i++)
        if (item_is(hosts->items[i], host, port))
            return true;
    return false;
}

bool rendered_credential_may_go_to(const struct rendered_credential *credential, const char *host,
                                   uint16_t port) {
    for (size_t i = 0; i < credential->bound_count; i++)
        if (!host || !secret_hosts_hold(&credential->bounds[i], slice_of_str(host), port))
            return false;
    return true;
}
