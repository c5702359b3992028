/* Times as people write them (RFC 3339), to seconds since 1970. */
#ifndef BARKEEP_AUTH_RFC3339_H
#define BARKEEP_AUTH_RFC3339_H

#include "core/slice.h"

/* All of `text`: date, T, time, optional fraction, and Z or an offset. A fraction counts as the
 * next full second. False when it is no such time. */
bool rfc3339_parse(struct slice text, int64_t *out_sec);

#endif
