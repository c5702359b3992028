/* The encodings of JWTs, URLs and identifiers. Everything returned on the heap is the caller's. */
#ifndef BARKEEP_STANDIN_ENCODING_H
#define BARKEEP_STANDIN_ENCODING_H

#include "core/slice.h"

/* RFC 4648 5, without padding. */
char *base64url_encode(const void *bytes, size_t len);
/* RFC 4648 4, padded. */
char *base64_encode(const void *bytes, size_t len);
/* Strict: no padding, no other bytes, no stray bits. NULL otherwise. A NUL follows the bytes. */
unsigned char *base64url_decode(struct slice text, size_t *out_len);
/* Standard base64 with padding, as HTTP Basic uses it. NULL when malformed. A NUL follows. */
unsigned char *base64_decode(struct slice text, size_t *out_len);

/* NULL on a broken escape or an encoded NUL. */
char *percent_decode(struct slice text, bool plus_is_space);

/* 8-4-4-4-12 hexadecimal digits. */
bool guid_is_valid(const char *text);
#define GUID_SIZE 37
void guid_random(char out_guid[GUID_SIZE]);
/* The same text gives the same GUID. */
void guid_from_text(const char *text, char out_guid[GUID_SIZE]);
/* `digits` lower-case hexadecimal characters and a NUL. */
void hex_random(char *out_text, size_t digits);
/* Random bytes in base64url, as Entra's opaque claims look. */
char *opaque_random(size_t bytes);

#endif
