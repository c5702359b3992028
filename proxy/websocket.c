/* Both heads of the handshake are held against the RFC's list. Whatever is there twice, beside what
 * it should be, or missing makes it none: a side that took it for one would read the other's bytes
 * as something else. */
#include "proxy/websocket.h"

#include <openssl/evp.h>

#include "proxy/h1_fields.h"

enum { KEY_CHARS = 24, KEY_BYTES = 16, SHA1_BYTES = 20 };

static const struct slice accept_salt = SLICE("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");

struct fields {
    const struct header *items;
    size_t count;
};

static struct fields request_fields(const struct h1_request *request) {
    return (struct fields){request->headers, request->header_count};
}

/* The one header of this kind; NULL when there is none, or another. Those that Connection names are
 * none: they do not cross. */
static const struct header *fields_one(struct fields fields, enum header_id id) {
    const struct header *found = NULL;
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.items[i].id != id) {
            continue;
        }
        if (found) {
            return NULL;
        }
        found = &fields.items[i];
    }
    return found && !found->is_nominated ? found : NULL;
}

static bool fields_have(struct fields fields, enum header_id id) {
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.items[i].id == id) {
            return true;
        }
    }
    return false;
}

/* What a member of a list is called: parameters and versions aside. */
static struct slice member_name(struct slice member) {
    size_t len = slice_index(member, ';');
    size_t slash = slice_index(member, '/');
    return slice_trim(slice_of(member.ptr, len < slash ? len : slash));
}

/* Whether a list of this kind, over all its lines, has a member of this name in any case. */
static bool fields_list_name(struct fields fields, enum header_id id, struct slice name) {
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.items[i].id != id || fields.items[i].is_nominated) {
            continue;
        }
        struct slice rest = fields.items[i].value;
        struct slice member;
        while (h1_list_next(&rest, &member)) {
            if (h1_equal_nocase(member_name(member), name)) {
                return true;
            }
        }
    }
    return false;
}

/* Upgrade is nominated by right: Connection has to name it. */
static bool fields_switch_to_websocket(struct fields fields) {
    size_t count = 0;
    bool is_websocket = false;
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.items[i].id == HEADER_UPGRADE) {
            count++;
            is_websocket = h1_is_name(fields.items[i].value, SLICE("websocket"));
        }
    }
    return count == 1 && is_websocket;
}

static bool fields_mention_websocket(struct fields fields) {
    for (size_t i = 0; i < fields.count; i++) {
        struct slice rest = fields.items[i].value;
        struct slice member;
        while (fields.items[i].id == HEADER_UPGRADE && h1_list_next(&rest, &member)) {
            if (h1_equal_nocase(member_name(member), SLICE("websocket"))) {
                return true;
            }
        }
    }
    return false;
}

/* Base64 of 16 bytes, without stray bits (RFC 4648 3.5). */
static bool key_is_well_formed(struct slice key) {
    unsigned char bytes[KEY_CHARS];
    char again[KEY_CHARS + 1];
    if (key.len != KEY_CHARS || key.ptr[KEY_CHARS - 3] == '=' || key.ptr[KEY_CHARS - 2] != '=' ||
        key.ptr[KEY_CHARS - 1] != '=' ||
        EVP_DecodeBlock(bytes, (const unsigned char *)key.ptr, KEY_CHARS) < 0) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)again, bytes, KEY_BYTES);
    return slice_eq(key, slice_of(again, KEY_CHARS));
}

static const char *request_problem(const struct h1_request *request) {
    struct fields fields = request_fields(request);
    if (!slice_eq(request->method, SLICE("GET"))) {
        return "a WebSocket is opened with GET";
    }
    if (request->minor_version != 1) {
        return "a WebSocket is opened with HTTP/1.1";
    }
    if (!fields_switch_to_websocket(fields)) {
        return "a WebSocket is opened with one Upgrade: websocket";
    }
    if (!fields_list_name(fields, HEADER_CONNECTION, SLICE("upgrade"))) {
        return "Connection does not name Upgrade";
    }
    const struct header *version = fields_one(fields, HEADER_WEBSOCKET_VERSION);
    if (!version || !slice_eq(version->value, SLICE("13"))) {
        return "the one Sec-WebSocket-Version is 13";
    }
    const struct header *key = fields_one(fields, HEADER_WEBSOCKET_KEY);
    if (!key || !key_is_well_formed(key->value)) {
        return "a WebSocket is opened with one Sec-WebSocket-Key of 16 bytes in base64";
    }
    if (request->body == BODY_CHUNKED || request->content_length > 0) {
        return "a request that opens a WebSocket has no body";
    }
    return NULL;
}

