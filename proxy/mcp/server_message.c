/* What a result shows is looked at whatever it answers: after a lost connection it may come on
 * another stream than it was asked for on. Names of tasks and of requests are sealed for the
 * caller; what cannot be attributed to one, a list of tasks, is emptied. */
#include "proxy/mcp/server_message.h"

#include "proxy/mcp/list_filter.h"
#include "proxy/mcp/message_parts.h"

enum {
    DEPTH_MAX = 128,
    VALUES_ALWAYS = 4096, /* and one more for every four bytes */
    BYTES_PER_VALUE = 4,
    KEPT_VALUES = 65536, /* from one message to the next */
    ARENA_BYTES = 64 * 1024,
};

void mcp_server_message_init(struct mcp_server_message *message, const struct mcp_view *view) {
    *message = (struct mcp_server_message){.view = view};
    json_text_init(&message->json);
    mcp_edit_list_init(&message->edits);
    arena_init(&message->arena, ARENA_BYTES);
    buf_init(&message->room, SIZE_MAX);
}

void mcp_server_message_done(struct mcp_server_message *message) {
    json_text_done(&message->json);
    mcp_edit_list_done(&message->edits);
    arena_done(&message->arena);
    buf_done(&message->room);
}

static void begin_message(struct mcp_server_message *message) {
    if (message->json.capacity > KEPT_VALUES) {
        json_text_done(&message->json);
    }
    if (message->room.cap > ARENA_BYTES) {
        buf_done(&message->room);
    }
    message->is_answer = false;
    mcp_edit_list_clear(&message->edits);
    arena_reset(&message->arena);
}

static void put(struct mcp_server_message *message, uint32_t value, struct slice text) {
    const struct json_value *place = &message->json.values[value];
    mcp_edit_list_add(&message->edits, place->begin, place->end, text);
}

static uint32_t member(const struct mcp_server_message *message, uint32_t object,
                       struct slice name) {
    return json_text_member(&message->json, object, name);
}

static bool is_kind(const struct mcp_server_message *message, uint32_t value,
                    enum json_text_kind kind) {
    return value != JSON_TEXT_NONE && json_text_kind(&message->json, value) == kind;
}

/* Puts `text` sealed in the place of `value`. False when it is too long or without memory. */
static bool seal_as(struct mcp_server_message *message, enum mcp_sealed what, uint32_t value,
                    struct slice text) {
    const struct mcp_view *view = message->view;
    struct slice sealed = mcp_seal_close(view->seal, what, &view->holder, text, &message->arena);
    char *quoted = sealed.len ? arena_alloc(&message->arena, sealed.len + 2) : NULL;
    if (!quoted) {
        return false;
    }
    quoted[0] = quoted[sealed.len + 1] = '"';
    memcpy(quoted + 1, sealed.ptr, sealed.len);
    put(message, value, slice_of(quoted, sealed.len + 2));
    return true;
}

/* The task that `object` names, if it does. A name that cannot be sealed is none that a client
 * could ask for. */
static bool seal_task(struct mcp_server_message *message, uint32_t object) {
    uint32_t value = member(message, object, SLICE("taskId"));
    if (!is_kind(message, value, JSON_TEXT_STRING)) {
        return true;
    }
    char *room = arena_alloc(&message->arena, json_text_bytes(&message->json, value).len);
    if (!room) {
        return false;
    }
    struct slice name = json_text_unescape(&message->json, value, room);
    return name.len == 0 || name.len > MCP_SEAL_TEXT_MAX ||
           seal_as(message, MCP_SEALED_TASK, value, name);
}

static bool seal_related_task(struct mcp_server_message *message, uint32_t object) {
    uint32_t meta = member(message, object, SLICE("_meta"));
    return seal_task(message, member(message, meta, MCP_META_TASK));
}

static bool is_request_id(const struct mcp_server_message *message, uint32_t id) {
    int64_t integer;
    return is_kind(message, id, JSON_TEXT_STRING) ||
           json_text_integer(&message->json, id, &integer);
}

static bool can_be_sealed(const struct mcp_server_message *message, uint32_t id) {
    return is_request_id(message, id) &&
           json_text_bytes(&message->json, id).len <= MCP_SEAL_TEXT_MAX;
}

/* A request's id as it stands in the text, so that it goes back the same. */
static bool seal_request_id(struct mcp_server_message *message, uint32_t id) {
    return seal_as(message, MCP_SEALED_REQUEST, id, json_text_bytes(&message->json, id));
}

/* What a server wants to see again with the input that it asks for; null is none. */
static bool can_be_state(const struct mcp_server_message *message, uint32_t state) {
    return is_kind(message, state, JSON_TEXT_NULL) ||
           (is_kind(message, state, JSON_TEXT_STRING) &&
            json_text_bytes(&message->json, state).len <= MCP_SEAL_STATE_MAX);
}

/* As it stands in the text, too. */
static bool seal_state(struct mcp_server_message *message, uint32_t state) {
    return !is_kind(message, state, JSON_TEXT_STRING) ||
           seal_as(message, MCP_SEALED_STATE, state, json_text_bytes(&message->json, state));
}

