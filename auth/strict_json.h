/* How this room reads JSON that comes from outside: bounded, whole, without duplicate members. The
 * parsing itself is jansson's. */
#ifndef BARKEEP_AUTH_STRICT_JSON_H
#define BARKEEP_AUTH_STRICT_JSON_H

#include "core/slice.h"
#include "core/status.h"

struct json_t; /* jansson's value */

/* Deeper nesting is refused before the parser sees it; Entra's documents need four levels. */
#define STRICT_JSON_MAX_DEPTH 16

enum strict_json_nul {
    STRICT_JSON_REFUSE_NUL, /* "\u0000" in a string makes the document malformed */
    STRICT_JSON_ALLOW_NUL,  /* strings may hold it: the reader compares by length */
};

/* One JSON object and nothing after it, duplicate members refused (also when spelled with escapes),
 * valid UTF-8. STATUS_INVALID or STATUS_NO_MEMORY otherwise. The caller gives the document back
 * with strict_json_free(). */
enum status strict_json_parse(struct slice text, enum strict_json_nul nul,
                              struct json_t **out_document);
/* The same for a base64url segment of a token. */
enum status strict_json_parse_segment(struct slice base64url, enum strict_json_nul nul,
                                      struct json_t **out_document);
void strict_json_free(struct json_t *document); /* NULL is fine */

/* The member's text, borrowed from the document; ptr is NULL when it is absent or not a string. */
struct slice strict_json_text(const struct json_t *object, const char *member);

#endif
