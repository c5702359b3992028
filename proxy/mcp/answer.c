/* Errors and denials as JSON, written by hand where the bytes have to be a server's own. The id
 * goes back byte for byte. */
#include "proxy/mcp/answer.h"

#include "core/json_out.h"
#include "proxy/mcp/missing_thing.h"

enum { TEXT_BYTES_MAX = JSON_OUT_MAX_STRING };

static void write_id(struct buf *out, struct slice id) {
    buf_append_slice(out, id.len ? id : SLICE("null"));
}

static void begin_error(struct buf *out, struct slice id, int code, struct slice message) {
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    write_id(out, id);
    buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", code);
    json_out_string(out, message);
}

static void end_error(struct buf *out) {
    buf_append_str(out, "}}");
}

static void write_revisions(struct json_out *json, unsigned supported, struct slice requested) {
    json_out_array_begin(json, "supported");
    for (unsigned i = MCP_REVISION_COUNT; i-- > 0;) { /* the newest first */
        if (supported & 1u << i) {
            json_out_cstr(json, NULL, CONFIG_MCP_REVISIONS[i]);
        }
    }
    json_out_array_end(json);
    if (requested.len) {
        json_out_str(json, "requested", requested);
    }
}

static void write_why(struct json_out *json, const struct mcp_denial *why) {
    if (why->exposes_reason) {
        json_out_cstr(json, "reason", reason_code(why->reason));
    }
    json_out_str(json, "request_id", slice_of_str(why->request_id));
}

void mcp_write_refusal(struct buf *out, const struct config_mcp *mcp,
                       const struct mcp_refusal *refusal, const struct mcp_denial *why) {
    struct json_out json;
    begin_error(out, refusal->id, refusal->code, slice_of_str(refusal->message));
    buf_append_str(out, ",\"data\":");
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    if (refusal->code == MCP_CODE_UNSUPPORTED_VERSION) {
        write_revisions(&json, refusal->supported ? refusal->supported : mcp->revisions,
                        refusal->requested_revision);
    }
    write_why(&json, why);
    json_out_object_end(&json);
    end_error(out);
}

static void explain(struct buf *out, struct slice id, const struct mcp_denial *why) {
    struct json_out json;
    begin_error(out, id, MCP_CODE_DENIED, SLICE("Denied by policy"));
    buf_append_str(out, ",\"data\":");
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    write_why(&json, why);
    json_out_object_end(&json);
    end_error(out);
}

static void write_tool_error(struct buf *out, const struct mcp_message *message,
                             const struct mcp_denial *why) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_append_str(&text, "Denied by policy");
    if (why->exposes_reason) {
        buf_printf(&text, " (%s)", reason_code(why->reason));
    }
    buf_printf(&text, ". Request id: %s", why->request_id);
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    write_id(out, message->id);
    buf_append_str(out, ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
    json_out_string(out, buf_slice(&text));
    buf_append_str(out, "}],\"isError\":true");
    if (message->era == MCP_MODERN) {
        buf_append_str(out, ",\"resultType\":\"complete\"");
    }
    end_error(out);
    out->failed |= !buf_ok(&text);
    buf_done(&text);
}

static int hide(struct buf *out, const struct mcp_message *message,
                const struct mcp_missing_tool *known) {
    if (mcp_message_is_call(message)) {
        mcp_missing_tool_write(out, known, message);
        return 200;
    }
    if (mcp_names_thing(message)) {
        mcp_missing_thing_write(out, mcp_missing_tool_library(known, message->era), message);
        return 200;
    }
    begin_error(out, message->id, MCP_CODE_METHOD_NOT_FOUND, SLICE("Method not found"));
    end_error(out);
    return message->era == MCP_MODERN ? 404 : 200;
}

void mcp_write_denial(struct buf *out, const struct config_mcp *mcp,
                      const struct mcp_message *message, const struct mcp_denial *why,
                      const struct mcp_missing_tool *missing, int *out_http_status) {
    bool is_request = message->kind == MCP_REQUEST && message->method;
    bool is_call = mcp_message_is_call(message);
    if (!is_request || mcp->denial == MCP_DENIAL_CHALLENGE) {
        /* nothing is waiting for an answer: the status has to say it */
        explain(out, is_request ? message->id : SLICE(""), why);
        *out_http_status = 403;
    } else if (mcp->denial == MCP_DENIAL_HIDE) {
        *out_http_status = hide(out, message, missing);
    } else if (mcp->denial == MCP_DENIAL_TOOL_ERROR && is_call) {
        write_tool_error(out, message, why);
        *out_http_status = 200;
    } else {
        explain(out, message->id, why);
        *out_http_status = 200;
    }
}
