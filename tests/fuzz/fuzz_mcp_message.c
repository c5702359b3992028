/* Messages as MCP clients post them: field lines, an empty line, a body. What must hold for any
 * bytes: a verdict is complete, what is read lies in the body or the arena, what goes on is JSON
 * that reads as a message with the same method, name and arguments, and whatever is said back is
 * JSON too. */
#include "fuzz_target.h"
#include "proxy/mcp/answer.h"
#include "proxy/mcp/request.h"

enum { HEADERS = 20, ROOM = 1 << 22 };

struct post {
    struct config_mcp mcp;
    struct header headers[HEADERS];
    struct h1_request request;
    struct slice body;
    struct arena arena;
};

/* Without the bytes that no head is let through with. */
static bool is_field(struct slice line) {
    size_t name_len = slice_index(line, ':');
    for (size_t i = 0; i < line.len; i++) {
        unsigned char byte = (unsigned char)line.ptr[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f || (i < name_len && byte > 0x7f)) {
            return false;
        }
    }
    return name_len > 0 && name_len < line.len;
}

static void read_post(struct post *post, struct slice input) {
    post->request = (struct h1_request){.method = SLICE("POST"), .headers = post->headers};
    while (input.len) {
        struct slice line = slice_of(input.ptr, slice_index(input, '\n'));
        input = slice_skip(input, line.len + 1);
        if (line.len == 0) {
            break;
        }
        size_t colon = slice_index(line, ':');
        if (is_field(line) && post->request.header_count < HEADERS) {
            post->headers[post->request.header_count++] =
                (struct header){.name = slice_of(line.ptr, colon),
                                .value = slice_trim(slice_skip(line, colon + 1))};
        }
    }
    post->body = input;
}

static void require_json(struct slice text) {
    struct json_text json;
    const struct json_text_limits limits = {.depth = 80, .values = 1 << 20};
    json_text_init(&json);
    REQUIRE(json_text_read(&json, text, &limits) == STATUS_OK);
    json_text_done(&json);
}

static void require_refusal(const struct post *post, const struct mcp_refusal *refusal) {
    const struct mcp_denial why = {
        .reason = refusal->reason, .request_id = "r", .exposes_reason = true};
    struct buf out;
    REQUIRE(refusal->reason != REASON_NONE && refusal->message && refusal->code < 0);
    REQUIRE(refusal->http_status == 200 ||
            (refusal->http_status >= 400 && refusal->http_status <= 503));
    buf_init(&out, ROOM);
    mcp_write_refusal(&out, &post->mcp, refusal, &why);
    REQUIRE(buf_ok(&out));
    require_json(buf_slice(&out));
    buf_done(&out);
}

static void require_denials(struct post *post, const struct mcp_message *message) {
    const struct mcp_denial why = {.reason = REASON_DENIED, .request_id = "r"};
    struct mcp_missing_tool missing = {0};
    atomic_init(&missing.form[message->era], (unsigned char)(message->name.len % 8));
    for (int shape = MCP_DENIAL_EXPLAIN; shape <= MCP_DENIAL_CHALLENGE; shape++) {
        struct buf out;
        int status = 0;
        post->mcp.denial = (enum config_mcp_denial)shape;
        buf_init(&out, ROOM);
        mcp_write_denial(&out, &post->mcp, message, &why, &missing, &status);
        REQUIRE(buf_ok(&out) && status >= 200 && status <= 404);
        require_json(buf_slice(&out));
        buf_done(&out);
    }
}

static void require_sound(const struct mcp_message *message) {
    REQUIRE((message->kind == MCP_RESPONSE) == (message->method == NULL));
    REQUIRE((message->kind == MCP_NOTIFICATION) == (message->id.len == 0));
    REQUIRE(message->has_name == (message->name.len > 0));
    if (message->method) {
        REQUIRE(mcp_method_is_from(message->method, MCP_FROM_CLIENT));
        REQUIRE(message->era == MCP_MODERN ? message->method->in_modern
                                           : message->method->in_legacy);
        REQUIRE(message->has_name || message->method->gate != POLICY_MCP_NAME);
    }
    for (size_t i = 0; i < message->name.len; i++) {
        REQUIRE(message->name.ptr[i] >= 0x20 && message->name.ptr[i] < 0x7f);
    }
}

