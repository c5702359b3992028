/* http:// and https:// URLs of a configuration (RFC 3986, the strict part of it). */
#ifndef BARKEEP_CONFIG_URL_H
#define BARKEEP_CONFIG_URL_H

#include "core/slice.h"

struct url {
    bool is_https;
    struct slice host;      /* without brackets */
    uint16_t port;          /* the scheme's when none was written */
    struct slice authority; /* host[:port] as written */
    struct slice path;      /* "" or beginning with '/', without its trailing slash; not decoded */
};

/* NULL and *out_url, or what is wrong with `text`: a fixed text that repeats nothing of it, because
 * there may be a password in it. */
const char *url_parse(struct slice text, struct url *out_url);

#endif
