/* JSON is collected and judged as one message; an event stream goes on event by event, one of them
 * in memory at a time. The first thing that is wrong ends it: nothing is let through behind it. */
#include "proxy/mcp/filter.h"

#include <stdlib.h>

#include "proxy/mcp/event_stream.h"
#include "proxy/mcp/server_message.h"

enum {
    EDITS_ROOM_BYTES = 64 * 1024, /* what edits may add to an event */
    KEPT_BYTES = 256 * 1024,
};

struct mcp_filter {
    enum mcp_media media;
    struct mcp_server_message message;
    struct event_stream events;
    struct buf collected;         /* JSON */
    struct buf written;           /* an event's data, edited */
    struct mcp_sealer *event_ids; /* while bytes are taken, once one is named */
    enum mcp_filter_result result;
};

/* An id that is too long to be sealed is left out: who comes back asks for what came after the one
 * before. */
static struct slice name_event(void *owner, struct slice id) {
    struct mcp_filter *filter = owner;
    const struct mcp_view *view = filter->message.view;
    if (!filter->event_ids) {
        filter->event_ids = mcp_sealer_new(view->seal, MCP_SEALED_EVENT, &view->holder);
    }
    return filter->event_ids ? mcp_sealer_close(filter->event_ids, id) : SLICE("");
}

struct mcp_filter *mcp_filter_new(const struct mcp_view *view, enum mcp_media media) {
    struct mcp_filter *filter = calloc(1, sizeof *filter);
    if (!filter) {
        return NULL;
    }
    size_t limit = view->mcp->max_result_bytes;
    filter->media = media;
    filter->result = MCP_FILTER_OK;
    mcp_server_message_init(&filter->message, view);
    event_stream_init(&filter->events, limit, name_event, filter);
    buf_init(&filter->collected, limit);
    buf_init(&filter->written, limit + EDITS_ROOM_BYTES);
    return filter;
}

void mcp_filter_free(struct mcp_filter *filter) {
    if (!filter) {
        return;
    }
    mcp_server_message_done(&filter->message);
    event_stream_done(&filter->events);
    mcp_sealer_free(filter->event_ids);
    buf_done(&filter->collected);
    buf_done(&filter->written);
    free(filter);
}

struct mcp_filter_counts mcp_filter_counts(const struct mcp_filter *filter) {
    return filter->message.counts;
}

static enum mcp_filter_result result_of(bool is_written) {
    return is_written ? MCP_FILTER_OK : MCP_FILTER_NO_MEMORY;
}

/* What was collected is handed over as it is when nobody has written to `out` yet. */
static bool hand_over(struct mcp_filter *filter, struct slice text, struct buf *out) {
    struct buf *collected = &filter->collected;
    if (out->len > 0 || !buf_ok(out) || text.ptr != collected->ptr || collected->cap > out->limit ||
        out->cap > collected->limit) {
        return false;
    }
    struct buf taken = *out;
    out->ptr = collected->ptr;
    out->len = collected->len;
    out->cap = collected->cap;
    collected->ptr = taken.ptr;
    collected->len = 0;
    collected->cap = taken.cap;
    return true;
}

/* What comes alone is an answer: nothing could be held back of it. */
static enum mcp_filter_result write_message(struct mcp_filter *filter, struct slice text,
                                            struct buf *out) {
    enum mcp_server_verdict verdict = mcp_server_message_judge(&filter->message, text);
    if (verdict == MCP_SERVER_NO_MEMORY) {
        return MCP_FILTER_NO_MEMORY;
    }
    if (verdict == MCP_SERVER_MALFORMED || !filter->message.is_answer) {
        return MCP_FILTER_MALFORMED;
    }
    if (verdict == MCP_SERVER_EDITED) {
        return result_of(mcp_server_message_write(&filter->message, out));
    }
    if (!hand_over(filter, text, out)) {
        buf_append_slice(out, text);
    }
    return result_of(buf_ok(out));
}

static enum mcp_filter_result take_json(struct mcp_filter *filter, struct slice bytes, bool is_last,
                                        struct buf *out) {
    struct buf *collected = &filter->collected;
    if (bytes.len > collected->limit - collected->len) {
        return MCP_FILTER_TOO_LARGE;
    }
    bool is_in_one_piece = is_last && collected->len == 0;
    if (!is_in_one_piece) {
        buf_append_slice(collected, bytes);
    }
    if (!buf_ok(collected) || !is_last) {
        return result_of(buf_ok(collected));
    }
    struct slice text = is_in_one_piece ? bytes : buf_slice(collected);
    return text.len == 0 ? MCP_FILTER_OK : write_message(filter, text, out);
}

static enum mcp_filter_result write_edited_event(struct mcp_filter *filter, struct buf *out) {
    struct buf *written = &filter->written;
    if (written->cap > KEPT_BYTES) {
        buf_done(written);
    }
    buf_clear(written);
    if (!mcp_server_message_write(&filter->message, written)) {
        return MCP_FILTER_NO_MEMORY;
    }
    event_stream_write_with(&filter->events, buf_slice(written), out);
    return result_of(buf_ok(out));
}

static enum mcp_filter_result write_event(struct mcp_filter *filter, struct buf *out) {
    struct event_stream *events = &filter->events;
    switch (mcp_server_message_judge(&filter->message, event_stream_data(events))) {
    case MCP_SERVER_PASSES:
        event_stream_write(events, out);
        return result_of(buf_ok(out));
    case MCP_SERVER_EDITED:
        return write_edited_event(filter, out);
    case MCP_SERVER_HELD_BACK:
        event_stream_write_comment(events, SLICE("held back"), out);
        return result_of(buf_ok(out));
    case MCP_SERVER_NO_MEMORY:
        return MCP_FILTER_NO_MEMORY;
    case MCP_SERVER_MALFORMED:
        break;
    }
    return MCP_FILTER_MALFORMED;
}

static enum mcp_filter_result take_events(struct mcp_filter *filter, struct slice bytes,
                                          struct buf *out) {
    enum mcp_filter_result result = MCP_FILTER_OK;
    while (result == MCP_FILTER_OK) {
        struct slice pass;
        switch (event_stream_next(&filter->events, &bytes, &pass)) {
        case EVENT_STREAM_MORE:
            return MCP_FILTER_OK;
        case EVENT_STREAM_PASS:
            buf_append_slice(out, pass);
            result = result_of(buf_ok(out));
            break;
        case EVENT_STREAM_EVENT:
            result = write_event(filter, out);
            break;
        case EVENT_STREAM_TOO_LARGE:
            return MCP_FILTER_TOO_LARGE;
        case EVENT_STREAM_NO_MEMORY:
            return MCP_FILTER_NO_MEMORY;
        }
    }
    return result;
}

enum mcp_filter_result mcp_filter_take(struct mcp_filter *filter, struct slice bytes, bool is_last,
                                       struct buf *out) {
    if (filter->result != MCP_FILTER_OK) {
        return filter->result;
    }
    filter->result = filter->media == MCP_MEDIA_JSON ? take_json(filter, bytes, is_last, out)
                                                     : take_events(filter, bytes, out);
    mcp_sealer_free(filter->event_ids);
    filter->event_ids = NULL;
    return filter->result;
}

size_t mcp_filter_held_bytes(const struct mcp_filter *filter) {
    return filter->collected.cap + filter->written.cap + filter->events.raw.cap +
           filter->events.joined.cap +
           filter->message.json.capacity * sizeof *filter->message.json.values;
}
