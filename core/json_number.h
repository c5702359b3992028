/* Numbers as they stand in a JSON text that json_text_read() has accepted. Private to core. */
#ifndef BARKEEP_CORE_JSON_NUMBER_H
#define BARKEEP_CORE_JSON_NUMBER_H

#include "core/buf.h"

/* The same number, however many digits it has: 1, 1.0, 10e-1. Exponents of more than 17 digits
 * make numbers equal only when both are spelled alike. */
bool json_number_equal(struct slice a, struct slice b);
/* As ECMAScript writes the double that is nearest (RFC 8785 3.2.2.3). What no double holds, 1e400,
 * has no form there and keeps all its digits here: d.ddde+400. */
void json_number_write(struct slice number, struct buf *out);

#endif
