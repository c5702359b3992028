/* Text of the file inside our own messages: short, on one line, harmless to a terminal. */
#ifndef BARKEEP_CONFIG_QUOTE_H
#define BARKEEP_CONFIG_QUOTE_H

#include "core/slice.h"

/* Copies `text` with control characters as \xNN, cut with "..." where it does not fit. Always
 * NUL-terminated (size > 0). Returns the length. */
size_t quote_escape(struct slice text, char *out_text, size_t size);

struct quote {
    char text[72];
};

/* `text` in backquotes, at most about 60 characters of it. Returns out_quote->text. */
const char *quote_of(struct slice text, struct quote *out_quote);

/* quote_of() in place, for printf arguments. */
#define QUOTE(slice_) quote_of((slice_), &(struct quote){{0}})

#endif
