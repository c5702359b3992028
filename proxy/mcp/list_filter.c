/* Items go in runs: each run takes the comma before it along, or the one behind it when nothing
 * before it stays. */
#include "proxy/mcp/list_filter.h"

#include "proxy/mcp/message_parts.h"
#include "proxy/mcp/pins.h"

struct list {
    const struct mcp_view *view;
    const struct mcp_method *method;
    const struct json_text *json;
    struct buf *room;
    bool is_of_tools;
    uint64_t listing; /* of the pins */
    bool failed;      /* no memory */
};

/* The string unescaped; in the text itself when there is nothing to unescape. */
static struct slice string_of(struct list *list, uint32_t value) {
    struct slice bytes = json_text_bytes(list->json, value);
    if (!list->json->values[value].has_escapes) {
        return slice_of(bytes.ptr + 1, bytes.len - 2);
    }
    buf_clear(list->room);
    if (!buf_reserve(list->room, bytes.len)) {
        list->failed = true;
        return SLICE("");
    }
    return json_text_unescape(list->json, value, list->room->ptr);
}

/* A message with another name would be refused, whatever the rules say. */
static bool can_be_asked_for(const struct list *list, struct slice name) {
    if (slice_eq(list->method->item_member, SLICE("name"))) {
        return mcp_name_is_plain(name);
    }
    if (slice_eq(list->method->item_member, SLICE("uri"))) {
        return mcp_uri_is_plain(name);
    }
    return name.len > 0 && name.len <= MCP_URI_BYTES_MAX;
}

/* The pins hear of every tool, also of those that this caller does not get to see. */
static bool is_kept_by_pins(const struct list *list, uint32_t tool, struct slice name) {
    const struct mcp_view *view = list->view;
    bool is_news = false;
    if (!view->pins || !list->is_of_tools) {
        return true;
    }
    enum mcp_pin_verdict verdict =
        mcp_pins_judge(view->pins, list->listing, list->json, tool, &is_news);
    if (is_news && view->on_unpinned) {
        view->on_unpinned(view->owner, name, verdict);
    }
    return verdict == MCP_PIN_SAME || view->mcp->pinning != MCP_PINNING_BLOCK;
}

static bool stays(struct list *list, uint32_t item) {
    const struct mcp_view *view = list->view;
    uint32_t value = json_text_member(list->json, item, list->method->item_member);
    if (value == JSON_TEXT_NONE || json_text_kind(list->json, value) != JSON_TEXT_STRING) {
        return false;
    }
    struct slice name = string_of(list, value);
    return is_kept_by_pins(list, item, name) && can_be_asked_for(list, name) &&
           view->may(view->owner, list->method->uses, name);
}

bool mcp_list_filter(const struct mcp_view *view, const struct mcp_method *method,
                     const struct json_text *json, uint32_t array, struct buf *room,
                     struct mcp_edit_list *edits, uint64_t *in_out_hidden) {
    struct list list = {.view = view,
                        .method = method,
                        .json = json,
                        .room = room,
                        .is_of_tools = slice_eq(method->list_member, SLICE("tools")),
                        .listing = view->pins ? mcp_pins_begin_listing(view->pins) : 0};
    bool keeps_one = false, is_in_run = false;
    size_t run_begin = 0, previous_end = 0;
    for (uint32_t item = json_text_first(json, array); item != JSON_TEXT_NONE;
         item = json_text_after(json, array, item)) {
        const struct json_value *place = &json->values[item];
        bool item_stays = stays(&list, item);
        if (item_stays && is_in_run) {
            mcp_edit_list_add(edits, run_begin, keeps_one ? previous_end : place->begin, SLICE(""));
        } else if (!item_stays && !is_in_run) {
            run_begin = keeps_one ? previous_end : place->begin;
        }
        *in_out_hidden += item_stays ? 0 : 1;
        keeps_one |= item_stays;
        is_in_run = !item_stays;
        previous_end = place->end;
    }
    if (is_in_run) {
        mcp_edit_list_add(edits, run_begin, previous_end, SLICE(""));
    }
    return !list.failed && !edits->failed;
}

void mcp_list_empty(const struct json_text *json, uint32_t list, struct mcp_edit_list *edits,
                    uint64_t *in_out_hidden) {
    const struct json_value *place = &json->values[list];
    if (place->kind != JSON_TEXT_ARRAY) {
        *in_out_hidden += 1;
    } else if (place->count == 0) {
        return;
    } else {
        *in_out_hidden += place->count;
    }
    mcp_edit_list_add(edits, place->begin, place->end, SLICE("[]"));
}
