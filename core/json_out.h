/* Writes JSON text into a buffer: escapes, commas, nothing else. Reading JSON is jansson's work. */
#ifndef BARKEEP_CORE_JSON_OUT_H
#define BARKEEP_CORE_JSON_OUT_H

#include "core/buf.h"

/* Longest string value written; the rest is replaced by a U+2026 mark. */
#define JSON_OUT_MAX_STRING 4096

struct json_out {
    struct buf *buf;
    bool need_comma;
};

void json_out_init(struct json_out *out, struct buf *buf);
/* `key` is NULL inside arrays and at the top. Keys are literals of ours and are not escaped. */
void json_out_object_begin(struct json_out *out, const char *key);
void json_out_object_end(struct json_out *out);
void json_out_array_begin(struct json_out *out, const char *key);
void json_out_array_end(struct json_out *out);
/* Controls, quotes, backslash and DEL are escaped; bytes that are not valid UTF-8 become U+FFFD. */
void json_out_str(struct json_out *out, const char *key, struct slice value);
/* One string by itself, for what is written around it by hand. */
void json_out_string(struct buf *out, struct slice text);
void json_out_cstr(struct json_out *out, const char *key, const char *value); /* NULL writes null */
void json_out_u64(struct json_out *out, const char *key, uint64_t value);
void json_out_i64(struct json_out *out, const char *key, int64_t value);
/* Three decimals, from an integer number of thousandths: locale never matters. */
void json_out_milli(struct json_out *out, const char *key, uint64_t thousandths);
void json_out_bool(struct json_out *out, const char *key, bool value);
void json_out_null(struct json_out *out, const char *key);

#endif
