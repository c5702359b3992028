/* Any bytes as an answer of Microsoft Graph and as the metadata that says where Graph is: what is
 * not a whole list of object ids changes nothing, and no foreign host comes out. */
#include <stdint.h>
#include <stdlib.h>

#include "auth/graph_answer.h"
#include "fuzz_target.h"

#define ASKED_COUNT 3

static const struct slice asked[ASKED_COUNT] = {
    {"6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7", 36},
    {"b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4", 36},
    {"c8d9e0f1-a2b3-4c4d-8e5f-60718293a4b5", 36},
};

static void read_members(struct slice json, enum graph_extent extent) {
    bool is_member[ASKED_COUNT] = {false};
    struct error err = {{0}};
    enum status status = graph_answer_members(json, extent, asked, ASKED_COUNT, is_member, &err);
    if ((status == STATUS_OK) != (err.text[0] == '\0'))
        abort();
    for (size_t i = 0; i < ASKED_COUNT; i++)
        if (status != STATUS_OK && is_member[i])
            abort();
}

static void read_code(struct slice json) {
    char code[16];
    graph_answer_code(json, code, sizeof code);
    for (const char *at = code; *at; at++)
        if (*at < ' ' || *at > '~' || *at == '"')
            abort();
}

static void read_url(struct slice json, const char *authority) {
    const struct config_entra entra = {.authority = authority, .authority_is_override = true};
    char url[GRAPH_URL_SIZE];
    struct error err = {{0}};
    if (graph_answer_url(json, &entra, url, &err) != STATUS_OK)
        return;
    struct slice host = slice_skip(slice_of_str(url), 7);
    bool is_https = slice_starts_with(slice_of_str(url), SLICE("https://"));
    if (is_https != slice_starts_with(slice_of_str(authority), SLICE("https://")))
        abort();
    if (slice_index(slice_skip(host, is_https), '/') != host.len - is_https)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct slice json = slice_of((const char *)bytes, len);
    read_members(json, GRAPH_SUBSET);
    read_members(json, GRAPH_ALL);
    read_code(json);
    read_url(json, "http://127.0.0.1:18080");
    read_url(json, "https://login.example");
    return 0;
}
