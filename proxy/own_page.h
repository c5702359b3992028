/* What barkeep itself answers with, without an upstream. */
#ifndef BARKEEP_PROXY_OWN_PAGE_H
#define BARKEEP_PROXY_OWN_PAGE_H

#include "proxy/exchange.h"

/* Moves to PHASE_OWN_PAGE. `content_type` NULL: no body. `fields` are whole lines. Both texts must
 * outlive the exchange's phase (its arena, the snapshot). */
void own_page_begin(struct exchange *exchange, int status, const char *content_type,
                    struct slice body, struct slice fields);

#endif
