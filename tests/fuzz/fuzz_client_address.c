/* Lines of X-Forwarded-For from a trusted peer. The client and the chain must be those of a second,
 * simpler reader: all lines joined by commas, cut at the commas, looked at from the right. */
#include "config/network.h"
#include "core/buf.h"
#include "fuzz_target.h"
#include "proxy/client_address.h"

enum { LINES_MAX = 16, INPUT_MAX = 4096, CHAIN_MAX = 64 * 1024 };

#define PEER "10.0.0.1"

/* Every line is a header; other headers stand between them. */
static void read_lines(struct slice text, struct header *headers, struct h1_request *request) {
    *request = (struct h1_request){.headers = headers};
    for (size_t lines = 0; lines < LINES_MAX; lines++) {
        size_t end = slice_index(text, '\n');
        headers[request->header_count++] =
            (struct header){.name = lines % 2 ? SLICE("x-forwarded-FOR") : SLICE("X-Forwarded-For"),
                            .value = slice_trim(slice_of(text.ptr, end))};
        headers[request->header_count++] =
            (struct header){.name = SLICE("Accept"), .value = SLICE("192.0.2.1")};
        if (end == text.len)
            return;
        text = slice_skip(text, end + 1);
    }
}

static void put_before(struct buf *chain, const char *text) {
    struct buf longer;
    buf_init(&longer, CHAIN_MAX);
    buf_printf(&longer, "%s, %.*s", text, SLICE_ARGS(buf_slice(chain)));
    buf_done(chain);
    *chain = longer;
}

/* What the walk should give; `chain` begins as the peer. */
static void expect(const struct h1_request *request, const struct config_networks *trusted,
                   struct buf *chain) {
    char joined[INPUT_MAX + LINES_MAX + 1];
    size_t len = 0;
    for (size_t i = 0; i < request->header_count; i += 2) {
        joined[len++] = ',';
        if (request->headers[i].value.len > 0)
            memcpy(joined + len, request->headers[i].value.ptr, request->headers[i].value.len);
        len += request->headers[i].value.len;
    }
    while (len > 0) {
        size_t begin = len - 1;
        struct client_address hop;
        while (joined[begin] != ',')
            begin--;
        if (!client_address_parse(slice_trim(slice_of(joined + begin + 1, len - begin - 1)), &hop))
            return;
        put_before(chain, hop.text);
        if (!config_networks_hold(trusted, hop.bytes))
            return;
        len = begin;
    }
}

static void check_entry(struct slice entry) {
    struct client_address address, again;
    if (!client_address_parse(entry, &address))
        return;
    REQUIRE(address.is_ip && strlen(address.text) < sizeof address.text);
    REQUIRE(client_address_parse(slice_of_str(address.text), &again));
    REQUIRE(memcmp(address.bytes, again.bytes, sizeof address.bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct slice text = slice_of((const char *)input, size < INPUT_MAX ? size : INPUT_MAX);
    struct config_network network;
    struct config_networks trusted = {&network, 1};
    struct header headers[2 * LINES_MAX];
    struct h1_request request;
    struct client_address peer;
    struct forwarding forwarding;
    struct arena arena;
    struct buf chain;
    REQUIRE(network_parse(SLICE("10.0.0.0/8"), &network));
    REQUIRE(client_address_parse(SLICE(PEER), &peer));
    check_entry(text);
    read_lines(text, headers, &request);
    arena_init(&arena, CHAIN_MAX);
    forwarding_of_peer(&forwarding, &peer, SLICE("h.example"));
    REQUIRE(forwarding_read(&forwarding, &trusted, &request, &arena));
    buf_init(&chain, CHAIN_MAX);
    buf_append_str(&chain, PEER);
    expect(&request, &trusted, &chain);
    REQUIRE(buf_ok(&chain) && slice_eq(buf_slice(&chain), forwarding.chain));
    size_t first = slice_index(forwarding.chain, ',');
    REQUIRE(slice_eq_str(slice_of(forwarding.chain.ptr, first), forwarding.client->text));
    buf_done(&chain);
    arena_done(&arena);
    return 0;
}
