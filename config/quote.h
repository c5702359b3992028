/* Text of others in what barkeep prints: the file's inside our own messages, an audit log's or a
 * token's inside a report. Short, on one line, harmless to a terminal. */
#ifndef BARKEEP_CONFIG_QUOTE_H
#define BARKEEP_CONFIG_QUOTE_H

#include <stdio.h>

#include "core/slice.h"

/* Copies `text` with what a terminal would obey as \xNN (controls, marks of writing direction,
 * bytes that are no UTF-8), cut with "..." where it does not fit. Always NUL-terminated (size > 0).
 * What was escaped once stays as it is. Returns the length. */
size_t quote_escape(struct slice text, char *out_text, size_t size);

struct quote {
    char text[72];
};

/* `text` in backquotes, at most about 60 characters of it. Returns out_quote->text. */
const char *quote_of(struct slice text, struct quote *out_quote);

/* quote_of() in place, for printf arguments. */
#define QUOTE(slice_) quote_of((slice_), &(struct quote){{0}})

/* One field of a record, of which what fits is told. */
struct quoted_field {
    char text[256];
};

/* `text` escaped, without backquotes. Returns out_field->text. */
const char *quote_field(struct slice text, struct quoted_field *out_field);

/* Writes `text` escaped, at most about 4,000 bytes of it. */
void quote_print(FILE *out, struct slice text);

#endif
