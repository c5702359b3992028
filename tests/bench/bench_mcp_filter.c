/* What it costs to show a caller a list of tools, and to let events through: CPU time of this
 * thread, medians. What may be used is asked of a function that costs nothing. Prints, judges
 * nothing. */
#include "measuring.h"

#include "core/secret.h"
#include "proxy/mcp/filter.h"

enum { ROUNDS = 7, TOOLS = 1000, EVENTS = 1000, PIECE_BYTES = 16384, TEXT_BYTES_MAX = 8 << 20 };

#define MIN_ROUND_US 40000.0

/* Every `*owner`th tool may not be used; 0: all may. */
static bool may(void *owner, struct slice method, struct slice name) {
    unsigned every = *(const unsigned *)owner;
    (void)method;
    return every == 0 || (unsigned char)name.ptr[name.len - 1] % every != 0;
}

static void take(const struct mcp_view *view, enum mcp_media media, struct slice text,
                 struct buf *out) {
    struct mcp_filter *filter = mcp_filter_new(view, media);
    must(filter != NULL, "no memory");
    buf_clear(out);
    while (text.len > 0) {
        struct slice piece =
            slice_of(text.ptr, text.len < PIECE_BYTES ? text.len : (size_t)PIECE_BYTES);
        must(mcp_filter_take(filter, piece, false, out) == MCP_FILTER_OK, "refused");
        text = slice_skip(text, piece.len);
    }
    must(mcp_filter_take(filter, SLICE(""), true, out) == MCP_FILTER_OK, "refused");
    mcp_filter_free(filter);
}

static const struct mcp_seal *the_seal(void) {
    static struct mcp_seal *seal;
    bool is_locked;
    if (!seal && secret_memory_init(1 << 16, &is_locked, NULL) == STATUS_OK) {
        seal = mcp_seal_new(NULL);
    }
    must(seal != NULL, "no seal");
    return seal;
}

static void measure(const char *what, enum mcp_media media, unsigned hides_every,
                    struct slice text) {
    static const struct config_mcp mcp = {.max_result_bytes = 16 << 20};
    static const struct identity identity;
    const struct mcp_view view = {.mcp = &mcp,
                                  .seal = the_seal(),
                                  .holder = {.identity = &identity, .route = SLICE("tools")},
                                  .may = may,
                                  .owner = &hides_every};
    double us[ROUNDS];
    struct buf out;
    buf_init(&out, 2 * TEXT_BYTES_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_us(), spent;
        int count = 0;
        do {
            take(&view, media, text, &out);
            count++;
            spent = cpu_us() - begin;
        } while (spent < MIN_ROUND_US);
        us[round] = spent / count;
    }
    double median = median_of(us, ROUNDS);
    printf("%-44s %10zu %10zu %10.1f %8.0f\n", what, text.len, out.len, median,
           (double)text.len / median);
    buf_done(&out);
}

static void add_tool(struct buf *out, int number) {
    buf_printf(out,
               "{\"name\":\"search_records_%d\",\"title\":\"Search records\",\"description\":"
               "\"Searches the records of one table and returns those that match.\\n\\nResults "
               "come in pages, ask for the next one with the cursor.\",",
               number);
    buf_append_str(out,
                   "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"table\":{\"type\":"
                   "\"string\",\"description\":\"Name of the table\",\"enum\":[\"orders\","
                   "\"customers\"]},\"limit\":{\"type\":\"integer\",\"maximum\":100}},\"required\":"
                   "[\"table\"]},\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}");
}

static void make_list(struct buf *out) {
    buf_clear(out);
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
    for (int i = 0; i < TOOLS; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        add_tool(out, i);
    }
    buf_append_str(out, "],\"nextCursor\":\"2\"}}");
}

static void make_event(struct buf *out, struct slice message) {
    buf_clear(out);
    buf_append_str(out, "event: message\nid: 1\ndata: ");
    buf_append_slice(out, message);
    buf_append_str(out, "\n\n");
}

static void make_progress(struct buf *out, bool has_ids) {
    buf_clear(out);
    for (int i = 0; i < EVENTS; i++) {
        buf_append_str(out, "event: message\n");
        if (has_ids)
            buf_printf(out, "id: 5f0c1d9e-7a_%d\n", i);
        buf_printf(out,
                   "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":"
                   "{\"progressToken\":3,\"progress\":%d,\"total\":1000,\"message\":"
                   "\"still at it\"}}\n\n",
                   i);
    }
}

int main(void) {
    struct buf list, events;
    buf_init(&list, TEXT_BYTES_MAX);
    buf_init(&events, TEXT_BYTES_MAX);
    make_list(&list);
    make_event(&events, buf_slice(&list));
    printf("%-44s %10s %10s %10s %8s\n", "answers of MCP servers", "bytes", "go on", "us", "MB/s");
    measure("1,000 tools, all shown", MCP_MEDIA_JSON, 0, buf_slice(&list));
    measure("  every third hidden", MCP_MEDIA_JSON, 3, buf_slice(&list));
    measure("  none shown", MCP_MEDIA_JSON, 1, buf_slice(&list));
    measure("  in an event, all shown", MCP_MEDIA_EVENTS, 0, buf_slice(&events));
    measure("  in an event, every third hidden", MCP_MEDIA_EVENTS, 3, buf_slice(&events));
    make_progress(&events, false);
    measure("1,000 notifications of progress", MCP_MEDIA_EVENTS, 0, buf_slice(&events));
    make_progress(&events, true);
    measure("  with ids", MCP_MEDIA_EVENTS, 0, buf_slice(&events));
    must(buf_ok(&list) && buf_ok(&events), "a text did not fit");
    buf_done(&list);
    buf_done(&events);
    return 0;
}
