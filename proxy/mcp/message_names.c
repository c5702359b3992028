/* Members and names: readers differ on what they take for the same, so only what reads one way
 * passes. */
#include "core/utf8.h"
#include "proxy/mcp/message_parts.h"

enum { FOLDED_MAX = 64, ESCAPED_NAME_MAX = 6 * FOLDED_MAX + 2 };

struct member_set {
    const char *names[24];
};

static const struct member_set member_sets[] = {
    [MCP_MEMBERS_TOP] = {{"jsonrpc", "id", "method", "params", "result", "error"}},
    [MCP_MEMBERS_PARAMS] = {{"_meta",
                             "name",
                             "arguments",
                             "uri",
                             "ref",
                             "argument",
                             "context",
                             "cursor",
                             "level",
                             "taskId",
                             "task",
                             "requestId",
                             "progressToken",
                             "reason",
                             "protocolVersion",
                             "capabilities",
                             "clientInfo",
                             "notifications",
                             "inputResponses",
                             "requestState"}},
    [MCP_MEMBERS_META] = {{"progressToken", "io.modelcontextprotocol/protocolVersion",
                           "io.modelcontextprotocol/clientCapabilities",
                           "io.modelcontextprotocol/clientInfo",
                           "io.modelcontextprotocol/related-task",
                           "io.modelcontextprotocol/subscriptionId",
                           "io.modelcontextprotocol/logLevel"}},
    [MCP_MEMBERS_CAPABILITIES] = {{"sampling", "elicitation", "roots", "tasks", "experimental",
                                   "extensions"}},
    [MCP_MEMBERS_REF] = {{"type", "name", "uri"}},
    [MCP_MEMBERS_LISTEN] = {{"resourceSubscriptions", "resourcesListChanged", "toolsListChanged",
                             "promptsListChanged"}},
    [MCP_MEMBERS_TASK] = {{"taskId"}},
    [MCP_MEMBERS_RESULT] = {{"tools", "prompts", "resources", "resourceTemplates", "tasks",
                             "inputRequests", "cacheScope", "_meta"}},
};

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

/* ASCII letters in lower case, and the two letters beyond ASCII that fold to one of them: U+017F to
 * s and U+212A to k. False when it is too long to be a name of the protocol. */
static bool fold(struct slice name, char out[FOLDED_MAX], size_t *out_len) {
    size_t len = 0;
    while (name.len) {
        uint32_t code_point = 0;
        size_t taken = utf8_decode(name, &code_point);
        if (taken == 0 || len == FOLDED_MAX) {
            return false;
        }
        char folded = code_point < 0x80 ? lower((char)code_point) : '\x7f';
        folded = code_point == 0x17f ? 's' : folded;
        folded = code_point == 0x212a ? 'k' : folded;
        out[len++] = folded;
        name = slice_skip(name, taken);
    }
    *out_len = len;
    return true;
}

static bool looks_like(struct slice name, const struct member_set *set) {
    char folded[FOLDED_MAX];
    size_t len;
    if (!fold(name, folded, &len)) {
        return false;
    }
    for (size_t i = 0; set->names[i]; i++) {
        struct slice known = slice_of_str(set->names[i]);
        if (known.len == len && slice_eq_nocase(known, slice_of(folded, len))) {
            return !slice_eq(known, name);
        }
    }
    return false;
}

bool mcp_has_look_alike(const struct json_text *json, uint32_t object, enum mcp_members members) {
    if (object == JSON_TEXT_NONE || json_text_kind(json, object) != JSON_TEXT_OBJECT) {
        return false;
    }
    uint32_t name = json_text_first(json, object);
    while (name != JSON_TEXT_NONE) {
        char text[ESCAPED_NAME_MAX];
        if (json_text_bytes(json, name).len <= sizeof text &&
            looks_like(json_text_unescape(json, name, text), &member_sets[members])) {
            return true;
        }
        name = json_text_after(json, object, json_text_after(json, object, name));
    }
    return false;
}

