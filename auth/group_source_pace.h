/* For tests only: shortens every wait of a group source. */
#ifndef BARKEEP_AUTH_GROUP_SOURCE_PACE_H
#define BARKEEP_AUTH_GROUP_SOURCE_PACE_H

#include "auth/group_source.h"

/* How long a second of remembering, back-off and Retry-After lasts. 1000 unless set. */
void group_source_set_second_ms(struct group_source *source, uint32_t second_ms);

#endif
