/* A message is judged in the order in which a server would find fault with it: JSON, JSON-RPC, era
 * and revision, fields against body, method, parameters. The era is what the body claims, as the
 * SDKs' servers have it; head and body that disagree are two messages in one. */
#include "proxy/mcp/message.h"

#include "proxy/mcp/message_parts.h"

enum { JSON_DEPTH_MAX = 64, BYTES_PER_VALUE = 16, VALUES_ALWAYS = 1024 };

struct reading {
    struct mcp_message *message;
    const struct config_mcp *mcp;
    const struct h1_request *request;
    struct arena *arena;
    struct mcp_refusal *refusal;
    struct slice method; /* unescaped; empty: none */
    bool has_method;
    bool says_revision; /* Mcp-Protocol-Version came */
    struct slice revision;
};

void mcp_message_init(struct mcp_message *message) {
    *message = (struct mcp_message){.params = JSON_TEXT_NONE, .arguments = JSON_TEXT_NONE};
    json_text_init(&message->json);
}

void mcp_message_done(struct mcp_message *message) {
    json_text_done(&message->json);
    mcp_message_init(message);
}

/* What is wrong with the body by itself, whatever the head says. */
static bool is_about_body(int http_status, int code) {
    return http_status == 400 && (code == MCP_CODE_PARSE || code == MCP_CODE_INVALID_REQUEST ||
                                  code == MCP_CODE_INVALID_PARAMS);
}

static bool refuse(const struct reading *reading, int http_status, int code, const char *text) {
    mcp_refuse(reading->refusal, reading->message->id, http_status, code, text);
    if (is_about_body(http_status, code)) {
        reading->refusal->reason = REASON_BODY_MALFORMED;
    }
    return false;
}

static bool refuse_shape(const struct reading *reading, const char *text) {
    return refuse(reading, 400, MCP_CODE_INVALID_REQUEST, text);
}

static bool refuse_params(const struct reading *reading, const char *text) {
    return refuse(reading, 400, MCP_CODE_INVALID_PARAMS, text);
}

static bool refuse_without_memory(const struct reading *reading) {
    return refuse(reading, 503, MCP_CODE_NOT_FORWARDED, "out of memory");
}

static uint32_t member(const struct reading *reading, uint32_t object, struct slice name) {
    return json_text_member(&reading->message->json, object, name);
}

static bool is_kind(const struct reading *reading, uint32_t value, enum json_text_kind kind) {
    return value != JSON_TEXT_NONE && json_text_kind(&reading->message->json, value) == kind;
}

/* No value is fine too. */
static bool is_object_if_any(const struct reading *reading, uint32_t value) {
    return value == JSON_TEXT_NONE || is_kind(reading, value, JSON_TEXT_OBJECT);
}

enum text_result { TEXT_OK, TEXT_NONE, TEXT_NO_MEMORY };

/* The string unescaped. TEXT_NONE: no string, or surely longer than `max`. */
static enum text_result take_text(const struct reading *reading, uint32_t value, size_t max,
                                  struct slice *out_text) {
    const struct json_text *json = &reading->message->json;
    if (!is_kind(reading, value, JSON_TEXT_STRING) ||
        json_text_bytes(json, value).len > 6 * max + 2) {
        return TEXT_NONE;
    }
    char *room = arena_alloc(reading->arena, json_text_bytes(json, value).len);
    if (!room) {
        return TEXT_NO_MEMORY;
    }
    *out_text = json_text_unescape(json, value, room);
    return out_text->len <= max ? TEXT_OK : TEXT_NONE;
}

static bool read_json(const struct reading *reading, struct slice body) {
    struct json_text *json = &reading->message->json;
    uint64_t values = reading->mcp->max_body_bytes / BYTES_PER_VALUE + VALUES_ALWAYS;
    const struct json_text_limits limits = {
        .depth = JSON_DEPTH_MAX, .values = values < UINT32_MAX ? (uint32_t)values : UINT32_MAX - 1};
    enum status status = json_text_read(json, body, &limits);
    if (status == STATUS_NO_MEMORY) {
        return refuse_without_memory(reading);
    }
    if (status != STATUS_OK) {
        return refuse(reading, 400, MCP_CODE_PARSE,
                      json->problem ? json->problem : "Parse error: Invalid JSON");
    }
    if (json_text_kind(json, 0) == JSON_TEXT_ARRAY) {
        return refuse_shape(reading, "Batch requests are not supported");
    }
    if (json_text_kind(json, 0) != JSON_TEXT_OBJECT) {
        return refuse_shape(reading, "Invalid Request: a message is an object");
    }
    return true;
}

