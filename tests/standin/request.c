/* One HTTP request as the handlers see it: the raw target, split before it is decoded, so that an
 * encoded slash never moves a boundary. */
#include "request.h"

#include <ctype.h>
#include <stdlib.h>

#include "encoding.h"
#include "must.h"

void request_done(struct request *request) {
    for (size_t i = 0; i < request->segment_count; i++)
        free(request->segments[i]);
    free(request->origin);
    free(request->host);
    free(request->path);
    form_done(&request->query);
    *request = (struct request){0};
}

static bool parse_segments(struct request *request, struct slice path) {
    while (!slice_is_empty(path)) {
        size_t len = slice_index(path, '/');
        if (len > 0) {
            if (request->segment_count == REQUEST_MAX_SEGMENTS)
                return false;
            char *segment = percent_decode(slice_of(path.ptr, len), false);
            if (!segment)
                return false;
            request->segments[request->segment_count++] = segment;
        }
        path = slice_skip(path, len + 1);
    }
    return true;
}

/* What goes into URLs we answer with must be a plain host and port. */
static bool parse_host(struct request *request, const char *host) {
    size_t len = strlen(host);
    if (len == 0 || len > 255)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr(".-:[]", host[i]))
            return false;
    request->origin = must_printf("%s://%s", request->is_tls ? "https" : "http", host);
    request->host = must_strdup(host);
    char *port = strrchr(request->host, ':');
    if (port && !strchr(port, ']'))
        *port = 0;
    for (char *c = request->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return true;
}

bool request_parse(struct request *request, const char *target, const char *host,
                   const char *fallback_host) {
    struct slice whole = slice_of_str(target);
    size_t path_len = slice_index(whole, '?');
    request->path = must_printf("%.*s", (int)path_len, target);
    return target[0] == '/' && parse_host(request, host ? host : fallback_host) &&
           parse_segments(request, slice_of(target, path_len)) &&
           form_parse(&request->query, slice_skip(whole, path_len + 1));
}

struct slice request_bearer(const struct request *request) {
    struct slice value = slice_of_str(request_header(request, "Authorization"));
    if (value.len < 7 || !slice_eq_nocase(slice_of(value.ptr, 7), SLICE("Bearer ")))
        return slice_of(NULL, 0);
    return slice_trim(slice_skip(value, 7));
}

bool request_path_is(const struct request *request, size_t first, const char *const *segments) {
    size_t at = first;
    for (; *segments; segments++, at++)
        if (at >= request->segment_count ||
            (strcmp(*segments, "*") != 0 && strcmp(*segments, request->segments[at]) != 0))
            return false;
    return at == request->segment_count;
}

bool request_method_is(const struct request *request, const char *method) {
    return strcmp(request->method, method) == 0;
}
