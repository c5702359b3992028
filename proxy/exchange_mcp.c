/* A message to an MCP server: read whole, held against its head, and made ready for the rules and
 * for the server. What it may say is proxy/mcp's to know. */
#include "proxy/exchange_mcp.h"

#include <stdlib.h>

#include "proxy/client.h"
#include "proxy/mcp/metadata.h"
#include "proxy/own_page.h"

enum { MCP_FIELDS_BYTES = 16384, MCP_REWRITE_ROOM = 65536 };

static bool method_is(const struct exchange *exchange, const char *method) {
    return slice_eq_str(exchange->method, method);
}

static struct exchange_mcp *exchange_mcp_of(struct exchange *exchange) {
    if (!exchange->mcp) {
        exchange->mcp = calloc(1, sizeof *exchange->mcp);
        if (exchange->mcp) {
            mcp_message_init(&exchange->mcp->message);
            buf_init(&exchange->mcp->fields, MCP_FIELDS_BYTES);
            buf_init(&exchange->mcp->client_fields, MCP_FIELDS_BYTES);
            buf_init(&exchange->mcp->cors, MCP_FIELDS_BYTES);
        }
    }
    return exchange->mcp;
}

bool exchange_mcp_count_held(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct worker *worker = exchange->worker;
    const struct json_text *json = &mcp->message.json;
    uint64_t held = mcp->body.cap + mcp->rewritten.cap + mcp->answer.cap +
                    json->capacity * sizeof *json->values +
                    (mcp->filter ? mcp_filter_held_bytes(mcp->filter) : 0);
    worker->message_bytes += held - mcp->held_bytes;
    mcp->held_bytes = held;
    if (worker->message_bytes <= worker->message_limit_bytes) {
        return true;
    }
    metric_add(&worker->metrics.limits_reached[LIMIT_BUFFER_MEMORY], 1);
    return false;
}

void exchange_mcp_free(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    if (!mcp) {
        return;
    }
    exchange->mcp = NULL;
    exchange->worker->message_bytes -= mcp->held_bytes;
    mcp_filter_free(mcp->filter);
    mcp_message_done(&mcp->message);
    buf_wipe(&mcp->body);
    buf_wipe(&mcp->rewritten);
    buf_wipe(&mcp->answer);
    buf_done(&mcp->fields);
    buf_done(&mcp->client_fields);
    buf_done(&mcp->cors);
    free(mcp);
}

static bool exchange_mcp_admits_origin(struct exchange *exchange) {
    struct slice origin;
    size_t count = h1_request_find_header(&exchange->request, SLICE("Origin"), &origin);
    if (count == 0) {
        return true;
    }
    if (count == 1 && mcp_origin_is_allowed(exchange_mcp_config(exchange), origin)) {
        mcp_write_cors(&exchange->mcp->cors, origin);
        return true;
    }
    exchange_refuse(exchange, REASON_ORIGIN_REFUSED, 0,
                    "pages of this origin may not call this server");
    return false;
}

/* What a browser asks before it lets a page call (the Fetch standard, CORS-preflight request). */
static bool exchange_is_preflight(const struct exchange *exchange) {
    struct slice unused;
    return method_is(exchange, "OPTIONS") &&
           h1_request_find_header(&exchange->request, SLICE("Origin"), &unused) > 0 &&
           h1_request_find_header(&exchange->request, SLICE("Access-Control-Request-Method"),
                                  &unused) > 0;
}

static void exchange_mcp_answer_preflight(struct exchange *exchange) {
    const struct h1_request *request = &exchange->request;
    struct buf *fields = &exchange->mcp->cors;
    struct slice origin, asked;
    buf_clear(fields);
    h1_request_find_header(request, SLICE("Origin"), &origin);
    h1_request_find_header(request, SLICE("Access-Control-Request-Headers"), &asked);
    mcp_write_preflight(fields, origin, asked);
    own_page_begin(exchange, 204, NULL, SLICE(""), buf_slice(fields));
}

/* GET opens a stream of what the server says by itself, DELETE ends a session: both of the era with
 * sessions. */
static bool exchange_mcp_admits_method(const struct exchange *exchange) {
    bool has_sessions = (exchange_mcp_config(exchange)->revisions & MCP_REVISIONS_LEGACY) != 0;
    bool is_of_sessions = method_is(exchange, "GET") || method_is(exchange, "DELETE");
    return method_is(exchange, "POST") || (is_of_sessions && has_sessions);
}

