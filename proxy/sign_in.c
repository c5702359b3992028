#include "proxy/sign_in.h"

#include <stdlib.h>

#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/mcp/facade.h"
#include "proxy/own_page.h"
#include "proxy/rate_limiter.h"

enum {
    SIGN_IN_BODY_BYTES = 16384,
    SIGN_IN_PAGE_BYTES = 24576,
    SIGN_IN_RATE = 60, /* a minute, of one client */
    SIGN_IN_MEDIA_BYTES = 64,
};

struct sign_in {
    enum mcp_page page;
    size_t route;
    struct body reader;
    struct buf text; /* what came */
    struct buf made; /* what is answered, or goes on; may hold tokens */
    bool is_asked;   /* the keeper has the form */
    bool is_answered;
    int http_status;
    enum reason trouble; /* when there is no status */
};

/* Nobody has shown who he is here: it is the address that counts. */
static bool is_too_often(struct exchange *exchange) {
    static const struct config_rate rate = {.is_present = true,
                                            .is_per_client = true,
                                            .requests = SIGN_IN_RATE,
                                            .window_ms = 60000,
                                            .burst = SIGN_IN_RATE};
    const struct rate_demand demand = {&rate, RATE_OF_ROUTE, "/token"};
    const struct rate_caller caller = {.client = exchange->forwarding.client};
    uint64_t wait_ns = rate_limiter_take(exchange->worker->rates, &demand, 1, &caller,
                                         clock_monotonic_us() * 1000);
    if (wait_ns == 0) {
        return false;
    }
    exchange->retry_after_sec = wait_ns / UINT64_C(1000000000) + 1;
    exchange_refuse(exchange, REASON_RATE_LIMITED, 0, "too many sign-ins from this address");
    return true;
}

/* The text stays where it is: `made` lives as long as the exchange. */
static void answer(struct exchange *exchange, int status) {
    struct sign_in *sign_in = exchange->sign_in;
    if (buf_ok(&sign_in->made)) {
        own_page_begin(exchange, status, "application/json", buf_slice(&sign_in->made),
                       SLICE(SIGN_IN_FIELDS));
    } else {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    }
}

/* A refusal in OAuth's own words, for that is what clients read here. */
static void answer_error(struct exchange *exchange, enum reason reason,
                         const struct facade_error *error) {
    buf_clear(&exchange->sign_in->made);
    facade_write_error(&exchange->sign_in->made, error);
    exchange->reason = reason;
    answer(exchange, reason_http_status(reason));
}

static bool sign_in_make(struct exchange *exchange, enum mcp_page page, size_t route) {
    struct sign_in *sign_in = calloc(1, sizeof *sign_in);
    exchange->is_own_page = true;
    if (!sign_in) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    sign_in->page = page;
    sign_in->route = route;
    buf_init(&sign_in->text, SIGN_IN_BODY_BYTES);
    buf_init(&sign_in->made, SIGN_IN_PAGE_BYTES);
    exchange->sign_in = sign_in;
    return true;
}

void sign_in_free(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    if (!sign_in) {
        return;
    }
    exchange->sign_in = NULL;
    buf_wipe(&sign_in->text);
    buf_wipe(&sign_in->made);
    free(sign_in);
}

struct slice sign_in_allowed_methods(const struct exchange *exchange) {
    return exchange->sign_in->page == MCP_PAGE_AUTHORIZE ? SLICE("Allow: GET, HEAD\r\n")
                                                         : SLICE("Allow: POST\r\n");
}

static void redirect(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    struct facade_error error;
    struct buf fields;
    if (!facade_authorize(exchange_config(exchange), sign_in->route, exchange->query,
                          &sign_in->made, &error)) {
        answer_error(exchange, REASON_BAD_REQUEST, &error);
        return;
    }
    buf_init(&fields, SIGN_IN_PAGE_BYTES + sizeof SIGN_IN_FIELDS + 16);
    buf_append_str(&fields, SIGN_IN_FIELDS "Location: ");
    buf_append_str(&fields, buf_ok(&sign_in->made) ? sign_in->made.ptr : "");
    buf_append_str(&fields, "\r\n");
    bool is_whole = buf_ok(&sign_in->made) && buf_ok(&fields);
    char *copy = is_whole ? arena_strdup_slice(&exchange->arena, buf_slice(&fields)) : NULL;
    buf_done(&fields);
    if (copy) {
        own_page_begin(exchange, 302, NULL, SLICE(""), slice_of_str(copy));
    } else {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    }
}

static struct slice media_type(const struct exchange *exchange) {
    struct slice found;
    if (h1_request_find_header(&exchange->request, SLICE("Content-Type"), &found) != 1) {
        return SLICE("");
    }
    return h1_media_type(found);
}

/* False when it was refused. */
static bool judge_head(struct exchange *exchange, enum mcp_page page) {
    struct slice wanted = page == MCP_PAGE_REGISTER ? SLICE("application/json")
                                                    : SLICE("application/x-www-form-urlencoded");
    if (!slice_eq(exchange->method, SLICE("POST"))) {
        exchange_refuse(exchange, REASON_METHOD_REFUSED, 0, "this page takes POST alone");
    } else if (!slice_eq_nocase(media_type(exchange), wanted)) {
        exchange_refuse(exchange, REASON_CONTENT_TYPE, 0, "the body is not of this page's kind");
    } else if (exchange->request.body == BODY_LENGTH &&
               exchange->request.content_length > SIGN_IN_BODY_BYTES) {
        exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0, "the body is larger than a sign-in is");
    } else {
        return !is_too_often(exchange);
    }
    return false;
}

