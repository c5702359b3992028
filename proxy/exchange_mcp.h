/* What an exchange holds while it gates one message to an MCP server. Private to the exchange. */
#ifndef BARKEEP_PROXY_EXCHANGE_MCP_H
#define BARKEEP_PROXY_EXCHANGE_MCP_H

#include "proxy/exchange.h"
#include "proxy/mcp/answer.h"
#include "proxy/mcp/filter.h"
#include "proxy/mcp/request.h"
#include "proxy/mcp/seal.h"

enum { MCP_ARGUMENT_NAMES_MAX = 16, MCP_ARGUMENT_NAME_BYTES = 64 };

struct exchange_mcp {
    uint64_t held_bytes; /* counted among the worker's */
    struct body reader;  /* takes the message out of its framing */
    struct buf body;     /* the message, as it came */
    bool is_read;
    struct mcp_message message;
    bool has_message; /* well-formed: its id can be answered to */
    struct policy_mcp question;
    struct mcp_refusal refusal;
    bool is_refused; /* `refusal` says why */
    struct mcp_holder holder;
    struct slice event_id; /* that a stream is resumed after: the server's own; empty: none */
    bool was_counted;      /* among the calls of its session */
    struct buf rewritten;  /* the message as it goes on, when it differs */
    bool is_rewritten;
    struct buf fields; /* header lines for the server */
    struct buf cors;   /* header lines for a browser's page whose origin is allowed */
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
    bool writes_chunked;
    bool waits_for_token; /* to expire: before a silence would end the stream */
    bool wrote_end;
};

static inline const struct config_mcp *exchange_mcp_config(const struct exchange *exchange) {
    return exchange_route(exchange)->mcp;
}

/* exchange_mcp.c: counts what is held for the message and its answer. False when that is more than
 * all of the worker's messages may take. */
bool exchange_mcp_count_held(struct exchange *exchange);
/* exchange_mcp_judge.c: what the rules are to be asked about the message. */
void exchange_mcp_note_question(struct exchange *exchange);
/* exchange_mcp_judge.c: what was read of the message is not needed any more, but for the audit. */
void exchange_mcp_forget_message(struct exchange *exchange);

#endif