static void exchange_mcp_refuse(struct exchange *exchange) {
    const struct mcp_refusal *refusal = &exchange->mcp->refusal;
    exchange->mcp->is_refused = true;
    exchange_refuse(exchange, refusal->reason, refusal->http_status, refusal->message);
}

/* Of a caller who is known: who brings no token hears that before all else, whatever a first try
 * lacks beside it. False when it was refused. */
static bool exchange_mcp_admits_head(struct exchange *exchange) {
    const struct config_mcp *config = exchange_mcp_config(exchange);
    const struct h1_request *request = &exchange->request;
    struct mcp_refusal *refusal = &exchange->mcp->refusal;
    bool is_sound = method_is(exchange, "POST") ? mcp_head_read(request, refusal)
                                                : mcp_session_head_read(config, request, refusal);
    if (!is_sound) {
        exchange_mcp_refuse(exchange);
        return false;
    }
    if (request->body == BODY_LENGTH && request->content_length > config->max_body_bytes) {
        exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0,
                        "the message is larger than this route takes");
        return false;
    }
    return true;
}

bool exchange_mcp_admits(struct exchange *exchange) {
    if (!exchange_mcp_of(exchange)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    buf_clear(&exchange->mcp->cors);
    if (!exchange_mcp_admits_origin(exchange)) {
        return false;
    }
    if (exchange_is_preflight(exchange)) {
        exchange_mcp_answer_preflight(exchange);
        return false;
    }
    if (!exchange_mcp_admits_method(exchange)) {
        exchange_refuse(exchange, REASON_METHOD_REFUSED, 0,
                        "an MCP server does not take this method");
        return false;
    }
    return true;
}

/* The head must outlive the body that is read behind it. */
static bool exchange_set_head_apart(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    struct h1_refusal refusal;
    size_t len = exchange->kept_head_bytes;
    if (exchange->has_head_apart) {
        return true;
    }
    char *copy = arena_alloc(&exchange->arena, len);
    if (!copy) {
        return false;
    }
    memcpy(copy, io_buffer_data(&conn->in).ptr, len);
    struct h1_request request;
    if (h1_request_parse(slice_of(copy, len), &exchange->worker->request_limits, exchange->headers,
                         &request, &refusal) != H1_COMPLETE) {
        return false;
    }
    request.body = exchange->request.body;
    exchange->request = request;
    exchange->kept_head_bytes = 0;
    exchange->has_head_apart = true;
    io_buffer_consume(&conn->in, len);
    return true;
}

static bool exchange_mcp_begin_reading(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    uint64_t limit = exchange_mcp_config(exchange)->max_body_bytes;
    exchange_invite_body(exchange);
    if (!exchange_set_head_apart(exchange)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    buf_init(&mcp->body, (size_t)limit);
    body_init(&mcp->reader, exchange->request.body, exchange->request.content_length, false, limit);
    exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
    return true;
}

/* True once the message is here whole. */
static bool exchange_mcp_read(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    for (;;) {
        struct slice bytes;
        switch (body_take(&mcp->reader, client, &bytes)) {
        case BODY_PUMP_DONE:
            mcp->state = MCP_MESSAGE_READ;
            return true;
        case BODY_PUMP_AGAIN:
            if (bytes.len == 0) {
                exchange_resume_soon(exchange);
                return false;
            }
            buf_append_slice(&mcp->body, bytes);
            body_taken(&mcp->reader, client, bytes.len);
            if (!buf_ok(&mcp->body) || !exchange_mcp_count_held(exchange)) {
                exchange_refuse(exchange, REASON_OVERLOADED, 0, "no memory is free for messages");
                return false;
            }
            if (body_has_come_on(&mcp->reader, true)) {
                exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
            }
            break;
        case BODY_PUMP_WAIT_SOURCE:
        case BODY_PUMP_WAIT_SINK:
            return false;
        case BODY_PUMP_TOO_LARGE:
            exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0,
                            "the message is larger than this route takes");
            return false;
        case BODY_PUMP_MALFORMED:
            exchange_refuse(exchange, REASON_BODY_MALFORMED, 0,
                            "the chunked coding of the body is malformed");
            return false;
        default:
            exchange->aborted_by = ABORTED_BY_CLIENT;
            exchange_move(exchange, PHASE_DONE);
            return false;
        }
    }
}

/* What the server calls the caller's session. False when it is none of this caller's. */
static bool exchange_mcp_open_session(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct slice sealed, session;
    size_t count = h1_request_find_header(&exchange->request, SLICE("Mcp-Session-Id"), &sealed);
    bool is_modern = exchange_mcp_has_message(mcp) && mcp->message.era == MCP_MODERN;
    const struct upstream_pools *pools = exchange->pools;
    mcp->holder = (struct mcp_holder){.identity = exchange->identity,
                                      .route = slice_of_str(exchange_route(exchange)->name),
                                      .servers = pools->marks + pools->first_pool[exchange->route],
                                      .server_count = exchange_route(exchange)->upstream_count,
                                      .server = CONFIG_NONE};
    if (count == 0 || is_modern) {
        return true;
    }
    if (count == 1 && mcp_seal_open(exchange->snapshot->rules->seal, MCP_SEALED_SESSION,
                                    &mcp->holder, sealed, &exchange->arena, &session)) {
        mcp->holder.session = session;
        return true;
    }
    return false;
}

/* The session, and the event that a stream is to be resumed after, which is of this session. That
 * one of them is foreign is answered the same, whichever it is. */
static bool exchange_mcp_open_names(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    if (exchange_mcp_open_session(exchange) &&
        mcp_event_id_open(&exchange->request, exchange->snapshot->rules->seal, &mcp->holder,
                          &exchange->arena, &mcp->event_id)) {
        return true;
    }
    mcp->refusal =
        (struct mcp_refusal){.reason = REASON_NO_ROUTE,
                             .http_status = 404,
                             .code = MCP_CODE_SESSION,
                             .message = "Session not found",
                             .id = exchange_mcp_has_message(mcp) ? mcp->message.id : SLICE("")};
    exchange_mcp_refuse(exchange);
    return false;
}

/* The message and all that is made of it; false when it was refused. */
static bool exchange_mcp_prepare(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct mcp_rewrite rewrite = {0};
    if (!mcp_request_prepare(&mcp->message, exchange_mcp_config(exchange),
                             exchange->snapshot->rules->seal, &mcp->holder, &exchange->arena,
                             &rewrite, &mcp->refusal)) {
        exchange_mcp_refuse(exchange);
        return false;
    }
    buf_done(&mcp->rewritten);
    buf_init(&mcp->rewritten, mcp->body.len + MCP_REWRITE_ROOM);
    if (rewrite.count > 0 && !mcp_rewrite_write(&rewrite, buf_slice(&mcp->body), &mcp->rewritten)) {
        exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0, "the message cannot be written anew");
        return false;
    }
    return true;
}