/* Never null, never a fraction, never a number that readers round. */
static bool read_id(const struct reading *reading, uint32_t id) {
    const struct json_text *json = &reading->message->json;
    int64_t number;
    if (id == JSON_TEXT_NONE) {
        return true;
    }
    struct slice bytes = json_text_bytes(json, id);
    bool is_sound =
        is_kind(reading, id, JSON_TEXT_STRING) ||
        (is_kind(reading, id, JSON_TEXT_NUMBER) && json_text_integer(json, id, &number));
    if (!is_sound || bytes.len > MCP_ID_BYTES_MAX) {
        return refuse_shape(reading, "Invalid Request: id has to be a string or an integer");
    }
    reading->message->id = bytes;
    return true;
}

static bool read_method_text(struct reading *reading, uint32_t method) {
    if (method == JSON_TEXT_NONE) {
        return true;
    }
    reading->has_method = true;
    switch (take_text(reading, method, MCP_NAME_BYTES_MAX, &reading->method)) {
    case TEXT_OK:
        return true;
    case TEXT_NO_MEMORY:
        return refuse_without_memory(reading);
    case TEXT_NONE:
        break;
    }
    return refuse_shape(reading, "Invalid Request: method has to be a string");
}

/* Which of the three it is. Whoever mixes them wants two readers to see two messages. */
static bool read_kind(const struct reading *reading) {
    bool has_id = reading->message->id.len > 0;
    bool has_result = member(reading, 0, SLICE("result")) != JSON_TEXT_NONE;
    bool has_error = member(reading, 0, SLICE("error")) != JSON_TEXT_NONE;
    bool has_params = member(reading, 0, SLICE("params")) != JSON_TEXT_NONE;
    if (reading->has_method && !has_result && !has_error) {
        reading->message->kind = has_id ? MCP_REQUEST : MCP_NOTIFICATION;
        return true;
    }
    if (!reading->has_method && has_id && has_result != has_error && !has_params) {
        reading->message->kind = MCP_RESPONSE;
        return true;
    }
    return refuse_shape(reading, "Invalid Request: neither request, notification nor response");
}

static bool read_envelope(struct reading *reading) {
    const struct json_text *json = &reading->message->json;
    uint32_t version = member(reading, 0, SLICE("jsonrpc"));
    if (!read_id(reading, member(reading, 0, SLICE("id")))) {
        return false;
    }
    if (mcp_has_look_alike(json, 0, MCP_MEMBERS_TOP)) {
        return refuse_shape(reading, "Invalid Request: a member looks like one of the protocol's");
    }
    if (version == JSON_TEXT_NONE || !json_text_is(json, version, SLICE("2.0"))) {
        return refuse_shape(reading, "Invalid Request: jsonrpc has to be \"2.0\"");
    }
    return read_method_text(reading, member(reading, 0, SLICE("method"))) && read_kind(reading);
}

static uint32_t meta_of(const struct reading *reading) {
    return member(reading, reading->message->params, SLICE("_meta"));
}

static bool read_params(const struct reading *reading) {
    struct mcp_message *message = reading->message;
    bool is_response = message->kind == MCP_RESPONSE;
    message->params = member(reading, 0, is_response ? SLICE("result") : SLICE("params"));
    uint32_t meta = meta_of(reading);
    uint32_t task = member(reading, meta, MCP_META_TASK);
    if (!is_object_if_any(reading, message->params) && !is_response) {
        return refuse_params(reading, "Invalid params: params has to be an object");
    }
    if (!is_object_if_any(reading, meta) || !is_object_if_any(reading, task)) {
        return refuse_params(reading, "Invalid params: _meta has to be an object of objects");
    }
    if (mcp_has_look_alike(&message->json, message->params, MCP_MEMBERS_PARAMS) ||
        mcp_has_look_alike(&message->json, meta, MCP_MEMBERS_META) ||
        mcp_has_look_alike(&message->json, task, MCP_MEMBERS_TASK)) {
        return refuse_params(reading, "Invalid params: a member looks like one of the protocol's");
    }
    return true;
}

