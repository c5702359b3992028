/* First line, last fields and sending of what barkeep answers by itself. What lies between is the
 * refusal's or the page's. */
#include "proxy/own_answer.h"

#include "proxy/client.h"

const char *own_answer_phrase(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 302:
        return "Found";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Error";
    }
}

void own_answer_begin(struct head_writer *writer, struct exchange *exchange, int status,
                      const char *content_type) {
    struct conn *conn = &exchange->client->conn;
    head_writer_begin(writer, &conn->out, conn->pool);
    head_write_status(writer, status, slice_of_str(own_answer_phrase(status)));
    if (content_type) {
        head_write_field(writer, SLICE("Content-Type"), slice_of_str(content_type));
    }
    head_write_field(writer, SLICE("Date"), worker_date(exchange->worker));
    head_write_field(writer, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
}

bool own_answer_end(struct head_writer *writer, struct exchange *exchange, int status,
                    struct slice body) {
    if (status != 204) {
        HEAD_WRITE_LITERAL(writer, "Content-Length: ");
        head_write_u64(writer, body.len);
        HEAD_WRITE_LITERAL(writer, "\r\n");
    }
    if (exchange->closes_client) {
        HEAD_WRITE_LITERAL(writer, "Connection: close\r\n");
    }
    HEAD_WRITE_LITERAL(writer, "\r\n");
    if (!slice_eq(exchange->request.method, SLICE("HEAD"))) {
        head_write(writer, body);
    }
    return head_writer_end(writer, &exchange->client->conn.out);
}

void own_answer_send(struct exchange *exchange) {
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

void own_answer_give_up(struct exchange *exchange) {
    exchange->aborted_by = ABORTED_BY_TIMEOUT;
    exchange_move(exchange, PHASE_DONE);
}