static void begin_reading(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    exchange_invite_body(exchange);
    exchange_drop_head(exchange);
    body_init(&sign_in->reader, exchange->request.body, exchange->request.content_length, false,
              SIGN_IN_BODY_BYTES);
    /* Reserved in full: a growing buffer would leave copies of codes and tokens behind. */
    if (!buf_reserve(&sign_in->text, SIGN_IN_BODY_BYTES) ||
        !buf_reserve(&sign_in->made, SIGN_IN_PAGE_BYTES)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return;
    }
    exchange_set_deadline(exchange, OWN_PAGE_LIMIT_MS);
    exchange_move(exchange, PHASE_OWN_PAGE);
}

void sign_in_begin(struct exchange *exchange, enum mcp_page page, size_t route) {
    bool is_read =
        slice_eq(exchange->method, SLICE("GET")) || slice_eq(exchange->method, SLICE("HEAD"));
    if (!sign_in_make(exchange, page, route)) {
        return;
    }
    if (page != MCP_PAGE_AUTHORIZE) {
        if (judge_head(exchange, page)) {
            begin_reading(exchange);
        }
    } else if (is_read) {
        redirect(exchange);
    } else {
        exchange_refuse(exchange, REASON_METHOD_REFUSED, 0, "this page can only be read");
    }
}

static void register_client(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    struct facade_error error;
    if (facade_register(exchange_config(exchange), sign_in->route, buf_slice(&sign_in->text),
                        &sign_in->made, &error)) {
        answer(exchange, 201);
    } else {
        answer_error(exchange, REASON_BAD_REQUEST, &error);
    }
}

static void ask_for_tokens(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    struct facade_error error;
    struct buf url;
    if (!facade_token_form(exchange_config(exchange), sign_in->route, buf_slice(&sign_in->text),
                           &sign_in->made, &error)) {
        answer_error(exchange, REASON_BAD_REQUEST, &error);
        return;
    }
    buf_init(&url, SIGN_IN_BODY_BYTES);
    facade_write_token_url(&url, exchange_config(exchange));
    exchange->want = buf_ok(&url)
                         ? want_post_sign_in(exchange, buf_slice(&url), buf_slice(&sign_in->made))
                         : NULL;
    buf_done(&url);
    buf_wipe(&sign_in->made);
    sign_in->is_asked = exchange->want != NULL;
    if (exchange->want) {
        exchange->upstream_begin_us = clock_monotonic_us();
        exchange_set_deadline(exchange, OWN_PAGE_LIMIT_MS);
    } else {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    }
}

/* The tokens change hands: there is one copy of them. */
void sign_in_take_answer(struct exchange *exchange, struct token_relay_want *relayed) {
    struct sign_in *sign_in = exchange->sign_in;
    sign_in->is_answered = true;
    sign_in->http_status = relayed->http_status;
    sign_in->trouble = relayed->trouble;
    exchange->upstream_status = relayed->answered_status;
    exchange->upstream_head_us = clock_monotonic_us();
    buf_wipe(&sign_in->made);
    sign_in->made = relayed->answer;
    buf_init(&relayed->answer, 0);
}

static void pass_answer_on(struct exchange *exchange) {
    static const struct facade_error away = {"temporarily_unavailable",
                                             "the authorization server gave no answer"};
    const struct sign_in *sign_in = exchange->sign_in;
    if (sign_in->http_status == 0) {
        answer_error(exchange, sign_in->trouble, &away);
        return;
    }
    /* No client shows who it is by Authorization here, which is what 401 is about (RFC 6749 5.2).
     */
    answer(exchange, sign_in->http_status == 401 ? 400 : sign_in->http_status);
}

static void on_body(struct exchange *exchange) {
    exchange->request.body = BODY_NONE; /* read: the connection may go on */
    if (exchange->sign_in->page == MCP_PAGE_REGISTER) {
        register_client(exchange);
    } else {
        ask_for_tokens(exchange);
    }
}

static void read_body(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    struct conn *client = &exchange->client->conn;
    for (;;) {
        struct slice bytes;
        switch (body_take(&sign_in->reader, client, &bytes)) {
        case BODY_PUMP_DONE:
            on_body(exchange);
            return;
        case BODY_PUMP_AGAIN:
            if (bytes.len == 0) {
                exchange_resume_soon(exchange);
                return;
            }
            buf_append_slice(&sign_in->text, bytes);
            body_taken(&sign_in->reader, client, bytes.len);
            break;
        case BODY_PUMP_WAIT_SOURCE:
        case BODY_PUMP_WAIT_SINK:
            return;
        case BODY_PUMP_TOO_LARGE:
            exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0,
                            "the body is larger than a sign-in is");
            return;
        case BODY_PUMP_MALFORMED:
            exchange_refuse(exchange, REASON_BODY_MALFORMED, 0,
                            "the chunked coding of the body is malformed");
            return;
        default:
            exchange->reason = REASON_BODY_MALFORMED; /* half of a form is none */
            exchange->aborted_by = ABORTED_BY_CLIENT;
            exchange_move(exchange, PHASE_DONE);
            return;
        }
    }
}

void sign_in_step(struct exchange *exchange) {
    struct sign_in *sign_in = exchange->sign_in;
    if (sign_in->is_answered) {
        pass_answer_on(exchange);
    } else if (!sign_in->is_asked) {
        read_body(exchange);
    }
}

bool sign_in_is_late(struct exchange *exchange) {
    const struct sign_in *sign_in = exchange->sign_in;
    if (!sign_in || exchange->page) {
        return false;
    }
    if (sign_in->is_asked) {
        exchange_refuse(exchange, REASON_UPSTREAM_TIMEOUT, 0,
                        "the authorization server did not answer in time");
    } else {
        exchange_refuse(exchange, REASON_HEAD_TIMEOUT, 0, "the body did not arrive in time");
    }
    return true;
}
