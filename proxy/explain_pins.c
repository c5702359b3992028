/* What the route's pins file makes of a tool's call. The server is not asked: that its definition
 * is still the approved one, only the next listing says. */
#include "proxy/explanation.h"
#include "proxy/mcp/message.h"
#include "proxy/mcp/pin_file.h"

static bool is_tool_call(const struct policy_mcp *asked) {
    return asked && asked->has_name && slice_eq(asked->method, SLICE("tools/call"));
}

static const char *words_of(struct explanation *explanation, const struct config_mcp *mcp,
                            const struct mcp_pin *pin, bool is_missing) {
    bool is_block = mcp->pinning == MCP_PINNING_BLOCK;
    if (!pin) {
        return arena_printf(&explanation->arena, "nobody approved it in %s%s: %s", mcp->pins_file,
                            is_missing ? ", which is not there" : "",
                            is_block ? "refused until `barkeep pin approve`"
                                     : "with pinning: warn it is called nonetheless");
    }
    return arena_printf(
        &explanation->arena, "approved in %s as %s; the server is not asked here: %s",
        mcp->pins_file, pin->digest,
        is_block ? "refused until it is listed, and when it was last listed otherwise"
                 : "with pinning: warn another definition is called nonetheless");
}

bool explain_pins(struct explanation *explanation) {
    const struct config_mcp *mcp = explanation->ground->config->routes[explanation->route].mcp;
    struct mcp_pin_list list = {0};
    struct error err;
    if (!is_tool_call(explanation->mcp) || !mcp_pins_are_in_force(mcp)) {
        return true;
    }
    struct explained_pin *pin = arena_alloc(&explanation->arena, sizeof *pin);
    if (!pin) {
        explanation->reason = REASON_OVERLOADED;
        return false;
    }
    *pin = (struct explained_pin){.file = mcp->pins_file,
                                  .is_blocking = mcp->pinning == MCP_PINNING_BLOCK};
    explanation->pin = pin;
    enum status status = mcp_pin_file_read(mcp->pins_file, &explanation->arena, &list, &err);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        pin->answer = "unreadable";
        pin->words =
            arena_printf(&explanation->arena, "%s: with such a file nothing is served", err.text);
        return false;
    }
    const struct mcp_pin *approved = mcp_pin_find(list.pins, list.count, explanation->mcp->name);
    pin->answer = approved ? "approved" : "not_approved";
    pin->approved = approved ? approved->digest : NULL;
    pin->words = words_of(explanation, mcp, approved, status == STATUS_NOT_FOUND);
    return approved || !pin->is_blocking;
}
