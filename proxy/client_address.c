/* Whoever connects can write X-Forwarded-For. What stands in it counts only from the right, and
 * only as far as each entry was written by somebody the configuration trusts: everything further
 * left is the caller's own text and is neither read nor passed on (security.md 8 E, 133 and 135).
 */
#include "proxy/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const unsigned char MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum { PORT_MAX = 65535 };

static void format_address(struct client_address *address) {
    bool is_ipv4 = memcmp(address->bytes, MAPPED, sizeof MAPPED) == 0;
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes + (is_ipv4 ? sizeof MAPPED : 0),
              address->text, sizeof address->text);
}

static void take_ipv4(struct client_address *address, const struct in_addr *ipv4) {
    memcpy(address->bytes, MAPPED, sizeof MAPPED);
    memcpy(address->bytes + sizeof MAPPED, ipv4, sizeof *ipv4);
}

void client_address_of_peer(const struct sockaddr_storage *peer,
                            struct client_address *out_address) {
    struct client_address address = {.is_ip = true};
    if (peer->ss_family == AF_INET) {
        take_ipv4(&address, &((const struct sockaddr_in *)(const void *)peer)->sin_addr);
    } else if (peer->ss_family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
               sizeof address.bytes);
    } else {
        *out_address = (struct client_address){.text = "unix"};
        return;
    }
    format_address(&address);
    *out_address = address;
}

/* inet_pton() takes neither blanks nor zones, and of IPv4 only four decimal numbers. */
static bool parse_ip(int family, struct slice text, void *out_bytes) {
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, out_bytes) == 1;
}

/* ":443", or nothing. */
static bool is_port_or_nothing(struct slice text) {
    uint64_t port;
    return text.len == 0 ||
           (text.ptr[0] == ':' && slice_parse_u64(slice_skip(text, 1), PORT_MAX, &port));
}

static bool parse_bracketed(struct slice entry, struct client_address *address) {
    size_t end = slice_index(entry, ']');
    return end < entry.len && is_port_or_nothing(slice_skip(entry, end + 1)) &&
           parse_ip(AF_INET6, slice_of(entry.ptr + 1, end - 1), address->bytes);
}

static bool parse_ipv4(struct slice entry, struct client_address *address) {
    struct in_addr ipv4;
    size_t end = slice_index(entry, ':');
    if (!is_port_or_nothing(slice_skip(entry, end)) ||
        !parse_ip(AF_INET, slice_of(entry.ptr, end), &ipv4)) {
        return false;
    }
    take_ipv4(address, &ipv4);
    return true;
}

bool client_address_parse(struct slice entry, struct client_address *out_address) {
    struct client_address address = {.is_ip = true};
    bool is_bracketed = entry.len > 0 && entry.ptr[0] == '[';
    if (is_bracketed ? !parse_bracketed(entry, &address)
                     : !parse_ip(AF_INET6, entry, address.bytes) && !parse_ipv4(entry, &address)) {
        return false;
    }
    format_address(&address);
    *out_address = address;
    return true;
}

/* The entries of all lines of X-Forwarded-For, from the right; also of lines that Connection names,
 * or a caller could have the proxy's word taken out. */
struct walk {
    const struct h1_request *request;
    size_t lines_left;
    struct slice rest; /* of the line that is being read; what is right of it was read */
    bool is_in_line;
};

static bool next_line(struct walk *walk) {
    while (walk->lines_left > 0) {
        const struct header *header = &walk->request->headers[--walk->lines_left];
        if (slice_eq_nocase(header->name, SLICE("X-Forwarded-For"))) {
            walk->rest = header->value;
            walk->is_in_line = true;
            return true;
        }
    }
    return false;
}

static bool walk_next(struct walk *walk, struct slice *out_entry) {
    if (!walk->is_in_line && !next_line(walk)) {
        return false;
    }
    size_t begin = walk->rest.len;
    while (begin > 0 && walk->rest.ptr[begin - 1] != ',') {
        begin--;
    }
    *out_entry = slice_trim(slice_skip(walk->rest, begin));
    walk->is_in_line = begin > 0;
    walk->rest.len = begin > 0 ? begin - 1 : 0;
    return true;
}

