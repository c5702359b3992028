/* Graph is trusted with the truth about membership and with nothing else: an answer that is cut,
 * paged, padded or about other groups is none, for a caller would lose a deny rule by it. */
#include "auth/graph_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/strict_json.h"
#include "config/host.h"
#include "config/url.h"

#define GUID_LEN 36

static enum status refuse(struct error *err, const char *why) {
    return error_set(err, STATUS_INVALID, "Graph's answer %s", why);
}

/* Lower case into `out_id`. */
static bool read_id(const json_t *item, char out_id[GUID_LEN]) {
    struct slice text = slice_of(json_string_value(item), json_string_length(item));
    if (!json_is_string(item) || !config_is_guid(text))
        return false;
    for (size_t i = 0; i < GUID_LEN; i++) {
        char c = text.ptr[i];
        out_id[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    return true;
}

static int compare_to_id(const void *key, const void *element) {
    const struct slice *id = key, *asked = element;
    size_t common = id->len < asked->len ? id->len : asked->len;
    int order = memcmp(id->ptr, asked->ptr, common);
    return order != 0 ? order : (id->len > asked->len) - (id->len < asked->len);
}

static enum status read_members(const json_t *document, enum graph_extent extent,
                                const struct slice *asked, size_t count, bool *is_member,
                                struct error *err) {
    const json_t *value = json_object_get(document, "value");
    if (!json_is_array(value))
        return refuse(err, "has no list");
    if (json_object_get(document, "@odata.nextLink"))
        return refuse(err, "is not the whole list");
    if (extent == GRAPH_SUBSET && json_array_size(value) > count)
        return refuse(err, "lists more than was asked about");
    for (size_t i = 0; i < json_array_size(value); i++) {
        char id[GUID_LEN];
        if (!read_id(json_array_get(value, i), id))
            return refuse(err, "lists what is no object id");
        struct slice wanted = slice_of(id, GUID_LEN);
        const struct slice *found = bsearch(&wanted, asked, count, sizeof *asked, compare_to_id);
        if (found)
            is_member[found - asked] = true;
        else if (extent == GRAPH_SUBSET)
            return refuse(err, "lists a group that was not asked about");
    }
    return STATUS_OK;
}

enum status graph_answer_members(struct slice json, enum graph_extent extent,
                                 const struct slice *asked, size_t count, bool *is_member,
                                 struct error *err) {
    json_t *document = NULL;
    bool *found = calloc(count + 1, sizeof *found);
    if (!found)
        return error_set(err, STATUS_NO_MEMORY, "no memory for Graph's answer");
    enum status status = strict_json_parse(json, STRICT_JSON_REFUSE_NUL, &document);
    if (status == STATUS_OK)
        status = read_members(document, extent, asked, count, found, err);
    else
        error_set(err, status, "Graph's answer is not one strict JSON object");
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        is_member[i] = is_member[i] || found[i];
    strict_json_free(document);
    free(found);
    return status;
}

void graph_answer_code(struct slice json, char *out_code, size_t size) {
    json_t *document = NULL;
    size_t len = 0;
    if (strict_json_parse(json, STRICT_JSON_REFUSE_NUL, &document) == STATUS_OK) {
        struct slice code = strict_json_text(json_object_get(document, "error"), "code");
        for (size_t i = 0; i < code.len && len + 1 < size; i++) {
            char c = code.ptr[i];
            bool is_plain =
                (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
            out_code[len++] = is_plain ? c : '?';
        }
    }
    out_code[len] = '\0';
    strict_json_free(document);
}

enum status graph_answer_url(struct slice metadata, const struct config_entra *entra,
                             char out_url[GRAPH_URL_SIZE], struct error *err) {
    json_t *document = NULL;
    struct url own, graph;
    char text[GRAPH_URL_SIZE];
    if (strict_json_parse(metadata, STRICT_JSON_REFUSE_NUL, &document) != STATUS_OK)
        return error_set(err, STATUS_INVALID, "the metadata is not one strict JSON object");
    struct slice host = strict_json_text(document, "msgraph_host");
    bool is_https = !url_parse(slice_of_str(entra->authority), &own) && own.is_https;
    int len =
        snprintf(text, sizeof text, "%s://%.*s", is_https ? "https" : "http", SLICE_ARGS(host));
    bool is_bare = !slice_is_empty(host) && len > 0 && (size_t)len < sizeof text &&
                   slice_index(host, '/') == host.len &&
                   !url_parse(slice_of(text, (size_t)len), &graph);
    strict_json_free(document);
    if (!is_bare)
        return error_set(err, STATUS_INVALID, "the metadata names no usable msgraph_host");
    if (!is_https && !host_is_loopback(graph.host))
        return error_set(err, STATUS_INVALID,
                         "the metadata's msgraph_host would be asked over plain http");
    memcpy(out_url, text, (size_t)len + 1);
    return STATUS_OK;
}
