#include "proxy/mcp/missing_thing.h"

#include "core/json_out.h"

enum { TEXT_BYTES_MAX = JSON_OUT_MAX_STRING };

enum thing { THING_PROMPT, THING_RESOURCE, THING_TEMPLATE, THING_COUNT };

struct words {
    const char *before, *after;
    bool leaves_name_out, names_uri; /* in `data` */
};

static const struct words said[MCP_LIBRARY_COUNT][THING_COUNT] = {
    [MCP_LIBRARY_OTHER] = {[THING_PROMPT] = {"Unknown prompt: ", "", false, false},
                           [THING_RESOURCE] = {"Resource not found", "", true, true},
                           [THING_TEMPLATE] = {"Unknown resource template: ", "", false, false}},
    [MCP_LIBRARY_TYPESCRIPT_1] =
        {[THING_PROMPT] = {"MCP error -32602: Prompt ", " not found", false, false},
         [THING_RESOURCE] = {"MCP error -32602: Resource ", " not found", false, false},
         [THING_TEMPLATE] = {"MCP error -32602: Resource template ", " not found", false, false}},
    [MCP_LIBRARY_TYPESCRIPT_2] = {[THING_PROMPT] = {"Prompt ", " not found", false, false},
                                  [THING_RESOURCE] = {"Resource not found: ", "", false, true},
                                  [THING_TEMPLATE] = {"Resource template ", " not found", false,
                                                      false}},
};

bool mcp_names_thing(const struct mcp_message *asked) {
    return asked->has_name && asked->method->gate == POLICY_MCP_NAME && !mcp_message_is_call(asked);
}

static enum thing thing_of(const struct mcp_message *asked) {
    if (slice_eq(asked->method->text, SLICE("prompts/get")) ||
        slice_eq(asked->completes, SLICE("prompts/get"))) {
        return THING_PROMPT;
    }
    return slice_eq(asked->completes, SLICE("resources/read")) ? THING_TEMPLATE : THING_RESOURCE;
}

/* The revisions with handshake have a code of its own for a resource. */
static int code_of(enum mcp_library library, enum mcp_era era, enum thing thing) {
    bool is_of_its_own =
        era == MCP_LEGACY && thing == THING_RESOURCE && library == MCP_LIBRARY_OTHER;
    return is_of_its_own ? MCP_CODE_RESOURCE_NOT_FOUND : MCP_CODE_INVALID_PARAMS;
}

void mcp_missing_thing_write(struct buf *out, enum mcp_library library,
                             const struct mcp_message *asked) {
    enum thing thing = thing_of(asked);
    const struct words *words = &said[library][thing];
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_append_str(&text, words->before);
    buf_append_slice(&text, words->leaves_name_out ? SLICE("") : asked->name);
    buf_append_str(&text, words->after);
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    buf_append_slice(out, asked->id);
    buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", code_of(library, asked->era, thing));
    json_out_string(out, buf_slice(&text));
    if (words->names_uri) {
        buf_append_str(out, ",\"data\":{\"uri\":");
        json_out_string(out, asked->name);
        buf_append_char(out, '}');
    }
    buf_append_str(out, "}}");
    out->failed |= !buf_ok(&text);
    buf_done(&text);
}