static bool is_of_bytes(struct slice text, char first, char last) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < first || text.ptr[i] > last) {
            return false;
        }
    }
    return true;
}

bool mcp_name_is_plain(struct slice name) {
    return name.len > 0 && name.len <= MCP_NAME_BYTES_MAX && is_of_bytes(name, ' ', '~') &&
           slice_trim(name).len == name.len;
}

bool mcp_task_is_plain(struct slice id) {
    return id.len > 0 && id.len <= MCP_TASK_BYTES_MAX && is_of_bytes(id, '!', '~');
}

static bool is_scheme(struct slice scheme) {
    for (size_t i = 0; i < scheme.len; i++) {
        char byte = scheme.ptr[i];
        bool is_letter = byte >= 'a' && byte <= 'z';
        bool is_other = (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
        if (!is_letter && (i == 0 || !is_other)) {
            return false;
        }
    }
    return scheme.len > 0;
}

/* Schemes whose URLs are spelled in several ways that browsers' URL parsers, and so the servers
 * built on them, take for one. */
static bool is_of_special_scheme(struct slice scheme) {
    static const char *const special[] = {"http", "https", "ws", "wss", "ftp", "file"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (slice_eq_str(scheme, special[i])) {
            return true;
        }
    }
    return false;
}

/* "//", then an authority without upper case, none for files only. */
static bool has_plain_authority(struct slice scheme, struct slice rest) {
    if (!slice_starts_with(rest, SLICE("//"))) {
        return false;
    }
    struct slice authority = slice_skip(rest, 2);
    authority.len = slice_index(authority, '/');
    for (size_t i = 0; i < authority.len; i++) {
        if (authority.ptr[i] != lower(authority.ptr[i])) {
            return false;
        }
    }
    return authority.len > 0 || slice_eq(scheme, SLICE("file"));
}

static bool is_escape(struct slice text, const char *digits) {
    return text.len >= 3 && text.ptr[0] == '%' && text.ptr[1] == digits[0] &&
           lower(text.ptr[2]) == digits[1];
}

/* The next character as a reader that decodes sees it, as far as dot segments are concerned. */
static char next_of_path(struct slice *in_out_path) {
    struct slice path = *in_out_path;
    char byte = path.ptr[0];
    size_t len = 3;
    if (is_escape(path, "2e")) {
        byte = '.';
    } else if (is_escape(path, "2f") || is_escape(path, "5c")) {
        byte = '/';
    } else {
        len = 1;
    }
    *in_out_path = slice_skip(path, len);
    return byte;
}

static bool has_dot_segment(struct slice path) {
    size_t segment_len = 0;
    bool is_dots = true;
    while (path.len) {
        char byte = next_of_path(&path);
        if (byte == '/') {
            if (is_dots && (segment_len == 1 || segment_len == 2)) {
                return true;
            }
            segment_len = 0;
            is_dots = true;
        } else {
            segment_len++;
            is_dots = is_dots && byte == '.';
        }
    }
    return is_dots && (segment_len == 1 || segment_len == 2);
}

static struct slice before_query(struct slice text) {
    text.len = slice_index(text, '?');
    text.len = slice_index(text, '#');
    return text;
}

bool mcp_uri_is_plain(struct slice uri) {
    struct slice scheme = slice_of(uri.ptr, slice_index(uri, ':'));
    struct slice rest = before_query(slice_skip(uri, scheme.len + 1));
    if (uri.len > MCP_URI_BYTES_MAX || scheme.len == uri.len || !is_scheme(scheme) ||
        !is_of_bytes(uri, '!', '~') || slice_index(uri, '\\') != uri.len) {
        return false;
    }
    return !has_dot_segment(rest) &&
           (!is_of_special_scheme(scheme) || has_plain_authority(scheme, rest));
}
