/* For tests only: shortens every wait of a key source. */
#ifndef BARKEEP_AUTH_KEY_SOURCE_PACE_H
#define BARKEEP_AUTH_KEY_SOURCE_PACE_H

#include "auth/key_source.h"

/* How long a second of refresh, max_stale, back-off, Retry-After and the pause between looks for an
 * unknown kid lasts. 1000 unless set. Set it before key_source_start(). */
void key_source_set_second_ms(struct key_source *source, uint32_t second_ms);

#endif