/* A name that one server gave out is a name there alone: no other hears of it, whatever becomes of
 * that one. A state is made to be understood by all of them: it goes to the one that gave it out as
 * long as that is well, which servers that keep something beside it need. */
static void exchange_mcp_bind_server(struct exchange *exchange) {
    const struct mcp_holder *holder = &exchange->mcp->holder;
    bool is_known = mcp_holder_knows_server(holder);
    uint64_t server = is_known ? UINT64_C(1) << holder->server : 0;
    exchange->preferred = holder->any_server_will_do ? server : 0;
    exchange->barred = is_known && !holder->any_server_will_do ? ~server : 0;
}

static bool exchange_mcp_read_message(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    mcp->state = MCP_MESSAGE_READ;
    if (!mcp_message_read(&mcp->message, exchange_mcp_config(exchange), &exchange->request,
                          buf_slice(&mcp->body), &exchange->arena, &mcp->refusal)) {
        exchange_mcp_refuse(exchange);
        return false;
    }
    mcp->state = MCP_MESSAGE_UNDERSTOOD;
    return true;
}

static bool exchange_mcp_write_fields(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    buf_clear(&mcp->fields);
    return mcp_write_fields(&mcp->fields, exchange_mcp_has_message(mcp) ? &mcp->message : NULL,
                            mcp->holder.session, mcp->event_id, &exchange->request) &&
           buf_ok(&mcp->fields);
}

