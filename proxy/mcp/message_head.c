/* The HTTP head of a message: one media type, no coding, and fields that say again what the body
 * says. A field that several readers may take from different lines comes once or not at all. */
#include "proxy/mcp/message_parts.h"
#include "proxy/mcp/mirror.h"

bool mcp_refuse(struct mcp_refusal *out_refusal, struct slice id, int http_status, int code,
                const char *message) {
    enum reason reason = REASON_BAD_REQUEST;
    if (http_status == 503) {
        reason = REASON_OVERLOADED;
    } else if (http_status == 415 || http_status == 406) {
        reason = REASON_CONTENT_TYPE;
    } else if (http_status == 405 || code == MCP_CODE_METHOD_NOT_FOUND ||
               code == MCP_CODE_NOT_FORWARDED) {
        reason = REASON_METHOD_REFUSED;
    }
    *out_refusal = (struct mcp_refusal){
        .reason = reason, .http_status = http_status, .code = code, .message = message, .id = id};
    return false;
}

bool mcp_field_once(const struct h1_request *request, struct slice name, bool *out_is_there,
                    struct slice *out_value) {
    struct slice value;
    size_t count = h1_request_find_header(request, name, &value);
    *out_is_there = count > 0;
    *out_value = slice_trim(value);
    return count < 2;
}

static bool refuse_head(struct mcp_refusal *out_refusal, int http_status, const char *message) {
    return mcp_refuse(out_refusal, SLICE(""), http_status, MCP_CODE_INVALID_REQUEST, message);
}

/* What stands before `separator`; *in_out_text is what stands behind it. */
static struct slice take_part(struct slice *in_out_text, char separator) {
    size_t len = slice_index(*in_out_text, separator);
    struct slice part = slice_of(in_out_text->ptr, len);
    *in_out_text = slice_skip(*in_out_text, len + 1);
    return slice_trim(part);
}

static bool is_utf8_charset(struct slice parameter) {
    static const char *const spellings[] = {"charset=utf-8", "charset=\"utf-8\""};
    return slice_eq_nocase(parameter, slice_of_str(spellings[0])) ||
           slice_eq_nocase(parameter, slice_of_str(spellings[1]));
}

/* RFC 8259 knows no charset, some servers obey it: UTF-8 once, and no other parameter. */
static bool is_plain_json(struct slice value) {
    if (slice_index(value, ';') == value.len) {
        return slice_eq_nocase(value, SLICE("application/json"));
    }
    struct slice parameters = value;
    struct slice type = take_part(&parameters, ';');
    return slice_eq_nocase(type, SLICE("application/json")) &&
           is_utf8_charset(slice_trim(parameters));
}

static bool has_quality_zero(struct slice parameters) {
    while (parameters.len) {
        struct slice parameter = take_part(&parameters, ';');
        struct slice name = take_part(&parameter, '=');
        bool is_zero = parameter.len > 0 && parameter.ptr[0] == '0';
        for (size_t i = 1; is_zero && i < parameter.len; i++) {
            is_zero = parameter.ptr[i] == '.' || parameter.ptr[i] == '0';
        }
        if (is_zero && slice_eq_nocase(name, SLICE("q"))) {
            return true;
        }
    }
    return false;
}

static bool range_holds(struct slice range, struct slice type) {
    struct slice tree = slice_of(type.ptr, slice_index(type, '/') + 1);
    bool is_tree = range.len == tree.len + 1 && range.ptr[tree.len] == '*' &&
                   slice_eq_nocase(slice_of(range.ptr, tree.len), tree);
    return slice_eq_nocase(range, type) || slice_eq(range, SLICE("*/*")) || is_tree;
}

static bool value_accepts(struct slice value, struct slice type) {
    while (value.len) {
        struct slice parameters = take_part(&value, ',');
        struct slice range = take_part(&parameters, ';');
        if (range_holds(range, type) && !has_quality_zero(parameters)) {
            return true;
        }
    }
    return false;
}

/* Who says nothing takes everything (RFC 9110 12.5.1). */
static bool accepts(const struct h1_request *request, struct slice type) {
    bool is_said = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, SLICE("Accept"))) {
            is_said = true;
            if (value_accepts(request->headers[i].value, type)) {
                return true;
            }
        }
    }
    return !is_said;
}

bool mcp_head_read(const struct h1_request *request, struct mcp_refusal *out_refusal) {
    struct slice value;
    bool is_there;
    if (!mcp_field_once(request, SLICE("Content-Type"), &is_there, &value) || !is_there ||
        !is_plain_json(value)) {
        return refuse_head(out_refusal, 415,
                           "Unsupported Media Type: Content-Type must be application/json");
    }
    if (!mcp_field_once(request, SLICE("Content-Encoding"), &is_there, &value) ||
        (is_there && !slice_eq_nocase(value, SLICE("identity")))) {
        return refuse_head(out_refusal, 415,
                           "Unsupported Media Type: the body must not be encoded");
    }
    if (!accepts(request, SLICE("application/json")) &&
        !accepts(request, SLICE("text/event-stream"))) {
        return refuse_head(out_refusal, 406,
                           "Not Acceptable: Client must accept both application/json and "
                           "text/event-stream");
    }
    return true;
}

