/* The message as the server gets it. Its bytes stay, but for pieces with a name: capabilities that
 * would make the server ask for what the route does not pass, and sealed names, opened. */
#include "proxy/mcp/request.h"

#include "core/json_out.h"
#include "proxy/mcp/message_parts.h"
#include "proxy/mcp/mirror.h"

static bool starts_with_nocase(struct slice text, struct slice prefix) {
    return text.len >= prefix.len && slice_eq_nocase(slice_of(text.ptr, prefix.len), prefix);
}

bool mcp_field_is_ours(struct slice name) {
    static const char *const ours[] = {"Accept", "Content-Type",  "Content-Encoding",
                                       "Cookie", "Last-Event-ID", "Origin"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (slice_eq_nocase(name, slice_of_str(ours[i]))) {
            return true;
        }
    }
    return starts_with_nocase(name, SLICE("Mcp-"));
}

static void write_field(struct buf *out, const char *name, struct slice value) {
    if (value.len) {
        buf_append_str(out, name);
        buf_append_str(out, ": ");
        buf_append_slice(out, value);
        buf_append_str(out, "\r\n");
    }
}

/* GET and DELETE: the fields were judged by mcp_session_head_read(), and what is not as it has to
 * be goes no further. */
static bool write_session_fields(struct buf *out, struct slice session, struct slice event_id,
                                 const struct h1_request *request) {
    struct slice revision;
    bool is_there;
    if (!mcp_field_once(request, SLICE("Mcp-Protocol-Version"), &is_there, &revision) ||
        (is_there && !(config_mcp_revision_of(revision) & MCP_REVISIONS_LEGACY))) {
        return false;
    }
    write_field(out, "Accept", SLICE("text/event-stream"));
    write_field(out, "Mcp-Protocol-Version", revision);
    write_field(out, "Mcp-Session-Id", session);
    write_field(out, "Last-Event-ID", event_id);
    return buf_ok(out);
}

bool mcp_event_id_open(const struct h1_request *request, const struct mcp_seal *seal,
                       struct mcp_holder *holder, struct arena *arena, struct slice *out_id) {
    struct slice sealed, opened = SLICE("");
    bool is_there;
    bool comes_once = mcp_field_once(request, SLICE("Last-Event-ID"), &is_there, &sealed);
    if (is_there && slice_eq(request->method, SLICE("GET")) &&
        (!comes_once || !mcp_seal_open(seal, MCP_SEALED_EVENT, holder, sealed, arena, &opened))) {
        return false;
    }
    *out_id = opened;
    return true;
}

static void write_parameters(struct buf *out, const struct h1_request *request) {
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        if (starts_with_nocase(header->name, SLICE("Mcp-Param-"))) {
            buf_append_slice(out, header->name);
            buf_append_str(out, ": ");
            buf_append_slice(out, header->value);
            buf_append_str(out, "\r\n");
        }
    }
}

static void write_mirrors(struct buf *out, const struct mcp_message *message) {
    write_field(out, "Mcp-Method", message->method->text);
    if (message->has_name && message->method->mirrors_name) {
        struct slice name = message->upstream_name.len ? message->upstream_name : message->name;
        buf_append_str(out, "Mcp-Name: ");
        mcp_mirror_write(out, name);
        buf_append_str(out, "\r\n");
    }
}

bool mcp_write_fields(struct buf *out, const struct mcp_message *message, struct slice session,
                      struct slice event_id, const struct h1_request *request) {
    if (!message) {
        return write_session_fields(out, session, event_id, request);
    }
    write_field(out, "Content-Type", SLICE("application/json"));
    write_field(out, "Accept", SLICE("application/json, text/event-stream"));
    write_field(out, "Mcp-Protocol-Version", message->revision);
    if (message->era == MCP_MODERN) {
        write_mirrors(out, message);
        write_parameters(out, request);
    } else {
        write_field(out, "Mcp-Session-Id", session);
    }
    return buf_ok(out);
}

struct preparation {
    struct mcp_message *message;
    const struct mcp_seal *seal;
    struct mcp_holder *holder;
    struct arena *arena;
    struct mcp_rewrite *rewrite;
    struct mcp_refusal *refusal;
};

