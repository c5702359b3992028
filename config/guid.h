/* GUIDs that are nearly ones. */
#ifndef BARKEEP_CONFIG_GUID_H
#define BARKEEP_CONFIG_GUID_H

#include "core/slice.h"

struct guid_advice {
    char text[160];
};

/* What to change about `text`, which is no GUID but was meant as one: a clause that begins with a
 * verb. NULL when it is nothing like a GUID. */
const char *guid_advice_of(struct slice text, struct guid_advice *out_advice);

#endif
