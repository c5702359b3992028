/* One HTTP answer in the making. */
#ifndef BARKEEP_STANDIN_REPLY_H
#define BARKEEP_STANDIN_REPLY_H

#include <jansson.h>
#include <stdbool.h>

#define REPLY_MAX_HEADERS 24

struct reply_header {
    const char *name; /* a literal */
    char *value;
};

struct reply {
    unsigned status;
    struct reply_header headers[REPLY_MAX_HEADERS];
    size_t header_count;
    char *body;
    bool is_cut; /* the connection ends without an answer */
    int64_t delay_ms;
};

void reply_done(struct reply *reply);
void reply_header(struct reply *reply, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes `document`. Content-Type is application/json; charset=utf-8. NULL (text that was not UTF-8)
 * becomes a 400. */
void reply_json(struct reply *reply, unsigned status, json_t *document);
void reply_text(struct reply *reply, unsigned status, const char *type, const char *text);
/* A JSON string of text that a client sent: bytes that are not UTF-8 become question marks. */
json_t *json_lossy(const char *text);
/* A row without a name ends a list; one without a value is left out. */
struct reply_parameter {
    const char *name;
    const char *value;
};
/* 302 to `uri` with the parameters in its query. As Entra ID has it, a URI without a path gets one.
 */
void reply_redirect(struct reply *reply, const char *uri, const struct reply_parameter *parameters);
/* {"error": CODE, "error_description": TEXT}: what the stand-in itself has to say. */
void reply_error(struct reply *reply, unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