/* What the server would ask the client for. The client's own `tasks` are how it would run that. */
static bool is_for_server_requests(const struct json_text *json, uint32_t name) {
    return json_text_is(json, name, SLICE("sampling")) ||
           json_text_is(json, name, SLICE("elicitation")) ||
           json_text_is(json, name, SLICE("roots")) || json_text_is(json, name, SLICE("tasks"));
}

/* Each member goes with the comma before it, or, when nothing before it stays, with the one behind
 * it. */
static void remove_capabilities(const struct preparation *preparation, uint32_t object) {
    const struct json_text *json = &preparation->message->json;
    bool keeps_one = false;
    size_t previous_end = 0;
    if (object == JSON_TEXT_NONE) {
        return;
    }
    uint32_t name = json_text_first(json, object);
    while (name != JSON_TEXT_NONE) {
        uint32_t value = json_text_after(json, object, name);
        uint32_t next = json_text_after(json, object, value);
        size_t end = json->values[value].end;
        if (!is_for_server_requests(json, name)) {
            keeps_one = true;
        } else if (keeps_one) {
            mcp_rewrite_add(preparation->rewrite, previous_end, end, SLICE(""));
        } else {
            mcp_rewrite_add(preparation->rewrite, json->values[name].begin,
                            next == JSON_TEXT_NONE ? end : json->values[next].begin, SLICE(""));
        }
        previous_end = end;
        name = next;
    }
}

static void prepare_capabilities(const struct preparation *preparation) {
    const struct mcp_message *message = preparation->message;
    const struct json_text *json = &message->json;
    if (message->era == MCP_MODERN) {
        uint32_t meta = json_text_member(json, message->params, SLICE("_meta"));
        remove_capabilities(preparation, json_text_member(json, meta, MCP_META_CAPABILITIES));
    } else if (message->method && slice_eq(message->method->text, SLICE("initialize"))) {
        remove_capabilities(preparation,
                            json_text_member(json, message->params, SLICE("capabilities")));
    }
}

static void put(const struct preparation *preparation, uint32_t value, struct slice text) {
    const struct json_value *place = &preparation->message->json.values[value];
    mcp_rewrite_add(preparation->rewrite, place->begin, place->end, text);
}

/* The text as a JSON string, in the arena; empty without memory. */
static struct slice quoted(const struct preparation *preparation, struct slice text) {
    struct buf written;
    struct json_out json;
    buf_init(&written, MCP_TASK_BYTES_MAX * 6 + 2);
    json_out_init(&json, &written);
    json_out_str(&json, NULL, text);
    char *copy =
        buf_ok(&written) ? arena_strdup_slice(preparation->arena, buf_slice(&written)) : NULL;
    struct slice result = slice_of(copy, copy ? written.len : 0);
    buf_done(&written);
    return result;
}

static bool refuse_task(const struct preparation *preparation) {
    mcp_refuse(preparation->refusal, preparation->message->id, 200, MCP_CODE_INVALID_PARAMS,
               "Task not found");
    preparation->refusal->reason = REASON_NO_ROUTE;
    return false;
}

/* `value` is a string that stands for a task of this caller. */
static bool open_task(const struct preparation *preparation, uint32_t value,
                      struct slice *out_name) {
    const struct json_text *json = &preparation->message->json;
    if (value == JSON_TEXT_NONE || json_text_kind(json, value) != JSON_TEXT_STRING ||
        json_text_bytes(json, value).len > MCP_TASK_BYTES_MAX) {
        return refuse_task(preparation);
    }
    char *room = arena_alloc(preparation->arena, json_text_bytes(json, value).len);
    if (!room ||
        !mcp_seal_open(preparation->seal, MCP_SEALED_TASK, preparation->holder,
                       json_text_unescape(json, value, room), preparation->arena, out_name)) {
        return refuse_task(preparation);
    }
    struct slice text = quoted(preparation, *out_name);
    if (text.len == 0) {
        return refuse_task(preparation);
    }
    put(preparation, value, text);
    return true;
}

