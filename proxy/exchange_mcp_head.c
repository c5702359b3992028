/* The head of an MCP server's answer: whether what it says can be followed, and the head that the
 * client gets in its place. Of the server's fields only those pass that are named here; the session
 * goes under the name by which this caller may use it. Phases are exchange_mcp_answer.c's. */
#include "proxy/client.h"
#include "proxy/exchange_mcp.h"
#include "proxy/head_writer.h"

static bool is_named(const struct header *header, const char *name) {
    return slice_eq_nocase(header->name, slice_of_str(name));
}

enum mcp_answer_media exchange_mcp_media(const struct h1_response *response) {
    enum mcp_answer_media media = MCP_ANSWER_OTHER;
    size_t count = 0;
    if (response->body == BODY_NONE ||
        (response->body == BODY_LENGTH && response->content_length == 0)) {
        return MCP_ANSWER_NONE;
    }
    for (size_t i = 0; i < response->header_count; i++) {
        if (!is_named(&response->headers[i], "Content-Type")) {
            continue;
        }
        struct slice type = h1_media_type(response->headers[i].value);
        count++;
        if (slice_eq_nocase(type, SLICE("application/json"))) {
            media = MCP_ANSWER_JSON;
        } else if (slice_eq_nocase(type, SLICE("text/event-stream"))) {
            media = MCP_ANSWER_EVENTS;
        }
    }
    if (count == 0 && response->status < 300) {
        return MCP_ANSWER_JSON; /* it has to be empty, as servers put nothing into chunks */
    }
    return count == 1 ? media : MCP_ANSWER_OTHER;
}

static bool is_encoded(const struct h1_response *response) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (is_named(&response->headers[i], "Content-Encoding") &&
            !slice_eq_nocase(response->headers[i].value, SLICE("identity"))) {
            return true;
        }
    }
    return false;
}

/* Fields that a client may see of the server's: the rest is ours or nobody's. */
static bool field_passes(const struct header *header) {
    static const char *const passing[] = {"Cache-Control", "Retry-After", "X-Accel-Buffering",
                                          "Date",          "Allow",       "Mcp-Protocol-Version"};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        if (is_named(header, passing[i])) {
            return !header->is_nominated;
        }
    }
    return false;
}

static void write_field(struct buf *out, struct slice name, struct slice value) {
    buf_append_slice(out, name);
    buf_append_str(out, ": ");
    buf_append_slice(out, value);
    buf_append_str(out, "\r\n");
}

static bool has_sessions(const struct exchange_mcp *mcp) {
    return !exchange_mcp_has_message(mcp) || mcp->message.era == MCP_LEGACY;
}

/* Visible ASCII, as the protocol has it, and not longer than what can be sealed. An empty one is
 * none. */
static bool can_be_session(struct slice id) {
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] < 0x21 || id.ptr[i] > 0x7e) {
            return false;
        }
    }
    return id.len <= MCP_SEAL_TEXT_MAX;
}

/* Of two sessions the client would follow one and barkeep another; what cannot be a session's id
 * would leave the client without the session that the server believes it has. */
static bool names_sessions_soundly(const struct exchange_mcp *mcp,
                                   const struct h1_response *response) {
    size_t count = 0;
    for (size_t i = 0; i < response->header_count; i++) {
        const struct header *header = &response->headers[i];
        if (!is_named(header, "Mcp-Session-Id")) {
            continue;
        }
        if (++count > 1 || !can_be_session(header->value)) {
            return !has_sessions(mcp);
        }
    }
    return true;
}

const char *exchange_mcp_head_problem(const struct exchange_mcp *mcp,
                                      const struct h1_response *response,
                                      enum mcp_answer_media media) {
    if (response->status == 401 || response->status == 403) {
        return "the server asks for a sign-in of its own";
    }
    if (media != MCP_ANSWER_NONE && is_encoded(response)) {
        return "the server's answer is encoded although none was asked for";
    }
    if (media == MCP_ANSWER_OTHER && response->status < 300) {
        return "the server's answer is neither JSON nor an event stream";
    }
    if (!names_sessions_soundly(mcp, response)) {
        return "the server names two sessions, or one that cannot be named";
    }
    return NULL;
}

/* The session that the server has opened, under the name by which this caller may use it. */
static void write_session(struct exchange *exchange, struct slice session) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct mcp_holder holder = mcp->holder;
    holder.session = SLICE("");
    if (!has_sessions(mcp)) {
        return;
    }
    struct slice sealed = mcp_seal_close(exchange->snapshot->rules->seal, MCP_SEALED_SESSION,
                                         &holder, session, &exchange->arena);
    if (sealed.len) {
        mcp->holder.session = session;
        write_field(&mcp->client_fields, SLICE("Mcp-Session-Id"), sealed);
    }
}

void exchange_mcp_note_fields(struct exchange *exchange) {
    const struct h1_response *response = &exchange->response;
    bool has_date = false;
    buf_clear(&exchange->mcp->client_fields);
    exchange->mcp->phrase = arena_strdup_slice(&exchange->arena, response->phrase);
    for (size_t i = 0; i < response->header_count; i++) {
        const struct header *header = &response->headers[i];
        has_date |= header->id == HEADER_DATE;
        if (is_named(header, "Mcp-Session-Id")) {
            char *copy = arena_strdup_slice(&exchange->arena, header->value);
            write_session(exchange, slice_of_str(copy ? copy : ""));
        } else if (field_passes(header)) {
            write_field(&exchange->mcp->client_fields, header->name, header->value);
        }
    }
    if (!has_date) {
        write_field(&exchange->mcp->client_fields, SLICE("Date"), worker_date(exchange->worker));
    }
    write_field(&exchange->mcp->client_fields, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
}

/* What is sent whole is JSON. Nothing of what the server said beside the media type is repeated:
 * both were read as UTF-8, and the client has to read them the same way. */
static void write_type(struct head_writer *writer, bool is_whole) {
    head_write_field(writer, SLICE("Content-Type"),
                     is_whole ? SLICE("application/json") : SLICE("text/event-stream"));
}

bool exchange_mcp_write_head(struct exchange *exchange, bool has_length, uint64_t length) {
    struct conn *conn = &exchange->client->conn;
    struct head_writer writer;
    bool is_chunked = !has_length && exchange->request.minor_version == 1;
    exchange->closes_client |= (!has_length && !is_chunked) || exchange->worker->is_draining ||
                               exchange->client->is_half_closed;
    head_writer_begin(&writer, &conn->out, conn->pool);
    head_write_status(&writer, exchange->response.status, slice_of_str(exchange->mcp->phrase));
    head_write(&writer, buf_slice(&exchange->mcp->client_fields));
    head_write(&writer, buf_slice(&exchange->mcp->cors));
    if (!has_length || length > 0) {
        write_type(&writer, has_length);
    }
    if (has_length && exchange->response.status != 204) {
        HEAD_WRITE_LITERAL(&writer, "Content-Length: ");
        head_write_u64(&writer, length);
        HEAD_WRITE_LITERAL(&writer, "\r\n");
    } else if (is_chunked) {
        HEAD_WRITE_LITERAL(&writer, "Transfer-Encoding: chunked\r\n");
    }
    if (exchange->closes_client) {
        HEAD_WRITE_LITERAL(&writer, "Connection: close\r\n");
    }
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    exchange->mcp->last_chunk = is_chunked ? MCP_LAST_CHUNK_OWED : MCP_LAST_CHUNK_NONE;
    return buf_ok(&exchange->mcp->client_fields) && head_writer_end(&writer, &conn->out);
}
