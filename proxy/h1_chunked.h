/* Decodes the chunked transfer coding strictly (RFC 9112 7.1), byte ranges in, byte ranges out, no
 * copy, no allocation. Chunk extensions are bounded and dropped; trailers are read, bounded and
 * dropped. */
#ifndef BARKEEP_PROXY_H1_CHUNKED_H
#define BARKEEP_PROXY_H1_CHUNKED_H

#include <stdint.h>

#include "core/slice.h"

struct chunked_reader {
    int state;
    uint64_t chunk_left;
    uint32_t digits;
    uint32_t line_bytes;     /* of the current size line: at most 256 with its extension */
    uint64_t overhead_bytes; /* extensions and trailers in all: at most 16 KiB plus one per 16 data
                                bytes */
    uint64_t data_bytes;
};

enum chunked_outcome {
    CHUNKED_DATA, /* out_data holds body bytes; call again with the rest */
    CHUNKED_MORE, /* all input taken, the body goes on */
    CHUNKED_END,  /* the final CRLF was read; input after out_taken belongs to the next message */
    CHUNKED_MALFORMED,
};

void chunked_reader_init(struct chunked_reader *reader);
/* Takes bytes from `input`: out_taken says how many (framing included). out_data points into
 * `input`. */
enum chunked_outcome chunked_reader_next(struct chunked_reader *reader, struct slice input,
                                         size_t *out_taken, struct slice *out_data);

#endif