enum websocket_wish websocket_read_wish(const struct h1_request *request,
                                        const char **out_problem) {
    struct fields fields = request_fields(request);
    if (!fields_have(fields, HEADER_WEBSOCKET_KEY) && !fields_mention_websocket(fields)) {
        return WEBSOCKET_NOT_WISHED;
    }
    const char *problem = request_problem(request);
    if (!problem) {
        return WEBSOCKET_WISHED;
    }
    *out_problem = problem;
    return WEBSOCKET_MALFORMED;
}

bool websocket_accept(struct slice key, char out_accept[WEBSOCKET_ACCEPT_SIZE]) {
    unsigned char digest[SHA1_BYTES];
    char text[KEY_CHARS + 64];
    if (key.len != KEY_CHARS) {
        return false;
    }
    memcpy(text, key.ptr, KEY_CHARS);
    memcpy(text + KEY_CHARS, accept_salt.ptr, accept_salt.len);
    if (EVP_Digest(text, KEY_CHARS + accept_salt.len, digest, NULL, EVP_sha1(), NULL) != 1) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)out_accept, digest, SHA1_BYTES);
    return true;
}

static bool accept_answers(struct fields request, struct fields response) {
    const struct header *key = fields_one(request, HEADER_WEBSOCKET_KEY);
    const struct header *accept = fields_one(response, HEADER_WEBSOCKET_ACCEPT);
    char expected[WEBSOCKET_ACCEPT_SIZE];
    return key && accept && websocket_accept(key->value, expected) &&
           slice_eq(accept->value, slice_of(expected, WEBSOCKET_ACCEPT_SIZE - 1));
}

static bool extensions_were_asked_for(struct fields request, struct fields response, bool offered) {
    for (size_t i = 0; i < response.count; i++) {
        if (response.items[i].id != HEADER_WEBSOCKET_EXTENSIONS) {
            continue;
        }
        struct slice rest = response.items[i].value;
        struct slice member;
        while (h1_list_next(&rest, &member)) {
            struct slice name = member_name(member);
            if (!offered || name.len == 0 ||
                !fields_list_name(request, HEADER_WEBSOCKET_EXTENSIONS, name)) {
                return false;
            }
        }
    }
    return true;
}

/* Their names have a case (RFC 6455 4.1). */
static bool protocol_was_asked_for(struct fields request, struct fields response) {
    if (!fields_have(response, HEADER_WEBSOCKET_PROTOCOL)) {
        return true;
    }
    const struct header *chosen = fields_one(response, HEADER_WEBSOCKET_PROTOCOL);
    for (size_t i = 0; chosen && chosen->value.len > 0 && i < request.count; i++) {
        if (request.items[i].id != HEADER_WEBSOCKET_PROTOCOL || request.items[i].is_nominated) {
            continue;
        }
        struct slice rest = request.items[i].value;
        struct slice member;
        while (h1_list_next(&rest, &member)) {
            if (slice_eq(member, chosen->value)) {
                return true;
            }
        }
    }
    return false;
}

const char *websocket_answer_problem(const struct h1_request *request,
                                     const struct h1_response *response, bool offered_extensions) {
    struct fields asked = request_fields(request);
    struct fields fields = {response->headers, response->header_count};
    if (response->minor_version != 1) {
        return "the upstream switches protocols in HTTP/1.0";
    }
    if (fields_have(fields, HEADER_CONTENT_LENGTH) ||
        fields_have(fields, HEADER_TRANSFER_ENCODING)) {
        return "the upstream's 101 has a body";
    }
    if (!fields_switch_to_websocket(fields) ||
        !fields_list_name(fields, HEADER_CONNECTION, SLICE("upgrade"))) {
        return "the upstream's 101 does not switch to websocket";
    }
    if (!accept_answers(asked, fields)) {
        return "the upstream's Sec-WebSocket-Accept does not answer the key";
    }
    if (!extensions_were_asked_for(asked, fields, offered_extensions)) {
        return "the upstream uses a WebSocket extension that it was not offered";
    }
    if (!protocol_was_asked_for(asked, fields)) {
        return "the upstream chose a WebSocket subprotocol that it was not offered";
    }
    return NULL;
}
