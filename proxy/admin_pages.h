/* The admin listener's pages as text. Each returns the HTTP status to answer. */
#ifndef BARKEEP_PROXY_ADMIN_PAGES_H
#define BARKEEP_PROXY_ADMIN_PAGES_H

#include "core/buf.h"

struct keeper;

unsigned admin_write_healthz(const struct keeper *keeper, struct buf *page);
/* 200 when every tenant has usable keys and every secret is there, else 503; JSON says what is
 * missing. */
unsigned admin_write_readyz(const struct keeper *keeper, struct buf *page);
unsigned admin_write_metrics(const struct keeper *keeper, struct buf *page);
unsigned admin_write_status_json(const struct keeper *keeper, struct buf *page);
unsigned admin_write_status_page(const struct keeper *keeper, struct buf *page);

#endif