static enum mcp_server_verdict held_back(struct mcp_server_message *message) {
    message->counts.held_back++;
    return MCP_SERVER_HELD_BACK;
}

static enum mcp_server_verdict edited(struct mcp_server_message *message, bool is_done) {
    if (!is_done || message->edits.failed) {
        return MCP_SERVER_NO_MEMORY;
    }
    return message->edits.count ? MCP_SERVER_EDITED : MCP_SERVER_PASSES;
}

/* The method as the table has it, if the server may send it in this era. */
static const struct mcp_method *method_of(const struct mcp_server_message *message, uint32_t name,
                                          bool is_notification) {
    char room[MCP_NAME_BYTES_MAX];
    if (json_text_bytes(&message->json, name).len > sizeof room) {
        return NULL;
    }
    const struct mcp_method *method =
        mcp_method_find(json_text_unescape(&message->json, name, room));
    if (!method || method->is_notification != is_notification ||
        !mcp_method_is_from(method, MCP_FROM_SERVER)) {
        return NULL;
    }
    bool is_of_era = message->view->era == MCP_MODERN ? method->in_modern : method->in_legacy;
    return is_of_era ? method : NULL;
}

/* Nobody but the client that it was sealed for can answer it. */
static enum mcp_server_verdict judge_request(struct mcp_server_message *message, uint32_t name,
                                             uint32_t id) {
    const struct mcp_view *view = message->view;
    if (!can_be_sealed(message, id)) {
        return MCP_SERVER_MALFORMED;
    }
    const struct mcp_method *method = method_of(message, name, false);
    bool is_ping = method && slice_eq(method->text, SLICE("ping")); /* asks for nothing */
    if (!method || view->era == MCP_MODERN || (!view->mcp->passes_server_requests && !is_ping)) {
        return held_back(message);
    }
    return edited(message, seal_request_id(message, id) &&
                               seal_related_task(message, member(message, 0, SLICE("params"))));
}

/* With a handshake a server takes back what it asked for itself, under the name that the client
 * knows. Without one it ends a subscription of the client's. */
static enum mcp_server_verdict judge_cancellation(struct mcp_server_message *message,
                                                  uint32_t params) {
    uint32_t id = member(message, params, SLICE("requestId"));
    if (message->view->era == MCP_MODERN) {
        return MCP_SERVER_PASSES;
    }
    if (!message->view->mcp->passes_server_requests || !can_be_sealed(message, id)) {
        return held_back(message);
    }
    return edited(message, seal_request_id(message, id) && seal_related_task(message, params));
}

static enum mcp_server_verdict judge_notification(struct mcp_server_message *message,
                                                  uint32_t name) {
    const struct mcp_method *method = method_of(message, name, true);
    uint32_t params = member(message, 0, SLICE("params"));
    if (!method) {
        return held_back(message);
    }
    if (slice_eq(method->text, SLICE("notifications/cancelled"))) {
        return judge_cancellation(message, params);
    }
    bool is_of_task = slice_eq(method->text, SLICE("notifications/tasks/status"));
    return edited(message, (!is_of_task || seal_task(message, params)) &&
                               seal_related_task(message, params));
}

/* What the client asked for is answered with an error: what the server wants first may not be had
 * here. */
static bool refuse_input(struct mcp_server_message *message, uint32_t id, const char *why) {
    struct slice text = message->json.text;
    const char *refusal =
        arena_printf(&message->arena,
                     "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":\"%s\"}}",
                     SLICE_ARGS(json_text_bytes(&message->json, id)), MCP_CODE_NOT_FORWARDED, why);
    if (!refusal) {
        return false;
    }
    message->counts.held_back++;
    mcp_edit_list_clear(&message->edits);
    mcp_edit_list_add(&message->edits, 0, text.len, slice_of_str(refusal));
    return true;
}

static bool asks_for_input(const struct mcp_server_message *message, uint32_t result) {
    uint32_t asked = member(message, result, SLICE("inputRequests"));
    return asked != JSON_TEXT_NONE && !is_kind(message, asked, JSON_TEXT_NULL) &&
           (!is_kind(message, asked, JSON_TEXT_OBJECT) || message->json.values[asked].count > 0);
}

/* Lists by what they are called, one member after the other. False without memory. */
static bool show_lists(struct mcp_server_message *message, uint32_t result, bool *out_has_list) {
    const struct json_text *json = &message->json;
    for (uint32_t name = json_text_first(json, result); name != JSON_TEXT_NONE;) {
        char room[32];
        uint32_t value = json_text_after(json, result, name);
        bool is_short = json_text_bytes(json, name).len <= sizeof room;
        const struct mcp_method *method =
            is_short ? mcp_method_of_list_member(json_text_unescape(json, name, room)) : NULL;
        name = json_text_after(json, result, value);
        if (!method) {
            continue;
        }
        *out_has_list = true;
        if (!is_kind(message, value, JSON_TEXT_ARRAY)) {
            mcp_list_empty(json, value, &message->edits, &message->counts.hidden);
        } else if (!mcp_list_filter(message->view, method, json, value, &message->room,
                                    &message->edits, &message->counts.hidden)) {
            return false;
        }
    }
    return true;
}

