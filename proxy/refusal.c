/* Refusals as problem details (RFC 9457): one status line, one head, one body, made from
 * configuration and our own texts only, never from what the caller sent. */
#include "core/json_out.h"
#include "proxy/client.h"
#include "proxy/own_answer.h"
#include "proxy/sign_in.h"

enum { PROBLEM_BYTES_MAX = 4096 };

static void write_problem(struct exchange *exchange, struct buf *body) {
    bool exposes = exchange_config(exchange)->expose_reasons;
    char type[64] = "about:blank";
    if (exposes) {
        struct buf name;
        buf_init(&name, sizeof type);
        buf_printf(&name, "urn:barkeep:%s", reason_code(exchange->reason));
        if (buf_ok(&name)) {
            memcpy(type, name.ptr, name.len);
            type[name.len] = '\0';
        }
        buf_done(&name);
    }
    struct json_out out;
    json_out_init(&out, body);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "type", type);
    json_out_cstr(&out, "title",
                  exposes ? reason_title(exchange->reason) : own_answer_phrase(exchange->status));
    json_out_u64(&out, "status", (uint64_t)exchange->status);
    if (exposes) {
        json_out_cstr(&out, "reason", reason_code(exchange->reason));
        json_out_cstr(&out, "detail", exchange->verdict.detail);
    }
    json_out_str(&out, "request_id", slice_of(exchange->id, 32));
    json_out_object_end(&out);
    buf_append_char(body, '\n');
}

static struct slice allowed_methods(const struct exchange *exchange) {
    if (exchange->is_own_page) {
        return exchange->sign_in ? sign_in_allowed_methods(exchange)
                                 : SLICE("Allow: GET, HEAD\r\n");
    }
    if (exchange->mcp) {
        bool has_sessions = (exchange_route(exchange)->mcp->revisions & MCP_REVISIONS_LEGACY) != 0;
        return has_sessions ? SLICE("Allow: GET, POST, DELETE\r\n") : SLICE("Allow: POST\r\n");
    }
    return SLICE("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
}

static void write_special_fields(struct head_writer *writer, struct exchange *exchange) {
    struct slice mcp_challenge = SLICE("");
    if (exchange->mcp && (exchange->status == 401 || exchange->status == 403)) {
        mcp_challenge = exchange_mcp_challenge(exchange);
    }
    if (mcp_challenge.len && !exchange->challenge) {
        head_write_field(writer, SLICE("WWW-Authenticate"), mcp_challenge);
    } else if (exchange->status == 401) {
        if (exchange->challenge) {
            head_write_field(writer, SLICE("WWW-Authenticate"), slice_of_str(exchange->challenge));
        } else if (exchange->reason == REASON_TOKEN_MISSING) {
            HEAD_WRITE_LITERAL(writer, "WWW-Authenticate: Bearer\r\n");
        } else {
            HEAD_WRITE_LITERAL(writer, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
        }
    }
    if (exchange->status == 400 && exchange->opens_websocket) { /* RFC 6455 4.4 */
        HEAD_WRITE_LITERAL(writer, "Sec-WebSocket-Version: 13\r\n");
    }
    if (exchange->status == 405) {
        head_write(writer, allowed_methods(exchange));
    }
    if (exchange->status == 429) {
        HEAD_WRITE_LITERAL(writer, "Retry-After: ");
        head_write_u64(writer, exchange->retry_after_sec);
        HEAD_WRITE_LITERAL(writer, "\r\n");
    }
    if (exchange->status == 503) {
        HEAD_WRITE_LITERAL(writer, "Retry-After: 5\r\n");
    }
}

static bool write_refusal(struct exchange *exchange, const char *type, struct slice body) {
    struct head_writer writer;
    own_answer_begin(&writer, exchange, exchange->status, type);
    HEAD_WRITE_LITERAL(&writer, "Cache-Control: no-store\r\n");
    write_special_fields(&writer, exchange);
    head_write(&writer,
               exchange->is_for_any_origin ? SLICE(SIGN_IN_CORS) : exchange_mcp_cors(exchange));
    return own_answer_end(&writer, exchange, exchange->status, body);
}

/* A refusal keeps the connection only when the request has been read whole and the fault was not
 * the caller's. */
static bool refusal_closes(const struct exchange *exchange) {
    if (exchange_mcp_has_body(exchange)) { /* it was read whole: what follows is another request */
        return exchange->closes_client || exchange->worker->is_draining;
    }
    return exchange->status < 500 || exchange->request.body != BODY_NONE ||
           exchange->request.method.len == 0 || exchange->closes_client ||
           exchange->worker->is_draining;
}

static bool compose_refusal(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    struct buf body;
    const char *type = "application/json";
    buf_init(&body, PROBLEM_BYTES_MAX);
    if (!exchange_mcp_write_refusal(exchange, &body)) {
        type = "application/problem+json";
        write_problem(exchange, &body);
    }
    exchange->closes_client = refusal_closes(exchange);
    bool is_written = buf_ok(&body) && io_buffer_open(&conn->out, conn->pool) &&
                      write_refusal(exchange, type, buf_slice(&body));
    buf_done(&body);
    return is_written;
}

void exchange_step_refuse(struct exchange *exchange) {
    if (!exchange->wrote_response_head) {
        exchange->wrote_response_head = true;
        if (exchange->upstream) {
            upstream_close(exchange->upstream);
            exchange->upstream = NULL;
        }
        if (!compose_refusal(exchange)) {
            own_answer_give_up(exchange);
            return;
        }
    }
    own_answer_send(exchange);
}