/* One line each, nothing of it beyond what a field may hold. */
static void require_fields(const struct post *post, const struct mcp_message *message) {
    struct buf out;
    buf_init(&out, ROOM);
    REQUIRE(mcp_write_fields(&out, message, SLICE("session"), SLICE(""), &post->request));
    struct slice rest = buf_slice(&out);
    while (rest.len) {
        struct slice line = slice_of(rest.ptr, slice_index(rest, '\r'));
        REQUIRE(is_field(line));
        REQUIRE(slice_starts_with(slice_skip(rest, line.len), SLICE("\r\n")));
        rest = slice_skip(rest, line.len + 2);
    }
    buf_done(&out);
}

static void require_same(const struct mcp_message *a, const struct mcp_message *b) {
    REQUIRE(a->kind == b->kind && a->era == b->era && a->method == b->method);
    REQUIRE(slice_eq(a->id, b->id) && slice_eq(a->name, b->name));
    REQUIRE((a->arguments == JSON_TEXT_NONE) == (b->arguments == JSON_TEXT_NONE));
    REQUIRE(a->arguments == JSON_TEXT_NONE || slice_eq(json_text_bytes(&a->json, a->arguments),
                                                       json_text_bytes(&b->json, b->arguments)));
}

/* Nothing here was sealed: what needs a seal is not prepared. */
static bool needs_seal(const struct mcp_message *message) {
    uint32_t meta = json_text_member(&message->json, message->params, SLICE("_meta"));
    return message->kind == MCP_RESPONSE ||
           json_text_member(&message->json, message->params, SLICE("requestState")) !=
               JSON_TEXT_NONE ||
           slice_eq(message->method->name_member, SLICE("taskId")) ||
           json_text_member(&message->json, meta, SLICE("io.modelcontextprotocol/related-task")) !=
               JSON_TEXT_NONE;
}

static void require_goes_on(struct post *post, struct mcp_message *message) {
    struct mcp_rewrite rewrite;
    struct mcp_refusal refusal;
    struct mcp_message again;
    struct buf out;
    struct mcp_holder holder = {.session = SLICE("session")};
    REQUIRE(
        mcp_request_prepare(message, &post->mcp, NULL, &holder, &post->arena, &rewrite, &refusal));
    REQUIRE(!rewrite.overflowed);
    buf_init(&out, ROOM);
    mcp_message_init(&again);
    REQUIRE(mcp_rewrite_write(&rewrite, post->body, &out));
    REQUIRE(out.len <= post->body.len);
    REQUIRE(mcp_message_read(&again, &post->mcp, &post->request, buf_slice(&out), &post->arena,
                             &refusal));
    require_same(message, &again);
    REQUIRE(
        mcp_request_prepare(&again, &post->mcp, NULL, &holder, &post->arena, &rewrite, &refusal));
    REQUIRE(rewrite.count == 0);
    mcp_message_done(&again);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct post post = {.mcp = {.revisions = MCP_REVISIONS_ALL, .max_body_bytes = 1 << 20}};
    struct mcp_refusal refusal = {0};
    struct mcp_message message;
    /* the first byte says how the route is configured */
    bool passes = size > 0 && input[0] == '!';
    read_post(&post, slice_skip(slice_of((const char *)input, size), passes ? 1 : 0));
    post.mcp.passes_server_requests = passes;
    arena_init(&post.arena, ROOM);
    mcp_message_init(&message);
    if (!mcp_head_read(&post.request, &refusal)) {
        require_refusal(&post, &refusal);
    }
    if (!mcp_session_head_read(&post.mcp, &post.request, &refusal)) {
        require_refusal(&post, &refusal);
    }
    if (mcp_message_read(&message, &post.mcp, &post.request, post.body, &post.arena, &refusal)) {
        require_sound(&message);
        require_denials(&post, &message);
        require_fields(&post, &message);
        if (!needs_seal(&message)) {
            require_goes_on(&post, &message);
        }
    } else {
        require_refusal(&post, &refusal);
    }
    mcp_message_done(&message);
    arena_done(&post.arena);
    return 0;
}
