/* What the rules are asked about a message to an MCP server, and what else has to hold before it
 * goes on: everything that it refers to, the tool's approved definition, how many calls a session
 * has. */
#include "core/clock.h"
#include "core/json_canonical.h"
#include "proxy/exchange_mcp.h"
#include "proxy/judgement.h"
#include "proxy/mcp/pins.h"
#include "proxy/mcp/reference.h"
#include "proxy/rate_limiter.h"

enum { SESSION_WINDOW_MS = 24 * 3600 * 1000 };

/* Names and a digest, never values. */
static void exchange_mcp_note_arguments(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    const struct json_text *json = &mcp->message.json;
    uint32_t arguments = mcp->message.arguments;
    mcp->argument_name_count = 0;
    mcp->arguments_digest[0] = '\0';
    if (arguments == JSON_TEXT_NONE ||
        !json_canonical_digest(json, arguments, mcp->arguments_digest)) {
        return;
    }
    for (uint32_t name = json_text_first(json, arguments);
         name != JSON_TEXT_NONE && mcp->argument_name_count < MCP_ARGUMENT_NAMES_MAX;
         name = json_text_after(json, arguments, json_text_after(json, arguments, name))) {
        size_t len = json_text_bytes(json, name).len;
        char *room = len < MCP_ARGUMENT_NAME_BYTES ? arena_alloc(&exchange->arena, len) : NULL;
        if (room) { /* longer ones are left out */
            mcp->argument_names[mcp->argument_name_count++] = json_text_unescape(json, name, room);
        }
    }
}

void exchange_mcp_note_question(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    const struct mcp_message *message = &mcp->message;
    mcp->question = (struct policy_mcp){.gate = POLICY_MCP_SOME, .arguments = JSON_TEXT_NONE};
    if (!exchange_mcp_has_message(mcp) || !message->method) {
        return;
    }
    mcp->question = (struct policy_mcp){.method = message->method->text,
                                        .gate = message->method->gate,
                                        .uses = message->method->uses,
                                        .has_name = message->has_name,
                                        .name = message->name,
                                        .json = &message->json,
                                        .arguments = message->arguments};
    exchange_mcp_note_arguments(exchange);
}

void exchange_mcp_forget_message(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    mcp->question.json = NULL;
    mcp->question.arguments = JSON_TEXT_NONE;
    mcp->question.is_any_arguments = true;
    const struct mcp_message read = mcp->message;
    char *name = arena_strdup_slice(&exchange->arena, read.name);
    mcp_message_done(&mcp->message);
    mcp->message.kind = read.kind;
    mcp->message.era = read.era;
    mcp->message.method = read.method;
    mcp->message.has_name = read.has_name;
    mcp->message.name = slice_of_str(name ? name : "");
    mcp->message.completes = read.completes;
    mcp->message.listen_uris = read.listen_uris;
    mcp->message.listen_count = read.listen_count;
    mcp->question.name = mcp->message.name;
    buf_wipe(&mcp->body);
    buf_wipe(&mcp->rewritten);
    exchange_mcp_count_held(exchange);
}

const struct policy_mcp *exchange_mcp_question(const struct exchange *exchange) {
    return exchange->mcp ? &exchange->mcp->question : NULL;
}

bool exchange_mcp_reference_at(const struct exchange *exchange, size_t index,
                               struct policy_mcp *out_asked) {
    const struct exchange_mcp *mcp = exchange->mcp;
    return mcp && exchange_mcp_has_message(mcp) &&
           mcp_reference_at(&mcp->message, index, out_asked);
}

static bool is_tool_call(const struct mcp_message *message) {
    return message->method && slice_eq(message->method->text, SLICE("tools/call"));
}

static bool exchange_mcp_is_pinned(const struct exchange *exchange) {
    struct mcp_pins *pins = exchange->snapshot->rules->pins[exchange->route];
    return exchange_mcp_config(exchange)->pinning != MCP_PINNING_BLOCK ||
           !is_tool_call(&exchange->mcp->message) ||
           (pins && mcp_pins_may_call(pins, exchange->mcp->message.name));
}

static void exchange_mcp_refuse_unpinned(struct exchange *exchange) {
    const struct mcp_pins *pins = exchange->snapshot->rules->pins[exchange->route];
    bool is_unlisted = pins && mcp_pins_await_listing(pins, exchange->mcp->message.name);
    exchange->decision.is_allowed = false;
    exchange->decision.rule = is_unlisted ? "pins_unlisted" : "pins";
    exchange_refuse(exchange, REASON_DENIED, 0,
                    is_unlisted ? JUDGEMENT_UNLISTED_DETAIL : JUDGEMENT_PINS_DETAIL);
}

static bool exchange_mcp_is_counted_call(const struct exchange *exchange) {
    const struct exchange_mcp *mcp = exchange->mcp;
    return exchange_mcp_config(exchange)->calls_per_session > 0 && mcp->holder.session.len > 0 &&
           !mcp->was_counted && is_tool_call(&mcp->message);
}

/* False when it was refused: the session has used its calls up, or there is no memory to count. */
static bool exchange_mcp_count_call(struct exchange *exchange) {
    uint32_t calls = exchange_mcp_config(exchange)->calls_per_session;
    const struct mcp_holder *holder = &exchange->mcp->holder;
    /* With the server's mark: two may name sessions alike. */
    const char *name =
        arena_printf(&exchange->arena, "%s %016llx %.*s", exchange_route(exchange)->name,
                     (unsigned long long)mcp_holder_mark(holder), SLICE_ARGS(holder->session));
    if (!name) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    const struct config_rate rate = {
        .is_present = true, .requests = calls, .window_ms = SESSION_WINDOW_MS, .burst = calls};
    const struct rate_demand demand = {&rate, RATE_OF_SESSION, name};
    const struct rate_caller caller = {.identity = exchange->identity,
                                       .client = exchange->forwarding.client};
    uint64_t wait_ns = rate_limiter_take(exchange->worker->rates, &demand, 1, &caller,
                                         clock_monotonic_us() * 1000);
    if (wait_ns > 0) {
        exchange->retry_after_sec = wait_ns / 1000000000u + 1;
        exchange_refuse(exchange, REASON_RATE_LIMITED, 0,
                        "this session has made as many calls as the route allows");
        return false;
    }
    exchange->mcp->was_counted = true;
    return true;
}

bool exchange_mcp_passes(struct exchange *exchange) {
    if (!exchange_mcp_has_message(exchange->mcp)) {
        return true;
    }
    if (!exchange_mcp_is_pinned(exchange)) {
        exchange_mcp_refuse_unpinned(exchange);
        return false;
    }
    return !exchange_mcp_is_counted_call(exchange) || exchange_mcp_count_call(exchange);
}