void exchange_step_mcp_message(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    bool is_post = method_is(exchange, "POST");
    mcp->is_refused = false;
    if (!exchange->has_head_apart && !exchange_mcp_admits_head(exchange)) {
        return;
    }
    if (is_post && mcp->state == MCP_MESSAGE_AWAITED) {
        if (!exchange->has_head_apart && !exchange_mcp_begin_reading(exchange)) {
            return;
        }
        if (!exchange_mcp_read(exchange)) {
            return;
        }
    }
    loop_timer_cancel(exchange->worker->loop, &exchange->timer);
    if (exchange_is_of_former_rules(exchange)) { /* changed while the message arrived */
        exchange_judge_anew(exchange);
        return;
    }
    if (is_post && !exchange_mcp_read_message(exchange)) {
        return;
    }
    exchange_mcp_note_question(exchange);
    if (!exchange_mcp_open_names(exchange) || (is_post && !exchange_mcp_prepare(exchange))) {
        return;
    }
    exchange_mcp_bind_server(exchange);
    if (!exchange_mcp_count_held(exchange)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no memory is free for messages");
        return;
    }
    if (!exchange_mcp_write_fields(exchange)) {
        exchange_refuse(exchange, REASON_HEAD_TOO_LARGE, 0, "the request's fields are too large");
        return;
    }
    if (is_post) {
        exchange->request.body = BODY_LENGTH;
        exchange->request.content_length = exchange_mcp_body(exchange).len;
    }
    exchange_move(exchange, PHASE_AUTHORIZE);
}

bool exchange_mcp_has_body(const struct exchange *exchange) {
    return exchange->mcp && exchange->mcp->state != MCP_MESSAGE_AWAITED;
}

struct slice exchange_mcp_body(const struct exchange *exchange) {
    const struct exchange_mcp *mcp = exchange->mcp;
    return buf_slice(mcp->rewritten.len ? &mcp->rewritten : &mcp->body);
}

struct slice exchange_mcp_fields(const struct exchange *exchange) {
    return buf_slice(&exchange->mcp->fields);
}

struct slice exchange_mcp_cors(const struct exchange *exchange) {
    return exchange->mcp ? buf_slice(&exchange->mcp->cors) : SLICE("");
}

static bool is_judged_by_rules(enum reason reason) {
    return reason == REASON_NO_ROLE || reason == REASON_DENIED || reason == REASON_GROUPS_UNKNOWN;
}

/* A 401 always asks for a sign-in; a refusal by the rules where the route says so. */
static bool exchange_mcp_asks_to_sign_in(const struct exchange *exchange) {
    return exchange->status == 401 ||
           (exchange_mcp_config(exchange)->denial == MCP_DENIAL_CHALLENGE &&
            is_judged_by_rules(exchange->reason));
}

struct slice exchange_mcp_challenge(struct exchange *exchange) {
    struct buf text, scopes;
    const struct mcp_message *message = &exchange->mcp->message;
    bool asks = exchange_mcp_asks_to_sign_in(exchange);
    buf_init(&text, MCP_FIELDS_BYTES);
    buf_init(&scopes, MCP_FIELDS_BYTES);
    if (exchange_mcp_has_message(exchange->mcp) && message->method) {
        mcp_write_scopes(&scopes, exchange_config(exchange), exchange->route, message->method->text,
                         message->name);
    }
    if (asks && scopes.len == 0) { /* clients cannot do without: Entra ID wants some scope */
        mcp_write_all_scopes(&scopes, exchange_config(exchange), exchange->route);
    }
    if (asks || scopes.len) {
        mcp_write_challenge(&text, exchange_config(exchange), exchange->route, exchange->status,
                            exchange->reason != REASON_TOKEN_MISSING, buf_slice(&scopes));
    }
    char *copy = buf_ok(&text) && buf_ok(&scopes)
                     ? arena_strdup_slice(&exchange->arena, buf_slice(&text))
                     : NULL;
    buf_done(&text);
    buf_done(&scopes);
    return slice_of_str(copy ? copy : "");
}

bool exchange_mcp_write_refusal(struct exchange *exchange, struct buf *body) {
    struct exchange_mcp *mcp = exchange->mcp;
    if (!mcp || exchange->route == CONFIG_NONE || !exchange_mcp_config(exchange)) {
        return false;
    }
    const struct mcp_denial why = {.reason = exchange->reason,
                                   .request_id = exchange->id,
                                   .exposes_reason = exchange_config(exchange)->expose_reasons,
                                   .detail = exchange->verdict.detail};
    if (mcp->is_refused) {
        mcp_write_refusal(body, exchange_mcp_config(exchange), &mcp->refusal, &why);
        return true;
    }
    if (exchange_mcp_has_message(mcp) && is_judged_by_rules(exchange->reason)) {
        mcp_write_denial(body, exchange_mcp_config(exchange), &mcp->message, &why,
                         &exchange->snapshot->rules->missing_tools[exchange->route],
                         &exchange->status);
        return true;
    }
    return false;
}