bool mcp_legacy_revision_is_served(const struct config_mcp *mcp, bool is_said,
                                   struct slice revision) {
    unsigned known = config_mcp_revision_of(is_said ? revision : MCP_SILENT_REVISION);
    return (known & mcp->revisions & MCP_REVISIONS_LEGACY) != 0;
}

static bool is_visible(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool session_fields_are_sound(const struct h1_request *request) {
    struct slice value;
    bool is_there;
    if (!mcp_field_once(request, SLICE("Mcp-Session-Id"), &is_there, &value) ||
        !mcp_field_once(request, SLICE("Last-Event-ID"), &is_there, &value)) {
        return false;
    }
    return value.len <= MCP_EVENT_ID_BYTES_MAX && is_visible(value);
}

bool mcp_session_head_read(const struct config_mcp *mcp, const struct h1_request *request,
                           struct mcp_refusal *out_refusal) {
    struct slice revision;
    bool is_there;
    bool is_stream = slice_eq(request->method, SLICE("GET"));
    if (!mcp_field_once(request, SLICE("Mcp-Protocol-Version"), &is_there, &revision) ||
        !session_fields_are_sound(request)) {
        return refuse_head(out_refusal, 400, "Bad Request: a field is malformed or comes twice");
    }
    if (slice_eq(revision, MCP_MODERN_REVISION)) {
        return refuse_head(out_refusal, 405, "Method not allowed.");
    }
    if (!mcp_legacy_revision_is_served(mcp, is_there, revision)) {
        mcp_refuse(out_refusal, SLICE(""), 400, MCP_CODE_UNSUPPORTED_VERSION,
                   "Bad Request: Unsupported protocol version");
        out_refusal->requested_revision = revision;
        return false;
    }
    if (request->body != BODY_NONE &&
        !(request->body == BODY_LENGTH && request->content_length == 0)) {
        return refuse_head(out_refusal, 400, "Bad Request: only POST has a body");
    }
    if (is_stream && !accepts(request, SLICE("text/event-stream"))) {
        return refuse_head(out_refusal, 406,
                           "Not Acceptable: Client must accept text/event-stream");
    }
    return true;
}

static bool refuse_mirror(const struct mcp_message *message, struct mcp_refusal *out_refusal,
                          const char *text) {
    return mcp_refuse(out_refusal, message->id, 400, MCP_CODE_HEADER_MISMATCH, text);
}

static bool method_agrees(const struct mcp_message *message, struct slice method,
                          const struct h1_request *request, struct mcp_refusal *out_refusal) {
    struct slice value;
    bool is_there;
    bool comes_once = mcp_field_once(request, SLICE("Mcp-Method"), &is_there, &value);
    if (!comes_once || (is_there && !slice_eq(value, method))) {
        return refuse_mirror(message, out_refusal,
                             "Bad Request: the Mcp-Method header and the body disagree");
    }
    if (!is_there && message->era == MCP_MODERN) {
        return refuse_mirror(message, out_refusal,
                             "Bad Request: the required Mcp-Method header is absent");
    }
    return true;
}

static bool name_agrees(const struct mcp_message *message, const struct h1_request *request,
                        struct arena *arena, struct mcp_refusal *out_refusal) {
    struct slice value, name;
    bool is_there;
    bool comes_once = mcp_field_once(request, SLICE("Mcp-Name"), &is_there, &value);
    bool has_to_agree = is_there && message->has_name;
    if (!comes_once || (is_there && !mcp_mirror_read(value, arena, &name)) ||
        (has_to_agree && !slice_eq(name, message->name))) {
        return refuse_mirror(message, out_refusal,
                             "Bad Request: the Mcp-Name header and the body disagree");
    }
    if (!is_there && message->era == MCP_MODERN && message->method &&
        message->method->mirrors_name) {
        return refuse_mirror(message, out_refusal,
                             "Bad Request: the required Mcp-Name header is absent");
    }
    return true;
}

/* Which arguments they repeat is in the tool's schema, which is not known here: the server compares
 * them, and reads each from one line only. */
static bool parameters_are_sound(const struct h1_request *request, struct arena *arena) {
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        struct slice text;
        bool is_there;
        size_t prefix = SLICE("Mcp-Param-").len;
        if (header->name.len < prefix ||
            !slice_eq_nocase(slice_of(header->name.ptr, prefix), SLICE("Mcp-Param-"))) {
            continue;
        }
        if (header->name.len == prefix ||
            !mcp_field_once(request, header->name, &is_there, &text) ||
            !mcp_mirror_read(header->value, arena, &text)) {
            return false;
        }
    }
    return true;
}

bool mcp_mirrors_agree(const struct mcp_message *message, struct slice method,
                       const struct h1_request *request, struct arena *arena,
                       struct mcp_refusal *out_refusal) {
    if (!method_agrees(message, method, request, out_refusal) ||
        !name_agrees(message, request, arena, out_refusal)) {
        return false;
    }
    return message->era == MCP_LEGACY || parameters_are_sound(request, arena) ||
           refuse_mirror(message, out_refusal,
                         "Bad Request: an Mcp-Param header is malformed or comes twice");
}
