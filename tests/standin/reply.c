/* One HTTP answer in the making. */
#include "reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/http_client.h"
#include "must.h"

#define REDIRECT_BYTES_MAX 16384

void reply_done(struct reply *reply) {
    for (size_t i = 0; i < reply->header_count; i++)
        free(reply->headers[i].value);
    free(reply->body);
    *reply = (struct reply){0};
}

void reply_header(struct reply *reply, const char *name, const char *format, ...) {
    assert(reply->header_count < REPLY_MAX_HEADERS);
    va_list args;
    va_start(args, format);
    char *value = must_vprintf(format, args);
    va_end(args);
    reply->headers[reply->header_count++] = (struct reply_header){name, value};
}

void reply_text(struct reply *reply, unsigned status, const char *type, const char *text) {
    reply->status = status;
    reply_header(reply, "Content-Type", "%s", type);
    free(reply->body);
    reply->body = must_strdup(text);
}

json_t *json_lossy(const char *text) {
    json_t *string = json_string(text);
    if (string)
        return string;
    char *plain = must_strdup(text);
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = must(json_string(plain));
    free(plain);
    return string;
}

void reply_json(struct reply *reply, unsigned status, json_t *document) {
    if (!document) {
        reply_error(reply, 400, "bad_request", "the request is not UTF-8");
        return;
    }
    char *text = must(json_dumps(document, JSON_COMPACT));
    reply_text(reply, status, "application/json; charset=utf-8", text);
    free(text);
    json_decref(document);
}

void reply_error(struct reply *reply, unsigned status, const char *code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = must_vprintf(format, args);
    va_end(args);
    reply_json(reply, status,
               must(json_pack("{s:s, s:o}", "error", code, "error_description", json_lossy(text))));
    free(text);
}

static void begin_target(struct buf *target, const char *uri) {
    const char *host = strstr(uri, "://");
    buf_append_str(target, uri);
    if (host && !strpbrk(host + 3, "/?"))
        buf_append_char(target, '/');
}

void reply_redirect(struct reply *reply, const char *uri,
                    const struct reply_parameter *parameters) {
    struct buf target;
    char separator = strchr(uri, '?') ? '&' : '?';
    buf_init(&target, REDIRECT_BYTES_MAX);
    begin_target(&target, uri);
    for (; parameters->name; parameters++) {
        if (!parameters->value)
            continue;
        buf_append_char(&target, separator);
        buf_append_str(&target, parameters->name);
        buf_append_char(&target, '=');
        http_form_encode(&target, slice_of_str(parameters->value));
        separator = '&';
    }
    buf_append_char(&target, '\0');
    if (buf_ok(&target)) {
        reply_header(reply, "Cache-Control", "no-store, no-cache");
        reply_header(reply, "Location", "%s", target.ptr);
        reply_text(reply, 302, "text/html; charset=utf-8", "");
    } else {
        reply_error(reply, 400, "bad_request", "the redirect would be too long");
    }
    buf_done(&target);
}
