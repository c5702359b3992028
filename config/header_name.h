/* Names of header fields, as far as the configuration may choose them. */
#ifndef BARKEEP_CONFIG_HEADER_NAME_H
#define BARKEEP_CONFIG_HEADER_NAME_H

#include "core/slice.h"

/* 1 to 256 letters, digits and `-`: what every reader of headers understands alike. */
bool header_name_is_valid(struct slice name);

/* Framing, hop-by-hop (RFC 9110 7.6.1), routing, and what barkeep states itself. */
bool header_name_is_reserved(struct slice name);

#endif