static bool refuse_revision(const struct reading *reading, struct slice requested) {
    refuse(reading, 400, MCP_CODE_UNSUPPORTED_VERSION,
           reading->mcp->revisions == MCP_REVISION_2026_07_28
               ? "Unsupported protocol version: this server speaks 2026-07-28"
               : "Unsupported protocol version");
    reading->refusal->requested_revision = requested;
    return false;
}

static bool refuse_mismatch(const struct reading *reading, const char *text) {
    return refuse(reading, 400, MCP_CODE_HEADER_MISMATCH, text);
}

static bool read_modern(const struct reading *reading, uint32_t claim) {
    struct mcp_message *message = reading->message;
    struct slice revision;
    message->era = MCP_MODERN;
    switch (take_text(reading, claim, MCP_NAME_BYTES_MAX, &revision)) {
    case TEXT_NO_MEMORY:
        return refuse_without_memory(reading);
    case TEXT_NONE:
        return refuse_params(reading, "Invalid params: the protocol version in _meta is no string");
    case TEXT_OK:
        break;
    }
    message->revision = revision;
    if (reading->says_revision && !slice_eq(reading->revision, revision)) {
        return refuse_mismatch(
            reading, "Bad Request: the MCP-Protocol-Version header and the body disagree");
    }
    unsigned claimable = reading->mcp->revisions & MCP_REVISION_2026_07_28;
    if ((config_mcp_revision_of(revision) & claimable) == 0) {
        refuse_revision(reading, revision);
        reading->refusal->supported = claimable;
        return false;
    }
    if (!reading->says_revision) {
        return refuse_mismatch(reading,
                               "Bad Request: the required MCP-Protocol-Version header is absent");
    }
    if (!is_kind(reading, member(reading, meta_of(reading), MCP_META_CAPABILITIES),
                 JSON_TEXT_OBJECT)) {
        return refuse_params(reading, "Invalid params: _meta lacks the client's capabilities");
    }
    return true;
}

/* The head says modern, the body does not: what a server makes of it depends on the server. */
static bool refuse_claimless(const struct reading *reading) {
    reading->message->era = MCP_MODERN;
    switch (reading->message->kind) {
    case MCP_REQUEST:
        return refuse_params(reading, "Invalid params: _meta lacks the protocol version");
    case MCP_NOTIFICATION:
        return refuse(reading, 404, MCP_CODE_METHOD_NOT_FOUND, "Method not found");
    case MCP_RESPONSE:
        break;
    }
    return refuse_shape(reading, "Bad Request: JSON-RPC responses cannot be posted");
}

/* The one who starts a session says by another name what revision it would like, and the server
 * settles it. */
static bool read_handshake(const struct reading *reading) {
    struct slice requested;
    uint32_t version = member(reading, reading->message->params, SLICE("protocolVersion"));
    switch (take_text(reading, version, MCP_NAME_BYTES_MAX, &requested)) {
    case TEXT_NO_MEMORY:
        return refuse_without_memory(reading);
    case TEXT_NONE:
        return refuse_params(reading, "Invalid params: protocolVersion has to be a string");
    case TEXT_OK:
        break;
    }
    bool has_legacy = (reading->mcp->revisions & MCP_REVISIONS_LEGACY) != 0;
    if (!has_legacy || (reading->says_revision &&
                        !mcp_legacy_revision_is_served(reading->mcp, true, reading->revision))) {
        return refuse_revision(reading, has_legacy ? reading->revision : requested);
    }
    uint32_t capabilities = member(reading, reading->message->params, SLICE("capabilities"));
    return is_object_if_any(reading, capabilities) ||
           refuse_params(reading, "Invalid params: capabilities has to be an object");
}

