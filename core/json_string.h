/* Strings as they stand in a JSON text that json_text_read() has accepted: always the bytes between
 * the quotes. Private to core. */
#ifndef BARKEEP_CORE_JSON_STRING_H
#define BARKEEP_CORE_JSON_STRING_H

#include "core/json_text.h"
#include "core/siphash.h"

/* The bytes between the quotes of the string at `value`. */
static inline struct slice json_string_inside(const struct json_text *json, uint32_t value) {
    const struct json_value *string = &json->values[value];
    return slice_of(json->text.ptr + string->begin + 1, string->end - string->begin - 2);
}

/* Takes the next piece off `rest`: bytes as they are, or one escape decoded into `room` (a pair of
 * surrogates is one). Never empty while `rest` is not. */
struct slice json_string_piece(struct slice *rest, char room[4]);
/* Takes from the start of `rest` what reads `expected`; false (`rest` is then anywhere) when it
 * reads differently or an escape reaches beyond it. */
bool json_string_take(struct slice *rest, struct slice expected);
/* Both read the same. */
bool json_string_equal(struct slice a, struct slice b);
/* Below, equal or above zero, in the order of their UTF-16 code units (RFC 8785 3.2.3). */
int json_string_compare(struct slice a, struct slice b);
/* Adds what it reads: alike however it is spelled. */
void json_string_hash(struct siphash *hash, struct slice string);

#endif