/* Tasks are named in their own methods, and by messages that belong to one (2025-11-25). */
static bool open_tasks(const struct preparation *preparation) {
    struct mcp_message *message = preparation->message;
    const struct json_text *json = &message->json;
    uint32_t meta = json_text_member(json, message->params, SLICE("_meta"));
    uint32_t related = json_text_member(json, meta, MCP_META_TASK);
    struct slice related_name;
    bool names_task = message->method && slice_eq(message->method->name_member, SLICE("taskId"));
    if (names_task &&
        !open_task(preparation, json_text_member(json, message->params, SLICE("taskId")),
                   &message->upstream_name)) {
        return false;
    }
    return related == JSON_TEXT_NONE ||
           open_task(preparation, json_text_member(json, related, SLICE("taskId")), &related_name);
}

static bool open_request_id(const struct preparation *preparation) {
    struct mcp_message *message = preparation->message;
    const struct json_text *json = &message->json;
    uint32_t id = json_text_member(json, 0, SLICE("id"));
    struct slice opened;
    char *room = arena_alloc(preparation->arena, message->id.len);
    if (!room || !mcp_seal_open(preparation->seal, MCP_SEALED_REQUEST, preparation->holder,
                                json_text_unescape(json, id, room), preparation->arena, &opened)) {
        return mcp_refuse(preparation->refusal, SLICE(""), 400, MCP_CODE_INVALID_REQUEST,
                          "Invalid Request: nothing was asked under this id");
    }
    put(preparation, id, opened);
    return true;
}

/* What the server wanted to see again with the input that it asked for (2026-07-28): its own bytes,
 * when it told them to this caller. */
static bool open_state(const struct preparation *preparation) {
    struct mcp_message *message = preparation->message;
    const struct json_text *json = &message->json;
    uint32_t state = json_text_member(json, message->params, SLICE("requestState"));
    if (message->kind != MCP_REQUEST || state == JSON_TEXT_NONE ||
        json_text_kind(json, state) == JSON_TEXT_NULL) {
        return true;
    }
    struct slice opened, sealed = json_text_bytes(json, state);
    bool is_plain =
        json_text_kind(json, state) == JSON_TEXT_STRING && !json->values[state].has_escapes;
    if (!is_plain ||
        !mcp_seal_open(preparation->seal, MCP_SEALED_STATE, preparation->holder,
                       slice_of(sealed.ptr + 1, sealed.len - 2), preparation->arena, &opened)) {
        return mcp_refuse(preparation->refusal, message->id, 400, MCP_CODE_INVALID_PARAMS,
                          "Invalid params: requestState is none that was given out here");
    }
    put(preparation, state, opened);
    return true;
}

/* Without a session a server has nothing to tell its callers apart by: all of them come with the
 * route's credential, and would be shown each other's tasks. */
static bool may_list_tasks(const struct preparation *preparation) {
    const struct mcp_message *message = preparation->message;
    if (!message->method || !slice_eq(message->method->text, SLICE("tasks/list")) ||
        preparation->holder->session.len > 0) {
        return true;
    }
    return mcp_refuse(preparation->refusal, message->id, 200, MCP_CODE_NOT_FORWARDED,
                      "Tasks are listed within a session only");
}

bool mcp_request_prepare(struct mcp_message *message, const struct config_mcp *mcp,
                         const struct mcp_seal *seal, struct mcp_holder *holder,
                         struct arena *arena, struct mcp_rewrite *out_rewrite,
                         struct mcp_refusal *out_refusal) {
    const struct preparation preparation = {.message = message,
                                            .seal = seal,
                                            .holder = holder,
                                            .arena = arena,
                                            .rewrite = out_rewrite,
                                            .refusal = out_refusal};
    *out_rewrite = (struct mcp_rewrite){0};
    if (!mcp->passes_server_requests) {
        prepare_capabilities(&preparation);
    }
    if (message->kind == MCP_RESPONSE && !open_request_id(&preparation)) {
        return false;
    }
    return may_list_tasks(&preparation) && open_tasks(&preparation) && open_state(&preparation);
}