/* No cache on the way may show it to somebody else. */
static void make_private(struct mcp_server_message *message, uint32_t object) {
    uint32_t scope = member(message, object, SLICE("cacheScope"));
    if (scope != JSON_TEXT_NONE && !json_text_is(&message->json, scope, SLICE("private"))) {
        put(message, scope, SLICE("\"private\""));
    }
}

static bool show_result(struct mcp_server_message *message, uint32_t result) {
    uint32_t tasks = member(message, result, SLICE("tasks"));
    bool has_list = tasks != JSON_TEXT_NONE;
    if (has_list) {
        mcp_list_empty(&message->json, tasks, &message->edits, &message->counts.hidden);
    }
    if (!show_lists(message, result, &has_list)) {
        return false;
    }
    if (has_list || message->view->era == MCP_MODERN) {
        make_private(message, result);
        make_private(message, member(message, result, SLICE("_meta")));
    }
    return seal_state(message, member(message, result, SLICE("requestState"))) &&
           seal_task(message, result) &&
           seal_task(message, member(message, result, SLICE("task"))) &&
           seal_related_task(message, result);
}

static enum mcp_server_verdict judge_response(struct mcp_server_message *message, uint32_t id) {
    uint32_t result = member(message, 0, SLICE("result"));
    uint32_t error = member(message, 0, SLICE("error"));
    bool has_id = is_request_id(message, id);
    if (result == JSON_TEXT_NONE) {
        bool is_error = is_kind(message, error, JSON_TEXT_OBJECT);
        bool is_of_nothing = id == JSON_TEXT_NONE || is_kind(message, id, JSON_TEXT_NULL);
        return is_error && (has_id || is_of_nothing) ? MCP_SERVER_PASSES : MCP_SERVER_MALFORMED;
    }
    if (error != JSON_TEXT_NONE || !has_id || !is_kind(message, result, JSON_TEXT_OBJECT) ||
        mcp_has_look_alike(&message->json, result, MCP_MEMBERS_RESULT)) {
        return MCP_SERVER_MALFORMED;
    }
    if (asks_for_input(message, result) && !message->view->mcp->passes_server_requests) {
        return edited(message, refuse_input(message, id,
                                            "The server asks for input that may not be asked for "
                                            "here"));
    }
    uint32_t state = member(message, result, SLICE("requestState"));
    if (state != JSON_TEXT_NONE && !can_be_state(message, state)) {
        return edited(message, refuse_input(message, id,
                                            "The server's request state is malformed or too long"));
    }
    return edited(message, show_result(message, result));
}

static void learn(const struct mcp_server_message *message) {
    const struct mcp_message *asked = message->view->asked;
    if (asked && message->view->missing_tool) {
        mcp_missing_tool_learn(message->view->missing_tool, asked, &message->json);
    }
}

static enum mcp_server_verdict judge_object(struct mcp_server_message *message) {
    uint32_t method = member(message, 0, SLICE("method"));
    uint32_t id = member(message, 0, SLICE("id"));
    if (!json_text_is(&message->json, member(message, 0, SLICE("jsonrpc")), SLICE("2.0")) ||
        mcp_has_look_alike(&message->json, 0, MCP_MEMBERS_TOP)) {
        return MCP_SERVER_MALFORMED;
    }
    if (method == JSON_TEXT_NONE) {
        message->is_answer = true;
        learn(message);
        return judge_response(message, id);
    }
    if (!is_kind(message, method, JSON_TEXT_STRING) ||
        member(message, 0, SLICE("result")) != JSON_TEXT_NONE ||
        member(message, 0, SLICE("error")) != JSON_TEXT_NONE) {
        return MCP_SERVER_MALFORMED;
    }
    return id == JSON_TEXT_NONE ? judge_notification(message, method)
                                : judge_request(message, method, id);
}

enum mcp_server_verdict mcp_server_message_judge(struct mcp_server_message *message,
                                                 struct slice text) {
    const struct json_text_limits limits = {
        .depth = DEPTH_MAX, .values = VALUES_ALWAYS + (uint32_t)(text.len / BYTES_PER_VALUE)};
    begin_message(message);
    enum status status = json_text_read(&message->json, text, &limits);
    if (status != STATUS_OK) {
        return status == STATUS_NO_MEMORY ? MCP_SERVER_NO_MEMORY : MCP_SERVER_MALFORMED;
    }
    return is_kind(message, 0, JSON_TEXT_OBJECT) ? judge_object(message) : MCP_SERVER_MALFORMED;
}

bool mcp_server_message_write(struct mcp_server_message *message, struct buf *out) {
    return mcp_edit_list_write(&message->edits, message->json.text, out);
}