/* Walks up to the client and tells each hop on the way, the client last. Returns how many there are
 * beyond the peer. */
static size_t walk_to_client(const struct config_networks *trusted,
                             const struct h1_request *request,
                             void (*on_hop)(void *owner, const struct client_address *hop),
                             void *owner) {
    struct walk walk = {.request = request, .lines_left = request->header_count};
    struct client_address hop;
    struct slice entry;
    size_t count = 0;
    bool is_trusted = true;
    while (is_trusted && walk_next(&walk, &entry) && client_address_parse(entry, &hop)) {
        is_trusted = config_networks_hold(trusted, hop.bytes);
        on_hop(owner, &hop);
        count++;
    }
    return count;
}

/* The chain is written from its end to its front, as the walk comes by. */
struct chain {
    struct client_address client;
    char *bytes;
    char *at;
    size_t needed;
};

static void measure_hop(void *owner, const struct client_address *hop) {
    ((struct chain *)owner)->needed += strlen(hop->text) + 2;
}

static void write_hop(void *owner, const struct client_address *hop) {
    struct chain *chain = owner;
    size_t len = strlen(hop->text);
    chain->at -= len + 2;
    memcpy(chain->at, hop->text, len);
    memcpy(chain->at + len, ", ", 2);
    chain->client = *hop;
}

static bool read_chain(struct forwarding *forwarding, const struct config_networks *trusted,
                       const struct h1_request *request, struct arena *arena) {
    struct chain measured = {0};
    if (walk_to_client(trusted, request, measure_hop, &measured) == 0) {
        return true;
    }
    struct chain *chain = arena_alloc(arena, sizeof *chain);
    size_t peer_len = forwarding->chain.len;
    size_t len = measured.needed + peer_len;
    char *bytes = arena_alloc(arena, len);
    if (!chain || !bytes) {
        return false;
    }
    chain->at = bytes + measured.needed;
    memcpy(chain->at, forwarding->chain.ptr, peer_len);
    walk_to_client(trusted, request, write_hop, chain);
    forwarding->client = &chain->client;
    forwarding->chain = slice_of(bytes, len);
    return true;
}

/* The value of a header that comes once; empty otherwise. */
static struct slice only_value(const struct h1_request *request, struct slice name) {
    struct slice value;
    return h1_request_find_header(request, name, &value) == 1 ? value : SLICE("");
}

static bool read_host(struct forwarding *forwarding, const struct h1_request *request,
                      struct arena *arena) {
    struct slice name;
    struct slice host = only_value(request, SLICE("X-Forwarded-Host"));
    if (host.len == 0 || !h1_host_is_valid(host, &name)) {
        return true;
    }
    const char *copy = arena_strdup_slice(arena, host); /* the head may go before it is written */
    forwarding->host = slice_of_str(copy);
    return copy != NULL;
}

void forwarding_of_peer(struct forwarding *forwarding, const struct client_address *peer,
                        struct slice host) {
    *forwarding =
        (struct forwarding){.client = peer, .chain = slice_of_str(peer->text), .host = host};
}

bool forwarding_read(struct forwarding *forwarding, const struct config_networks *trusted,
                     const struct h1_request *request, struct arena *arena) {
    const struct client_address *peer = forwarding->client;
    if (trusted->count == 0 || !peer->is_ip || !config_networks_hold(trusted, peer->bytes)) {
        return true;
    }
    struct slice proto = only_value(request, SLICE("X-Forwarded-Proto"));
    if (slice_eq(proto, SLICE("https")) || slice_eq(proto, SLICE("http"))) {
        forwarding->is_https = slice_eq(proto, SLICE("https"));
    }
    return read_chain(forwarding, trusted, request, arena) && read_host(forwarding, request, arena);
}
