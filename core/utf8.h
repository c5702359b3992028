/* Strict UTF-8 (RFC 3629): shortest form, no surrogates, at most U+10FFFF. */
#ifndef BARKEEP_CORE_UTF8_H
#define BARKEEP_CORE_UTF8_H

#include "core/slice.h"

/* Length in bytes (1-4) of the code point at the start of `text`, or 0 when the bytes there are not
 * valid. out_code_point is written only on success. */
size_t utf8_decode(struct slice text, uint32_t *out_code_point);

/* Bytes (1-4) of a sequence that starts with `lead`, or 0 when no sequence starts so. */
size_t utf8_sequence_len(unsigned char lead);

#endif
