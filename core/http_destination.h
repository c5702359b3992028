/* Private to http_client.c: whether a call may go where its URL says. */
#ifndef BARKEEP_CORE_HTTP_DESTINATION_H
#define BARKEEP_CORE_HTTP_DESTINATION_H

#include "core/http_client.h"

/* Judges the URL as libcurl's own parser reads it. STATUS_INVALID, _NO_MEMORY; out_host is the
 * caller's to free(). */
enum status http_destination_check(const struct http_client_request *request, char **out_host,
                                   struct error *err);

#endif
