/* What an exchange holds while it gates one message to an MCP server. Private to the exchange. */
#ifndef BARKEEP_PROXY_EXCHANGE_MCP_H
#define BARKEEP_PROXY_EXCHANGE_MCP_H

#include "proxy/exchange.h"
#include "proxy/mcp/answer.h"
#include "proxy/mcp/filter.h"
#include "proxy/mcp/request.h"
#include "proxy/mcp/seal.h"

enum { MCP_ARGUMENT_NAMES_MAX = 16, MCP_ARGUMENT_NAME_BYTES = 64 };

/* How far the client's message has come. GET and DELETE have none. */
enum mcp_message_state {
    MCP_MESSAGE_AWAITED,
    MCP_MESSAGE_READ,      /* whole; to be judged, also once more when the rules change */
    MCP_MESSAGE_UNDERSTOOD /* well-formed: its id can be answered to */
};

/* What ends a body in chunks (RFC 9112 7.1). */
enum mcp_last_chunk {
    MCP_LAST_CHUNK_NONE, /* the length is said, or the connection's end is the body's */
    MCP_LAST_CHUNK_OWED,
    MCP_LAST_CHUNK_WRITTEN
};

/* What the head of the server's answer says of its body. */
enum mcp_answer_media { MCP_ANSWER_NONE, MCP_ANSWER_JSON, MCP_ANSWER_EVENTS, MCP_ANSWER_OTHER };

struct exchange_mcp {
    uint64_t held_bytes; /* counted among the worker's */
    struct body reader;  /* takes the message out of its framing */
    struct buf body;     /* the message, as it came */
    enum mcp_message_state state;
    struct mcp_message message;
    struct policy_mcp question;
    struct mcp_refusal refusal;
    bool is_refused; /* `refusal` says why */
    struct mcp_holder holder;
    struct slice event_id; /* that a stream is resumed after: the server's own; empty: none */
    bool was_counted;      /* among the calls of its session */
    struct buf rewritten;  /* the message as it goes on; empty: as it came */
    struct buf fields;     /* header lines for the server */
    struct buf cors;       /* header lines for a browser's page whose origin is allowed */
    /* for the audit; in the exchange's arena */
    char arguments_digest[65];
    struct slice argument_names[MCP_ARGUMENT_NAMES_MAX];
    size_t argument_name_count;

    /* the answer */
    struct mcp_view view;
    struct mcp_filter *filter;
    struct buf answer; /* what may go on */
    size_t answer_sent;
    bool answer_is_over;      /* nothing more will be appended to `answer` */
    struct buf client_fields; /* header lines for the client */
    const char *phrase;       /* of the server's status */
    bool is_shed;             /* what was read of the message */
    enum mcp_last_chunk last_chunk;
    bool waits_for_token; /* to expire: before a silence would end the stream */
};

static inline const struct config_mcp *exchange_mcp_config(const struct exchange *exchange) {
    return exchange_route(exchange)->mcp;
}

static inline bool exchange_mcp_has_message(const struct exchange_mcp *mcp) {
    return mcp->state == MCP_MESSAGE_UNDERSTOOD;
}

/* exchange_mcp.c: counts what is held for the message and its answer. False when that is more than
 * all of the worker's messages may take. */
bool exchange_mcp_count_held(struct exchange *exchange);
/* exchange_mcp_judge.c: what the rules are to be asked about the message. */
void exchange_mcp_note_question(struct exchange *exchange);
/* exchange_mcp_judge.c: what was read of the message is not needed any more, but for the audit. */
void exchange_mcp_forget_message(struct exchange *exchange);

/* exchange_mcp_head.c: one media type is followed; an answer without one is read as JSON. */
enum mcp_answer_media exchange_mcp_media(const struct h1_response *response);
/* Why the answer behind this head cannot go on: a fixed text; NULL when it can. */
const char *exchange_mcp_head_problem(const struct exchange_mcp *mcp,
                                      const struct h1_response *response,
                                      enum mcp_answer_media media);
/* Keeps what the client gets of the head, which may go then, and the session that it opens. */
void exchange_mcp_note_fields(struct exchange *exchange);
/* Writes the client's head: with a length, else in chunks, or to an HTTP/1.0 client until the
 * connection ends. False when it does not fit. */
bool exchange_mcp_write_head(struct exchange *exchange, bool has_length, uint64_t length);

#endif
