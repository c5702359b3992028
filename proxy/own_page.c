/* What barkeep itself serves on the listener, to whoever asks: the keys that verify its assertions,
 * and how an MCP client signs in. Looked for before any route, so that no route can take its place.
 */
#include "proxy/own_page.h"

#include "auth/assertion.h"
#include "proxy/client.h"
#include "proxy/judgement.h"
#include "proxy/mcp/facade.h"
#include "proxy/mcp/metadata.h"
#include "proxy/own_answer.h"
#include "proxy/sign_in.h"

enum { PAGE_BYTES_MAX = 16384 };

struct own_page {
    int status;
    const char *content_type; /* NULL: no body */
    struct slice body;
    struct slice fields;
};

static bool is_get(const struct exchange *exchange) {
    return slice_eq(exchange->method, SLICE("GET"));
}

void own_page_begin(struct exchange *exchange, int status, const char *content_type,
                    struct slice body, struct slice fields) {
    exchange->page = arena_alloc(&exchange->arena, sizeof *exchange->page);
    if (!exchange->page) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return;
    }
    *exchange->page = (struct own_page){status, content_type, body, fields};
    exchange->is_own_page = true;
    exchange_set_deadline(exchange, OWN_PAGE_LIMIT_MS);
    if (exchange->phase != PHASE_OWN_PAGE) {
        exchange_move(exchange, PHASE_OWN_PAGE);
    }
}

/* False when it was refused. */
static bool is_read_only(struct exchange *exchange) {
    if (is_get(exchange) || slice_eq(exchange->method, SLICE("HEAD"))) {
        return true;
    }
    exchange->is_own_page = true;
    exchange_refuse(exchange, REASON_METHOD_REFUSED, 0, "this page can only be read");
    return false;
}

static void begin_jwks(struct exchange *exchange) {
    const struct assertion_signer *signer = exchange->snapshot->assertions;
    if (!is_read_only(exchange)) {
        return;
    }
    if (!signer) {
        exchange_refuse(exchange, REASON_NO_ROUTE, 0, "no assertions are signed here");
        return;
    }
    own_page_begin(exchange, 200, "application/jwk-set+json", assertion_signer_jwks(signer),
                   SLICE("Cache-Control: public, max-age=300\r\n"));
}

/* `text` is copied: the page outlives it. */
static void begin_json(struct exchange *exchange, int status, struct buf *text,
                       const char *fields) {
    char *copy = buf_ok(text) ? arena_strdup_slice(&exchange->arena, buf_slice(text)) : NULL;
    if (copy) {
        own_page_begin(exchange, status, "application/json", slice_of_str(copy),
                       slice_of_str(fields));
    } else {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    }
}

#define METADATA_FIELDS "Cache-Control: public, max-age=300\r\n" SIGN_IN_CORS

/* SDKs name the protocol's version when they ask for metadata, so that browsers ask first; also for
 * what is not served, or else they would not be shown the 404. */
static bool answers_preflight(struct exchange *exchange) {
    if (!slice_eq(exchange->method, SLICE("OPTIONS"))) {
        return false;
    }
    own_page_begin(exchange, 204, NULL, SLICE(""),
                   SLICE(SIGN_IN_CORS "Access-Control-Allow-Methods: GET, POST\r\n"
                                      "Access-Control-Allow-Headers: content-type, accept, "
                                      "mcp-protocol-version\r\n"
                                      "Access-Control-Max-Age: 600\r\n"));
    return true;
}

static void begin_metadata(struct exchange *exchange, enum mcp_page page, size_t route) {
    struct buf text;
    const struct config *config = exchange_config(exchange);
    if (!is_read_only(exchange)) {
        return;
    }
    buf_init(&text, PAGE_BYTES_MAX);
    if (page == MCP_PAGE_FACADE) {
        facade_write_metadata(&text, config, route);
    } else {
        mcp_write_resource_metadata(&text, config, route);
    }
    begin_json(exchange, 200, &text, METADATA_FIELDS);
    buf_done(&text);
}

static void begin_not_here(struct exchange *exchange) {
    struct buf text;
    buf_init(&text, PAGE_BYTES_MAX);
    mcp_write_not_here(&text);
    exchange->reason = REASON_NO_ROUTE;
    begin_json(exchange, 404, &text, SIGN_IN_FIELDS);
    buf_done(&text);
}

static void begin_page(struct exchange *exchange, enum mcp_page page, size_t route) {
    switch (page) {
    case MCP_PAGE_NONE:
        break;
    case MCP_PAGE_NOT_HERE:
        begin_not_here(exchange);
        break;
    case MCP_PAGE_RESOURCE:
    case MCP_PAGE_FACADE:
        begin_metadata(exchange, page, route);
        break;
    case MCP_PAGE_AUTHORIZE:
    case MCP_PAGE_REGISTER:
    case MCP_PAGE_TOKEN:
        sign_in_begin(exchange, page, route);
        break;
    }
}

static bool begins_sign_in_page(struct exchange *exchange) {
    size_t route = CONFIG_NONE;
    enum mcp_page page =
        mcp_page_find(exchange_config(exchange), exchange->snapshot->rules->router,
                      judgement_host(exchange->request.host), exchange->path.text, &route);
    if (page == MCP_PAGE_NONE) {
        return false;
    }
    exchange->is_for_any_origin = true;
    if (!answers_preflight(exchange)) {
        begin_page(exchange, page, route);
    }
    return true;
}

bool exchange_begins_own_page(struct exchange *exchange) {
    if (judgement_is_own_page(exchange->path.text)) {
        begin_jwks(exchange);
        return true;
    }
    return begins_sign_in_page(exchange);
}

static bool write_page(struct exchange *exchange, const struct own_page *page) {
    struct head_writer writer;
    own_answer_begin(&writer, exchange, page->status, page->content_type);
    head_write(&writer, page->fields);
    return own_answer_end(&writer, exchange, page->status, page->body);
}

/* A body that came along is not read: the connection ends with it. */
static bool compose_page(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    exchange->closes_client |= exchange->request.body != BODY_NONE || exchange->worker->is_draining;
    return io_buffer_open(&conn->out, conn->pool) && write_page(exchange, exchange->page);
}

void exchange_step_own_page(struct exchange *exchange) {
    if (!exchange->page) {
        sign_in_step(exchange);
        if (!exchange->page || exchange->phase != PHASE_OWN_PAGE) {
            return;
        }
    }
    if (!exchange->wrote_response_head) {
        exchange->wrote_response_head = true;
        if (!compose_page(exchange)) {
            own_answer_give_up(exchange);
            return;
        }
        exchange->status = exchange->page->status;
    }
    own_answer_send(exchange);
}
