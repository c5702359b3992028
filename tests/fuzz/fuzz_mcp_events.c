/* A server's answer, as events or as JSON: what goes on must not depend on how the bytes are cut,
 * and must hold nothing that the filter would take out or hold back when it sees it again. The
 * first byte chooses the media, the era, and what the route passes. */
#include "core/secret.h"
#include "fuzz_target.h"
#include "proxy/mcp/filter.h"

#define INPUT_BYTES_MAX ((size_t)65536)
#define OUT_BYTES_MAX ((size_t)1 << 22)

enum { IS_JSON = 1, IS_MODERN = 2, PASSES_REQUESTS = 4, IS_SMALL = 8 };

struct passage {
    enum mcp_filter_result result;
    struct mcp_filter_counts counts;
    struct buf out;
};

static bool may(void *owner, struct slice method, struct slice name) {
    (void)owner;
    (void)method;
    return slice_index(name, 'k') < name.len;
}

static const struct mcp_seal *the_seal(void) {
    static const unsigned char key[32] = {1};
    static struct mcp_seal *seal;
    bool is_locked;
    if (!seal && secret_memory_init(1 << 16, &is_locked, NULL) == STATUS_OK) {
        seal = mcp_seal_new(key);
    }
    REQUIRE(seal);
    return seal;
}

static void pass(struct passage *passage, const struct mcp_view *view, enum mcp_media media,
                 struct slice text, size_t piece_bytes_max) {
    struct mcp_filter *filter = mcp_filter_new(view, media);
    REQUIRE(filter);
    buf_init(&passage->out, OUT_BYTES_MAX);
    passage->result = MCP_FILTER_OK;
    while (text.len > 0 && passage->result == MCP_FILTER_OK) {
        size_t take = piece_bytes_max;
        if (piece_bytes_max < text.len && piece_bytes_max > 1) {
            take = 1 + (unsigned char)text.ptr[0] % piece_bytes_max;
        }
        take = take < text.len ? take : text.len;
        char *exact = malloc(take);
        REQUIRE(exact);
        memcpy(exact, text.ptr, take);
        passage->result = mcp_filter_take(filter, slice_of(exact, take), false, &passage->out);
        free(exact);
        text = slice_skip(text, take);
    }
    if (passage->result == MCP_FILTER_OK) {
        passage->result = mcp_filter_take(filter, SLICE(""), true, &passage->out);
    }
    passage->counts = mcp_filter_counts(filter);
    mcp_filter_free(filter);
}

static void require_same(const struct passage *a, const struct passage *b) {
    REQUIRE(a->result == b->result);
    REQUIRE(a->counts.hidden == b->counts.hidden);
    REQUIRE(a->counts.held_back == b->counts.held_back);
    REQUIRE(slice_eq(buf_slice(&a->out), buf_slice(&b->out)));
}

static void require_nothing_left(const struct passage *passage, const struct mcp_view *view,
                                 enum mcp_media media) {
    struct passage again;
    if (passage->out.len > MCP_SEAL_STATE_MAX) {
        return; /* a state that was sealed may be too long to be sealed again */
    }
    struct config_mcp roomy = *view->mcp;
    struct mcp_view with_room = *view;
    roomy.max_result_bytes = OUT_BYTES_MAX;
    with_room.mcp = &roomy;
    pass(&again, &with_room, media, buf_slice(&passage->out), OUT_BYTES_MAX);
    REQUIRE(again.result == MCP_FILTER_OK);
    REQUIRE(again.counts.hidden == 0);
    REQUIRE(again.counts.held_back == 0);
    buf_done(&again.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static const size_t piece_bytes_max[] = {1, 7, 200};
    if (size == 0 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    unsigned options = input[0];
    struct slice text = slice_of((const char *)input + 1, size - 1);
    enum mcp_media media = options & IS_JSON ? MCP_MEDIA_JSON : MCP_MEDIA_EVENTS;
    const struct identity identity = {.tenant = SLICE("t"), .oid = SLICE("o")};
    const struct config_mcp mcp = {.passes_server_requests = (options & PASSES_REQUESTS) != 0,
                                   .max_result_bytes = options & IS_SMALL ? 100 : 16 << 20};
    const struct mcp_view view = {.mcp = &mcp,
                                  .seal = the_seal(),
                                  .holder = {.identity = &identity, .route = SLICE("r")},
                                  .era = options & IS_MODERN ? MCP_MODERN : MCP_LEGACY,
                                  .may = may};
    struct passage whole;
    pass(&whole, &view, media, text, INPUT_BYTES_MAX);
    for (size_t i = 0; i < sizeof piece_bytes_max / sizeof *piece_bytes_max; i++) {
        struct passage pieces;
        pass(&pieces, &view, media, text, piece_bytes_max[i]);
        require_same(&pieces, &whole);
        buf_done(&pieces.out);
    }
    if (media == MCP_MEDIA_EVENTS || whole.result == MCP_FILTER_OK) {
        require_nothing_left(&whole, &view, media);
    }
    buf_done(&whole.out);
    return 0;
}