static bool read_era(struct reading *reading) {
    struct mcp_message *message = reading->message;
    if (!mcp_field_once(reading->request, SLICE("Mcp-Protocol-Version"), &reading->says_revision,
                        &reading->revision)) {
        return refuse_mismatch(reading, "Bad Request: MCP-Protocol-Version comes twice");
    }
    uint32_t claim = message->kind == MCP_RESPONSE
                         ? JSON_TEXT_NONE
                         : member(reading, meta_of(reading), MCP_META_REVISION);
    if (claim != JSON_TEXT_NONE) {
        return read_modern(reading, claim);
    }
    if (slice_eq(reading->revision, MCP_MODERN_REVISION)) {
        return refuse_claimless(reading);
    }
    message->era = MCP_LEGACY;
    message->revision = reading->revision;
    if (slice_eq(reading->method, SLICE("initialize"))) {
        return read_handshake(reading);
    }
    return mcp_legacy_revision_is_served(reading->mcp, reading->says_revision, reading->revision) ||
           refuse_revision(reading, reading->revision);
}

static bool check_capabilities(const struct reading *reading) {
    const struct mcp_message *message = reading->message;
    uint32_t capabilities = message->era == MCP_MODERN
                                ? member(reading, meta_of(reading), MCP_META_CAPABILITIES)
                                : member(reading, message->params, SLICE("capabilities"));
    return !mcp_has_look_alike(&message->json, capabilities, MCP_MEMBERS_CAPABILITIES) ||
           refuse_params(reading, "Invalid params: a capability looks like one of the protocol's");
}

static bool find_method(const struct reading *reading) {
    struct mcp_message *message = reading->message;
    bool is_modern = message->era == MCP_MODERN;
    bool is_notification = message->kind == MCP_NOTIFICATION;
    const struct mcp_method *method = mcp_method_find(reading->method);
    /* clients send no notifications in the modern era */
    bool is_known = method && mcp_method_is_from(method, MCP_FROM_CLIENT) &&
                    (is_modern ? method->in_modern && !method->is_notification : method->in_legacy);
    if (!is_known) {
        int answered = is_notification ? 400 : 200;
        return refuse(reading, is_modern ? 404 : answered, MCP_CODE_METHOD_NOT_FOUND,
                      "Method not found");
    }
    if (method->is_notification != is_notification) {
        return refuse_shape(reading, is_notification ? "Invalid Request: this method needs an id"
                                                     : "Invalid Request: a notification has no id");
    }
    message->method = method;
    return true;
}

/* The name lies where the method's row says; `is_plain` says which names there may be. */
static bool read_name(const struct reading *reading, uint32_t value, size_t max,
                      bool (*is_plain)(struct slice name)) {
    struct mcp_message *message = reading->message;
    enum text_result result = take_text(reading, value, max, &message->name);
    if (result == TEXT_NO_MEMORY) {
        return refuse_without_memory(reading);
    }
    if (result != TEXT_OK || !is_plain(message->name)) {
        message->name = SLICE("");
        return refuse_params(reading, "Invalid params: the name is missing or malformed");
    }
    message->has_name = true;
    return true;
}

static bool read_completion(const struct reading *reading) {
    struct mcp_message *message = reading->message;
    const struct json_text *json = &message->json;
    uint32_t ref = member(reading, message->params, SLICE("ref"));
    uint32_t type = member(reading, ref, SLICE("type"));
    if (type == JSON_TEXT_NONE || mcp_has_look_alike(json, ref, MCP_MEMBERS_REF)) {
        return refuse_params(reading, "Invalid params: ref is missing or malformed");
    }
    if (json_text_is(json, type, SLICE("ref/prompt"))) {
        message->completes = SLICE("prompts/get");
        return read_name(reading, member(reading, ref, SLICE("name")), MCP_NAME_BYTES_MAX,
                         mcp_name_is_plain);
    }
    if (json_text_is(json, type, SLICE("ref/resource"))) {
        message->completes = SLICE("resources/read");
        return read_name(reading, member(reading, ref, SLICE("uri")), MCP_URI_BYTES_MAX,
                         mcp_uri_is_plain);
    }
    return refuse_params(reading, "Invalid params: ref is of no known type");
}

