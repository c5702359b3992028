/* What a request asks of an MCP server: its body read as on the live path, with the header fields
 * that a client would have sent beside it. */
#include "proxy/explanation.h"
#include "proxy/mcp/message.h"
#include "proxy/mcp/mirror.h"

enum { FIELD_BYTES_MAX = 64 << 10, BODY_DEPTH_MAX = 64, BODY_VALUES_MAX = 1 << 20 };

static uint32_t member(const struct json_text *json, uint32_t object, struct slice name) {
    return object == JSON_TEXT_NONE ? JSON_TEXT_NONE : json_text_member(json, object, name);
}

/* A string's text, empty for what is none. */
static struct slice text_of(struct arena *arena, const struct json_text *json, uint32_t value) {
    if (value == JSON_TEXT_NONE || json_text_kind(json, value) != JSON_TEXT_STRING) {
        return SLICE("");
    }
    char *bytes = arena_alloc(arena, json_text_bytes(json, value).len);
    return bytes ? json_text_unescape(json, value, bytes) : SLICE("");
}

static void add_field(struct h1_request *request, struct slice name, struct slice value) {
    request->headers[request->header_count++] = (struct header){.name = name, .value = value};
}

static struct slice mirrored(struct arena *arena, struct slice text) {
    struct buf value;
    buf_init(&value, FIELD_BYTES_MAX);
    mcp_mirror_write(&value, text);
    const char *copy = buf_ok(&value) ? arena_strdup_slice(arena, buf_slice(&value)) : NULL;
    buf_done(&value);
    return slice_of_str(copy ? copy : "");
}

/* The fields that repeat the body; none when it is not of the era that has them, or no JSON. */
static void add_mirrors(struct h1_request *request, struct slice body, struct arena *arena) {
    static const struct json_text_limits LIMITS = {BODY_DEPTH_MAX, BODY_VALUES_MAX};
    struct json_text json;
    json_text_init(&json);
    if (json_text_read(&json, body, &LIMITS) == STATUS_OK) {
        uint32_t params = member(&json, 0, SLICE("params"));
        uint32_t meta = member(&json, params, SLICE("_meta"));
        struct slice revision = text_of(
            arena, &json, member(&json, meta, SLICE("io.modelcontextprotocol/protocolVersion")));
        struct slice method = text_of(arena, &json, member(&json, 0, SLICE("method")));
        const struct mcp_method *known = mcp_method_find(method);
        if (revision.len) {
            add_field(request, SLICE("Mcp-Protocol-Version"), revision);
            add_field(request, SLICE("Mcp-Method"), method);
        }
        if (revision.len && known && known->mirrors_name) {
            struct slice name = text_of(arena, &json, member(&json, params, known->name_member));
            add_field(request, SLICE("Mcp-Name"), mirrored(arena, name));
        }
    }
    json_text_done(&json);
}

static bool read_message(struct explanation *explanation, const struct config_mcp *mcp,
                         struct policy_mcp *asked) {
    struct mcp_message *message = arena_alloc(&explanation->arena, sizeof *message);
    struct header fields[3];
    struct h1_request request = {.method = SLICE("POST"), .headers = fields};
    struct mcp_refusal refusal = {0};
    if (!message) {
        explanation->reason = REASON_OVERLOADED;
        explanation->detail = "out of memory";
        return false;
    }
    mcp_message_init(message);
    explanation->message = message;
    add_mirrors(&request, explanation->question->body, &explanation->arena);
    if (!mcp_message_read(message, mcp, &request, explanation->question->body, &explanation->arena,
                          &refusal)) {
        explanation->reason = refusal.reason;
        explanation->detail = refusal.message;
        return false;
    }
    if (message->method) {
        asked->method = message->method->text;
        asked->gate = message->method->gate;
        asked->uses = message->method->uses;
    }
    asked->has_name = message->has_name;
    asked->name = message->name;
    asked->json = &message->json;
    asked->arguments = message->arguments;
    return true;
}

bool explain_mcp(struct explanation *explanation) {
    const struct config_mcp *mcp = explanation->ground->config->routes[explanation->route].mcp;
    if (!mcp) {
        return true;
    }
    struct policy_mcp *asked = arena_alloc(&explanation->arena, sizeof *asked);
    if (!asked) {
        explanation->reason = REASON_OVERLOADED;
        explanation->detail = "out of memory";
        return false;
    }
    *asked = (struct policy_mcp){.gate = POLICY_MCP_SOME, .arguments = JSON_TEXT_NONE};
    explanation->mcp = asked;
    if (explanation->question->has_body) {
        return read_message(explanation, mcp, asked);
    }
    if (strcmp(explanation->question->method, "POST") == 0) {
        explain_note(explanation, &explanation->notes, "body",
                     "no --body given: only whether the caller may ask this MCP server for "
                     "anything at all was judged");
    }
    return true;
}

void explain_mcp_done(struct explanation *explanation) {
    if (explanation->message) {
        mcp_message_done(explanation->message);
    }
}

const char *explain_gate_name(enum policy_mcp_gate gate) {
    static const char *const NAMES[] = {[POLICY_MCP_SOME] = "some",
                                        [POLICY_MCP_METHOD] = "method",
                                        [POLICY_MCP_NAME] = "name",
                                        [POLICY_MCP_LIST] = "list"};
    return NAMES[gate];
}
