/* What barkeep itself serves on the listener, to whoever asks: the keys that verify its assertions.
 * Looked for before any route, so that no route can take its place. */
#include "auth/assertion.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/head_writer.h"
#include "proxy/judgement.h"

bool exchange_wants_own_page(const struct exchange *exchange) {
    return judgement_is_own_page(exchange->path.text);
}

static bool is_get(const struct exchange *exchange) {
    return slice_eq(exchange->method, SLICE("GET"));
}

void exchange_begin_own_page(struct exchange *exchange) {
    const struct assertion_signer *signer = exchange->snapshot->assertions;
    if (!is_get(exchange) && !slice_eq(exchange->method, SLICE("HEAD"))) {
        exchange->is_own_page = true;
        exchange_refuse(exchange, REASON_METHOD_REFUSED, 0, "this page can only be read");
    } else if (!signer) {
        exchange_refuse(exchange, REASON_NO_ROUTE, 0, "no assertions are signed here");
    } else {
        exchange->is_own_page = true;
        exchange_set_deadline(exchange, OWN_PAGE_LIMIT_MS);
        exchange_move(exchange, PHASE_OWN_PAGE);
    }
}

static bool write_page(struct exchange *exchange, struct slice body) {
    struct conn *conn = &exchange->client->conn;
    struct head_writer writer;
    head_writer_begin(&writer, &conn->out, conn->pool);
    HEAD_WRITE_LITERAL(&writer, "HTTP/1.1 200 OK\r\nContent-Type: application/jwk-set+json\r\n"
                                "Cache-Control: public, max-age=300\r\n");
    head_write_field(&writer, SLICE("Date"), worker_date(exchange->worker));
    head_write_field(&writer, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
    HEAD_WRITE_LITERAL(&writer, "Content-Length: ");
    head_write_u64(&writer, body.len);
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    if (exchange->closes_client) {
        HEAD_WRITE_LITERAL(&writer, "Connection: close\r\n");
    }
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    if (is_get(exchange)) {
        head_write(&writer, body);
    }
    return head_writer_end(&writer, &conn->out);
}

/* A body that came along is not read: the connection ends with it. */
static bool compose_page(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    exchange->closes_client |= exchange->request.body != BODY_NONE || exchange->worker->is_draining;
    return io_buffer_open(&conn->out, conn->pool) &&
           write_page(exchange, assertion_signer_jwks(exchange->snapshot->assertions));
}

void exchange_step_own_page(struct exchange *exchange) {
    if (!exchange->wrote_response_head) {
        exchange->wrote_response_head = true;
        if (!compose_page(exchange)) {
            exchange->aborted_by = ABORTED_BY_TIMEOUT;
            exchange_move(exchange, PHASE_DONE);
            return;
        }
        exchange->status = 200;
    }
    switch (conn_flush(&exchange->client->conn)) {
    case IO_OK:
        exchange_move(exchange, PHASE_DONE);
        return;
    case IO_WAIT:
        return;
    default:
        exchange->aborted_by = ABORTED_BY_CLIENT;
        exchange_move(exchange, PHASE_DONE);
    }
}
