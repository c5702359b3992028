/* The headers by which App Service tells an application who calls ("Easy Auth"). */
#ifndef BARKEEP_AUTH_EASYAUTH_H
#define BARKEEP_AUTH_EASYAUTH_H

#include "auth/caller_view.h"
#include "core/buf.h"

/* Appends X-MS-CLIENT-PRINCIPAL-ID (the oid), -NAME, -IDP (aad) and X-MS-CLIENT-PRINCIPAL (base64
 * of JSON), each line complete with its CRLF. The name is what people know the caller by, else an
 * application's client id or a user's oid; in it everything but visible ASCII, and `%` itself, is
 * percent-encoded. STATUS_LIMIT when a header would be longer than CALLER_VIEW_MAX_HEADER_BYTES:
 * nothing is ever left out to make it fit. */
enum status easyauth_append(struct buf *out, const struct caller_view *view);

#endif