static bool read_listen_uris(const struct reading *reading, uint32_t list) {
    struct mcp_message *message = reading->message;
    const struct json_text *json = &message->json;
    uint32_t count = json->values[list].count;
    if (count > MCP_LISTEN_URIS_MAX) {
        return refuse_params(reading, "Invalid params: too many resources to listen to");
    }
    message->listen_uris = arena_array(reading->arena, count, sizeof *message->listen_uris);
    if (!message->listen_uris) {
        return refuse_without_memory(reading);
    }
    for (uint32_t item = json_text_first(json, list); item != JSON_TEXT_NONE;
         item = json_text_after(json, list, item)) {
        struct slice *uri = &message->listen_uris[message->listen_count];
        enum text_result result = take_text(reading, item, MCP_URI_BYTES_MAX, uri);
        if (result == TEXT_NO_MEMORY) {
            return refuse_without_memory(reading);
        }
        if (result != TEXT_OK || !mcp_uri_is_plain(*uri)) {
            return refuse_params(reading, "Invalid params: a resource's URI is malformed");
        }
        message->listen_count++;
    }
    return true;
}

static bool read_listen(const struct reading *reading) {
    const struct mcp_message *message = reading->message;
    uint32_t filter = member(reading, message->params, SLICE("notifications"));
    uint32_t list = member(reading, filter, SLICE("resourceSubscriptions"));
    if (!is_kind(reading, filter, JSON_TEXT_OBJECT) ||
        mcp_has_look_alike(&message->json, filter, MCP_MEMBERS_LISTEN) ||
        (list != JSON_TEXT_NONE && !is_kind(reading, list, JSON_TEXT_ARRAY))) {
        return refuse_params(reading, "Invalid params: notifications is missing or malformed");
    }
    return list == JSON_TEXT_NONE || read_listen_uris(reading, list);
}

static bool read_object(const struct reading *reading) {
    struct mcp_message *message = reading->message;
    struct slice in = message->method->name_member;
    uint32_t value = member(reading, message->params, in);
    if (slice_eq(message->method->text, SLICE("completion/complete"))) {
        return read_completion(reading);
    }
    if (slice_eq(message->method->text, SLICE("subscriptions/listen"))) {
        return read_listen(reading);
    }
    if (slice_eq(in, SLICE("uri"))) {
        return read_name(reading, value, MCP_URI_BYTES_MAX, mcp_uri_is_plain);
    }
    if (slice_eq(in, SLICE("taskId"))) {
        return read_name(reading, value, MCP_TASK_BYTES_MAX, mcp_task_is_plain);
    }
    if (slice_eq(in, SLICE("name"))) {
        message->arguments = member(reading, message->params, SLICE("arguments"));
        return (is_object_if_any(reading, message->arguments) ||
                refuse_params(reading, "Invalid params: arguments has to be an object")) &&
               read_name(reading, value, MCP_NAME_BYTES_MAX, mcp_name_is_plain);
    }
    return true;
}

/* An answer to what the server asked of the client, whose id was given out sealed: whose it is,
 * mcp_request_prepare() finds out. */
static bool read_response(const struct reading *reading) {
    uint32_t id = member(reading, 0, SLICE("id"));
    return is_kind(reading, id, JSON_TEXT_STRING) ||
           refuse_shape(reading, "Invalid Request: nothing was asked under this id");
}

static bool read_message(struct reading *reading, struct slice body) {
    struct mcp_message *message = reading->message;
    if (!read_json(reading, body) || !read_envelope(reading) || !read_params(reading) ||
        !read_era(reading) || !check_capabilities(reading)) {
        return false;
    }
    if (message->kind == MCP_RESPONSE) {
        return mcp_mirrors_agree(message, reading->method, reading->request, reading->arena,
                                 reading->refusal) &&
               read_response(reading);
    }
    return find_method(reading) && read_object(reading) &&
           mcp_mirrors_agree(message, reading->method, reading->request, reading->arena,
                             reading->refusal);
}

bool mcp_message_read(struct mcp_message *message, const struct config_mcp *mcp,
                      const struct h1_request *request, struct slice body, struct arena *arena,
                      struct mcp_refusal *out_refusal) {
    struct json_text json = message->json;
    struct reading reading = {
        .message = message, .mcp = mcp, .request = request, .arena = arena, .refusal = out_refusal};
    mcp_message_init(message);
    message->json = json;
    if (!read_message(&reading, body)) {
        message->method = NULL;
        return false;
    }
    return true;
}
